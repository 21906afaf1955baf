//! Changes that an owner asks for, each in two phases: nothing counts before the house has stored it.
//!
//! ```text
//! add, rotate, allow ─▶ Begun { write, done } … written(ticket, true)  ─▶ new version in use ─▶ done: Ok
//! revoke ───────────▶   (refused from here on)  written(ticket, false) ─▶ as it was before   ─▶ done: NotStored
//! ```
//!
//! A secret has one change at a time. `written(ticket, false)` means that the record is *certainly* not stored and never will be. A house that does not know says nothing and
//! starts a fresh process: at the next load the records decide ([`Seal::settle`](crate::seal::Seal::settle)).

use std::collections::BTreeSet;
use std::sync::Arc;

use hearth_domain::error::{Class, Classified};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::{Principal, Rate, SealedRecord, SecretName, SecretPolicy};
use hearth_domain::vault::{Tell, VaultState};
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::ill::Ill;
use super::login::is_login;
use super::{Core, Keeper, Kind, Lock, Secret, Standing};
use crate::policy::change::{PolicyError, check, widens};
use crate::policy::rule::{self, TextError};
use crate::seal::members::MemberError;
use crate::seal::proof::{OwnerProof, ProofError};
use crate::seal::{Draft, PutError, Seal, StepError};

/// How a target of a well-known service is written: `@openai`.
pub const PRESET: char = '@';
/// Most changes that wait for the house.
pub const PENDING_MAX: usize = 64;

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No key.
    #[error("the vault is sealed; unseal it first with `hearth secret unseal`")]
    Sealed,
    /// None that fits.
    #[error("the vault's key is missing or wrong; see `hearth doctor`")]
    Broken,
    /// The records have not come yet.
    #[error("the vault has not been told yet what the house has stored; try again in a moment")]
    NotLoaded,
    /// The name is taken.
    #[error("there is a secret of this name; choose another name, or change its value with `hearth secret rotate`")]
    Exists,
    /// No such secret.
    #[error("there is no secret of this name that can be used")]
    Unknown,
    /// The policy is not sound.
    #[error("the policy: {0}")]
    Policy(#[source] PolicyError),
    /// A target is not sound.
    #[error("target {at}: {error}")]
    Target {
        /// Which, from 1.
        at: usize,
        /// Why.
        #[source]
        error: TextError,
    },
    /// No well-known service of that name.
    #[error("target {at}: there is no well-known service of that name")]
    Preset {
        /// Which, from 1.
        at: usize,
    },
    /// The policy would allow more.
    #[error("this would allow more than before: it takes the owner's passphrase or the recovery key")]
    NeedsProof,
    /// The vault's own passphrase is needed beside the proof.
    #[error("this vault opens by a passphrase: it is needed to put the new key under it")]
    NeedsPassphrase,
    /// The vault has no passphrase of its own.
    #[error("this vault opens without a passphrase; the owner's is another one: `hearth secret passphrase` changes that")]
    NoPassphrase,
    /// Another change is not done.
    #[error("a change is under way; try again when it is done")]
    Underway,
    /// Records in trouble are in the way.
    #[error("some records of that member do not open (`hearth secret list` says which): accept a restored backup, or forget them, first")]
    Troubled,
    /// Not what it is for.
    #[error("that secret can be used; `hearth secret revoke` removes it")]
    Usable,
    /// No such record.
    #[error("no record in trouble has that name or id; `hearth secret list` shows those that there are")]
    NotInTrouble,
    /// Several.
    #[error("several records in trouble have that name; give the id of one, as `hearth secret list` shows it")]
    Ambiguous,
    /// The key is gone and the records are not.
    #[error("the key is destroyed, but the house could not remove the records; nothing opens them: `hearth secret forget` removes each")]
    Remains,
    /// A member's key was not changed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The proof is none.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Not sealed.
    #[error(transparent)]
    Put(#[from] PutError),
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The stored value does not open.
    #[error("the stored value does not open; enter it anew with `hearth secret rotate`")]
    Value,
    /// A value that only a sign-in makes.
    #[error("a value cannot begin as a sign-in does")]
    Reserved,
    /// A value for what is signed in for.
    #[error("this secret is signed in for and renews itself: sign in again with `hearth secret sign-in`")]
    SignedIn,
    /// Not signed in for.
    #[error("this secret is not one that is signed in for")]
    NotSignedIn,
    /// Too many at once.
    #[error("too many changes wait for the house; try again in a moment")]
    Busy,
    /// The house said nothing.
    #[error("the house did not say whether it stored the change; look with `hearth secret list` what came of it")]
    Unsure,
    /// The house did not store it.
    #[error("the house could not store the change; nothing was changed")]
    NotStored,
}

impl Classified for ChangeError {
    fn class(&self) -> Class {
        match self {
            Self::Sealed | Self::NotLoaded | Self::Busy | Self::NotStored | Self::Unsure | Self::Underway | Self::Remains => {
                Class::Transient
            }
            Self::Broken | Self::Exists | Self::Unknown | Self::Target { .. } | Self::Preset { .. } | Self::Value => Class::Permanent,
            Self::Reserved | Self::SignedIn | Self::NotSignedIn => Class::Permanent,
            Self::NoPassphrase | Self::Troubled | Self::Usable | Self::NotInTrouble | Self::Ambiguous => Class::Permanent,
            Self::NeedsProof | Self::NeedsPassphrase => Class::Denied,
            Self::Member(error) => error.class(),
            Self::Policy(error) => error.class(),
            Self::Proof(error) => error.class(),
            Self::Put(error) => error.class(),
            Self::Step(error) => error.class(),
        }
    }
}

/// A change that the house has to store.
#[derive(Debug)]
pub struct Begun {
    /// What to tell the house ([`Tell::Write`]).
    pub write: Tell,
    /// What came of it.
    pub done: oneshot::Receiver<Result<(), ChangeError>>,
}

/// What is done once the house has answered.
pub(super) enum Step {
    Put {
        record: Box<SealedRecord>,
        policy: Arc<SecretPolicy>,
    },
    Erase {
        id: SecretId,
        owner: MemberId,
        name: SecretName,
    },
    /// The same content under another key.
    Wrapped {
        records: Vec<SealedRecord>,
    },
    /// What no key opens any more.
    Erased {
        gone: Vec<Ill>,
    },
    /// What is not used.
    Forget {
        id: SecretId,
        gone: Vec<Ill>,
    },
}

impl Step {
    /// What the house is to store.
    pub(super) fn put(&self) -> &[SealedRecord] {
        match self {
            Self::Put { record, .. } => std::slice::from_ref(&**record),
            Self::Wrapped { records } => records,
            Self::Erase { .. } | Self::Erased { .. } | Self::Forget { .. } => &[],
        }
    }

    /// What the house is to remove.
    fn erase(&self) -> Vec<(SecretId, Option<MemberId>)> {
        match self {
            Self::Erase { id, owner, .. } => vec![(*id, Some(*owner))],
            Self::Erased { gone } | Self::Forget { gone, .. } => gone.iter().map(|ill| (ill.id, ill.owner)).collect(),
            Self::Put { .. } | Self::Wrapped { .. } => Vec::new(),
        }
    }

    /// Which secrets it is about.
    pub(super) fn ids(&self) -> impl Iterator<Item = SecretId> {
        self.put().iter().map(|record| record.id).chain(self.erase().into_iter().map(|(id, _)| id))
    }

    /// Whose they are.
    pub(super) fn owners(&self) -> impl Iterator<Item = MemberId> {
        self.put().iter().map(|record| record.owner).chain(self.erase().into_iter().filter_map(|(_, owner)| owner))
    }
}

/// A change under way.
pub(super) struct Pending {
    pub(super) step: Step,
    done: oneshot::Sender<Result<(), ChangeError>>,
}

/// What an owner changes of a policy. Empty lists and `None` change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowance {
    /// Users to add.
    pub add_users: Vec<Principal>,
    /// Users to take away.
    pub remove_users: Vec<Principal>,
    /// Targets to add, as `policy::rule` reads them, or `@SERVICE`.
    pub add_targets: Vec<String>,
    /// Targets to take away, as they are shown.
    pub remove_targets: Vec<String>,
    /// PEM of the authority of the targets that are added.
    pub authority: Option<String>,
    /// Only for these members.
    pub members: Option<BTreeSet<MemberId>>,
    /// How often.
    pub rate: Option<Rate>,
    /// Most bytes of one request.
    pub bytes_out_max: Option<u64>,
    /// Until when.
    pub until: Option<jiff::Timestamp>,
}

impl Allowance {
    /// The policy with these changes.
    ///
    /// # Errors
    ///
    /// A target that is none, or a policy that is not sound.
    pub fn on(&self, name: &SecretName, old: &SecretPolicy) -> Result<SecretPolicy, ChangeError> {
        let mut new = old.clone();
        new.users.extend(self.add_users.iter().cloned());
        new.users.retain(|user| !self.remove_users.contains(user));
        // A removed rule is told by what is shown of it: without its authority.
        let removed: Vec<String> = targets(&self.remove_targets, name)?.iter().map(rule::show).collect();
        new.targets.retain(|known| !removed.contains(&rule::show(known)));
        for mut added in targets(&self.add_targets, name)? {
            added.authority.clone_from(&self.authority);
            if !new.targets.contains(&added) {
                new.targets.push(added);
            }
        }
        if self.members.is_some() {
            new.members.clone_from(&self.members);
        }
        new.rate = self.rate.or(new.rate);
        new.bytes_out_max = self.bytes_out_max.unwrap_or(new.bytes_out_max);
        new.until = self.until.or(new.until);
        check(&new).map_err(ChangeError::Policy)?;
        Ok(new)
    }
}

/// Rules as they are written, for the secret of that name; `@SERVICE` stands for those of a well-known service.
///
/// # Errors
///
/// The first that is none.
pub fn targets(texts: &[String], name: &SecretName) -> Result<Vec<hearth_domain::secret::TargetRule>, ChangeError> {
    let mut all = Vec::new();
    for (at, text) in (1..).zip(texts) {
        match text.strip_prefix(PRESET) {
            Some(service) => all.extend(rule::preset(service, name).ok_or(ChangeError::Preset { at })?),
            None => all.push(rule::parse(text, name).map_err(|error| ChangeError::Target { at, error })?),
        }
    }
    Ok(all)
}

impl Keeper {
    /// Begins to add a secret.
    ///
    /// # Errors
    ///
    /// When the name is taken, or value or policy are not sound.
    pub fn begin_add(
        &self,
        name: &SecretName,
        owner: MemberId,
        policy: SecretPolicy,
        value: &SecretSlice<u8>,
    ) -> Result<Begun, ChangeError> {
        if is_login(value) {
            return Err(ChangeError::Reserved);
        }
        self.begin_new((name, owner), policy, value, "added")
    }

    /// Begins to add a value of any kind.
    pub(super) fn begin_new(
        &self,
        (name, owner): (&SecretName, MemberId),
        policy: SecretPolicy,
        value: &SecretSlice<u8>,
        what: &str,
    ) -> Result<Begun, ChangeError> {
        let mut core = self.core();
        core.ready()?;
        let adding = |pending: &Pending| matches!(&pending.step, Step::Put { record, .. } if record.name == *name);
        if core.secrets.contains_key(name) || core.pending.values().any(adding) {
            return Err(ChangeError::Exists);
        }
        check(&policy).map_err(ChangeError::Policy)?;
        let id = SecretId::fresh(&*core.ports.ids);
        core.begin_put(&Draft { id, owner, name, policy: &policy, value }, what)
    }

    /// Begins to give a secret a new value. Its policy stays.
    ///
    /// # Errors
    ///
    /// For a secret that is not known, or a value that is not sound.
    pub fn begin_rotate(&self, name: &SecretName, value: &SecretSlice<u8>) -> Result<Begun, ChangeError> {
        let mut core = self.core();
        let (record, policy) = core.known(name)?;
        if is_login(value) {
            return Err(ChangeError::Reserved);
        }
        if core.secrets.get(name).is_some_and(|secret| secret.kind == Kind::Login) {
            return Err(ChangeError::SignedIn);
        }
        core.begin_put(&Draft { id: record.id, owner: record.owner, name, policy: &policy, value }, "rotated")
    }

    /// Begins to change a policy. One that allows more than before takes a proof.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NeedsProof`] without one; or when the new policy is not sound.
    pub fn begin_allow(&self, name: &SecretName, change: &Allowance, proof: Option<OwnerProof>) -> Result<Begun, ChangeError> {
        let mut core = self.core();
        let (record, old) = core.known(name)?;
        let new = change.on(name, &old)?;
        if widens(&old, &new) {
            let proof = proof.ok_or(ChangeError::NeedsProof)?;
            core.ready()?.admits(&proof)?;
        }
        let value = core.value(name).ok_or(ChangeError::Value)?;
        core.begin_put(&Draft { id: record.id, owner: record.owner, name, policy: &new, value: &value }, "policy changed")
    }

    /// Begins to remove a secret. It is refused from here on.
    ///
    /// # Errors
    ///
    /// For a secret that is not known, or while another change of it is under way.
    pub fn begin_revoke(&self, name: &SecretName) -> Result<Begun, ChangeError> {
        let mut core = self.core();
        let (record, _) = core.known(name)?;
        core.ready()?.begin_remove(record.id)?;
        if let Some(secret) = core.secrets.get_mut(name) {
            secret.standing = Standing::Leaving;
        }
        let step = Step::Erase { id: record.id, owner: record.owner, name: name.clone() };
        Ok(core.await_house(step, "revoked", name, Vec::new(), vec![record.id]))
    }

    /// What the house says became of a write. Does nothing for a ticket that is not known.
    pub fn written(&self, ticket: u64, ok: bool) {
        let mut core = self.core();
        let Some(Pending { step, done }) = core.pending.remove(&ticket) else { return };
        let result = if ok { core.finish(step) } else { core.give_up(step) };
        // Whoever asked may have gone; what was done stays done.
        drop(done.send(result));
    }
}

impl Core {
    /// The seal, when everything is there for a change.
    pub(super) fn ready(&mut self) -> Result<&mut Seal, ChangeError> {
        if self.pending.len() >= PENDING_MAX {
            return Err(ChangeError::Busy);
        }
        match &mut self.lock {
            Lock::Open(_) if !self.loaded => Err(ChangeError::NotLoaded),
            Lock::Open(seal) => {
                // What the house has stored already only wants its last step.
                self.unfinished.retain(|id| seal.finish_put(*id).is_err());
                Ok(seal)
            }
            Lock::Sealed => Err(ChangeError::Sealed),
            Lock::Broken => Err(ChangeError::Broken),
        }
    }

    pub(super) fn known(&mut self, name: &SecretName) -> Result<(SealedRecord, Arc<SecretPolicy>), ChangeError> {
        self.ready()?;
        let secret = self.secrets.get(name).filter(|secret| secret.standing == Standing::Good).ok_or(ChangeError::Unknown)?;
        let id = secret.record.id;
        if self.pending.values().any(|pending| pending.step.ids().any(|changing| changing == id)) {
            return Err(ChangeError::Underway);
        }
        Ok((secret.record.clone(), Arc::clone(&secret.policy)))
    }

    pub(super) fn begin_put(&mut self, draft: &Draft<'_>, what: &str) -> Result<Begun, ChangeError> {
        let record = self.ready()?.begin_put(*draft)?;
        let step = Step::Put { record: Box::new(record.clone()), policy: Arc::new(draft.policy.clone()) };
        Ok(self.await_house(step, what, draft.name, vec![record], Vec::new()))
    }

    pub(super) fn await_house(&mut self, step: Step, what: &str, name: &SecretName, put: Vec<SealedRecord>, erase: Vec<SecretId>) -> Begun {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.saturating_add(1);
        let (done, result) = oneshot::channel();
        self.pending.insert(ticket, Pending { step, done });
        Begun { write: Tell::Write { ticket, put, erase, what: what.to_owned(), name: name.clone() }, done: result }
    }

    fn finish(&mut self, step: Step) -> Result<(), ChangeError> {
        match step {
            Step::Put { record, policy } => {
                let name = record.name.clone();
                let after = self.open_value(&record);
                if let Some(before) = self.value(&name) {
                    self.keep_before(&name, before, after.as_ref());
                }
                let (id, kind) = (record.id, after.as_ref().map_or(Kind::Plain, Kind::of));
                // From here on it is what counts, whether or not the last step succeeds: it is what the house has.
                self.secrets.insert(name.clone(), Secret { record: *record, policy, standing: Standing::Good, kind });
                self.settle_renewal(id, &name);
                self.rebuild();
                if let Err(error) = self.ready()?.finish_put(id) {
                    tracing::warn!(%error, "the last step of a change is still to be done; it is tried again with the next one");
                    self.unfinished.insert(id);
                }
            }
            Step::Erase { id, name, .. } => {
                if let Some(before) = self.value(&name) {
                    self.keep_before(&name, before, None);
                }
                self.secrets.remove(&name);
                self.renewals.remove(&id);
                self.windows.remove(&id);
                self.rebuild();
                if let Err(error) = self.ready()?.finish_remove(id) {
                    tracing::warn!(%error, "the last step of a removal is still to be done; the next start does it");
                }
            }
            Step::Wrapped { records } => self.take_wrapped(records),
            Step::Erased { .. } => {}
            Step::Forget { id, .. } => match self.ready()?.finish_remove(id) {
                // The manifest may know nothing of it.
                Ok(()) | Err(StepError::Unknown) => {}
                Err(error) => tracing::warn!(%error, "the last step of a removal is still to be done; the next start does it"),
            },
        }
        Ok(())
    }

    /// The house has these in place of those with the same content.
    fn take_wrapped(&mut self, records: Vec<SealedRecord>) {
        for record in records {
            let same = |secret: &&mut Secret| secret.record.id == record.id && secret.record.version == record.version;
            if let Some(secret) = self.secrets.get_mut(&record.name).filter(same) {
                secret.record = record;
            }
        }
    }

    fn give_up(&mut self, step: Step) -> Result<(), ChangeError> {
        match step {
            Step::Put { record, .. } => self.ready()?.abandon_put(record.id)?,
            // The seal takes a removal that came to nothing back at the next start; until then the record opens as before.
            Step::Erase { name, .. } => {
                if let Some(secret) = self.secrets.get_mut(&name) {
                    secret.standing = Standing::Good;
                }
            }
            // Both ways of wrapping open, and the next time goes on.
            Step::Wrapped { .. } => {}
            Step::Erased { gone } => {
                self.ill.extend(gone);
                return Err(ChangeError::Remains);
            }
            Step::Forget { gone, .. } => self.ill.extend(gone),
        }
        Err(ChangeError::NotStored)
    }
}

/// What a state says to one who wants to change something.
pub(super) const fn refusal(state: VaultState) -> Option<ChangeError> {
    match state {
        VaultState::Open => None,
        VaultState::Sealed => Some(ChangeError::Sealed),
        VaultState::Broken => Some(ChangeError::Broken),
    }
}
