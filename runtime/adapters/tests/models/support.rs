//! What the tests of the providers share.

#![expect(clippy::unwrap_used, reason = "in a test a failure is the message")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_adapters::models::config::{Bounds, Kind, Prices, ProviderConfig};
use hearth_adapters::models::remote::RemoteModel;
use hearth_domain::budget::{Amounts, Charge, Day};
use hearth_domain::household::{MemberId, Role};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::message::Part;
use hearth_domain::model::{DeltaSink, Model, ModelError, ModelReply, ModelRequest, Utterance};
use hearth_domain::tool::{Annotations, Effect, ToolSpec};
use hearth_scripted::server::Scripted;
use serde_json::json;

pub(crate) mod broker;

/// The key of every provider here: a canary.
pub(crate) const KEY: &str = "sk-canary-4f1c0b7a9d2e";

/// The four wire formats that are spoken, with `streaming` or without.
pub(crate) const WAYS: [(Kind, bool); 10] = [
    (Kind::Anthropic, true),
    (Kind::Anthropic, false),
    (Kind::Openai, true),
    (Kind::Openai, false),
    (Kind::OpenaiCompatible, true),
    (Kind::OpenaiCompatible, false),
    (Kind::Gemini, true),
    (Kind::Gemini, false),
    (Kind::Ollama, true),
    (Kind::Ollama, false),
];

pub(crate) const BOUNDS: Bounds = Bounds { silence: Duration::from_millis(400), total: Duration::from_secs(3), reply_bytes: 128 * 1024 };

pub(crate) fn config(server: &Scripted, (kind, streaming): (Kind, bool)) -> ProviderConfig {
    let base = match kind {
        Kind::Openai | Kind::OpenaiCompatible | Kind::Openrouter => format!("{}/v1", server.base_url()),
        Kind::Anthropic | Kind::Gemini | Kind::Ollama => server.base_url(),
    };
    ProviderConfig {
        base_url: Some(base),
        key: Some("the-key".to_owned()),
        prices: Some(Prices { input: 3.0, cached: Some(0.3), output: 15.0 }),
        streaming,
        ..ProviderConfig::new("scripted", kind, "test-model")
    }
}

pub(crate) fn model(server: &Scripted, way: (Kind, bool)) -> RemoteModel {
    RemoteModel::new(config(server, way), &broker::ways(), BOUNDS).unwrap()
}

pub(crate) fn said(text: &str) -> Utterance {
    Utterance::User { parts: vec![Part::Text { text: text.to_owned() }] }
}

pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: format!("Runs {name}."),
        parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        effect: Effect::Read,
        idempotent: true,
        annotations: Annotations::default(),
    }
}

pub(crate) fn request(history: Vec<Utterance>) -> Arc<ModelRequest> {
    Arc::new(ModelRequest {
        system: "You are the house.".to_owned(),
        context: "It is Monday.".to_owned(),
        history,
        tools: Arc::new(vec![tool("weather"), tool("clock")]),
        max_output_tokens: 512,
        label: Label { readers: Readers::household(), integrity: Integrity::Member },
        member: "Ada".to_owned(),
        now: "2026-04-21T14:05:00+02:00[Europe/Berlin]".parse().unwrap(),
        cache_key: "conversation-7".to_owned(),
        charge: Charge { member: MemberId::derived(&["ada"]), role: Role::Adult, day: Day::ZERO, turn: None, before: Amounts::default() },
    })
}

/// A sink and what it took in.
pub(crate) fn sink() -> (DeltaSink, Arc<Mutex<Vec<String>>>) {
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let taking = Arc::clone(&pieces);
    (Arc::new(move |piece: &str| taking.lock().unwrap().push(piece.to_owned())), pieces)
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap().block_on(future)
}

/// One completion of a plain question.
pub(crate) fn ask(model: &RemoteModel) -> Result<ModelReply, ModelError> {
    run(model.complete(request(vec![said("hello")]), sink().0))
}
