//! The stream of what is said, as server-sent events.
//!
//! ```text
//! hello ──▶ message* (id = its place) ──▶ caught-up ──▶ message | delta | reset | (still here)
//! ```
//!
//! A browser that comes again sends the last id that it got and gets each later message once. The channel hands over what the house
//! says; what members say elsewhere is read from the store, so that places come without gaps and in order. A stream ends when its
//! session ends, whoever ended it and wherever, when its actor restarts, or when the server stops; all but the first come again by themselves.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::FutureExt as _;
use hearth_actors::local::{ClientId, Event, QUEUE, Unsubscribe};
use hearth_domain::ids::TurnId;
use hearth_domain::message::{Author, Message};
use hearth_domain::time::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};

use crate::chat;
use crate::face::Face;
use crate::live::Nudge;
use crate::markdown::visible;
use crate::principal::Principal;
use crate::problem::{Problem, Refusal};
use crate::view;

/// Time between two signs of life, at each of which the session is looked up again.
const PULSE: Duration = Duration::from_secs(15);
/// Messages of a gap that are read at once.
const GAP: usize = 200;

/// Where a stream begins, when the browser has not had one before.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Since {
    after: Option<u64>,
}

/// `GET /events`
pub(crate) async fn stream(
    who: Principal,
    request: HttpRequest,
    since: Result<Query<Since>, actix_web::Error>,
    face: Data<Face>,
) -> Result<HttpResponse, Problem> {
    let refuse = |refusal| Problem::new(&request, refusal);
    if !face.live.has_room(who.member().id) {
        return Err(refuse(Refusal::TooMany));
    }
    let cursor = last_id(&request).or(since.map(|Query(since)| since.after).unwrap_or_default()).unwrap_or(0);
    let (sender, events) = mpsc::channel(QUEUE);
    let asked = chat::subscribe(&face, &who, Some(cursor), sender).await;
    let subscribed = asked.map_err(|_| refuse(Refusal::Busy))?.map_err(|_| refuse(Refusal::Busy))?;
    let nudges = face.live.enter(subscribed.client, who.member().id, who.session().id);
    let seat = Seat { face: face.clone(), client: subscribed.client };
    face.metrics.stream(1);
    if subscribed.member.id != who.member().id || subscribed.conversation != chat::conversation(&who) {
        // Fails closed: the channel took somebody else for this member.
        return Err(refuse(Refusal::NotLoggedIn));
    }
    let feed = Feed::new(who, seat, events, nudges, cursor);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(futures_util::stream::unfold(feed, Feed::next)))
}

fn last_id(request: &HttpRequest) -> Option<u64> {
    request.headers().get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// A place among the channel's clients, given up when it is dropped.
struct Seat {
    face: Data<Face>,
    client: ClientId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.face.live.leave(self.client);
        self.face.metrics.stream(-1);
        // A channel that does not take it notices by itself that the client is gone.
        drop(self.face.doors.unsubscribe.offer(Unsubscribe(self.client)));
    }
}

/// One stream.
struct Feed {
    who: Principal,
    zone: TimeZone,
    seat: Seat,
    events: mpsc::Receiver<Event>,
    nudges: mpsc::Receiver<Nudge>,
    /// Changes when sessions may have ended.
    ended_sessions: watch::Receiver<u64>,
    pulse: Interval,
    /// The last message that was sent.
    last: u64,
    /// The turn whose answer is being shown while it is written.
    previewed: Option<TurnId>,
    ready: VecDeque<String>,
    ended: bool,
}

/// What happens next.
enum Turn {
    Event(Event),
    Nudge,
    /// Perhaps its session has ended.
    Look,
    Pulse,
    End,
}

impl Feed {
    fn new(who: Principal, seat: Seat, events: mpsc::Receiver<Event>, nudges: mpsc::Receiver<Nudge>, last: u64) -> Self {
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.reset();
        let hello = format!("retry: 2000\n{}", line("hello", &json!({ "client": seat.client })));
        let (zone, ready) = (who.member().time_zone(), VecDeque::from([hello]));
        let mut ended_sessions = seat.face.doors.sessions.clone();
        // It may have ended since it was proved.
        ended_sessions.mark_changed();
        Self { who, zone, seat, events, nudges, ended_sessions, pulse, last, previewed: None, ready, ended: false }
    }

    /// The next piece of the stream.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some((Ok(Bytes::from(piece)), self));
            }
            if self.ended {
                return None;
            }
            match self.wait().await {
                Turn::Event(event) => self.on_event(event).await,
                Turn::Nudge => self.fill(u64::MAX).await,
                Turn::Look => self.on_look().await,
                Turn::Pulse => {
                    self.ready.push_back(": still here\n\n".to_owned());
                    self.on_look().await;
                }
                Turn::End => self.ended = true,
            }
        }
    }

    async fn wait(&mut self) -> Turn {
        let mut look = std::pin::pin!(self.ended_sessions.changed().fuse());
        let mut nudge = std::pin::pin!(self.nudges.recv().fuse());
        let mut event = std::pin::pin!(self.events.recv().fuse());
        let mut pulse = std::pin::pin!(self.pulse.tick().fuse());
        futures_util::select_biased! {
            look = look => look.map_or(Turn::End, |()| Turn::Look),
            nudge = nudge => nudge.map_or(Turn::End, |Nudge| Turn::Nudge),
            event = event => event.map_or(Turn::End, Turn::Event),
            _ = pulse => Turn::Pulse,
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(message) => {
                if message.seq > self.last.saturating_add(1) {
                    self.fill(message.seq).await;
                }
                if !self.ended {
                    self.say(&message);
                }
            }
            Event::Delta { turn, text } => {
                // The question comes before the preview of its answer, wherever it was asked.
                if self.previewed != Some(turn) {
                    self.previewed = Some(turn);
                    self.fill(u64::MAX).await;
                }
                self.ready.push_back(line("delta", &json!({ "turn": turn, "text": visible(&text) })));
            }
            Event::Reset { turn } => self.ready.push_back(line("reset", &json!({ "turn": turn }))),
            Event::CaughtUp => self.ready.push_back(line("caught-up", &json!({}))),
        }
    }

    /// Sends what the store has after the last message, up to before `until`.
    async fn fill(&mut self, until: u64) {
        let (face, conversation) = (&self.seat.face, chat::conversation(&self.who));
        let found = face.read(face.store.messages(conversation, self.last, GAP)).await.unwrap_or_else(|_| {
            self.ended = true;
            Vec::new()
        });
        for message in found.iter().filter(|message| message.seq < until) {
            self.say(message);
        }
        // What cannot be read now, or not at once, must not be passed over: the stream ends, and the page comes again from where it stands.
        self.ended |= found.len() >= GAP && self.last.saturating_add(1) < until;
    }

    fn say(&mut self, message: &Message) {
        if message.seq <= self.last {
            return;
        }
        self.last = message.seq;
        let data = json!({
            "seq": message.seq,
            "turn": message.turn,
            "house": message.author == Author::House,
            "nonce": view::chat::nonce(message),
            "html": view::chat::message(message, self.who.member(), &self.zone).into_string(),
        });
        self.ready.push_back(format!("id: {}\n{}", message.seq, line("message", &data)));
    }

    /// A stream does not outlive its session.
    async fn on_look(&mut self) {
        match self.seat.face.is_good(self.who.session()).await {
            Ok(true) => {}
            Ok(false) => {
                self.ready.push_back(line("gone", &json!({})));
                self.ended = true;
            }
            // Whether it is good still cannot be told just now: the page comes again and proves it.
            Err(_) => self.ended = true,
        }
    }
}

/// One event. JSON holds no line breaks, so its data is one line.
fn line(event: &str, data: &Value) -> String {
    format!("event: {event}\ndata: {data}\n\n")
}
