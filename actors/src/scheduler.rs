//! The scheduler actor: reminders come due once, late ones say so.
//!
//! ```text
//!  (waiting until the next due time, a minute at most) ──▶ due? ──▶ Notice to its conversation
//!        ▲                                                            ├ said: done, or its next repetition
//!        └────────────────────────────────────────────────────────────┼ said before: its row is put right
//!                                                                     └ failed: again in half a minute
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Remind`] | `Result<(), ScheduleError>` | sets a reminder, durably |
//! | [`Pending`] | `Vec<Reminder>` | a member's reminders that will come due |
//!
//! Permanent; reminders are in the store and read at start, so a restart loses nothing. Invariant I-11: an occurrence is claimed in the
//! transaction that says it. The wall clock is read at every wake, at least once a minute, so that a clock that jumps is noticed.
//! Limits: `reminders`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, MessageResult, ResponseActFuture, SpawnHandle, WrapFuture};
use hearth_domain::conversation::{Notice, Noticed};
use hearth_domain::ids::{MemberId, ReminderId};
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::schedule::{Reminder, ReminderState, notice_text};
use hearth_domain::store::{Commit, Store, StoreError, Write};
use hearth_domain::time::{Clock, Mono, Timestamp};
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::{AskError, Link};

use crate::memory::within;
use crate::store::{Save, Settle};

/// Longest time between two looks at the wall clock.
const LOOK: Duration = Duration::from_secs(60);
/// Reminders that are remembered when they are done.
const DONE_MAX: usize = 256;
/// Time until a notice that could not be saved is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Set this reminder.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ScheduleError>")]
pub struct Remind(pub Reminder);

/// Say this in its conversation: what the scheduler asks of the conversations.
#[derive(Debug, Message)]
#[rtype(result = "Noticed")]
pub struct Announce(pub Box<Notice>);

/// A member's reminders that will come due, earliest first.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Reminder>")]
pub struct Pending(pub MemberId);

/// Why a reminder was not set. The sentence is for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Too many.
    #[error("you have {0} reminders already, and no more fit")]
    Full(usize),
    /// The store did not serve.
    #[error("{0}")]
    Store(StoreError),
}

/// The scheduler actor.
pub struct SchedulerActor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    save: Link<Save>,
    settle: Link<Settle>,
    announce: Link<Announce>,
    limits: Limits,
    core: Core,
    wake: Option<SpawnHandle>,
}

impl std::fmt::Debug for SchedulerActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchedulerActor").field("pending", &self.core.pending.len()).finish_non_exhaustive()
    }
}

/// The synchronous core: what will come due, and what is being said.
#[derive(Debug, Default)]
struct Core {
    pending: BTreeMap<ReminderId, Reminder>,
    /// Being said, or waiting until then to be tried again: a clock on the wall that is set back must not make that longer.
    busy: BTreeMap<ReminderId, Option<Mono>>,
    /// Said for the last time by this value, by which a call that is repeated after a crash is recognised.
    done: VecDeque<ReminderId>,
}

impl Core {
    /// The reminders that are due and not being said; they are being said from now on.
    fn due(&mut self, now: Timestamp, mono: Mono) -> Vec<Reminder> {
        let waits = |busy: Option<&Option<Mono>>| busy.is_some_and(|again| again.is_none_or(|again| again > mono));
        let due: Vec<Reminder> =
            self.pending.values().filter(|reminder| reminder.due <= now && !waits(self.busy.get(&reminder.id))).cloned().collect();
        for reminder in &due {
            self.busy.insert(reminder.id, None);
        }
        due
    }

    fn noticed(&mut self, now: Timestamp, mono: Mono, reminder: &Reminder, noticed: Option<Noticed>) {
        match noticed {
            Some(Noticed::Said(after)) => self.settle(*after),
            // The row had moved on without us: a crash came between the claim and its answer.
            Some(Noticed::Before) => self.settle(reminder.after_firing(now)),
            Some(Noticed::Failed(_)) | None => {
                self.busy.insert(reminder.id, Some(mono.plus(AGAIN)));
            }
        }
    }

    fn settle(&mut self, after: Reminder) {
        self.busy.remove(&after.id);
        if after.state == ReminderState::Pending {
            self.pending.insert(after.id, after);
        } else {
            self.pending.remove(&after.id);
            self.done.push_back(after.id);
            if self.done.len() > DONE_MAX {
                self.done.pop_front();
            }
        }
    }

    /// Whether this reminder has been set before.
    fn knows(&self, id: ReminderId) -> bool {
        self.pending.contains_key(&id) || self.done.contains(&id)
    }

    /// Time until the next look.
    fn pause(&self, now: Timestamp, mono: Mono) -> Duration {
        let next = self.pending.values().filter_map(|reminder| match self.busy.get(&reminder.id) {
            Some(None) => None,
            Some(Some(again)) => Some(again.since(mono)),
            None => Some(Duration::try_from(reminder.due.duration_since(now)).unwrap_or(Duration::ZERO)),
        });
        next.min().map_or(LOOK, |next| next.min(LOOK))
    }

    fn of(&self, member: MemberId) -> Vec<Reminder> {
        let mut own: Vec<_> = self.pending.values().filter(|reminder| reminder.member == member).cloned().collect();
        own.sort_by_key(|reminder| (reminder.due, reminder.id));
        own
    }
}

impl SchedulerActor {
    /// Reads what will come due.
    pub async fn load(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        save: Link<Save>,
        settle: Link<Settle>,
        announce: Link<Announce>,
        limits: Limits,
    ) -> Result<Self, StartError> {
        let read = read(&store, &settle, &limits).await;
        let pending = read.map_err(|error| StartError::caused_by("the reminders could not be read", error))?;
        let core = Core { pending: pending.into_iter().map(|reminder| (reminder.id, reminder)).collect(), ..Core::default() };
        Ok(Self { store, clock, save, settle, announce, limits, core, wake: None })
    }

    /// Whether a reminder was set is not known: looks it up, until the store answers.
    fn look_up(&mut self, ctx: &mut Context<Self>) {
        let (store, settle, limits) = (Arc::clone(&self.store), self.settle.clone(), self.limits.clone());
        let read = async move { read(&store, &settle, &limits).await };
        ctx.spawn(read.into_actor(self).map(|found, this, ctx| match found {
            Ok(rows) => {
                for row in rows {
                    this.core.pending.entry(row.id).or_insert(row);
                }
                this.look(ctx);
            }
            Err(error) => {
                tracing::warn!(%error, "the reminders could not be read; trying again");
                ctx.run_later(AGAIN, Self::look_up);
            }
        }));
    }

    /// Says what is due, then sleeps until the next look.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let (now, mono) = (self.clock.wall(), self.clock.mono());
        for reminder in self.core.due(now, mono) {
            self.say(now, reminder, ctx);
        }
        if let Some(old) = self.wake.take() {
            ctx.cancel_future(old);
        }
        let pause = self.core.pause(now, mono).max(Duration::from_millis(1));
        self.wake = Some(ctx.run_later(pause, Self::look));
    }

    fn say(&self, now: Timestamp, reminder: Reminder, ctx: &mut Context<Self>) {
        let notice = Notice { text: notice_text(&reminder, now), reminder: reminder.clone() };
        let said = self.announce.ask(Announce(Box::new(notice)), self.limits.commit_deadline);
        ctx.spawn(said.into_actor(self).map(move |noticed, this, ctx| {
            if !matches!(noticed, Ok(Noticed::Said(_) | Noticed::Before)) {
                tracing::warn!(reminder = %reminder.id, outcome = ?noticed, "a reminder could not be said; trying again");
            }
            if noticed == Ok(Noticed::Before) {
                return this.said_before(reminder, ctx);
            }
            this.core.noticed(this.clock.wall(), this.clock.mono(), &reminder, noticed.ok());
            this.look(ctx);
        }));
    }

    /// The row in the store has moved on without us, because the word of it was lost: what it says now is what will come due.
    fn said_before(&self, reminder: Reminder, ctx: &mut Context<Self>) {
        let (store, settle, limits) = (Arc::clone(&self.store), self.settle.clone(), self.limits.clone());
        let read = async move { read(&store, &settle, &limits).await };
        ctx.spawn(read.into_actor(self).map(move |found, this, ctx| {
            let now = this.clock.wall();
            match found.map(|rows| rows.into_iter().find(|row| row.id == reminder.id)) {
                Ok(Some(row)) if row.due == reminder.due => {
                    let after = row.after_firing(now);
                    this.put_right(after.clone(), ctx);
                    this.core.settle(after);
                }
                Ok(Some(row)) => this.core.settle(row),
                Ok(None) => this.core.settle(Reminder { state: ReminderState::Done, ..reminder }),
                Err(_) => this.core.noticed(now, this.clock.mono(), &reminder, None),
            }
            this.look(ctx);
        }));
    }

    /// The row says that something will come due which was said before: the call that set it was repeated after a crash.
    fn put_right(&self, after: Reminder, ctx: &mut Context<Self>) {
        let commit = set(after, "said before", self.clock.wall());
        let saved = self.save.ask(Save(commit), self.limits.commit_deadline);
        // When it is not saved, the next start finds it as this one did.
        ctx.spawn(saved.into_actor(self).map(|_, _, _| ()));
    }
}

/// A reminder's row with its fact.
fn set(reminder: Reminder, detail: &str, at: Timestamp) -> Commit {
    let fact = Fact {
        kind: FactKind::ReminderSet,
        who: Some(reminder.member),
        subject: reminder.id.to_string(),
        detail: detail.to_owned(),
        content: Some(Digest::of(reminder.text.as_bytes())),
        at,
    };
    Commit { writes: vec![Write::Reminder(reminder)], fact }
}

/// What will come due, once no commit of a former life can land any more.
async fn read(store: &Arc<dyn Store>, settle: &Link<Settle>, limits: &Limits) -> Result<Vec<Reminder>, StoreError> {
    let lost = |error: AskError| StoreError::Unavailable(error.to_string());
    settle.ask(Settle, limits.commit_deadline).await.map_err(lost)?;
    within(limits.read_deadline, store.pending_reminders()).await
}

// === impl Actor ===

impl Actor for SchedulerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // After the rest of the tree is up: a notice needs a conversation and a channel.
        self.wake = Some(ctx.run_later(Duration::from_millis(1), Self::look));
    }
}

impl Handler<Remind> for SchedulerActor {
    type Result = ResponseActFuture<Self, Result<(), ScheduleError>>;

    fn handle(&mut self, Remind(reminder): Remind, _: &mut Context<Self>) -> Self::Result {
        let most = self.limits.reminders;
        if self.core.knows(reminder.id) {
            // The call that set it was interrupted by a crash and is repeated; the row may have moved on since.
            return Box::pin(actix::fut::ready(Ok(())));
        }
        if self.core.of(reminder.member).len() >= most {
            return Box::pin(actix::fut::ready(Err(ScheduleError::Full(most))));
        }
        let commit = set(reminder.clone(), "", self.clock.wall());
        let saved = self.save.ask(Save(commit), self.limits.commit_deadline);
        Box::pin(saved.into_actor(self).map(|saved, this, ctx| {
            let saved = saved.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())));
            if saved.as_ref().is_err_and(|error| !error.nothing_written()) {
                this.look_up(ctx);
            }
            saved.map_err(ScheduleError::Store)?;
            this.core.settle(reminder);
            this.look(ctx);
            Ok(())
        }))
    }
}

impl Handler<Pending> for SchedulerActor {
    type Result = MessageResult<Pending>;

    fn handle(&mut self, Pending(member): Pending, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.core.of(member))
    }
}

#[cfg(test)]
mod tests {
    use hearth_domain::ids::ConversationId;
    use hearth_domain::label::Label;
    use hearth_domain::schedule::Every;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn mono() -> Mono {
        Mono(Duration::from_secs(5))
    }

    fn reminder(due: i64, every: Option<Every>) -> Reminder {
        Reminder {
            id: ReminderId::derived(&[&due.to_string()]),
            member: MemberId::derived(&["m"]),
            conversation: ConversationId::derived(&["c"]),
            channel: "local".into(),
            text: "stretch".into(),
            label: Label::neutral(),
            due: at(due),
            first: at(due),
            zone: "UTC".into(),
            every,
            state: ReminderState::Pending,
        }
    }

    fn core(reminders: &[Reminder]) -> Core {
        Core { pending: reminders.iter().map(|r| (r.id, r.clone())).collect(), ..Core::default() }
    }

    #[test]
    fn a_reminder_is_said_once_while_it_is_being_said() {
        let mut core = core(&[reminder(100, None)]);
        assert!(core.due(at(99), mono()).is_empty());
        assert_eq!(core.due(at(100), mono()).len(), 1);
        assert!(core.due(at(101), mono()).is_empty());
    }

    #[test]
    fn one_that_failed_is_tried_again_and_one_that_was_said_is_gone() {
        let one = reminder(100, None);
        let mut core = core(std::slice::from_ref(&one));
        core.due(at(100), mono());
        core.noticed(at(100), mono(), &one, Some(Noticed::Failed(StoreError::Busy)));
        assert!(core.due(at(110), mono()).is_empty());
        // Whatever the clock on the wall does meanwhile.
        assert!(core.due(at(1_000_000), mono()).is_empty());
        assert_eq!(core.pause(at(110), mono()), AGAIN.min(LOOK));
        assert_eq!(core.due(at(101), mono().plus(AGAIN)).len(), 1);
        core.noticed(at(131), mono(), &one, Some(Noticed::Before));
        assert!(core.due(at(1_000), mono()).is_empty());
        assert!(core.pending.is_empty());
    }

    #[test]
    fn one_that_was_set_before_is_known_also_when_it_is_done() {
        let one = reminder(100, None);
        let mut core = core(std::slice::from_ref(&one));
        assert!(core.knows(one.id));
        core.due(at(100), mono());
        core.noticed(at(100), mono(), &one, Some(Noticed::Said(Box::new(one.after_firing(at(100))))));
        assert!(core.knows(one.id) && core.pending.is_empty());
        assert!(!core.knows(ReminderId::derived(&["another"])));
    }

    #[test]
    fn a_repeating_one_comes_again_once_after_a_long_pause() {
        let one = reminder(100, Some(Every::Day));
        let mut core = core(std::slice::from_ref(&one));
        let late = at(100 + 10 * 86_400 + 5);
        assert_eq!(core.due(late, mono()).len(), 1);
        core.noticed(late, mono(), &one, Some(Noticed::Said(Box::new(one.after_firing(late)))));
        assert!(core.due(late, mono()).is_empty());
        assert_eq!(core.due(at(100 + 11 * 86_400), mono()).len(), 1);
    }

    #[test]
    fn the_clock_is_looked_at_once_a_minute_at_least() {
        assert_eq!(core(&[reminder(100_000, None)]).pause(at(0), mono()), LOOK);
        assert_eq!(core(&[reminder(10, None)]).pause(at(0), mono()), Duration::from_secs(10));
        assert_eq!(core(&[reminder(10, None)]).pause(at(50), mono()), Duration::ZERO);
    }
}
