//! The house's doors for a script: one function that takes the door's name and JSON, and gives JSON: `{"given": …}` or
//! `{"refused": {"kind", "sentence"}}`.

use hearth_tool::{Failure, http, kv, log, memory, progress, secrets};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest answer of a server that a script gets, in bytes.
const ANSWER_BYTES: usize = 2 << 20;

#[derive(Deserialize)]
struct Line {
    level: String,
    line: String,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Search {
    query: String,
    limit: u32,
}

/// Goes through a door.
pub(crate) fn through(door: &str, asked: &str) -> String {
    match open(door, asked) {
        Ok(given) => json!({ "given": given }),
        Err(failure) => json!({ "refused": { "kind": kind(&failure), "sentence": failure.to_string() } }),
    }
    .to_string()
}

/// The failure's word in a script.
pub(crate) fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::BadArguments(_) => "bad_arguments",
        Failure::NotFound(_) => "not_found",
        Failure::Unavailable(_) => "unavailable",
        Failure::Denied(_) => "denied",
        Failure::Failed(_) => "failed",
    }
}

/// The failure of that word.
pub(crate) fn failure(kind: &str, sentence: String) -> Failure {
    match kind {
        "bad_arguments" => Failure::BadArguments(sentence),
        "not_found" => Failure::NotFound(sentence),
        "unavailable" => Failure::Unavailable(sentence),
        "denied" => Failure::Denied(sentence),
        _ => Failure::Failed(sentence),
    }
}

fn read<'a, T: Deserialize<'a>>(asked: &'a str) -> Result<T, Failure> {
    serde_json::from_str(asked).map_err(|_other_shape| Failure::bad_arguments("this function was called with something else than it takes"))
}

fn open(door: &str, asked: &str) -> Result<Value, Failure> {
    match door {
        "log" => {
            let Line { level, line } = read(asked)?;
            log::line(level_of(&level), &line);
            Ok(Value::Null)
        }
        "http" => send(read(asked)?),
        "kv_get" => Ok(kv::get_json::<Value>(read(asked)?)?.unwrap_or(Value::Null)),
        "kv_set" => {
            let (key, value): (String, Value) = read(asked)?;
            kv::set_json(&key, &value)?;
            Ok(Value::Null)
        }
        "kv_delete" => {
            kv::delete(read(asked)?)?;
            Ok(Value::Null)
        }
        "kv_keys" => Ok(json!(kv::keys(read(asked)?)?)),
        "secret" => Ok(json!(secrets::slot(read(asked)?)?)),
        "memory" => {
            let Search { query, limit } = read(asked)?;
            let found = memory::search(&query, limit)?;
            let found: Vec<Value> = found.into_iter().map(|found| json!({ "text": found.text, "age_s": found.age_s })).collect();
            Ok(json!(found))
        }
        "progress" => {
            progress(read(asked)?);
            Ok(Value::Null)
        }
        _ => Err(Failure::failed("there is no such door")),
    }
}

fn level_of(word: &str) -> log::Level {
    match word {
        "debug" => log::Level::Debug,
        "warn" => log::Level::Warn,
        "error" => log::Level::Error,
        _ => log::Level::Info,
    }
}

fn send(asked: Request) -> Result<Value, Failure> {
    let Request { method, url, headers, body } = asked;
    let request = http::Request { method, url, headers, body: body.map(String::into_bytes) };
    let response = request.send()?;
    let status = response.status;
    let headers: Vec<(String, String)> = response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    Ok(json!({ "status": status, "headers": headers, "text": response.text_limited(ANSWER_BYTES)? }))
}
