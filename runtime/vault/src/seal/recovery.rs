//! The recovery key: 160 random bits that stand for the owner's passphrase and for a lost vault key.
//!
//! It is shown once, as nine groups of four letters in Crockford's base 32 (no I, L, O, U; upper and lower case, hyphens and spaces are the
//! same): 32 letters of key and 4 of checksum, so that a slip of the pen is told from a wrong key. With it and a copy of the manifest (which
//! holds the vault key under it) a vault is opened on a new machine.

use hearth_domain::error::{Class, Classified};
use secrecy::{ExposeSecret as _, ExposeSecretMut as _, SecretBox, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::crypto::{Entropy, EntropyError, Key, Wrapped, derive};
use super::keys::{Household, VaultKey};
use super::manifest::Head;

const BYTES: usize = 20;
const KEY_LETTERS: usize = 32;
const CHECK_LETTERS: usize = 4;
const LETTERS: usize = KEY_LETTERS + CHECK_LETTERS;
const GROUP: usize = 4;
/// Most bytes of text that is read as a recovery key.
pub const TEXT_MAX: usize = 256;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A recovery key. It zeroes itself.
pub struct RecoveryKey(SecretBox<[u8; BYTES]>);

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey")
    }
}

/// A text that is no recovery key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryTextError {
    /// Not 36 letters of the alphabet.
    #[error("a recovery key has nine groups of four letters and digits, without U; hyphens and spaces do not count")]
    Shape,
    /// The checksum differs.
    #[error("the recovery key has a mistake in it: its last group does not fit the others; compare it with what you wrote down")]
    Checksum,
}

impl Classified for RecoveryTextError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Why a recovery key opens no vault key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The manifest has no place for one.
    #[error("this vault has no recovery key")]
    NotSet,
    /// It opens nothing.
    #[error("that is not this vault's recovery key; a newer one may have replaced it")]
    Wrong,
}

impl Classified for RecoverError {
    fn class(&self) -> Class {
        Class::Denied
    }
}

impl RecoveryKey {
    pub(crate) fn fresh(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = SecretBox::<[u8; BYTES]>::default();
        entropy.fill(key.expose_secret_mut())?;
        Ok(Self(key))
    }

    /// Reads what a person typed.
    ///
    /// # Errors
    ///
    /// A text of another shape, or with a mistake in it.
    pub fn read(text: &SecretString) -> Result<Self, RecoveryTextError> {
        let text = text.expose_secret();
        if text.len() > TEXT_MAX {
            return Err(RecoveryTextError::Shape);
        }
        let mut values = Zeroizing::new(Vec::with_capacity(TEXT_MAX));
        for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-') {
            values.push(value(letter).ok_or(RecoveryTextError::Shape)?);
        }
        let Some((letters, check)) = values.split_first_chunk::<KEY_LETTERS>().filter(|(_, check)| check.len() == CHECK_LETTERS) else {
            return Err(RecoveryTextError::Shape);
        };
        let mut key = SecretBox::<[u8; BYTES]>::default();
        for (group, to) in letters.chunks_exact(8).zip(key.expose_secret_mut().chunks_exact_mut(5)) {
            // Eight letters of 5 bits are five bytes.
            let bits = group.iter().fold(0_u64, |bits, value| (bits << 5) | u64::from(*value));
            to.iter_mut().zip(bits.to_be_bytes().iter().skip(3)).for_each(|(to, from)| *to = *from);
        }
        let given = check.iter().fold(0_u32, |bits, value| (bits << 5) | u32::from(*value));
        if given == checksum(key.expose_secret()) { Ok(Self(key)) } else { Err(RecoveryTextError::Checksum) }
    }

    /// The text to be written down.
    #[must_use]
    pub fn text(&self) -> SecretString {
        let bytes = self.0.expose_secret();
        let mut values = Zeroizing::new(Vec::with_capacity(LETTERS));
        for group in bytes.chunks_exact(5) {
            let bits = group.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
            values.extend((0..8_u32).rev().map(|at| (bits >> (at * 5)) & 31));
        }
        let check = checksum(bytes);
        values.extend((0..4_u32).rev().map(|at| u64::from((check >> (at * 5)) & 31)));
        let mut text = String::with_capacity(LETTERS + LETTERS / GROUP);
        for (at, value) in values.iter().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            let letter = usize::try_from(*value).ok().and_then(|value| ALPHABET.get(value));
            text.push(letter.map_or('?', |letter| char::from(*letter)));
        }
        SecretString::from(text)
    }

    /// What is stored to check it by.
    pub(crate) fn verifier(&self, household: Household) -> Key {
        derive(&household.bytes(), self.0.expose_secret(), b"hearth vault 1 recovery proof")
    }

    fn wrapping(&self, household: Household) -> Key {
        derive(&household.bytes(), self.0.expose_secret(), b"hearth vault 1 recovery slot")
    }

    pub(crate) fn slot(&self, household: Household, key: &VaultKey, entropy: &dyn Entropy) -> Result<Wrapped, EntropyError> {
        Wrapped::new(&self.wrapping(household), &bound(household), &key.0, entropy)
    }

    /// The vault key out of a manifest, for instance on a new machine.
    ///
    /// # Errors
    ///
    /// Without a recovery slot, or with one of another key.
    pub fn unlock(&self, head: &Head) -> Result<VaultKey, RecoverError> {
        let slot = head.slots.recovery.ok_or(RecoverError::NotSet)?;
        slot.open(&self.wrapping(head.household), &bound(head.household)).map(VaultKey).map_err(|_| RecoverError::Wrong)
    }

    /// The page to print or copy, with the key in it.
    #[must_use]
    pub fn kit(&self, household: Household) -> SecretString {
        let key = self.text();
        // One allocation of the final size, so that nothing of the key is left behind by growing.
        let mut text = String::with_capacity(1024);
        for part in [
            "Recovery kit of your Hearth vault\n\nRecovery key:  ",
            key.expose_secret(),
            "\nHousehold:     ",
            &household.to_string(),
            "\n\nWrite it down or print it, and keep it away from the home server. It is not shown again.\n\
             It stands for the owner's passphrase when that is forgotten. With a backup of the vault's key folder\n\
             it also opens the vault on a new machine. Whoever has it and such a backup can read every secret.\n\
             A new recovery key, or a new vault key, makes this one void.\n",
        ] {
            text.push_str(part);
        }
        SecretString::from(text)
    }
}

fn bound(household: Household) -> Vec<u8> {
    [b"hearth vault 1 recovery slot".as_slice(), &household.bytes()].concat()
}

fn checksum(key: &[u8; BYTES]) -> u32 {
    let digest = Sha256::new().chain_update(b"hearth recovery key 1").chain_update(key).finalize();
    digest.first_chunk::<4>().map_or(0, |head| u32::from_be_bytes(*head) >> 12)
}

fn value(letter: u8) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|known| *known == letter).and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::crypto::SystemEntropy;

    fn read(text: &str) -> Result<Vec<u8>, RecoveryTextError> {
        RecoveryKey::read(&SecretString::from(text)).map(|key| key.0.expose_secret().to_vec())
    }

    #[test]
    fn a_key_is_read_back_however_it_was_copied() {
        let key = RecoveryKey::fresh(&SystemEntropy).unwrap();
        let (text, bytes) = (key.text().expose_secret().to_owned(), key.0.expose_secret().to_vec());
        assert_eq!(text.len(), 44);
        for copy in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', " "),
            format!(" {}\n", text.replace('-', "")),
            text.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(read(&copy), Ok(bytes.clone()));
        }
    }

    #[test]
    fn every_single_wrong_letter_is_noticed() {
        let text = RecoveryKey(SecretBox::new(Box::new([0xa5; BYTES]))).text().expose_secret().to_owned();
        let mut missed = 0;
        for (at, was) in text.char_indices().filter(|(_, letter)| *letter != '-') {
            for letter in ALPHABET.iter().map(|letter| char::from(*letter)).filter(|letter| *letter != was) {
                let mut wrong = text.clone();
                wrong.replace_range(at..=at, &letter.to_string());
                missed += usize::from(read(&wrong) != Err(RecoveryTextError::Checksum));
            }
        }
        assert_eq!(missed, 0);
    }

    #[test]
    fn other_shapes_are_refused() {
        let text = RecoveryKey(SecretBox::new(Box::new([1; BYTES]))).text().expose_secret().to_owned();
        for wrong in ["", "-", &text[1..], &format!("{text}0"), &text.replace('0', "U"), &"0".repeat(1000), "ééééééééé"] {
            assert_eq!(read(wrong), Err(RecoveryTextError::Shape), "{wrong}");
        }
    }

    #[test]
    fn the_kit_is_all_one_needs_and_the_key_shows_itself_nowhere_else() {
        let key = RecoveryKey::fresh(&SystemEntropy).unwrap();
        let kit = key.kit(Household::of([7; 16]));
        assert!(kit.expose_secret().contains(key.text().expose_secret()) && kit.expose_secret().len() <= 1024);
        assert_eq!(format!("{key:?}"), "RecoveryKey");
    }

    proptest! {
        #[test]
        fn any_key_survives_its_text_and_any_text_is_survived(bytes in any::<[u8; BYTES]>(), text in ".{0,60}") {
            let key = RecoveryKey(SecretBox::new(Box::new(bytes)));
            prop_assert_eq!(read(key.text().expose_secret()), Ok(bytes.to_vec()));
            let _ = read(&text);
        }
    }
}
