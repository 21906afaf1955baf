//! Finding placeholders in bytes.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use hearth_domain::secret::{NAME_MAX, PLACEHOLDER_BEGIN, PLACEHOLDER_END, SecretName};

use super::{PLACEHOLDERS_MAX, PlaceholderError};

/// A placeholder within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// Which secret it names.
    pub name: SecretName,
}

/// All placeholders of a text that is there as a whole, in order.
///
/// # Errors
///
/// When something begins like a placeholder and is none, or there are more than [`PLACEHOLDERS_MAX`].
pub fn find(text: &[u8]) -> Result<Vec<Found>, PlaceholderError> {
    let (found, open) = find_so_far(text)?;
    if text.get(open..).is_some_and(|rest| rest.starts_with(PLACEHOLDER_BEGIN.as_bytes())) {
        return Err(PlaceholderError::Cut);
    }
    Ok(found)
}

/// The placeholders of a text that may go on, and where what may become one more begins.
pub(super) fn find_so_far(text: &[u8]) -> Result<(Vec<Found>, usize), PlaceholderError> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = begin(text, from) {
        let name_at = start.saturating_add(PLACEHOLDER_BEGIN.len());
        let rest = text.get(name_at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-').count();
        let Some(end) = rest.get(length) else {
            // The longest name may still be followed by its end.
            return if length <= NAME_MAX { Ok((found, start)) } else { Err(PlaceholderError::Malformed) };
        };
        if [*end] != PLACEHOLDER_END.as_bytes() {
            return Err(PlaceholderError::Malformed);
        }
        let name = rest.get(..length).and_then(|name| std::str::from_utf8(name).ok()).ok_or(PlaceholderError::Malformed)?;
        let name = SecretName::new(name).map_err(|_| PlaceholderError::Malformed)?;
        if found.len() >= PLACEHOLDERS_MAX {
            return Err(PlaceholderError::TooMany);
        }
        from = name_at.saturating_add(length).saturating_add(PLACEHOLDER_END.len());
        found.push(Found { range: start..from, name });
    }
    Ok((found, open_end(text, from)))
}

/// Where the longest end of the text begins that is a beginning of a placeholder's beginning.
fn open_end(text: &[u8], from: usize) -> usize {
    let begin = PLACEHOLDER_BEGIN.as_bytes();
    let rest = text.get(from..).unwrap_or_default();
    let longest = (1..begin.len()).rev().find(|length| begin.get(..*length).is_some_and(|part| rest.ends_with(part)));
    text.len().saturating_sub(longest.unwrap_or(0))
}

fn begin(text: &[u8], from: usize) -> Option<usize> {
    static BEGIN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new([PLACEHOLDER_BEGIN]).ok());
    let rest = text.get(from..)?;
    let at = match BEGIN.as_ref() {
        Some(search) => search.find(rest).map(|found| found.start()),
        None => rest.windows(PLACEHOLDER_BEGIN.len()).position(|window| window == PLACEHOLDER_BEGIN.as_bytes()),
    };
    at.map(|at| from.saturating_add(at))
}
