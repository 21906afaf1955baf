//! What a request to a model, or a call of a tool, can take of a budget, before it is known what it took.

use serde_json::Value;

use super::Amounts;
use crate::flow::call::Function;
use crate::message::Part;
use crate::model::{Arguments, ModelRequest, Usage, Utterance};
use crate::sandbox;
use crate::tool::Effect;

/// Tokens that a picture may be, for providers that are generous with them.
const IMAGE_TOKENS: u64 = 3_000;
/// Tokens of the frame of an utterance or a tool.
const FRAME_TOKENS: u64 = 64;
/// Bytes of prose for seven tokens, halved: see `conversation::estimate_tokens`.
const ESTIMATE: (u64, u64) = (2, 7);
/// Cents of a unit of money.
const CENTS: f64 = 100.0;

impl From<Usage> for Amounts {
    fn from(usage: Usage) -> Self {
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        Self { tokens, cost_micro_usd: usage.micro_usd, ..Self::default() }
    }
}

/// The most that a request to a model can take, and about what it takes before anything is answered. No vocabulary makes more than one
/// token of a byte. `cost` gives millionths of a US dollar for tokens in and out.
#[must_use]
pub fn of_request(request: &ModelRequest, cost: impl Fn(u64, u64) -> u64) -> (Amounts, u64) {
    let (texts, frames, pictures) = bytes(request);
    let input = texts.saturating_add(frames.saturating_mul(FRAME_TOKENS)).saturating_add(pictures.saturating_mul(IMAGE_TOKENS));
    let output = u64::from(request.max_output_tokens);
    let most = Amounts { tokens: input.saturating_add(output), cost_micro_usd: cost(input, output), ..Amounts::default() };
    (most, about(texts).saturating_add(pictures.saturating_mul(IMAGE_TOKENS / 3)))
}

/// About how many tokens so many bytes of text are.
#[must_use]
pub const fn about(bytes: u64) -> u64 {
    bytes.saturating_mul(ESTIMATE.0) / ESTIMATE.1
}

/// Bytes of text, frames and pictures of a request.
fn bytes(request: &ModelRequest) -> (u64, u64, u64) {
    let (mut texts, mut pictures) =
        (request.system.len().saturating_add(request.context.len()).saturating_add(request.member.len()), 0_u64);
    for part in &request.history {
        texts = texts.saturating_add(match part {
            Utterance::User { parts } => {
                let images = parts.iter().filter(|part| matches!(part, Part::Image { .. })).count();
                pictures = pictures.saturating_add(images as u64);
                parts.iter().map(|part| if let Part::Text { text } = part { text.len() } else { 0 }).sum()
            }
            Utterance::Assistant { text, calls } => {
                let calls: usize = calls.iter().map(|call| call.id.len() + call.name.len() + written(&call.arguments)).sum();
                text.len().saturating_add(calls)
            }
            Utterance::ToolResult { call, name, content } => call.len() + name.len() + content.len(),
        });
    }
    let tools: usize = request.tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len()).sum();
    let frames = request.history.len().saturating_add(request.tools.len()).saturating_add(1);
    (texts.saturating_add(tools) as u64, frames as u64, pictures)
}

fn written(arguments: &Arguments) -> usize {
    match arguments {
        Arguments::Json(value) => value.to_string().len(),
        Arguments::Malformed(text) => text.len(),
    }
}

/// What a call of a tool takes: one call, and what it pays by those of its arguments that are amounts. An amount that is no number is
/// none: whoever pays says how much.
#[must_use]
pub fn of_call(function: &Function, arguments: &Value) -> Amounts {
    let amount = |(name, value): (&String, &Value)| {
        let is_amount = function.effect == Effect::Pay && function.role(&format!("/{name}")) == Some(sandbox::Role::Amount);
        is_amount.then(|| cents(value)).flatten()
    };
    let paid = arguments.as_object().into_iter().flatten().filter_map(amount).fold(0, u64::saturating_add);
    Amounts { tool_calls: 1, paid_cents: paid, ..Amounts::default() }
}

/// An amount of money in cents, rounded up.
fn cents(value: &Value) -> Option<u64> {
    let units = value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    let cents = units.map(|units: f64| (units * CENTS - 1e-6).ceil()).filter(|cents| cents.is_finite() && *cents > 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is above zero; `as` saturates")]
    Some(cents as u64)
}
