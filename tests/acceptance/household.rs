//! Who lives here: added, changed, removed, and erased so that nothing of theirs is left on the disk.

use serde_json::Value;

use crate::memory::{Needles, stored};
use crate::support::{Home, Ran};

fn member(home: &Home, arguments: &[&str]) -> Ran {
    home.run(&[&["member"], arguments].concat())
}

/// The same, when it has to succeed; what it said.
fn done(home: &Home, arguments: &[&str]) -> String {
    let ran = member(home, arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}: {}\n{}", ran.out, home.log());
    ran.out
}

/// The same, when it has to be refused; the sentence.
fn refused(home: &Home, arguments: &[&str]) -> String {
    let ran = member(home, arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}: {}", ran.err);
    ran.err
}

/// Name and role of everybody.
fn here(home: &Home) -> Vec<(String, String)> {
    let listed: Value = serde_json::from_str(&done(home, &["list", "--json"])).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> =
        listed["members"].as_array().unwrap().iter().map(|member| (text(&member["name"]), text(&member["role"]))).collect();
    all.sort();
    all
}

fn says(home: &Home, who: &str, text: &str) -> String {
    let ran = home.run(&["chat", "--as", who, "--once", text]);
    assert_eq!(ran.code, Some(0), "{who}: {text}: {}{}", ran.out, ran.err);
    ran.out
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
}

#[test]
fn members_are_added_and_changed_by_those_who_may_and_stay_over_a_restart() {
    let home = Home::new();
    let house = home.start();
    assert_eq!(here(&home), pairs(&[("Ada", "owner"), ("Bo", "adult")]));
    assert_eq!(done(&home, &["add", "Mia", "--role", "child", "--as", "Bo"]), "Mia lives here now, as a child.\n");
    assert!(done(&home, &["list"]).contains("(with Bo)"));
    assert!(says(&home, "Mia", "what time is it?").len() > 3);
    // A child changes nobody, an adult no owner; nobody is called like somebody else.
    assert!(refused(&home, &["add", "Leo", "--as", "Mia"]).contains("for an owner"));
    assert!(refused(&home, &["remove", "Ada", "--yes", "--as", "Bo"]).contains("for an owner"));
    assert!(refused(&home, &["add", "B\u{43e}"]).contains("alphabets"));
    assert!(refused(&home, &["add", "bo"]).contains("reads like Bo's"));
    assert!(refused(&home, &["role", "Ada", "adult"]).contains("needs an owner"));
    assert!(refused(&home, &["role", "Nobody", "adult"]).contains("nobody of that name"));
    assert!(refused(&home, &["remove", "Mia", "--as", "Eve"]).contains("give --yes"));
    assert_eq!(done(&home, &["role", "Mia", "teen"]), "Mia is a teen now.\n");
    assert_eq!(done(&home, &["role", "Bo", "guest"]), "Bo is a guest now.\n");
    assert_eq!(house.stop(), Some(0));
    // Without a house that runs, and after one that ran: the configuration still says that Bo is an adult.
    assert_eq!(here(&home), pairs(&[("Ada", "owner"), ("Bo", "guest"), ("Mia", "teen")]));
    assert_eq!(home.run(&["verify"]).code, Some(1), "no house runs");
}

#[test]
fn a_code_that_was_never_given_lets_nobody_in_and_too_many_of_them_lock() {
    let home = Home::new();
    let _house = home.start();
    assert!(refused(&home, &["pair", "0000-0000"]).contains("say whose account it is"));
    for _ in 0..5 {
        assert!(refused(&home, &["pair", "0000-0000", "--with", "Bo"]).contains("no such code is open"));
    }
    assert!(refused(&home, &["pair", "0000-0000", "--deny"]).contains("too many wrong codes"));
    assert_eq!(home.run(&["identity", "list"]).out, "No account of another channel is anybody's.\n");
    let ran = home.run(&["identity", "unlink", "telegram/1"]);
    assert!(ran.code == Some(1) && ran.err.contains("nobody has such an account"), "{}", ran.err);
}

/// What Bo alone has told the house.
const BOS: [&str; 5] = ["zebrafinch quarrel", "saffron umbrella", "crimson lighthouse", "velvet trombone", "bo-zircon-key"];
/// What Ada has.
const ADAS: [&str; 2] = ["marigold harbour", "copper nightingale"];
const KEY: &str = "sk-canary-of-bo-51c08e77";

/// Bo and Ada have talked to the house, each alone, and Bo has a secret.
fn lived_in() -> Home {
    let home = Home::new();
    let house = home.start();
    says(&home, "Bo", &format!("I dreamt of a {}", BOS[0]));
    says(&home, "Bo", &format!("remember that the {} is behind the door", BOS[1]));
    says(&home, "Bo", &format!("remind me tomorrow at 9:00 to see the {}", BOS[2]));
    let ran = home.run(&["chat", "--as", "Bo", "--thread", "music", "--once", &format!("my {} squeaks", BOS[3])]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let add = ["add", BOS[4], "--owner", "Bo", "--value-env", "THE_VALUE", "--use", "tool/a", "--allow", "GET https://api.example/**"];
    home.secret_done(KEY, &add);
    says(&home, "Ada", &format!("remember that the {} opens at ten", ADAS[0]));
    says(&home, "Ada", &format!("remind me tomorrow at 9:00 to call the {}", ADAS[1]));
    assert_eq!(house.count("pending_reminders"), 2);
    assert_eq!(house.stop(), Some(0));
    let rows = stored(&home);
    for told in BOS.iter().chain(&ADAS) {
        assert!(rows.contains(told), "{told} was not kept");
    }
    home
}

/// That nothing of Bo is in the data folder, neither in its bytes nor in a row, and that Ada has what she had.
fn nothing_of_bo(home: &Home) {
    let needles = Needles::of(&[&BOS[..], &[KEY]].concat());
    let (files, found) = needles.in_files(&home.data());
    assert!(files > 3, "{files}");
    assert!(found.is_empty(), "{found:?}");
    let rows = stored(home);
    assert!(needles.in_bytes(rows.as_bytes()).is_empty());
    for told in ADAS {
        assert!(rows.contains(told), "{told} is gone");
    }
    let house = home.start();
    assert_eq!(home.run(&["verify"]).code, Some(0));
    assert_eq!(house.count("pending_reminders"), 1);
    let ran = home.run(&["chat", "--as", "Bo", "--once", "hello"]);
    assert!(ran.code == Some(1) && ran.err.contains("nobody of that name lives here"), "{}{}", ran.out, ran.err);
    assert!(says(home, "Ada", "what do you remember about the harbour?").contains(ADAS[0]));
    assert_eq!(here(home), pairs(&[("Ada", "owner")]));
    assert!(done(home, &["list"]).contains("The configuration still names Bo, who was removed."));
    assert_eq!(house.stop(), Some(0));
}

#[test]
fn nothing_of_a_removed_member_is_left_in_the_data_folder_and_everything_of_the_others_is() {
    let home = lived_in();
    let said = done(&home, &["remove", "Bo", "--yes"]);
    assert!(said.starts_with("Bo is removed: nobody here, and what only they could read is gone.\n"), "{said}");
    assert!(said.contains("1 secrets were theirs"), "{said}");
    assert!(said.contains("Erased:\n") && said.contains("memories, which nobody else may read"), "{said}");
    nothing_of_bo(&home);
}

#[test]
fn a_member_who_is_removed_while_the_house_runs_is_nobody_at_once_and_erased_at_its_next_start() {
    let home = lived_in();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(Some("Bo"), None);
    assert!(done(&home, &["remove", "Bo", "--yes"]).contains("when the house starts next"));
    let nonce = talk.say("am I still here?");
    assert!(talk.verdict(&nonce).is_err());
    assert_eq!(house.count("memories"), 1);
    drop(talk);
    house.kill();
    assert_eq!(home.start().stop(), Some(0));
    nothing_of_bo(&home);
    let report = std::fs::read_dir(home.data().join("erased")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(report.path()).unwrap().starts_with("Erased:\n"));
}
