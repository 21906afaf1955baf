//! The place of an actor in the tree: made before the tree is started, valid over restarts.
//!
//! ```text
//! Slot::new ─► link() … link()            (any time, from any thread)
//!     └──────► ChildSpec::worker(&slot, factory) ─► one actor at a time lives here
//! ```
//!
//! A restart replaces the actor and empties the mailbox; links, name, capacity and high-water mark stay.

use std::fmt;
use std::sync::Arc;

use actix::Actor;

use crate::inbox::{Berth, Inbox};
use crate::wires::Wires;

/// The place of an `A` in the tree.
pub struct Slot<A: Actor> {
    inbox: Arc<Inbox<A>>,
    wires: Wires,
}

impl<A: Actor> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self { inbox: Arc::clone(&self.inbox), wires: self.wires.clone() }
    }
}

impl<A: Actor> fmt::Debug for Slot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("name", self.name()).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl<A: Actor> Slot<A> {
    /// A place with a name and a mailbox of this many messages (at least one).
    pub fn new(name: impl AsRef<str>, capacity: usize, wires: &Wires) -> Self {
        Self { inbox: Arc::new(Inbox::new(Arc::from(name.as_ref()), capacity.max(1))), wires: wires.clone() }
    }

    /// The name, which is also the default id of the child.
    pub fn name(&self) -> &Arc<str> {
        self.inbox.name()
    }

    /// Messages that have been taken and whose handler has not begun.
    pub fn depth(&self) -> usize {
        self.inbox.depth()
    }

    /// The largest depth ever seen, over all restarts.
    pub fn high_water(&self) -> usize {
        self.inbox.high_water()
    }

    /// Whether an actor lives here that takes messages.
    pub fn is_running(&self) -> bool {
        self.inbox.is_open()
    }

    /// The largest depth allowed.
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox<A>> {
        &self.inbox
    }

    pub(crate) fn wires(&self) -> &Wires {
        &self.wires
    }
}
