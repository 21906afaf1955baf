//! WebSockets (RFC 6455): the handshake is forwarded, then messages are read whole on one side and written anew on the other.
//!
//! Framing, masks, fragments and UTF-8 are tungstenite's, as a server towards the client and as a client towards the server. Extensions are
//! not offered on, so nothing is packed. Pings are answered on each side by the broker, which itself asks a silent server for a sign of life.

use std::sync::Arc;

use base64::Engine;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{Either as Body, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::egress::Broker;
use crate::egress::answer::{Reply, returned, watch_answer};
use crate::egress::connect::{Line, Speaks};
use crate::egress::download::Occupied;
use crate::egress::failure::{Failed, Failure, Wait};
use crate::egress::headers;
use crate::egress::passing::look;
use crate::egress::pool::run;
use crate::egress::ports::{Leak, Pass, Rewriter, Scan};
use crate::egress::upload::{Outgoing, rewritten};

/// Bytes of a key before it is encoded (RFC 6455 4.1).
const KEY_BYTES: usize = 16;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Sink = SplitSink<Socket, Message>;
type Stream = SplitStream<Socket>;

/// Forwards a handshake, and starts the copying when the server agrees.
pub(super) async fn open(
    broker: &Arc<Broker>,
    parts: Parts,
    mut pass: Pass,
    started: Instant,
    permit: OwnedSemaphorePermit,
) -> Result<Reply, Failed> {
    let key = key(&parts.headers).map_err(Failed::unsent)?;
    let end = started + pass.bounds.total;
    let line = broker.connector.connect(&pass, Speaks::Http1, end).await.map_err(Failed::unsent)?;
    let mut sender = sender(broker, line).await.map_err(Failed::unsent)?;
    put_handshake(&mut pass.written.headers, key.clone());
    let request = headers::for_http1(&pass.target, &pass.written).map_err(Failed::unsent)?;
    let request = request.body(Outgoing::Whole(None)).map_err(|_| Failed::unsent(Failure::Unwritable))?;
    let answer = end.min(Instant::now() + pass.bounds.answer);
    let mut response = match timeout_at(answer, sender.send_request(request)).await {
        Err(_) => return Err(Failed::unknown(Failure::Deadline(Wait::Answer, pass.bounds.answer))),
        Ok(Err(error)) if error.is_parse() || error.is_parse_too_large() => return Err(Failed::unknown(Failure::BadAnswer(error))),
        Ok(Err(error)) => return Err(Failed::unknown(Failure::Broken(error))),
        Ok(Ok(response)) => response,
    };
    watch_answer(broker, &response).map_err(Failed::unknown)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let occupied = Occupied { pool: Arc::clone(&broker.pool), leased: None, permit: Some(permit) };
        return returned(broker, response, &pass, started, occupied).await.map_err(Failed::unknown);
    }
    let protocol = agreed(&parts.headers, &key, &response).map_err(Failed::unknown)?;
    let ends = (hyper::upgrade::on(Request::from_parts(parts, ())), hyper::upgrade::on(&mut response));
    let accept = derive_accept_key(key.as_bytes());
    let relay = Relay { broker: Arc::clone(broker), rewriter: pass.rewriter.clone(), _permit: permit };
    run(relay.run(ends.0, ends.1, end));
    switched(response, &accept, protocol).map_err(Failed::unknown)
}

/// The client's key, which is also sent to the server: it is no secret, and so no chance is needed here.
fn key(headers: &HeaderMap) -> Result<HeaderValue, Failure> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err(Failure::Upgrade("it has no key, or two")) };
    let bytes = base64::engine::general_purpose::STANDARD.decode(key.as_bytes()).map_err(|_| Failure::Upgrade("its key is not base64"))?;
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version.as_bytes() == b"13");
    if bytes.len() != KEY_BYTES || !version {
        return Err(Failure::Upgrade("it is not of version 13"));
    }
    Ok(key.clone())
}

fn put_handshake(headers: &mut HeaderMap, key: HeaderValue) {
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    headers.remove(header::ACCEPT_ENCODING);
    put_upgrade(headers);
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, key);
}

fn put_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

async fn sender(broker: &Broker, line: Line) -> Result<http1::SendRequest<Outgoing>, Failure> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(broker.limits.head_bytes).max_headers(broker.limits.header_lines);
    Ok(match line {
        Line::Plain(stream) => {
            let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Failure::Broken)?;
            run(connection.with_upgrades());
            sender
        }
        Line::Tls(stream) => {
            let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Failure::Broken)?;
            run(connection.with_upgrades());
            sender
        }
    })
}

/// Whether the server agreed to what was asked (RFC 6455 4.1); gives the sub-protocol.
fn agreed(asked: &HeaderMap, key: &HeaderValue, response: &Response<Incoming>) -> Result<Option<HeaderValue>, Failure> {
    let headers = response.headers();
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        (values.next(), values.next().is_some())
    };
    let upgrade = headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let accepted = match one(&header::SEC_WEBSOCKET_ACCEPT) {
        (Some(accept), false) => accept.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes(),
        (_, true) | (None, _) => false,
    };
    if !upgrade || !accepted || headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(Failure::Upgrade("the server's answer does not fit"));
    }
    let offered = asked.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    match one(&header::SEC_WEBSOCKET_PROTOCOL) {
        (None, _) => Ok(None),
        (Some(chosen), false) if offered.flat_map(|value| value.split(',')).any(|offer| offer.trim().as_bytes() == chosen.as_bytes()) => {
            Ok(Some(chosen.clone()))
        }
        (Some(_), _) => Err(Failure::Upgrade("the server chose a protocol that was not offered")),
    }
}

fn switched(response: Response<Incoming>, accept: &str, protocol: Option<HeaderValue>) -> Result<Reply, Failure> {
    let (mut parts, _) = response.into_parts();
    headers::strip(&mut parts.headers);
    put_upgrade(&mut parts.headers);
    parts.headers.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(accept).map_err(|_| Failure::Unwritable)?);
    parts.headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(protocol) = protocol {
        parts.headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let mut reply = Response::new(Body::Left(Full::new(Bytes::new())));
    (*reply.status_mut(), *reply.headers_mut()) = (StatusCode::SWITCHING_PROTOCOLS, parts.headers);
    Ok(reply)
}

/// How one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By a close that was passed on, or with its connection.
    Closed,
    /// By the broker, for this reason.
    Broken(CloseCode, &'static str),
}

impl From<Leak> for End {
    fn from(_: Leak) -> Self {
        tracing::warn!("a WebSocket message held a stored secret");
        Self::Broken(CloseCode::Policy, "a message held a stored secret")
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other error is the end of the connection")]
fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Broken(CloseCode::Size, "a message is too long"),
        Error::Protocol(_) => End::Broken(CloseCode::Protocol, "a frame breaks the protocol"),
        Error::Utf8(_) => End::Broken(CloseCode::Invalid, "a text is not UTF-8"),
        _ => End::Closed,
    }
}

/// Looks through each message by itself, and through all of them as one stream.
struct Eyes<'a> {
    fresh: &'a (dyn Fn() -> Box<dyn Scan> + Send + Sync),
    stream: Box<dyn Scan>,
}

impl<'a> Eyes<'a> {
    fn new(fresh: &'a (dyn Fn() -> Box<dyn Scan> + Send + Sync)) -> Self {
        Self { fresh, stream: fresh() }
    }

    fn look(&mut self, message: &Message) -> Result<(), Leak> {
        let bytes: &[u8] = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes,
            Message::Close(frame) => frame.as_ref().map_or(&[], |frame| frame.reason.as_bytes()),
            Message::Frame(_) => &[],
        };
        look((self.fresh)(), [bytes])?;
        self.stream.feed(bytes).map(drop)
    }
}

/// A WebSocket under way.
struct Relay {
    broker: Arc<Broker>,
    rewriter: Option<Arc<dyn Rewriter>>,
    _permit: OwnedSemaphorePermit,
}

impl Relay {
    async fn run(self, client: OnUpgrade, server: OnUpgrade, end: Instant) {
        // Both ends have answered 101; the client's connection is free once that has been written.
        let both = timeout_at(end, async { futures_util::future::try_join(client, server).await });
        let Ok(Ok((client, server))) = both.await else { return };
        let mut config = WebSocketConfig::default();
        config.read_buffer_size = READ_BYTES;
        config.write_buffer_size = 0;
        config.max_message_size = Some(self.broker.limits.message_bytes);
        config.max_frame_size = Some(self.broker.limits.message_bytes);
        let client = WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(config)).await;
        let server = WebSocketStream::from_raw_socket(TokioIo::new(server), Role::Client, Some(config)).await;
        let ((mut to_client, mut from_client), (mut to_server, mut from_server)) = (client.split(), server.split());
        let silent = Notify::new();
        let end = {
            let up = std::pin::pin!(self.up(&mut from_client, &mut to_server, &silent));
            let down = std::pin::pin!(self.down(&mut from_server, &mut to_client, &silent));
            let stopping = std::pin::pin!(self.broker.ending.wait());
            match select(stopping, select(up, down)).await {
                Either::Left(_) => End::Broken(CloseCode::Away, "the house is stopping"),
                Either::Right((Either::Left((End::Closed, down)), _)) => self.other(down).await,
                Either::Right((Either::Right((End::Closed, up)), _)) => self.other(up).await,
                Either::Right((Either::Left((end, _)) | Either::Right((end, _)), _)) => end,
            }
        };
        if let End::Broken(code, reason) = end {
            let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
            let farewell = futures_util::future::join(to_client.send(close.clone()), to_server.send(close));
            // Whoever does not take it in time is cut off.
            drop(timeout(self.broker.limits.grace, farewell).await);
        }
    }

    async fn other(&self, rest: impl Future<Output = End>) -> End {
        timeout(self.broker.limits.grace, rest).await.unwrap_or(End::Broken(CloseCode::Away, "the other end is gone"))
    }

    async fn up(&self, from: &mut Stream, to: &mut Sink, silent: &Notify) -> End {
        let fresh = || self.broker.watch.outgoing();
        let mut eyes = Eyes::new(&fresh);
        loop {
            let message = tokio::select! {
                biased;
                () = silent.notified() => Ok(Message::Ping(Bytes::new())),
                message = from.next() => match message {
                    None => return End::Closed,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(message) => message.map_err(|error| end_of(&error)),
                },
            };
            let passed = message.and_then(|message| {
                eyes.look(&message)?;
                self.written(message)
            });
            match passed {
                Ok(message) => {
                    if to.send(message).await.is_err() {
                        return End::Closed;
                    }
                }
                Err(end) => return end,
            }
        }
    }

    /// A text with its placeholders replaced; anything else as it is.
    fn written(&self, message: Message) -> Result<Message, End> {
        let (Message::Text(text), Some(rewriter)) = (&message, self.rewriter.as_deref()) else { return Ok(message) };
        let bytes =
            rewritten(rewriter, text.as_bytes()).map_err(|_| End::Broken(CloseCode::Policy, "a placeholder is not allowed here"))?;
        let text = Utf8Bytes::try_from(bytes).map_err(|_| End::Broken(CloseCode::Invalid, "a text is not UTF-8"))?;
        Ok(Message::Text(text))
    }

    async fn down(&self, from: &mut Stream, to: &mut Sink, silent: &Notify) -> End {
        let fresh = || self.broker.watch.incoming();
        let (mut eyes, mut asked) = (Eyes::new(&fresh), false);
        loop {
            let message = match timeout(self.broker.limits.message_silence, from.next()).await {
                Err(_) if asked => return End::Broken(CloseCode::Away, "the server is silent"),
                Err(_) => {
                    asked = true;
                    silent.notify_one();
                    continue;
                }
                Ok(None) => return End::Closed,
                Ok(Some(Err(error))) => return end_of(&error),
                Ok(Some(Ok(message))) => message,
            };
            asked = false;
            if matches!(message, Message::Ping(_) | Message::Pong(_)) {
                continue;
            }
            if let Err(leak) = eyes.look(&message) {
                return leak.into();
            }
            if to.send(message).await.is_err() {
                return End::Closed;
            }
        }
    }
}
