//! What a confined child cannot do, and that its report says so. What this kernel lacks has to be in the report.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_supervisor::process::child::PARENT_VARIABLE;
use hearth_supervisor::process::confine::{Confinement, Files, Need, Network, Outcome, Part, Profile, Report, UsageLimits};
use hearth_supervisor::process::frame::{Frame, Life, write};
use hearth_supervisor::process::inspect::Status;
use hearth_supervisor::process::spawn::{Exit, Spawned};
use hearth_supervisor::process::spawner::Spawner;

use crate::roles::{Attempt, LIMIT, NOT_CONFINED, hear, role, say};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("what_was_not_wanted_is_not_taken", what_was_not_wanted_is_not_taken),
    ("a_strict_confinement_is_proven_part_by_part", a_strict_confinement_is_proven_part_by_part),
    ("a_confined_child_reaches_its_files_and_no_others", a_confined_child_reaches_its_files_and_no_others),
    ("a_path_that_does_not_exist_is_noted", a_path_that_does_not_exist_is_noted),
    ("a_confined_child_starts_no_program_but_threads", a_confined_child_starts_no_program_but_threads),
    ("a_house_starts_programs", a_house_starts_programs),
    ("a_sandbox_opens_nothing", a_sandbox_opens_nothing),
    ("a_child_of_a_confined_house_confines_itself_further", a_child_of_a_confined_house_confines_itself_further),
    ("a_confined_child_that_traces_another_is_killed", a_confined_child_that_traces_another_is_killed),
    ("a_confined_child_stays_hidden_and_tied_to_its_parent", a_confined_child_stays_hidden_and_tied_to_its_parent),
    ("a_closed_network_has_no_way_out", a_closed_network_has_no_way_out),
    ("a_program_without_sockets_reaches_nobody", a_program_without_sockets_reaches_nobody),
    ("a_client_reaches_its_ports_and_binds_none", a_client_reaches_its_ports_and_binds_none),
    ("a_confined_child_reaches_no_outsider", a_confined_child_reaches_no_outsider),
    ("sockets_in_the_file_system_are_out_of_reach_or_reported", sockets_in_the_file_system_are_out_of_reach_or_reported),
    ("limits_hold", limits_hold),
    ("a_process_with_few_others_starts_no_crowd", a_process_with_few_others_starts_no_crowd),
    ("locked_memory_can_still_be_had", locked_memory_can_still_be_had),
    ("a_required_part_that_is_missing_is_an_error", a_required_part_that_is_missing_is_an_error),
    ("a_process_of_the_same_user_cannot_read_a_hidden_one", a_process_of_the_same_user_cannot_read_a_hidden_one),
];

const EPERM: i32 = 1;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EMFILE: i32 = 24;
const SIGSYS: i32 = 31;
/// Nobody, on every distribution.
const NOBODY: u32 = 65534;

struct Confined {
    spawned: Spawned,
    report: Report,
}

impl Confined {
    fn start(wanted: &Confinement) -> Self {
        let mut spawned = Spawner::start().unwrap().spawn_blocking(role(&["confined"])).unwrap();
        write(&mut spawned.socket, &Frame::Message(wanted), LIMIT).unwrap();
        match hear::<Part>(&mut spawned.socket) {
            Some(Frame::Life(Life::Ready { report })) => Self { spawned, report },
            other => panic!("{other:?}"),
        }
    }

    fn number(&self) -> i32 {
        self.spawned.process.pid().as_raw_nonzero().get()
    }

    /// What it says: text, or the number of the error. `None`: it is gone.
    fn attempt(&mut self, attempt: Attempt) -> Option<Result<String, i32>> {
        write(&mut self.spawned.socket, &Frame::Message(attempt), LIMIT).unwrap();
        match hear(&mut self.spawned.socket) {
            Some(Frame::Message(answer)) => Some(answer),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, attempt: Attempt) -> Option<i32> {
        self.attempt(attempt).and_then(Result::err)
    }

    fn allowed(&mut self, attempt: Attempt) -> bool {
        matches!(self.attempt(attempt), Some(Ok(_)))
    }

    /// True when the part is done. Otherwise the report must say why not.
    fn has(&self, part: Part) -> bool {
        match self.report.outcome(part) {
            Outcome::Done => true,
            Outcome::Partly { why } | Outcome::Missing { why } => {
                println!("  this machine: {part}: {why}");
                assert!(!why.is_empty());
                false
            }
            Outcome::NotWanted => panic!("{part} was wanted"),
        }
    }
}

fn own_status(confined: &Confined) -> Status {
    Status::of(confined.spawned.process.pid()).unwrap()
}

fn what_was_not_wanted_is_not_taken() {
    let mut child = Confined::start(&Confinement::default());
    assert_eq!(child.report.parts.len(), Part::ALL.len());
    assert!(child.report.parts.values().all(|outcome| *outcome == Outcome::NotWanted));
    assert_eq!(child.report.gaps().count(), 0);
    assert_eq!(child.report.landlock, None);
    assert!(child.allowed(Attempt::Exec));
    assert!(child.allowed(Attempt::List(PathBuf::from("/"))));
    assert_eq!(own_status(&child).no_new_privs, Some(0));
}

fn a_strict_confinement_is_proven_part_by_part() {
    let child = Confined::start(&Confinement::strict(Profile::Vault));
    for part in [Part::NoNewPrivileges, Part::CoreDumps, Part::Hidden, Part::Umask, Part::Capabilities, Part::Calls] {
        assert_eq!(child.report.outcome(part), &Outcome::Done, "{part}");
    }
    let seen = own_status(&child);
    assert_eq!((seen.no_new_privs, seen.seccomp, seen.capabilities, seen.umask), (Some(1), Some(2), Some(0), Some(0o77)));
    assert_eq!(seen.seccomp_filters, child.report.status.seccomp_filters, "what it reports is what is seen from outside");
    if child.has(Part::MemoryLock) {
        assert!(seen.locked_kib.unwrap() > 0);
    }
    assert_eq!(child.report.outcome(Part::Files), &Outcome::NotWanted);
    child.has(Part::Outsiders);
}

fn a_confined_child_reaches_its_files_and_no_others() {
    let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&inside, &outside] {
        std::fs::write(folder.path().join("a"), "text").unwrap();
        std::fs::create_dir(folder.path().join("read")).unwrap();
        std::fs::write(folder.path().join("read/a"), "text").unwrap();
    }
    let files = Files { read: vec![inside.path().join("read")], write: vec![inside.path().join("a")], execute: vec![] };
    let mut child = Confined::start(&Confinement { files: Some(files), ..Confinement::default() });
    if !child.has(Part::Files) {
        return;
    }
    let at = |folder: &tempfile::TempDir, name: &str| folder.path().join(name);
    assert!(child.allowed(Attempt::Read(at(&inside, "read/a"))));
    assert!(child.allowed(Attempt::List(at(&inside, "read"))));
    assert!(child.allowed(Attempt::Write(at(&inside, "a"))));
    assert_eq!(child.refused(Attempt::Write(at(&inside, "read/a"))), Some(EACCES));
    assert_eq!(child.refused(Attempt::Write(at(&inside, "new"))), Some(EACCES));
    assert_eq!(child.refused(Attempt::Read(at(&outside, "a"))), Some(EACCES));
    assert_eq!(child.refused(Attempt::Write(at(&outside, "a"))), Some(EACCES));
    assert_eq!(child.refused(Attempt::List(PathBuf::from("/"))), Some(EACCES));
    assert_eq!(child.refused(Attempt::Status), Some(EACCES), "nor what the proof was read from");
    assert_eq!(child.refused(Attempt::Exec), Some(EACCES));
}

fn a_path_that_does_not_exist_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { read: vec![folder.path().join("absent")], ..Files::default() };
    let child = Confined::start(&Confinement { files: Some(files), ..Confinement::default() });
    if child.has(Part::Files) {
        assert_eq!(child.report.notes.len(), 1);
        assert!(child.report.notes.iter().all(|note| note.contains("absent")));
    }
}

fn a_confined_child_starts_no_program_but_threads() {
    let mut child = Confined::start(&Confinement { calls: Some(Profile::Vault), ..Confinement::default() });
    assert!(child.has(Part::Calls));
    assert_eq!(child.refused(Attempt::Exec), Some(EPERM));
    assert_eq!(child.refused(Attempt::Become), Some(EPERM));
    assert_eq!(child.refused(Attempt::Unshare), Some(EPERM));
    assert_eq!(child.attempt(Attempt::Thread), Some(Ok("from a thread".to_owned())));
    assert!(child.allowed(Attempt::Bind), "the network was not asked for");
}

fn a_sandbox_opens_nothing() {
    let usage = UsageLimits { processor_s: 1, file_bytes: 4096 };
    let strict = Confinement::strict(Profile::Sandbox);
    let mut child = Confined::start(&Confinement { memory_lock: false, namespaces: true, usage: Some(usage), ..strict });
    assert!(child.has(Part::Calls) && child.has(Part::Usage));
    for attempt in [Attempt::List(PathBuf::from("/")), Attempt::Exec, Attempt::Become, Attempt::Udp, Attempt::Unshare] {
        assert_eq!(child.refused(attempt.clone()), Some(EPERM), "{attempt:?}");
    }
    assert!(child.allowed(Attempt::Thread));
    assert!(child.allowed(Attempt::Allocate(1 << 20)));
}

fn a_house_starts_programs() {
    let mut child = Confined::start(&Confinement { calls: Some(Profile::House), ..Confinement::default() });
    assert!(child.allowed(Attempt::Exec));
    assert_eq!(child.refused(Attempt::Unshare), Some(EPERM));
}

/// The parts that a child of this process could not have.
pub(crate) fn gaps_of(wanted: &Confinement) -> String {
    let child = Confined::start(wanted);
    let gaps: Vec<_> = child.report.gaps().map(|(part, outcome)| format!("{part}: {outcome}")).collect();
    gaps.join("\n")
}

fn a_child_of_a_confined_house_confines_itself_further() {
    let files =
        |path: &str| Files { read: vec![path.into()], execute: vec!["/proc".into(), "/usr".into(), "/lib".into()], ..Files::default() };
    let vault = Confinement { files: Some(files("/etc")), network: Some(Network::Closed), ..Confinement::strict(Profile::Vault) };
    let mut house = Confined::start(&Confinement { network: Some(Network::Client { ports: None }), ..Confinement::strict(Profile::House) });
    let expected: Vec<_> = gaps_of(&vault).lines().map(str::to_owned).collect();
    let Some(Ok(gaps)) = house.attempt(Attempt::Child(Box::new(vault))) else { panic!("no child") };
    assert_eq!(gaps.lines().collect::<Vec<_>>(), expected, "as if nobody had been confined before");
}

fn a_confined_child_that_traces_another_is_killed() {
    let other = Confined::start(&Confinement::default());
    let mut child = Confined::start(&Confinement { calls: Some(Profile::Vault), ..Confinement::default() });
    assert_eq!(child.attempt(Attempt::Trace(other.number())), None);
    match run(child.spawned.process.wait()).unwrap() {
        Exit::Signal { number, .. } => assert_eq!(number, SIGSYS),
        Exit::Code(code) => panic!("{code}"),
    }
}

fn a_confined_child_stays_hidden_and_tied_to_its_parent() {
    let mut child = Confined::start(&Confinement::strict(Profile::Vault));
    assert_eq!(child.refused(Attempt::ShowAgain), Some(EPERM));
    assert_eq!(child.refused(Attempt::Outlive), Some(EPERM));
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn a_closed_network_has_no_way_out() {
    let (_listener, port) = listener();
    let mut child = Confined::start(&Confinement { network: Some(Network::Closed), ..Confinement::default() });
    child.has(Part::Network);
    for attempt in [Attempt::Connect(port), Attempt::Bind, Attempt::Udp, Attempt::Packet] {
        assert_eq!(child.refused(attempt.clone()), Some(EPERM), "{attempt:?}");
    }
    assert!(child.allowed(Attempt::Thread));
}

fn a_program_without_sockets_reaches_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let (_path, (_listener, port)) = (UnixListener::bind(&path).unwrap(), listener());
    let wanted = Confinement { calls: Some(Profile::House), network: Some(Network::NoSockets), ..Confinement::default() };
    let mut child = Confined::start(&Confinement { namespaces: true, own_numbers: true, ..wanted.clone() });
    if child.has(Part::Namespaces) {
        assert!(child.allowed(Attempt::Exec), "as the init of the numbers of its own");
    }
    let mut child = Confined::start(&wanted);
    child.has(Part::Network);
    for attempt in [Attempt::Connect(port), Attempt::Bind, Attempt::Udp, Attempt::Packet, Attempt::Path(path)] {
        assert_eq!(child.refused(attempt.clone()), Some(EPERM), "{attempt:?}");
    }
    assert!(child.allowed(Attempt::Exec) && child.allowed(Attempt::Thread) && child.allowed(Attempt::Descriptors(2)));
}

fn a_client_reaches_its_ports_and_binds_none() {
    let ((_one, allowed), (_other, refused)) = (listener(), listener());
    let network = Network::Client { ports: Some(BTreeSet::from([allowed])) };
    let mut child = Confined::start(&Confinement { network: Some(network), ..Confinement::default() });
    assert!(child.allowed(Attempt::Connect(allowed)));
    assert!(child.allowed(Attempt::Udp), "names are looked up with it");
    assert_eq!(child.refused(Attempt::Packet), Some(EPERM));
    if child.has(Part::Network) {
        assert_eq!(child.refused(Attempt::Connect(refused)), Some(EACCES));
        assert_eq!(child.refused(Attempt::Bind), Some(EACCES));
    }
    let mut child = Confined::start(&Confinement { network: Some(Network::Client { ports: None }), ..Confinement::default() });
    assert!(child.allowed(Attempt::Connect(refused)));
    if child.has(Part::Network) {
        assert_eq!(child.refused(Attempt::Bind), Some(EACCES));
    }
}

fn a_confined_child_reaches_no_outsider() {
    let name = format!("hearth-process-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let mut free = Confined::start(&Confinement::default());
    assert!(free.allowed(Attempt::Abstract(name.clone())) && free.allowed(Attempt::Signal(own)));
    let mut child = Confined::start(&Confinement { no_outsiders: true, ..Confinement::default() });
    if child.has(Part::Outsiders) {
        assert_eq!(child.refused(Attempt::Abstract(name)), Some(EPERM));
        assert_eq!(child.refused(Attempt::Signal(own)), Some(EPERM));
    }
}

fn sockets_in_the_file_system_are_out_of_reach_or_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (_allowed, _refused) = (UnixListener::bind(at("allowed")).unwrap(), UnixListener::bind(at("refused")).unwrap());
    let mut child = Confined::start(&Confinement { sockets: Some(vec![at("allowed")]), ..Confinement::default() });
    assert!(child.allowed(Attempt::Path(at("allowed"))));
    let closed = child.has(Part::Sockets);
    assert!(closed || child.report.outcome(Part::Sockets).to_string().contains("7.1") || child.report.landlock == Some(0));
    assert_eq!(child.refused(Attempt::Path(at("refused"))).is_some(), closed, "what is reported is what holds");
}

fn limits_hold() {
    const MEMORY: u64 = 64 << 20;
    let wanted = Confinement { descriptors: Some(32), memory_bytes: Some(MEMORY), ..Confinement::default() };
    let mut child = Confined::start(&wanted);
    assert!(child.has(Part::Descriptors) && child.has(Part::Memory));
    assert_eq!(child.refused(Attempt::Descriptors(32)), Some(EMFILE));
    assert!(child.allowed(Attempt::Allocate(1 << 20)));
    assert!(matches!(child.refused(Attempt::Allocate(256 << 20)), Some(ENOMEM | EAGAIN)));
}

fn locked_memory_can_still_be_had() {
    let mut child = Confined::start(&Confinement { memory_lock: true, ..Confinement::default() });
    child.has(Part::MemoryLock);
    assert!(child.allowed(Attempt::Thread));
    assert!(child.allowed(Attempt::Allocate(64 << 20)));
}

fn a_required_part_that_is_missing_is_an_error() {
    // Nobody can have what was not asked for.
    let wanted = Confinement::default().require(Part::Calls, Need::Partly);
    let mut spawned = Spawner::start().unwrap().spawn_blocking(role(&["confined"])).unwrap();
    write(&mut spawned.socket, &Frame::Message(&wanted), LIMIT).unwrap();
    assert_eq!(hear::<Part>(&mut spawned.socket), Some(Frame::Message(Part::Calls)), "and names it");
    assert_eq!(run(spawned.process.wait()).unwrap(), Exit::Code(NOT_CONFINED));
}

/// Plays an unprivileged process that starts one with few others.
pub(crate) fn crowd(socket: UnixStream) {
    let mut child = Confined::start(&Confinement { namespaces: true, processes: Some(8), ..Confinement::default() });
    let counted = child.has(Part::Processes) && child.report.outcome(Part::Namespaces) == &Outcome::Done;
    say(socket, &(counted, child.attempt(Attempt::Threads(4)), child.attempt(Attempt::Threads(20))));
}

type Crowd = (bool, Option<Result<String, i32>>, Option<Result<String, i32>>);

fn a_process_with_few_others_starts_no_crowd() {
    let (mut peer, mut ours) = unprivileged("crowd");
    let Some(Frame::Message((counted, few, many))) = hear::<Crowd>(&mut ours) else { panic!("no answer") };
    assert!(peer.wait().unwrap().success());
    if counted {
        assert_eq!((few, many), (Some(Ok("4".to_owned())), Some(Err(EAGAIN))));
    }
}

/// This program in that role, of a user that is not root, and our end of its socket.
fn unprivileged(role: &str) -> (std::process::Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.args(["role", role]).env(PARENT_VARIABLE, std::process::id().to_string()).stdin(OwnedFd::from(theirs)).current_dir("/");
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    (command.spawn().unwrap(), ours)
}

/// Plays an unprivileged process of the user of two others, one of which is hidden.
pub(crate) fn peer(socket: UnixStream) {
    let readable = |wanted: &Confinement| {
        let child = Confined::start(wanted);
        let folder = Path::new("/proc").join(child.number().to_string());
        let memory = std::fs::File::open(folder.join("mem"));
        let environment = std::fs::read(folder.join("environ"));
        let traced = nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(child.number()));
        [memory.is_ok(), environment.is_ok(), traced.is_ok()]
    };
    let free = readable(&Confinement::default());
    let hidden = readable(&Confinement { hidden: true, ..Confinement::default() });
    say(socket, &(rustix::process::getuid().as_raw(), free, hidden));
}

fn a_process_of_the_same_user_cannot_read_a_hidden_one() {
    let (mut peer, mut ours) = unprivileged("peer");
    let Some(Frame::Message((user, free, hidden))) = hear::<(u32, [bool; 3], [bool; 3])>(&mut ours) else { panic!("no answer") };
    assert!(peer.wait().unwrap().success());
    assert_ne!(user, 0);
    assert_eq!(free, [true; 3], "its parent can do all that to one that is not hidden");
    assert_eq!(hidden, [false; 3]);
}
