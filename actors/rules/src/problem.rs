//! What is wrong with a household's rules, for the person who wrote them: where, what, and what to write instead.

use hearth_domain::error::{Class, Classified};
use miette::Diagnostic;

/// What the schema knows, by where it may stand: for suggestions. A test holds them to the schema.
pub(crate) const ACTIONS: [&str; 8] = ["read", "write_own", "external_send", "pay", "physical", "delete", "admin", "serious"];
/// The types.
pub(crate) const TYPES: [&str; 11] =
    ["Role", "Age", "Member", "Tool", "Kind", "Operation", "Weekday", "Integrity", "Order", "Place", "Action"];
/// What a context, an operation or a member has.
pub(crate) const ATTRIBUTES: [&str; 16] = [
    "text",
    "number",
    "minute",
    "weekday",
    "spent_today",
    "spent_month",
    "integrity",
    "order",
    "place",
    "audience",
    "child_present",
    "guest_present",
    "tool",
    "operation",
    "kinds",
    "age",
];

/// Most problems that are told at once.
pub const PROBLEMS_MAX: usize = 20;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 when it concerns the whole text.
    pub line: usize,
    /// The letter in that line, from 1.
    pub column: usize,
    /// The rule's id, where it is known.
    pub rule: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub instead: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "in the rule \"{rule}\": ")?;
        }
        f.write_str(&self.what)?;
        match &self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

/// Rules that cannot be used. The house goes on with those it had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these rules cannot be used:{}", lines(.0))]
pub struct RulesError(pub Vec<Problem>);

impl Classified for RulesError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().take(PROBLEMS_MAX).map(|problem| format!("\n  {problem}")).collect()
}

/// Line and column, from 1, of a byte of a text.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    (line, column)
}

/// A problem that the reader of rules found.
pub(crate) fn found(text: &str, rule: Option<String>, error: &dyn Diagnostic) -> Problem {
    let span = error.labels().and_then(|mut labels| labels.next());
    let (line, column) = span.as_ref().map_or((0, 0), |span| position(text, span.offset()));
    let what = plain(&error.to_string());
    let help = error.help().map(|help| plain(&help.to_string()));
    let instead = suggestion(&what).or(help);
    Problem { line, column, rule, what, instead }
}

/// The reader's sentence without its own name for the rule, and once for all actions.
fn plain(text: &str) -> String {
    let text = match text.strip_prefix("for policy `").and_then(|rest| rest.split_once(['`'])) {
        Some((_, what)) => what.trim_start_matches([',', ':', ' ']),
        None => text,
    };
    match text.split_once(" for Action::\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => text.to_owned(),
    }
}

/// What to write instead, where the usual mistakes are.
fn suggestion(error: &str) -> Option<String> {
    let has = |words: &str| error.contains(words);
    // The reader puts what it speaks of between backquotes.
    let named = error.split('`').nth(1).unwrap_or_default();
    if has("safety of access to tag") {
        return Some("ask first whether the argument is there: write `….hasTag(\"NAME\") && ….getTag(\"NAME\")`".to_owned());
    }
    if has("'=' is not a valid operator") {
        return Some("equality is written `==`".to_owned());
    }
    if has("unexpected token `and`") || has("unexpected token `or`") {
        return Some("`and` is written `&&`, `or` is written `||`".to_owned());
    }
    if has("unexpected end of input") {
        return Some("every rule ends with `;`, every `{` with `}`".to_owned());
    }
    if has("invalid policy condition") {
        return Some("a condition begins with `when` or `unless`".to_owned());
    }
    if has("mixed scripts") {
        return Some("a letter of another alphabet looks like one of this; type it again".to_owned());
    }
    if let Some(kind) = TYPES.iter().find(|kind| has("are not compatible") && has(&format!(" {kind} "))) {
        return Some(format!("write `{kind}::\"…\"` with one of the names of the schema"));
    }
    if has("unrecognized action") {
        let said = named.split('"').nth(1).unwrap_or_default();
        return Some(one_of(said, "the actions", &ACTIONS));
    }
    if has("unrecognized entity type") {
        return Some(one_of(named, "the types", &TYPES));
    }
    (has("attribute") && has("not found")).then(|| one_of(named, "there are", &ATTRIBUTES))
}

fn one_of(said: &str, what: &str, known: &[&str]) -> String {
    match nearest(said, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what}: {}", known.join(", ")),
    }
}

/// The most similar of these words, if one is similar at all.
pub(crate) fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let scored = among.map(|known| (strsim::damerau_levenshtein(&word, &known.to_lowercase()), known));
    let (distance, known) = scored.min()?;
    // One slip of the pen in three letters.
    (distance <= known.chars().count().min(word.chars().count()).div_ceil(3)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_letters_from_one() {
        assert_eq!(position("añb\ncd", 0), (1, 1));
        assert_eq!(position("añb\ncd", 3), (1, 3));
        assert_eq!(position("añb\ncd", 6), (2, 2));
        assert_eq!(position("añb", 2), (1, 2));
        assert_eq!(position("a", 99), (1, 2));
    }
}
