//! Who is present where: private chats, groups, the household. What is said there gets its label here, and what may be recalled there.
//!
//! A group's membership is what its channel says, event by event. Whoever is not paired counts as a guest who is present; while the channel
//! does not know everybody, somebody unseen is present too. So a stranger who joins narrows what is recalled at once (I-7), and nobody has
//! to remember to ask.
//!
//! Each of them is kept with the time since when they are known to be there, by the channel's own clock: a message may have waited, and was
//! said to nobody who came after it was written ([`Group::heard`]). What is recalled and answered counts whoever is there now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Audience, MemberId};
use crate::ids::{ConversationId, GroupId, IdentityId};
use crate::label::{Integrity, Label, Readers};
use crate::message::hides;
use crate::time::Timestamp;
use crate::tool::manifest::is_invisible;

/// Most accounts that are kept of one group. In a larger one somebody unseen is always present.
pub const GROUP_MAX: usize = 512;

/// Longest name of a group chat at its platform, in bytes.
pub const ROOM_MAX: usize = 128;

/// A group chat: its row. It names accounts by their ids alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// The channel's name.
    pub channel: String,
    /// The platform's own id of it: where the house speaks.
    pub room: String,
    /// Who let the house speak there; none as long as nobody has. Pairing in private gives nothing here.
    pub admitted: Option<MemberId>,
    /// The accounts that are known to be present, the house's own left out, each with the time since when, by the channel's clock.
    pub present: BTreeMap<IdentityId, Timestamp>,
    /// Whether that is everybody.
    pub seen: Seen,
    /// Counts the times at which it became unknown who is there: whoever was unseen before is not whoever is unseen now.
    pub epoch: u32,
    /// When that was last, or everybody was listed last, by the channel's clock: whoever is unseen now is taken to have come then.
    pub doubted: Timestamp,
    /// When it last changed, by the house's clock.
    pub at: Timestamp,
}

/// A group's row as it may be stored. One from before there were times names accounts alone: they are there since its last change, at the
/// latest, and the channel's next greeting moves that back when the two clocks differ.
#[derive(Deserialize)]
struct Stored {
    id: GroupId,
    channel: String,
    room: String,
    admitted: Option<MemberId>,
    present: Present,
    seen: Seen,
    epoch: u32,
    doubted: Option<Timestamp>,
    at: Timestamp,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Present {
    Since(BTreeMap<IdentityId, Timestamp>),
    Names(BTreeSet<IdentityId>),
}

impl From<Stored> for Group {
    fn from(row: Stored) -> Self {
        let Stored { id, channel, room, admitted, present, seen, epoch, doubted, at } = row;
        let present = match present {
            Present::Since(present) => present,
            Present::Names(names) => names.into_iter().map(|who| (who, at)).collect(),
        };
        Self { id, channel, room, admitted, present, seen, epoch, doubted: doubted.unwrap_or(at), at }
    }
}

/// Whether a group's channel knows everybody who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It does.
    Everybody,
    /// There may be others.
    Some,
}

/// What a channel says of a group, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Somebody came.
    Joined(IdentityId),
    /// Somebody went.
    Left(IdentityId),
    /// Somebody spoke, and so is there.
    Spoke(IdentityId),
    /// These are there; whether they are all is said, too.
    Snapshot(BTreeSet<IdentityId>, Seen),
    /// Events may have been missed.
    Missed,
    /// The house itself was put out of the group.
    Closed,
}

impl Group {
    /// A group of which nothing is known before that time of the channel's clock.
    #[must_use]
    pub fn new(channel: &str, chat: &str, at: Timestamp) -> Self {
        let id = GroupId::derived(&[channel, chat]);
        let (channel, room) = (channel.to_owned(), chat.to_owned());
        Self { id, channel, room, admitted: None, present: BTreeMap::new(), seen: Seen::Some, epoch: 0, doubted: at, at }
    }

    /// Its conversation: no member's private one, whoever is in it.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        ConversationId::derived(&["group", &self.id.to_string(), ""])
    }

    /// Whether a platform's id of a group is one: short enough, and all of it can be seen.
    #[must_use]
    pub fn is_room(room: &str) -> bool {
        (1..=ROOM_MAX).contains(&room.len()) && !room.chars().any(|letter| letter.is_control() || hides(letter) || is_invisible(letter))
    }

    /// Takes in what the channel says: what happened, when by the channel's clock, and when by the house's.
    pub fn on(&mut self, event: Presence, happened: Timestamp, at: Timestamp) {
        self.at = at;
        match event {
            Presence::Joined(who) => self.add(who, happened, happened),
            Presence::Left(who) => {
                self.present.remove(&who);
            }
            Presence::Spoke(who) => {
                if !self.present.contains_key(&who) {
                    // One was missed, so others may have been. What was written may have waited, or be of a sender's own clock: nobody is
                    // there since before they were last looked for.
                    self.doubt(happened.max(self.doubted));
                    self.add(who, self.doubted, self.doubted);
                }
            }
            Presence::Snapshot(present, Seen::Everybody) => {
                let before = std::mem::take(&mut self.present);
                (self.seen, self.doubted) = (Seen::Everybody, happened);
                present.into_iter().for_each(|who| self.add(who, before.get(&who).copied().unwrap_or(happened), happened));
            }
            Presence::Snapshot(present, Seen::Some) => {
                if self.seen == Seen::Everybody {
                    self.doubt(happened);
                }
                present.into_iter().for_each(|who| self.add(who, self.present.get(&who).copied().unwrap_or(happened), happened));
            }
            Presence::Missed => {
                // Nobody who is known to be there came later than now; a clock that was set back would have it so, and the house be mute.
                self.present.values_mut().for_each(|since| *since = happened.min(*since));
                self.doubt(happened);
            }
            Presence::Closed => {
                self.present.clear();
                self.admitted = None;
                self.doubt(happened);
            }
        }
    }

    fn doubt(&mut self, since: Timestamp) {
        self.seen = Seen::Some;
        self.epoch = self.epoch.saturating_add(1);
        self.doubted = since;
    }

    fn add(&mut self, who: IdentityId, since: Timestamp, now: Timestamp) {
        if self.present.len() < GROUP_MAX || self.present.contains_key(&who) {
            self.present.insert(who, since);
        } else {
            self.doubt(now);
        }
    }

    /// Whoever is there unseen: an id of its own, another after each doubt.
    pub(super) fn unseen(&self) -> MemberId {
        MemberId::derived(&["unseen", &self.id.to_string(), &self.epoch.to_string()])
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Somebody who is enrolled.
    Member(MemberId),
    /// Somebody who is not.
    Stranger(IdentityId),
}

/// The label of what somebody says before an audience: readable by whoever hears it and by the one who says it, and worth what the
/// speaker is worth.
#[must_use]
pub fn said(by: Speaker, audience: &Audience) -> Label {
    match by {
        Speaker::Member(_) => Label::new(Readers::present(audience), Integrity::Member),
        Speaker::Stranger(_) => Label::new(Readers::present(audience), Integrity::Outside),
    }
}

/// What may be recalled before an audience, and what may not (I-7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall<T> {
    /// Readable by everybody there.
    pub readable: Vec<T>,
    /// The others, each with those who are there and may not read it. For the member whose it is, in private: that something is withheld
    /// is not said to those from whom it is.
    pub withheld: Vec<(T, BTreeSet<MemberId>)>,
}

/// Parts what was remembered by whether everybody there may read it. Before nobody, nothing is recalled.
#[must_use]
pub fn recall<T>(found: impl IntoIterator<Item = T>, label: impl Fn(&T) -> &Label, audience: &Audience) -> Recall<T> {
    let mut recall = Recall { readable: Vec::new(), withheld: Vec::new() };
    for item in found {
        let lacking: BTreeSet<_> =
            audience.iter().filter(|(member, role)| !label(&item).readers.allow(*member, *role)).map(|(member, _)| member).collect();
        if lacking.is_empty() && !audience.is_empty() {
            recall.readable.push(item);
        } else {
            recall.withheld.push((item, lacking));
        }
    }
    recall
}

#[cfg(test)]
mod tests;
