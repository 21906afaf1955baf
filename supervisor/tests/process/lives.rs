//! How children begin and end.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hearth_supervisor::process::child::PARENT_VARIABLE;
use hearth_supervisor::process::frame::{Frame, Life, write};
use hearth_supervisor::process::spawn::{Exit, Log, Spawned};
use hearth_supervisor::process::spawner::Spawner;
use rustix::io::FdFlags;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;

use crate::roles::{LIMIT, NO_PARENT, NO_SOCKET, ORPHAN, SOCKET_ENDED, hear, role};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("a_child_has_no_descriptor_but_its_own", a_child_has_no_descriptor_but_its_own),
    ("a_child_has_no_environment_but_what_it_was_given", a_child_has_no_environment_but_what_it_was_given),
    ("a_child_dies_with_its_parent", a_child_dies_with_its_parent),
    ("a_child_dies_with_its_handle", a_child_dies_with_its_handle),
    ("a_child_whose_start_nobody_waits_for_dies", a_child_whose_start_nobody_waits_for_dies),
    ("a_child_ends_with_its_socket", a_child_ends_with_its_socket),
    ("a_child_that_is_asked_to_stop_stops", a_child_that_is_asked_to_stop_stops),
    ("how_a_child_ended_is_told", how_a_child_ended_is_told),
    ("a_child_that_has_ended_takes_no_signal_and_no_harm", a_child_that_has_ended_takes_no_signal_and_no_harm),
    ("a_handle_outlives_its_spawner", a_handle_outlives_its_spawner),
    ("a_process_that_no_house_started_is_no_child", a_process_that_no_house_started_is_no_child),
    ("a_parent_that_ended_before_is_noticed", a_parent_that_ended_before_is_noticed),
];

async fn spawn(arguments: &[&str]) -> Spawned {
    Spawner::start().unwrap().spawn(role(arguments)).await.unwrap()
}

async fn spawn_logged(spawner: &Spawner, arguments: &[&str]) -> (Spawned, BufReader<pipe::Receiver>) {
    let mut program = role(arguments);
    program.log = Log::Pipe;
    let mut spawned = spawner.spawn(program).await.unwrap();
    let log = pipe::Receiver::from_owned_fd(spawned.log.take().unwrap()).unwrap();
    (spawned, BufReader::new(log))
}

async fn line(log: &mut BufReader<pipe::Receiver>) -> String {
    let mut line = String::new();
    log.read_line(&mut line).await.unwrap();
    line
}

fn a_child_has_no_descriptor_but_its_own() {
    let leaked = std::fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
    let mut spawned = Spawner::start().unwrap().spawn_blocking(role(&["descriptors"])).unwrap();
    let Some(Frame::Message((closed, open))) = hear::<(usize, Vec<(PathBuf, PathBuf)>)>(&mut spawned.socket) else { panic!("no answer") };
    assert!(closed >= 1, "the one that was leaked to it, and what whoever started the tests has leaked");
    assert_eq!(open.len(), 4, "standard ones and the socket: {open:?}");
    for (path, to) in open {
        let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        match number {
            0 | 1 => assert_eq!(to, PathBuf::from("/dev/null")),
            2 => {}
            _ => assert!(to.to_str().unwrap().starts_with("socket:"), "{number} is {to:?}"),
        }
    }
}

fn a_child_has_no_environment_but_what_it_was_given() {
    let mut program = role(&["environment"]);
    program.environment.insert("GIVEN".into(), "1".into());
    let mut spawned = Spawner::start().unwrap().spawn_blocking(program).unwrap();
    let Some(Frame::Message(variables)) = hear::<Vec<(String, String)>>(&mut spawned.socket) else { panic!("no answer") };
    let names: Vec<_> = variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"GIVEN") && names.contains(&PARENT_VARIABLE));
}

/// The grandchild does not read its socket, so that only the kernel can end it. It holds the log's other end.
fn a_child_dies_with_its_parent() {
    run(async {
        let (spawned, mut log) = spawn_logged(&Spawner::start().unwrap(), &["parent-of-deaf"]).await;
        assert!(line(&mut log).await.starts_with("up "));
        // Not `kill`, which reaches the process group, though the grandchild has its own.
        rustix::process::kill_process(spawned.process.pid(), rustix::process::Signal::KILL).unwrap();
        assert_eq!(line(&mut log).await, "", "the log ends with the last of them");
        assert_eq!(spawned.process.wait().await.unwrap(), Exit::Signal { number: 9, dumped: false });
    });
}

fn a_child_dies_with_its_handle() {
    run(async {
        let (spawned, mut log) = spawn_logged(&Spawner::start().unwrap(), &["deaf"]).await;
        assert!(line(&mut log).await.starts_with("up "));
        let Spawned { process, socket, .. } = spawned;
        drop(process);
        assert_eq!(line(&mut log).await, "");
        drop(socket);
    });
}

/// The log's other ends are held by the forgetful one, which lets go of it and stays, and by the child it forgot.
fn a_child_whose_start_nobody_waits_for_dies() {
    run(async {
        let (spawned, mut log) = spawn_logged(&Spawner::start().unwrap(), &["forgetful"]).await;
        loop {
            match line(&mut log).await.as_str() {
                "" => break,
                // It may get as far as that before it is ended.
                text => assert!(text.starts_with("up "), "{text}"),
            }
        }
        assert_eq!(spawned.process.try_wait().unwrap(), None);
    });
}

fn a_child_ends_with_its_socket() {
    run(async {
        let spawned = spawn(&["lifeline"]).await;
        let Spawned { process, socket, .. } = spawned;
        drop(socket);
        assert_eq!(process.wait().await.unwrap(), Exit::Code(SOCKET_ENDED));
    });
}

fn a_child_that_is_asked_to_stop_stops() {
    run(async {
        let mut spawned = spawn(&["lifeline"]).await;
        write(&mut spawned.socket, &Frame::<()>::Life(Life::Ping { nonce: 5 }), LIMIT).unwrap();
        assert_eq!(hear::<()>(&mut spawned.socket), Some(Frame::Life(Life::Pong { nonce: 5 })));
        assert_eq!(spawned.process.try_wait().unwrap(), None);
        write(&mut spawned.socket, &Frame::<()>::Life(Life::Stop), LIMIT).unwrap();
        assert_eq!(spawned.process.wait().await.unwrap(), Exit::Code(0));
    });
}

fn how_a_child_ended_is_told() {
    run(async {
        let exited = spawn(&["exit", "3"]).await;
        assert_eq!(exited.process.wait().await.unwrap(), Exit::Code(3));
        assert_eq!(exited.process.wait().await.unwrap(), Exit::Code(3), "as often as one asks");

        let spawner = Spawner::start().unwrap();
        let (killed, mut log) = spawn_logged(&spawner, &["deaf"]).await;
        line(&mut log).await;
        killed.process.kill().unwrap();
        let (one, other) = futures_util::future::join(killed.process.wait(), killed.process.wait()).await;
        assert_eq!(one.unwrap(), Exit::Signal { number: 9, dumped: false });
        assert_eq!(other.unwrap(), Exit::Signal { number: 9, dumped: false }, "two may wait");

        let (terminated, mut log) = spawn_logged(&spawner, &["deaf"]).await;
        line(&mut log).await;
        terminated.process.terminate().unwrap();
        assert_eq!(terminated.process.wait().await.unwrap(), Exit::Signal { number: 15, dumped: false });
    });
}

fn a_child_that_has_ended_takes_no_signal_and_no_harm() {
    run(async {
        let spawned = spawn(&["exit", "0"]).await;
        spawned.process.wait().await.unwrap();
        spawned.process.kill().unwrap();
        spawned.process.terminate().unwrap();
    });
}

fn a_handle_outlives_its_spawner() {
    run(async {
        let spawner = Spawner::start().unwrap();
        let mut spawned = spawner.spawn(role(&["lifeline"])).await.unwrap();
        drop(spawner);
        write(&mut spawned.socket, &Frame::<()>::Life(Life::Ping { nonce: 1 }), LIMIT).unwrap();
        assert_eq!(hear::<()>(&mut spawned.socket), Some(Frame::Life(Life::Pong { nonce: 1 })));
    });
}

fn by_hand() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["role", "lifeline"]).env_remove(PARENT_VARIABLE);
    command
}

fn a_process_that_no_house_started_is_no_child() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    assert_eq!(by_hand().stdin(OwnedFd::from(theirs)).status().unwrap().code(), Some(NO_PARENT));
    let own = std::process::id().to_string();
    for stdin in [Stdio::null(), Stdio::piped()] {
        assert_eq!(by_hand().env(PARENT_VARIABLE, &own).stdin(stdin).status().unwrap().code(), Some(NO_SOCKET));
    }
}

fn a_parent_that_ended_before_is_noticed() {
    // Another number than that of whoever started it: what it sees when that one has ended and it was given to another.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let other = (std::process::id() + 1).to_string();
    assert_eq!(by_hand().env(PARENT_VARIABLE, other).stdin(OwnedFd::from(theirs)).status().unwrap().code(), Some(ORPHAN));
}
