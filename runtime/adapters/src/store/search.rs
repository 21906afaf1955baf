//! Searching what is remembered.
//!
//! The index of words ranks by BM25, but counts a word that stands in half of all texts or more as nothing, and a
//! small household's memory is all such words. So the best of the index are ranked once more, by its score and a
//! little for each word that was found at all: what other engines do by never letting a word's weight fall to zero.

use hearth_domain::memory::{MemoryHit, MemorySearch};
use hearth_domain::store::StoreError;
use hearth_domain::words::search_terms;
use surrealdb::types::Value;

use super::decode::{self, Row, rows};
use super::link::Link;
use super::read::{READABLE, audience, limit, with};

/// How many of the index's best are ranked once more, at least.
const POOL: usize = 48;

/// What a found word is worth by itself: about what it is worth to an engine whose weights stay above zero.
const FOUND: f64 = 0.2;

/// What is remembered, readable by everybody present and has any of the words, best first.
pub(super) async fn search(link: &Link, search: &MemorySearch) -> Result<Vec<MemoryHit>, StoreError> {
    let terms = search_terms(&search.words);
    if terms.is_empty() || search.limit == 0 {
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT *, search::score(1) AS score FROM memory WHERE text @1,OR@ $words AND kind IN ['fact', 'note'] AND {READABLE}
            ORDER BY score DESC LIMIT $pool"
    );
    let pool = limit(search.limit.saturating_mul(2).max(POOL));
    let mut variables = with([("words", Value::String(terms.join(" "))), ("pool", pool)]);
    audience(&search.audience, &mut variables);
    let found = rows("memory", link.ask(text, variables).await?)?;
    let mut hits = found.into_iter().map(|row| hit(row, &terms)).collect::<Result<Vec<_>, _>>()?;
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.memory.id.cmp(&b.memory.id)));
    hits.truncate(search.limit);
    Ok(hits)
}

fn hit(mut row: Row, terms: &[String]) -> Result<MemoryHit, StoreError> {
    let score = row.float("score")?;
    let memory = decode::memory(row)?;
    let words: Vec<String> = memory.text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    let found = terms.iter().filter(|term| words.iter().any(|word| alike(term, word))).count();
    let found = u32::try_from(found.max(1)).unwrap_or(u32::MAX);
    Ok(MemoryHit { memory, score: FOUND.mul_add(f64::from(found), score) })
}

/// Whether two words are forms of the same, as far as their beginnings tell. The index knows better; this only breaks
/// ties.
fn alike(one: &str, other: &str) -> bool {
    let (one_length, other_length) = (one.chars().count(), other.chars().count());
    let shared = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    shared >= 3 && shared.saturating_add(2) >= one_length.max(other_length) || one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_alike_and_other_words_are_not() {
        for (one, other) in [("cat", "cats"), ("like", "likes"), ("water", "watered"), ("ox", "ox")] {
            assert!(alike(one, other) && alike(other, one), "{one} {other}");
        }
        for (one, other) in [("car", "carpet"), ("tea", "team's"), ("ox", "oxen"), ("gate", "green")] {
            assert!(!alike(one, other) && !alike(other, one), "{one} {other}");
        }
    }
}
