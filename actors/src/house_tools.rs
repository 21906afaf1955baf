//! The house's own tools: memory, notes, lists, reminders, and the house itself. They reach other actors by links and
//! have no effect but there. Their shapes are those of [`hearth_domain::house::tool_specs`].
//!
//! What a call writes has an id derived from the call's, so that a call that is repeated after a crash writes nothing new.

use std::time::Duration;

use hearth_domain::house;
use hearth_domain::ids::{MemoryId, ReminderId};
use hearth_domain::label::Label;
use hearth_domain::limits::Limits;
use hearth_domain::memory::{Memory, MemoryKind, MemorySearch};
use hearth_domain::sandbox::Role;
use hearth_domain::schedule::{Every, Reminder, ReminderState};
use hearth_domain::time::Zoned;
use hearth_domain::tool::{Annotations, Effect, Invocation, ToolError, ToolOutput, ToolSpec};
use hearth_supervisor::link::{AskError, Link};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::channel::LOCAL;
use crate::household::Who;
use crate::inquire::Inquire;
use crate::memory::{Entries, Forget, Keep, Recall};
use crate::scheduler::{Pending, Remind};

/// The names of the tools that are handled here.
const NAMES: [&str; 9] = ["remember", "recall", "forget", "remind", "list_add", "list_show", "list_tick", "note", "house"];

/// The house's own tools.
#[derive(Debug, Clone)]
pub struct HouseTools {
    /// To memory.
    pub recall: Link<Recall>,
    /// To memory.
    pub keep: Link<Keep>,
    /// To memory.
    pub forget: Link<Forget>,
    /// To memory.
    pub entries: Link<Entries>,
    /// To the scheduler.
    pub remind: Link<Remind>,
    /// To the scheduler.
    pub pending: Link<Pending>,
    /// To the household.
    pub who: Link<Who>,
    /// What the house says of itself.
    pub inquire: Inquire,
    /// The bounds.
    pub limits: Limits,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Query {
    query: String,
}

#[derive(Deserialize)]
struct At {
    text: String,
    at: String,
    every: Option<Every>,
}

#[derive(Deserialize)]
struct Add {
    list: String,
    items: Vec<String>,
}

#[derive(Deserialize)]
struct Show {
    list: Option<String>,
}

#[derive(Deserialize)]
struct Tick {
    list: Option<String>,
    item: String,
}

#[derive(Deserialize)]
struct Note {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Topic {
    Who,
    Status,
    Reminders,
}

#[derive(Deserialize)]
struct About {
    about: Topic,
}

/// The tools as models see them, with what they do to the world. `clock` is among them and belongs to the tool port.
#[must_use]
pub fn specs() -> Vec<ToolSpec> {
    let effect = |name: &str| match name {
        "recall" | "list_show" | "clock" | "house" => Effect::Read,
        _ => Effect::WriteOwn,
    };
    let spec = |tool: house::HouseToolSpec| ToolSpec {
        effect: effect(tool.name),
        name: tool.name.to_owned(),
        description: tool.description.to_owned(),
        parameters: tool.schema,
        idempotent: true,
        annotations: annotations(tool.name),
    };
    house::tool_specs().into_iter().map(spec).collect()
}

/// What their arguments are for. What is written down is the member's own; what takes something away, or will be said again and again, is not
/// left to what the house has read outside.
fn annotations(name: &str) -> Annotations {
    let arguments: &[(&str, Role)] = match name {
        "forget" => &[("/query", Role::Id)],
        "remind" => &[("/text", Role::Content), ("/at", Role::Schedule), ("/every", Role::Schedule)],
        "remember" | "note" => &[("/text", Role::Content)],
        "list_add" => &[("/list", Role::Content), ("/items", Role::Content)],
        "list_tick" => &[("/list", Role::Content), ("/item", Role::Content)],
        _ => &[],
    };
    Annotations { arguments: arguments.iter().map(|(pointer, role)| ((*pointer).to_owned(), *role)).collect(), ..Annotations::default() }
}

impl HouseTools {
    /// Whether the tool is handled here.
    #[must_use]
    pub fn knows(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// Runs a call.
    pub async fn call(self, call: Invocation) -> Result<ToolOutput, ToolError> {
        match call.name.as_str() {
            "remember" => self.remember(&call).await,
            "recall" => self.recall(&call).await,
            "forget" => self.forget(&call).await,
            "remind" => self.remind(&call).await,
            "list_add" => self.list_add(&call).await,
            "list_show" => self.list_show(&call).await,
            "list_tick" => self.list_tick(&call).await,
            "note" => self.note(&call).await,
            "house" => self.house(&call).await,
            _ => Err(ToolError::Unknown),
        }
    }

    const fn deadline(&self) -> Duration {
        self.limits.commit_deadline
    }

    async fn remember(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Text { text } = arguments(call)?;
        let memory = self.entry(call, 0, MemoryKind::Fact, text)?;
        let id = memory.id;
        self.keep(memory).await?;
        Ok(own(call, json!({ "id": id })))
    }

    async fn recall(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Query { query } = arguments(call)?;
        let hits = self.search(call, query).await?;
        let label = Label::join_all(hits.iter().map(|memory| &memory.label)).join(&call.label);
        let zone = call.member.time_zone();
        let found: Vec<_> =
            hits.iter().map(|memory| json!({ "text": memory.text, "when": memory.at.to_zoned(zone.clone()).to_string() })).collect();
        Ok(ToolOutput { value: json!({ "found": found }), label })
    }

    async fn forget(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Query { query } = arguments(call)?;
        let mut hits = self.search(call, query).await?;
        hits.retain(|memory| memory.member == call.member.id);
        let label = Label::join_all(hits.iter().map(|memory| &memory.label)).join(&call.label);
        let value = match hits.as_slice() {
            [one] => {
                answered(self.forget.ask(Forget(one.clone()), self.deadline()).await)?;
                json!({ "forgotten": [one.text], "candidates": [] })
            }
            several => json!({ "forgotten": [], "candidates": several.iter().map(|memory| &memory.text).collect::<Vec<_>>() }),
        };
        Ok(ToolOutput { value, label })
    }

    async fn remind(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let At { text, at, every } = arguments(call)?;
        let at: Zoned = at
            .parse()
            .map_err(|_| ToolError::BadArguments("`at` is not a time such as 2026-04-21T14:05:00+02:00[Europe/Berlin]".to_owned()))?;
        // Measured against when it was asked for: a call that a crash interrupted, and that is repeated later, may have set it already.
        if at.timestamp() <= call.decided && every.is_none() {
            return Err(ToolError::Failed("that time has passed".to_owned()));
        }
        let id = ReminderId::derived(&[&call.id.to_string()]);
        let reminder = Reminder {
            id,
            member: call.member.id,
            conversation: call.conversation,
            channel: LOCAL.to_owned(),
            text: self.bounded(text)?,
            label: call.label.clone(),
            due: at.timestamp(),
            first: at.timestamp(),
            zone: at.time_zone().iana_name().unwrap_or(&call.member.zone).to_owned(),
            every,
            state: ReminderState::Pending,
        };
        answered(self.remind.ask(Remind(reminder), self.deadline()).await)?;
        Ok(own(call, json!({ "id": id, "at": at.to_string() })))
    }

    async fn list_add(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Add { list, items } = arguments(call)?;
        let list = list_name(&list)?;
        let (known, _) = self.items(call, Some(&list)).await?;
        let mut added: Vec<String> = Vec::new();
        for (n, item) in items.into_iter().enumerate() {
            let there = known.iter().any(|memory| !done(memory) && same(&memory.text, &item));
            if there || added.iter().any(|other| same(other, &item)) {
                continue;
            }
            let kind = MemoryKind::Item { list: list.clone(), done: false };
            self.keep(self.entry(call, n, kind, item.clone())?).await?;
            added.push(item);
        }
        Ok(own(call, json!({ "added": added })))
    }

    async fn list_show(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Show { list } = arguments(call)?;
        let list = list.as_deref().map(list_name).transpose()?;
        let (items, label) = self.items(call, list.as_deref()).await?;
        let value = match list {
            Some(list) => {
                let items: Vec<_> = items.iter().map(|memory| json!({ "text": memory.text, "done": done(memory) })).collect();
                json!({ "list": list, "items": items })
            }
            None => {
                let names: std::collections::BTreeSet<_> = items.iter().filter_map(list_of).collect();
                json!({ "lists": names })
            }
        };
        Ok(ToolOutput { value, label })
    }

    async fn list_tick(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Tick { list, item } = arguments(call)?;
        let list = list.as_deref().map(list_name).transpose()?;
        let (items, label) = self.items(call, list.as_deref()).await?;
        let (ticked, open): (Vec<_>, Vec<_>) = items.into_iter().partition(done);
        let exact: Vec<_> = open.iter().filter(|memory| same(&memory.text, &item)).cloned().collect();
        let near = || open.iter().filter(|memory| memory.text.to_lowercase().contains(&item.to_lowercase())).cloned().collect();
        // The same call again, after a crash, must not take something that is only alike.
        if let Some(already) = ticked.iter().find(|memory| exact.is_empty() && same(&memory.text, &item)) {
            return Ok(ToolOutput { value: json!({ "ticked": already.text, "candidates": [] }), label });
        }
        let matching: Vec<Memory> = if exact.is_empty() { near() } else { exact };
        let value = match matching.as_slice() {
            [one] => {
                let MemoryKind::Item { list, .. } = &one.kind else {
                    return Err(ToolError::Unknown);
                };
                let ticked = Memory { kind: MemoryKind::Item { list: list.clone(), done: true }, ..one.clone() };
                self.keep(ticked).await?;
                json!({ "ticked": one.text, "candidates": [] })
            }
            several => json!({ "ticked": null, "candidates": several.iter().map(|memory| &memory.text).collect::<Vec<_>>() }),
        };
        Ok(ToolOutput { value, label })
    }

    async fn note(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let Note { text } = arguments(call)?;
        if let Some(text) = text {
            let memory = self.entry(call, 0, MemoryKind::Note, text)?;
            self.keep(memory).await?;
        }
        let entries = self.all(call).await?;
        let notes: Vec<_> = entries.into_iter().filter(|memory| memory.kind == MemoryKind::Note).collect();
        let label = Label::join_all(notes.iter().map(|memory| &memory.label)).join(&call.label);
        let texts: Vec<_> = notes.iter().rev().map(|memory| &memory.text).collect();
        Ok(ToolOutput { value: json!({ "notes": texts }), label })
    }

    async fn house(&self, call: &Invocation) -> Result<ToolOutput, ToolError> {
        let About { about } = arguments(call)?;
        let mut label = call.label.clone();
        let value = match about {
            Topic::Who => {
                let members = self.who.ask(Who, self.limits.ask_deadline).await.map_err(lost)?;
                let members: Vec<_> = members.iter().map(|member| json!({ "name": member.name, "role": member.role })).collect();
                json!({ "members": members })
            }
            Topic::Status => json!({ "lines": self.inquire.lines().await }),
            Topic::Reminders => {
                let own = self.pending.ask(Pending(call.member.id), self.limits.ask_deadline).await.map_err(lost)?;
                let zone = call.member.time_zone();
                let line = |reminder: &Reminder| {
                    let mut line = json!({ "text": reminder.text, "at": reminder.due.to_zoned(zone.clone()).to_string() });
                    if let (Some(every), Some(line)) = (reminder.every, line.as_object_mut()) {
                        line.insert("every".to_owned(), json!(every));
                    }
                    line
                };
                // Only what everybody here may read.
                let visible: Vec<_> = own.iter().filter(|reminder| reminder.label.readers.cover(&call.audience)).collect();
                label = Label::join_all(visible.iter().map(|reminder| &reminder.label)).join(&label);
                json!({ "reminders": visible.into_iter().map(line).collect::<Vec<_>>() })
            }
        };
        Ok(ToolOutput { value, label })
    }

    // === helpers ===

    fn bounded(&self, text: String) -> Result<String, ToolError> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(ToolError::BadArguments("the text is empty".to_owned()));
        }
        if text.len() > self.limits.message_bytes {
            return Err(ToolError::BadArguments("the text is too long".to_owned()));
        }
        Ok(text)
    }

    fn entry(&self, call: &Invocation, n: usize, kind: MemoryKind, text: String) -> Result<Memory, ToolError> {
        Ok(Memory {
            id: MemoryId::derived(&[&call.id.to_string(), &n.to_string()]),
            member: call.member.id,
            conversation: call.conversation,
            kind,
            text: self.bounded(text)?,
            label: call.label.clone(),
            at: call.decided,
        })
    }

    async fn keep(&self, memory: Memory) -> Result<(), ToolError> {
        answered(self.keep.ask(Keep(memory), self.deadline()).await)
    }

    async fn search(&self, call: &Invocation, words: String) -> Result<Vec<Memory>, ToolError> {
        let search = MemorySearch { words, audience: call.audience.clone(), limit: self.limits.recalled };
        let hits = answered(self.recall.ask(Recall(search), self.limits.ask_deadline).await)?;
        Ok(hits.into_iter().map(|hit| hit.memory).collect())
    }

    async fn all(&self, call: &Invocation) -> Result<Vec<Memory>, ToolError> {
        let asked = Entries { conversation: call.conversation, audience: call.audience.clone() };
        answered(self.entries.ask(asked, self.limits.ask_deadline).await)
    }

    /// The items of a list, or of all, with the label of what was read.
    async fn items(&self, call: &Invocation, list: Option<&str>) -> Result<(Vec<Memory>, Label), ToolError> {
        let mut items = self.all(call).await?;
        items.retain(|memory| list_of(memory).is_some_and(|name| list.is_none_or(|list| list == name)));
        let label = Label::join_all(items.iter().map(|memory| &memory.label)).join(&call.label);
        Ok((items, label))
    }
}

fn arguments<T: serde::de::DeserializeOwned>(call: &Invocation) -> Result<T, ToolError> {
    // The names of missing and unknown fields are ours; values are not repeated.
    serde_json::from_value(call.arguments.clone()).map_err(|error| ToolError::BadArguments(closed(&error)))
}

/// What a serde error says without what it was given.
fn closed(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") { text } else { "a field has the wrong type".to_owned() }
}

fn own(call: &Invocation, value: Value) -> ToolOutput {
    ToolOutput { value, label: call.label.clone() }
}

fn lost(error: AskError) -> ToolError {
    match error {
        AskError::Full | AskError::Down => ToolError::Busy,
        AskError::TimedOut => ToolError::TimedOut,
        AskError::Lost => ToolError::Lost,
    }
}

fn answered<T, E: std::fmt::Display>(answer: Result<Result<T, E>, AskError>) -> Result<T, ToolError> {
    answer.map_err(lost)?.map_err(|error| ToolError::Failed(error.to_string()))
}

fn list_name(name: &str) -> Result<String, ToolError> {
    let name = name.trim().to_lowercase();
    if name.is_empty() || name.len() > 64 {
        return Err(ToolError::BadArguments("the list's name is empty or too long".to_owned()));
    }
    Ok(name)
}

fn list_of(memory: &Memory) -> Option<&str> {
    match &memory.kind {
        MemoryKind::Item { list, .. } => Some(list),
        MemoryKind::Fact | MemoryKind::Note => None,
    }
}

const fn done(memory: &Memory) -> bool {
    matches!(memory.kind, MemoryKind::Item { done: true, .. })
}

fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}
