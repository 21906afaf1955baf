//! Words from outside, made fit to be shown: one line, nothing invisible, cut.

use hearth_domain::tool::manifest::is_invisible;

/// What stands at the end of what was cut.
const CUT: &str = "…";

/// One line of at most so many bytes: control characters and line breaks are spaces, invisible letters are gone.
pub(crate) fn one_line(text: &str, bytes: usize) -> String {
    let mut line = String::new();
    for letter in text.chars().filter(|letter| letter.is_control() || !is_invisible(*letter)) {
        let letter = if letter.is_control() || letter.is_whitespace() { ' ' } else { letter };
        if letter == ' ' && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if line.len().saturating_add(letter.len_utf8()) > bytes {
            return cut(line, bytes);
        }
        line.push(letter);
    }
    line.truncate(line.trim_end().len());
    line
}

fn cut(mut line: String, bytes: usize) -> String {
    let room = bytes.saturating_sub(CUT.len());
    while line.len() > room || line.ends_with(' ') {
        line.pop();
    }
    if bytes >= CUT.len() {
        line.push_str(CUT);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_become_one_and_what_hides_is_gone() {
        assert_eq!(one_line("  a\n\n\tb\u{200b}c\u{202e}d  \u{0}", 100), "a bcd");
        assert_eq!(one_line("abcdefgh", 7), "abcd…");
        assert_eq!(one_line("abcdefg", 7), "abcdefg");
    }

    proptest! {
        #[test]
        fn a_line_is_plain_and_within_its_bound(text in "\\PC{0,80}|[\\s\\u{200b}a]{0,80}", bytes in 0_usize..60) {
            let line = one_line(&text, bytes);
            prop_assert!(line.len() <= bytes && line.trim() == line);
            prop_assert!(!line.chars().any(|letter| letter.is_control() || is_invisible(letter)));
        }
    }
}
