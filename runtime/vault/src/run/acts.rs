//! The rare acts of an owner: after a restored backup, with keys that may have been seen, for a member who leaves, with records that
//! nothing opens. What the house has nothing to store of is told to it all the same, for the audit.

use hearth_domain::error::Class;
use hearth_domain::household::MemberId;
use hearth_domain::secret::SecretName;
use hearth_domain::vault::Tell;
use secrecy::SecretString;

use super::no::No;
use super::passphrase::{apart, not_computed, text};
use super::process::{Process, opened, prove, stored, tell};
use crate::admin::{AdminAnswer, Hidden, Proof};
use crate::keeper::change::ChangeError;
use crate::keeper::trouble::Restored;
use crate::seal::recovery::RecoveryKey;

/// The ticket of a write that nobody waits for: the keeper's own begin at 1.
const NOTE: u64 = 0;
/// Under which name the audit has what is about all secrets.
const VAULT: &str = "vault";

/// Has the house write into its audit what was done with the vault itself.
async fn noted(process: &Process, what: &str) {
    let Ok(name) = SecretName::new(VAULT) else { return };
    let note = Tell::Write { ticket: NOTE, put: Vec::new(), erase: Vec::new(), what: what.to_owned(), name };
    // It is done, whether or not somebody is there to hear it.
    drop(tell(process, note).await);
}

pub(super) async fn accept_restore(process: &Process, proof: Proof) -> Result<AdminAnswer, No> {
    let proof = prove(process, proof).await?;
    let Restored { usable, regained, troubled } = process.door.keeper.accept_restore(proof)?;
    noted(process, "a restored backup was accepted").await;
    Ok(AdminAnswer::Restored { usable, regained, troubled })
}

pub(super) async fn rotate_key(process: &Process, proof: Proof, passphrase: Option<Hidden>) -> Result<AdminAnswer, No> {
    let (keeper, slot) = (&process.door.keeper, process.door.keeper.passphrase_slot());
    let passphrase = match (passphrase, slot.is_some()) {
        (Some(passphrase), true) => Some(text(&passphrase)?),
        (None, true) => return Err(ChangeError::NeedsPassphrase.into()),
        (Some(_) | None, false) => None,
    };
    let proof = prove(process, proof).await?;
    let under = match (passphrase, slot) {
        (Some(passphrase), Some((household, slot))) => {
            // A slip of the finger would be the passphrase from now on.
            let (fits, same) = (passphrase.clone(), move |text: SecretString| slot.unlock(household, &text).map(drop));
            let fits = apart(move || same(fits)).await.ok_or_else(not_computed)?;
            fits.map_err(|error| No::of(&error))?;
            Some(process.door.passphrase_key(passphrase).await?)
        }
        (Some(_) | None, _) => None,
    };
    let kit = keeper.rotate_key(proof, under.as_ref())?;
    noted(process, "vault key rotated").await;
    Ok(AdminAnswer::Kit { text: Hidden::from(&kit) })
}

pub(super) async fn rekey(process: &Process, member: MemberId) -> Result<AdminAnswer, No> {
    let (keeper, mut records) = (&process.door.keeper, 0_usize);
    while let Some(begun) = keeper.begin_rekey(member)? {
        let Tell::Write { put, .. } = &begun.write else { return Err(No::new(Class::Bug, "the vault wanted to store nothing")) };
        records = records.saturating_add(put.len());
        stored(process, begun).await?;
    }
    keeper.finish_rekey(member)?;
    noted(process, "a member's key was replaced").await;
    Ok(AdminAnswer::Rewrapped { records })
}

pub(super) async fn erase(process: &Process, member: MemberId, proof: Proof) -> Result<AdminAnswer, No> {
    let proof = prove(process, proof).await?;
    let erased = process.door.keeper.begin_erase(member, &proof)?;
    noted(process, "a member's key was destroyed").await;
    if let Some(begun) = erased.begun {
        stored(process, begun).await?;
    }
    Ok(AdminAnswer::Erased { records: erased.records })
}

pub(super) async fn admit(process: &Process, member: MemberId, proof: Proof) -> Result<AdminAnswer, No> {
    let proof = prove(process, proof).await?;
    process.door.keeper.admit(member, proof)?;
    noted(process, "an erased member has a key again").await;
    Ok(AdminAnswer::Done)
}

pub(super) async fn change_passphrase(process: &Process, proof: Proof, new: &Hidden) -> Result<AdminAnswer, No> {
    let (keeper, new) = (&process.door.keeper, text(new)?);
    if keeper.passphrase_slot().is_none() {
        keeper.open_or_refuse()?;
        return Err(ChangeError::NoPassphrase.into());
    }
    let proof = prove(process, proof).await?;
    let under = process.door.passphrase_key(new).await?;
    keeper.change_passphrase(proof, &under)?;
    noted(process, "the vault's passphrase was changed").await;
    Ok(AdminAnswer::Done)
}

pub(super) async fn new_recovery(process: &Process, proof: Proof) -> Result<AdminAnswer, No> {
    let proof = prove(process, proof).await?;
    let kit = process.door.keeper.new_recovery(proof)?;
    noted(process, "a new recovery key was drawn").await;
    Ok(AdminAnswer::Kit { text: Hidden::from(&kit) })
}

pub(super) async fn recover(process: &Process, key: &Hidden, new: Option<Hidden>) -> Result<AdminAnswer, No> {
    let key = RecoveryKey::read(&text(key)?).map_err(|error| No::of(&error))?;
    let new = new.as_ref().map(text).transpose()?;
    let answer = opened(process, process.door.recover(&key, new).await?).await?;
    noted(process, "the vault was opened by its recovery key").await;
    Ok(answer)
}

pub(super) async fn lock(process: &Process) -> Result<AdminAnswer, No> {
    process.door.lock().map_err(|error| No::of(&error))?;
    Ok(AdminAnswer::Done)
}
