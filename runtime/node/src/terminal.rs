//! What a person sees: writing to the terminal, with styles where there is one.

use std::io::{IsTerminal as _, Write as _};

use hearth_domain::message::is_harmful;

/// Standard output as a person sees it.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    styled: bool,
}

impl Terminal {
    /// Styled where standard output is a terminal that has styles.
    #[must_use]
    pub fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some() || std::env::var("TERM").is_ok_and(|term| term == "dumb");
        Self { styled: std::io::stdout().is_terminal() && !plain }
    }

    /// Writes text as it is. A terminal that is gone is no error of ours.
    pub fn text(self, text: &str) {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Writes a line.
    pub fn line(self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// A faint form of the text.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.style("2", text)
    }

    /// A bold form of the text.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.style("1", text)
    }

    fn style(self, code: &str, text: &str) -> String {
        if self.styled { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What came from elsewhere, made harmless for a terminal: control characters are shown, not obeyed.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars().map(|letter| if is_harmful(letter) { '\u{fffd}' } else { letter }).collect()
}

/// The same for JSON, in which such letters can be within strings only: written as escapes, it stays what it was.
#[must_use]
pub fn harmless_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_harmful(letter) {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_bidirectional_overrides_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\x1b[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\n");
        for letter in ['\u{0}', '\r', '\u{7f}', '\u{9b}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{2066}', '\u{2069}'] {
            assert_eq!(harmless(&format!("a{letter}b")), "a\u{fffd}b");
        }
        assert_eq!(harmless("one\n\ttwo \u{1f468}\u{200d}\u{1f373}"), "one\n\ttwo \u{1f468}\u{200d}\u{1f373}");
    }

    #[test]
    fn json_is_harmless_and_means_the_same() {
        let value = serde_json::json!({ "text": "a\u{9b}2J\u{202e}\u{1b}b" });
        let json = harmless_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!json.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }
}
