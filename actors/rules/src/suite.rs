//! A household's list of questions and the answers that it expects: `hearth policy test`.
//!
//! ```toml
//! [[question]]
//! ask = "may Mia unlock the front door at 22:00?"
//! answer = "no"
//! because = "child-locks"   # optional: a rule that must be among those that decided
//! ```

use hearth_domain::error::{Class, Classified};
use serde::Deserialize;

use crate::problem::position;
use crate::question::{QuestionError, World, parse_question};
use crate::rules::{Decision, Rules};

/// Most questions of a list.
pub const QUESTIONS_MAX: usize = 1_000;
/// The longest list, in bytes.
pub const LIST_MAX: usize = 256 * 1024;

/// An expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may be done.
    Yes,
    /// It may not.
    No,
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The question.
    pub ask: String,
    /// The answer.
    pub answer: Answer,
    /// A rule that must be among those that decided.
    #[serde(default)]
    pub because: Option<String>,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The questions, in their order.
    #[serde(default, rename = "question")]
    pub questions: Vec<Expected>,
}

/// A list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// Not TOML, or not of this form.
    #[error("line {line}, column {column}: {what}; a question has `ask`, `answer` (\"yes\" or \"no\") and perhaps `because`")]
    Form {
        /// The line, from 1.
        line: usize,
        /// The letter in it, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// Too much of it.
    #[error("a list has at most {QUESTIONS_MAX} questions and {LIST_MAX} bytes")]
    TooLong,
}

impl Classified for SuiteError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// What came of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was expected.
    pub expected: Expected,
    /// What was decided.
    pub got: Result<Decision, QuestionError>,
}

impl Checked {
    /// Whether it was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        let because =
            |decision: &Decision| self.expected.because.as_ref().is_none_or(|id| decision.reasons.iter().any(|reason| reason.id == *id));
        self.got.as_ref().is_ok_and(|decision| decision.allows() == (self.expected.answer == Answer::Yes) && because(decision))
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.passed() { "as expected" } else { "NOT as expected" };
        write!(f, "{}: {mark}", self.expected.ask)?;
        match &self.got {
            Err(error) => write!(f, ": {error}"),
            Ok(decision) => {
                let ids: Vec<_> = decision.reasons.iter().map(|reason| reason.id.as_str()).collect();
                let by = if ids.is_empty() { "no rule".to_owned() } else { ids.join(", ") };
                write!(f, ": {} ({by})", if decision.allows() { "yes" } else { "no" })
            }
        }
    }
}

impl Suite {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// Where it is not of the form, or too long.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        if text.len() > LIST_MAX {
            return Err(SuiteError::TooLong);
        }
        let suite: Self = toml::from_str(text).map_err(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            SuiteError::Form { line, column, what: error.message().to_owned() }
        })?;
        if suite.questions.len() > QUESTIONS_MAX { Err(SuiteError::TooLong) } else { Ok(suite) }
    }

    /// Asks all of them.
    #[must_use]
    pub fn run(&self, rules: &Rules, world: &World<'_>) -> Vec<Checked> {
        let ask = |expected: &Expected| {
            let got = parse_question(&expected.ask, world).map(|request| rules.decide(&request));
            Checked { expected: expected.clone(), got }
        };
        self.questions.iter().map(ask).collect()
    }
}
