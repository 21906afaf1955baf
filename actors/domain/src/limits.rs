//! Every bound of the house in one place, as data that a seed can shrink.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The bounds. Going over one is an error that a member can read, never a silent drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one incoming message's text.
    pub message_bytes: usize,
    /// Bytes of one incoming message's pictures, as base64.
    pub image_bytes: usize,
    /// Messages that wait in one conversation while a turn runs.
    pub waiting_messages: usize,
    /// Conversations that are awake at once; the one idle longest is parked for another.
    pub live_conversations: usize,
    /// How long a conversation stays awake without a message.
    #[serde(with = "humantime_serde")]
    pub park_after: Duration,
    /// Messages of the mailbox of an actor of the tree.
    pub mailbox: usize,
    /// Commits that wait for the store.
    pub waiting_commits: usize,
    /// Commits that one transaction may hold.
    pub group_commits: usize,
    /// How long a read of the store may take.
    #[serde(with = "humantime_serde")]
    pub read_deadline: Duration,
    /// How long a commit may take, waiting included.
    #[serde(with = "humantime_serde")]
    pub commit_deadline: Duration,
    /// How long a question from actor to actor may take.
    #[serde(with = "humantime_serde")]
    pub ask_deadline: Duration,
    /// Model calls in one turn.
    pub model_calls: usize,
    /// Tool calls in one model reply; more are refused as a whole.
    pub calls_per_reply: usize,
    /// Tool calls in one turn.
    pub calls_per_turn: usize,
    /// Times that the same call may fail in a turn before the turn ends; one that is not allowed was not tried.
    pub repeated_failures: usize,
    /// Bytes of a tool's result that a model gets to see.
    pub tool_result_bytes: usize,
    /// How long a tool call may take.
    #[serde(with = "humantime_serde")]
    pub tool_deadline: Duration,
    /// How long a model call may take until its first byte, and between two.
    #[serde(with = "humantime_serde")]
    pub model_silence: Duration,
    /// How long one model call may take in all.
    #[serde(with = "humantime_serde")]
    pub model_deadline: Duration,
    /// Attempts at one provider for one call.
    pub model_attempts: u32,
    /// First wait before an attempt is repeated; doubles.
    #[serde(with = "humantime_serde")]
    pub model_backoff: Duration,
    /// Consecutive failures after which a provider rests.
    pub breaker_failures: u32,
    /// How long it rests.
    #[serde(with = "humantime_serde")]
    pub breaker_rest: Duration,
    /// Bytes of a model's reply.
    pub reply_bytes: usize,
    /// Tokens of a reply that are asked for.
    pub output_tokens: u32,
    /// Estimated tokens of history beyond which it is summarised.
    pub history_tokens: usize,
    /// Estimated tokens of history that a summary leaves as they are.
    pub history_keep_tokens: usize,
    /// Pictures of a conversation's history that stay before a model's eyes, the newest ones.
    pub history_pictures: usize,
    /// Facts that a turn recalls.
    pub recalled: usize,
    /// Pending reminders of one member.
    pub reminders: usize,
    /// Entries of one member's memory.
    pub memories: usize,
    /// Attempts at one delivery.
    pub delivery_attempts: u32,
    /// Messages that a channel hands to one client at once when it catches up.
    pub replay: usize,
    /// Clients of the local channel.
    pub subscribers: usize,
    /// Questions to the vault that are under way.
    pub vault_questions: usize,
    /// How long the vault's process may take until it can be used.
    #[serde(with = "humantime_serde")]
    pub vault_start: Duration,
    /// Time between two heartbeats of the vault's process, and how long one may be without an answer.
    #[serde(with = "humantime_serde")]
    pub vault_beat: Duration,
    /// How long the vault's process must have been up for its end to be the first one again: started again at once.
    #[serde(with = "humantime_serde")]
    pub vault_steady: Duration,
    /// Tools that are installed.
    pub tools: usize,
    /// Calls that wait for one tool.
    pub tool_waiting: usize,
    /// How long the process of a tool may take until it can be called.
    #[serde(with = "humantime_serde")]
    pub tool_start: Duration,
    /// How long the process of a tool stays without a call.
    #[serde(with = "humantime_serde")]
    pub tool_park_after: Duration,
    /// Failures of a tool within the window after which it is quarantined.
    pub tool_failures: usize,
    /// The window in which they are counted.
    #[serde(with = "humantime_serde")]
    pub tool_window: Duration,
    /// How long compiling a component may take.
    #[serde(with = "humantime_serde")]
    pub tool_compile: Duration,
    /// Lines of each tool's log that are kept.
    pub tool_log_lines: usize,
}

/// Messages of one page of a replay, at most: what the store reads at once.
const REPLAY_MAX: usize = 10_000;

impl Limits {
    /// Whether the house can live within these bounds; if not, which one is wrong, and how.
    ///
    /// # Errors
    ///
    /// With the bound's name and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            ("message_bytes", self.message_bytes),
            ("waiting_messages", self.waiting_messages),
            ("live_conversations", self.live_conversations),
            ("mailbox", self.mailbox),
            ("waiting_commits", self.waiting_commits),
            ("group_commits", self.group_commits),
            ("model_calls", self.model_calls),
            ("replay", self.replay),
            ("subscribers", self.subscribers),
            ("vault_questions", self.vault_questions),
            ("tool_waiting", self.tool_waiting),
            ("tool_failures", self.tool_failures),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(format!("{name} is 0; the house cannot live without any; leave it out for the usual bound"));
        }
        if self.replay > REPLAY_MAX {
            return Err(format!("replay is {}; at most {REPLAY_MAX} messages are read at once", self.replay));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            image_bytes: 4 * 1024 * 1024,
            waiting_messages: 32,
            live_conversations: 256,
            park_after: Duration::from_secs(300),
            mailbox: 256,
            waiting_commits: 1024,
            group_commits: 64,
            read_deadline: Duration::from_secs(10),
            commit_deadline: Duration::from_secs(30),
            ask_deadline: Duration::from_secs(10),
            model_calls: 32,
            calls_per_reply: 16,
            calls_per_turn: 48,
            repeated_failures: 3,
            tool_result_bytes: 32 * 1024,
            tool_deadline: Duration::from_secs(60),
            model_silence: Duration::from_secs(60),
            model_deadline: Duration::from_secs(300),
            model_attempts: 3,
            model_backoff: Duration::from_millis(500),
            breaker_failures: 5,
            breaker_rest: Duration::from_secs(30),
            reply_bytes: 256 * 1024,
            output_tokens: 4096,
            history_tokens: 12_000,
            history_keep_tokens: 4_000,
            history_pictures: 4,
            recalled: 6,
            reminders: 1_000,
            memories: 100_000,
            delivery_attempts: 5,
            replay: 200,
            subscribers: 1_024,
            vault_questions: 256,
            vault_start: Duration::from_secs(30),
            vault_beat: Duration::from_secs(5),
            vault_steady: Duration::from_secs(1),
            tools: 64,
            tool_waiting: 32,
            tool_start: Duration::from_secs(10),
            tool_park_after: Duration::from_secs(120),
            tool_failures: 5,
            tool_window: Duration::from_secs(60),
            tool_compile: Duration::from_secs(180),
            tool_log_lines: 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_with_which_no_house_can_live_are_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        for (limits, name) in [
            (Limits { replay: 0, ..Limits::default() }, "replay is 0"),
            (Limits { group_commits: 0, ..Limits::default() }, "group_commits is 0"),
            (Limits { replay: 10_001, ..Limits::default() }, "replay is 10001"),
        ] {
            assert!(limits.check().unwrap_err().starts_with(name));
        }
    }
}
