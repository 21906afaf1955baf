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
const POOL: usize = 64;

/// What a found word is worth by itself: about what it is worth to an engine whose weights stay above zero.
const FOUND: f64 = 0.2;

/// What is remembered, readable by everybody present and has any of the words, best first.
pub(super) async fn search(link: &Link, search: &MemorySearch) -> Result<Vec<MemoryHit>, StoreError> {
    let words = search_terms(&search.words).join(" ");
    if words.is_empty() || search.limit == 0 {
        return Ok(Vec::new());
    }
    let text = format!(
        "RETURN {{
            LET $stems = array::distinct(search::analyze('words', $words));
            LET $best = (SELECT *, search::score(1) AS score FROM memory WHERE text @1,OR@ $words AND kind IN ['fact', 'note'] AND {READABLE}
                ORDER BY score DESC LIMIT $pool);
            RETURN (SELECT *, array::len(array::intersect($stems, search::analyze('words', text))) AS found FROM $best);
        }}"
    );
    let pool = limit(search.limit.saturating_mul(2).max(POOL));
    let mut variables = with([("words", Value::String(words)), ("pool", pool)]);
    audience(&search.audience, &mut variables);
    let found = rows("memory", link.ask(text, variables).await?)?;
    let mut hits = found.into_iter().map(hit).collect::<Result<Vec<_>, _>>()?;
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.memory.id.cmp(&b.memory.id)));
    hits.truncate(search.limit);
    Ok(hits)
}

fn hit(mut row: Row) -> Result<MemoryHit, StoreError> {
    let found: u32 = row.number("found")?;
    let score = FOUND.mul_add(f64::from(found.max(1)), row.float("score")?);
    Ok(MemoryHit { memory: decode::memory(row)?, score })
}
