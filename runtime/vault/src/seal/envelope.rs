//! The envelope of one record: policy and value under a data key of their own, and that key under the owner's member key.
//!
//! ```text
//! offset  bytes  what
//!      0      4  "HSEC"
//!      4      1  format, 1
//!      5     16  household
//!     21      8  stamp: the manifest's generation at which this version was sealed; unlike a version it is never used twice
//!     29      4  generation of the member key
//!     33     24  nonce of the wrapped data key
//!     57     48  data key under the member key (XChaCha20-Poly1305)
//!    105     24  nonce of the body
//!    129    ...  body under the data key, and its tag of 16 bytes
//! body: policy length (4), value length (4), policy as JSON, value, zeros up to the padded length
//! ```
//!
//! Numbers are big-endian. Both layers bind format, household, id, owner, name, version and stamp as associated data; the outer one
//! the generation of the member key, too, and not the inner one, so that a member key is changed by wrapping the data key anew.
//! The body is padded to the next power of two from 1 KiB to 64 KiB, then to the next multiple of 64 KiB ([`padded`]): its length tells the
//! bucket of policy and value together and nothing more, and a key, token or password fills the first bucket like any other.

use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::secret::{SecretName, SecretPolicy};
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use super::codec::{Hex, Reader};
use super::crypto::{
    Entropy, EntropyError, Forged, Key, NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES, Wrapped, fresh, open_in_place, seal_in_place,
};
use super::keys::Household;

/// Fewest bytes of a value.
pub const VALUE_MIN: usize = 1;
/// Most bytes of a value: 1 MiB.
pub const VALUE_MAX: usize = 1024 * 1024;
/// Most bytes of a policy, as JSON.
pub const POLICY_MAX: usize = 256 * 1024;
/// Most bytes of an envelope.
pub const ENVELOPE_MAX: usize = HEADER_BYTES + padded(LENGTHS_BYTES + POLICY_MAX + VALUE_MAX) + TAG_BYTES;

const MAGIC: &[u8; 4] = b"HSEC";
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 129;
const LENGTHS_BYTES: usize = 8;
const BUCKET_MIN: usize = 1024;
const BUCKET_STEP: usize = 64 * 1024;

/// What a record carries, opened.
pub struct Opened {
    /// What it may be used for.
    pub policy: SecretPolicy,
    /// The value. It zeroes itself.
    pub value: SecretSlice<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The length to which a body of `length` bytes is padded.
#[must_use]
pub const fn padded(length: usize) -> usize {
    if length <= BUCKET_MIN {
        BUCKET_MIN
    } else if length <= BUCKET_STEP {
        length.next_power_of_two()
    } else {
        length.next_multiple_of(BUCKET_STEP)
    }
}

/// What both layers of an envelope are bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) household: Household,
    pub(crate) id: SecretId,
    pub(crate) owner: MemberId,
    pub(crate) name: &'a SecretName,
    pub(crate) version: u32,
    pub(crate) stamp: u64,
}

impl Binding<'_> {
    /// The associated data. All parts but the name have one length, and the name is the last.
    fn bound(&self, layer: &[u8; 4], key_generation: u32) -> Vec<u8> {
        let mut bound = Vec::with_capacity(128);
        bound.extend_from_slice(MAGIC);
        bound.push(FORMAT);
        bound.extend_from_slice(layer);
        bound.extend_from_slice(&self.household.bytes());
        bound.extend_from_slice(self.id.uuid().as_bytes());
        bound.extend_from_slice(self.owner.uuid().as_bytes());
        bound.extend_from_slice(&self.version.to_be_bytes());
        bound.extend_from_slice(&self.stamp.to_be_bytes());
        bound.extend_from_slice(&key_generation.to_be_bytes());
        bound.extend_from_slice(self.name.as_str().as_bytes());
        bound
    }

    fn outer(&self, key_generation: u32) -> Vec<u8> {
        self.bound(b"wrap", key_generation)
    }

    fn inner(&self) -> Vec<u8> {
        self.bound(b"body", 0)
    }
}

/// An envelope, parsed and not yet believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) household: Household,
    pub(crate) stamp: u64,
    pub(crate) key_generation: u32,
    wrapped: Wrapped,
    nonce: [u8; NONCE_BYTES],
    body: &'a [u8],
    tag: [u8; TAG_BYTES],
}

impl<'a> Envelope<'a> {
    /// Reads the outer form; `None` when these bytes have another.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > ENVELOPE_MAX {
            return None;
        }
        let mut reader = Reader::new(bytes);
        if reader.array::<4>()? != *MAGIC || reader.u8()? != FORMAT {
            return None;
        }
        let household = Household::of(reader.array()?);
        let (stamp, key_generation) = (reader.u64()?, reader.u32()?);
        let wrapped = Wrapped { nonce: Hex(reader.array()?), sealed: Hex(reader.array::<WRAPPED_BYTES>()?) };
        let nonce = reader.array()?;
        let (body, tag) = reader.rest().split_last_chunk::<TAG_BYTES>()?;
        let fits = padded(body.len()) == body.len();
        fits.then_some(Self { household, stamp, key_generation, wrapped, nonce, body, tag: *tag })
    }

    /// Checks both layers and takes out what is inside.
    pub(crate) fn open(&self, member_key: &Key, binding: &Binding<'_>) -> Result<Opened, Forged> {
        read_body(&self.bare(member_key, binding)?).ok_or(Forged)
    }

    /// The same, for one who has read the policy before.
    pub(crate) fn open_value(&self, member_key: &Key, binding: &Binding<'_>) -> Result<SecretSlice<u8>, Forged> {
        let body = self.bare(member_key, binding)?;
        parts(&body).map(|(_, value)| owned(value)).ok_or(Forged)
    }

    fn bare(&self, member_key: &Key, binding: &Binding<'_>) -> Result<Zeroizing<Box<[u8]>>, Forged> {
        let data_key = self.wrapped.open(member_key, &binding.outer(self.key_generation))?;
        let mut body = Zeroizing::new(Box::<[u8]>::from(self.body));
        open_in_place(&data_key, &self.nonce, &binding.inner(), &mut body, &self.tag)?;
        Ok(body)
    }

    /// The same envelope with its data key under another member key.
    pub(crate) fn rewrap(&self, from: &Key, to: (&Key, u32), binding: &Binding<'_>, entropy: &dyn Entropy) -> Result<Vec<u8>, RewrapError> {
        let data_key = self.wrapped.open(from, &binding.outer(self.key_generation))?;
        let wrapped = Wrapped::new(to.0, &binding.outer(to.1), &data_key, entropy)?;
        let mut bytes = head(binding, to.1, &wrapped, &self.nonce, self.body.len());
        bytes.extend_from_slice(self.body);
        bytes.extend_from_slice(&self.tag);
        Ok(bytes)
    }
}

/// Why a data key could not be wrapped anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewrapError {
    #[error(transparent)]
    Forged(#[from] Forged),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

fn head(binding: &Binding<'_>, key_generation: u32, wrapped: &Wrapped, nonce: &[u8; NONCE_BYTES], body: usize) -> Vec<u8> {
    // All of it at once: a buffer that grew would leave plaintext behind where it was.
    let mut bytes = Vec::with_capacity(HEADER_BYTES.saturating_add(body).saturating_add(TAG_BYTES));
    bytes.extend_from_slice(MAGIC);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&binding.household.bytes());
    bytes.extend_from_slice(&binding.stamp.to_be_bytes());
    bytes.extend_from_slice(&key_generation.to_be_bytes());
    bytes.extend_from_slice(&wrapped.nonce.0);
    bytes.extend_from_slice(&wrapped.sealed.0);
    bytes.extend_from_slice(nonce);
    bytes
}

/// Seals policy and value under a fresh data key. The lengths were checked by the caller; `None` when they do not fit the format.
pub(crate) fn seal(
    member: (&Key, u32),
    binding: &Binding<'_>,
    policy: &[u8],
    value: &SecretSlice<u8>,
    entropy: &dyn Entropy,
) -> Result<Option<Vec<u8>>, EntropyError> {
    let value = value.expose_secret();
    let (Ok(policy_length), Ok(value_length)) = (u32::try_from(policy.len()), u32::try_from(value.len())) else {
        return Ok(None);
    };
    let data_key = Key::fresh(entropy)?;
    let wrapped = Wrapped::new(member.0, &binding.outer(member.1), &data_key, entropy)?;
    let nonce = fresh(entropy)?;
    let length = padded(LENGTHS_BYTES.saturating_add(policy.len()).saturating_add(value.len()));
    let mut bytes = Zeroizing::new(head(binding, member.1, &wrapped, &nonce, length));
    bytes.extend_from_slice(&policy_length.to_be_bytes());
    bytes.extend_from_slice(&value_length.to_be_bytes());
    bytes.extend_from_slice(policy);
    bytes.extend_from_slice(value);
    bytes.resize(HEADER_BYTES.saturating_add(length), 0);
    let Some(tag) = bytes.get_mut(HEADER_BYTES..).and_then(|body| seal_in_place(&data_key, &nonce, &binding.inner(), body)) else {
        return Ok(None);
    };
    bytes.extend_from_slice(&tag);
    // From here on it is ciphertext.
    Ok(Some(std::mem::take(&mut *bytes)))
}

fn read_body(body: &[u8]) -> Option<Opened> {
    let (policy, value) = parts(body)?;
    Some(Opened { policy: serde_json::from_slice(policy).ok()?, value: owned(value) })
}

fn owned(value: &[u8]) -> SecretSlice<u8> {
    SecretSlice::from(Box::<[u8]>::from(value))
}

/// Policy and value as they stand in a body.
fn parts(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(body);
    let (policy_length, value_length) = (reader.u32()?, reader.u32()?);
    let (policy, value, padding) = (reader.slice(policy_length)?, reader.slice(value_length)?, reader.rest());
    let used = LENGTHS_BYTES.checked_add(policy.len())?.checked_add(value.len())?;
    let fits = policy.len() <= POLICY_MAX && (VALUE_MIN..=VALUE_MAX).contains(&value.len());
    let plain = fits && padded(used) == body.len() && padding.iter().all(|byte| *byte == 0);
    plain.then_some((policy, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_fall_into_few_buckets() {
        for (length, bucket) in [(0, 1024), (1024, 1024), (1025, 2048), (40_000, 65_536), (65_536, 65_536), (65_537, 131_072)] {
            assert_eq!(padded(length), bucket);
            assert_eq!(padded(bucket), bucket);
        }
    }

    #[test]
    fn a_body_has_one_form() {
        let policy = br#"{"users":[],"targets":[],"bytes_out_max":1}"#;
        let body = |policy: &[u8], value: &[u8], length: usize| {
            let mut body = u32::try_from(policy.len()).unwrap().to_be_bytes().to_vec();
            body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(policy.iter().chain(value));
            body.resize(length, 0);
            body
        };
        assert!(read_body(&body(policy, b"v", 1024)).is_some());
        assert!(read_body(&body(policy, b"v", 2048)).is_none(), "another bucket than its own");
        assert!(read_body(&body(policy, b"", 1024)).is_none(), "no value");
        assert!(read_body(&body(b"{}", b"v", 1024)).is_none(), "no policy");
        let mut padding = body(policy, b"v", 1024);
        padding[1023] = 1;
        assert!(read_body(&padding).is_none(), "something in the padding");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000), begin in any::<bool>()) {
            let bytes = if begin { [MAGIC.as_slice(), &[FORMAT], &bytes].concat() } else { bytes };
            let _ = Envelope::parse(&bytes);
            let _ = read_body(&bytes);
        }
    }
}
