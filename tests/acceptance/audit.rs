//! The journal as its members read it, a journal that somebody altered while no house ran, why something was said, and the stop of the house.

use std::time::Instant;

use hearth::wire::HouseFrame;
use hearth_engine::{Engine, Place, Sizes};
use hearth_scripted::script::Step;
use serde_json::Value;
use surrealdb_types::Object;

use crate::policy::Scene;
use crate::support::{DEADLINE, Home, Ran};

/// What somebody does to a store that no house has open.
fn alter(home: &Home, queries: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Engine::open(&Place::Folder(home.data().join("store")), Sizes::default()).await.unwrap();
        for answer in store.ask(queries, Object::new()).await.unwrap() {
            answer.unwrap();
        }
        store.close().await;
    });
}

fn verify(home: &Home) -> Ran {
    home.run(&["audit", "verify"])
}

/// How many entries there were when a house with something in its journal was stopped well.
fn stopped(home: &Home) -> u64 {
    let house = home.start();
    home.once("remember that the bins go out on Tuesday");
    let whole = home.run(&["audit", "verify", "--json"]);
    let whole: Value = serde_json::from_str(&whole.out).unwrap();
    let entries = whole["entries"].as_u64().unwrap();
    assert!(entries > 6, "{whole}");
    assert_eq!(house.stop(), Some(0));
    entries
}

#[test]
fn the_vault_vouches_for_the_journal_of_a_house_that_was_stopped_well() {
    let home = Home::new();
    let entries = stopped(&home);
    let house = home.start();
    let whole: Value = serde_json::from_str(&home.run(&["audit", "verify", "--json"]).out).unwrap();
    let vouched = &whole["attested"];
    assert!(vouched["vouched"] == "upto" && vouched["entry"].as_u64() >= Some(entries), "{whole}");
    let said = verify(&home);
    assert!(said.out.starts_with("The journal is whole: ") && said.out.contains("The vault attested it"), "{said:?}");
    assert_eq!(home.run(&["verify"]).code, Some(0));
    home.secret_done("", &["lock"]);
    let locked = verify(&home);
    assert!(locked.code == Some(0) && locked.out.contains("Only the chain itself was checked"), "{locked:?}");
    drop(house);
}

#[test]
fn an_entry_that_was_removed_reordered_or_edited_is_named() {
    let all = "kind, who, subject, detail, content, at, previous, digest".split(", ");
    let swap = |to: &str, from: &str| all.clone().map(|field| format!("{field} = ${from}.{field}")).collect::<Vec<_>>().join(", ") + to;
    let reordered = format!(
        "LET $a = (SELECT * FROM ONLY entry:3); LET $b = (SELECT * FROM ONLY entry:4); UPDATE entry:3 SET {}; UPDATE entry:4 SET {};",
        swap("", "b"),
        swap("", "a")
    );
    for (what, queries) in [
        ("removed", "DELETE entry:3;"),
        ("reordered", reordered.as_str()),
        ("edited", "UPDATE entry:3 SET detail = 'nothing of note';"),
        ("edited so that only its digest tells", "UPDATE entry:3 SET digest = (SELECT VALUE digest FROM ONLY entry:4);"),
    ] {
        let home = Home::new();
        stopped(&home);
        alter(&home, queries);
        let house = home.start();
        let found = verify(&home);
        assert!(found.code == Some(1) && found.err.contains("entry 3") | found.err.contains("where entry 3 belongs"), "{what}: {found:?}");
        assert_eq!(home.run(&["verify"]).code, Some(1), "{what}");
        assert!(home.once("what time is it?").starts_with("It's "), "{what}: the house serves all the same");
        drop(house);
    }
}

#[test]
fn an_end_that_was_cut_off_is_found_by_what_the_vault_has_attested() {
    let home = Home::new();
    let entries = stopped(&home);
    alter(&home, &format!("DELETE entry WHERE record::id(id) >= {entries};"));
    let house = home.start();
    let found = verify(&home);
    assert!(found.code == Some(1) && found.err.contains("the vault has attested"), "{found:?}");
    // Written on past the place, it is another entry than the one that was attested.
    for text in ["remember that the plants are thirsty", "remember that the cat is fed", "remember that the door is blue"] {
        home.once(text);
    }
    let found = verify(&home);
    assert!(found.code == Some(1) && found.err.contains("is not the one that the vault has attested"), "{found:?}");
    assert_eq!(house.stop(), Some(0));
    // The stop attested nothing over it.
    let _house = home.start();
    assert!(verify(&home).err.contains("is not the one that the vault has attested"));
    // It is told by whoever attests, once the vault is up.
    let began = Instant::now();
    loop {
        let told: Value = serde_json::from_str(&home.run(&["audit", "--json", "--limit", "500"]).out).unwrap();
        let kinds: Vec<_> = told["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        if kinds.contains(&"journal_broken") {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{kinds:?}");
    }
}

#[test]
fn members_read_what_concerns_them_and_why_the_house_said_something() {
    let mut scene = Scene::new("");
    assert_eq!(scene.home.run(&["member", "add", "Mia", "--role", "child"]).code, Some(0));
    let before = scene.talk.frames.len();
    scene.will_send("chosen", "They know.");
    let nonce = scene.talk.say("Please tell everybody good morning");
    let taken = scene.talk.taken(&nonce);
    let (code, _) = scene.card(before);
    assert_eq!(scene.home.run(&["approvals", "yes", &code]).code, Some(0));
    let said = scene.talk.answer_of(taken.answer);
    assert_eq!(said.text, "They know.");

    let id = said.id.to_string();
    let why = scene.home.run(&["why", &id]);
    for part in ["Readers: Ada.", "Models that called tools: first.", "the result of `hearth__probe__send`", "asked, and Ada said yes"] {
        assert!(why.out.contains(part), "{part}: {why:?}");
    }
    let json: Value = serde_json::from_str(&scene.home.run(&["why", &id, "--json"]).out).unwrap();
    assert_eq!(json["why"]["message"], id.as_str());
    for other in ["Bo", "Mia"] {
        let refused = scene.home.run(&["why", &id, "--as", other]);
        assert!(refused.code == Some(1) && refused.err.contains("no such message"), "{other}: {refused:?}");
    }

    // A rule says no to a child, and the adults who look after her may read that it did.
    scene.will_send("mias", "I may not.");
    let mut mia = scene.house.talk();
    mia.open(Some("Mia"), None);
    assert_eq!(mia.answer("Please tell everybody good night").text, "I may not.");
    let why = scene.home.run(&["why", "last", "--as", "Mia"]);
    assert!(why.out.contains("refused: ") && why.out.contains("a child sends no messages"), "{why:?}");
    let audit = |who: &str| scene.home.run(&["audit", "--as", who, "--limit", "500"]).out;
    let (adas, bos, mias) = (audit("Ada"), audit("Bo"), audit("Mia"));
    for (whose, text) in [("Ada", &adas), ("Mia", &mias)] {
        assert!(text.contains("A call for Mia was decided upon: hearth__probe__send: refused, rule "), "{whose}: {text}");
    }
    for part in ["A question was asked for Ada: hearth__probe__send: asked, ", "answered by Ada, or over: hearth__probe__send: yes"] {
        assert!(adas.contains(part) && !bos.contains(part) && !mias.contains(part), "{part}: {adas}");
    }
    assert!(adas.contains("A secret was used") || adas.contains("A call was let go by a yes, for Ada"), "{adas}");
    assert!(bos.contains("The house started") && !mias.contains("The house started"), "{bos}");
    assert!(!format!("{adas}{bos}{mias}").contains("good morning"), "no entry says what anybody wrote");
    let page: Value = serde_json::from_str(&scene.home.run(&["audit", "--json", "--limit", "2"]).out).unwrap();
    let older = page["before"].as_u64().unwrap().to_string();
    let next: Value = serde_json::from_str(&scene.home.run(&["audit", "--json", "--limit", "2", "--before", &older]).out).unwrap();
    assert!(next["entries"][1]["seq"].as_u64() < page["entries"][0]["seq"].as_u64(), "{page} {next}");
    assert!(scene.home.run(&["audit", "--since", "2100-01-01"]).out.contains("Nothing in the journal"));
    assert_eq!(verify(&scene.home).code, Some(0));
}

#[test]
fn a_stopped_house_ends_what_has_an_effect_and_does_nothing_until_an_adult_lifts_that() {
    let mut scene = Scene::new("");
    assert_eq!(scene.home.run(&["member", "add", "Mia", "--role", "child"]).code, Some(0));
    let named = scene.url("hold");
    scene.will_send("hold", "Never said.");
    let nonce = scene.talk.say(&format!("Please post good morning to {named} for me"));
    let taken = scene.talk.taken(&nonce);
    while scene.posted("hold") == 0 {
        scene.talk.ask(&hearth::wire::ClientFrame::Ping);
    }
    let refused = scene.home.run(&["estop", "--as", "Mia"]);
    assert!(refused.code == Some(1) && refused.err.contains("for an adult"), "{refused:?}");
    let stopped = scene.home.run(&["estop"]);
    assert!(stopped.code == Some(0) && stopped.out.contains("The house is stopped"), "{stopped:?}");
    let ended = scene.talk.answer_of(taken.answer).text;
    assert!(ended.contains("I cannot tell whether it happened"), "{ended}");
    for command in ["status", "tree"] {
        let shown = scene.home.run(&[command]).out;
        assert!(shown.contains("stopped by Ada since "), "{command}: {shown}");
    }

    // The model's second step of that turn is the next thing that it says.
    scene.server.push_to("first", Step::text("Well."));
    assert_eq!(scene.talk.answer("Are you there?").text, "Never said.");
    assert_eq!(scene.talk.answer("And now?").text, "Well.");
    let again = scene.url("again");
    scene.will_send("again", "I could not.");
    assert_eq!(scene.talk.answer(&format!("Please post good morning to {again}")).text, "I could not.");
    assert!(scene.server.requests().last().unwrap().text.contains("the house is stopped"));

    let Scene { house, server, home, service, .. } = scene;
    assert_eq!(house.stop(), Some(0));
    let house = home.start();
    assert!(house.status()["stopped"].as_str().unwrap().contains("stopped by Ada since "), "a restart lifts nothing");
    let mut mia = house.talk();
    mia.open(Some("Mia"), None);
    assert!(mia.answer("/estop lift").text.contains("for an adult"));
    assert_eq!(service.count("POST /again "), 0);
    let mut bo = house.talk();
    bo.open(Some("Bo"), None);
    assert_eq!(bo.answer("/estop lift").text, "The house goes on.");
    assert!(house.status()["stopped"].is_null());
    let before = bo.frames.len();
    assert!(bo.answer("/estop").text.contains("The house is stopped"));
    assert!(!bo.frames[before..].iter().any(|frame| matches!(frame, HouseFrame::Error { .. })));
    assert_eq!(home.run(&["estop", "--lift"]).out, "The house goes on.\n");
    let audit = home.run(&["audit", "--limit", "500"]).out;
    for part in ["Ada stopped the house.", "Bo lifted the stop of the house.", "hearth__probe__send: refused, stopped"] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
    drop((server, house));
}
