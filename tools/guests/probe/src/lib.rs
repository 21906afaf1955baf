//! The probe: uses every door of the house, and does what a tool must not. The house's own tests are made with it.
//!
//! | operation | arguments | does |
//! |---|---|---|
//! | `echo` | any | returns its arguments |
//! | `fetch` | `url` | GET, returns status and text |
//! | `send` | `url`, `text` | POST with the slot `token` as `Authorization: Bearer …` |
//! | `placeholder` | `slot` | returns what `secrets.get` gives |
//! | `keep`, `kept`, `keys` | `key`, `value` | key-value |
//! | `recall` | `query`, `limit` | searches the memory |
//! | `random`, `now` | `bytes` | chance as hex; wall and monotonic clock |
//! | `tell` | `line` | log and progress |
//! | `fail` | `kind` | answers that failure |
//! | `spin`, `grow`, `crash`, `deep` | | never ends; never has enough; panics; recurses without end |
//! | `flood` | `lines` (10⁶) | log lines |
//! | `big` | `bytes` (256 MiB) | a text so long |
//! | `wait` | `url` | GET, reads the body to its end and returns its length |
//! | `hold` | `url`, `count` (10⁶) | GETs and keeps every body open |
//! | `fields` | `url`, `count` (10⁶) | GET with so many header fields |
//! | `nested` | `depth` (100 000) | a JSON part nested so deep |
//! | `not_json` | | a JSON part that is none |
//! | `parts` | `count` (10⁶) | so many parts |

mod hostile;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use hearth_tool::{
    Answer, Context, Effect, Failure, Operation, Role, Tool, Trust, clock, http, kv, log, memory, progress, random, secrets,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest page that is returned, in bytes.
const PAGE_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Fetch {
    url: String,
}

#[derive(Deserialize)]
struct Send {
    url: String,
    text: String,
}

#[derive(Deserialize)]
struct Slot {
    slot: String,
}

#[derive(Deserialize)]
struct Keep {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
struct Recall {
    query: String,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Bytes {
    bytes: Option<u32>,
}

#[derive(Deserialize)]
struct Line {
    line: String,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

fn echo(arguments: Value, context: &Context) -> Result<Answer, Failure> {
    Ok(json!({
        "arguments": arguments,
        "call": context.call,
        "member": context.member,
        "locale": context.locale,
        "zone": context.zone,
        "deadline_ms": context.deadline_ms,
    })
    .into())
}

fn fetch(fetch: Fetch, _context: &Context) -> Result<Answer, Failure> {
    let response = http::get(fetch.url)?;
    let status = response.status;
    Ok(json!({ "status": status, "text": response.text_limited(PAGE_BYTES)? }).into())
}

fn send(send: Send, context: &Context) -> Result<Answer, Failure> {
    let request = http::Request::post(send.url)
        .header("authorization", format!("Bearer {}", secrets::slot("token")?))
        .header("idempotency-key", context.call.clone())
        .body(send.text);
    let response = request.send()?;
    let status = response.status;
    Ok(json!({ "status": status, "text": response.text_limited(PAGE_BYTES)? }).into())
}

fn placeholder(slot: Slot, _context: &Context) -> Result<Answer, Failure> {
    Ok(secrets::slot(&slot.slot)?.into())
}

fn keep(keep: Keep, _context: &Context) -> Result<Answer, Failure> {
    kv::set(&keep.key, keep.value.as_bytes())?;
    Ok("kept".into())
}

fn kept(key: Key, _context: &Context) -> Result<Answer, Failure> {
    let value = kv::get(&key.key)?.ok_or_else(|| Failure::not_found("nothing is kept under this key"))?;
    Ok(String::from_utf8_lossy(&value).into_owned().into())
}

fn keys(key: Key, _context: &Context) -> Result<Answer, Failure> {
    Ok(json!(kv::keys(&key.key)?).into())
}

fn recall(recall: Recall, _context: &Context) -> Result<Answer, Failure> {
    let found = memory::search(&recall.query, recall.limit.unwrap_or(5))?;
    let found: Vec<Value> = found.into_iter().map(|found| json!({ "text": found.text, "age_s": found.age_s })).collect();
    Ok(json!(found).into())
}

fn chance(bytes: Bytes, _context: &Context) -> Result<Answer, Failure> {
    let hex = random::bytes(bytes.bytes.unwrap_or(16)).iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _written = write!(hex, "{byte:02x}");
        hex
    });
    Ok(hex.into())
}

fn now(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    let elapsed_ns = u64::try_from(clock::elapsed().as_nanos()).unwrap_or(u64::MAX);
    Ok(json!({ "wall_ms": clock::now_ms(), "monotonic_ns": elapsed_ns }).into())
}

fn tell(line: Line, _context: &Context) -> Result<Answer, Failure> {
    log!(info, "{}", line.line);
    progress(&line.line);
    Ok("told".into())
}

fn fail(kind: Kind, _context: &Context) -> Result<Answer, Failure> {
    let why = "as it was asked to";
    Err(match kind.kind.as_str() {
        "bad_arguments" => Failure::bad_arguments(why),
        "not_found" => Failure::not_found(why),
        "unavailable" => Failure::unavailable(why),
        "denied" => Failure::denied(why),
        _ => Failure::failed(why),
    })
}

fn texts(names: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "required": names, "properties": properties, "additionalProperties": false })
}

fn tool() -> Tool {
    let tool = Tool::new()
        .with(
            Operation::new("echo", Effect::Read, echo)
                .describe("Returns its arguments and the call's context.")
                .parameters(|| json!({ "type": "object" }))
                .field("/call", Trust::Service)
                .field("/arguments", Trust::Member)
                .idempotent(),
        )
        .with(
            Operation::new("fetch", Effect::Read, fetch)
                .describe("Gets a page and returns its status and text.")
                .parameters(|| texts(&["url"]))
                .argument("/url", Role::Url)
                .field("/status", Trust::Service)
                .idempotent(),
        )
        .with(
            Operation::new("send", Effect::ExternalSend, send)
                .describe("Posts a text with the secret `token` in a header.")
                .parameters(|| texts(&["url", "text"]))
                .argument("/url", Role::Url)
                .argument("/text", Role::Content)
                .field("/status", Trust::Service),
        )
        .with(
            Operation::new("placeholder", Effect::Read, placeholder)
                .describe("Returns what stands for a secret.")
                .parameters(|| texts(&["slot"]))
                .argument("/slot", Role::SecretRef)
                .idempotent(),
        )
        .with(
            Operation::new("keep", Effect::WriteOwn, keep)
                .describe("Keeps a value under a key.")
                .parameters(|| texts(&["key", "value"]))
                .argument("/key", Role::Id)
                .argument("/value", Role::Content)
                .idempotent(),
        )
        .with(
            Operation::new("kept", Effect::Read, kept)
                .describe("Returns what is kept under a key.")
                .parameters(|| texts(&["key"]))
                .argument("/key", Role::Id)
                .idempotent(),
        )
        .with(
            Operation::new("keys", Effect::Read, keys)
                .describe("Lists the keys that begin so.")
                .parameters(|| texts(&["key"]))
                .argument("/key", Role::Id)
                .idempotent(),
        )
        .with(
            Operation::new("recall", Effect::Read, recall)
                .describe("Searches the house's memory.")
                .parameters(|| {
                    let properties = json!({ "query": { "type": "string" }, "limit": { "type": "integer", "minimum": 1 } });
                    json!({ "type": "object", "required": ["query"], "properties": properties, "additionalProperties": false })
                })
                .argument("/query", Role::Content)
                .idempotent(),
        );
    hostile::operations(small(tool))
}

fn small(tool: Tool) -> Tool {
    tool.with(
        Operation::new("random", Effect::Read, chance)
            .describe("Random bytes in hex.")
            .parameters(|| json!({ "type": "object", "properties": { "bytes": { "type": "integer", "minimum": 0 } } }))
            .argument("/bytes", Role::Amount),
    )
    .with(Operation::new("now", Effect::Read, now).describe("The clocks.").field("/wall_ms", Trust::Service).idempotent())
    .with(
        Operation::new("tell", Effect::Read, tell)
            .describe("Writes a line into the log and as progress.")
            .parameters(|| texts(&["line"]))
            .argument("/line", Role::Content)
            .idempotent(),
    )
    .with(
        Operation::new("fail", Effect::Read, fail)
            .describe("Answers a failure of this kind.")
            .parameters(|| texts(&["kind"]))
            .argument("/kind", Role::Id)
            .idempotent(),
    )
}

#[cfg(not(target_arch = "wasm32"))]
hearth_tool::export!(tool);
#[cfg(target_arch = "wasm32")]
mod raw;
