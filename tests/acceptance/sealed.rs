//! Secrets at rest: records that were altered or put back, a vault that waits for its owner, and what the doctor says of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hearth_scripted::server::Scripted;
use rustix::process::geteuid;
use surrealdb_types::{Bytes, Object, Value as Stored};

use crate::memory::{Needles, asked, in_store};
use crate::support::{Home, House, KEY};
use crate::vault::{ANSWER, FROM, NEXT, NOBODY, ONCE, PASSPHRASE, QUESTION, copy, keys, knowing, provider, talk};

// === what is stored ===

/// Changes what is stored of the first secret.
pub(crate) fn alter(home: &Home, set: &str, change: impl FnOnce(&mut [u8])) {
    in_store(home, async |store| {
        let first = "SELECT VALUE envelope FROM ONLY secret WHERE name = 'first' LIMIT 1";
        let Some(Stored::Bytes(envelope)) = asked(&store, first, Object::new()).await.pop() else { panic!("no envelope") };
        let mut envelope = envelope.into_inner().to_vec();
        change(&mut envelope);
        let mut variables = Object::new();
        variables.insert("envelope", Stored::Bytes(Bytes::from(envelope)));
        asked(&store, &format!("UPDATE secret SET {set} WHERE name = 'first'"), variables).await;
        (store, ())
    });
}

/// A house with two providers and their keys, at rest; a copy of its data beside it.
fn at_rest(server: &Scripted) -> (Home, PathBuf) {
    let home = Home::with(&(provider(server, "first", "openai") + &provider(server, "second", "anthropic") + ONCE));
    home.key(server, "first");
    home.secret_done(
        NEXT,
        &["add", "second", FROM[0], FROM[1], "--use", "provider/second", "--allow", &format!("POST {}/** lan", server.base_url())],
    );
    let backup = home.folder().join("backup");
    copy(&home.data(), &backup);
    (home, backup)
}

/// Starts the house, whose first secret cannot be opened: it says so, and the other one works.
fn without_the_first(home: &Home, server: &Scripted, sentence: &str) {
    let (logged, asked) = (home.log().len(), server.requests().len());
    let house = home.start();
    assert_eq!(talk(&house).answer(QUESTION).text, ANSWER);
    assert_eq!(keys(server)[asked..], [NEXT], "only the second provider was asked");
    let log = home.log()[logged..].to_owned();
    assert!(log.contains(&format!("first: {sentence}")), "{sentence}: {log}");
    let listed = home.secret_done("", &["list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[0].starts_with("second (version 1)") && lines.len() == 3, "{listed}");
    assert!(lines[1].starts_with("first (") && lines[1].contains(sentence), "{listed}");
    assert_eq!(house.status()["restarts"], 0);
    assert_eq!(house.stop(), Some(0));
}

#[test]
fn a_sealed_record_that_was_changed_is_not_opened_and_the_others_are() {
    type Change = fn(&mut [u8]);
    const DAMAGED: &str = "this secret's record is damaged or was altered";
    let server = knowing(&["first", "second"]);
    let (home, backup) = at_rest(&server);
    let changes: [(&str, Change, &str); 5] = [
        ("envelope = $envelope", |bytes| bytes[0] ^= 1, DAMAGED),
        ("envelope = $envelope", |bytes| *bytes.last_mut().unwrap() ^= 0x80, DAMAGED),
        ("envelope = $envelope", |bytes| bytes.iter_mut().for_each(|byte| *byte = 0), DAMAGED),
        ("envelope = (SELECT VALUE envelope FROM ONLY secret WHERE name = 'second' LIMIT 1)", |_| {}, DAMAGED),
        ("version = 2", |_| {}, ""),
    ];
    for (set, change, sentence) in changes {
        alter(&home, set, change);
        without_the_first(&home, &server, sentence);
        copy(&backup, &home.data());
    }
    let house = home.start();
    assert_eq!(talk(&house).answer(QUESTION).text, ANSWER);
    assert_eq!(keys(&server).last().unwrap(), KEY, "as it was");
}

#[test]
fn a_record_of_before_is_not_taken_for_the_present_one() {
    let server = knowing(&["first", "second"]);
    let (home, backup) = at_rest(&server);
    home.secret_done("sk-a-third-20b8c1", &["rotate", "first", FROM[0], FROM[1]]);
    copy(&home.data(), &home.folder().join("present"));
    copy(&backup, &home.data());
    without_the_first(&home, &server, "an older version (1) of this secret was put back, version 2 is the current one");
    copy(&home.folder().join("present"), &home.data());
    home.secret_done("", &["revoke", "first"]);
    copy(&backup, &home.data());
    without_the_first(&home, &server, "this secret was removed and its record has been put back");
}

// === sealed ===

#[test]
fn a_vault_with_a_passphrase_waits_for_its_owner_and_the_default_does_not() {
    let server = knowing(&["first"]);
    let home = Home::with(&(provider(&server, "first", "openai") + ONCE + "[vault]\nsources = [\"passphrase\"]\n"));
    let house = home.start();
    let rule = format!("POST {}/** lan", server.base_url());
    let add = ["add", "first", FROM[0], FROM[1], "--use", "provider/first", "--allow", &rule];
    assert!(home.secret_refused(KEY, &add).contains("the vault is sealed"));
    assert!(home.secret_refused("short", &["setup", FROM[0], FROM[1]]).contains("a passphrase has at least"));
    home.secret_done(PASSPHRASE, &["setup", FROM[0], FROM[1]]);
    assert!(home.secret_refused(PASSPHRASE, &["setup", FROM[0], FROM[1]]).contains("there is a vault already"));
    home.secret_done(KEY, &add);
    assert_eq!(talk(&house).answer(QUESTION).text, ANSWER);
    assert_eq!(house.stop(), Some(0));

    let house = home.start();
    let sealed = |house: &House| {
        assert!(home.secret_done("", &["status"]).starts_with("Sealed: "));
        let mut talk = talk(house);
        let answer = talk.answer(QUESTION).text;
        assert!(
            answer.starts_with(NOBODY) && answer.contains("the vault is sealed; its owner opens it with `hearth secret unseal`"),
            "{answer}"
        );
        assert!(talk.answer("remember that the bins go out on Tuesday").text.contains("Tuesday"));
        assert!(home.secret_refused("five hedgehogs over a hedge", &["unseal", FROM[0], FROM[1]]).contains("that is not the passphrase"));
        assert!(home.secret_done("", &["status"]).starts_with("Sealed: "));
    };
    let open = |house: &House| {
        assert_eq!(home.secret_done(PASSPHRASE, &["unseal", FROM[0], FROM[1]]), "The vault is open.\n");
        assert!(home.secret_done("", &["status"]).starts_with("Open: 1 secrets"));
        assert_eq!(talk(house).answer(QUESTION).text, ANSWER);
    };
    sealed(&house);
    open(&house);
    // Locked, the process that had the key is gone, and the next one has nothing.
    let vault = house.part("hearth vault", &[]);
    home.secret_done("", &["lock"]);
    let fresh = house.part("hearth vault", &[vault]);
    sealed(&house);
    match Needles::of(&[KEY, PASSPHRASE]).in_process(fresh) {
        Ok((size, hits)) => assert!(size > 1 << 20 && hits.is_empty(), "{hits:?}"),
        Err(error) if !geteuid().is_root() => eprintln!("NOT SHOWN: the memory of a locked vault may only be looked at by root ({error})"),
        Err(error) => panic!("{error}"),
    }
    open(&house);
    assert_eq!(server.requests().len(), 3);
    assert_eq!((house.status()["restarts"].as_u64(), house.stop()), (Some(0), Some(0)));
    assert_eq!(Needles::of(&[KEY, PASSPHRASE]).in_files(home.folder()).1, BTreeMap::new());

    let home = Home::with(&(provider(&server, "first", "openai") + ONCE));
    home.key(&server, "first");
    for _ in 0..2 {
        let house = home.start();
        assert_eq!(talk(&house).answer(QUESTION).text, ANSWER);
        assert!(home.secret_done("", &["status"]).starts_with("Open: 1 secrets"));
        house.kill();
    }
}

#[test]
fn a_sealed_vault_does_not_stop_a_provider_that_needs_no_key() {
    let server = knowing(&["first", "open"]);
    let open = provider(&server, "open", "openai").replace("key = \"open\"\n", "");
    let home = Home::with(&(provider(&server, "first", "openai") + &open + ONCE + "[vault]\nsources = [\"passphrase\"]\n"));
    let house = home.start();
    home.secret_done(PASSPHRASE, &["setup", FROM[0], FROM[1]]);
    home.key(&server, "first");
    assert_eq!(house.stop(), Some(0));
    let house = home.start();
    assert!(home.secret_done("", &["status"]).starts_with("Sealed: "));
    assert_eq!(talk(&house).answer(QUESTION).text, ANSWER);
    assert_eq!(server.requests().last().unwrap().provider, "open");
}

#[test]
fn the_doctor_says_what_protects_the_secrets_and_what_does_not() {
    let home = Home::new();
    let said = home.run(&["doctor"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("there is no vault yet") && said.out.contains("the house does not run"), "{}", said.out);
    let house = home.start();
    assert!(home.secret_done("", &["status"]).starts_with("Open: 0 secrets"));
    let said = home.run(&["doctor"]).out;
    for part in [
        "a key file: protects a copy of the data folder",
        "not against",
        "house      files: ",
        "house      network: ",
        "vault      open",
        "egress     open",
        "no core dumps: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("chmod") && !said.contains("warning"), "{said}");
    eprintln!("{said}");
    assert_eq!(house.stop(), Some(0));
}
