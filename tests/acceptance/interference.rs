//! Non-interference through the real binary: the same session in fresh houses, as it is, with other secrets, and with other private words of
//! one member, all as long. What a model's server, a tool's server, the other members and whoever reads the log get to see is the same, but
//! for ids and times ([`normal`]) and, at the two servers, the slot of the secret itself and the length of a body that is compared.
//!
//! The simulation shows the same with seeded ids, clock and chance, byte for byte (`simulate --non-interference`).

mod normal;

use std::collections::{BTreeMap, BTreeSet};

use hearth_scripted::script::{Call, Step};
use hearth_scripted::server::{Recorded, Scripted};
use normal::Normal;
use serde_json::{Value, json};

use crate::standins::{self, Got};
use crate::support::{Home, House, Talk, messages};
use crate::tools;

const MEMBERS: &str = "[[members]]\nname = \"Ada\"\nzone = \"UTC\"\n[[members]]\nname = \"Bo\"\nzone = \"UTC\"\nrole = \"adult\"\n\
    [[members]]\nname = \"Tess\"\nzone = \"UTC\"\nrole = \"teen\"\n";
const SEND: &str = "hearth__probe__send";
/// A function that deletes: an adult is asked when it is a teen who wants it.
const DELETE: &str = "mcp__shelf__say";

/// What nobody else may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Private {
    /// Of the provider, and of the tool.
    secrets: [&'static str; 2],
    /// Bo's.
    bo: [&'static str; 3],
    /// Tess's.
    tess: [&'static str; 2],
}

const AS_IT_IS: Private =
    Private { secrets: ["sk-canary-8d2f6b1e0c", "tool-canary-5be1"], bo: ["kestrel", "wounded", "trumpet"], tess: ["hideout", "giraffe"] };

/// What somebody has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct View {
    /// What the model's server was sent on the member's behalf.
    model: Vec<String>,
    /// What the tool's server was sent on the member's behalf.
    tool: Vec<String>,
    /// What the member was shown.
    terminal: Vec<String>,
}

/// What everybody has seen.
#[derive(Debug)]
struct Seen {
    views: BTreeMap<&'static str, View>,
    log: Vec<String>,
    /// Whether the two servers were sent the secrets, each in its slot.
    slots: [bool; 2],
}

/// A house, and what everybody sees of it.
struct Stage {
    server: Scripted,
    port: u16,
    shelf: u16,
    service: Got,
    home: Home,
    house: House,
    private: Private,
    views: BTreeMap<&'static str, View>,
    codes: Vec<String>,
}

/// A server of a shelf, and what its owner says that its function does.
fn shelf_of(port: u16) -> String {
    format!(
        "[[mcp]]\nname = \"shelf\"\nwhat = {{ http = {{ url = \"http://127.0.0.1:{port}/mcp\" }} }}\n[mcp.says.say]\neffect = \"delete\"\narguments = {{ \"/to\" = \"id\", \"/text\" = \"content\" }}\n"
    )
}

/// Tells every word that it was shown: a model that wants everybody to know everything.
fn tells_all(request: &Recorded) -> Step {
    let words = request.text.split(|letter: char| !letter.is_ascii_alphabetic());
    let told: BTreeSet<&str> = words.filter(|word| word.len() > 5 && word.bytes().all(|letter| letter.is_ascii_lowercase())).collect();
    Step::text(&told.into_iter().collect::<Vec<_>>().join(" "))
}

impl Stage {
    fn new(private: Private) -> Self {
        let (server, (port, service), (shelf, _)) = (Scripted::start().unwrap(), standins::http(), standins::mcp());
        server.respond("first", tells_all);
        let home = Home::new();
        home.configure(&format!(
            "{MEMBERS}{}[egress]\nlan = [\"http://127.0.0.1:{port}\", \"http://127.0.0.1:{shelf}\"]\n[[models]]\nname = \"first\"\nkind = \"openai\"\nmodel = \"scripted-1\"\nbase_url = \"{}/v1\"\nkey = \"first\"\n",
            shelf_of(shelf),
            server.url_of("first")
        ));
        let [key, token] = private.secrets;
        let model = format!("POST {}/** lan", server.base_url());
        home.secret_done(key, &["add", "first", "--value-env", "THE_VALUE", "--use", "provider/first", "--allow", &model]);
        let rule = format!("POST http://127.0.0.1:{port}/** lan in header");
        home.secret_done(token, &["add", "probe", "--value-env", "THE_VALUE", "--use", "tool/hearth.probe", "--allow", &rule]);
        let house = home.start();
        tools::installed(&home, port);
        for arguments in [["tool", "mcp", "shelf", "--yes"], ["tool", "grant", "mcp/shelf", "--yes"]] {
            let ran = home.run(&arguments);
            assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
        }
        Self { server, port, shelf, service, home, house, private, views: BTreeMap::new(), codes: Vec::new() }
    }

    /// Does something as somebody; what the servers are sent meanwhile is on that member's behalf.
    fn does(&mut self, who: &'static str, what: impl FnOnce(&mut Self) -> String) {
        let (requests, bytes) = (self.server.requests().len(), self.service.bytes());
        let shown = what(self);
        let sent = |one: &Recorded| {
            // The length of the body follows from the body, which is compared, and in which times are not all of the same length.
            let headers: Vec<_> = one.headers.iter().filter(|(name, _)| *name != "content-length").collect();
            format!("{} {headers:?} {}", one.path, one.text)
        };
        let model: Vec<_> = self.server.requests()[requests..].iter().map(sent).collect();
        let tool = self.service.since(bytes);
        let view = self.views.entry(who).or_default();
        view.terminal.push(shown);
        view.model.extend(model);
        view.tool.push(tool);
    }

    fn runs(&mut self, who: &'static str, arguments: &[&str]) {
        self.does(who, |stage| {
            let ran = stage.home.run(arguments);
            assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
            format!("{}{}", ran.out, ran.err)
        });
    }

    fn says(&mut self, who: &'static str, text: &str) {
        self.runs(who, &["chat", "--as", who, "--once", text]);
    }

    /// Has something posted to an address that is in the member's words.
    fn posts(&mut self, who: &'static str, text: &str) {
        let url = format!("http://127.0.0.1:{}/{}", self.port, who.to_lowercase());
        self.will_call(SEND, &json!({ "url": url, "text": text }));
        self.says(who, &format!("please post {text} to {url} for me"));
    }

    fn will_call(&self, function: &str, arguments: &Value) {
        self.server.push_to("first", Step::calls(vec![Call::new("1", function, arguments)]));
        self.server.push_to("first", Step::text("That is all."));
    }

    /// A teen wants something that an adult decides about, lets the adult see what it is, and the adult says no.
    fn asks_an_adult(&mut self, who: &'static str, text: &str) {
        self.will_call(DELETE, &json!({ "to": "diary-7", "text": text }));
        let hears = |talk: &mut Talk, words: &str| {
            talk.wait(words, |frames| messages(frames).into_iter().map(|said| said.text).find(|text| text.contains(words)))
        };
        let (mut talk, mut adults) = (self.house.talk(), self.house.talk());
        talk.open(Some(who), None);
        adults.open(Some("Ada"), None);
        let mut answer = None;
        self.does(who, |_| {
            let nonce = talk.say(&format!("please delete diary-7 with {text}"));
            answer = Some(talk.taken(&nonce).answer);
            let asked = hears(&mut talk, "Ask them?");
            talk.say("/yes");
            asked
        });
        // The member's yes is answered when the turn that asked has ended; that it was taken is seen by the adult's card.
        self.does("Ada", |_| hears(&mut adults, "delete something for good"));
        let listed = self.home.run(&["approvals", "--as", "Ada", "--json"]).out;
        let code = listed.split("\"code\":").nth(1).and_then(|rest| rest.split('"').nth(1)).expect("a question waits").to_owned();
        self.codes.push(code.clone());
        self.runs("Ada", &["approvals", "--as", "Ada"]);
        self.does(who, |stage| {
            let ran = stage.home.run(&["approvals", "no", &code, "--as", "Ada"]);
            assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
            talk.answer_of(answer.unwrap()).text
        });
    }

    /// Ends the house; what everybody has seen, as it would be in any house.
    fn end(self) -> Seen {
        let Self { server, port, shelf, service, home, house, private, views, codes } = self;
        assert_eq!(house.stop(), Some(0));
        let [key, token] = private.secrets;
        let slots = [server.requests().iter().all(|one| one.headers.values().any(|value| value.contains(key))), service.count(token) > 0];
        let mut known = vec![
            (home.folder().display().to_string(), "(home)".to_owned()),
            (format!(":{port}"), ":(tool)".to_owned()),
            (format!(":{shelf}"), ":(shelf)".to_owned()),
            (server.base_url(), "(model)".to_owned()),
            (server.base_url().replace("http://", ""), "(model)".to_owned()),
        ];
        known.extend(codes.iter().enumerate().map(|(n, code)| (code.clone(), format!("(code {n})"))));
        let log = home.log();
        let at_servers: Vec<_> =
            [known.clone(), vec![(key.to_owned(), "(secret)".to_owned()), (token.to_owned(), "(secret)".to_owned())]].concat();
        let views = views.into_iter().map(|(who, view)| {
            let (mut shown, mut sent) = (Normal::new(&known), Normal::new(&at_servers));
            let terminal = view.terminal.iter().map(|text| shown.text(text)).collect();
            let model = view.model.iter().map(|text| sent.text(text)).collect();
            (who, View { model, tool: view.tool.iter().map(|text| sent.text(text)).collect(), terminal })
        });
        // Processes and threads write into the log as they come; every line is compared, and not their order.
        let mut lines: Vec<_> = log.lines().map(|line| Normal::new(&known).text(line)).collect();
        lines.sort();
        Seen { views: views.collect(), log: lines, slots }
    }
}

/// What is said and done in every house.
fn session(private: Private) -> Seen {
    let mut stage = Stage::new(private);
    let ([bird, state, sound], [place, animal]) = (private.bo, private.tess);
    stage.says("Bo", &format!("remember that the {bird} is {state}"));
    stage.says("Ada", "remember that the ladder is behind the curtain");
    stage.says("Bo", &format!("what should I do about the {bird} and the {sound}, please"));
    stage.says("Tess", &format!("remember that the {place} has a {animal}"));
    stage.says("Ada", "please say what you know about the ladder");
    stage.posts("Bo", &format!("{bird} {sound}"));
    stage.posts("Ada", "good morning");
    stage.asks_an_adult("Tess", &format!("{animal} {place}"));
    stage.says("Tess", &format!("do you know of the {place}, please"));
    // Who types a secret into the chat has it before their own eyes, and no model has.
    let token = private.secrets[1];
    stage.does("Ada", |stage| stage.home.run(&["chat", "--as", "Ada", "--once", &format!("please say whether {token} is my token")]).out);
    stage.says("Ada", "what is known in this house, please, about everybody and everything");
    stage.says("Bo", "and what do you know of me, please");
    stage.runs("Ada", &["approvals", "--as", "Ada"]);
    stage.runs("Ada", &["secret", "list"]);
    stage.runs("Bo", &["approvals", "--as", "Bo"]);
    stage.end()
}

/// The first difference of two lists of texts, with its place.
fn first_difference(one: &[String], other: &[String]) -> Option<String> {
    let at = one.iter().zip(other).position(|(a, b)| a != b).or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))?;
    let (a, b) = (one.get(at).map_or("", String::as_str), other.get(at).map_or("", String::as_str));
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let piece = |text: &str| text.chars().skip(same.saturating_sub(100)).take(200).collect::<String>();
    Some(format!("number {at}, letter {same}:\n  {}\n  {}", piece(a), piece(b)))
}

/// Everybody but this member sees the same in both.
fn same_for_all_but(member: &str, one: &Seen, other: &Seen) {
    for (who, view) in one.views.iter().filter(|(who, _)| **who != member) {
        let seen = &other.views[who];
        for (what, a, b) in
            [("model", &view.model, &seen.model), ("tool", &view.tool, &seen.tool), ("terminal", &view.terminal, &seen.terminal)]
        {
            assert_eq!(first_difference(a, b), None, "the {what} of {who}");
        }
    }
    assert_eq!(first_difference(&one.log, &other.log), None, "the log");
}

#[test]
fn other_secrets_and_another_members_words_change_nothing_that_others_see() {
    let plain = session(AS_IT_IS);
    assert_eq!(plain.slots, [true, true], "the secrets are in their slots");
    assert!(plain.views["Ada"].model.len() > 4 && plain.views["Ada"].tool.concat().contains("(secret)"), "{:?}", plain.views["Ada"]);

    let secrets = Private { secrets: ["sk-walrus-17c04a9be2", "bird-feeder-82da"], ..AS_IT_IS };
    let other = session(secrets);
    assert_eq!(other.slots, [true, true]);
    same_for_all_but("nobody", &plain, &other);

    let bo = Private { bo: ["bittern", "missing", "bassoon"], ..AS_IT_IS };
    let other = session(bo);
    same_for_all_but("Bo", &plain, &other);
    assert_ne!(plain.views["Bo"], other.views["Bo"], "Bo sees his own words");

    let tess = Private { tess: ["rooftop", "lobster"], ..AS_IT_IS };
    let other = session(tess);
    same_for_all_but("Tess", &plain, &other);
    assert_ne!(plain.views["Tess"], other.views["Tess"], "Tess sees her own words");
}
