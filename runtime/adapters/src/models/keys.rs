//! Where the keys of providers come from. [`EnvKeys`] is the one place that reads them from the environment.

use secrecy::SecretString;

/// Hands out keys by the names that the configuration gives them.
pub trait KeySource {
    /// The key of this name, if there is one.
    fn key(&self, name: &str) -> Option<SecretString>;
}

/// Keys from environment variables of the same name.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvKeys;

impl KeySource for EnvKeys {
    fn key(&self, name: &str) -> Option<SecretString> {
        let value = std::env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| SecretString::from(value.to_owned()))
    }
}

/// No keys: for providers that need none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn key(&self, _name: &str) -> Option<SecretString> {
        None
    }
}
