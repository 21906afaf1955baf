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

use crate::household::{Member, Role};
use crate::ids::{MemberId, TurnId};
use crate::time::Timestamp;

pub mod estimate;
pub mod ledger;

/// A member's day.
pub type Day = jiff::civil::Date;

/// Of the day's cap, what is told when it is used, in hundredths.
pub const WARN_PERCENT: u64 = 80;

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

#[cfg(test)]
mod tests;
