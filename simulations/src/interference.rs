//! Non-interference: a seed is run as it is, with other secrets, and with other private words of one member. Whoever may not know them sees
//! the same bytes at the same times in all of it: see [`crate::recording`] for what is seen, and what is left out.
//!
//! What other secrets change, nobody sees but the vault. What other words of a member change, that member sees, and what acts for them
//! alone: their models, tools, screens and what is looked for in memory for them. Each observer's view is compared by itself.

use std::time::Duration;

use crate::changed::Changed;
use crate::recording::{Observer, Recording, Sight};
use crate::run::{Job, recorded};
use crate::world::Violation;

/// Bytes that are shown before and after the first difference.
const AROUND: usize = 90;

/// A place where two runs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// To whom it shows.
    pub observer: Observer,
    /// Which of the things that they see, from 1.
    pub number: usize,
    /// When, as the run has it that was not changed.
    pub at: Duration,
    /// What is seen there as it is.
    pub first: String,
    /// What is seen there when something is other.
    pub second: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { observer, number, at, first, second } = self;
        write!(f, "{observer:?} differs at {number}, {:.3} s:\n    {first}\n    {second}", at.as_secs_f64())
    }
}

/// What came of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What was other.
    pub changed: Changed,
    /// Views that were compared.
    pub views: usize,
    /// Things that were seen in them.
    pub sights: usize,
    /// Things that differ for those who may know it: without any, nothing was shown.
    pub known: usize,
    /// The first difference for those who may not.
    pub difference: Option<Difference>,
}

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub number: u64,
    /// An invariant that was broken by the run as it is: nothing was compared.
    pub violation: Option<Violation>,
    /// The comparisons.
    pub compared: Vec<Compared>,
}

impl Outcome {
    /// Whether nobody saw what they may not know.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.violation.is_none() && self.compared.iter().all(|one| one.difference.is_none())
    }
}

/// Runs a seed three times and compares. The member whose words are other goes with the seed's number.
#[must_use]
pub fn check(job: Job) -> Outcome {
    let (report, plain, members) = on_a_fresh_thread(job, Changed::default());
    let (number, mut compared) = (job.number, Vec::new());
    if report.is_none() {
        let member = usize::try_from(number).unwrap_or(0) % members.max(1);
        for changed in [Changed { secrets: true, words_of: None }, Changed { secrets: false, words_of: Some(member) }] {
            let (_, other, _) = on_a_fresh_thread(job, changed);
            compared.push(compare(changed, &plain, &other));
        }
    }
    Outcome { number, violation: report, compared }
}

/// A run on a thread of its own: actix keeps things per thread.
fn on_a_fresh_thread(job: Job, changed: Changed) -> (Option<Violation>, Recording, usize) {
    let run = move || recorded(job, changed);
    #[expect(clippy::disallowed_methods, reason = "each run has a thread of its own, since actix keeps things by thread")]
    let thread = std::thread::Builder::new().name(format!("seed {}", job.number)).stack_size(16 << 20).spawn(run);
    let died = || Violation { invariant: "non-interference: both runs end", what: "a thread died".to_owned() };
    thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| (Some(died()), Recording::default(), 0))
}

/// Compares what was seen as it is with what was seen when something was other.
#[must_use]
pub fn compare(changed: Changed, plain: &Recording, other: &Recording) -> Compared {
    let may_know = |observer: Observer| match changed.words_of {
        Some(member) => observer.is_of(member),
        None => observer == Observer::Vault,
    };
    // What the vault has heard is its own.
    let is_compared = |observer: Observer| observer != Observer::Vault && !may_know(observer);
    let mut result = Compared { changed, views: 0, sights: 0, known: 0, difference: None };
    let nothing = Vec::new();
    let observers = plain.views().keys().chain(other.views().keys().filter(|observer| !plain.views().contains_key(observer)));
    for observer in observers.copied() {
        let view = |of: &Recording| of.views().get(&observer).cloned().unwrap_or_default();
        let (first, second) = (plain.views().get(&observer).unwrap_or(&nothing), view(other));
        if may_know(observer) {
            result.known += first.iter().zip(&second).filter(|(a, b)| a != b).count() + first.len().abs_diff(second.len());
        }
        if is_compared(observer) {
            result.views += 1;
            result.sights += first.len();
            let found = first_difference(observer, first, &second);
            let is_earlier = |found: &Difference| result.difference.as_ref().is_none_or(|known| found.at < known.at);
            if let Some(found) = found.filter(is_earlier) {
                result.difference = Some(found);
            }
        }
    }
    result
}

fn first_difference(observer: Observer, first: &[Sight], second: &[Sight]) -> Option<Difference> {
    let at = first.iter().zip(second).position(|(a, b)| a != b);
    let at = at.or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())))?;
    let (one, another) = (first.get(at), second.get(at));
    let when = one.or(another).map(|sight| sight.at).unwrap_or_default();
    let (first, second) = apart(&text(one), &text(another));
    Some(Difference { observer, number: at.saturating_add(1), at: when, first, second })
}

fn text(sight: Option<&Sight>) -> String {
    sight.map_or_else(|| "(nothing more)".to_owned(), |sight| format!("{:.3} {}", sight.at.as_secs_f64(), sight.text))
}

/// Two texts around the place where they come apart.
fn apart(first: &str, second: &str) -> (String, String) {
    let same = first.chars().zip(second.chars()).take_while(|(a, b)| a == b).count();
    let piece = |text: &str| text.chars().skip(same.saturating_sub(AROUND)).take(2 * AROUND).collect::<String>().replace('\n', "\\n");
    (format!("…{}", piece(first)), format!("…{}", piece(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(seen: &[(Observer, u64, &str)]) -> Recording {
        let mut recording = Recording::default();
        for (observer, at, text) in seen {
            recording.add(Duration::from_secs(*at), *observer, (*text).to_owned());
        }
        recording
    }

    #[test]
    fn the_first_difference_is_found_wherever_it_is_and_the_members_own_is_none() {
        let words = Changed { secrets: false, words_of: Some(1) };
        let own = (Observer::Model(Some(1)), 1, "mine");
        let plain = recording(&[own, (Observer::Log, 5, "a"), (Observer::Model(Some(0)), 3, "the same, then x")]);
        let same =
            recording(&[(Observer::Model(Some(1)), 1, "othr"), (Observer::Log, 5, "a"), (Observer::Model(Some(0)), 3, "the same, then x")]);
        let found = compare(words, &plain, &same);
        assert_eq!((found.known, found.views, found.sights, found.difference), (1, 2, 2, None));
        let leaks = recording(&[own, (Observer::Log, 5, "b"), (Observer::Model(Some(0)), 3, "the same, then y")]);
        let found = compare(words, &plain, &leaks).difference.expect("it differs");
        assert_eq!((found.observer, found.number, found.at), (Observer::Model(Some(0)), 1, Duration::from_secs(3)));
    }

    #[test]
    fn what_is_seen_later_or_not_at_all_is_other() {
        let secrets = Changed { secrets: true, words_of: None };
        let plain = recording(&[(Observer::Log, 5, "a"), (Observer::Vault, 1, "x")]);
        let late = compare(secrets, &plain, &recording(&[(Observer::Log, 6, "a"), (Observer::Vault, 1, "y")]));
        assert_eq!((late.known, late.difference.map(|one| one.number)), (1, Some(1)));
        let silent = compare(secrets, &plain, &recording(&[(Observer::Vault, 1, "x")]));
        assert_eq!(silent.difference.map(|one| one.number), Some(1));
        let more = compare(secrets, &plain, &recording(&[(Observer::Log, 5, "a"), (Observer::Tree, 5, "new")]));
        assert_eq!(more.difference.map(|one| one.observer), Some(Observer::Tree));
    }
}
