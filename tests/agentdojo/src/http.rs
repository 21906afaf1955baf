//! One request to a loopback server, over a plain socket: the server answers JSON and closes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// What goes wrong between the harness and its server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The socket.
    #[error("the suite's server cannot be reached or broke off")]
    Socket(#[from] std::io::Error),
    /// The answer.
    #[error("the suite's server answered something that is no JSON")]
    Json(#[from] serde_json::Error),
    /// The status.
    #[error("the suite's server refused: {0}")]
    Status(String),
}

/// Posts JSON and reads JSON; null for an empty answer.
pub(crate) fn post(port: u16, path: &str, body: &Value) -> Result<Value, HttpError> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    let body = body.to_string();
    write!(socket, "POST {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 20") {
        return Err(HttpError::Status(status.to_owned()));
    }
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(body)? })
}
