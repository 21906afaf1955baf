//! The structure of a result that comes as text: JSON, or the block form of YAML that encoders write for rows of scalars.
//!
//! Which field a text stands in decides how far it is trusted, so this is for servers that write their text with an encoder, and strict:
//! what is not read in one way only stays one text, and so hidden. A server that pastes its text together can be made to say anything: its
//! manifest vouches for nothing.

use serde_json::{Map, Number, Value};

/// Most bytes that are looked at; a longer text stays one.
pub const TEXT_MAX_BYTES: usize = 1024 * 1024;

/// The value of a text: structured when it can be read in one way only, else the text.
#[must_use]
pub fn read(text: &str) -> Value {
    if text.len() > TEXT_MAX_BYTES {
        return Value::from(text);
    }
    if let Ok(value @ (Value::Object(_) | Value::Array(_) | Value::Number(_))) = serde_json::from_str(text) {
        return value;
    }
    Lines { rest: text.lines().collect(), at: 0 }.document().unwrap_or_else(|| Value::from(text))
}

/// The lines of a block, and how far they are read.
struct Lines<'a> {
    rest: Vec<&'a str>,
    at: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.rest.get(self.at).copied()
    }

    fn document(mut self) -> Option<Value> {
        let first = self.peek()?;
        let value = if first.starts_with("- ") {
            let mut rows = Vec::new();
            while let Some(line) = self.peek() {
                rows.push(self.row(line.strip_prefix("- ")?)?);
            }
            Value::Array(rows)
        } else {
            Value::Object(self.pairs(first, 0)?)
        };
        self.peek().is_none().then_some(value)
    }

    /// A row: an object of scalars. Its first pair stands behind the dash.
    fn row(&mut self, first: &'a str) -> Option<Value> {
        Some(Value::Object(self.pairs(first, 2)?))
    }

    fn pairs(&mut self, first: &'a str, indent: usize) -> Option<Map<String, Value>> {
        let mut pairs = Map::new();
        let mut line = Some(first);
        while let Some(pair) = line {
            let (key, rest) = pair.split_once(':')?;
            let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let rest = rest.strip_prefix(' ')?;
            self.at = self.at.saturating_add(1);
            let value = self.scalar(rest, indent)?;
            // A key that stands there twice can be read in two ways.
            if !is_name || pairs.insert(key.to_owned(), value).is_some() {
                return None;
            }
            line = self.peek().and_then(|next| {
                let (space, pair) = next.split_at_checked(indent)?;
                (space.bytes().all(|byte| byte == b' ') && !pair.starts_with(['-', ' '])).then_some(pair)
            });
        }
        Some(pairs)
    }

    fn scalar(&mut self, first: &'a str, indent: usize) -> Option<Value> {
        match first.chars().next()? {
            '\'' => self.quoted(first, indent, '\'').map(Value::String),
            '"' => self.quoted(first, indent, '"').map(Value::String),
            // Blocks, anchors, flows, comments and tags.
            '|' | '>' | '&' | '*' | '[' | '{' | '#' | '!' | '%' | '@' | '`' => None,
            _ => {
                let mut text = first.trim_end().to_owned();
                let mut folded = false;
                while let Some(more) = self.deeper(indent) {
                    text = format!("{text} {}", more.trim());
                    folded = true;
                }
                if text.contains(": ") || text.contains(" #") || text.ends_with(':') {
                    return None;
                }
                Some(if folded { Value::String(text) } else { plain(&text) })
            }
        }
    }

    /// The next line, when it goes on with the scalar before it.
    fn deeper(&mut self, indent: usize) -> Option<&'a str> {
        let line = self.peek()?;
        let spaces = line.len().saturating_sub(line.trim_start_matches(' ').len());
        let more = spaces > indent && !line.trim().is_empty();
        self.at = self.at.saturating_add(usize::from(more));
        more.then_some(line)
    }

    /// A quoted scalar, over as many lines as it takes: one line break is a space, each empty line a break.
    fn quoted(&mut self, first: &'a str, indent: usize, quote: char) -> Option<String> {
        let mut raw = first.get(1..)?.to_owned();
        let mut text = String::new();
        loop {
            let (part, closed) = if quote == '\'' { single(&raw) } else { double(&raw)? };
            text.push_str(&part);
            if let Some(after) = closed {
                return after.trim().is_empty().then_some(text);
            }
            let escaped = quote == '"' && ends_escaped(&raw);
            let mut breaks = 0_usize;
            while self.peek().is_some_and(|line| line.trim().is_empty()) {
                breaks = breaks.saturating_add(1);
                self.at = self.at.saturating_add(1);
            }
            let next = self.deeper(indent)?;
            if escaped {
                text.push_str(&"\n".repeat(breaks));
            } else {
                let kept = text.trim_end_matches(' ').len();
                text.truncate(kept);
                text.push_str(&if breaks == 0 { " ".to_owned() } else { "\n".repeat(breaks) });
            }
            raw = next.trim_start().to_owned();
        }
    }
}

fn ends_escaped(raw: &str) -> bool {
    raw.len().saturating_sub(raw.trim_end_matches('\\').len()) % 2 == 1
}

/// The text of a single-quoted part, and what follows its end, if that is there.
fn single(raw: &str) -> (String, Option<String>) {
    let mut text = String::new();
    let mut letters = raw.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.peek() == Some(&'\'') => {
                letters.next();
                text.push('\'');
            }
            '\'' => return (text, Some(letters.collect())),
            _ => text.push(letter),
        }
    }
    (text, None)
}

/// The same for a double-quoted part.
fn double(raw: &str) -> Option<(String, Option<String>)> {
    let mut text = String::new();
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some((text, Some(letters.collect()))),
            '\\' => match letters.next() {
                // The line goes on in the next one.
                None => {}
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('e') => text.push('\u{1b}'),
                Some('0') => text.push('\0'),
                Some('_') => text.push('\u{a0}'),
                Some('N') => text.push('\u{85}'),
                Some('L') => text.push('\u{2028}'),
                Some('P') => text.push('\u{2029}'),
                Some('a') => text.push('\u{7}'),
                Some('b') => text.push('\u{8}'),
                Some('v') => text.push('\u{b}'),
                Some('f') => text.push('\u{c}'),
                Some(same @ ('"' | '\\' | ' ' | '/' | '\t')) => text.push(same),
                Some('x') => text.push(code(&mut letters, 2)?),
                Some('u') => text.push(code(&mut letters, 4)?),
                Some('U') => text.push(code(&mut letters, 8)?),
                Some(_) => return None,
            },
            _ => text.push(letter),
        }
    }
    Some((text, None))
}

fn code(letters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let hex: String = letters.take(digits).collect();
    if hex.len() != digits { None } else { u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32) }
}

/// A scalar without quotes. What could be a number in another dialect stays a text.
fn plain(text: &str) -> Value {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_of_scalars_are_read() {
        let text = "- amount: 10.0\n  id: 5\n  recurring: false\n  sender: GB29\n  subject: ' <X> it''s a long\n    text: it is\n\n    Do </X> '\n- amount: -1\n  id: 6\n  day: '2022-01-01'\n  \
                    note: \"a\\tb \\\"c\\\" \\\n    \\ d\"\n  name: one two\n    three";
        let expected = json!([
            {"amount": 10.0, "id": 5, "recurring": false, "sender": "GB29", "subject": " <X> it's a long text: it is\nDo </X> "},
            {"amount": -1, "id": 6, "day": "2022-01-01", "note": "a\tb \"c\"  d", "name": "one two three"},
        ]);
        assert_eq!(read(text), expected);
        assert_eq!(read("a: 1\nb: x"), json!({"a": 1, "b": "x"}));
        assert_eq!(read("[1, {\"a\": 2}]"), json!([1, {"a": 2}]));
        assert_eq!(read("1810.0"), json!(1810.0));
    }

    #[test]
    fn what_can_be_read_in_two_ways_stays_one_text() {
        for text in [
            "",
            "plain words",
            "Dear tenant,\nplease pay: now",
            "- a: 1\n  a: 2",
            "- a: |\n    x",
            "- a: &x 1",
            "- a: [1]",
            "- a: 'x' y",
            "- a: 'x",
            "- a: x\nb: y",
            "- a:\n    b: 1",
            "- a: b: c",
            "- a: \"\\q\"",
            "a: 1\n\nb: 2",
            "a: x # y",
            "- x\n- y",
        ] {
            assert_eq!(read(text), Value::from(text), "{text:?}");
        }
    }

    proptest! {
        /// What is in a quoted text never becomes a field of its own.
        #[test]
        fn a_quoted_text_stays_in_its_field(text in any::<String>()) {
            let quoted = format!("- subject: {}\n  to: me", Value::from(text.clone()));
            match read(&quoted) {
                Value::Array(rows) => {
                    prop_assert_eq!(rows.len(), 1);
                    prop_assert_eq!(rows[0].as_object().unwrap().len(), 2);
                    prop_assert_eq!(&rows[0]["to"], "me");
                    prop_assert_eq!(&rows[0]["subject"], &text);
                }
                whole @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => prop_assert_eq!(whole, Value::from(quoted)),
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in "[-a: '\"\\\\\n0-9#|.]{0,60}") {
            let _ = read(&text);
        }
    }
}
