//! Notes: keeping one, showing them.

use serde_json::json;

use super::polite::{self, Manner};
use super::words::{Said, Stop};
use super::{Interpretation, call};

/// Reads the commands about notes. A bare `note that …` is how people instruct a model, so it is none.
pub(super) fn read(said: Said<'_>, manner: Manner) -> Option<Interpretation> {
    const SHOW: [&str; 6] = [
        "show|read|list me? all? my|our|the? notes",
        "my|our|all? notes",
        "what are my|our|the notes",
        "what notes are there",
        "what notes do i|we have",
        "what is in my|our|the notes",
    ];
    const COLON: [&str; 6] =
        ["note", "take|make|add|leave a|another note", "new note", "note to self", "write|note this? down", "jot this? down"];
    const THAT: [&str; 3] = ["take|make|add|leave a|another note that", "write|note down that", "jot down that"];
    if said.is(&SHOW) {
        return call("note", json!({}));
    }
    let colon =
        COLON.iter().filter_map(|head| said.eat(head)).find(|count| said.stop(count - 1) == Stop::Colon || (manner.slash && *count == 1));
    let text = colon.map(|count| said.skip(count)).or_else(|| said.after(&THAT))?;
    if text.is_empty() || text.clean().is_empty() || !polite::is_one_statement(text) {
        return None;
    }
    call("note", json!({ "text": text.clean() }))
}
