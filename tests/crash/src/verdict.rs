//! What a fresh process found on a disk that a crash left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a fresh process found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it opened, else why not.
    pub refused: Option<String>,
    /// Acknowledged things looked for.
    pub acked: u64,
    /// Of these, how many are missing or cannot be read.
    pub lost: u64,
    /// Things that are there in part, or are not what was written.
    pub torn: u64,
    /// A few words on the first of them.
    pub notes: Vec<String>,
    /// In what way, and how often.
    #[serde(default)]
    pub ways: BTreeMap<String, u64>,
}

impl Verdict {
    /// Notes something wrong with `what`; the way is `why` without its numbers and paths, so that the like adds up.
    pub fn note(&mut self, what: &str, why: &str) {
        *self.ways.entry(way(why)).or_default() += 1;
        if self.notes.len() < 4 {
            self.notes.push(format!("{what}: {why}"));
        }
    }

    /// Whether nothing was wrong.
    pub fn good(&self) -> bool {
        self.refused.is_none() && self.lost == 0 && self.torn == 0
    }
}

/// A message without numbers and paths.
pub fn way(why: &str) -> String {
    let words = why.split(' ').map(|word| if word.contains('/') { "…" } else { word });
    let plain = words.collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    for c in plain.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out.truncate(out.floor_char_boundary(150));
    out
}
