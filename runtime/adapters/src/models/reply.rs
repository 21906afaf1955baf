//! A provider's answer as the house takes it.

use hearth_domain::model::{Arguments, ModelError, ModelReply, StopReason, ToolCall, Usage};
use rig_core::completion::{self, CompletionResponse, FinishReason};
use rig_core::message;
use serde_json::Value;

use crate::models::config::{Prices, ProviderConfig};

/// The reply, or [`ModelError::Cut`] when nothing says that it ended.
pub(super) fn read(config: &ProviderConfig, answer: &CompletionResponse) -> Result<ModelReply, ModelError> {
    let Some(stop) = stop(answer) else { return Err(ModelError::Cut) };
    Ok(ModelReply {
        text: answer.text(),
        calls: answer.tool_calls().map(call).collect(),
        usage: usage(&answer.usage, config.prices),
        stop,
        provider: config.name.clone(),
    })
}

/// The empty reply of a provider that would not even begin.
pub(super) fn refused(config: &ProviderConfig) -> ModelReply {
    let (text, calls, usage) = (String::new(), Vec::new(), Usage::default());
    ModelReply { text, calls, usage, stop: StopReason::Refused, provider: config.name.clone() }
}

/// Bytes of what a reply says: its text and its calls.
pub(super) fn bytes(reply: &ModelReply) -> usize {
    let call = |call: &ToolCall| {
        let arguments = match &call.arguments {
            Arguments::Json(value) => value.to_string().len(),
            Arguments::Malformed(text) => text.len(),
        };
        call.id.len() + call.name.len() + arguments
    };
    reply.text.len() + reply.calls.iter().map(call).sum::<usize>()
}

fn stop(answer: &CompletionResponse) -> Option<StopReason> {
    let reason = answer.finish_reason()?;
    let refused = matches!(reason, FinishReason::ContentFilter) || refuses(&answer.raw);
    Some(match reason {
        _ if refused => StopReason::Refused,
        FinishReason::Length => StopReason::Length,
        FinishReason::ToolCalls => StopReason::ToolUse,
        FinishReason::Other(reason) if filtered(&reason) => StopReason::Refused,
        FinishReason::Stop | FinishReason::ContentFilter | FinishReason::Other(_) | _ => {
            if answer.tool_calls().next().is_some() {
                StopReason::ToolUse
            } else {
                StopReason::End
            }
        }
    })
}

/// The words for a refusal that the crate leaves as they are.
fn filtered(reason: &str) -> bool {
    matches!(reason, "refusal" | "RECITATION" | "LANGUAGE" | "IMAGE_RECITATION")
}

/// Chat Completions refuse in a field beside the text, with `stop` as the reason.
fn refuses(raw: &Value) -> bool {
    let refusal = raw.pointer("/choices/0/message/refusal").and_then(Value::as_str);
    refusal.is_some_and(|text| !text.is_empty())
}

fn call(call: &message::ToolCall) -> ToolCall {
    let arguments = match &call.function.invalid_arguments {
        Some(text) => Arguments::Malformed(text.clone()),
        None => Arguments::Json(call.function.arguments_value()),
    };
    ToolCall { id: call.id.wire().into_owned(), name: call.function.name.as_str().to_owned(), arguments }
}

fn usage(reported: &completion::Usage, prices: Option<Prices>) -> Usage {
    let input_tokens = reported.input_tokens.unwrap_or(0);
    let cached_tokens = reported.cached_input_tokens.unwrap_or(0).min(input_tokens);
    let output_tokens = reported.output_tokens.unwrap_or(0);
    let micro_usd = prices.map_or(0, |prices| cost(prices, input_tokens - cached_tokens, cached_tokens, output_tokens));
    Usage { input_tokens, cached_tokens, output_tokens, micro_usd }
}

/// Dollars per million tokens are millionths of a dollar per token. Rounded up, so that a call that costs anything is
/// never free.
pub(super) fn cost(prices: Prices, fresh: u64, cached: u64, output: u64) -> u64 {
    let cached_price = prices.cached.unwrap_or(prices.input);
    #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
    let exact = fresh as f64 * prices.input + cached as f64 * cached_price + output as f64 * prices.output;
    // Thousandths first, so that 0.1 + 0.2 is not rounded up to a whole more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are checked not to be negative; `as` saturates")]
    let thousandths = (exact * 1_000.0).round() as u64;
    thousandths.div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_follows_the_prices_and_is_rounded_up() {
        let prices = Prices { input: 3.0, cached: Some(0.3), output: 15.0 };
        let check = |fresh, cached, output, expected| assert_eq!(cost(prices, fresh, cached, output), expected);
        check(1_000_000, 0, 0, 3_000_000);
        check(0, 1_000_000, 0, 300_000);
        check(100, 10, 2, 333);
        check(0, 1, 0, 1);
        check(0, 0, 0, 0);
    }

    #[test]
    fn cached_tokens_cost_what_others_do_when_no_price_is_set_apart() {
        assert_eq!(cost(Prices { input: 2.0, cached: None, output: 0.0 }, 1, 1, 0), 4);
    }
}
