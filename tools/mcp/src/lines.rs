//! JSON-RPC over a socket, one message a line, with a bound on bytes and depth before anything is parsed.

use std::io;
use std::sync::Arc;

use hearth_domain::sandbox::Ended;
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

use crate::guard::{Event, Shared};

/// Room for the next piece, in bytes.
const PIECE_BYTES: usize = 16 * 1024;
/// Deepest JSON, in arrays and objects within one another.
pub(crate) const DEPTH_MAX: usize = 64;

/// Most values in one message. Each takes some thirty times the room of its two bytes while it is parsed.
const VALUES_MAX: usize = 200_000;

/// A message that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("a message has no JSON")]
    NoJson(#[source] serde_json::Error),
    #[error("the server does not listen")]
    Io(#[source] io::Error),
}

/// Both halves of the socket to a server.
pub(crate) struct Lines {
    from: OwnedReadHalf,
    to: Arc<Mutex<OwnedWriteHalf>>,
    /// What has arrived and is no whole line yet; a piece that holds several is kept until they were taken.
    buffer: Vec<u8>,
    /// So many of its first bytes hold no end of a line.
    seen: usize,
    limit: usize,
    shared: Shared,
}

impl Lines {
    /// `limit` is in bytes of one line.
    pub(crate) fn new(from: OwnedReadHalf, to: OwnedWriteHalf, limit: usize, shared: Shared) -> Self {
        Self { from, to: Arc::new(Mutex::new(to)), buffer: Vec::new(), seen: 0, limit, shared }
    }

    /// The next line; none at the end, or for one that breaks a bound, which was told. Dropping the future loses nothing.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, Ended> {
        loop {
            let new = self.buffer.get(self.seen..).unwrap_or_default();
            if let Some(at) = new.iter().position(|byte| *byte == b'\n') {
                let end = self.seen.saturating_add(at);
                let rest = self.buffer.split_off(end.saturating_add(1));
                let mut line = std::mem::replace(&mut self.buffer, rest);
                self.seen = 0;
                line.truncate(end);
                return if line.len() > self.limit { Err(too_long()) } else { Ok(Some(line)) };
            }
            self.seen = self.buffer.len();
            if self.seen > self.limit {
                return Err(too_long());
            }
            self.buffer.reserve(PIECE_BYTES);
            match self.from.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }
}

fn too_long() -> Ended {
    Ended::Protocol("a message longer than allowed".to_owned())
}

/// Reads one message. Its own words are in no error.
pub(crate) fn parse(line: &[u8]) -> Result<ServerJsonRpcMessage, Ended> {
    let protocol = |what: &str| Ended::Protocol(what.to_owned());
    let text = std::str::from_utf8(line).map_err(|_| protocol("bytes that are no UTF-8"))?;
    let (depth, values) = shape(text);
    if depth > DEPTH_MAX {
        return Err(protocol("JSON nested deeper than allowed"));
    }
    if values > VALUES_MAX {
        return Err(protocol("JSON of more values than allowed"));
    }
    serde_json::from_str(text).map_err(|error| protocol(if error.is_data() { "JSON that is no message" } else { "a line that is no JSON" }))
}

/// How much there is to parse, outside of strings: how deep brackets go, and how many values there are at most. For JSON it is that; for
/// anything else the parser decides.
fn shape(text: &str) -> (usize, usize) {
    let (mut now, mut deepest, mut values, mut string, mut escaped) = (0_usize, 0, 1_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b'[' | b'{' if !string => {
                now = now.saturating_add(1);
                deepest = now.max(deepest);
                values = values.saturating_add(1);
            }
            b']' | b'}' if !string => now = now.saturating_sub(1),
            b',' | b':' if !string => values = values.saturating_add(1),
            _ => {}
        }
    }
    (deepest, values)
}

impl Transport<RoleClient> for Lines {
    type Error = SendError;

    fn send(&mut self, item: ClientJsonRpcMessage) -> impl Future<Output = Result<(), SendError>> + Send + 'static {
        let to = Arc::clone(&self.to);
        async move {
            let mut line = serde_json::to_vec(&item).map_err(SendError::NoJson)?;
            line.push(b'\n');
            to.lock().await.write_all(&line).await.map_err(SendError::Io)
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let line = self.line().await;
        match line.and_then(|line| line.map(|line| parse(&line)).transpose()) {
            Ok(message) => message,
            Err(why) => {
                self.shared.tell(Event::Broke(why));
                None
            }
        }
    }

    async fn close(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(line: &[u8]) -> String {
        match parse(line) {
            Err(Ended::Protocol(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        assert!(parse(br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#).is_ok());
        assert!(parse(br#"{"jsonrpc":"2.0","method":"notifications/anything"}"#).is_ok());
        assert_eq!(why(b""), "a line that is no JSON");
        assert_eq!(why(b"Server listening"), "a line that is no JSON");
        assert_eq!(why(b"\"\xff\""), "bytes that are no UTF-8");
        assert_eq!(why(br#"{"jsonrpc":"1.0","id":1,"result":{}}"#), "JSON that is no message");
        assert_eq!(why(br#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#), "JSON that is no message");
        let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(why(deep.as_bytes()), "JSON nested deeper than allowed");
        let many = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[{}0]}}", "0,".repeat(1_000_000));
        assert_eq!(why(many.as_bytes()), "JSON of more values than allowed");
    }

    #[test]
    fn brackets_in_strings_are_no_depth() {
        assert_eq!(shape(r#"{"a":["[[[",{}],"b\"[":[]}"#), (3, 9));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&line);
        }

        #[test]
        fn depth_is_that_of_the_value(nested in 0_usize..50) {
            let text = format!("{}1{}", "[".repeat(nested), "]".repeat(nested));
            prop_assert_eq!(shape(&text), (nested, nested + 1));
        }
    }
}
