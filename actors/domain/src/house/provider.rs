//! House commands as a model provider: a request in, a reply out, nothing in between.
//!
//! A turn has two completions. The first reads what the member said and calls the tool that an LLM would call; the
//! second sees the tool's result and says it. Which of the two it is can be told from the request alone.

use serde_json::{Value, json};

use super::{HouseContext, Interpretation, answer, fallback_query, help, interpret, no_model_note};
use crate::message::Part;
use crate::model::{Arguments, ModelError, ModelReply, ModelRequest, StopReason, ToolCall, Usage, Utterance};

/// The name in [`ModelReply::provider`].
pub const NAME: &str = "house";
/// The id of the one call of a turn.
pub const CALL: &str = "house-1";

/// Why nobody but the house answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoModel {
    /// No language model is configured.
    NotConfigured,
    /// All that are configured have failed.
    AllDown,
}

/// Where in the chain of providers the house stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the language models: what is no command is theirs.
    First,
    /// After them: somebody has to answer.
    Last(NoModel),
}

/// One completion.
///
/// # Errors
///
/// [`ModelError::NotACommand`] at the first place, for everything that is no command, has pictures, or is a turn that
/// another provider began. Never at the last place.
pub fn complete(request: &ModelRequest, place: Place) -> Result<ModelReply, ModelError> {
    let turn = Turn::of(request);
    let cx = HouseContext { now: &request.now, member: &request.member };
    match (turn.began, place) {
        (Began::Nothing, _) if turn.pictures && place == Place::First => Err(ModelError::NotACommand),
        (Began::Nothing, _) => begin(request, &turn.text, &cx, place),
        (Began::Ours { call, result }, _) => Ok(said(finish(&turn.text, call, result, &cx, place))),
        (Began::Theirs, Place::First) => Err(ModelError::NotACommand),
        (Began::Theirs, Place::Last(reason)) => Ok(said(note(reason, None))),
    }
}

/// What has happened since the member spoke last.
enum Began<'a> {
    Nothing,
    Ours { call: &'a ToolCall, result: &'a str },
    Theirs,
}

struct Turn<'a> {
    text: String,
    pictures: bool,
    began: Began<'a>,
}

impl<'a> Turn<'a> {
    fn of(request: &'a ModelRequest) -> Self {
        let words = request.history.iter().rposition(|utterance| matches!(utterance, Utterance::User { .. }));
        let (parts, since) = match words.and_then(|at| request.history.get(at..)) {
            Some([Utterance::User { parts }, since @ ..]) => (parts.as_slice(), since),
            _ => (&[] as &[Part], request.history.as_slice()),
        };
        let texts = parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } => None,
        });
        let text = texts.collect::<Vec<_>>().join("\n");
        Self { text, pictures: parts.iter().any(|part| matches!(part, Part::Image { .. })), began: began(since) }
    }
}

fn began(since: &[Utterance]) -> Began<'_> {
    match since {
        [] => Began::Nothing,
        [Utterance::Assistant { calls, .. }, Utterance::ToolResult { call: id, content, .. }] => match calls.as_slice() {
            [call] if call.id == CALL && id == CALL => Began::Ours { call, result: content },
            _ => Began::Theirs,
        },
        _ => Began::Theirs,
    }
}

fn begin(request: &ModelRequest, text: &str, cx: &HouseContext<'_>, place: Place) -> Result<ModelReply, ModelError> {
    let offered = |tool: &str| request.tools.iter().any(|spec| spec.name == tool);
    let hint = match interpret(text, cx) {
        Interpretation::Call(call) if offered(call.tool) => return Ok(called(call.tool, call.args)),
        Interpretation::Help => return Ok(said(help())),
        Interpretation::Refused(why) => return Ok(said(why)),
        Interpretation::Call(_) => None,
        Interpretation::NotUnderstood { hint } => hint,
    };
    match (place, fallback_query(text)) {
        (Place::First, _) => Err(ModelError::NotACommand),
        (Place::Last(_), Some(query)) if hint.is_none() && offered("recall") => Ok(called("recall", json!({ "query": query }))),
        (Place::Last(reason), _) => Ok(said(note(reason, hint))),
    }
}

/// What to say about a result. A search that nobody commanded and that found nothing is not worth telling.
fn finish(text: &str, call: &ToolCall, result: &str, cx: &HouseContext<'_>, place: Place) -> String {
    let result: Value = serde_json::from_str(result).unwrap_or_else(|_| json!({ "error": result }));
    let commanded = !matches!(interpret(text, cx), Interpretation::NotUnderstood { .. });
    let found = result.get("found").and_then(Value::as_array).is_some_and(|found| !found.is_empty());
    match place {
        Place::Last(reason) if !commanded && !found => note(reason, None),
        Place::First | Place::Last(_) => {
            let args = match &call.arguments {
                Arguments::Json(args) => args.clone(),
                Arguments::Malformed(_) => Value::Null,
            };
            answer(&call.name, &args, &result, cx)
        }
    }
}

fn note(reason: NoModel, hint: Option<String>) -> String {
    let note = match reason {
        NoModel::AllDown => no_model_note(),
        NoModel::NotConfigured => "No language model is configured, so I only understand the house commands. Say “help” to see them.",
    };
    hint.map_or_else(|| note.to_owned(), |hint| format!("{hint}\n\n{note}"))
}

fn called(tool: &str, args: Value) -> ModelReply {
    let call = ToolCall { id: CALL.to_owned(), name: tool.to_owned(), arguments: Arguments::Json(args) };
    reply(String::new(), vec![call], StopReason::ToolUse)
}

fn said(text: String) -> ModelReply {
    reply(text, Vec::new(), StopReason::End)
}

fn reply(text: String, calls: Vec<ToolCall>, stop: StopReason) -> ModelReply {
    ModelReply { text, calls, usage: Usage::default(), stop, provider: NAME.to_owned() }
}

#[cfg(test)]
mod tests;
