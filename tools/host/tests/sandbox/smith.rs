//! Modules that chance made: none of them breaks anything but itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::join_all;
use hearth_domain::sandbox::{CompileError, Fault, Outcome, SandboxLimits, Sandboxes as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use wasm_smith::{Config, Module};

use crate::house::{House, house};
use crate::{Test, run_steps, wat, within};

pub(crate) const TESTS: &[Test] = &[("modules_made_by_chance_break_nothing_else", smith)];

/// How many; `HEARTH_SMITH` says otherwise.
const MODULES: u64 = 200;
/// So many at the same time: most of them wait for a deadline.
const AT_ONCE: usize = 8;
/// How often this process's memory is looked at.
const SAMPLES: u64 = 10;
/// Most that its own memory (what is no file's) may grow by after the first look. Over 10 000 modules it grew by about 10 MiB, most of it
/// early; what is kept has not been found out.
const GROWTH_KIB: u64 = 32 * 1024;

/// A module that exports what a tool must, with code, memories, tables and a start function from chance.
fn module(seed: u64) -> Option<Vec<u8>> {
    let exports = wat::parse(
        r#"(module (memory (export "memory") 1)
            (func (export "describe") (result i32) (i32.const 16))
            (func (export "call") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 16))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16)))"#,
    );
    let mut bytes = vec![0; 16 * 1024];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    let config = Config {
        exports: Some(exports),
        max_imports: 0,
        allow_start_export: true,
        gc_enabled: false,
        exceptions_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        // References to what is outside are no part of the engine.
        reference_types_enabled: seed.is_multiple_of(8),
        max_memories: 0,
        min_funcs: 3,
        ..Config::default()
    };
    let module = Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?;
    Some(module.to_bytes())
}

/// What became of a module.
enum End {
    NoComponent,
    /// It could not be compiled, or could not say what it can do.
    Unfit(Fault),
    /// As above, at the start of its own process, with its own limits.
    UnfitAtStart(Fault),
    Called(Outcome),
}

/// What became of all of them, counted by kind.
#[derive(Default)]
struct Counts {
    tools: u64,
    no_component: u64,
    unfit: BTreeMap<String, u64>,
    unfit_at_start: BTreeMap<String, u64>,
    calls: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, end: &End) {
        match end {
            End::NoComponent => self.no_component += 1,
            End::Unfit(fault) => count(&mut self.unfit, fault),
            End::UnfitAtStart(fault) => count(&mut self.unfit_at_start, fault),
            End::Called(Outcome::Fault(fault)) => count(&mut self.calls, fault),
            End::Called(Outcome::Refused(_)) => count(&mut self.calls, &"Refused"),
            End::Called(Outcome::Parts(_)) => count(&mut self.calls, &"Parts"),
        }
        self.tools += u64::from(matches!(end, End::UnfitAtStart(_) | End::Called(_)));
    }
}

fn smith() {
    let wanted = std::env::var("HEARTH_SMITH").map_or(MODULES, |text| text.parse().unwrap());
    run_steps(async {
        let house = house();
        let (mut counts, mut samples, mut tool_peak) = (Counts::default(), Vec::new(), 0);
        for first in (0..wanted).step_by(AT_ONCE) {
            let seeds = first..wanted.min(first + AT_ONCE as u64);
            for (end, kib) in within(join_all(seeds.map(|seed| one(&house, seed)))).await {
                counts.add(&end);
                tool_peak = kib.max(tool_peak);
            }
            house.port.retain(BTreeSet::new()).await;
            if first * SAMPLES / wanted >= samples.len() as u64 {
                samples.push((memory_kib("self", "VmRSS:").unwrap(), memory_kib("self", "RssAnon:").unwrap()));
            }
        }
        samples.push((memory_kib("self", "VmRSS:").unwrap(), memory_kib("self", "RssAnon:").unwrap()));
        let Counts { tools, no_component, unfit, unfit_at_start, calls } = counts;
        println!("  {wanted} seeds: {tools} tools, {no_component} that are no component");
        println!("  unfit {unfit:?}, unfit at their start {unfit_at_start:?}, calls {calls:?}");
        println!("  resident KiB of this process, and of that its own: {samples:?}; of a tool's process at most {tool_peak}");
        assert!(tools + unfit.values().sum::<u64>() >= wanted / 2, "chance made too little");
        let (before, after) = (samples.first().unwrap().1, samples.last().unwrap().1);
        assert!(after <= before + GROWTH_KIB, "the house keeps something of what it ran: {before} KiB, then {after} KiB");
    });
}

/// One module, compiled, started and called; and the most resident memory of its process, in KiB.
async fn one(house: &House, seed: u64) -> (End, u64) {
    let limits = SandboxLimits { compute: Duration::from_millis(100), fuel: 10_000_000, ..SandboxLimits::default() };
    let Some(component) = module(seed).and_then(|module| wat::embed(module).ok()) else { return (End::NoComponent, 0) };
    let compiled = match house.port.compile(component).await {
        Ok(compiled) => compiled,
        Err(CompileError::Unfit(fault)) => return (End::Unfit(fault), 0),
        Err(other) => panic!("{seed}: {other:?}"),
    };
    let mut tool = house.start(&compiled.digest, limits).await;
    // It could say what it can do once, and with less fuel it may not: both are told.
    let end = match tool.ready_or_unfit().await {
        Ok(()) => End::Called(tool.call("{}").await.0),
        Err(fault) => End::UnfitAtStart(fault),
    };
    let peak = memory_kib(&tool.line.pid().to_string(), "VmHWM:").unwrap_or(0);
    tool.line.kill();
    tool.end().await;
    (end, peak)
}

fn count(counts: &mut BTreeMap<String, u64>, what: &impl Debug) {
    *counts.entry(format!("{what:?}")).or_default() += 1;
}

/// A line of a process's status; none of one that has ended.
fn memory_kib(process: &str, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|text| text.strip_prefix(line))?.split_whitespace().next()?.parse().ok()
}
