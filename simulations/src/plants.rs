//! Defects that are there on purpose, through doubles, wires and clients only: each one must be caught by its checker, or the checkers
//! prove nothing.

use crate::plan::{Behaviour, ChannelMix, HostileMix, HouseMix, ModelMix, Plan, SandboxMix, StoreMix, ToolMix, VaultMix, WireMix};
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
    /// A channel does not tell that somebody came to a room.
    DeafRoom,
    /// A channel says of a message that it was written when the house is told of it.
    Redated,
    /// A channel shows what is for one account to another.
    WrongAccount,
    /// A channel whose platform does not recognise repetitions says again what may have been said.
    RepeatPost,
    /// The store forgets that it is not known whether something was said.
    ForgetEnd,
    /// The store says of every room that an adult let the house speak there.
    OpenRooms,
    /// The store says of a stranger's account at a platform that it is the owner's.
    ForgedChat,
    /// A question to an adult shows what the child said.
    OpenCard,
}

impl Plant {
    /// Those that no checker sees, because nothing private is anywhere: only two runs, compared, show them.
    pub const COMPARED: [Self; 2] = [Self::TellingUse, Self::Overhearing];

    /// Those that a checker catches.
    pub const ALL: [Self; 24] = [
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
        Self::DeafRoom,
        Self::Redated,
        Self::WrongAccount,
        Self::RepeatPost,
        Self::ForgetEnd,
        Self::OpenRooms,
        Self::ForgedChat,
        Self::OpenCard,
    ];

    /// The beginning of the name of the invariant that it breaks.
    #[must_use]
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::LoseCommit => "I-12",
            Self::DoubleHand | Self::LoseAnswer | Self::RepeatIds => "I-10",
            Self::RepeatPost | Self::ForgetEnd => "I-10 at a channel",
            Self::CrossTalk | Self::OpenBox | Self::OpenSearch | Self::OpenCard => "I-5, I-7",
            Self::DeafRoom | Self::Redated => "I-5, I-7 at a channel",
            Self::WrongAccount | Self::ForgedChat => "I-9 at a channel",
            Self::LyingEffect => "I-6",
            Self::ForgedYes | Self::OpenRooms => "I-8",
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
            Self::LyingEffect | Self::OpenBox | Self::ForgedYes | Self::ForgedAccount | Self::OpenCard => Scenario::Hostile,
            Self::DeafRoom
            | Self::Redated
            | Self::WrongAccount
            | Self::RepeatPost
            | Self::ForgetEnd
            | Self::OpenRooms
            | Self::ForgedChat => Scenario::Channels,
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
        plan.channels = ChannelMix::default();
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
            Self::DeafRoom
            | Self::Redated
            | Self::WrongAccount
            | Self::RepeatPost
            | Self::ForgetEnd
            | Self::OpenRooms
            | Self::ForgedChat => {
                plan.model = ModelMix { weights: vec![(Behaviour::TellAll, 40)], models: 1, house_first: false };
                let peaceful = ChannelMix { platforms: 1, rooms: 1, acts: 120, pause_ms: 20_000, outsiders: 2, ..ChannelMix::default() };
                plan.channels = ChannelMix { in_doubt: 1_000, ..peaceful };
                if self == Self::Redated {
                    plan.channels = ChannelMix { late: 4_000, late_ms: 60_000, ..peaceful };
                } else if self != Self::DeafRoom && self != Self::WrongAccount {
                    plan.house.kills = (1..6).map(|n| plan.storm / 6 * n).collect();
                }
            }
            Self::LyingEffect | Self::OpenBox | Self::ForgedYes | Self::ForgedAccount | Self::OpenCard => {
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
