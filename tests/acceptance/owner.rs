//! What an owner does rarely: a key or passphrase that is gone, a passphrase that is changed, a record that is given up.

use std::fs;
use std::path::PathBuf;

use crate::memory::{Needles, stored};
use crate::sealed::alter;
use crate::support::{Home, KEY, Ran, run};
use crate::vault::copy;

const OWNER: &str = "five hedgehogs under a hedge";
const FIRST: &str = "a first passphrase of the vault";
const SECOND: &str = "a second passphrase of the vault";
const THIRD: &str = "a third passphrase of the vault";
const FROM: [&str; 2] = ["--value-env", "THE_VALUE"];
const RULE: &str = "POST https://api.example.com/v1/**";

/// A home whose vault opens by a passphrase alone.
fn sealed_home() -> Home {
    Home::with("[vault]\nsources = [\"passphrase\"]\n")
}

fn entered(home: &Home, name: &str) {
    home.secret_done(KEY, &["add", name, FROM[0], FROM[1], "--use", "tool/weather", "--allow", RULE]);
}

/// Sets the owner's passphrase; the recovery key of the kit that is printed.
fn kit(home: &Home) -> String {
    key_in(&home.secret_done(OWNER, &["passphrase", FROM[0], FROM[1]]))
}

fn key_in(said: &str) -> String {
    said.lines().find_map(|line| line.trim().strip_prefix("Recovery key:")).unwrap_or_else(|| panic!("no kit: {said}")).trim().to_owned()
}

/// `hearth secret` with two values in two variables.
fn with_both(home: &Home, arguments: &[&str], key: &str, value: &str) -> Ran {
    let mut command = home.command(&[&["secret"], arguments].concat());
    command.envs([("THE_KEY", key), ("THE_VALUE", value)]);
    run(command)
}

fn recovered(home: &Home, key: &str, new: &str) -> Ran {
    with_both(home, &["recover", "--key-env", "THE_KEY", FROM[0], FROM[1]], key, new)
}

fn refused(ran: &Ran, sentence: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{sentence}");
    assert!(ran.err.contains(sentence), "{sentence}: {}", ran.err);
}

fn done(ran: &Ran, sentence: &str) {
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{sentence}");
    assert!(ran.out.contains(sentence), "{sentence}: {}", ran.out);
}

/// The vault's key file.
fn key_file(home: &Home) -> PathBuf {
    let folders = fs::read_dir(home.folder().join(".config/hearth/keys")).unwrap();
    let keys: Vec<_> = folders.map(|folder| folder.unwrap().path().join("vault.key")).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys[0].clone()
}

#[test]
fn a_forgotten_passphrase_is_replaced_by_the_recovery_key() {
    let home = sealed_home();
    let house = home.start();
    home.secret_done(FIRST, &["setup", FROM[0], FROM[1]]);
    entered(&home, "weather");
    let key = kit(&home);
    refused(&recovered(&home, &key, SECOND), "the vault is open already");
    assert_eq!(house.stop(), Some(0));

    let house = home.start();
    assert!(home.secret_done("", &["status"]).starts_with("Sealed: "));
    let mut other = key.clone().into_bytes();
    other[0] = if other[0] == b'A' { b'B' } else { b'A' };
    refused(&recovered(&home, &String::from_utf8(other).unwrap(), SECOND), "recovery key");
    refused(&recovered(&home, "nothing of the kind", SECOND), "recovery key");
    refused(&recovered(&home, &key, "short"), "a passphrase has at least");
    assert!(home.secret_done("", &["status"]).starts_with("Sealed: "));
    let said = recovered(&home, &key.to_lowercase().replace('-', " "), SECOND);
    done(&said, "The vault is open, and has a new passphrase.");
    assert!(home.secret_done("", &["list"]).starts_with("weather (version 1)"));
    assert_eq!(house.stop(), Some(0));

    let house = home.start();
    assert!(home.secret_refused(FIRST, &["unseal", FROM[0], FROM[1]]).contains("that is not the passphrase"));
    assert_eq!(home.secret_done(SECOND, &["unseal", FROM[0], FROM[1]]), "The vault is open.\n");
    // The kit stays good until there is another; the owner's passphrase is what it was.
    let next = key_in(&home.secret_done(OWNER, &["recovery-kit", "--proof-env", "THE_VALUE"]));
    assert_ne!(next, key);
    assert_eq!(house.stop(), Some(0));
    let house = home.start();
    refused(&recovered(&home, &key, THIRD), "recovery key");
    done(&recovered(&home, &next, THIRD), "and has a new passphrase");
    assert_eq!((house.status()["restarts"].as_u64(), house.stop()), (Some(0), Some(0)));
    let files = Needles::of(&[KEY, OWNER, FIRST, SECOND, THIRD, &key, &next]).in_files(home.folder()).1;
    assert!(files.is_empty(), "{files:?}");
    assert!(stored(&home).contains("the vault was opened by its recovery key"), "not in the audit");
}

#[test]
fn a_lost_key_file_is_written_again_by_the_recovery_key_and_one_that_is_there_is_left() {
    let home = Home::new();
    let house = home.start();
    entered(&home, "weather");
    let key = kit(&home);
    assert_eq!(house.stop(), Some(0));
    let file = key_file(&home);
    let before = fs::read(&file).unwrap();
    fs::write(&file, [7; 45]).unwrap();
    let house = home.start();
    assert!(home.secret_done("", &["status"]).starts_with("Broken: "));
    refused(&recovered(&home, &key, ""), "move it away first");
    assert_eq!(fs::read(&file).unwrap(), [7; 45]);
    fs::remove_file(&file).unwrap();
    done(&recovered(&home, &key, ""), "The vault is open, and has its key file again.");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(home.secret_done("", &["list"]).starts_with("weather (version 1)"));
    house.kill();
    let house = home.start();
    assert!(home.secret_done("", &["status"]).starts_with("Open: 1 secrets"));
    assert_eq!(house.stop(), Some(0));
}

#[test]
fn a_vaults_passphrase_is_changed_by_its_owner_and_the_one_before_opens_nothing() {
    let home = sealed_home();
    let house = home.start();
    home.secret_done(FIRST, &["setup", FROM[0], FROM[1]]);
    entered(&home, "weather");
    kit(&home);
    let change = |proof: &str, new: &str| with_both(&home, &["vault-passphrase", FROM[0], FROM[1], "--proof-env", "THE_KEY"], proof, new);
    refused(&change(FIRST, SECOND), "neither the owner's passphrase nor");
    refused(&change(OWNER, "short"), "a passphrase has at least");
    done(&change(OWNER, SECOND), "The vault opens by the new passphrase alone. The owner's is the same as before.");
    assert!(home.secret_done("", &["list"]).starts_with("weather (version 1)"), "it goes on meanwhile");
    let mut vaults = Vec::new();
    for ended in [true, false] {
        vaults.push(house.part("hearth vault", &vaults));
        home.secret_done("", &["lock"]);
        // The one that had the key is gone when the next one is there.
        house.part("hearth vault", &vaults);
        assert!(home.secret_refused(FIRST, &["unseal", FROM[0], FROM[1]]).contains("passphrase"), "{ended}");
        home.secret_done(SECOND, &["unseal", FROM[0], FROM[1]]);
    }
    assert_eq!(house.stop(), Some(0));
    let house = home.start();
    assert!(home.secret_refused(FIRST, &["unseal", FROM[0], FROM[1]]).contains("that is not the passphrase"));
    assert_eq!(home.secret_done(SECOND, &["unseal", FROM[0], FROM[1]]), "The vault is open.\n");
    done(&change(OWNER, THIRD), "The vault opens by the new passphrase alone");
    assert_eq!((house.status()["restarts"].as_u64(), house.stop()), (Some(0), Some(0)));
    let files = Needles::of(&[KEY, OWNER, FIRST, SECOND, THIRD]).in_files(home.folder()).1;
    assert!(files.is_empty(), "{files:?}");

    // Where nothing opens by a passphrase, there is none to change.
    let home = Home::new();
    let _house = home.start();
    entered(&home, "weather");
    kit(&home);
    let ran = with_both(&home, &["vault-passphrase", FROM[0], FROM[1], "--proof-env", "THE_KEY"], OWNER, SECOND);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
}

#[test]
fn a_record_that_cannot_be_used_is_forgotten_and_one_that_can_be_is_not() {
    let home = Home::new();
    for name in ["first", "second", "third"] {
        entered(&home, name);
    }
    for which in ["first", "fourth"] {
        let said = home.secret_refused("", &["forget", which]);
        assert!(said.starts_with("hearth: "), "{said}");
    }
    alter(&home, "envelope = $envelope", |bytes| bytes[0] ^= 1);
    let backup = home.folder().join("backup");
    copy(&home.data(), &backup);
    let ids = |listed: &str| {
        let id = listed.lines().find_map(|line| line.strip_prefix("first (")).and_then(|rest| rest.split(')').next());
        id.map(str::to_owned)
    };
    for by_id in [false, true] {
        let house = home.start();
        let listed = home.secret_done("", &["list"]);
        assert!(listed.starts_with("second (version 1)") && listed.contains("hearth secret forget"), "{listed}");
        let id = ids(&listed).unwrap_or_else(|| panic!("{listed}"));
        let which = if by_id { id.as_str() } else { "first" };
        assert_eq!(home.secret_done("", &["forget", which]), format!("{which} is forgotten.\n"));
        let listed = home.secret_done("", &["list"]);
        assert!(ids(&listed).is_none() && !listed.contains("forget") && listed.lines().count() == 2, "{listed}");
        assert!(home.secret_refused("", &["forget", which]).starts_with("hearth: "));
        assert_eq!(house.stop(), Some(0));
        let house = home.start();
        assert_eq!(home.secret_done("", &["list"]).lines().count(), 2);
        entered(&home, "first");
        assert_eq!(home.secret_done("", &["list"]).lines().count(), 3);
        home.secret_done("", &["revoke", "first"]);
        assert_eq!(house.stop(), Some(0));
        assert!(stored(&home).contains("record in trouble removed"), "not in the audit");
        if !by_id {
            copy(&backup, &home.data());
        }
    }
}
