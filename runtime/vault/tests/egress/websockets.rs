//! WebSockets through the broker, with a client and a server that know nothing of it.

use futures_util::{SinkExt, StreamExt};
use http::Response;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Answering, Certificate, INSIDE, OUTSIDE, PLACEHOLDER, SECRET, Server, Setting, World, full};

type Client = WebSocketStream<UnixStream>;

/// Tells each text back with the secret named; does as it is told otherwise.
fn echo(mut request: http::Request<hyper::body::Incoming>) -> Answering {
    let key = request.headers()["sec-websocket-key"].clone();
    let head = format!("{:?}", request.headers());
    let upgrade = hyper::upgrade::on(&mut request);
    let task = async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(WebSocketConfig::default())).await;
        while let Some(Ok(message)) = socket.next().await {
            let answer = match &message {
                Message::Text(text) if text.as_str() == "head" => Message::text(head.replace(SECRET, "<the secret>")),
                Message::Text(text) if text.as_str() == "betray" => Message::text(format!("it was {SECRET}")),
                Message::Text(text) if text.as_str() == "long" => Message::text("x".repeat(100_000)),
                Message::Text(text) if text.as_str() == "bye" => {
                    Message::Close(Some(CloseFrame { code: CloseCode::Library(4004), reason: "see you".into() }))
                }
                Message::Text(text) => Message::text(text.replace(SECRET, "<the secret>")),
                Message::Binary(bytes) => Message::Binary(bytes.clone()),
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => continue,
            };
            if socket.send(answer).await.is_err() {
                return;
            }
        }
    };
    hyper::rt::Executor::execute(&hyper_util::rt::TokioExecutor::new(), task);
    let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
    let accept = derive_accept_key(key.as_bytes());
    let answer = answer.header("sec-websocket-accept", accept).header("hearth-broker", "forged").body(full("")).unwrap();
    Box::pin(std::future::ready(answer))
}

async fn plain() -> (World, Server, u16) {
    let server = Server::http(INSIDE, echo).await;
    let mut setting = Setting::new();
    setting.limits.message_bytes = 50_000;
    let port = server.port();
    (setting.start(), server, port)
}

async fn open(world: &World, url: String, scheme: &'static str) -> Result<Client, Error> {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("hearth-scheme", http::HeaderValue::from_static(scheme));
    request.headers_mut().insert("authorization", http::HeaderValue::from_static(PLACEHOLDER));
    request.headers_mut().insert("sec-websocket-extensions", http::HeaderValue::from_static("permessage-deflate"));
    let stream = UnixStream::connect(world.socket()).await.unwrap();
    client_async(request, stream).await.map(|(socket, answer)| {
        assert!(!answer.headers().contains_key("hearth-broker"));
        socket
    })
}

async fn opened() -> (Client, World, Server) {
    let (world, server, port) = plain().await;
    (open(&world, format!("ws://plain.test:{port}/gateway?k={PLACEHOLDER}"), "http").await.unwrap(), world, server)
}

async fn closed_with(socket: &mut Client) -> Option<(u16, String)> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_text_carries_its_credential_out_and_the_head_too() {
    let (mut socket, _world, _server) = opened().await;
    socket.send(Message::text(format!("{{\"op\":2,\"d\":{{\"token\":\"{PLACEHOLDER}\"}}}}"))).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{\"op\":2,\"d\":{\"token\":\"<the secret>\"}}"));
    socket.send(Message::text("head")).await.unwrap();
    let head = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(head.contains("<the secret>") && !head.contains("extensions") && !head.contains("hearth-"), "{head}");
    socket.send(Message::binary(vec![0, 159, 146])).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(vec![0, 159, 146]));
}

#[tokio::test]
async fn tls_is_added_to_a_websocket() {
    let certificate = Certificate::signed(&["away.test"], |_| {});
    let server = Server::https(OUTSIDE, &certificate, b"http/1.1", echo).await;
    let world = Setting { roots: Some(certificate.authority.clone()), ..Setting::new() }.start();
    let mut socket = open(&world, format!("ws://away.test:{}/", server.port()), "https").await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
}

#[tokio::test]
async fn fragments_with_a_ping_between_arrive_as_one_message() {
    let (mut socket, _world, _server) = opened().await;
    let (first, last) = PLACEHOLDER.split_at(6);
    let frame = |text: &str, code, last| Message::Frame(Frame::message(text.to_owned(), OpCode::Data(code), last));
    socket.send(frame(first, Data::Text, false)).await.unwrap();
    socket.send(Message::Ping("p".into())).await.unwrap();
    socket.send(frame(last, Data::Continue, true)).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("<the secret>"));
}

#[tokio::test]
async fn a_close_comes_through_with_its_reason() {
    let (mut socket, _world, _server) = opened().await;
    socket.send(Message::text("bye")).await.unwrap();
    assert_eq!(closed_with(&mut socket).await, Some((4004, "see you".into())));
    let (mut socket, _world, _server) = opened().await;
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).await.unwrap();
    assert_eq!(closed_with(&mut socket).await, Some((1000, "done".into())));
}

#[tokio::test]
async fn what_must_not_pass_closes_the_socket() {
    for (sent, code) in [
        (Message::text("betray"), 1008),
        (Message::text(format!("in plain sight: {SECRET}")), 1008),
        (Message::binary(SECRET.as_bytes().to_vec()), 1008),
        (Message::text("long"), 1009),
        (Message::text("y".repeat(60_000)), 1009),
        (Message::Frame(Frame::message("x".to_owned(), OpCode::Data(Data::Continue), true)), 1002),
        (Message::Frame(Frame::message(vec![0xff], OpCode::Data(Data::Text), true)), 1007),
    ] {
        let (mut socket, _world, _server) = opened().await;
        let name = format!("{:.40}", sent.to_string());
        socket.send(sent).await.unwrap();
        assert_eq!(closed_with(&mut socket).await.map(|(code, _)| code), Some(code), "{name}");
    }
}

#[tokio::test]
async fn a_secret_over_two_messages_is_noticed() {
    let (mut socket, _world, _server) = opened().await;
    for part in [&SECRET[..10], &SECRET[10..]] {
        socket.send(Message::text(part)).await.unwrap();
    }
    assert_eq!(closed_with(&mut socket).await.map(|(code, _)| code), Some(1008));
}

#[tokio::test]
async fn a_server_that_does_not_agree_is_no_websocket() {
    let (world, _server, _) = plain().await;
    let refusing = Server::http(INSIDE, crate::support::always(|| Response::builder().status(403).body(full("no")).unwrap())).await;
    let Err(Error::Http(answer)) = open(&world, format!("ws://plain.test:{}/", refusing.port()), "http").await else { panic!("agreed") };
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("hearth-broker")), (403, false));
    let lying = Server::http(
        INSIDE,
        crate::support::always(|| {
            let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
            answer.header("sec-websocket-accept", "bGllcyBsaWVzIGxpZXMgbGll").body(full("")).unwrap()
        }),
    )
    .await;
    let Err(Error::Http(answer)) = open(&world, format!("ws://plain.test:{}/", lying.port()), "http").await else { panic!("agreed") };
    assert_eq!((answer.status().as_u16(), answer.headers()["hearth-broker"].to_str().unwrap()), (502, "upgrade"));
}

#[tokio::test]
async fn a_silent_server_is_asked_and_then_left() {
    let server = Server::http(INSIDE, |mut request| {
        let key = request.headers()["sec-websocket-key"].clone();
        let upgrade = hyper::upgrade::on(&mut request);
        // It opens and never reads.
        let task = async move {
            let _socket = upgrade.await;
            std::future::pending::<()>().await;
        };
        hyper::rt::Executor::execute(&hyper_util::rt::TokioExecutor::new(), task);
        let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        let answer = answer.header("sec-websocket-accept", derive_accept_key(key.as_bytes())).body(full("")).unwrap();
        Box::pin(std::future::ready(answer))
    })
    .await;
    let mut setting = Setting::new();
    setting.limits.message_silence = std::time::Duration::from_millis(30);
    let world = setting.start();
    let mut socket = open(&world, format!("ws://plain.test:{}/", server.port()), "http").await.unwrap();
    assert_eq!(closed_with(&mut socket).await.map(|(code, _)| code), Some(1001));
}

#[tokio::test]
async fn a_stop_says_good_bye_to_open_sockets() {
    let (mut socket, mut world, _server) = opened().await;
    let (closed, ()) = futures_util::future::join(closed_with(&mut socket), world.stopped()).await;
    assert_eq!(closed.map(|(code, _)| code), Some(1001));
}
