//! The engine's settings, the same wherever a component is compiled or run, and what a component must be.

use std::hash::{Hash as _, Hasher};

use hearth_domain::sandbox::Fault;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

/// Bytes of stack that a component has.
pub const STACK_BYTES: usize = 1024 * 1024;
/// Address space of one memory, so that an access needs no check of its own. It is reserved, not used.
pub const RESERVED_BYTES: u64 = 4 << 30;
/// Address space behind a memory, in bytes.
const GUARD_BYTES: u64 = 32 << 20;
/// Most memories of one component.
pub const MEMORIES: u32 = 2;
/// Most tables of one component.
pub const TABLES: u32 = 8;
/// Most elements of one table.
pub const TABLE_ELEMENTS: usize = 20_000;
/// Most core modules of one component that have an instance.
pub const CORE_INSTANCES: u32 = 32;
/// Bytes of a memory that are written over for the next call; those beyond are given back to the system.
const RESIDENT_BYTES: usize = 128 * 1024;

/// The package from which everything must come that a component imports.
const PACKAGE: &str = "hearth:tool/";
/// What a component must export.
const EXPORTS: [&str; 2] = ["describe", "call"];

/// The engine could not be made: the processor lacks something, or the address space is too small.
#[derive(Debug, thiserror::Error)]
#[error("the engine for tools cannot be set up on this machine: {0}")]
pub struct EngineError(String);

impl EngineError {
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

fn settings() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(STACK_BYTES)
        .memory_reservation(RESERVED_BYTES)
        .memory_guard_size(GUARD_BYTES)
        .memory_may_move(false)
        .memory_init_cow(true)
        // Without these a trap costs less and a component keeps less: nobody reads its addresses.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // What no toolchain for tools emits.
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(1)
        .total_core_instances(CORE_INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(MEMORIES)
        .max_memories_per_component(MEMORIES)
        .total_tables(TABLES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS)
        // The limit of a call is kept elsewhere; here it would refuse to load instead of to grow.
        .max_memory_size(usize::try_from(RESERVED_BYTES).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(RESIDENT_BYTES)
        .table_keep_resident(RESIDENT_BYTES)
        .max_unused_warm_slots(1);
    pool
}

/// An engine that runs one tool: room for one instance, made at once.
///
/// # Errors
/// [`EngineError`].
pub fn running() -> Result<Engine, EngineError> {
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    Engine::new(&config).map_err(|error| EngineError::of(&error))
}

/// An engine that compiles, and has room for nothing.
///
/// # Errors
/// [`EngineError`].
pub fn compiling() -> Result<Engine, EngineError> {
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(|error| EngineError::of(&error))
}

/// What a compiled form must agree with: the engine's version, its settings, this processor.
#[must_use]
pub fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sha = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sha);
    sha.0.finalize().into()
}

/// Whether bytes begin as a component does: not a core module, not something that was compiled elsewhere.
#[must_use]
pub fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x0d\0\x01\0")
}

/// Whether a component imports only what a tool has, and exports what a tool must.
///
/// # Errors
/// [`Fault::Imports`], [`Fault::Exports`].
pub fn check(engine: &Engine, component: &Component) -> Result<(), Fault> {
    let own = component.component_type();
    // A world that uses types imports names for them. A name for a type reaches nothing; a resource, which is a type as well, is another.
    let reaches = |item: &ComponentItem| !matches!(item, ComponentItem::Type(_));
    if own.imports(engine).any(|(name, item)| reaches(&item.ty) && !name.starts_with(PACKAGE)) {
        return Err(Fault::Imports);
    }
    let exports =
        |wanted: &str| own.exports(engine).any(|(name, item)| name == wanted && matches!(item.ty, ComponentItem::ComponentFunc(_)));
    if EXPORTS.into_iter().all(exports) { Ok(()) } else { Err(Fault::Exports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compiles_and_what_runs_agree() {
        assert_eq!(compatibility(&running().unwrap()), compatibility(&compiling().unwrap()));
    }

    #[test]
    fn a_name_for_a_type_may_be_imported_and_nothing_else_that_is_not_ours() {
        let engine = compiling().unwrap();
        let fault = |text: &str| check(&engine, &Component::new(&engine, wat::parse_str(text).unwrap()).unwrap());
        let component = |import: &str| format!("(component (type $t (enum \"a\")) {import})");
        assert_eq!(fault(&component(r#"(import "effect" (type (eq $t)))"#)), Err(Fault::Exports));
        for import in [
            r#"(import "body" (type (sub resource)))"#,
            r#"(import "now" (func (result u64)))"#,
            r#"(import "wasi:clocks/wall-clock@0.2.0" (instance))"#,
            r#"(import "code" (core module))"#,
        ] {
            assert_eq!(fault(&component(import)), Err(Fault::Imports), "{import}");
        }
    }

    #[test]
    fn only_a_component_begins_like_one() {
        assert!(is_component(b"\0asm\x0d\0\x01\0rest"));
        assert!(!is_component(b"\0asm\x01\0\0\0"));
        assert!(!is_component(b"\x7fELF"));
        assert!(!is_component(b"(component)"));
        assert!(!is_component(b""));
    }
}
