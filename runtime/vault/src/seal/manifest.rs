//! The manifest: a sealed file beside the key that says which version of which record is the current one.
//!
//! A record by itself can be authentic and old. The house stores the records, so the house (or whoever writes to its database) could put
//! an older one back, drop one or keep a removed one. The manifest lies where the house may not write; each change raises its generation.
//!
//! ```text
//! offset  bytes  what
//!      0      4  "HMAN"
//!      4      1  format, 1
//!      5     16  household
//!     21      1  slots: bit 0 passphrase, bit 1 recovery
//!     22     ..  passphrase slot: salt 16, memory in KiB 4, passes 4, lanes 4, nonce 24, vault key under the passphrase 48
//!             .. recovery slot: nonce 24, vault key under the recovery key 48
//!             24 nonce of the body
//!            ... body (JSON) under the manifest key, and its tag of 16 bytes; all before its nonce is bound
//! ```
//!
//! Slots are in clear because they are what opens the rest; being in one file with the body, they change with it or not at all.
//!
//! What it cannot do: somebody who can copy the key folder and the data folder together and put both back later gets the state of that
//! day, and nothing on this machine notices; that takes a counter outside of these files. A key bound to a TPM does not help
//! there, it only makes the copy worthless on another machine. An older manifest alone is noticed, by records that are ahead of it.

use std::collections::BTreeMap;

use hearth_domain::error::{Class, Classified};
use hearth_domain::ids::{MemberId, SecretId};
use hearth_domain::journal::check::Attested;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::codec::{Hex, Reader};
use super::crypto::{
    Cost, Entropy, EntropyError, KEY_BYTES, NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES, Wrapped, fresh, open_in_place, seal_in_place,
};
use super::keys::{Hierarchy, Household, MemberKeyOf};
use super::passphrase::{PassphraseSlot, Verifier};

/// Most bytes of a manifest.
pub const MANIFEST_MAX: usize = 8 * 1024 * 1024;
/// Most records that a vault keeps.
pub const RECORDS_MAX: usize = 10_000;
/// Most members, erased ones included.
pub const MEMBERS_MAX: usize = 1_000;
/// Most removed records that are remembered as such; an older one is reported as unknown.
pub const REMOVED_MAX: usize = 4_096;

const MAGIC: &[u8; 4] = b"HMAN";
const FORMAT: u8 = 1;
const PASSPHRASE: u8 = 1;
const RECOVERY: u8 = 2;

/// A version of a record, told apart from every other one that ever had the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stamp {
    pub(crate) version: u32,
    /// The generation of the manifest that announced it.
    pub(crate) generation: u64,
}

/// Where a record is between the vault and the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Phase {
    /// Announced for the first time; not known to be stored.
    Adding { next: Stamp },
    /// Stored.
    Stored { at: Stamp },
    /// Stored, and a newer version is announced.
    Changing { at: Stamp, next: Stamp },
    /// Stored, and about to be removed.
    Removing { at: Stamp },
}

/// A record as the manifest knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) owner: MemberId,
    pub(crate) phase: Phase,
}

impl Phase {
    /// The versions that may be used.
    pub(crate) fn good(self) -> impl Iterator<Item = Stamp> {
        let (at, next) = match self {
            Self::Adding { next } => (None, Some(next)),
            Self::Stored { at } | Self::Removing { at } => (Some(at), None),
            Self::Changing { at, next } => (Some(at), Some(next)),
        };
        at.into_iter().chain(next)
    }

    /// Whether the record may be absent.
    pub(crate) const fn may_miss(self) -> bool {
        matches!(self, Self::Adding { .. } | Self::Removing { .. })
    }
}

/// A member's key, wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberKey {
    pub(crate) generation: u32,
    pub(crate) wrapped: Wrapped,
}

/// A member's key over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum MemberState {
    /// One key.
    Live { key: MemberKey },
    /// Records are being wrapped anew; both open.
    Rekeying { old: MemberKey, new: MemberKey },
    /// The key is destroyed.
    Erased { generation: u32 },
}

/// What is sealed in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Raised by every change, never lowered.
    pub(crate) generation: u64,
    pub(crate) members: BTreeMap<MemberId, MemberState>,
    pub(crate) records: BTreeMap<SecretId, Entry>,
    /// Removed records and when.
    pub(crate) removed: BTreeMap<SecretId, u64>,
    pub(crate) owner: Option<Verifier>,
    /// What a recovery key is checked against.
    pub(crate) recovery: Option<Hex<KEY_BYTES>>,
    /// The newest end of the house's journal that was attested. A manifest of before there was this has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<Attested>,
}

impl Manifest {
    pub(crate) const fn new() -> Self {
        Self {
            generation: 1,
            members: BTreeMap::new(),
            records: BTreeMap::new(),
            removed: BTreeMap::new(),
            owner: None,
            recovery: None,
            journal: None,
        }
    }

    /// A copy to alter, one generation on. Generations do not run out: at a million changes a second they last half a million years.
    pub(crate) fn next(&self) -> Self {
        Self { generation: self.generation.saturating_add(1), ..self.clone() }
    }

    /// Forgets a record, remembering that it was removed.
    pub(crate) fn remove(&mut self, id: SecretId) {
        self.records.remove(&id);
        self.removed.insert(id, self.generation);
        while self.removed.len() > REMOVED_MAX {
            let Some(oldest) = self.removed.iter().min_by_key(|(_, generation)| **generation).map(|(id, _)| *id) else { return };
            self.removed.remove(&oldest);
        }
    }

    /// The same members with their keys under another hierarchy.
    pub(crate) fn rewrapped(
        &self,
        household: Household,
        from: &Hierarchy,
        to: &Hierarchy,
        entropy: &dyn Entropy,
    ) -> Result<Self, ManifestError> {
        let mut next = self.next();
        for (member, state) in &mut next.members {
            let again = |key: &MemberKey| {
                let of = MemberKeyOf { household, member: *member, generation: key.generation };
                let bare = from.unwrap_key(of, &key.wrapped).map_err(|_| ManifestError::Damaged)?;
                Ok::<_, ManifestError>(MemberKey { generation: key.generation, wrapped: to.wrap(of, &bare, entropy)? })
            };
            *state = match &*state {
                MemberState::Live { key } => MemberState::Live { key: again(key)? },
                MemberState::Rekeying { old, new } => MemberState::Rekeying { old: again(old)?, new: again(new)? },
                MemberState::Erased { generation } => MemberState::Erased { generation: *generation },
            };
        }
        Ok(next)
    }
}

/// What else opens the vault key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slots {
    pub(crate) passphrase: Option<PassphraseSlot>,
    pub(crate) recovery: Option<Wrapped>,
}

/// Why a manifest does not open.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It does not have the form of a manifest.
    #[error("the vault's manifest is damaged; put back the copy from a backup of the key folder")]
    Damaged,
    /// It was written by a newer program.
    #[error("the vault's manifest was written by a newer version of hearth; use that version, or restore a backup from before the upgrade")]
    Newer,
    /// Its seal does not open with this key: another key, or altered bytes.
    #[error("the vault's manifest does not open with this key: it belongs to another key, or was altered; nothing was changed")]
    WrongKey,
    /// More records than one file holds.
    #[error("the vault's manifest would exceed its {MANIFEST_MAX} bytes; remove secrets that are not used")]
    Full,
    /// No chance.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl Classified for ManifestError {
    fn class(&self) -> Class {
        match self {
            Self::Damaged | Self::Newer | Self::WrongKey | Self::Full => Class::Permanent,
            Self::Entropy(error) => error.class(),
        }
    }
}

/// The part of a manifest that is read without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub(crate) household: Household,
    pub(crate) slots: Slots,
}

impl Head {
    /// Reads the head of these bytes.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Damaged`] or [`ManifestError::Newer`].
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        parse(bytes).map(|file| file.head)
    }

    /// Which household the vault belongs to. Not yet believed.
    #[must_use]
    pub const fn household(&self) -> Household {
        self.household
    }

    /// The slot that a passphrase opens.
    #[must_use]
    pub const fn passphrase(&self) -> Option<&PassphraseSlot> {
        self.slots.passphrase.as_ref()
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(MAGIC);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.household.bytes());
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        bytes.push(bit(self.slots.passphrase.is_some(), PASSPHRASE) | bit(self.slots.recovery.is_some(), RECOVERY));
        if let Some(slot) = &self.slots.passphrase {
            bytes.extend_from_slice(&slot.salt);
            for number in [slot.cost.memory_kib, slot.cost.passes, slot.cost.lanes] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        for wrapped in self.slots.passphrase.iter().map(|slot| &slot.wrapped).chain(&self.slots.recovery) {
            bytes.extend_from_slice(&wrapped.nonce.0);
            bytes.extend_from_slice(&wrapped.sealed.0);
        }
        bytes
    }
}

struct File<'a> {
    head: Head,
    bound: &'a [u8],
    nonce: [u8; NONCE_BYTES],
    body: &'a [u8],
    tag: [u8; TAG_BYTES],
}

fn parse(bytes: &[u8]) -> Result<File<'_>, ManifestError> {
    let mut reader = Reader::new(bytes);
    if bytes.len() > MANIFEST_MAX || reader.array::<4>() != Some(*MAGIC) {
        return Err(ManifestError::Damaged);
    }
    match reader.u8() {
        Some(FORMAT) => parse_rest(bytes, reader).ok_or(ManifestError::Damaged),
        Some(format) if format > FORMAT => Err(ManifestError::Newer),
        Some(_) | None => Err(ManifestError::Damaged),
    }
}

fn parse_rest<'a>(bytes: &'a [u8], mut reader: Reader<'a>) -> Option<File<'a>> {
    let wrapped = |reader: &mut Reader<'_>| Some(Wrapped { nonce: Hex(reader.array()?), sealed: Hex(reader.array::<WRAPPED_BYTES>()?) });
    let household = Household::of(reader.array()?);
    let flags = reader.u8()?;
    if flags & !(PASSPHRASE | RECOVERY) != 0 {
        return None;
    }
    let mut slots = Slots::default();
    if flags & PASSPHRASE != 0 {
        let salt = reader.array()?;
        let cost = Cost { memory_kib: reader.u32()?, passes: reader.u32()?, lanes: reader.u32()? };
        let slot = PassphraseSlot { salt, cost, wrapped: wrapped(&mut reader)? };
        slots.passphrase = cost.computable().then_some(slot);
        slots.passphrase?;
    }
    if flags & RECOVERY != 0 {
        slots.recovery = Some(wrapped(&mut reader)?);
    }
    let bound = bytes.get(..bytes.len().checked_sub(reader.rest().len())?)?;
    let nonce = reader.array()?;
    let (body, tag) = reader.rest().split_last_chunk::<TAG_BYTES>()?;
    Some(File { head: Head { household, slots }, bound, nonce, body, tag: *tag })
}

/// The file of this manifest.
pub(crate) fn seal(head: &Head, manifest: &Manifest, keys: &Hierarchy, entropy: &dyn Entropy) -> Result<Vec<u8>, ManifestError> {
    let mut bytes = head.write();
    let nonce: [u8; NONCE_BYTES] = fresh(entropy)?;
    // It holds wrapped keys and digests, no bare secret; a map with keys of text always has a JSON form.
    let mut body = Zeroizing::new(serde_json::to_vec(manifest).map_err(|_| ManifestError::Damaged)?);
    let tag = seal_in_place(&keys.manifest, &nonce, &bytes, &mut body).ok_or(ManifestError::Full)?;
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&tag);
    if bytes.len() > MANIFEST_MAX { Err(ManifestError::Full) } else { Ok(bytes) }
}

/// What is in that file.
pub(crate) fn open(bytes: &[u8], keys: impl FnOnce(Household) -> Hierarchy) -> Result<(Head, Manifest, Hierarchy), ManifestError> {
    let file = parse(bytes)?;
    let keys = keys(file.head.household);
    let mut body = Zeroizing::new(file.body.to_vec());
    open_in_place(&keys.manifest, &file.nonce, file.bound, &mut body, &file.tag).map_err(|_| ManifestError::WrongKey)?;
    let manifest = serde_json::from_slice(&body).map_err(|_| ManifestError::Damaged)?;
    Ok((file.head, manifest, keys))
}

#[cfg(test)]
mod tests;
