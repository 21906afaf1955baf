//! One component: what it can do, and its calls. Each call has an instance of its own, with nothing left from the one before.

use std::time::Duration;

use hearth_domain::sandbox::{Call, Fault, HostAnswer, HostAsk, Line, Operation, Outcome, SandboxLimits, Usage};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::clock::Ticker;
use crate::engine::{self, EngineError};
use crate::load;
use crate::world::{DESCRIBE, Tool as World, ToolPre};

pub(crate) mod state;
mod words;

use state::{Broken, State};

/// Bytes that a component hands over at once, such as the arguments of a host call or a result.
pub const HANDED_BYTES: usize = 4 * 1024 * 1024;
/// Most operations of a tool.
pub const OPERATIONS: usize = 128;

/// What came of asking the house.
#[derive(Debug)]
pub enum Asked {
    /// Its answer.
    Answer(HostAnswer),
    /// None in time.
    Late,
    /// The question was larger than a message.
    TooLarge,
    /// There is no house any more.
    Gone,
}

/// The house, for one call.
pub trait House: Send {
    /// Asks, and waits at most so long. Questions count up from 0.
    fn ask(&mut self, question: u32, ask: HostAsk, left: Duration) -> Asked;
    /// Says something that is not answered.
    fn say(&mut self, line: Line);
}

/// Why a component is not used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not fit.
    #[error(transparent)]
    Unfit(#[from] Fault),
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The thread that looks at the time could not be started.
    #[error("the time of calls cannot be watched")]
    Ticker(#[source] std::io::Error),
}

/// A component that can be called.
pub struct Tool {
    engine: Engine,
    ready: ToolPre<State>,
    ticker: Ticker,
    limits: SandboxLimits,
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tool").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Tool {
    /// Makes a tool of a compiled form. No instruction of it is run.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(compiled: &[u8], limits: SandboxLimits) -> Result<Self, LoadError> {
        let engine = engine::running()?;
        let component = load::component(&engine, compiled).map_err(|_| refused_by_pool(compiled))?;
        engine::check(&engine, &component)?;
        // What its memory begins with is laid out now: afterwards the process can make no such files any more.
        component.initialize_copy_on_write_image().map_err(|_| Fault::Memory)?;
        let mut linker = Linker::new(&engine);
        World::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(|error| EngineError::of(&error))?;
        // Of our package, and yet none of our interfaces, or of another type.
        let before = linker.instantiate_pre(&component).map_err(|_| Fault::Imports)?;
        let ready = ToolPre::new(before).map_err(|_| Fault::Exports)?;
        let ticker = Ticker::start(engine.clone()).map_err(LoadError::Ticker)?;
        Ok(Self { engine, ready, ticker, limits })
    }

    /// What it says that it can do.
    ///
    /// # Errors
    /// How it broke.
    pub fn describe(&self) -> Result<Vec<Operation>, Fault> {
        let limits = SandboxLimits { compute: self.limits.compute.min(DESCRIBE), ..self.limits };
        let mut store = self.store(State::new(limits, None, DESCRIBE, 0, [0; 32]))?;
        let _running = self.ticker.run();
        let tool = self.instance(&mut store)?;
        let said = tool.call_describe(&mut store).map_err(|error| fault(&error, store.data()))?;
        if said.len() > OPERATIONS {
            return Err(Fault::ResultSize);
        }
        Ok(said.into_iter().map(words::operation).collect())
    }

    /// Makes one call, in a fresh instance.
    pub fn call(&self, call: Call, house: Box<dyn House>) -> (Outcome, Usage) {
        let whole = Duration::from_millis(call.deadline_ms.into());
        let state = State::new(self.limits, Some(house), whole, call.wall_ms, call.seed);
        let mut store = match self.store(state) {
            Ok(store) => store,
            Err(fault) => return (Outcome::Fault(fault), Usage::default()),
        };
        let outcome = self.outcome(&mut store, call).unwrap_or_else(Outcome::Fault);
        let left = store.get_fuel().unwrap_or(0);
        let state = store.data();
        let used = Usage { fuel: self.limits.fuel.saturating_sub(left), memory_bytes: state.meter.memory_bytes, ..state.used };
        (outcome, used)
    }

    fn outcome(&self, store: &mut Store<State>, call: Call) -> Result<Outcome, Fault> {
        let _running = self.ticker.run();
        let (operation, arguments, context) = words::call(call);
        let tool = self.instance(store)?;
        let came = tool.call_call(&mut *store, &operation, &arguments, &context).map_err(|error| fault(&error, store.data()))?;
        words::outcome(came, self.limits.result_bytes)
    }

    /// What breaks here without a trap wants more than there is room for.
    fn instance(&self, store: &mut Store<State>) -> Result<World, Fault> {
        self.ready.instantiate(&mut *store).map_err(|error| {
            let fault = fault(&error, store.data());
            if fault == Fault::Malformed { Fault::Memory } else { fault }
        })
    }

    fn store(&self, state: State) -> Result<Store<State>, Fault> {
        let mut store = Store::try_new(&self.engine, state).map_err(|_| Fault::Memory)?;
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(HANDED_BYTES);
        store.set_fuel(self.limits.fuel).map_err(|_| Fault::OutOfFuel)?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| match context.data().budget.check() {
            Ok(()) => Ok(UpdateDeadline::Continue(1)),
            Err(fault) => Err(Broken(fault).into()),
        });
        Ok(store)
    }
}

/// A form that this engine has no room for fits one that has room for anything.
fn refused_by_pool(compiled: &[u8]) -> Fault {
    let roomy = engine::compiling().ok().and_then(|engine| load::component(&engine, compiled).ok());
    if roomy.is_some() { Fault::Memory } else { Fault::NotLoadable }
}

/// What the end of a call by an error means.
fn fault(error: &wasmtime::Error, state: &State) -> Fault {
    if let Some(Broken(fault)) = error.downcast_ref::<Broken>() {
        return *fault;
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, state.meter.refused);
    }
    if error.is::<PoolConcurrencyLimitError>() || state.meter.refused {
        return Fault::Memory;
    }
    // The engine has no type for this one; a test holds its words.
    if format!("{error:#}").contains(HANDED_TOO_MUCH) {
        return Fault::ResultSize;
    }
    Fault::Malformed
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the engine adds traps with each release, and they are traps")]
const fn trapped(trap: Trap, refused: bool) -> Fault {
    match trap {
        Trap::OutOfFuel => Fault::OutOfFuel,
        Trap::StackOverflow => Fault::Stack,
        Trap::Interrupt => Fault::Deadline,
        Trap::AllocationTooLarge => Fault::Memory,
        Trap::InvalidChar | Trap::StringOutOfBounds | Trap::ListOutOfBounds | Trap::InvalidDiscriminant | Trap::UnalignedPointer => {
            Fault::Malformed
        }
        // A tool that gives up when it gets no more memory does so by one of the others.
        _ if refused => Fault::Memory,
        _ => Fault::Trap,
    }
}

/// How the engine says that a component hands over more than [`HANDED_BYTES`].
const HANDED_TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";
