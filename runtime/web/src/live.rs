//! The streams that are open: whose they are, and how one is told to look again or to end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_actors::local::ClientId;
use hearth_domain::ids::{MemberId, SessionId};
use tokio::sync::mpsc;

/// Streams that one member may have open at once.
pub(crate) const STREAMS: usize = 16;

/// A stream's word from its siblings: look into the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nudge;

/// One open stream.
#[derive(Debug)]
struct Stream {
    member: MemberId,
    session: SessionId,
    nudge: mpsc::Sender<Nudge>,
}

/// All open streams.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<BTreeMap<ClientId, Stream>>);

impl Live {
    /// Whether the member may open one more.
    pub(crate) fn has_room(&self, member: MemberId) -> bool {
        self.streams().values().filter(|stream| stream.member == member).count() < STREAMS
    }

    /// Takes a stream in. What it gets back ends when the stream has to.
    pub(crate) fn enter(&self, client: ClientId, member: MemberId, session: SessionId) -> mpsc::Receiver<Nudge> {
        let (nudge, nudges) = mpsc::channel(1);
        self.streams().insert(client, Stream { member, session, nudge });
        nudges
    }

    /// The stream is gone.
    pub(crate) fn leave(&self, client: ClientId) {
        self.streams().remove(&client);
    }

    /// Whether this stream is of that session.
    pub(crate) fn is_of(&self, client: ClientId, session: SessionId) -> bool {
        self.streams().get(&client).is_some_and(|stream| stream.session == session)
    }

    /// Something was said: the member's streams look into the store.
    pub(crate) fn nudge(&self, member: MemberId) {
        for stream in self.streams().values().filter(|stream| stream.member == member) {
            // One nudge that waits already is enough.
            let _ = stream.nudge.try_send(Nudge);
        }
    }

    /// Ends the streams of a session.
    pub(crate) fn end_session(&self, session: SessionId) {
        self.streams().retain(|_, stream| stream.session != session);
    }

    /// Ends all streams.
    pub(crate) fn end_all(&self) {
        self.streams().clear();
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<ClientId, Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
