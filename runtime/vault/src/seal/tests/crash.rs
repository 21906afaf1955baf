//! Every boundary of a change: what is on the disk opens with the old state or the new one.

use super::*;

/// The acts of a change, in order; a crash may come within each that writes a manifest, or after any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Begin,
    Store,
    Finish,
}

const ACTS: [Act; 3] = [Act::Begin, Act::Store, Act::Finish];

/// Where it stops: within an act (before or after its write) or after it.
fn stops() -> Vec<(Act, Option<Moment>)> {
    let mut stops = Vec::new();
    for act in ACTS {
        if act != Act::Store {
            stops.extend([(act, Some(Moment::Before)), (act, Some(Moment::After))]);
        }
        stops.push((act, None));
    }
    stops
}

/// Does the acts up to the stop, then restarts.
fn until(house: &mut House, stop: (Act, Option<Moment>), mut act: impl FnMut(&mut House, Act) -> bool) {
    for step in ACTS {
        if let (true, Some(moment)) = (step == stop.0, stop.1) {
            house.memory.crash_in(0, moment);
            assert!(!act(house, step), "a failed write is an error");
            break;
        }
        assert!(act(house, step));
        if step == stop.0 {
            break;
        }
    }
    house.restart();
}

#[test]
fn a_change_that_stops_anywhere_opens_with_the_old_or_the_new_value() {
    for stop in stops() {
        let (mut house, mut new) = (House::with_secrets(), None);
        let old = house.record("mail");
        until(&mut house, stop, |house, act| match act {
            Act::Begin => {
                new = house.begin(ada(), "mail", "new").ok();
                new.is_some()
            }
            Act::Store => house.records.insert(id("mail"), new.clone().unwrap()).is_some(),
            Act::Finish => house.seal.finish_put(id("mail")).is_ok(),
        });
        let stored = matches!(stop, (Act::Store | Act::Finish, _));
        let expected = Ok(if stored { "new" } else { "one" }.to_owned());
        assert_eq!(house.read("mail"), expected, "{stop:?}");
        for _ in 0..2 {
            assert_eq!(house.settle(), Findings { usable: house.records.keys().copied().collect(), troubles: vec![] });
            assert_eq!(house.read("mail"), expected, "{stop:?}");
        }
        // At rest there is one version only.
        let other = if stored { Some(old) } else { new };
        assert!(other.is_none_or(|other| house.seal.open_record(&other).is_err()), "{stop:?}");
        house.put(ada(), "mail", "newest");
        assert_eq!(house.read("mail"), Ok("newest".to_owned()));
    }
}

#[test]
fn a_first_put_that_stops_anywhere_leaves_the_secret_or_nothing() {
    for stop in stops() {
        let (mut house, mut new) = (House::with_secrets(), None);
        until(&mut house, stop, |house, act| match act {
            Act::Begin => {
                new = house.begin(Member::id_of("Cleo"), "first", "new").ok();
                new.is_some()
            }
            Act::Store => house.records.insert(id("first"), new.clone().unwrap()).is_none(),
            Act::Finish => house.seal.finish_put(id("first")).is_ok(),
        });
        let stored = matches!(stop, (Act::Store | Act::Finish, _));
        assert_eq!(house.settle(), Findings { usable: house.records.keys().copied().collect(), troubles: vec![] }, "{stop:?}");
        assert_eq!(house.records.contains_key(&id("first")), stored);
        house.put(Member::id_of("Cleo"), "first", "newest");
        assert_eq!(house.read("first"), Ok("newest".to_owned()));
        assert!(house.check().troubles.is_empty());
    }
}

#[test]
fn a_removal_that_stops_anywhere_leaves_the_secret_or_nothing() {
    for stop in stops() {
        let mut house = House::with_secrets();
        let old = house.record("mail");
        until(&mut house, stop, |house, act| match act {
            Act::Begin => house.seal.begin_remove(id("mail")).is_ok(),
            Act::Store => house.records.remove(&id("mail")).is_some(),
            Act::Finish => house.seal.finish_remove(id("mail")).is_ok(),
        });
        let removed = matches!(stop, (Act::Store | Act::Finish, _));
        assert_eq!(house.settle(), Findings { usable: house.records.keys().copied().collect(), troubles: vec![] }, "{stop:?}");
        assert_eq!(text_of(&house.seal, &old).ok(), (!removed).then(|| "one".to_owned()), "{stop:?}");
    }
}

#[test]
fn a_damaged_record_ends_no_change() {
    let mut house = House::with_secrets();
    let mut new = house.begin(ada(), "mail", "new").unwrap();
    let good = new.clone();
    new.envelope[200] ^= 1;
    house.records.insert(new.id, new);
    let before = house.seal.generation();
    assert_eq!(house.settle().troubles.len(), 1);
    assert_eq!(house.seal.generation(), before);
    house.records.insert(good.id, good);
    assert!(house.settle().troubles.is_empty());
    assert_eq!(house.read("mail"), Ok("new".to_owned()));
}

#[test]
fn a_generation_is_not_used_again_after_a_failed_write() {
    let mut house = House::with_secrets();
    let before = house.seal.generation();
    house.memory.crash_in(0, Moment::After);
    assert!(house.begin(ada(), "mail", "lost").is_err());
    house.begin(ada(), "mail", "new").unwrap();
    assert_eq!(house.seal.generation(), before + 2);
}

/// What a random house does next.
#[derive(Debug, Clone)]
enum Deed {
    Put { who: bool, name: u8, stored: bool, finished: bool },
    Remove { name: u8, stored: bool, finished: bool },
    Rekey { who: bool, stored: usize, finished: bool },
    Fail { after: usize, moment: bool },
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (any::<bool>(), 0..3_u8, any::<bool>(), any::<bool>())
            .prop_map(|(who, name, stored, finished)| Deed::Put { who, name, stored, finished }),
        1 => (0..3_u8, any::<bool>(), any::<bool>()).prop_map(|(name, stored, finished)| Deed::Remove { name, stored, finished }),
        1 => (any::<bool>(), 0..4_usize, any::<bool>()).prop_map(|(who, stored, finished)| Deed::Rekey { who, stored, finished }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(after, moment)| Deed::Fail { after, moment }),
        2 => Just(Deed::Restart),
    ]
}

fn member(first: bool) -> MemberId {
    if first { ada() } else { ben() }
}

/// Does it as a house does that may lose its vault, or its own store, at any step. `values` is what a reader of the house's table should see.
fn act(house: &mut House, values: &mut BTreeMap<SecretId, String>, deed: &Deed, count: usize) {
    match *deed {
        Deed::Put { who, name, stored, finished } => {
            let (name, text) = (format!("{}{name}", if who { "a" } else { "b" }), format!("value {count}"));
            let Ok(record) = house.begin(member(who), &name, &text) else { return };
            if stored {
                values.insert(record.id, text);
                house.records.insert(record.id, record.clone());
                if finished {
                    let _ = house.seal.finish_put(record.id);
                }
            }
        }
        Deed::Remove { name, stored, finished } => {
            let id = id(&format!("a{name}"));
            if house.seal.begin_remove(id).is_err() || !stored {
                return;
            }
            values.remove(&id);
            house.records.remove(&id);
            if finished {
                let _ = house.seal.finish_remove(id);
            }
        }
        Deed::Rekey { who, stored, finished } => {
            let records = house.all();
            let Ok(wrapped) = house.seal.begin_rekey(member(who), &records) else { return };
            for record in wrapped.into_iter().take(stored) {
                house.records.insert(record.id, record);
            }
            if finished {
                let records = house.all();
                let _ = house.seal.finish_rekey(member(who), &records);
            }
        }
        Deed::Fail { after, moment } => house.memory.crash_in(after, if moment { Moment::Before } else { Moment::After }),
        Deed::Restart => {
            house.restart();
            house.settle();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// Whatever fails wherever: what the house has stored opens, and as what was stored last.
    #[test]
    fn what_is_stored_opens_after_any_history(deeds in prop::collection::vec(deed(), 1..30)) {
        let (mut house, mut values) = (House::new(), BTreeMap::new());
        for (count, deed) in deeds.iter().enumerate() {
            act(&mut house, &mut values, deed, count);
            let read: BTreeMap<_, _> = house.records.iter().map(|(id, record)| (*id, text_of(&house.seal, record))).collect();
            let expected: BTreeMap<_, _> = values.iter().map(|(id, text)| (*id, Ok(text.clone()))).collect();
            prop_assert_eq!(read, expected);
        }
        house.restart();
        prop_assert!(house.settle().troubles.is_empty());
    }
}
