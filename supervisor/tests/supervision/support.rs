//! A talkative actor, a recorder of events, and a runtime with a paused clock.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, AtomicResponse, Handler, Message, Running};
use hearth_supervisor::context::Context;
use hearth_supervisor::link::{AskError, Link};
use hearth_supervisor::root::{Root, RootHandle, RootOptions};
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::{Backoff, ChildSpec, Strategy, SupervisorSpec};
use hearth_supervisor::tree::{Event, EventKind, Observer};
use hearth_supervisor::wires::Wires;
use tokio::sync::Notify;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs on one thread in virtual time.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    actix::System::with_tokio_rt(runtime).block_on(future)
}

// === recorder ===

/// Keeps every event as a line and lets a test wait for one.
#[derive(Default)]
pub(crate) struct Recorder {
    lines: Mutex<Vec<String>>,
    news: Notify,
}

impl Observer for Recorder {
    fn on_event(&self, event: &Event) {
        let what = match &event.kind {
            EventKind::Exited { reason } => format!("exited {}", reason.label()),
            EventKind::Restarting { after } => format!("restarting {}", after.as_millis()),
            other => format!("{other:?}").to_lowercase(),
        };
        self.note(format!("{} {what}", event.path));
    }
}

impl Recorder {
    pub(crate) fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
        self.news.notify_waiters();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|known| *known == line).count()
    }

    /// Waits until the line has been seen this often; an hour of virtual time is too long.
    pub(crate) async fn seen(&self, line: &str, times: usize) {
        let wait = async {
            loop {
                let news = self.news.notified();
                if self.count(line) >= times {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(3600 * SECOND, wait).await.is_err() {
            panic!("never seen {times} times: {line}; seen: {:#?}", self.lines());
        }
    }
}

// === actor ===

/// Does what it is told, and notes when it starts and stops.
pub(crate) struct Puppet {
    pub(crate) name: String,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) count: u32,
    pub(crate) manner: Manner,
}

/// How it behaves at its start and end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    PanicInStarted,
    StopInStarted,
    WaitInStarted(Duration),
    NeverStop,
    DrainBeforeStop,
    PanicInStopping,
    PanicInDrop,
}

impl Actor for Puppet {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.recorder.note(format!("{} hook started", self.name));
        match self.manner {
            Manner::PanicInStarted => panic!("no start"),
            Manner::StopInStarted => ctx.stop(),
            Manner::WaitInStarted(time) => ctx.wait(wrap_future(tokio::time::sleep(time))),
            _ => {}
        }
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.recorder.note(format!("{} hook stopping", self.name));
        match self.manner {
            Manner::NeverStop => Running::Continue,
            Manner::DrainBeforeStop if self.count < 3 => Running::Continue,
            Manner::PanicInStopping => panic!("no stop"),
            _ => Running::Stop,
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.recorder.note(format!("{} hook stopped", self.name));
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if self.manner == Manner::PanicInDrop {
            panic!("no drop");
        }
    }
}

/// What a puppet is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Do {
    /// Count and answer with the count.
    Count,
    Stop,
    Panic,
    PanicInFuture,
    /// Wait atomically, then answer with the count.
    Sleep(Duration),
    /// Never end, atomically.
    Hang,
}

impl Message for Do {
    type Result = u32;
}

impl Handler<Do> for Puppet {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, message: Do, ctx: &mut Self::Context) -> Self::Result {
        self.count += 1;
        let mut wait = Duration::ZERO;
        match message {
            // Not `ctx.stop()` at once: that would cut off the reply, which is an atomic future.
            Do::Count if self.manner == Manner::DrainBeforeStop && self.count >= 3 => {
                ctx.run_later(SECOND, |_, ctx| ctx.stop());
            }
            Do::Count => {}
            Do::Stop => ctx.stop(),
            Do::Panic => panic!("as told"),
            Do::PanicInFuture => {
                ctx.spawn(wrap_future(async {}).map(|(), _: &mut Self, _| panic!("as told, later")));
            }
            Do::Sleep(time) => wait = time,
            Do::Hang => wait = Duration::MAX,
        }
        let count = self.count;
        AtomicResponse::new(Box::pin(wrap_future(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            count
        })))
    }
}

// === tree ===

/// A tree of puppets.
pub(crate) struct Stage {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) wires: Wires,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { recorder: Arc::default(), wires: Wires::plain() }
    }

    pub(crate) fn puppet(&self, name: &str) -> (ChildSpec, Link<Do>) {
        self.mannered(name, |_| Manner::Plain)
    }

    /// A puppet whose manner depends on how often it was built before.
    pub(crate) fn mannered(&self, name: &str, manner: impl Fn(u32) -> Manner + Send + 'static) -> (ChildSpec, Link<Do>) {
        let slot = Slot::<Puppet>::new(name, 8, &self.wires);
        let link = slot.link();
        let (name, recorder) = (name.to_owned(), Arc::clone(&self.recorder));
        let mut built = 0;
        let spec = ChildSpec::worker(&slot, move || {
            let puppet = Puppet { name: name.clone(), recorder: Arc::clone(&recorder), count: 0, manner: manner(built) };
            built += 1;
            async move { Ok(puppet) }
        });
        (spec, link)
    }

    pub(crate) fn start(&self, spec: SupervisorSpec) -> RootHandle {
        let observer: Arc<dyn Observer> = self.recorder.clone();
        Root::start(spec, RootOptions { seed: 1, observer: Some(observer), watchdog: None })
    }
}

pub(crate) fn house(strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec::new("house", strategy).backoff(Backoff::NONE)
}

pub(crate) async fn count(link: &Link<Do>) -> Result<u32, AskError> {
    link.ask(Do::Count, SECOND).await
}
