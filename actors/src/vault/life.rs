//! The life of the vault's process, as decisions: when one is started, asked whether it lives, given up, and started again. Pure.
//!
//! ```text
//!            due          records read, process made       Up
//!  Resting ──────▶ Raising ─────────────────────▶ Starting ──▶ Up ──▶ (beat, answer, beat, …)
//!     ▲               │ it could not be                │ late   │ no answer        │ lock
//!     │◀──────────────┘                                ▼        ▼                  ▼
//!     │◀────────────────────────────── gone ──────── Killed ◀── late ────────── Locking
//! ```

use std::time::Duration;

use hearth_domain::limits::Limits;
use hearth_domain::time::Mono;
use hearth_domain::vault::VaultState;

/// The first wait that is not none; doubles.
const WAIT_FIRST: Duration = Duration::from_millis(50);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a process that was told to lock may take to end, and how long one that was killed may take to be gone.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait before the next start: none after a steady life, then ever longer.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    ends: u32,
}

impl Recovery {
    /// It ended after having been up for so long, or without having been up.
    pub(super) fn ended(&mut self, lived: Option<Duration>, steady: Duration) -> Duration {
        if lived.is_some_and(|lived| lived >= steady) {
            self.ends = 0;
        }
        let wait = match self.ends.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => WAIT_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(WAIT_MAX),
        };
        self.ends = self.ends.saturating_add(1);
        wait
    }
}

/// Where the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is none until then.
    Resting { until: Mono },
    /// What is stored is being read, and a process made.
    Raising,
    /// It has what is stored.
    Starting { until: Mono },
    /// It can be asked.
    Up { since: Mono, state: VaultState, beat: Beat },
    /// It was told to lock, and ends.
    Locking { until: Mono },
    /// It was killed; gone when its stream ends.
    Killed { since: Option<Mono>, until: Mono },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    Due(Mono),
    Asked { id: u64, until: Mono },
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Read what is stored and make a process.
    Raise,
    /// Ask whether it lives.
    Beat(u64),
    /// Kill it.
    Kill,
    /// It was killed and its stream does not end: go on without it.
    Abandon,
}

/// The life of one process after the other.
#[derive(Debug)]
pub(super) struct Life {
    phase: Phase,
    recovery: Recovery,
    beats: u64,
    /// Ends that nobody asked for.
    pub(super) restarts: u64,
    start: Duration,
    beat: Duration,
    steady: Duration,
}

impl Life {
    /// Before the first process.
    pub(super) fn new(now: Mono, limits: &Limits) -> Self {
        let Limits { vault_start: start, vault_beat: beat, vault_steady: steady, .. } = *limits;
        Self { phase: Phase::Resting { until: now }, recovery: Recovery::default(), beats: 0, restarts: 0, start, beat, steady }
    }

    /// What is due now; called until there is nothing.
    pub(super) fn tick(&mut self, now: Mono) -> Option<Effect> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        let until = now.plus(END_DEADLINE);
        let (phase, effect) = match self.phase {
            Phase::Resting { .. } => (Phase::Raising, Effect::Raise),
            Phase::Up { since, state, beat: Beat::Due(_) } => {
                self.beats = self.beats.wrapping_add(1);
                let beat = Beat::Asked { id: self.beats, until: now.plus(self.beat) };
                (Phase::Up { since, state, beat }, Effect::Beat(self.beats))
            }
            Phase::Up { since, .. } => (Phase::Killed { since: Some(since), until }, Effect::Kill),
            Phase::Starting { .. } | Phase::Locking { .. } => (Phase::Killed { since: None, until }, Effect::Kill),
            Phase::Killed { .. } => (self.phase, Effect::Abandon),
            Phase::Raising => return None,
        };
        self.phase = phase;
        Some(effect)
    }

    /// When something is due next. While a process is being made its maker keeps the time.
    pub(super) const fn due(&self) -> Option<Mono> {
        match self.phase {
            Phase::Raising => None,
            Phase::Resting { until }
            | Phase::Starting { until }
            | Phase::Up { beat: Beat::Due(until) | Beat::Asked { until, .. }, .. }
            | Phase::Locking { until }
            | Phase::Killed { until, .. } => Some(until),
        }
    }

    /// There is a process.
    pub(super) fn made(&mut self, now: Mono) {
        self.phase = Phase::Starting { until: now.plus(self.start) };
    }

    /// It says that it is up. `false` when nobody waits for that any more.
    pub(super) fn up(&mut self, now: Mono, state: VaultState) -> bool {
        let starting = matches!(self.phase, Phase::Starting { .. });
        if starting {
            self.phase = Phase::Up { since: now, state, beat: Beat::Due(now.plus(self.beat)) };
        }
        starting
    }

    /// It says in what state it is. `false` when that does not matter any more.
    pub(super) fn turned(&mut self, now_in: VaultState) -> bool {
        if let Phase::Up { state, .. } = &mut self.phase {
            *state = now_in;
            return true;
        }
        false
    }

    /// It has answered a beat.
    pub(super) fn beaten(&mut self, now: Mono, answered: u64) {
        if let Phase::Up { beat, .. } = &mut self.phase
            && matches!(beat, Beat::Asked { id, .. } if *id == answered)
        {
            *beat = Beat::Due(now.plus(self.beat));
        }
    }

    /// It is told to lock.
    pub(super) fn locking(&mut self, now: Mono) {
        self.phase = Phase::Locking { until: now.plus(END_DEADLINE) };
    }

    /// It is gone, or could not be made: the next one comes after a while.
    pub(super) fn gone(&mut self, now: Mono) {
        let lived = match self.phase {
            // It was told to: its end says nothing about the next one.
            Phase::Locking { .. } => {
                self.phase = Phase::Resting { until: now };
                return;
            }
            Phase::Up { since, .. } | Phase::Killed { since: Some(since), .. } => Some(now.since(since)),
            Phase::Resting { .. } | Phase::Raising | Phase::Starting { .. } | Phase::Killed { since: None, .. } => None,
        };
        self.restarts = self.restarts.saturating_add(1);
        self.phase = Phase::Resting { until: now.plus(self.recovery.ended(lived, self.steady)) };
    }

    /// The state of a process that can be asked.
    pub(super) const fn state(&self) -> Option<VaultState> {
        if let Phase::Up { state, .. } = self.phase { Some(state) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(Duration::from_millis(ms))
    }

    fn life() -> Life {
        Life::new(at(0), &Limits::default())
    }

    /// A life whose process is up since then.
    fn up(now: Mono) -> Life {
        let mut life = Life::new(now, &Limits::default());
        assert_eq!(life.tick(now), Some(Effect::Raise));
        life.made(now);
        assert!(life.up(now, VaultState::Open));
        life
    }

    #[test]
    fn the_first_end_is_followed_at_once_and_more_of_them_ever_later() {
        let mut recovery = Recovery::default();
        let steady = Duration::from_secs(10);
        let mut waits = || u64::try_from(recovery.ended(None, steady).as_millis()).unwrap();
        let first: Vec<u64> = (0..10).map(|_| waits()).collect();
        assert_eq!(first, [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!((0..500).map(|_| waits()).max(), Some(5_000));
        assert_eq!(recovery.ended(Some(Duration::from_millis(9_999)), steady), WAIT_MAX);
        assert_eq!(recovery.ended(Some(steady), steady), Duration::ZERO);
        assert_eq!(recovery.ended(Some(Duration::ZERO), steady), WAIT_FIRST);
    }

    #[test]
    fn a_process_that_answers_is_asked_again_and_a_silent_one_is_killed() {
        let mut life = up(at(0));
        assert_eq!(life.tick(at(4_999)), None);
        assert_eq!(life.tick(at(5_000)), Some(Effect::Beat(1)));
        assert_eq!(life.tick(at(5_000)), None);
        life.beaten(at(6_000), 1);
        assert_eq!(life.tick(at(10_999)), None);
        assert_eq!(life.tick(at(11_000)), Some(Effect::Beat(2)));
        // An answer to an older question says nothing.
        life.beaten(at(12_000), 1);
        assert_eq!(life.tick(at(16_000)), Some(Effect::Kill));
        assert_eq!(life.state(), None);
        life.gone(at(16_010));
        assert_eq!(life.restarts, 1);
        assert_eq!(life.tick(at(16_010)), Some(Effect::Raise), "it had been steady");
    }

    #[test]
    fn a_process_that_does_not_come_up_is_killed_and_given_up_when_even_that_does_not_help() {
        let mut life = life();
        assert_eq!(life.tick(at(0)), Some(Effect::Raise));
        assert_eq!(life.tick(at(100_000)), None, "its maker keeps the time");
        life.made(at(0));
        assert_eq!(life.tick(at(30_000)), Some(Effect::Kill));
        assert!(!life.up(at(30_001), VaultState::Open), "too late");
        assert_eq!(life.tick(at(34_999)), None);
        assert_eq!(life.tick(at(35_000)), Some(Effect::Abandon));
        life.gone(at(35_000));
        assert_eq!(life.tick(at(35_000)), Some(Effect::Raise));
        life.gone(at(35_000));
        assert_eq!(life.tick(at(35_049)), None);
        assert_eq!(life.tick(at(35_050)), Some(Effect::Raise));
    }

    #[test]
    fn a_lock_is_no_failure_and_the_next_process_comes_at_once() {
        let mut life = up(at(0));
        life.locking(at(1_000));
        assert_eq!(life.state(), None);
        life.gone(at(1_001));
        assert_eq!(life.restarts, 0);
        assert_eq!(life.tick(at(1_001)), Some(Effect::Raise));
        life.made(at(1_001));
        life.up(at(1_002), VaultState::Sealed);
        life.locking(at(2_000));
        assert_eq!(life.tick(at(7_000)), Some(Effect::Kill), "one that does not end is killed");
    }

    #[test]
    fn a_change_of_state_counts_while_it_is_up() {
        let mut life = up(at(0));
        assert!(life.turned(VaultState::Sealed));
        assert_eq!(life.state(), Some(VaultState::Sealed));
        life.gone(at(1));
        assert!(!life.turned(VaultState::Open));
    }
}
