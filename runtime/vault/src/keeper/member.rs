//! A member's key while everything goes on: replaced, record by record, or destroyed with all that is under it.
//!
//! Replacing is done in batches, each a write of its own; within one, its secrets are used as ever and not changed. Whatever is
//! stored when it stops opens, and the next time goes on from there ([`crate::seal::members`]).

use std::collections::BTreeSet;

use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::SealedRecord;

use super::change::{Begun, ChangeError, Step};
use super::ill::Ill;
use super::{Core, Keeper, seal_of};
use crate::seal::check::Trouble;
use crate::seal::members::MemberError;
use crate::seal::proof::OwnerProof;

/// Most bytes of envelopes in one write, unless a single one has more: as hexadecimal digits well within a message to the house.
const BATCH_BYTES: usize = 1 << 20;
/// Most records in one write.
pub const BATCH_MAX: usize = 32;

/// A member's key is destroyed.
#[derive(Debug)]
pub struct Erased {
    /// How many records nothing opens any more.
    pub records: usize,
    /// Their removal; none where there were none.
    pub begun: Option<Begun>,
}

impl Keeper {
    /// Begins to wrap some of a member's records under a new key of theirs; `None` when none is left to be. To be called
    /// until then, each time after the write before, and ended with [`Self::finish_rekey`].
    ///
    /// # Errors
    ///
    /// For a member without a key, or with records that are in trouble, which an older key might still be good for.
    pub fn begin_rekey(&self, member: MemberId) -> Result<Option<Begun>, ChangeError> {
        let mut core = self.core();
        core.ready()?;
        if core.ill.iter().any(|ill| ill.owner == Some(member)) {
            return Err(ChangeError::Troubled);
        }
        core.ready()?.begin_rekey(member, &[])?;
        let batch = core.behind(member);
        let wrapped = core.ready()?.begin_rekey(member, &batch)?;
        let Some(first) = wrapped.first() else { return Ok(None) };
        let (name, others) = (first.name.clone(), wrapped.len().saturating_sub(1));
        let what = format!("put under a new key of its owner, and {others} others with it");
        let step = Step::Wrapped { records: wrapped.clone() };
        Ok(Some(core.await_house(step, &what, &name, wrapped, Vec::new())))
    }

    /// Destroys a member's old key, once nothing needs it.
    ///
    /// # Errors
    ///
    /// While a record, also one on its way to the house, is under the old key.
    pub fn finish_rekey(&self, member: MemberId) -> Result<(), ChangeError> {
        let mut core = self.core();
        core.ready()?;
        let mut records = core.records(|owner| owner == member);
        let underway = core.pending.values().flat_map(|pending| pending.step.put());
        records.extend(underway.filter(|record| record.owner == member).cloned());
        Ok(core.ready()?.finish_rekey(member, &records)?)
    }

    /// Destroys a member's key, and begins to remove their records. Their values leave the guard, too.
    ///
    /// # Errors
    ///
    /// For a member without a key, while a change of their secrets is under way, or with another vault's proof.
    pub fn begin_erase(&self, member: MemberId, proof: &OwnerProof) -> Result<Erased, ChangeError> {
        let mut core = self.core();
        core.ready()?.admits(proof)?;
        if core.pending.values().any(|pending| pending.step.owners().any(|owner| owner == member)) {
            return Err(ChangeError::Underway);
        }
        let left = core.records(|owner| owner == member);
        match core.ready()?.erase_member(member) {
            Ok(_) => {}
            // The records of an earlier time may still be there.
            Err(MemberError::Erased) if !left.is_empty() => {}
            Err(error) => return Err(error.into()),
        }
        let ids = core.drop_member(member);
        let Some(first) = left.first() else { return Ok(Erased { records: 0, begun: None }) };
        let (name, others) = (first.name.clone(), left.len().saturating_sub(1));
        let what = format!("erased with its owner's key, and {others} others with it");
        let records = left.len();
        let gone = left.into_iter().map(|record| Ill::of(record, Trouble::Erased.to_string())).collect();
        Ok(Erased { records, begun: Some(core.await_house(Step::Erased { gone }, &what, &name, Vec::new(), ids)) })
    }

    /// Destroys the keys of members who were removed from the household, and forgets their secrets; the house has removed their records by
    /// itself. A vault that is not open does so when it is. No owner proves anything: the house could destroy the records anyway. Gives what
    /// could not be done, as sentences.
    pub fn part_from(&self, gone: &BTreeSet<MemberId>) -> Vec<String> {
        let mut core = self.core();
        core.gone.extend(gone);
        core.part()
    }

    /// Gives an erased member, or another one of the same name, a new key.
    ///
    /// # Errors
    ///
    /// For a member who was not erased, or with another vault's proof.
    pub fn admit(&self, member: MemberId, proof: OwnerProof) -> Result<(), ChangeError> {
        Ok(self.core().ready()?.admit_again(proof, member)?)
    }
}

impl Core {
    /// Records under a member's old key that nobody else changes just now, as many as go into one write.
    fn behind(&self, member: MemberId) -> Vec<SealedRecord> {
        let Some(seal) = seal_of(&self.lock) else { return Vec::new() };
        let changing: BTreeSet<SecretId> = self.pending.values().flat_map(|pending| pending.step.ids()).collect();
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        for record in self.secrets.values().map(|secret| &secret.record) {
            if record.owner != member || changing.contains(&record.id) || !seal.is_behind(record) {
                continue;
            }
            bytes = bytes.saturating_add(record.envelope.len());
            if batch.len() >= BATCH_MAX || (bytes > BATCH_BYTES && !batch.is_empty()) {
                break;
            }
            batch.push(record.clone());
        }
        batch
    }

    /// Does what is to be done for those who were removed.
    pub(super) fn part(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for member in self.gone.clone() {
            let Some(seal) = self.seal() else { break };
            match seal.erase_member(member) {
                Ok(secrets) => {
                    tracing::info!(%member, secrets = secrets.len(), "the key of a member who was removed is destroyed");
                    self.drop_member(member);
                }
                Err(MemberError::Unknown | MemberError::Erased) => {}
                Err(error) => said.push(format!("the key of a member who was removed could not be destroyed: {error}")),
            }
        }
        said
    }

    /// Forgets everything of a member. Gives the ids of their records.
    fn drop_member(&mut self, member: MemberId) -> Vec<SecretId> {
        let ids: BTreeSet<SecretId> = self.records(|owner| owner == member).iter().map(|record| record.id).collect();
        self.secrets.retain(|_, secret| secret.record.owner != member);
        self.ill.retain(|ill| ill.owner != Some(member));
        self.kept.retain(|kept| kept.owner != Some(member));
        self.renewals.retain(|id, _| !ids.contains(id));
        self.windows.retain(|id, _| !ids.contains(id));
        self.unfinished.retain(|id| !ids.contains(id));
        self.rebuild();
        ids.into_iter().collect()
    }
}
