//! Notices that the actor thread hangs inside a synchronous handler, which nothing on that thread can end.
//!
//! ```text
//! actor thread: beat, beat, beat … (a timer task)     enters / leaves actors (noted in the pulse)
//! watchdog thread: new beat within the deadline? ─yes─► wait again
//!                      └─no─► log the actor it hangs in, call the action once, wait for the next beat
//! ```
//!
//! The product's action aborts the process, so that the service manager restarts it. Off in simulations: it runs on
//! real time and an OS thread. It loses nothing at a restart of an actor and ends with its tree.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::exit::Place;

/// Looks at the pulse this often per deadline.
const LOOKS_PER_DEADLINE: u32 = 4;

/// What the watchdog does and when.
#[derive(Clone)]
pub struct WatchdogOptions {
    /// How long the actor thread may go without a beat.
    pub deadline: Duration,
    /// Called on the watchdog's thread, once per hang.
    pub action: Arc<dyn Fn(&Hang) + Send + Sync>,
}

impl fmt::Debug for WatchdogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchdogOptions").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// What is known about a thread that hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hang {
    /// The path of the actor the thread is inside; `None` when it is in no actor.
    pub actor: Option<Arc<str>>,
    /// What that actor is doing.
    pub place: Option<Place>,
    /// For how long the thread has not beaten, at least.
    pub silent_for: Duration,
}

/// What the actor thread tells about itself.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    beats: AtomicU64,
    inside: Mutex<Inside>,
}

#[derive(Clone, Debug, Default)]
struct Inside {
    actor: Option<Arc<str>>,
    place: Option<Place>,
}

impl Pulse {
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self, path: &Arc<str>) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.actor = Some(Arc::clone(path));
        inside.place = None;
    }

    pub(crate) fn doing(&self, place: Place) {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).place = Some(place);
    }

    pub(crate) fn leave(&self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.actor = None;
        inside.place = None;
    }
}

/// The running watchdog. Dropping it ends its thread at once.
#[derive(Debug)]
pub(crate) struct Watchdog {
    _until_dropped: SyncSender<()>,
}

impl Watchdog {
    /// Starts the thread. The caller beats the pulse at least every [`beat_period`].
    #[expect(clippy::disallowed_methods, reason = "only another thread can notice that the actor thread hangs")]
    pub(crate) fn start(options: WatchdogOptions, pulse: Arc<Pulse>) -> std::io::Result<Self> {
        let (until_dropped, dropped) = sync_channel(0);
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch(&options, &pulse, &dropped))?;
        Ok(Self { _until_dropped: until_dropped })
    }
}

/// How often the actor thread has to beat.
pub(crate) fn beat_period(options: &WatchdogOptions) -> Duration {
    (options.deadline / LOOKS_PER_DEADLINE).max(Duration::from_millis(1))
}

fn watch(options: &WatchdogOptions, pulse: &Pulse, dropped: &Receiver<()>) {
    let period = beat_period(options);
    let mut last = pulse.beats.load(Ordering::Relaxed);
    let mut silent_looks = 0_u32;
    loop {
        match dropped.recv_timeout(period) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = pulse.beats.load(Ordering::Relaxed);
        if now != last {
            last = now;
            silent_looks = 0;
            continue;
        }
        silent_looks = silent_looks.saturating_add(1);
        // One look more than the deadline needs, because a beat may have come right after the last look.
        if silent_looks == LOOKS_PER_DEADLINE.saturating_add(1) {
            report(options, pulse, period.saturating_mul(silent_looks));
        }
    }
}

fn report(options: &WatchdogOptions, pulse: &Pulse, silent_for: Duration) {
    let inside = pulse.inside.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let hang = Hang { actor: inside.actor, place: inside.place, silent_for };
    tracing::error!(
        actor = hang.actor.as_deref().unwrap_or("(no actor)"),
        place = %hang.place.map(|place| place.to_string()).unwrap_or_default(),
        silent_ms = u64::try_from(silent_for.as_millis()).unwrap_or(u64::MAX),
        "the actor thread hangs"
    );
    (options.action)(&hang);
}
