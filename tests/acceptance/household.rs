//! Who lives here: added, changed, removed, and erased so that nothing of theirs is left on the disk.

use hearth_domain::household::Member;
use hearth_domain::household::identity::{Identity, Platform};
use hearth_domain::household::record::IdentityRow;
use hearth_domain::time::Timestamp;
use hearth_scripted::script::Step;
use serde_json::{Value, json};
use surrealdb_types::Object;

use crate::browser::Browser;
use crate::memory::{Needles, asked, in_store, stored};
use crate::policy::{Scene, card};
use crate::support::{Home, House, Ran};

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
    assert_eq!(home.run(&["secret", "list"]).out, "No secret is stored.\n", "nor is one missed");
    assert!(home.run(&["secret", "status"]).out.starts_with("Open: 0 secrets, 0 older values guarded, "));
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
    assert!(said.contains("1 secrets were theirs. The vault "), "{said}");
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
    assert_eq!(home.run(&["secret", "list"]).out, "No secret is stored.\n");
    assert!(home.secret_refused(KEY, &["rotate", BOS[4], "--value-env", "THE_VALUE"]).contains("no secret"));
    assert_eq!(house.count("memories"), 1);
    drop(talk);
    house.kill();
    assert_eq!(home.start().stop(), Some(0));
    nothing_of_bo(&home);
    let report = std::fs::read_dir(home.data().join("erased")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(report.path()).unwrap().starts_with("Erased:\n"));
}

// === everything that a member can have ===

/// What one member has, told apart from all others' by these words.
struct Canaries {
    name: &'static str,
    said: &'static str,
    thread: &'static str,
    fact: &'static str,
    reminder: &'static str,
    undelivered: &'static str,
    secret: &'static str,
    value: &'static str,
    key: &'static str,
    kept: &'static str,
    allowed: &'static str,
    asked: &'static str,
    account: &'static str,
}

const HERS: Canaries = Canaries {
    name: "Kunigunde",
    said: "zebrafinch quarrel",
    thread: "velvet trombone",
    fact: "saffron umbrella",
    reminder: "crimson lighthouse",
    undelivered: "paprika glacier",
    secret: "kuni-zircon-key",
    value: "sk-canary-of-kunigunde-51c08e77",
    key: "obsidian-drawer",
    kept: "turquoise accordion",
    allowed: "allowed-tangerine-path",
    asked: "asked-hazelnut-path",
    account: "739184620551",
};

const ADAS_OWN: Canaries = Canaries {
    name: "Ada",
    said: "amber windmill",
    thread: "copper nightingale",
    fact: "marigold harbour",
    reminder: "silver orchard",
    undelivered: "cobalt meadow",
    secret: "ada-topaz-key",
    value: "sk-canary-of-ada-9a4471c2d0",
    key: "walnut-drawer",
    kept: "scarlet mandolin",
    allowed: "allowed-quince-path",
    asked: "asked-juniper-path",
    account: "518273640917",
};

impl Canaries {
    const fn all(&self) -> [&'static str; 13] {
        let Self { name, said, thread, fact, reminder, undelivered, secret, value, key, kept, allowed, asked, account } = self;
        [name, said, thread, fact, reminder, undelivered, secret, value, key, kept, allowed, asked, account]
    }

    /// What is in the store as text: the value of a secret is sealed there, and what a tool keeps are bytes.
    fn stored(&self) -> impl Iterator<Item = &'static str> {
        self.all().into_iter().filter(|told| ![self.value, self.kept].contains(told))
    }

    /// Leaves something that nobody has taken yet; so many of them wait then.
    fn left_undelivered(&self, scene: &Scene, count: u64) {
        says(&scene.home, self.name, &format!("remind me in 1 second to feed the {}", self.undelivered));
        scene.house.until("pending_reminders", 0);
        scene.house.until("pending_deliveries", count);
    }

    /// Leaves one of everything else, but for what only a house at rest can be given.
    fn left(&self, scene: &Scene) {
        let (home, house) = (&scene.home, &scene.house);
        says(home, self.name, &format!("remember that the {} is behind the door", self.fact));
        says(home, self.name, &format!("remind me tomorrow at 9:00 to see the {}", self.reminder));
        scene.server.push_to("first", Step::text("So it does."));
        let text = format!("my {} squeaks", self.thread);
        let ran = home.run(&["chat", "--as", self.name, "--thread", "music", "--once", &text]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "So it does.\n"), "{}", ran.err);
        let add = [
            "add",
            self.secret,
            "--value-env",
            "THE_VALUE",
            "--owner",
            self.name,
            "--use",
            "tool/a",
            "--allow",
            "GET https://api.example/**",
        ];
        home.secret_done(self.value, &add);
        let keep = json!({ "key": self.key, "value": self.kept }).to_string();
        let ran = home.run(&["tool", "call", "hearth/probe", "keep", &keep, "--as", self.name]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let mut talk = house.talk();
        talk.open(Some(self.name), None);
        scene.server.push_to("first", Step::text("Indeed."));
        talk.answer(&format!("I dreamt of a {}", self.said));
        let before = talk.frames.len();
        scene.will_send(self.allowed, "Told.");
        let nonce = talk.say("Please tell everybody good morning");
        let taken = talk.taken(&nonce);
        let (code, _) = card(&mut talk, before);
        let replied = talk.say(&format!("/always {code}"));
        let replied = talk.taken(&replied);
        assert_eq!(talk.answer_of(taken.answer).text, "Told.");
        assert!(talk.answer_of(replied.answer).text.contains("from now on"));
        let before = talk.frames.len();
        scene.will_call(self.asked);
        talk.say("Please tell everybody good night");
        card(&mut talk, before);
    }

    /// An account of a channel that is not there yet.
    fn account_row(&self, home: &Home) -> String {
        let identity = Identity::new(Platform::Telegram, "telegram", self.account).unwrap();
        let member = Member::id_of(self.name);
        let row = IdentityRow { id: identity.id(), identity, member, by: None, at: Timestamp::UNIX_EPOCH };
        let (id, member, body) = (row.id.uuid(), member.uuid(), serde_json::to_string(&row).unwrap());
        assert!(!body.contains('\'') && home.data().exists());
        format!("INSERT INTO identity {{ id: u'{id}', member: u'{member}', body: '{body}' }};")
    }
}

/// The cookie of a session at the page.
fn session(home: &Home, member: &str) -> (Browser, String) {
    let link = home.run(&["login", "--as", member]).out;
    let (page, token) = link.trim_end().split_once("/login#").unwrap();
    let browser = Browser::at(page);
    let cookie = browser.log_in(token).unwrap();
    (browser, cookie)
}

/// What Ada sees of what is hers, as she sees it.
fn seen_by_ada(home: &Home, house: &House) -> Vec<String> {
    let mut talk = house.talk();
    let mut seen: Vec<String> = talk.open(Some("Ada"), None).into_iter().map(|said| format!("{} {}", said.seq, said.text)).collect();
    let said = |arguments: &[&str]| {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
        ran.out
    };
    seen.push(said(&["approvals"]));
    seen.push(said(&["grants"]).lines().filter(|line| line.contains(ADAS_OWN.allowed)).collect());
    seen.push(said(&["identity", "list"]).lines().filter(|line| line.starts_with("Ada")).collect());
    seen.push(said(&["secret", "show-policy", ADAS_OWN.secret]));
    seen.push(said(&["tool", "call", "hearth/probe", "kept", &json!({ "key": ADAS_OWN.key }).to_string()]));
    seen
}

#[test]
fn nothing_of_all_that_a_member_can_have_is_left_and_another_member_sees_what_they_saw() {
    let mut scene = Scene::new("");
    done(&scene.home, &["add", HERS.name]);
    // Nobody is there for Ada.
    scene.talk.open(Some("Bo"), None);
    HERS.left_undelivered(&scene, 1);
    ADAS_OWN.left_undelivered(&scene, 2);
    HERS.left(&scene);
    ADAS_OWN.left(&scene);
    let (browser, hers) = session(&scene.home, HERS.name);
    assert!(!browser.get("/", Some(&hers)).is_empty());
    let Scene { talk, house, server, home, .. } = scene;
    drop(talk);
    assert_eq!(house.stop(), Some(0));
    let accounts = format!("{}{}", HERS.account_row(&home), ADAS_OWN.account_row(&home));
    in_store(&home, async |store| {
        asked(&store, &accounts, Object::new()).await;
        (store, ())
    });
    let rows = stored(&home);
    for told in HERS.stored().chain(ADAS_OWN.stored()) {
        assert!(rows.contains(told), "{told} was not kept");
    }

    let house = home.start();
    let before = seen_by_ada(&home, &house);
    for told in [ADAS_OWN.said, ADAS_OWN.undelivered, ADAS_OWN.allowed, ADAS_OWN.asked, ADAS_OWN.kept, ADAS_OWN.account] {
        assert!(before.iter().any(|seen| seen.contains(told)), "{told}");
    }
    assert_eq!(house.stop(), Some(0));
    let report = done(&home, &["remove", HERS.name, "--yes"]);
    for (kind, reason) in [
        ("members", "theirs"),
        ("accounts", "theirs"),
        ("conversations", "of their private conversations"),
        ("messages", "of their private conversations"),
        ("turns", "of their private conversations"),
        ("steps of turns", "of their private conversations"),
    ] {
        let line = report.lines().find(|line| line.trim_start().trim_start_matches(char::is_numeric) == format!(" {kind}, {reason}"));
        assert!(line.is_some(), "{kind}, {reason}: {report}");
    }
    assert!(report.contains("1 secrets were theirs"), "{report}");
    let needles = Needles::of(&[&HERS.all()[..], &["kunigunde"]].concat());
    let (files, found) = needles.in_files(&home.data());
    assert!(files > 3 && found.is_empty(), "{files} {found:?}");
    assert!(needles.in_bytes(stored(&home).as_bytes()).is_empty());

    let house = home.start();
    assert_eq!(seen_by_ada(&home, &house), before);
    assert_eq!(home.run(&["verify"]).code, Some(0));
    let listed = home.run(&["secret", "list"]).out;
    assert!(listed.contains(ADAS_OWN.secret) && !listed.contains(HERS.secret) && !listed.contains("cannot be used"), "{listed}");
    assert!(home.run(&["secret", "status"]).out.starts_with("Open: 3 secrets, "), "Ada's, the model's and the tool's");
    // Somebody new of that name has nothing of hers, and may have secrets of their own.
    done(&home, &["add", HERS.name]);
    home.secret_done(
        "sk-another",
        &["add", "another", "--value-env", "THE_VALUE", "--owner", HERS.name, "--use", "tool/a", "--allow", "GET https://api.example/**"],
    );
    assert!(house.talk().open(Some(HERS.name), None).is_empty());
    let kept = home.run(&["tool", "call", "hearth/probe", "kept", &json!({ "key": HERS.key }).to_string(), "--as", HERS.name]);
    assert!(!kept.out.contains(HERS.kept), "{kept:?}");
    drop(server);
    assert_eq!(house.stop(), Some(0));
}
