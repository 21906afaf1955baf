//! I-10 at the channels: each answer is said once at most, and its delivery ends; what may or may not have been said is `unknown` and not said
//! again; what a platform was told is taken is in the store, or was refused in so many words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::channel::{Incoming, Post, Posted};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::household::identity::Identity;
use hearth_domain::ids::{AnswerId, IdentityId};
use hearth_domain::message::Purpose;
use hearth_domain::store::Write;

use super::known::Known;
use super::{Checker, Rest, Seen};
use crate::plan::Plan;

/// The local channel, which has checkers of its own.
const LOCAL: &str = "local";

/// The checker.
#[derive(Debug)]
pub struct Posts {
    known: Known,
    rows: BTreeMap<AnswerId, Delivery>,
    said: BTreeMap<(String, AnswerId), u32>,
    /// What the channels answered about each.
    ends: BTreeMap<AnswerId, BTreeSet<&'static str>>,
    /// What was put to a channel.
    posts: BTreeSet<AnswerId>,
    /// What members have said, by origin.
    accepted: BTreeSet<String>,
}

const fn word(end: Posted) -> &'static str {
    match end {
        Posted::Sent => "sent",
        Posted::NotNow => "not now",
        Posted::Refused => "refused",
        Posted::Unknown => "unknown",
        Posted::Away => "away",
    }
}

impl Posts {
    /// Nothing is said.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            known: Known::new(plan),
            rows: BTreeMap::new(),
            said: BTreeMap::new(),
            ends: BTreeMap::new(),
            posts: BTreeSet::new(),
            accepted: BTreeSet::new(),
        }
    }

    fn posted(&mut self, channel: &str, post: &Post) -> Result<(), String> {
        self.posts.insert(post.delivery);
        let Some(row) = self.rows.get(&post.delivery) else { return Ok(()) };
        if row.channel != channel {
            return Err(format!("{} is for {} and goes to {channel}", post.delivery, row.channel));
        }
        match row.state {
            DeliveryState::Pending | DeliveryState::Sending => Ok(()),
            DeliveryState::Delivered | DeliveryState::Unknown | DeliveryState::Failed => {
                Err(format!("{} is {:?} and said again", post.delivery, row.state))
            }
        }
    }

    fn taken(&self, channel: &str, message: &Incoming) -> Result<(), String> {
        let id: IdentityId = Identity::id_of(channel, &message.from);
        if self.known.member_of(id).is_none() || message.room.is_some() || message.text.trim_start().starts_with("/pair") {
            return Ok(());
        }
        let refusal = AnswerId::derived(&["told", &id.to_string(), &message.id]);
        let origin = format!("{id}/{}", message.id);
        if self.accepted.contains(&origin) || self.posts.contains(&refusal) {
            return Ok(());
        }
        Err(format!("{} of {channel} counts as taken, and is neither in the store nor refused: {:.100}", message.id, message.text))
    }

    fn row(&mut self, row: &Delivery) -> Result<(), String> {
        let known = self.rows.insert(row.answer, row.clone());
        let ended = |row: &Delivery| !matches!(row.state, DeliveryState::Pending | DeliveryState::Sending);
        match known.filter(|known| ended(known) && known.state != row.state && known.channel != LOCAL) {
            Some(known) => Err(format!("{} was {:?} and is {:?}", row.answer, known.state, row.state)),
            None => Ok(()),
        }
    }
}

impl Checker for Posts {
    fn name(&self) -> &'static str {
        "I-10 at a channel every answer is said once"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Written(group) => {
                self.known.written(group);
                for write in &group.writes {
                    match write {
                        Write::Delivery(row) => self.row(row)?,
                        Write::Message(row) if row.purpose == Purpose::Said => {
                            self.accepted.extend(row.origin.iter().map(|origin| origin.external.clone()));
                        }
                        _ => {}
                    }
                }
            }
            Seen::Post { channel, post } => return self.posted(channel, post),
            Seen::Said { channel, delivery } => {
                let said = self.said.entry(((*channel).to_owned(), *delivery)).or_default();
                *said += 1;
                if *said > 1 {
                    return Err(format!("{delivery} was said twice at {channel}"));
                }
            }
            Seen::Posted { delivery, end, .. } => drop(self.ends.entry(*delivery).or_default().insert(word(*end))),
            Seen::Receipt { channel, message, taken: true } => return self.taken(channel, message),
            _ => {}
        }
        Ok(())
    }

    fn unrest(&self, _: &Rest<'_>) -> Option<String> {
        let open = |row: &&Delivery| row.channel != LOCAL && matches!(row.state, DeliveryState::Pending | DeliveryState::Sending);
        let row = self.rows.values().find(open)?;
        Some(format!("{} is not said at {}", row.answer, row.channel))
    }

    fn at_rest(&self, _: &Rest<'_>) -> Result<(), String> {
        for row in self.rows.values().filter(|row| row.channel != LOCAL) {
            let said = self.said.contains_key(&(row.channel.clone(), row.answer));
            let ends = self.ends.get(&row.answer);
            let right = match row.state {
                DeliveryState::Delivered => said,
                DeliveryState::Unknown => ends.is_some_and(|ends| ends.contains("unknown")),
                // Also what has no place any more where it could be said.
                DeliveryState::Failed => true,
                DeliveryState::Pending | DeliveryState::Sending => false,
            };
            if !right {
                return Err(format!("{} is {:?}, and the platform has {said} and said {ends:?}", row.answer, row.state));
            }
        }
        Ok(())
    }
}
