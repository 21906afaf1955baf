//! For tests alone: the process of a tool whose native code has been taken over. It becomes what a sandbox becomes, loads what a sandbox
//! loads, and then runs an attacker's code in the place of the component.
//!
//! The house hears it as a tool would speak: `Ready`, and to a call one `Said` line for each attempt (`attempt<TAB>what came of it`), then
//! `Done`. The call's operation says which attempts: `table`, `calls`, the name of one that the kernel answers by ending the process, or a
//! forgery.

use std::ffi::CStr;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use hearth_domain::sandbox::{Ask, Call, HostAsk, Level, Line, Outcome, Tell, Usage};
use linux_raw_sys::general as nr;

use crate::sandbox::{self, EndError};
use crate::wire::Wire;

/// Refused by the kernel: operation not permitted, access denied, no such call.
const REFUSED: [i32; 3] = [libc::EPERM, libc::EACCES, libc::ENOSYS];
/// The kernel ends the process for these, so that each has a process of its own.
pub const FATAL: [&str; 3] = ["ptrace the parent", "read the parent's memory", "write the parent's memory"];

/// Runs the process to its end, in the place of [`crate::sandbox::main`].
pub fn main() -> ExitCode {
    sandbox::ended(&run())
}

fn run() -> Result<(), EndError> {
    let (socket, report) = sandbox::begin(sandbox::LOADING_BYTES, sandbox::PROCESSOR_S)?;
    let own = socket.try_clone().map_err(|_| EndError::Gone)?;
    let mut wire = Wire::new(socket);
    let Some(_tool) = sandbox::load(&mut wire)? else { return Ok(()) };
    wire.send(&Tell::Ready { operations: Vec::new(), confined: sandbox::confined(&report) })?;
    loop {
        if let Ask::Call(call) = wire.next()? {
            attack(&mut wire, &own, &call)?;
        }
    }
}

fn attack(wire: &mut Wire, own: &UnixStream, call: &Call) -> Result<(), EndError> {
    let attempts = match call.operation.as_str() {
        "table" => table(),
        "calls" => calls(),
        name if FATAL.contains(&name) => vec![fatal(name)],
        forgery => return forge(wire, own, call.id, forgery),
    };
    for (attempt, came) in attempts {
        let line = Line::Log(Level::Warn, format!("{attempt}\t{came}"));
        wire.send(&Tell::Said { call: call.id, line })?;
    }
    Ok(wire.send(&Tell::Done { call: call.id, outcome: Outcome::Parts(Vec::new()), used: Usage::default() })?)
}

/// Frames that an honest sandbox would not send.
fn forge(wire: &mut Wire, own: &UnixStream, call: u64, forgery: &str) -> Result<(), EndError> {
    let done = |call| Tell::Done { call, outcome: Outcome::Parts(Vec::new()), used: Usage::default() };
    let get = |call, question| Tell::Host { call, question, ask: HostAsk::Get { key: String::new() } };
    let raw = |bytes: &[u8]| (&mut &*own).write_all(bytes).map_err(|_| EndError::Gone);
    match forgery {
        "another call" => wire.send(&done(call.saturating_add(1)))?,
        "done twice" => {
            wire.send(&done(call))?;
            wire.send(&done(call))?;
        }
        "another question" => wire.send(&get(call, 7))?,
        "a question twice" => {
            wire.send(&get(call, 0))?;
            wire.send(&get(call, 0))?;
        }
        "ready again" => wire.send(&Tell::Ready { operations: Vec::new(), confined: Vec::new() })?,
        "alive unasked" => wire.send(&Tell::Beat { id: 1 })?,
        "a frame of 4 GiB" => raw(&[0xB7, 1, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF])?,
        "half a frame" => raw(&[0xB7, 1, 2, 0, 0, 0, 0, 9, b'{'])?,
        "no frame" => raw(b"GET / HTTP/1.1\r\n\r\n")?,
        "deep JSON" => {
            let body = "[".repeat(100_000);
            raw(&[0xB7, 1, 2, 0])?;
            raw(&u32::try_from(body.len()).unwrap_or(0).to_be_bytes())?;
            raw(body.as_bytes())?;
        }
        "a flood" => {
            for _ in 0..1_000_000 {
                wire.send(&Tell::Said { call, line: Line::Progress("flood".to_owned()) })?;
            }
        }
        _ => return Err(EndError::Beginning),
    }
    if forgery == "half a frame" {
        return Err(EndError::Gone);
    }
    Ok(())
}

/// One system call, whatever it does.
#[expect(unsafe_code, reason = "an attacker's code, for a test")]
fn raw(number: u32, arguments: [usize; 6]) -> Result<i64, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: none is claimed; the process is there to be lost.
    let answer = unsafe { libc::syscall(i64::from(number), a, b, c, d, e, f) };
    if answer < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(answer) }
}

fn came(result: Result<i64, i32>) -> String {
    match result {
        Ok(_) => "SUCCEEDED".to_owned(),
        Err(errno) if REFUSED.contains(&errno) => format!("refused ({})", std::io::Error::from_raw_os_error(errno)),
        Err(errno) => format!("FAILED otherwise ({})", std::io::Error::from_raw_os_error(errno)),
    }
}

fn at(text: &CStr) -> usize {
    text.as_ptr().addr()
}

fn parent() -> usize {
    usize::try_from(rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get())).unwrap_or(1)
}

fn table() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |what: &str, result| rows.push((what.to_owned(), came(result)));
    let open = |path: &CStr, flags: i32| raw(nr::__NR_openat, [usize::MAX - 99, at(path), flags as usize, 0o600, 0, 0]);
    row("read /etc/passwd", open(c"/etc/passwd", libc::O_RDONLY));
    row("list the root", open(c"/", libc::O_RDONLY | libc::O_DIRECTORY));
    row("list the folders of users", open(c"/home", libc::O_RDONLY | libc::O_DIRECTORY));
    row("write in /tmp", open(c"/tmp/hearth-attack", libc::O_RDWR | libc::O_CREAT));
    row("read its own memory by /proc", open(c"/proc/self/mem", libc::O_RDWR));
    row("read its own environment by /proc", open(c"/proc/self/environ", libc::O_RDONLY));
    for (what, file) in [("memory", "mem"), ("environment", "environ"), ("descriptors", "fd"), ("arguments", "cmdline")] {
        let path = std::ffi::CString::new(format!("/proc/{}/{file}", parent())).unwrap_or_default();
        row(&format!("read the parent's {what} by /proc"), open(&path, libc::O_RDONLY));
    }
    for (what, family, kind) in [
        ("TCP", libc::AF_INET, libc::SOCK_STREAM),
        ("TCP over IPv6", libc::AF_INET6, libc::SOCK_STREAM),
        ("UDP", libc::AF_INET, libc::SOCK_DGRAM),
        ("Unix", libc::AF_UNIX, libc::SOCK_STREAM),
        ("netlink", libc::AF_NETLINK, libc::SOCK_RAW),
        ("packets", libc::AF_PACKET, libc::SOCK_RAW),
    ] {
        row(&format!("a socket for {what}"), raw(nr::__NR_socket, [family as usize, kind as usize, 0, 0, 0, 0]));
    }
    row("a pair of sockets", raw(nr::__NR_socketpair, [libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, 0, 0, 0]));
    let address = [2_u8, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    row("connect a socket that is open", raw(nr::__NR_connect, [3, address.as_ptr().addr(), 16, 0, 0, 0]));
    row("listen", raw(nr::__NR_listen, [3, 1, 0, 0, 0, 0]));
    rows.extend(processes());
    rows.extend(kernel());
    rows.extend(memory());
    rows.extend(descriptors());
    rows
}

fn processes() -> Vec<(String, String)> {
    let row = |what: &str, result| (what.to_owned(), came(result));
    let shell = [at(c"/bin/sh"), 0];
    vec![
        row("start a program", raw(nr::__NR_execve, [at(c"/bin/sh"), shell.as_ptr().addr(), 0, 0, 0, 0])),
        row("start a program from a descriptor", raw(nr::__NR_execveat, [0, at(c""), 0, 0, 0x1000, 0])),
        row("start a process", raw(nr::__NR_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0])),
        row("start a process by clone3", raw(nr::__NR_clone3, [0, 64, 0, 0, 0, 0])),
        row("start a thread", raw(nr::__NR_clone, [(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as usize, 0, 0, 0, 0, 0])),
        row("end the parent", raw(nr::__NR_kill, [parent(), libc::SIGTERM as usize, 0, 0, 0, 0])),
        row("end everything", raw(nr::__NR_kill, [usize::MAX, libc::SIGTERM as usize, 0, 0, 0, 0])),
        row("signal a thread of the parent", raw(nr::__NR_tgkill, [parent(), parent(), libc::SIGTERM as usize, 0, 0, 0])),
        row("a handle of the parent", raw(nr::__NR_pidfd_open, [parent(), 0, 0, 0, 0, 0])),
        row("a descriptor of the parent", raw(nr::__NR_pidfd_getfd, [3, 0, 0, 0, 0, 0])),
        row("the parent's limits", raw(nr::__NR_prlimit64, [parent(), 7, 0, 0, 0, 0])),
        row("another priority", raw(nr::__NR_setpriority, [0, 0, 5, 0, 0, 0])),
        row("leave the group of processes", raw(nr::__NR_setsid, [0; 6])),
        row("outlive the parent", raw(nr::__NR_prctl, [1, 0, 0, 0, 0, 0])),
        row("show its memory", raw(nr::__NR_prctl, [4, 1, 0, 0, 0, 0])),
    ]
}

fn kernel() -> Vec<(String, String)> {
    let row = |what: &str, result| (what.to_owned(), came(result));
    vec![
        row("mount", raw(nr::__NR_mount, [0, at(c"/"), 0, libc::MS_REMOUNT as usize, 0, 0])),
        row("other namespaces", raw(nr::__NR_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0, 0])),
        row("the parent's namespaces", raw(nr::__NR_setns, [3, 0, 0, 0, 0, 0])),
        row("another root", raw(nr::__NR_chroot, [at(c"/"), 0, 0, 0, 0, 0])),
        row("bpf", raw(nr::__NR_bpf, [0, 0, 0, 0, 0, 0])),
        row("perf", raw(nr::__NR_perf_event_open, [0, 0, 0, 0, 0, 0])),
        row("io_uring", raw(nr::__NR_io_uring_setup, [1, 0, 0, 0, 0, 0])),
        row("userfaultfd", raw(nr::__NR_userfaultfd, [0; 6])),
        row("the keys of the kernel", raw(nr::__NR_keyctl, [0; 6])),
        row("set the clock", raw(nr::__NR_clock_settime, [0; 6])),
        row("another user", raw(nr::__NR_setuid, [0; 6])),
        row("capabilities", raw(nr::__NR_capset, [0; 6])),
        row("open by handle", raw(nr::__NR_open_by_handle_at, [0; 6])),
        row("a Landlock of its own", raw(nr::__NR_landlock_create_ruleset, [0, 0, 1, 0, 0, 0])),
        row("a filter of its own", raw(nr::__NR_seccomp, [0; 6])),
        row("type on the terminal", raw(nr::__NR_ioctl, [1, 0x5412, 0, 0, 0, 0])),
        row("watch files", raw(nr::__NR_inotify_init1, [0; 6])),
    ]
}

fn memory() -> Vec<(String, String)> {
    let row = |what: &str, result| (what.to_owned(), came(result));
    let (rwx, rx, private) = (7, 5, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize);
    let page = raw(nr::__NR_mmap, [0, 4096, 3, private, usize::MAX, 0]).unwrap_or(0);
    let page = usize::try_from(page).unwrap_or(0);
    vec![
        row("memory to write and execute", raw(nr::__NR_mmap, [0, 4096, rwx, private, usize::MAX, 0])),
        row("memory to execute", raw(nr::__NR_mmap, [0, 4096, rx, private, usize::MAX, 0])),
        row("execute what was written", raw(nr::__NR_mprotect, [page, 4096, rx, 0, 0, 0])),
        row("execute with a key", raw(nr::__NR_pkey_mprotect, [page, 4096, rx, usize::MAX, 0, 0])),
        row("a file in memory", raw(nr::__NR_memfd_create, [at(c"x"), 0, 0, 0, 0, 0])),
        row("shared memory", raw(nr::__NR_shmget, [0, 4096, 0o1600, 0, 0, 0])),
    ]
}

/// Descriptors above 2, but for the line to the house (which this attacker holds twice): none can be used for anything.
fn descriptors() -> Vec<(String, String)> {
    let is_open = |number: usize| raw(nr::__NR_fcntl, [number, libc::F_GETFD as usize, 0, 0, 0, 0]).is_ok();
    let is_socket = |number: usize| raw(nr::__NR_recvfrom, [number, 0, 0, libc::MSG_DONTWAIT as usize, 0, 0]) != Err(libc::ENOTSOCK);
    let open: Vec<_> = (3..1024).filter(|number| is_open(*number)).collect();
    let others = open.iter().filter(|number| !is_socket(**number)).count();
    let sockets = open.len().saturating_sub(others);
    vec![
        (
            "sockets that were inherited".to_owned(),
            if sockets == 2 { "refused (none but the line)".to_owned() } else { format!("FOUND {sockets}") },
        ),
        (
            "other descriptors that were inherited".to_owned(),
            if others <= 2 { format!("refused (none but {others} of the engine's)") } else { format!("FOUND {others}") },
        ),
    ]
}

/// Every system call that there is, with nothing in its arguments: those that are not refused, one a row.
fn calls() -> Vec<(String, String)> {
    // They end, wait, or end up in the kernel's list of what ends the process.
    let skipped = [
        nr::__NR_exit,
        nr::__NR_exit_group,
        nr::__NR_rt_sigreturn,
        nr::__NR_ptrace,
        nr::__NR_process_vm_readv,
        nr::__NR_process_vm_writev,
        nr::__NR_kexec_load,
        nr::__NR_kexec_file_load,
        nr::__NR_init_module,
        nr::__NR_finit_module,
        nr::__NR_delete_module,
        nr::__NR_reboot,
        nr::__NR_swapon,
        nr::__NR_swapoff,
        nr::__NR_pivot_root,
        nr::__NR_read,
        nr::__NR_ppoll,
        nr::__NR_restart_syscall,
        #[cfg(target_arch = "x86_64")]
        nr::__NR_iopl,
        #[cfg(target_arch = "x86_64")]
        nr::__NR_ioperm,
        #[cfg(target_arch = "x86_64")]
        nr::__NR_poll,
        #[cfg(target_arch = "x86_64")]
        nr::__NR_arch_prctl,
        nr::__NR_brk,
        nr::__NR_set_tid_address,
        nr::__NR_set_robust_list,
        nr::__NR_rseq,
        nr::__NR_rt_sigprocmask,
        nr::__NR_close,
        nr::__NR_munmap,
    ];
    let mut had = Vec::new();
    for number in (0..600).filter(|number| !skipped.contains(number)) {
        let answer = raw(number, [0, 0, 0, 0, 0, 0]);
        if !matches!(answer, Err(errno) if REFUSED.contains(&errno)) {
            had.push((format!("{number}"), "had".to_owned()));
        }
    }
    had
}

fn fatal(name: &str) -> (String, String) {
    let mut space = [0_u8; 16];
    let ours = [space.as_mut_ptr().addr(), space.len()];
    let theirs = [0x40_0000_usize, space.len()];
    let vectors = [parent(), ours.as_ptr().addr(), 1, theirs.as_ptr().addr(), 1, 0];
    let result = match name {
        "ptrace the parent" => raw(nr::__NR_ptrace, [16, parent(), 0, 0, 0, 0]),
        "read the parent's memory" => raw(nr::__NR_process_vm_readv, vectors),
        _ => raw(nr::__NR_process_vm_writev, vectors),
    };
    (name.to_owned(), came(result))
}
