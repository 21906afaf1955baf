//! What the house stores of tools: the component, what it asks for and what it was granted, and what it keeps for each member.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{MemberId, ToolId};
use crate::time::Timestamp;

/// The most bytes of a component: one has to fit into one transaction of the store, with the rows beside it.
pub const COMPONENT_BYTES: usize = 14 * 1024 * 1024;
/// The most bytes of a key under which a tool keeps something.
pub const KEY_BYTES: usize = 256;
/// The most bytes of one value that a tool keeps.
pub const VALUE_BYTES: usize = 64 * 1024;

/// Whether a tool can be called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ToolState {
    /// It can, within its grant.
    Granted,
    /// Not before an adult has said yes to what it asks for.
    Waiting,
    /// Not before an adult has looked at it: it failed again and again.
    Quarantined {
        /// Why, for a person. The house's own words.
        reason: String,
    },
    /// Not any more: an adult took the grant back.
    Revoked,
}

/// A tool without its component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolInfo {
    /// Its name, `namespace/name`, unique in the house.
    pub name: String,
    /// Its version, as its author writes it.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal digits.
    pub component: String,
    /// What it asks for.
    pub manifest: Value,
    /// What it was granted; none as long as nobody has.
    pub grant: Option<Value>,
    /// Whether it can be called.
    pub state: ToolState,
    /// Who installed it, or changed it last.
    pub by: MemberId,
    /// When.
    pub at: Timestamp,
}

impl ToolInfo {
    /// The id of a tool's row.
    #[must_use]
    pub fn id(&self) -> ToolId {
        ToolId::derived(&[&self.name])
    }
}

/// A tool with its component.
#[derive(Clone, PartialEq)]
pub struct ToolRecord {
    /// All that is not the component.
    pub info: ToolInfo,
    /// The component itself; at most [`COMPONENT_BYTES`].
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for ToolRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolRecord").field("info", &self.info).field("bytes", &self.bytes.len()).finish()
    }
}

/// Something that a tool keeps for a member. No other tool sees it, and the tool sees it for no other member.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolValue {
    /// The tool's name.
    pub tool: String,
    /// For whom.
    pub member: MemberId,
    /// Under which key; at most [`KEY_BYTES`].
    pub key: String,
    /// What; at most [`VALUE_BYTES`].
    pub value: Vec<u8>,
}

impl std::fmt::Debug for ToolValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolValue").field("tool", &self.tool).field("member", &self.member).finish_non_exhaustive()
    }
}

/// Why something cannot be kept. The tool gets the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// The key is empty or too long.
    #[error("a key has 1 to {KEY_BYTES} bytes")]
    Key,
    /// The value is too long.
    #[error("a value has at most {VALUE_BYTES} bytes")]
    Value,
}

impl ToolValue {
    /// Checks the bounds of key and value.
    ///
    /// # Errors
    ///
    /// When one of them is out of its bounds.
    pub const fn check(&self) -> Result<(), KeepError> {
        if self.key.is_empty() || self.key.len() > KEY_BYTES {
            Err(KeepError::Key)
        } else if self.value.len() > VALUE_BYTES {
            Err(KeepError::Value)
        } else {
            Ok(())
        }
    }

    /// What it counts against the tool's quota: the bytes of key and value, so that empty values are not free.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        // No address space holds what would not fit.
        self.key.len().saturating_add(self.value.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(key: usize, value: usize) -> ToolValue {
        let member = MemberId::derived(&["ada"]);
        ToolValue { tool: "hearth/feeds".to_owned(), member, key: "k".repeat(key), value: vec![0; value] }
    }

    #[test]
    fn keys_and_values_have_bounds() {
        for (key, bytes, expected) in [
            (1, 0, Ok(())),
            (KEY_BYTES, VALUE_BYTES, Ok(())),
            (0, 1, Err(KeepError::Key)),
            (KEY_BYTES + 1, 1, Err(KeepError::Key)),
            (1, VALUE_BYTES + 1, Err(KeepError::Value)),
        ] {
            assert_eq!(value(key, bytes).check(), expected, "{key} {bytes}");
        }
    }

    #[test]
    fn what_is_kept_is_not_shown_by_debug() {
        let shown = format!("{:?}", ToolValue { key: "diary".to_owned(), value: b"dear diary".to_vec(), ..value(1, 1) });
        assert!(!shown.contains("diary") && shown.contains("hearth/feeds"), "{shown}");
    }
}
