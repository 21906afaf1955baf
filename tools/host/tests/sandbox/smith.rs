//! Modules that chance made: none of them breaks anything but itself.

use std::time::Duration;

use hearth_domain::sandbox::{CompileError, SandboxLimits, Sandboxes as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use wasm_smith::{Config, Module};

use crate::house::house;
use crate::{Test, run, wat};

pub(crate) const TESTS: &[Test] = &[("modules_made_by_chance_break_nothing_else", smith)];

/// How many; `HEARTH_SMITH` says otherwise.
const MODULES: u64 = 200;

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

fn smith() {
    let wanted = std::env::var("HEARTH_SMITH").map_or(MODULES, |text| text.parse().unwrap());
    let limits = SandboxLimits { compute: Duration::from_millis(100), fuel: 10_000_000, ..SandboxLimits::default() };
    run(async {
        let house = house();
        let (mut tools, mut unfit, mut none) = (0_u64, std::collections::BTreeMap::<String, u64>::new(), 0_u64);
        let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
        for seed in 0..wanted {
            let Some(component) = module(seed).and_then(|module| wat::embed(module).ok()) else {
                none += 1;
                continue;
            };
            match house.port.compile(component).await {
                Ok(compiled) => {
                    tools += 1;
                    let mut tool = house.start(&compiled.digest, limits).await;
                    // It could say what it can do once, and with less fuel it may not: both are told.
                    if tool.ready_or_unfit().await {
                        let (outcome, _) = tool.call("{}").await;
                        *outcomes.entry(format!("{outcome:?}").chars().take(24).collect()).or_default() += 1;
                    }
                    tool.line.kill();
                    tool.end().await;
                    house.port.retain(std::collections::BTreeSet::new()).await;
                }
                Err(CompileError::Unfit(fault)) => *unfit.entry(format!("{fault:?}")).or_default() += 1,
                Err(other) => panic!("{seed}: {other:?}"),
            }
        }
        println!("  {wanted} seeds: {tools} tools, {none} that are no component, unfit {unfit:?}, calls {outcomes:?}");
        assert!(tools + unfit.values().sum::<u64>() >= wanted / 2, "chance made too little");
    });
}
