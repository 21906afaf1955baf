//! The store port: what is written, in which unit, and what can be read back.
//!
//! A [`Commit`] is the unit that an actor asks for: some rows and exactly one fact. The store actor gathers the
//! commits that wait into a [`Group`], gives each fact its place in the chain, and hands the group to the port,
//! which writes it in one transaction: all of it or nothing. Rows are addressed by their ids, so writing the same
//! row twice leaves one row.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Approval;
use crate::approval::grant::Grant;
use crate::budget::Spent;
use crate::delivery::Delivery;
use crate::error::{Class, Classified};
use crate::flow::endorse::Endorsement;
use crate::flow::handle::Stored;
use crate::flow::plan::Fit;
use crate::household::erase::Report;
use crate::household::record::{HouseholdRows, HouseholdWrite};
use crate::household::{Audience, Member};
use crate::ids::{AnswerId, ApprovalId, CallId, ConversationId, MemberId, MemoryId, MessageId, ReminderId, SecretId, SessionId, TurnId};
use crate::journal::{Digest, Entry, Fact, Head};
use crate::label::Label;
use crate::memory::{Memory, MemoryHit, MemorySearch};
use crate::message::Message;
use crate::model::{StopReason, ToolCall, Usage};
use crate::policy::{Freeze, Taken};
use crate::schedule::Reminder;
use crate::secret::SealedRecord;
use crate::session::Session;
use crate::time::Timestamp;
use crate::tool::ToolError;
use crate::tool::record::{ToolInfo, ToolRecord, ToolValue};
use crate::why::Account;

/// A conversation's current row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The member whose private conversation it is; none for a group.
    pub owner: Option<MemberId>,
    /// The thread's name; empty for the main one.
    pub thread: String,
    /// Who was present when it last changed.
    pub audience: Audience,
    /// What stands for the messages up to `upto`.
    pub summary: Option<Summary>,
    /// When it began.
    pub at: Timestamp,
}

/// What stands for the older part of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The text.
    pub text: String,
    /// The join of the labels of all that it stands for.
    pub label: Label,
    /// The last message that it stands for.
    pub upto: u64,
}

/// Where a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// Accepted; waits for its predecessors or is at work. What it has done is in its steps.
    Open,
    /// Ended with its answer.
    Answered,
    /// Ended with a visible failure.
    Failed,
    /// Stopped by its member.
    Stopped,
}

/// A turn's current row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// Where.
    pub conversation: ConversationId,
    /// Who asked.
    pub member: MemberId,
    /// The message that asked.
    pub message: MessageId,
    /// The logical answer, named before there is one.
    pub answer: AnswerId,
    /// The channel to which the answer goes.
    pub channel: String,
    /// Where it stands.
    pub state: TurnState,
    /// What was recalled into it.
    pub sources: Vec<MemoryId>,
    /// What it used.
    pub usage: Usage,
    /// When it was accepted.
    pub at: Timestamp,
}

/// One step of a turn. Written once, never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The turn.
    pub turn: TurnId,
    /// Its place in the turn, from 0, without gaps.
    pub index: u32,
    /// What it was.
    pub body: StepBody,
    /// The join of all that the turn had taken in by then.
    pub label: Label,
    /// When.
    pub at: Timestamp,
}

/// What a step was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum StepBody {
    /// A model replied with calls.
    Reply {
        /// Its text.
        text: String,
        /// Its calls.
        calls: Vec<ToolCall>,
        /// Who replied.
        provider: String,
        /// What it used.
        usage: Usage,
        /// Why it stopped.
        stop: StopReason,
    },
    /// A call is about to run: its intent.
    Intent {
        /// The call's id: the idempotency key.
        call: CallId,
        /// The provider's id of it.
        provider_call: String,
        /// The tool.
        name: String,
        /// The arguments.
        arguments: Value,
        /// Whether it may be repeated when its outcome is not known.
        idempotent: bool,
        /// What the turn had taken of its member's words by then.
        #[serde(default)]
        taken: Taken,
        /// The label of what the arguments carry, beside the turn's.
        #[serde(default = "Label::neutral")]
        carries: Label,
        /// Its place in the turn's plan.
        #[serde(default)]
        fit: Fit,
    },
    /// A call waits for a person's yes.
    Asked {
        /// The call's id.
        call: CallId,
        /// The provider's id of it.
        provider_call: String,
        /// The tool.
        name: String,
        /// The arguments.
        arguments: Value,
        /// The question.
        approval: ApprovalId,
        /// The label of what the arguments carry, beside the turn's.
        #[serde(default = "Label::neutral")]
        carries: Label,
        /// Its place in the turn's plan.
        #[serde(default)]
        fit: Fit,
    },
    /// A call ended, or was never run (unknown tool, bad arguments, refused).
    Outcome {
        /// The call's id.
        call: CallId,
        /// The provider's id of it.
        provider_call: String,
        /// The tool, as the model named it.
        name: String,
        /// What it came to.
        result: Result<Value, ToolError>,
        /// What the turn had taken by then, where the call itself took of it.
        #[serde(default)]
        taken: Option<Taken>,
    },
}

/// A result of a turn that is kept whole, so that what names a part of it means the same after a restart. Its place is turn and number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredResult {
    /// The turn.
    pub turn: TurnId,
    /// The turn's conversation.
    pub conversation: ConversationId,
    /// The result, with its number in the turn.
    pub stored: Stored,
    /// When.
    pub at: Timestamp,
}

/// One change of the store.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a commit has a handful of them, and lives for one write")]
pub enum Write {
    /// Inserts or replaces a member.
    Member(Member),
    /// Inserts or replaces a conversation's row.
    Conversation(Conversation),
    /// Inserts a message.
    Message(Message),
    /// Inserts or replaces a turn's row.
    Turn(Turn),
    /// Inserts a step.
    Step(Step),
    /// Inserts or replaces a remembered thing.
    Memory(Memory),
    /// Removes a remembered thing, if it is there.
    Forget(MemoryId),
    /// Inserts or replaces a reminder.
    Reminder(Reminder),
    /// Claims an occurrence. The only write that fails when its row is there already: [`StoreError::Claimed`].
    Claim {
        /// The reminder.
        reminder: ReminderId,
        /// When it was due.
        due: Timestamp,
        /// When it was claimed.
        at: Timestamp,
    },
    /// Inserts or replaces a delivery.
    Delivery(Delivery),
    /// Inserts or replaces a session.
    Session(Session),
    /// Removes a session, if it is there.
    EndSession(SessionId),
    /// Says when a session was used, if it is there: one that was ended meanwhile stays ended.
    SessionSeen {
        /// Which.
        id: SessionId,
        /// When.
        at: Timestamp,
    },
    /// Inserts or replaces a sealed secret.
    Secret(SealedRecord),
    /// Removes a secret, if it is there.
    EraseSecret(SecretId),
    /// Inserts or replaces a tool with its component.
    Tool(ToolRecord),
    /// Inserts or replaces what is known of a tool. Its component stays as it is.
    ToolInfo(ToolInfo),
    /// Removes a tool with its component and all that it keeps, as far as they are there.
    RemoveTool(String),
    /// Inserts or replaces what a tool keeps under a key.
    ToolValue(ToolValue),
    /// Removes what a tool keeps under a key, if it is there.
    ForgetToolValue {
        /// The tool.
        tool: String,
        /// For whom.
        member: MemberId,
        /// The key.
        key: String,
    },
    /// A change of the household's rows.
    Household(HouseholdWrite),
    /// Inserts or replaces a question about an effect.
    Approval(Approval),
    /// Inserts or replaces a question about several effects.
    Endorsement(Endorsement),
    /// Inserts or replaces what a member allowed for more than once.
    Grant(Grant),
    /// Stops the house, or lifts that.
    Freeze(Option<Freeze>),
    /// Inserts or replaces a result of a turn.
    Result(StoredResult),
    /// Removes the results of a turn, as far as they are there.
    ForgetResults(TurnId),
    /// Inserts or replaces what a member has used of a day; one with a lower number than what is there changes nothing.
    Spent(Spent),
}

/// The unit of writing that an actor asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The rows.
    pub writes: Vec<Write>,
    /// What happened.
    pub fact: Fact,
}

/// What the port writes in one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// The rows of all commits, in order; a later write of the same row wins.
    pub writes: Vec<Write>,
    /// The facts in their places.
    pub entries: Vec<Entry>,
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The end of the chain.
    pub head: Head,
    /// The version of the schema, after migration.
    pub schema: u32,
    /// The version before, when a migration ran.
    pub migrated_from: Option<u32>,
    /// The members without whom the store was written anew into another folder, because they were removed, and what became of its rows.
    pub erased: Vec<(MemberId, Report)>,
}

/// All that a conversation needs in order to go on where it stood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConversationState {
    /// Its row; none when it has never been used.
    pub row: Option<Conversation>,
    /// Its messages after the summary, oldest first, the newest `tail` of them.
    pub messages: Vec<Message>,
    /// Its open turns, oldest first.
    pub open: Vec<Turn>,
    /// The messages that began the open turns, should they lie before `messages`.
    pub asked: Vec<Message>,
    /// The steps of the open turns, in order.
    pub steps: BTreeMap<TurnId, Vec<Step>>,
    /// What the open turns hold without showing it; read by [`Store::results`].
    pub results: BTreeMap<TurnId, Vec<Stored>>,
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
    /// Turns that are open.
    pub open_turns: u64,
    /// Remembered things.
    pub memories: u64,
    /// Reminders that will come due.
    pub pending_reminders: u64,
    /// Deliveries that are not confirmed.
    pub pending_deliveries: u64,
    /// Deliveries of which nobody knows.
    pub unknown_deliveries: u64,
    /// Sealed secrets.
    pub secrets: u64,
    /// Installed tools, in whatever state.
    pub tools: u64,
}

/// What can go wrong with the store. A person gets the sentence; it says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another house runs on this data folder.
    #[error("another house is running on this data folder; stop it first, or set HEARTH_DATA to another folder")]
    InUse,
    /// A newer house wrote this.
    #[error("the data was written by a newer version (schema {found}, this one knows {known}); install that version again")]
    NewerSchema {
        /// What was found.
        found: u32,
        /// The newest that this house knows.
        known: u32,
    },
    /// The disk is full.
    #[error("the disk is full; free some space and try again")]
    DiskFull,
    /// The data folder cannot be written.
    #[error("the data folder cannot be written; check its owner and that the disk is not mounted read-only")]
    ReadOnly,
    /// What is there cannot be read.
    #[error("the data is damaged ({0}); restore a backup, or move the data folder away to start empty")]
    Damaged(String),
    /// The occurrence was claimed before. Nothing was written.
    #[error("this occurrence was claimed before")]
    Claimed,
    /// Somebody else opened the store after us: we are not the house any more. Nothing was written.
    #[error("another house has taken over this store")]
    Fenced,
    /// It cannot be reached, or broke off. Whether a write happened is not known.
    #[error("the store does not answer ({0})")]
    Unavailable(String),
    /// It is not open.
    #[error("the store is not open")]
    Closed,
    /// Too much waits. Nothing was written.
    #[error("the house has too much to write just now; try again in a moment")]
    Busy,
    /// It refused what we wrote.
    #[error("the store refused a write ({0})")]
    Refused(String),
}

impl StoreError {
    /// Whether it is certain that nothing was written.
    #[must_use]
    pub const fn nothing_written(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }
}

impl Classified for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::InUse | Self::NewerSchema { .. } | Self::ReadOnly | Self::Damaged(_) | Self::Fenced => Class::Permanent,
            Self::DiskFull | Self::Unavailable(_) | Self::Closed | Self::Busy => Class::Transient,
            Self::Claimed => Class::Denied,
            Self::Refused(_) => Class::Bug,
        }
    }
}

/// What a store answers.
pub type StoreFuture<T> = BoxFuture<'static, Result<T, StoreError>>;

/// The database. Writes come from the store actor alone, one group at a time; reads from any actor.
///
/// Whatever `apply` has answered `Ok` to survives `kill -9` and power loss (I-12), and is seen by every read that
/// begins after the answer.
pub trait Store: Send + Sync {
    /// Opens, migrates, and takes the lease. Opening again after a failure or a close is allowed.
    fn open(&self) -> StoreFuture<Opened>;
    /// Writes a group in one transaction: all of it or nothing.
    fn apply(&self, group: Group) -> StoreFuture<()>;
    /// Closes; what was applied stays.
    fn close(&self) -> StoreFuture<()>;

    /// All members, with those of an earlier configuration.
    fn members(&self) -> StoreFuture<Vec<Member>>;
    /// All that is stored of the household, each kind in the order of its ids.
    fn household(&self) -> StoreFuture<HouseholdRows>;
    /// A conversation, with its newest `tail` messages.
    fn conversation(&self, id: ConversationId, tail: usize) -> StoreFuture<ConversationState>;
    /// The private conversations of a member, oldest first.
    fn conversations(&self, owner: MemberId) -> StoreFuture<Vec<Conversation>>;
    /// The conversations with an open turn, oldest turn first.
    fn unfinished(&self) -> StoreFuture<Vec<Conversation>>;
    /// Messages of a conversation after `after`, oldest first, at most `limit`.
    fn messages(&self, conversation: ConversationId, after: u64, limit: usize) -> StoreFuture<Vec<Message>>;
    /// The newest `limit` messages of a conversation, oldest first.
    fn recent(&self, conversation: ConversationId, limit: usize) -> StoreFuture<Vec<Message>>;
    /// Searches what is remembered as facts and notes.
    fn search(&self, search: MemorySearch) -> StoreFuture<Vec<MemoryHit>>;
    /// Notes and list items of a conversation, oldest first, that this audience may read.
    fn entries(&self, conversation: ConversationId, audience: Audience) -> StoreFuture<Vec<Memory>>;
    /// How many things a member has in memory.
    fn memory_count(&self, member: MemberId) -> StoreFuture<usize>;
    /// The pending reminders, earliest first.
    fn pending_reminders(&self) -> StoreFuture<Vec<Reminder>>;
    /// The deliveries that are pending, sending or unknown.
    fn unsettled_deliveries(&self) -> StoreFuture<Vec<Delivery>>;
    /// The session of that token, whatever its end.
    fn session(&self, token: Digest) -> StoreFuture<Option<Session>>;
    /// The sessions of a member, or of all when none is named, whatever their ends, oldest first.
    fn sessions(&self, member: Option<MemberId>) -> StoreFuture<Vec<Session>>;
    /// All sealed secrets, by name, then version.
    fn secrets(&self) -> StoreFuture<Vec<SealedRecord>>;
    /// All installed tools, by name, without their components.
    fn tools(&self) -> StoreFuture<Vec<ToolInfo>>;
    /// The component of the tool of that name.
    fn tool_component(&self, name: String) -> StoreFuture<Option<Vec<u8>>>;
    /// What a tool keeps for a member under a key.
    fn tool_value(&self, tool: String, member: MemberId, key: String) -> StoreFuture<Option<Vec<u8>>>;
    /// The keys under which a tool keeps something for a member and that begin with `prefix`, in the order of their bytes, at most `limit`.
    fn tool_keys(&self, tool: String, member: MemberId, prefix: String, limit: usize) -> StoreFuture<Vec<String>>;
    /// What a tool keeps for a member altogether: bytes of keys and values.
    fn tool_value_bytes(&self, tool: String, member: MemberId) -> StoreFuture<u64>;
    /// The questions that nobody has answered, or that were answered with yes and not used, oldest first.
    fn open_approvals(&self) -> StoreFuture<Vec<Approval>>;
    /// The questions about a member's effects that were asked at `since` or later, in whatever state, oldest first.
    fn approvals(&self, member: MemberId, since: Timestamp) -> StoreFuture<Vec<Approval>>;
    /// The question of that id.
    fn approval(&self, id: ApprovalId) -> StoreFuture<Option<Approval>>;
    /// The questions about several effects that nobody has answered, oldest first.
    fn open_endorsements(&self) -> StoreFuture<Vec<Endorsement>>;
    /// The question about several effects of that id.
    fn endorsement(&self, id: ApprovalId) -> StoreFuture<Option<Endorsement>>;
    /// What was allowed for a member, or for all when none is named, and is neither taken back nor used up, oldest first. Whether its time
    /// is over, the clock says.
    fn grants(&self, member: Option<MemberId>) -> StoreFuture<Vec<Grant>>;
    /// What the house is stopped by.
    fn freeze(&self) -> StoreFuture<Option<Freeze>>;
    /// The results of a turn, by their numbers.
    fn results(&self, turn: TurnId) -> StoreFuture<Vec<StoredResult>>;
    /// What members have used, of all days that are kept, by member and day.
    fn spent(&self) -> StoreFuture<Vec<Spent>>;
    /// A message that the house said, with all that is stored of how it came about.
    fn account(&self, message: MessageId) -> StoreFuture<Option<Account>>;
    /// Entries of the journal after `after`, in order, at most `limit`.
    fn journal(&self, after: u64, limit: usize) -> StoreFuture<Vec<Entry>>;
    /// How many rows there are.
    fn counts(&self) -> StoreFuture<Counts>;
}
