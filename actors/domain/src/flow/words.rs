//! Whether a value stands in the member's own words: what a person wrote down, a person meant.
//!
//! A mention grounds as many effects as it is written down for, so that one account number that a member gave is not used for a second
//! payment besides the one that was meant.

use serde_json::Value;

use crate::sandbox::Role;

/// Most numbers of a message that are looked at for sums.
pub const NUMBERS_MAX: usize = 16;
/// Shortest text that counts as mentioned, in characters: shorter ones stand in every sentence.
pub const MENTION_MIN_CHARS: usize = 2;

/// Shortest text without a letter that names what a call is pointed at, in characters: days, times and numbers of people stand in many
/// sentences, and are ids of something, too.
pub const BARE_MIN_CHARS: usize = 6;

/// The words of a member: the message that began the turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(String);

impl Words {
    /// These words.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The mention of this value: its normal form, and how often it stands there. None when it does not.
    #[must_use]
    pub fn mention(&self, value: &Value) -> Option<(String, usize)> {
        let times = match value {
            Value::String(text) => times(&self.0, text),
            Value::Number(number) => self.times_number(number.as_f64()?),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        (times > 0).then(|| (value.to_string(), times))
    }

    /// The same for an argument of this role: a few digits point at nothing.
    #[must_use]
    pub fn names(&self, value: &Value, role: Option<Role>) -> Option<(String, usize)> {
        if is_too_bare(value, role) { None } else { self.mention(value) }
    }

    /// How often a mention, in its normal form, stands there, whatever the case of its letters.
    #[must_use]
    pub fn count(&self, mention: &str) -> usize {
        match serde_json::from_str(mention) {
            Ok(Value::String(text)) => times(&self.0.to_lowercase(), &text.to_lowercase()),
            Ok(Value::Number(number)) => number.as_f64().map_or(0, |number| self.times_number(number)),
            Ok(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | Err(_) => 0,
        }
    }

    /// Whether these words stand there, whatever the case of their letters: for finding, not for naming.
    #[must_use]
    pub fn say(&self, text: &str) -> bool {
        times(&self.0.to_lowercase(), &text.to_lowercase()) > 0
    }

    /// The words, without what stands around them.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        self.0.split_whitespace().map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric())).filter(|word| !word.is_empty())
    }

    /// The numbers, percentages as their hundredth.
    #[must_use]
    pub fn numbers(&self) -> Vec<f64> {
        let mut found = Vec::new();
        self.each_number(|number, percent| found.push(if percent { number / 100.0 } else { number }));
        found.truncate(NUMBERS_MAX);
        found
    }

    /// Numbers with the same value, `1,050.00` for 1050 included, and percentages for their hundredth.
    fn times_number(&self, wanted: f64) -> usize {
        let mut found = 0_usize;
        self.each_number(|number, percent| {
            if same(number, wanted) || percent && same(number / 100.0, wanted) {
                found = found.saturating_add(1);
            }
        });
        found
    }

    fn each_number(&self, mut take: impl FnMut(f64, bool)) {
        let mut begin = 0_usize;
        while let Some(at) = self.0.get(begin..).and_then(|rest| rest.find(|letter: char| letter.is_ascii_digit())) {
            let (before, from) = self.0.split_at(begin.saturating_add(at));
            let end = from.find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | ',')).unwrap_or(from.len());
            let (token, after) = from.split_at(end);
            // A part of a name, an account number, a time or a date is no number.
            let is_part = before.ends_with(|letter: char| letter.is_alphanumeric())
                || after.starts_with(|letter: char| letter.is_alphabetic())
                || is_joined(before.chars().rev())
                || is_joined(after.chars());
            let number = token.trim_end_matches(['.', ',']).replace(',', "").parse::<f64>().ok();
            if let Some(number) = number.filter(|_| !is_part) {
                take(number, after.trim_start().starts_with('%'));
            }
            begin = before.len().saturating_add(token.len());
        }
    }
}

/// Whether a value says too little to name what an argument of this role is pointed at.
#[must_use]
pub fn is_too_bare(value: &Value, role: Option<Role>) -> bool {
    let points = match role {
        Some(Role::Id | Role::Path | Role::Recipient | Role::Code) | None => true,
        Some(Role::Url | Role::Amount | Role::Content | Role::Schedule | Role::SecretRef) => false,
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return false,
    };
    points && text.chars().count() < BARE_MIN_CHARS && !text.chars().any(char::is_alphabetic)
}

/// Whether a number goes on beyond one of these, as in 10:30 and 2024-05-13.
fn is_joined(mut letters: impl Iterator<Item = char>) -> bool {
    matches!(letters.next(), Some(':' | '-' | '/')) && letters.next().is_some_and(|letter| letter.is_ascii_digit())
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(1.0)
}

/// How often a text stands in another, as whole words. What is written together, as an address or a file's name is, is one word: a part of
/// it names something else.
fn times(all: &str, text: &str) -> usize {
    if text.chars().count() < MENTION_MIN_CHARS || text.trim() != text {
        return 0;
    }
    let begins = text.chars().next().is_some_and(char::is_alphanumeric);
    let ends = text.chars().next_back().is_some_and(char::is_alphanumeric);
    all.match_indices(text)
        .filter(|(at, found)| {
            let before = all.get(..*at).unwrap_or_default().chars().rev();
            let after = all.get(at.saturating_add(found.len())..).unwrap_or_default().chars();
            !(begins && goes_on(before) || ends && goes_on(after))
        })
        .count()
}

/// Whether a word goes on with these letters.
fn goes_on(mut letters: impl Iterator<Item = char>) -> bool {
    match letters.next() {
        Some('@' | '.' | '_' | '-' | '/' | '+') => letters.next().is_some_and(char::is_alphanumeric),
        Some(':') => letters.next().is_some_and(|letter| letter.is_ascii_digit()),
        Some(letter) => letter.is_alphanumeric(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(words: &str, value: Value, expected: usize) {
        let times = Words::new(words).mention(&value).map_or(0, |(_, times)| times);
        assert_eq!(times, expected, "{value} in {words:?}");
    }

    #[test]
    fn a_text_is_mentioned_only_as_whole_words_and_letter_by_letter() {
        check("pay GB29NWBK60161331926819 back", json!("GB29NWBK60161331926819"), 1);
        check("pay GB29NWBK60161331926819 back", json!("GB29NWBK6016133192681"), 0);
        check("pay GB29NWBK60161331926819 back", json!("gb29nwbk60161331926819"), 0);
        check("set it to '1j1l-2k3j'.", json!("1j1l-2k3j"), 1);
        check("bob and bob", json!("bob"), 2);
        check("a b", json!("a"), 0);
        check("write to bob@example.org, please", json!("bob@example.org"), 1);
        check("write to bob@example.org, please", json!("bob"), 0);
        check("write to bob@example.org, please", json!("example.org"), 0);
        check("read 'notes.txt'. Thanks", json!("notes.txt"), 1);
        check("pay Bob. Bob's is the bill", json!("Bob"), 2);
        check("pay G\u{412}29", json!("GB29"), 0);
    }

    #[test]
    fn a_number_is_mentioned_by_its_value() {
        check("the rent is 2,200.00 now", json!(2200), 1);
        check("refund that 10.00 I got", json!(10.0), 1);
        check("an additional 19.5% and 5.29", json!(0.195), 1);
        check("an additional 19.5% and 5.29", json!(5.29), 1);
        check("account GB29 and A10", json!(10), 0);
        check("twelve", json!(12), 0);
        check("we spent 12.00.", json!(12), 1);
    }

    #[test]
    fn a_part_of_a_time_or_a_date_is_none() {
        check("come at 10:30", json!(10), 0);
        check("come at 10:30", json!("10"), 0);
        check("come at 10:30", json!("10:30"), 1);
        check("on 2024-05-13", json!(13), 0);
        check("on 2024-05-13", json!("2024-05-13"), 1);
        check("amount:12 please", json!(12), 1);
    }

    #[test]
    fn a_few_digits_name_an_amount_and_no_thing() {
        let words = Words::new("What do we do on June 13? Order 4711482 is late, and so is b7.");
        for value in [json!("13"), json!(13)] {
            for role in [Some(Role::Id), Some(Role::Path), Some(Role::Recipient), Some(Role::Code), None] {
                assert_eq!(words.names(&value, role), None, "{value} as {role:?}");
            }
            assert!(words.names(&value, Some(Role::Amount)).is_some(), "{value}");
        }
        assert!(words.names(&json!(4_711_482), Some(Role::Id)).is_some());
        assert!(words.names(&json!("b7"), Some(Role::Id)).is_some());
    }

    #[test]
    fn yes_and_no_are_never_mentioned() {
        check("true", json!(true), 0);
    }
}
