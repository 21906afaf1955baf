//! Accounts at the page: links, sessions that are seen and ended from the command line, a house that is reached beyond its machine, and a
//! child whose conversations are opened.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::browser::Browser;
use crate::support::{DEADLINE, Home, Ran};

/// A browser in which this member is logged in on a device of that name, and its cookie.
fn logged_in(home: &Home, member: &str, device: &str) -> (Browser, String) {
    let ran = home.run(&["login", "--as", member, "--device", device]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (page, token) = ran.out.trim_end().split_once("/login#").unwrap();
    let browser = Browser::at(page);
    let cookie = browser.log_in(token).unwrap();
    (browser, cookie)
}

fn session(home: &Home, arguments: &[&str]) -> Ran {
    home.run(&[&["session"], arguments].concat())
}

/// Member and device of each session that is listed.
fn listed(home: &Home, by: &str) -> Vec<(String, String)> {
    let ran = session(home, &["list", "--json", "--as", by]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let listed: Value = serde_json::from_str(&ran.out).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    listed["sessions"].as_array().unwrap().iter().map(|row| (text(row, "member"), text(row, "device"))).collect()
}

fn id(home: &Home, by: &str, device: &str) -> String {
    let listed: Value = serde_json::from_str(&session(home, &["list", "--json", "--as", by]).out).unwrap();
    let row = listed["sessions"].as_array().unwrap().iter().find(|row| row["device"] == device).unwrap().clone();
    row["id"].as_str().unwrap().to_owned()
}

fn all(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(member, device)| ((*member).to_owned(), (*device).to_owned())).collect()
}

/// An open stream of the page, read up to where it waits.
fn stream(browser: &Browser, cookie: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(browser.host()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!("GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n", browser.host());
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    until(&mut reader, "event: caught-up");
    reader
}

fn until(reader: &mut BufReader<TcpStream>, wanted: &str) {
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 {
        if line.contains(wanted) {
            return;
        }
        line.clear();
    }
    panic!("the stream ended before {wanted}");
}

const FAMILY: &str = "[[members]]\nname = \"Ada\"\n[[members]]\nname = \"Bo\"\n[[members]]\nname = \"Mia\"\nrole = \"child\"\n[[members]]\nname = \"Uma\"\nrole = \"guest\"\n";

#[test]
fn sessions_are_seen_and_ended_by_their_member_and_a_childs_grown_ups_and_stay_ended() {
    let home = Home::new();
    home.configure(FAMILY);
    let house = home.start();
    let (page, adas) = logged_in(&home, "Ada", "kitchen tablet");
    let (_, bos) = logged_in(&home, "Bo", "Bo's phone");
    let (_, mias) = logged_in(&home, "Mia", "school laptop");
    assert_eq!(listed(&home, "Ada"), all(&[("Ada", "kitchen tablet"), ("Mia", "school laptop")]));
    assert_eq!(listed(&home, "Bo"), all(&[("Bo", "Bo's phone"), ("Mia", "school laptop")]));
    assert_eq!(listed(&home, "Mia"), all(&[("Mia", "school laptop")]));
    assert_eq!(listed(&home, "Uma"), []);
    assert!(session(&home, &["list"]).out.contains("kitchen tablet"));
    // Nobody ends a grown-up's, nor learns whether there is one.
    let (hers, his) = (id(&home, "Ada", "kitchen tablet"), id(&home, "Bo", "Bo's phone"));
    for (by, of) in [("Ada", &his), ("Bo", &hers), ("Mia", &hers), ("Uma", &his), ("Ada", &"ses_nonsense".to_owned())] {
        let ran = session(&home, &["revoke", of, "--as", by]);
        assert!(ran.code == Some(1) && ran.err.contains("there is no such session"), "{by}: {}{}", ran.out, ran.err);
    }
    let ran = session(&home, &["revoke", "--all", "--of", "Bo"]);
    assert!(ran.code == Some(1) && ran.err.contains("nobody of that name has sessions that you may see"), "{}", ran.err);
    // A child's ends by a grown-up's word, with its open stream, at once.
    let mut open = stream(&page, &mias);
    let ran = session(&home, &["revoke", &id(&home, "Bo", "school laptop"), "--as", "Bo"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "One session has ended.\n"), "{}", ran.err);
    until(&mut open, "event: gone");
    assert!(page.get("/", Some(&mias)).contains("You are not logged in"));
    // All of one's own.
    let (_, second) = logged_in(&home, "Ada", "phone");
    assert_eq!(session(&home, &["revoke", "--all"]).out, "2 sessions have ended.\n");
    for cookie in [&adas, &second] {
        assert!(page.get("/", Some(cookie)).contains("You are not logged in"));
    }
    assert!(page.get("/me", Some(&bos)).contains("Bo"));
    let journal = home.run(&["audit", "--as", "Mia"]).out;
    assert!(journal.contains("Mia logged in at the page.") && journal.contains("Bo ended sessions at the page: one for Mia."), "{journal}");
    // A restart brings none of them back, and keeps the other.
    assert_eq!(house.stop(), Some(0));
    assert_eq!(listed(&home, "Bo"), all(&[("Bo", "Bo's phone")]), "without a house that runs");
    let house = home.start();
    let page = Browser::at(house.status()["page"].as_str().unwrap());
    for cookie in [&adas, &second, &mias] {
        assert!(page.get("/", Some(cookie)).contains("You are not logged in"));
    }
    assert!(page.get("/me", Some(&bos)).contains("Bo"));
    // Another role ends them, too.
    assert_eq!(home.run(&["member", "role", "Bo", "guest"]).code, Some(0));
    assert!(page.get("/", Some(&bos)).contains("You are not logged in"));
    assert_eq!(home.run(&["verify"]).code, Some(0));
    assert_eq!(house.stop(), Some(0));
}

#[test]
fn a_house_beyond_its_machine_has_a_proxy_or_does_not_start() {
    let mut home = Home::with("[web]\nallowed_hosts = [\"https://house.example\"]\nproxies = [\"127.0.0.1\"]\n");
    let house = home.start();
    let link = home.run(&["login"]).out;
    assert!(link.starts_with("https://house.example/login#"), "{link}");
    assert_eq!(house.status()["page"], "https://house.example");
    assert_eq!(house.stop(), Some(0));
    home.configure("[[members]]\nname = \"Ada\"\n");
    home.variables.insert("HEARTH_WEB_LISTEN", "0.0.0.0:0".to_owned());
    let ran = home.run(&["up"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("HEARTH_WEB_LISTEN: web.listen is 0.0.0.0:0, and the page speaks no TLS itself"), "{}", ran.err);
    assert!(ran.err.contains("web.proxies") && ran.err.contains("127.0.0.1"), "{}", ran.err);
    home.configure("[[members]]\nname = \"Ada\"\n[web]\nallowed_hosts = [\"http://house.example\"]\n");
    let ran = home.run(&["config", "check"]);
    assert!(ran.code == Some(1) && ran.err.contains("beyond this machine the page is reached by a proxy"), "{}", ran.err);
}

#[test]
fn a_childs_conversations_are_opened_for_an_hour_and_the_child_knows() {
    let home = Home::new();
    home.configure(FAMILY);
    let glass = |arguments: &[&str]| home.run(&[&["member", "break-glass"], arguments].concat());
    let ran = glass(&["Mia", "--reason", "She is late"]);
    assert!(ran.code == Some(1) && ran.err.contains("the house does not run"), "{}", ran.err);
    let house = home.start();
    for thread in ["", "music"] {
        let ran =
            home.run(&["chat", "--as", "Mia", "--thread", thread, "--once", &format!("remember that my den {thread} is behind the shed")]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    home.run(&["chat", "--as", "Bo", "--once", "remember that the present is a kite"]);
    let (page, cookie) = logged_in(&home, "Mia", "school laptop");
    let refused = [
        (&["Mia", "--read"][..], "it is not open"),
        (&["Bo", "--reason", "x"], "for a child's account only"),
        (&["Uma", "--reason", "x"], "for a child's account only"),
        (&["Mia", "--reason", " "], "say why"),
        (&["Mia", "--reason", "x", "--as", "Mia"], "for a guardian of the child, or an owner"),
        (&["Mia", "--reason", "x", "--as", "Uma"], "for a guardian of the child, or an owner"),
    ];
    for (arguments, why) in refused {
        let ran = glass(arguments);
        assert!(ran.code == Some(1) && ran.err.contains(why), "{arguments:?}: {}{}", ran.out, ran.err);
    }
    assert!(!page.get("/", Some(&cookie)).contains("may read your private conversations"));
    let mut open = stream(&page, &cookie);
    let ran = glass(&["Mia", "--reason", "She is late"]);
    assert!(ran.code == Some(0) && ran.out.contains("the child was told"), "{}{}", ran.out, ran.err);
    until(&mut open, "Ada may read your private conversations");
    assert!(page.get("/", Some(&cookie)).contains("They said why: She is late"));
    let read = glass(&["Mia", "--read"]).out;
    assert!(read.contains("== main") && read.contains("== music") && read.contains("my den music is behind the shed"), "{read}");
    assert!(!read.contains("kite"), "{read}");
    let ran = glass(&["Mia", "--read", "--as", "Bo"]);
    assert!(ran.code == Some(1) && ran.err.contains("it is not open"), "it is Ada's: {}", ran.out);
    // No model and no memory of the reader's gets it.
    assert!(!home.once("what do you remember about the den?").contains("shed"));
    for reader in ["Mia", "Ada"] {
        let journal = home.run(&["audit", "--as", reader]).out;
        assert!(
            journal.contains("Ada opened Mia's private conversations to themselves") && journal.contains("Ada read Mia's"),
            "{journal}"
        );
        assert!(!journal.contains("late"), "{journal}");
    }
    assert_eq!(house.stop(), Some(0));
    let house = home.start();
    assert!(glass(&["Mia", "--read"]).err.contains("it is not open"), "a restart shuts it");
    assert!(home.run(&["chat", "--as", "Mia", "--once", "status"]).code == Some(0));
    assert_eq!(home.run(&["verify"]).code, Some(0));
    assert_eq!(house.stop(), Some(0));
}
