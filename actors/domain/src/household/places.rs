//! Places of the household, by its roster: who is there just now, as what, and by what name.

use std::collections::BTreeSet;

use super::audience::{Group, Recall, Seen};
use super::identity::{Identities, Identity};
use super::roster::Roster;
use super::{Audience, MemberId, Place, Role};
use crate::ids::{ConversationId, IdentityId};

impl Group {
    /// Who is there just now: members as what they are, everybody else as a guest.
    #[must_use]
    pub fn audience(&self, roster: &Roster, identities: &Identities) -> Audience {
        let known = |account: IdentityId| {
            let member = identities.member_of(account)?;
            Some((member, roster.role(member)?))
        };
        let people = self.present.iter().map(|account| known(*account).unwrap_or((Identity::guest(*account), Role::Guest)));
        let unseen = match self.seen {
            Seen::Everybody => None,
            Seen::Some => Some((self.unseen(), Role::Guest)),
        };
        Audience::of(people.chain(unseen))
    }

    /// The place: its conversation, and who is there just now.
    #[must_use]
    pub fn place(&self, roster: &Roster, identities: &Identities) -> Place {
        Place { conversation: self.conversation(), audience: self.audience(roster, identities) }
    }
}

/// The household's own place: everybody but guests.
#[must_use]
pub fn household(roster: &Roster) -> Place {
    let people = roster.iter().map(|row| (row.member.id, row.member.role)).filter(|(_, role)| *role != Role::Guest);
    Place { conversation: ConversationId::derived(&["household", "", ""]), audience: Audience::of(people) }
}

impl<T> Recall<T> {
    /// From whom something is withheld, in words for the member whose it is.
    #[must_use]
    pub fn because(&self, roster: &Roster) -> String {
        let who: BTreeSet<_> = self.withheld.iter().flat_map(|(_, lacking)| lacking).collect();
        let named = |id: &&MemberId| roster.get(**id).map(|row| row.member.name.clone());
        let mut names: Vec<_> = who.iter().filter_map(named).collect();
        match who.len().saturating_sub(names.len()) {
            0 => {}
            1 => names.push("somebody whom the house does not know".to_owned()),
            more => names.push(format!("{more} people whom the house does not know")),
        }
        match (self.withheld.len(), names.as_slice()) {
            (0, _) => "Everything that was found may be read by everybody here.".to_owned(),
            (count, []) => format!("Left out: {count}, because nobody is here."),
            (count, names) => format!("Left out: {count}, because not for everybody here: {}.", names.join(", ")),
        }
    }
}
