//! Places of the household, by its roster: who is there just now, as what, and by what name.

use std::collections::BTreeSet;

use super::audience::{Group, Recall, Seen};
use super::identity::{Identities, Identity};
use super::roster::Roster;
use super::{Audience, MemberId, Place, Role};
use crate::ids::{ConversationId, IdentityId};
use crate::time::Timestamp;

impl Group {
    /// Who is there just now: members as what they are, everybody else as a guest.
    #[must_use]
    pub fn audience(&self, roster: &Roster, identities: &Identities) -> Audience {
        self.those(roster, identities, |_| true)
    }

    /// To whom something was said that an account wrote at that time of the channel's clock: those of whoever is there now who were there
    /// then, and the one who wrote it. Who has gone since is left out.
    ///
    /// Of two things at one time the one that the channel told first was first, as far as anybody knows: platforms say seconds, and somebody
    /// who comes and speaks in the same one is answered.
    #[must_use]
    pub fn heard(&self, roster: &Roster, identities: &Identities, (by, role): (MemberId, Role), written: Timestamp) -> Audience {
        let there = self.those(roster, identities, |since| since <= written);
        Audience::of(there.iter().chain([(by, role)]))
    }

    /// Those who are there since a time that counts.
    fn those(&self, roster: &Roster, identities: &Identities, counts: impl Fn(Timestamp) -> bool) -> Audience {
        let known = |account: IdentityId| {
            let member = identities.member_of(account)?;
            Some((member, roster.role(member)?))
        };
        let present = self.present.iter().filter(|(_, since)| counts(**since));
        let people = present.map(|(account, _)| known(*account).unwrap_or((Identity::guest(*account), Role::Guest)));
        let unseen = match self.seen {
            Seen::Everybody => None,
            Seen::Some => counts(self.doubted).then(|| (self.unseen(), Role::Guest)),
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
