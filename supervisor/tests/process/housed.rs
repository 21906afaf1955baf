//! A confined house: what it cannot do, and what those that it has started can.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use hearth_supervisor::process::confine::{self, Confinement, Files, Network, Outcome, Part, Report};
use hearth_supervisor::process::frame::{Frame, Life, write};
use hearth_supervisor::process::spawn::{Log, Spawned};
use hearth_supervisor::process::spawner::Spawner;
use hearth_supervisor::process::starter::Starter;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;

use crate::roles::{Attempt, LIMIT, hear, role};
use crate::started::{allowed, deaf};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("a_confined_house_starts_what_can_do_more_than_itself", a_confined_house_starts_what_can_do_more_than_itself),
    ("a_confined_house_reads_no_other_process", a_confined_house_reads_no_other_process),
    ("a_confined_house_starts_nothing_by_itself", a_confined_house_starts_nothing_by_itself),
    ("a_confined_house_connects_nowhere_but_to_its_ports", a_confined_house_connects_nowhere_but_to_its_ports),
    ("a_confined_house_kills_by_its_starter", a_confined_house_kills_by_its_starter),
    ("what_a_house_may_read_of_itself_outlives_short_memory", what_a_house_may_read_of_itself_outlives_short_memory),
    ("a_house_that_is_killed_leaves_nobody", a_house_that_is_killed_leaves_nobody),
];

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const MPTCP: u32 = 262;

#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Attempt(Attempt),
    /// Starts this role and gives what it says.
    Start(Vec<String>),
    /// Starts one that is deaf, kills it, and gives how it ended.
    Kill,
    /// Starts one that is deaf, whose log is ours, and keeps it.
    Keep,
}

/// Plays a house, in the order in which a house does that.
pub(crate) fn house(mut socket: UnixStream) {
    let starter = Starter::launch(&allowed()).unwrap();
    let Some(Frame::Message(wanted)) = hear::<Confinement>(&mut socket) else { panic!("no confinement") };
    let report = confine::apply(&wanted).unwrap();
    let spawner = Spawner::over(starter).unwrap();
    write(&mut socket, &Frame::<()>::Life(Life::Ready { report }), LIMIT).unwrap();
    let mut kept = Vec::new();
    while let Some(Frame::Message(order)) = hear::<Order>(&mut socket) {
        let answer = match order {
            Order::Attempt(attempt) => attempt.make().map_err(|error| error.raw_os_error().unwrap_or(0)),
            Order::Start(arguments) => {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                let mut spawned = spawner.spawn_blocking(role(&arguments)).unwrap();
                let Some(Frame::Message(answer)) = hear(&mut spawned.socket) else { panic!("no answer") };
                answer
            }
            Order::Kill => run(async {
                let (killed, _log) = deaf(&spawner).await;
                killed.process.kill().unwrap();
                Ok(killed.process.wait().await.unwrap().to_string())
            }),
            Order::Keep => {
                kept.push(spawner.spawn_blocking(role(&["deaf"])).unwrap());
                Ok(String::new())
            }
        };
        write(&mut socket, &Frame::Message(answer), LIMIT).unwrap();
    }
}

struct House {
    spawned: Spawned,
    report: Report,
    data: tempfile::TempDir,
}

impl House {
    fn start(log: Log, bind: &[u16], connect: &[u16]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let files = Files { write: vec![data.path().to_owned()], ..Files::default() };
        let network = Network::Server { bind: bind.iter().copied().collect(), connect: BTreeSet::from_iter(connect.iter().copied()) };
        let mut program = role(&["house"]);
        program.log = log;
        let mut spawned = Spawner::start().unwrap().spawn_blocking(program).unwrap();
        write(&mut spawned.socket, &Frame::Message(Confinement::house(files, network)), LIMIT).unwrap();
        match hear::<()>(&mut spawned.socket) {
            Some(Frame::Life(Life::Ready { report })) => Self { spawned, report, data },
            other => panic!("{other:?}"),
        }
    }

    fn order(&mut self, order: Order) -> Result<String, i32> {
        write(&mut self.spawned.socket, &Frame::Message(order), LIMIT).unwrap();
        let Some(Frame::Message(answer)) = hear(&mut self.spawned.socket) else { panic!("no answer") };
        answer
    }

    fn attempt(&mut self, attempt: Attempt) -> Result<String, i32> {
        self.order(Order::Attempt(attempt))
    }

    fn refusal(&mut self, attempt: Attempt) -> Option<i32> {
        self.attempt(attempt).err()
    }

    fn has(&self, part: Part) -> bool {
        let outcome = self.report.outcome(part);
        if *outcome != Outcome::Done {
            println!("  this machine: {part}: {outcome}");
        }
        *outcome == Outcome::Done
    }
}

fn a_confined_house_starts_what_can_do_more_than_itself() {
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    std::fs::write(&key, "a key").unwrap();
    let mut house = House::start(Log::Inherit, &[], &[]);
    for part in [Part::NoNewPrivileges, Part::CoreDumps, Part::Hidden, Part::Calls] {
        assert_eq!(house.report.outcome(part), &Outcome::Done, "{part}");
    }
    let at = key.to_str().unwrap().to_owned();
    assert_eq!(house.order(Order::Start(vec!["read".to_owned(), at])), Ok("a key".to_owned()), "the vault can");
    if house.has(Part::Files) {
        assert_eq!(house.refusal(Attempt::Read(key)), Some(EACCES), "and the house cannot");
        assert_eq!(house.refusal(Attempt::List(keys.path().to_owned())), Some(EACCES));
    }
    let own = house.data.path().join("a");
    assert_eq!(house.attempt(Attempt::Write(own.clone())), Ok(String::new()));
    assert_eq!(house.attempt(Attempt::Read(own)), Ok("x".to_owned()));
    assert_eq!(house.attempt(Attempt::Thread), Ok("from a thread".to_owned()));
}

fn a_confined_house_reads_no_other_process() {
    let mut house = House::start(Log::Inherit, &[], &[]);
    let other = |name: &str| Path::new("/proc").join(std::process::id().to_string()).join(name);
    if house.has(Part::Files) {
        for name in ["environ", "cmdline", "status", "maps"] {
            assert_eq!(house.refusal(Attempt::Read(other(name))), Some(EACCES), "{name}");
        }
        assert_eq!(house.refusal(Attempt::List(PathBuf::from("/proc"))), Some(EACCES));
        assert_eq!(house.refusal(Attempt::List(other("fd"))), Some(EACCES));
        assert_eq!(house.refusal(Attempt::List(PathBuf::from("/"))), Some(EACCES));
    }
    if house.has(Part::Outsiders) {
        assert_eq!(house.refusal(Attempt::Signal(i32::try_from(std::process::id()).unwrap())), Some(EPERM));
    }
    assert_eq!(house.refusal(Attempt::Unshare), Some(EPERM));
    for own in ["/proc/self/status", "/proc/self/cgroup", "/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/loadavg"] {
        assert!(house.attempt(Attempt::Read(own.into())).is_ok(), "{own}");
    }
}

fn a_confined_house_starts_nothing_by_itself() {
    let mut house = House::start(Log::Inherit, &[], &[]);
    assert_eq!(house.refusal(Attempt::Exec), Some(EPERM));
    assert_eq!(house.refusal(Attempt::Become), Some(EPERM));
}

fn a_confined_house_connects_nowhere_but_to_its_ports() {
    let listener = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    };
    let ((_one, database), (_other, other)) = (listener(), listener());
    let mut house = House::start(Log::Inherit, &[0], &[database]);
    assert!(house.attempt(Attempt::Connect(database)).is_ok());
    assert!(house.attempt(Attempt::Bind).is_ok());
    assert!(house.attempt(Attempt::Udp).is_ok(), "the database's name is looked up");
    for attempt in [Attempt::Packet, Attempt::Stream(MPTCP), Attempt::FastOpen(database)] {
        assert_eq!(house.refusal(attempt.clone()), Some(EPERM), "{attempt:?}");
    }
    if house.has(Part::Network) {
        assert_eq!(house.refusal(Attempt::Connect(other)), Some(EACCES));
    }
    let mut alone = House::start(Log::Inherit, &[4], &[]);
    assert_eq!(alone.refusal(Attempt::Udp), Some(EPERM));
    assert_eq!(alone.refusal(Attempt::FastOpen(other)), Some(EPERM));
    if alone.has(Part::Network) {
        assert_eq!(alone.refusal(Attempt::Connect(other)), Some(EACCES));
        assert_eq!(alone.refusal(Attempt::Bind), Some(EACCES), "another port");
    }
}

fn a_confined_house_kills_by_its_starter() {
    let mut house = House::start(Log::Inherit, &[], &[]);
    assert_eq!(house.order(Order::Kill), Ok("ended by signal 9".to_owned()));
}

/// Only root can have the kernel forget what it need not know.
fn what_a_house_may_read_of_itself_outlives_short_memory() {
    let mut house = House::start(Log::Inherit, &[], &[]);
    match std::fs::write("/proc/sys/vm/drop_caches", "2") {
        Ok(()) => {}
        Err(error) => println!("  this machine: nothing is forgotten: {error}"),
    }
    for own in ["/proc/self/status", "/proc/meminfo", "/proc/self/limits"] {
        assert!(house.attempt(Attempt::Read(own.into())).is_ok(), "{own}");
    }
    let cgroups = PathBuf::from("/sys/fs/cgroup");
    assert!(!cgroups.exists() || house.attempt(Attempt::List(cgroups)).is_ok());
}

/// The log's other ends are held by the house, its starter and the child of that.
fn a_house_that_is_killed_leaves_nobody() {
    let mut house = House::start(Log::Pipe, &[], &[]);
    house.order(Order::Keep).unwrap();
    run(async {
        let mut log = BufReader::new(pipe::Receiver::from_owned_fd(house.spawned.log.take().unwrap()).unwrap());
        let mut line = String::new();
        log.read_line(&mut line).await.unwrap();
        assert!(line.starts_with("up "), "{line}");
        // Not `kill`, which reaches the process group.
        rustix::process::kill_process(house.spawned.process.pid(), rustix::process::Signal::KILL).unwrap();
        line.clear();
        log.read_line(&mut line).await.unwrap();
        assert_eq!(line, "", "the log ends with the last of them");
    });
}
