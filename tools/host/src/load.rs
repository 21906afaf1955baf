//! Compiled code becomes a component. The one place of this crate that the compiler of Rust cannot vouch for.

use wasmtime::Engine;
use wasmtime::component::Component;

/// A component from its compiled form.
///
/// The engine trusts these bytes wholly: they are machine code. What stands for them: the house's own compiler process made them, the
/// house's key is on them ([`crate::cache`]), the house checked that and handed them over in memory that is sealed ([`crate::sealed`]),
/// and this process holds nothing that they could take.
#[expect(unsafe_code, reason = "what was compiled by the house and carries its key is run; there is no safe way to say so")]
pub(crate) fn component(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: made by `Engine::precompile_component` of the same version and settings, which the engine checks again, and unchanged
    // since, which the house's key shows; the bytes are copied.
    unsafe { Component::deserialize(engine, compiled) }
}
