//! What may be done in a house: what its member named, what a person said yes to, and what the rules say.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use hearth::wire::HouseFrame;
use hearth_scripted::script::{Call, Step};
use hearth_scripted::server::Scripted;
use serde_json::json;

use crate::standins::{self, Got};
use crate::support::{DEADLINE, Home, House, Talk, finish, messages};
use crate::tools;

const SEND: &str = "hearth__probe__send";

/// A house with a scripted model and a tool that posts to a service.
pub(crate) struct Scene {
    pub(crate) talk: Talk,
    pub(crate) house: House,
    pub(crate) server: Scripted,
    pub(crate) home: Home,
    port: u16,
    pub(crate) service: Got,
}

impl Scene {
    pub(crate) fn new(more: &str) -> Self {
        let (server, (port, service)) = (Scripted::start().unwrap(), standins::http());
        let model = format!(
            "[egress]\nlan = [\"http://127.0.0.1:{port}\"]\n{more}[[models]]\nname = \"first\"\nkind = \"openai\"\nmodel = \"scripted-1\"\nbase_url = \"{}/v1\"\nkey = \"first\"\n",
            server.url_of("first")
        );
        let home = Home::with(&model);
        home.key(&server, "first");
        let rule = format!("POST http://127.0.0.1:{port}/** lan in header");
        home.secret_done("tool-canary", &["add", "probe", "--value-env", "THE_VALUE", "--use", "tool/hearth.probe", "--allow", &rule]);
        let house = home.start();
        tools::installed(&home, port);
        let mut talk = house.talk();
        talk.open(None, None);
        Self { talk, house, server, home, port, service }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The model will have this posted, and then say something.
    pub(crate) fn will_send(&self, path: &str, then: &str) {
        self.will_call(path);
        self.server.push_to("first", Step::text(then));
    }

    /// The model will have this posted.
    pub(crate) fn will_call(&self, path: &str) {
        let order = json!({ "url": self.url(path), "text": "good morning" });
        self.server.push_to("first", Step::calls(vec![Call::new("1", SEND, &order)]));
    }

    pub(crate) fn posted(&self, path: &str) -> usize {
        self.service.count(&format!("POST /{path} "))
    }

    /// The code of the card that is shown next, and its text.
    pub(crate) fn card(&mut self, before: usize) -> (String, String) {
        card(&mut self.talk, before)
    }
}

/// The code of the card that a client is shown after so many frames, and its text.
pub(crate) fn card(talk: &mut Talk, before: usize) -> (String, String) {
    let text = talk.wait("a card", |frames: &[HouseFrame]| {
        messages(&frames[before..]).into_iter().map(|said| said.text).find(|text| text.contains("Say /yes "))
    });
    let code = text.split("Say /yes ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (code, text)
}

#[test]
fn what_a_member_names_is_done_and_what_a_model_chose_is_asked() {
    let mut scene = Scene::new("");
    let named = scene.url("named");
    scene.will_send("named", "It is sent.");
    assert_eq!(scene.talk.answer(&format!("Please post good morning to {named} for me")).text, "It is sent.");
    assert_eq!(scene.posted("named"), 1, "nobody is asked about what the member said");

    let before = scene.talk.frames.len();
    scene.will_send("chosen", "They know.");
    let nonce = scene.talk.say("Please tell everybody good morning");
    let taken = scene.talk.taken(&nonce);
    let (code, card) = scene.card(before);
    assert!(card.contains("May `hearth__probe__send` of hearth/probe send something out of the house for Ada?"), "{card}");
    assert!(card.contains(&scene.url("chosen")) && card.contains("good morning") && card.contains("is not in your words"), "{card}");
    assert_eq!(scene.posted("chosen"), 0, "not before somebody said yes");
    let waiting = scene.home.run(&["approvals"]);
    assert!(waiting.out.contains(&code), "{waiting:?}");
    let others = scene.home.run(&["approvals", "--as", "Bo"]);
    assert!(others.out.contains("No question waits"), "it is Ada's own matter: {others:?}");
    assert_eq!(scene.home.run(&["approvals", "yes", &code, "--as", "Bo"]).code, Some(1), "nor may another answer it");
    let replied = scene.talk.say(&format!("/yes {code}"));
    let replied = scene.talk.taken(&replied);
    assert_eq!(scene.talk.answer_of(taken.answer).text, "They know.");
    assert!(scene.talk.answer_of(replied.answer).text.contains("is done"));
    assert_eq!(scene.posted("chosen"), 1);
    let again = scene.home.run(&["approvals", "yes", &code]);
    assert!(again.code == Some(1) && again.err.contains("No question waits"), "{again:?}");
    assert_eq!(scene.home.run(&["verify"]).code, Some(0));
}

#[test]
fn a_no_is_final_a_stop_withdraws_and_always_is_a_grant_that_can_be_taken_back() {
    let mut scene = Scene::new("");
    let before = scene.talk.frames.len();
    scene.will_send("a", "I left it.");
    let taken = {
        let nonce = scene.talk.say("Please tell everybody good morning");
        scene.talk.taken(&nonce)
    };
    let (code, _) = scene.card(before);
    assert_eq!(scene.home.run(&["approvals", "no", &code]).code, Some(0));
    assert_eq!(scene.talk.answer_of(taken.answer).text, "I left it.");
    assert!(scene.server.requests().last().unwrap().text.contains("a member said no to this"));
    assert_eq!(scene.posted("a"), 0);

    let before = scene.talk.frames.len();
    scene.will_send("b", "Never said.");
    let nonce = scene.talk.say("Please tell everybody good evening");
    let taken = scene.talk.taken(&nonce);
    let (code, _) = scene.card(before);
    scene.talk.send(&hearth::wire::ClientFrame::Stop);
    assert_eq!(scene.talk.answer_of(taken.answer).text, "Stopped.");
    scene.talk.wait("the word that it ran", |frames| frames.contains(&HouseFrame::Stopped { ran: true }).then_some(()));
    let late = scene.home.run(&["approvals", "yes", &code]);
    assert!(late.code == Some(1) && scene.posted("b") == 0, "{late:?}");
    // The model was not asked again after the stop.
    scene.server.push_to("first", Step::text("Yes?"));
    assert_eq!(scene.talk.answer("Are you there?").text, "Never said.");
    assert_eq!(scene.talk.answer("And now?").text, "Yes?");

    let before = scene.talk.frames.len();
    scene.will_send("c", "Told.");
    let nonce = scene.talk.say("Please tell everybody good night");
    let taken = scene.talk.taken(&nonce);
    let (code, _) = scene.card(before);
    assert_eq!(scene.home.run(&["approvals", "always", &code]).code, Some(0));
    assert_eq!(scene.talk.answer_of(taken.answer).text, "Told.");
    scene.will_send("c", "Told again.");
    assert_eq!(scene.talk.answer("Please tell everybody good night once more").text, "Told again.");
    assert_eq!(scene.posted("c"), 2, "the second without a question");
    let grants = scene.home.run(&["grants"]).out;
    let id = grants.split_whitespace().next().unwrap().to_owned();
    assert!(grants.contains(&scene.url("c")), "{grants}");
    assert_eq!(scene.home.run(&["grants", "revoke", &id]).code, Some(0));
    assert!(scene.home.run(&["grants"]).out.contains("Nothing is allowed beforehand"));
}

#[test]
fn a_single_message_shows_the_question_that_comes_of_it_and_its_answer_waits_for_the_yes() {
    let scene = Scene::new("");
    scene.will_send("once", "They know.");
    let mut command = scene.home.command(&["chat", "--once", "Please tell everybody good morning"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (send, lines) = std::sync::mpsc::channel();
    let err = BufReader::new(process.stderr.take().unwrap());
    std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let line = || lines.recv_timeout(DEADLINE).expect("nothing was shown");
    let how = loop {
        let line = line();
        if line.contains("hearth approvals yes ") {
            break line;
        }
    };
    assert_eq!(scene.posted("once"), 0);
    let code = how.split("approvals yes ").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(scene.home.run(&["approvals", "yes", code]).code, Some(0));
    let ran = finish(process);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "They know.\n"));
    assert_eq!(scene.posted("once"), 1);
}

#[test]
fn a_question_outlives_its_house_and_is_answered_once() {
    let mut scene = Scene::new("");
    let before = scene.talk.frames.len();
    scene.will_send("later", "They know now.");
    let nonce = scene.talk.say("Please tell everybody good morning");
    let taken = scene.talk.taken(&nonce);
    let (code, _) = scene.card(before);
    let Scene { house, server, home, service, .. } = scene;
    house.kill();
    let house = home.start();
    assert!(home.run(&["approvals"]).out.contains(&code));
    let mut talk = house.talk();
    talk.open(None, Some(taken.seq));
    assert_eq!(home.run(&["approvals", "yes"]).code, Some(0));
    assert_eq!(talk.answer_of(taken.answer).text, "They know now.");
    let told = server.requests().last().map(|last| last.text.clone());
    assert_eq!(service.count("POST /later "), 1, "what the model was told: {told:?}");
    assert_eq!(house.stop(), Some(0));
}

#[test]
fn after_a_page_was_opened_even_what_was_named_is_asked() {
    let mut scene = Scene::new("");
    let (page, named) = (scene.url("page"), scene.url("named"));
    scene.server.push_to("first", Step::calls(vec![Call::new("0", "hearth__probe__fetch", &json!({ "url": page }))]));
    scene.server.push_to("first", Step::calls(vec![Call::new("1", "result_open", &json!({ "result": "$r1" }))]));
    scene.will_send("named", "Done.");
    let before = scene.talk.frames.len();
    let nonce = scene.talk.say(&format!("Read {page} and then post good morning to {named}"));
    let taken = scene.talk.taken(&nonce);
    let (code, card) = scene.card(before);
    assert!(card.contains("what is done may be what somebody outside wants: hearth__probe__fetch (r1) was read"), "{card}");
    assert_eq!(scene.posted("named"), 0);
    assert_eq!(scene.home.run(&["approvals", "yes", &code]).code, Some(0));
    assert_eq!(scene.talk.answer_of(taken.answer).text, "Done.");
    assert_eq!(scene.posted("named"), 1);
}

#[test]
fn what_a_page_asks_for_is_one_question_about_exactly_its_calls() {
    let mut scene = Scene::new("");
    let page = scene.url("page");
    let send = |id: &str, path: &str| Call::new(id, SEND, &json!({ "url": scene.url(path), "text": "as the page says" }));
    let (both, other) = (vec![send("2", "one"), send("3", "two")], vec![send("4", "three")]);
    scene.server.push_to("first", Step::calls(vec![Call::new("0", "hearth__probe__fetch", &json!({ "url": page }))]));
    scene.server.push_to("first", Step::calls(vec![Call::new("1", "result_open", &json!({ "result": "$r1" }))]));
    scene.server.push_to("first", Step::calls(both));
    scene.server.push_to("first", Step::calls(other));
    scene.server.push_to("first", Step::text("Two of three."));
    let before = scene.talk.frames.len();
    let nonce = scene.talk.say(&format!("Do what {page} asks"));
    let taken = scene.talk.taken(&nonce);
    let (code, card) = scene.card(before);
    assert!(card.contains("Somebody outside asks, in hearth__probe__fetch (r1): "), "{card}");
    assert!(card.contains("One yes covers all 2") && card.contains(&scene.url("one")) && card.contains(&scene.url("two")), "{card}");
    assert!(scene.home.run(&["approvals"]).out.contains(&code));
    assert_eq!((scene.posted("one"), scene.posted("two")), (0, 0));
    let after = scene.talk.frames.len();
    assert_eq!(scene.home.run(&["approvals", "yes", &code]).code, Some(0));
    let (third, card) = scene.card(after);
    assert!(card.contains(&scene.url("three")) && !card.contains("One yes"), "what was not shown is asked: {card}");
    assert_eq!((scene.posted("one"), scene.posted("two"), scene.posted("three")), (1, 1, 0));
    assert_eq!(scene.home.run(&["approvals", "no", &third]).code, Some(0));
    assert_eq!(scene.talk.answer_of(taken.answer).text, "Two of three.");
    assert_eq!(scene.posted("three"), 0);
    assert_eq!(scene.home.run(&["verify"]).code, Some(0));
}

#[test]
fn what_a_page_says_is_passed_on_without_a_model_that_reads_it() {
    let mut scene = Scene::new("");
    let (page, named) = (scene.url("page"), scene.url("named"));
    scene.server.push_to("first", Step::calls(vec![Call::new("0", "hearth__probe__fetch", &json!({ "url": page }))]));
    let order = json!({ "url": named, "text": "$r1.text" });
    scene.server.push_to("first", Step::calls(vec![Call::new("1", SEND, &order)]));
    scene.server.push_to("first", Step::text("It is passed on."));
    assert_eq!(scene.talk.answer(&format!("Read {page} and post what it says to {named}")).text, "It is passed on.");
    assert_eq!(scene.posted("named"), 1, "what was named needs no question");
    let shown = scene.server.requests().last().unwrap().text.clone();
    assert!(shown.contains("$r1") && shown.contains("hidden"), "{shown}");
}

#[test]
fn the_households_own_rules_are_checked_shown_tested_and_decide() {
    let home = Home::new();
    let rules = home.folder().join("rules.cedar");
    let members =
        "[[members]]\nname = \"Ada\"\n[[members]]\nname = \"Mia\"\nrole = \"child\"\n[[members]]\nname = \"Tom\"\nrole = \"teen\"\n";
    home.configure(&format!("[house]\nzone = \"UTC\"\nrules = \"{}\"\n{members}", rules.display()));
    std::fs::write(&rules, "@id(\"x\")\nforbid (principal == Member::\"Mia\", action == Action::\"pey\", resource);\n").unwrap();
    let wrong = home.run(&["policy", "check"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("line 2"), "{wrong:?}");
    assert_eq!(home.run(&["up"]).code, Some(1), "a house does not start with rules that it cannot read");

    let own = "@id(\"mia-lights-out\")\n@says(\"Mia's lights are out from 21:00\")\nforbid (principal == Member::\"Mia\", action == Action::\"physical\", resource)\nwhen { context.minute >= 1260 };\n";
    std::fs::write(&rules, own).unwrap();
    let checked = home.run(&["policy", "check"]);
    assert!(checked.out.contains("1 of the household"), "{checked:?}");
    let shown = home.run(&["policy", "show"]).out;
    assert!(shown.contains("mia-lights-out") && shown.contains("child-locks"), "{shown}");
    for (question, answer) in [
        ("may Mia unlock the front door at 22:00?", "no"),
        ("may Mia unlock the front door at 12:00?", "no"),
        ("may Mia switch the light at 18:00?", "yes"),
        ("may Mia switch the light at 21:30?", "no"),
        ("may Mia buy a game for 5.00?", "no"),
        ("may Mia write a note?", "yes"),
        ("may Tom unlock the front door?", "no"),
        ("may Tom unlock the front door with a grant at 12:00?", "yes"),
        ("may Ada send a mail to Bo?", "yes"),
        ("may Ada send a mail to Bo after reading?", "no"),
        ("may Ada install a tool with a grant?", "no"),
    ] {
        let said = home.run(&["policy", "explain", question]);
        assert_eq!(said.code, Some(0), "{question}: {}", said.err);
        let first = said.out.lines().next().unwrap_or_default().to_lowercase();
        assert!(first.starts_with(answer), "{question}: {}", said.out);
    }
    let questions = home.folder().join("questions.toml");
    std::fs::write(&questions, "[[question]]\nask = \"may Mia buy a game for 5.00?\"\nanswer = \"yes\"\n").unwrap();
    let tested = home.run(&["policy", "test", questions.to_str().unwrap()]);
    assert!(tested.code == Some(1) && tested.out.contains("WRONG"), "{tested:?}");
}
