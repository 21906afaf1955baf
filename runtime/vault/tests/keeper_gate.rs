//! Keeper, guard, policy and broker together, against a real server of the LAN through real clients.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "in a test a failure is the message")]

#[path = "egress/support.rs"]
#[expect(dead_code, reason = "shared with the broker's own tests")]
mod net;
#[path = "keeper/support.rs"]
#[expect(dead_code, reason = "shared with the tests of changes")]
mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hearth_domain::secret::Rate;
use hearth_vault::egress::limits::Bounds;
use hearth_vault::keeper::keyless::KeylessGate;
use hearth_vault::keeper::watch::Blind;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use support::{Door, PLACE, Seen, VALUE, Vault, name, policy, server, silent, told, value};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::net::{INSIDE, Server, full, text};

const BASE64: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

fn everywhere(port: u16) -> Vec<String> {
    vec![format!("GET,POST http://127.0.0.1:{port}/** lan in header,path,query,body,signature")]
}

fn header_only(port: u16) -> Vec<String> {
    vec![format!("GET,POST http://127.0.0.1:{port}/v1/** lan")]
}

struct World {
    vault: Vault,
    door: Door,
    server: Server,
    seen: Seen,
}

impl World {
    async fn new(rules: impl Fn(u16) -> Vec<String>) -> Self {
        let (server, seen) = silent().await;
        Self::with(server, seen, rules)
    }

    fn with(server: Server, seen: Seen, rules: impl Fn(u16) -> Vec<String>) -> Self {
        let mut vault = Vault::new();
        vault.add("key", VALUE, policy("key", &rules(server.port())));
        let door = vault.serve();
        Self { vault, door, server, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.server.port())
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.door.client().get(self.url(path)).header("hearth-as", "provider/p")
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.door.client().post(self.url(path)).header("hearth-as", "provider/p")
    }

    fn last(&self) -> String {
        self.seen.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_placeholder_arrives_as_the_value_wherever_it_may_stand() {
    let world = World::new(everywhere).await;
    let basic = format!("Basic {}", BASE64.encode(format!("me:{PLACE}")));
    let requests = [
        (world.get("/a").bearer_auth(PLACE), format!("authorization: Bearer {VALUE}")),
        (world.get("/a").header("x-api-key", PLACE), format!("x-api-key: {VALUE}")),
        (world.get("/a").header("authorization", basic), BASE64.encode(format!("me:{VALUE}"))),
        (world.get(&format!("/bot{PLACE}/send")), format!("GET /bot{VALUE}/send")),
        (world.get(&format!("/a?key={PLACE}&b=1")), format!("GET /a?key={VALUE}&b=1")),
        (
            world.post("/a").header("content-type", "application/json").body(format!("{{\"token\":\"{PLACE}\"}}")),
            format!("{{\"token\":\"{VALUE}\"}}"),
        ),
        (
            world.post("/a").header("content-type", "application/x-www-form-urlencoded").body(format!("k={PLACE}&x=y")),
            format!("k={VALUE}&x=y"),
        ),
    ];
    for (request, wanted) in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(told(&answer), (200, String::new()), "{wanted}");
        assert!(world.last().contains(&wanted), "{wanted} in {}", world.last());
        assert!(!world.last().contains("hearth"), "{}", world.last());
    }
    let used = world.vault.used();
    assert_eq!(used.iter().map(|used| used.times).sum::<u64>(), 7);
    let place = format!("http://127.0.0.1:{}", world.server.port());
    assert!(used.iter().all(|used| used.outcome == "sent" && !used.alarm && used.place.ends_with(&place) && used.secrets == [name("key")]));
}

#[tokio::test]
async fn what_a_policy_does_not_allow_never_reaches_the_server() {
    let world = World::new(header_only).await;
    let (other, untouched) = silent().await;
    let elsewhere = |authority: String| {
        world.door.client().get(format!("http://{authority}/v1/a")).header("hearth-as", "provider/p").bearer_auth(PLACE)
    };
    let nobody = world.door.client().get(world.url("/v1/a")).bearer_auth(PLACE);
    let json = || world.post("/v1/a").bearer_auth(PLACE).header("content-type", "application/json");
    let cases = [
        ("path", world.get("/v2/a").bearer_auth(PLACE), 403),
        ("path", world.get("/v1x").bearer_auth(PLACE), 403),
        ("target_path", world.get("/v1/a%2f..%2fadmin").bearer_auth(PLACE), 400),
        ("method", world.door.client().delete(world.url("/v1/a")).header("hearth-as", "provider/p").bearer_auth(PLACE), 403),
        ("host", elsewhere(format!("127.0.0.2:{}", world.server.port())), 403),
        ("target_trailing_dot", elsewhere(format!("api.example.com.:{}", world.server.port())), 400),
        ("scheme", elsewhere(format!("127.0.0.1:{}", other.port())), 403),
        ("port", elsewhere(format!("127.0.0.1:{}", other.port())).header("hearth-scheme", "http"), 403),
        ("user", nobody.try_clone().unwrap().header("hearth-as", "tool/p"), 403),
        ("who", nobody, 403),
        ("slot", world.get(&format!("/v1/a?k={PLACE}")), 403),
        ("slot", json().body(format!("{{\"k\":\"{PLACE}\"}}")), 403),
        ("unknown", world.get("/v1/a").bearer_auth("hearth_secret_other_"), 403),
        ("placeholder_malformed", world.get("/v1/a").bearer_auth("hearth_secret_Key_"), 403),
        ("placeholder_not_here", world.get("/v1/a").header("user-agent", PLACE), 403),
        ("own_credential", world.get("/v1/a").bearer_auth("sk-mine").header("x-use", PLACE), 403),
        ("own_credential", world.get("/v1/a").header("cookie", "a=b").header("x-use", PLACE), 403),
        ("no_placeholder", world.get("/v1/a"), 403),
        ("leak-out", json().body(format!("{{\"k\":\"{VALUE}\"}}")), 403),
        ("bytes", json().body("x".repeat(1 << 20)), 413),
    ];
    for (code, request, status) in cases {
        let answer = request.send().await.unwrap();
        assert_eq!(told(&answer), (status, code.to_owned()));
    }
    assert!(world.seen.lock().unwrap().is_empty() && untouched.lock().unwrap().is_empty());
    assert!(world.vault.used().iter().filter(|used| used.outcome != "leak-out").all(|used| !used.alarm));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_echoed_credential_does_not_come_back() {
    let (server, seen) = server(|path| match path {
        "/plain" => text(format!("your key is {VALUE}, keep it")),
        "/base64" => text(format!("{{\"authorization\":\"{}\"}}", BASE64.encode(format!("ab{VALUE}c")))),
        "/hex" => text(hex::encode(VALUE)),
        "/reversed" => text(VALUE.chars().rev().collect::<String>()),
        "/header" => Response::builder().header("x-echo", VALUE).body(full("")).unwrap(),
        "/gzip" => Response::builder().header("content-encoding", "gzip").body(full(gzip(VALUE.as_bytes()))).unwrap(),
        "/split" => {
            let pieces = VALUE.as_bytes().chunks(3).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect::<Vec<_>>();
            Response::new(StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync())
        }
        _ => text("harmless"),
    })
    .await;
    let world = World::with(server, seen, everywhere);
    for path in ["/plain", "/base64", "/hex", "/reversed", "/header", "/gzip", "/split"] {
        let answer = world.get(path).bearer_auth(PLACE).send().await.unwrap();
        let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
        // A body that has begun breaks off.
        let body = answer.bytes().await.unwrap_or_default();
        assert!(!headers.contains(VALUE) && body.windows(12).all(|window| window != &VALUE.as_bytes()[..12]), "{path}");
        assert!(status == 502 || body.len() < VALUE.len(), "{path}: {status}");
    }
    assert_eq!(world.get("/").bearer_auth(PLACE).send().await.unwrap().text().await.unwrap(), "harmless");
    let leaks = world.vault.used().into_iter().filter(|used| used.outcome == "leak-in");
    assert_eq!(leaks.filter(|used| used.alarm && used.secrets == [name("key")]).count(), 7);
}

#[tokio::test]
async fn a_decoy_is_never_sent_and_raises_an_alarm() {
    let mut world = World::new(everywhere).await;
    let mut decoy = policy("decoy", &everywhere(world.server.port()));
    decoy.canary = true;
    world.vault.add("decoy", "sk-decoy-93kd82hf71", decoy);
    world.vault.used();
    let by_placeholder = world.get("/a").bearer_auth("hearth_secret_decoy_").send().await.unwrap();
    assert_eq!(told(&by_placeholder), (403, "canary".to_owned()));
    let by_value = world.get("/a").header("x-found", "sk-decoy-93kd82hf71").send().await.unwrap();
    assert_eq!(told(&by_value), (403, "leak-out".to_owned()));
    let alarms: Vec<_> = world.vault.used().into_iter().map(|used| (used.alarm, used.outcome, used.secrets)).collect();
    assert_eq!(alarms, [(true, "canary".to_owned(), vec![name("decoy")]), (true, "leak-out".to_owned(), vec![name("decoy")])]);
    assert!(world.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn requests_go_on_while_a_secret_is_rotated_and_the_older_value_stays_guarded() {
    let mut world = World::new(everywhere).await;
    let newer = "sk-newer-8Wq0zR4tYb6Vn2";
    let requests: Vec<_> = (0..40).map(|_| world.get("/a").bearer_auth(PLACE).send()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(futures_util::future::join_all(requests));
    let begun = world.vault.keeper.begin_rotate(&name("key"), &value(newer)).unwrap();
    world.get("/a").bearer_auth(PLACE).send().await.unwrap();
    assert!(world.last().contains(VALUE), "until the house has stored it, the older one counts");
    world.vault.store(begun).unwrap();
    for answer in tasks.join_next().await.unwrap().unwrap() {
        assert_eq!(answer.unwrap().status(), 200);
    }
    world.get("/b").bearer_auth(PLACE).send().await.unwrap();
    assert!(world.last().contains(newer));
    for text in [VALUE, newer] {
        assert_eq!(told(&world.get("/a").header("x-found", text).send().await.unwrap()), (403, "leak-out".to_owned()));
    }
    *world.vault.clock.0.lock().unwrap() = Duration::from_secs(25 * 3600);
    world.vault.keeper.forget_old();
    assert!(world.vault.keeper.look(VALUE).is_empty() && !world.vault.keeper.look(newer).is_empty());
}

#[tokio::test]
async fn a_revoked_secret_is_refused_at_once() {
    let mut world = World::new(everywhere).await;
    let begun = world.vault.keeper.begin_revoke(&name("key")).unwrap();
    for _ in 0..2 {
        assert_eq!(told(&world.get("/a").bearer_auth(PLACE).send().await.unwrap()), (403, "unknown".to_owned()));
    }
    world.vault.store(begun).unwrap();
    assert_eq!(told(&world.get("/a").bearer_auth(PLACE).send().await.unwrap()), (403, "unknown".to_owned()));
    assert!(world.seen.lock().unwrap().is_empty() && world.vault.stored.is_empty());
}

#[tokio::test]
async fn the_last_use_of_a_window_is_given_once() {
    let (server, _seen) = silent().await;
    let mut vault = Vault::new();
    let rate = Some(Rate { uses: 3, window_s: 60 });
    vault.add("key", VALUE, hearth_domain::secret::SecretPolicy { rate, ..policy("key", &everywhere(server.port())) });
    let door = vault.serve();
    let ask =
        || door.client().get(format!("http://127.0.0.1:{}/", server.port())).header("hearth-as", "provider/p").bearer_auth(PLACE).send();
    let all = futures_util::future::join_all((0..10).map(|_| ask())).await;
    let (through, refused): (Vec<_>, Vec<_>) = all.into_iter().map(Result::unwrap).partition(|answer| answer.status() == 200);
    assert_eq!(through.len(), 3);
    assert!(refused.iter().all(|answer| told(answer) == (429, "rate".to_owned())));
    *vault.clock.0.lock().unwrap() = Duration::from_secs(62);
    assert_eq!(ask().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_signed_request_carries_the_digest_and_not_the_key() {
    let world = World::new(everywhere).await;
    let spec = r#"key {"kind":"hmac","hash":"sha256","encoding":"hex","header":"x-signature","text":"sha256={digest}","over":"{body}"}"#;
    let answer = world.post("/hook").header("x-hearth-sign", spec).body("hello").send().await.unwrap();
    assert_eq!(told(&answer), (200, String::new()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, VALUE.as_bytes());
    let digest = hex::encode(ring::hmac::sign(&key, b"hello"));
    assert!(world.last().contains(&format!("x-signature: sha256={digest}")) && !world.last().contains(VALUE), "{}", world.last());
}

#[tokio::test]
async fn a_redirect_is_decided_anew_and_takes_no_credential_elsewhere() {
    let (other, untouched) = silent().await;
    let away = format!("http://127.0.0.1:{}/v1/x", other.port());
    let (server, seen) = server(move |path| match path {
        "/v1/same" => Response::builder().status(307).header("location", "/v1/there").body(full("")).unwrap(),
        "/v1/up" => Response::builder().status(307).header("location", "/admin").body(full("")).unwrap(),
        "/v1/meta" => Response::builder().status(302).header("location", "http://169.254.169.254/latest").body(full("")).unwrap(),
        "/v1/file" => Response::builder().status(302).header("location", "file:///etc/passwd").body(full("")).unwrap(),
        "/v1/public" => Response::builder().status(302).header("location", "http://cdn.example.com/x").body(full("")).unwrap(),
        "/v1/away" => Response::builder().status(307).header("location", away.as_str()).body(full("")).unwrap(),
        _ => text("arrived"),
    })
    .await;
    let world = World::with(server, seen, header_only);
    let ask = |path: &str| world.get(path).bearer_auth(PLACE).header("hearth-redirects", "follow").send();
    assert_eq!(ask("/v1/same").await.unwrap().text().await.unwrap(), "arrived");
    assert!(world.last().starts_with("GET /v1/there") && world.last().contains(VALUE));
    for (path, code) in
        [("/v1/up", "path"), ("/v1/meta", "target_address"), ("/v1/file", "redirect_scheme"), ("/v1/away", "target_address")]
    {
        assert_eq!(told(&ask(path).await.unwrap()).1, code, "{path}");
    }
    // The client may go there by the way out without keys.
    assert_eq!(told(&ask("/v1/public").await.unwrap()), (302, String::new()));
    assert!(untouched.lock().unwrap().is_empty());
}

fn telling(mut request: http::Request<hyper::body::Incoming>) -> net::Answering {
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    let task = async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = tokio_tungstenite::WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                drop(socket.send(Message::Text(Utf8Bytes::from(text.replace(VALUE, "<the value>")))).await);
            }
        }
    };
    hyper::rt::Executor::execute(&hyper_util::rt::TokioExecutor::new(), task);
    let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
    Box::pin(std::future::ready(answer.header("sec-websocket-accept", accept).body(full("")).unwrap()))
}

#[tokio::test]
async fn a_text_message_of_a_websocket_carries_the_value_out() {
    let server = Server::http(INSIDE, telling).await;
    let world = World::with(server, Seen::default(), |port| vec![format!("GET http://127.0.0.1:{port}/gateway lan in body")]);
    let open = |path: &str| {
        let mut request = world.url(path).replace("http:", "ws:").into_client_request().unwrap();
        request.headers_mut().insert("hearth-as", http::HeaderValue::from_static("provider/p"));
        let socket = world.door.socket.clone();
        async move { tokio_tungstenite::client_async(request, tokio::net::UnixStream::connect(socket).await.unwrap()).await }
    };
    let (mut socket, _) = open("/gateway").await.unwrap();
    socket.send(Message::text(format!("{{\"op\":2,\"token\":\"{PLACE}\"}}"))).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{\"op\":2,\"token\":\"<the value>\"}"));
    socket.send(Message::text("hearth_secret_other_")).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    assert!(open("/elsewhere").await.is_err());
    let outcomes: Vec<_> = world.vault.used().into_iter().map(|used| used.outcome).collect();
    assert_eq!(outcomes, ["sent", "unknown"]);
}

#[tokio::test]
async fn the_way_out_without_keys_lets_no_credential_and_no_local_host_pass() {
    let (server, seen) = silent().await;
    let (other, untouched) = silent().await;
    let lan = BTreeSet::from([format!("http://127.0.0.1:{}", server.port()).parse().unwrap()]);
    let door = Door::new(Arc::new(KeylessGate::new(lan, Bounds::default())), Arc::new(Blind));
    let url = |port: u16| format!("http://127.0.0.1:{port}/api");
    let client = door.client();
    let answer = client.post(url(server.port())).body("hello").send().await.unwrap();
    assert_eq!((told(&answer), seen.lock().unwrap().len()), ((200, String::new()), 1));
    let cases = [
        ("placeholder", client.get(url(server.port())).bearer_auth(PLACE)),
        ("placeholder", client.get(format!("{}?k={PLACE}", url(server.port())))),
        ("placeholder", client.post(url(server.port())).body(format!("k={PLACE}"))),
        ("placeholder", client.get(url(server.port())).header("x-hearth-sign", "key {}")),
        ("own_credential", client.get(url(server.port())).bearer_auth("sk-mine")),
        ("target_address", client.get(url(other.port()))),
        ("target_address", client.get(url(other.port())).header("hearth-scheme", "http")),
        ("target_address", client.get("http://169.254.169.254/latest/meta-data/").header("hearth-scheme", "http")),
        ("target_local_name", client.get("http://localhost/")),
    ];
    for (code, request) in cases {
        assert_eq!(told(&request.send().await.unwrap()), (403, code.to_owned()));
    }
    assert!(seen.lock().unwrap().len() == 1 && untouched.lock().unwrap().is_empty());
}
