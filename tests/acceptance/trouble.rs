//! Disks, folders, ports, schemas, kills: a clear sentence, and nothing accepted is lost.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hearth::client::Client;
use hearth::wire::{ClientFrame, HouseFrame};
use hearth_domain::ids::AnswerId;
use hearth_domain::message::Purpose;
use hearth_engine::{Engine, Place, Sizes};
use hearth_scripted::script::{Reply, Step};
use hearth_scripted::server::Scripted;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use surrealdb_types::Object;

use crate::support::{BECOME, DEADLINE, Home, House, KEEP_UP, Raw, finish, in_own_mounts, messages, run, without_write_permission};

#[test]
fn a_second_house_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let house = home.start();
    for command in [["up"].as_slice(), &[]] {
        let ran = home.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        assert!(
            ran.err.contains("another house is running on this data folder; stop it first, or set HEARTH_DATA to another folder"),
            "{}",
            ran.err
        );
    }
    assert!(home.once("what time is it?").starts_with("It's "));
    assert_eq!(house.stop(), Some(0));
    home.start();
}

#[test]
fn questions_at_the_same_time_without_a_house_are_all_answered() {
    const COUNT: usize = 3;
    let home = Home::new();
    let ask = |_| {
        let mut command = home.command(&["chat", "--once", "what time is it?"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let asked: Vec<_> = (0..COUNT).map(ask).collect();
    for process in asked {
        let ran = finish(process);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.starts_with("It's "), "{}", ran.out);
    }
    let house = home.start();
    assert_eq!(house.talk().open(None, Some(0)).len(), 2 * COUNT, "each question once, each with one answer");
}

#[test]
fn a_house_that_hangs_is_given_up() {
    const SHORT: Duration = Duration::from_millis(50);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("house.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(Client::connect_within(&socket, SHORT)).unwrap_err().to_string();
    assert!(error.starts_with("the house greeted nobody within 50ms; it is very busy or hangs"), "{error}");

    let (hung_up_on, _) = listener.accept().unwrap();
    drop(hung_up_on);
    let greets = std::thread::spawn(move || {
        let mut raw = Raw { stream: listener.accept().unwrap().0 };
        raw.frame(&hearth::wire::encode(&HouseFrame::Welcome { version: hearth::wire::VERSION, house: String::new() }).unwrap());
        raw
    });
    let error = runtime.block_on(async {
        let mut client = Client::connect(&socket).await.unwrap().unwrap();
        client.ask_within(&ClientFrame::Status, SHORT).await.unwrap_err().to_string()
    });
    assert!(error.starts_with("the house did not answer within 50ms"), "{error}");
    greets.join().unwrap();
}

#[test]
fn a_port_in_use_is_named_and_harms_no_question() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut home = Home::new();
    home.variables.insert("HEARTH_WEB_LISTEN", address.to_string());
    let ran = home.run(&["up"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains(&format!("the page's port {} is in use", address.port())), "{}", ran.err);
    assert!(ran.err.contains("HEARTH_WEB_LISTEN"), "{}", ran.err);
    assert!(home.once("what time is it?").starts_with("It's "), "no page, no port");
    drop(taken);
    home.start();
}

#[test]
fn a_read_only_folder_is_refused_with_its_sentence_used_or_not() {
    const SENTENCE: &str = "the data folder cannot be written; check its owner and that the disk is not mounted read-only";
    for used in [false, true] {
        let home = Home::new();
        if used {
            home.once("remember that the bins go out on Tuesday");
        }
        // A copy of the folder on a file system that is then read-only, where this machine lets us mount one.
        let mount = "mkdir -p \"$HOME/ro\" && mount -t tmpfs tmpfs \"$HOME/ro\" && cp -a \"$HEARTH_DATA/.\" \"$HOME/ro\" \
                     && mount -o remount,ro \"$HOME/ro\" && export HEARTH_DATA=\"$HOME/ro\"";
        let mounted = in_own_mounts(&home, mount, BECOME).ok();
        for command in [Some(without_write_permission(&home)), mounted].into_iter().flatten() {
            let ran = run(command);
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
            assert!(ran.err.contains(SENTENCE), "{}", ran.err);
        }
    }
}

/// How there comes to be no room.
enum Disk {
    /// The data folder is a small file system of its own. Where this machine lets us mount one.
    Small { inside: PathBuf },
    /// No file of the house may grow beyond a size. Everywhere; the error is another one, which the house takes for the same.
    Bounded { shell: Pid },
}

impl Disk {
    fn fill(&self) {
        match self {
            Self::Small { inside } => fill(&inside.join("ballast")),
            Self::Bounded { shell } => bound_files(*shell, Some(1 << 20)),
        }
    }

    fn free(&self) {
        match self {
            Self::Small { inside } => std::fs::remove_file(inside.join("ballast")).unwrap(),
            Self::Bounded { shell } => bound_files(*shell, None),
        }
    }
}

/// Bounds what files may grow to, for a shell, the house that it runs and all that it will run.
fn bound_files(shell: Pid, bytes: Option<u64>) {
    let bound = |pid| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum })
    };
    bound(shell).unwrap();
    let id = shell.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    for child in children.split_whitespace() {
        // One that has just ended needs no bound.
        let _ = bound(Pid::from_raw(child.parse().unwrap()).unwrap());
    }
}

#[test]
fn a_full_disk_is_named_and_what_was_accepted_is_answered_when_there_is_room() {
    let home = Home::new();
    let script = format!("trap '' XFSZ; {KEEP_UP}");
    let house = home.start_as(home.prepared(Command::new("sh"), &["-c", &script, env!("CARGO_BIN_EXE_hearth"), "up"]));
    let shell = Pid::from_raw(i32::try_from(house.id()).unwrap()).unwrap();
    runs_out_of_room(&home, house, &Disk::Bounded { shell });

    let home = Home::new();
    if let Ok(command) = in_own_mounts(&home, "mount -t tmpfs -o size=64m tmpfs \"$HEARTH_DATA\"", KEEP_UP) {
        let mut house = home.start_as(command);
        let inside = PathBuf::from(format!("/proc/{}/root{}", house.id(), home.data().display()));
        house.seen_at(inside.join("house.sock"));
        runs_out_of_room(&home, house, &Disk::Small { inside });
    }
}

fn runs_out_of_room(home: &Home, house: House, disk: &Disk) {
    const SENTENCE: &str = "the disk is full; free some space and try again";
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer("remember that the bins go out on Tuesday");

    disk.fill();
    // Nothing that a store could pack, and so make room with.
    let long = format!("what time is it? {}", noise(30_000));
    let mut accepted = Vec::new();
    // Whoever says something is told: accepted, refused, or the connection ends.
    let refusal = loop {
        match say(&house, &long) {
            Ok(Ok(answer)) => accepted.push(answer),
            // Said faster than answered, for now.
            Ok(Err(refusal)) if refusal.contains("messages are waiting for an answer") => {}
            Ok(Err(refusal)) => break refusal,
            Err(_) => {}
        }
    };
    assert!(refusal.contains(SENTENCE) || refusal.contains("busy or restarting"), "{refusal}");

    disk.free();
    let began = Instant::now();
    while !matches!(say(&house, "what time is it?").map(|said| said.map(|answer| accepted.push(answer))), Ok(Ok(()))) {
        assert!(began.elapsed() < DEADLINE, "it does not come back\n{}", house.tail());
    }
    let mut talk = house.talk();
    talk.open(None, Some(0));
    for answer in &accepted {
        talk.answer_of(*answer);
    }
    let all = house.talk().open(None, Some(0));
    assert!(accepted.iter().all(|answer| all.iter().filter(|said| said.answer == Some(*answer)).count() == 1));
    assert!(talk.answer("what do I know about the bins?").text.contains("Tuesday"));
    let log = home.log();
    assert!(refusal.contains(SENTENCE) || log.contains(SENTENCE), "nobody is told that the disk is full: {refusal}\n{log}");
    assert!(!log.contains("the data is damaged"), "a full disk is not damage");
}

/// Says something on a connection of its own: its answer's id, or why it was refused; or that the connection ended.
fn say(house: &House, text: &str) -> anyhow::Result<Result<AnswerId, String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = Client::connect(house.socket()).await?.context("no house")?;
        client.send(&ClientFrame::Open { member: None, thread: String::new(), cursor: None }).await?;
        client.send(&ClientFrame::Say { nonce: nonce(), text: text.to_owned(), images: Vec::new() }).await?;
        loop {
            let frame = tokio::time::timeout(DEADLINE, client.next()).await?.map(|frame| frame.context("the house has gone"))??;
            if let Some((_, verdict)) = crate::support::verdict(&frame) {
                return Ok(verdict.map(|taken| taken.answer));
            }
        }
    })
}

/// Letters in no order.
fn noise(count: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state % 75).unwrap())
    });
    letters.take(count).collect()
}

/// A word that no other message has.
fn nonce() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![7; size];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn data_of_a_newer_house_is_left_alone() {
    let home = Home::new();
    home.once("remember that the bins go out on Tuesday");
    set_schema(&home, 99);
    for command in [["up"].as_slice(), &["chat", "--once", "hello"]] {
        let ran = home.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        assert!(ran.err.contains("the data was written by a newer version (schema 99, this one knows "), "{}", ran.err);
        assert!(ran.err.contains("install that version again"), "{}", ran.err);
    }
    set_schema(&home, 6);
    assert!(home.once("what do I know about the bins?").contains("Tuesday"));
}

#[test]
fn a_house_that_was_cut_while_its_database_was_made_starts() {
    let steps = [
        "DEFINE NAMESPACE IF NOT EXISTS `hearth`",
        "USE NS `hearth`; DEFINE DATABASE IF NOT EXISTS `house`",
        "USE NS `hearth`; USE DB `house`; DEFINE TABLE IF NOT EXISTS house SCHEMAFULL",
        "USE NS `hearth`; USE DB `house`; DEFINE FIELD IF NOT EXISTS version ON house TYPE int",
    ];
    for done in 1..=steps.len() {
        let home = Home::new();
        std::fs::create_dir_all(home.data()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Engine::open(&Place::Folder(home.data().join("store")), Sizes::default()).await.unwrap();
            for step in &steps[..done] {
                store.ask(step, Object::new()).await.unwrap().into_iter().for_each(|answer| drop(answer.unwrap()));
            }
            store.close().await;
        });
        assert!(home.once("what time is it?").starts_with("It's "), "after {done} of the definitions");
    }
}

/// Writes the number of the schema as a newer house would.
fn set_schema(home: &Home, version: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Engine::open(&Place::Folder(home.data().join("store")), Sizes::default()).await.unwrap();
        let update = format!("UPDATE house:main SET version = {version}");
        for answer in store.ask(&update, Object::new()).await.unwrap() {
            answer.unwrap();
        }
        store.close().await;
    });
}

#[test]
fn a_kill_in_the_middle_of_a_models_stream_leads_to_one_answer() {
    let server = Scripted::start().unwrap();
    let url = server.url_of("first");
    let home = Home::with(&format!("[[models]]\nname = \"first\"\nkind = \"anthropic\"\nmodel = \"m\"\nbase_url = \"{url}\"\n"));
    server.push_to("first", Step::HangAfter { reply: Reply::text("They can climb walls and then fly."), pieces: 6 });
    server.push_to("first", Step::text("They can swim."));
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    let nonce = talk.say("Tell me something nice about hedgehogs");
    let taken = talk.taken(&nonce);
    talk.wait("a piece of the answer", |frames| frames.iter().any(|frame| matches!(frame, HouseFrame::Delta { .. })).then_some(()));
    house.kill();

    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, Some(0));
    let answer = talk.answer_of(taken.answer);
    assert_eq!((answer.text.as_str(), answer.purpose), ("They can swim.", Purpose::Answer));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(house.count("open_turns"), 0);
    assert_eq!(messages(&talk.frames).len(), 2, "the message and its answer, each once");
    assert_eq!(house.talk().open(None, Some(0)).len(), 2);
    assert_eq!(home.run(&["verify"]).code, Some(0));
}

#[test]
fn a_kill_in_the_middle_of_a_tool_call_repeats_no_finished_one() {
    let server = Scripted::start().unwrap();
    let url = server.url_of("first");
    let home = Home::with(&format!("[[models]]\nname = \"first\"\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"{url}/v1\"\n"));
    let remember = serde_json::json!({ "text": "the bins go out on Tuesday" });
    server.push_to("first", Step::calls(vec![hearth_scripted::script::Call::new("call-a", "remember", &remember)]));
    server.push_to("first", Step::Hang);
    server.push_to("first", Step::text("Noted."));
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    let nonce = talk.say("Would you keep in mind when the bins go out?");
    let taken = talk.taken(&nonce);
    assert_eq!(server.wait_until(|asked| asked.len() == 2).len(), 2, "the call has run, the model is asked again");
    house.kill();

    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, Some(0));
    assert_eq!(talk.answer_of(taken.answer).text, "Noted.");
    assert_eq!(house.count("memories"), 1);
}
