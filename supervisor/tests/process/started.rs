//! Children that a starter starts: the same as a spawner's own, and all of them end with it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use futures_util::future::join_all;
use hearth_supervisor::process::child::PARENT_VARIABLE;
use hearth_supervisor::process::descriptors::send_with_fds;
use hearth_supervisor::process::frame::{Frame, Life, encode, write};
use hearth_supervisor::process::spawn::{Exit, Log, SpawnError, Spawned};
use hearth_supervisor::process::spawner::Spawner;
use hearth_supervisor::process::starter::{Allowed, Starter, VERB};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process, pidfd_open, setrlimit};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;

use crate::roles::{LIMIT, STARTER_FAILED, hear, role, say};
use crate::{DEADLINE, Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("how_a_child_of_a_starter_ended_is_told", how_a_child_of_a_starter_ended_is_told),
    ("a_child_of_a_starter_has_what_it_was_given", a_child_of_a_starter_has_what_it_was_given),
    ("what_a_child_leaves_in_its_group_ends_with_it", what_a_child_leaves_in_its_group_ends_with_it),
    ("a_starter_is_gone_with_the_last_that_needs_it", a_starter_is_gone_with_the_last_that_needs_it),
    ("a_starter_that_is_killed_is_seen", a_starter_that_is_killed_is_seen),
    ("a_starter_without_a_spawner_ends_with_its_handle", a_starter_without_a_spawner_ends_with_its_handle),
    ("a_child_of_a_starter_whose_start_nobody_waits_for_dies", a_child_of_a_starter_whose_start_nobody_waits_for_dies),
    ("what_a_starter_was_not_told_is_not_started", what_a_starter_was_not_told_is_not_started),
    ("a_start_that_is_too_large_is_refused_alone", a_start_that_is_too_large_is_refused_alone),
    ("a_thousand_starts_and_kills_leave_nothing", a_thousand_starts_and_kills_leave_nothing),
    ("a_flood_of_starts_is_answered", a_flood_of_starts_is_answered),
    ("a_full_table_of_files_costs_a_start_and_not_the_starter", a_full_table_of_files_costs_a_start_and_not_the_starter),
    ("a_starter_that_is_asked_nonsense_ends", a_starter_that_is_asked_nonsense_ends),
    ("a_starter_by_hand_is_none", a_starter_by_hand_is_none),
];

const KILLED: Exit = Exit::Signal { number: 9, dumped: false };

pub(crate) fn allowed() -> Allowed {
    Allowed { verbs: ["role".to_owned()].into(), exactly: Vec::new(), variables: ["GIVEN".to_owned()].into() }
}

fn starter() -> (Spawner, Pid) {
    let starter = Starter::launch(&allowed()).unwrap();
    let pid = starter.pid();
    (Spawner::over(starter).unwrap(), pid)
}

type LogLines = BufReader<pipe::Receiver>;

/// One that has said it is up, and says nothing more.
pub(crate) async fn deaf(spawner: &Spawner) -> (Spawned, LogLines) {
    up(spawner, "deaf").await
}

async fn up(spawner: &Spawner, named: &str) -> (Spawned, LogLines) {
    let mut program = role(&[named]);
    program.log = Log::Pipe;
    let mut spawned = spawner.spawn(program).await.unwrap();
    let mut log = BufReader::new(pipe::Receiver::from_owned_fd(spawned.log.take().unwrap()).unwrap());
    assert!(line(&mut log).await.starts_with("up "));
    (spawned, log)
}

async fn line(log: &mut LogLines) -> String {
    let mut line = String::new();
    log.read_line(&mut line).await.unwrap();
    line
}

/// Waits until a process has ended, whoever's child it is.
fn ends(handle: &OwnedFd) -> bool {
    let deadline = Timespec { tv_sec: DEADLINE.as_secs().try_into().unwrap(), tv_nsec: 0 };
    poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&deadline)).unwrap() == 1
}

fn handle_of(pid: Pid) -> OwnedFd {
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

fn how_a_child_of_a_starter_ended_is_told() {
    run(async {
        let (spawner, _) = starter();
        let exited = spawner.spawn(role(&["exit", "3"])).await.unwrap();
        assert_eq!(exited.process.wait().await.unwrap(), Exit::Code(3));
        assert_eq!(exited.process.wait().await.unwrap(), Exit::Code(3), "as often as one asks");
        assert_eq!(exited.process.try_wait().unwrap(), Some(Exit::Code(3)));
        exited.process.kill().unwrap();
        exited.process.terminate().unwrap();

        let (killed, _log) = deaf(&spawner).await;
        assert_eq!(killed.process.try_wait().unwrap(), None);
        killed.process.kill().unwrap();
        let (one, other) = futures_util::future::join(killed.process.wait(), killed.process.wait()).await;
        assert_eq!((one.unwrap(), other.unwrap()), (KILLED, KILLED), "two may wait");

        let (terminated, _log) = deaf(&spawner).await;
        terminated.process.terminate().unwrap();
        assert_eq!(terminated.process.wait().await.unwrap(), Exit::Signal { number: 15, dumped: false });

        let (dropped, mut log) = deaf(&spawner).await;
        drop(dropped.process);
        assert_eq!(line(&mut log).await, "", "it died with its handle");
    });
}

fn a_child_of_a_starter_has_what_it_was_given() {
    let (spawner, pid) = starter();
    let mut program = role(&["environment"]);
    program.environment.insert("GIVEN".into(), "1".into());
    let mut spawned = spawner.spawn_blocking(program).unwrap();
    let Some(Frame::Message(variables)) = hear::<Vec<(String, String)>>(&mut spawned.socket) else { panic!("no answer") };
    let starter = pid.as_raw_nonzero().to_string();
    let variables: BTreeMap<_, _> = variables.into_iter().collect();
    assert_eq!(variables, BTreeMap::from([("GIVEN".to_owned(), "1".to_owned()), (PARENT_VARIABLE.to_owned(), starter)]));
    let mut program = role(&["descriptors"]);
    program.log = Log::Null;
    let mut spawned = spawner.spawn_blocking(program).unwrap();
    let Some(Frame::Message((closed, _))) = hear::<(usize, Vec<(String, String)>)>(&mut spawned.socket) else { panic!("no answer") };
    assert_eq!(closed, 0, "the starter keeps none open for others");
}

fn what_a_child_leaves_in_its_group_ends_with_it() {
    run(async {
        let (spawner, _) = starter();
        let (leaving, mut log) = up(&spawner, "leaving").await;
        assert_eq!(leaving.process.wait().await.unwrap(), Exit::Code(0));
        assert_eq!(line(&mut log).await, "", "the log ends with the last of them");
    });
}

fn a_starter_is_gone_with_the_last_that_needs_it() {
    let (spawner, pid) = starter();
    let starter = handle_of(pid);
    let gone = spawner.gone();
    let mut spawned = spawner.spawn_blocking(role(&["lifeline"])).unwrap();
    drop(spawner);
    write(&mut spawned.socket, &Frame::<()>::Life(Life::Ping { nonce: 1 }), LIMIT).unwrap();
    assert_eq!(hear::<()>(&mut spawned.socket), Some(Frame::Life(Life::Pong { nonce: 1 })), "a handle outlives its spawner");
    drop(spawned);
    assert!(ends(&starter));
    run(gone);
}

fn a_starter_that_is_killed_is_seen() {
    run(async {
        let (spawner, pid) = starter();
        let (spawned, mut log) = deaf(&spawner).await;
        let gone = spawner.gone();
        kill_process(pid, Signal::KILL).unwrap();
        gone.await;
        assert_eq!(spawned.process.wait().await.unwrap(), KILLED);
        assert_eq!(spawned.process.try_wait().unwrap(), Some(KILLED));
        assert_eq!(line(&mut log).await, "", "and that is so");
        spawned.process.kill().unwrap();
        assert!(matches!(spawner.spawn(role(&["deaf"])).await, Err(SpawnError::NoStarter(_))));
        spawner.gone().await;
    });
}

fn a_starter_without_a_spawner_ends_with_its_handle() {
    let starter = Starter::launch(&allowed()).unwrap();
    let handle = handle_of(starter.pid());
    drop(starter);
    assert!(ends(&handle));
}

fn a_child_of_a_starter_whose_start_nobody_waits_for_dies() {
    run(async {
        let (spawner, pid) = starter();
        for _ in 0..20 {
            drop(futures_util::future::FutureExt::now_or_never(spawner.spawn(role(&["lifeline"]))));
        }
        // Orders are taken one after the other, and ends are told in order too.
        let after = spawner.spawn(role(&["exit", "0"])).await.unwrap();
        after.process.wait().await.unwrap();
        let mut children = children_of(pid);
        while !children.is_empty() {
            children.iter().filter_map(|pid| pidfd_open(*pid, PidfdFlags::empty()).ok()).for_each(|one| assert!(ends(&one)));
            children = children_of(pid);
        }
    });
}

fn what_a_starter_was_not_told_is_not_started() {
    let (spawner, _) = starter();
    let mut other = role(&["exit", "0"]);
    other.arguments = vec!["--list".into()];
    assert!(matches!(spawner.spawn_blocking(other), Err(SpawnError::NotAllowed)));
    let mut loaded = role(&["exit", "0"]);
    loaded.environment.insert("LD_PRELOAD".into(), "/nowhere.so".into());
    assert!(matches!(spawner.spawn_blocking(loaded), Err(SpawnError::NotAllowed)));
    assert_eq!(run(spawner.spawn_blocking(role(&["exit", "0"])).unwrap().process.wait()).unwrap(), Exit::Code(0));
}

fn a_start_that_is_too_large_is_refused_alone() {
    let (spawner, _) = starter();
    let large = "x".repeat(1 << 20);
    assert!(matches!(spawner.spawn_blocking(role(&[&large])), Err(SpawnError::TooLarge)));
    let nul = spawner.spawn_blocking(role(&["a\0b"]));
    assert!(matches!(nul, Err(SpawnError::Start(_))), "{nul:?}");
    assert_eq!(run(spawner.spawn_blocking(role(&["exit", "0"])).unwrap().process.wait()).unwrap(), Exit::Code(0));
}

/// Running or not reaped.
fn children_of(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().to_string();
    let is_child = |stat: &str| stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(parent.as_str());
    let numbers = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let of = |number: &i32| std::fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|stat| is_child(&stat));
    numbers.filter(of).filter_map(Pid::from_raw).collect()
}

fn open_here() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn limit_files(to: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(to), maximum }).unwrap();
}

/// With so few descriptors, for the starter too, that none is left after a hundred that were not closed.
pub(crate) fn thousand(socket: UnixStream) {
    limit_files(64);
    let (spawner, pid) = starter();
    let left = crate::run(async {
        let last = |number: i32| {
            let spawner = &spawner;
            async move {
                if number % 2 == 0 {
                    let exited = spawner.spawn(role(&["exit", "5"])).await.unwrap();
                    assert_eq!(exited.process.wait().await.unwrap(), Exit::Code(5));
                } else {
                    let killed = spawner.spawn(role(&["lifeline"])).await.unwrap();
                    killed.process.kill().unwrap();
                    assert_eq!(killed.process.wait().await.unwrap(), KILLED);
                }
            }
        };
        last(0).await;
        let before = open_here();
        for number in 0..1000 {
            last(number).await;
        }
        (before, open_here(), children_of(pid).len())
    });
    say(socket, &left);
}

fn a_thousand_starts_and_kills_leave_nothing() {
    let mut spawned = Spawner::start().unwrap().spawn_blocking(role(&["thousand"])).unwrap();
    let Some(Frame::Message((before, after, children))) = hear::<(usize, usize, usize)>(&mut spawned.socket) else { panic!("no answer") };
    assert_eq!((after, children), (before, 0));
}

fn a_flood_of_starts_is_answered() {
    run(async {
        let (spawner, pid) = starter();
        let all = (0..300).map(|number| {
            let spawner = spawner.clone();
            async move {
                let spawned = spawner.spawn(role(&["exit", &(number % 100).to_string()])).await.unwrap();
                assert_eq!(spawned.process.wait().await.unwrap(), Exit::Code(number % 100));
            }
        });
        join_all(all).await;
        assert_eq!(children_of(pid), []);
    });
}

/// As few descriptors here and there as a handful of children take.
pub(crate) fn crowded(socket: UnixStream) {
    limit_files(24);
    let (spawner, _) = starter();
    let mut children = Vec::new();
    let refused = loop {
        match spawner.spawn_blocking(role(&["lifeline"])) {
            Ok(child) => children.push(child),
            Err(error) => break error,
        }
    };
    let refused = matches!(refused, SpawnError::Socket(_) | SpawnError::Descriptors | SpawnError::Start(_) | SpawnError::Handle(_));
    let held = children.len();
    let alive = children.iter().all(|child| child.process.try_wait().unwrap().is_none());
    children.clear();
    let again = crate::run(async {
        // Their ends are told before that of this one.
        let mut spawned = spawner.spawn(role(&["exit", "0"])).await;
        while matches!(spawned, Err(SpawnError::Start(_) | SpawnError::Handle(_) | SpawnError::Descriptors)) {
            spawned = spawner.spawn(role(&["exit", "0"])).await;
        }
        spawned.unwrap().process.wait().await.unwrap()
    });
    say(socket, &(refused, held, alive, again));
}

fn a_full_table_of_files_costs_a_start_and_not_the_starter() {
    let mut spawned = Spawner::start().unwrap().spawn_blocking(role(&["crowded"])).unwrap();
    let Some(Frame::Message((refused, held, alive, again))) = hear::<(bool, usize, bool, Exit)>(&mut spawned.socket) else {
        panic!("no answer")
    };
    assert!(refused && held > 0 && alive, "{refused} {held} {alive}");
    assert_eq!(again, Exit::Code(0));
}

fn by_hand(told: &str, asked: impl FnOnce(&mut UnixStream)) -> Option<i32> {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.args([VERB, told]).env_clear().env(PARENT_VARIABLE, std::process::id().to_string()).stdin(OwnedFd::from(theirs));
    let mut child = command.spawn().unwrap();
    drop(command);
    asked(&mut ours);
    let code = child.wait().unwrap().code();
    drop(ours);
    code
}

fn a_starter_that_is_asked_nonsense_ends() {
    let told = serde_json::to_string(&allowed()).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let message = encode(&Frame::Message(serde_json::json!({ "kill": { "id": 1 } })), 0, LIMIT).unwrap();
    assert_eq!(by_hand(&told, |socket| socket.write_all(b"nonsense").unwrap()), Some(STARTER_FAILED));
    assert_eq!(by_hand(&told, |socket| socket.write_all(&[0xB7, 1, 2, 0, 0xFF, 0, 0, 0]).unwrap()), Some(STARTER_FAILED), "too large");
    let with_another = |socket: &mut UnixStream| assert_eq!(send_with_fds(&*socket, &message, &[null.as_fd()]).unwrap(), message.len());
    assert_eq!(by_hand(&told, with_another), Some(STARTER_FAILED));
    let ended = |socket: &mut UnixStream| {
        socket.write_all(&message).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
    };
    assert_eq!(by_hand(&told, ended), Some(0), "one that has no such child is no nonsense");
}

fn a_starter_by_hand_is_none() {
    assert_eq!(by_hand("{}x", |_| {}), Some(STARTER_FAILED));
    assert_eq!(Command::new("/proc/self/exe").arg(VERB).status().unwrap().code(), Some(STARTER_FAILED));
}
