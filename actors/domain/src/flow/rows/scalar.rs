//! Scalars: without quotes, in single or double quotes, each over as many lines as it takes; and the two containers with nothing in them.

use serde_json::{Map, Number, Value};

use super::{Lines, spaces};

/// What is no part of a text beside a line break.
const WHITE: [char; 2] = [' ', '\t'];

/// Where a line of a quoted text ends.
enum End<'a> {
    /// With the text, before this.
    Closed(&'a str),
    /// With nothing: the text goes on in the next line.
    Open,
    /// The same, but the line break is no part of the text.
    Escaped,
}

impl<'a> Lines<'a> {
    /// The scalar that begins here. Its further lines stand to the right of `indent`.
    pub(super) fn scalar(&mut self, first: &'a str, indent: usize) -> Option<Value> {
        match first {
            "[]" => return Some(Value::Array(Vec::new())),
            "{}" => return Some(Value::Object(Map::new())),
            _ => {}
        }
        let mut letters = first.chars();
        match (letters.next()?, letters.next()) {
            (quote @ ('\'' | '"'), _) => self.quoted(letters_after(first), indent, quote).map(Value::String),
            // Blocks, anchors, flows, comments, tags, and what is reserved.
            ('|' | '>' | '&' | '*' | '[' | ']' | '{' | '}' | ',' | '#' | '!' | '%' | '@' | '`' | ' ', _) => None,
            // Rows and keys where a scalar stands.
            ('-' | '?' | ':', None | Some(' ')) => None,
            _ => self.plain(first, indent),
        }
    }

    fn plain(&mut self, first: &'a str, indent: usize) -> Option<Value> {
        let mut text = first.trim_end_matches(' ').to_owned();
        let mut folded = false;
        while let Some(more) = self.further(indent) {
            text.push(' ');
            text.push_str(more.trim_matches(' '));
            folded = true;
        }
        let doubtful = text.contains('\t') || text.contains(": ") || text.contains(" #") || text.ends_with(':');
        (!doubtful).then(|| if folded { Value::String(text) } else { plain(&text) })
    }

    /// The next line, when it goes on with the scalar before it.
    fn further(&mut self, indent: usize) -> Option<&'a str> {
        let line = self.peek().filter(|line| spaces(line) > indent && !is_blank(line))?;
        self.advance();
        Some(line)
    }

    /// A quoted scalar: one line break is a space, each empty line a break.
    fn quoted(&mut self, first: &'a str, indent: usize, quote: char) -> Option<String> {
        let mut raw = first;
        let mut text = String::new();
        loop {
            let (kept, end) = if quote == '\'' { single(raw, &mut text) } else { double(raw, &mut text)? };
            let escaped = match end {
                End::Closed(after) => return after.trim_matches(' ').is_empty().then_some(text),
                End::Escaped => true,
                End::Open => false,
            };
            let mut breaks = 0_usize;
            while self.peek().is_some_and(is_blank) {
                breaks = breaks.saturating_add(1);
                self.advance();
            }
            raw = self.further(indent)?.trim_start_matches(WHITE);
            if !escaped {
                text.truncate(kept);
            }
            if !escaped && breaks == 0 {
                text.push(' ');
            }
            text.extend(std::iter::repeat_n('\n', breaks));
        }
    }
}

fn is_blank(line: &str) -> bool {
    line.trim_matches(WHITE).is_empty()
}

fn letters_after(text: &str) -> &str {
    let mut letters = text.chars();
    letters.next();
    letters.as_str()
}

/// Adds a line of a single-quoted text. How much of it is kept when a line break follows, and how the line ends.
fn single<'a>(raw: &'a str, text: &mut String) -> (usize, End<'a>) {
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        match (letter, letters.as_str().strip_prefix('\'')) {
            ('\'', Some(rest)) => {
                letters = rest.chars();
                text.push('\'');
            }
            ('\'', None) => return (text.len(), End::Closed(letters.as_str())),
            _ => text.push(letter),
        }
    }
    (text.trim_end_matches(WHITE).len(), End::Open)
}

/// The same for a double-quoted one. None when an escape means nothing.
fn double<'a>(raw: &'a str, text: &mut String) -> Option<(usize, End<'a>)> {
    let mut letters = raw.chars();
    let mut kept = text.len();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some((kept, End::Closed(letters.as_str()))),
            '\\' => match letters.next() {
                None => return Some((kept, End::Escaped)),
                Some(escape) => text.push(escaped(escape, &mut letters)?),
            },
            _ => text.push(letter),
        }
        // White space that is escaped stays.
        if letter == '\\' || !WHITE.contains(&letter) {
            kept = text.len();
        }
    }
    Some((kept, End::Open))
}

fn escaped(escape: char, letters: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match escape {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'e' => '\u{1b}',
        '0' => '\0',
        '_' => '\u{a0}',
        'N' => '\u{85}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'v' => '\u{b}',
        'f' => '\u{c}',
        '"' | '\\' | ' ' | '/' | '\t' => escape,
        'x' => return code(letters, 2),
        'u' => return code(letters, 4),
        'U' => return code(letters, 8),
        _ => return None,
    })
}

fn code(letters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let hex: String = letters.take(digits).filter(char::is_ascii_hexdigit).collect();
    if hex.len() != digits { None } else { u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32) }
}

/// A scalar without quotes. What could be a number in another dialect stays a text.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        "null" | "~" => return Value::Null,
        _ => {}
    }
    let number = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || part.is_some_and(|part| !digits(part)) || (whole.len() > 1 && whole.starts_with('0')) {
        return Value::from(text);
    }
    let read = if part.is_some() { text.parse().ok().and_then(Number::from_f64) } else { text.parse::<i64>().ok().map(Number::from) };
    read.map_or_else(|| Value::from(text), Value::Number)
}
