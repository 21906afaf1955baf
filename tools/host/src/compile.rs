//! The process that compiles one component: `compile-tool`. Confined as a tool's own process is, and gone when it is done.
//!
//! ```text
//! house ──Compile { bytes }──▶ compiler        two descriptors: the component (sealed), and memory for the compiled form
//! house ◀──Compiled─────────── compiler        how many bytes it wrote, or why none
//! ```

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use hearth_domain::sandbox::Fault;
use hearth_supervisor::process::descriptors::recv_with_fds;
use hearth_supervisor::process::frame::{self, Assembler, Frame};
use serde::{Deserialize, Serialize};

use crate::cache::COMPILED_BYTES;
use crate::engine::{self, EngineError};
use crate::runner::LoadError;
use crate::sandbox::{self, EndError};
use crate::sealed;

/// Most bytes of a component.
pub const COMPONENT_BYTES: usize = 32 << 20;
/// Bytes of memory that compiling may take.
pub const MEMORY_BYTES: u64 = 1 << 30;
/// Seconds of processor time that compiling may take.
pub const PROCESSOR_S: u64 = 60;
/// Bytes of a message between house and compiler.
pub(crate) const WORD_BYTES: usize = 4096;

/// To the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Compile what is in the first descriptor into the second.
    Compile,
}

/// From the compiler. Untrusted, as what it wrote is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compiled {
    /// It is there.
    Written,
    /// It is no component that this engine takes.
    Unfit(Fault),
    /// It was compiled and does not fit.
    TooLarge,
}

/// Runs the process to its end. To be called at the very start of `main` when the first argument is this process's verb.
pub fn main() -> ExitCode {
    sandbox::ended(&run())
}

fn run() -> Result<(), EndError> {
    let (mut socket, _) = sandbox::begin(MEMORY_BYTES, PROCESSOR_S)?;
    let (component, to) = order(&socket)?;
    let compiled = compile(component, to)?;
    frame::write(&mut socket, &Frame::Message(compiled), WORD_BYTES).map_err(|_| EndError::Gone)
}

fn order(socket: &std::os::unix::net::UnixStream) -> Result<(OwnedFd, OwnedFd), EndError> {
    let mut assembler = Assembler::new(WORD_BYTES);
    let mut came = Vec::new();
    loop {
        let space = assembler.space().map_err(|_| EndError::Beginning)?;
        let (arrived, descriptors) = recv_with_fds(socket, space).map_err(|_| EndError::Gone)?;
        came.extend(descriptors);
        if arrived == 0 {
            return Err(EndError::Gone);
        }
        let Some(raw) = assembler.advance(arrived).map_err(|_| EndError::Beginning)? else { continue };
        let Ok(Frame::Message(Order::Compile)) = raw.decode() else { return Err(EndError::Beginning) };
        let [component, to] = <[_; 2]>::try_from(came).map_err(|_| EndError::Beginning)?;
        return Ok((component, to));
    }
}

fn compile(component: OwnedFd, to: OwnedFd) -> Result<Compiled, EndError> {
    let component = sealed::read_sealed(component, COMPONENT_BYTES as u64).map_err(|_| EndError::Beginning)?;
    if !engine::is_component(&component) {
        return Ok(Compiled::Unfit(Fault::NotLoadable));
    }
    let engine = engine::compiling().map_err(|error: EngineError| LoadError::from(error))?;
    let Ok(compiled) = engine.precompile_component(&component) else { return Ok(Compiled::Unfit(Fault::NotLoadable)) };
    if compiled.len() as u64 > COMPILED_BYTES {
        return Ok(Compiled::TooLarge);
    }
    let written = File::from(to).write_all(&compiled);
    Ok(written.map_or(Compiled::TooLarge, |()| Compiled::Written))
}
