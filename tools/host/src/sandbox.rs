//! The process of a tool: `sandbox`.
//!
//! ```text
//! main ─▶ child::enter ─▶ confined ─▶ Load ─▶ loaded ─▶ settled (no new thread, code or descriptor) ─▶ what it can do ─▶ Ready
//!      ─▶ Call ─▶ (Host ─▶ Given)* ─▶ Done ─▶ Call …            one at a time, until the house lets go
//! ```
//!
//! It ends with [`GONE`] when the house does, with [`PROTOCOL`] when what the house says is out of turn, and by the kernel's hand for
//! what its confinement does not allow. It writes no log: what is wrong with a component it says as a message.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_domain::sandbox::{Ask, Call, Fault, HostAsk, Line, Outcome, SandboxLimits, Tell};
use hearth_supervisor::process::child::{self, EnterError};
use hearth_supervisor::process::confine::{
    self, ConfineError, Confinement, Files, Need, Network, Part, Profile, Report, SettleError, UsageLimits,
};

use crate::cache::COMPILED_BYTES;
use crate::runner::{Asked, House, LoadError, Tool};
use crate::sealed;
use crate::wire::{Waited, Wire, WireError};

/// The code with which it ends when the house is gone.
pub const GONE: u8 = 0;
/// The code for something that cannot be read or is out of turn.
pub const PROTOCOL: u8 = 76;
/// The code for a process that is not as it should be: not a child, or not confined.
pub const NOT_CONFINED: u8 = 77;
/// The code for a machine on which the engine does not run.
pub const NO_ENGINE: u8 = 78;

/// Most descriptors: 0, 1, 2, the socket, the component, memory.
pub const DESCRIPTORS: u64 = 32;
/// Seconds of processor time in its whole life; whoever starts it again starts from nothing.
pub const PROCESSOR_S: u64 = 3600;
/// Bytes that the process has besides the component's memory: code, the engine, what is handed over.
pub const OVERHEAD_BYTES: u64 = 128 << 20;
/// Bytes that it has while it loads.
pub const LOADING_BYTES: u64 = COMPILED_BYTES * 2 + OVERHEAD_BYTES;

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndError {
    #[error(transparent)]
    Enter(#[from] EnterError),
    #[error(transparent)]
    Confine(#[from] ConfineError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the house is gone")]
    Gone,
    #[error("the house did not begin with a component")]
    Beginning,
}

impl EndError {
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Enter(_) | Self::Confine(_) | Self::Settle(_) => NOT_CONFINED,
            Self::Wire(WireError::Gone) | Self::Gone => GONE,
            Self::Wire(_) | Self::Beginning => PROTOCOL,
            Self::Load(_) => NO_ENGINE,
        }
    }
}

/// Runs the process to its end. To be called at the very start of `main` when the first argument is this process's verb.
pub fn main() -> ExitCode {
    ended(&run())
}

pub(crate) fn ended(result: &Result<(), EndError>) -> ExitCode {
    ExitCode::from(result.as_ref().err().map_or(GONE, EndError::code))
}

fn run() -> Result<(), EndError> {
    let (socket, report) = begin(LOADING_BYTES, PROCESSOR_S)?;
    let mut wire = Wire::new(socket);
    let Some(tool) = load(&mut wire)? else { return Ok(()) };
    serve(wire, &tool, confined(&report))
}

/// A process that is confined and has its line.
pub(crate) fn begin(memory_bytes: u64, processor_s: u64) -> Result<(UnixStream, Report), EndError> {
    let entered = child::enter(child::expected_parent()?)?;
    let report = confine::apply(&confinement(memory_bytes, processor_s))?;
    Ok((entered.socket, report))
}

/// What is taken away before the first message. No file, no socket, no system call but those of the list.
fn confinement(memory_bytes: u64, processor_s: u64) -> Confinement {
    let mut wanted = Confinement {
        descriptors: Some(DESCRIPTORS),
        memory_bytes: Some(memory_bytes),
        usage: Some(UsageLimits { processor_s, file_bytes: COMPILED_BYTES }),
        // Nothing in it is a secret, and the address space that the engine keeps free would count.
        memory_lock: false,
        namespaces: true,
        files: Some(Files::default()),
        sockets: Some(Vec::new()),
        network: Some(Network::Closed),
        ..Confinement::strict(Profile::Sandbox)
    };
    if cfg!(target_os = "linux") {
        wanted = wanted.require(Part::Calls, Need::Wholly);
    }
    wanted
}

/// A report as the house is told it.
pub(crate) fn confined(report: &Report) -> Vec<(String, String)> {
    report.parts.iter().map(|(part, outcome)| (part.to_string(), outcome.to_string())).collect()
}

/// The first message, made a tool. `None` when the house was told that it is none.
pub(crate) fn load(wire: &mut Wire) -> Result<Option<Tool>, EndError> {
    let (Ask::Load { limits }, descriptors) = wire.first()? else { return Err(EndError::Beginning) };
    let [compiled] = <[_; 1]>::try_from(descriptors).map_err(|_| EndError::Beginning)?;
    let compiled = sealed::read_sealed(compiled, COMPILED_BYTES).map_err(|_| EndError::Beginning)?;
    let tool = match Tool::load(&compiled, limits) {
        Ok(tool) => tool,
        Err(LoadError::Unfit(fault)) => {
            wire.send(&Tell::Unfit(fault))?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    drop(compiled);
    confine::settle(settled_bytes(&limits))?;
    Ok(Some(tool))
}

fn settled_bytes(limits: &SandboxLimits) -> u64 {
    limits.memory_bytes.saturating_add(OVERHEAD_BYTES).min(LOADING_BYTES.max(limits.memory_bytes))
}

/// Says what the tool can do, and makes calls until the house lets go.
fn serve(mut wire: Wire, tool: &Tool, confined: Vec<(String, String)>) -> Result<(), EndError> {
    match tool.describe() {
        Ok(operations) => wire.send(&Tell::Ready { operations, confined })?,
        Err(fault) => return Ok(wire.send(&Tell::Unfit(fault))?),
    }
    let wire = Arc::new(Mutex::new(wire));
    let lock = || wire.lock().unwrap_or_else(PoisonError::into_inner);
    let mut last = None;
    loop {
        let ask = lock().next()?;
        match ask {
            Ask::Call(call) if last.is_none_or(|last| call.id > last) => {
                last = Some(call.id);
                make(tool, call, &wire)?;
                let beats = lock().beats();
                for id in beats {
                    lock().send(&Tell::Beat { id })?;
                }
            }
            Ask::Beat { id } => lock().send(&Tell::Beat { id })?,
            // It crossed the end of its call.
            Ask::Given { call, .. } if last.is_some_and(|last| call <= last) => {}
            Ask::Call(_) | Ask::Given { .. } | Ask::Load { .. } => return Err(WireError::Turn("a message out of turn").into()),
        }
    }
}

fn make(tool: &Tool, call: Call, wire: &Arc<Mutex<Wire>>) -> Result<(), EndError> {
    let id = call.id;
    let failed = Arc::new(Mutex::new(None));
    let house = Far { call: id, wire: Arc::clone(wire), failed: Arc::clone(&failed) };
    let (outcome, used) = tool.call(call, Box::new(house));
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(EndError::Wire(error));
    }
    let mut wire = wire.lock().unwrap_or_else(PoisonError::into_inner);
    wire.look(id)?;
    match wire.send(&Tell::Done { call: id, outcome, used }) {
        // Text that grows by escaping.
        Err(WireError::Encode(_)) => wire.send(&Tell::Done { call: id, outcome: Outcome::Fault(Fault::ResultSize), used })?,
        sent => sent?,
    }
    Ok(())
}

/// The house, at the other end of the line.
struct Far {
    call: u64,
    wire: Arc<Mutex<Wire>>,
    failed: Arc<Mutex<Option<WireError>>>,
}

impl Far {
    fn fail(&self, error: WireError) -> Asked {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        Asked::Gone
    }
}

impl House for Far {
    fn ask(&mut self, question: u32, ask: HostAsk, left: Duration) -> Asked {
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        match wire.send(&Tell::Host { call: self.call, question, ask }) {
            Ok(()) => {}
            Err(WireError::Encode(_)) => return Asked::TooLarge,
            Err(error) => return self.fail(error),
        }
        match wire.answer(self.call, question, left) {
            Ok(Waited::Answer(answer)) => Asked::Answer(answer),
            Ok(Waited::Late) => Asked::Late,
            Err(error) => self.fail(error),
        }
    }

    fn say(&mut self, line: Line) {
        let said = self.wire.lock().unwrap_or_else(PoisonError::into_inner).send(&Tell::Said { call: self.call, line });
        if let Err(error) = said {
            self.fail(error);
        }
    }
}
