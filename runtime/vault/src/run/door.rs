//! How the vault is opened: at the start by the key that is there, later by its owner's passphrase, at first by setting it up.
//!
//! ```text
//! Fresh ──set up──▶ Opened ◀──passphrase, recovery key── Slot        each start looks anew, and ends in one of them or in Broken
//!                   │    ▲
//!                 lock   └──owner's proof, where there is one── Locked
//!                   └──▶ (a note in the key folder, the end of the process, a fresh one that finds the note)
//! ```

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_domain::error::Class;
use hearth_domain::time::Clock;
use secrecy::SecretString;

use super::no::No;
use super::options::Options;
use super::passphrase::{apart, not_computed, text};
use crate::admin::{Code, Proof};
use crate::keeper::Keeper;
use crate::keeper::change::ChangeError;
use crate::seal::crypto::{Cost, SystemEntropy};
use crate::seal::folder::{KeyFolder, clear_locked, mark_locked};
use crate::seal::keys::{Household, Source, VaultKey};
use crate::seal::manifest::Head;
use crate::seal::passphrase::{PassphraseError, PassphraseKey, PassphraseSlot, TARGET, Verifier, calibrate};
use crate::seal::proof::{Attempts, ProofError};
use crate::seal::recovery::RecoveryKey;
use crate::seal::source::{Found, OpenError, SourceError, find, open_folder, set_up};
use crate::seal::{Seal, StoreError};

const OPEN: &str = "the vault is open already";

/// What is in the key folder.
enum Held {
    /// No vault yet; perhaps a key that is given by systemd.
    Fresh { folder: KeyFolder, given: Option<VaultKey> },
    /// A vault that a passphrase opens.
    Slot { folder: Option<KeyFolder>, household: Household, slot: Box<PassphraseSlot> },
    /// A vault that opens by itself, and that its owner locked. The key is not read.
    Locked { folder: Option<KeyFolder> },
    /// It is open.
    Opened,
    /// It is not to be opened.
    Broken,
}

/// The key folder and what it takes to open it.
pub(super) struct Door {
    pub(super) keeper: Keeper,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: PathBuf,
    sources: Vec<Source>,
    credentials: Option<PathBuf>,
    held: Mutex<Held>,
    attempts: Mutex<Attempts>,
    said: Mutex<Vec<String>>,
}

impl Door {
    /// Looks what is there, and opens it if that takes nobody.
    pub(super) fn look(keeper: Keeper, clock: Arc<dyn Clock>, options: &Options) -> Self {
        let keys = options.keys.clone().unwrap_or_default();
        let mut said = Vec::new();
        let held = Self::held(&keeper, &keys, options).unwrap_or_else(|sentence| {
            said.push(sentence);
            keeper.set_broken();
            Held::Broken
        });
        if matches!(held, Held::Locked { .. }) {
            said.push("the vault was locked by its owner, and stays so until `hearth secret unseal`".to_owned());
        }
        Self {
            keeper,
            clock,
            keys,
            sources: options.sources.clone(),
            credentials: options.credentials.clone(),
            held: Mutex::new(held),
            attempts: Mutex::new(Attempts::default()),
            said: Mutex::new(said),
        }
    }

    fn held(keeper: &Keeper, keys: &std::path::Path, options: &Options) -> Result<Held, String> {
        let folder = KeyFolder::open(keys).map_err(|error| error.to_string())?;
        let there = folder.manifest().map_err(|error| error.to_string())?.is_some();
        let locked = folder.is_locked().map_err(|error| error.to_string())?;
        match find(&options.sources, &folder, options.credentials.as_deref()) {
            // What was read of the key is zeroed here.
            Ok(Found::Keys { .. }) if there && locked => Ok(Held::Locked { folder: Some(folder) }),
            Ok(Found::Keys { source, keys }) if there => {
                let seal = open_folder(folder, source, keys, Box::new(SystemEntropy)).map_err(|error| error.to_string())?;
                keeper.open(seal);
                Ok(Held::Opened)
            }
            Ok(Found::Keys { source: Source::SystemdCredential, keys }) => Ok(Held::Fresh { folder, given: keys.into_iter().next() }),
            Ok(Found::Sealed { household, slot }) => Ok(Held::Slot { folder: Some(folder), household, slot }),
            Ok(Found::Keys { .. }) | Err(SourceError::Nowhere) if !there => Ok(Held::Fresh { folder, given: None }),
            Ok(Found::Keys { .. }) => Err("the vault's key is of no use here".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn held_now(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records have come. A house without any gets a vault, unless that takes a passphrase. Gives what is to be told.
    pub(super) fn begin(&self, records: Vec<hearth_domain::secret::SealedRecord>) -> Vec<String> {
        let mut said = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        let none = records.is_empty();
        said.extend(self.keeper.load(records));
        let mut held = self.held_now();
        if !matches!(*held, Held::Fresh { .. }) {
            return said;
        }
        if !none {
            said.push(
                "the key folder has no manifest: the vault of these secrets was lost; restore the key folder from its backup".to_owned(),
            );
            self.keeper.set_broken();
            *held = Held::Broken;
            return said;
        }
        let wants_key = self.sources.contains(&Source::KeyFile);
        let Held::Fresh { folder, given } = std::mem::replace(&mut *held, Held::Broken) else { return said };
        let made = match given {
            Some(key) => create_given(folder, key),
            None if wants_key => set_up(folder, None, Box::new(SystemEntropy)).map_err(|error| error.to_string()),
            None => {
                said.push("no vault is set up yet: its owner sets a passphrase with `hearth secret setup`".to_owned());
                *held = Held::Fresh { folder, given: None };
                return said;
            }
        };
        match made {
            Ok(seal) => {
                said.extend(self.keeper.open(seal));
                *held = Held::Opened;
            }
            Err(sentence) => {
                said.push(sentence);
                self.keeper.set_broken();
            }
        }
        said
    }

    /// Opens the vault: by its passphrase, or, where it was locked, by the owner's proof if one is set. Wrong ones make each other wait.
    pub(super) async fn unseal(&self, proof: Option<Proof>) -> Result<Vec<String>, No> {
        let slot = match &*self.held_now() {
            Held::Slot { household, slot, .. } => Some((*household, slot.clone())),
            Held::Locked { .. } => None,
            Held::Opened => return Err(No::new(Class::Permanent, OPEN)),
            Held::Fresh { .. } => return Err(No::new(Class::Permanent, "there is no vault yet; set it up with a passphrase first")),
            Held::Broken => return Err(ChangeError::Broken.into()),
        };
        let Some((household, slot)) = slot else { return self.unlock(proof).await };
        let passphrase = match proof {
            Some(Proof::Passphrase(passphrase)) => text(&passphrase)?,
            Some(Proof::Recovery(_)) => {
                return Err(No::new(
                    Class::Permanent,
                    "with the recovery key, `hearth secret recover` opens the vault and gives it a new passphrase",
                ));
            }
            None => return Err(No::coded(Code::PassphraseNeeded, "the vault opens by its passphrase")),
        };
        self.attempt().map_err(|error| No::of(&error))?;
        let unlocked = apart(move || slot.unlock(household, &passphrase)).await;
        let key = unlocked.ok_or_else(not_computed)?.map_err(|error| No::of(&error))?;
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
        let folder = self.take_folder()?;
        let seal = open_folder(folder, Source::Passphrase, vec![key], Box::new(SystemEntropy)).map_err(|error| No::of(&error))?;
        self.enter(seal)
    }

    /// Ends a lock.
    async fn unlock(&self, proof: Option<Proof>) -> Result<Vec<String>, No> {
        let folder = self.take_folder()?;
        let found = find(&self.sources, &folder, self.credentials.as_deref()).map_err(|error| No::of(&error))?;
        let Found::Keys { source, keys } = found else { return Err(ChangeError::Broken.into()) };
        let mut seal = open_folder(folder, source, keys, Box::new(SystemEntropy)).map_err(|error| No::of(&error))?;
        if seal.has_owner() {
            let proof = proof.ok_or_else(|| No::coded(Code::ProofNeeded, "the vault was locked: it takes the owner's passphrase"))?;
            self.attempt().map_err(|error| No::of(&error))?;
            let attempt = seal.attempt(self.clock.mono()).map_err(|error| No::of(&error))?;
            let compared = match proof {
                Proof::Passphrase(passphrase) => {
                    let passphrase = text(&passphrase)?;
                    apart(move || attempt.passphrase(&passphrase)).await.ok_or_else(not_computed)?.map_err(|error| No::of(&error))?
                }
                Proof::Recovery(key) => attempt.recovery(&RecoveryKey::read(&text(&key)?).map_err(|error| No::of(&error))?),
            };
            seal.judge(&compared).map_err(|error| No::of(&error))?;
            self.attempts.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
        }
        self.enter(seal)
    }

    /// Opens a vault by its recovery key: one that a passphrase opens gets a new one, one whose key is lost a key file.
    pub(super) async fn recover(&self, key: &RecoveryKey, new: Option<SecretString>) -> Result<Vec<String>, No> {
        let lost = match &*self.held_now() {
            Held::Slot { .. } => false,
            Held::Broken => true,
            Held::Opened => return Err(No::new(Class::Permanent, OPEN)),
            Held::Fresh { .. } => return Err(No::new(Class::Permanent, "there is no vault here yet")),
            Held::Locked { .. } => return Err(No::new(Class::Permanent, "the vault is only locked; `hearth secret unseal` ends that")),
        };
        self.attempt().map_err(|error| No::of(&error))?;
        if lost {
            return self.found_again(key);
        }
        let new = new.ok_or_else(|| No::coded(Code::PassphraseNeeded, "the vault needs a new passphrase"))?;
        let under = self.passphrase_key(new).await?;
        let folder = self.take_folder()?;
        let manifest = folder.manifest().map_err(|error| No::of(&error))?.ok_or(ChangeError::Broken)?;
        let head = Head::read(&manifest).map_err(|error| No::of(&error))?;
        let vault_key = key.unlock(&head).map_err(|error| No::of(&error))?;
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
        let mut seal = open_folder(folder, Source::Passphrase, vec![vault_key], Box::new(SystemEntropy)).map_err(|error| No::of(&error))?;
        let compared = seal.attempt(self.clock.mono()).map_err(|error| No::of(&error))?.recovery(key);
        let proof = seal.judge(&compared).map_err(|error| No::of(&error))?;
        seal.change_passphrase(proof, Some(&under)).map_err(|error| No::of(&error))?;
        self.enter(seal)
    }

    /// Opens a vault whose key is lost, and puts the key into a file again.
    fn found_again(&self, key: &RecoveryKey) -> Result<Vec<String>, No> {
        if !self.sources.contains(&Source::KeyFile) {
            return Err(No::new(Class::Permanent, "the key would go into a key file: add key-file to the vault's sources first"));
        }
        let folder = KeyFolder::open(&self.keys).map_err(|error| No::of(&error))?;
        let manifest = folder.manifest().map_err(|error| No::of(&error))?;
        let manifest = manifest.ok_or_else(|| No::of(&OpenError::NoManifest))?;
        let head = Head::read(&manifest).map_err(|error| No::of(&error))?;
        let vault_key = key.unlock(&head).map_err(|error| No::of(&error))?;
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
        // What is there may be of use to somebody, and is not ours to write over.
        folder.create_key(&vault_key).map_err(|error| match error {
            StoreError::Exists => No::new(Class::Permanent, "a key file is there that does not open this vault: move it away first"),
            StoreError::Write { .. } | StoreError::FixedKey => No::of(&error),
        })?;
        let seal = open_folder(folder, Source::KeyFile, vec![vault_key], Box::new(SystemEntropy)).map_err(|error| No::of(&error))?;
        self.enter(seal)
    }

    /// Has every start from now on wait for an unseal. To be followed by the end of the process.
    pub(super) fn lock(&self) -> Result<(), StoreError> {
        match &*self.held_now() {
            Held::Opened => mark_locked(&self.keys),
            // There is nothing to lock, or it is.
            Held::Fresh { .. } | Held::Slot { .. } | Held::Locked { .. } | Held::Broken => Ok(()),
        }
    }

    /// The key folder, for opening it. One that an attempt before had was given back by then.
    fn take_folder(&self) -> Result<KeyFolder, No> {
        match &mut *self.held_now() {
            Held::Slot { folder, .. } | Held::Locked { folder } => {
                folder.take().map_or_else(|| KeyFolder::open(&self.keys).map_err(|error| No::of(&error)), Ok)
            }
            Held::Fresh { .. } | Held::Opened | Held::Broken => Err(No::new(Class::Permanent, OPEN)),
        }
    }

    /// It is open, and no lock holds any more.
    fn enter(&self, seal: Seal) -> Result<Vec<String>, No> {
        clear_locked(&self.keys).map_err(|error| No::of(&error))?;
        *self.held_now() = Held::Opened;
        Ok(self.keeper.open(seal))
    }

    /// Sets up a vault that a passphrase opens, where there is none.
    pub(super) async fn set_up(&self, passphrase: SecretString) -> Result<Vec<String>, No> {
        let fresh = matches!(&*self.held_now(), Held::Fresh { given: None, .. });
        if !fresh || !self.sources.contains(&Source::Passphrase) {
            return Err(No::new(Class::Permanent, "there is a vault already, or its key has another source than a passphrase"));
        }
        let key = self.passphrase_key(passphrase).await?;
        let mut held = self.held_now();
        let folder = match std::mem::replace(&mut *held, Held::Broken) {
            Held::Fresh { folder, given: None } => folder,
            other @ (Held::Fresh { .. } | Held::Slot { .. } | Held::Locked { .. } | Held::Opened | Held::Broken) => {
                *held = other;
                return Err(No::new(Class::Transient, "another one was faster"));
            }
        };
        let made = set_up(folder, Some(&key), Box::new(SystemEntropy));
        let seal = made.map_err(|error| No::of(&error))?;
        *held = Held::Opened;
        Ok(self.keeper.open(seal))
    }

    /// What an owner's new passphrase is checked against. Finds out first what this machine can do.
    pub(super) async fn verifier(&self, passphrase: SecretString) -> Result<Verifier, No> {
        self.computed(move |cost| Verifier::new(&passphrase, cost, &SystemEntropy)).await
    }

    /// What the vault's new passphrase puts the vault key under.
    pub(super) async fn passphrase_key(&self, passphrase: SecretString) -> Result<PassphraseKey, No> {
        self.computed(move |cost| PassphraseKey::new(&passphrase, cost, &SystemEntropy)).await
    }

    async fn computed<T: Send + 'static>(&self, make: impl FnOnce(Cost) -> Result<T, PassphraseError> + Send + 'static) -> Result<T, No> {
        let clock = Arc::clone(&self.clock);
        let made = apart(move || make(calibrate(&*clock, TARGET).map_err(PassphraseError::from)?.cost));
        made.await.ok_or_else(not_computed)?.map_err(|error| No::of(&error))
    }

    fn attempt(&self) -> Result<(), ProofError> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).begin(self.clock.mono())
    }
}

fn create_given(folder: KeyFolder, key: VaultKey) -> Result<Seal, String> {
    let household = Household::fresh(&SystemEntropy).map_err(|error| error.to_string())?;
    let store = Box::new(folder.with_source(Source::SystemdCredential));
    Seal::create(household, key, None, store, Box::new(SystemEntropy)).map_err(|error| error.to_string())
}
