//! What a person sees: writing to the terminal, with styles where there is one.

use std::io::{IsTerminal as _, Write as _};

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
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        _ if letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
        _ => letter,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_bidirectional_overrides_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\x1b[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\n");
    }
}
