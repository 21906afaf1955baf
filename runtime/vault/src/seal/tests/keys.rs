//! Member keys and the vault key: changed, erased, found again.

use super::check::RestoreError;
use super::members::MemberError;
use super::proof::OwnerProof;
use super::*;

fn proof(house: &House) -> OwnerProof {
    OwnerProof { household: house.seal.household() }
}

fn store(house: &mut House, records: Vec<SealedRecord>) {
    house.records.extend(records.into_iter().map(|record| (record.id, record)));
}

fn all_read(house: &House) -> bool {
    [("mail", "one"), ("calendar", "two"), ("bank", "three")].iter().all(|(name, text)| house.read(name).as_deref() == Ok(*text))
}

#[test]
fn a_member_s_key_is_changed_while_everything_stays_readable() {
    let mut house = House::with_secrets();
    let before = house.all();
    let wrapped = house.seal.begin_rekey(ada(), &before).unwrap();
    assert_eq!(wrapped.len(), 2);
    assert!(all_read(&house));
    assert!(matches!(house.seal.finish_rekey(ada(), &before), Err(MemberError::Left { left: 2 })));
    assert!(matches!(house.seal.finish_rekey(ada(), &wrapped[..1]), Err(MemberError::Left { left: 1 })));
    store(&mut house, wrapped);
    assert!(all_read(&house));
    let records = house.all();
    house.seal.finish_rekey(ada(), &records).unwrap();
    house.restart();
    assert!(all_read(&house));
    let old = before.iter().find(|record| record.id == id("mail")).unwrap();
    assert_eq!(text_of(&house.seal, old), Err(Trouble::KeyGone));
}

#[test]
fn a_change_of_a_member_s_key_goes_on_after_a_crash() {
    let mut house = House::with_secrets();
    let records = house.all();
    let wrapped = house.seal.begin_rekey(ada(), &records).unwrap();
    store(&mut house, wrapped.into_iter().take(1).collect());
    house.restart();
    assert!(all_read(&house));
    let records = house.all();
    let wrapped = house.seal.begin_rekey(ada(), &records).unwrap();
    assert_eq!(wrapped.len(), 1);
    store(&mut house, wrapped);
    let records = house.all();
    house.seal.finish_rekey(ada(), &records).unwrap();
    assert!(all_read(&house));
}

#[test]
fn an_erased_member_s_secrets_are_gone_and_nobody_else_s() {
    let mut house = House::with_secrets();
    let gone = house.seal.erase_member(ada()).unwrap();
    assert_eq!(gone.len(), 2);
    house.restart();
    assert_eq!(
        (house.read("mail"), house.read("calendar"), house.read("bank")),
        (Err(Trouble::Erased), Err(Trouble::Erased), Ok("three".to_owned()))
    );
    assert!(matches!(house.begin(ada(), "mail", "new"), Err(PutError::Erased)));
    let records = house.all();
    let proven = proof(&house);
    assert!(!house.seal.accept_restore(proven, &records).unwrap().usable.contains(&id("mail")), "no restore brings them back");
    let proven = proof(&house);
    house.seal.admit_again(proven, ada()).unwrap();
    assert_eq!(house.read("mail"), Err(Trouble::KeyGone));
    house.records.remove(&id("mail"));
    house.put(ada(), "mail", "new");
    assert_eq!(house.read("mail"), Ok("new".to_owned()));
}

#[test]
fn the_vault_key_is_rotated_and_a_crash_at_any_step_loses_nothing() {
    // Manifest at rest, key staged, manifest under the new key, key adopted.
    for (after, moment) in (0..5).flat_map(|after| [(after, Moment::Before), (after, Moment::After)]) {
        let mut house = House::with_secrets();
        let (old_key, fingerprints) = (house.memory.disk().key, *house.seal.fingerprint_key().expose_secret());
        house.memory.crash_in(after, moment);
        let proven = proof(&house);
        let rotated = house.seal.rotate_vault_key(proven, None);
        assert_eq!(rotated.as_ref().is_ok_and(|rotated| rotated.left.is_none()), after == 4, "{after} {moment:?}");
        house.memory.disk().crash = None;
        // It may go on without a restart, even with another rotation.
        assert!(all_read(&house));
        house.put(ada(), "more", "four");
        house.restart();
        assert!(all_read(&house), "{after} {moment:?}");
        let proven = proof(&house);
        house.seal.rotate_vault_key(proven, None).unwrap();
        house.restart();
        assert!(all_read(&house) && house.read("more").as_deref() == Ok("four"));
        assert_ne!(house.memory.disk().key, old_key);
        assert_ne!(*house.seal.fingerprint_key().expose_secret(), fingerprints);
    }
}

#[test]
fn two_rotations_in_a_row_with_failures_leave_one_key_that_opens() {
    for first in 0..4 {
        for second in 0..5 {
            for (one, two) in [
                (Moment::Before, Moment::Before),
                (Moment::After, Moment::Before),
                (Moment::Before, Moment::After),
                (Moment::After, Moment::After),
            ] {
                let mut house = House::with_secrets();
                for (after, moment) in [(first, one), (second, two)] {
                    house.memory.crash_in(after, moment);
                    let proven = proof(&house);
                    let _ = house.seal.rotate_vault_key(proven, None);
                }
                house.restart();
                assert!(all_read(&house), "{first} {one:?} {second} {two:?}");
            }
        }
    }
}

#[test]
fn a_backup_is_taken_by_an_explicit_act_alone() {
    let mut house = House::with_secrets();
    let backup = house.records.clone();
    house.put(ada(), "mail", "changed");
    house.put(ada(), "later", "four");
    let (changed, later) = (house.record("mail"), house.record("later"));
    house.records = backup;
    assert_eq!(house.check().troubles.len(), 2);
    let records = house.all();
    let elsewhere = proof(&House::new());
    assert!(matches!(house.seal.accept_restore(elsewhere, &records), Err(RestoreError::Proof(ProofError::Elsewhere))));
    assert_eq!(house.check().troubles.len(), 2);
    let proven = proof(&house);
    assert!(house.seal.accept_restore(proven, &records).unwrap().troubles.is_empty());
    house.restart();
    assert!(all_read(&house));
    assert_eq!(text_of(&house.seal, &changed), Err(Trouble::Ahead { expected: 1, found: 2 }));
    assert_eq!(text_of(&house.seal, &later), Err(Trouble::Removed));
    house.put(ada(), "mail", "one");
    assert!(all_read(&house));
}

#[test]
fn an_older_key_folder_is_taken_with_newer_records_and_no_stamp_is_drawn_twice() {
    let mut house = House::with_secrets();
    let before = house.memory.disk().manifest.clone();
    for round in 0..5 {
        house.put(ada(), "mail", &format!("round {round}"));
    }
    house.memory.disk().manifest = before;
    house.restart();
    let newest = house.seal.manifest.generation + 9;
    let records = house.all();
    let proven = proof(&house);
    assert!(house.seal.accept_restore(proven, &records).unwrap().troubles.is_empty());
    assert!(house.seal.generation() > newest);
    assert_eq!(house.read("mail"), Ok("round 4".to_owned()));
}

#[test]
fn an_attested_end_of_the_journal_goes_on_and_never_back_until_an_owner_takes_a_backup() {
    use hearth_domain::journal::{Digest, Head};
    use hearth_domain::time::Timestamp;

    let end = |seq: u64, text: &str| Attested { head: Head { seq, digest: Digest::of(text.as_bytes()) }, at: Timestamp::UNIX_EPOCH };
    let mut house = House::with_secrets();
    assert_eq!(house.seal.attested(), None);
    house.seal.attest(end(7, "a")).unwrap();
    for not_further in [end(6, "a"), end(7, "b"), end(7, "a")] {
        let generation = house.seal.generation();
        house.seal.attest(not_further).unwrap();
        assert_eq!((house.seal.attested(), house.seal.generation()), (Some(end(7, "a")), generation), "nothing is written");
    }
    house.restart();
    assert_eq!(house.seal.attested(), Some(end(7, "a")));
    house.memory.crash_in(0, Moment::Before);
    assert!(house.seal.attest(end(8, "c")).is_err());
    assert_eq!(house.seal.attested(), Some(end(7, "a")), "what was not written does not count");
    house.seal.attest(end(9, "d")).unwrap();
    house.put(ada(), "mail", "changed");
    assert_eq!(house.seal.attested(), Some(end(9, "d")));
    let (proven, records) = (proof(&house), house.all());
    house.seal.accept_restore(proven, &records).unwrap();
    assert_eq!(house.seal.attested(), None);
}
