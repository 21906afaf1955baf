//! Bad input, and too much of it: a clear sentence, and nothing accepted is lost.

use std::collections::BTreeMap;
use std::io::Write as _;

use hearth::wire::{ClientFrame, FRAME_MAX, HouseFrame};
use hearth_domain::ids::AnswerId;

use crate::support::{Home, Raw, verdict};

#[test]
fn a_message_over_64_kib_is_refused_with_its_sentence() {
    const SENTENCE: &str = "this message has 65537 bytes, more than the 65536 that fit; send it in parts";
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    let nonce = talk.say(&"x".repeat(65_537));
    assert_eq!(talk.verdict(&nonce), Err(SENTENCE.to_owned()));
    let nonce = talk.say(&"x".repeat(65_536));
    let taken = talk.taken(&nonce);
    talk.answer_of(taken.answer);

    let ran = home.run(&["chat", "--once", &"x".repeat(65_537)]);
    assert_eq!((ran.code, ran.err), (Some(1), format!("hearth: {SENTENCE}\n")));
}

#[test]
fn a_message_without_a_word_is_refused() {
    let home = Home::new();
    let ran = home.run(&["chat", "--once", " \n "]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "hearth: there is nothing in this message\n"));
}

#[test]
fn of_ten_thousand_messages_at_once_every_accepted_one_gets_one_answer() {
    const COUNT: usize = 10_000;
    let home = Home::new();
    let house = home.start();
    let mut raw = house.raw();
    raw.hello();
    raw.say(&ClientFrame::Open { member: None, thread: String::new(), cursor: Some(0) });
    let mut flood = Vec::new();
    for n in 0..COUNT {
        let say = ClientFrame::Say { nonce: n.to_string(), text: "what time is it?".to_owned(), images: Vec::new() };
        let bytes = serde_json::to_vec(&say).unwrap();
        flood.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        flood.extend(bytes);
    }
    let mut writer = raw.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&flood));

    let (accepted, refused, answers) = read_all(&mut raw, COUNT);
    writing.join().unwrap().unwrap();
    assert_eq!(accepted.len() + refused, COUNT);
    assert!(!accepted.is_empty());
    println!("{} accepted, {refused} refused", accepted.len());
    assert!(accepted.values().all(|answer| answers.get(answer) == Some(&1)), "each accepted message has one answer");
    assert_eq!(answers.len(), accepted.len());
    assert_eq!((house.count("open_turns"), house.status()["restarts"].as_u64()), (0, Some(0)));
}

/// Reads until every message was accepted or refused and every accepted one is answered; how often each answer came.
fn read_all(raw: &mut Raw, count: usize) -> (BTreeMap<String, AnswerId>, usize, BTreeMap<AnswerId, usize>) {
    let (mut accepted, mut refused, mut answers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    while accepted.len() + refused.len() < count || accepted.values().any(|answer| !answers.contains_key(answer)) {
        let frame = raw.next().expect("the house closed the connection");
        match (verdict(&frame), &frame) {
            (Some((nonce, Ok(taken))), _) => assert_eq!(accepted.insert(nonce.to_owned(), taken.answer), None),
            (Some((nonce, Err(error))), _) => {
                assert!(error.contains("waiting for an answer") || error.contains("busy"), "{error}");
                assert_eq!(refused.insert(nonce.to_owned(), error), None);
            }
            (None, HouseFrame::Message(said)) => {
                if let Some(answer) = said.answer {
                    *answers.entry(answer).or_insert(0_usize) += 1;
                }
            }
            (None, HouseFrame::Gone | HouseFrame::Error { .. }) => panic!("the stream ended"),
            (None, _) => {}
        }
    }
    (accepted, refused.len(), answers)
}

#[test]
fn frames_that_are_not_understood_are_answered_and_the_connection_goes_on() {
    let home = Home::new();
    let house = home.start();
    let mut raw = house.raw();
    raw.hello();
    for (bytes, part) in [
        (&b"\xff\xfe\xfd"[..], "not UTF-8"),
        (b"{\"type\":\"say\",\"nonce\":\"1\",\"text\":\"\xc3\x28\"}", "not UTF-8"),
        (b"hello", "not understood"),
        (b"", "not understood"),
        (b"{\"type\":\"fly\"}", "fly"),
        (b"{\"type\":\"open\",\"membre\":null}", "membre"),
        (b"[1,2", "not understood"),
    ] {
        raw.frame(bytes);
        let error = raw.error();
        assert!(error.contains(part), "{error}");
    }
    raw.say(&ClientFrame::Say { nonce: "1".to_owned(), text: "hello".to_owned(), images: Vec::new() });
    assert!(matches!(raw.next(), Some(HouseFrame::Refused { error, .. }) if error == "open a conversation first"));
    raw.say(&ClientFrame::Status);
    assert!(matches!(raw.next(), Some(HouseFrame::Status { .. })));
}

#[test]
fn a_length_beyond_the_limit_ends_the_connection_and_nothing_else() {
    let home = Home::new();
    let house = home.start();
    for greeted in [true, false] {
        let mut raw = house.raw();
        if greeted {
            raw.hello();
        }
        let length = u32::try_from(FRAME_MAX + 1).unwrap();
        raw.stream.write_all(&length.to_be_bytes()).unwrap();
        assert_eq!(raw.next(), None);
    }
    assert_eq!(house.status()["restarts"], 0);
}

#[test]
fn a_client_of_another_version_is_told_so() {
    let home = Home::new();
    let house = home.start();
    let mut raw = house.raw();
    raw.say(&ClientFrame::Hello { version: 99 });
    assert_eq!(raw.error(), "this client speaks version 99, the house version 1; use the same release for both");
    assert_eq!(raw.next(), None);
    let mut raw = house.raw();
    raw.say(&ClientFrame::Status);
    assert_eq!(raw.error(), "say hello first");
    assert_eq!(raw.next(), None);
}

#[test]
fn a_member_whom_nobody_knows_is_nobody() {
    const SENTENCE: &str = "nobody of that name lives here; see `hearth config show` for the members";
    let home = Home::new();
    let house = home.start();
    let mut raw = house.raw();
    raw.hello();
    raw.say(&ClientFrame::Open { member: Some("Mallory".to_owned()), thread: String::new(), cursor: None });
    assert_eq!(raw.error(), SENTENCE);
    let ran = home.run(&["chat", "--as", "Mallory", "--once", "hello"]);
    assert_eq!((ran.code, ran.err), (Some(1), format!("hearth: {SENTENCE}\n")));
    assert_eq!(house.count("messages"), 0);
}

#[test]
fn a_damaged_configuration_is_refused_with_its_place_and_a_suggestion() {
    let home = Home::new();
    let file = home.config().display().to_string();
    for (config, expected) in [
        ("[house]\ncommand_first = true\n", format!("{file}:2:1: unknown field `command_first`")),
        ("[house]\ncommand_first = true\n", "did you mean `commands_first`?".to_owned()),
        ("[[members]]\nname = \"Ada\"\nrole = \"adlt\"\n", format!("{file}:3:8: unknown variant `adlt`")),
        ("[[members]]\nname = \"Ada\"\nrole = \"adlt\"\n", "did you mean `adult`?".to_owned()),
        ("[web]\nlisten = 7\n", format!("{file}:2:")),
        ("[house\n", format!("{file}:1:")),
        ("[house]\nzone = \"Europe/Atlantis\"\n", "`Europe/Atlantis` is not a time zone".to_owned()),
    ] {
        home.configure(config);
        for command in [["config", "check"].as_slice(), &["up"], &["chat", "--once", "hello"]] {
            let ran = home.run(command);
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{config}");
            assert!(ran.err.contains(&expected), "{expected}: {}", ran.err);
        }
    }
    assert!(!home.data().exists(), "nothing was begun");
}

#[test]
fn a_configuration_that_was_named_must_be_there() {
    let home = Home::new();
    let ran = home.run(&["--config", "gone.toml", "config", "check"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("the configuration gone.toml cannot be read"), "{}", ran.err);
}
