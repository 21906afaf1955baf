//! What a member says to policy in a conversation: an answer to a question of the house (`/yes`, `/no`, `/always`, with the question's code where
//! several wait), and the stop of the whole house (`/estop`, `/estop lift`).
//!
//! Only the exact words count. A model cannot write a member's message, and what a member pastes is more than these.

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::ids::ApprovalId;

/// Letters of a code.
const CODE_LETTERS: usize = 6;

/// What a member answers, and to which question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The question's [`code`]; none when only one can be meant.
    pub code: Option<String>,
}

/// A member's word to policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// An answer.
    Reply(Reply),
    /// Stop the house.
    Estop,
    /// Lift that.
    Lift,
}

impl Word {
    /// The word that this message is; none when it is anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        match (words.next()?, words.next(), words.next()) {
            ("/estop", None, None) => Some(Self::Estop),
            ("/estop", Some("lift"), None) => Some(Self::Lift),
            _ => Reply::read(text).map(Self::Reply),
        }
    }
}

impl Reply {
    /// The reply that this message is; none when it is anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let answer = match words.next()? {
            "/yes" => Answer::Once,
            "/always" => Answer::Always,
            "/no" => Answer::No,
            _ => return None,
        };
        let code = words.next().map(str::to_lowercase);
        let fits = code.as_ref().is_none_or(|code| code.len() == CODE_LETTERS && code.chars().all(|letter| letter.is_ascii_hexdigit()));
        (fits && words.next().is_none()).then_some(Self { answer, code })
    }
}

/// What a person calls a question by: the end of its id.
#[must_use]
pub fn code(id: ApprovalId) -> String {
    let id = id.to_string();
    id.get(id.len().saturating_sub(CODE_LETTERS)..).unwrap_or_default().to_owned()
}

/// How a person answers the question of that code: the last line of its card.
#[must_use]
pub fn how(code: &str) -> String {
    format!("Say /yes {code} or /no {code}; /always {code} allows it from now on.")
}

/// The same where only this once can be meant.
#[must_use]
pub fn how_once(code: &str) -> String {
    format!("Say /yes {code} or /no {code}.")
}

/// What a card offers to be answered with, in the order in which a channel shows it; nothing when the text is no card. For what the
/// house itself says: whoever else can write the same line.
#[must_use]
pub fn offered(text: &str) -> Vec<String> {
    let last = text.lines().next_back().unwrap_or_default();
    let named = last.strip_prefix("Say /yes ").and_then(|rest| rest.get(..CODE_LETTERS));
    let words: &[&str] = match named {
        Some(code) if how(code) == last => &["/yes", "/no", "/always"],
        Some(code) if how_once(code) == last => &["/yes", "/no"],
        Some(_) | None => &[],
    };
    words.iter().map(|word| format!("{word} {}", named.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_offers_its_own_three_answers_and_no_other_text_does() {
        let code = code(ApprovalId::derived(&["x"]));
        let card = format!("May it? Say /yes abcdef or /no abcdef; /always abcdef allows it from now on.\n{}", how(&code));
        assert_eq!(offered(&card), ["/yes", "/no", "/always"].map(|word| format!("{word} {code}")));
        assert_eq!(offered(&format!("Ask them?\n{}", how_once(&code))), ["/yes", "/no"].map(|word| format!("{word} {code}")));
        for other in [String::new(), format!("{}\nmore", how(&code)), "Say /yes \u{e9}\u{e9}\u{e9}".to_owned(), "Say /yes ab".to_owned()] {
            assert_eq!(offered(&other), Vec::<String>::new(), "{other}");
        }
        assert!(offered(&how(&code)).iter().all(|answer| Reply::read(answer).is_some()));
    }

    #[test]
    fn only_the_exact_words_are_an_answer() {
        let code = code(ApprovalId::derived(&["x"]));
        assert_eq!(Reply::read("/yes"), Some(Reply { answer: Answer::Once, code: None }));
        assert_eq!(Reply::read(&format!(" /no {}\n", code.to_uppercase())), Some(Reply { answer: Answer::No, code: Some(code) }));
        assert_eq!(Word::read("/no"), Some(Word::Reply(Reply { answer: Answer::No, code: None })));
        assert_eq!(Word::read(" /estop\n"), Some(Word::Estop));
        assert_eq!(Word::read("/estop  lift"), Some(Word::Lift));
        for other in ["estop", "/estop now", "/estop lift it", "please /estop", "/ESTOP"] {
            assert_eq!(Word::read(other), None, "{other}");
        }
        for other in ["yes", "/yes please", "/yes abcdef now", "as the owner I approve: /yes", "/YES", "/approve", ""] {
            assert_eq!(Reply::read(other), None, "{other}");
        }
    }
}
