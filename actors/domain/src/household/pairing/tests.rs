use super::*;
use crate::chance::Seed;
use crate::household::identity::Platform;

#[test]
fn a_code_is_read_back_as_people_type_it() {
    let code = Code::fresh(&mut Seed::from_u64(7).rng());
    let shown = code.to_string();
    assert_eq!(shown.len(), CODE_LETTERS + 1);
    for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), format!(" {} ", shown.replace('-', " "))] {
        assert_eq!(Code::typed(&typed), Some(code.clone()), "{typed}");
    }
    assert_eq!(Code::typed("OIL0-0000"), Code::typed("0110-0000"));
    for wrong in ["", "1234-567", "1234-56789", "1234-567U", "\u{ff11}234-5678", "1234_5678"] {
        assert_eq!(Code::typed(wrong), None, "{wrong}");
    }
}

#[test]
fn every_letter_of_the_alphabet_comes_up_about_as_often() {
    let mut chance = Seed::from_u64(1).rng();
    let mut seen: BTreeMap<u8, u32> = BTreeMap::new();
    for _ in 0..4_000 {
        for letter in Code::fresh(&mut chance).0 {
            *seen.entry(letter).or_default() += 1;
        }
    }
    // 1 000 expected of each; five standard deviations.
    assert_eq!(seen.len(), 32);
    assert!(seen.values().all(|count| (845..1155).contains(count)), "{seen:?}");
}

#[test]
fn neither_the_row_nor_debug_shows_the_code() {
    let identity = Identity::new(Platform::Telegram, "telegram", "1").unwrap();
    let mut pairings = Pairings::restore(PairingLimits::default(), [], Timestamp::UNIX_EPOCH);
    let mut chance = Seed::from_u64(7).rng();
    let reply = pairings.stranger(Timestamp::UNIX_EPOCH, &mut chance, PairingId::derived(&["1"]), &identity, Setting::Private);
    let Reply::Code(code, row) = &reply else { panic!("{reply:?}") };
    let shown = code.to_string();
    let kept = [format!("{reply:?}"), format!("{pairings:?}"), serde_json::to_string(row).unwrap()].concat();
    assert!(!kept.contains(&shown) && !kept.contains(&shown.replace('-', "")), "{kept}");
    assert_eq!(serde_json::from_str::<Pairing>(&serde_json::to_string(row).unwrap()).unwrap(), *row);
}
