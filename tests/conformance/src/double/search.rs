//! The search of the double: BM25 over facts and notes, with the label as a condition of the search.

use std::collections::BTreeMap;

use hearth_domain::memory::{Memory, MemoryHit, MemoryKind, MemorySearch};
use hearth_domain::words::search_terms;

/// The usual parameters of BM25: how soon repetition saturates, and how much length counts.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The entries that the audience may read and that have any of the words, best first.
pub(super) fn search<'a>(memories: impl Iterator<Item = &'a Memory>, search: &MemorySearch) -> Vec<MemoryHit> {
    let texts: Vec<(&Memory, Vec<String>)> =
        memories.filter(|row| !matches!(row.kind, MemoryKind::Item { .. })).map(|row| (row, words(&row.text))).collect();
    let terms: Vec<String> = search_terms(&search.words).iter().map(|term| stem(term)).collect();
    let corpus = Corpus::of(&texts);
    let mut hits: Vec<MemoryHit> = texts
        .iter()
        .filter(|(row, _)| row.label.readers.cover(&search.audience))
        .map(|(row, text)| MemoryHit { memory: (*row).clone(), score: terms.iter().map(|term| corpus.score(term, text)).sum() })
        .filter(|hit| hit.score > 0.0)
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.memory.id.cmp(&b.memory.id)));
    hits.truncate(search.limit);
    hits
}

/// What scoring needs to know about all texts together.
struct Corpus {
    texts: f64,
    mean_length: f64,
    /// In how many texts a word stands.
    spread: BTreeMap<String, f64>,
}

impl Corpus {
    fn of(texts: &[(&Memory, Vec<String>)]) -> Self {
        let mut spread: BTreeMap<String, f64> = BTreeMap::new();
        for (_, text) in texts {
            let distinct: std::collections::BTreeSet<&String> = text.iter().collect();
            for word in distinct {
                *spread.entry(word.clone()).or_default() += 1.0;
            }
        }
        let count = size(texts.len());
        let words: f64 = texts.iter().map(|(_, text)| size(text.len())).sum();
        Self { texts: count, mean_length: words / count.max(1.0), spread }
    }

    fn score(&self, term: &str, text: &[String]) -> f64 {
        let often = size(text.iter().filter(|word| *word == term).count());
        let spread = self.spread.get(term).copied().unwrap_or_default();
        let rarity = (1.0 + (self.texts - spread + 0.5) / (spread + 0.5)).ln();
        let length = 1.0 - B + B * size(text.len()) / self.mean_length.max(1.0);
        rarity * often * (K1 + 1.0) / K1.mul_add(length, often)
    }
}

/// A count as a number to calculate with; exact far beyond any household's memory.
fn size(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// The words of a text, as they are compared.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| stem(&word.to_lowercase())).collect()
}

/// A word without its plural: the least of what the real analyser does.
fn stem(word: &str) -> String {
    let plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
    let stem = if plural { word.strip_suffix('s') } else { None };
    stem.unwrap_or(word).to_owned()
}
