//! What is said to the house, so that every answer and effect can be traced to the words that caused it.

use crate::rng::Rng;

/// The word that no house command begins with: the rest is for the model.
const TO_MODEL: &str = "quux";
/// The list that things are put on.
pub const LIST: &str = "shopping";
/// The seconds within which a reminder comes due.
const SOON: (usize, usize) = (1, 4);

/// What a message wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A word from the model.
    Say,
    /// A note, by the model.
    Note,
    /// An item on the list, by the model.
    List,
    /// A note and an item, by the model in one reply.
    Both,
    /// An item on the list, by a house command.
    Command,
    /// A reminder, by a house command.
    Remind,
    /// To see the list.
    ShowList,
    /// To see the notes.
    ShowNotes,
}

/// All deeds and the words for them.
const VERBS: [(Deed, &str); 6] = [
    (Deed::Say, "say"),
    (Deed::Note, "note"),
    (Deed::List, "list"),
    (Deed::Both, "both"),
    (Deed::ShowList, "showlist"),
    (Deed::ShowNotes, "shownotes"),
];

impl Deed {
    /// A deed at random: mostly words, often effects, now and then a reminder.
    pub fn pick(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0..=7 => Self::Say,
            8..=10 => Self::Note,
            11..=12 => Self::List,
            13..=14 => Self::Both,
            15..=18 => Self::Command,
            _ => Self::Remind,
        }
    }

    /// The message that wants this.
    pub fn text(self, token: &str, rng: &mut Rng) -> String {
        match self {
            Self::Command => format!("add {token} to the {LIST} list"),
            Self::Remind => format!("remind me in {} seconds to stretch {token}", rng.between(SOON.0, SOON.1)),
            Self::Say | Self::Note | Self::List | Self::Both | Self::ShowList | Self::ShowNotes => {
                let verb = VERBS.iter().find(|(deed, _)| *deed == self).map_or("say", |(_, verb)| verb);
                format!("{TO_MODEL} {verb} {token}")
            }
        }
    }

    /// What the message wants.
    pub fn of(text: &str) -> Option<Self> {
        let line = text.lines().last()?;
        let mut words = line.split(' ');
        match words.next()? {
            TO_MODEL => {
                let verb = words.next()?;
                VERBS.iter().find(|(_, known)| *known == verb).map(|(deed, _)| *deed)
            }
            "add" => Some(Self::Command),
            "remind" => Some(Self::Remind),
            _ => None,
        }
    }

    /// Whether it writes a note.
    pub fn notes(self) -> bool {
        matches!(self, Self::Note | Self::Both)
    }

    /// Whether it puts something on the list.
    pub fn lists(self) -> bool {
        matches!(self, Self::List | Self::Both | Self::Command)
    }

    /// Whether it only looks.
    pub fn shows(self) -> bool {
        matches!(self, Self::ShowList | Self::ShowNotes)
    }
}

/// The word that is in one message and in all that comes of it.
pub fn token(talker: usize, number: usize) -> String {
    format!("k{talker}x{number}")
}

/// All tokens in a text.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| is_token(word))
}

fn is_token(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    word.strip_prefix('k').and_then(|rest| rest.split_once('x')).is_some_and(|(talker, number)| digits(talker) && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_known_from_its_words() {
        let mut rng = Rng::new(1);
        for deed in [Deed::Say, Deed::Note, Deed::List, Deed::Both, Deed::Command, Deed::Remind, Deed::ShowList, Deed::ShowNotes] {
            let text = deed.text(&token(3, 17), &mut rng);
            assert_eq!(Deed::of(&text), Some(deed), "{text}");
            assert_eq!(tokens(&text).collect::<Vec<_>>(), ["k3x17"]);
        }
        assert_eq!(Deed::of("hello"), None);
        assert_eq!(tokens("no kx1 k1x kitchen k1x2y").count(), 0);
    }
}
