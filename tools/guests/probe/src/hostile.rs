//! What a tool must not do. Nothing here is compiled away: every loop hands what it has to `black_box`.

use std::hint::black_box;

use hearth_tool::{Answer, Context, Effect, Failure, Operation, Part, Role, Tool, http, log};
use serde::Deserialize;
use serde_json::{Value, json};

/// What `grow` asks for at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
pub(crate) struct Count {
    #[serde(alias = "lines", alias = "bytes")]
    count: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    url: String,
    count: Option<usize>,
}

fn spin(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns).wrapping_add(1);
    }
}

fn grow(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written to, so that the pages are there.
        pieces.push(black_box(vec![1; PIECE_BYTES]));
    }
}

#[expect(clippy::panic, reason = "this is the operation")]
fn crash(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    panic!("the probe crashed, as it was asked to")
}

#[expect(unconditional_recursion, reason = "this is the operation")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    let below = deeper(black_box(depth.wrapping_add(1)));
    below.wrapping_add(black_box(frame).iter().copied().fold(0, u64::wrapping_add))
}

fn deep(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    Ok(json!(deeper(0)).into())
}

fn flood(count: Count, _context: &Context) -> Result<Answer, Failure> {
    for line in 0..count.count.unwrap_or(1_000_000) {
        log!(info, "line {line} of many");
    }
    Ok("written".into())
}

fn big(count: Count, _context: &Context) -> Result<Answer, Failure> {
    Ok("x".repeat(count.count.unwrap_or(256 << 20)).into())
}

fn parts(count: Count, _context: &Context) -> Result<Answer, Failure> {
    let parts = (0..count.count.unwrap_or(1_000_000)).map(|number| Part::Text(number.to_string()));
    Ok(Answer { parts: parts.collect() })
}

fn wait(asked: Asked, _context: &Context) -> Result<Answer, Failure> {
    let mut response = http::get(asked.url)?;
    let mut length_bytes = 0_usize;
    while let Some(piece) = response.read()? {
        length_bytes = length_bytes.saturating_add(piece.len());
    }
    Ok(json!({ "length_bytes": length_bytes }).into())
}

fn hold(asked: Asked, _context: &Context) -> Result<Answer, Failure> {
    let mut held = Vec::new();
    for _turn in 0..asked.count.unwrap_or(1_000_000) {
        held.push(http::get(asked.url.clone())?);
    }
    Ok(json!({ "held": black_box(held).len() }).into())
}

fn fields(asked: Asked, _context: &Context) -> Result<Answer, Failure> {
    let mut request = http::Request::get(asked.url);
    for number in 0..asked.count.unwrap_or(1_000_000) {
        request = request.header(&format!("x-field-{number}"), "1");
    }
    Ok(json!({ "status": request.send()?.status }).into())
}

/// What only the raw interface can answer: see `raw.rs`.
fn only_as_component(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    Err(Failure::failed("only a component does this"))
}

fn counted(name: &'static str) -> Value {
    json!({ "type": "object", "properties": { name: { "type": "integer", "minimum": 0 } }, "additionalProperties": false })
}

fn asked() -> Value {
    let properties = json!({ "url": { "type": "string" }, "count": { "type": "integer", "minimum": 0 } });
    json!({ "type": "object", "required": ["url"], "properties": properties, "additionalProperties": false })
}

fn by_url(operation: Operation) -> Operation {
    operation.parameters(asked).argument("/url", Role::Url).idempotent()
}

pub(crate) fn operations(tool: Tool) -> Tool {
    tool.with(Operation::new("spin", Effect::Read, spin).describe("Never ends.").idempotent())
        .with(Operation::new("grow", Effect::Read, grow).describe("Never has enough memory.").idempotent())
        .with(Operation::new("crash", Effect::Read, crash).describe("Panics.").idempotent())
        .with(Operation::new("deep", Effect::Read, deep).describe("Recurses without end.").idempotent())
        .with(Operation::new("flood", Effect::Read, flood).describe("Log lines.").parameters(|| counted("lines")).idempotent())
        .with(Operation::new("big", Effect::Read, big).describe("A text so long.").parameters(|| counted("bytes")).idempotent())
        .with(Operation::new("parts", Effect::Read, parts).describe("So many parts.").parameters(|| counted("count")).idempotent())
        .with(by_url(Operation::new("wait", Effect::Read, wait).describe("Reads a page to its end.")))
        .with(by_url(Operation::new("hold", Effect::Read, hold).describe("Gets a page often and keeps each body open.")))
        .with(by_url(Operation::new("fields", Effect::Read, fields).describe("Gets a page with so many header fields.")))
        .with(
            Operation::new("nested", Effect::Read, only_as_component)
                .describe("JSON nested so deep.")
                .parameters(|| counted("depth"))
                .idempotent(),
        )
        .with(Operation::new("not_json", Effect::Read, only_as_component).describe("JSON that is none.").idempotent())
}
