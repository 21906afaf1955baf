//! The household actor: who is who, and who is present where.
//!
//! | in | out | |
//! |---|---|---|
//! | [`Resolve`] | `Result<Resolved, Stranger>` | a channel asks whose message this is and where it belongs |
//! | [`Who`] | `Vec<Member>` | everybody who is enrolled |
//!
//! Permanent. The members are those of the configuration; at start they are written to the store, so that a conversation
//! that resumes knows them. A restart loses nothing. Invariant I-9: who is not enrolled is nobody.

use std::collections::BTreeMap;

use actix::{Actor, Handler, Message, MessageResult};
use hearth_domain::household::{Member, MemberId, Place};
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::store::{Commit, Write};
use hearth_domain::time::Timestamp;
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;

use crate::ports::{House, Ports};
use crate::store::Save;

/// Whose message is this, and where does it belong?
#[derive(Debug, Message)]
#[rtype(result = "Result<Resolved, Stranger>")]
pub struct Resolve {
    /// As whom the channel knows the sender: an id that it has verified, or the name of the configuration at the
    /// local channel, which only processes of the house's own user can reach. None means the owner.
    pub identity: Option<String>,
    /// The thread; empty for the member's main conversation.
    pub thread: String,
}

/// A sender who is enrolled.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Who.
    pub member: Member,
    /// Where.
    pub place: Place,
}

/// A sender who is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody of that name lives here; see `hearth config show` for the members")]
pub struct Stranger;

/// Who is enrolled?
#[derive(Debug, Message)]
#[rtype(result = "Vec<Member>")]
pub struct Who;

/// The household actor.
#[derive(Debug)]
pub struct HouseholdActor {
    members: BTreeMap<MemberId, Member>,
    owner: MemberId,
}

impl HouseholdActor {
    /// Writes the members of the configuration to the store, where they changed.
    pub async fn enrol(house: House, ports: Ports, save: Link<Save>) -> Result<Self, StartError> {
        let known = ports.store.members().await.map_err(|error| StartError::caused_by("the members could not be read", error))?;
        let changed: Vec<_> = house.members.iter().filter(|member| !known.contains(member)).cloned().collect();
        for member in changed {
            let commit = enrolment(&member, ports.clock.wall());
            let saved = save.ask(Save(commit), house.limits.commit_deadline).await;
            saved
                .map_err(|error| StartError::caused_by("a member could not be enrolled", error))?
                .map_err(|error| StartError::caused_by("a member could not be enrolled", error))?;
        }
        let owner = house.members.first().map(|member| member.id).ok_or_else(|| StartError::new("the configuration names no member"))?;
        Ok(Self { members: house.members.into_iter().map(|member| (member.id, member)).collect(), owner })
    }

    fn resolve(&self, asked: &Resolve) -> Result<Resolved, Stranger> {
        let id = asked.identity.as_deref().map_or(self.owner, Member::id_of);
        let member = self.members.get(&id).cloned().ok_or(Stranger)?;
        Ok(Resolved { place: Place::private(&member, &asked.thread), member })
    }
}

fn enrolment(member: &Member, at: Timestamp) -> Commit {
    let fact = Fact {
        kind: FactKind::MemberEnrolled,
        who: Some(member.id),
        subject: member.id.to_string(),
        detail: member.role.to_string(),
        content: None,
        at,
    };
    Commit { writes: vec![Write::Member(member.clone())], fact }
}

// === impl Actor ===

impl Actor for HouseholdActor {
    type Context = Context<Self>;
}

impl Handler<Resolve> for HouseholdActor {
    type Result = MessageResult<Resolve>;

    fn handle(&mut self, asked: Resolve, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.resolve(&asked))
    }
}

impl Handler<Who> for HouseholdActor {
    type Result = MessageResult<Who>;

    fn handle(&mut self, _: Who, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.members.values().cloned().collect())
    }
}
