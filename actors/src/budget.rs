//! The budget actor, and the purse that everybody who spends something holds: nothing is asked of a model or a tool that is not reserved.
//!
//! ```text
//!  provider, toolbox ─▶ Purse::reserve ─┬─ does not fit ─▶ refused, with a sentence
//!                                       ├─ covered by the store's row ─▶ it begins
//!                                       └─ not yet ─▶ Raise ─▶ row saved ─▶ it begins
//!  conversation ─▶ Purse::row in the commits of the turn: up when it begins, down when it has ended
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Raise`] | `bool` | when what is reserved for a member is covered by the store |
//! | [`Tell`] | | a notice of most of a budget, told once |
//! | [`Used`] | `Vec<Use>` | what members have used of what, as far as this one may see it |
//! | → `Announce` | | notices |
//!
//! Permanent. The accounts are beside the actors and not in this one, so that two turns cannot both have the last unit, and no message is
//! needed for what fits: a restart of this actor loses nothing, and of the house what [`hearth_domain::budget::ledger`] says. Without a
//! word of the store nothing begins that is not covered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseFuture, WrapFuture};
use hearth_domain::budget::ledger::{Hold, Ledger, Moment};
use hearth_domain::budget::{Amounts, Budget, Charge, Day, Notice, Refused, Settings, Spent};
use hearth_domain::conversation::{Notice as Said, Noticed};
use hearth_domain::household::{Member, Place, Role};
use hearth_domain::ids::{MemberId, ReminderId, TurnId};
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::limits::Limits;
use hearth_domain::model::ModelError;
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::store::{Commit, Write};
use hearth_domain::time::{TimeZone, Timestamp};
use hearth_domain::tool::ToolError;
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;
use hearth_supervisor::slot::Slot;

use crate::channel::LOCAL;
use crate::household::Who;
use crate::ports::Ports;
use crate::scheduler::Announce;
use crate::store::Save;

/// Time until a notice is told again, when that could not be saved.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// Rows that are written for one step, when others are made meanwhile.
const RAISES: usize = 4;
/// What nobody could write down is not begun.
const UNSAVED: &str = "what it may use could not be written down";

/// Have the store cover what is reserved on this charge; whether it does.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Raise(pub Charge);

/// Tell a member that most of a budget is used.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Tell(pub Notice);

/// What was used today: of all members for an adult, else of this one.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Use>")]
pub struct Used(pub Member);

/// What a member has used of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Who.
    pub member: Member,
    /// On which of their days.
    pub day: Day,
    /// So much.
    pub used: Amounts,
    /// Of that.
    pub budget: Budget,
}

/// Why something was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// It does not fit.
    #[error("{0}")]
    Refused(Refused),
    /// The store does not cover it.
    #[error("{UNSAVED}")]
    Unsaved,
}

impl From<SpendError> for ModelError {
    fn from(error: SpendError) -> Self {
        match error {
            SpendError::Refused(refused) => Self::Spent(refused),
            SpendError::Unsaved => Self::Unavailable(UNSAVED.to_owned()),
        }
    }
}

impl From<SpendError> for ToolError {
    fn from(error: SpendError) -> Self {
        match error {
            SpendError::Refused(refused) => Self::Spent(refused.to_string()),
            SpendError::Unsaved => Self::Busy,
        }
    }
}

/// The accounts, for whoever spends. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Purse {
    ledger: Arc<Mutex<Ledger>>,
    raise: Link<Raise>,
    tell: Link<Tell>,
    deadline: Duration,
}

impl Purse {
    /// Accounts that the actor of this slot saves and tells of.
    #[must_use]
    pub fn new(settings: Settings, slot: &Slot<BudgetActor>, limits: &Limits) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(settings)));
        Self { ledger, raise: slot.link(), tell: slot.link(), deadline: limits.commit_deadline }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves so much, and answers when it may begin. `unheard` is what counts when nobody says what it took.
    ///
    /// # Errors
    ///
    /// When it does not fit, or the store does not cover it. Nothing is reserved then.
    pub async fn reserve(
        &self,
        charge: Charge,
        amounts: Amounts,
        unheard: impl Fn() -> Amounts + Send + 'static,
    ) -> Result<Reserved, SpendError> {
        let hold = self.ledger().reserve(charge, amounts).map_err(SpendError::Refused)?;
        // Nothing has begun yet: given up here, it takes nothing.
        let mut reserved = Reserved { purse: self.clone(), hold: Some(hold), unheard: Box::new(Amounts::default) };
        if !self.covers(&charge) && !self.raise.ask(Raise(charge), self.deadline).await.unwrap_or(false) {
            return Err(SpendError::Unsaved);
        }
        reserved.unheard = Box::new(unheard);
        Ok(reserved)
    }

    fn covers(&self, charge: &Charge) -> bool {
        self.ledger().is_covered(charge)
    }

    fn settle(&self, hold: Hold, used: Amounts) {
        let notices = self.ledger().settle(hold, used);
        for notice in notices {
            // One that does not fit is told with the next crossing after a restart, or by the refusal itself.
            drop(self.tell.offer(Tell(notice)));
        }
    }

    /// A row that has to go with the next commit of this charge's turn. Its word goes to [`Self::saved`].
    #[must_use]
    pub fn row(&self, charge: &Charge, moment: Moment) -> Option<Spent> {
        self.ledger().row(charge, moment)
    }

    /// A row is durable.
    pub fn saved(&self, row: &Spent) {
        self.ledger().saved(row);
    }

    /// A turn has ended.
    pub fn ended(&self, turn: TurnId) {
        self.ledger().ended(turn);
    }

    /// What a member has paid on a day and in its month so far, in cents.
    #[must_use]
    pub fn paid(&self, member: MemberId, day: Day) -> (u64, u64) {
        self.ledger().paid(member, day)
    }

    /// What a member has used of a day.
    #[must_use]
    pub fn used(&self, member: MemberId, day: Day) -> Amounts {
        self.ledger().used(member, day)
    }
}

/// Something that is reserved. Dropped without a word of what it took, it counts by what it was reserved with.
pub struct Reserved {
    purse: Purse,
    hold: Option<Hold>,
    unheard: Box<dyn Fn() -> Amounts + Send>,
}

impl std::fmt::Debug for Reserved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reserved").field("hold", &self.hold).finish_non_exhaustive()
    }
}

impl Reserved {
    /// It took that much.
    pub fn took(mut self, used: Amounts) {
        if let Some(hold) = self.hold.take() {
            self.purse.settle(hold, used);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            let used = (self.unheard)();
            self.purse.settle(hold, used);
        }
    }
}

/// To whom the budget actor speaks.
#[derive(Debug, Clone)]
pub struct Links {
    /// To the store.
    pub save: Link<Save>,
    /// To the conversations.
    pub announce: Link<Announce>,
    /// To the household.
    pub who: Link<Who>,
}

/// The budget actor.
pub struct BudgetActor {
    purse: Purse,
    ports: Ports,
    links: Links,
    limits: Limits,
}

impl std::fmt::Debug for BudgetActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BudgetActor").finish_non_exhaustive()
    }
}

impl BudgetActor {
    /// With the rows of the store.
    pub async fn load(purse: Purse, ports: Ports, links: Links, limits: Limits) -> Result<Self, StartError> {
        let unread = |error| StartError::caused_by("what members have used could not be read", error);
        let rows = ports.store.spent().await.map_err(unread)?;
        purse.ledger().load(rows);
        Ok(Self { purse, ports, links, limits })
    }

    fn tell(&self, notice: Notice, ctx: &mut Context<Self>) {
        let said = self.links.announce.ask(Announce(Box::new(as_said(notice))), self.limits.commit_deadline);
        ctx.spawn(said.into_actor(self).map(move |said, _, ctx| {
            if !matches!(said, Ok(Noticed::Said(_) | Noticed::Before)) {
                ctx.run_later(TELL_AGAIN, move |this, ctx| this.tell(notice, ctx));
            }
        }));
    }
}

/// Writes rows until what is reserved is covered.
async fn raise(purse: Purse, save: Link<Save>, charge: Charge, at: Timestamp, deadline: Duration) -> bool {
    for _ in 0..RAISES {
        if purse.covers(&charge) {
            return true;
        }
        let Some(row) = purse.row(&charge, Moment::Before) else { break };
        let (who, subject) = (Some(charge.member), charge.day.to_string());
        let fact = Fact { kind: FactKind::BudgetRaised, who, subject, detail: String::new(), content: None, at };
        if !matches!(save.ask(Save(Commit { writes: vec![Write::Spent(row)], fact }), deadline).await, Ok(Ok(()))) {
            return false;
        }
        purse.saved(&row);
    }
    purse.covers(&charge)
}

/// A notice for its member, once for each day and kind: it is due when the day begins in UTC, whenever it is told.
fn as_said(notice: Notice) -> Said {
    let text = notice.to_string();
    let due = notice.day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH);
    let kind = format!("{:?}", notice.kind);
    let reminder = Reminder {
        id: ReminderId::derived(&["budget", &notice.member.to_string(), &notice.day.to_string(), &kind]),
        member: notice.member,
        conversation: Place::main(notice.member),
        channel: LOCAL.to_owned(),
        text: text.clone(),
        label: Label::new(Readers::only([notice.member]), Integrity::House),
        due,
        first: due,
        zone: "UTC".to_owned(),
        every: None,
        state: ReminderState::Pending,
    };
    Said { reminder, text }
}

// === impl Actor ===

impl Actor for BudgetActor {
    type Context = Context<Self>;
}

impl Handler<Raise> for BudgetActor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Raise(charge): Raise, _: &mut Context<Self>) -> Self::Result {
        let (purse, save, at) = (self.purse.clone(), self.links.save.clone(), self.ports.clock.wall());
        Box::pin(raise(purse, save, charge, at, self.limits.commit_deadline))
    }
}

impl Handler<Tell> for BudgetActor {
    type Result = ();

    fn handle(&mut self, Tell(notice): Tell, ctx: &mut Context<Self>) {
        self.tell(notice, ctx);
    }
}

impl Handler<Used> for BudgetActor {
    type Result = ResponseFuture<Vec<Use>>;

    fn handle(&mut self, Used(asker): Used, _: &mut Context<Self>) -> Self::Result {
        let (purse, now) = (self.purse.clone(), self.ports.clock.wall());
        let members = self.links.who.ask(Who, self.limits.ask_deadline);
        Box::pin(async move {
            let sees_all = matches!(asker.role, Role::Owner | Role::Adult);
            let seen = members.await.unwrap_or_default().into_iter().filter(|member| sees_all || member.id == asker.id);
            let used = seen.map(|member| {
                let Charge { day, .. } = Charge::to(&member, now);
                let (used, budget) = (purse.used(member.id, day), purse.ledger().budget(member.id, member.role));
                Use { member, day, used, budget }
            });
            used.collect()
        })
    }
}
