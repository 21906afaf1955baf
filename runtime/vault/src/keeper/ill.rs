//! A record that does not open, or that is not there: what the keeper holds of it until it is forgotten or taken as it is.

use std::fmt;

use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::{SealedRecord, SecretName};

use crate::seal::Seal;
use crate::seal::check::{Finding, Trouble};

/// A record that is not used, or that is missing.
pub(super) struct Ill {
    pub(super) id: SecretId,
    pub(super) owner: Option<MemberId>,
    pub(super) record: Option<SealedRecord>,
    pub(super) sentence: String,
}

impl Ill {
    /// A record with what is wrong.
    pub(super) fn of(record: SealedRecord, sentence: String) -> Self {
        Self { id: record.id, owner: Some(record.owner), record: Some(record), sentence }
    }

    /// A record that should be there; `None` for one that is, and has something else.
    pub(super) fn missing(finding: Finding, seal: &Seal) -> Option<Self> {
        let Finding { id, trouble } = finding;
        (trouble == Trouble::Missing).then(|| Self { id, owner: seal.owner_of(id), record: None, sentence: trouble.to_string() })
    }

    /// The name that is written on it.
    pub(super) fn name(&self) -> Option<&SecretName> {
        self.record.as_ref().map(|record| &record.name)
    }
}

impl fmt::Display for Ill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}: {}", self.sentence),
            None => write!(f, "{}: {}", self.id, self.sentence),
        }
    }
}
