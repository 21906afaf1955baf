//! A sandbox's end of the line to its house: frames, one after another, without a runtime.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hearth_domain::sandbox::{Ask, HostAnswer, MESSAGE_BYTES, Tell};
use hearth_supervisor::process::descriptors::{MAX_DESCRIPTORS, recv_with_fds};
use hearth_supervisor::process::frame::{self, Assembler, EncodeError, Frame, FrameError, WriteError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::clock::monotonic;

/// Questions whether it is alive that wait until a call is done.
const BEATS: usize = 16;

/// Why the line is of no more use. The process ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The house has ended, or let go.
    #[error("the house is gone")]
    Gone,
    /// What it says cannot be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// What it says is out of turn.
    #[error("the house said something out of turn: {0}")]
    Turn(&'static str),
    /// What is said to it does not fit.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What waiting for an answer came to.
pub(crate) enum Waited {
    Answer(HostAnswer),
    /// The call's time is over.
    Late,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: UnixStream,
    assembler: Assembler,
    descriptors: Vec<OwnedFd>,
    beats: VecDeque<u64>,
}

impl Wire {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, assembler: Assembler::new(MESSAGE_BYTES), descriptors: Vec::new(), beats: VecDeque::new() }
    }

    /// The first message, with descriptors.
    pub(crate) fn first(&mut self) -> Result<(Ask, Vec<OwnedFd>), WireError> {
        self.frame()
    }

    /// The next message while no call runs.
    pub(crate) fn next(&mut self) -> Result<Ask, WireError> {
        match self.frame()? {
            (ask, descriptors) if descriptors.is_empty() => Ok(ask),
            _ => Err(WireError::Turn("a descriptor after the first message")),
        }
    }

    pub(crate) fn send(&mut self, tell: &Tell) -> Result<(), WireError> {
        match frame::write(&mut self.socket, &Frame::Message(tell), MESSAGE_BYTES) {
            Ok(()) => Ok(()),
            Err(WriteError::Encode(error)) => Err(error.into()),
            Err(WriteError::Io(_) | WriteError::OutOfStep) => Err(WireError::Gone),
        }
    }

    /// Waits for the answer to this question of this call, as long as the call has time left.
    pub(crate) fn answer(&mut self, call: u64, question: u32, left: Duration) -> Result<Waited, WireError> {
        let until = monotonic().saturating_add(left);
        loop {
            let left = until.saturating_sub(monotonic());
            if !self.readable(left)? {
                if left.is_zero() {
                    return Ok(Waited::Late);
                }
                continue;
            }
            match self.next()? {
                Ask::Given { call: of, question: to, answer } if of == call && to == question => return Ok(Waited::Answer(answer)),
                other @ (Ask::Given { .. } | Ask::Beat { .. } | Ask::Call(_) | Ask::Load { .. }) => self.aside(other, call)?,
            }
        }
    }

    /// Reads what has arrived while a call ran without asking for anything.
    pub(crate) fn look(&mut self, call: u64) -> Result<(), WireError> {
        while self.readable(Duration::ZERO)? {
            let other = self.next()?;
            self.aside(other, call)?;
        }
        Ok(())
    }

    /// Questions whether it is alive that came meanwhile.
    pub(crate) fn beats(&mut self) -> VecDeque<u64> {
        std::mem::take(&mut self.beats)
    }

    /// Something other than the answer that is waited for.
    fn aside(&mut self, ask: Ask, call: u64) -> Result<(), WireError> {
        match ask {
            Ask::Beat { id } if self.beats.len() < BEATS => {
                self.beats.push_back(id);
                Ok(())
            }
            // It crossed the end of the call that it is for.
            Ask::Given { call: of, .. } if of < call => Ok(()),
            Ask::Beat { .. } => Err(WireError::Turn("too many questions whether it is alive")),
            Ask::Given { .. } => Err(WireError::Turn("an answer that was not asked for")),
            Ask::Call(_) => Err(WireError::Turn("a second call while one runs")),
            Ask::Load { .. } => Err(WireError::Turn("a second component")),
        }
    }

    /// True when there is something to read, the end among it. A frame that has begun is waited for.
    fn readable(&self, within: Duration) -> Result<bool, WireError> {
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        // None waits without end, which is what so long a time comes to.
        let timeout = Timespec::try_from(within).ok();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(_) => Err(WireError::Gone),
        }
    }

    fn frame(&mut self) -> Result<(Ask, Vec<OwnedFd>), WireError> {
        loop {
            let space = self.assembler.space()?;
            let (arrived, descriptors) = recv_with_fds(&self.socket, space).map_err(|_| WireError::Gone)?;
            self.descriptors.extend(descriptors);
            if self.descriptors.len() > MAX_DESCRIPTORS {
                return Err(FrameError::Descriptors.into());
            }
            if arrived == 0 {
                return Err(if self.assembler.is_between_frames() { WireError::Gone } else { FrameError::Truncated.into() });
            }
            let Some(raw) = self.assembler.advance(arrived)? else { continue };
            let descriptors = std::mem::take(&mut self.descriptors);
            if descriptors.len() != usize::from(raw.descriptors()) {
                return Err(FrameError::Descriptors.into());
            }
            return match raw.decode()? {
                Frame::Message(ask) => Ok((ask, descriptors)),
                Frame::Life(_) => Err(WireError::Turn("a word of another protocol")),
            };
        }
    }
}
