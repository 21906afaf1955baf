//! The form of a key file: "HKEY", format 1, 32 random bytes, and the first 8 bytes of SHA-256 over all of that, so that a cut or altered
//! file is told from a wrong one. Where such files lie is [`super::folder`]'s.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::crypto::{KEY_BYTES, Key};
use super::keys::VaultKey;

/// Bytes of a key file.
pub const KEY_FILE_BYTES: usize = 45;

const MAGIC: &[u8; 4] = b"HKEY";
const FORMAT: u8 = 1;
const SUM_BYTES: usize = 8;

/// The bytes of a key file.
pub(crate) fn write_key(key: &VaultKey) -> Zeroizing<[u8; KEY_FILE_BYTES]> {
    let mut bytes = Zeroizing::new([0_u8; KEY_FILE_BYTES]);
    let parts = MAGIC.iter().chain(&[FORMAT]).chain(key.0.bytes());
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    if let Some((content, sum)) = bytes.split_last_chunk_mut::<SUM_BYTES>() {
        *sum = checksum(content);
    }
    bytes
}

/// The key of such bytes; `None` when they have another form.
pub(crate) fn read_key(bytes: &[u8]) -> Option<VaultKey> {
    let (content, sum) = bytes.split_last_chunk::<SUM_BYTES>()?;
    let head = content.strip_prefix(MAGIC.as_slice())?.strip_prefix(&[FORMAT])?;
    let key = <&[u8; KEY_BYTES]>::try_from(head).ok()?;
    bool::from(checksum(content).ct_eq(sum)).then(|| VaultKey(Key::copied(key)))
}

fn checksum(content: &[u8]) -> [u8; SUM_BYTES] {
    Sha256::digest(content).first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_file_with_any_bit_flipped_or_any_byte_missing_is_refused() {
        let bytes = write_key(&VaultKey(Key::copied(&[0x5a; KEY_BYTES])));
        assert_eq!(read_key(bytes.as_slice()).unwrap().0.bytes(), &[0x5a; KEY_BYTES]);
        for bit in 0..KEY_FILE_BYTES * 8 {
            let mut flipped = *bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read_key(&flipped).is_none());
        }
        assert!((0..KEY_FILE_BYTES).all(|length| read_key(&bytes[..length]).is_none()));
        assert!(read_key(&[bytes.as_slice(), &[0]].concat()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_key_file_s_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(read_key(&bytes).is_none());
        }
    }
}
