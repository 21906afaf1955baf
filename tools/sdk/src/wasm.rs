//! The component: what the interface's types are here, and the house's doors. Only on `wasm32`.

use std::sync::Once;

use crate::{Answer, Context, Failure, Part, Tool};

/// Made from `tools/wit/tool.wit`.
#[expect(missing_docs, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "tool",
        pub_export_macro: true,
        generate_unused_types: true,
    });
    pub use hearth::tool::types::{Argument, Effect, Field, Role, Trust};
}

pub(crate) mod doors;
#[cfg(feature = "getrandom")]
mod entropy;

/// What is written into the log when the tool panics, before the trap.
fn hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            bindings::hearth::tool::host::log(bindings::hearth::tool::host::Level::Error, &panic.to_string())
        }));
    });
}

/// The tool's operations for the house.
#[must_use]
pub fn describe(tool: &Tool) -> Vec<bindings::Operation> {
    hook();
    let operations = tool.operations().iter().map(|operation| bindings::Operation {
        name: operation.name.to_owned(),
        description: operation.description.to_owned(),
        parameters: operation.schema().to_string(),
        effect: effect(operation.effect),
        idempotent: operation.idempotent,
        arguments: operation
            .arguments
            .iter()
            .map(|argument| bindings::Argument { at: argument.at.to_owned(), role: role(argument.role) })
            .collect(),
        fields: operation.fields.iter().map(|field| bindings::Field { at: field.at.to_owned(), trust: trust(field.trust) }).collect(),
    });
    operations.collect()
}

/// One call of the house.
///
/// # Errors
/// The tool's.
pub fn call(tool: &Tool, operation: &str, arguments: &str, context: bindings::Context) -> Result<Vec<bindings::Part>, bindings::Failure> {
    hook();
    let bindings::Context { call, member, locale, zone, deadline_ms } = context;
    match tool.call(operation, arguments, &Context { call, member, locale, zone, deadline_ms }) {
        Ok(Answer { parts }) => Ok(parts.into_iter().map(part).collect()),
        Err(Failure::BadArguments(why)) => Err(bindings::Failure::BadArguments(why)),
        Err(Failure::NotFound(why)) => Err(bindings::Failure::NotFound(why)),
        Err(Failure::Unavailable(why)) => Err(bindings::Failure::Unavailable(why)),
        Err(Failure::Denied(why)) => Err(bindings::Failure::Denied(why)),
        Err(Failure::Failed(why)) => Err(bindings::Failure::Failed(why)),
    }
}

fn part(part: Part) -> bindings::Part {
    match part {
        Part::Text(text) => bindings::Part::Text(text),
        Part::Json(value) => bindings::Part::Json(value.to_string()),
        Part::Blob(kind, bytes) => bindings::Part::Blob((kind, bytes)),
    }
}

fn effect(effect: crate::Effect) -> bindings::Effect {
    match effect {
        crate::Effect::Read => bindings::Effect::Read,
        crate::Effect::WriteOwn => bindings::Effect::WriteOwn,
        crate::Effect::ExternalSend => bindings::Effect::ExternalSend,
        crate::Effect::Pay => bindings::Effect::Pay,
        crate::Effect::Physical => bindings::Effect::Physical,
        crate::Effect::Delete => bindings::Effect::Delete,
        crate::Effect::Admin => bindings::Effect::Admin,
    }
}

fn role(role: crate::Role) -> bindings::Role {
    match role {
        crate::Role::Content => bindings::Role::Content,
        crate::Role::Recipient => bindings::Role::Recipient,
        crate::Role::Url => bindings::Role::Url,
        crate::Role::Path => bindings::Role::Path,
        crate::Role::Amount => bindings::Role::Amount,
        crate::Role::Id => bindings::Role::Id,
        crate::Role::Schedule => bindings::Role::Schedule,
        crate::Role::Code => bindings::Role::Code,
        crate::Role::SecretRef => bindings::Role::SecretRef,
    }
}

fn trust(trust: crate::Trust) -> bindings::Trust {
    match trust {
        crate::Trust::Outside => bindings::Trust::Outside,
        crate::Trust::Service => bindings::Trust::Service,
        crate::Trust::Member => bindings::Trust::Member,
    }
}
