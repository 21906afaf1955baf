//! One script in one engine, directive by directive.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use json_from_wast::{Action, Command, Const, WasmFile, Wast};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{self, Component};
use wasmtime::{Engine, Error, Instance, Linker, Module, PoolConcurrencyLimitError, Store};
use wast::parser::{ParseBuffer, parse};

use crate::text::binary;
use crate::{host, proposals, value};

/// Why a script did not end well.
pub enum Trouble {
    /// The engine's pool is too small for it.
    NoRoom(String),
    Wrong(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let text = format!("{error:#}");
        let room = error.is::<PoolConcurrencyLimitError>()
            || text.contains("exceeds the configured maximum")
            || text.contains("exceeds the limit of");
        if room { Self::NoRoom(text) } else { Self::Wrong(text) }
    }
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::Wrong(text)
    }
}

impl Trouble {
    fn at(self, line: u32) -> Self {
        match self {
            Self::NoRoom(text) => Self::NoRoom(format!("line {line}: {text}")),
            Self::Wrong(text) => Self::Wrong(format!("line {line}: {text}")),
        }
    }
}

/// What became of a script's directives.
#[derive(Default, Clone)]
pub struct Counts {
    pub ran: usize,
    /// Of those, refusals in other words than the script's; the validator agrees that it must be.
    pub worded_otherwise: usize,
    /// By the proposals that they need.
    pub skipped: BTreeMap<String, usize>,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.ran += other.ran;
        self.worded_otherwise += other.worded_otherwise;
        for (reason, count) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += count;
        }
    }
}

impl Display for Counts {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} ran", self.ran)?;
        if self.worded_otherwise > 0 {
            write!(out, ", {} refusals worded otherwise", self.worded_otherwise)?;
        }
        for (reason, count) in &self.skipped {
            write!(out, ", {count} left out ({reason})")?;
        }
        Ok(())
    }
}

#[derive(Clone)]
enum Code {
    Core(Module),
    Component(Component),
    /// It needs these proposals.
    Skipped(String),
}

enum Live {
    Core(Instance),
    Component(Store<()>, component::Instance),
    Skipped(String),
}

enum Answer {
    Core(Vec<wasmtime::Val>),
    Component(Vec<component::Val>),
}

/// How something ended that may trap: values, or the trap.
type End = Result<Answer, Error>;

pub struct Script<'a> {
    engine: &'a Engine,
    bytes: BTreeMap<String, Vec<u8>>,
    core_store: Store<()>,
    core_linker: Linker<()>,
    linker: component::Linker<()>,
    defined: BTreeMap<Option<String>, Code>,
    current: Option<Live>,
    counts: Counts,
}

fn store(engine: &Engine) -> Result<Store<()>, Trouble> {
    let mut store = Store::new(engine, ());
    store.set_fuel(u64::MAX)?;
    store.set_epoch_deadline(1);
    Ok(store)
}

pub fn run(engine: &Engine, name: &str, text: &str) -> Result<Counts, Trouble> {
    let buffer = ParseBuffer::new(text).map_err(|error| error.to_string())?;
    let parsed = parse::<wast::Wast<'_>>(&buffer).map_err(|error| error.to_string())?;
    let mut wast = Wast::from_ast(name, text, parsed).map_err(|error| format!("{error:#}"))?;
    let mut linker = component::Linker::new(engine);
    linker.allow_shadowing(true);
    host::link(&mut linker)?;
    let mut core_linker = Linker::new(engine);
    core_linker.allow_shadowing(true);
    let mut script = Script {
        engine,
        bytes: std::mem::take(&mut wast.wasms).into_iter().collect(),
        core_store: store(engine)?,
        core_linker,
        linker,
        defined: BTreeMap::new(),
        current: None,
        counts: Counts::default(),
    };
    for command in &wast.commands {
        match script.directive(command).map_err(|trouble| trouble.at(command.line()))? {
            None => script.counts.ran += 1,
            Some(reason) => *script.counts.skipped.entry(reason).or_default() += 1,
        }
    }
    Ok(script.counts)
}

impl Script<'_> {
    /// Runs one; why it was left out, if it was.
    fn directive(&mut self, command: &Command<'_>) -> Result<Option<String>, Trouble> {
        match command {
            Command::Module { name, file, .. } => {
                let code = self.valid(file)?;
                self.instantiate(name.as_deref(), &code)
            }
            Command::ModuleDefinition { name, file, .. } => {
                let code = self.valid(file)?;
                let left_out = match &code {
                    Code::Skipped(reason) => Some(reason.clone()),
                    Code::Core(_) | Code::Component(_) => None,
                };
                self.defined.insert(name.as_deref().map(str::to_owned), code);
                Ok(left_out)
            }
            Command::ModuleInstance { instance, module, .. } => {
                let name = module.as_deref().map(str::to_owned);
                let code = self.defined.get(&name).cloned().ok_or_else(|| format!("no definition {name:?}"))?;
                self.instantiate(instance.as_deref(), &code)
            }
            Command::AssertInvalid { file, text, .. } | Command::AssertMalformed { file, text, .. } => self.refused(file, text),
            Command::AssertUnlinkable { file, text, .. } | Command::AssertUninstantiable { file, text, .. } => {
                let code = self.valid(file)?;
                let (end, left_out) = self.start(None, &code)?;
                if left_out.is_none() {
                    traps(end, text)?;
                }
                Ok(left_out)
            }
            Command::Action { action, .. } => self.act(action, |end| end.map(|_| ()).map_err(Trouble::from)),
            Command::AssertReturn { action, expected, .. } => self.act(action, |end| returns(&end?, expected)),
            Command::AssertTrap { action, text, .. } | Command::AssertExhaustion { action, text, .. } => {
                self.act(action, |end| traps(end.map(|_| ()), text))
            }
            Command::Register { .. }
            | Command::AssertMalformedCustom { .. }
            | Command::AssertInvalidCustom { .. }
            | Command::AssertException { .. }
            | Command::AssertSuspension { .. }
            | Command::Thread { .. }
            | Command::Wait { .. } => Err("a directive that this program does not know".to_owned().into()),
        }
    }

    /// The binary form of what a directive names. What is in text is malformed there.
    fn binary(&self, file: &WasmFile<'_>) -> Result<Result<Vec<u8>, String>, Trouble> {
        let name = file.binary_filename.as_ref().unwrap_or(&file.filename);
        let bytes = self.bytes.get(name.as_ref()).ok_or_else(|| format!("no module {name}"))?;
        if bytes.starts_with(b"\0asm") || file.filename.ends_with(".wasm") {
            return Ok(Ok(bytes.clone()));
        }
        Ok(std::str::from_utf8(bytes).map_err(|error| error.to_string()).and_then(binary))
    }

    fn compile(&self, bytes: &[u8]) -> Result<Code, Error> {
        if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
            Module::new(self.engine, bytes).map(Code::Core)
        } else {
            Component::new(self.engine, bytes).map(Code::Component)
        }
    }

    /// A module that must be taken.
    fn valid(&self, file: &WasmFile<'_>) -> Result<Code, Trouble> {
        let bytes = self.binary(file)??;
        match (self.compile(&bytes), proposals::needed(&bytes, true)) {
            (Ok(code), None) => Ok(code),
            (Err(_), Some(reason)) => Ok(Code::Skipped(reason)),
            (Ok(_), Some(reason)) => Err(format!("the engine has {reason} on").into()),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// A module that must be refused.
    fn refused(&mut self, file: &WasmFile<'_>, text: &str) -> Result<Option<String>, Trouble> {
        let bytes = match self.binary(file)? {
            Ok(bytes) => bytes,
            Err(error) if error.contains(text) => return Ok(None),
            Err(_) => {
                self.counts.worded_otherwise += 1;
                return Ok(None);
            }
        };
        let Err(error) = self.compile(&bytes) else { return Err("what must be refused was taken".to_owned().into()) };
        if let Some(reason) = proposals::needed(&bytes, false) {
            return Ok(Some(reason));
        }
        if !format!("{error:?}").contains(text) {
            if !proposals::refused(&bytes) {
                return Err(format!("refused for another reason than '{text}': {error:#}").into());
            }
            self.counts.worded_otherwise += 1;
        }
        Ok(None)
    }

    fn instantiate(&mut self, name: Option<&str>, code: &Code) -> Result<Option<String>, Trouble> {
        let (end, left_out) = self.start(name, code)?;
        end?;
        Ok(left_out)
    }

    /// Makes it the current one; how its start ended, and why it was left out if it was.
    fn start(&mut self, name: Option<&str>, code: &Code) -> Result<(Result<(), Error>, Option<String>), Trouble> {
        // A tool's engine has room for one.
        self.current = None;
        let live = match code {
            Code::Skipped(reason) => {
                self.current = Some(Live::Skipped(reason.clone()));
                return Ok((Ok(()), Some(reason.clone())));
            }
            Code::Core(module) => match self.core_linker.instantiate(&mut self.core_store, module) {
                Ok(instance) => {
                    if let Some(name) = name {
                        self.core_linker.instance(&mut self.core_store, name, instance)?;
                    }
                    Live::Core(instance)
                }
                Err(error) => return Ok((Err(room(error)?), None)),
            },
            Code::Component(component) => {
                let mut store = store(self.engine)?;
                match self.linker.instantiate(&mut store, component) {
                    Ok(instance) => {
                        if let Some(name) = name {
                            self.name(name, component, &mut store, &instance)?;
                        }
                        Live::Component(store, instance)
                    }
                    Err(error) => return Ok((Err(room(error)?), None)),
                }
            }
        };
        self.current = Some(live);
        Ok((Ok(()), None))
    }

    /// Gives later components the modules and resources of a named one; functions cannot go from one store to another.
    fn name(&mut self, name: &str, component: &Component, store: &mut Store<()>, instance: &component::Instance) -> Result<(), Trouble> {
        let own = component.component_type();
        let mut linked = self.linker.instance(name)?;
        for (export, item) in own.exports(self.engine) {
            match item.ty {
                ComponentItem::Module(_) => {
                    if let Some(module) = instance.get_module(&mut *store, export) {
                        linked.module(export, &module)?;
                    }
                }
                ComponentItem::Resource(_) => {
                    if let Some(resource) = instance.get_resource(&mut *store, export) {
                        linked.resource(export, resource, |_, _| Ok(()))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Calls something, and hands its end on; why it was left out, if it was.
    fn act(&mut self, action: &Action<'_>, then: impl FnOnce(End) -> Result<(), Trouble>) -> Result<Option<String>, Trouble> {
        let Action::Invoke { module: None, field, args } = action else {
            return Err("an action that this program does not know".to_owned().into());
        };
        let none = || format!("no function {field}");
        let end = match self.current.as_mut().ok_or("nothing to call".to_owned())? {
            Live::Skipped(reason) => return Ok(Some(reason.clone())),
            Live::Core(instance) => {
                let function = instance.get_func(&mut self.core_store, field).ok_or_else(none)?;
                let arguments = args.iter().map(value::core).collect::<Result<Vec<_>, _>>()?;
                let mut results = vec![wasmtime::Val::I32(0); function.ty(&self.core_store).results().len()];
                function.call(&mut self.core_store, &arguments, &mut results).map(|()| Answer::Core(results))
            }
            Live::Component(store, instance) => {
                let function = instance.get_func(&mut *store, field.as_ref()).ok_or_else(none)?;
                let arguments = args.iter().map(value::component).collect::<Result<Vec<_>, _>>()?;
                let mut results = vec![component::Val::Bool(false); function.ty(&*store).results().len()];
                function.call(&mut *store, &arguments, &mut results).map(|()| Answer::Component(results))
            }
        };
        then(end)?;
        Ok(None)
    }
}

/// An error that says something of the script; the others are about this engine.
fn room(error: Error) -> Result<Error, Trouble> {
    match Trouble::from(error) {
        Trouble::NoRoom(text) => Err(Trouble::NoRoom(text)),
        Trouble::Wrong(text) => Ok(Error::msg(text)),
    }
}

fn returns(answer: &Answer, expected: &[Const<'_>]) -> Result<(), Trouble> {
    let right = match answer {
        Answer::Core(values) => {
            values.len() == expected.len() && values.iter().zip(expected).all(|(is, should)| value::is_core(should, is))
        }
        Answer::Component(values) => {
            values.len() == expected.len() && values.iter().zip(expected).all(|(is, should)| value::is(should, is))
        }
    };
    let got = match answer {
        Answer::Core(values) => format!("{values:?}"),
        Answer::Component(values) => format!("{values:?}"),
    };
    if right { Ok(()) } else { Err(format!("expected {expected:?}, got {got}").into()) }
}

/// Whether it ended with an error in these words.
fn traps(end: Result<(), Error>, text: &str) -> Result<(), Trouble> {
    let Err(error) = end else { return Err(format!("expected to fail with '{text}'").into()) };
    let said = format!("{error:?}");
    // The specification and the engine name the same things a little differently.
    let alike = ["cannot read", "cannot write"].iter().any(|part| text.contains(part) && said.contains(part));
    if alike || said.contains(text) { Ok(()) } else { Err(format!("expected to fail with '{text}', but: {error:#}").into()) }
}
