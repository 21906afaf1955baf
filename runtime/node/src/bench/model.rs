//! A scripted model that answers at once: a real HTTP server on loopback that speaks OpenAI's streamed chat completions.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use serde_json::{Value, json};

/// How a message begins upon which the model calls a tool with an effect.
pub(super) const KEEP: &str = "please keep";
/// That tool.
const TOOL: &str = "note";

/// What the server knows of the requests so far.
#[derive(Debug, Default)]
struct Seen {
    /// The server's own time for each request, by the text that was asked.
    own: BTreeMap<String, Duration>,
    /// The body of the last request.
    last: String,
}

/// The server; ends with the process.
#[derive(Debug, Clone)]
pub(super) struct Model {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Model {
    /// Starts the server on a thread of its own.
    #[expect(clippy::disallowed_methods, reason = "the model is another machine in real life; here it has a thread")]
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let model = Self { address: listener.local_addr()?, seen: Arc::default() };
        let state = web::Data::new(model.clone());
        std::thread::Builder::new().name("model".to_owned()).spawn(move || {
            let served = actix_web::rt::System::new().block_on(async {
                let app = move || {
                    App::new()
                        .app_data(state.clone())
                        .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                        .route("/v1/chat/completions", web::post().to(complete))
                };
                HttpServer::new(app).workers(1).disable_signals().listen(listener).context("listen")?.run().await.context("serve")
            });
            if let Err(error) = served {
                super::progress(&format!("the scripted model ended: {error:#}"));
            }
        })?;
        Ok(model)
    }

    /// The configuration of a house that uses it.
    pub(super) fn config(&self) -> String {
        format!(
            "[house]\nzone = \"UTC\"\n[web]\nenabled = false\n[[members]]\nname = \"Bench\"\n[[models]]\nname = \"scripted\"\n\
             kind = \"openai-compatible\"\nmodel = \"instant\"\nbase_url = \"http://{}/v1\"\n\
             [budget.owner.day]\ntokens = 1_000_000_000_000\n",
            self.address
        )
    }

    /// How long the server itself took over this text.
    pub(super) fn own_time(&self, text: &str) -> Duration {
        self.lock().own.remove(text).unwrap_or_default()
    }

    /// The body of the last request.
    pub(super) fn last_body(&self) -> String {
        self.lock().last.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn complete(body: web::Bytes, model: web::Data<Model>) -> HttpResponse {
    let began = Instant::now();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = asked(&request);
    let chunk = |delta: Value, finish: Option<&str>| {
        format!(
            "data: {}\n\n",
            json!({ "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "instant",
                "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
        )
    };
    let usage = json!({ "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "instant", "choices": [],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 } });
    let (said, stop) = match text.starts_with(KEEP) && !is_answer_to_tool(&request) {
        true => (json!({ "tool_calls": [call(&text)] }), "tool_calls"),
        false => (json!({ "content": "Hello." }), "stop"),
    };
    let stream = format!(
        "{}{}{}data: {usage}\n\ndata: [DONE]\n\n",
        chunk(json!({ "role": "assistant", "content": "" }), None),
        chunk(said, None),
        chunk(json!({}), Some(stop))
    );
    let mut seen = model.lock();
    seen.last = String::from_utf8_lossy(&body).into_owned();
    let own = seen.own.entry(text).or_default();
    *own = own.saturating_add(began.elapsed());
    HttpResponse::Ok().content_type("text/event-stream").body(stream)
}

/// A call that keeps the text.
fn call(text: &str) -> Value {
    json!({ "index": 0, "id": "call-1", "type": "function", "function": { "name": TOOL, "arguments": json!({ "text": text }).to_string() } })
}

/// Whether the model has called its tool already.
fn is_answer_to_tool(request: &Value) -> bool {
    let last = request.get("messages").and_then(Value::as_array).and_then(|messages| messages.last());
    last.and_then(|message| message.get("role")).and_then(Value::as_str) == Some("tool")
}

/// The last line of the last thing that the member said: what the house puts around it stands before it.
fn asked(request: &Value) -> String {
    let messages = request.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let last = messages.iter().rev().find(|message| message.get("role").and_then(Value::as_str) == Some("user"));
    let content = last.and_then(|message| message.get("content"));
    let text = match content {
        Some(Value::Array(parts)) => parts.iter().rev().find_map(|part| part.get("text").and_then(Value::as_str)),
        other => other.and_then(Value::as_str),
    };
    text.and_then(|text| text.lines().last()).unwrap_or_default().trim().to_owned()
}
