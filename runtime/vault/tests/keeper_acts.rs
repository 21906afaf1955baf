//! The rare acts of an owner: a restored backup, keys that are replaced or destroyed, records that nothing opens.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "in a test a failure is the message")]

#[path = "egress/support.rs"]
#[expect(dead_code, reason = "shared with the broker's own tests")]
mod net;
#[path = "keeper/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the gate")]
mod support;

use std::collections::BTreeSet;

use hearth_domain::ids::MemberId;
use hearth_domain::secret::SealedRecord;
use hearth_domain::vault::Tell;
use hearth_vault::keeper::change::{Begun, ChangeError};
use hearth_vault::keeper::member::BATCH_MAX;
use hearth_vault::seal::PutError;
use hearth_vault::seal::crypto::{Cost, SystemEntropy};
use hearth_vault::seal::members::MemberError;
use hearth_vault::seal::passphrase::Verifier;
use hearth_vault::seal::proof::{OwnerProof, ProofError};
use hearth_vault::seal::recovery::RecoveryKey;
use secrecy::{ExposeSecret as _, SecretString};
use support::{VALUE, Vault, name, owner, policy, value};
use uuid::Uuid;

const NEWER: &str = "sk-newer-8Wq0zR4tYb6Vn2";

fn words() -> SecretString {
    SecretString::from("correct horse battery")
}

fn ben() -> MemberId {
    MemberId::from_uuid(Uuid::from_u128(78))
}

/// A vault with an owner, and one secret.
fn vault() -> Vault {
    let mut vault = Vault::new();
    vault.keeper.set_owner(Verifier::new(&words(), Cost::FLOOR, &SystemEntropy).unwrap()).unwrap();
    vault.add("key", VALUE, policy("key", &[]));
    vault
}

fn proof(vault: &Vault) -> OwnerProof {
    let compared = vault.keeper.attempt().unwrap().passphrase(&words()).unwrap();
    vault.keeper.judge(&compared).unwrap()
}

fn add_of(vault: &mut Vault, member: MemberId, secret: &str, text: &str) {
    let begun = vault.keeper.begin_add(&name(secret), member, policy(secret, &[]), &value(text)).unwrap();
    vault.store(begun).unwrap();
}

fn rotate(vault: &mut Vault, text: &str) {
    let begun = vault.keeper.begin_rotate(&name("key"), &value(text)).unwrap();
    vault.store(begun).unwrap();
}

/// The house lost what it was told.
fn lose(vault: &Vault, begun: Begun) -> Result<(), ChangeError> {
    let Begun { write, mut done } = begun;
    let Tell::Write { ticket, .. } = write else { panic!("not a write") };
    vault.keeper.written(ticket, false);
    done.try_recv().unwrap()
}

fn found(vault: &Vault, text: &str) -> bool {
    !vault.keeper.look(text).is_empty()
}

fn names(vault: &Vault) -> Vec<String> {
    vault.keeper.list().iter().map(|secret| secret.name.to_string()).collect()
}

fn restarted(vault: Vault) -> Vault {
    let (vault, findings) = vault.restarted();
    assert!(findings.is_empty(), "{findings:?}");
    vault
}

fn record<'a>(vault: &'a Vault, secret: &str) -> &'a SealedRecord {
    vault.stored.iter().find(|record| record.name == name(secret)).unwrap()
}

#[test]
fn a_restored_backup_counts_once_the_owner_says_so_and_damaged_records_never() {
    let mut vault = vault();
    vault.add("two", "another one 8273", policy("two", &[]));
    let mut backup = vault.stored.clone();
    rotate(&mut vault, NEWER);
    vault.add("late", "a late one 99182", policy("late", &[]));
    backup.iter_mut().find(|record| record.name == name("two")).unwrap().envelope[200] ^= 1;
    vault.stored = backup;
    let (mut vault, findings) = vault.restarted();
    assert_eq!((findings.len(), vault.keeper.troubled().len(), names(&vault).len()), (3, 3, 0), "{findings:?}");
    let missing = vault.keeper.troubled().into_iter().find(|troubled| troubled.name.is_none()).unwrap();
    assert!(missing.sentence.contains("is gone"), "{}", missing.sentence);
    let restored = vault.keeper.accept_restore(proof(&vault)).unwrap();
    assert_eq!((restored.usable, restored.regained, restored.troubled.len()), (1, 1, 1));
    assert_eq!(restored.troubled[0].name, Some(name("two")));
    assert!(found(&vault, VALUE) && !found(&vault, NEWER));
    // It is as if there had been nothing else: changes go on, and so does the next start.
    rotate(&mut vault, "sk-third-51Jq9x2Lm0");
    let (vault, findings) = vault.restarted();
    assert_eq!((findings.len(), names(&vault)), (1, vec!["key".to_owned()]));
}

#[test]
fn a_restore_waits_until_no_change_is_under_way() {
    let mut vault = vault();
    let begun = vault.keeper.begin_rotate(&name("key"), &value(NEWER)).unwrap();
    assert!(matches!(vault.keeper.accept_restore(proof(&vault)), Err(ChangeError::Underway)));
    vault.store(begun).unwrap();
    assert_eq!(vault.keeper.accept_restore(proof(&vault)).unwrap().regained, 0);
    assert!(found(&restarted(vault), NEWER));
}

#[test]
fn a_new_vault_key_changes_no_record_and_no_change_under_way_notices_it() {
    let mut vault = vault();
    let before = vault.stored.clone();
    let begun = vault.keeper.begin_rotate(&name("key"), &value(NEWER)).unwrap();
    let file = vault.folder.path().join("keys/vault.key");
    let old_key = std::fs::read(&file).unwrap();
    let kit = vault.keeper.rotate_key(proof(&vault), None).unwrap();
    assert_eq!(vault.stored, before);
    assert_ne!(std::fs::read(&file).unwrap(), old_key);
    assert!(found(&vault, VALUE));
    vault.store(begun).unwrap();
    let vault = restarted(vault);
    assert!(found(&vault, NEWER) && !found(&vault, VALUE));
    // The kit that came with it proves the owner, and a newer one makes it void.
    let line = kit.expose_secret().lines().find_map(|line| line.strip_prefix("Recovery key:")).unwrap().trim().to_owned();
    let key = RecoveryKey::read(&SecretString::from(line)).unwrap();
    let compared = vault.keeper.attempt().unwrap().recovery(&key);
    let proven = vault.keeper.judge(&compared).unwrap();
    vault.keeper.new_recovery(proven).unwrap();
    let compared = vault.keeper.attempt().unwrap().recovery(&key);
    assert!(matches!(vault.keeper.judge(&compared), Err(ChangeError::Proof(ProofError::Wrong))));
}

#[test]
fn a_vault_that_opens_by_itself_has_no_passphrase_to_change() {
    let vault = vault();
    let under = hearth_vault::seal::passphrase::PassphraseKey::new(&words(), Cost::FLOOR, &SystemEntropy).unwrap();
    assert!(matches!(vault.keeper.change_passphrase(proof(&vault), &under), Err(ChangeError::NoPassphrase)));
    assert!(vault.keeper.passphrase_slot().is_none());
}

/// Many secrets of one member and one of another.
fn crowd() -> Vault {
    let mut vault = Vault::new();
    for n in 0..BATCH_MAX + 10 {
        vault.add(&format!("s{n}"), &format!("value-{n}-Hd02nPzx71LmWv"), policy("s", &[]));
    }
    add_of(&mut vault, ben(), "bens", "another one 8273");
    vault
}

fn all_there(vault: &Vault) {
    assert_eq!((names(vault).len(), vault.keeper.troubled().len()), (BATCH_MAX + 11, 0));
    for n in [0, 7, BATCH_MAX, BATCH_MAX + 9] {
        assert!(found(vault, &format!("value-{n}-Hd02nPzx71LmWv")), "{n}");
    }
}

#[test]
fn a_member_s_records_are_put_under_a_new_key_batch_by_batch_and_a_crash_anywhere_loses_nothing() {
    let mut vault = crowd();
    let before = vault.stored.clone();
    // Killed after the house stored the first batch, then before it stored the second.
    let begun = vault.keeper.begin_rekey(owner()).unwrap().unwrap();
    all_there(&vault);
    let Tell::Write { put, .. } = begun.write else { panic!("not a write") };
    assert_eq!(put.len(), BATCH_MAX);
    let ids: BTreeSet<_> = put.iter().map(|record| record.id).collect();
    vault.stored.retain(|record| !ids.contains(&record.id));
    vault.stored.extend(put);
    vault = restarted(vault);
    all_there(&vault);
    let begun = vault.keeper.begin_rekey(owner()).unwrap().unwrap();
    let Tell::Write { put, .. } = &begun.write else { panic!("not a write") };
    assert_eq!(put.len(), 10, "it goes on where it stopped");
    assert!(matches!(vault.keeper.finish_rekey(owner()), Err(ChangeError::Member(MemberError::Left { left: 10 }))));
    assert!(matches!(lose(&vault, begun), Err(ChangeError::NotStored)));
    vault = restarted(vault);
    all_there(&vault);
    while let Some(begun) = vault.keeper.begin_rekey(owner()).unwrap() {
        vault.store(begun).unwrap();
        all_there(&vault);
    }
    vault.keeper.finish_rekey(owner()).unwrap();
    vault = restarted(vault);
    all_there(&vault);
    let versions: BTreeSet<u32> = vault.stored.iter().map(|record| record.version).collect();
    assert_eq!(versions, BTreeSet::from([1]), "the content is the same");
    // What the house had before is worth nothing any more, but for the other member's.
    vault.stored = before;
    let (vault, findings) = vault.restarted();
    assert_eq!((findings.len(), names(&vault)), (BATCH_MAX + 10, vec!["bens".to_owned()]));
}

#[test]
fn within_a_batch_its_secrets_are_used_and_not_changed() {
    let mut vault = vault();
    let begun = vault.keeper.begin_rekey(owner()).unwrap().unwrap();
    assert!(found(&vault, VALUE));
    assert!(matches!(vault.keeper.begin_rotate(&name("key"), &value(NEWER)), Err(ChangeError::Underway)));
    assert!(matches!(vault.keeper.begin_revoke(&name("key")), Err(ChangeError::Underway)));
    vault.store(begun).unwrap();
    rotate(&mut vault, NEWER);
    assert!(vault.keeper.begin_rekey(owner()).unwrap().is_none(), "a new version is under the new key");
    vault.keeper.finish_rekey(owner()).unwrap();
    assert!(found(&restarted(vault), NEWER));
}

#[test]
fn a_secret_on_its_way_to_the_house_keeps_the_old_key_alive() {
    let mut vault = vault();
    let adding = vault.keeper.begin_add(&name("two"), owner(), policy("two", &[]), &value("another one 8273")).unwrap();
    while let Some(begun) = vault.keeper.begin_rekey(owner()).unwrap() {
        vault.store(begun).unwrap();
    }
    assert!(matches!(vault.keeper.finish_rekey(owner()), Err(ChangeError::Member(MemberError::Left { left: 1 }))));
    vault.store(adding).unwrap();
    while let Some(begun) = vault.keeper.begin_rekey(owner()).unwrap() {
        vault.store(begun).unwrap();
    }
    vault.keeper.finish_rekey(owner()).unwrap();
    assert_eq!(names(&restarted(vault)), ["key", "two"]);
}

#[test]
fn no_key_is_replaced_over_records_in_trouble() {
    let mut vault = vault();
    let backup = vault.stored.clone();
    rotate(&mut vault, NEWER);
    vault.stored = backup;
    let (mut vault, _) = vault.restarted();
    assert!(matches!(vault.keeper.begin_rekey(owner()), Err(ChangeError::Troubled)));
    vault.keeper.accept_restore(proof(&vault)).unwrap();
    let begun = vault.keeper.begin_rekey(owner()).unwrap().unwrap();
    vault.store(begun).unwrap();
    vault.keeper.finish_rekey(owner()).unwrap();
    assert!(matches!(vault.keeper.begin_rekey(ben()), Err(ChangeError::Member(MemberError::Unknown))));
}

#[test]
fn an_erased_member_s_secrets_are_gone_from_house_and_guard_and_nobody_else_s() {
    let mut vault = vault();
    rotate(&mut vault, NEWER);
    add_of(&mut vault, ben(), "bens", "another one 8273");
    assert!(found(&vault, VALUE), "an older value is guarded for a while");
    let adding = vault.keeper.begin_add(&name("two"), owner(), policy("two", &[]), &value("a late one 99182")).unwrap();
    assert!(matches!(vault.keeper.begin_erase(owner(), &proof(&vault)), Err(ChangeError::Underway)));
    vault.store(adding).unwrap();
    let backup = vault.stored.clone();
    let erased = vault.keeper.begin_erase(owner(), &proof(&vault)).unwrap();
    assert_eq!((erased.records, names(&vault)), (2, vec!["bens".to_owned()]));
    assert!(!found(&vault, VALUE) && !found(&vault, NEWER) && found(&vault, "another one 8273"));
    vault.store(erased.begun.unwrap()).unwrap();
    assert_eq!(vault.stored.len(), 1);
    let mut vault = restarted(vault);
    let again = vault.keeper.begin_add(&name("key"), owner(), policy("key", &[]), &value(NEWER));
    assert!(matches!(again, Err(ChangeError::Put(PutError::Erased))));
    vault.keeper.admit(owner(), proof(&vault)).unwrap();
    vault.add("key", "sk-third-51Jq9x2Lm0", policy("key", &[]));
    vault.stored.extend(backup.into_iter().filter(|record| record.owner == owner()));
    let (vault, findings) = vault.restarted();
    assert_eq!((findings.len(), names(&vault).len()), (2, 2), "no backup brings them back: {findings:?}");
}

#[test]
fn who_was_removed_from_the_household_has_no_key_any_more_and_their_secrets_are_not_missed() {
    let mut vault = vault();
    add_of(&mut vault, ben(), "bens", "another one 8273");
    let backup = vault.stored.clone();
    // The house has removed the records by itself.
    vault.stored.retain(|record| record.owner == ben());
    assert!(vault.keeper.part_from(&BTreeSet::from([owner()])).is_empty());
    assert_eq!((names(&vault), vault.keeper.census().parting), (vec!["bens".to_owned()], 0));
    assert!(!found(&vault, VALUE) && found(&vault, "another one 8273"));
    assert!(vault.keeper.part_from(&BTreeSet::from([owner(), MemberId::from_uuid(Uuid::from_u128(79))])).is_empty(), "once is enough");
    let mut vault = restarted(vault);
    let again = vault.keeper.begin_add(&name("key"), owner(), policy("key", &[]), &value(NEWER));
    assert!(matches!(again, Err(ChangeError::Put(PutError::Erased))));
    vault.stored = backup;
    let (vault, findings) = vault.restarted();
    assert_eq!((findings.len(), names(&vault)), (1, vec!["bens".to_owned()]), "no backup brings them back: {findings:?}");
}

#[test]
fn a_vault_that_is_sealed_destroys_the_key_of_who_was_removed_when_it_is_opened() {
    let Vault { keeper: before, clock, ids, stored, folder } = vault();
    // It has the key folder for itself.
    drop(before);
    let keeper = support::keeper(&clock, &ids);
    assert!(keeper.part_from(&BTreeSet::from([owner()])).is_empty());
    assert!(keeper.load(stored).is_empty());
    assert!(keeper.open(support::opened(folder.path().join("keys"))).is_empty(), "what is keyless is nothing to speak of");
    assert!(keeper.list().is_empty() && keeper.troubled().is_empty());
    assert_eq!(keeper.census().parting, 0);
}

#[test]
fn records_that_the_house_could_not_remove_are_forgotten_later() {
    let mut vault = vault();
    let erased = vault.keeper.begin_erase(owner(), &proof(&vault)).unwrap();
    assert!(matches!(lose(&vault, erased.begun.unwrap()), Err(ChangeError::Remains)));
    assert_eq!(vault.keeper.troubled().len(), 1);
    let begun = vault.keeper.begin_forget("key").unwrap();
    assert!(matches!(lose(&vault, begun), Err(ChangeError::NotStored)));
    let begun = vault.keeper.begin_forget("key").unwrap();
    vault.store(begun).unwrap();
    assert!(vault.stored.is_empty() && vault.keeper.troubled().is_empty());
    restarted(vault);
}

#[test]
fn what_does_not_open_is_shown_and_forgotten_and_the_rest_stays() {
    let mut vault = vault();
    let mut foreign = self::vault().stored;
    vault.add("two", "another one 8273", policy("two", &[]));
    vault.add("gone", "a late one 99182", policy("gone", &[]));
    let (key, two) = (record(&vault, "key").clone(), record(&vault, "two").id);
    // Damaged, of another house (under an id of its own), and missing.
    vault.stored.retain(|record| record.name != name("gone"));
    vault.stored.iter_mut().find(|record| record.id == two).unwrap().envelope[200] ^= 1;
    foreign[0].id = hearth_domain::ids::SecretId::derived(&["foreign"]);
    foreign[0].name = name("two");
    vault.stored.append(&mut foreign);
    let (mut vault, findings) = vault.restarted();
    let troubled = vault.keeper.troubled();
    assert_eq!((findings.len(), troubled.len(), names(&vault)), (3, 3, vec!["key".to_owned()]), "{findings:?}");
    assert!(matches!(vault.keeper.begin_forget("key"), Err(ChangeError::Usable)));
    assert!(matches!(vault.keeper.begin_forget(&key.id.to_string()), Err(ChangeError::Usable)));
    assert!(matches!(vault.keeper.begin_forget("nothing"), Err(ChangeError::NotInTrouble)));
    assert!(matches!(vault.keeper.begin_forget("two"), Err(ChangeError::Ambiguous)));
    for troubled in troubled {
        let begun = vault.keeper.begin_forget(&troubled.id.to_string()).unwrap();
        vault.store(begun).unwrap();
    }
    assert_eq!(vault.stored, [key]);
    let mut vault = restarted(vault);
    vault.add("two", "another one 8273", policy("two", &[]));
    assert_eq!(names(&vault), ["key", "two"]);
}

#[test]
fn a_name_that_two_records_have_is_shown_and_the_second_can_be_forgotten() {
    let mut vault = vault();
    let old = vault.stored.clone();
    let begun = vault.keeper.begin_revoke(&name("key")).unwrap();
    vault.store(begun).unwrap();
    vault.add("key", NEWER, policy("key", &[]));
    vault.stored.extend(old.clone());
    let (vault, _) = vault.restarted();
    vault.keeper.accept_restore(proof(&vault)).unwrap();
    let (mut vault, findings) = vault.restarted();
    assert!(findings[0].contains("two secrets of this name"), "{findings:?}");
    let troubled = vault.keeper.troubled();
    let begun = vault.keeper.begin_forget("key").unwrap();
    vault.store(begun).unwrap();
    assert!(vault.stored.iter().all(|record| record.id != troubled[0].id));
    assert_eq!(names(&restarted(vault)), ["key"]);
}
