//! The gate through which every watched call goes, and the writing of records.
//!
//! One effect at a time: a call and its record happen under one lock (a mutex between threads, `flock` on the trace
//! between processes), so the order of records is the order of effects. Syncs alone run outside it.

use std::cell::Cell;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use libc::c_int;

use crate::end::give_up;
use crate::real::real;
use crate::wire::{self, Frame, Kind};

/// What the environment told us.
pub(crate) struct Setup {
    /// The watched directory, canonical, without a trailing slash.
    pub(crate) dir: Vec<u8>,
    /// The acknowledgement file.
    pub(crate) ack: Vec<u8>,
    /// Microseconds added to a sync.
    pub(crate) sync_delay: u64,
    trace: c_int,
    pid: u32,
}

static SETUP: OnceLock<Option<Setup>> = OnceLock::new();
static GATE: Mutex<()> = Mutex::new(());
static SEQ: AtomicU64 = AtomicU64::new(0);
static TOKEN: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The setup, or nothing if this process (or a forked child that has not yet executed) is not traced.
pub(crate) fn setup() -> Option<&'static Setup> {
    if INSIDE.with(Cell::get) {
        return None;
    }
    let found = SETUP.get_or_init(|| inside(read_setup)).as_ref()?;
    (found.pid == std::process::id()).then_some(found)
}

/// Runs `body` with interposition off for this thread.
pub(crate) fn inside<T>(body: impl FnOnce() -> T) -> T {
    let before = INSIDE.with(|flag| flag.replace(true));
    let out = body();
    INSIDE.with(|flag| flag.set(before));
    out
}

fn read_setup() -> Option<Setup> {
    let bytes = |name: &str| std::env::var_os(name).map(|value| value.as_bytes().to_vec());
    let dir = bytes(wire::ENV_DIR)?;
    let path = CString::new(bytes(wire::ENV_TRACE)?).ok()?;
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    let trace = real!(open(path.as_ptr() => *const libc::c_char, flags => c_int, 0o644 => libc::mode_t) -> c_int);
    if trace < 0 {
        give_up("cannot open the trace");
    }
    let number = std::env::var_os(wire::ENV_SYNC_DELAY).and_then(|value| value.to_str()?.parse().ok());
    let made =
        Setup { dir, ack: bytes(wire::ENV_ACK).unwrap_or_default(), sync_delay: number.unwrap_or(0), trace, pid: std::process::id() };
    put(&made, Frame::new(Kind::Start));
    Some(made)
}

/// Holds the gate.
pub(crate) struct Gate {
    setup: &'static Setup,
    _threads: MutexGuard<'static, ()>,
}

impl Gate {
    /// Waits until no other thread or process is in a watched call.
    pub(crate) fn enter(setup: &'static Setup) -> Gate {
        let threads = GATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lock_trace(setup.trace, libc::LOCK_EX);
        Gate { setup, _threads: threads }
    }

    /// Appends a record.
    pub(crate) fn put(&self, frame: Frame<'_>) {
        put(self.setup, frame);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        lock_trace(self.setup.trace, libc::LOCK_UN);
    }
}

fn lock_trace(fd: c_int, how: c_int) {
    let before = errno();
    // SAFETY: flock takes two integers; the descriptor is ours and stays open.
    while unsafe { libc::flock(fd, how) } != 0 && errno() == libc::EINTR {}
    set_errno(before);
}

fn put(setup: &Setup, mut frame: Frame<'_>) {
    let before = errno();
    frame.seq = SEQ.fetch_add(1, Ordering::Relaxed);
    frame.pid = setup.pid;
    // SAFETY: gettid has no arguments and cannot fail.
    frame.tid = unsafe { libc::gettid() } as u32;
    let bytes = frame.encode();
    let wrote = real!(write(setup.trace => c_int, bytes.as_ptr().cast() => *const libc::c_void, bytes.len() => usize) -> isize);
    if wrote != bytes.len() as isize {
        give_up("the trace could not be written");
    }
    set_errno(before);
}

/// A number that pairs the two records of a sync; unique across processes.
pub(crate) fn token(setup: &Setup) -> u64 {
    (u64::from(setup.pid) << 32) | TOKEN.fetch_add(1, Ordering::Relaxed)
}

/// The calling thread's errno.
pub(crate) fn errno() -> c_int {
    // SAFETY: the location is valid for the calling thread for as long as it lives.
    unsafe { *libc::__errno_location() }
}

/// Puts back errno, so that the records do not disturb the caller.
pub(crate) fn set_errno(value: c_int) {
    // SAFETY: as in `errno`.
    unsafe { *libc::__errno_location() = value }
}

/// `path` without the watched directory, if it is in it; the directory itself is the empty path.
pub(crate) fn relative<'p>(setup: &Setup, path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(setup.dir.as_slice())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

/// Bytes as an OS string, for messages.
pub(crate) fn text(path: &[u8]) -> String {
    OsStr::from_bytes(path).to_string_lossy().into_owned()
}
