//! The process of an MCP server on this machine: `mcp-server NAME --folder F … -- COMMAND…`.
//!
//! ```text
//! house ─▶ outer: child::enter ─▶ numbers, network, mounts of its own ─▶ starts inner, lets go of the socket, waits
//!            └▶ inner: tied to outer ─▶ confined ─▶ its report, one frame ─▶ becomes the command, the socket its input and output
//! ```
//!
//! There are two because numbers of processes are given to children only. The inner one is the init of its numbers: with it the kernel
//! ends whatever the command has started, in whatever process group. The report is written before the command's first instruction.
//!
//! # What the command has
//! The system's programs and libraries, read and started ([`SYSTEM`], [`MACHINE`]); its own code, the same; its folder, written and never
//! executed from; its input and output; nothing to log to. No socket but pairs of streams, no capability, no other namespace, no signal to
//! anybody outside, and the limits of its configuration, each of them for one process of it.
//!
//! # What holds for each process and not for all together
//! Memory, processor time, descriptors, the size of a file. How many processes and threads there are is bounded where the kernel gives
//! namespaces and the house is not root; how much is on the disk is not.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use hearth_supervisor::process::child::{self, EnterError};
use hearth_supervisor::process::confine::{
    self, ConfineError, Confinement, Files, Need, Network, Outcome, Part, Profile, Report, UsageLimits,
};
use hearth_supervisor::process::frame::{self, Frame, Life};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

/// What the program's first argument is.
pub const VERB: &str = "mcp-server";
/// Marks the inner process, and what the outer one knows follows.
const INSIDE: &str = "--inside";
/// Bytes of the report.
pub const REPORT_BYTES: usize = 64 * 1024;

/// The code for arguments that are none of a server.
pub const ARGUMENTS: u8 = 64;
/// The code for a process that is not as it should be: not a child, or not confined.
pub const NOT_CONFINED: u8 = 77;
/// The code for a command that cannot be started.
pub const NO_COMMAND: u8 = 79;

/// What is read and executed of the system.
pub const SYSTEM: [&str; 5] = ["/bin", "/lib", "/lib64", "/sbin", "/usr"];
/// What else is read of the machine: what the loader and the runtimes of scripts look for. No names of users, hosts or keys.
pub const MACHINE: [&str; 13] = [
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
];
const NULL: &str = "/dev/null";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const LANG: &str = "C.UTF-8";

/// Why it ended before the command began.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error("the arguments are none of an MCP server")]
    Arguments,
    #[error(transparent)]
    Enter(#[from] EnterError),
    #[error(transparent)]
    Confine(#[from] ConfineError),
    #[error("the process is not tied to the one that started it")]
    Tied(#[source] io::Error),
    #[error("the folder of the server cannot be made")]
    Folder(#[source] io::Error),
    #[error("the command cannot be started")]
    Command(#[source] io::Error),
}

impl EndError {
    const fn code(&self) -> u8 {
        match self {
            Self::Arguments => ARGUMENTS,
            Self::Enter(_) | Self::Confine(_) | Self::Tied(_) => NOT_CONFINED,
            Self::Folder(_) | Self::Command(_) => NO_COMMAND,
        }
    }
}

/// What is started, as the arguments say it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    folder: PathBuf,
    programs: Vec<PathBuf>,
    variables: BTreeMap<OsString, OsString>,
    memory_bytes: u64,
    usage: UsageLimits,
    descriptors: u64,
    processes: u64,
    command: Vec<OsString>,
}

/// What the outer process tells the inner one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// What became of the namespaces.
    namespaces: Outcome,
    /// Root is never counted.
    root: bool,
}

/// Runs the process to its end, or becomes the command. To be called at the very start of `main` with what follows [`VERB`].
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let ended = match arguments.split_first() {
        Some((first, [known, order @ ..])) if first == INSIDE => inner(known, order),
        Some(_) | None => outer(&arguments),
    };
    ended.unwrap_or_else(|error| ExitCode::from(error.code()))
}

/// Ends with what the command ended with; by a signal: 128 and its number.
fn outer(arguments: &[OsString]) -> Result<ExitCode, EndError> {
    let order = Order::read(arguments)?;
    let entered = child::enter(child::expected_parent()?)?;
    match DirBuilder::new().mode(0o700).create(&order.folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(EndError::Folder(error)),
        Ok(()) | Err(_) => {}
    }
    let root = rustix::process::getuid().is_root();
    let apart = Confinement { no_new_privileges: true, no_core_dumps: true, hidden: true, namespaces: true, ..Confinement::default() };
    let report = confine::apply(&Confinement { own_numbers: true, ..apart })?;
    let known = Known { namespaces: report.outcome(Part::Namespaces).clone(), root };
    let known = serde_json::to_string(&known).map_err(|error| EndError::Command(error.into()))?;
    // As long as it is held, this process lives.
    let (_alive, theirs) = UnixStream::pair().map_err(EndError::Command)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(std::env::args_os().next().unwrap_or_default()).args([OsStr::new(VERB), OsStr::new(INSIDE), OsStr::new(&known)]);
    command.args(arguments).env_clear().stdin(OwnedFd::from(entered.socket)).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
    let mut inner = command.spawn().map_err(EndError::Command)?;
    // It holds the socket, which has to end with the inner process.
    drop(command);
    let status = inner.wait().map_err(EndError::Command)?;
    let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128)));
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
}

/// Comes back only if the command cannot be started.
fn inner(known: &OsStr, arguments: &[OsString]) -> Result<ExitCode, EndError> {
    let order = Order::read(arguments)?;
    let known: Known = serde_json::from_slice(known.as_bytes()).map_err(|_| EndError::Arguments)?;
    tie()?;
    let mut wanted = order.confinement();
    let uncounted = known.uncounted();
    if uncounted.is_some() {
        wanted.processes = None;
    }
    let mut report = confine::apply(&wanted)?;
    report.parts.extend(uncounted.map(|why| (Part::Processes, Outcome::Missing { why })));
    report.parts.insert(Part::Namespaces, known.namespaces);
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(EndError::Command)?;
    tell(&socket, report).map_err(EndError::Command)?;
    let output = socket.try_clone().map_err(EndError::Command)?;
    let (program, rest) = order.command.split_first().ok_or(EndError::Arguments)?;
    let mut command = Command::new(program);
    command.args(rest).env_clear().envs(order.environment()).current_dir(&order.folder);
    Err(EndError::Command(command.stdin(socket).stdout(output).stderr(Stdio::null()).exec()))
}

impl Known {
    /// Why the number of processes cannot be bounded.
    fn uncounted(&self) -> Option<String> {
        let why = match &self.namespaces {
            _ if self.root => "the system does not count what root starts; run the house as a user of its own",
            Outcome::Done => return None,
            Outcome::Partly { .. } | Outcome::Missing { .. } | Outcome::NotWanted => {
                "without namespaces everything else of the same user would count as well"
            }
        };
        Some(why.to_owned())
    }
}

/// Ends with the outer process, which may have ended before. Of another numbering, it cannot be told by its number; its end of the pair
/// that is our output here tells.
fn tie() -> Result<(), EndError> {
    let refused = |error: rustix::io::Errno| EndError::Tied(error.into());
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused)?;
    let output = io::stdout();
    let mut pair = [PollFd::new(&output, PollFlags::IN)];
    poll(&mut pair, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map_err(refused)?;
    let [pair] = pair;
    if pair.revents().is_empty() { Ok(()) } else { Err(EndError::Tied(io::ErrorKind::BrokenPipe.into())) }
}

fn tell(socket: &OwnedFd, report: Report) -> io::Result<()> {
    let mut socket = UnixStream::from(socket.try_clone()?);
    let told = frame::write::<()>(&mut socket, &Frame::Life(Life::Ready { report }), REPORT_BYTES);
    told.map_err(io::Error::other)
}

impl Order {
    fn read(arguments: &[OsString]) -> Result<Self, EndError> {
        let mut order = Self {
            folder: PathBuf::new(),
            programs: Vec::new(),
            variables: BTreeMap::new(),
            memory_bytes: 0,
            usage: UsageLimits { processor_s: 0, file_bytes: 0 },
            descriptors: 0,
            processes: 0,
            command: Vec::new(),
        };
        // The name is for whoever looks at the list of processes.
        let (_, mut rest) = arguments.split_first().ok_or(EndError::Arguments)?;
        loop {
            match rest {
                [end, command @ ..] if end == "--" => {
                    order.command = command.to_vec();
                    break;
                }
                [flag, value, after @ ..] => {
                    order.take(flag, value).ok_or(EndError::Arguments)?;
                    rest = after;
                }
                [] | [_] => return Err(EndError::Arguments),
            }
        }
        let limits = [order.memory_bytes, order.usage.processor_s, order.usage.file_bytes, order.descriptors, order.processes];
        let whole = order.folder.is_absolute() && !order.command.is_empty() && !limits.contains(&0);
        if whole { Ok(order) } else { Err(EndError::Arguments) }
    }

    fn take(&mut self, flag: &OsStr, value: &OsStr) -> Option<()> {
        let number = || value.to_str().and_then(|text| text.parse().ok());
        match flag.to_str()? {
            "--folder" => self.folder = value.into(),
            "--program" => self.programs.push(value.into()),
            "--variable" => {
                let text = value.as_bytes();
                let (name, value) = text.split_at_checked(text.iter().position(|byte| *byte == b'=')?)?;
                self.variables.insert(OsString::from_vec(name.to_vec()), OsString::from_vec(value.get(1..)?.to_vec()));
            }
            "--memory-bytes" => self.memory_bytes = number()?,
            "--processor-s" => self.usage.processor_s = number()?,
            "--file-bytes" => self.usage.file_bytes = number()?,
            "--descriptors" => self.descriptors = number()?,
            "--processes" => self.processes = number()?,
            _ => return None,
        }
        Some(())
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        let own = |name: &str, value: &OsStr| (OsString::from(name), value.to_owned());
        let mut variables = BTreeMap::from([own("PATH", PATH.as_ref()), own("LANG", LANG.as_ref()), own("TMPDIR", self.folder.as_ref())]);
        variables.extend(self.variables.clone());
        variables.extend([own("HOME", self.folder.as_ref())]);
        variables
    }

    fn confinement(&self) -> Confinement {
        let files = Files {
            read: MACHINE.map(PathBuf::from).to_vec(),
            write: vec![NULL.into(), self.folder.clone()],
            execute: SYSTEM.map(PathBuf::from).into_iter().chain(self.programs.iter().cloned()).collect(),
        };
        let mut wanted = Confinement {
            descriptors: Some(self.descriptors),
            memory_bytes: Some(self.memory_bytes),
            usage: Some(self.usage),
            processes: Some(self.processes),
            memory_lock: false,
            // A program that is started is seen by its user again; this one holds no secret.
            hidden: false,
            files: Some(files),
            network: Some(Network::NoSockets),
            // Scripts are compiled to machine code, and may start programs of the system.
            ..Confinement::strict(Profile::House)
        };
        wanted.required.remove(&Part::Hidden);
        if cfg!(target_os = "linux") {
            // Whoever is not confined in these is an ordinary program of the house's user.
            for (part, need) in [(Part::Calls, Need::Wholly), (Part::Files, Need::Partly), (Part::Network, Need::Partly)] {
                wanted = wanted.require(part, need);
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests;
