//! Turns with language models: real HTTP to a scripted server that speaks the providers' own wire formats.

use hearth::wire::{ClientFrame, HouseFrame};
use hearth_domain::message::Purpose;
use hearth_scripted::script::{Call, Reply, Step};
use hearth_scripted::server::{Outcome, Scripted};
use serde_json::json;

use crate::support::{Home, House, KEY, Talk, finish, messages};

/// Wire formats, streamed and not.
const WAYS: [(&str, bool); 4] = [("openai", true), ("openai", false), ("anthropic", true), ("anthropic", false)];
/// One attempt and no patience, for providers that do not answer.
const IMPATIENT: &str = "[limits]\nmodel_attempts = 1\nmodel_silence = \"1s\"\n";
/// Several attempts in quick succession.
const QUICK: &str = "[limits]\nmodel_backoff = \"10ms\"\n";
/// What the house says when no model answers.
const NOBODY: &str = "No language model answers right now";
/// A question that is no house command.
const QUESTION: &str = "Tell me something nice about hedgehogs";

/// The configuration of a provider at the server.
fn provider(server: &Scripted, name: &str, kind: &str, streaming: bool) -> String {
    let version = if kind == "openai" { "/v1" } else { "" };
    let url = format!("{}{version}", server.url_of(name));
    format!(
        "[[models]]\nname = \"{name}\"\nkind = \"{kind}\"\nmodel = \"scripted-1\"\nbase_url = \"{url}\"\nkey = \"{name}\"\nstreaming = {streaming}\n"
    )
}

/// A house with a provider called `first`, and a client of it.
struct Scene {
    talk: Talk,
    house: House,
    server: Scripted,
    home: Home,
}

impl Scene {
    fn new(kind: &str, streaming: bool, limits: &str) -> Self {
        let server = Scripted::start().unwrap();
        let home = Home::with(&(provider(&server, "first", kind, streaming) + limits));
        home.key(&server, "first");
        let house = home.start();
        let mut talk = house.talk();
        talk.open(None, None);
        Self { talk, house, server, home }
    }

    fn push(&self, step: Step) {
        self.server.push_to("first", step);
    }
}

#[test]
fn a_turn_with_two_tool_calls_runs_both_and_answers() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, "");
        let remember = json!({ "text": "the bins go out on Tuesday" });
        scene.push(Step::calls(vec![Call::new("call-a", "clock", &json!({})), Call::new("call-b", "remember", &remember)]));
        scene.push(Step::text("It is late, and I noted the bins."));
        let answer = scene.talk.answer("Look at the clock and note when the bins go out, would you?");
        assert_eq!((answer.text.as_str(), answer.purpose), ("It is late, and I noted the bins.", Purpose::Answer), "{kind} {streaming}");
        let asked = scene.server.requests();
        assert_eq!(asked.len(), 2);
        assert!(asked[1].text.contains("call-a") && asked[1].text.contains("call-b"), "{}", asked[1].text);
        assert_eq!(asked[0].body["stream"].as_bool().unwrap_or(false), streaming);
        assert_eq!((scene.house.count("memories"), scene.house.count("open_turns")), (1, 0));
        // A reply that was not streamed is one piece.
        assert_eq!(scene.talk.preview(answer.turn.unwrap()), answer.text);
        assert!(scene.talk.answer("what do I know about the bins?").text.contains("Tuesday"));
    }
}

#[test]
fn a_provider_that_asks_to_slow_down_is_asked_again() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, QUICK);
        scene.push(Step::rate_limited("1"));
        scene.push(Step::text("They can swim."));
        assert_eq!(scene.talk.answer(QUESTION).text, "They can swim.", "{kind} {streaming}");
        let asked = scene.server.requests();
        assert_eq!(asked.len(), 2);
        assert!(asked[1].received - asked[0].received >= std::time::Duration::from_secs(1), "it waits as long as it was told");
    }
}

#[test]
fn a_stream_that_was_cut_is_withdrawn_and_answered_once() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, QUICK);
        scene.push(Step::CutAfter { reply: Reply::text("They can climb walls and then fly."), pieces: 6 });
        scene.push(Step::text("They can swim."));
        let answer = scene.talk.answer(QUESTION);
        assert_eq!(answer.text, "They can swim.", "{kind} {streaming}");
        let turn = answer.turn.unwrap();
        if streaming {
            assert!(scene.talk.frames.contains(&HouseFrame::Reset { turn }), "{kind}");
            assert_eq!(scene.talk.preview(turn), "They can swim.");
        }
        assert_eq!(scene.talk.open(None, Some(0)).len(), 2, "one message, one answer");
    }
}

#[test]
fn the_second_provider_answers_when_the_first_does_not() {
    for (first, second) in [("openai", "anthropic"), ("anthropic", "openai")] {
        let server = Scripted::start().unwrap();
        server.respond("first", |_| Step::status(503));
        server.push_to("second", Step::text("They can swim."));
        let config = provider(&server, "first", first, true) + &provider(&server, "second", second, true) + QUICK;
        let home = Home::with(&config);
        home.key(&server, "first");
        home.key(&server, "second");
        let house = home.start();
        let mut talk = house.talk();
        talk.open(None, None);
        assert_eq!(talk.answer(QUESTION).text, "They can swim.");
        let asked: Vec<_> = server.requests().into_iter().map(|request| request.provider).collect();
        assert_eq!(asked, ["first", "first", "first", "second"]);
        assert_eq!(house.status()["models"], json!(["first", "second"]));
    }
}

#[test]
fn a_provider_that_never_answers_is_given_up_and_let_go() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, IMPATIENT);
        scene.push(Step::Hang);
        assert!(scene.talk.answer(QUESTION).text.starts_with(NOBODY), "{kind} {streaming}");
        let asked = scene.server.wait_until(|asked| asked.iter().all(|request| request.outcome == Outcome::Gone));
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].outcome, Outcome::Gone, "the connection is closed");
    }
}

#[test]
fn what_is_no_completion_is_no_answer() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, IMPATIENT);
        for step in [Step::Html, Step::HalfJson, Step::Close] {
            scene.push(step.clone());
            let answer = scene.talk.answer(QUESTION);
            assert!(answer.text.starts_with(NOBODY), "{kind} {streaming} {step:?}: {}", answer.text);
        }
        scene.push(Step::text("They can swim."));
        assert_eq!(scene.talk.answer(QUESTION).text, "They can swim.");
        assert_eq!(scene.house.status()["restarts"], 0);
    }
}

#[test]
fn a_thousand_tool_calls_are_refused_as_a_whole() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, "");
        scene.push(Step::many_calls(1_000, "clock"));
        let answer = scene.talk.answer(QUESTION);
        assert!(
            answer.text.starts_with("The model wanted 1000 tool calls (1000 in one answer); 16 in one answer"),
            "{kind}: {}",
            answer.text
        );
        assert_eq!((answer.purpose, scene.server.requests().len()), (Purpose::Failure, 1));
        scene.push(Step::text("They can swim."));
        assert_eq!(scene.talk.answer(QUESTION).text, "They can swim.");
    }
}

#[test]
fn a_call_that_is_malformed_or_unknown_is_told_to_the_model() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, "");
        for (step, told) in [
            (Step::malformed_call("remember", "{\"text\": \"the b"), "they are not"),
            (Step::malformed_call("remember", "[1]"), "they are not"),
            (Step::malformed_call("open_the_garage", "{}"), "there is no such tool"),
            (Step::malformed_call("remember", "{\"txt\": \"bins\"}"), "do not fit"),
        ] {
            scene.push(step);
            scene.push(Step::text("I made a mistake."));
            assert_eq!(scene.talk.answer(QUESTION).text, "I made a mistake.", "{kind} {streaming} {told}");
            let last = scene.server.requests().pop().unwrap();
            assert!(last.text.contains(told), "{kind} {streaming}: {told} is not in {}", last.text);
        }
        assert_eq!(scene.house.count("memories"), 0);
    }
}

#[test]
fn a_model_that_says_nothing_twice_or_declines_is_a_failure_that_is_said() {
    for (kind, streaming) in WAYS {
        let mut scene = Scene::new(kind, streaming, "");
        scene.push(Step::empty());
        scene.push(Step::empty());
        let answer = scene.talk.answer(QUESTION);
        assert_eq!(answer.text, "The model answered twice with nothing. Try to say it in other words.", "{kind} {streaming}");
        assert_eq!((answer.purpose, scene.server.requests().len()), (Purpose::Failure, 2));
        scene.push(Step::refusal(""));
        scene.push(Step::refusal("I cannot help with that."));
        let answer = scene.talk.answer(QUESTION);
        let said = ["The model declined to answer this.", "I cannot help with that."];
        assert!(said.contains(&answer.text.as_str()), "{kind} {streaming}: {}", answer.text);
    }
}

#[test]
fn house_commands_answer_at_no_cost_unless_the_configuration_says_otherwise() {
    let mut scene = Scene::new("openai", true, "");
    assert!(scene.talk.answer("what time is it?").text.starts_with("It's "));
    assert_eq!(scene.server.requests().len(), 0);
    drop(scene);
    let mut scene = Scene::new("openai", true, "[house]\ncommands_first = false\n");
    scene.push(Step::text("Late."));
    assert_eq!(scene.talk.answer("what time is it?").text, "Late.");
}

#[test]
fn the_house_still_serves_when_every_model_is_down() {
    let mut scene = Scene::new("openai", true, &format!("[house]\ncommands_first = false\n{IMPATIENT}"));
    scene.server.respond("first", |_| Step::Close);
    let answer = scene.talk.answer("remember that the bins go out on Tuesday");
    assert_eq!(answer.text, "I'll remember that the bins go out on Tuesday.");
    assert!(scene.talk.answer("what do I know about the bins?").text.contains("Tuesday"));
}

#[test]
fn stop_acts_at_once_in_the_middle_of_a_stream() {
    let mut scene = Scene::new("anthropic", true, "");
    scene.push(Step::HangAfter { reply: Reply::text("They can climb walls and then fly."), pieces: 6 });
    let nonce = scene.talk.say(QUESTION);
    let taken = scene.talk.taken(&nonce);
    scene.talk.wait("a piece of the answer", |frames| frames.iter().any(|frame| matches!(frame, HouseFrame::Delta { .. })).then_some(()));
    scene.talk.send(&ClientFrame::Stop);
    let answer = scene.talk.answer_of(taken.answer);
    assert_eq!((answer.text.as_str(), answer.purpose), ("Stopped.", Purpose::Failure));
    scene.talk.wait("the word that it ran", |frames| frames.contains(&HouseFrame::Stopped { ran: true }).then_some(()));
    let asked = scene.server.wait_until(|asked| asked[0].outcome == Outcome::Gone);
    assert_eq!(asked[0].outcome, Outcome::Gone, "the model's stream is dropped");
    scene.push(Step::text("They can swim."));
    assert_eq!(scene.talk.answer(QUESTION).text, "They can swim.");
}

#[test]
fn a_command_that_has_its_answer_stops_nobody_elses_turn() {
    let mut scene = Scene::new("openai", true, "");
    scene.push(Step::Slow { reply: Reply::text("one two three four five six seven"), every_ms: 200 });
    scene.push(Step::Slow { reply: Reply::text("eight nine ten eleven twelve"), every_ms: 200 });
    let mut command = scene.home.command(&["chat", "--once", QUESTION]);
    let process = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let asked = scene.server.wait_until(|asked| !asked.is_empty());
    assert_eq!(asked.len(), 1);
    // Waits behind the command's turn and begins at its end.
    let answer = scene.talk.answer("And about foxes?");
    assert_eq!(answer.text, "eight nine ten eleven twelve");
    assert_eq!(finish(process).out, "one two three four five six seven\n");
    assert_eq!(messages(&scene.talk.frames).iter().filter(|said| said.answer.is_some()).count(), 2);
}

#[test]
fn a_providers_key_is_in_no_log_and_in_no_file() {
    let server = Scripted::start().unwrap();
    let mut home = Home::with(&(provider(&server, "first", "openai", true) + &provider(&server, "second", "anthropic", true) + IMPATIENT));
    home.key(&server, "first");
    home.key(&server, "second");
    home.variables.insert("HEARTH_LOG", "trace".to_owned());
    server.push_to("first", Step::status(401));
    server.push_to("second", Step::status(401));
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer(QUESTION);
    let asked = server.requests();
    assert!(asked.iter().any(|request| request.headers.values().any(|value| value.contains(KEY))), "{asked:?}");
    house.kill();
    assert!(home.log().len() > 10_000, "the log was not written at trace");
    let mut folders = vec![home.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
                assert!(!found, "the key is in {}", entry.path().display());
            }
        }
    }
}

#[test]
fn a_key_that_a_provider_says_back_comes_no_further_than_the_vault() {
    for filter in ["debug", "trace"] {
        let server = Scripted::start().unwrap();
        let mut home =
            Home::with(&(provider(&server, "first", "openai", true) + &provider(&server, "second", "anthropic", false) + IMPATIENT));
        home.key(&server, "first");
        home.key(&server, "second");
        home.variables.insert("HEARTH_LOG", filter.to_owned());
        server.push_to("first", Step::Status { code: 401, retry_after: None, message: format!("the key {KEY} is not good") });
        server.push_to("second", Step::text(&format!("Your key is {KEY}.")));
        let house = home.start();
        let mut talk = house.talk();
        talk.open(None, None);
        assert!(talk.answer(QUESTION).text.starts_with(NOBODY));
        assert_eq!(server.requests().len(), 2);
        house.kill();
        assert!(!home.log().contains(KEY), "the key is in the log at {filter}");
    }
}

#[test]
fn a_question_whose_house_is_killed_is_answered_once_by_the_next() {
    let scene = Scene::new("anthropic", true, "");
    scene.push(Step::HangAfter { reply: Reply::text("They can climb walls and then fly."), pieces: 6 });
    scene.push(Step::text("They can swim."));
    let Scene { talk, house, server, home } = scene;
    drop(talk);
    let mut command = home.command(&["chat", "--once", QUESTION]);
    let process = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    assert_eq!(server.wait_until(|asked| !asked.is_empty()).len(), 1, "the question was accepted");
    house.kill();
    // No house is left: the command raises one for itself.
    let ran = finish(process);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "They can swim.\n"), "{}", ran.err);
    let house = home.start();
    assert_eq!(house.talk().open(None, Some(0)).len(), 2, "one message, one answer");
    assert_eq!(server.requests().len(), 2);
}
