//! What stands after `hearth vault` and `hearth egress`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use super::Role;
use crate::keeper::keyless::{Origin, OriginError};
use crate::seal::keys::Source;
use crate::seal::source::ORDER;

/// The options of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `--keys FOLDER`: the key folder, for the vault.
    pub keys: Option<PathBuf>,
    /// `--source key-file|credential|passphrase`, as often as wanted, in order.
    pub sources: Vec<Source>,
    /// `--credentials FOLDER`: what systemd's `$CREDENTIALS_DIRECTORY` names.
    pub credentials: Option<PathBuf>,
    /// `--lan ORIGIN`, as often as wanted, for the process without keys.
    pub lan: BTreeSet<Origin>,
}

/// Why options are not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Not one of ours.
    #[error("an option that this process does not have; it is started by the house, not by hand")]
    Unknown,
    /// Nothing after it.
    #[error("an option without its value")]
    NoValue,
    /// No such source.
    #[error("a source of the vault key is key-file, credential or passphrase")]
    Source,
    /// No origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// No folder.
    #[error("the vault needs its key folder (`--keys FOLDER`)")]
    NoKeys,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Anything that is not as it should be.
    pub fn read(role: Role, arguments: impl IntoIterator<Item = OsString>) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(OptionError::NoValue)?;
            match (option.to_str(), role) {
                (Some("--keys"), Role::Vault) => options.keys = Some(value.into()),
                (Some("--credentials"), Role::Vault) => options.credentials = Some(value.into()),
                (Some("--source"), Role::Vault) => options.sources.push(source(&value)?),
                (Some("--lan"), Role::Egress) => {
                    options.lan.insert(value.to_str().ok_or(OriginError)?.parse()?);
                }
                (_, Role::Vault | Role::Egress) => return Err(OptionError::Unknown),
            }
        }
        if role == Role::Vault && options.keys.is_none() {
            return Err(OptionError::NoKeys);
        }
        if options.sources.is_empty() {
            options.sources = ORDER.to_vec();
        }
        Ok(options)
    }
}

fn source(value: &OsString) -> Result<Source, OptionError> {
    match value.to_str() {
        Some("key-file") => Ok(Source::KeyFile),
        Some("credential") => Ok(Source::SystemdCredential),
        Some("passphrase") => Ok(Source::Passphrase),
        Some(_) | None => Err(OptionError::Source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(role: Role, text: &str) -> Result<Options, OptionError> {
        Options::read(role, text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn each_process_has_its_own_options() {
        let vault = read(Role::Vault, "--keys /k --source passphrase --source key-file").unwrap();
        assert_eq!((vault.keys, vault.sources), (Some("/k".into()), vec![Source::Passphrase, Source::KeyFile]));
        assert_eq!(read(Role::Egress, "--lan http://192.168.1.9:11434 --lan https://nas.lan").unwrap().lan.len(), 2);
        for (role, text, error) in [
            (Role::Vault, "", OptionError::NoKeys),
            (Role::Vault, "--lan http://a.lan", OptionError::Unknown),
            (Role::Egress, "--keys /k", OptionError::Unknown),
            (Role::Egress, "--lan", OptionError::NoValue),
            (Role::Egress, "--lan ftp://a.lan", OptionError::Origin(OriginError)),
            (Role::Egress, "--lan http://a.lan/x", OptionError::Origin(OriginError)),
            (Role::Vault, "--source keyring", OptionError::Source),
        ] {
            assert_eq!(read(role, text), Err(error), "{text}");
        }
    }
}
