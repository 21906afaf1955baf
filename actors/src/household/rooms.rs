//! What channels ask of the household about groups: who is there, whose message it is, and where a conversation is.
//!
//! What a channel says of a room counts at once, whether it could be written or not: somebody who came must not be overlooked because a
//! disk is full. The channel is told that it was not written, and begins anew.

use std::collections::BTreeSet;

use actix::{ActorFutureExt as _, AtomicResponse, Handler, Message, MessageResult, WrapFuture as _};
use hearth_domain::household::audience::{Presence, Seen, Speaker};
use hearth_domain::household::identity::Identity;
use hearth_domain::household::people::People;
use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::household::{Audience, MemberId, Place};
use hearth_domain::ids::{ConversationId, GroupId};
use hearth_domain::journal::FactKind;
use hearth_domain::label::Readers;
use hearth_domain::time::Timestamp;
use hearth_supervisor::context::Context;

use super::{HouseholdActor, Resolved, commit, fact};
use crate::store::Save;

/// What a channel says of one of its rooms.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Unwritten>")]
pub struct Attend {
    /// The channel.
    pub channel: String,
    /// The room.
    pub room: String,
    /// What happened.
    pub event: Presence,
    /// When, by the channel's clock.
    pub at: Timestamp,
}

/// A channel cannot say any more who is in its rooms.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Unwritten>")]
pub struct Doubt {
    /// The channel.
    pub channel: String,
    /// The time, by the channel's clock.
    pub at: Timestamp,
}

/// Whose message is this, said in a room? `None` for whoever is no member, and where nobody has let the house speak.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Resolved>, Unwritten>")]
pub struct Gather {
    /// The account.
    pub identity: Identity,
    /// The room.
    pub room: String,
    /// When it was written, by the channel's clock. A time that is yet to come is as good as now: nobody who is there came later.
    pub written: Timestamp,
}

/// It counts, and is not in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("who is there could not be written; it is asked anew")]
pub struct Unwritten;

/// Where is this conversation, at a channel?
#[derive(Debug, Message)]
#[rtype(result = "Option<Spot>")]
pub struct Locate {
    /// The channel.
    pub channel: String,
    /// The conversation.
    pub conversation: ConversationId,
}

/// Where a conversation is at a channel, and who is there just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// With a member alone, by one of these accounts of theirs.
    Private(Vec<Identity>, Audience),
    /// In a room.
    Room(String, Audience),
}

/// A group, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: GroupId,
    /// Its channel.
    pub channel: String,
    /// The platform's id of it.
    pub room: String,
    /// Who let the house speak there.
    pub admitted: Option<MemberId>,
    /// Members who are there.
    pub members: BTreeSet<MemberId>,
    /// Accounts there that are nobody's.
    pub strangers: usize,
    /// Whether its channel knows everybody who is there.
    pub complete: bool,
}

/// The groups, by channel and room.
pub(super) fn listed(people: &People) -> Vec<Listed> {
    let mut all: Vec<_> = people
        .groups
        .values()
        .map(|group| {
            let whose: Vec<_> = group.present.keys().map(|account| people.identities.member_of(*account)).collect();
            Listed {
                id: group.id,
                channel: group.channel.clone(),
                room: group.room.clone(),
                admitted: group.admitted,
                members: whose.iter().flatten().copied().collect(),
                strangers: whose.iter().filter(|member| member.is_none()).count(),
                complete: group.seen == Seen::Everybody,
            }
        })
        .collect();
    all.sort_by(|one, other| (&one.channel, &one.room).cmp(&(&other.channel, &other.room)));
    all
}

/// The group of that id, as somebody typed it: `grp_…`, or channel and room as they are listed.
#[must_use]
pub fn group(groups: &[Listed], typed: &str) -> Option<GroupId> {
    let typed = typed.trim();
    groups.iter().find(|group| format!("{}/{}", group.channel, group.room) == typed || group.id.to_string() == typed).map(|group| group.id)
}

/// What happened, as a closed word.
const fn word(event: &Presence) -> &'static str {
    match event {
        Presence::Joined(_) => "joined",
        Presence::Left(_) => "left",
        Presence::Spoke(_) => "spoke",
        Presence::Snapshot(..) => "snapshot",
        Presence::Missed => "missed",
        Presence::Closed => "closed",
    }
}

impl HouseholdActor {
    fn gathered(&self, asked: &Gather) -> Option<Resolved> {
        let Speaker::Member(id) = self.people.speaker(&asked.identity) else {
            return None;
        };
        let member = self.people.roster.get(id)?.member.clone();
        let group = self.people.groups.values().find(|group| group.channel == asked.identity.channel() && group.room == asked.room)?;
        group.admitted?;
        let (roster, identities) = (&self.people.roster, &self.people.identities);
        let heard = group.heard(roster, identities, (member.id, member.role), asked.written);
        Some(Resolved { member, place: group.place(roster, identities), readers: Readers::present(&heard) })
    }

    fn located(&self, asked: &Locate) -> Option<Spot> {
        let People { roster, identities, groups, .. } = &self.people;
        if let Some(row) = roster.iter().find(|row| Place::main(row.member.id) == asked.conversation) {
            let accounts: Vec<_> = identities.of(row.member.id).filter(|account| account.channel() == asked.channel).cloned().collect();
            let audience = Place::private(&row.member, "").audience;
            return (!accounts.is_empty()).then_some(Spot::Private(accounts, audience));
        }
        let mut here = groups.values().filter(|group| group.channel == asked.channel && group.admitted.is_some());
        let group = here.find(|group| group.conversation() == asked.conversation)?;
        Some(Spot::Room(group.room.clone(), group.audience(roster, identities)))
    }

    /// Takes events in; they count at once. Nothing else is handled until it is known whether they were written.
    fn attend(&mut self, channel: &str, events: Vec<(String, Presence)>, at: Timestamp) -> AtomicResponse<Self, Result<(), Unwritten>> {
        let now = self.clock.wall();
        let detail = events.first().map_or("", |(_, event)| word(event));
        let rows: Vec<HouseholdWrite> =
            events.into_iter().filter_map(|(room, event)| self.people.presence((channel, &room), event, at, now)).collect();
        if rows.is_empty() {
            return AtomicResponse::new(Box::pin(actix::fut::ready(Ok(()))));
        }
        let fact = fact(FactKind::GroupChanged, None, channel.to_owned(), detail.to_owned(), now);
        let saved = self.save.ask(Save(commit(rows, fact)), self.house.limits.commit_deadline);
        AtomicResponse::new(Box::pin(saved.into_actor(self).map(|saved, _, _| match saved {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unwritten),
        })))
    }
}

impl Handler<Attend> for HouseholdActor {
    type Result = AtomicResponse<Self, Result<(), Unwritten>>;

    fn handle(&mut self, asked: Attend, _: &mut Context<Self>) -> Self::Result {
        self.attend(&asked.channel, vec![(asked.room, asked.event)], asked.at)
    }
}

impl Handler<Doubt> for HouseholdActor {
    type Result = AtomicResponse<Self, Result<(), Unwritten>>;

    fn handle(&mut self, asked: Doubt, _: &mut Context<Self>) -> Self::Result {
        let rooms = self.people.rooms(&asked.channel);
        self.attend(&asked.channel, rooms.into_iter().map(|room| (room, Presence::Missed)).collect(), asked.at)
    }
}

impl Handler<Gather> for HouseholdActor {
    type Result = AtomicResponse<Self, Result<Option<Resolved>, Unwritten>>;

    fn handle(&mut self, asked: Gather, _: &mut Context<Self>) -> Self::Result {
        let spoke = Presence::Spoke(asked.identity.id());
        let (channel, now) = (asked.identity.channel().to_owned(), self.clock.wall());
        let Some(row) = self.people.presence((&channel, &asked.room), spoke, asked.written, now) else {
            return AtomicResponse::new(Box::pin(actix::fut::ready(Ok(self.gathered(&asked)))));
        };
        let fact = fact(FactKind::GroupChanged, None, channel, "spoke".to_owned(), now);
        let saved = self.save.ask(Save(commit(vec![row], fact)), self.house.limits.commit_deadline);
        AtomicResponse::new(Box::pin(saved.into_actor(self).map(move |saved, this, _| match saved {
            Ok(Ok(())) => Ok(this.gathered(&asked)),
            Ok(Err(_)) | Err(_) => Err(Unwritten),
        })))
    }
}

impl Handler<Locate> for HouseholdActor {
    type Result = MessageResult<Locate>;

    fn handle(&mut self, asked: Locate, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.located(&asked))
    }
}
