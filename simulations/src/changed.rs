//! What is other in a run than in the one that it is compared with ([`crate::interference`]): the values of secrets, or one member's private
//! words. As long as what they stand for, and the same word always by the same other one.

/// What is other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Every value of every secret.
    pub secrets: bool,
    /// The private words of the member of this number: what they say, and what tools keep for them.
    pub words_of: Option<usize>,
}

impl Changed {
    /// The part of a secret's value that nobody can guess.
    #[must_use]
    pub fn value(self, text: String) -> String {
        if self.secrets { other(&text) } else { text }
    }

    /// What makes a private word of this member one that nobody else says.
    #[must_use]
    pub fn word(self, member: usize, number: u64) -> String {
        let text = number.to_string();
        if self.words_of == Some(member) { other(&text) } else { text }
    }
}

/// Another text of the same length: each letter and digit by another one, each always by the same.
fn other(text: &str) -> String {
    let turned = |byte: u8, first: u8, count: u8| char::from(first.wrapping_add(byte.wrapping_sub(first).wrapping_add(count / 2) % count));
    text.chars()
        .map(|letter| match letter {
            'a'..='z' => turned(letter as u8, b'a', 26),
            '0'..='9' => turned(letter as u8, b'0', 10),
            _ => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_text_is_as_long_and_nowhere_the_same_and_comes_back() {
        let text = "abcxyz0459";
        let changed = other(text);
        assert_eq!((changed.len(), other(&changed).as_str()), (text.len(), text));
        assert!(text.chars().zip(changed.chars()).all(|(a, b)| a != b), "{changed}");
    }

    #[test]
    fn only_what_is_to_be_other_is_other() {
        let words = Changed { secrets: false, words_of: Some(1) };
        assert_eq!((words.word(0, 27), words.word(1, 27), words.value("k".to_owned())), ("27".into(), "72".into(), "k".into()));
        assert_eq!(Changed { secrets: true, words_of: None }.value("key-1".to_owned()), "xrl-6");
    }
}
