//! A tool whose operations an author's source declares: `operation({name, description, effect, …, run(args, context) {…}})`.

use hearth_tool::{Answer, Context, Effect, Failure, Operation, Role, Tool, Trust};
use rquickjs::{CatchResultExt, Function};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::{Engine, Limits, World};

/// What the house is told instead of operations when the source cannot be read: nothing of this name is in any manifest.
const BROKEN: &str = "broken_source";
/// The longest description, in bytes.
const DESCRIPTION_BYTES: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    description: String,
    effect: String,
    #[serde(default)]
    idempotent: bool,
    parameters: Option<Value>,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    fields: Map<String, Value>,
}

/// Runs the source to its end, so that its operations are known.
fn opened<T>(source: &str, work: impl FnOnce(&World<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    Engine::new(Limits::default())?.with(|world| {
        let author = world.prelude.get("author").and_then(|author: Function<'_>| author.call::<_, ()>(()));
        author.catch(&world.js).map_err(|error| world.failure(&error))?;
        world.evaluate(source)?;
        work(world)
    })
}

fn described(source: &str) -> Result<Vec<Described>, Failure> {
    opened(source, |world| {
        let text = world.prelude.get("described").and_then(|described: Function<'_>| described.call::<_, String>(()));
        let text = text.catch(&world.js).map_err(|error| world.failure(&error))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::bad_arguments(format!("operation(…) is called with something else than it takes: {error}")))
    })
}

/// An instance lives for one call, and its tool as long.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn unknown(what: &str) -> Failure {
    Failure::bad_arguments(format!("operation(…) has {what} that the house does not know"))
}

fn effect(word: &str) -> Result<Effect, Failure> {
    Ok(match word {
        "read" => Effect::Read,
        "write_own" => Effect::WriteOwn,
        "external_send" => Effect::ExternalSend,
        "pay" => Effect::Pay,
        "physical" => Effect::Physical,
        "delete" => Effect::Delete,
        "admin" => Effect::Admin,
        _ => return Err(unknown("an effect")),
    })
}

fn role(word: &Value) -> Result<Role, Failure> {
    Ok(match word.as_str().unwrap_or_default() {
        "content" => Role::Content,
        "recipient" => Role::Recipient,
        "url" => Role::Url,
        "path" => Role::Path,
        "amount" => Role::Amount,
        "id" => Role::Id,
        "schedule" => Role::Schedule,
        "code" => Role::Code,
        "secret_ref" => Role::SecretRef,
        _ => return Err(unknown("a role of an argument")),
    })
}

fn trust(word: &Value) -> Result<Trust, Failure> {
    Ok(match word.as_str().unwrap_or_default() {
        "outside" => Trust::Outside,
        "service" => Trust::Service,
        "member" => Trust::Member,
        _ => return Err(unknown("a trust of a field")),
    })
}

fn operation(described: Described, source: &'static str) -> Result<Operation, Failure> {
    let name = kept(described.name);
    let run = move |arguments: Value, context: &Context| run(source, name, &arguments, context);
    let mut operation = Operation::new(name, effect(&described.effect)?, run).describe(kept(described.description));
    for (at, word) in described.arguments {
        operation = operation.argument(kept(at), role(&word)?);
    }
    for (at, word) in described.fields {
        operation = operation.field(kept(at), trust(&word)?);
    }
    if described.idempotent {
        operation = operation.idempotent();
    }
    Ok(match described.parameters {
        Some(parameters) => operation.parameters(move || parameters.clone()),
        None => operation,
    })
}

/// The author's tool, or one that says what is wrong with its source.
pub(crate) fn tool(source: &'static str) -> Tool {
    let operations =
        described(source).and_then(|found| found.into_iter().map(|found| operation(found, source)).collect::<Result<Vec<_>, _>>());
    match operations {
        Ok(operations) => operations.into_iter().fold(Tool::new(), Tool::with),
        Err(failure) => {
            let mut why = failure.to_string();
            why.truncate(why.floor_char_boundary(DESCRIPTION_BYTES));
            let broken = move |_nothing: Value, _context: &Context| Err::<Answer, _>(failure.clone());
            Tool::new().with(Operation::new(BROKEN, Effect::Read, broken).describe(kept(why)))
        }
    }
}

/// The tool with this operation alone, which the source is asked for when it is called.
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "a component has it"))]
pub(crate) fn single(source: &'static str, name: &str) -> Tool {
    let name = kept(name.to_owned());
    Tool::new().with(Operation::new(name, Effect::Read, move |arguments: Value, context: &Context| run(source, name, &arguments, context)))
}

fn run(source: &str, name: &str, arguments: &Value, context: &Context) -> Result<Answer, Failure> {
    let about = json!({
        "call": context.call,
        "member": context.member,
        "locale": context.locale,
        "zone": context.zone,
        "deadline_ms": context.deadline_ms,
    });
    opened(source, |world| {
        let call = world.prelude.get("call").and_then(|call: Function<'_>| call.call((name, arguments.to_string(), about.to_string())));
        let value = world.settled(call)?;
        Ok(world.json(value)?.into())
    })
}
