//! The bridge: a channel whose platform is spoken by a program of the household's own, a connector, at a socket that only this user may
//! reach. JSON, one object a line, UTF-8, at most [`LINE_MAX`] bytes.
//!
//! ```text
//! connector                                    house
//! {"hello":{"version":1,"at":…}}          ─▶
//!                                         ◀─   {"welcome":{"version":1,"channel":"signal"}}
//! {"presence":{"room":…,"event":…,"at":…}} … ─▶                                  who is in each room
//! {"ready":{}}                            ─▶                                     from here on it takes what is sent
//! {"message":{"id":…,"from":{"id":…},"room":null,"text":…,"written":…}} ─▶
//!                                         ◀─   {"taken":{"id":…}} or {"again":{"id":…,"error":…}}
//!                                         ◀─   {"send":{"delivery":…,"to":…,"room":null,"text":…,"answers":[]}}
//! {"sent":{"delivery":…}}                 ─▶   or {"failed":{…}} or {"unknown":{…}}
//! ```
//!
//! A message that was not answered with `taken` is to be told again, under the same id. What is sent again has the same `delivery`: a
//! connector that has sent it says `sent` and does not send it twice. One connector at a time.
//!
//! `written` is when the message was written, and `at` when somebody came or went, or the time at which the connector greets or lists who is
//! there: by the platform's clock and never by a sender's, as `2026-05-01T06:00:00Z`. A message told later is the same, with the same `written`: whoever came to the
//! room in between is not among those to whom it was said. A connector that names one of these times names all of them, by one clock; they are
//! compared with each other and never with the house's. Seconds will do. A line without a time has that at which the house hears it: then
//! whoever is there when a message is told counts as having been there when it was written. A time that is yet to come is not corrected: so
//! written, a message was said to whoever is there, and somebody who came so is among no message's readers before the next greeting.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use hearth_adapters::system::SystemClock;
use hearth_domain::channel::{Heard, Incoming, Post, Posted, Receipt, To, Transport, TransportFuture};
use hearth_domain::household::identity::Platform;
use hearth_domain::ids::AnswerId;
use hearth_domain::time::{Clock as _, Timestamp};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

use crate::{places, socket};
use lines::{ConnectorLine, HouseLine, LINE_MAX, VERSION, read, written};

pub mod lines;

/// Lines that wait for the connector, and things that it told and that wait for the house.
const QUEUE: usize = 256;
/// How long a connector may take to greet.
const GREETING: Duration = Duration::from_secs(10);

/// A bridge: the transport of one channel.
#[derive(Clone)]
pub struct Bridge(Arc<Shared>);

struct Shared {
    name: String,
    heard: mpsc::Sender<(u64, Heard)>,
    inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<(u64, Heard)>>>,
    desk: Mutex<Desk>,
}

/// Who is connected.
#[derive(Default)]
struct Desk {
    /// Connections so far; they are numbered.
    count: u64,
    live: Option<Live>,
    /// When something was heard last that named no time.
    heard: Timestamp,
}

/// A connection.
struct Live {
    number: u64,
    out: mpsc::Sender<HouseLine>,
    /// What was sent and not answered.
    posts: BTreeMap<AnswerId, oneshot::Sender<Posted>>,
    /// Its end is the connection's.
    _cut: oneshot::Sender<()>,
}

/// What the connection itself has of it.
struct Seat {
    number: u64,
    lines: mpsc::Receiver<HouseLine>,
    cut: oneshot::Receiver<()>,
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Bridge {
    /// The bridge of that name, with nobody connected.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let (heard, inbox) = mpsc::channel(QUEUE);
        let inbox = Arc::new(tokio::sync::Mutex::new(inbox));
        Self(Arc::new(Shared { name: name.to_owned(), heard, inbox, desk: Mutex::default() }))
    }

    /// Serves connectors at the socket of this data folder until it is dropped.
    pub fn listen(&self, data: &Path) -> anyhow::Result<tokio::task::JoinHandle<()>> {
        let path = places::channel_for(data, &self.0.name);
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            places::make_folder(folder).with_context(|| format!("the folder of the channel {}", self.0.name))?;
        }
        let listener = socket::bind(&path)?;
        Ok(actix_rt::spawn(serve(listener, self.clone())))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connector in, unless there is one.
    fn seat(&self) -> Option<Seat> {
        let mut desk = self.desk();
        if desk.live.is_some() {
            return None;
        }
        let ((out, lines), (end, cut)) = (mpsc::channel(QUEUE), oneshot::channel());
        desk.count = desk.count.saturating_add(1);
        let number = desk.count;
        desk.live = Some(Live { number, out, posts: BTreeMap::new(), _cut: end });
        Some(Seat { number, lines, cut })
    }

    fn leave(&self, number: u64) {
        let mut desk = self.desk();
        drop(desk.live.take_if(|live| live.number == number));
    }

    /// Says something to whoever is connected; what does not fit is lost.
    fn line(&self, line: HouseLine) {
        if let Some(live) = &self.desk().live {
            drop(live.out.try_send(line));
        }
    }

    /// The time that a line names, or else that of hearing it. A clock that is set back does not set that back: nobody would have come yet.
    fn time(&self, named: Option<Timestamp>) -> Timestamp {
        named.unwrap_or_else(|| {
            let mut desk = self.desk();
            desk.heard = desk.heard.max(SystemClock.wall());
            desk.heard
        })
    }

    fn posted(&self, delivery: &str, posted: Posted) -> Result<(), String> {
        let id: AnswerId = delivery.parse().map_err(|_| "this is no delivery; name it as it was sent".to_owned())?;
        if let Some(asker) = self.desk().live.as_mut().and_then(|live| live.posts.remove(&id)) {
            // The asker may have given up.
            let _ = asker.send(posted);
        }
        Ok(())
    }

    /// Does what a line says; a sentence when it cannot.
    async fn take(&self, number: u64, line: ConnectorLine) -> Result<(), String> {
        let heard = match line {
            ConnectorLine::Hello { .. } => return Ok(()),
            ConnectorLine::Sent { delivery } => return self.posted(&delivery, Posted::Sent),
            ConnectorLine::Unknown { delivery } => return self.posted(&delivery, Posted::Unknown),
            ConnectorLine::Failed { delivery, again, error } => {
                let error: String = error.chars().filter(|letter| !letter.is_control()).take(200).collect();
                tracing::warn!(channel = self.0.name, error, again, "a connector could not say something");
                return self.posted(&delivery, if again { Posted::NotNow } else { Posted::Refused });
            }
            ConnectorLine::Ready {} => Heard::Ready,
            ConnectorLine::Presence { room, event, at } => Heard::Presence { room, event, at: self.time(at) },
            ConnectorLine::Message { id, from, room, text, written } => {
                let written = self.time(written);
                Heard::Message(Incoming { id, from: from.id, room: room.map(|room| room.id), text, written })
            }
        };
        self.tell(number, heard).await;
        Ok(())
    }

    /// Waits while the house has much to do.
    async fn tell(&self, number: u64, heard: Heard) {
        // It ends with the program.
        drop(self.0.heard.send((number, heard)).await);
    }
}

impl Transport for Bridge {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn platform(&self) -> Platform {
        Platform::Bridge
    }

    fn begin(&self) {
        drop(self.desk().live.take());
    }

    fn next(&self) -> TransportFuture<Heard> {
        let bridge = self.clone();
        async move {
            let mut inbox = bridge.0.inbox.lock().await;
            loop {
                let Some((number, heard)) = inbox.recv().await else {
                    return std::future::pending().await;
                };
                // Of a connection that is over, its end alone is news; that of an earlier one is none.
                let desk = bridge.desk();
                let is_live = desk.live.as_ref().is_some_and(|live| live.number == number);
                if is_live || (heard == Heard::Gone && desk.live.is_none()) {
                    return heard;
                }
            }
        }
        .boxed()
    }

    fn receipt(&self, id: &str, receipt: Receipt) {
        let id = id.to_owned();
        self.line(match receipt {
            Receipt::Taken => HouseLine::Taken { id },
            Receipt::Again(error) => HouseLine::Again { id, error },
        });
    }

    fn post(&self, post: Post) -> TransportFuture<Posted> {
        let (to, room) = match post.to {
            To::Account(account) => (Some(account), None),
            To::Room(room) => (None, Some(room)),
        };
        let line = HouseLine::Send { delivery: post.delivery.to_string(), to, room, text: post.text, answers: post.answers };
        let (asker, answer) = oneshot::channel();
        match &mut self.desk().live {
            None => return std::future::ready(Posted::Away).boxed(),
            Some(live) => {
                if live.out.try_send(line).is_err() {
                    return std::future::ready(Posted::NotNow).boxed();
                }
                live.posts.insert(post.delivery, asker);
            }
        }
        // Dropped with the connection.
        answer.map(|posted| posted.unwrap_or(Posted::Away)).boxed()
    }
}

async fn serve(listener: UnixListener, bridge: Bridge) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let bridge = bridge.clone();
                actix_rt::spawn(async move {
                    if let Err(error) = connector(stream, &bridge).await {
                        tracing::debug!(%error, channel = bridge.0.name, "a connector has gone");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, channel = bridge.0.name, "no connector is taken just now");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

type Lines = Framed<UnixStream, LinesCodec>;

async fn connector(stream: UnixStream, bridge: &Bridge) -> anyhow::Result<()> {
    if !socket::is_ours(&stream) {
        tracing::warn!(channel = bridge.0.name, "a process of another user was refused at the socket of a channel");
        return Ok(());
    }
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LINE_MAX));
    let first = tokio::time::timeout(GREETING, lines.next()).await.context("no greeting")?.context("gone")??;
    let mut greeted = None;
    let refusal = match read(&first) {
        Ok(ConnectorLine::Hello { version: VERSION, at }) => {
            greeted = at;
            None
        }
        Ok(ConnectorLine::Hello { version, .. }) => Some(format!("this connector speaks version {version}, the house version {VERSION}")),
        Ok(_) => Some("say hello first".to_owned()),
        Err(error) => Some(error),
    };
    if let Some(error) = refusal {
        return Ok(lines.send(written(&HouseLine::Error { error })?).await?);
    }
    let Some(mut seat) = bridge.seat() else {
        let error = "another connector is connected to this channel; end it first".to_owned();
        return Ok(lines.send(written(&HouseLine::Error { error })?).await?);
    };
    let number = seat.number;
    let ended = connected(&mut lines, &mut seat, bridge, greeted).await;
    bridge.leave(number);
    bridge.tell(number, Heard::Gone).await;
    ended
}

/// Until the connector is gone, or is cut off.
async fn connected(lines: &mut Lines, seat: &mut Seat, bridge: &Bridge, greeted: Option<Timestamp>) -> anyhow::Result<()> {
    lines.send(written(&HouseLine::Welcome { version: VERSION, channel: bridge.0.name.clone() })?).await?;
    let number = seat.number;
    let (mut sink, mut stream) = lines.split();
    let (errors, mut wrong) = mpsc::channel::<String>(1);
    let reading = async move {
        bridge.tell(number, Heard::Came { at: bridge.time(greeted) }).await;
        while let Some(line) = stream.next().await {
            let done = match line {
                Ok(line) => match read(&line) {
                    Ok(line) => bridge.take(number, line).await,
                    Err(error) => Err(error),
                },
                Err(LinesCodecError::MaxLineLengthExceeded) => {
                    return Some(format!("a line has more than {LINE_MAX} bytes; the connection ends with it"));
                }
                Err(LinesCodecError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                    Err("this line is not UTF-8 text; send JSON in UTF-8".to_owned())
                }
                Err(LinesCodecError::Io(_)) => return None,
            };
            if let Err(error) = done {
                drop(errors.try_send(error));
            }
        }
        None
    };
    let writing = async {
        loop {
            let line = tokio::select! {
                biased;
                Some(error) = wrong.recv() => HouseLine::Error { error },
                line = seat.lines.recv() => match line {
                    Some(line) => line,
                    None => return,
                },
            };
            let Ok(text) = written(&line) else { continue };
            if sink.send(text).await.is_err() {
                return;
            }
        }
    };
    let last = tokio::select! {
        biased;
        _ = &mut seat.cut => None,
        last = reading => last,
        () = writing => None,
    };
    if let Some(error) = last {
        // Lost when the connector does not read.
        drop(tokio::time::timeout(GREETING, sink.send(written(&HouseLine::Error { error })?)).await);
    }
    Ok(())
}
