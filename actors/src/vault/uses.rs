//! Uses of secrets on their way into the audit: the same use many times is one fact with its count. Pure.

use std::collections::BTreeMap;

use hearth_domain::ids::MemberId;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::time::Timestamp;
use hearth_domain::vault::Used;

/// Different uses that wait for the store.
const WAITING_MAX: usize = 1_024;
/// Bytes of a fact's words.
const WORDS_MAX: usize = 400;

/// What makes two uses the same. Alarms sort last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    kind: FactKind,
    who: Option<MemberId>,
    subject: String,
    detail: String,
}

/// Uses that are the same.
#[derive(Debug, Clone)]
pub(super) struct Bundle {
    kind: Kind,
    count: u64,
    at: Timestamp,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Uses {
    waiting: BTreeMap<Kind, (u64, Timestamp)>,
}

impl Uses {
    /// Takes one. `false` when too many different ones wait: it will not be in the audit.
    pub(super) fn add(&mut self, used: &Used) -> bool {
        let names: Vec<_> = used.secrets.iter().map(hearth_domain::secret::SecretName::pseudonym).collect();
        let who = used.who.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
        let kind = Kind {
            kind: if used.alarm { FactKind::SecretAlarm } else { FactKind::SecretUsed },
            who: used.member,
            subject: words(names.join(" ")),
            detail: words(format!("{who} {} {}", used.place, used.outcome)),
        };
        self.insert(Bundle { kind, count: used.times, at: used.at })
    }

    /// Takes back what could not be written.
    pub(super) fn insert(&mut self, bundle: Bundle) -> bool {
        let room = self.waiting.len() < WAITING_MAX || self.waiting.contains_key(&bundle.kind);
        if room {
            let (count, at) = self.waiting.entry(bundle.kind).or_insert((0, bundle.at));
            *count = count.saturating_add(bundle.count);
            *at = bundle.at.max(*at);
        }
        room
    }

    /// At most so many, alarms first.
    pub(super) fn take(&mut self, most: usize) -> Vec<Bundle> {
        let next = || self.waiting.pop_last().map(|(kind, (count, at))| Bundle { kind, count, at });
        std::iter::from_fn(next).take(most).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Bundle {
    /// It, as a fact.
    pub(super) fn fact(&self) -> Fact {
        let Kind { kind, who, subject, detail } = self.kind.clone();
        let detail = if self.count > 1 { format!("{detail} x{}", self.count) } else { detail };
        Fact { kind, who, subject, detail, content: None, at: self.at }
    }
}

/// Not longer than a fact's words may be.
pub(super) fn words(mut text: String) -> String {
    let end = (0..=WORDS_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use hearth_domain::secret::{Principal, SecretName};

    use super::*;

    fn used(place: &str, alarm: bool, second: i64) -> Used {
        Used {
            who: Some(Principal::Tool("weather".to_owned())),
            member: None,
            secrets: vec![SecretName::new("sky").unwrap(), SecretName::new("sea").unwrap()],
            place: place.to_owned(),
            outcome: "sent".to_owned(),
            alarm,
            times: 1,
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn the_same_use_many_times_is_one_fact_with_its_count() {
        let mut uses = Uses::default();
        for second in [3, 1, 2] {
            assert!(uses.add(&used("GET https://a:443", false, second)));
        }
        uses.add(&used("GET https://b:443", false, 4));
        let facts: Vec<Fact> = uses.take(9).iter().map(Bundle::fact).collect();
        let told: Vec<_> = facts.iter().map(|fact| (fact.subject.as_str(), fact.detail.as_str(), fact.at.as_second())).collect();
        let both = ["sky", "sea"].map(|name| SecretName::new(name).unwrap().pseudonym()).join(" ");
        let both = both.as_str();
        assert_eq!(told, [(both, "tool/weather GET https://b:443 sent", 4), (both, "tool/weather GET https://a:443 sent x3", 3),]);
        assert!(uses.is_empty());
    }

    #[test]
    fn uses_that_were_gathered_on_the_way_count_each() {
        let mut uses = Uses::default();
        uses.add(&Used { times: 40, ..used("a", false, 1) });
        uses.add(&Used { times: 2, ..used("a", false, 2) });
        assert_eq!(uses.take(1)[0].fact().detail, "tool/weather a sent x42");
    }

    #[test]
    fn alarms_come_first_and_what_is_taken_back_is_added_up() {
        let mut uses = Uses::default();
        uses.add(&used("a", true, 1));
        uses.add(&used("z", false, 1));
        let alarm = uses.take(1).remove(0);
        assert_eq!(alarm.fact().kind, FactKind::SecretAlarm);
        uses.add(&used("a", true, 2));
        uses.insert(alarm);
        assert_eq!(uses.take(1)[0].fact().detail, "tool/weather a sent x2");
    }

    #[test]
    fn more_different_ones_than_fit_are_refused_and_words_are_bounded() {
        let mut uses = Uses::default();
        for n in 0..WAITING_MAX {
            assert!(uses.add(&used(&n.to_string(), false, 0)));
        }
        assert!(!uses.add(&used("one more", false, 0)));
        assert!(uses.add(&used("7", false, 0)));
        assert_eq!(words("é".repeat(999)).len(), WORDS_MAX);
        assert_eq!(words(format!("x{}", "é".repeat(999))).len(), WORDS_MAX - 1);
        assert_eq!(words("short".to_owned()), "short");
    }
}
