//! Memory that is handed to another process and cannot change any more.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;

const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Empty memory with a descriptor. It is not for running as a program, where the kernel can be told so (Linux 6.3).
pub(crate) fn memory(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    };
    Ok(File::from(made?))
}

/// These bytes, which nobody changes any more.
pub(crate) fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = memory(name)?;
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// All bytes of memory that is sealed, if there are at most so many.
pub(crate) fn read_sealed(from: OwnedFd, limit: u64) -> io::Result<Vec<u8>> {
    if !fcntl_get_seals(&from)?.contains(SEALS) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    read(&File::from(from), limit)
}

/// All bytes of a file, from its beginning, if there are at most so many.
pub(crate) fn read(from: &File, limit: u64) -> io::Result<Vec<u8>> {
    let length = rustix::fs::fstat(from)?.st_size;
    let length = u64::try_from(length).ok().filter(|length| *length <= limit).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?];
    from.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_cannot_be_changed() {
        let file = File::from(sealed("test", b"abc").unwrap());
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(1).is_err());
        assert!(file.set_len(9).is_err());
        assert_eq!(read_sealed(file.into(), 3).unwrap(), b"abc");
    }

    #[test]
    fn memory_that_is_open_or_too_large_is_not_read() {
        assert!(read_sealed(memory("test").unwrap().into(), 3).is_err());
        assert!(read_sealed(sealed("test", b"abcd").unwrap(), 3).is_err());
    }
}
