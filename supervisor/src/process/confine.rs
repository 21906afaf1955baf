//! Taking away from a process what it does not need, and saying what could not be taken.
//!
//! ```text
//! apply ─► limits, no_new_privs, not dumpable, memory locked, namespaces, capabilities ─► Landlock ─► seccomp ─► proof ─► Report
//! settle ─► (a sandbox that is loaded) no new threads, code, files or descriptors; smaller limits
//! ```
//!
//! Called at the very start of `main`: Landlock, seccomp and capabilities belong to a thread, and threads inherit them. Nothing
//! here can be undone. The proof reads back from the kernel, or tries what must fail; what it contradicts is not `Done`. A report
//! that comes from another process is that process's word.
//!
//! Landlock ties a rule to a file as the kernel has it in memory, and that of a file in `/proc` is forgotten when memory is short:
//! each of them that is named is kept open for as long as the process lives, so that the rule lives too.
//!
//! Not covered, on any kernel: Unix sockets that were inherited or received; a TCP `listen` without a `bind` (it takes a port of
//! the kernel's choice); reading one's own memory. A file that was opened before stays usable.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::inspect::Status;

mod calls;
mod house;
mod limits;
mod paths;
mod proof;

/// One thing that is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Programs it starts have no more rights than it (PR_SET_NO_NEW_PRIVS).
    NoNewPrivileges,
    /// It never leaves its memory in a file.
    CoreDumps,
    /// Other processes of the same user cannot read its memory or trace it (PR_SET_DUMPABLE).
    Hidden,
    /// How many descriptors it has at most (RLIMIT_NOFILE).
    Descriptors,
    /// How much memory of its own it has at most (RLIMIT_DATA).
    Memory,
    /// How long it computes at most, and how large the files are that it writes (RLIMIT_CPU, RLIMIT_FSIZE).
    Usage,
    /// How many processes and threads its user has at most, counted in namespaces of its own (RLIMIT_NPROC).
    Processes,
    /// Its memory is never swapped out (mlockall).
    MemoryLock,
    /// New files are the owner's only.
    Umask,
    /// A network, mounts, users and shared memory of its own, with nothing in them (unshare).
    Namespaces,
    /// All capabilities, for a process that was started by root.
    Capabilities,
    /// Which files it reaches (Landlock).
    Files,
    /// Which Unix sockets in the file system it can connect to (Landlock, Linux 7.1).
    Sockets,
    /// Where it can connect to (Landlock and seccomp).
    Network,
    /// Signals and abstract Unix sockets of processes that are not confined with it (Landlock).
    Outsiders,
    /// Which system calls it has (seccomp).
    Calls,
}

impl Part {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 16] = [
        Self::NoNewPrivileges,
        Self::CoreDumps,
        Self::Hidden,
        Self::Descriptors,
        Self::Memory,
        Self::Usage,
        Self::Processes,
        Self::MemoryLock,
        Self::Umask,
        Self::Namespaces,
        Self::Capabilities,
        Self::Files,
        Self::Sockets,
        Self::Network,
        Self::Outsiders,
        Self::Calls,
    ];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNewPrivileges => "no new privileges",
            Self::CoreDumps => "no core dumps",
            Self::Hidden => "memory hidden from other processes",
            Self::Descriptors => "number of descriptors",
            Self::Memory => "amount of memory",
            Self::Usage => "processor time and size of files",
            Self::Processes => "number of processes",
            Self::MemoryLock => "memory not swapped out",
            Self::Umask => "new files for their owner only",
            Self::Namespaces => "namespaces of its own",
            Self::Capabilities => "no capabilities",
            Self::Files => "files",
            Self::Sockets => "Unix sockets",
            Self::Network => "network",
            Self::Outsiders => "signals and abstract sockets of others",
            Self::Calls => "system calls",
        })
    }
}

/// The system calls that a process has. Named after what they are for; the lists are those of what is *not* had, but for `Sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// A client of the network with threads, which never starts a program or another process, changes no namespace, and
    /// looks into no other process.
    Vault,
    /// As `Vault`, but it starts programs.
    House,
    /// A house whose starter starts its programs: as `Vault`, and no memory becomes executable but that of files.
    HouseWithStarter,
    /// Computes, with what it was given: its memory, its descriptors, threads and clocks. A list of what *is* had; it opens nothing.
    Sandbox,
}

/// The files that a process reaches. A folder stands for all beneath it. What does not exist by then stays out of reach, and so
/// does a file that replaces a named one later (as `resolv.conf` is replaced): name the folder of such.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Read.
    pub read: Vec<PathBuf>,
    /// Read, written, made, renamed and removed.
    pub write: Vec<PathBuf>,
    /// Read and executed.
    pub execute: Vec<PathBuf>,
}

/// What a process may use in its whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLimits {
    /// Seconds of processor time, after which the system ends it.
    pub processor_s: u64,
    /// Bytes of the largest file that it writes.
    pub file_bytes: u64,
}

/// Where a process can connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nowhere: no socket but Unix ones.
    Closed,
    /// Nowhere, and to nobody on this machine either: it makes no socket of any kind. Pairs of stream sockets, which connect a process to
    /// itself and its children, stay. For programs that are not ours, on kernels whose Landlock knows nothing of Unix sockets.
    NoSockets,
    /// A client: binds no TCP port. IPv4, IPv6, Unix and routing sockets only. UDP is not limited.
    Client {
        /// The TCP ports that it can connect to; `None`: all.
        ports: Option<BTreeSet<u16>>,
    },
    /// A server. IPv4, IPv6, Unix and routing sockets only.
    Server {
        /// The TCP ports that it can bind; 0: whichever the kernel chooses.
        bind: BTreeSet<u16>,
        /// The TCP ports that it can connect to. With any there is also UDP, by which names are looked up; without there is none.
        connect: BTreeSet<u16>,
    },
}

/// How much of a part there has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// `Partly` will do.
    Partly,
    /// All of it.
    Wholly,
}

/// What to take away. The default takes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// [`Part::NoNewPrivileges`]. Landlock and seccomp set it in any case.
    pub no_new_privileges: bool,
    /// [`Part::CoreDumps`].
    pub no_core_dumps: bool,
    /// [`Part::Hidden`].
    pub hidden: bool,
    /// [`Part::Descriptors`]: their number.
    pub descriptors: Option<u64>,
    /// [`Part::Memory`]: bytes of heap, stacks and private writable mappings; not the address space.
    pub memory_bytes: Option<u64>,
    /// [`Part::Usage`].
    pub usage: Option<UsageLimits>,
    /// [`Part::Processes`]. Outside of namespaces of its own, everything else of the same user counts as well; root is never counted.
    pub processes: Option<u64>,
    /// [`Part::MemoryLock`].
    pub memory_lock: bool,
    /// [`Part::Umask`].
    pub umask: bool,
    /// [`Part::Namespaces`]. It has no user's name in them, and the network has no interface.
    pub namespaces: bool,
    /// With `namespaces`: what it starts has numbers of processes of its own. The first that it starts is their init, with which the kernel
    /// ends all the others, whatever process group they have gone into.
    pub own_numbers: bool,
    /// [`Part::Capabilities`].
    pub no_capabilities: bool,
    /// [`Part::Files`]: nothing else is reached.
    pub files: Option<Files>,
    /// [`Part::Sockets`]: nothing else is connected to. Paths of sockets or of folders.
    pub sockets: Option<Vec<PathBuf>>,
    /// [`Part::Network`].
    pub network: Option<Network>,
    /// [`Part::Outsiders`].
    pub no_outsiders: bool,
    /// [`Part::Calls`].
    pub calls: Option<Profile>,
    /// Without these it fails.
    pub required: BTreeMap<Part, Need>,
    /// Threads that exist already and stay as they are for Landlock, seccomp and capabilities, such as the spawner's. Any
    /// other number of threads is an error.
    pub other_threads: u64,
}

impl Confinement {
    /// Everything that has no parameters, these system calls, and the two without which the rest is worth little required.
    #[must_use]
    pub fn strict(calls: Profile) -> Self {
        Self {
            no_new_privileges: true,
            no_core_dumps: true,
            hidden: true,
            memory_lock: true,
            umask: true,
            no_capabilities: true,
            no_outsiders: true,
            calls: Some(calls),
            required: BTreeMap::from([(Part::NoNewPrivileges, Need::Wholly), (Part::Hidden, Need::Wholly)]),
            ..Self::default()
        }
    }

    /// The same, failing without this part.
    #[must_use]
    pub fn require(mut self, part: Part, need: Need) -> Self {
        self.required.insert(part, need);
        self
    }

    fn wants(&self, part: Part) -> bool {
        match part {
            Part::NoNewPrivileges => self.no_new_privileges,
            Part::CoreDumps => self.no_core_dumps,
            Part::Hidden => self.hidden,
            Part::Descriptors => self.descriptors.is_some(),
            Part::Memory => self.memory_bytes.is_some(),
            Part::Usage => self.usage.is_some(),
            Part::Processes => self.processes.is_some(),
            Part::MemoryLock => self.memory_lock,
            Part::Umask => self.umask,
            Part::Namespaces => self.namespaces,
            Part::Capabilities => self.no_capabilities,
            Part::Files => self.files.is_some(),
            Part::Sockets => self.sockets.is_some(),
            Part::Network => self.network.is_some(),
            Part::Outsiders => self.no_outsiders,
            Part::Calls => self.calls.is_some(),
        }
    }
}

/// What became of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Taken away.
    Done,
    /// Some of it was.
    Partly {
        /// What was not, and what would help.
        why: String,
    },
    /// Nothing of it was, though it was wanted.
    Missing {
        /// Why, and what would help.
        why: String,
    },
    /// It was not asked for.
    NotWanted,
}

impl Outcome {
    fn partly(why: impl Into<String>) -> Self {
        Self::Partly { why: why.into() }
    }

    fn missing(why: impl Into<String>) -> Self {
        Self::Missing { why: why.into() }
    }

    fn of<E: fmt::Display>(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::missing(format!("the system refuses: {error}")),
        }
    }

    const fn meets(&self, need: Need) -> bool {
        match self {
            Self::Done => true,
            Self::Partly { .. } => matches!(need, Need::Partly),
            Self::Missing { .. } | Self::NotWanted => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Partly { why } => write!(f, "partly: {why}"),
            Self::Missing { why } => write!(f, "missing: {why}"),
            Self::NotWanted => f.write_str("not wanted"),
        }
    }
}

/// What was taken away, part by part, and what the kernel says about the process since.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Every [`Part`].
    pub parts: BTreeMap<Part, Outcome>,
    /// The version of Landlock's interface; 0: there is none. `None`: nothing was asked of it.
    pub landlock: Option<i32>,
    /// Read back afterwards.
    pub status: Status,
    /// What is worth knowing and weakens nothing, such as a path that does not exist.
    pub notes: Vec<String>,
}

impl Report {
    /// What became of this part.
    #[must_use]
    pub fn outcome(&self, part: Part) -> &Outcome {
        self.parts.get(&part).unwrap_or(&Outcome::NotWanted)
    }

    /// The parts that were wanted and are not `Done`.
    pub fn gaps(&self) -> impl Iterator<Item = (Part, &Outcome)> {
        let gap = |outcome: &Outcome| matches!(outcome, Outcome::Partly { .. } | Outcome::Missing { .. });
        self.parts.iter().filter(move |(_, outcome)| gap(outcome)).map(|(part, outcome)| (*part, outcome))
    }

    fn set(&mut self, part: Part, outcome: Outcome) {
        self.parts.insert(part, outcome);
    }
}

/// Why a process is not confined as it must be. It may be confined in part; it ends.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// `/proc` is needed to prove anything.
    #[error("/proc cannot be read, so that nothing about this process can be proven")]
    Proc(#[source] io::Error),
    /// It has other threads than it says. Nothing was done.
    #[error("{found} threads exist where {expected} should: confinement comes first in main")]
    Threads {
        /// How many there are; 0 when the kernel does not say.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// A part that is required is not there.
    #[error("\"{part}\" is required and {outcome}")]
    Required {
        /// The part.
        part: Part,
        /// What became of it.
        outcome: Outcome,
        /// All of them.
        report: Box<Report>,
    },
}

/// Takes away what is wanted, from this process and all it will start.
///
/// # Errors
/// [`ConfineError`].
pub fn apply(wanted: &Confinement) -> Result<Report, ConfineError> {
    // Opened before the files are out of reach; read again for the proof.
    let open = || File::open("/proc/self/status");
    let (before, after) = (open().map_err(ConfineError::Proc)?, open().map_err(ConfineError::Proc)?);
    let expected = wanted.other_threads.saturating_add(1);
    let before = Status::read(&before).map_err(ConfineError::Proc)?;
    let found = before.threads.unwrap_or(0);
    if found != expected {
        return Err(ConfineError::Threads { found, expected });
    }
    let mut report = Report { parts: Part::ALL.map(|part| (part, Outcome::NotWanted)).into(), ..Report::default() };
    if wanted.other_threads > 0 {
        let others = wanted.other_threads;
        report.notes.push(format!("{others} other threads of the process are outside of what a thread has for itself"));
    }
    limits::apply(wanted, &mut report);
    let landlock = paths::apply(wanted, &mut report);
    calls::apply(wanted, landlock, &mut report);
    report.status = Status::read(&after).map_err(ConfineError::Proc)?;
    proof::check(wanted, &before, &mut report);
    for (part, need) in &wanted.required {
        let outcome = report.outcome(*part);
        if !outcome.meets(*need) {
            return Err(ConfineError::Required { part: *part, outcome: outcome.clone(), report: Box::new(report) });
        }
    }
    Ok(report)
}

/// What a sandbox still needs while it loads and never again, taken from all of its threads: starting threads, making memory that can
/// be executed, asking for descriptors. `memory_bytes` as in [`Confinement::memory_bytes`].
///
/// # Errors
/// The system refuses; the process is as it was, or its limits are smaller.
pub fn settle(memory_bytes: u64) -> Result<(), SettleError> {
    limits::settle(memory_bytes).map_err(|error| SettleError::Limits(error.into()))?;
    calls::settle().map_err(SettleError::Calls)
}

/// Why [`settle`] did not.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A limit.
    #[error("the limits of a process cannot be lowered")]
    Limits(#[source] io::Error),
    /// The filter.
    #[error("system calls cannot be filtered further: {0}")]
    Calls(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_other_threads_than_it_says_is_not_confined() {
        let wanted = Confinement { other_threads: 1_000_000, ..Confinement::strict(Profile::Vault) };
        assert!(matches!(apply(&wanted), Err(ConfineError::Threads { expected: 1_000_001, .. })));
        assert_eq!(Status::own().unwrap().seccomp, Some(0), "nothing was done");
    }

    #[test]
    fn what_is_partly_there_meets_only_a_smaller_need() {
        let outcomes = [Outcome::Done, Outcome::partly("x"), Outcome::missing("x"), Outcome::NotWanted];
        assert_eq!(outcomes.each_ref().map(|outcome| outcome.meets(Need::Partly)), [true, true, false, false]);
        assert_eq!(outcomes.each_ref().map(|outcome| outcome.meets(Need::Wholly)), [true, false, false, false]);
    }

    #[test]
    fn a_confinement_asks_for_what_it_names() {
        let strict = Confinement::strict(Profile::Vault);
        // The last is for those that need no network.
        let with_parameters =
            [Part::Descriptors, Part::Memory, Part::Usage, Part::Processes, Part::Files, Part::Sockets, Part::Network, Part::Namespaces];
        for part in Part::ALL {
            assert_eq!(strict.wants(part), !with_parameters.contains(&part), "{part}");
            assert!(!Confinement::default().wants(part));
        }
    }
}
