//! The house's end of the local socket. Speaks [`crate::wire`]; whom it serves is checked by the peer's credentials.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::BytesMut;
use futures_util::future::Either;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hearth_actors::audit::Verified;
use hearth_actors::local::{Event, Halt, QUEUE, Subscribe, Subscribed, Tell, Unsubscribe};
use hearth_domain::conversation::SayError;
use hearth_domain::error::{Class, Classified as _};
use hearth_domain::journal::check::Attested;
use hearth_domain::vault::VaultError;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::served::Served;
use crate::toolbox::Toolbox;
use crate::wire::tools::{ToolAnswer, ToolAsk};
use crate::wire::{self, ClientFrame, HouseFrame, Said, Vouched};

/// How long a client may take to greet.
const GREETING: Duration = Duration::from_secs(10);
/// How long the house may take to answer one frame.
const ANSWER: Duration = Duration::from_secs(40);

type Frames = Framed<UnixStream, LengthDelimitedCodec>;

/// Binds the socket; only this user may reach it. A socket that a dead house left behind is replaced: the data folder's own lock says
/// that no house lives.
pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("the old socket {} cannot be removed", path.display())),
    }
    let listener = UnixListener::bind(path).with_context(|| format!("the socket {} cannot be made", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).context("the socket's mode cannot be set")?;
    Ok(listener)
}

/// Serves clients until the listener is dropped.
pub async fn serve(listener: UnixListener, served: Arc<Served>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = Arc::clone(&served);
                actix_rt::spawn(async move {
                    if let Err(error) = client(stream, served).await {
                        tracing::debug!(%error, "a client of the local socket has gone");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the local socket takes no client just now");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether the process at the other end runs as the house's own user, or as root.
pub fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::getuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn client(stream: UnixStream, served: Arc<Served>) -> anyhow::Result<()> {
    if !is_ours(&stream) {
        tracing::warn!("a process of another user was refused at the local socket");
        return Ok(());
    }
    let mut frames = Framed::new(stream, wire::codec());
    if !greet(&mut frames).await? {
        return Ok(());
    }
    let (mut sink, stream) = frames.split();
    let (out, lines) = mpsc::channel(QUEUE);
    let mut session = Session { served, out, open: None, package: Vec::new(), tools: Vec::new() };
    let ended = {
        let (reading, writing) = (std::pin::pin!(session.read_all(stream)), std::pin::pin!(write_all(&mut sink, lines)));
        // Whichever ends first ends the other: a client that is gone, or one that does not read.
        match futures_util::future::select(reading, writing).await {
            Either::Left((ended, _)) => ended,
            Either::Right(((), _)) => Ended::Gone,
        }
    };
    session.close();
    if ended == Ended::TooBig {
        // Lost when the client does not read.
        drop(tokio::time::timeout(GREETING, sink.send(wire::encode(&too_big())?)).await);
    }
    Ok(())
}

async fn greet(frames: &mut Frames) -> anyhow::Result<bool> {
    let first = tokio::time::timeout(GREETING, frames.next()).await.context("no greeting")?.context("gone")??;
    let answer = match wire::decode(&first) {
        Ok(ClientFrame::Hello { version: wire::VERSION }) => {
            HouseFrame::Welcome { version: wire::VERSION, house: env!("CARGO_PKG_VERSION").to_owned() }
        }
        Ok(ClientFrame::Hello { version }) => HouseFrame::Error {
            error: format!("this client speaks version {version}, the house version {}; use the same release for both", wire::VERSION),
        },
        Ok(_) => HouseFrame::Error { error: "say hello first".to_owned() },
        Err(error) => HouseFrame::Error { error },
    };
    let welcome = matches!(answer, HouseFrame::Welcome { .. });
    frames.send(wire::encode(&answer)?).await?;
    Ok(welcome)
}

async fn write_all(sink: &mut SplitSink<Frames, bytes::Bytes>, mut lines: mpsc::Receiver<HouseFrame>) {
    while let Some(frame) = lines.recv().await {
        let Ok(bytes) = wire::encode(&frame) else {
            continue;
        };
        if sink.send(bytes).await.is_err() {
            return;
        }
    }
}

/// How a client's frames ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It is gone.
    Gone,
    /// One of them is longer than a frame may be.
    TooBig,
}

fn too_big() -> HouseFrame {
    let error = format!(
        "a frame is larger than the {} bytes that fit; send smaller pictures, or the text in parts. The connection ends with it",
        wire::FRAME_MAX
    );
    HouseFrame::Error { error }
}

/// One client.
struct Session {
    served: Arc<Served>,
    out: mpsc::Sender<HouseFrame>,
    open: Option<Open>,
    /// A package that comes in pieces.
    package: Vec<u8>,
    /// What the toolbox was asked.
    tools: Vec<tokio::task::JoinHandle<()>>,
}

/// The conversation that the client has open.
struct Open {
    subscribed: Subscribed,
    thread: String,
    forwarding: tokio::task::JoinHandle<()>,
}

impl Session {
    async fn read_all(&mut self, mut stream: SplitStream<Frames>) -> Ended {
        loop {
            match stream.next().await {
                Some(Ok(bytes)) => {
                    if self.frame(&bytes).await.is_none() {
                        return Ended::Gone;
                    }
                }
                Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => return Ended::TooBig,
                Some(Err(_)) | None => return Ended::Gone,
            }
        }
    }

    /// Serves a frame; `None` when the client is gone.
    async fn frame(&mut self, bytes: &BytesMut) -> Option<()> {
        let frame = match wire::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.send(HouseFrame::Error { error }).await,
        };
        match frame {
            ClientFrame::Hello { .. } => Some(()),
            ClientFrame::Open { member, thread, cursor } => self.open(member, thread, cursor).await,
            ClientFrame::Say { nonce, text, images } => self.say(nonce, text, images),
            ClientFrame::Stop => self.stop().await,
            ClientFrame::Seen { upto } => {
                if let Some(open) = &self.open {
                    self.served.seen(&open.subscribed, upto);
                }
                Some(())
            }
            ClientFrame::SeenOnly { seq } => {
                if let Some(open) = &self.open {
                    self.served.seen_only(&open.subscribed, seq).await;
                }
                Some(())
            }
            ClientFrame::Ping => self.send(HouseFrame::Pong).await,
            ClientFrame::Tree => {
                let tree = serde_json::to_value(self.served.tree.snapshot()).unwrap_or_default();
                self.send(HouseFrame::Tree { tree, stopped: self.served.stopped().await }).await
            }
            ClientFrame::Status => {
                let status = self.served.status().await;
                self.send(HouseFrame::Status { status }).await
            }
            ClientFrame::Verify => {
                let verified = self.served.verify().await;
                self.send(framed(verified, |Verified { head, attested }| HouseFrame::Verified {
                    entries: head.seq,
                    head: head.digest.to_string(),
                    attested: vouched(attested),
                }))
                .await
            }
            ClientFrame::Tool { ask: ToolAsk::Piece { base64 }, .. } => {
                let answer = Toolbox::take(&mut self.package, &base64);
                self.send(tool_answer(answer)).await
            }
            ClientFrame::Tool { member, ask } => {
                self.tool(member, ask);
                Some(())
            }
            ClientFrame::Policy { member, ask } => {
                let answer = self.served.policy(member, ask).await;
                self.send(framed(answer, |answer| HouseFrame::Policy { answer })).await
            }
            ClientFrame::Audit { member, ask } => {
                let answer = self.served.audit(member, ask).await;
                self.send(framed(answer, |answer| HouseFrame::Audit { answer })).await
            }
            ClientFrame::Household { member, ask } => {
                let answer = self.served.household(member, ask).await;
                self.send(framed(answer, |answer| HouseFrame::Household { answer })).await
            }
            ClientFrame::Session { member, ask } => {
                let answer = self.served.sessions(member, ask).await;
                self.send(framed(answer, |answer| HouseFrame::Session { answer })).await
            }
            ClientFrame::Login { member, device } => {
                let link = self.served.login(member, device).await;
                self.send(framed(link, |link| HouseFrame::Login { link })).await
            }
        }
    }

    async fn send(&self, frame: HouseFrame) -> Option<()> {
        self.out.send(frame).await.ok()
    }

    async fn open(&mut self, member: Option<String>, thread: String, cursor: Option<u64>) -> Option<()> {
        self.close();
        let (events, inbox) = mpsc::channel(QUEUE);
        let asked = Subscribe { identity: member, thread: thread.clone(), cursor, events };
        match self.served.doors.subscribe.ask(asked, ANSWER).await {
            Ok(Ok(subscribed)) => {
                let member = subscribed.member.name.clone();
                self.send(HouseFrame::Opened { member }).await?;
                let forwarding = actix_rt::spawn(forward(inbox, self.out.clone()));
                self.open = Some(Open { subscribed, thread, forwarding });
                Some(())
            }
            Ok(Err(error)) => self.send(HouseFrame::Error { error: error.to_string() }).await,
            Err(_) => self.send(HouseFrame::Error { error: "the house is busy or restarting; try again in a moment".to_owned() }).await,
        }
    }

    /// Hands a message over. Its answer comes when it is durable; the client may go on meanwhile.
    fn say(&self, nonce: String, text: String, images: Vec<hearth_domain::message::Part>) -> Option<()> {
        let out = self.out.clone();
        let told = self.open.as_ref().map(|open| {
            let identity = Some(open.subscribed.member.name.clone());
            let tell = Tell { identity, thread: open.thread.clone(), nonce: nonce.clone(), text, images };
            self.served.doors.tell.ask(tell, ANSWER)
        });
        actix_rt::spawn(async move {
            let answer = match told {
                None => HouseFrame::Refused { nonce, error: "open a conversation first".to_owned(), again: false },
                Some(told) => match told.await.unwrap_or(Err(SayError::Unavailable)) {
                    Ok(accepted) => HouseFrame::Accepted {
                        nonce,
                        message: accepted.message,
                        turn: accepted.turn,
                        answer: accepted.answer,
                        seq: accepted.seq,
                    },
                    Err(error) => HouseFrame::Refused { nonce, again: error.class() == Class::Transient, error: error.to_string() },
                },
            };
            drop(out.send(answer).await);
        });
        Some(())
    }

    /// Beside the reading of frames, so that a client that goes away ends it.
    fn tool(&mut self, member: Option<String>, ask: ToolAsk) {
        let (out, toolbox) = (self.out.clone(), self.served.toolbox());
        let package =
            if matches!(ask, ToolAsk::Install { .. } | ToolAsk::Update { .. }) { std::mem::take(&mut self.package) } else { Vec::new() };
        self.tools.retain(|work| !work.is_finished());
        self.tools.push(actix_rt::spawn(async move {
            drop(out.send(tool_answer(toolbox.serve(member, ask, package).await)).await);
        }));
    }

    async fn stop(&self) -> Option<()> {
        let ran = match &self.open {
            None => false,
            Some(open) => {
                let halt = Halt { identity: Some(open.subscribed.member.name.clone()), thread: open.thread.clone() };
                self.served.doors.halt.ask(halt, ANSWER).await.unwrap_or(false)
            }
        };
        self.send(HouseFrame::Stopped { ran }).await
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.forwarding.abort();
            drop(self.served.doors.unsubscribe.offer(Unsubscribe(open.subscribed.client)));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tools.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn vouched(attested: Result<Option<Attested>, VaultError>) -> Vouched {
    match attested {
        Ok(Some(Attested { head, at })) => Vouched::Upto { entry: head.seq, at: at.to_string() },
        Ok(None) => Vouched::Never,
        Err(error) => Vouched::Unknown { why: error.to_string() },
    }
}

fn tool_answer(answer: Result<ToolAnswer, String>) -> HouseFrame {
    framed(answer, |answer| HouseFrame::Tool { answer })
}

/// An answer, or why there is none.
fn framed<T>(answer: Result<T, String>, frame: impl FnOnce(T) -> HouseFrame) -> HouseFrame {
    answer.map_or_else(|error| HouseFrame::Error { error }, frame)
}

/// What the channel says, as frames. When the channel ends the stream, the client is told to open it again.
async fn forward(mut inbox: mpsc::Receiver<Event>, out: mpsc::Sender<HouseFrame>) {
    while let Some(event) = inbox.recv().await {
        let frame = match event {
            Event::Message(message) => HouseFrame::Message(Said::from(&*message)),
            Event::Delta { turn, text } => HouseFrame::Delta { turn, text: text.to_string() },
            Event::Reset { turn } => HouseFrame::Reset { turn },
            Event::CaughtUp => HouseFrame::CaughtUp,
        };
        if out.send(frame).await.is_err() {
            return;
        }
    }
    drop(out.send(HouseFrame::Gone).await);
}
