//! Secrets: what their owner's commands do, where they go, and that nobody but the vault has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use hearth_scripted::script::{Reply, Step};
use hearth_scripted::server::Scripted;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::browser::Browser;
use crate::memory::{Hits, Needles, stored};
use crate::standins::{self, Got};
use crate::support::{Home, House, KEY, Talk, messages, run};
use crate::tools;

/// A value that takes the key's place.
pub(crate) const NEXT: &str = "sk-another-71d3a9e455";
/// The owner's passphrase.
pub(crate) const PASSPHRASE: &str = "five hedgehogs under a hedge";
/// A question that is no house command.
pub(crate) const QUESTION: &str = "Tell me something nice about hedgehogs";
pub(crate) const ANSWER: &str = "They can swim.";
/// What the house says when no model answers.
pub(crate) const NOBODY: &str = "No language model answers right now";
/// One attempt, for what will not be otherwise at the next one.
pub(crate) const ONCE: &str = "[limits]\nmodel_attempts = 1\n";
/// Where a value comes from in these commands.
pub(crate) const FROM: [&str; 2] = ["--value-env", "THE_VALUE"];
/// How many turns the key is used in before it is looked for, unless the environment says otherwise, and at most.
const TURNS: usize = 50;
const TURNS_MAX: usize = 1_000;

/// The configuration of a provider at the server, whose key has its name.
pub(crate) fn provider(server: &Scripted, name: &str, kind: &str) -> String {
    let version = if kind == "openai" { "/v1" } else { "" };
    let url = format!("{}{version}", server.url_of(name));
    format!("[[models]]\nname = \"{name}\"\nkind = \"{kind}\"\nmodel = \"scripted-1\"\nbase_url = \"{url}\"\nkey = \"{name}\"\n")
}

/// A server whose providers all know the answer.
pub(crate) fn knowing(providers: &[&str]) -> Scripted {
    let server = Scripted::start().unwrap();
    providers.iter().for_each(|name| server.respond(name, |_| Step::text(ANSWER)));
    server
}

pub(crate) fn talk(house: &House) -> Talk {
    let mut talk = house.talk();
    talk.open(None, None);
    talk
}

/// The key that came with each request.
pub(crate) fn keys(server: &Scripted) -> Vec<String> {
    let key = |headers: &BTreeMap<String, String>| {
        let key = headers.get("x-api-key").or_else(|| headers.get("authorization")).cloned().unwrap_or_default();
        key.trim_start_matches("Bearer ").to_owned()
    };
    server.requests().iter().map(|request| key(&request.headers)).collect()
}

fn killed(id: u32) {
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Copies a folder with all that is in it, as a backup does, over what is there.
pub(crate) fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    let ran = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(ran.success());
}

// === the owner's commands ===

#[test]
fn secrets_are_entered_shown_changed_and_removed_with_a_house_and_without_one() {
    for running in [true, false] {
        let server = knowing(&["weather"]);
        let home = Home::new();
        let house = running.then(|| home.start());
        let rule = format!("POST {}/** lan", server.base_url());
        let add = ["add", "weather", "--value-env", "THE_VALUE", "--use", "tool/weather", "--allow", &rule];
        assert_eq!(home.secret_done("", &["list"]), "No secret is stored.\n");
        let said = home.secret_done(KEY, &add);
        assert!(said.contains("hearth_secret_weather_"), "{said}");
        assert!(home.secret_refused(KEY, &add).contains("there is a secret of this name; choose another name"));

        for shown in [&["list"][..], &["list", "--json"], &["show-policy", "weather"], &["status"]] {
            let said = home.secret_done("", shown);
            assert!(Needles::of(&[KEY]).in_bytes(said.as_bytes()).is_empty(), "{said}");
            assert!(said.contains("weather") || said.starts_with("Open: 1 secrets, 0 older"), "{said}");
        }
        let said = home.secret_done("", &["show-policy", "weather"]);
        assert!(said.contains(&format!("allow  {rule} in header")), "{said}");

        let url = format!("{}/weather/v1/chat/completions", server.base_url());
        let said = home.secret_done("", &["test", "weather", "--url", &url]);
        assert!(said.starts_with("The server answered HTTP "), "{said}");
        home.secret_done(NEXT, &["rotate", "weather", "--value-env", "THE_VALUE"]);
        home.secret_done("", &["test", "weather", "--url", &url]);
        assert_eq!(keys(&server), [KEY, NEXT]);
        assert!(home.secret_refused("", &["test", "weather", "--url", "https://example.com/"]).contains("host (HTTP 403)"));
        assert!(home.secret_done("", &["list"]).starts_with("weather (version 2): tool/weather -> POST "));

        assert!(home.secret_done("", &["revoke", "weather"]).contains("Revoke it at its service too"));
        assert_eq!(home.secret_done("", &["list"]), "No secret is stored.\n");
        for gone in [&["revoke", "weather"][..], &["show-policy", "weather"], &["rotate", "weather", "--value-env", "THE_VALUE"]] {
            assert!(home.secret_refused(KEY, gone).contains("there is no secret of this name that can be used"));
        }
        assert!(home.secret_refused("", &["test", "weather"]).contains("there is no secret of this name"));
        if let Some(house) = house {
            assert_eq!((house.status()["restarts"].as_u64(), house.stop()), (Some(0), Some(0)));
        }
    }
}

#[test]
fn what_cannot_be_a_secret_is_refused_with_a_sentence() {
    const RULE: &str = "POST https://api.example.com/v1/**";
    let home = Home::new();
    let _house = home.start();
    for (name, value, user, rule, expected) in [
        ("Bad Name", KEY, "tool/a", RULE, "`Bad Name` is no name of a secret: a secret's name has 1 to 63 lower-case letters"),
        ("-a", KEY, "tool/a", RULE, "secret's name has 1 to 63"),
        ("a", "", "tool/a", RULE, "nothing was entered"),
        ("a", KEY, "everybody", RULE, "not a user of secrets: write provider/NAME, channel/NAME or tool/NAME"),
        ("a", KEY, "tool/a", "https://api.example.com/", "target 1: write a rule as `METHOD"),
        ("a", KEY, "tool/a", "POST https://api.example.com", "the rule's address has no path"),
        ("a", KEY, "tool/a", "POST http://api.example.com/**", "plain http is for hosts of the LAN only"),
        ("a", KEY, "tool/a", "POST https://192.168.1.9/**", "mark the rule as `lan`"),
        ("a", KEY, "tool/a", "POST https://0300.0250.1.9/** lan", "target 1: "),
        ("a", KEY, "tool/a", "POST https://me:pw@api.example.com/**", "target 1: "),
        ("a", KEY, "tool/a", "POST ftp://api.example.com/**", "target 1: "),
        ("a", KEY, "tool/a", "CONNECT https://api.example.com/**", "target 1: "),
        ("a", KEY, "tool/a", "@nobody", "target 1: there is no well-known service of that name"),
    ] {
        let said = home.secret_refused(value, &["add", "--value-env", "THE_VALUE", "--use", user, "--allow", rule, "--", name]);
        assert!(said.starts_with("hearth: ") && said.contains(expected), "{name} {user} {rule}: {said}");
        assert!(!said.contains(KEY), "{said}");
    }
    for (arguments, expected) in [
        (&["--use", "tool/a"][..], "say where it may be sent"),
        (&["--allow", RULE], "say who may use it"),
        (&["--use", "tool/a", "--allow", RULE, "--rate", "often"], "a rate is USES/SECONDS"),
        (&["--use", "tool/a", "--allow", RULE, "--until", "soon"], "--until is a time such as 2027"),
        (&["--use", "tool/a", "--allow", RULE, "--bytes", "0"], "may have 1 to"),
        (&["--use", "tool/a", "--allow", RULE, "--owner", "Mallory"], "nobody of that name lives here"),
    ] {
        let said = home.secret_refused(KEY, &[&["add", "a", "--value-env", "THE_VALUE"], arguments].concat());
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let large = home.folder().join("large");
    std::fs::write(&large, vec![b'x'; (1 << 20) + 1]).unwrap();
    let mut command = home.command(&["secret", "add", "a", "--value-fd", "0", "--use", "tool/a", "--allow", RULE]);
    command.stdin(File::open(&large).unwrap());
    let ran = run(command);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("a secret has ") && ran.err.contains(" bytes"), "{}", ran.err);
    let said = home.secret_refused(KEY, &["add", "a", "--use", "tool/a", "--allow", RULE]);
    assert!(said.contains("there is no terminal to ask; give --value-fd or --value-env"), "{said}");
    assert_eq!(home.secret_done("", &["list"]), "No secret is stored.\n");
}

#[test]
fn a_wider_policy_takes_the_owners_passphrase_and_a_narrower_one_does_not() {
    let home = Home::new();
    let _house = home.start();
    let allow = |rest: &[&'static str]| [&["allow", "weather"], rest].concat();
    let rules = ["GET https://api.example.com/** in header", "GET https://other.example.com/** in header"];
    let add = ["--use", "tool/weather", "--use", "tool/sky", "--allow", rules[0]];
    home.secret_done(KEY, &[&["add", "weather"], &FROM[..], &add].concat());
    let wider = [&["--allow", rules[1]], &FROM[..]].concat();
    assert!(home.secret_refused(PASSPHRASE, &allow(&wider)).contains("no owner's passphrase is set yet"));
    home.secret_done("", &allow(&["--no-use", "tool/sky"]));

    let passphrase = [&["passphrase"], &FROM[..]].concat();
    assert!(home.secret_refused("short", &passphrase).contains("a passphrase has at least"));
    let kit = home.secret_done(PASSPHRASE, &passphrase);
    assert!(kit.contains("Print this, and keep it away from the house") && !kit.contains(PASSPHRASE), "{kit}");
    assert!(home.secret_refused("", &allow(&["--allow", rules[1]])).contains("there is no terminal to ask"));
    assert!(home.secret_refused("five hedgehogs over a hedge", &allow(&wider)).contains("neither the owner's passphrase nor"));
    assert!(!home.secret_done("", &["show-policy", "weather"]).contains(rules[1]));
    home.secret_done(PASSPHRASE, &allow(&wider));
    let shown = home.secret_done("", &["show-policy", "weather"]);
    assert!(rules.iter().all(|rule| shown.contains(rule)) && !shown.contains("tool/sky"), "{shown}");
    home.secret_done("", &allow(&["--no-allow", rules[0]]));
    assert!(!home.secret_done("", &["show-policy", "weather"]).contains(rules[0]));

    // A new one takes the present one, and then counts alone.
    let changed = |old: &str, new: &str| {
        let mut command = home.command(&["secret", "passphrase", "--value-env", "NEW", "--old", "OLD"]);
        command.envs([("NEW", new), ("OLD", old)]);
        run(command)
    };
    let ran = changed("five hedgehogs over a hedge", "six hedgehogs under a hedge");
    assert!(ran.code == Some(1) && ran.err.contains("neither the owner's passphrase nor"), "{}{}", ran.out, ran.err);
    let ran = changed(PASSPHRASE, "six hedgehogs under a hedge");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "The owner's passphrase is changed.\n"), "{}", ran.err);
    assert!(home.secret_refused(PASSPHRASE, &allow(&["--use", "tool/sky", FROM[0], FROM[1]])).contains("neither the owner's"));
    home.secret_done("six hedgehogs under a hedge", &allow(&["--use", "tool/sky", FROM[0], FROM[1]]));
    assert!(home.secret_done("", &["status"]).contains("an owner's passphrase is set"));
}

#[test]
fn a_file_of_variables_is_taken_in_line_by_line() {
    let home = Home::new();
    let file = home.folder().join(".env");
    std::fs::write(&file, format!("# keys\nexport OPENAI_API_KEY=\"{KEY}\"\n\nEMPTY=\nSEA.LEVEL=x\nWEATHER={NEXT}\n")).unwrap();
    let path = file.to_str().unwrap();
    let import = ["import", path, "--use", "provider/first", "--allow", "@openai"];
    let said = home.secret_done("", &import);
    for part in ["openai-api-key is in the vault.", "sea.level was not taken: ", "weather is in the vault.", &format!("Now remove {path}")]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let listed = home.secret_done("", &["list"]);
    for part in ["openai-api-key (version 1): provider/first -> ", "weather (version 1)", "https://api.openai.com/v1/chat/completions"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let needles = Needles::of(&[KEY, NEXT]);
    assert!(needles.in_bytes([said, listed].concat().as_bytes()).is_empty());
    assert!(home.secret_done("", &import).contains("weather was not taken: there is a secret of this name"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(needles.in_files(home.folder()).1, BTreeMap::new());
    assert!(home.secret_refused("", &import).contains("cannot be read"));
}

// === providers ===

#[test]
fn a_provider_gets_its_key_from_the_vault_until_it_is_revoked() {
    for kind in ["openai", "anthropic"] {
        let server = knowing(&["first"]);
        let home = Home::with(&(provider(&server, "first", kind) + ONCE));
        let house = home.start();
        let mut talk = talk(&house);
        let lacking = |answer: &str| {
            assert!(answer.starts_with(NOBODY), "{answer}");
            assert!(
                answer.contains("first: the request mentions a secret that is not there; enter it with `hearth secret add`"),
                "{answer}"
            );
        };
        lacking(&talk.answer(QUESTION).text);
        home.key(&server, "first");
        assert_eq!(talk.answer(QUESTION).text, ANSWER, "{kind}");
        home.secret_done(NEXT, &["rotate", "first", "--value-env", "THE_VALUE"]);
        assert_eq!(talk.answer(QUESTION).text, ANSWER, "{kind}");
        assert_eq!(keys(&server), [KEY, NEXT], "{kind}");
        home.secret_done("", &["revoke", "first"]);
        lacking(&talk.answer(QUESTION).text);
        assert_eq!(server.requests().len(), 2, "{kind}");
        assert_eq!(house.status()["restarts"], 0);
    }
}

#[test]
fn a_secret_goes_to_no_other_place_and_for_nobody_else() {
    let server = knowing(&["first"]);
    let home = Home::with(&(provider(&server, "first", "openai") + ONCE));
    let house = home.start();
    let mut talk = talk(&house);
    let (url, elsewhere) = (server.base_url(), server.base_url().replace("127.0.0.1", "localhost"));
    for (user, rule, expected) in [
        ("provider/second", format!("POST {url}/** lan"), "this part of the house may not use this secret"),
        ("tool/first", format!("POST {url}/** lan"), "this part of the house may not use this secret"),
        ("provider/first", format!("POST {elsewhere}/** lan"), "the secret may not be sent to this host"),
        ("provider/first", "POST http://127.0.0.1:1/** lan".to_owned(), "may not be sent to this port"),
        ("provider/first", format!("GET {url}/** lan"), "the secret may not be used with this method there"),
        ("provider/first", format!("POST {url}/second/** lan"), "the secret may not be sent to this path of the host"),
        ("provider/first", format!("POST {url}/** lan in query"), "the secret may not stand in this place"),
    ] {
        home.secret_done(KEY, &["add", "first", FROM[0], FROM[1], "--use", user, "--allow", &rule]);
        let answer = talk.answer(QUESTION).text;
        assert!(answer.starts_with(NOBODY), "{user} {rule}: {answer}");
        assert!(answer.contains("first: ") && answer.contains(expected), "{user} {rule}: {answer}\n{}", home.log());
        assert_eq!((server.requests().len(), server.connections()), (0, 0), "{user} {rule}");
        home.secret_done("", &["revoke", "first"]);
    }
}

// === who has it ===

/// What channels and tools will use, with secrets in the places where they will need them.
struct Standins {
    service: (u16, Got),
    gateway: (u16, Got),
    values: [String; 4],
}

/// How a request is signed.
const SIGNED: &str =
    r#"signing {"kind":"hmac","hash":"sha256","encoding":"hex","header":"x-signature","text":"sha256={digest}","over":"{body}"}"#;

impl Standins {
    /// Enters the secrets: a channel's in a path, another's in a WebSocket's first message, a tool's in a header, and one that signs.
    fn start(home: &Home, values: [&String; 4]) -> Self {
        let (service, gateway) = (standins::http(), standins::gateway());
        let url = format!("http://127.0.0.1:{}", service.0);
        let rules = [
            ("bot", "channel/telegram", format!("POST {url}/** lan in path")),
            ("gateway", "channel/discord", format!("GET http://127.0.0.1:{}/gateway lan in body", gateway.0)),
            ("header", "tool/weather", format!("POST {url}/** lan in header")),
            ("signing", "tool/weather", format!("POST {url}/** lan in signature")),
        ];
        for ((name, user, rule), value) in rules.iter().zip(values) {
            home.secret_done(value, &["add", name, FROM[0], FROM[1], "--use", user, "--allow", rule]);
        }
        Self { service, gateway, values: values.map(Clone::clone) }
    }

    fn use_all(&self, home: &Home) {
        let vault = home.data().join("vault.sock");
        let url = format!("http://127.0.0.1:{}", self.service.0);
        let said = standins::post(&vault, "channel/telegram", &format!("{url}/bothearth_secret_bot_/sendMessage"), &[], "{}");
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        let headers = [("x-token", "hearth_secret_header_"), ("x-hearth-sign", SIGNED)];
        let said = standins::post(&vault, "tool/weather", &format!("{url}/hook"), &headers, "hello");
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        let mut socket = standins::connect(&vault, "channel/discord", &format!("ws://127.0.0.1:{}/gateway", self.gateway.0));
        socket.send(Message::text(r#"{"op":2,"token":"hearth_secret_gateway_"}"#)).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("hello"));
        socket.close(None).unwrap();
    }

    /// Each came as often as it was used, but for the one that only signs.
    fn check(&self, turns: usize) {
        let [bot, gateway, header, signing] = &self.values;
        let counts = [self.service.1.count(bot), self.gateway.1.count(gateway), self.service.1.count(header)];
        assert_eq!(counts, [turns; 3]);
        assert_eq!((self.service.1.count("x-signature: sha256="), self.service.1.count(signing)), (turns, 0));
    }
}

#[test]
fn a_key_that_is_used_is_in_no_process_but_the_vaults_and_in_no_file() {
    let turns = std::env::var("HEARTH_TURNS").map_or(TURNS, |turns| turns.parse().unwrap()).min(TURNS_MAX);
    // One that no run before had: memory that the system hands out may hold what processes that have ended left in it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let value = format!("sk-canary-{now:x}-{:x}", std::process::id());
    let server = knowing(&["second"]);
    let (mut count, said_back) = (0, value.clone());
    // Every tenth turn, the first provider says the key back.
    server.respond("first", move |_| {
        count += 1;
        let echo = Step::Status { code: 401, retry_after: None, message: format!("the key {said_back} is not good") };
        if count % 10 == 0 { echo } else { Step::text(ANSWER) }
    });
    let mut home = Home::with(&(provider(&server, "first", "openai") + &provider(&server, "second", "anthropic") + ONCE));
    home.variables.insert("HEARTH_LOG", "debug".to_owned());
    let house = home.start();
    let rule = format!("POST {}/** lan", server.base_url());
    for (name, user) in [("first", "provider/first"), ("second", "provider/second")] {
        home.secret_done(&value, &["add", name, FROM[0], FROM[1], "--use", user, "--allow", &rule]);
    }
    let [bot, gateway, header, signing] = ["bot", "gateway", "header", "signing"].map(|name| format!("{name}-canary-{now:x}"));
    let standins = Standins::start(&home, [&bot, &gateway, &header, &signing]);
    let mut talk = talk(&house);
    for _ in 0..turns {
        assert_eq!(talk.answer(QUESTION).text, ANSWER);
        standins.use_all(&home);
    }
    standins.check(turns);
    let asked = server.requests();
    let with_key = keys(&server).iter().filter(|key| **key == value).count();
    assert!(with_key >= turns && with_key == asked.len(), "{with_key} of {} requests had the key", asked.len());

    let needles = Needles::of(&[&value, &bot, &gateway, &header, &signing]);
    let processes = [("house", house.id()), ("egress", house.part("hearth egress", &[])), ("vault", house.part("hearth vault", &[]))];
    // Something that the house does have, so that it is known to be looked at.
    let control = Needles::of(&["hearth_secret_first_"]);
    for (name, id) in processes {
        match needles.in_process(id) {
            Ok((size, hits)) => {
                eprintln!("memory after {turns} turns: {name}: {size} bytes, {hits:?}");
                assert!(size > 1 << 20, "{name}: only {size} bytes");
                assert!(name == "vault" || hits.is_empty(), "{name}: {hits:?}");
                assert!(name != "house" || control.in_process(id).unwrap().1.contains_key("0 as it is"));
            }
            Err(error) if !geteuid().is_root() => {
                eprintln!("NOT SHOWN: the memory of {name} may only be looked at by root ({error})");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }

    let page = Browser::at(house.status()["page"].as_str().unwrap());
    let link = home.run(&["login"]).out;
    let cookie = page.log_in(link.trim_end().rsplit_once('#').unwrap().1).unwrap();
    for path in ["/metrics", "/"] {
        let shown = page.get(path, Some(&cookie));
        assert!(shown.len() > 500 && needles.in_bytes(shown.as_bytes()).is_empty(), "{path}");
    }
    assert_eq!(home.run(&["verify"]).code, Some(0));
    assert_eq!(house.status()["restarts"], 0);
    drop(talk);
    assert_eq!(house.stop(), Some(0));
    let (files, found) = needles.in_files(home.folder());
    assert!(files > 5, "{files}");
    assert_eq!(found, BTreeMap::new());
    let rows = stored(&home);
    assert!(rows.contains("SecretUsed") || rows.contains("secret_used"), "no use is in the audit");
    assert_eq!(needles.in_bytes(rows.as_bytes()), Hits::new());
}

/// Each actor of the tree and how often it was restarted.
fn restarts(node: &Value, into: &mut BTreeMap<String, u64>) {
    into.insert(node["name"].as_str().unwrap().to_owned(), node["restarts"].as_u64().unwrap());
    node["children"].as_array().unwrap().iter().for_each(|child| restarts(child, into));
}

#[test]
fn the_vault_is_killed_in_the_middle_of_turns_and_nothing_else_restarts() {
    const KILLS: usize = 5;
    let server = Scripted::start().unwrap();
    server.respond("first", |_| Step::Slow { reply: Reply::text(ANSWER), every_ms: 100 });
    let home = Home::with(&provider(&server, "first", "openai"));
    home.key(&server, "first");
    let house = home.start();
    let mut talk = talk(&house);
    let mut vaults = Vec::new();
    for _ in 0..KILLS {
        let vault = house.part("hearth vault", &vaults);
        let before = server.requests().len();
        let nonce = talk.say(QUESTION);
        let taken = talk.taken(&nonce);
        assert_eq!(server.wait_until(|asked| asked.len() > before).len(), before + 1, "the request is under way");
        killed(vault);
        vaults.push(vault);
        assert_eq!(talk.answer_of(taken.answer).text, ANSWER, "asked again by the next process");
    }
    assert_eq!(talk.answer(QUESTION).text, ANSWER);
    assert!(keys(&server).iter().all(|key| key == KEY));
    let tree = home.run(&["tree", "--json"]);
    let mut counts = BTreeMap::new();
    restarts(&serde_json::from_str(&tree.out).unwrap(), &mut counts);
    assert!(counts.contains_key("vault") && counts.values().all(|count| *count == 0), "{counts:?}");
    assert!(home.secret_done("", &["list"]).starts_with("first (version 1)"));
    assert_eq!(home.run(&["verify"]).code, Some(0));
    assert_eq!(house.stop(), Some(0));
}

// === the way out ===

/// What a household does in a day, as far as it makes the house speak to anybody: turns by both ways out, memory, a reminder, the page, a tool
/// by both ways, a vault that dies, the owner's commands. The vaults that there were, and the way out without keys.
fn a_day(home: &Home, house: &House, server: &Scripted, service: u16) -> Vec<u32> {
    let mut talk = talk(house);
    // The first has no key yet, so that the second is asked: both ways out are used.
    assert_eq!(talk.answer(QUESTION).text, ANSWER);
    home.key(server, "first");
    assert_eq!(talk.answer(QUESTION).text, ANSWER);
    assert_eq!(server.requests().iter().map(|request| request.provider.as_str()).collect::<Vec<_>>(), ["open", "first"]);
    talk.answer("remember that the bins go out on Tuesday");
    assert!(talk.answer("what do I know about the bins?").text.contains("Tuesday"));
    talk.answer("remind me in 1 second to stretch");
    talk.wait("the reminder", |frames| messages(frames).into_iter().find(|said| said.text == "Reminder: stretch"));
    let mut bo = house.talk();
    bo.open(Some("Bo"), None);
    assert_eq!(bo.answer(QUESTION).text, ANSWER);

    let page = Browser::at(house.status()["page"].as_str().unwrap());
    let cookie = page.log_in(home.run(&["login"]).out.trim_end().rsplit_once('#').unwrap().1).unwrap();
    assert!(page.get("/", Some(&cookie)).contains("<html"));

    let rule = format!("POST http://127.0.0.1:{service}/** lan in header");
    home.secret_done(KEY, &["add", "probe", FROM[0], FROM[1], "--use", "tool/hearth.probe", "--allow", &rule]);
    tools::installed(home, service);
    let url = format!("http://127.0.0.1:{service}/day");
    assert_eq!(tools::call(home, "fetch", &json!({ "url": url }))["status"], 200);
    assert_eq!(tools::call(home, "send", &json!({ "url": url, "text": "evening" }))["status"], 200);

    let before = house.part("hearth vault", &[]);
    killed(before);
    let after = house.part("hearth vault", &[before]);
    assert_eq!(talk.answer(QUESTION).text, ANSWER);
    for command in [&["verify"][..], &["doctor"], &["status"], &["tree"], &["secret", "list"], &["tool", "list"]] {
        assert_eq!(home.run(command).code, Some(0), "{command:?}");
    }
    vec![before, after, house.part("hearth egress", &[])]
}

#[test]
fn the_house_itself_connects_to_nothing_outside_all_day() {
    const CALLS: &str = "trace=connect,sendto,sendmsg,sendmmsg";
    if Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        let (server, service) = (knowing(&["first", "open"]), standins::http());
        let open = provider(&server, "open", "openai").replace("key = \"open\"\n", "");
        let lan = format!("[egress]\nlan = [\"http://127.0.0.1:{}\"]\n", service.0);
        let home = Home::with(&(provider(&server, "first", "openai") + &open + &lan + ONCE));
        let trace = home.folder().join("trace");
        let arguments = ["-D", "-f", "-qq", "-e", CALLS, "-o", trace.to_str().unwrap(), env!("CARGO_BIN_EXE_hearth"), "up"];
        let house = home.start_as(home.prepared(Command::new("strace"), &arguments));
        let parts: Vec<_> = a_day(&home, &house, &server, service.0).iter().map(u32::to_string).collect();
        assert_eq!(house.stop(), Some(0));

        let trace = std::fs::read_to_string(trace).unwrap();
        // What the kernel refuses is none: the house tries one itself, to see that it is.
        let refused = |line: &str| line.ends_with("EACCES (Permission denied)");
        let outside: Vec<_> =
            trace.lines().filter(|line| (line.contains("AF_INET") || line.contains("AF_NETLINK")) && !refused(line)).collect();
        let by = |line: &&str| line.split_whitespace().next().unwrap().to_owned();
        let strangers: Vec<_> = outside.iter().filter(|line| !parts.contains(&by(line))).collect();
        assert!(strangers.is_empty(), "{strangers:?}");
        for part in parts {
            assert!(outside.iter().any(|line| by(line) == part && line.contains("connect(")), "{part} connected to nothing: {outside:?}");
        }
        assert!(trace.contains("AF_UNIX"), "the house speaks to both");
    } else {
        eprintln!("NOT SHOWN: there is no strace, or it may not trace");
    }
}
