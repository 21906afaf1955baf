//! Keeps known secrets out of text: the log, and what is said when a command fails.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// A shorter secret is part of ordinary words.
const SHORTEST: usize = 8;
/// Secrets of links and sessions that are kept, the newest.
const RECENT: usize = 256;
/// Random bytes that are fewer are names and no secrets.
const SECRET_BYTES: usize = 16;

/// Knows secrets, and takes them out of text.
pub struct Redactor {
    kept: Mutex<Vec<SecretString>>,
    recent: Mutex<VecDeque<SecretString>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Knows none.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Mutex::new(Vec::new()), recent: Mutex::new(VecDeque::new()) }
    }

    /// Takes this secret out from now on, in each form in which a log may write it. False when it is too short to be recognised.
    pub fn keep(&self, secret: SecretString) -> bool {
        let plain = secret.expose_secret();
        if plain.len() < SHORTEST {
            return false;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for form in forms(plain) {
            if !kept.iter().any(|known| known.expose_secret() == form) {
                kept.push(SecretString::from(form));
            }
        }
        // A secret that is part of another must not break that one up.
        kept.sort_by_key(|form| std::cmp::Reverse(form.expose_secret().len()));
        true
    }

    /// Takes these bytes out as hexadecimal digits, until as many newer ones came as are kept.
    pub fn remember_hex(&self, bytes: &[u8]) {
        if bytes.len() < SECRET_BYTES {
            return;
        }
        let mut digits = String::with_capacity(bytes.len().saturating_mul(2));
        for byte in bytes {
            // Writing to a string does not fail.
            let _ = write!(digits, "{byte:02x}");
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back(SecretString::from(digits));
    }

    /// The text without any secret that is known.
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in kept.iter().chain(recent.iter()).map(SecretString::expose_secret) {
            if text.contains(secret) {
                text = Cow::Owned(text.replace(secret, REDACTED));
            }
        }
        text
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

/// How a log may write a text: as it is, as a string of Rust's `Debug`, and each of these within a string of JSON.
fn forms(plain: &str) -> Vec<String> {
    let debug = plain.escape_debug().to_string();
    let json = |text: &str| serde_json::to_string(text).map(|text| text.trim_matches('"').to_owned());
    let mut forms = vec![plain.to_owned()];
    // A string is always JSON.
    forms.extend(json(plain).ok());
    forms.extend(json(&debug).ok());
    forms.push(debug);
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_each_of_its_forms() {
        let redactor = Redactor::new();
        let secret = "a\"b\\c-canary";
        assert!(redactor.keep(SecretString::from(secret)));
        let said = serde_json::json!({ "a": secret, "b": format!("{secret:?}") });
        for text in [secret.to_owned(), format!("<{secret:?}>"), said.to_string(), format!("{secret}{secret}")] {
            let clean = redactor.clean(&text);
            assert!(clean.contains(REDACTED) && !clean.contains("canary"), "{clean}");
        }
        assert_eq!(redactor.clean("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_secret_within_another_leaves_nothing_of_it() {
        let redactor = Redactor::new();
        redactor.keep(SecretString::from("canary-1"));
        redactor.keep(SecretString::from("canary-1-and-more"));
        assert_eq!(redactor.clean("x canary-1-and-more x"), "x [redacted] x");
    }

    #[test]
    fn short_secrets_are_refused() {
        let redactor = Redactor::new();
        assert!(!redactor.keep(SecretString::from("1234567")));
        assert_eq!(redactor.clean("1234567"), "1234567");
    }

    #[test]
    fn the_newest_secrets_of_sessions_are_known_and_names_are_not() {
        let redactor = Redactor::new();
        redactor.remember_hex(&[1; SECRET_BYTES]);
        redactor.remember_hex(&[2; 4]);
        assert_eq!(redactor.clean(&format!("{} 02020202", "01".repeat(SECRET_BYTES))), "[redacted] 02020202");
        for n in 0..RECENT {
            redactor.remember_hex(&[u8::try_from(n % 200).unwrap().saturating_add(2); SECRET_BYTES]);
        }
        assert_eq!(redactor.clean(&"01".repeat(SECRET_BYTES)), "01".repeat(SECRET_BYTES));
    }
}
