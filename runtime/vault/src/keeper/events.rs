//! Uses on their way to the audit: gathered for a moment, those that are the same counted, in a bounded queue that gives up ordinary ones
//! before alarms.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::vault::Used;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Most different uses that wait for the house.
pub const EVENTS_MAX: usize = 4096;
/// How long a use waits for others. What a killed vault had gathered is not in the audit.
pub const GATHER: Duration = Duration::from_millis(20);
/// Most different uses that go together. Each is at most as long as a request's head, which mentions its secrets.
pub const TOGETHER: usize = 32;
/// How many of those that came last are compared with a new one.
const ALIKE_AMONG: usize = 8;

#[derive(Debug, Default)]
struct Ring {
    waiting: VecDeque<Used>,
    lost: u64,
    /// When the first of them goes.
    due: Option<Instant>,
}

impl Ring {
    /// Counts one among those that came before. Alarms stay apart.
    fn counted(&mut self, used: &Used) -> bool {
        let mut last = self.waiting.iter_mut().rev().take(ALIKE_AMONG);
        let Some(known) = last.find(|known| !used.alarm && alike(known, used)) else { return false };
        known.times = known.times.saturating_add(used.times);
        known.at = known.at.max(used.at);
        true
    }

    /// Puts one in. Says whether whoever waits has to look.
    fn push(&mut self, used: Used, now: Instant) -> bool {
        if self.counted(&used) {
            return false;
        }
        if self.waiting.len() >= EVENTS_MAX {
            self.lost = self.lost.saturating_add(used.times);
            let ordinary = self.waiting.iter().position(|waiting| !waiting.alarm);
            match (used.alarm, ordinary) {
                (true, Some(at)) => drop(self.waiting.remove(at)),
                (true | false, _) => return false,
            }
        }
        let urgent = used.alarm || self.waiting.len().saturating_add(1) >= TOGETHER;
        self.waiting.push_back(used);
        let due = if urgent { now } else { now + GATHER };
        let sooner = self.due.is_none_or(|known| due < known);
        if sooner {
            self.due = Some(due);
        }
        sooner
    }

    fn take(&mut self, most: usize) -> Vec<Used> {
        let taken = self.waiting.drain(..most.min(self.waiting.len())).collect();
        if self.waiting.is_empty() {
            self.due = None;
        }
        taken
    }
}

fn alike(one: &Used, other: &Used) -> bool {
    let Used { who, member, secrets, place, outcome, alarm, times: _, at: _ } = one;
    *alarm == other.alarm
        && *member == other.member
        && *outcome == other.outcome
        && *place == other.place
        && *who == other.who
        && *secrets == other.secrets
}

/// The queue.
#[derive(Debug, Default)]
pub struct Events {
    ring: Mutex<Ring>,
    wake: Notify,
}

impl Events {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts one in. When it is full, an alarm takes the place of the oldest ordinary one.
    pub fn push(&self, used: Used) {
        if self.ring().push(used, Instant::now()) {
            self.wake.notify_one();
        }
    }

    /// Takes the oldest ones out, at most so many.
    pub fn take(&self, most: usize) -> Vec<Used> {
        self.ring().take(most)
    }

    /// How many found no room since this was last asked.
    pub fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.ring().lost)
    }

    /// What waits, at most [`TOGETHER`] of it: as soon as the first has waited for others, there are enough, or one is an alarm. For one
    /// waiter; dropping the future loses nothing.
    pub async fn gathered(&self) -> Vec<Used> {
        loop {
            let due = self.ring().due;
            match due {
                None => self.wake.notified().await,
                Some(due) if due <= Instant::now() => return self.take(TOGETHER),
                Some(due) => tokio::select! {
                    biased;
                    () = self.wake.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(alarm: bool) -> Used {
        let at = hearth_domain::time::Timestamp::UNIX_EPOCH;
        Used { who: None, member: None, secrets: Vec::new(), place: String::new(), outcome: String::new(), alarm, times: 1, at }
    }

    fn of(place: usize) -> Used {
        Used { place: place.to_string(), ..used(false) }
    }

    #[test]
    fn an_alarm_finds_room_in_a_full_queue() {
        let events = Events::default();
        (0..EVENTS_MAX + 2).for_each(|place| events.push(of(place)));
        events.push(used(true));
        let all: Vec<bool> = events.take(usize::MAX).iter().map(|used| used.alarm).collect();
        assert_eq!((all.len(), all.last(), events.take_lost()), (EVENTS_MAX, Some(&true), 3));
    }

    #[test]
    fn the_same_use_many_times_is_counted_and_an_alarm_never_is() {
        let events = Events::default();
        let later = hearth_domain::time::Timestamp::from_second(9).unwrap();
        events.push(Used { at: later, ..of(1) });
        [1, 2, 1].into_iter().for_each(|place| events.push(of(place)));
        (0..2).for_each(|_| events.push(used(true)));
        let told: Vec<_> = events.take(usize::MAX).into_iter().map(|used| (used.place, used.times, used.alarm, used.at == later)).collect();
        let one = |place: &str, times, alarm, late| (place.to_owned(), times, alarm, late);
        assert_eq!(told, [one("1", 3, false, true), one("2", 1, false, false), one("", 1, true, false), one("", 1, true, false)]);
    }

    #[test]
    fn a_use_waits_for_others_and_not_for_long() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        assert!(ring.push(of(1), now));
        assert!(!ring.push(of(2), now + GATHER / 2), "it goes with the first");
        assert_eq!(ring.due, Some(now + GATHER));
        assert_eq!((ring.take(TOGETHER).len(), ring.due), (2, None));
    }

    #[test]
    fn an_alarm_or_enough_of_them_go_at_once_with_what_waits() {
        let now = Instant::now();
        let mut ring = Ring::default();
        ring.push(of(1), now);
        assert!(ring.push(used(true), now) && ring.due == Some(now));
        assert_eq!(ring.take(TOGETHER).len(), 2);
        assert!((1..TOGETHER).filter(|place| ring.push(of(*place), now)).eq([1]));
        assert!(ring.push(of(0), now) && !ring.push(of(TOGETHER), now) && ring.due == Some(now));
        assert_eq!((ring.take(TOGETHER).len(), ring.due), (TOGETHER, Some(now)), "the rest goes at once, too");
    }

    #[tokio::test]
    async fn what_was_gathered_comes_out_once() {
        let events = Events::default();
        (0..=TOGETHER).for_each(|place| events.push(of(place)));
        assert!(futures_util::FutureExt::now_or_never(events.wake.notified()).is_some(), "dropping a wait loses nothing");
        assert_eq!((events.gathered().await.len(), events.gathered().await.len()), (TOGETHER, 1));
        assert!(futures_util::FutureExt::now_or_never(events.gathered()).is_none());
    }
}
