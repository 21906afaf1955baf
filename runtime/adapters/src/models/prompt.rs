//! The request as the wire formats' crate takes it.
//!
//! The prefix (system prompt, tools, history up to the last thing a member said) keeps the same bytes from call to call,
//! so that providers cache it: what varies stands at the head of the member's last words.

use hearth_domain::message::Part;
use hearth_domain::model::{Arguments, ModelRequest, ToolCall, Utterance};
use hearth_domain::tool::ToolSpec;
use rig_core::completion::{AssistantContent, AssistantMessage, CompletionRequest, Message, ToolDefinition};
use rig_core::message::{self, CallId, DocumentSourceKind, Image, ImageMediaType, MimeType};
use rig_core::message::{ToolFunction, ToolName, ToolResult, ToolResultContent, UserContent};
use serde_json::{Value, json};

use crate::models::config::{Kind, ProviderConfig};

/// The whole request.
pub(super) fn completion(config: &ProviderConfig, request: &ModelRequest) -> CompletionRequest {
    let extra = extra(config, &request.cache_key);
    let tools = request.tools.iter().filter_map(tool).collect();
    let mut messages = messages(request.history.clone(), &request.context);
    if !request.system.is_empty() {
        messages.insert(0, Message::system(request.system.clone()));
    }
    CompletionRequest::from(messages)
        .tools(tools)
        .max_tokens(u64::from(request.max_output_tokens))
        .accept_unknown_finish_reasons(true)
        .additional_params(extra)
}

/// What only one provider understands.
fn extra(config: &ProviderConfig, cache_key: &str) -> Option<Value> {
    match config.kind {
        Kind::Openai if !cache_key.is_empty() => Some(json!({ "prompt_cache_key": cache_key })),
        Kind::Ollama => config.context_tokens.map(|tokens| json!({ "num_ctx": tokens })),
        Kind::Openrouter => Some(json!({ "usage": { "include": true } })),
        Kind::Openai | Kind::Anthropic | Kind::Gemini | Kind::OpenaiCompatible => None,
    }
}

/// A tool without a name cannot be called and is left out.
fn tool(spec: &ToolSpec) -> Option<ToolDefinition> {
    let name = ToolName::new(spec.name.clone()).ok()?;
    Some(ToolDefinition::new(name, spec.description.clone(), spec.parameters.clone()))
}

/// The history as messages: results that follow each other are one message, as the calls they answer were.
fn messages(history: Vec<Utterance>, context: &str) -> Vec<Message> {
    let last_words = history.iter().rposition(|utterance| matches!(utterance, Utterance::User { .. }));
    let mut messages = Vec::with_capacity(history.len() + 1);
    let mut results = Vec::new();
    for (at, utterance) in history.into_iter().enumerate() {
        if let Utterance::ToolResult { call, name, content } = utterance {
            results.extend(result(call, &name, content));
            continue;
        }
        user(&mut messages, std::mem::take(&mut results));
        match utterance {
            Utterance::User { parts } => {
                let context = if last_words == Some(at) { context } else { "" };
                user(&mut messages, words(parts, context));
            }
            Utterance::Assistant { text, calls } => assistant(&mut messages, text, calls),
            Utterance::ToolResult { .. } => {}
        }
    }
    user(&mut messages, results);
    if last_words.is_none() {
        user(&mut messages, words(Vec::new(), context));
    }
    messages
}

fn user(messages: &mut Vec<Message>, content: Vec<UserContent>) {
    if !content.is_empty() {
        messages.push(Message::User { content });
    }
}

fn assistant(messages: &mut Vec<Message>, text: String, calls: Vec<ToolCall>) {
    let text = (!text.is_empty()).then(|| AssistantContent::text(text));
    let content: Vec<AssistantContent> = text.into_iter().chain(calls.into_iter().filter_map(call)).collect();
    if !content.is_empty() {
        messages.push(Message::Assistant(AssistantMessage::new(content)));
    }
}

fn call(call: ToolCall) -> Option<AssistantContent> {
    let name = ToolName::new(call.name).ok()?;
    let function = match call.arguments {
        Arguments::Json(arguments) => ToolFunction::new(name, arguments),
        Arguments::Malformed(text) => ToolFunction::parse(name, &text),
    };
    Some(AssistantContent::ToolCall(message::ToolCall::from_wire(call.id, function)))
}

fn result(call: String, name: &str, content: String) -> Option<UserContent> {
    let name = ToolName::new(name).ok()?;
    let content = vec![ToolResultContent::text(content)];
    Some(UserContent::ToolResult(ToolResult { call: CallId::from_wire(call), name, content, is_error: false }))
}

/// What a member said, with the context as the head of its text.
fn words(parts: Vec<Part>, context: &str) -> Vec<UserContent> {
    let mut text = if context.is_empty() { String::new() } else { format!("<context>\n{context}\n</context>\n\n") };
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::Text { text: said } => {
                text.push_str(&said);
                content.push(UserContent::text(std::mem::take(&mut text)));
            }
            Part::Image { media_type, base64 } => content.push(picture(&media_type, base64)),
        }
    }
    if !text.is_empty() {
        content.insert(0, UserContent::text(text));
    }
    content
}

/// A picture; one of a kind that no provider reads is named instead.
fn picture(media_type: &str, base64: String) -> UserContent {
    match ImageMediaType::from_mime_type(media_type) {
        Some(kind) => UserContent::Image(Image { data: DocumentSourceKind::Base64(base64), media_type: Some(kind), ..Image::default() }),
        None => UserContent::text("[a picture of a kind that cannot be shown]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Utterance {
        Utterance::User { parts: vec![Part::Text { text: text.to_owned() }] }
    }

    fn check(history: Vec<Utterance>, context: &str, expected: &[(&str, usize)]) {
        let seen: Vec<(&str, usize)> = messages(history, context).iter().map(shape).collect();
        assert_eq!(seen, expected);
    }

    fn shape(message: &Message) -> (&'static str, usize) {
        match message {
            Message::System { .. } => ("system", 1),
            Message::User { content } => ("user", content.len()),
            Message::Assistant(turn) => ("assistant", turn.content.len()),
        }
    }

    #[test]
    fn results_in_a_row_become_one_message() {
        let call = |id: &str| ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: Arguments::Json(json!({})) };
        let result = |id: &str| Utterance::ToolResult { call: id.to_owned(), name: "look".to_owned(), content: "{}".to_owned() };
        let both = Utterance::Assistant { text: String::new(), calls: vec![call("a"), call("b")] };
        check(vec![said("hi"), both, result("a"), result("b")], "", &[("user", 1), ("assistant", 2), ("user", 2)]);
    }

    #[test]
    fn an_empty_turn_of_the_house_is_left_out() {
        let silent = Utterance::Assistant { text: String::new(), calls: Vec::new() };
        check(vec![said("hi"), silent, said("well?")], "", &[("user", 1), ("user", 1)]);
    }

    #[test]
    fn the_context_heads_the_last_words_only() {
        let messages = messages(vec![said("one"), said("two")], "It is Monday.");
        let texts: Vec<String> = messages.iter().filter_map(Message::rag_text).collect();
        assert_eq!(texts, ["one", "<context>\nIt is Monday.\n</context>\n\ntwo"]);
    }

    #[test]
    fn a_picture_without_words_carries_the_context_before_it() {
        let picture = Part::Image { media_type: "image/png".to_owned(), base64: "AAAA".to_owned() };
        check(vec![Utterance::User { parts: vec![picture] }], "now", &[("user", 2)]);
    }

    #[test]
    fn a_history_without_a_member_s_words_still_gets_the_context() {
        check(Vec::new(), "now", &[("user", 1)]);
    }
}
