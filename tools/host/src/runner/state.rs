//! What one call has: its limits, what it used, and its way to the house.

use std::time::Duration;

use hearth_domain::sandbox::{Fault, HostAnswer, HostAsk, Line, Refusal, RefusalKind, SandboxLimits, Usage};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;

use super::{Asked, House};
use crate::clock::{Budget, monotonic};
use crate::engine::{CORE_INSTANCES, MEMORIES, TABLES};

/// Why a call is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) Fault);

/// Memory and tables of a call.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_left: u64,
    elements_left: u64,
    /// Bytes at the highest.
    pub(crate) memory_bytes: u64,
    /// Something was refused.
    pub(crate) refused: bool,
}

impl Meter {
    fn take(left: &mut u64, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current) as u64;
        let fits = more <= *left;
        if fits {
            *left = left.saturating_sub(more);
        }
        fits
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = Self::take(&mut self.memory_left, current, desired);
        if fits {
            self.memory_bytes = self.memory_bytes.saturating_add(desired.saturating_sub(current) as u64);
        }
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = Self::take(&mut self.elements_left, current, desired);
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

/// The state of one call.
pub(crate) struct State {
    /// None while a component only says what it can do: then it gets nothing.
    house: Option<Box<dyn House>>,
    pub(crate) meter: Meter,
    pub(crate) budget: Budget,
    pub(crate) wall_ms: u64,
    pub(crate) chance: ChaCha20Rng,
    pub(crate) bodies: ResourceTable,
    /// Of them.
    pub(crate) open: u32,
    pub(crate) log_left: usize,
    pub(crate) log_lines: u32,
    pub(crate) progress_lines: u32,
    pub(crate) used: Usage,
    limits: SandboxLimits,
    questions: u32,
}

impl State {
    pub(crate) fn new(limits: SandboxLimits, house: Option<Box<dyn House>>, whole: Duration, wall_ms: u64, seed: [u8; 32]) -> Self {
        Self {
            house,
            meter: Meter {
                memory_left: limits.memory_bytes,
                elements_left: u64::from(limits.table_elements),
                memory_bytes: 0,
                refused: false,
            },
            budget: Budget::start(whole, limits.compute),
            wall_ms,
            chance: ChaCha20Rng::from_seed(seed),
            bodies: ResourceTable::new(),
            open: 0,
            log_left: limits.log_bytes,
            log_lines: 0,
            progress_lines: 0,
            used: Usage::default(),
            limits,
            questions: 0,
        }
    }

    /// Whether one more body may be open.
    pub(crate) const fn has_room(&self) -> bool {
        self.open < self.limits.resources
    }

    /// Asks the house, within the call's limits.
    pub(crate) fn ask(&mut self, ask: HostAsk) -> wasmtime::Result<HostAnswer> {
        let Some(house) = &mut self.house else {
            let sentence = "a tool that says what it can do has no house yet".to_owned();
            return Ok(HostAnswer::Refused(Refusal { kind: RefusalKind::Denied, sentence }));
        };
        if self.used.host_calls >= self.limits.host_calls {
            return Err(Broken(Fault::HostCalls).into());
        }
        self.used.host_calls = self.used.host_calls.saturating_add(1);
        let question = self.questions;
        self.questions = self.questions.saturating_add(1);
        let from = monotonic();
        let asked = house.ask(question, ask, self.budget.left());
        self.budget.add_waited(monotonic().saturating_sub(from));
        match asked {
            Asked::Answer(answer) => Ok(answer),
            Asked::Late => Err(Broken(Fault::Deadline).into()),
            Asked::TooLarge => Err(Broken(Fault::HostCalls).into()),
            Asked::Gone => Err(Broken(Fault::Trap).into()),
        }
    }

    /// Tells the house something that is not answered.
    pub(crate) fn say(&mut self, line: Line) -> wasmtime::Result<()> {
        let Some(house) = &mut self.house else { return Ok(()) };
        let from = monotonic();
        house.say(line);
        self.budget.add_waited(monotonic().saturating_sub(from));
        Ok(())
    }
}
