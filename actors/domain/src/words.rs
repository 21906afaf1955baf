//! The words that a search of memory looks for: what is left of a person's sentence without the words that stand
//! in every sentence.
//!
//! Pure and shared by every store, so that the product and its double look for the same.

/// Most words of one search.
pub const TERMS: usize = 24;

/// Most characters of one word; the rest is cut off.
pub const TERM_CHARS: usize = 48;

/// Words that say nothing about what is looked for, in the languages that the house is first used in. Sorted.
const STOP: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "at", "be", "been", "but", "by", "can", "could", "das", "dem", "den", "der", "did",
    "die", "do", "does", "ein", "eine", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "ich", "if", "in",
    "is", "ist", "it", "its", "know", "me", "mein", "meine", "mir", "my", "not", "of", "on", "or", "our", "please", "she", "should", "so",
    "tell", "that", "the", "their", "them", "there", "these", "they", "this", "to", "und", "us", "was", "we", "were", "what", "when",
    "where", "which", "who", "why", "will", "with", "would", "you", "your",
];

/// The words to look for, lower case, each once, in the order in which they stand. Empty when nothing is left.
#[must_use]
pub fn search_terms(text: &str) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let word: String = word.chars().flat_map(char::to_lowercase).take(TERM_CHARS).collect();
        let stop = STOP.binary_search(&word.as_str()).is_ok();
        if word.is_empty() || stop || terms.contains(&word) {
            continue;
        }
        terms.push(word);
        if terms.len() == TERMS {
            break;
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_stop_words_are_sorted() {
        assert!(STOP.is_sorted());
    }

    #[test]
    fn a_question_is_reduced_to_what_it_asks_for() {
        assert_eq!(search_terms("What do I know about Ada's ALLERGIES?"), ["ada", "s", "allergies"]);
        assert_eq!(search_terms("what do you know about me"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_text_gives_few_short_words(text in any::<String>()) {
            let terms = search_terms(&text);
            prop_assert!(terms.len() <= TERMS);
            prop_assert!(terms.iter().all(|term| !term.is_empty() && term.chars().count() <= TERM_CHARS));
        }
    }
}
