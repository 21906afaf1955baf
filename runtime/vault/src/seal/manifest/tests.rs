use proptest::prelude::*;

use super::*;
use crate::seal::crypto::{Key, SystemEntropy};
use crate::seal::keys::VaultKey;
use crate::seal::passphrase::SALT_BYTES;

fn file(slots: Slots) -> (VaultKey, Vec<u8>) {
    let (key, household) = (VaultKey(Key::copied(&[1; KEY_BYTES])), Household::of([2; 16]));
    let mut manifest = Manifest::new();
    let at = Stamp { version: 3, generation: 9 };
    let entry = Entry { owner: MemberId::derived(&["ada"]), phase: Phase::Stored { at } };
    manifest.records.insert(SecretId::derived(&["mail"]), entry);
    let bytes = seal(&Head { household, slots }, &manifest, &key.hierarchy(household), &SystemEntropy).unwrap();
    (key, bytes)
}

fn slots() -> [Slots; 3] {
    let wrapped = Wrapped { nonce: Hex([5; NONCE_BYTES]), sealed: Hex([6; WRAPPED_BYTES]) };
    let passphrase = PassphraseSlot { salt: [4; SALT_BYTES], cost: Cost::FLOOR, wrapped };
    [Slots::default(), Slots { recovery: Some(wrapped), passphrase: None }, Slots { recovery: Some(wrapped), passphrase: Some(passphrase) }]
}

fn opened(key: &VaultKey, bytes: &[u8]) -> Result<(Head, Manifest), ManifestError> {
    open(bytes, |household| key.hierarchy(household)).map(|(head, manifest, _)| (head, manifest))
}

#[test]
fn a_manifest_is_read_back() {
    for slots in slots() {
        let (key, bytes) = file(slots);
        let (head, manifest) = opened(&key, &bytes).unwrap();
        assert_eq!(head, Head::read(&bytes).unwrap());
        assert_eq!((head.slots, manifest.records.len()), (slots, 1));
        let other = VaultKey(Key::copied(&[9; KEY_BYTES]));
        assert!(matches!(opened(&other, &bytes), Err(ManifestError::WrongKey)));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_manifest_is_refused() {
    let (key, bytes) = file(slots()[2]);
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&key, &altered).is_err(), "bit {bit}");
    }
    assert!((0..bytes.len()).all(|length| opened(&key, &bytes[..length]).is_err()));
    assert!(opened(&key, &[bytes.as_slice(), b"x"].concat()).is_err());
}

#[test]
fn a_newer_format_and_an_endless_file_are_told_apart_from_damage() {
    let (key, mut bytes) = file(Slots::default());
    bytes[4] = FORMAT + 1;
    assert!(matches!(opened(&key, &bytes), Err(ManifestError::Newer)));
    bytes[4] = FORMAT;
    bytes.resize(MANIFEST_MAX + 1, 0);
    assert!(matches!(opened(&key, &bytes), Err(ManifestError::Damaged)));
}

#[test]
fn an_altered_cost_does_not_make_the_vault_ask_for_all_memory() {
    let (_, bytes) = file(slots()[2]);
    // Memory, passes and lanes of the passphrase's slot.
    for at in [38, 42, 46] {
        let mut altered = bytes.clone();
        altered[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(Head::read(&altered), Err(ManifestError::Damaged)));
    }
}

#[test]
fn removed_records_are_remembered_up_to_a_bound_and_the_oldest_goes_first() {
    let mut manifest = Manifest::new();
    let id = |count: usize| SecretId::derived(&[&count.to_string()]);
    for count in 0..=REMOVED_MAX {
        manifest.generation += 1;
        manifest.remove(id(count));
    }
    assert_eq!(manifest.removed.len(), REMOVED_MAX);
    assert!(!manifest.removed.contains_key(&id(0)) && manifest.removed.contains_key(&id(REMOVED_MAX)));
}

#[test]
fn as_many_records_as_are_allowed_fit_into_a_file() {
    let (key, household) = (VaultKey(Key::copied(&[1; KEY_BYTES])), Household::of([2; 16]));
    let keys = key.hierarchy(household);
    let mut manifest = Manifest { generation: u64::MAX - 1, ..Manifest::new() };
    let stamp = Stamp { version: u32::MAX, generation: u64::MAX };
    for count in 0..RECORDS_MAX {
        let entry = Entry { owner: MemberId::derived(&["ada"]), phase: Phase::Changing { at: stamp, next: stamp } };
        manifest.records.insert(SecretId::derived(&[&count.to_string()]), entry);
    }
    for count in 0..REMOVED_MAX {
        manifest.removed.insert(SecretId::derived(&["removed", &count.to_string()]), u64::MAX);
    }
    let key = MemberKey { generation: u32::MAX, wrapped: slots()[1].recovery.unwrap() };
    for count in 0..MEMBERS_MAX {
        manifest.members.insert(MemberId::derived(&[&count.to_string()]), MemberState::Rekeying { old: key, new: key });
    }
    let bytes = seal(&Head { household, slots: slots()[2] }, &manifest, &keys, &SystemEntropy).unwrap();
    assert!(bytes.len() < MANIFEST_MAX, "{}", bytes.len());
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), begin in any::<bool>()) {
        let bytes = if begin { [MAGIC.as_slice(), &[FORMAT], &bytes].concat() } else { bytes };
        let _ = Head::read(&bytes);
        prop_assert!(opened(&VaultKey(Key::copied(&[1; KEY_BYTES])), &bytes).is_err());
        let _ = serde_json::from_slice::<Manifest>(&bytes);
    }
}
