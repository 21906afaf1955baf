//! As much of HTTP/1.1 as the server needs, on blocking sockets.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How often a waiting thread looks whether the server stops or the client is gone.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Largest request that is read.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// A connection, kept alive.
pub(crate) struct Connection<'a> {
    stream: TcpStream,
    ahead: Vec<u8>,
    stopped: &'a dyn Fn() -> bool,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(stream: TcpStream, stopped: &'a dyn Fn() -> bool) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        Ok(Self { stream, ahead: Vec::new(), stopped })
    }

    /// The next request; `None` when the client is done or the server stops.
    pub(crate) fn next(&mut self) -> io::Result<Option<Asked>> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if !self.more()? {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(self.ahead.get(..end).unwrap_or_default()).into_owned();
        self.ahead.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (method, path) = (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default().to_owned());
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0_usize);
        while self.ahead.len() < length.min(REQUEST_BYTES) {
            if !self.more()? {
                return Ok(None);
            }
        }
        let body = self.ahead.drain(..length.min(self.ahead.len())).collect();
        Ok(Some(Asked { method, path, headers, body }))
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.ahead.extend_from_slice(buffer.get(..read).unwrap_or_default());
                    return Ok(true);
                }
                Err(error) if waiting(&error) => {
                    if (self.stopped)() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the client closes the connection (`true`), the time is up or the server stops (`false`).
    pub(crate) fn wait_gone(&mut self, mut left: Option<Duration>) -> bool {
        let mut buffer = [0; 1];
        loop {
            match self.stream.peek(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => std::thread::sleep(TICK),
                Err(error) if waiting(&error) => {}
                Err(_) => return true,
            }
            if (self.stopped)() {
                return false;
            }
            if let Some(time) = left {
                let Some(rest) = time.checked_sub(TICK).filter(|rest| !rest.is_zero()) else { return false };
                left = Some(rest);
            }
        }
    }

    /// A whole answer; `sent` bytes of its body are written although it says it has them all.
    pub(crate) fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8], sent: usize) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body.get(..sent).unwrap_or(body));
        self.stream.write_all(&bytes)
    }

    /// The head of an answer in pieces.
    pub(crate) fn begin(&mut self, media_type: &str) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 Scripted\r\ntransfer-encoding: chunked\r\ncontent-type: {media_type}\r\n\r\n");
        self.stream.write_all(head.as_bytes())
    }

    /// A piece of it, not empty; the last one in one write with the end, as servers do that know it is the last.
    pub(crate) fn piece(&mut self, piece: &[u8], last: bool) -> io::Result<()> {
        let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(if last { b"\r\n0\r\n\r\n" } else { b"\r\n" });
        self.stream.write_all(&bytes)
    }
}

fn waiting(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
