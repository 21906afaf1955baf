//! Calls that change what is in a file.

use libc::{c_char, c_int, c_uint, c_void, iovec, off_t, size_t, ssize_t};

use crate::end;
use crate::real::real;
use crate::record::{Gate, Setup, errno, set_errno, setup};
use crate::watch::{self, Target};
use crate::wire::{Frame, Kind};

/// Where a write went.
enum Place {
    /// At the descriptor's own offset.
    Offset,
    /// At this offset, or at the end if the descriptor appends.
    At(off_t),
    /// At the end.
    End,
}

fn watched(fd: c_int) -> Option<(&'static Setup, Target)> {
    let setup = setup()?;
    Some((setup, watch::target(setup, fd)?))
}

/// Runs a write under the gate and records the bytes that `gather` finds were written.
fn written(fd: c_int, place: Place, durable: bool, call: impl Fn() -> ssize_t, gather: impl Fn(usize) -> Vec<u8>) -> ssize_t {
    let Some((setup, target)) = watched(fd) else { return call() };
    let gate = Gate::enter(setup);
    let count = call();
    if count <= 0 {
        return count;
    }
    let before = errno();
    let bytes = gather(count as usize);
    match target {
        Target::Ack => gate.put(Frame { data: &bytes, ..Frame::new(Kind::Ack) }),
        Target::Dir(_) => {}
        Target::File(inode) => {
            let (at, synced) = placed(fd, &place, count);
            let flag = u8::from(durable || synced);
            gate.put(Frame { inode, at, flag, data: &bytes, ..Frame::new(Kind::Write) });
        }
    }
    set_errno(before);
    count
}

/// Offset of the `count` bytes just written, and whether the descriptor writes through.
fn placed(fd: c_int, place: &Place, count: ssize_t) -> (u64, bool) {
    // SAFETY: F_GETFL takes no argument and only reads.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    let count = count as off_t;
    let at = match place {
        Place::At(at) if flags & libc::O_APPEND == 0 => *at,
        Place::At(_) | Place::End => length(fd) - count,
        Place::Offset => {
            // SAFETY: lseek by nothing only reads the offset.
            let after = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
            after - count
        }
    };
    (at.max(0) as u64, flags & libc::O_DSYNC != 0)
}

fn length(fd: c_int) -> off_t {
    // SAFETY: stat is plain data, for which all zeros is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is valid for writing.
    unsafe { libc::fstat(fd, &mut stat) };
    stat.st_size
}

fn one(buffer: *const c_void, count: usize) -> Vec<u8> {
    // SAFETY: the call just read `count` bytes from here with success.
    unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), count) }.to_vec()
}

fn many(parts: *const iovec, length: c_int, count: usize) -> Vec<u8> {
    // SAFETY: the call just read this array with success.
    let parts = unsafe { std::slice::from_raw_parts(parts, length.max(0) as usize) };
    let mut out = Vec::with_capacity(count);
    for part in parts {
        let take = part.iov_len.min(count - out.len());
        if take > 0 {
            out.extend_from_slice(&one(part.iov_base, take));
        }
    }
    out
}

/// Stands in for `write(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    let call = || real!(write(fd => c_int, buffer => *const c_void, count => size_t) -> ssize_t);
    written(fd, Place::Offset, false, call, |n| one(buffer, n))
}

/// Stands in for `writev(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn writev(fd: c_int, parts: *const iovec, length: c_int) -> ssize_t {
    let call = || real!(writev(fd => c_int, parts => *const iovec, length => c_int) -> ssize_t);
    written(fd, Place::Offset, false, call, |n| many(parts, length, n))
}

macro_rules! positional {
    ($($one:ident)*; $($many:ident)*; $($flagged:ident)*) => {
        $(
            /// Stands in for `pwrite(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $one(fd: c_int, buffer: *const c_void, count: size_t, at: off_t) -> ssize_t {
                let call = || real!($one(fd => c_int, buffer => *const c_void, count => size_t, at => off_t) -> ssize_t);
                written(fd, Place::At(at), false, call, |n| one(buffer, n))
            }
        )*
        $(
            /// Stands in for `pwritev(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $many(fd: c_int, parts: *const iovec, length: c_int, at: off_t) -> ssize_t {
                let call = || real!($many(fd => c_int, parts => *const iovec, length => c_int, at => off_t) -> ssize_t);
                written(fd, Place::At(at), false, call, |n| many(parts, length, n))
            }
        )*
        $(
            /// Stands in for `pwritev2(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $flagged(fd: c_int, parts: *const iovec, length: c_int, at: off_t, flags: c_int) -> ssize_t {
                let call = || real!($flagged(fd => c_int, parts => *const iovec, length => c_int, at => off_t, flags => c_int) -> ssize_t);
                let place = if flags & libc::RWF_APPEND != 0 {
                    Place::End
                } else if at == -1 {
                    Place::Offset
                } else {
                    Place::At(at)
                };
                let durable = flags & (libc::RWF_DSYNC | libc::RWF_SYNC) != 0;
                written(fd, place, durable, call, |n| many(parts, length, n))
            }
        )*
    };
}
positional!(pwrite pwrite64; pwritev pwritev64; pwritev2 pwritev64v2);

/// Runs a copy into `fd` under the gate and records what is then in the file there.
fn copied(fd: c_int, given: *const off_t, call: impl Fn() -> ssize_t) -> ssize_t {
    if setup().is_none() {
        return call();
    }
    // SAFETY: the caller of libc gives null or a valid offset.
    let at = unsafe { given.as_ref() }.copied();
    written(fd, at.map_or(Place::Offset, Place::At), false, call, |count| {
        let (from, _) = placed(fd, &at.map_or(Place::Offset, Place::At), count as ssize_t);
        reread(fd, from as off_t, count)
    })
}

fn reread(fd: c_int, at: off_t, count: usize) -> Vec<u8> {
    let path = format!("/proc/self/fd/{fd}\0");
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let own = real!(open(path.as_ptr().cast() => *const c_char, flags => c_int, 0 => libc::mode_t) -> c_int);
    let mut out = vec![0_u8; count];
    // SAFETY: the buffer is as long as stated.
    let got = unsafe { libc::pread(own, out.as_mut_ptr().cast(), count, at) };
    // SAFETY: we opened it and no one else has it.
    unsafe { libc::close(own) };
    if got != count as ssize_t {
        end::give_up("cannot read back a copy");
    }
    out
}

/// Stands in for `copy_file_range(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off_t,
    to: c_int,
    to_at: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    copied(
        to,
        to_at,
        || real!(copy_file_range(from => c_int, from_at => *mut off_t, to => c_int, to_at => *mut off_t, count => size_t, flags => c_uint) -> ssize_t),
    )
}

/// Stands in for `splice(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn splice(from: c_int, from_at: *mut off_t, to: c_int, to_at: *mut off_t, count: size_t, flags: c_uint) -> ssize_t {
    copied(
        to,
        to_at,
        || real!(splice(from => c_int, from_at => *mut off_t, to => c_int, to_at => *mut off_t, count => size_t, flags => c_uint) -> ssize_t),
    )
}

macro_rules! sized {
    ($($send:ident)*; $($cut:ident)*; $($by_path:ident)*; $($allocate:ident)*; $($posix:ident)*) => {
        $(
            /// Stands in for `sendfile(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $send(to: c_int, from: c_int, at: *mut off_t, count: size_t) -> ssize_t {
                copied(to, std::ptr::null(), || real!($send(to => c_int, from => c_int, at => *mut off_t, count => size_t) -> ssize_t))
            }
        )*
        $(
            /// Stands in for `ftruncate(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $cut(fd: c_int, size: off_t) -> c_int {
                let frame = Frame { at: size as u64, ..Frame::new(Kind::Truncate) };
                shaped(fd, frame, || real!($cut(fd => c_int, size => off_t) -> c_int))
            }
        )*
        $(
            /// Stands in for `truncate(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $by_path(path: *const c_char, size: off_t) -> c_int {
                let call = || real!($by_path(path => *const c_char, size => off_t) -> c_int);
                let Some(setup) = setup() else { return call() };
                if watch::locate(setup, libc::AT_FDCWD, path).is_none() {
                    return call();
                }
                let flags = libc::O_WRONLY | libc::O_CLOEXEC;
                let fd = real!(open(path => *const c_char, flags => c_int, 0 => libc::mode_t) -> c_int);
                let out = if fd < 0 { call() } else { ftruncate(fd, size) };
                let before = errno();
                // SAFETY: ours, or -1, which is refused.
                unsafe { libc::close(fd) };
                set_errno(before);
                out
            }
        )*
        $(
            /// Stands in for `fallocate(2)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $allocate(fd: c_int, mode: c_int, at: off_t, length: off_t) -> c_int {
                let frame = Frame { at: at as u64, extra: length as u64, flag: mode as u8, ..Frame::new(Kind::Allocate) };
                shaped(fd, frame, || real!($allocate(fd => c_int, mode => c_int, at => off_t, length => off_t) -> c_int))
            }
        )*
        $(
            /// Stands in for `posix_fallocate(3)`.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $posix(fd: c_int, at: off_t, length: off_t) -> c_int {
                let frame = Frame { at: at as u64, extra: length as u64, ..Frame::new(Kind::Allocate) };
                shaped(fd, frame, || real!($posix(fd => c_int, at => off_t, length => off_t) -> c_int))
            }
        )*
    };
}
sized!(sendfile sendfile64; ftruncate ftruncate64; truncate truncate64; fallocate fallocate64; posix_fallocate posix_fallocate64);

/// Runs a call that changes the size or the blocks of a file, and records it.
fn shaped(fd: c_int, frame: Frame<'_>, call: impl Fn() -> c_int) -> c_int {
    let Some((setup, Target::File(inode))) = watched(fd) else { return call() };
    let gate = Gate::enter(setup);
    let out = call();
    if out == 0 {
        gate.put(Frame { inode, ..frame });
    }
    out
}
