//! The structure of a result that comes as text: JSON, or the block form of YAML as encoders write it.
//!
//! Which field a text stands in decides how far it is trusted, so this is for servers that write their text with an encoder, and strict:
//! what is not read in one way only stays one text, and so hidden. A server that pastes its text together can be made to say anything: its
//! manifest vouches for nothing.
//!
//! Read are block maps with plain names as keys, block lists (also at the indent of their key), `[]`, `{}`, and plain and quoted scalars.
//! Refused are a key that stands twice or has no value, all other flows, block scalars, comments, anchors, tags, markers of documents, and
//! tabs and line breaks in which the dialects of YAML differ.

use serde_json::{Map, Value};

use super::handle::DEPTH_MAX;

mod scalar;

/// Most bytes that are looked at; a longer text stays one.
pub const TEXT_MAX_BYTES: usize = 1024 * 1024;
/// How far a block stands to the right of the dash of its row.
const DASH: usize = 2;

/// The value of a text: structured when it can be read in one way only, else the text.
#[must_use]
pub fn read(text: &str) -> Value {
    if text.len() > TEXT_MAX_BYTES {
        return Value::from(text);
    }
    if let Ok(value @ (Value::Object(_) | Value::Array(_) | Value::Number(_))) = serde_json::from_str(text) {
        return value;
    }
    block(text).unwrap_or_else(|| Value::from(text))
}

/// The value of a text in the block form of YAML.
fn block(text: &str) -> Option<Value> {
    let mut lines = Lines { rest: text.lines().collect(), at: 0 };
    if lines.rest.iter().any(|line| line.contains(is_doubtful)) {
        return None;
    }
    let value = lines.block(0, 0)?;
    lines.peek().is_none().then_some(value)
}

/// What is a line break in one dialect and a letter in another, or nothing that an encoder writes as it is.
fn is_doubtful(letter: char) -> bool {
    letter.is_control() && letter != '\t' || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The lines of a text, and how far they are read.
struct Lines<'a> {
    rest: Vec<&'a str>,
    at: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.rest.get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// What stands in the next line behind exactly so many spaces.
    fn at_indent(&self, indent: usize) -> Option<&'a str> {
        let (space, rest) = self.peek()?.split_at_checked(indent)?;
        (space.bytes().all(|byte| byte == b' ') && !rest.starts_with(' ')).then_some(rest)
    }

    /// The list or map that begins in the next line.
    fn block(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let first = self.at_indent(indent)?;
        if first.starts_with("- ") { self.list(first, indent, depth) } else { self.map(first, indent, depth) }
    }

    /// A list of which the dashes have this indent; the first is read already up to its dash.
    fn list(&mut self, first: &'a str, indent: usize, depth: usize) -> Option<Value> {
        let mut rows = Vec::new();
        let mut line = Some(first);
        while let Some(row) = line.and_then(|line| line.strip_prefix("- ")) {
            rows.push(self.row(row, indent, deeper(depth)?)?);
            line = self.at_indent(indent);
        }
        Some(Value::Array(rows))
    }

    /// What stands behind a dash: a list or map begins in the same line.
    fn row(&mut self, row: &'a str, indent: usize, depth: usize) -> Option<Value> {
        let inner = indent.checked_add(DASH)?;
        if row.starts_with("- ") {
            self.list(row, inner, depth)
        } else if pair(row).is_some() {
            self.map(row, inner, depth)
        } else {
            self.advance();
            self.scalar(row, indent)
        }
    }

    /// A map of which the keys have this indent.
    fn map(&mut self, first: &'a str, indent: usize, depth: usize) -> Option<Value> {
        let mut pairs = Map::new();
        let mut line = Some(first);
        while let Some(text) = line {
            let (key, rest) = pair(text)?;
            self.advance();
            let value = match rest.strip_prefix(' ') {
                Some(scalar) => self.scalar(scalar, indent)?,
                None => self.below(indent, deeper(depth)?)?,
            };
            // A key that stands there twice can be read in two ways.
            if pairs.insert(key.to_owned(), value).is_some() {
                return None;
            }
            // A dash here belongs to the list that this map is a row of, or to nothing.
            line = self.at_indent(indent).filter(|next| !next.starts_with('-'));
        }
        Some(Value::Object(pairs))
    }

    /// The value of a key that has nothing behind it: further to the right, or a list at the key's own indent.
    fn below(&mut self, indent: usize, depth: usize) -> Option<Value> {
        match self.at_indent(indent) {
            Some(first) if first.starts_with("- ") => self.list(first, indent, depth),
            Some(_) => None,
            None => {
                let inner = spaces(self.peek()?);
                if inner > indent { self.block(inner, depth) } else { None }
            }
        }
    }
}

/// One level further in, if there may be one.
fn deeper(depth: usize) -> Option<usize> {
    depth.checked_add(1).filter(|depth| *depth <= DEPTH_MAX)
}

fn spaces(line: &str) -> usize {
    line.bytes().take_while(|byte| *byte == b' ').count()
}

/// A key, and what stands behind its colon: nothing, or a space and more.
fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once(':')?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = key.bytes().next().is_some_and(letter);
    let is_name = begins && key.bytes().all(|byte| letter(byte) || matches!(byte, b'.' | b'@' | b'+' | b'-'));
    (is_name && (rest.is_empty() || rest.starts_with(' '))).then_some((key, rest))
}

#[cfg(test)]
mod tests;
