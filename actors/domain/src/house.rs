//! House commands: what the house understands without a language model.
//!
//! A small deterministic interpreter that is a model provider like any other: it reads a message and emits the tool
//! call an LLM would. It never guesses. Because it also answers before a paid LLM does, taking a sentence for a command
//! that was none is worse than missing one, so every rule wants the whole message, not a phrase in it.
//!
//! The way of a message: `words` → politeness off (`polite`) → one reader per topic (`memory`, `remind`, `lists`,
//! `notes`, `about`), the first that knows it wins. Times are read by `when` and said by `say`, answers by `answer`.
//! Pure: the time comes from [`HouseContext`], the time zones from the copy compiled into `jiff`.

mod about;
mod answer;
mod lists;
mod memory;
mod notes;
mod places;
mod polite;
mod remind;
mod say;
mod spec;
#[cfg(test)]
mod tests;
mod when;
mod words;

pub mod provider;

use jiff::Zoned;
use serde_json::Value;

pub use answer::answer;
pub use memory::fallback_query;
pub use spec::{HouseToolSpec, help, no_model_note, tool_specs};

use words::Said;

/// Longest text that is read as a command, in characters.
pub const TEXT_MAX_CHARS: usize = 2_000;

/// Who speaks, and when.
#[derive(Debug, Clone, Copy)]
pub struct HouseContext<'a> {
    /// The member's local time, in the member's zone.
    pub now: &'a Zoned,
    /// The member's display name.
    pub member: &'a str,
}

/// What the house makes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Interpretation {
    /// A command: run this tool, then say [`answer`].
    Call(HouseCall),
    /// A request for [`help`].
    Help,
    /// No command. The message is the language model's.
    NotUnderstood {
        /// What to say instead, for when no language model is there: the message came close to a command.
        hint: Option<String>,
    },
    /// A command that cannot be: what to tell the person.
    Refused(String),
}

/// A tool call, as an LLM would make it.
#[derive(Debug, Clone, PartialEq)]
pub struct HouseCall {
    /// The tool's name, one of [`tool_specs`].
    pub tool: &'static str,
    /// Its arguments, a JSON object.
    pub args: Value,
}

/// Reads a message. Total: any text gets an interpretation, nothing panics.
#[must_use]
pub fn interpret(text: &str, cx: &HouseContext<'_>) -> Interpretation {
    if text.chars().nth(TEXT_MAX_CHARS).is_some() {
        return Interpretation::NotUnderstood { hint: None };
    }
    let mut words = words::read(text);
    let manner = polite::strip(&mut words);
    let said = Said::new(text, &words);
    about::read_help(said)
        .or_else(|| memory::read(said, manner, cx))
        .or_else(|| remind::read(said, manner, cx))
        .or_else(|| lists::read(said))
        .or_else(|| notes::read(said, manner))
        .or_else(|| about::read(said))
        .unwrap_or(Interpretation::NotUnderstood { hint: None })
}

/// A call of `tool`.
fn call(tool: &'static str, args: Value) -> Option<Interpretation> {
    Some(Interpretation::Call(HouseCall { tool, args }))
}

/// Close to a command: what to say when nobody else can answer.
fn hint(text: &str) -> Option<Interpretation> {
    Some(Interpretation::NotUnderstood { hint: Some(text.to_owned()) })
}
