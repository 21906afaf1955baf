//! Every bound of the broker.

use std::time::Duration;

/// How much and how long, for one request. The gate may set it for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a request's body.
    pub request_bytes: u64,
    /// Bytes of an answer's body, unpacked.
    pub response_bytes: u64,
    /// Name, connection and TLS together.
    pub connect: Duration,
    /// From a complete request to the head of its answer.
    pub answer: Duration,
    /// Between two pieces of a body, either way.
    pub silence: Duration,
    /// Everything, from the client's head to the last byte of the answer. Not for WebSockets.
    pub total: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            request_bytes: 64 << 20,
            response_bytes: 256 << 20,
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            silence: Duration::from_secs(90),
            total: Duration::from_secs(900),
        }
    }
}

/// The broker's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Client connections that are served.
    pub connections: usize,
    /// Client connections beyond those that are told so (503); any further ones wait unaccepted.
    pub excess_connections: usize,
    /// Requests under way.
    pub requests: usize,
    /// Requests that wait for one of those to end; any further one is answered 503 at once.
    pub queue: usize,
    /// How long a request waits in the queue.
    pub queue_wait: Duration,
    /// HTTP/2 streams of one client connection.
    pub streams: u32,
    /// Bytes of a head, a client's or a server's.
    pub head_bytes: usize,
    /// Header lines of a head: as many as the house's own client lets through.
    pub header_lines: usize,
    /// Until a client's head is complete; also how long an idle client connection is kept.
    pub client_head: Duration,
    /// Bytes of a body that are gathered to be rewritten, signed or sent again.
    pub gather_bytes: usize,
    /// Bytes of an answer of known length that are looked through before its head is handed on.
    pub look_ahead_bytes: u64,
    /// Redirects that are followed.
    pub redirects: u32,
    /// Addresses of one host that are tried.
    pub addresses: usize,
    /// Idle connections to one target.
    pub idle_per_target: usize,
    /// Idle connections altogether.
    pub idle: usize,
    /// How long a connection stays idle.
    pub idle_time: Duration,
    /// How long a connection is used at all: then the host is resolved and judged again.
    pub connection_age: Duration,
    /// Bytes of a WebSocket message.
    pub message_bytes: usize,
    /// Silence of a WebSocket's server until it is asked for a sign of life; after as long again the connection is ended.
    pub message_silence: Duration,
    /// How long a stop waits for what is under way.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            excess_connections: 128,
            requests: 256,
            queue: 512,
            queue_wait: Duration::from_secs(10),
            streams: 256,
            head_bytes: 64 * 1024,
            header_lines: 128,
            client_head: Duration::from_secs(120),
            gather_bytes: 1 << 20,
            look_ahead_bytes: 16 * 1024,
            redirects: 10,
            addresses: 8,
            idle_per_target: 64,
            idle: 256,
            idle_time: Duration::from_secs(60),
            connection_age: Duration::from_secs(600),
            message_bytes: 16 << 20,
            message_silence: Duration::from_secs(60),
            grace: Duration::from_secs(5),
        }
    }
}
