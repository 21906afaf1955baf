//! From descriptors and paths to watched files. Nothing is remembered between calls: a descriptor is asked for its
//! inode and path every time, so duplicates, inherited descriptors and reuse need no bookkeeping.

use std::ffi::{CStr, CString};

use libc::{c_char, c_int};

use crate::real::real;
use crate::record::{Setup, errno, relative, set_errno};

/// What a descriptor stands for.
pub(crate) enum Target {
    /// A regular file in the watched directory.
    File(u64),
    /// A directory in the watched directory.
    Dir(u64),
    /// The acknowledgement file.
    Ack,
}

/// What `fd` stands for, if it is watched.
pub(crate) fn target(setup: &Setup, fd: c_int) -> Option<Target> {
    let before = errno();
    let found = classify(setup, fd);
    set_errno(before);
    found
}

fn classify(setup: &Setup, fd: c_int) -> Option<Target> {
    let (inode, mode) = inode_of(fd)?;
    let dir = match mode & libc::S_IFMT {
        libc::S_IFREG => false,
        libc::S_IFDIR => true,
        _ => return None,
    };
    let path = path_of(fd)?;
    if path == setup.ack {
        return Some(Target::Ack);
    }
    relative(setup, &path)?;
    Some(if dir { Target::Dir(inode) } else { Target::File(inode) })
}

/// Inode number and mode of a descriptor.
pub(crate) fn inode_of(fd: c_int) -> Option<(u64, libc::mode_t)> {
    // SAFETY: stat is plain data, for which all zeros is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is valid for writing; a bad descriptor is reported, not dereferenced.
    let ok = unsafe { libc::fstat(fd, &mut stat) } == 0;
    ok.then_some((stat.st_ino, stat.st_mode))
}

/// Inode number and mode of a path, not following a final link.
pub(crate) fn inode_at(dir: c_int, path: &CStr) -> Option<(u64, libc::mode_t, i64)> {
    // SAFETY: as in `inode_of`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is a C string and `stat` is valid for writing.
    let ok = unsafe { libc::fstatat(dir, path.as_ptr(), &mut stat, libc::AT_SYMLINK_NOFOLLOW) } == 0;
    ok.then_some((stat.st_ino, stat.st_mode, stat.st_size))
}

/// The path of an open descriptor as the kernel sees it now.
pub(crate) fn path_of(fd: c_int) -> Option<Vec<u8>> {
    let link = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
    let mut buffer = [0_u8; 4096];
    // SAFETY: `link` is a C string and the buffer is as long as stated.
    let length = unsafe { libc::readlink(link.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    buffer.get(..usize::try_from(length).ok()?).map(<[u8]>::to_vec)
}

/// The canonical form of a path whose last part need not exist, relative to the watched directory.
pub(crate) fn locate(setup: &Setup, dir: c_int, path: *const c_char) -> Option<Vec<u8>> {
    if path.is_null() {
        return None;
    }
    let before = errno();
    // SAFETY: the caller of libc promised a C string.
    let given = unsafe { CStr::from_ptr(path) }.to_bytes();
    let full = canonical(dir, given);
    set_errno(before);
    relative(setup, &full?).map(<[u8]>::to_vec)
}

fn canonical(dir: c_int, given: &[u8]) -> Option<Vec<u8>> {
    let trimmed = match given.iter().rposition(|byte| *byte != b'/') {
        Some(last) => given.get(..=last)?,
        None => return None,
    };
    let (parent, name) = match trimmed.iter().rposition(|byte| *byte == b'/') {
        Some(0) => (&b"/"[..], trimmed.get(1..)?),
        Some(slash) => (trimmed.get(..slash)?, trimmed.get(slash + 1..)?),
        None => (&b"."[..], trimmed),
    };
    let parent = CString::new(parent).ok()?;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let fd = real!(openat(dir => c_int, parent.as_ptr() => *const c_char, flags => c_int, 0 => libc::mode_t) -> c_int);
    if fd < 0 {
        return None;
    }
    let found = path_of(fd);
    // SAFETY: we opened this descriptor and no one else has it.
    unsafe { libc::close(fd) };
    let mut full = found?;
    if full.last() != Some(&b'/') {
        full.push(b'/');
    }
    full.extend_from_slice(name);
    Some(full)
}
