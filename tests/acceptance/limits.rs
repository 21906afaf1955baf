//! Bad input, and too much of it: a clear sentence, and nothing accepted is lost.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use hearth::wire::{ClientFrame, FRAME_MAX, HouseFrame};
use hearth_domain::ids::AnswerId;

use crate::support::{Home, Raw, run, verdict};

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
fn a_message_that_no_frame_holds_is_not_sent_and_the_chat_goes_on() {
    const SENTENCE: &str = "more than the 5242880 that fit; make it smaller or send it in parts";
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    let error = talk.try_say(&"x".repeat(FRAME_MAX)).unwrap_err().to_string();
    assert!(error.starts_with("the text has 52") && error.ends_with(SENTENCE), "{error}");
    assert!(talk.answer("what time is it?").text.starts_with("It's "));

    let typed = home.folder().join("typed");
    std::fs::write(&typed, format!("{}\nwhat time is it?\n", "x".repeat(FRAME_MAX))).unwrap();
    let mut command = home.command(&["chat"]);
    command.stdin(std::fs::File::open(typed).unwrap());
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (refused, after) = ran.out.split_once(SENTENCE).unwrap_or_else(|| panic!("{}", ran.out));
    assert!(refused.contains("Not sent: the text has 52") && after.contains("It's "), "{}", ran.out);
}

#[test]
fn a_picture_that_is_too_big_is_named_with_what_fits() {
    let home = Home::new();
    for bytes in [3 * 1024 * 1024 + 1, 8 * 1024 * 1024] {
        let picture = home.folder().join("cat.png");
        std::fs::write(&picture, vec![0; bytes]).unwrap();
        let ran = home.run(&["chat", "--once", "what is this?", "--image", picture.to_str().unwrap()]);
        let expected = format!(
            "hearth: {} is too big: the pictures of one message may have 3145728 bytes in all; make it smaller, or send it alone\n",
            picture.display()
        );
        assert_eq!((ran.code, ran.err), (Some(1), expected));
    }
    assert!(!home.data().exists(), "nothing was begun");
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
        if greeted {
            let error = raw.error();
            assert!(error.starts_with("a frame is larger than the 5242880 bytes that fit; send smaller pictures"), "{error}");
        }
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
    const SENTENCE: &str = "nobody of that name lives here; see `hearth member list` for the members";
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
        ("[house]\nzone = \"Europe/Berln\"\n", format!("{file}:2:8: `Europe/Berln` is not a time zone")),
        ("[house]\nzone = \"Europe/Berln\"\n", "did you mean `Europe/Berlin`?".to_owned()),
        ("[store]\nlocation = \"memry\"\n", format!("{file}:2:12: store.location is `memry`")),
        ("[store]\nlocation = \"memry\"\n", "did you mean `memory`?".to_owned()),
        ("[log]\nfilter = \"inof\"\n", format!("{file}:2:10: log.filter has `inof`, which is no level")),
        ("[log]\nfilter = \"inof\"\n", "did you mean `info`?".to_owned()),
        (
            "[[models]]\nname = \"m\"\nmodel = \"x\"\nkind = \"openai\"\nbase_url = \"nas.lan/v1\"\n",
            format!("{file}:5:12: provider m: base_url is not an http or https address"),
        ),
        (
            "[[models]]\nname = \"m\"\nmodel = \"x\"\nkind = \"openai\"\nbase_url = \"nas.lan/v1\"\n",
            "did you mean `http://nas.lan/v1`?".to_owned(),
        ),
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

#[test]
fn a_variable_that_is_empty_or_no_text_is_named() {
    let home = Home::new();
    let not_utf8 = OsStr::from_bytes(b"/tmp/\xff");
    for (variable, value, expected) in [
        ("HEARTH_DATA", OsStr::new(""), "HEARTH_DATA is empty; give it a value, or do not set it"),
        ("HEARTH_DATA", not_utf8, "HEARTH_DATA is not UTF-8 text; give it a value that is, or do not set it"),
        ("HEARTH_STORE", OsStr::new("memry"), "HEARTH_STORE: store.location is `memry`"),
        ("HEARTH_LOG", OsStr::new("inof"), "HEARTH_LOG: log.filter has `inof`"),
        ("HEARTH_ZONE", OsStr::new("Mars"), "HEARTH_ZONE: `Mars` is not a time zone"),
    ] {
        for arguments in [["config", "check"].as_slice(), &["chat", "--once", "hello"]] {
            let mut command = home.command(arguments);
            command.env(variable, value);
            let ran = run(command);
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{variable}");
            assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
        }
    }
}

#[test]
fn variables_that_are_named_and_not_set_are_said() {
    let home = Home::with("[web]\nmetrics_token_env = \"NO_TOKEN\"\n[store]\npassword_env = \"NO_PASSWORD\"\n");
    let ran = home.run(&["config", "check"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("{} is right\n", home.config().display())));
    for (variable, part) in [("NO_TOKEN", "owner's session"), ("NO_PASSWORD", "without a password")] {
        let said = |line: &str| line.starts_with("hearth: warning: ") && line.contains(variable) && line.contains(part);
        assert!(ran.err.lines().any(said), "{variable}: {}", ran.err);
    }
}
