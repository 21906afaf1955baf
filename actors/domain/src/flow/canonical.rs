//! One form of every value: for digests, and for the eyes of whoever approves it.

use serde_json::Value;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

use crate::journal::Digest;
use crate::message::is_harmful;
use crate::tool::manifest::is_invisible;

/// Characters of a long value that are shown from its beginning.
pub const HEAD_CHARS: usize = 160;
/// Characters of a long value that are shown from its end.
pub const TAIL_CHARS: usize = 60;

/// JSON with its keys in order and without spaces: equal values have equal texts.
#[must_use]
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(values) => {
            let sorted: std::collections::BTreeMap<_, _> = values.iter().collect();
            let parts: Vec<_> =
                sorted.iter().map(|(key, value)| format!("{}:{}", Value::String((*key).clone()), canonical(value))).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// A digest over parts, each with its length before it, so that no two lists of parts have the same bytes.
#[must_use]
pub fn digest(parts: &[&str]) -> Digest {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Digest::of(&bytes)
}

/// A text in which every letter that would hide, move or fake something is written out.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) || is_invisible(letter) || matches!(letter, '\n' | '\t') {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A value as a person is shown it: in full where it is short, else its beginning, its end, and how much is between.
#[must_use]
pub fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| canonical(value), ToOwned::to_owned);
    let count = text.chars().count();
    if count <= HEAD_CHARS.saturating_add(TAIL_CHARS) {
        return format!("“{}”", visible(&text));
    }
    let head: String = text.chars().take(HEAD_CHARS).collect();
    let tail: String = text.chars().skip(count.saturating_sub(TAIL_CHARS)).collect();
    let between = text.len().saturating_sub(head.len()).saturating_sub(tail.len());
    let digest = Digest::of(text.as_bytes()).to_string();
    let short = digest.get(..12).unwrap_or_default();
    format!("“{}” … {between} more bytes, SHA-256 {short} … “{}”", visible(&head), visible(&tail))
}

/// Whether a text mixes letters that may only look alike: it is said so beside a target. Letters of two scripts (UTS #39), or beside ASCII
/// letters such as no name is written with.
#[must_use]
pub fn mixes_alphabets(text: &str) -> bool {
    let styled = |letter: char| !letter.is_ascii() && letter.is_alphabetic() && !letter.identifier_allowed();
    !text.is_single_script() || text.contains(|letter: char| letter.is_ascii_alphabetic()) && text.contains(styled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count() {
        let (a, b) =
            (serde_json::from_str::<Value>(r#"{"a":1,"b":[2]}"#).unwrap(), serde_json::from_str::<Value>(r#"{"b":[2],"a":1}"#).unwrap());
        assert_eq!(canonical(&a), canonical(&b));
    }

    #[test]
    fn parts_are_framed() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }

    #[test]
    fn the_end_of_a_long_value_is_shown_and_the_rest_is_counted() {
        let text = format!("{}{}", "a".repeat(60_000), "pay mallory");
        let shown = shown(&json!(text));
        assert!(shown.contains("pay mallory") && shown.contains(" more bytes"), "{shown}");
    }

    #[test]
    fn a_letter_of_another_alphabet_is_noticed() {
        for text in ["p\u{430}ypal", "\u{3b1}\u{430}", "p\u{251}ypal", "\u{ff50}aypal", "\u{1d429}aypal", "\u{41c}\u{fc}ller"] {
            assert!(mixes_alphabets(text), "{text}");
        }
    }

    #[test]
    fn a_letter_with_a_mark_is_of_its_alphabet() {
        for text in [
            "paypal",
            "\u{43f}\u{430}",
            "Breizh Café",
            "Cafe\u{301}",
            "Müller",
            "Zoë",
            "Işık",
            "Straße 5, Łódź",
            "東京タワー",
            "café@example.org ☕",
        ] {
            assert!(!mixes_alphabets(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_hides_is_shown(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(|letter| is_harmful(letter) || is_invisible(letter) || letter.is_control()));
        }
    }
}
