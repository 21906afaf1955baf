//! Requests that go well.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use hearth_vault::egress::ports::{Refused, Sign, Target, Written};
use hearth_vault::egress::server::{Entrance, serve};
use http::{Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Certificate, INSIDE, OUTSIDE, PLACEHOLDER, SECRET, Server, Setting, World, always, mirror, pieces, text, told};

fn plain(world: &World, method: http::Method, port: u16, path: &str) -> reqwest::RequestBuilder {
    world.client().request(method, format!("http://plain.test:{port}{path}")).header("hearth-scheme", "http")
}

#[tokio::test]
async fn a_plain_lan_host_is_reached_and_the_credential_put_in_everywhere() {
    let (world, server) = (Setting::new().start(), Server::http(INSIDE, mirror).await);
    let answer = plain(&world, http::Method::POST, server.port(), &format!("/bot{PLACEHOLDER}/send?k={PLACEHOLDER}"))
        .header("authorization", format!("Bearer {PLACEHOLDER}"))
        .header("hearth-as", "provider/test")
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .body(format!("{{\"key\":\"{PLACEHOLDER}\"}}"))
        .send()
        .await
        .unwrap();
    assert_eq!(told(&answer), (200, "", ""));
    let seen = answer.text().await.unwrap();
    assert!(seen.starts_with("POST /bot<the secret>/send?k=<the secret> HTTP/1.1\n"), "{seen}");
    assert!(seen.contains(&format!("host: plain.test:{}\n", server.port())), "{seen}");
    assert!(seen.contains("authorization: Bearer <the secret>\n"), "{seen}");
    assert!(seen.contains("accept-encoding: identity\n"), "{seen}");
    assert!(seen.ends_with("{\"key\":\"<the secret>\"}"), "{seen}");
    // {"key":"…"} with the 28 bytes of the secret: the length has been counted anew.
    assert!(seen.contains("content-length: 38\n"), "{seen}");
    assert!(!seen.contains("hearth") && !seen.contains("x-mine"), "{seen}");
    assert_eq!(world.gate.admitted.lock().unwrap()[0].asking.as_deref(), Some("provider/test"));
}

#[tokio::test]
async fn http2_is_spoken_on_both_sides() {
    let certificate = Certificate::signed(&["away.test"], |_| {});
    let server = Server::https(OUTSIDE, &certificate, b"h2", mirror).await;
    let world = Setting { roots: Some(certificate.authority.clone()), ..Setting::new() }.start();
    let url = format!("http://away.test:{}/x", server.port());
    let answer = world.http2().post(&url).header("x-key", PLACEHOLDER).body("abc").send().await.unwrap();
    assert_eq!((told(&answer), answer.version()), ((200, "", ""), http::Version::HTTP_2));
    let seen = answer.text().await.unwrap();
    assert!(seen.starts_with(&format!("POST https://away.test:{}/x HTTP/2.0\n", server.port())), "{seen}");
    assert!(seen.contains("x-key: <the secret>\n") && seen.ends_with("abc"), "{seen}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let server = Server::raw(INSIDE, move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        let service = hyper::service::service_fn(|_| async { Ok::<_, std::convert::Infallible>(text("hello")) });
        Box::pin(async move {
            drop(hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service).await);
        })
    })
    .await;
    let world = Setting::new().start();
    for _ in 0..20 {
        let answer = plain(&world, http::Method::GET, server.port(), "/").send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "hello");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn events_arrive_one_by_one_while_the_server_is_still_sending() {
    let (to_server, from_test) = pieces::<Bytes>(1);
    let from_test = Mutex::new(Some(from_test));
    let server = Server::http(INSIDE, move |_| {
        let events = from_test.lock().unwrap().take().unwrap();
        let body = StreamBody::new(events.map(|event| Ok(Frame::data(event)))).boxed_unsync();
        Box::pin(std::future::ready(Response::builder().header("content-type", "text/event-stream").body(body).unwrap()))
    })
    .await;
    let world = Setting::new().start();
    let mut answer = plain(&world, http::Method::GET, server.port(), "/").send().await.unwrap();
    for number in 0..10 {
        let event = format!("data: {number}\n\n");
        to_server.send(Bytes::from(event.clone())).await.unwrap();
        // The next one is sent only when this one has come through.
        assert_eq!(answer.chunk().await.unwrap().unwrap(), event);
    }
    drop(to_server);
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_body_is_sent_while_it_arrives_and_answered_before_it_ends() {
    let server = Server::http(INSIDE, |request| {
        let body = request.into_body().map_err(Into::into).boxed_unsync();
        Box::pin(std::future::ready(Response::new(body)))
    })
    .await;
    let world = Setting::new().start();
    let (to_body, body) = pieces::<Result<Bytes, std::io::Error>>(1);
    to_body.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
    let request = plain(&world, http::Method::POST, server.port(), "/").body(reqwest::Body::wrap_stream(body));
    let mut answer = request.send().await.unwrap();
    for next in ["second", "third"] {
        assert!(answer.chunk().await.unwrap().is_some());
        to_body.send(Ok(Bytes::from_static(next.as_bytes()))).await.unwrap();
    }
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "third");
    drop(to_body);
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_long_body_with_placeholders_is_streamed() {
    let (world, server) = (
        Setting::new().start(),
        Server::http(INSIDE, |request| {
            Box::pin(async move {
                let length = request.headers().get("content-length").cloned();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                text(format!("{} {}", length.is_some(), body.len()))
            })
        })
        .await,
    );
    let body = format!("{}{PLACEHOLDER}", "x".repeat(3 << 20));
    let expected = (3 << 20) + crate::support::SECRET.len();
    let answer = plain(&world, http::Method::POST, server.port(), "/").body(body).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), format!("false {expected}"));
}

#[tokio::test]
async fn a_gzip_answer_is_handed_on_unpacked() {
    let packed = crate::hostile::gzip(&b"some text ".repeat(5000));
    let server = Server::http(INSIDE, move |request| {
        assert_eq!(request.headers()["accept-encoding"], "gzip");
        let answer = Response::builder().header("content-encoding", "gzip").body(crate::support::full(packed.clone())).unwrap();
        Box::pin(std::future::ready(answer))
    })
    .await;
    let world = Setting::new().start();
    let request = plain(&world, http::Method::GET, server.port(), "/").header("accept-encoding", "gzip, br");
    let answer = request.send().await.unwrap();
    assert!(!answer.headers().contains_key("content-encoding"));
    assert_eq!(answer.bytes().await.unwrap(), b"some text ".repeat(5000).as_slice());
}

#[tokio::test]
async fn a_head_and_an_empty_answer_keep_their_headers() {
    let server = Server::http(
        INSIDE,
        always(|| {
            Response::builder().header("content-length", "12345").header("hearth-broker", "forged").body(crate::support::full("")).unwrap()
        }),
    )
    .await;
    let world = Setting::new().start();
    let answer = plain(&world, http::Method::HEAD, server.port(), "/").send().await.unwrap();
    assert_eq!(told(&answer), (200, "", ""));
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "12345");
}

#[tokio::test]
async fn a_redirect_is_handed_back_unless_following_was_asked_for() {
    let server = Server::http(INSIDE, |request| {
        let answer = match request.uri().path() {
            "/old" => Response::builder().status(302).header("location", "/new").body(crate::support::full("moved")).unwrap(),
            _ => return mirror(request),
        };
        Box::pin(std::future::ready(answer))
    })
    .await;
    let world = Setting::new().start();
    let client = reqwest::Client::builder().unix_socket(world.socket()).redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let ask = |follow: &'static str| {
        let request = client.post(format!("http://plain.test:{}/old", server.port())).header("hearth-scheme", "http").body("b");
        request.header("hearth-redirects", follow).header("x-key", PLACEHOLDER).send()
    };
    let kept = ask("no").await.unwrap();
    assert_eq!((kept.status().as_u16(), kept.headers()["location"].to_str().unwrap()), (302, "/new"));
    let followed = ask("follow").await.unwrap().text().await.unwrap();
    assert!(followed.starts_with("GET /new HTTP/1.1") && followed.contains("x-key: <the secret>"), "{followed}");
}

#[tokio::test]
async fn a_changed_origin_gets_no_credential() {
    let other = Server::http(INSIDE, mirror).await;
    let location = format!("http://plain.test:{}/elsewhere", other.port());
    let server = Server::http(
        INSIDE,
        always(move || Response::builder().status(307).header("location", &location).body(crate::support::full("")).unwrap()),
    )
    .await;
    let world = Setting::new().start();
    let request = plain(&world, http::Method::POST, server.port(), "/").header("hearth-redirects", "follow").body(PLACEHOLDER);
    let request = request.header("authorization", format!("Bearer {PLACEHOLDER}")).header("x-key", PLACEHOLDER).header("cookie", "a=b");
    let seen = request.send().await.unwrap().text().await.unwrap();
    assert!(seen.starts_with("POST /elsewhere"), "{seen}");
    assert!(!seen.contains("secret>") && !seen.contains("authorization") && !seen.contains("cookie") && !seen.contains("x-key"), "{seen}");
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_end() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let (arrived, arrival) = tokio::sync::oneshot::channel::<()>();
    let held = Mutex::new(Some((arrived, gone)));
    let server = Server::http(INSIDE, move |_| {
        let (arrived, gone) = held.lock().unwrap().take().unwrap();
        Box::pin(async move {
            arrived.send(()).unwrap();
            gone.await.unwrap();
            text("late")
        })
    })
    .await;
    let mut world = Setting::new().start();
    let under_way = plain(&world, http::Method::GET, server.port(), "/").send();
    let rest = async {
        arrival.await.unwrap();
        world.tell_to_stop();
        go.send(()).unwrap();
    };
    let (answer, ()) = futures_util::future::join(under_way, rest).await;
    assert_eq!(answer.unwrap().text().await.unwrap(), "late");
    world.stopped().await;
}

#[tokio::test]
async fn a_signature_covers_the_body_as_it_is_sent() {
    struct Counting;
    impl Sign for Counting {
        fn sign(&self, target: &Target, written: &mut Written, body: &[u8]) -> Result<(), Refused> {
            assert!(body.ends_with(SECRET.as_bytes()));
            let signature = format!("{} {}", target.host, body.len());
            written.headers.insert("x-signature", signature.parse().unwrap());
            Ok(())
        }
    }
    let server = Server::http(INSIDE, mirror).await;
    let mut setting = Setting::new();
    setting.gate.sign = Some(Arc::new(Counting));
    let world = setting.start();
    // Its length is not declared, and still it is gathered.
    let body = futures_util::stream::iter(["a", PLACEHOLDER]).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())));
    let request = plain(&world, http::Method::POST, server.port(), "/").body(reqwest::Body::wrap_stream(body));
    let seen = request.send().await.unwrap().text().await.unwrap();
    assert!(seen.contains(&format!("x-signature: plain.test {}\n", SECRET.len() + 1)), "{seen}");
}

#[tokio::test]
async fn connections_may_be_handed_over() {
    let server = Server::http(INSIDE, always(|| text("handed"))).await;
    let (broker, _) = Setting::new().broker();
    let (streams, entrance) = tokio::sync::mpsc::channel(1);
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    streams.send(theirs).await.unwrap();
    drop(streams);
    // No more can come, so the broker ends with this one.
    let asking = async move {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(ours)).await.unwrap();
        let host = format!("plain.test:{}", server.port());
        let request = http::Request::get("/").header("host", host).header("hearth-scheme", "http").body(crate::support::full("")).unwrap();
        let mut driven = tokio::task::JoinSet::new();
        driven.spawn(connection);
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "handed");
    };
    futures_util::future::join(serve(broker, Entrance::Handed(entrance), std::future::pending()), asking).await;
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_fails_nothing_that_may_be_repeated() {
    // One answer for each connection, which is then closed although it was to be kept.
    let server = Server::raw(INSIDE, |mut stream| {
        Box::pin(async move {
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
            }
        })
    })
    .await;
    let world = Setting::new().start();
    for _ in 0..50 {
        let request = plain(&world, http::Method::POST, server.port(), "/").header("hearth-idempotent", "yes");
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "ok");
    }
}
