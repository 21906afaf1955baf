//! The house's doors outside of a component: they lead into the test's world, and without one everything is refused.

use std::{cell::RefMut, rc::Rc};

use super::{VALUE_BYTES, WORLD, World, key_of, placeholder};
use crate::{
    http::{Error, Request, Response},
    kv,
    log::Level,
    memory, secrets,
};

/// The size of a piece, as in the house, in bytes.
const PIECE_BYTES: usize = 64 * 1_024;

/// What is left of a recorded body.
#[derive(Debug)]
pub(crate) struct Body {
    rest: Vec<u8>,
}

fn in_world<T>(otherwise: T, visit: impl FnOnce(RefMut<'_, World>) -> T) -> T {
    let world = WORLD.with(|world| world.borrow().as_ref().map(Rc::clone));
    match world {
        Some(world) => visit(world.borrow_mut()),
        None => otherwise,
    }
}

pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    in_world(Err(Error::Denied("outside of a test's house nothing is granted".to_owned())), |mut world| {
        world.requests.push(request.clone());
        let mut near = Vec::new();
        let mut fitting = Vec::new();
        for (number, exchange) in world.exchanges.iter().enumerate() {
            match exchange.fits(request) {
                Ok(()) => fitting.push(number),
                Err(Some(why)) => near.push(why),
                Err(None) => {}
            }
        }
        // Equal requests get the recorded answers in order, and the last one again and again.
        let first_unserved = fitting.iter().copied().find(|number| !world.served.contains_key(number));
        let Some(number) = first_unserved.or(fitting.last().copied()) else {
            let mut refused = format!("nothing is recorded for {} {}", request.method, request.url);
            for why in near {
                refused.push_str("; ");
                refused.push_str(&why);
            }
            world.refused.push(refused.clone());
            return Err(Error::Denied(refused));
        };
        *world.served.entry(number).or_default() += 1;
        let Some(exchange) = world.exchanges.get(number) else { return Err(Error::Unreadable) };
        Ok(Response {
            status: exchange.status,
            headers: exchange.response_headers.clone(),
            body: Body { rest: exchange.response_body.clone() },
        })
    })
}

pub(crate) fn read(body: &mut Body) -> Result<Option<Vec<u8>>, Error> {
    if body.rest.is_empty() {
        return Ok(None);
    }
    let piece = body.rest.drain(..body.rest.len().min(PIECE_BYTES));
    Ok(Some(piece.collect()))
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
    key_of(key)?;
    in_world(Err(kv::Error::Unavailable), |world| Ok(world.kept.get(key).cloned()))
}

pub(crate) fn kv_set(key: &str, value: &[u8]) -> Result<(), kv::Error> {
    key_of(key)?;
    if value.len() > VALUE_BYTES {
        return Err(kv::Error::TooLarge);
    }
    in_world(Err(kv::Error::Unavailable), |mut world| {
        let others: usize = world.kept.iter().filter(|(known, _)| *known != key).map(|(known, value)| known.len() + value.len()).sum();
        if world.quota_bytes.is_some_and(|quota_bytes| others + key.len() + value.len() > quota_bytes) {
            return Err(kv::Error::Quota);
        }
        world.kept.insert(key.to_owned(), value.to_vec());
        Ok(())
    })
}

pub(crate) fn kv_delete(key: &str) -> Result<(), kv::Error> {
    key_of(key)?;
    in_world(Err(kv::Error::Unavailable), |mut world| {
        world.kept.remove(key);
        Ok(())
    })
}

pub(crate) fn kv_keys(prefix: &str) -> Result<Vec<String>, kv::Error> {
    in_world(Err(kv::Error::Unavailable), |world| {
        Ok(world.kept.keys().filter(|key| key.starts_with(prefix)).take(1_000).cloned().collect())
    })
}

pub(crate) fn secret(slot: &str) -> Result<String, secrets::Error> {
    in_world(Err(secrets::Error::NoSuchSlot), |world| match world.secrets.get(slot) {
        Some(true) => Ok(placeholder(slot)),
        Some(false) => Err(secrets::Error::NotGranted),
        None => Err(secrets::Error::NoSuchSlot),
    })
}

/// Those that hold a word of the query, as many as wanted.
pub(crate) fn search(query: &str, limit: u32) -> Result<Vec<memory::Found>, memory::Error> {
    in_world(Err(memory::Error::NotGranted), |world| {
        let Some(memories) = &world.memories else { return Err(memory::Error::NotGranted) };
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let matches = |found: &&memory::Found| words.iter().any(|word| found.text.to_lowercase().contains(word));
        Ok(memories.iter().filter(matches).take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect())
    })
}

pub(crate) fn log(level: Level, line: &str) {
    in_world((), |mut world| world.log.push((level, line.to_owned())));
}

pub(crate) fn progress(line: &str) {
    in_world((), |mut world| world.progress.push(line.to_owned()));
}

pub(crate) fn wall_ms() -> u64 {
    in_world(0, |world| world.now_ms)
}

pub(crate) fn monotonic_ns() -> u64 {
    0
}

/// The same in every run (SplitMix64).
pub(crate) fn random(count: u32) -> Vec<u8> {
    in_world(Vec::new(), |mut world| {
        let draws = (0..count).map(|_byte| {
            world.chance = world.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (world.chance ^ (world.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed >> 56) as u8
        });
        draws.collect()
    })
}
