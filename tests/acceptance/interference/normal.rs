//! What cannot be the same in two houses is written the same: nothing else is.

/// Writes what differs from house to house in the same way.
///
/// - What is known to differ, as the test names it: its folder, its ports, the codes of its questions, a secret in its own slot.
/// - Ports of this machine: `127.0.0.1:` and a number.
/// - Ids (`msg_` and 32 hexadecimal digits) and every other run of 16 hexadecimal digits or more (digests): by the place of their first
///   appearance in this view, so that the same one stays the same one.
/// - Times: `2026-11-26T18:50:01.5Z` with any fraction or offset, `18:50` and `18:50:01`, the day and time in a model's context, and what
///   took so many `ms` or `µs`.
#[derive(Debug, Default)]
pub(crate) struct Normal {
    known: Vec<(String, String)>,
    met: Vec<String>,
}

impl Normal {
    /// Of a house in which these differ.
    pub(crate) fn new(known: &[(String, String)]) -> Self {
        Self { known: known.to_vec(), met: Vec::new() }
    }

    /// A text as it would be in any house.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let mut rest = text.to_owned();
        for (from, to) in &self.known {
            rest = rest.replace(from, to);
        }
        let mut out = String::new();
        let mut rest = rest.as_str();
        while let Some(first) = rest.chars().next() {
            let starts = !out.ends_with(|before: char| before.is_ascii_alphanumeric());
            let found = if starts { self.found(rest) } else { None };
            let (length, written) = found.unwrap_or_else(|| (first.len_utf8(), first.to_string()));
            out.push_str(&written);
            rest = &rest[length..];
        }
        out
    }

    /// How much of the beginning of a text differs from house to house, and what is written for it.
    fn found(&mut self, text: &str) -> Option<(usize, String)> {
        let run = |text: &str, of: fn(char) -> bool| text.find(|letter| !of(letter)).unwrap_or(text.len());
        let is_hex = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
        if let Some(after) = text.strip_prefix("It is ")
            && let Some(end) = after.find(" UTC")
            && end < 40
        {
            return Some(("It is ".len() + end, "It is (now)".to_owned()));
        }
        if let Some(port) = text.strip_prefix("127.0.0.1:") {
            return Some((text.len() - port.len() + run(port, |letter| letter.is_ascii_digit()), "127.0.0.1:(port)".to_owned()));
        }
        let kind = run(text, |letter| letter.is_ascii_lowercase());
        if kind == 3 && text[kind..].starts_with('_') && run(&text[4..], is_hex) == 32 {
            return Some((36, format!("{}#{}", &text[..4], self.place(&text[..36]))));
        }
        let digits = run(text, is_hex);
        if digits >= 16 {
            return Some((digits, format!("#{}", self.place(&text[..digits]))));
        }
        let numbers = run(text, |letter| letter.is_ascii_digit());
        let after = &text[numbers..];
        if numbers == 4 && after.starts_with('-') {
            let length = run(text, |letter| letter.is_ascii_digit() || "-:.TZ+".contains(letter));
            return (length >= 19).then(|| (length, "(time)".to_owned()));
        }
        if numbers == 2 && after.starts_with(':') && run(&after[1..], |letter| letter.is_ascii_digit()) == 2 {
            let length = run(text, |letter| letter.is_ascii_digit() || ":.".contains(letter));
            return Some((length, "(time)".to_owned()));
        }
        let unit = after.trim_start_matches(['.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ' ']);
        let is_span = numbers > 0
            && ["ms", "µs", "us"].iter().any(|one| unit.strip_prefix(one).is_some_and(|end| !end.starts_with(char::is_alphanumeric)));
        is_span.then(|| (text.len() - unit.len(), "(time)".to_owned()))
    }

    fn place(&mut self, id: &str) -> usize {
        let known = self.met.iter().position(|met| met == id);
        known.unwrap_or_else(|| {
            self.met.push(id.to_owned());
            self.met.len() - 1
        })
    }
}

#[test]
fn ids_and_times_are_written_by_their_place_and_no_word_is_changed() {
    let mut normal = Normal::new(&[("/tmp/a".to_owned(), "(home)".to_owned())]);
    let (one, other) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let text = format!("at 2026-11-26T18:50:01.123456Z msg_{one} of trn_{other}, again msg_{one} in /tmp/a after 12 ms at 18:50");
    assert_eq!(normal.text(&text), "at (time) msg_#0 of trn_#1, again msg_#0 in (home) after (time)ms at (time)");
    assert_eq!(normal.text("Ada speaks. It is Thursday 26 November 2026, 18:50 UTC."), "Ada speaks. It is (now) UTC.");
    assert_eq!(normal.text("listening on: 127.0.0.1:36307, again"), "listening on: 127.0.0.1:(port), again");
    for plain in ["the added facade is 12 miles off, on 2026-11-26", "deadbeef 1234 café 7 msgs", "key_of the_house"] {
        assert_eq!(normal.text(plain), plain);
    }
}
