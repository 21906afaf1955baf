//! How the vault is opened: at the start by the key that is there, later by its owner's passphrase, at first by setting it up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_domain::time::Clock;
use secrecy::SecretString;

use super::options::Options;
use crate::keeper::Keeper;
use crate::keeper::change::ChangeError;
use crate::seal::Seal;
use crate::seal::crypto::SystemEntropy;
use crate::seal::folder::KeyFolder;
use crate::seal::keys::{Household, VaultKey};
use crate::seal::manifest::PassphraseSlot;
use crate::seal::proof::{Attempts, PassphraseError, PassphraseKey, ProofError, TARGET, Verifier, calibrate};
use crate::seal::source::{Found, Source, SourceError, find, open_folder, set_up};

/// What is in the key folder.
enum Held {
    /// No vault yet; perhaps a key that is given by systemd.
    Fresh { folder: KeyFolder, given: Option<VaultKey> },
    /// A vault that a passphrase opens.
    Slot { folder: Option<KeyFolder>, household: Household, slot: Box<PassphraseSlot> },
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
    held: Mutex<Held>,
    attempts: Mutex<Attempts>,
    said: Mutex<Vec<String>>,
}

/// Runs what takes long on a thread of its own.
#[expect(clippy::disallowed_methods, reason = "a passphrase takes half a second, and this process has no other port for threads")]
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
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
        Self {
            keeper,
            clock,
            keys,
            sources: options.sources.clone(),
            held: Mutex::new(held),
            attempts: Mutex::new(Attempts::default()),
            said: Mutex::new(said),
        }
    }

    fn held(keeper: &Keeper, keys: &std::path::Path, options: &Options) -> Result<Held, String> {
        let folder = KeyFolder::open(keys).map_err(|error| error.to_string())?;
        let there = folder.manifest().map_err(|error| error.to_string())?.is_some();
        match find(&options.sources, &folder, options.credentials.as_deref()) {
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

    /// Opens the vault by its passphrase. Wrong ones make each other wait.
    pub(super) async fn unseal(&self, passphrase: SecretString) -> Result<Vec<String>, String> {
        self.attempt().map_err(|error| error.to_string())?;
        let (household, slot) = match &*self.held_now() {
            Held::Slot { household, slot, .. } => (*household, slot.clone()),
            Held::Opened => return Err("the vault is open already".to_owned()),
            Held::Fresh { .. } => return Err("there is no vault yet; set it up with a passphrase first".to_owned()),
            Held::Broken => return Err(ChangeError::Broken.to_string()),
        };
        let unlocked = apart(move || slot.unlock(household, &passphrase)).await;
        let key = unlocked.ok_or("the passphrase could not be computed")?.map_err(|error| error.to_string())?;
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).succeeded();
        let mut held = self.held_now();
        let Held::Slot { folder, .. } = &mut *held else { return Err("the vault is open already".to_owned()) };
        let folder = match folder.take() {
            Some(folder) => folder,
            None => KeyFolder::open(&self.keys).map_err(|error| error.to_string())?,
        };
        let seal = open_folder(folder, Source::Passphrase, vec![key], Box::new(SystemEntropy)).map_err(|error| error.to_string())?;
        *held = Held::Opened;
        Ok(self.keeper.open(seal))
    }

    /// Sets up a vault that a passphrase opens, where there is none.
    pub(super) async fn set_up(&self, passphrase: SecretString) -> Result<Vec<String>, String> {
        let fresh = matches!(&*self.held_now(), Held::Fresh { given: None, .. });
        if !fresh || !self.sources.contains(&Source::Passphrase) {
            return Err("there is a vault already, or its key has another source than a passphrase".to_owned());
        }
        let clock = Arc::clone(&self.clock);
        let key = apart(move || {
            let cost = calibrate(&*clock, TARGET).map_err(PassphraseError::from)?.cost;
            PassphraseKey::new(&passphrase, cost, &SystemEntropy)
        });
        let key = key.await.ok_or("the passphrase could not be computed")?.map_err(|error| error.to_string())?;
        let mut held = self.held_now();
        let folder = match std::mem::replace(&mut *held, Held::Broken) {
            Held::Fresh { folder, given: None } => folder,
            other @ (Held::Fresh { .. } | Held::Slot { .. } | Held::Opened | Held::Broken) => {
                *held = other;
                return Err("another one was faster".to_owned());
            }
        };
        let made = set_up(folder, Some(&key), Box::new(SystemEntropy));
        let seal = made.map_err(|error| error.to_string())?;
        *held = Held::Opened;
        Ok(self.keeper.open(seal))
    }

    /// What an owner's new passphrase is checked against. Finds out first what this machine can do.
    pub(super) async fn verifier(&self, passphrase: SecretString) -> Result<Verifier, String> {
        let clock = Arc::clone(&self.clock);
        let made = apart(move || {
            let cost = calibrate(&*clock, TARGET).map_err(PassphraseError::from)?.cost;
            Verifier::new(&passphrase, cost, &SystemEntropy)
        });
        made.await.ok_or("the passphrase could not be computed")?.map_err(|error| error.to_string())
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
