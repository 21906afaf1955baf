//! File descriptors that travel over a Unix socket (SCM_RIGHTS, unix(7)).
//!
//! They arrive with the first byte of what they were sent with, and with a plain `read` they are lost; whoever expects
//! some reads with [`recv_with_fds`] only.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
    sendmsg,
};

/// Descriptors with one message.
pub const MAX_DESCRIPTORS: usize = 8;

const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));

/// Sends bytes and, with the first of them, descriptors. Gives how many bytes were taken, as `write` does; the descriptors
/// are gone with the first. The sender keeps its own.
///
/// # Errors
/// `InvalidInput` for no bytes or more than [`MAX_DESCRIPTORS`]; otherwise the socket's.
pub fn send_with_fds(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if bytes.is_empty() || descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // No SIGPIPE: an embedding program may not have it ignored.
    let sent = rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(sent)
}

/// Receives bytes, at most as many as fit, and the descriptors that came with them. Zero bytes are the end of the stream.
/// What arrives is closed at an `exec`.
///
/// # Errors
/// `InvalidData` when more than [`MAX_DESCRIPTORS`] came with one message (those that fitted are closed); otherwise the socket's.
pub fn recv_with_fds(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let arrived = recv_what_fits(socket, bytes)?;
    if arrived.lost { Err(io::ErrorKind::InvalidData.into()) } else { Ok((arrived.bytes, arrived.descriptors)) }
}

/// What arrived.
pub(super) struct Arrived {
    /// How many bytes.
    pub(super) bytes: usize,
    /// Those there was room for.
    pub(super) descriptors: Vec<OwnedFd>,
    /// There were more, and no room: in the message's own space, or in this process's table of open files.
    pub(super) lost: bool,
}

/// As [`recv_with_fds`], and goes on when descriptors were lost: the bytes have arrived all the same.
pub(super) fn recv_what_fits(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<Arrived> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(bytes)];
    let received = rustix::io::retry_on_intr(|| recvmsg(&socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(Arrived { bytes: received.bytes, descriptors, lost: received.flags.contains(ReturnFlags::CTRUNC) })
}
