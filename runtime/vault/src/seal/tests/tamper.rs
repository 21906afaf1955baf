//! What an attacker does to records at rest: bits, fields, versions, households.

use super::*;

/// Whether every secret but `id` is as it was.
fn others_are_well(house: &House, records: &[SealedRecord], id: SecretId) -> bool {
    let usable = house.seal.check_all(records).usable;
    house.records.keys().filter(|other| **other != id).all(|other| usable.contains(other))
}

fn refused(house: &House, altered: &SealedRecord) -> Trouble {
    let records: Vec<_> =
        house.records.values().map(|record| if record.id == altered.id { altered.clone() } else { record.clone() }).collect();
    assert!(others_are_well(house, &records, altered.id));
    let trouble = house.seal.open_record(altered).unwrap_err();
    assert!(house.seal.check_all(&records).troubles.iter().any(|finding| finding.id == altered.id && finding.trouble == trouble));
    trouble
}

#[test]
fn every_flipped_bit_of_an_envelope_is_refused() {
    let house = House::with_secrets();
    let record = house.record("mail");
    let mut count = BTreeMap::<Trouble, usize>::new();
    for bit in 0..record.envelope.len() * 8 {
        let mut altered = record.clone();
        altered.envelope[bit / 8] ^= 1 << (bit % 8);
        *count.entry(house.seal.open_record(&altered).unwrap_err()).or_default() += 1;
    }
    assert_eq!(count.remove(&Trouble::OtherHousehold), Some(16 * 8));
    assert_eq!(count.remove(&Trouble::KeyGone), Some(4 * 8));
    assert_eq!(count, [(Trouble::Damaged, (record.envelope.len() - 20) * 8)].into());
    assert_eq!(house.read("mail"), Ok("one".to_owned()));
}

#[test]
fn an_envelope_cut_or_continued_at_any_length_is_refused() {
    let house = House::with_secrets();
    let record = house.record("mail");
    for length in 0..record.envelope.len() {
        let altered = SealedRecord { envelope: record.envelope[..length].to_vec(), ..record.clone() };
        assert_eq!(house.seal.open_record(&altered).unwrap_err(), Trouble::Damaged);
    }
    for more in [1, 16, 1024, 2_000_000] {
        let mut altered = record.clone();
        altered.envelope.resize(record.envelope.len() + more, 0);
        assert_eq!(refused(&house, &altered), Trouble::Damaged);
    }
}

#[test]
fn every_field_of_another_record_is_refused() {
    let mut house = House::with_secrets();
    house.put(ada(), "calendar", "two, again");
    let (mail, calendar, bank) = (house.record("mail"), house.record("calendar"), house.record("bank"));
    for other in [&calendar, &bank] {
        let exchanged = [
            SealedRecord { envelope: other.envelope.clone(), ..mail.clone() },
            SealedRecord { name: other.name.clone(), ..mail.clone() },
            SealedRecord { version: other.version + 1, ..mail.clone() },
            SealedRecord { id: other.id, ..mail.clone() },
        ];
        for altered in exchanged {
            assert_eq!(house.seal.open_record(&altered).unwrap_err(), Trouble::Damaged);
        }
    }
    let stolen = SealedRecord { owner: ben(), ..mail.clone() };
    assert_eq!(refused(&house, &stolen), Trouble::Damaged);
    let unheard = SealedRecord { owner: Member::id_of("Eve"), ..mail };
    assert_eq!(refused(&house, &unheard), Trouble::Unknown);
}

#[test]
fn parts_of_two_envelopes_do_not_go_together() {
    let mut house = House::with_secrets();
    let (mail, calendar) = (house.record("mail"), house.record("calendar"));
    let older = house.record("mail");
    let newer = house.put(ada(), "mail", "newer");
    // The layout of `envelope`: each part alone, and each beginning.
    let parts = [21..29, 29..33, 33..57, 57..105, 105..129, 129..1153, 1153..1169, 33..105, 105..1169, 129..400, 400..1153, 21..105];
    for from in [&calendar, &older] {
        for part in &parts {
            let mut altered = newer.clone();
            altered.envelope[part.clone()].copy_from_slice(&from.envelope[part.clone()]);
            let same = altered.envelope == newer.envelope;
            assert!(same || house.seal.open_record(&altered).is_err(), "{part:?}");
        }
    }
    assert_eq!(text_of(&house.seal, &mail), Err(Trouble::RolledBack { expected: 2, found: 1 }));
}

#[test]
fn an_older_version_that_is_put_back_is_refused() {
    let mut house = House::with_secrets();
    let older = house.record("mail");
    let current = house.put(ada(), "mail", "changed");
    assert_eq!(refused(&house, &older), Trouble::RolledBack { expected: 2, found: 1 });
    let relabelled = SealedRecord { version: 2, ..older };
    assert_eq!(refused(&house, &relabelled), Trouble::Damaged);
    assert_eq!(text_of(&house.seal, &current), Ok("changed".to_owned()));
}

#[test]
fn a_version_that_was_given_up_does_not_pass_for_the_one_that_took_its_number() {
    let mut house = House::with_secrets();
    let given_up = house.begin(ada(), "mail", "given up").unwrap();
    house.seal.abandon_put(given_up.id).unwrap();
    assert_eq!(text_of(&house.seal, &given_up), Err(Trouble::Ahead { expected: 1, found: 2 }));
    let current = house.put(ada(), "mail", "current");
    assert_eq!(current.version, given_up.version);
    assert_eq!(text_of(&house.seal, &given_up), Err(Trouble::RolledBack { expected: 2, found: 2 }));
    assert_eq!(text_of(&house.seal, &current), Ok("current".to_owned()));
}

#[test]
fn a_removed_secret_does_not_come_back_and_its_name_can_be_used_again() {
    let mut house = House::with_secrets();
    let removed = house.record("mail");
    house.seal.begin_remove(removed.id).unwrap();
    assert_eq!(house.read("mail"), Ok("one".to_owned()));
    house.records.remove(&removed.id);
    house.seal.finish_remove(removed.id).unwrap();
    assert_eq!(text_of(&house.seal, &removed), Err(Trouble::Removed));
    let again = house.put(ada(), "mail", "again");
    assert_eq!((again.id, again.version), (removed.id, removed.version));
    assert_eq!(text_of(&house.seal, &removed), Err(Trouble::RolledBack { expected: 1, found: 1 }));
    assert_eq!(house.read("mail"), Ok("again".to_owned()));
}

#[test]
fn records_of_another_household_are_refused() {
    let (mut house, other) = (House::with_secrets(), House::with_secrets());
    assert_eq!(refused(&house, &other.record("mail")), Trouble::OtherHousehold);
    let mut dressed = other.record("mail");
    dressed.envelope[5..21].copy_from_slice(&house.seal.household().bytes());
    assert_eq!(refused(&house, &dressed), Trouble::Damaged);
    let stranger = other.record("bank");
    house.records.remove(&stranger.id);
    assert!(house.seal.check_all(&[stranger]).usable.is_empty());
}

#[test]
fn a_missing_and_an_unknown_record_are_reported_one_by_one() {
    let mut house = House::with_secrets();
    let unknown = {
        let before = house.memory.disk().manifest.clone().unwrap();
        let record = house.put(ada(), "later", "four");
        house.memory.disk().manifest = Some(before);
        house.restart();
        record
    };
    house.records.remove(&id("mail"));
    let mut troubles: Vec<_> = house.check().troubles.into_iter().map(|finding| (finding.id, finding.trouble)).collect();
    troubles.sort();
    let mut expected = vec![(unknown.id, Trouble::Unknown), (id("mail"), Trouble::Missing)];
    expected.sort();
    assert_eq!(troubles, expected);
    assert_eq!(house.check().usable, [id("calendar"), id("bank")].into());
}

#[test]
fn an_older_manifest_is_noticed_by_records_that_are_ahead() {
    let mut house = House::with_secrets();
    let before = house.memory.disk().manifest.clone();
    house.put(ada(), "mail", "changed");
    house.memory.disk().manifest = before;
    house.restart();
    assert_eq!(house.read("mail"), Err(Trouble::Ahead { expected: 1, found: 2 }));
    assert_eq!(house.read("bank"), Ok("three".to_owned()));
}
