//! What else the binary does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::browser::Browser;
use crate::support::Home;

/// The rooms of the house.
const ROOMS: [&str; 13] = [
    "store",
    "household",
    "policy",
    "audit",
    "memory",
    "tools",
    "toolbox",
    "models",
    "chain",
    "outbox",
    "conversations",
    "scheduler",
    "local",
];

fn json(home: &Home, command: &str) -> Value {
    let ran = home.run(&[command, "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

fn names(node: &Value, into: &mut BTreeSet<String>) {
    into.insert(node["name"].as_str().unwrap().to_owned());
    assert_eq!(node["state"], "running", "{node}");
    for child in node["children"].as_array().unwrap() {
        names(child, into);
    }
}

#[test]
fn the_tree_lists_all_rooms_and_they_run() {
    let home = Home::new();
    let _house = home.start();
    let mut there = BTreeSet::new();
    names(&json(&home, "tree"), &mut there);
    for room in ROOMS {
        assert!(there.contains(room), "{room} is not in {there:?}");
    }
    let text = home.run(&["tree"]).out;
    assert!(ROOMS.iter().all(|room| text.contains(room)) && text.starts_with("NAME"), "{text}");
}

#[test]
fn the_status_counts_and_says_where_the_house_is() {
    let home = Home::new();
    let _house = home.start();
    home.once("remember that the bins go out on Tuesday");
    home.once("remind me tomorrow at 9 to call mum");
    let status = json(&home, "status");
    assert_eq!(status["data"], home.data().display().to_string());
    assert!(status["page"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{status}");
    assert_eq!(status["models"], serde_json::json!([]));
    assert_eq!(status["restarts"], 0);
    let counts = &status["counts"];
    assert_eq!(
        (&counts["memories"], &counts["pending_reminders"], &counts["messages"], &counts["open_turns"]),
        (&1.into(), &1.into(), &4.into(), &0.into())
    );
    assert!(home.run(&["status"]).out.contains("house commands work"));
}

#[test]
fn the_journal_of_a_used_house_is_whole() {
    let home = Home::new();
    let _house = home.start();
    home.once("remember that the bins go out on Tuesday");
    let ran = home.run(&["verify"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.starts_with("The journal is whole: "), "{}", ran.out);
}

#[test]
fn a_login_link_leads_to_the_page() {
    let home = Home::new();
    let house = home.start();
    let ran = home.run(&["login", "--as", "Bo"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let page = house.status()["page"].as_str().unwrap().to_owned();
    let token = ran.out.trim_end().strip_prefix(&format!("{page}/login#")).unwrap_or_else(|| panic!("{}", ran.out)).to_owned();
    let browser = Browser::at(&page);
    assert!(browser.get("/", None).contains("You are not logged in"));
    assert!(browser.get("/login", None).contains("Paste the login link"));
    let cookie = browser.log_in(&token).expect("the link opens the page");
    let mut talk = house.talk();
    talk.open(Some("Bo"), None);
    talk.answer("remember that the bins go out on Tuesday");
    let chat = browser.get("/", Some(&cookie));
    for part in ["Message the house", "remember that the bins go out on Tuesday", "I'll remember that the bins"] {
        assert!(chat.replace("&#39;", "'").contains(part), "{part} is not in {chat}");
    }
    assert_eq!(browser.log_in(&token), None, "it is good once");
    let stranger = home.run(&["login", "--as", "Mallory"]);
    assert_eq!(stranger.code, Some(1));
    assert!(stranger.err.contains("nobody of that name lives here"), "{}", stranger.err);
}

#[test]
fn commands_that_need_a_house_say_how_to_start_one() {
    let home = Home::new();
    for command in [["tree"].as_slice(), &["status", "--json"], &["verify"], &["login"]] {
        let ran = home.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{command:?}");
        assert_eq!(ran.err, "hearth: the house does not run; start it with `hearth up`, or just `hearth`\n");
    }
}

#[test]
fn the_configuration_that_is_shown_is_a_configuration() {
    let home = Home::with("[house]\nname = \"Lane 4\"\n[[models]]\nname = \"claude\"\nkind = \"anthropic\"\nmodel = \"m\"\n");
    let shown = home.run(&["config", "show"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("Lane 4") && shown.out.contains("# HEARTH_DATA overrides data"), "{}", shown.out);
    assert!(!shown.out.contains(crate::support::KEY));
    home.configure(&shown.out);
    let checked = home.run(&["config", "check"]);
    assert_eq!((checked.code, checked.out), (Some(0), format!("{} is right\n", home.config().display())), "{}", checked.err);
    assert_eq!(home.run(&["config", "show"]).out, shown.out);
}

#[test]
fn completions_come_without_a_configuration_and_without_a_house() {
    let home = Home::new();
    home.configure("this is no TOML");
    let ran = home.run(&["completions", "bash"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("_hearth()") && ran.out.contains("--once"), "{}", ran.out);
}

#[test]
fn without_a_terminal_it_serves_until_it_is_stopped() {
    let home = Home::new();
    let house = home.start_as(home.command(&[]));
    let link = house.line("Page, logs you in once: ");
    assert!(link.contains("http://127.0.0.1:"), "{link}");
    assert!(home.once("what time is it?").starts_with("It's "));
    assert_eq!(house.stop(), Some(0));
    assert!(!home.data().join("house.sock").exists());
    let log = home.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "JSON lines, when nobody looks:\n{log}");
}
