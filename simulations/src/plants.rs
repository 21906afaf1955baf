//! Defects that are there on purpose, through doubles, wires and clients only: each one must be caught by its checker, or the checkers
//! prove nothing.

use crate::plan::{Behaviour, HostileMix, HouseMix, ModelMix, Plan, SandboxMix, StoreMix, ToolMix, VaultMix, WireMix};
use crate::scenarios::Scenario;
use std::time::Duration;

/// A planted defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Plant {
    /// The store answers before it has written, and a crash loses the last group.
    LoseCommit,
    /// A channel hands a message twice, as if it had forgotten the client's cursor.
    DoubleHand,
    /// A channel loses an answer on its way to the client.
    LoseAnswer,
    /// The source of ids repeats itself.
    RepeatIds,
    /// One member's text gets into another member's answer.
    CrossTalk,
    /// The store forgets that an occurrence was claimed and said.
    ForgetClaim,
    /// A tool that must not be repeated says that it may be.
    LyingTool,
    /// An entry of the journal is altered on its way into the store.
    Tamper,
    /// The vault finds nothing in any text.
    BlindGuard,
    /// The process of a tool does not die when it is killed.
    Undying,
    /// A tool says the result of another call.
    CrossedResult,
    /// A tool that sends says that it only reads.
    LyingEffect,
    /// What a tool keeps for one member is labelled as anybody's.
    OpenBox,
    /// The store finds what others may not read, and says that they may.
    OpenSearch,
    /// The store says of what nobody has answered that somebody said yes.
    ForgedYes,
    /// The store says of a stranger's account that it is the owner's.
    ForgedAccount,
    /// What the vault tells of a use follows from the secret's value.
    TellingUse,
    /// What a model answers follows from what somebody else said last, and is none of their words.
    Overhearing,
}

impl Plant {
    /// Those that no checker sees, because nothing private is anywhere: only two runs, compared, show them.
    pub const COMPARED: [Self; 2] = [Self::TellingUse, Self::Overhearing];

    /// Those that a checker catches.
    pub const ALL: [Self; 16] = [
        Self::LoseCommit,
        Self::DoubleHand,
        Self::LoseAnswer,
        Self::RepeatIds,
        Self::CrossTalk,
        Self::ForgetClaim,
        Self::LyingTool,
        Self::Tamper,
        Self::BlindGuard,
        Self::Undying,
        Self::CrossedResult,
        Self::LyingEffect,
        Self::OpenBox,
        Self::OpenSearch,
        Self::ForgedYes,
        Self::ForgedAccount,
    ];

    /// The beginning of the name of the invariant that it breaks.
    #[must_use]
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::LoseCommit => "I-12",
            Self::DoubleHand | Self::LoseAnswer | Self::RepeatIds => "I-10",
            Self::CrossTalk | Self::OpenBox | Self::OpenSearch => "I-5, I-7",
            Self::LyingEffect => "I-6",
            Self::ForgedYes => "I-8",
            Self::ForgedAccount => "I-9",
            Self::ForgetClaim => "I-11",
            Self::LyingTool => "effects",
            Self::Tamper => "chain",
            Self::BlindGuard => "I-1 ",
            Self::Undying | Self::CrossedResult => "I-2",
            Self::TellingUse | Self::Overhearing => "non-interference",
        }
    }

    /// Where it shows.
    #[must_use]
    pub const fn scenario(self) -> Scenario {
        match self {
            Self::LyingEffect | Self::OpenBox | Self::ForgedYes | Self::ForgedAccount => Scenario::Hostile,
            Self::LoseCommit
            | Self::DoubleHand
            | Self::LoseAnswer
            | Self::RepeatIds
            | Self::CrossTalk
            | Self::ForgetClaim
            | Self::LyingTool
            | Self::Tamper
            | Self::BlindGuard
            | Self::Undying
            | Self::CrossedResult
            | Self::OpenSearch
            | Self::TellingUse
            | Self::Overhearing => Scenario::Household,
        }
    }

    /// Makes the ground for it: no other faults, and what the defect needs in order to show.
    pub fn prepare(self, plan: &mut Plan) {
        plan.wires = WireMix::default();
        plan.store = StoreMix::default();
        plan.tools = ToolMix::default();
        plan.vault = VaultMix::default();
        plan.house = HouseMix::default();
        plan.model = ModelMix { weights: vec![(Behaviour::Answer, 40), (Behaviour::HouseTools, 20)], models: 1, house_first: true };
        let third = plan.storm / 3;
        match self {
            Self::LoseCommit | Self::ForgetClaim => plan.house.kills = vec![third, third * 2, plan.storm - Duration::from_secs(1)],
            Self::LyingTool => {
                plan.model.weights = vec![(Behaviour::Answer, 10), (Behaviour::CountingTools, 60)];
                plan.tools.slow = 8_000;
                plan.house.kills = (1..8).map(|n| plan.storm / 8 * n).collect();
                plan.wires.crash = 100;
            }
            Self::TellingUse => plan.vault = VaultMix { secrets: 3, pause_ms: 20_000, ..VaultMix::default() },
            Self::BlindGuard => plan.vault = VaultMix { secrets: 3, pause_ms: 20_000, said: 5_000, ..VaultMix::default() },
            Self::Undying | Self::CrossedResult => {
                let sandboxes = SandboxMix { tools: 2, callers: 3, pause_ms: 5_000, change_ms: 60_000, ..SandboxMix::default() };
                plan.sandboxes = SandboxMix { trouble: 500, slow: 3_000, stop: 3_000, ..sandboxes };
            }
            Self::LyingEffect | Self::OpenBox | Self::ForgedYes | Self::ForgedAccount => {
                plan.model.weights = vec![(Behaviour::Ideal, 40), (Behaviour::Obey, 30), (Behaviour::TellAll, 20)];
                plan.model.house_first = false;
                plan.hostile = HostileMix { tools: true, answers: 500, strangers: 1_500 };
                if self == Self::ForgedYes {
                    plan.house.kills = (1..40).map(|n| plan.storm / 40 * n).collect();
                }
            }
            Self::DoubleHand
            | Self::LoseAnswer
            | Self::RepeatIds
            | Self::CrossTalk
            | Self::Tamper
            | Self::OpenSearch
            | Self::Overhearing => {}
        }
    }
}
