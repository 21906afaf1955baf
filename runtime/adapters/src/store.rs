//! The store port over SurrealDB: embedded in a folder, in memory, or on a server.
//!
//! ```text
//! actors' thread                         the database's threads
//! ──────────────                         ──────────────────────────────────────────────
//! Store::apply ── task ────────────────▶ BEGIN; fence; one statement a table; COMMIT ── fsync
//!      ▲                                                   │
//!      └──────────────── answer ◀──────────────────────────┘
//! ```
//!
//! Two houses never write at once. In a folder, an operating-system lock refuses the second. On a server, each
//! opening counts `house:main.epoch` up, and a transaction that finds another epoch than its own is thrown away;
//! what slips between the two is refused by the chain, in which a place is taken once.
//!
//! A commit of which the engine does not say whether it happened is looked up: the database is closed, opened
//! again, and asked for the group's entries.
//!
//! Architecture invariant: no code of the database runs on the caller's thread.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hearth_domain::approval::Approval;
use hearth_domain::approval::grant::Grant;
use hearth_domain::budget::Spent;
use hearth_domain::delivery::Delivery;
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::household::erase::Report;
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
use secrecy::SecretString;

use self::failure::{Failure, known_cause, shorten};
use self::host::Host;
use self::link::{Link, Server};
use self::lock::FolderLock;

mod account;
mod apply;
mod decode;
mod encode;
mod erase;
mod every;
mod failure;
mod flow;
mod host;
mod household;
mod link;
mod lock;
mod read;
mod rewrite;
mod schema;
mod search;
#[cfg(test)]
mod tests;

/// The folder of the database inside the data folder.
const FOLDER: &str = "store";

/// What the engine before this one had in its folder (DECISIONS.md 11). This one would begin an empty database beside it.
const OTHER_ENGINE: &str = "wal";

/// The version of the schema in which members can be removed.
const HOUSEHOLD: usize = 4;

/// Where the data is.
#[derive(Debug, Clone)]
pub enum Location {
    /// In this folder, by an engine in this process.
    Embedded(PathBuf),
    /// In memory, for tests; gone with the value.
    Memory,
    /// On a server.
    Remote {
        /// Its address: `ws://` or `wss://`.
        url: String,
        /// The namespace; made if it is not there.
        namespace: String,
        /// The database in it; made if it is not there.
        database: String,
        /// The user.
        user: String,
        /// The user's password.
        password: SecretString,
    },
}

/// What the store needs to know.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Where the data is.
    pub location: Location,
}

/// The store.
#[derive(Clone)]
pub struct SurrealStore {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for SurrealStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SurrealStore").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

struct Shared {
    config: StoreConfig,
    /// Where reports are left by a store that has no folder.
    data: Option<PathBuf>,
    migrations: &'static [&'static str],
    host: Host,
    /// Opening, closing and settling happen one after the other.
    turnstile: tokio::sync::Mutex<()>,
    /// Held by the write that is under way, which may have lost its asker. Taken before the turnstile.
    writing: tokio::sync::Mutex<()>,
    open: Mutex<Option<House>>,
    /// The lease that was ours last, where a lease is what keeps two houses apart.
    held: Mutex<Option<i64>>,
    /// A database in memory outlives its closing.
    memory: Mutex<Option<Link>>,
}

/// An open database, and as whom we hold it.
#[derive(Clone)]
struct House {
    link: Link,
    /// The epoch that has to be ours still; none where the lock on the folder says all.
    fence: Option<i64>,
    _lock: Option<Arc<FolderLock>>,
}

impl SurrealStore {
    /// A store that is not open yet. Starts nothing and touches nothing. Reports of erasures are left in its folder, where it has one.
    #[must_use]
    pub fn new(config: StoreConfig) -> Self {
        Self::made(config, None, schema::MIGRATIONS)
    }

    /// The same, with the data folder in which a store without one leaves its reports.
    #[must_use]
    pub fn reporting_in(config: StoreConfig, data: &Path) -> Self {
        Self::made(config, Some(data.to_owned()), schema::MIGRATIONS)
    }

    #[cfg(test)]
    fn with_migrations(config: StoreConfig, migrations: &'static [&'static str]) -> Self {
        Self::made(config, None, migrations)
    }

    fn made(config: StoreConfig, data: Option<PathBuf>, migrations: &'static [&'static str]) -> Self {
        let shared = Shared {
            config,
            data,
            migrations,
            host: Host::default(),
            turnstile: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            open: Mutex::default(),
            held: Mutex::default(),
            memory: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs a read on the database's threads.
    fn read<T, F>(&self, read: impl FnOnce(Link) -> F + Send + 'static) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let shared = Arc::clone(&self.shared);
        self.shared.host.run(async move {
            let house = shared.current().ok_or(StoreError::Closed)?;
            read(house.link).await
        })
    }
}

impl Drop for Shared {
    /// A store that nobody closed is closed now: its engine has threads of its own, which would hold the folder.
    fn drop(&mut self) {
        let house = self.replace(None);
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        self.host.end(async move {
            if let Some(House { link, _lock, .. }) = house {
                link.close().await;
            } else if let Some(link) = memory {
                link.close().await;
            }
        });
    }
}

impl Shared {
    fn current(&self) -> Option<House> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, house: Option<House>) -> Option<House> {
        std::mem::replace(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner), house)
    }

    fn server(&self) -> Option<Server> {
        match self.config.location.clone() {
            Location::Remote { url, namespace, database, user, password } => Some(Server { url, namespace, database, user, password }),
            Location::Embedded(_) | Location::Memory => None,
        }
    }

    async fn open(&self) -> Result<Opened, StoreError> {
        let _turn = self.turnstile.lock().await;
        self.close_now().await;
        self.open_now().await
    }

    async fn close(&self) {
        let _writing = self.writing.lock().await;
        let _turn = self.turnstile.lock().await;
        self.close_now().await;
    }

    async fn close_now(&self) {
        let Some(House { link, _lock, .. }) = self.replace(None) else { return };
        if !matches!(self.config.location, Location::Memory) {
            link.close().await;
        }
    }

    async fn open_now(&self) -> Result<Opened, StoreError> {
        let (link, lock) = self.connect().await?;
        let (link, found, erased) = self.bring_forward(link).await?;
        let held = if lock.is_none() { *self.held.lock().unwrap_or_else(PoisonError::into_inner) } else { None };
        match Self::take(&link, held, found).await {
            Ok((opened, epoch)) => {
                let fence = lock.is_none().then_some(epoch);
                let erased = if lock.is_none() { self.delete_the_gone(&link, epoch).await } else { erased };
                let opened = Opened { erased, ..opened };
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = fence;
                self.replace(Some(House { link, fence, _lock: lock }));
                Ok(opened)
            }
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<(Link, Option<Arc<FolderLock>>), StoreError> {
        match &self.config.location {
            Location::Embedded(folder) => {
                let lock = Arc::new(FolderLock::take(folder)?);
                rewrite::recover(folder)?;
                let inner = lock::make_lasting(folder, FOLDER)?;
                if inner.join(OTHER_ENGINE).is_dir() {
                    return Err(StoreError::Damaged("it was written by an engine that is not used any more".to_owned()));
                }
                Ok((Link::in_folder(&inner).await?, Some(lock)))
            }
            Location::Memory => {
                let kept = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let link = if let Some(link) = kept { link } else { Link::in_memory().await? };
                *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                Ok((link, None))
            }
            Location::Remote { .. } => {
                let server = self.server().ok_or(StoreError::Closed)?;
                Ok((Link::to_server(&server).await?, None))
            }
        }
    }

    /// Migrates; then writes a folder anew in which there may be something of members who were removed.
    async fn bring_forward(&self, link: Link) -> Result<(Link, schema::Found, Vec<(MemberId, Report)>), StoreError> {
        let found = match schema::migrate(&link, self.server().as_ref(), self.migrations).await {
            Ok(found) => found,
            Err(error) => {
                link.close().await;
                return Err(error);
            }
        };
        // Elsewhere a row that is deleted is as gone as we can make it: once the lease is ours.
        let Location::Embedded(folder) = &self.config.location else { return Ok((link, found, Vec::new())) };
        match self.without_the_gone(folder, &link).await {
            Ok(reports) if reports.is_empty() => Ok((link, found, reports)),
            Ok(reports) => {
                link.close().await;
                rewrite::swap(folder)?;
                rewrite::report(folder, &reports);
                Ok((Link::in_folder(&folder.join(FOLDER)).await?, found, reports))
            }
            Err(error) => {
                rewrite::give_up(folder);
                tracing::warn!(target: "hearth::store", %error, "the store could not be written anew without a member who was removed; it is tried again at the next start");
                Ok((link, found, Vec::new()))
            }
        }
    }

    /// Deletes what is a removed member's, where no folder can be written anew. What cannot be is tried again at the next opening.
    async fn delete_the_gone(&self, link: &Link, epoch: i64) -> Vec<(MemberId, Report)> {
        if self.migrations.len() < HOUSEHOLD {
            return Vec::new();
        }
        let deleted = match rewrite::pending(link).await {
            Ok((members, _)) if members.is_empty() => return Vec::new(),
            Ok((members, gone)) => erase::delete(link, epoch, &members, &gone).await,
            Err(error) => Err(error),
        };
        match deleted {
            Ok(reports) => {
                if let Some(data) = &self.data {
                    rewrite::report(data, &reports);
                }
                reports
            }
            Err(error) => {
                tracing::warn!(target: "hearth::store", %error, "not all of a member who was removed could be deleted; it is tried again at the next start");
                Vec::new()
            }
        }
    }

    /// Writes what stays into a new folder beside the store's, when somebody was removed since the last time.
    async fn without_the_gone(&self, folder: &Path, link: &Link) -> Result<Vec<(MemberId, Report)>, StoreError> {
        if self.migrations.len() < HOUSEHOLD {
            return Ok(Vec::new());
        }
        let (members, gone) = rewrite::pending(link).await?;
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let place = rewrite::begin(folder)?;
        let new = Link::in_folder(&place).await?;
        let copied = match schema::migrate(&new, None, self.migrations).await {
            Ok(_) => rewrite::copy(link, &new, &members, &gone).await,
            Err(error) => Err(error),
        };
        new.close().await;
        let copied = copied?;
        // What counts is what is on the disk.
        let new = Link::in_folder(&place).await?;
        let whole = rewrite::compare(link, &new, &copied).await;
        new.close().await;
        whole.map(|()| copied.reports)
    }

    /// Takes the lease, and finds the end of the chain, in this order: once the lease is ours, nobody else moves the end.
    async fn take(link: &Link, held: Option<i64>, found: schema::Found) -> Result<(Opened, i64), StoreError> {
        let epoch = schema::take_over(link, held).await?;
        let head = read::head(link).await?;
        let migrated_from = (found.before != found.now && found.before != 0).then_some(found.before);
        Ok((Opened { head, schema: found.now, migrated_from, erased: Vec::new() }, epoch))
    }

    async fn apply(&self, group: Group) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let house = self.current().ok_or(StoreError::Closed)?;
        match apply::apply(&house.link, house.fence, &group).await {
            Ok(()) => Ok(()),
            Err(Failure::Commit(cause)) => self.settle(house, &group, &cause).await,
            Err(failure) => Err(failure.into()),
        }
    }

    /// Finds out what became of a commit that failed. The engine may hold the group in memory without having it on
    /// the disk, so only a database that was opened anew can tell.
    async fn settle(&self, house: House, group: &Group, cause: &str) -> Result<(), StoreError> {
        let _turn = self.turnstile.lock().await;
        let known = known_cause(cause);
        let unknown = StoreError::Unavailable(known.as_ref().map_or_else(|| shorten(cause), ToString::to_string));
        tracing::warn!(target: "hearth::store", cause, reason = %unknown, "a commit failed; the database is opened again to see what became of it");
        drop(house);
        self.close_now().await;
        if self.open_now().await.is_err() {
            return Err(unknown);
        }
        let Some(house) = self.current() else { return Err(unknown) };
        match apply::written(&house.link, group).await {
            Ok(true) => Ok(()),
            Ok(false) if !group.entries.is_empty() => Err(known.unwrap_or(unknown)),
            Ok(false) | Err(_) => Err(unknown),
        }
    }
}

impl Store for SurrealStore {
    fn open(&self) -> StoreFuture<Opened> {
        let shared = Arc::clone(&self.shared);
        self.shared.host.run(async move { shared.open().await })
    }

    fn apply(&self, group: Group) -> StoreFuture<()> {
        let shared = Arc::clone(&self.shared);
        self.shared.host.run(async move { shared.apply(group).await })
    }

    fn close(&self) -> StoreFuture<()> {
        let shared = Arc::clone(&self.shared);
        self.shared.host.run(async move {
            shared.close().await;
            Ok(())
        })
    }

    fn members(&self) -> StoreFuture<Vec<Member>> {
        self.read(|link| async move { read::members(&link).await })
    }

    fn conversation(&self, id: ConversationId, tail: usize) -> StoreFuture<ConversationState> {
        self.read(move |link| async move { read::conversation(&link, id, tail).await })
    }

    fn unfinished(&self) -> StoreFuture<Vec<Conversation>> {
        self.read(|link| async move { read::unfinished(&link).await })
    }

    fn messages(&self, conversation: ConversationId, after: u64, limit: usize) -> StoreFuture<Vec<Message>> {
        self.read(move |link| async move { read::messages(&link, conversation, after, limit).await })
    }

    fn recent(&self, conversation: ConversationId, limit: usize) -> StoreFuture<Vec<Message>> {
        self.read(move |link| async move { read::recent(&link, conversation, limit).await })
    }

    fn search(&self, search: MemorySearch) -> StoreFuture<Vec<MemoryHit>> {
        self.read(move |link| async move { search::search(&link, &search).await })
    }

    fn entries(&self, conversation: ConversationId, audience: Audience) -> StoreFuture<Vec<Memory>> {
        self.read(move |link| async move { read::entries(&link, conversation, &audience).await })
    }

    fn memory_count(&self, member: MemberId) -> StoreFuture<usize> {
        self.read(move |link| async move { read::memory_count(&link, member).await })
    }

    fn pending_reminders(&self) -> StoreFuture<Vec<Reminder>> {
        self.read(|link| async move { read::pending_reminders(&link).await })
    }

    fn unsettled_deliveries(&self) -> StoreFuture<Vec<Delivery>> {
        self.read(|link| async move { read::unsettled_deliveries(&link).await })
    }

    fn session(&self, token: Digest) -> StoreFuture<Option<Session>> {
        self.read(move |link| async move { read::session(&link, token).await })
    }

    fn conversations(&self, owner: MemberId) -> StoreFuture<Vec<Conversation>> {
        self.read(move |link| async move { read::conversations(&link, owner).await })
    }

    fn sessions(&self, member: Option<MemberId>) -> StoreFuture<Vec<Session>> {
        self.read(move |link| async move { read::sessions(&link, member).await })
    }

    fn secrets(&self) -> StoreFuture<Vec<SealedRecord>> {
        self.read(|link| async move { read::secrets(&link).await })
    }

    fn tools(&self) -> StoreFuture<Vec<ToolInfo>> {
        self.read(|link| async move { read::tools(&link).await })
    }

    fn tool_component(&self, name: String) -> StoreFuture<Option<Vec<u8>>> {
        self.read(move |link| async move { read::tool_component(&link, &name).await })
    }

    fn tool_value(&self, tool: String, member: MemberId, key: String) -> StoreFuture<Option<Vec<u8>>> {
        self.read(move |link| async move { read::tool_value(&link, &tool, member, &key).await })
    }

    fn tool_keys(&self, tool: String, member: MemberId, prefix: String, limit: usize) -> StoreFuture<Vec<String>> {
        self.read(move |link| async move { read::tool_keys(&link, &tool, member, prefix, limit).await })
    }

    fn tool_value_bytes(&self, tool: String, member: MemberId) -> StoreFuture<u64> {
        self.read(move |link| async move { read::tool_value_bytes(&link, &tool, member).await })
    }

    fn household(&self) -> StoreFuture<HouseholdRows> {
        self.read(|link| async move { household::rows(&link).await })
    }

    fn open_approvals(&self) -> StoreFuture<Vec<Approval>> {
        self.read(|link| async move { flow::open_approvals(&link).await })
    }

    fn approvals(&self, member: MemberId, since: Timestamp) -> StoreFuture<Vec<Approval>> {
        self.read(move |link| async move { flow::approvals(&link, member, since).await })
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Option<Approval>> {
        self.read(move |link| async move { flow::approval(&link, id).await })
    }

    fn open_endorsements(&self) -> StoreFuture<Vec<Endorsement>> {
        self.read(|link| async move { flow::open_endorsements(&link).await })
    }

    fn endorsement(&self, id: ApprovalId) -> StoreFuture<Option<Endorsement>> {
        self.read(move |link| async move { flow::endorsement(&link, id).await })
    }

    fn grants(&self, member: Option<MemberId>) -> StoreFuture<Vec<Grant>> {
        self.read(move |link| async move { flow::grants(&link, member).await })
    }

    fn freeze(&self) -> StoreFuture<Option<Freeze>> {
        self.read(|link| async move { flow::freeze(&link).await })
    }

    fn results(&self, turn: TurnId) -> StoreFuture<Vec<StoredResult>> {
        self.read(move |link| async move { flow::results(&link, turn).await })
    }

    fn spent(&self) -> StoreFuture<Vec<Spent>> {
        self.read(|link| async move { flow::spent(&link).await })
    }

    fn account(&self, message: MessageId) -> StoreFuture<Option<Account>> {
        self.read(move |link| async move { account::account(&link, message).await })
    }

    fn journal(&self, after: u64, limit: usize) -> StoreFuture<Vec<Entry>> {
        self.read(move |link| async move { read::journal(&link, after, limit).await })
    }

    fn counts(&self) -> StoreFuture<Counts> {
        self.read(|link| async move { read::counts(&link).await })
    }
}
