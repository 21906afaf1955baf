//! The model that the house asks: real HTTP on the loopback, answers that follow from the words, now and then late or cut.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::Result;
use hearth_scripted::script::{Call, Reply, Step};
use hearth_scripted::server::Scripted;
use serde_json::{Value, json};

use super::script::{Deed, LIST, tokens};

/// What the model says when an effect is done.
pub const DONE: &str = "done";
/// One call in so many is cut in its middle the first time.
const CUT_EVERY: u64 = 40;

/// Starts the model.
pub fn start() -> Result<Scripted> {
    let server = Scripted::start()?;
    server.keep(1);
    let mut asked = BTreeMap::new();
    server.respond("", move |request| respond(&request.body, &mut asked));
    Ok(server)
}

/// What to answer. `asked` counts how often each token was asked about.
fn respond(body: &Value, asked: &mut BTreeMap<String, u32>) -> Step {
    let has_tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let empty = Vec::new();
    let messages = body["messages"].as_array().unwrap_or(&empty);
    let last = messages.iter().rposition(|message| message["role"] == "user");
    let text = last.map(|at| text(&messages[at]["content"])).unwrap_or_default();
    // What the house puts around the member's words stands before them.
    let text = text.lines().last().unwrap_or_default();
    let (Some(deed), Some(token), true) = (Deed::of(text), tokens(text).next(), has_tools) else {
        return Step::text("They talked about this and that.");
    };
    let results: Vec<String> = messages
        .iter()
        .skip(last.unwrap_or(0))
        .filter(|message| message["role"] == "tool")
        .map(|message| self::text(&message["content"]))
        .collect();
    let times = asked.entry(token.to_owned()).or_default();
    *times += 1;
    let luck = luck(token);
    let reply = reply(deed, token, &results);
    match () {
        () if deed.shows() => Step::Reply(reply),
        () if luck.is_multiple_of(CUT_EVERY) && *times == 1 => Step::CutAfter { reply, pieces: 2 },
        () if luck.is_multiple_of(3) => Step::Slow { reply, every_ms: 10 * (luck % 2 + 1) },
        () => Step::Reply(reply),
    }
}

fn reply(deed: Deed, token: &str, results: &[String]) -> Reply {
    let note = || Call::new("call-note", "note", &json!({ "text": token }));
    let list = || Call::new("call-list", "list_add", &json!({ "list": LIST, "items": [token] }));
    match (deed, results) {
        (Deed::Note, []) => Reply::calls(vec![note()]),
        (Deed::List, []) => Reply::calls(vec![list()]),
        (Deed::Both, []) => Reply::calls(vec![note(), list()]),
        (Deed::ShowList, []) => Reply::calls(vec![Call::new("call-show", "list_show", &json!({ "list": LIST }))]),
        (Deed::ShowNotes, []) => Reply::calls(vec![Call::new("call-show", "note", &json!({}))]),
        (Deed::ShowList | Deed::ShowNotes, [result, ..]) => Reply::text(result),
        (Deed::Note | Deed::List | Deed::Both, results) if results.iter().any(|result| result.contains("\"error\"")) => {
            Reply::text(&format!("could not {token}"))
        }
        (Deed::Note | Deed::List | Deed::Both, _) => Reply::text(&format!("{DONE} {token}")),
        (Deed::Say | Deed::Command | Deed::Remind, _) => Reply::text(&format!("I hear you say {token} to me")),
    }
}

/// The text of a message's content, in whichever form it is. The member's own words are its last line.
fn text(content: &Value) -> String {
    match content {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// A number that belongs to a token.
fn luck(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

/// The configuration of a house that asks this model, with members for the talkers. Each kill counts as used what it interrupts, and there are
/// more of them in a minute than a household has in its life.
pub fn config(model: &Scripted, members: &[&str]) -> String {
    let members: String = members.iter().map(|name| format!("[[members]]\nname = \"{name}\"\n")).collect();
    format!(
        "[house]\nzone = \"UTC\"\n[web]\nenabled = false\n{members}[[models]]\nname = \"scripted\"\nkind = \"openai-compatible\"\n\
         model = \"scripted\"\nbase_url = \"{}/v1\"\n{BUDGETS}",
        model.base_url()
    )
}

/// More than can be used.
const BUDGETS: &str = "[budget.owner.day]\ntokens = 1_000_000_000_000\ntool_calls = 1_000_000_000\n\
                       [budget.adult.day]\ntokens = 1_000_000_000_000\ntool_calls = 1_000_000_000\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(messages: Value) -> Step {
        respond(&json!({ "tools": [{}], "messages": messages }), &mut BTreeMap::from([("k1x2".to_owned(), 1)]))
    }

    fn replied(step: Step) -> Reply {
        match step {
            Step::Reply(reply) | Step::Slow { reply, .. } | Step::CutAfter { reply, .. } => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_note_is_called_for_and_then_told_of() {
        let user = json!({ "role": "user", "content": [{ "type": "text", "text": "<context>\nk9x9\n</context>\n\nquux note k1x2" }] });
        let call = replied(ask(json!([user])));
        assert_eq!(call.calls.first().map(|call| call.name.as_str()), Some("note"));
        let result = json!({ "role": "tool", "content": "{\"notes\":[]}" });
        assert!(replied(ask(json!([user, { "role": "assistant" }, result]))).text.starts_with(DONE));
    }
}
