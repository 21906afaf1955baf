//! Servers and clients that mean no good, or are broken.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use hearth_vault::egress::limits::Bounds;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{INSIDE, PLACEHOLDER, SECRET, Server, Setting, World, always, full, mirror, pieces, text, told};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn get(world: &World, server: &Server) -> reqwest::RequestBuilder {
    world.client().get(format!("http://plain.test:{}/", server.port())).header("hearth-scheme", "http")
}

fn post(world: &World, server: &Server) -> reqwest::RequestBuilder {
    world.client().post(format!("http://plain.test:{}/", server.port())).header("hearth-scheme", "http")
}

/// Reads a head, then says this and closes.
async fn saying(words: impl Into<Vec<u8>>) -> Server {
    let words = Arc::new(words.into());
    Server::raw(INSIDE, move |mut stream| {
        let words = words.clone();
        Box::pin(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            // The broker may have had enough before the end.
            drop(stream.write_all(&words).await);
            drop(stream.shutdown().await);
        })
    })
    .await
}

#[tokio::test]
async fn an_answer_that_echoes_the_credential_is_withheld() {
    let chunks: Vec<u8> = SECRET.bytes().flat_map(|byte| format!("1\r\n{}\r\n", byte as char).into_bytes()).collect();
    let packed = gzip(format!("your key is {SECRET}").as_bytes());
    let gzip_head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let answers: [(&str, Vec<u8>); 5] = [
        ("header", format!("HTTP/1.1 200 OK\r\nx-key: {SECRET}\r\ncontent-length: 0\r\n\r\n").into()),
        ("body", format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{SECRET}", SECRET.len()).into()),
        ("chunks", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunks.as_slice(), b"0\r\n\r\n"].concat()),
        ("gzip", [gzip_head.as_bytes(), &packed].concat()),
        ("redirect", format!("HTTP/1.1 302 Go\r\nlocation: http://thief.test/{SECRET}\r\ncontent-length: 0\r\n\r\n").into()),
    ];
    let world = Setting::new().start();
    for (name, answer) in answers {
        let server = saying(answer).await;
        let answer = get(&world, &server).header("hearth-redirects", "follow").send().await.unwrap();
        if name == "chunks" {
            // Its head has gone on already; the body breaks off before it says anything.
            assert!(answer.bytes().await.is_err(), "{name}");
        } else {
            assert_eq!(told(&answer), (502, "leak-in", "unknown"), "{name}");
            assert!(!answer.text().await.unwrap().contains(SECRET));
        }
    }
}

#[tokio::test]
async fn not_a_byte_of_an_echoed_credential_goes_on() {
    let (to_body, body) = pieces::<Bytes>(4);
    let body = std::sync::Mutex::new(Some(body));
    let server = Server::http(INSIDE, move |_| {
        let body = body.lock().unwrap().take().unwrap();
        let body = StreamBody::new(body.map(|piece| Ok(Frame::data(piece)))).boxed_unsync();
        Box::pin(std::future::ready(Response::new(body)))
    })
    .await;
    let world = Setting::new().start();
    let mut answer = get(&world, &server).send().await.unwrap();
    to_body.send(Bytes::from(format!("before {}", &SECRET[..9]))).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "before ");
    to_body.send(Bytes::from(SECRET[9..].to_owned())).await.unwrap();
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_secret_in_plain_sight_does_not_leave() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = Server::http(INSIDE, move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        mirror(request)
    })
    .await;
    let world = Setting::new().start();
    let requests = [
        get(&world, &server).header("x-note", format!("it is {SECRET}")),
        post(&world, &server).body(format!("it is {SECRET}")),
        post(&world, &server).header("content-encoding", "gzip").body(gzip(SECRET.as_bytes())),
        world.client().get(format!("http://plain.test:{}/?q={SECRET}", server.port())).header("hearth-scheme", "http"),
    ];
    for request in requests {
        assert_eq!(told(&request.send().await.unwrap()), (403, "leak-out", "not-sent"));
    }
    let packed = post(&world, &server).header("content-encoding", "br").body("?").send().await.unwrap();
    assert_eq!(told(&packed), (415, "packed", "not-sent"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_secret_in_the_middle_of_a_stream_ends_it() {
    let world = Setting::new().start();
    let server = Server::http(INSIDE, |request| {
        Box::pin(async move {
            // It does not come to its end.
            assert!(request.into_body().collect().await.is_err());
            text("")
        })
    })
    .await;
    let pieces = [&SECRET[..5], &SECRET[5..]].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece.to_owned())));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    assert_eq!(told(&post(&world, &server).body(body).send().await.unwrap()), (403, "leak-out", "unknown"));
}

#[tokio::test]
async fn redirects_that_go_on_for_ever_or_inward_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let round = Server::http(INSIDE, move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        assert!(number < 1000);
        let answer = Response::builder().status(302).header("location", format!("/{number}")).body(full("")).unwrap();
        Box::pin(std::future::ready(answer))
    })
    .await;
    let world = Setting::new().start();
    let answer = get(&world, &round).header("hearth-redirects", "follow").send().await.unwrap();
    assert_eq!((told(&answer), asked.load(Ordering::SeqCst)), ((502, "redirects", "unknown"), 11));
    for (location, code) in [
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("https://127.0.0.1/", "address"),
        ("https://refused.test/", "policy"),
        ("file:///etc/passwd", "location"),
    ] {
        let server =
            Server::http(INSIDE, always(move || Response::builder().status(302).header("location", location).body(full("")).unwrap()))
                .await;
        let answer = get(&world, &server).header("hearth-redirects", "follow").send().await.unwrap();
        assert_eq!(told(&answer), (403, code, "unknown"), "{location}");
    }
}

#[tokio::test]
async fn a_bomb_is_stopped_while_it_is_small() {
    let packed = gzip(&vec![0; 64 << 20]);
    assert!(packed.len() < 1 << 20);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let server = saying([head.as_bytes(), &packed].concat()).await;
    let mut setting = Setting::new();
    setting.gate.bounds.response_bytes = 8 << 20;
    let mut answer = get(&setting.start(), &server).send().await.unwrap();
    let mut bytes = 0;
    let end = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            end => break end,
        }
    };
    assert!(end.is_err() && bytes <= 8 << 20, "{bytes}");
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_refused() {
    let flood: String = (0..1000).map(|number| format!("x-{number}: y\r\n")).collect();
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let world = Setting::new().start();
    let answers = [
        (format!("HTTP/1.1 200 OK\r\n{flood}\r\n"), "bad-answer"),
        (long, "bad-answer"),
        ("no HTTP at all\r\n\r\n".into(), "bad-answer"),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 3\r\n\r\nabc".into(), "answer-packed"),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n".into(), "upgrade"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n".into(), "answer-too-large"),
        (String::new(), "broken"),
        // Short, so it is read before its head goes on.
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into(), "broken"),
    ];
    for (words, code) in answers {
        let server = saying(words).await;
        assert_eq!(told(&get(&world, &server).send().await.unwrap()), (502, code, "unknown"), "{code}");
    }
}

#[tokio::test]
async fn a_server_that_closes_in_the_middle_is_noticed() {
    let words = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{}", "x".repeat(1000));
    let server = saying(words).await;
    let answer = get(&Setting::new().start(), &server).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn slow_ones_are_given_up() {
    let tiny = Duration::from_millis(50);
    let bounds = Bounds { answer: tiny, silence: tiny, ..Bounds::default() };
    let mut setting = Setting::new();
    setting.gate.bounds = bounds;
    let world = setting.start();
    let silent = Server::raw(INSIDE, |stream| {
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
    })
    .await;
    assert_eq!(told(&get(&world, &silent).send().await.unwrap()), (504, "deadline", "unknown"));
    let halting = Server::http(INSIDE, |_| {
        let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
        let body = StreamBody::new(first.chain(futures_util::stream::pending())).boxed_unsync();
        Box::pin(std::future::ready(Response::new(body)))
    })
    .await;
    let mut answer = get(&world, &halting).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first");
    assert!(answer.chunk().await.is_err());
    let reader = Server::http(INSIDE, mirror).await;
    let body = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]).chain(futures_util::stream::pending());
    let answer = post(&world, &reader).body(reqwest::Body::wrap_stream(body)).send().await.unwrap();
    assert_eq!(told(&answer), (504, "deadline", "unknown"));
}

#[tokio::test]
async fn a_client_that_does_not_come_to_its_point_is_left() {
    let mut setting = Setting::new();
    setting.limits.client_head = Duration::from_millis(50);
    let world = setting.start();
    for words in ["", "GET / HTTP/1.1\r\nhost: a.te"] {
        let mut stream = tokio::net::UnixStream::connect(world.socket()).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // It ends: by a close, or by a reset when something was left unread.
        drop(stream.read_to_end(&mut said).await);
        assert!(!said.starts_with(b"HTTP/1.1 2"));
    }
}

#[tokio::test]
async fn all_of_it_has_an_end_too() {
    let tiny = Duration::from_millis(100);
    let mut setting = Setting::new();
    setting.gate.bounds = Bounds { total: tiny, ..Bounds::default() };
    let world = setting.start();
    let dripping = Server::http(INSIDE, |_| {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::task::yield_now().await;
            Some((Ok(Frame::data(Bytes::from_static(b"x"))), ()))
        });
        Box::pin(std::future::ready(Response::new(StreamBody::new(drops).boxed_unsync())))
    })
    .await;
    let mut answer = get(&world, &dripping).send().await.unwrap();
    while let Ok(Some(_)) = answer.chunk().await {}
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused() {
    let mut setting = Setting::new();
    setting.gate.bounds.request_bytes = 1000;
    let (world, server) = (setting.start(), Server::http(INSIDE, mirror).await);
    let declared = post(&world, &server).body("x".repeat(1001)).send().await.unwrap();
    assert_eq!(told(&declared), (413, "too-large", "not-sent"));
    let pieces = (0..11).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 100])));
    let streamed = post(&world, &server).body(reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))).send().await.unwrap();
    assert_eq!(told(&streamed), (413, "too-large", "unknown"));
    let fits = post(&world, &server).body("x".repeat(1000)).send().await.unwrap();
    assert_eq!(told(&fits), (200, "", ""));
}

#[tokio::test]
async fn a_request_is_sent_twice_only_when_that_does_no_harm() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // Reads the request and closes without a word.
    let server = Server::raw(INSIDE, move |mut stream| {
        let count = count.clone();
        Box::pin(async move {
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
    })
    .await;
    let world = Setting::new().start();
    for (declared, times) in [("no", 1), ("yes", 3)] {
        let answer = post(&world, &server).header("hearth-idempotent", declared).body(PLACEHOLDER).send().await.unwrap();
        assert_eq!(told(&answer), (502, "broken", "unknown"));
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
}

#[tokio::test]
async fn ten_thousand_at_once_are_served_or_told_so() {
    let server = Server::http(INSIDE, always(|| text("ok"))).await;
    let mut setting = Setting::new();
    (setting.limits.requests, setting.limits.queue, setting.limits.streams) = (32, 64, 1000);
    setting.limits.queue_wait = Duration::from_secs(600);
    let world = setting.start();
    let clients: Vec<_> = (0..20).map(|_| world.http2()).collect();
    let url = format!("http://plain.test:{}/", server.port());
    // Each client opens its one connection first; then all ask at once.
    for client in &clients {
        assert_eq!(client.get(&url).header("hearth-scheme", "http").send().await.unwrap().status(), 200);
    }
    let asking = (0..10_000).map(|number| clients[number % clients.len()].get(&url).header("hearth-scheme", "http").send());
    let (mut served, mut turned_away) = (0, 0);
    for answer in futures_util::future::join_all(asking).await {
        match told(&answer.unwrap()) {
            (200, "", "") => served += 1,
            (503, "overloaded", "not-sent") => turned_away += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(served + turned_away, 10_000);
    assert!(served >= 96 && turned_away > 0, "{served} {turned_away}");
}

#[tokio::test]
async fn a_connection_too_many_is_told_so() {
    let server = Server::http(INSIDE, always(|| text("ok"))).await;
    let mut setting = Setting::new();
    setting.limits.connections = 1;
    let world = setting.start();
    let first = world.client();
    let url = format!("http://plain.test:{}/", server.port());
    assert_eq!(first.get(&url).header("hearth-scheme", "http").send().await.unwrap().status(), 200);
    assert_eq!(told(&get(&world, &server).send().await.unwrap()), (503, "overloaded", "not-sent"));
}

#[tokio::test]
async fn clients_that_are_not_clear_are_refused() {
    let world = Setting::new().start();
    for (head, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET http://a.test/ HTTP/1.1\r\nhost: b.test\r\n\r\n", "400"),
        ("CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a.test\r\nhearth-scheme: gopher\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n", "400"),
        ("no HTTP\r\n\r\n", "400"),
        (&format!("GET / HTTP/1.1\r\nhost: a.test\r\nx: {}\r\n\r\n", "y".repeat(100_000)), "431"),
    ] {
        let mut stream = tokio::net::UnixStream::connect(world.socket()).await.unwrap();
        // A head that is too long is answered before it has been read.
        drop(stream.write_all(head.as_bytes()).await);
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), format!("HTTP/1.1 {status}"), "{}", &head[..40.min(head.len())]);
    }
}
