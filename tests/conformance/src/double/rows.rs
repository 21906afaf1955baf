//! The rows of the double, and how a group changes them.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::approval::Approval;
use hearth_domain::approval::grant::Grant;
use hearth_domain::budget::{Day, Spent};
use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::flow::value::ResultId;
use hearth_domain::household::Audience;
use hearth_domain::household::audience::Group as Chat;
use hearth_domain::household::pairing::Pairing;
use hearth_domain::household::record::{GoneRow, HouseholdWrite, IdentityRow, MemberRow};
use hearth_domain::ids::{
    AnswerId, ApprovalId, ConversationId, GrantId, GroupId, IdentityId, MemberId, MemoryId, MessageId, PairingId, ReminderId, SecretId,
    SessionId, TurnId,
};
use hearth_domain::journal::{Entry, Head};
use hearth_domain::memory::{Memory, MemoryKind};
use hearth_domain::message::Message;
use hearth_domain::policy::Freeze;
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::secret::SealedRecord;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, ConversationState, Counts, Group, Step, StoreError, StoredResult, Turn, TurnState, Write};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::ToolInfo;
use hearth_domain::why::Account;

/// Everything that is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Members.
    pub members: BTreeMap<MemberId, MemberRow>,
    /// Those who were removed.
    pub gone: BTreeMap<MemberId, GoneRow>,
    /// Accounts.
    pub identities: BTreeMap<IdentityId, IdentityRow>,
    /// Pairings.
    pub pairings: BTreeMap<PairingId, Pairing>,
    /// Groups.
    pub groups: BTreeMap<GroupId, Chat>,
    /// Conversations.
    pub conversations: BTreeMap<ConversationId, Conversation>,
    /// Messages by their place.
    pub messages: BTreeMap<(ConversationId, u64), Message>,
    /// Turns.
    pub turns: BTreeMap<TurnId, Turn>,
    /// Steps by their place.
    pub steps: BTreeMap<(TurnId, u32), Step>,
    /// Remembered things.
    pub memories: BTreeMap<MemoryId, Memory>,
    /// Reminders.
    pub reminders: BTreeMap<ReminderId, Reminder>,
    /// Claimed occurrences, and when they were claimed.
    pub claims: BTreeMap<(ReminderId, Timestamp), Timestamp>,
    /// Deliveries.
    pub deliveries: BTreeMap<AnswerId, Delivery>,
    /// Sessions.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Sealed secrets.
    pub secrets: BTreeMap<SecretId, SealedRecord>,
    /// Tools by their names.
    pub tools: BTreeMap<String, ToolInfo>,
    /// The components of tools.
    pub components: BTreeMap<String, Vec<u8>>,
    /// What tools keep, by tool, member and key.
    pub tool_values: BTreeMap<(String, MemberId, String), Vec<u8>>,
    /// Questions about one effect.
    pub approvals: BTreeMap<ApprovalId, Approval>,
    /// Questions about several effects.
    pub endorsements: BTreeMap<ApprovalId, Endorsement>,
    /// What members allowed.
    pub grants: BTreeMap<GrantId, Grant>,
    /// What the house is stopped by.
    pub freeze: Option<Freeze>,
    /// Results of turns by their place.
    pub results: BTreeMap<(TurnId, ResultId), StoredResult>,
    /// What members have used, by day.
    pub spent: BTreeMap<(MemberId, Day), Spent>,
    /// The journal.
    pub journal: BTreeMap<u64, Entry>,
}

impl Rows {
    /// Applies a group as a whole, or not at all.
    pub fn apply(&mut self, group: Group) -> Result<(), StoreError> {
        let known: Vec<&Entry> = group.entries.iter().filter_map(|entry| self.journal.get(&entry.seq)).collect();
        if !known.is_empty() {
            // The chain is the second fence: a place is taken once. The same group again is the same history.
            let same = known.into_iter().eq(group.entries.iter());
            return if same { Ok(()) } else { Err(StoreError::Fenced) };
        }
        self.check_claims(&group)?;
        for write in group.writes {
            self.write(write);
        }
        self.journal.extend(group.entries.into_iter().map(|entry| (entry.seq, entry)));
        Ok(())
    }

    fn check_claims(&self, group: &Group) -> Result<(), StoreError> {
        let mut fresh = BTreeSet::new();
        for write in &group.writes {
            if let Write::Claim { reminder, due, .. } = write {
                let key = (*reminder, *due);
                if self.claims.contains_key(&key) || !fresh.insert(key) {
                    return Err(StoreError::Claimed);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, write: Write) {
        match write {
            Write::Member(member) => {
                self.change(HouseholdWrite::Member(MemberRow { member, guardians: BTreeSet::new(), by: None, at: Timestamp::UNIX_EPOCH }))
            }
            Write::Household(change) => self.change(change),
            Write::Approval(row) => drop(self.approvals.insert(row.id, row)),
            Write::Endorsement(row) => drop(self.endorsements.insert(row.id, row)),
            Write::Grant(row) => drop(self.grants.insert(row.id, row)),
            Write::Freeze(row) => self.freeze = row,
            Write::Result(row) => drop(self.results.insert((row.turn, row.stored.id), row)),
            Write::ForgetResults(turn) => self.results.retain(|(of, _), _| *of != turn),
            Write::Spent(row) => {
                let known = self.spent.entry((row.member, row.day)).or_insert(row);
                if row.number > known.number {
                    *known = row;
                }
            }
            Write::Conversation(row) => drop(self.conversations.insert(row.id, row)),
            Write::Message(row) => drop(self.messages.insert((row.conversation, row.seq), row)),
            Write::Turn(row) => drop(self.turns.insert(row.id, row)),
            Write::Step(row) => drop(self.steps.insert((row.turn, row.index), row)),
            Write::Memory(row) => drop(self.memories.insert(row.id, row)),
            Write::Forget(id) => drop(self.memories.remove(&id)),
            Write::Reminder(row) => drop(self.reminders.insert(row.id, row)),
            Write::Claim { reminder, due, at } => drop(self.claims.insert((reminder, due), at)),
            Write::Delivery(row) => drop(self.deliveries.insert(row.answer, row)),
            Write::Session(row) => drop(self.sessions.insert(row.id, row)),
            Write::EndSession(id) => drop(self.sessions.remove(&id)),
            Write::SessionSeen { id, at } => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.seen = at;
                }
            }
            Write::Secret(row) => drop(self.secrets.insert(row.id, row)),
            Write::EraseSecret(id) => drop(self.secrets.remove(&id)),
            Write::Tool(row) => {
                self.components.insert(row.info.name.clone(), row.bytes);
                self.tools.insert(row.info.name.clone(), row.info);
            }
            Write::ToolInfo(row) => drop(self.tools.insert(row.name.clone(), row)),
            Write::RemoveTool(name) => {
                self.tools.remove(&name);
                self.components.remove(&name);
                self.tool_values.retain(|(tool, ..), _| *tool != name);
            }
            Write::ToolValue(row) => drop(self.tool_values.insert((row.tool, row.member, row.key), row.value)),
            Write::ForgetToolValue { tool, member, key } => drop(self.tool_values.remove(&(tool, member, key))),
        }
    }

    /// The end of the chain.
    #[must_use]
    pub fn head(&self) -> Head {
        self.journal.last_key_value().map_or(Head::EMPTY, |(seq, entry)| Head { seq: *seq, digest: entry.digest })
    }

    /// The messages of a conversation after a place, oldest first.
    pub fn messages_of(&self, conversation: ConversationId, after: u64) -> impl DoubleEndedIterator<Item = &Message> {
        let from = after.checked_add(1);
        from.into_iter().flat_map(move |from| self.messages.range((conversation, from)..=(conversation, u64::MAX)).map(|(_, row)| row))
    }

    /// The newest messages of a conversation after a place, oldest first.
    #[must_use]
    pub fn newest(&self, conversation: ConversationId, after: u64, limit: usize) -> Vec<Message> {
        let mut newest: Vec<Message> = self.messages_of(conversation, after).rev().take(limit).cloned().collect();
        newest.reverse();
        newest
    }

    /// Entries of the journal after a place.
    pub fn entries_after(&self, after: u64) -> impl Iterator<Item = &Entry> {
        let from = after.checked_add(1);
        from.into_iter().flat_map(move |from| self.journal.range(from..).map(|(_, entry)| entry))
    }

    /// A conversation as it stands.
    #[must_use]
    pub fn conversation(&self, id: ConversationId, tail: usize) -> ConversationState {
        let row = self.conversations.get(&id).cloned();
        let upto = row.as_ref().and_then(|row| row.summary.as_ref()).map_or(0, |summary| summary.upto);
        let messages = self.newest(id, upto, tail);
        let mut open: Vec<(u64, Turn)> =
            self.open_turns().filter(|turn| turn.conversation == id).map(|turn| (self.place(turn), turn.clone())).collect();
        open.sort_by_key(|(seq, turn)| (*seq, turn.at, turn.id));
        let open: Vec<Turn> = open.into_iter().map(|(_, turn)| turn).collect();
        let wanted: BTreeSet<MessageId> = open.iter().map(|turn| turn.message).collect();
        let shown: BTreeSet<MessageId> = messages.iter().map(|message| message.id).collect();
        let asked = self.messages_of(id, 0).filter(|row| wanted.contains(&row.id) && !shown.contains(&row.id)).cloned().collect();
        let steps = open.iter().map(|turn| (turn.id, self.steps_of(turn.id))).filter(|(_, steps)| !steps.is_empty()).collect();
        ConversationState { row, messages, open, asked, steps, results: BTreeMap::new() }
    }

    /// The place of the message that began a turn.
    fn place(&self, turn: &Turn) -> u64 {
        self.messages_of(turn.conversation, 0).find(|row| row.id == turn.message).map_or(u64::MAX, |row| row.seq)
    }

    fn open_turns(&self) -> impl Iterator<Item = &Turn> {
        self.turns.values().filter(|turn| turn.state == TurnState::Open)
    }

    fn steps_of(&self, turn: TurnId) -> Vec<Step> {
        self.steps.range((turn, 0)..=(turn, u32::MAX)).map(|(_, step)| step.clone()).collect()
    }

    /// A message of the house, with its turn.
    #[must_use]
    pub fn account(&self, id: MessageId) -> Option<Account> {
        let place = self.deliveries.values().find(|row| row.message == id)?;
        let message = self.messages.get(&(place.conversation, place.seq)).filter(|row| row.id == id)?.clone();
        let conversation = self.conversations.get(&place.conversation)?.clone();
        let turn = message.turn.and_then(|turn| self.turns.get(&turn)).cloned();
        let memories = turn.iter().flat_map(|turn| &turn.sources).filter_map(|id| self.memories.get(id)).cloned().collect();
        let steps = message.turn.map(|turn| self.steps_of(turn)).unwrap_or_default();
        Some(Account { conversation, message, turn, steps, memories })
    }

    /// The conversations with an open turn, oldest turn first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Conversation> {
        let mut open: Vec<&Turn> = self.open_turns().collect();
        open.sort_by_key(|turn| (turn.at, turn.id));
        let mut seen = BTreeSet::new();
        let first = open.into_iter().filter(|turn| seen.insert(turn.conversation));
        first.filter_map(|turn| self.conversations.get(&turn.conversation).cloned()).collect()
    }

    /// Notes and list items of a conversation that the audience may read, oldest first.
    #[must_use]
    pub fn entries_of(&self, conversation: ConversationId, audience: &Audience) -> Vec<Memory> {
        let shown = |row: &&Memory| row.conversation == conversation && row.kind != MemoryKind::Fact && row.label.readers.cover(audience);
        let mut rows: Vec<Memory> = self.memories.values().filter(shown).cloned().collect();
        rows.sort_by_key(|row| (row.at, row.id));
        rows
    }

    /// The pending reminders, earliest first.
    #[must_use]
    pub fn pending_reminders(&self) -> Vec<Reminder> {
        let mut rows: Vec<Reminder> = self.reminders.values().filter(|row| row.state == ReminderState::Pending).cloned().collect();
        rows.sort_by_key(|row| (row.due, row.id));
        rows
    }

    /// The deliveries that are not settled, oldest first.
    #[must_use]
    pub fn unsettled_deliveries(&self) -> Vec<Delivery> {
        let settled = |row: &Delivery| matches!(row.state, DeliveryState::Delivered | DeliveryState::Failed);
        let mut rows: Vec<Delivery> = self.deliveries.values().filter(|row| !settled(row)).cloned().collect();
        rows.sort_by_key(|row| (row.at, row.answer));
        rows
    }

    /// All sealed secrets, by name, then version.
    #[must_use]
    pub fn sealed(&self) -> Vec<SealedRecord> {
        let mut rows: Vec<SealedRecord> = self.secrets.values().cloned().collect();
        rows.sort_by(|a, b| (&a.name, a.version, a.id).cmp(&(&b.name, b.version, b.id)));
        rows
    }

    /// What a tool keeps for a member: keys in order, and values.
    pub fn kept_by(&self, tool: &str, member: MemberId) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        let from = (tool.to_owned(), member, String::new());
        let all = self.tool_values.range(from.clone()..);
        all.take_while(move |((tool, member, _), _)| (tool, member) == (&from.0, &from.1)).map(|((.., key), value)| (key, value))
    }

    /// How many rows there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let deliveries = |state: fn(DeliveryState) -> bool| count(self.deliveries.values().filter(|row| state(row.state)));
        Counts {
            conversations: count(self.conversations.values()),
            messages: count(self.messages.values()),
            open_turns: count(self.open_turns()),
            memories: count(self.memories.values()),
            pending_reminders: count(self.reminders.values().filter(|row| row.state == ReminderState::Pending)),
            pending_deliveries: deliveries(|state| matches!(state, DeliveryState::Pending | DeliveryState::Sending)),
            unknown_deliveries: deliveries(|state| state == DeliveryState::Unknown),
            secrets: count(self.secrets.values()),
            tools: count(self.tools.values()),
        }
    }
}

fn count<T>(rows: impl Iterator<Item = T>) -> u64 {
    rows.fold(0, |sum, _| sum.saturating_add(1))
}
