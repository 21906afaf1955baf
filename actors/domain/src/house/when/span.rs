//! Lengths of time. The units and sums are `jiff`'s friendly duration format; this file only turns words into it.

use jiff::Span;
use jiff::fmt::friendly::SpanParser;

use super::super::words::Said;

/// Longest length of time, in words: `2 hours and 15 minutes and 30 seconds`.
const SPAN_MAX_WORDS: usize = 9;
/// Phrases that are a length of time as a whole.
const FIXED: [(&str, &str); 6] = [
    ("half an|a? hour", "30 minutes"),
    ("three quarters of an hour", "45 minutes"),
    ("an|a? quarter of an hour", "15 minutes"),
    ("a quarter hour", "15 minutes"),
    ("a|one fortnight", "2 weeks"),
    ("half a day", "12 hours"),
];
/// Numbers as words; the place is the value.
const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];
/// Tens as words.
const TENS: [(&str, u16); 4] = [("twenty", 20), ("thirty", 30), ("forty", 40), ("fifty", 50)];

/// `in 5 minutes`, `5 minutes from now`.
pub(super) fn from_now(said: Said<'_>) -> Option<(Span, usize)> {
    if let Some(rest) = said.after(&["in|within"]) {
        return if said.key(0) == "in" { length(rest).map(|(span, count)| (span, count + 1)) } else { None };
    }
    let (span, count) = length(said)?;
    let from = said.skip(count).eat("from now")?;
    Some((span, count + from))
}

/// Whether a length of time is counted in days or longer units only.
pub(super) fn is_days(span: &Span) -> bool {
    span.get_hours() == 0 && span.get_minutes() == 0 && span.get_seconds() == 0 && span.get_milliseconds() == 0
}

/// The longest length of time that the words start with.
fn length(said: Said<'_>) -> Option<(Span, usize)> {
    let fixed = FIXED.iter().find_map(|(pattern, value)| said.eat(pattern).map(|count| ((*value).to_owned(), count)));
    let (text, count) =
        fixed.or_else(|| (1..=said.len().min(SPAN_MAX_WORDS)).rev().find_map(|n| friendly(said.take(n)).map(|text| (text, n))))?;
    let span = SpanParser::new().parse_span(&text).ok()?;
    Some((span, count)).filter(|(span, _)| span.is_positive())
}

/// The words as `jiff` reads them; `None` when it does not.
fn friendly(said: Said<'_>) -> Option<String> {
    let mut text = String::new();
    let mut words = said;
    while !words.is_empty() {
        let (piece, count) = amount(words)?;
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&piece);
        words = words.skip(count);
        match words.eat("and") {
            Some(_) if text.is_empty() || words.len() < 2 => return None,
            Some(count) => words = words.skip(count),
            None => {}
        }
    }
    SpanParser::new().parse_span(&text).is_ok().then_some(text)
}

/// One number with its unit, and what `and a half` adds.
fn amount(said: Said<'_>) -> Option<(String, usize)> {
    let key = said.key(0);
    if key.starts_with(|c: char| c.is_ascii_digit()) && key.ends_with(char::is_alphabetic) {
        return Some((key.to_owned(), 1));
    }
    if let Some(hours) = key.strip_suffix(|c: char| c.is_ascii_digit()).and(key.split_once('h'))
        && hours.1.len() == 2
    {
        return Some((format!("{}h{}m", hours.0, hours.1), 1));
    }
    let couple = said.eat("a couple of?");
    let (mut number, mut count) = if let Some(count) = couple { ("2".to_owned(), count) } else { (number_text(key)?, 1) };
    if let Some(half) = said.skip(count).eat("and a half") {
        number.push_str(".5");
        count += half;
    }
    let unit = said.key(count);
    if unit.is_empty() || !unit.chars().all(char::is_alphabetic) {
        return None;
    }
    let unit = if unit.starts_with("fortnight") { return None } else { unit };
    count += 1;
    let half = said.skip(count).eat("and a half");
    let added = match (half, unit) {
        (Some(_), "hour" | "hours" | "hr" | "hrs") => " 30 minutes",
        (Some(_), "minute" | "minutes" | "min" | "mins") => " 30 seconds",
        (Some(_), "day" | "days") => " 12 hours",
        (Some(_), _) => return None,
        (None, _) => "",
    };
    Some((format!("{number} {unit}{added}"), count + half.unwrap_or(0)))
}

/// A number in digits: from digits, `2½`, `a`, or a word.
fn number_text(key: &str) -> Option<String> {
    if let Some(whole) = key.strip_suffix('½') {
        return (!whole.is_empty() && whole.chars().all(|c| c.is_ascii_digit())).then(|| format!("{whole}.5"));
    }
    if key.starts_with(|c: char| c.is_ascii_digit()) && key.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Some(key.to_owned());
    }
    if matches!(key, "a" | "an") {
        return Some("1".to_owned());
    }
    number(key).map(|value| value.to_string())
}

/// A number below sixty, in digits or as a word.
pub(super) fn number(key: &str) -> Option<u16> {
    if !key.is_empty() && key.len() <= 4 && key.chars().all(|c| c.is_ascii_digit()) {
        return key.parse().ok();
    }
    if let Some(value) = NUMBERS.iter().position(|word| *word == key) {
        return u16::try_from(value).ok();
    }
    let (tens, ones) = key.split_once('-').unwrap_or((key, ""));
    let (_, tens) = TENS.iter().find(|(word, _)| *word == tens)?;
    let ones = if ones.is_empty() { 0 } else { NUMBERS.iter().position(|word| *word == ones).filter(|value| (1..10).contains(value))? };
    Some(tens.saturating_add(u16::try_from(ones).ok()?))
}
