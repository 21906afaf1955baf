//! What this program is when it is a child.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, exit};

use futures_util::future::FutureExt;
use hearth_supervisor::process::channel::channel;
use hearth_supervisor::process::child::{self, EnterError};
use hearth_supervisor::process::confine::{self, ConfineError, Confinement};
use hearth_supervisor::process::frame::{Assembler, Frame, Life, read, write};
use hearth_supervisor::process::spawn::{Exit, Program};
use hearth_supervisor::process::spawner::Spawner;
use rustix::process::{Pid, getpid};
use serde::{Deserialize, Serialize};

pub(crate) const LIMIT: usize = 1 << 20;
/// With this code `Lifeline` ends when its socket does.
pub(crate) const SOCKET_ENDED: i32 = 7;
/// With these codes a child ends that was not started as it should.
pub(crate) const NO_PARENT: i32 = 40;
pub(crate) const ORPHAN: i32 = 41;
pub(crate) const NO_SOCKET: i32 = 42;
/// A required part is missing.
pub(crate) const NOT_CONFINED: i32 = 43;
/// A starter ended otherwise than with its house.
pub(crate) const STARTER_FAILED: i32 = 44;

/// Something that a confined child is asked to try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Attempt {
    Read(PathBuf),
    Write(PathBuf),
    List(PathBuf),
    Exec,
    /// Becomes another program, without a process of its own.
    Become,
    /// Starts a child that confines itself further; gives what of that failed.
    Child(Box<Confinement>),
    Connect(u16),
    Bind,
    Udp,
    Packet,
    /// Makes a stream of this protocol.
    Stream(u32),
    /// Connects by sending.
    FastOpen(u16),
    Trace(i32),
    Unshare,
    Signal(i32),
    Abstract(String),
    Path(PathBuf),
    Thread,
    /// Starts so many threads, which stay; gives how many there are.
    Threads(u32),
    Allocate(usize),
    Descriptors(u32),
    ShowAgain,
    Outlive,
    Status,
}

/// A program that plays this role.
pub(crate) fn role(arguments: &[&str]) -> Program {
    Program::new("process-test", [&["role"], arguments].concat())
}

pub(crate) fn play(arguments: &[String]) -> ! {
    let names: Vec<_> = arguments.iter().map(String::as_str).collect();
    let entered = child::expected_parent().and_then(child::enter);
    let entered = match entered {
        Ok(entered) => entered,
        Err(EnterError::NoParent) => exit(NO_PARENT),
        Err(EnterError::Orphan) => exit(ORPHAN),
        Err(EnterError::NoSocket) => exit(NO_SOCKET),
        Err(error) => panic!("{error:?}"),
    };
    match names.as_slice() {
        ["descriptors"] => descriptors(entered.socket, entered.closed),
        ["environment"] => say(entered.socket, &std::env::vars().collect::<Vec<_>>()),
        ["lifeline"] => lifeline(entered.socket),
        ["deaf"] => deaf(),
        ["parent-of-deaf"] => parent_of_deaf(entered.socket),
        ["forgetful"] => crate::run(forgetful(entered.socket)),
        ["exit", code] => exit(code.parse().unwrap()),
        ["writer"] => crate::run(writer(entered.socket)),
        ["confined"] => confined(entered.socket),
        ["read", path] => say(entered.socket, &std::fs::read_to_string(path).map_err(|error| error.raw_os_error().unwrap_or(0))),
        ["leaving"] => leaving(),
        ["house"] => crate::housed::house(entered.socket),
        ["thousand"] => crate::started::thousand(entered.socket),
        ["crowded"] => crate::started::crowded(entered.socket),
        ["crowd"] => crate::confined::crowd(entered.socket),
        ["peer"] => crate::confined::peer(entered.socket),
        other => panic!("no role {other:?}"),
    }
    exit(0);
}

pub(crate) fn say<T: Serialize>(mut socket: UnixStream, what: &T) {
    write(&mut socket, &Frame::Message(what), LIMIT).unwrap();
}

pub(crate) fn hear<T: for<'a> Deserialize<'a>>(socket: &mut UnixStream) -> Option<Frame<T>> {
    // A sandbox has no such call; its parent's reading has the deadline.
    let _ = socket.set_read_timeout(Some(crate::DEADLINE));
    read(socket, &mut Assembler::new(LIMIT)).unwrap()
}

fn descriptors(socket: UnixStream, closed: usize) {
    let listed: Vec<_> = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).collect();
    // The listing's own is gone by now.
    let open: Vec<_> = listed.into_iter().filter_map(|path| std::fs::read_link(&path).ok().map(|to| (path, to))).collect();
    say(socket, &(closed, open));
}

fn lifeline(mut socket: UnixStream) {
    while let Some(frame) = hear::<()>(&mut socket) {
        match frame {
            Frame::Life(Life::Ping { nonce }) => write(&mut socket, &Frame::<()>::Life(Life::Pong { nonce }), LIMIT).unwrap(),
            Frame::Life(Life::Stop) => exit(0),
            other => panic!("{other:?}"),
        }
    }
    exit(SOCKET_ENDED);
}

/// Holds the log, never reads its socket.
fn deaf() {
    eprintln!("up {}", getpid().as_raw_nonzero());
    loop {
        std::thread::park();
    }
}

/// Ends and leaves a program in its process group, which holds the log and is not tied to it.
#[expect(clippy::zombie_processes, reason = "that nobody waits for it is the point")]
fn leaving() {
    Command::new("sleep").arg("1000").stdout(std::process::Stdio::null()).spawn().unwrap();
    eprintln!("up {}", getpid().as_raw_nonzero());
}

fn parent_of_deaf(mut socket: UnixStream) {
    let _child = Spawner::start().unwrap().spawn_blocking(role(&["deaf"])).unwrap();
    let _ = socket.read(&mut [0]);
}

/// Forgets a child whose start was ordered; lets go of the log once it has been started.
async fn forgetful(mut socket: UnixStream) {
    let spawner = Spawner::start().unwrap();
    drop(spawner.spawn(role(&["deaf"])).now_or_never());
    // Orders are taken one after the other.
    let after = spawner.spawn(role(&["exit", "0"])).await.unwrap();
    assert_eq!(after.process.wait().await.unwrap(), Exit::Code(0));
    rustix::stdio::dup2_stderr(File::open("/dev/null").unwrap()).unwrap();
    let _ = socket.read(&mut [0]);
}

async fn writer(socket: UnixStream) {
    let (mut sender, mut receiver) = channel(socket, LIMIT).unwrap();
    while let Some(received) = receiver.recv::<String>().await.unwrap() {
        let Frame::Message(text) = received.frame else { panic!("not a message") };
        for descriptor in &received.descriptors {
            File::from(descriptor.try_clone().unwrap()).write_all(text.as_bytes()).unwrap();
        }
        let back: Vec<_> = received.descriptors.iter().map(AsFd::as_fd).collect();
        sender.send(&Frame::Message(received.descriptors.len()), &back).await.unwrap();
    }
}

fn confined(mut socket: UnixStream) {
    let Some(Frame::Message(wanted)) = hear::<Confinement>(&mut socket) else { panic!("no confinement") };
    let report = match confine::apply(&wanted) {
        Ok(report) => report,
        Err(ConfineError::Required { part, .. }) => {
            say(socket, &part);
            exit(NOT_CONFINED);
        }
        Err(error) => panic!("{error:?}"),
    };
    write(&mut socket, &Frame::<()>::Life(Life::Ready { report }), LIMIT).unwrap();
    while let Some(Frame::Message(attempt)) = hear::<Attempt>(&mut socket) {
        let answer = attempt.make().map_err(|error| error.raw_os_error().unwrap_or(0));
        write(&mut socket, &Frame::Message(answer), LIMIT).unwrap();
    }
}

impl Attempt {
    pub(crate) fn make(self) -> std::io::Result<String> {
        let here = |port| (Ipv4Addr::LOCALHOST, port);
        let pid = |number| Pid::from_raw(number).unwrap();
        match self {
            Self::Read(path) => std::fs::read_to_string(path),
            Self::Write(path) => {
                OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(b"x").map(|()| String::new())
            }
            Self::List(path) => std::fs::read_dir(path).map(|entries| entries.count().to_string()),
            Self::Exec => Command::new("/proc/self/exe").arg("--list").output().map(|_| String::new()),
            Self::Become => Err(Command::new("/proc/self/exe").arg("--list").exec()),
            Self::Child(wanted) => Ok(crate::confined::gaps_of(&wanted)),
            Self::Connect(port) => TcpStream::connect(here(port)).map(|_| String::new()),
            Self::Bind => TcpListener::bind(here(0)).map(|_| String::new()),
            Self::Udp => UdpSocket::bind(here(0)).map(|_| String::new()),
            Self::Packet => {
                let made = rustix::net::socket(rustix::net::AddressFamily::PACKET, rustix::net::SocketType::DGRAM, None);
                Ok(made.map(|_| String::new())?)
            }
            Self::Stream(number) => {
                let protocol = std::num::NonZero::new(number).map(rustix::net::Protocol::from_raw);
                Ok(rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, protocol)
                    .map(|_| String::new())?)
            }
            Self::FastOpen(port) => {
                let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)?;
                let connect = rustix::net::SendFlags::from_bits_retain(0x2000_0000);
                let to = std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
                Ok(rustix::net::sendto(&socket, b"x", connect, &to).map(|_| String::new())?)
            }
            Self::Trace(number) => Ok(nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(number)).map(|()| String::new())?),
            Self::Unshare => Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).map(|()| String::new())?),
            Self::Signal(number) => Ok(rustix::process::test_kill_process(pid(number)).map(|()| String::new())?),
            Self::Abstract(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(|_| String::new()),
            Self::Path(path) => UnixStream::connect(path).map(|_| String::new()),
            Self::Thread => Ok(std::thread::Builder::new().spawn(|| "from a thread".to_owned())?.join().unwrap()),
            Self::Threads(count) => {
                let start = || std::thread::Builder::new().spawn(std::thread::park);
                let started: std::io::Result<Vec<_>> = (0..count).map(|_| start()).collect();
                started.map(|started| started.len().to_string())
            }
            Self::Allocate(bytes) => {
                let mut memory: Vec<u8> = Vec::new();
                memory.try_reserve_exact(bytes).map(|()| String::new()).map_err(|_| rustix::io::Errno::NOMEM.into())
            }
            Self::Descriptors(count) => {
                let opened: std::io::Result<Vec<_>> = (0..count).map(|_| UnixStream::pair()).collect();
                opened.map(|opened| opened.len().to_string())
            }
            Self::ShowAgain => {
                let shown = rustix::process::DumpableBehavior::Dumpable;
                Ok(rustix::process::set_dumpable_behavior(shown).map(|()| String::new())?)
            }
            Self::Outlive => Ok(rustix::process::set_parent_process_death_signal(None).map(|()| String::new())?),
            Self::Status => std::fs::read_to_string("/proc/self/status"),
        }
    }
}
