//! What a child does first in its `main`, before any thread, runtime or file of its own.
//!
//! ```text
//! enter ──► dies with its parent (PR_SET_PDEATHSIG) ──► parent still there? ──► all but 0, 1, 2 closed
//!       ──► descriptor 0 taken as a socket, /dev/null in its place
//! ```

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The variable of the environment in which a child finds the number of its parent.
pub const PARENT_VARIABLE: &str = "HEARTH_PARENT_PROCESS";

/// Why a process is not a child as it should be. It ends.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// [`PARENT_VARIABLE`] is missing or no number.
    #[error("{PARENT_VARIABLE} does not say who started this process; it is started by the house, not by hand")]
    NoParent,
    /// The kernel refuses to end this process with its parent.
    #[error("the system does not end this process together with its parent")]
    DeathSignal(#[source] io::Error),
    /// The parent ended before this process could be tied to it.
    #[error("the parent has ended already")]
    Orphan,
    /// Other descriptors were inherited and cannot be found or closed.
    #[error("descriptors that were inherited cannot be closed; is /proc mounted?")]
    Descriptors(#[source] io::Error),
    /// Descriptor 0 is not a Unix stream socket.
    #[error("descriptor 0 is not the socket to the house; this process is started by the house, not by hand")]
    NoSocket,
    /// Descriptor 0 cannot be moved away.
    #[error("descriptor 0 cannot be replaced")]
    Replace(#[source] io::Error),
}

/// A process that is a child now.
#[derive(Debug)]
pub struct Entered {
    /// The socket to the parent. Its end means: end.
    pub socket: UnixStream,
    /// How many inherited descriptors had to be closed. Anything but 0 is an oversight of the parent.
    pub closed: usize,
}

/// The parent's number as the spawner gave it.
///
/// # Errors
/// [`EnterError::NoParent`].
pub fn expected_parent() -> Result<Pid, EnterError> {
    let number = std::env::var(PARENT_VARIABLE).ok().and_then(|text| text.parse().ok());
    number.and_then(Pid::from_raw).ok_or(EnterError::NoParent)
}

/// Becomes a child of that parent. Closes every descriptor above 2: nothing may have been opened before.
///
/// # Errors
/// [`EnterError`].
pub fn enter(expected_parent: Pid) -> Result<Entered, EnterError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| EnterError::DeathSignal(error.into()))?;
    // A parent that ended before that call sends no signal.
    if getppid() != Some(expected_parent) {
        return Err(EnterError::Orphan);
    }
    let closed = close_inherited().map_err(EnterError::Descriptors)?;
    Ok(Entered { socket: take_socket()?, closed })
}

fn close_inherited() -> io::Result<usize> {
    let mut open: Vec<RawFd> = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // The listing's own descriptor is among them and closed already, as its error says.
    Ok(open.into_iter().filter(|number| *number > 2 && nix::unistd::close(*number).is_ok()).count())
}

fn take_socket() -> Result<UnixStream, EnterError> {
    let stdin = io::stdin();
    let family = rustix::net::sockopt::socket_domain(stdin.as_fd());
    let kind = rustix::net::sockopt::socket_type(stdin.as_fd());
    if family != Ok(AddressFamily::UNIX) || kind != Ok(SocketType::STREAM) {
        return Err(EnterError::NoSocket);
    }
    let socket = stdin.as_fd().try_clone_to_owned().map_err(EnterError::Replace)?;
    let null = OpenOptions::new().read(true).open("/dev/null").map_err(EnterError::Replace)?;
    rustix::stdio::dup2_stdin(&null).map_err(|error| EnterError::Replace(error.into()))?;
    Ok(UnixStream::from(socket))
}
