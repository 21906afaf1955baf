//! Break-glass: a child's private conversations are opened to a grown-up, and read. What may be, `domain::household::glass` decides.
//!
//! An opening is in the journal, then said to the child, and only then open; a reading is in the journal before anything is handed over.
//! What is open is in this actor alone, so that its restart shuts it.

use actix::{ActorFutureExt as _, Handler, Message, MessageResult, ResponseActFuture, WrapFuture as _};
use hearth_domain::conversation::{Notice, Noticed};
use hearth_domain::household::glass::{Glass, GlassError, Opening, SHOWN, is_shown};
use hearth_domain::household::record::MemberRow;
use hearth_domain::household::roster::RosterError;
use hearth_domain::household::{Member, MemberId, Place};
use hearth_domain::ids::ReminderId;
use hearth_domain::journal::Fact;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::message::Message as Said;
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::store::{Commit, Conversation};
use hearth_domain::time::Timestamp;
use hearth_supervisor::context::Context;

use super::HouseholdActor;
use crate::channel::LOCAL;
use crate::memory::within;
use crate::scheduler::Announce;
use crate::store::Save;

/// Why nothing was opened or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BreakError {
    /// It is not decided so.
    #[error(transparent)]
    Refused(#[from] GlassError),
    /// Nobody of that name.
    #[error(transparent)]
    Unknown(#[from] RosterError),
    /// The journal could not be written, or the child not be told.
    #[error("the house is busy or restarting, and nothing was opened or read; try again in a moment")]
    Busy,
}

/// Open a child's private conversations to a grown-up.
#[derive(Debug, Message)]
#[rtype(result = "Result<Opening, BreakError>")]
pub struct BreakGlass {
    /// For whom, by their own word.
    pub by: MemberId,
    /// Whose, by name.
    pub child: String,
    /// Why: the child reads it.
    pub reason: String,
}

/// Read them.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<(Conversation, Vec<Said>)>, BreakError>")]
pub struct ReadGlass {
    /// Who reads.
    pub by: MemberId,
    /// Whose, by name.
    pub child: String,
}

/// Who may read what is this member's just now?
#[derive(Debug, Message)]
#[rtype(result = "Vec<(Member, Opening)>")]
pub struct WhoReads(pub MemberId);

impl HouseholdActor {
    /// Who asks, and the child.
    fn two(&self, by: MemberId, child: &str) -> Result<(Member, MemberRow), RosterError> {
        let by = self.people.roster.get(by).ok_or(RosterError::Unknown)?;
        let child = self.people.roster.named(child).ok_or(RosterError::Unknown)?;
        Ok((by.member.clone(), child.clone()))
    }

    fn recorded(&self, fact: Fact) -> impl Future<Output = Result<(), BreakError>> + use<> {
        let saved = self.save.ask(Save(Commit { writes: Vec::new(), fact }), self.house.limits.commit_deadline);
        async move { if matches!(saved.await, Ok(Ok(()))) { Ok(()) } else { Err(BreakError::Busy) } }
    }

    /// Says it to the child, where it can be read later as well.
    fn told(&self, opening: &Opening, by: &Member, child: &Member) -> impl Future<Output = Result<(), BreakError>> + use<> {
        let notice = notice(opening, opening.told(by, child));
        let said = self.announce.ask(Announce(Box::new(notice)), self.house.limits.commit_deadline.saturating_mul(2));
        async move { if matches!(said.await, Ok(Noticed::Said(_) | Noticed::Before)) { Ok(()) } else { Err(BreakError::Busy) } }
    }
}

fn notice(opening: &Opening, text: String) -> Notice {
    let parts = ["glass", &opening.by.to_string(), &opening.child.to_string(), &opening.at.to_string()];
    let reminder = Reminder {
        id: ReminderId::derived(&parts),
        member: opening.child,
        conversation: Place::main(opening.child),
        channel: LOCAL.to_owned(),
        text: text.clone(),
        label: Label::new(Readers::only([opening.child]), Integrity::Member),
        due: opening.at,
        first: opening.at,
        zone: "UTC".to_owned(),
        every: None,
        state: ReminderState::Pending,
    };
    Notice { reminder, text }
}

impl Handler<BreakGlass> for HouseholdActor {
    type Result = ResponseActFuture<Self, Result<Opening, BreakError>>;

    fn handle(&mut self, BreakGlass { by, child, reason }: BreakGlass, _: &mut Context<Self>) -> Self::Result {
        let (wall, mono) = (self.clock.wall(), self.clock.mono());
        let begun = self.two(by, &child).map_err(BreakError::from).and_then(|(by, child)| {
            let opening = Glass::begin(&by, &child, &reason, wall, mono)?;
            Ok((opening, by, child.member))
        });
        let (opening, by, child) = match begun {
            Ok(begun) => begun,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        let (recorded, told) = (self.recorded(opening.fact()), self.told(&opening, &by, &child));
        let both = async move {
            recorded.await?;
            told.await
        };
        Box::pin(both.into_actor(self).map(move |both, this, _| {
            both?;
            let (wall, mono) = (this.clock.wall(), this.clock.mono());
            this.glass.admit(opening.clone(), wall, mono);
            Ok(opening)
        }))
    }
}

impl Handler<ReadGlass> for HouseholdActor {
    type Result = ResponseActFuture<Self, Result<Vec<(Conversation, Vec<Said>)>, BreakError>>;

    fn handle(&mut self, ReadGlass { by, child }: ReadGlass, _: &mut Context<Self>) -> Self::Result {
        let now = self.clock.wall();
        let opening = self.two(by, &child).map_err(BreakError::from).and_then(|(by, child)| {
            let opening = self.glass.may_read(&by, &child, now, self.clock.mono())?;
            Ok(opening.clone())
        });
        let opening = match opening {
            Ok(opening) => opening,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        let (store, deadline, whose) = (std::sync::Arc::clone(&self.store), self.house.limits.read_deadline, opening.child);
        let read = async move {
            let all = within(deadline, store.conversations(whose)).await.map_err(|_| BreakError::Busy)?;
            let mut shown = Vec::new();
            for row in all.into_iter().filter(|row| row.owner == Some(whose)) {
                let said = within(deadline, store.recent(row.id, SHOWN)).await.map_err(|_| BreakError::Busy)?;
                let said: Vec<Said> = said.into_iter().filter(|message| is_shown(whose, &message.label)).collect();
                shown.push((row, said));
            }
            Ok::<_, BreakError>(shown)
        };
        Box::pin(read.into_actor(self).then(move |shown, this, _| {
            let recorded = match &shown {
                Ok(shown) => Some(this.recorded(opening.read(shown.len(), now))),
                Err(_) => None,
            };
            async move {
                if let Some(recorded) = recorded {
                    recorded.await?;
                }
                shown
            }
            .into_actor(this)
        }))
    }
}

impl Handler<WhoReads> for HouseholdActor {
    type Result = MessageResult<WhoReads>;

    fn handle(&mut self, WhoReads(child): WhoReads, _: &mut Context<Self>) -> Self::Result {
        let (wall, mono): (Timestamp, _) = (self.clock.wall(), self.clock.mono());
        let named = |opening: &Opening| self.people.roster.get(opening.by).map(|row| (row.member.clone(), opening.clone()));
        MessageResult(self.glass.on(child, wall, mono).filter_map(named).collect())
    }
}
