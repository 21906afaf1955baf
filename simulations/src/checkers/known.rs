//! Who is who at the platforms, as the people themselves know it, and which of their accounts the house has let in.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::household::identity::Identity;
use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::household::{MemberId, Place};
use hearth_domain::ids::{ConversationId, GroupId, IdentityId};
use hearth_domain::store::{Group, Write};

use crate::plan::Plan;
use crate::platforms::{OUTSIDERS, accounts, rooms};

/// Somebody who can learn something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// A person, by number.
    Human(usize),
    /// An account that is nobody's here.
    Account(IdentityId),
    /// Whoever is unseen in a room, since the last time that it became unknown who is there.
    Unseen(String, u32),
}

/// Everybody.
#[derive(Debug, Clone)]
pub struct Known {
    accounts: BTreeMap<IdentityId, usize>,
    members: BTreeMap<MemberId, usize>,
    /// Accounts that are somebody's in the store.
    paired: BTreeMap<IdentityId, MemberId>,
    /// Private conversations.
    conversations: BTreeMap<ConversationId, usize>,
    /// Those of rooms, with a name over all channels.
    groups: BTreeMap<ConversationId, String>,
}

impl Known {
    /// As it is planned.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let people = accounts(plan);
        let members: BTreeMap<_, _> = plan.members.iter().enumerate().map(|(n, member)| (member.id, n)).collect();
        let guests = people.iter().map(|account| (guest(account.channel, &account.account), account.human));
        let threads = crate::people::threads(plan);
        let private = plan
            .members
            .iter()
            .enumerate()
            .flat_map(|(n, member)| threads.iter().map(move |thread| (Place::private(member, thread).conversation, n)));
        Self {
            accounts: people.iter().map(|account| (Identity::id_of(account.channel, &account.account), account.human)).collect(),
            members: members.into_iter().chain(guests).collect(),
            paired: BTreeMap::new(),
            conversations: private.collect(),
            groups: rooms(plan).map(|(channel, room)| (conversation_of(channel, &room), format!("{channel}/{room}"))).collect(),
        }
    }

    /// Takes in what is in the store.
    pub fn written(&mut self, group: &Group) {
        for write in &group.writes {
            match write {
                Write::Household(HouseholdWrite::Identity(row)) => {
                    self.paired.insert(row.id, row.member);
                    if let Some(human) = self.accounts.get(&row.id).copied() {
                        self.members.entry(row.member).or_insert(human);
                        self.conversations.entry(Place::main(row.member)).or_insert(human);
                    }
                }
                Write::Household(HouseholdWrite::Unlink { id }) => drop(self.paired.remove(id)),
                _ => {}
            }
        }
    }

    /// Whose account it really is.
    #[must_use]
    pub fn reader(&self, account: IdentityId) -> Reader {
        self.accounts.get(&account).map_or(Reader::Account(account), |human| Reader::Human(*human))
    }

    /// Whose account it is in the store.
    #[must_use]
    pub fn member_of(&self, account: IdentityId) -> Option<MemberId> {
        self.paired.get(&account).copied()
    }

    /// Who that is; none for whoever is unseen.
    #[must_use]
    pub fn human(&self, member: MemberId) -> Option<usize> {
        self.members.get(&member).copied()
    }

    /// Whose private conversation it is; none for a group's.
    #[must_use]
    pub fn owner(&self, conversation: ConversationId) -> Option<usize> {
        self.conversations.get(&conversation).copied()
    }

    /// The room whose conversation it is, over all channels.
    #[must_use]
    pub fn room(&self, conversation: ConversationId) -> Option<&str> {
        self.groups.get(&conversation).map(String::as_str)
    }

    /// Those who do not live here and whom nobody has let in.
    #[must_use]
    pub fn strangers(&self) -> BTreeSet<usize> {
        let here: BTreeSet<_> = self.paired.keys().filter_map(|id| self.accounts.get(id)).collect();
        self.accounts.values().copied().filter(|human| *human >= OUTSIDERS && !here.contains(human)).collect()
    }
}

/// The conversation of a room.
fn conversation_of(channel: &str, room: &str) -> ConversationId {
    ConversationId::derived(&["group", &GroupId::derived(&[channel, room]).to_string(), ""])
}

/// The guest that an account is as long as nobody has paired it.
fn guest(channel: &str, account: &str) -> MemberId {
    Identity::guest(Identity::id_of(channel, account))
}
