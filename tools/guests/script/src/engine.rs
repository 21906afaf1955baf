//! One run of the JavaScript engine: made, bounded, used once and thrown away.

use std::{cell::Cell, rc::Rc, time::Duration};

use hearth_tool::{Failure, clock};
use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Function, Object, Runtime, Value as Js, context::EvalOptions, promise::MaybePromise,
};
use serde_json::Value;

use crate::doors;

/// What a script finds before it begins.
const PRELUDE: &str = include_str!("prelude.js");
/// What the author's code is called in the engine's words about it.
const FILE: &str = "script";
/// The longest sentence that a refusal takes from a script, in characters.
const SENTENCE_CHARS: usize = 600;

/// What one run may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the engine's heap.
    pub(crate) memory_bytes: usize,
    /// Bytes of the engine's stack.
    pub(crate) stack_bytes: usize,
    /// How long it may compute, waiting for the house not counted.
    pub(crate) compute: Duration,
    /// How often the engine asks whether it may go on: about every 10 000 jumps and calls.
    pub(crate) asks: u32,
    /// The longest result, in bytes of JSON.
    pub(crate) result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 32 << 20, stack_bytes: 192 << 10, compute: Duration::from_secs(5), asks: 200_000, result_bytes: 512 << 10 }
    }
}

/// What is run for a member.
#[derive(Debug)]
pub(crate) struct Code<'a> {
    pub(crate) text: &'a str,
    /// What it sees as `input`.
    pub(crate) input: &'a Value,
}

/// The clock of a run, which stands while the house is asked.
#[derive(Debug)]
struct Watch {
    limits: Limits,
    begun: Duration,
    waited: Cell<Duration>,
    asks: Cell<u32>,
    over: Cell<bool>,
}

impl Watch {
    /// Whether it must stop.
    fn is_over(&self) -> bool {
        self.asks.set(self.asks.get().saturating_add(1));
        let computed = clock::elapsed().saturating_sub(self.begun).saturating_sub(self.waited.get());
        self.over.set(self.asks.get() > self.limits.asks || computed > self.limits.compute);
        self.over.get()
    }

    fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        let from = clock::elapsed();
        let result = wait();
        self.waited.set(self.waited.get().saturating_add(clock::elapsed().saturating_sub(from)));
        result
    }
}

/// The engine with the prelude, for one use.
pub(crate) struct Engine {
    runtime: Runtime,
    context: Context,
    watch: Rc<Watch>,
}

/// A script's world while it runs.
pub(crate) struct World<'js> {
    pub(crate) js: Ctx<'js>,
    /// What the prelude gives to the house: `author`, `described`, `call`.
    pub(crate) prelude: Object<'js>,
    watch: Rc<Watch>,
}

fn not_made(_error: rquickjs::Error) -> Failure {
    Failure::failed("there is not enough memory to run a script at all")
}

impl Engine {
    /// A fresh engine.
    ///
    /// # Errors
    /// It does not fit into these limits.
    pub(crate) fn new(limits: Limits) -> Result<Self, Failure> {
        let runtime = Runtime::new().map_err(not_made)?;
        runtime.set_memory_limit(limits.memory_bytes);
        runtime.set_max_stack_size(limits.stack_bytes);
        let context = Context::full(&runtime).map_err(not_made)?;
        let watch = Rc::new(Watch {
            limits,
            begun: clock::elapsed(),
            waited: Cell::new(Duration::ZERO),
            asks: Cell::new(0),
            over: Cell::new(false),
        });
        let own = Rc::clone(&watch);
        runtime.set_interrupt_handler(Some(Box::new(move || own.is_over())));
        Ok(Self { runtime, context, watch })
    }

    /// Uses it.
    ///
    /// # Errors
    /// Those of the use.
    pub(crate) fn with<T>(self, work: impl FnOnce(&World<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let result = self.context.with(|js| {
            let watch = Rc::clone(&self.watch);
            let door = move |door: String, asked: String| watch.waiting(|| doors::through(&door, &asked));
            let prelude = Function::new(js.clone(), door)
                .and_then(|door| js.eval_with_options::<Function<'_>, _>(PRELUDE, options("house"))?.call::<_, Object<'_>>((door,)));
            let prelude = prelude.map_err(not_made)?;
            work(&World { js, prelude, watch: Rc::clone(&self.watch) })
        });
        self.runtime.set_interrupt_handler(None);
        result
    }
}

fn options(file: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file.to_owned());
    options
}

impl<'js> World<'js> {
    /// Evaluates a source, its last expression being its value; with top-level `await`.
    pub(crate) fn evaluate(&self, source: &str) -> Result<Js<'js>, Failure> {
        let with_await = |source: &str| {
            let mut options = options(FILE);
            options.promise = true;
            self.js.eval_with_options::<MaybePromise<'js>, _>(source, options).and_then(|value| value.finish::<Object<'js>>())
        };
        match with_await(source).catch(&self.js) {
            Ok(settled) => self.settled(settled.get("value")),
            // A function's body has its value by `return`. Nothing of the source was run yet.
            Err(error) if is_return_outside(&error) => {
                let body = format!("(async () => {{{source}\n}})()");
                self.settled(self.js.eval_with_options(body, options(FILE)))
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// The value in its end, when it is a promise.
    pub(crate) fn settled(&self, value: rquickjs::Result<MaybePromise<'js>>) -> Result<Js<'js>, Failure> {
        value.and_then(|value| value.finish()).catch(&self.js).map_err(|error| self.failure(&error))
    }

    /// A value as JSON. What JSON has no word for is null.
    pub(crate) fn json(&self, value: Js<'js>) -> Result<Value, Failure> {
        let text = self.js.json_stringify(value).and_then(|text| text.map(|text| text.to_string()).transpose());
        let Some(text) = text.catch(&self.js).map_err(|error| self.failure(&error))? else { return Ok(Value::Null) };
        if text.len() > self.watch.limits.result_bytes {
            return Err(Failure::failed(format!(
                "the script's result is longer than {} bytes; let it give less",
                self.watch.limits.result_bytes
            )));
        }
        serde_json::from_str(&text).map_err(|_too_deep| Failure::failed("the script's result is nested too deep"))
    }

    /// What a script did wrong, as a refusal.
    pub(crate) fn failure(&self, error: &CaughtError<'js>) -> Failure {
        if self.watch.over.get() {
            return Failure::failed("the script computed longer than it may; let it do less");
        }
        match error {
            CaughtError::Exception(exception) => {
                let name: String = exception.as_object().get("name").unwrap_or_default();
                let kind: Option<String> = exception.as_object().get("kind").ok();
                let message = exception.message().unwrap_or_default();
                let place = line_of(&exception.stack().unwrap_or_default());
                let at = place.map_or_else(String::new, |line| format!("line {line}: "));
                match kind.filter(|_| name == "Failure") {
                    Some(kind) => doors::failure(&kind, short(&format!("{at}{message}"))),
                    None if name == "SyntaxError" => Failure::bad_arguments(short(&format!("{at}{name}: {message}"))),
                    None => Failure::failed(short(&format!("{at}{name}: {message}"))),
                }
            }
            // With no memory left for an error, the engine throws null.
            CaughtError::Value(value) if value.is_null() => Failure::failed("the script needs more memory than it may have, or threw null"),
            CaughtError::Value(value) => {
                let said = value.as_string().and_then(|text| text.to_string().ok());
                Failure::failed(short(
                    &said.map_or_else(|| "the script threw something".to_owned(), |said| format!("the script threw: {said}")),
                ))
            }
            CaughtError::Error(rquickjs::Error::WouldBlock) => Failure::failed("the script waits for something that never comes"),
            CaughtError::Error(rquickjs::Error::Allocation) => Failure::failed("the script needs more memory than it may have"),
            CaughtError::Error(_) => Failure::failed("the script gave something that cannot be read"),
        }
    }
}

fn is_return_outside(error: &CaughtError<'_>) -> bool {
    let CaughtError::Exception(exception) = error else { return false };
    exception.message().is_some_and(|message| message.contains("return not in a function"))
}

/// The line of the first frame that is the script's: `… (script:3:7)` or `at script:3:7`.
fn line_of(stack: &str) -> Option<u32> {
    let (_, rest) = stack.split_once(&format!("{FILE}:"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn short(text: &str) -> String {
    text.chars().take(SENTENCE_CHARS).collect()
}

/// Runs a member's code.
///
/// # Errors
/// What it did wrong, with the line.
pub(crate) fn evaluate(code: &Code<'_>, limits: Limits) -> Result<Value, Failure> {
    Engine::new(limits)?.with(|world| {
        let input = world.js.json_parse(code.input.to_string());
        let put = input.and_then(|input| world.js.globals().set("input", input));
        put.catch(&world.js).map_err(|error| world.failure(&error))?;
        let value = world.evaluate(code.text)?;
        world.json(value)
    })
}
