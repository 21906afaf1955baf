//! The time of one call, and the thread that has it looked at while a component computes.
//!
//! ```text
//! Ticker (a thread) ── every TICK, while a call runs ──▶ the engine's epoch ──▶ the component stops and asks Budget
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::Thread;
use std::time::Duration;

use hearth_domain::sandbox::Fault;
use wasmtime::Engine;

/// How often a running component is asked to look at the time.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// Ticks without a call after which the thread sleeps until there is one.
const IDLE_TICKS: u32 = 40;

/// Monotonic, from any beginning.
pub(crate) fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The times of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    began: Duration,
    /// The call may take so long, whatever it does.
    whole: Duration,
    /// It may compute so long.
    compute: Duration,
    /// It waited so long for the house.
    waited: Duration,
}

impl Budget {
    pub(crate) fn start(whole: Duration, compute: Duration) -> Self {
        Self { began: monotonic(), whole, compute, waited: Duration::ZERO }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        monotonic().saturating_sub(self.began)
    }

    /// What is left of the whole.
    pub(crate) fn left(&self) -> Duration {
        self.whole.saturating_sub(self.elapsed())
    }

    pub(crate) fn add_waited(&mut self, waited: Duration) {
        self.waited = self.waited.saturating_add(waited);
    }

    /// Whether it may go on.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let elapsed = self.elapsed();
        let over = elapsed >= self.whole || elapsed.saturating_sub(self.waited) >= self.compute;
        if over { Err(Fault::Deadline) } else { Ok(()) }
    }
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicBool,
    asleep: AtomicBool,
    ended: AtomicBool,
    idle: AtomicU32,
}

/// The thread. It ends with this.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    #[expect(clippy::disallowed_methods, reason = "a component that computes can only be stopped from another thread")]
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("ticker".to_owned()).stack_size(64 * 1024);
        let thread = builder.spawn(move || tick(&engine, &own))?.thread().clone();
        Ok(Self { shared, thread })
    }

    /// Ticks until what this gives is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.shared.running.store(true, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(self)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// While it is there, the epoch moves.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.shared.idle.store(0, Ordering::SeqCst);
        self.0.shared.running.store(false, Ordering::SeqCst);
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    while !shared.ended.load(Ordering::SeqCst) {
        std::thread::park_timeout(TICK);
        if shared.running.load(Ordering::SeqCst) {
            engine.increment_epoch();
        } else if shared.idle.fetch_add(1, Ordering::SeqCst) >= IDLE_TICKS {
            shared.asleep.store(true, Ordering::SeqCst);
            // Looked at after the flag is up: whoever starts a call after this sees the flag.
            while !shared.running.load(Ordering::SeqCst) && !shared.ended.load(Ordering::SeqCst) {
                std::thread::park();
            }
            shared.asleep.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_house_is_no_computing() {
        let mut budget = Budget::start(Duration::from_secs(3600), Duration::ZERO);
        assert_eq!(budget.check(), Err(Fault::Deadline));
        budget.add_waited(Duration::from_secs(60));
        budget.compute = Duration::from_nanos(1);
        assert_eq!(budget.check(), Ok(()));
        assert_eq!(Budget::start(Duration::ZERO, Duration::from_secs(1)).check(), Err(Fault::Deadline));
    }
}
