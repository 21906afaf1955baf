//! The rare acts: after a restored backup, with keys and passphrases, for a member who leaves.

use std::path::Path;

use anyhow::{Context as _, bail};
use hearth_domain::vault::VaultState;
use hearth_vault::admin::{self, AdminAnswer, AdminAsk, Code, Hidden, Proof};
use hearth_vault::keeper::trouble::Troubled;
use secrecy::ExposeSecret as _;

use super::command::{ProofOptions, RotateKeyOptions, ValueOptions};
use super::members::Members;
use super::{UNEXPECTED, ask, ask_with, done, entry, taken};

/// A record in trouble, as a line.
pub(super) fn troubled(troubled: &Troubled) -> String {
    let name = troubled.name.as_ref().map_or("a secret", |name| name.as_str());
    format!("{name} ({}) cannot be used: {}", troubled.id, troubled.sentence)
}

fn kit(answer: &AdminAnswer, said: &str) -> anyhow::Result<String> {
    let AdminAnswer::Kit { text } = answer else { bail!(UNEXPECTED) };
    let kit = text.text().context("the kit is no text")?;
    Ok(format!("{said} Print this, and keep it away from the house; the kit before is void:\n\n{}", kit.expose_secret()))
}

pub(super) fn unseal(socket: &Path, value: &ValueOptions, recovery: bool) -> anyhow::Result<String> {
    let proof = |code| match code {
        Code::PassphraseNeeded if !recovery => Ok(Proof::Passphrase(entry::value(value, "Passphrase of the vault: ")?)),
        Code::PassphraseNeeded | Code::ProofNeeded | Code::Other => entry::proof(value, recovery),
    };
    let AdminAnswer::Done = ask_with(socket, |proof| AdminAsk::Unseal { proof }, proof)? else { bail!(UNEXPECTED) };
    Ok("The vault is open.".to_owned())
}

pub(super) fn recover(socket: &Path, key: Option<String>, value: &ValueOptions) -> anyhow::Result<String> {
    let from = ValueOptions { value_env: key, ..ValueOptions::default() };
    let key = entry::value(&from, "Recovery key: ")?;
    let AdminAnswer::Status(census) = ask(socket, &AdminAsk::Status)? else { bail!(UNEXPECTED) };
    // A vault that waits for nobody has lost its key, and gets it back as a file.
    let new = match census.state {
        VaultState::Sealed => Some(entry::new_passphrase(value, "New passphrase of the vault: ")?),
        VaultState::Open | VaultState::Broken => None,
    };
    let said = if new.is_some() { "and has a new passphrase" } else { "and has its key file again" };
    done(socket, &AdminAsk::Recover { key, new })?;
    Ok(format!("The vault is open, {said}. If somebody else may have seen the kit: hearth secret recovery-kit"))
}

pub(super) fn accept_restore(socket: &Path, proof: &ProofOptions) -> anyhow::Result<String> {
    let asked = AdminAsk::AcceptRestore { proof: entry::owner_proof(proof)? };
    let AdminAnswer::Restored { usable, regained, troubled: left } = ask(socket, &asked)? else { bail!(UNEXPECTED) };
    let mut said = format!("What is stored counts from now on: {usable} secrets can be used, {regained} of them again.");
    for record in &left {
        said.push('\n');
        said.push_str(&troubled(record));
    }
    Ok(said)
}

pub(super) fn rotate_key(members: &Members, socket: &Path, options: &RotateKeyOptions) -> anyhow::Result<String> {
    if let Some(named) = &options.member {
        let AdminAnswer::Rewrapped { records } = ask(socket, &AdminAsk::Rekey { member: members.named(Some(named))? })? else {
            bail!(UNEXPECTED)
        };
        return Ok(format!("{named} has a new key, with {records} secrets under it."));
    }
    let proof = entry::owner_proof(&options.proof)?;
    let asked = |passphrase: Option<Hidden>| AdminAsk::RotateKey { proof: proof.clone(), passphrase };
    let from = ValueOptions { value_env: options.passphrase_env.clone(), ..ValueOptions::default() };
    let mut answer = admin::ask(socket, &asked(None))?;
    if matches!(answer, AdminAnswer::Refused { code: Code::PassphraseNeeded, .. }) {
        answer = admin::ask(socket, &asked(Some(entry::value(&from, "Present passphrase of the vault: ")?)))?;
    }
    kit(&taken(answer)?, "The vault has a new key.")
}

pub(super) fn erase(members: &Members, socket: &Path, named: &str, yes: bool, proof: &ProofOptions) -> anyhow::Result<String> {
    if !yes {
        entry::confirmed(named)?;
    }
    let asked = AdminAsk::Erase { member: members.whoever(named)?, proof: entry::owner_proof(proof)? };
    let AdminAnswer::Erased { records } = ask(socket, &asked)? else { bail!(UNEXPECTED) };
    Ok(format!(
        "{records} secrets of {named} are gone, and so is their key. Revoke them at their services too. Backups of the key folder still hold \
         the key: remove them, and make a new vault key with hearth secret rotate-key"
    ))
}

pub(super) fn admit(members: &Members, socket: &Path, named: &str, proof: &ProofOptions) -> anyhow::Result<String> {
    done(socket, &AdminAsk::Admit { member: members.whoever(named)?, proof: entry::owner_proof(proof)? })?;
    Ok(format!("{named} may have secrets again. What was erased stays so."))
}

pub(super) fn vault_passphrase(socket: &Path, value: &ValueOptions, proof: &ProofOptions) -> anyhow::Result<String> {
    let proof = entry::owner_proof(proof)?;
    let new = entry::new_passphrase(value, "New passphrase of the vault: ")?;
    done(socket, &AdminAsk::ChangePassphrase { proof, new })?;
    Ok("The vault opens by the new passphrase alone. The owner's is the same as before.".to_owned())
}

pub(super) fn recovery_kit(socket: &Path, proof: &ProofOptions) -> anyhow::Result<String> {
    let answer = ask(socket, &AdminAsk::NewRecovery { proof: entry::owner_proof(proof)? })?;
    kit(&answer, "This is a new recovery kit.")
}
