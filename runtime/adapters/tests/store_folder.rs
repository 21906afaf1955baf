//! The store in a folder when something is wrong with the folder. Some of it needs a second process, which is this
//! test again: started with `HEARTH_TEST_FOLDER`, [`the_other_process`] plays its part.

#![expect(clippy::unwrap_used, reason = "in a test a failure is the message")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_adapters::store::{Location, StoreConfig, SurrealStore};
use hearth_conformance::sample;
use hearth_domain::journal::{Head, verify};
use hearth_domain::store::{Store, StoreError, Write};

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn store(folder: &Path) -> SurrealStore {
    SurrealStore::new(StoreConfig { location: Location::Embedded(folder.to_owned()) })
}

/// Writes a few groups and closes.
fn filled(folder: &Path) -> Head {
    let store = store(folder);
    let mut head = wait(store.open()).unwrap().head;
    for seq in 1..=20 {
        let text = "hearth ".repeat(40);
        wait(store.apply(sample::group(&mut head, [Write::Message(sample::message("kitchen", seq, &text))]))).unwrap();
    }
    wait(store.close()).unwrap();
    head
}

fn other_process(shell: &str, part: &str, folder: &Path) -> String {
    let exe = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact the_other_process --nocapture"), &exe.display().to_string()])
        .env("HEARTH_TEST_FOLDER", folder)
        .env("HEARTH_TEST_PART", part)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_another_engine_wrote_is_not_passed_over() {
    let _alone = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("store/wal")).unwrap();
    assert!(matches!(wait(store(folder.path()).open()), Err(StoreError::Damaged(_))));
}

#[test]
fn the_other_process() {
    let Ok(folder) = std::env::var("HEARTH_TEST_FOLDER") else { return };
    let store = store(Path::new(&folder));
    match std::env::var("HEARTH_TEST_PART").unwrap().as_str() {
        "open" => println!("opened: {:?}", wait(store.open())),
        // Writes until it cannot any more, and says how far every answer came.
        _ => {
            let mut head = wait(store.open()).unwrap().head;
            for seq in 1..=4_000 {
                let text = "hearth ".repeat(400);
                if let Err(error) = wait(store.apply(sample::group(&mut head, [Write::Message(sample::message("kitchen", seq, &text))]))) {
                    println!("stopped: {error}");
                    println!("opened: {:?}", wait(store.open()).map(|opened| opened.head.seq));
                    break;
                }
                println!("applied: {seq}");
            }
        }
    }
}

#[test]
fn a_second_handle_and_a_second_process_are_refused_until_the_first_closes() {
    let _alone = STARTING.write().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path());
    wait(first.open()).unwrap();
    assert_eq!(wait(store(folder.path()).open()), Err(StoreError::InUse));
    assert!(other_process("", "open", folder.path()).contains("opened: Err(InUse)"));
    wait(first.close()).unwrap();
    assert!(other_process("", "open", folder.path()).contains("opened: Ok("));
    assert!(wait(first.open()).is_ok());
}

#[test]
fn a_store_that_was_dropped_without_closing_gives_the_folder_back() {
    let _alone = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let head = filled(folder.path());
    let dropped = store(folder.path());
    wait(dropped.open()).unwrap();
    drop(dropped);
    // Its threads end by themselves, and then the folder's lock is free.
    std::fs::File::open(folder.path().join("house.lock")).unwrap().lock().unwrap();
    let again = store(folder.path());
    assert_eq!(wait(again.open()).unwrap().head, head);
}

#[test]
fn a_write_that_nobody_waits_for_is_written_before_the_store_closes_or_not_begun() {
    let _alone = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut head = filled(folder.path());
    for _ in 0..20 {
        let open = store(folder.path());
        wait(open.open()).unwrap();
        let before = head;
        let rows = (0..50).map(|seq| Write::Message(sample::message("kitchen", before.seq * 100 + seq, "hearth")));
        let under_way = open.apply(sample::group(&mut head, rows));
        wait(open.close()).unwrap();
        match wait(under_way) {
            Ok(()) => {}
            Err(StoreError::Closed) => head = before,
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(wait(open.open()).unwrap().head, head);
        wait(open.close()).unwrap();
    }
}

#[test]
fn a_file_in_the_way_is_a_folder_that_cannot_be_written() {
    let _alone = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    assert_eq!(wait(store(&file).open()), Err(StoreError::ReadOnly));
    assert_eq!(wait(store(&file.join("below")).open()), Err(StoreError::ReadOnly));
    let odd = folder.path().join("what?");
    assert!(matches!(wait(store(&odd).open()), Err(StoreError::Refused(_))));
}

/// A limit of the size of files stops a write in the middle, as a full disk does, and needs no privilege.
#[test]
fn what_was_answered_before_the_disk_was_full_is_there_afterwards() {
    let _alone = STARTING.write().unwrap();
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let said = other_process("trap '' XFSZ; ulimit -f 3000;", "fill", folder.path());
    let applied = said.lines().filter_map(|line| line.strip_prefix("applied: ")).filter_map(|seq| seq.parse::<u64>().ok()).next_back();
    let stopped = said.lines().find(|line| line.starts_with("stopped: ")).unwrap_or_default();
    assert!(stopped.contains("the disk is full"), "{stopped}");
    let again = store(folder.path());
    let head = wait(again.open()).unwrap().head;
    let entries = wait(again.journal(0, 10_000)).unwrap();
    assert_eq!(verify(Head::EMPTY, &entries), Ok(head));
    let found = wait(again.recent(sample::place("kitchen"), 1)).unwrap().pop().map(|message| message.seq);
    assert!(found >= applied && applied.is_some(), "found {found:?}, answered {applied:?}");
}

/// A process that is being started holds the locks of whoever starts it until it runs: nothing is opened again meanwhile.
static STARTING: std::sync::RwLock<()> = std::sync::RwLock::new(());

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}

/// What may happen to the bytes of a file.
fn spoilt(bytes: &[u8], how: usize) -> Vec<u8> {
    let half = bytes.len() / 2;
    match how {
        0 => Vec::new(),
        1 => bytes.iter().take(half).copied().collect(),
        2 => bytes.iter().enumerate().map(|(at, byte)| if at % 97 == 13 { byte ^ 0x55 } else { *byte }).collect(),
        _ => vec![0xff; bytes.len()],
    }
}

/// Copies a folder, with one file spoilt.
fn copy(from: &Path, to: &Path, file: &Path, how: usize) {
    for source in files(from) {
        let target = to.join(source.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let bytes = std::fs::read(&source).unwrap();
        std::fs::write(target, if source == file { spoilt(&bytes, how) } else { bytes }).unwrap();
    }
}

#[test]
fn a_spoilt_file_is_damage_or_a_shorter_chain_and_never_a_wrong_one() {
    let _alone = STARTING.read().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut head = filled(folder.path());
    // Still open while its files are copied, as a crash leaves them: some of it is in the log only.
    let open = store(folder.path());
    wait(open.open()).unwrap();
    for seq in 21..=40 {
        wait(open.apply(sample::group(&mut head, [Write::Message(sample::message("kitchen", seq, "hearth"))]))).unwrap();
    }
    let data = folder.path().join("store");
    let (mut whole, mut damaged) = (0, 0);
    for (file, how) in files(&data).iter().flat_map(|file| (0..4).map(move |how| (file, how))) {
        let spoilt = tempfile::tempdir().unwrap();
        copy(&data, &spoilt.path().join("store"), file, how);
        let again = store(spoilt.path());
        let outcome = wait(again.open()).and_then(|opened| wait(again.journal(0, 1_000)).map(|entries| (opened.head, entries)));
        match outcome {
            Ok((found, entries)) => {
                assert_eq!(verify(Head::EMPTY, &entries), Ok(found), "{} {how}", file.display());
                whole += usize::from(found == head);
            }
            Err(StoreError::Damaged(_)) => damaged += 1,
            Err(other) => panic!("{} {how}: {other:?}", file.display()),
        }
    }
    assert!(whole > 0 && damaged > 0, "{whole} whole, {damaged} damaged");
}
