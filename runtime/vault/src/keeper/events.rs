//! Uses on their way to the audit: a bounded queue that gives up ordinary ones before alarms.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hearth_domain::vault::Used;
use tokio::sync::Notify;

/// Most uses that wait for the house.
pub const EVENTS_MAX: usize = 4096;

#[derive(Debug, Default)]
struct Ring {
    waiting: VecDeque<Used>,
    lost: u64,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Events {
    ring: Mutex<Ring>,
    wake: Notify,
}

impl Events {
    /// Puts one in. When it is full, an alarm takes the place of the oldest ordinary one.
    pub fn push(&self, used: Used) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.waiting.len() >= EVENTS_MAX {
            ring.lost = ring.lost.saturating_add(1);
            let ordinary = ring.waiting.iter().position(|waiting| !waiting.alarm);
            match (used.alarm, ordinary) {
                (true, Some(at)) => drop(ring.waiting.remove(at)),
                (true | false, _) => return,
            }
        }
        ring.waiting.push_back(used);
        drop(ring);
        self.wake.notify_one();
    }

    /// Takes the oldest one out, if there is one.
    pub fn take(&self) -> Option<Used> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).waiting.pop_front()
    }

    /// How many found no room since this was last asked.
    pub fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner).lost)
    }

    /// The oldest one, as soon as there is one. For one waiter; dropping the future loses nothing.
    pub async fn next(&self) -> Used {
        loop {
            if let Some(used) = self.take() {
                return used;
            }
            self.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(alarm: bool) -> Used {
        let at = hearth_domain::time::Timestamp::UNIX_EPOCH;
        Used { who: None, member: None, secrets: Vec::new(), place: String::new(), outcome: String::new(), alarm, at }
    }

    #[test]
    fn an_alarm_finds_room_in_a_full_queue() {
        let events = Events::default();
        (0..EVENTS_MAX + 2).for_each(|_| events.push(used(false)));
        events.push(used(true));
        let all: Vec<bool> = std::iter::from_fn(|| events.take()).map(|used| used.alarm).collect();
        assert_eq!((all.len(), all.last(), events.take_lost()), (EVENTS_MAX, Some(&true), 3));
    }
}
