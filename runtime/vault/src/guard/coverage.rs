//! Values that leave in pieces: over several requests to one destination, or in one without their first or last characters.
//!
//! Each item is cut into runs of [`GRAM`] folded bytes, and what the last [`ITEMS`] items share of a value is added up; from
//! [`ALARM_PERCENT`] on it is an alarm. Pieces shorter than that are seen where items differ in nothing else: what all items have in
//! common is taken off and the rest put together (`?c=s`, `?c=k`, …). Plain and reversed values of grade
//! [`Strong`](super::Grade::Strong) only. It is for small items, such as addresses, queries and short bodies: beyond [`ITEM_MAX`] bytes
//! only the beginning is looked at. It alarms after the fact and holds nothing back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hearth_domain::secret::SecretName;
use zeroize::Zeroizing;

use super::fold::{folded, unescaped};
use super::prints::Key;
use super::{Guard, Tables};

/// Folded bytes that are compared at once.
pub const GRAM: usize = 6;
/// Items that are remembered for one destination.
pub const ITEMS: usize = 64;
/// Bytes of an item that are looked at.
pub const ITEM_MAX: usize = 64 * 1024;
/// Bytes of an item that is remembered as it is, to be put together with others.
pub const SMALL_MAX: usize = 512;
/// Share of a value that may have gone to one destination, in per cent.
pub const ALARM_PERCENT: usize = 60;
/// Folded bytes of a value that are looked for.
const VALUE_MAX: usize = 256;

/// Fingerprints of all runs of [`GRAM`] bytes: print, secret, place in it.
#[derive(Default)]
pub(super) struct Grams {
    prints: Vec<(u32, u32, u16)>,
    /// Folded bytes of each secret that are looked for.
    lens: BTreeMap<u32, usize>,
}

impl Grams {
    pub(super) fn add(&mut self, key: &Key, secret: usize, value: &[u8]) {
        let kept = Zeroizing::new(folded(value));
        let kept = kept.get(..VALUE_MAX.min(kept.len())).unwrap_or(&[]);
        let Ok(secret) = u32::try_from(secret) else { return };
        self.lens.insert(secret, kept.len());
        for (place, gram) in (0_u16..).zip(kept.windows(GRAM)) {
            self.prints.push((key.print(window(gram.iter())), secret, place));
            self.prints.push((key.print(window(gram.iter().rev())), secret, place));
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        self.prints.sort_unstable();
        self
    }

    pub(super) fn resident_bytes(&self) -> usize {
        size_of_val(self.prints.as_slice())
    }

    /// Which parts of which secrets are in these folded bytes.
    fn seen(&self, key: &Key, kept: &[u8]) -> BTreeSet<(u32, u16)> {
        let mut seen = BTreeSet::new();
        for gram in kept.windows(GRAM) {
            let print = key.print(window(gram.iter()));
            let from = self.prints.partition_point(|known| known.0 < print);
            let same = self.prints.iter().skip(from).take_while(|known| known.0 == print);
            seen.extend(same.map(|known| (known.1, known.2)));
        }
        seen
    }
}

fn window<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    // Marked, so that it is the print of nothing that is looked for elsewhere.
    bytes.fold(1, |window, &byte| window << 8 | u64::from(byte))
}

/// What has gone to one destination lately.
pub struct Coverage {
    tables: Arc<Tables>,
    seen: VecDeque<BTreeSet<(u32, u16)>>,
    small: VecDeque<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coverage").field("items", &self.seen.len()).finish_non_exhaustive()
    }
}

impl Coverage {
    /// Of a destination to which nothing has gone.
    #[must_use]
    pub fn new(guard: &Guard) -> Self {
        Self { tables: Arc::clone(&guard.tables), seen: VecDeque::new(), small: VecDeque::new() }
    }

    /// Something goes there. Answers the secrets of which too much has gone.
    pub fn item(&mut self, bytes: &[u8]) -> Vec<SecretName> {
        let kept = Zeroizing::new(unescaped(bytes.get(..ITEM_MAX.min(bytes.len())).unwrap_or(bytes)));
        if self.seen.len() >= ITEMS {
            self.seen.pop_front();
        }
        self.seen.push_back(self.tables.grams.seen(&self.tables.prints.key, &kept));
        if kept.len() <= SMALL_MAX {
            if self.small.len() >= ITEMS {
                self.small.pop_front();
            }
            self.small.push_back(kept);
        }
        let joined = self.tables.grams.seen(&self.tables.prints.key, &self.together());
        let mut covered: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        for &(secret, place) in self.seen.iter().flatten().chain(&joined) {
            let place = usize::from(place);
            covered.entry(secret).or_default().extend(place..place.saturating_add(GRAM));
        }
        let too_much = covered.into_iter().filter(|(secret, places)| {
            let len = self.tables.grams.lens.get(secret).copied().unwrap_or(usize::MAX);
            places.len().saturating_mul(100) >= len.saturating_mul(ALARM_PERCENT)
        });
        too_much.filter_map(|(secret, _)| self.tables.names.get(secret as usize).map(|(name, _)| name.clone())).collect()
    }

    /// The small items, without what they all begin and end with.
    fn together(&self) -> Zeroizing<Vec<u8>> {
        let mut joined = Zeroizing::default();
        let Some(first) = self.small.front() else { return joined };
        let common = |a: usize, other: &[u8], backwards: bool| {
            let same = |(x, y): &(&u8, &u8)| x == y;
            let count = if backwards {
                first.iter().rev().zip(other.iter().rev()).take_while(same).count()
            } else {
                first.iter().zip(other).take_while(same).count()
            };
            a.min(count)
        };
        let begin = self.small.iter().fold(first.len(), |len, item| common(len, item, false));
        let end = self.small.iter().fold(first.len(), |len, item| common(len, item, true));
        for item in &self.small {
            joined.extend_from_slice(item.get(begin..item.len().saturating_sub(end).max(begin)).unwrap_or(&[]));
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    fn coverage() -> Coverage {
        Coverage::new(&Guard::build(&[1; 32], [(SecretName::new("github").unwrap(), VALUE.as_bytes())]))
    }

    #[test]
    fn one_character_a_request_is_an_alarm() {
        let mut coverage = coverage();
        let alarms: Vec<_> = VALUE.chars().map(|letter| coverage.item(format!("GET /pixel?c={letter}&v=2").as_bytes())).collect();
        assert!(alarms.first().unwrap().is_empty());
        assert_eq!(alarms.last().unwrap()[0].as_str(), "github");
    }

    #[test]
    fn pieces_and_a_value_without_its_first_characters_are_alarms() {
        let mut coverage = coverage();
        let pieces = [&VALUE[..10], &VALUE[10..20], &VALUE[20..30], &VALUE[30..]];
        let alarms: Vec<_> =
            pieces.iter().map(|piece| coverage.item(format!("POST {{\"note\":\"{piece}, see above\"}}").as_bytes()).len()).collect();
        assert_eq!(alarms, [0, 0, 1, 1]);
        assert_eq!(self::coverage().item(&VALUE.as_bytes()[5..]).len(), 1);
    }

    #[test]
    fn ordinary_requests_are_none() {
        let mut coverage = coverage();
        for number in 0..500 {
            let item = format!("GET /v1/items/{number}?token=ghp_16C7&page={}", number * 7919);
            assert_eq!(coverage.item(item.as_bytes()), []);
        }
    }
}
