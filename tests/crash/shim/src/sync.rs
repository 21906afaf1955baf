//! Calls that make things durable, and the mapping calls that would go past us.
//!
//! A sync is two records with the real call between them, outside the gate: what was recorded before the first is
//! durable once the second is there; what came in between is not promised.

use libc::{c_int, c_uint, c_void, off_t, size_t};

use crate::real::real;
use crate::record::{self, Gate, errno, set_errno, setup};
use crate::watch::{self, Target};
use crate::wire::{Frame, Kind};

fn synced(inode: u64, data_only: bool, call: impl Fn() -> c_int) -> c_int {
    let Some(setup) = setup() else { return call() };
    let token = record::token(setup);
    let begin = Frame { inode, at: token, flag: u8::from(data_only), ..Frame::new(Kind::SyncBegin) };
    Gate::enter(setup).put(begin);
    let out = call();
    if out == 0 {
        let before = errno();
        if setup.sync_delay > 0 {
            std::thread::sleep(std::time::Duration::from_micros(setup.sync_delay));
        }
        Gate::enter(setup).put(Frame { at: token, ..Frame::new(Kind::SyncEnd) });
        set_errno(before);
    }
    out
}

fn synced_fd(fd: c_int, data_only: bool, call: impl Fn() -> c_int) -> c_int {
    match setup().and_then(|setup| watch::target(setup, fd)) {
        Some(Target::File(inode) | Target::Dir(inode)) => synced(inode, data_only, call),
        Some(Target::Ack) | None => call(),
    }
}

/// Stands in for `fsync(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fsync(fd: c_int) -> c_int {
    synced_fd(fd, false, || real!(fsync(fd => c_int) -> c_int))
}

/// Stands in for `fdatasync(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced_fd(fd, true, || real!(fdatasync(fd => c_int) -> c_int))
}

/// Stands in for `syncfs(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn syncfs(fd: c_int) -> c_int {
    match setup().and_then(|setup| watch::target(setup, fd)) {
        Some(Target::File(_) | Target::Dir(_)) => synced(0, false, || real!(syncfs(fd => c_int) -> c_int)),
        Some(Target::Ack) | None => real!(syncfs(fd => c_int) -> c_int),
    }
}

/// Stands in for `sync(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn sync() {
    synced(0, false, || {
        real!(sync() -> ());
        0
    });
}

/// Stands in for `sync_file_range(2)`, which promises nothing about durability and so is not recorded.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn sync_file_range(fd: c_int, at: off_t, length: off_t, flags: c_uint) -> c_int {
    real!(sync_file_range(fd => c_int, at => off_t, length => off_t, flags => c_uint) -> c_int)
}

macro_rules! maps {
    ($($name:ident)*) => {
        $(
            /// Stands in for `mmap(2)`: a shared writable mapping of a watched file is reported.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name(hint: *mut c_void, size: size_t, access: c_int, flags: c_int, fd: c_int, at: off_t) -> *mut c_void {
                let out = real!($name(hint => *mut c_void, size => size_t, access => c_int, flags => c_int, fd => c_int, at => off_t) -> *mut c_void);
                let shared = flags & libc::MAP_TYPE != libc::MAP_PRIVATE && access & libc::PROT_WRITE != 0;
                if fd >= 0 && shared && out != libc::MAP_FAILED {
                    mapped(fd);
                }
                out
            }
        )*
    };
}
maps!(mmap mmap64);

fn mapped(fd: c_int) {
    let Some(setup) = setup() else { return };
    if let Some(Target::File(inode)) = watch::target(setup, fd) {
        let before = errno();
        let path = watch::path_of(fd).unwrap_or_default();
        Gate::enter(setup).put(Frame { inode, name: &path, ..Frame::new(Kind::Mapped) });
        set_errno(before);
    }
}
