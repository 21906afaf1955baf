//! The server outside: a real HTTP server on loopback with fixed answers, for requests that carry the secret.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use hearth_domain::journal::Digest;

/// Answers at once.
pub(super) const ANSWER: &str = "/v1/answer";
/// Answers after a while.
pub(super) const SLOW: &str = "/v1/slow";
/// Answers in pieces.
pub(super) const STREAM: &str = "/v1/stream";
/// The header with a request's number.
pub(super) const ID: &str = "x-bench-id";

/// Threads of the server.
const WORKERS: usize = 2;
/// What [`SLOW`] takes.
const WHILE: Duration = Duration::from_millis(5);
/// Pieces of a streamed answer, and the time between two of them.
const PIECES: usize = 4;
const BETWEEN: Duration = Duration::from_millis(3);
/// One piece.
const PIECE: &[u8] = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"instant","choices":[{"index":0,"delta":"#,
    r#"{"content":"the good bread"},"finish_reason":null}]}"#,
    "\n\n"
)
.as_bytes();
/// The fixed answer.
const FIXED: &str = concat!(
    r#"{"id":"c","object":"chat.completion","created":0,"model":"instant","choices":[{"index":0,"message":{"role":"assistant","#,
    r#""content":"On Saturday's list there are also eggs, a bag of flour, dishwasher salt and something for the cat. The eggs were put there "#,
    r#"twice, by two people; one of them may be meant for the cake on Sunday."},"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":70,"completion_tokens":46,"total_tokens":116}}"#
);

/// The server; ends with the process.
#[derive(Debug, Clone)]
pub(super) struct Far {
    address: SocketAddr,
    /// The value of the secret.
    value: String,
    /// How often each numbered request arrived.
    arrived: Arc<Mutex<BTreeMap<u64, u32>>>,
}

impl Far {
    /// Starts the server on threads of its own.
    #[expect(clippy::disallowed_methods, reason = "the server is another machine in real life; here it has threads")]
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let value = format!("sk-{}", Digest::of(b"the value of a bench"));
        let far = Self { address: listener.local_addr()?, value, arrived: Arc::default() };
        let state = web::Data::new(far.clone());
        std::thread::Builder::new().name("far".to_owned()).spawn(move || {
            let served = actix_web::rt::System::new().block_on(async {
                let app = move || {
                    App::new()
                        .app_data(state.clone())
                        .route(ANSWER, web::post().to(answer))
                        .route(SLOW, web::post().to(slow))
                        .route(STREAM, web::post().to(streamed))
                };
                HttpServer::new(app).workers(WORKERS).disable_signals().listen(listener).context("listen")?.run().await.context("serve")
            });
            if let Err(error) = served {
                super::progress(&format!("the server on loopback ended: {error:#}"));
            }
        })?;
        Ok(far)
    }

    /// Its address as the beginning of a URL.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of the secret.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// How often a numbered request arrived.
    pub(super) fn arrived(&self, id: u64) -> u32 {
        self.lock().get(&id).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request carries the secret; counts it when it has a number.
    fn takes(&self, request: &HttpRequest) -> bool {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some(id) = header(ID).and_then(|id| id.parse().ok()) {
            let mut arrived = self.lock();
            let times = arrived.entry(id).or_default();
            *times = times.saturating_add(1);
        }
        header(AUTHORIZATION.as_str()).and_then(|text| text.strip_prefix("Bearer ")) == Some(self.value.as_str())
    }
}

async fn answer(request: HttpRequest, _body: web::Bytes, far: web::Data<Far>) -> HttpResponse {
    if !far.takes(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    HttpResponse::Ok().content_type("application/json").body(FIXED)
}

async fn slow(request: HttpRequest, body: web::Bytes, far: web::Data<Far>) -> HttpResponse {
    let answer = answer(request, body, far).await;
    tokio::time::sleep(WHILE).await;
    answer
}

async fn streamed(request: HttpRequest, _body: web::Bytes, far: web::Data<Far>) -> HttpResponse {
    if !far.takes(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let pieces = stream::unfold(0, |sent| async move {
        if sent > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        (sent < PIECES).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(PIECE)), sent.saturating_add(1)))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(pieces))
}
