//! The house as a tool's tests see it: recorded HTTP, what is kept, secrets that were granted, a clock that stands still. Each test has
//! its own, on its own thread.
//!
//! ```no_run
//! # use hearth_tool::{Tool, test::House};
//! # use serde_json::json;
//! # fn tool() -> Tool { Tool::new() }
//! let house = House::new().recorded(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded")).secret("token");
//! let answer = house.call(&tool(), "current", &json!({ "place": "Lisbon" })).unwrap();
//! assert_eq!(answer.value().unwrap()["temperature"], 17.4);
//! ```

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    rc::Rc,
};

use serde_json::Value;

use crate::{Answer, Context, Failure, Tool, http, kv, log::Level, memory};

pub(crate) mod doors;
pub mod manifest;
pub mod recorded;
mod schema;

pub use manifest::manifest;
use recorded::{Exchange, Recording};
pub use schema::faults;

/// Everything that the doors lead to.
#[derive(Debug, Default)]
struct World {
    exchanges: Vec<Exchange>,
    /// How often each exchange was asked for; the last of equal ones answers again.
    served: BTreeMap<usize, usize>,
    requests: Vec<http::Request>,
    kept: BTreeMap<String, Vec<u8>>,
    secrets: BTreeMap<String, bool>,
    memories: Option<Vec<memory::Found>>,
    log: Vec<(Level, String)>,
    progress: Vec<String>,
    now_ms: u64,
    chance: u64,
    refused: Vec<String>,
    quota_bytes: Option<usize>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<RefCell<World>>>> = const { RefCell::new(None) };
}

/// A house for one test. Values are kept from call to call.
#[derive(Debug, Clone)]
pub struct House {
    world: Rc<RefCell<World>>,
    context: Context,
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}

impl House {
    /// Nothing recorded, nothing granted; the time is 2026-03-01T12:00:00Z, the member's zone UTC and locale `en`.
    #[must_use]
    pub fn new() -> Self {
        let world = World { now_ms: 1_772_366_400_000, ..World::default() };
        let context = Context {
            call: "call-1".to_owned(),
            member: "member-1".to_owned(),
            locale: "en".to_owned(),
            zone: "UTC".to_owned(),
            deadline_ms: 30_000,
        };
        Self { world: Rc::new(RefCell::new(world)), context }
    }

    /// Answers requests from the recordings of this folder: see [`recorded`].
    ///
    /// # Panics
    /// A file cannot be read, with its name and what is wrong.
    #[must_use]
    #[expect(clippy::panic, reason = "a recording that cannot be read fails the author's test")]
    pub fn recorded(self, folder: impl AsRef<Path>) -> Self {
        match Recording::folder(folder.as_ref()) {
            Ok(recording) => self.world.borrow_mut().exchanges.extend(recording.exchanges),
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// Answers one more request: see [`recorded`] for the text.
    ///
    /// # Panics
    /// The text is not a recording.
    #[must_use]
    #[expect(clippy::panic, reason = "a recording that cannot be read fails the author's test")]
    pub fn answering(self, text: &str) -> Self {
        match recorded::parse(text, Path::new(".")) {
            Ok(exchange) => self.world.borrow_mut().exchanges.push(exchange),
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// A slot of the manifest that was granted. In a request it stands as [`placeholder`] says.
    #[must_use]
    pub fn secret(self, slot: &str) -> Self {
        self.world.borrow_mut().secrets.insert(slot.to_owned(), true);
        self
    }

    /// A slot of the manifest that nobody granted.
    #[must_use]
    pub fn secret_not_granted(self, slot: &str) -> Self {
        self.world.borrow_mut().secrets.insert(slot.to_owned(), false);
        self
    }

    /// Grants the search of the memory, and remembers these, newest first.
    #[must_use]
    pub fn remembers(self, texts: &[&str]) -> Self {
        let found = (0_u64..).zip(texts).map(|(days, text)| memory::Found { text: (*text).to_owned(), age_s: days * 86_400 });
        self.world.borrow_mut().memories = Some(found.collect());
        self
    }

    /// The wall clock, in milliseconds since 1970, UTC.
    #[must_use]
    pub fn at_ms(self, now_ms: u64) -> Self {
        self.world.borrow_mut().now_ms = now_ms;
        self
    }

    /// The member's zone, an IANA name.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        zone.clone_into(&mut self.context.zone);
        self
    }

    /// The member's locale, BCP 47.
    #[must_use]
    pub fn locale(mut self, locale: &str) -> Self {
        locale.clone_into(&mut self.context.locale);
        self
    }

    /// The most that the tool may keep, keys and values together, in bytes.
    #[must_use]
    pub fn quota_bytes(self, quota_bytes: usize) -> Self {
        self.world.borrow_mut().quota_bytes = Some(quota_bytes);
        self
    }

    /// Calls an operation, as the house would: as JSON text.
    ///
    /// # Errors
    /// The tool's.
    pub fn call(&self, tool: &Tool, operation: &str, arguments: &Value) -> Result<Answer, Failure> {
        self.visit(|| tool.call(operation, &arguments.to_string(), &self.context))
    }

    /// Runs something else that goes through the doors.
    pub fn visit<T>(&self, visit: impl FnOnce() -> T) -> T {
        WORLD.with(|world| world.replace(Some(Rc::clone(&self.world))));
        let result = visit();
        WORLD.with(|world| world.replace(None));
        result
    }

    /// What was requested, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<http::Request> {
        self.world.borrow().requests.clone()
    }

    /// Requests for which nothing was recorded, and why each exchange that came near did not fit.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.world.borrow().refused.clone()
    }

    /// The keys under which something is kept.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<String> {
        self.world.borrow().kept.keys().cloned().collect()
    }

    /// The tool's log.
    #[must_use]
    pub fn log(&self) -> Vec<(Level, String)> {
        self.world.borrow().log.clone()
    }

    /// What the tool said about how far it is.
    #[must_use]
    pub fn progress(&self) -> Vec<String> {
        self.world.borrow().progress.clone()
    }
}

/// What stands for a granted slot in the requests of a test.
#[must_use]
pub fn placeholder(slot: &str) -> String {
    format!("hearth-secret-{slot}")
}

/// The same limits as the house's for one key and one value, in bytes.
const KEY_BYTES: usize = 128;
const VALUE_BYTES: usize = 64 * 1_024;

fn key_of(key: &str) -> Result<(), kv::Error> {
    let valid = !key.is_empty() && key.len() <= KEY_BYTES && !key.chars().any(char::is_control);
    if valid { Ok(()) } else { Err(kv::Error::InvalidKey) }
}

#[cfg(test)]
mod tests;
