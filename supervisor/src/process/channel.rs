//! Both halves of a conversation with another process: frames, and descriptors with them.
//!
//! A [`FrameReceiver`] may be dropped in the middle of waiting and lose nothing. A [`FrameSender`] whose future is dropped in
//! the middle of a message refuses every later one: the stream is out of step.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::descriptors::{MAX_DESCRIPTORS, recv_with_fds, send_with_fds};
use super::frame::{Assembler, EncodeError, Frame, FrameError, ReadError, WriteError, encode};

/// The two halves of a socket. `limit` is in bytes of a message's body, in both directions.
///
/// # Errors
/// The socket cannot be made non-blocking or registered. Needs a tokio runtime with I/O; panics outside of one.
pub fn channel(socket: StdStream, limit: usize) -> io::Result<(FrameSender, FrameReceiver)> {
    socket.set_nonblocking(true)?;
    let socket = Arc::new(UnixStream::from_std(socket)?);
    let sender = FrameSender { socket: Arc::clone(&socket), limit, out_of_step: false };
    Ok((sender, FrameReceiver { socket, assembler: Assembler::new(limit), descriptors: Vec::new() }))
}

/// The half that writes.
#[derive(Debug)]
pub struct FrameSender {
    socket: Arc<UnixStream>,
    limit: usize,
    out_of_step: bool,
}

impl FrameSender {
    /// Sends one frame and these descriptors with it; the caller keeps its own copies of them.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn send<T: Serialize>(&mut self, frame: &Frame<T>, descriptors: &[BorrowedFd<'_>]) -> Result<(), WriteError> {
        if self.out_of_step {
            return Err(WriteError::OutOfStep);
        }
        let count = u8::try_from(descriptors.len()).ok().filter(|count| usize::from(*count) <= MAX_DESCRIPTORS);
        let bytes = encode(frame, count.ok_or(EncodeError::Descriptors)?, self.limit)?;
        let mut rest = bytes.as_slice();
        let mut descriptors = descriptors;
        self.out_of_step = true;
        while !rest.is_empty() {
            let sent = self.socket.async_io(Interest::WRITABLE, || send_with_fds(&*self.socket, rest, descriptors)).await;
            rest = rest.get(sent.map_err(WriteError::Io)?..).unwrap_or_default();
            descriptors = &[];
        }
        self.out_of_step = false;
        Ok(())
    }
}

/// A frame and what came with it.
#[derive(Debug)]
pub struct Received<T> {
    /// The frame.
    pub frame: Frame<T>,
    /// The descriptors, closed at an `exec`.
    pub descriptors: Vec<OwnedFd>,
}

/// The half that reads.
#[derive(Debug)]
pub struct FrameReceiver {
    socket: Arc<UnixStream>,
    assembler: Assembler,
    /// What arrived with the frame that is being put together.
    descriptors: Vec<OwnedFd>,
}

impl FrameReceiver {
    /// The next frame; `None` when the other side has ended, which for a child means: end too.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<Received<T>>, ReadError> {
        loop {
            let space = self.assembler.space()?;
            let socket = &self.socket;
            let (arrived, descriptors) =
                socket.async_io(Interest::READABLE, || recv_with_fds(&**socket, space)).await.map_err(ReadError::Io)?;
            self.descriptors.extend(descriptors);
            if self.descriptors.len() > MAX_DESCRIPTORS {
                self.descriptors.clear();
                return Err(FrameError::Descriptors.into());
            }
            if arrived == 0 {
                return Ok(self.assembler.end().map(|()| None)?);
            }
            let Some(raw) = self.assembler.advance(arrived)? else { continue };
            // Reading never goes beyond a frame, so that these are this one's.
            let descriptors = std::mem::take(&mut self.descriptors);
            if descriptors.len() != usize::from(raw.descriptors()) {
                return Err(FrameError::Descriptors.into());
            }
            return Ok(Some(Received { frame: raw.decode()?, descriptors }));
        }
    }
}
