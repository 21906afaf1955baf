//! The wire formats: how each says a reply, whole or in pieces.

use serde_json::{Value, json};

use crate::script::{Call, Ending, Reply};

mod anthropic;
mod gemini;
mod ollama;
mod openai;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// OpenAI's Chat Completions.
    Openai,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's GenerateContent.
    Gemini,
    /// Ollama's `/api/chat`.
    Ollama,
}

impl Format {
    /// The provider (what stands before the format's own path) and the format of a path.
    pub(crate) fn of(path: &str) -> Option<(String, Self)> {
        let path = path.split('?').next().unwrap_or_default();
        let ends = [
            ("/v1/chat/completions", Self::Openai),
            ("/chat/completions", Self::Openai),
            ("/v1/messages", Self::Anthropic),
            ("/api/chat", Self::Ollama),
        ];
        let gemini = path.split_once("/v1beta/models/").map(|(provider, _)| (provider, Self::Gemini));
        let fixed = ends.iter().find_map(|(end, format)| Some((path.strip_suffix(end)?, *format)));
        let (provider, format) = fixed.or(gemini)?;
        Some((provider.trim_matches('/').to_owned(), format))
    }

    /// Whether the request asks for pieces.
    pub(crate) fn streamed(self, path: &str, body: &Value) -> bool {
        match self {
            Self::Gemini => path.contains(":streamGenerateContent"),
            Self::Ollama => body["stream"].as_bool().unwrap_or(true),
            Self::Openai | Self::Anthropic => body["stream"].as_bool().unwrap_or(false),
        }
    }

    /// The reply as one body.
    pub(crate) fn whole(self, reply: &Reply, body: &Value) -> String {
        let model = body["model"].as_str().unwrap_or("scripted");
        match self {
            Self::Openai => openai::whole(reply, model),
            Self::Anthropic => anthropic::whole(reply, model),
            Self::Gemini => gemini::whole(reply),
            Self::Ollama => ollama::whole(reply, model),
        }
        .to_string()
    }

    /// The reply in pieces, as they go over the wire.
    pub(crate) fn pieces(self, reply: &Reply, body: &Value) -> Vec<String> {
        let model = body["model"].as_str().unwrap_or("scripted");
        match self {
            Self::Openai => openai::pieces(reply, model, body["stream_options"]["include_usage"] == true),
            Self::Anthropic => anthropic::pieces(reply, model),
            Self::Gemini => gemini::pieces(reply),
            Self::Ollama => ollama::pieces(reply, model),
        }
    }

    /// The media type of pieces.
    pub(crate) const fn stream_type(self) -> &'static str {
        match self {
            Self::Ollama => "application/x-ndjson",
            Self::Openai | Self::Anthropic | Self::Gemini => "text/event-stream; charset=utf-8",
        }
    }

    /// An error's body.
    pub(crate) fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::Openai => json!({"error": {"message": message, "type": kind, "param": null, "code": kind}}),
            Self::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
            Self::Gemini => json!({"error": {"code": 400, "message": message, "status": kind}}),
            Self::Ollama => json!({"error": message}),
        }
    }

    /// An error as a piece of a stream.
    pub(crate) fn error_piece(self, kind: &str) -> String {
        let body = self.error(kind, "scripted");
        match self {
            Self::Anthropic => format!("event: error\ndata: {body}\n\n"),
            Self::Ollama => format!("{body}\n"),
            Self::Openai | Self::Gemini => sse(&body),
        }
    }
}

/// A piece of a stream of events.
fn sse(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The text word by word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// The arguments in two halves, as providers cut them: anywhere.
fn halves(text: &str) -> [&str; 2] {
    let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (first, second) = text.split_at(middle);
    [first, second]
}

/// The word for how it ends: `[done, tools, length, filtered]`.
fn ending<'a>(reply: &Reply, [done, tools, length, filtered]: [&'a str; 4]) -> Option<&'a str> {
    match reply.ending {
        Ending::Missing => None,
        Ending::Length => Some(length),
        Ending::Filtered => Some(filtered),
        Ending::Natural | Ending::Refused => Some(if reply.calls.is_empty() { done } else { tools }),
    }
}

/// Arguments as a JSON value, for formats that have no other way.
fn arguments(call: &Call) -> Value {
    serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::String(call.arguments.clone()))
}
