//! The double of the store: everything in memory, pure, with faults that a simulation decides upon.
//!
//! No threads, no clock, no chance. What a handle has applied outlives the handle: [`MemoryStore::successor`] is
//! the store as the next house finds it after a crash, and opening it fences the handles before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hearth_domain::approval::Approval;
use hearth_domain::approval::grant::Grant;
use hearth_domain::budget::Spent;
use hearth_domain::delivery::Delivery;
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::household::record::HouseholdRows;
use hearth_domain::household::{Audience, Member};
use hearth_domain::ids::{ApprovalId, ConversationId, MemberId, MessageId, TurnId};
use hearth_domain::journal::{Digest, Entry};
use hearth_domain::memory::{Memory, MemoryHit, MemorySearch};
use hearth_domain::message::Message;
use hearth_domain::policy::Freeze;
use hearth_domain::schedule::Reminder;
use hearth_domain::secret::SealedRecord;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, ConversationState, Counts, Group, Opened, Store, StoreError, StoreFuture, StoredResult};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::ToolInfo;
use hearth_domain::why::Account;

mod household;
pub mod rows;
mod search;

pub use rows::Rows;

/// The version of the schema that the double claims to have.
const SCHEMA: u32 = 6;

/// An operation of the port, as a fault sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Store::open`].
    Open,
    /// [`Store::apply`].
    Apply,
    /// [`Store::close`].
    Close,
    /// Any of the reads.
    Read,
}

/// How an operation ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    /// As it should.
    #[default]
    Proceed,
    /// With this error, and without effect.
    Fail(StoreError),
    /// With its effect, and yet with this error: the outcome that nobody knows.
    FailAfterApplying(StoreError),
}

/// What happens to one operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruling {
    /// How it ends.
    pub verdict: Verdict,
    /// How long it takes until it has its effect.
    pub before: Duration,
    /// How long it takes from there until the answer.
    pub after: Duration,
}

/// Decides what goes wrong.
pub trait StoreFaults: Send + Sync {
    /// What happens to the operation that begins now.
    fn rule(&self, operation: Operation) -> Ruling;
}

/// Waits. A simulation gives one that waits in virtual time.
pub type Sleeper = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// What is shared by all handles of one store.
#[derive(Debug, Default)]
struct Disk {
    rows: Rows,
    /// Who opened last.
    epoch: u64,
}

/// A handle of the store in memory. Clones are the same handle.
#[derive(Clone)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    /// The epoch under which this handle is open.
    lease: Arc<Mutex<Option<u64>>>,
    faults: Option<(Arc<dyn StoreFaults>, Sleeper)>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { disk: Arc::default(), lease: Arc::default(), faults: None }
    }

    /// The same handle, with faults.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<dyn StoreFaults>, sleeper: Sleeper) -> Self {
        self.faults = Some((faults, sleeper));
        self
    }

    /// The store as the next house finds it: a new handle, closed, over what was applied.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), lease: Arc::default(), faults: self.faults.clone() }
    }

    /// A copy of everything that is stored, for the invariants of a simulation.
    #[must_use]
    pub fn rows(&self) -> Rows {
        lock(&self.disk).rows.clone()
    }

    /// Runs an operation under the faults.
    fn act<T: Send + 'static>(
        &self,
        operation: Operation,
        act: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<T> {
        let this = self.clone();
        async move {
            let Some((faults, sleep)) = this.faults.clone() else { return act(&this) };
            let ruling = faults.rule(operation);
            if !ruling.before.is_zero() {
                sleep(ruling.before).await;
            }
            let answer = match ruling.verdict {
                Verdict::Proceed => act(&this),
                Verdict::Fail(error) => Err(error),
                Verdict::FailAfterApplying(error) => act(&this).and(Err(error)),
            };
            if !ruling.after.is_zero() {
                sleep(ruling.after).await;
            }
            answer
        }
        .boxed()
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Rows) -> T + Send + 'static) -> StoreFuture<T> {
        self.act(Operation::Read, move |this| {
            lock(&this.lease).ok_or(StoreError::Closed)?;
            Ok(read(&lock(&this.disk).rows))
        })
    }

    fn open_now(&self) -> Result<Opened, StoreError> {
        let mut disk = lock(&self.disk);
        disk.epoch = disk.epoch.saturating_add(1);
        *lock(&self.lease) = Some(disk.epoch);
        Ok(Opened { head: disk.rows.head(), schema: SCHEMA, migrated_from: None, erased: Vec::new() })
    }

    fn apply_now(&self, group: Group) -> Result<(), StoreError> {
        let lease = lock(&self.lease).ok_or(StoreError::Closed)?;
        let mut disk = lock(&self.disk);
        if disk.epoch != lease {
            return Err(StoreError::Fenced);
        }
        disk.rows.apply(group)
    }
}

/// The value behind the lock. A panic in between leaves rows that are still whole: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes(key: &str, value: &[u8]) -> u64 {
    u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX)
}

impl Store for MemoryStore {
    fn open(&self) -> StoreFuture<Opened> {
        self.act(Operation::Open, Self::open_now)
    }

    fn apply(&self, group: Group) -> StoreFuture<()> {
        self.act(Operation::Apply, move |this| this.apply_now(group))
    }

    fn close(&self) -> StoreFuture<()> {
        self.act(Operation::Close, |this| {
            *lock(&this.lease) = None;
            Ok(())
        })
    }

    fn members(&self) -> StoreFuture<Vec<Member>> {
        self.read(|rows| rows.members.values().map(|row| row.member.clone()).collect())
    }

    fn conversation(&self, id: ConversationId, tail: usize) -> StoreFuture<ConversationState> {
        self.read(move |rows| rows.conversation(id, tail))
    }

    fn unfinished(&self) -> StoreFuture<Vec<Conversation>> {
        self.read(Rows::unfinished)
    }

    fn messages(&self, conversation: ConversationId, after: u64, limit: usize) -> StoreFuture<Vec<Message>> {
        self.read(move |rows| rows.messages_of(conversation, after).take(limit).cloned().collect())
    }

    fn recent(&self, conversation: ConversationId, limit: usize) -> StoreFuture<Vec<Message>> {
        self.read(move |rows| rows.newest(conversation, 0, limit))
    }

    fn search(&self, search: MemorySearch) -> StoreFuture<Vec<MemoryHit>> {
        self.read(move |rows| search::search(rows.memories.values(), &search))
    }

    fn entries(&self, conversation: ConversationId, audience: Audience) -> StoreFuture<Vec<Memory>> {
        self.read(move |rows| rows.entries_of(conversation, &audience))
    }

    fn memory_count(&self, member: MemberId) -> StoreFuture<usize> {
        self.read(move |rows| rows.memories.values().filter(|memory| memory.member == member).count())
    }

    fn pending_reminders(&self) -> StoreFuture<Vec<Reminder>> {
        self.read(Rows::pending_reminders)
    }

    fn unsettled_deliveries(&self) -> StoreFuture<Vec<Delivery>> {
        self.read(Rows::unsettled_deliveries)
    }

    fn session(&self, token: Digest) -> StoreFuture<Option<Session>> {
        self.read(move |rows| rows.sessions.values().find(|session| session.token == token).cloned())
    }

    fn conversations(&self, owner: MemberId) -> StoreFuture<Vec<Conversation>> {
        self.read(move |rows| rows.private_of(owner))
    }

    fn sessions(&self, member: Option<MemberId>) -> StoreFuture<Vec<Session>> {
        self.read(move |rows| rows.sessions_of(member))
    }

    fn secrets(&self) -> StoreFuture<Vec<SealedRecord>> {
        self.read(Rows::sealed)
    }

    fn tools(&self) -> StoreFuture<Vec<ToolInfo>> {
        self.read(|rows| rows.tools.values().cloned().collect())
    }

    fn tool_component(&self, name: String) -> StoreFuture<Option<Vec<u8>>> {
        self.read(move |rows| rows.components.get(&name).cloned())
    }

    fn tool_value(&self, tool: String, member: MemberId, key: String) -> StoreFuture<Option<Vec<u8>>> {
        self.read(move |rows| rows.tool_values.get(&(tool, member, key)).cloned())
    }

    fn tool_keys(&self, tool: String, member: MemberId, prefix: String, limit: usize) -> StoreFuture<Vec<String>> {
        self.read(move |rows| {
            rows.kept_by(&tool, member).map(|(key, _)| key).filter(|key| key.starts_with(&prefix)).take(limit).cloned().collect()
        })
    }

    fn tool_value_bytes(&self, tool: String, member: MemberId) -> StoreFuture<u64> {
        self.read(move |rows| rows.kept_by(&tool, member).fold(0, |sum: u64, (key, value)| sum.saturating_add(bytes(key, value))))
    }

    fn household(&self) -> StoreFuture<HouseholdRows> {
        self.read(Rows::household)
    }

    fn open_approvals(&self) -> StoreFuture<Vec<Approval>> {
        self.read(|rows| rows.asked(|row| !row.state.is_final()))
    }

    fn approvals(&self, member: MemberId, since: Timestamp) -> StoreFuture<Vec<Approval>> {
        self.read(move |rows| rows.asked(|row| row.call.member == member && row.asked >= since))
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Option<Approval>> {
        self.read(move |rows| rows.approvals.get(&id).cloned())
    }

    fn open_endorsements(&self) -> StoreFuture<Vec<Endorsement>> {
        self.read(Rows::open_endorsements)
    }

    fn endorsement(&self, id: ApprovalId) -> StoreFuture<Option<Endorsement>> {
        self.read(move |rows| rows.endorsements.get(&id).cloned())
    }

    fn grants(&self, member: Option<MemberId>) -> StoreFuture<Vec<Grant>> {
        self.read(move |rows| rows.standing(member))
    }

    fn freeze(&self) -> StoreFuture<Option<Freeze>> {
        self.read(|rows| rows.freeze)
    }

    fn results(&self, turn: TurnId) -> StoreFuture<Vec<StoredResult>> {
        self.read(move |rows| rows.results_of(turn))
    }

    fn spent(&self) -> StoreFuture<Vec<Spent>> {
        self.read(|rows| rows.spent.values().copied().collect())
    }

    fn account(&self, message: MessageId) -> StoreFuture<Option<Account>> {
        self.read(move |rows| rows.account(message))
    }

    fn journal(&self, after: u64, limit: usize) -> StoreFuture<Vec<Entry>> {
        self.read(move |rows| rows.entries_after(after).take(limit).cloned().collect())
    }

    fn counts(&self) -> StoreFuture<Counts> {
        self.read(Rows::counts)
    }
}
