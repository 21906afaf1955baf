//! Between the interface's words and the house's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_domain::sandbox::{Call, Fault, Operation, Outcome, Part, Role, ToolRefusal, ToolRefusalKind, Trust};
use hearth_domain::tool::Effect;

use crate::world::types;

pub(super) fn call(call: Call) -> (String, String, types::Context) {
    let context =
        types::Context { call: call.key, member: call.member, locale: call.locale, zone: call.zone, deadline_ms: call.deadline_ms };
    (call.operation, call.arguments, context)
}

pub(super) fn outcome(came: Result<Vec<types::Part>, types::Failure>, limit: usize) -> Result<Outcome, Fault> {
    match came {
        Ok(parts) => {
            let bytes = parts.iter().map(part_bytes).fold(0_usize, usize::saturating_add);
            if bytes > limit { Err(Fault::ResultSize) } else { Ok(Outcome::Parts(parts.into_iter().map(part).collect())) }
        }
        Err(failure) => {
            let refusal = refusal(failure);
            if refusal.sentence.len() > limit { Err(Fault::ResultSize) } else { Ok(Outcome::Refused(refusal)) }
        }
    }
}

/// What a part takes, and a little for that it is one.
fn part_bytes(part: &types::Part) -> usize {
    const ONE: usize = 32;
    ONE.saturating_add(match part {
        types::Part::Text(text) | types::Part::Json(text) => text.len(),
        types::Part::Blob((media_type, bytes)) => media_type.len().saturating_add(bytes.len()),
    })
}

fn part(part: types::Part) -> Part {
    match part {
        types::Part::Text(text) => Part::Text(text),
        types::Part::Json(text) => Part::Json(text),
        types::Part::Blob((media_type, bytes)) => Part::Blob { media_type, base64: STANDARD.encode(bytes) },
    }
}

fn refusal(failure: types::Failure) -> ToolRefusal {
    let (kind, sentence) = match failure {
        types::Failure::BadArguments(sentence) => (ToolRefusalKind::BadArguments, sentence),
        types::Failure::NotFound(sentence) => (ToolRefusalKind::NotFound, sentence),
        types::Failure::Unavailable(sentence) => (ToolRefusalKind::Unavailable, sentence),
        types::Failure::Denied(sentence) => (ToolRefusalKind::Denied, sentence),
        types::Failure::Failed(sentence) => (ToolRefusalKind::Failed, sentence),
    };
    ToolRefusal { kind, sentence }
}

pub(super) fn operation(operation: types::Operation) -> Operation {
    Operation {
        name: operation.name,
        description: operation.description,
        parameters: operation.parameters,
        effect: effect(operation.effect),
        idempotent: operation.idempotent,
        arguments: operation.arguments.into_iter().map(|argument| (argument.at, role(argument.role))).collect(),
        fields: operation.fields.into_iter().map(|field| (field.at, trust(field.trust))).collect(),
    }
}

const fn effect(effect: types::Effect) -> Effect {
    match effect {
        types::Effect::Read => Effect::Read,
        types::Effect::WriteOwn => Effect::WriteOwn,
        types::Effect::ExternalSend => Effect::ExternalSend,
        types::Effect::Pay => Effect::Pay,
        types::Effect::Physical => Effect::Physical,
        types::Effect::Delete => Effect::Delete,
        types::Effect::Admin => Effect::Admin,
    }
}

const fn role(role: types::Role) -> Role {
    match role {
        types::Role::Content => Role::Content,
        types::Role::Recipient => Role::Recipient,
        types::Role::Url => Role::Url,
        types::Role::Path => Role::Path,
        types::Role::Amount => Role::Amount,
        types::Role::Id => Role::Id,
        types::Role::Schedule => Role::Schedule,
        types::Role::Code => Role::Code,
        types::Role::SecretRef => Role::SecretRef,
    }
}

const fn trust(trust: types::Trust) -> Trust {
    match trust {
        types::Trust::Outside => Trust::Outside,
        types::Trust::Service => Trust::Service,
        types::Trust::Member => Trust::Member,
    }
}
