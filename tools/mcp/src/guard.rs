//! What a server may say now, and how much of it. Pure, but for the one line by which it is heard.
//!
//! ```text
//! server ─▶ bytes bounded ─▶ Guard::hears ─▶ pass on to the client | keep for the house (log, progress) | drop | end of the server
//! ```
//!
//! An answer belongs to exactly one question of ours. Everything else is unasked and counted: notifications are taken out here, requests
//! go on to the client, which refuses them. That the list of tools has changed ends the server, once the house has been told that list.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_domain::sandbox::{Ended, Level, Line};
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ProgressNotificationParam, RequestId, ServerJsonRpcMessage, ServerNotification};
use rmcp::transport::Transport;
use tokio::sync::mpsc::UnboundedSender;

use crate::text::one_line;

/// Lines that one call may say to the log or as progress; more are lost.
pub(crate) const LINES: u32 = 200;
/// Bytes of one such line.
const LINE_BYTES: usize = 1_000;
/// Longest name of a request.
const ID_BYTES: usize = 256;

/// What the client's transport tells the house beside the answers.
#[derive(Debug)]
pub(crate) enum Event {
    /// A line of the call that runs.
    Line(Line),
    /// The server is ended for this.
    Broke(Ended),
    /// It says nothing any more.
    Closed,
}

/// What becomes of a message.
#[derive(Debug, PartialEq)]
enum Verdict {
    Pass,
    Drop,
    Line(Line),
}

/// What is open and what was counted.
#[derive(Debug)]
pub(crate) struct Guard {
    open: BTreeSet<i64>,
    unasked: u32,
    unasked_max: u32,
    calling: bool,
    lines: u32,
    bytes: usize,
    bytes_max: usize,
    lost: u32,
    /// The house knows the list of tools.
    told: bool,
    changed: bool,
}

fn protocol<T>(what: &str) -> Result<T, Ended> {
    Err(Ended::Protocol(what.to_owned()))
}

impl Guard {
    /// At most so many messages that are no answers between two calls, and so many bytes of lines in one.
    pub(crate) const fn new(unasked_max: u32, bytes_max: usize) -> Self {
        let open = BTreeSet::new();
        Self { open, unasked: 0, unasked_max, calling: false, lines: 0, bytes: 0, bytes_max, lost: 0, told: false, changed: false }
    }

    /// The list of tools is told now; false when it has changed since it was asked for.
    pub(crate) const fn tell(&mut self) -> bool {
        self.told = !self.changed;
        self.changed = false;
        self.told
    }

    /// A call begins.
    pub(crate) const fn begin(&mut self) {
        (self.calling, self.unasked, self.lines, self.bytes, self.lost) = (true, 0, 0, 0, 0);
    }

    /// The call has ended. How many lines of it were lost.
    pub(crate) const fn end(&mut self) -> u32 {
        (self.calling, self.unasked) = (false, 0);
        self.lost
    }

    fn says(&mut self, message: &ClientJsonRpcMessage) {
        if let JsonRpcMessage::Request(request) = message
            && let Some(id) = number(&request.id)
        {
            self.open.insert(id);
        }
    }

    fn hears(&mut self, message: &ServerJsonRpcMessage) -> Result<Verdict, Ended> {
        match message {
            JsonRpcMessage::Response(response) => self.answered(&response.id),
            JsonRpcMessage::Error(error) => match &error.id {
                Some(id) => self.answered(id),
                // It could not read what it was sent, and does not say which.
                None => self.unasked().map(|()| Verdict::Drop),
            },
            JsonRpcMessage::Request(request) => {
                self.unasked()?;
                let short = if let RequestId::String(id) = &request.id { id.len() <= ID_BYTES } else { true };
                if short { Ok(Verdict::Pass) } else { protocol("a request with a name that is too long") }
            }
            JsonRpcMessage::Notification(notification) => {
                self.unasked()?;
                self.notified(&notification.notification)
            }
        }
    }

    fn answered(&mut self, id: &RequestId) -> Result<Verdict, Ended> {
        if number(id).is_some_and(|id| self.open.remove(&id)) { Ok(Verdict::Pass) } else { protocol("an answer to no open question") }
    }

    fn unasked(&mut self) -> Result<(), Ended> {
        self.unasked = self.unasked.saturating_add(1);
        if self.unasked > self.unasked_max { Err(Ended::Flood) } else { Ok(()) }
    }

    #[expect(deprecated, reason = "the next version of the protocol drops the log; the servers of today write to it")]
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else there is or will be is dropped")]
    fn notified(&mut self, notification: &ServerNotification) -> Result<Verdict, Ended> {
        let line = match notification {
            ServerNotification::ToolListChangedNotification(_) if self.told => return protocol("its tools changed"),
            ServerNotification::ToolListChangedNotification(_) => {
                self.changed = true;
                return Ok(Verdict::Drop);
            }
            ServerNotification::ProgressNotification(progress) => Line::Progress(progress_line(&progress.params)),
            ServerNotification::LoggingMessageNotification(said) => {
                let data = said.params.data.as_str().map_or_else(|| Cow::Owned(said.params.data.to_string()), Cow::Borrowed);
                let word = serde_json::to_value(said.params.level).unwrap_or_default();
                Line::Log(level(word.as_str().unwrap_or_default()), one_line(&data, LINE_BYTES))
            }
            // Nobody asked for any of these.
            _ => return Ok(Verdict::Drop),
        };
        Ok(if self.keeps(&line) { Verdict::Line(line) } else { Verdict::Drop })
    }

    fn keeps(&mut self, line: &Line) -> bool {
        let (Line::Log(_, text) | Line::Progress(text)) = line;
        let bytes = self.bytes.saturating_add(text.len());
        let keeps = self.calling && self.lines < LINES && bytes <= self.bytes_max;
        if keeps {
            self.lines = self.lines.saturating_add(1);
            self.bytes = bytes;
        } else if self.calling {
            self.lost = self.lost.saturating_add(1);
        }
        keeps
    }
}

/// Ours are numbers; some servers give them back as text.
fn number(id: &RequestId) -> Option<i64> {
    match id {
        RequestId::Number(number) => Some(*number),
        RequestId::String(text) => text.parse().ok(),
    }
}

fn progress_line(progress: &ProgressNotificationParam) -> String {
    let so_far = progress.total.map_or_else(|| progress.progress.to_string(), |total| format!("{} of {total}", progress.progress));
    let text = progress.message.as_ref().map_or_else(|| so_far.clone(), |message| format!("{so_far}: {message}"));
    one_line(&text, LINE_BYTES)
}

/// By the words of RFC 5424, as the protocol writes them.
fn level(word: &str) -> Level {
    match word {
        "debug" => Level::Debug,
        "info" | "notice" => Level::Info,
        "warning" => Level::Warn,
        _ => Level::Error,
    }
}

/// The guard as the transport and the house share it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    guard: Arc<Mutex<Guard>>,
    events: UnboundedSender<Event>,
}

impl Shared {
    /// The events are bounded by what the guard lets through.
    pub(crate) fn new(guard: Guard, events: UnboundedSender<Event>) -> Self {
        Self { guard: Arc::new(Mutex::new(guard)), events }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: Event) {
        // Without a house there is nobody to tell.
        let _ = self.events.send(event);
    }
}

/// A transport whose server is heard through the guard.
pub(crate) struct Guarded<T> {
    inner: T,
    shared: Shared,
    over: bool,
}

impl<T> Guarded<T> {
    pub(crate) const fn new(inner: T, shared: Shared) -> Self {
        Self { inner, shared, over: false }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Guarded<T> {
    type Error = T::Error;

    fn send(&mut self, item: ClientJsonRpcMessage) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        self.shared.lock().says(&item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        while !self.over {
            let Some(message) = self.inner.receive().await else {
                self.over = true;
                self.shared.tell(Event::Closed);
                return None;
            };
            let verdict = self.shared.lock().hears(&message);
            match verdict {
                Ok(Verdict::Pass) => return Some(message),
                Ok(Verdict::Drop) => {}
                Ok(Verdict::Line(line)) => self.shared.tell(Event::Line(line)),
                Err(why) => {
                    self.over = true;
                    self.shared.tell(Event::Broke(why));
                }
            }
        }
        None
    }

    fn close(&mut self) -> impl Future<Output = Result<(), T::Error>> + Send {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests;
