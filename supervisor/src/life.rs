//! One incarnation of one actor: a single task from the call of its factory to the report of its end.
//!
//! ```text
//! New ─► Making (factory's future) ─► Living (context future) ─► Ended
//!  │        │ error, panic, deadline      │ stop, panic, stuck, kill
//!  └────────┴──────────────┬──────────────┘
//!                          ▼
//!     close the mailbox ─► drop the actor ─► report Exited(reason)
//! ```
//!
//! Panics are caught here and not at the task's edge, because actix polls a context once more when it is dropped and
//! would run `stopping` and `stopped` on half-changed state; `terminate` before the drop prevents it.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::Actor;
use actix::dev::{AsyncContextParts, ContextFut};
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, Sleep};

use crate::child::{ChildKey, Probe};
use crate::context::Context;
use crate::exit::{ExitReason, Place, StartError, panic_message};
use crate::inbox::{Berth, Command};
use crate::slot::Slot;
use crate::watchdog::Pulse;

/// What a child tells its supervisor. At most two per life, so the channel needs no bound of its own.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) key: ChildKey,
    pub(crate) life: u64,
    pub(crate) news: News,
}

#[derive(Debug)]
pub(crate) enum News {
    Ready,
    Exited(ExitReason),
}

/// A child's line to its supervisor.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    pub(crate) key: ChildKey,
    pub(crate) life: u64,
    pub(crate) to: UnboundedSender<Signal>,
}

impl Reporter {
    pub(crate) fn tell(&self, news: News) {
        // A supervisor that is gone needs no news.
        let _ = self.to.send(Signal { key: self.key, life: self.life, news });
    }
}

/// What an incarnation is given besides its actor.
pub(crate) struct Birth {
    pub(crate) reporter: Reporter,
    pub(crate) path: Arc<str>,
    pub(crate) pulse: Option<Arc<Pulse>>,
    pub(crate) probe: Option<Probe>,
    pub(crate) start_deadline: Duration,
}

/// Starts incarnations of one worker, without showing its type.
pub(crate) trait Launch: Send + Sync {
    /// False when the slot is taken; the birth's reporter has then been told.
    fn launch(&self, birth: Birth) -> bool;
    fn berth(&self) -> Arc<dyn Berth>;
}

type Made<A> = LocalBoxFuture<'static, Result<A, StartError>>;
type Factory<A> = Arc<Mutex<dyn FnMut() -> Made<A> + Send>>;

pub(crate) struct Worker<A: Actor<Context = Context<A>>> {
    slot: Slot<A>,
    factory: Factory<A>,
}

impl<A: Actor<Context = Context<A>>> Worker<A> {
    pub(crate) fn new<F, Fut>(slot: &Slot<A>, mut factory: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<A, StartError>> + 'static,
    {
        let factory = move || -> Made<A> { Box::pin(factory()) };
        Self { slot: slot.clone(), factory: Arc::new(Mutex::new(factory)) }
    }
}

impl<A: Actor<Context = Context<A>>> Launch for Worker<A> {
    fn launch(&self, birth: Birth) -> bool {
        if !self.slot.inbox().claim() {
            let error = StartError::new(format!("the slot {} is in use by another child", self.slot.name()));
            birth.reporter.tell(News::Exited(ExitReason::StartFailed(error)));
            return false;
        }
        let deadline = Instant::now().checked_add(birth.start_deadline);
        let life = Life {
            stage: Stage::New(Arc::clone(&self.factory)),
            slot: self.slot.clone(),
            told_to_stop: false,
            ready: false,
            alarm: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))),
            probing: false,
            birth,
        };
        drop(actix_rt::spawn(life));
        true
    }

    fn berth(&self) -> Arc<dyn Berth> {
        Arc::clone(self.slot.inbox()) as Arc<dyn Berth>
    }
}

#[expect(clippy::large_enum_variant, reason = "the large variant is the one every actor spends its life in")]
enum Stage<A: Actor<Context = Context<A>>> {
    New(Factory<A>),
    Making(Made<A>),
    Living(ContextFut<A, Context<A>>),
    Ended,
}

struct Life<A: Actor<Context = Context<A>>> {
    stage: Stage<A>,
    slot: Slot<A>,
    birth: Birth,
    told_to_stop: bool,
    ready: bool,
    /// The start deadline, then the probe's timer.
    alarm: Option<Pin<Box<Sleep>>>,
    probing: bool,
}

impl<A: Actor<Context = Context<A>>> Future for Life<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let life = self.get_mut();
        let pulse = life.birth.pulse.clone();
        if let Some(pulse) = &pulse {
            pulse.enter(&life.birth.path);
        }
        let reason = match catch_unwind(AssertUnwindSafe(|| life.advance(task))) {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(reason)) => Some(reason),
            Err(payload) => Some(life.panicked(payload.as_ref())),
        };
        let polled = match reason {
            None => Poll::Pending,
            Some(reason) => {
                let reason = life.bury(reason);
                life.birth.reporter.tell(News::Exited(reason));
                Poll::Ready(())
            }
        };
        if let Some(pulse) = &pulse {
            pulse.leave();
        }
        polled
    }
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    fn advance(&mut self, task: &mut TaskContext<'_>) -> Poll<ExitReason> {
        let command = self.slot.inbox().attend(task.waker());
        if command == Command::Kill {
            return Poll::Ready(ExitReason::Killed);
        }
        loop {
            match &mut self.stage {
                Stage::New(_) | Stage::Making(_) if command == Command::Stop => {
                    return Poll::Ready(ExitReason::Shutdown);
                }
                Stage::New(factory) => {
                    let made = {
                        let mut factory = factory.lock().unwrap_or_else(PoisonError::into_inner);
                        (*factory)()
                    };
                    self.stage = Stage::Making(made);
                }
                Stage::Making(made) => match made.as_mut().poll(task) {
                    Poll::Pending => return self.watch_start(task),
                    Poll::Ready(Err(error)) => return Poll::Ready(ExitReason::StartFailed(error)),
                    Poll::Ready(Ok(actor)) => {
                        let Birth { path, pulse, .. } = &self.birth;
                        self.stage = Stage::Living(Context::embody(actor, &self.slot, path, pulse.as_ref()));
                        self.slot.inbox().open();
                    }
                },
                Stage::Living(_) => return self.live(command, task),
                Stage::Ended => return Poll::Pending,
            }
        }
    }

    fn live(&mut self, command: Command, task: &mut TaskContext<'_>) -> Poll<ExitReason> {
        let Stage::Living(body) = &mut self.stage else {
            return Poll::Pending;
        };
        if command == Command::Stop && !self.told_to_stop {
            self.told_to_stop = true;
            body.ctx().parts().stop();
        }
        body.ctx().begin_turn();
        if Pin::new(&mut *body).poll(task).is_ready() {
            return Poll::Ready(if self.told_to_stop { ExitReason::Shutdown } else { ExitReason::Normal });
        }
        let attended = body.ctx().attended();
        if self.told_to_stop {
            return Poll::Pending;
        }
        if !self.ready {
            if !attended {
                return self.watch_start(task);
            }
            self.ready = true;
            self.alarm = self.birth.probe.map(|probe| Box::pin(tokio::time::sleep(probe.every)));
            self.birth.reporter.tell(News::Ready);
        }
        self.watch_probe(attended, task)
    }

    fn watch_start(&mut self, task: &mut TaskContext<'_>) -> Poll<ExitReason> {
        if let Some(alarm) = &mut self.alarm {
            ready!(alarm.as_mut().poll(task));
            return Poll::Ready(ExitReason::StartTimedOut);
        }
        Poll::Pending
    }

    /// Asks for the intake's attention now and then, and gives up on an actor that never attends.
    fn watch_probe(&mut self, attended: bool, task: &mut TaskContext<'_>) -> Poll<ExitReason> {
        let (Some(probe), Some(alarm), Stage::Living(body)) = (self.birth.probe, self.alarm.as_mut(), &mut self.stage) else {
            return Poll::Pending;
        };
        if self.probing && attended {
            self.probing = false;
            alarm.set(tokio::time::sleep(probe.every));
        }
        ready!(alarm.as_mut().poll(task));
        if self.probing {
            return Poll::Ready(ExitReason::Stuck);
        }
        self.probing = true;
        body.ctx().expect_attention();
        alarm.set(tokio::time::sleep(probe.deadline));
        // The next poll runs the intake, unless something is waited for; then only the alarm remains.
        task.waker().wake_by_ref();
        match alarm.as_mut().poll(task) {
            Poll::Pending | Poll::Ready(()) => Poll::Pending,
        }
    }

    fn panicked(&mut self, payload: &(dyn Any + Send)) -> ExitReason {
        let message = panic_message(payload);
        match &mut self.stage {
            Stage::Living(body) => match body.ctx().last_place() {
                Place::Started => ExitReason::StartPanicked { message },
                place @ (Place::Handler(_) | Place::Future | Place::Stopping | Place::Dropping) => ExitReason::Panicked { message, place },
            },
            Stage::New(_) | Stage::Making(_) | Stage::Ended => ExitReason::StartPanicked { message },
        }
    }

    /// Ends this incarnation: first peers see `Down` and what was queued is dropped, then the actor.
    fn bury(&mut self, reason: ExitReason) -> ExitReason {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        self.alarm = None;
        self.slot.inbox().close();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop_without_hooks(stage)));
        self.slot.inbox().vacate();
        match dropped {
            Ok(()) => reason,
            Err(payload) => {
                let message = panic_message(payload.as_ref());
                tracing::error!(actor = %self.birth.path, %message, "an actor panicked while it was dropped");
                if reason.is_normal() { ExitReason::Panicked { message, place: Place::Dropping } } else { reason }
            }
        }
    }
}

fn drop_without_hooks<A: Actor<Context = Context<A>>>(stage: Stage<A>) {
    if let Stage::Living(mut body) = stage {
        body.ctx().parts().terminate();
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Life<A> {
    /// Only does something when the runtime itself goes away under a running actor.
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Ended) {
            let _ = self.bury(ExitReason::Killed);
        }
    }
}
