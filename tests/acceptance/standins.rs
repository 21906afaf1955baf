//! Stand-ins: the service of a tool and the platform of a channel, and the clients that use them as tools and channels will, through the
//! vault's socket with placeholders.

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// What came to a service, byte for byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Got(Arc<Mutex<Vec<u8>>>);

impl Got {
    /// How often this came.
    pub(crate) fn count(&self, text: &str) -> usize {
        let got = self.0.lock().unwrap();
        got.windows(text.len()).filter(|piece| *piece == text.as_bytes()).count()
    }

    /// What came after so many bytes.
    pub(crate) fn since(&self, before: usize) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()[before..]).into_owned()
    }

    /// How many bytes came.
    pub(crate) fn bytes(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

fn listen(serve: fn(TcpStream, &Got) -> Option<()>) -> (u16, Got) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, got) = (listener.local_addr().unwrap().port(), Got::default());
    let kept = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let got = kept.clone();
            std::thread::spawn(move || serve(stream, &got));
        }
    });
    (port, got)
}

/// A service that takes any request, and never answers one to `/hold`.
pub(crate) fn http() -> (u16, Got) {
    listen(|mut stream, got| {
        loop {
            let (head, body) = message(&mut stream)?;
            got.add(head.as_bytes());
            got.add(&body);
            if head.contains(" /hold ") {
                message(&mut stream)?;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").ok()?;
        }
    })
}

/// A server of tools by streamable HTTP (MCP 2025-11-25): one tool, `say`, which gives back its arguments.
pub(crate) fn mcp() -> (u16, Got) {
    listen(|mut stream, got| {
        loop {
            let (head, body) = message(&mut stream)?;
            got.add(head.as_bytes());
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            let result = match asked["method"].as_str() {
                Some("initialize") => {
                    let info = json!({ "name": "trains", "version": "1" });
                    json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": info })
                }
                Some("tools/list") => {
                    json!({ "tools": [{ "name": "say", "description": "Says it.", "inputSchema": { "type": "object" } }] })
                }
                Some("tools/call") => json!({ "content": [{ "type": "text", "text": asked["params"]["arguments"].to_string() }] }),
                _ => Value::Null,
            };
            let (status, text) = match (head.starts_with("POST"), &result) {
                (false, _) => (405, String::new()),
                (true, Value::Null) => (202, String::new()),
                (true, _) => (200, json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string()),
            };
            let kind = "content-type: application/json\r\nmcp-session-id: s1";
            write!(stream, "HTTP/1.1 {status} X\r\n{kind}\r\ncontent-length: {}\r\n\r\n{text}", text.len()).ok()?;
        }
    })
}

/// A gateway that takes text messages and says `hello` to each.
pub(crate) fn gateway() -> (u16, Got) {
    listen(|stream, got| {
        let mut socket = tungstenite::accept(stream).ok()?;
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                got.add(text.as_bytes());
                socket.send(Message::text("hello")).ok()?;
            }
        }
        Some(())
    })
}

/// Head and body of what is said next; none at the end.
pub(crate) fn message(stream: &mut (impl Read + ?Sized)) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(|length| length.trim().parse().unwrap()));
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A request through the vault; the status, and the vault's own word if it refused.
pub(crate) fn post(vault: &Path, user: &str, url: &str, headers: &[(&str, &str)], body: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = UnixStream::connect(vault).unwrap();
    let own: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(stream, "POST /{path} HTTP/1.1\r\nhost: {host}\r\nhearth-as: {user}\r\n{own}content-length: {length}\r\n\r\n{body}").unwrap();
    message(&mut stream).map(|(head, _)| head).unwrap_or_default()
}

/// A connection to a gateway through the vault.
pub(crate) fn connect(vault: &Path, user: &str, url: &str) -> WebSocket<UnixStream> {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("hearth-as", user.parse().unwrap());
    tungstenite::client(request, UnixStream::connect(vault).unwrap()).unwrap().0
}
