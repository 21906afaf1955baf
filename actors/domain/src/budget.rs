//! Budgets: what a member may use in a turn and in a day, of what.
//!
//! ```text
//! reserve (before a model or a tool is asked) ─▶ used, or not ─▶ settle (what it really took)
//!    │ does not fit: refused with a sentence                        │ 80 % of a day: told, once
//!    └ not durable yet: the member's row is saved first             ▼
//!                                              row of member and day, in the transactions of the turn
//! ```
//!
//! What is reserved is an upper bound, so a cap holds exactly however many turns race for what is left. A day is the member's own, by
//! their time zone. Whoever works for a member (a retry, the next provider, a reader, a summary) carries the member's [`Charge`] and so
//! uses the member's budget; nothing has one of its own. The arithmetic is in [`ledger`]; nothing here waits or writes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::call::Function;
use crate::household::{Member, Role};
use crate::ids::{MemberId, TurnId};
use crate::message::Part;
use crate::model::{Arguments, ModelRequest, Usage, Utterance};
use crate::sandbox;
use crate::time::Timestamp;
use crate::tool::Effect;

pub mod ledger;

/// A member's day.
pub type Day = jiff::civil::Date;

/// Of the day's cap, what is told when it is used, in hundredths.
pub const WARN_PERCENT: u64 = 80;
/// Tokens that a picture may be, for providers that are generous with them.
const IMAGE_TOKENS: u64 = 3_000;
/// Tokens of the frame of an utterance or a tool.
const FRAME_TOKENS: u64 = 64;
/// Bytes of prose for seven tokens, halved: see `conversation::estimate_tokens`.
const ESTIMATE: (u64, u64) = (2, 7);
/// Cents of a unit of money.
const CENTS: f64 = 100.0;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Tokens of language models, in and out.
    Tokens,
    /// Calls of tools.
    ToolCalls,
    /// What models cost by the configured prices, in millionths of a US dollar.
    CostMicroUsd,
    /// What was paid by tools, in cents of whatever money they pay in.
    PaidCents,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tokens, Self::ToolCalls, Self::CostMicroUsd, Self::PaidCents];

    /// What it is, for a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Tokens => "tokens of language models",
            Self::ToolCalls => "tool calls",
            Self::CostMicroUsd => "money for language models",
            Self::PaidCents => "money for payments",
        }
    }

    /// An amount of it, for a person.
    #[must_use]
    pub fn shown(self, amount: u64) -> String {
        match self {
            Self::Tokens | Self::ToolCalls => amount.to_string(),
            Self::CostMicroUsd => format!("${}.{:04}", amount / 1_000_000, amount % 1_000_000 / 100),
            Self::PaidCents => format!("{}.{:02}", amount / 100, amount % 100),
        }
    }
}

/// So much of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Amounts {
    /// [`Kind::Tokens`].
    pub tokens: u64,
    /// [`Kind::ToolCalls`].
    pub tool_calls: u64,
    /// [`Kind::CostMicroUsd`].
    pub cost_micro_usd: u64,
    /// [`Kind::PaidCents`].
    pub paid_cents: u64,
}

impl Amounts {
    /// How much of a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Tokens => self.tokens,
            Kind::ToolCalls => self.tool_calls,
            Kind::CostMicroUsd => self.cost_micro_usd,
            Kind::PaidCents => self.paid_cents,
        }
    }

    /// Each kind by itself.
    #[must_use]
    pub fn with(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            tokens: each(self.tokens, other.tokens),
            tool_calls: each(self.tool_calls, other.tool_calls),
            cost_micro_usd: each(self.cost_micro_usd, other.cost_micro_usd),
            paid_cents: each(self.paid_cents, other.paid_cents),
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// What is left, at least nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    /// The larger of each kind.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        self.with(other, u64::max)
    }

    /// The smaller of each kind.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        self.with(other, u64::min)
    }

    /// Whether no kind is above that.
    #[must_use]
    pub fn fits(&self, within: &Self) -> bool {
        Kind::ALL.iter().all(|kind| self.of(*kind) <= within.of(*kind))
    }
}

impl From<Usage> for Amounts {
    fn from(usage: Usage) -> Self {
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        Self { tokens, cost_micro_usd: usage.micro_usd, ..Self::default() }
    }
}

/// What a member may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// In one turn.
    pub turn: Amounts,
    /// In one day.
    pub day: Amounts,
}

impl Budget {
    /// What a role has where the configuration says nothing else.
    #[must_use]
    pub const fn of(role: Role) -> Self {
        const fn both(turn: [u64; 4], day: [u64; 4]) -> Budget {
            const fn amounts([tokens, tool_calls, cost_micro_usd, paid_cents]: [u64; 4]) -> Amounts {
                Amounts { tokens, tool_calls, cost_micro_usd, paid_cents }
            }
            Budget { turn: amounts(turn), day: amounts(day) }
        }
        match role {
            Role::Owner | Role::Adult => both([1_000_000, 48, 2_000_000, 50_000], [4_000_000, 10_000, 10_000_000, 100_000]),
            Role::Teen => both([500_000, 48, 1_000_000, 2_000], [1_500_000, 4_000, 3_000_000, 2_000]),
            Role::Child => both([300_000, 24, 500_000, 500], [750_000, 2_000, 1_000_000, 500]),
            Role::Guest => both([200_000, 12, 250_000, 0], [400_000, 500, 500_000, 0]),
        }
    }
}

/// Caps of the configuration; what is left out stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// [`Kind::Tokens`].
    pub tokens: Option<u64>,
    /// [`Kind::ToolCalls`].
    pub tool_calls: Option<u64>,
    /// [`Kind::CostMicroUsd`].
    pub cost_micro_usd: Option<u64>,
    /// [`Kind::PaidCents`].
    pub paid_cents: Option<u64>,
}

impl Caps {
    fn over(self, usual: Amounts) -> Amounts {
        Amounts {
            tokens: self.tokens.unwrap_or(usual.tokens),
            tool_calls: self.tool_calls.unwrap_or(usual.tool_calls),
            cost_micro_usd: self.cost_micro_usd.unwrap_or(usual.cost_micro_usd),
            paid_cents: self.paid_cents.unwrap_or(usual.paid_cents),
        }
    }
}

/// What the configuration says of a role or a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Own {
    /// Of one turn.
    pub turn: Caps,
    /// Of one day.
    pub day: Caps,
}

impl Own {
    fn over(self, usual: Budget) -> Budget {
        Budget { turn: self.turn.over(usual.turn), day: self.day.over(usual.day) }
    }
}

/// What the configuration says of budgets: `[budget]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Of the owner.
    pub owner: Own,
    /// Of adults.
    pub adult: Own,
    /// Of teens.
    pub teen: Own,
    /// Of children.
    pub child: Own,
    /// Of guests.
    pub guest: Own,
    /// Of members by their names, beside their role's.
    pub members: std::collections::BTreeMap<String, Own>,
}

impl Settings {
    /// What this member may use.
    #[must_use]
    pub fn of(&self, member: MemberId, role: Role) -> Budget {
        let of_role = match role {
            Role::Owner => self.owner,
            Role::Adult => self.adult,
            Role::Teen => self.teen,
            Role::Child => self.child,
            Role::Guest => self.guest,
        };
        let usual = of_role.over(Budget::of(role));
        let own = self.members.iter().find(|(name, _)| Member::id_of(name) == member);
        own.map_or(usual, |(_, own)| own.over(usual))
    }
}

/// Who pays: carried by whatever is done for a member, also by what is done in consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Who.
    pub member: MemberId,
    /// As what.
    pub role: Role,
    /// On which of their days.
    pub day: Day,
    /// In which turn; none for what is done outside of one.
    pub turn: Option<TurnId>,
    /// What the turn had used by its own steps: what is left of its account after a crash.
    pub before: Amounts,
}

impl Charge {
    /// To this member, now, outside of a turn.
    #[must_use]
    pub fn to(member: &Member, now: Timestamp) -> Self {
        let day = now.to_zoned(member.time_zone()).date();
        Self { member: member.id, role: member.role, day, turn: None, before: Amounts::default() }
    }

    /// In this turn, whose steps have used that.
    #[must_use]
    pub const fn within(self, turn: TurnId, before: Amounts) -> Self {
        Self { turn: Some(turn), before, ..self }
    }
}

/// Which budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// The turn's.
    Turn,
    /// The day's.
    Day,
}

/// Why something may not be done any more. The sentence is for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What is used up.
    pub kind: Kind,
    /// Of which budget.
    pub span: Span,
    /// What was used, with what is reserved for what runs.
    pub used: u64,
    /// What may be used.
    pub cap: u64,
    /// What the next step may take.
    pub needs: u64,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, span, used, cap, needs } = *self;
        let (what, used, cap, needs) = (kind.words(), kind.shown(used), kind.shown(cap), kind.shown(needs));
        let sum = format!("{used} of {cap} are used, and the next step may take {needs}");
        match span {
            Span::Turn => {
                write!(
                    f,
                    "This turn's budget of {what} is used up: {sum}. Ask for less at once; an adult can raise it in the configuration, under [budget]."
                )
            }
            Span::Day => {
                write!(
                    f,
                    "Today's budget of {what} is used up: {sum}. It begins anew at midnight; an adult can raise it in the configuration, under [budget]."
                )
            }
        }
    }
}

impl std::error::Error for Refused {}

/// Most of a day's budget is used: told once for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub member: MemberId,
    /// On which of their days.
    pub day: Day,
    /// What.
    pub kind: Kind,
    /// What was used.
    pub used: u64,
    /// What may be used.
    pub cap: u64,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, used, cap, .. } = *self;
        let (what, used, cap) = (kind.words(), kind.shown(used), kind.shown(cap));
        write!(
            f,
            "More than {WARN_PERCENT} % of today's budget of {what} is used: {used} of {cap}. When it is used up, I stop until midnight; \
             an adult can raise it in the configuration, under [budget]."
        )
    }
}

/// A member's row of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Whose.
    pub member: MemberId,
    /// Which of their days.
    pub day: Day,
    /// Numbers the writes of the row: one with a lower number than what is there changes nothing.
    pub number: u64,
    /// What may have been used by now. After a crash it counts as used.
    pub amounts: Amounts,
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

#[cfg(test)]
mod tests;
