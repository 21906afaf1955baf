//! Where the vault key comes from, in the order of the configuration. The first source that has one is used; one that has a damaged or exposed one
//! is an error and never passed over.
//!
//! | source | comes back by itself | protects against | does not protect against |
//! |---|---|---|---|
//! | systemd credential | yes | a stolen disk, and a copied backup, when sealed to the TPM | root; the service's own user while it runs |
//! | keyring | no | | not there, see below |
//! | passphrase | no: sealed until somebody types it | a stolen disk or machine, a copied backup (a guess costs half a second and 64 MiB) | root while it runs; a weak passphrase |
//! | key file | yes | a copied database or data folder; other users | whoever reads the key folder as well: a stolen disk, a backup of everything |
//!
//! **TPM.** systemd is our way to it: `systemd-creds encrypt --with-key=host+tpm2 --name=hearth-vault-key vault.key FILE` binds the key
//! file to this machine's TPM, `LoadCredentialEncrypted=hearth-vault-key:FILE` gives it to the service at start in memory that is not swapped.
//! What is given is a file of the same form as the key file. Such a key is rotated by the administrator, not by the vault.
//!
//! **Keyring.** Configuring it is [`SourceError::Unsupported`]: the kernel's keyrings do not outlast a restart, and the desktop's need a D-Bus
//! client and a logged-in person, which a home server has not.

use std::path::Path;

use hearth_domain::error::{Class, Classified};

use super::crypto::Entropy;
use super::folder::{FolderError, KeyFolder, credential};
use super::keys::{Household, Source, VaultKey};
use super::manifest::{self, Head, ManifestError};
use super::passphrase::{PassphraseKey, PassphraseSlot};
use super::{CommitError, KeyStore as _, Seal, StoreError};

/// The name of the systemd credential.
pub const CREDENTIAL: &str = "hearth-vault-key";

/// The order when nothing is configured.
pub const ORDER: [Source; 3] = [Source::SystemdCredential, Source::Passphrase, Source::KeyFile];

/// A source that has a key.
#[derive(Debug)]
pub enum Found {
    /// The key is here; a second one when a rotation did not come to its end.
    Keys {
        /// Where it was.
        source: Source,
        /// One or two keys, to be tried in this order.
        keys: Vec<VaultKey>,
    },
    /// Somebody has to give the passphrase.
    Sealed {
        /// Whose vault it is.
        household: Household,
        /// What the passphrase opens.
        slot: Box<PassphraseSlot>,
    },
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The configured source does not exist in this program.
    #[error(
        "the operating system's keyring is not supported as the source of the vault key; use systemd-credential, passphrase or key-file"
    )]
    Unsupported,
    /// None of the sources has one.
    #[error("none of the configured sources has a vault key; if there was one, restore the key folder or use the recovery key")]
    Nowhere,
    /// A source has one that is not used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The manifest that holds the passphrase's slot is not readable.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Classified for SourceError {
    fn class(&self) -> Class {
        match self {
            Self::Unsupported | Self::Nowhere => Class::Permanent,
            Self::Folder(error) => error.class(),
            Self::Manifest(error) => error.class(),
        }
    }
}

/// Why a key folder does not open as a vault.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no manifest.
    #[error("the key folder has no manifest: no vault was set up here, or the manifest was lost; restore the key folder from its backup")]
    NoManifest,
    /// A file is not used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The manifest does not open.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A rotation could not be brought to its end.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for OpenError {
    fn class(&self) -> Class {
        match self {
            Self::NoManifest => Class::Permanent,
            Self::Folder(error) => error.class(),
            Self::Manifest(error) => error.class(),
            Self::Store(error) => error.class(),
        }
    }
}

/// Looks for the vault key. `credentials` is what systemd's `$CREDENTIALS_DIRECTORY` names.
///
/// # Errors
///
/// When no source has one, or the first that has one has it damaged or exposed.
pub fn find(order: &[Source], folder: &KeyFolder, credentials: Option<&Path>) -> Result<Found, SourceError> {
    for source in order {
        match source {
            Source::Keyring => return Err(SourceError::Unsupported),
            Source::SystemdCredential => {
                let key = credentials.map(|folder| credential(folder, CREDENTIAL)).transpose()?.flatten();
                if let Some(key) = key {
                    return Ok(Found::Keys { source: *source, keys: vec![key] });
                }
            }
            Source::Passphrase => {
                let head = folder.manifest()?.map(|bytes| Head::read(&bytes)).transpose()?;
                if let Some(slot) = head.as_ref().and_then(Head::passphrase) {
                    let household = head.as_ref().map_or(Household::of([0; Household::BYTES]), Head::household);
                    return Ok(Found::Sealed { household, slot: Box::new(*slot) });
                }
            }
            Source::KeyFile => {
                let keys = folder.keys()?;
                if !keys.is_empty() {
                    return Ok(Found::Keys { source: *source, keys });
                }
            }
        }
    }
    Err(SourceError::Nowhere)
}

/// Opens the vault of this folder with the first key that fits, and ends a rotation that a crash interrupted.
///
/// # Errors
///
/// Without a manifest, or with one that no key opens.
pub fn open_folder(folder: KeyFolder, source: Source, keys: Vec<VaultKey>, entropy: Box<dyn Entropy>) -> Result<Seal, OpenError> {
    let mut folder = folder.with_source(source);
    let bytes = folder.manifest()?.ok_or(OpenError::NoManifest)?;
    for (at, key) in keys.into_iter().enumerate() {
        match manifest::open(&bytes, |household| key.hierarchy(household)) {
            Ok(_) => {}
            Err(ManifestError::WrongKey) => continue,
            Err(error) => return Err(error.into()),
        }
        if source == Source::KeyFile {
            if at == 0 { folder.discard_staged_key()? } else { folder.adopt_key()? }
        }
        return Ok(Seal::open(key, &bytes, Box::new(folder), entropy)?);
    }
    Err(ManifestError::WrongKey.into())
}

/// Sets up a vault where none is: with a passphrase, or with a key file. A key file without a manifest, which a crash in here leaves, is used.
/// Call it only for a house without sealed records: those of a lost manifest are lost, and a new vault beside them hides that.
///
/// # Errors
///
/// Where there is a manifest, with a key file that is refused, or when it is not durable.
pub fn set_up(folder: KeyFolder, passphrase: Option<&PassphraseKey>, entropy: Box<dyn Entropy>) -> Result<Seal, SetUpError> {
    let household = Household::fresh(&*entropy).map_err(CommitError::from)?;
    if folder.manifest()?.is_some() {
        return Err(SetUpError::Commit(StoreError::Exists.into()));
    }
    let (source, key) = if passphrase.is_some() {
        (Source::Passphrase, VaultKey::fresh(&*entropy).map_err(CommitError::from)?)
    } else if let Some(key) = folder.keys()?.into_iter().next() {
        (Source::KeyFile, key)
    } else {
        let key = VaultKey::fresh(&*entropy).map_err(CommitError::from)?;
        folder.create_key(&key).map_err(CommitError::from)?;
        (Source::KeyFile, key)
    };
    Ok(Seal::create(household, key, passphrase, Box::new(folder.with_source(source)), entropy)?)
}

/// Why no vault was set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A file is not used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The vault was not created.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for SetUpError {
    fn class(&self) -> Class {
        match self {
            Self::Folder(error) => error.class(),
            Self::Commit(error) => error.class(),
        }
    }
}
