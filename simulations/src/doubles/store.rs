//! The store: the conformance double, watched. What is acknowledged goes into the shadow of the checkers; planned panics take down
//! whoever asks; a transaction may outlive the actor that asked for it, as in a database with threads of its own.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use hearth_conformance::double::MemoryStore;
use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::{Approval, State};
use hearth_domain::budget::Spent;
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::household::identity::{Identity, Platform};
use hearth_domain::household::record::{HouseholdRows, IdentityRow};
use hearth_domain::household::{Audience, Member, Place};
use hearth_domain::ids::{ApprovalId, ConversationId, MemberId, MessageId, TurnId};
use hearth_domain::journal::{Digest, Entry};
use hearth_domain::label::Readers;
use hearth_domain::memory::{Memory, MemoryHit, MemorySearch};
use hearth_domain::message::{Message, Purpose};
use hearth_domain::policy::Freeze;
use hearth_domain::schedule::Reminder;
use hearth_domain::secret::SealedRecord;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, ConversationState, Counts, Group, Opened, Store, StoreError, StoreFuture, StoredResult, Write};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::ToolInfo;
use hearth_domain::why::Account;
use tokio::task::AbortHandle;

use crate::changed::Changed;
use crate::checkers::privacy::canary;
use crate::faults::store::SimStoreFaults;
use crate::people::account;
use crate::plants::Plant;
use crate::platforms::{OUTSIDERS, accounts};
use crate::seed::Draw;
use crate::world::{World, crash, lock};

/// The store as one life of the house has it.
#[derive(Debug)]
pub struct SimStore {
    world: Arc<World>,
    inner: MemoryStore,
    chance: Mutex<Draw>,
    running: Mutex<Vec<AbortHandle>>,
    /// Planted: the group that was acknowledged and is not written yet.
    unwritten: Arc<Mutex<Option<Group>>>,
}

impl SimStore {
    /// An empty store.
    #[must_use]
    pub fn new(world: &Arc<World>) -> Self {
        let sleeper: hearth_conformance::double::Sleeper = Arc::new(|time| tokio::time::sleep(time).boxed());
        let faults = Arc::new(SimStoreFaults::new(world));
        Self::over(world, MemoryStore::new().with_faults(faults, sleeper), 0)
    }

    fn over(world: &Arc<World>, inner: MemoryStore, life: usize) -> Self {
        let chance = Mutex::new(Draw::of(&world.seed.child("store actor"), &life.to_string()));
        Self { world: Arc::clone(world), inner, chance, running: Mutex::new(Vec::new()), unwritten: Arc::default() }
    }

    /// The store as the next life of the house finds it.
    #[must_use]
    pub fn successor(&self, life: usize) -> Self {
        for task in lock(&self.running).drain(..) {
            task.abort();
        }
        Self::over(&self.world, self.inner.successor(), life)
    }

    /// The rows that are really there.
    #[must_use]
    pub fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    /// A planned panic in whoever asks.
    fn spare(&self, what: &str) {
        let crashes = self.world.plan.store.crash;
        if !self.world.is_calm() && crashes > 0 && lock(&self.chance).happens(crashes) {
            self.world.note(format!("crash: whoever asks the store for {what}"));
            crash("store");
        }
    }

    fn planted(&self, mut group: Group) -> Group {
        match self.world.plan.plant {
            Some(Plant::ForgetClaim) if group.writes.iter().any(|write| matches!(write, Write::Claim { .. })) => {
                group.writes.retain(|write| !matches!(write, Write::Claim { .. } | Write::Reminder(_)));
            }
            Some(Plant::OpenCard) => {
                let owner = self.world.plan.members.first().map(|member| Place::main(member.id));
                for write in &mut group.writes {
                    if let Write::Message(row) = write
                        && Some(row.conversation) == owner
                        && row.purpose == Purpose::Notice
                        && row.text.contains("\nSay /yes ")
                    {
                        row.text = format!("{}\n{}", canary(Changed::default(), 3, 1), row.text);
                    }
                }
            }
            Some(Plant::Tamper) if lock(&self.chance).happens(200) => {
                if let Some(entry) = group.entries.first_mut() {
                    entry.fact.detail.push('!');
                }
            }
            _ => {}
        }
        group
    }

    /// Planted: acknowledges at once, and writes the group before.
    fn apply_late(&self, group: Group) -> StoreFuture<()> {
        let (world, inner, unwritten) = (Arc::clone(&self.world), self.inner.clone(), Arc::clone(&self.unwritten));
        async move {
            let n = world.checkers().durable.attempt(&group);
            let before = lock(&unwritten).replace(group);
            if let Some(before) = before {
                inner.apply(before).await?;
            }
            applied(&world, n, &Ok(()), &inner);
            Ok(())
        }
        .boxed()
    }
}

/// Tells the shadow how a group ended, and the checkers what was written.
fn applied(world: &Arc<World>, attempt: u64, result: &Result<(), StoreError>, inner: &MemoryStore) {
    world.note(format!("store: group {attempt} {}", result.as_ref().map_or_else(ToString::to_string, |()| "written".to_owned())));
    let landed = world.checkers().durable.ended(attempt, result, || inner.rows());
    match landed {
        Ok(groups) => groups.iter().for_each(|group| world.written(group)),
        Err(what) => world.violate(crate::checkers::durable::NAME, what),
    }
}

impl Store for SimStore {
    fn open(&self) -> StoreFuture<Opened> {
        self.world.note("store: open");
        // Opening takes the lease: what a former life of the store actor began is fenced off from here on.
        for task in lock(&self.running).drain(..) {
            task.abort();
        }
        self.inner.open()
    }

    fn apply(&self, group: Group) -> StoreFuture<()> {
        self.spare("a write");
        let group = self.planted(group);
        if self.world.plan.plant == Some(Plant::LoseCommit) {
            return self.apply_late(group);
        }
        let (world, inner) = (Arc::clone(&self.world), self.inner.clone());
        let work = async move {
            let n = world.checkers().durable.attempt(&group);
            let result = inner.apply(group).await;
            applied(&world, n, &result, &inner);
            result
        };
        if !self.world.plan.store.detached {
            return work.boxed();
        }
        let (answer, answered) = tokio::sync::oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "the double's own disk works on beside the actors")]
        let task = tokio::spawn(async move { drop(answer.send(work.await)) });
        let mut running = lock(&self.running);
        running.retain(|task| !task.is_finished());
        running.push(task.abort_handle());
        async { answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it is gone".to_owned()))) }.boxed()
    }

    fn close(&self) -> StoreFuture<()> {
        self.inner.close()
    }

    fn members(&self) -> StoreFuture<Vec<Member>> {
        self.spare("members");
        self.inner.members()
    }

    fn conversation(&self, id: ConversationId, tail: usize) -> StoreFuture<ConversationState> {
        self.spare("a conversation");
        self.inner.conversation(id, tail)
    }

    fn unfinished(&self) -> StoreFuture<Vec<Conversation>> {
        self.spare("the unfinished");
        self.inner.unfinished()
    }

    fn messages(&self, conversation: ConversationId, after: u64, limit: usize) -> StoreFuture<Vec<Message>> {
        self.spare("messages");
        self.inner.messages(conversation, after, limit)
    }

    fn recent(&self, conversation: ConversationId, limit: usize) -> StoreFuture<Vec<Message>> {
        self.spare("recent messages");
        self.inner.recent(conversation, limit)
    }

    fn search(&self, search: MemorySearch) -> StoreFuture<Vec<MemoryHit>> {
        self.spare("a search");
        if self.world.plan.plant != Some(Plant::OpenSearch) {
            let (world, found) = (Arc::clone(&self.world), self.inner.search(search.clone()));
            return async move {
                let found = found.await?;
                world.keep(|recording, at| recording.searched(at, &search, &found));
                Ok(found)
            }
            .boxed();
        }
        let found = self.inner.search(MemorySearch { audience: Audience::default(), ..search });
        async move {
            let mut hits = found.await?;
            hits.iter_mut().for_each(|hit| hit.memory.label.readers = Readers::public());
            Ok(hits)
        }
        .boxed()
    }

    fn entries(&self, conversation: ConversationId, audience: Audience) -> StoreFuture<Vec<Memory>> {
        self.spare("entries");
        let (world, found) = (Arc::clone(&self.world), self.inner.entries(conversation, audience.clone()));
        async move {
            let found = found.await?;
            world.keep(|recording, at| recording.listed(at, &audience, &found));
            Ok(found)
        }
        .boxed()
    }

    fn memory_count(&self, member: MemberId) -> StoreFuture<usize> {
        self.spare("a count");
        self.inner.memory_count(member)
    }

    fn pending_reminders(&self) -> StoreFuture<Vec<Reminder>> {
        self.spare("reminders");
        self.inner.pending_reminders()
    }

    fn unsettled_deliveries(&self) -> StoreFuture<Vec<Delivery>> {
        self.spare("deliveries");
        if self.world.plan.plant != Some(Plant::ForgetEnd) {
            return self.inner.unsettled_deliveries();
        }
        let (found, rows) = (self.inner.unsettled_deliveries(), self.inner.rows());
        async move {
            let ended = rows.deliveries.into_values().filter(|row| row.state == DeliveryState::Unknown);
            let mut all = found.await?;
            all.extend(ended.map(|row| Delivery { state: DeliveryState::Pending, ..row }));
            Ok(all)
        }
        .boxed()
    }

    fn session(&self, token: Digest) -> StoreFuture<Option<Session>> {
        self.inner.session(token)
    }
    fn conversations(&self, owner: MemberId) -> StoreFuture<Vec<Conversation>> {
        self.inner.conversations(owner)
    }
    fn sessions(&self, member: Option<MemberId>) -> StoreFuture<Vec<Session>> {
        self.inner.sessions(member)
    }

    fn secrets(&self) -> StoreFuture<Vec<SealedRecord>> {
        self.spare("secrets");
        self.inner.secrets()
    }

    fn tools(&self) -> StoreFuture<Vec<ToolInfo>> {
        self.spare("tools");
        self.inner.tools()
    }

    fn tool_component(&self, name: String) -> StoreFuture<Option<Vec<u8>>> {
        self.spare("a component");
        self.inner.tool_component(name)
    }

    fn tool_value(&self, tool: String, member: MemberId, key: String) -> StoreFuture<Option<Vec<u8>>> {
        self.spare("what a tool keeps");
        self.inner.tool_value(tool, member, key)
    }

    fn tool_keys(&self, tool: String, member: MemberId, prefix: String, limit: usize) -> StoreFuture<Vec<String>> {
        self.spare("a tool's keys");
        self.inner.tool_keys(tool, member, prefix, limit)
    }

    fn tool_value_bytes(&self, tool: String, member: MemberId) -> StoreFuture<u64> {
        self.spare("how much a tool keeps");
        self.inner.tool_value_bytes(tool, member)
    }

    fn household(&self) -> StoreFuture<HouseholdRows> {
        self.spare("the household");
        let (rows, plant) = (self.inner.household(), self.world.plan.plant);
        let (owner, at) = (self.world.plan.members.first().map(|member| member.id), self.world.plan.start);
        let outsider = accounts(&self.world.plan).into_iter().find(|account| account.human == OUTSIDERS);
        let outsider = outsider.and_then(|one| Identity::new(Platform::Whatsapp, one.channel, &one.account).ok());
        async move {
            let mut rows = rows.await?;
            if let (Some(Plant::ForgedAccount), Some(member), Some(identity)) = (plant, owner, account(1)) {
                rows.identities.push(IdentityRow { id: identity.id(), identity, member, by: None, at });
            }
            if let (Some(Plant::ForgedChat), Some(member), Some(identity)) = (plant, owner, outsider) {
                rows.identities.retain(|row| row.id != identity.id());
                rows.identities.push(IdentityRow { id: identity.id(), identity, member, by: None, at });
            }
            if plant == Some(Plant::OpenRooms) {
                rows.groups.iter_mut().for_each(|group| group.admitted = owner);
            }
            Ok(rows)
        }
        .boxed()
    }

    fn open_approvals(&self) -> StoreFuture<Vec<Approval>> {
        self.spare("open questions");
        if self.world.plan.plant != Some(Plant::ForgedYes) {
            return self.inner.open_approvals();
        }
        let found = self.inner.open_approvals();
        async move {
            let mut all = found.await?;
            for approval in all.iter_mut().filter(|approval| approval.state == State::Pending) {
                approval.state = State::Approved { by: approval.call.member, at: approval.asked };
            }
            Ok(all)
        }
        .boxed()
    }

    fn approvals(&self, member: MemberId, since: Timestamp) -> StoreFuture<Vec<Approval>> {
        self.spare("questions");
        self.inner.approvals(member, since)
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Option<Approval>> {
        self.spare("a question");
        self.inner.approval(id)
    }

    fn open_endorsements(&self) -> StoreFuture<Vec<Endorsement>> {
        self.spare("open questions about several effects");
        self.inner.open_endorsements()
    }

    fn endorsement(&self, id: ApprovalId) -> StoreFuture<Option<Endorsement>> {
        self.spare("a question about several effects");
        self.inner.endorsement(id)
    }

    fn grants(&self, member: Option<MemberId>) -> StoreFuture<Vec<Grant>> {
        self.spare("what members allowed");
        self.inner.grants(member)
    }

    fn freeze(&self) -> StoreFuture<Option<Freeze>> {
        self.spare("what stops the house");
        self.inner.freeze()
    }

    fn results(&self, turn: TurnId) -> StoreFuture<Vec<StoredResult>> {
        self.spare("results");
        self.inner.results(turn)
    }

    fn spent(&self) -> StoreFuture<Vec<Spent>> {
        self.spare("what members have used");
        self.inner.spent()
    }

    fn account(&self, message: MessageId) -> StoreFuture<Option<Account>> {
        self.spare("an account");
        self.inner.account(message)
    }

    fn journal(&self, after: u64, limit: usize) -> StoreFuture<Vec<Entry>> {
        self.spare("the journal");
        self.inner.journal(after, limit)
    }

    fn counts(&self) -> StoreFuture<Counts> {
        self.spare("counts");
        self.inner.counts()
    }
}
