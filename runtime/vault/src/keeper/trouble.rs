//! Records that do not open: what is wrong with each, and the two ways out of it. After a restored backup the owner says, with a proof,
//! that what is there counts now. What nothing opens any more is forgotten, which takes no proof: nothing can be lost by it.

use std::collections::BTreeSet;

use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::{SealedRecord, SecretName};
use serde::{Deserialize, Serialize};

use super::change::{Begun, ChangeError, Step};
use super::ill::Ill;
use super::{Core, Keeper};
use crate::seal::StepError;
use crate::seal::check::RestoreError;
use crate::seal::proof::OwnerProof;

/// A record in trouble, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubled {
    /// Which.
    pub id: SecretId,
    /// The name that is written on it; none where the record is gone. Not to be believed where the record was altered.
    pub name: Option<SecretName>,
    /// What is wrong, and what to do.
    pub sentence: String,
}

impl Troubled {
    fn of(ill: &Ill) -> Self {
        Self { id: ill.id, name: ill.name().cloned(), sentence: ill.sentence.clone() }
    }
}

/// What came of accepting a restored backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Secrets that can be used now.
    pub usable: usize,
    /// How many of them had been refused before.
    pub regained: usize,
    /// What still cannot be.
    pub troubled: Vec<Troubled>,
}

impl Keeper {
    /// The records that are not used, and those that are missing.
    #[must_use]
    pub fn troubled(&self) -> Vec<Troubled> {
        self.core().ill.iter().map(Troubled::of).collect()
    }

    /// Takes what the house has as the current state, older or not. What is not authentic stays refused.
    ///
    /// # Errors
    ///
    /// While a change is under way, with another vault's proof, or when nothing could be changed.
    pub fn accept_restore(&self, proof: OwnerProof) -> Result<Restored, ChangeError> {
        let mut core = self.core();
        core.ready()?;
        if !core.pending.is_empty() {
            return Err(ChangeError::Underway);
        }
        let before: BTreeSet<SecretId> = core.secrets.values().map(|secret| secret.record.id).collect();
        let records: Vec<SealedRecord> = core.records(|_| true);
        core.ready()?.accept_restore(proof, &records).map_err(of_restore)?;
        core.adopt(records);
        let regained = core.secrets.values().filter(|secret| !before.contains(&secret.record.id)).count();
        Ok(Restored { usable: core.secrets.len(), regained, troubled: core.ill.iter().map(Troubled::of).collect() })
    }

    /// Begins to remove a record that is not used, by its id or by the name that is written on it.
    ///
    /// # Errors
    ///
    /// For a secret that can be used, for one that is not known, or for a name that several have.
    pub fn begin_forget(&self, which: &str) -> Result<Begun, ChangeError> {
        let mut core = self.core();
        core.ready()?;
        let meant = |ill: &&Ill| ill.id.to_string() == which || ill.name().is_some_and(|name| name.as_str() == which);
        let ids: BTreeSet<SecretId> = core.ill.iter().filter(meant).map(|ill| ill.id).collect();
        let id = match (ids.first(), ids.len()) {
            (Some(id), 1) => *id,
            (Some(_), _) => return Err(ChangeError::Ambiguous),
            (None, _) if core.is_used(which) => return Err(ChangeError::Usable),
            (None, _) => return Err(ChangeError::NotInTrouble),
        };
        // The house removes by id: another record of the same id would go as well.
        if core.secrets.values().any(|secret| secret.record.id == id) {
            return Err(ChangeError::Usable);
        }
        match core.ready()?.begin_forget(id) {
            Ok(()) | Err(StepError::Unknown) => {}
            Err(error) => return Err(error.into()),
        }
        let (gone, rest): (Vec<Ill>, Vec<Ill>) = std::mem::take(&mut core.ill).into_iter().partition(|ill| ill.id == id);
        core.ill = rest;
        let name = audit_name(gone.first().ok_or(ChangeError::NotInTrouble)?)?;
        Ok(core.await_house(Step::Forget { id, gone }, "record in trouble removed", &name, Vec::new(), vec![id]))
    }
}

impl Core {
    /// Copies of what the house has of those owners, whether it can be used or not.
    pub(super) fn records(&self, of: impl Fn(MemberId) -> bool) -> Vec<SealedRecord> {
        let used = self.secrets.values().map(|secret| &secret.record);
        used.chain(self.ill.iter().filter_map(|ill| ill.record.as_ref())).filter(|record| of(record.owner)).cloned().collect()
    }

    fn is_used(&self, which: &str) -> bool {
        self.secrets.iter().any(|(name, secret)| name.as_str() == which || secret.record.id.to_string() == which)
    }
}

/// The name for the audit, which has to have one.
fn audit_name(ill: &Ill) -> Result<SecretName, ChangeError> {
    let id = || SecretName::new(&ill.id.uuid().to_string()).map_err(|_| ChangeError::Unknown);
    ill.name().map_or_else(id, |name| Ok(name.clone()))
}

fn of_restore(error: RestoreError) -> ChangeError {
    match error {
        RestoreError::Proof(error) => error.into(),
        RestoreError::Commit(error) => StepError::Commit(error).into(),
    }
}
