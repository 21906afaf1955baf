//! Frames on a byte stream: a fixed header, then JSON.
//!
//! ```text
//! 0       1         2      3             4                8
//! ┌───────┬─────────┬──────┬─────────────┬────────────────┬──────────┐
//! │ magic │ version │ kind │ descriptors │ length (be u32)│ body …   │
//! └───────┴─────────┴──────┴─────────────┴────────────────┴──────────┘
//! ```
//!
//! `descriptors` says how many file descriptors travel with the frame (only over [`super::channel`]). The limit is the
//! reader's and counts the body. A body is never given more room than twice what has arrived of it (at least
//! [`CHUNK_BYTES`]). After an error the stream is out of step and of no more use. What was read is wiped when it is dropped.

use std::io::{self, ErrorKind, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::confine::Report;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 8;
/// The version that is written, and the only one that is read.
pub const VERSION: u8 = 1;
/// A body's first room, in bytes.
pub const CHUNK_BYTES: usize = 4096;
/// The first byte of every frame.
const MAGIC: u8 = 0xB7;

/// What is between a process and the supervisor of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// From the child: it is up and confined.
    Ready {
        /// What was taken away from it, and what could not be.
        report: Report,
    },
    /// To the child: still there?
    Ping {
        /// Given back in the answer.
        nonce: u64,
    },
    /// From the child: still there.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// To the child: finish and end.
    Stop,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<T> {
    /// For the supervisor, or from it.
    Life(Life),
    /// For what runs there, or from it.
    Message(T),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Life = 1,
    Message = 2,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Life),
            2 => Some(Self::Message),
            _ => None,
        }
    }
}

/// Why bytes are not a frame. None of it says what the bytes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte is another.
    #[error("what arrived is not a frame; the other side speaks something else")]
    Magic,
    /// Another version than [`VERSION`].
    #[error("the other side speaks another version than {VERSION}; restart the house after an upgrade")]
    Version,
    /// A kind that this version does not have.
    #[error("a frame of a kind that version {VERSION} does not have")]
    Kind,
    /// The body would be longer than the reader's limit. Nothing was allocated for it.
    #[error("a frame longer than {limit} bytes was announced; it was refused unread")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame; the other side died or gave up")]
    Truncated,
    /// The body is not the JSON of what was expected.
    #[error("a frame's body is not what was expected ({problem}, at its byte {byte})")]
    Body {
        /// What kind of problem.
        problem: &'static str,
        /// Where in the line; a frame has one line.
        byte: usize,
    },
    /// Other file descriptors arrived than the header said, or on a way that carries none.
    #[error("a frame and the descriptors with it do not match")]
    Descriptors,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed.
    #[error("the stream to the other process cannot be read")]
    Io(#[source] io::Error),
    /// What arrived is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Why a value does not become a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Its JSON is longer than the limit.
    #[error("a message longer than {limit} bytes is not sent")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It has no JSON, for example a map with keys that are not text.
    #[error("a message that has no JSON")]
    NoJson,
    /// More descriptors than [`super::descriptors::MAX_DESCRIPTORS`].
    #[error("too many descriptors for one message")]
    Descriptors,
}

/// Why no frame could be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The stream failed; part of the frame may have been written.
    #[error("the stream to the other process cannot be written")]
    Io(#[source] io::Error),
    /// Nothing was written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// An earlier write was given up halfway; the stream is out of step.
    #[error("an earlier message was given up halfway; the stream is out of step")]
    OutOfStep,
}

// === writing ===

/// Counts what a body takes before there is room for it, so that the room never grows (a grown one leaves copies behind).
struct Measure {
    bytes: usize,
    limit: usize,
}

impl Write for Measure {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(part.len());
        if self.bytes > self.limit { Err(ErrorKind::FileTooLarge.into()) } else { Ok(part.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a frame that says `descriptors` travel with it. `limit` is in bytes of the body.
///
/// # Errors
/// [`EncodeError`]; nothing is allocated for what is too large.
pub fn encode<T: Serialize>(frame: &Frame<T>, descriptors: u8, limit: usize) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    match frame {
        Frame::Life(life) => encode_as(Kind::Life, life, descriptors, limit),
        Frame::Message(message) => encode_as(Kind::Message, message, descriptors, limit),
    }
}

fn encode_as<V: Serialize>(kind: Kind, value: &V, descriptors: u8, limit: usize) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let limit = limit.min(u32::MAX as usize);
    let mut measure = Measure { bytes: 0, limit };
    if serde_json::to_writer(&mut measure, value).is_err() {
        return Err(if measure.bytes > limit { EncodeError::TooLarge { limit } } else { EncodeError::NoJson });
    }
    let length = u32::try_from(measure.bytes).map_err(|_| EncodeError::TooLarge { limit })?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_BYTES.saturating_add(measure.bytes)));
    bytes.extend_from_slice(&[MAGIC, VERSION, kind as u8, descriptors]);
    bytes.extend_from_slice(&length.to_be_bytes());
    serde_json::to_writer(&mut *bytes, value).map_err(|_| EncodeError::NoJson)?;
    // A value whose two passes differ in length would put the stream out of step.
    if bytes.len() != HEADER_BYTES.saturating_add(measure.bytes) {
        return Err(EncodeError::NoJson);
    }
    Ok(bytes)
}

/// Writes one frame. `limit` is in bytes of the body.
///
/// # Errors
/// [`WriteError`].
pub fn write<T: Serialize>(to: &mut impl Write, frame: &Frame<T>, limit: usize) -> Result<(), WriteError> {
    to.write_all(&encode(frame, 0, limit)?).and_then(|()| to.flush()).map_err(WriteError::Io)
}

/// Writes one frame. `limit` is in bytes of the body. A future that is dropped leaves the stream out of step.
///
/// # Errors
/// [`WriteError`].
pub async fn write_async<T: Serialize, W: AsyncWrite + Unpin>(to: &mut W, frame: &Frame<T>, limit: usize) -> Result<(), WriteError> {
    let bytes = encode(frame, 0, limit)?;
    to.write_all(&bytes).await.map_err(WriteError::Io)?;
    to.flush().await.map_err(WriteError::Io)
}

// === reading ===

/// A frame whose body has not been looked at.
#[derive(Debug)]
pub struct RawFrame {
    kind: Kind,
    descriptors: u8,
    body: Zeroizing<Vec<u8>>,
}

impl RawFrame {
    /// How many descriptors travel with it.
    #[must_use]
    pub const fn descriptors(&self) -> u8 {
        self.descriptors
    }

    /// Reads the body.
    ///
    /// # Errors
    /// [`FrameError::Body`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<Frame<T>, FrameError> {
        match self.kind {
            Kind::Life => parse(&self.body).map(Frame::Life),
            Kind::Message => parse(&self.body).map(Frame::Message),
        }
    }
}

/// The parser's own words are left out: they quote what it read.
fn parse<V: DeserializeOwned>(body: &[u8]) -> Result<V, FrameError> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Io => "it cannot be read",
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data => "JSON of something else",
            serde_json::error::Category::Eof => "JSON that ends early",
        };
        FrameError::Body { problem, byte: error.column() }
    })
}

#[derive(Debug, Clone, Copy)]
struct Header {
    kind: Kind,
    descriptors: u8,
    length: usize,
}

impl Header {
    fn parse(bytes: [u8; HEADER_BYTES], limit: usize) -> Result<Self, FrameError> {
        let [magic, version, kind, descriptors, a, b, c, d] = bytes;
        if magic != MAGIC {
            return Err(FrameError::Magic);
        }
        if version != VERSION {
            return Err(FrameError::Version);
        }
        let kind = Kind::of(kind).ok_or(FrameError::Kind)?;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| FrameError::TooLarge { limit })?;
        if length > limit { Err(FrameError::TooLarge { limit }) } else { Ok(Self { kind, descriptors, length }) }
    }
}

/// Puts frames together from whatever pieces arrive. Never takes a byte of the next frame.
#[derive(Debug)]
pub struct Assembler {
    limit: usize,
    head: [u8; HEADER_BYTES],
    /// Bytes of the head, or of the body when the head is complete.
    filled: usize,
    header: Option<Header>,
    body: Zeroizing<Vec<u8>>,
    broken: Option<FrameError>,
}

impl Assembler {
    /// An assembler that refuses bodies of more than so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, head: [0; HEADER_BYTES], filled: 0, header: None, body: Zeroizing::default(), broken: None }
    }

    /// True when no part of a frame has arrived: an end of the stream here is an orderly one.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.filled == 0 && self.header.is_none() && self.broken.is_none()
    }

    /// Where the next bytes go; never empty unless an error was met. Tell [`Self::advance`] how many were put there.
    ///
    /// # Errors
    /// The error that was met before.
    pub fn space(&mut self) -> Result<&mut [u8], FrameError> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let Some(header) = self.header else {
            return Ok(self.head.get_mut(self.filled..).unwrap_or_default());
        };
        if self.filled == self.body.len() {
            let room = self.filled.saturating_mul(2).max(CHUNK_BYTES).min(header.length);
            // Not `resize`: that may move the bytes and leave the old ones unwiped.
            let mut grown = Zeroizing::new(Vec::with_capacity(room));
            grown.extend_from_slice(&self.body);
            grown.resize(room, 0);
            self.body = grown;
        }
        Ok(self.body.get_mut(self.filled..).unwrap_or_default())
    }

    /// So many bytes were put into [`Self::space`]. Gives the frame that they complete.
    ///
    /// # Errors
    /// [`FrameError`], from then on always the same.
    pub fn advance(&mut self, bytes: usize) -> Result<Option<RawFrame>, FrameError> {
        let room = self.space()?.len();
        self.filled = self.filled.saturating_add(bytes.min(room));
        let header = match self.header {
            Some(header) => header,
            None if self.filled < HEADER_BYTES => return Ok(None),
            None => {
                let header = Header::parse(self.head, self.limit).inspect_err(|error| self.broken = Some(*error))?;
                self.header = Some(header);
                self.filled = 0;
                header
            }
        };
        if self.filled < header.length {
            return Ok(None);
        }
        self.header = None;
        self.filled = 0;
        Ok(Some(RawFrame { kind: header.kind, descriptors: header.descriptors, body: std::mem::take(&mut self.body) }))
    }

    /// What an end of the stream means here.
    pub(crate) const fn end(&self) -> Result<(), FrameError> {
        match self.broken {
            Some(broken) => Err(broken),
            None if self.is_between_frames() => Ok(()),
            None => Err(FrameError::Truncated),
        }
    }
}

/// A frame read on a way that carries no descriptors.
fn plain<T: DeserializeOwned>(raw: &RawFrame) -> Result<Frame<T>, FrameError> {
    if raw.descriptors > 0 { Err(FrameError::Descriptors) } else { raw.decode() }
}

/// Reads one frame; `None` at an orderly end of the stream.
///
/// # Errors
/// [`ReadError`].
pub fn read<T: DeserializeOwned>(from: &mut impl Read, assembler: &mut Assembler) -> Result<Option<Frame<T>>, ReadError> {
    loop {
        let arrived = match from.read(assembler.space()?) {
            Ok(0) => return Ok(assembler.end().map(|()| None)?),
            Ok(arrived) => arrived,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(ReadError::Io(error)),
        };
        if let Some(raw) = assembler.advance(arrived)? {
            return Ok(Some(plain(&raw)?));
        }
    }
}

/// Reads one frame; `None` at an orderly end of the stream. Dropping the future loses nothing: the assembler has what arrived.
///
/// # Errors
/// [`ReadError`].
pub async fn read_async<T, R>(from: &mut R, assembler: &mut Assembler) -> Result<Option<Frame<T>>, ReadError>
where
    T: DeserializeOwned,
    R: AsyncRead + Unpin,
{
    loop {
        let arrived = from.read(assembler.space()?).await.map_err(ReadError::Io)?;
        if arrived == 0 {
            return Ok(assembler.end().map(|()| None)?);
        }
        if let Some(raw) = assembler.advance(arrived)? {
            return Ok(Some(plain(&raw)?));
        }
    }
}

#[cfg(test)]
mod tests;
