//! The world of one run: what all doubles, people and checkers share. One thread uses it; the locks are there because ports are `Send`.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::chance::Seed;
use hearth_domain::store::Group;
use tokio::sync::Notify;

use crate::checkers::{Checkers, Seen};
use crate::doubles::clock::SimClock;
use crate::plan::Plan;
use crate::platforms::Platform;
use crate::recording::{Observer, Recording};
use crate::seed::Draw;
use crate::trace::Trace;

/// Events after which a run is called wedged.
const STEPS_MAX: u64 = 6_000_000;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// The root of all chance.
    pub seed: Seed,
    /// What this seed has drawn.
    pub plan: Plan,
    /// Both clocks.
    pub clock: Arc<SimClock>,
    /// Other people's platforms.
    pub platforms: Vec<Arc<Platform>>,
    spoken: AtomicU64,
    trace: Mutex<Trace>,
    checkers: Mutex<Checkers>,
    calm: AtomicBool,
    steps: AtomicU64,
    violation: Mutex<Option<Violation>>,
    violated: Notify,
    /// What everybody sees, where that is compared.
    recording: Mutex<Option<Recording>>,
}

impl World {
    /// A world before its first event.
    #[must_use]
    pub fn new(seed: Seed, plan: Plan, trace: Trace) -> Arc<Self> {
        let clock = Arc::new(SimClock::new(plan.start));
        let checkers = Mutex::new(Checkers::new(&plan));
        let platforms = Platform::all(&plan, &mut Draw::of(&seed, "platforms")).into_iter().map(Arc::new).collect();
        Arc::new(Self {
            seed,
            plan,
            clock,
            platforms,
            spoken: AtomicU64::new(0),
            trace: Mutex::new(trace),
            checkers,
            calm: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            violation: Mutex::new(None),
            violated: Notify::new(),
            recording: Mutex::new(None),
        })
    }

    /// From now on what everybody sees is kept.
    pub fn record(&self) {
        *lock(&self.recording) = Some(Recording::new(&self.plan));
    }

    /// Whether what everybody sees is kept. Then nobody revokes a secret: no vault looks for the value of one that is not stored any more, and
    /// who wrote it in a chat wrote it there for all to see who read that chat.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        lock(&self.recording).is_some()
    }

    /// What everybody has seen.
    #[must_use]
    pub fn recorded(&self) -> Recording {
        lock(&self.recording).take().unwrap_or_default()
    }

    /// Keeps what somebody sees, where that is compared.
    pub fn keep(&self, keep: impl FnOnce(&mut Recording, Duration)) {
        if let Some(recording) = lock(&self.recording).as_mut() {
            keep(recording, self.now());
        }
    }

    /// Somebody sees this text.
    pub fn sees(&self, observer: Observer, text: impl FnOnce() -> String) {
        self.keep(|recording, at| recording.add(at, observer, text()));
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// A number for something that is said in a room.
    pub fn spoken(&self) -> u64 {
        self.spoken.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds to the log.
    pub fn note(&self, text: impl AsRef<str>) {
        let steps = self.steps.fetch_add(1, Ordering::Relaxed);
        lock(&self.trace).add(self.now(), text.as_ref());
        if steps == STEPS_MAX {
            self.violate("it comes to an end", format!("{STEPS_MAX} events and no end"));
        }
    }

    /// The log.
    pub fn trace(&self) -> MutexGuard<'_, Trace> {
        lock(&self.trace)
    }

    /// Whether faults have stopped.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Faults stop here.
    pub fn becalm(&self) {
        self.note("== calm: faults stop");
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Shows an event to every checker.
    pub fn observe(&self, seen: &Seen<'_>) {
        self.keep(|recording, at| recording.see(at, seen));
        let found = lock(&self.checkers).on_event(self.now(), seen);
        if let Err(violation) = found {
            self.break_off(violation);
        }
    }

    /// A group that was applied, as far as the world can know.
    pub fn written(&self, group: &Group) {
        self.observe(&Seen::Written(group));
    }

    /// The checkers.
    pub fn checkers(&self) -> MutexGuard<'_, Checkers> {
        lock(&self.checkers)
    }

    /// Reports a broken invariant; the first one counts.
    pub fn violate(&self, invariant: &'static str, what: impl Into<String>) {
        self.break_off(Violation { invariant, what: what.into() });
    }

    fn break_off(&self, found: Violation) {
        let mut violation = lock(&self.violation);
        if violation.is_none() {
            lock(&self.trace).add(self.now(), &format!("!! {}: {}", found.invariant, found.what));
            *violation = Some(found);
            self.violated.notify_one();
        }
    }

    /// Resolves when an invariant was broken.
    pub async fn broken(&self) {
        loop {
            if lock(&self.violation).is_some() {
                return;
            }
            self.violated.notified().await;
        }
    }

    /// The broken invariant, if any.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        lock(&self.violation).clone()
    }
}

/// The value behind a lock; a planned panic while it was held leaves nothing half-changed that a checker reads.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static OUTSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Does something as a person outside the house: planned panics spare it.
pub fn outside<T>(act: impl FnOnce() -> T) -> T {
    let before = OUTSIDE.replace(true);
    let result = act();
    OUTSIDE.set(before);
    result
}

/// Whether a person outside the house acts just now.
#[must_use]
pub fn is_outside() -> bool {
    OUTSIDE.get()
}

/// The words with which every planned panic begins.
pub const PLANNED: &str = "planned crash";

/// Panics by plan.
#[expect(clippy::panic, reason = "a planned crash is a panic of its own kind")]
pub fn crash(at: &str) -> ! {
    std::panic::panic_any(format!("{PLANNED} at {at}"))
}
