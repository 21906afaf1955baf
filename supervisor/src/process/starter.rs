//! A process that starts the others, so that the house can be confined and its children less so.
//!
//! ```text
//! main ─ Starter::launch ──► starter (one thread, holds a socket and handles of its children)
//!  │      confine::apply        │ posix_spawn /proc/self/exe
//!  └─ Spawner::over ══ Start, Kill, Terminate ══► │ ──► child    dies with the starter, the starter with the house
//!                   ◄═ Started + handle, Ended ══ │
//! ```
//!
//! Landlock and seccomp are inherited, and a starter has neither. Whoever takes the house over can therefore ask for a process
//! that is not confined: it starts only what it was told in the beginning ([`Allowed`]), and never another starter.
//!
//! # What holds
//! - The end of the socket, and the death of the thread that launched it, end the starter, and that all its children.
//! - The starter's own end is seen at the socket: nothing is started any more, every child is told as killed, and
//!   [`super::spawner::Spawner::gone`] answers.
//! - A full table of open files, here or there, costs one start and not the socket.
//! - It has no new privileges, no core dumps (its children inherit both) and is hidden from processes of the same user.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::child::{self, EnterError};
use super::confine::{self, ConfineError, Confinement, Need, Part};
use super::frame::{ReadError, WriteError};
use super::spawn::{Log, Output, Program, SpawnError, command, launch};

pub(super) mod link;
mod serve;
mod wire;

/// What stands first in its arguments and in lists of processes.
pub const NAME: &str = "hearth starter";
/// Its first argument: what the program is to be.
pub const VERB: &str = "starter";

/// What a starter starts. Nothing can be added later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// First arguments that anything may follow.
    pub verbs: BTreeSet<String>,
    /// Whole lists of arguments.
    pub exactly: Vec<Vec<OsString>>,
    /// Names of variables that may be in an environment. One that a dynamic loader heeds undoes all the rest.
    pub variables: BTreeSet<String>,
}

impl Allowed {
    /// Whether that may be started.
    #[must_use]
    pub fn has(&self, program: &Program) -> bool {
        let first = program.arguments.first().and_then(|first| first.to_str());
        let is_starter = first == Some(VERB);
        let verb = first.is_some_and(|first| self.verbs.contains(first));
        let known = |name: &OsString| name.to_str().is_some_and(|name| self.variables.contains(name));
        !is_starter && (verb || self.exactly.contains(&program.arguments)) && program.environment.keys().all(known)
    }
}

/// A starter that runs. Dropping it ends it; a [`super::spawner::Spawner`] takes it.
#[derive(Debug)]
pub struct Starter {
    child: Child,
    pid: Pid,
    socket: UnixStream,
}

impl Starter {
    /// Starts this program once more, as its starter. Called in `main` before the confinement and before any thread: it lives
    /// as long as the *thread* that calls this, and its children have this process's standard output and error.
    ///
    /// # Errors
    /// [`SpawnError::Socket`], [`SpawnError::Handle`], and [`SpawnError::NoStarter`].
    pub fn launch(allowed: &Allowed) -> Result<Self, SpawnError> {
        let (socket, theirs) = UnixStream::pair().map_err(SpawnError::Socket)?;
        let allowed = serde_json::to_string(allowed).map_err(|error| SpawnError::NoStarter(Some(error.into())))?;
        let program = Program {
            name: NAME.into(),
            arguments: vec![VERB.into(), allowed.into()],
            environment: BTreeMap::new(),
            output: Output::Inherit,
            log: Log::Inherit,
        };
        let launched = launch(command(&program, theirs.into(), Stdio::inherit()));
        let (child, pid, _) =
            launched.map_err(|error| if let SpawnError::Start(error) = error { SpawnError::NoStarter(Some(error)) } else { error })?;
        Ok(Self { child, pid, socket })
    }

    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why a starter ended otherwise than with its house.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its second argument is not an [`Allowed`].
    #[error("nothing says what this starter may start; it is started by the house, not by hand")]
    NotTold,
    /// It is no child as it should be.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// It could not take from itself what it does not need.
    #[error("the starter cannot be confined")]
    Confine(#[source] Box<ConfineError>),
    /// What the house asked is not what a house asks.
    #[error("what the house asks of its starter cannot be read")]
    Read(#[from] ReadError),
    /// The house does not take the answers.
    #[error("the house does not take what its starter answers")]
    Write(#[from] WriteError),
    /// The system does not say what there is to do.
    #[error("the starter cannot wait for its children")]
    Wait(#[source] std::io::Error),
}

/// What the program does whose first argument is [`VERB`], before any thread or file of its own. Answers when the house has
/// ended; the process must end with it.
///
/// # Errors
/// [`RunError`].
pub fn run() -> Result<(), RunError> {
    let told = std::env::args_os().nth(2).ok_or(RunError::NotTold)?;
    let allowed = serde_json::from_slice(told.as_bytes()).map_err(|_| RunError::NotTold)?;
    let entered = child::enter(child::expected_parent()?)?;
    let own = Confinement { no_new_privileges: true, no_core_dumps: true, hidden: true, ..Confinement::default() };
    let own = own.require(Part::NoNewPrivileges, Need::Wholly).require(Part::Hidden, Need::Wholly);
    confine::apply(&own).map_err(|error| RunError::Confine(Box::new(error)))?;
    serve::serve(&entered.socket, &allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Allowed {
        Allowed {
            verbs: ["tool".to_owned(), VERB.to_owned()].into(),
            exactly: vec![vec!["vault".into(), "--keys".into(), "/keys".into()]],
            variables: ["LANG".to_owned()].into(),
        }
    }

    #[test]
    fn a_starter_starts_what_it_was_told_and_no_more() {
        let has = |arguments: &[&str]| allowed().has(&Program::new("a", arguments.iter().copied()));
        assert!(has(&["tool"]) && has(&["tool", "--any", "thing"]));
        assert!(has(&["vault", "--keys", "/keys"]));
        for other in [&["vault"][..], &["vault", "--keys", "/others"], &["vault", "--keys", "/keys", "-x"], &["backup"], &[]] {
            assert!(!has(other), "{other:?}");
        }
        assert!(!has(&[VERB, "{}"]), "never another starter, even when told so");
    }

    #[test]
    fn a_variable_that_was_not_named_is_refused() {
        let mut program = Program::new("a", ["tool"]);
        program.environment.insert("LANG".into(), "C".into());
        assert!(allowed().has(&program));
        program.environment.insert("LD_PRELOAD".into(), "/a.so".into());
        assert!(!allowed().has(&program));
    }
}
