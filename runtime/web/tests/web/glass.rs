//! A child whose conversations are opened: it is told, sees it while it is so, and nobody else sees anything.

use hearth_domain::household::Member;
use hearth_domain::journal::FactKind;

use crate::support::House;

#[test]
fn a_child_is_told_at_once_who_may_read_and_why_and_sees_it_while_it_is_so() {
    let house = House::new();
    let (mia, ada) = (house.login("Mia"), house.login("Ada"));
    mia.talk("n", "say:the secret den is behind the shed");
    let mut stream = mia.events(0);
    stream.until("caught-up");
    assert!(house.read_glass("Ada", "Mia").unwrap_err().contains("it is not open"));
    house.break_glass("Ada", "mia", "You did not come home").unwrap();
    let told = stream.until("message");
    assert!(told.data["html"].as_str().unwrap().contains("Ada may read your private conversations"), "{:?}", told.data);
    let page = mia.get("/").body;
    assert_eq!(page.matches("They said why: You did not come home").count(), 2, "as a message and above it: {page}");
    assert!(page.contains("class=\"glass\"") && !ada.get("/").body.contains("class=\"glass\""));
    assert!(!ada.get("/").body.contains("secret den"), "it is read at the console alone");
    let read = house.read_glass("Ada", "Mia").unwrap();
    assert!(read.iter().any(|text| text.contains("secret den")), "{read:?}");
    assert!(house.read_glass("Bob", "Mia").is_err(), "it is open to the one who opened it");
    house.clock.put_forward(3_600);
    assert!(house.read_glass("Ada", "Mia").unwrap_err().contains("it is not open"));
    let page = mia.get("/").body;
    assert!(!page.contains("class=\"glass\"") && page.contains("They said why"), "what was said stays");
    let (broken, read) = (house.told(FactKind::GlassBroken), house.told(FactKind::GlassRead));
    assert_eq!((broken.len(), read.len()), (1, 1));
    let ada = Some(Member::id_of("Ada"));
    assert!(broken[0].0 == ada && read[0].0 == ada && broken[0].1.ends_with(&format!(" for {}", Member::id_of("Mia"))));
}

#[test]
fn nobody_but_a_childs_grown_ups_opens_and_nobody_elses_is_opened_and_a_restart_shuts_it() {
    let house = House::new();
    house.login("Mia").talk("n", "say:hello");
    for (by, of) in [("Mia", "Mia"), ("Ada", "Bob"), ("Bob", "Ada"), ("Mia", "Bob"), ("Ada", "Ada"), ("Ada", "Nobody"), ("Eve", "Mia")] {
        assert!(house.break_glass(by, of, "why not").is_err(), "{by} {of}");
    }
    assert!(house.break_glass("Ada", "Mia", "  ").unwrap_err().contains("say why"));
    assert_eq!(house.facts(FactKind::GlassBroken), 0);
    house.break_glass("Bob", "Mia", "A reason").unwrap();
    assert!(house.read_glass("Bob", "Mia").is_ok());
    let (port, store) = (house.port, house.store.successor());
    drop(house);
    let house = House::again(store, port);
    assert!(house.read_glass("Bob", "Mia").unwrap_err().contains("it is not open"));
}
