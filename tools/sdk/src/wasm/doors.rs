//! The house's doors in a component: its imports.

use super::bindings::hearth::tool::{host, http as imported, keyvalue, memory as remembered, secrets as slots};
use crate::{
    http::{Error, Request, Response},
    kv,
    log::Level,
    memory, secrets,
};

/// A body that the house reads for us.
pub(crate) type Body = imported::Body;

fn error(error: imported::Error) -> Error {
    match error {
        imported::Error::Denied(why) => Error::Denied(why),
        imported::Error::Unreachable(why) => Error::Unreachable(why),
        imported::Error::Limit(why) => Error::Limit(why),
    }
}

pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    let headers = request.headers.iter().map(|(name, value)| imported::Header { name: name.clone(), value: value.clone() }).collect();
    let request = imported::Request { method: request.method.clone(), url: request.url.clone(), headers, body: request.body.clone() };
    let response = imported::send(&request).map_err(error)?;
    let headers = response.headers.into_iter().map(|header| (header.name, header.value)).collect();
    Ok(Response { status: response.status, headers, body: response.body })
}

pub(crate) fn read(body: &mut Body) -> Result<Option<Vec<u8>>, Error> {
    body.read().map_err(error)
}

fn kept(error: keyvalue::Error) -> kv::Error {
    match error {
        keyvalue::Error::TooLarge => kv::Error::TooLarge,
        keyvalue::Error::Quota => kv::Error::Quota,
        keyvalue::Error::InvalidKey => kv::Error::InvalidKey,
        keyvalue::Error::Unavailable => kv::Error::Unavailable,
    }
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
    keyvalue::get(key).map_err(kept)
}

pub(crate) fn kv_set(key: &str, value: &[u8]) -> Result<(), kv::Error> {
    keyvalue::set(key, value).map_err(kept)
}

pub(crate) fn kv_delete(key: &str) -> Result<(), kv::Error> {
    keyvalue::delete(key).map_err(kept)
}

pub(crate) fn kv_keys(prefix: &str) -> Result<Vec<String>, kv::Error> {
    keyvalue::keys(prefix).map_err(kept)
}

pub(crate) fn secret(slot: &str) -> Result<String, secrets::Error> {
    slots::get(slot).map_err(|error| match error {
        slots::Error::NoSuchSlot => secrets::Error::NoSuchSlot,
        slots::Error::NotGranted => secrets::Error::NotGranted,
    })
}

pub(crate) fn search(query: &str, limit: u32) -> Result<Vec<memory::Found>, memory::Error> {
    match remembered::search(query, limit) {
        Ok(found) => Ok(found.into_iter().map(|found| memory::Found { text: found.text, age_s: found.age_s }).collect()),
        Err(remembered::Error::NotGranted) => Err(memory::Error::NotGranted),
        Err(remembered::Error::Unavailable) => Err(memory::Error::Unavailable),
    }
}

pub(crate) fn log(level: Level, line: &str) {
    let level = match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, line);
}

pub(crate) fn progress(line: &str) {
    host::progress(line);
}

pub(crate) fn wall_ms() -> u64 {
    host::wall_ms()
}

pub(crate) fn monotonic_ns() -> u64 {
    host::monotonic_ns()
}

pub(crate) fn random(count: u32) -> Vec<u8> {
    host::random(count)
}
