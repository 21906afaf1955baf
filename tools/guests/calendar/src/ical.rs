//! iCalendar (RFC 5545), as far as events need it: lines, properties, and the events among them.

use hearth_guest_readable::text;

/// The longest line that is written, in bytes (section 3.1).
const LINE_BYTES: usize = 75;

/// `NAME;PARAMETER=x:value`, folded lines joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// What stands between name and colon, with its `;`.
    pub(crate) parameters: String,
    pub(crate) value: String,
}

impl Line {
    pub(crate) fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), parameters: String::new(), value: value.into() }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|pair| {
            let (known, value) = pair.split_once('=')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
        })
    }

    /// The value as text: `\n`, `\,` and their like taken back.
    pub(crate) fn text(&self) -> String {
        let mut plain = String::with_capacity(self.value.len());
        let mut characters = self.value.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some('n' | 'N') => plain.push('\n'),
                    Some(other) => plain.push(other),
                    None => {}
                },
                other => plain.push(other),
            }
        }
        text::clean(&plain)
    }
}

/// A text as a value.
pub(crate) fn escape(plain: &str) -> String {
    let plain = text::clean(plain);
    plain.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace("\r\n", "\\n").replace('\n', "\\n")
}

/// The lines of an object.
pub(crate) fn read(source: &str) -> Vec<Line> {
    let mut joined: Vec<String> = Vec::new();
    for line in source.lines() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        match (line.strip_prefix([' ', '\t']), joined.last_mut()) {
            (Some(more), Some(last)) => last.push_str(more),
            _ => joined.push(line.to_owned()),
        }
    }
    joined.iter().filter_map(|line| parse(line)).collect()
}

fn parse(line: &str) -> Option<Line> {
    // A colon within quotes belongs to a parameter.
    let mut quoted = false;
    let colon = line.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        *character == ':' && !quoted
    });
    let (head, value) = (line.get(..colon?.0)?, line.get(colon?.0 + 1..)?);
    let (name, parameters) = head.split_at(head.find(';').unwrap_or(head.len()));
    Some(Line { name: name.to_ascii_uppercase(), parameters: parameters.to_owned(), value: value.to_owned() })
}

/// The object of these lines, folded.
pub(crate) fn write(lines: &[Line]) -> String {
    let mut written = String::new();
    for line in lines {
        let whole = format!("{}{}:{}", line.name, line.parameters, line.value);
        let mut length = 0;
        for character in whole.chars() {
            if length + character.len_utf8() > LINE_BYTES {
                written.push_str("\r\n ");
                length = 1;
            }
            written.push(character);
            length += character.len_utf8();
        }
        written.push_str("\r\n");
    }
    written
}

/// The events among the lines: for each its own properties, without those of its alarms.
pub(crate) fn events(lines: &[Line]) -> Vec<Vec<&Line>> {
    let mut events: Vec<Vec<&Line>> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for line in lines {
        match line.name.as_str() {
            "BEGIN" => {
                open.push(&line.value);
                if line.value.eq_ignore_ascii_case("VEVENT") {
                    events.push(Vec::new());
                }
            }
            "END" => _ = open.pop(),
            _ if open.last().is_some_and(|inner| inner.eq_ignore_ascii_case("VEVENT")) => {
                if let Some(event) = events.last_mut() {
                    event.push(line);
                }
            }
            _ => {}
        }
    }
    events
}

/// The same lines with these in place of those of the same name in the event; a line without a value only takes away.
pub(crate) fn replace(lines: &[Line], new: &[Line]) -> Vec<Line> {
    let mut replaced = Vec::with_capacity(lines.len() + new.len());
    let mut open: Vec<&str> = Vec::new();
    for line in lines {
        let in_event = open.last().is_some_and(|inner| inner.eq_ignore_ascii_case("VEVENT"));
        match line.name.as_str() {
            "BEGIN" => open.push(&line.value),
            "END" => {
                if in_event {
                    replaced.extend(new.iter().filter(|line| !line.value.is_empty()).cloned());
                }
                open.pop();
            }
            name if in_event && new.iter().any(|new| new.name == name) => continue,
            _ => {}
        }
        replaced.push(line.clone());
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let line = Line::new(
            "SUMMARY",
            escape("Tea; with, \"Ünïcödé\" and a \\ in\ntwo lines, which are long enough to be folded more than once"),
        );
        let written = write(std::slice::from_ref(&line));
        assert!(written.split("\r\n").all(|line| line.len() <= LINE_BYTES));
        assert_eq!(read(&written), std::slice::from_ref(&line));
        assert!(line.text().contains("in\ntwo lines, which"));
        assert!(escape("a\nEND:VEVENT\r\nBEGIN:VEVENT").lines().count() == 1);
    }

    #[test]
    fn a_colon_in_quotes_belongs_to_a_parameter() {
        let lines = read("DTSTART;X=\"a:b\";TZID=Europe/Lisbon:20260301T100000");
        assert_eq!((lines[0].value.as_str(), lines[0].parameter("tzid")), ("20260301T100000", Some("Europe/Lisbon")));
    }
}
