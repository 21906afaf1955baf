//! Calls that change which names there are.

use std::ffi::CStr;

use libc::{AT_FDCWD, c_char, c_int, c_uint, mode_t};

use crate::real::real;
use crate::record::{Gate, errno, set_errno, setup, text};
use crate::watch;
use crate::wire::{Frame, Kind};

/// Runs an open under the gate if it may create or empty a watched file.
fn opened(dir: c_int, path: *const c_char, flags: c_int, call: impl Fn(*const c_char) -> c_int) -> c_int {
    let Some(setup) = setup() else { return call(path) };
    if flags & (libc::O_CREAT | libc::O_TRUNC) == 0 && flags & libc::O_TMPFILE != libc::O_TMPFILE {
        return call(path);
    }
    let Some(name) = watch::locate(setup, dir, path) else { return call(path) };
    let gate = Gate::enter(setup);
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        unsupported(&gate, "O_TMPFILE", &name);
        return call(path);
    }
    let entry = errno();
    // SAFETY: `locate` found a C string here.
    let before = watch::inode_at(dir, unsafe { CStr::from_ptr(path) });
    set_errno(entry);
    let fd = call(path);
    let found = if fd < 0 { None } else { watch::inode_of(fd) };
    let Some((inode, _)) = found else { return fd };
    match before {
        None => gate.put(Frame { inode, name: &name, ..Frame::new(Kind::Create) }),
        Some((_, _, size)) if flags & libc::O_TRUNC != 0 && size > 0 => {
            gate.put(Frame { inode, ..Frame::new(Kind::Truncate) });
        }
        Some(_) => {}
    }
    fd
}

fn unsupported(gate: &Gate, what: &str, name: &[u8]) {
    let said = format!("{what} {}", text(name));
    gate.put(Frame { data: said.as_bytes(), ..Frame::new(Kind::Unsupported) });
}

macro_rules! opens {
    ($($open:ident)*; $($openat:ident)*; $($creat:ident)*) => {
        $(
            /// Stands in for `open(2)`. Variadic in C; on Linux the mode comes in the third register all the same.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
                opened(AT_FDCWD, path, flags, |path| real!($open(path => *const c_char, flags => c_int, mode => mode_t) -> c_int))
            }
        )*
        $(
            /// Stands in for `openat(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
                opened(dir, path, flags, |path| real!($openat(dir => c_int, path => *const c_char, flags => c_int, mode => mode_t) -> c_int))
            }
        )*
        $(
            /// Stands in for `creat(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $creat(path: *const c_char, mode: mode_t) -> c_int {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                opened(AT_FDCWD, path, flags, |path| real!($creat(path => *const c_char, mode => mode_t) -> c_int))
            }
        )*
    };
}
opens!(open open64; openat openat64; creat creat64);

/// Runs a call on one name under the gate; `frame` becomes the record.
fn named(dir: c_int, path: *const c_char, kind: Kind, call: impl Fn() -> c_int) -> c_int {
    let Some(setup) = setup() else { return call() };
    let Some(name) = watch::locate(setup, dir, path) else { return call() };
    let gate = Gate::enter(setup);
    let out = call();
    if out == 0 {
        let before = errno();
        // SAFETY: `locate` found a C string here.
        let inode = watch::inode_at(dir, unsafe { CStr::from_ptr(path) }).map_or(0, |found| found.0);
        gate.put(Frame { inode, name: &name, ..Frame::new(kind) });
        set_errno(before);
    }
    out
}

/// Runs a call on two names under the gate.
fn paired(from: (c_int, *const c_char), to: (c_int, *const c_char), kind: Kind, odd: bool, call: impl Fn() -> c_int) -> c_int {
    let Some(setup) = setup() else { return call() };
    let names = (watch::locate(setup, from.0, from.1), watch::locate(setup, to.0, to.1));
    if let (None, None) = names {
        return call();
    }
    let gate = Gate::enter(setup);
    let out = call();
    if out != 0 {
        return out;
    }
    match names {
        (Some(name), Some(other)) if !odd => gate.put(Frame { name: &name, other: &other, ..Frame::new(kind) }),
        (name, other) => {
            let name = name.or(other).unwrap_or_default();
            unsupported(&gate, "rename or link with flags, or across the watched directory's border", &name);
        }
    }
    out
}

/// Stands in for `unlink(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn unlink(path: *const c_char) -> c_int {
    named(AT_FDCWD, path, Kind::Unlink, || real!(unlink(path => *const c_char) -> c_int))
}

/// Stands in for `unlinkat(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    let kind = if flags & libc::AT_REMOVEDIR != 0 { Kind::Rmdir } else { Kind::Unlink };
    named(dir, path, kind, || real!(unlinkat(dir => c_int, path => *const c_char, flags => c_int) -> c_int))
}

/// Stands in for `rmdir(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rmdir(path: *const c_char) -> c_int {
    named(AT_FDCWD, path, Kind::Rmdir, || real!(rmdir(path => *const c_char) -> c_int))
}

/// Stands in for `mkdir(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    named(AT_FDCWD, path, Kind::Mkdir, || real!(mkdir(path => *const c_char, mode => mode_t) -> c_int))
}

/// Stands in for `mkdirat(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn mkdirat(dir: c_int, path: *const c_char, mode: mode_t) -> c_int {
    named(dir, path, Kind::Mkdir, || real!(mkdirat(dir => c_int, path => *const c_char, mode => mode_t) -> c_int))
}

/// Stands in for `rename(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    paired((AT_FDCWD, from), (AT_FDCWD, to), Kind::Rename, false, || real!(rename(from => *const c_char, to => *const c_char) -> c_int))
}

/// Stands in for `renameat(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn renameat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char) -> c_int {
    paired(
        (from_dir, from),
        (to_dir, to),
        Kind::Rename,
        false,
        || real!(renameat(from_dir => c_int, from => *const c_char, to_dir => c_int, to => *const c_char) -> c_int),
    )
}

/// Stands in for `renameat2(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn renameat2(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_uint) -> c_int {
    let odd = flags & !libc::RENAME_NOREPLACE != 0;
    paired(
        (from_dir, from),
        (to_dir, to),
        Kind::Rename,
        odd,
        || real!(renameat2(from_dir => c_int, from => *const c_char, to_dir => c_int, to => *const c_char, flags => c_uint) -> c_int),
    )
}

/// Stands in for `link(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    paired((AT_FDCWD, from), (AT_FDCWD, to), Kind::Link, false, || real!(link(from => *const c_char, to => *const c_char) -> c_int))
}

/// Stands in for `linkat(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn linkat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_int) -> c_int {
    paired(
        (from_dir, from),
        (to_dir, to),
        Kind::Link,
        flags != 0,
        || real!(linkat(from_dir => c_int, from => *const c_char, to_dir => c_int, to => *const c_char, flags => c_int) -> c_int),
    )
}

/// Stands in for `symlink(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn symlink(text: *const c_char, path: *const c_char) -> c_int {
    linked(text, AT_FDCWD, path, || real!(symlink(text => *const c_char, path => *const c_char) -> c_int))
}

/// Stands in for `symlinkat(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn symlinkat(text: *const c_char, dir: c_int, path: *const c_char) -> c_int {
    linked(text, dir, path, || real!(symlinkat(text => *const c_char, dir => c_int, path => *const c_char) -> c_int))
}

fn linked(text: *const c_char, dir: c_int, path: *const c_char, call: impl Fn() -> c_int) -> c_int {
    let Some(setup) = setup() else { return call() };
    let Some(name) = watch::locate(setup, dir, path) else { return call() };
    let gate = Gate::enter(setup);
    let out = call();
    if out == 0 {
        // SAFETY: the call just read this C string with success.
        let data = unsafe { CStr::from_ptr(text) }.to_bytes();
        gate.put(Frame { name: &name, data, ..Frame::new(Kind::Symlink) });
    }
    out
}
