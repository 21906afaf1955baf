//! Greetings and politeness around a command, and the tests that keep a text with a second request in it away from the
//! house commands.

use super::words::{Said, Stop, Word};

/// How a command was said, once the politeness is off.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// `could you …?`: a question mark at the end means nothing.
    pub(super) asked: bool,
    /// `/remember …`: typed as a command.
    pub(super) slash: bool,
}

/// What may stand before a command.
const BEFORE: [&str; 4] =
    ["hey|hi|hello|ok|okay|dear|hearth hearth?", "please|pls|plz|kindly|just", "i would|want|need like? you to", "i'd like you to"];
/// What may stand before a command and makes it a question.
const ASKING: [&str; 1] = ["could|can|would|will you"];
/// Clauses that start like this go on talking about the same thing.
const GOES_ON: [&str; 24] = [
    "i", "we", "my", "our", "he", "she", "it", "they", "his", "her", "its", "their", "the", "this", "these", "it's", "he's", "she's",
    "they're", "i'm", "we're", "a", "there", "on",
];
/// Requests that do not belong into a text to keep.
const REQUESTS: [&str; 22] = [
    "tell",
    "write",
    "explain",
    "suggest",
    "summarize",
    "summarise",
    "translate",
    "describe",
    "generate",
    "draft",
    "compose",
    "give",
    "show",
    "remind",
    "recommend",
    "create",
    "list",
    "answer",
    "respond",
    "reply",
    "search",
    "brainstorm",
];
/// Question words that, with a verb behind them, start a question.
const WH: [&str; 7] = ["what", "how", "when", "where", "why", "who", "which"];
/// The verbs behind them.
const WH_VERBS: [&str; 15] =
    ["should", "can", "could", "do", "does", "did", "is", "are", "would", "will", "was", "were", "may", "might", "shall"];

/// Takes greetings and politeness off both ends, and the slash off a typed command.
pub(super) fn strip(words: &mut Vec<Word>) -> Manner {
    let mut manner = Manner::default();
    if let Some(first) = words.first_mut()
        && let Some(bare) = first.key.strip_prefix('/').filter(|bare| bare.chars().all(char::is_alphabetic) && !bare.is_empty())
    {
        first.key = bare.to_owned();
        manner.slash = true;
    }
    while !manner.slash
        && let Some(count) = polite_front(words)
    {
        manner.asked |= Said::new("", words).eat(ASKING[0]).is_some();
        words.drain(..count);
    }
    while let Some(count) = polite_back(words) {
        words.truncate(words.len().saturating_sub(count));
    }
    if let Some(last) = words.last_mut().filter(|last| manner.asked && last.stop == Stop::Question) {
        last.stop = Stop::Sentence;
    }
    manner
}

/// How many words of politeness stand in front of a command.
fn polite_front(words: &[Word]) -> Option<usize> {
    let said = Said::new("", words);
    BEFORE.iter().chain(&ASKING).find_map(|pattern| said.eat(pattern))
}

/// How many words of politeness stand behind a command. `thanks` only after a pause: one can be reminded to say it.
fn polite_back(words: &[Word]) -> Option<usize> {
    let said = Said::new("", words);
    let ends = |pattern: &str, count: usize| said.len() > count && said.skip(said.len() - count).is(&[pattern]);
    let pause = |count: usize| said.len() > count && said.stop(said.len() - count - 1) != Stop::None;
    let before = said.key(said.len().saturating_sub(2));
    if ends("please|pls|plz", 1) && !["say", "saying", "word", "to"].contains(&before) {
        return Some(1);
    }
    [("thanks|thx|cheers|hearth|ok|okay", 1), ("thank you", 2), ("many thanks", 2), ("thank you very|so much", 4)]
        .into_iter()
        .find_map(|(pattern, count)| (ends(pattern, count) && pause(count)).then_some(count))
}

/// Whether words are one thing to keep: no question in them, no second request behind it.
pub(super) fn is_one_statement(said: Said<'_>) -> bool {
    let parts = said.words.iter().enumerate();
    let next = |at: usize| said.key(at + 1);
    !said.asks()
        && !asks_more(said)
        && parts.take(said.len().saturating_sub(1)).all(|(at, word)| match word.stop {
            Stop::None | Stop::Comma | Stop::Colon => true,
            Stop::Question => false,
            Stop::Sentence => GOES_ON.contains(&next(at)),
        })
}

/// Whether a clause behind the first one asks for something: `…, and write me a poem`.
pub(super) fn asks_more(said: Said<'_>) -> bool {
    said.words.iter().enumerate().skip(1).any(|(at, _)| {
        let new_clause = said.stop(at - 1) != Stop::None || ["and", "then", "but", "so", "also"].contains(&said.key(at - 1));
        let rest = said.skip(at);
        let rest = rest.after(&["then|also|please then|also|please?", "could|can|would you please?"]).unwrap_or(rest);
        let asks = REQUESTS.contains(&rest.key(0)) || (WH.contains(&rest.key(0)) && WH_VERBS.contains(&rest.key(1)));
        new_clause && asks
    })
}
