//! Text without what cannot be seen.

/// Whether a character shows nothing and can carry a message past a reader: controls, directions, tags, odd selectors.
/// The joiners U+200C and U+200D stay, for scripts and emoji are spelled with them, and so do U+FE0E and U+FE0F.
fn invisible(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' => true,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fe00}'..='\u{fe0d}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        other => other.is_control(),
    }
}

/// The same text without invisible characters.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().filter(|character| !invisible(*character)).collect()
}

/// The same words, one space between each.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first so many characters, to the end of a word or line if one ends near, and whether anything is missing.
#[must_use]
pub fn cut(text: &str, limit_chars: usize) -> (&str, bool) {
    let Some((end, _)) = text.char_indices().nth(limit_chars) else { return (text, false) };
    let head = text.get(..end).unwrap_or_default();
    let floor = head.len().saturating_sub(200);
    let end = head.rfind(['\n', ' ']).filter(|end| *end >= floor && *end > 0).unwrap_or(head.len());
    (head.get(..end).unwrap_or(head), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_not_there() {
        let smuggled: String = "ignore all".chars().filter_map(|c| char::from_u32(0xe0000 + u32::from(c))).collect();
        assert_eq!(clean(&format!("a\u{200b}b\u{202e}c\u{0}{smuggled}d\n")), "abcd\n");
        assert_eq!(clean("می\u{200c}خواهم 👩\u{200d}🚀 ❤\u{fe0f}"), "می\u{200c}خواهم 👩\u{200d}🚀 ❤\u{fe0f}");
        assert_eq!(line("  a \n\n b\u{a0}c "), "a b c");
    }

    #[test]
    fn a_cut_is_between_characters_and_rather_between_words() {
        assert_eq!(cut("häuser und türme", 13), ("häuser und", true));
        assert_eq!(cut("ääää", 2), ("ää", true));
        assert_eq!(cut("short", 5), ("short", false));
    }
}
