//! A plain HTTP client that sends exactly what a test says: any `Host`, any `Origin`, any body.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends a request as it stands and reads the answer to its end.
pub(crate) fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut reader = begin(port, method, path, headers, body);
    let (status, headers) = head(&mut reader);
    let mut answer = Answer { status, headers, body: String::new() };
    let mut bytes = Vec::new();
    if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = chunk(&mut reader) {
            bytes.extend(chunk);
        }
    } else if let Some(length) = answer.header("content-length") {
        bytes.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut bytes).unwrap();
    }
    answer.body = String::from_utf8(bytes).unwrap();
    answer
}

fn begin(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    // A server that has refused already does not read on.
    drop(stream.write_all(body));
    BufReader::new(stream)
}

fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let first = line(reader);
    let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {first:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let line = line(reader);
        let Some((name, value)) = line.split_once(':') else { return (status, headers) };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn chunk(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let length = usize::from_str_radix(&line(reader), 16).ok().filter(|length| *length > 0)?;
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).unwrap();
    line(reader);
    Some(bytes)
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: serde_json::Value,
}

/// A stream of server-sent events.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    rest: String,
}

impl Events {
    pub(crate) fn open(port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut reader = begin(port, "GET", path, headers, b"");
        let (status, headers) = head(&mut reader);
        assert!(status != 200 || headers.iter().any(|(name, value)| name == "content-type" && value == "text/event-stream"), "{headers:?}");
        if status == 200 { Ok(Self { reader, rest: String::new() }) } else { Err(status) }
    }

    /// The next event; none when the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        // Signs of life are no event: they must not keep a test waiting for ever.
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "nothing more was said");
            if let Some((block, rest)) = self.rest.split_once("\n\n").map(|(block, rest)| (block.to_owned(), rest.to_owned())) {
                self.rest = rest;
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
                let Some(name) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Event { id: field("id").map(|id| id.parse().unwrap()), name, data });
            }
            self.rest += &String::from_utf8(chunk(&mut self.reader)?).unwrap();
        }
    }

    /// Reads on until an event of that name.
    pub(crate) fn until(&mut self, name: &str) -> Event {
        self.find(|event| event.name == name)
    }

    /// Reads on until an event fits.
    pub(crate) fn find(&mut self, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended"));
            if fits(&event) {
                return event;
            }
        }
    }

    /// The ids of all messages up to that the stream has caught up.
    pub(crate) fn caught_up(&mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended"));
            ids.extend(event.id);
            if event.name == "caught-up" {
                return ids;
            }
        }
    }
}
