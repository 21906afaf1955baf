//! What the removal of a member takes away, what stays, and why: asked row by row while the store is rewritten into a new folder.
//!
//! ```text
//! rows ─▶ Eraser::learn (once over all) ─▶ Eraser::fate (once for each) ─▶ kept rows into the new folder
//!                                                  └──────────────────────▶ Report, for a person
//! ```
//!
//! The rule: what is said in the member's private conversations, what only they may read, and what stands for them (accounts, sessions,
//! secrets, what tools keep for them, what runs in their name) goes; what was said to others stays with those. The journal holds ids and
//! digests alone and stays whole. Index entries follow their memories: the index is built anew from what is left.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::audience::Group;
use super::pairing::Pairing;
use super::record::{IdentityRow, MemberRow};
use super::{Audience, Member, MemberId};
use crate::approval::Approval;
use crate::approval::grant::Grant;
use crate::budget::Spent;
use crate::delivery::Delivery;
use crate::flow::endorse::Endorsement;
use crate::ids::{ConversationId, IdentityId, ReminderId, SecretId, TurnId};
use crate::journal::Entry;
use crate::label::Readers;
use crate::memory::Memory;
use crate::message::Message;
use crate::schedule::{Reminder, ReminderState};
use crate::secret::SealedRecord;
use crate::session::Session;
use crate::store::{Conversation, Step, StoredResult, Turn};
use crate::time::Timestamp;
use crate::tool::record::{ToolInfo, ToolValue};

/// One row of the store, of whatever kind.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// A member, as the configuration's table has them.
    Member(&'a Member),
    /// A member's row.
    MemberRow(&'a MemberRow),
    /// An account.
    Identity(&'a IdentityRow),
    /// A pairing.
    Pairing(&'a Pairing),
    /// A group.
    Group(&'a Group),
    /// A conversation, with its summary.
    Conversation(&'a Conversation),
    /// A message.
    Message(&'a Message),
    /// A turn.
    Turn(&'a Turn),
    /// A step of a turn.
    Step(&'a Step),
    /// Something remembered.
    Memory(&'a Memory),
    /// A reminder.
    Reminder(&'a Reminder),
    /// A claimed occurrence of a reminder.
    Claim(ReminderId, Timestamp),
    /// A delivery.
    Delivery(&'a Delivery),
    /// A session at the page.
    Session(&'a Session),
    /// A sealed secret.
    Secret(&'a SealedRecord),
    /// A tool.
    Tool(&'a ToolInfo),
    /// What a tool keeps for a member.
    ToolValue(&'a ToolValue),
    /// A question about an effect.
    Approval(&'a Approval),
    /// A question about several effects.
    Endorsement(&'a Endorsement),
    /// What was allowed for more than once.
    Grant(&'a Grant),
    /// A result of a turn that is kept whole.
    Result(&'a StoredResult),
    /// What a member has used of a day.
    Spent(&'a Spent),
    /// An entry of the journal.
    Entry(&'a Entry),
}

/// A kind of row, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Members.
    Members,
    /// Accounts.
    Identities,
    /// Pairings.
    Pairings,
    /// Groups.
    Groups,
    /// Conversations.
    Conversations,
    /// Messages.
    Messages,
    /// Turns.
    Turns,
    /// Steps.
    Steps,
    /// Memories.
    Memories,
    /// Reminders.
    Reminders,
    /// Claims.
    Claims,
    /// Deliveries.
    Deliveries,
    /// Sessions.
    Sessions,
    /// Secrets.
    Secrets,
    /// Tools.
    Tools,
    /// What tools keep.
    ToolValues,
    /// Questions.
    Approvals,
    /// What was allowed.
    Grants,
    /// Results of turns.
    Results,
    /// What members have used.
    Budgets,
    /// The journal.
    Journal,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Identities => "accounts",
            Self::Pairings => "pairings",
            Self::Groups => "groups",
            Self::Conversations => "conversations",
            Self::Messages => "messages",
            Self::Turns => "turns",
            Self::Steps => "steps of turns",
            Self::Memories => "memories",
            Self::Reminders => "reminders",
            Self::Claims => "occurrences of reminders",
            Self::Deliveries => "deliveries",
            Self::Sessions => "sessions",
            Self::Secrets => "secrets",
            Self::Tools => "tools",
            Self::ToolValues => "values kept by tools",
            Self::Approvals => "questions about effects",
            Self::Grants => "things that were allowed",
            Self::Results => "results of turns",
            Self::Budgets => "days of budgets",
            Self::Journal => "entries of the journal",
        }
    }
}

/// Why a row goes or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It says who they are or lets them in.
    Theirs,
    /// It belongs to a conversation that they had alone with the house.
    PrivateConversation,
    /// Nobody who is left may read it.
    ReadByNobodyElse,
    /// A reminder of theirs that has gone.
    OfWhatGoes,
    /// It was said to others, who keep it.
    Shared,
    /// It was said to others, who keep it, but it runs in nobody's name any more.
    SharedAndStopped,
    /// It names them among others.
    NamedAmongOthers,
    /// The vault says that others may use it, too.
    UsedByOthers,
    /// It is another's.
    Others,
    /// It holds ids and digests alone.
    IdsOnly,
}

impl Reason {
    const fn words(self) -> &'static str {
        match self {
            Self::Theirs => "theirs",
            Self::PrivateConversation => "of their private conversations",
            Self::ReadByNobodyElse => "which nobody else may read",
            Self::OfWhatGoes => "of what was erased",
            Self::Shared => "said to others, who keep it",
            Self::SharedAndStopped => "said to others, who keep it; it will not run any more",
            Self::NamedAmongOthers => "which named them among others; their name is taken out",
            Self::UsedByOthers => "which others use, too",
            Self::Others => "of others, untouched",
            Self::IdsOnly => "with ids and digests alone, no words",
        }
    }
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is not written into the new folder.
    Erase(Reason),
    /// It is written as it is.
    Keep(Reason),
    /// This is written in its place.
    Change(Reason, Box<Changed>),
}

/// A row in its new form.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// A guardian less.
    MemberRow(MemberRow),
    /// Present without them.
    Conversation(Conversation),
    /// Called off.
    Reminder(Reminder),
}

/// Decides what goes. Reads all rows once before it decides upon any.
#[derive(Debug, Clone)]
pub struct Eraser {
    member: MemberId,
    /// The member and those who were removed before.
    gone: BTreeSet<MemberId>,
    /// Secrets of the member that others may use, by what the vault says of their policies.
    shared_secrets: BTreeSet<SecretId>,
    private: BTreeSet<ConversationId>,
    turns: BTreeSet<TurnId>,
    reminders: BTreeSet<ReminderId>,
    accounts: BTreeSet<IdentityId>,
}

impl Eraser {
    /// For a member who was removed. `gone` are all who ever were, `shared_secrets` those of the member's secrets that others may use.
    #[must_use]
    pub fn new(member: MemberId, gone: &BTreeSet<MemberId>, shared_secrets: BTreeSet<SecretId>) -> Self {
        let gone = gone.iter().copied().chain([member]).collect();
        Self {
            member,
            gone,
            shared_secrets,
            private: BTreeSet::new(),
            turns: BTreeSet::new(),
            reminders: BTreeSet::new(),
            accounts: BTreeSet::new(),
        }
    }

    /// Takes in a row before any is decided upon: conversations first, the others in whatever order.
    pub fn learn(&mut self, row: Row<'_>) {
        match row {
            Row::Conversation(row) if row.owner == Some(self.member) => {
                self.private.insert(row.id);
            }
            Row::Turn(turn) if self.is_private(turn.conversation) => {
                self.turns.insert(turn.id);
            }
            Row::Reminder(row) if self.goes(row.conversation, &row.label.readers) => {
                self.reminders.insert(row.id);
            }
            Row::Identity(row) if row.member == self.member => {
                self.accounts.insert(row.id);
            }
            Row::Conversation(_) | Row::Turn(_) | Row::Reminder(_) | Row::Identity(_) => {}
            Row::Member(_) | Row::MemberRow(_) | Row::Pairing(_) | Row::Group(_) | Row::Message(_) | Row::Step(_) | Row::Memory(_) => {}
            Row::Claim(..) | Row::Delivery(_) | Row::Session(_) | Row::Secret(_) | Row::Tool(_) | Row::ToolValue(_) | Row::Entry(_) => {}
            Row::Approval(_) | Row::Endorsement(_) | Row::Grant(_) | Row::Result(_) | Row::Spent(_) => {}
        }
    }

    fn is_private(&self, conversation: ConversationId) -> bool {
        // The main one has an id that is known, should its row be missing.
        self.private.contains(&conversation) || conversation == super::Place::main(self.member)
    }

    /// Whether nobody who is left may read it.
    fn is_orphaned(&self, readers: &Readers) -> bool {
        readers.limited_to().is_some_and(|only| only.iter().all(|reader| self.gone.contains(reader)))
    }

    fn goes(&self, conversation: ConversationId, readers: &Readers) -> bool {
        self.is_private(conversation) || self.is_orphaned(readers)
    }

    fn said(&self, conversation: ConversationId, readers: &Readers) -> Fate {
        if self.is_private(conversation) {
            Fate::Erase(Reason::PrivateConversation)
        } else if self.is_orphaned(readers) {
            Fate::Erase(Reason::ReadByNobodyElse)
        } else if readers.limited_to().is_none_or(|only| only.contains(&self.member)) {
            Fate::Keep(Reason::Shared)
        } else {
            Fate::Keep(Reason::Others)
        }
    }

    fn theirs(&self, whose: MemberId) -> Fate {
        if whose == self.member { Fate::Erase(Reason::Theirs) } else { Fate::Keep(Reason::Others) }
    }

    /// What becomes of a row.
    #[must_use]
    pub fn fate(&self, row: Row<'_>) -> Fate {
        match row {
            Row::Member(row) => self.theirs(row.id),
            Row::MemberRow(row) => self.member_row(row),
            Row::Identity(row) => self.theirs(row.member),
            Row::Pairing(row) if self.accounts.contains(&row.identity.id()) => Fate::Erase(Reason::Theirs),
            // Whoever approved or admitted it is an id.
            Row::Pairing(_) | Row::Group(_) => Fate::Keep(Reason::Others),
            Row::Conversation(row) => self.conversation(row),
            Row::Message(row) => self.said(row.conversation, &row.label.readers),
            Row::Turn(row) if self.turns.contains(&row.id) || self.is_private(row.conversation) => Fate::Erase(Reason::PrivateConversation),
            Row::Turn(row) => Fate::Keep(if row.member == self.member { Reason::Shared } else { Reason::Others }),
            Row::Step(row) if self.turns.contains(&row.turn) => Fate::Erase(Reason::PrivateConversation),
            Row::Step(row) if self.is_orphaned(&row.label.readers) => Fate::Erase(Reason::ReadByNobodyElse),
            Row::Step(_) => Fate::Keep(Reason::Others),
            Row::Memory(row) => self.memory(row),
            Row::Reminder(row) => self.reminder(row),
            Row::Claim(reminder, _) if self.reminders.contains(&reminder) => Fate::Erase(Reason::OfWhatGoes),
            Row::Claim(..) | Row::Entry(_) => Fate::Keep(Reason::IdsOnly),
            Row::Delivery(row) if self.is_private(row.conversation) => Fate::Erase(Reason::PrivateConversation),
            Row::Delivery(_) | Row::Tool(_) => Fate::Keep(Reason::Others),
            Row::Session(row) => self.theirs(row.member),
            Row::Secret(row) if self.shared_secrets.contains(&row.id) && row.owner == self.member => Fate::Keep(Reason::UsedByOthers),
            Row::Secret(row) => self.theirs(row.owner),
            Row::ToolValue(row) => self.theirs(row.member),
            Row::Approval(row) => self.theirs(row.call.member),
            // One is about calls of one member.
            Row::Endorsement(row) => row.calls().first().map_or(Fate::Keep(Reason::Others), |one| self.theirs(one.call.member)),
            Row::Grant(row) => self.theirs(row.member),
            Row::Spent(row) => self.theirs(row.member),
            Row::Result(row) if self.turns.contains(&row.turn) => Fate::Erase(Reason::PrivateConversation),
            Row::Result(row) if self.goes(row.conversation, &row.stored.label.readers) => Fate::Erase(Reason::ReadByNobodyElse),
            Row::Result(_) => Fate::Keep(Reason::Others),
        }
    }

    fn member_row(&self, row: &MemberRow) -> Fate {
        if row.guardians.contains(&self.member) {
            let mut row = row.clone();
            row.guardians.remove(&self.member);
            return Fate::Change(Reason::NamedAmongOthers, Box::new(Changed::MemberRow(row)));
        }
        self.theirs(row.member.id)
    }

    fn conversation(&self, row: &Conversation) -> Fate {
        if self.is_private(row.id) {
            return Fate::Erase(Reason::PrivateConversation);
        }
        let stale = row.summary.as_ref().is_some_and(|summary| self.is_orphaned(&summary.label.readers));
        if !stale && row.audience.iter().all(|(member, _)| member != self.member) {
            return Fate::Keep(Reason::Others);
        }
        let audience = Audience::of(row.audience.iter().filter(|(member, _)| *member != self.member));
        let summary = row.summary.clone().filter(|_| !stale);
        Fate::Change(Reason::NamedAmongOthers, Box::new(Changed::Conversation(Conversation { audience, summary, ..row.clone() })))
    }

    /// What was told to the household in private is the household's, too: a memory's label says to whom it was told.
    fn memory(&self, row: &Memory) -> Fate {
        if self.is_orphaned(&row.label.readers) {
            Fate::Erase(Reason::ReadByNobodyElse)
        } else if row.member == self.member {
            Fate::Keep(Reason::Shared)
        } else {
            Fate::Keep(Reason::Others)
        }
    }

    fn reminder(&self, row: &Reminder) -> Fate {
        if self.goes(row.conversation, &row.label.readers) {
            let private = self.is_private(row.conversation);
            return Fate::Erase(if private { Reason::PrivateConversation } else { Reason::ReadByNobodyElse });
        }
        if row.member == self.member && row.state == ReminderState::Pending {
            let stopped = Reminder { state: ReminderState::Cancelled, ..row.clone() };
            return Fate::Change(Reason::SharedAndStopped, Box::new(Changed::Reminder(stopped)));
        }
        Fate::Keep(if row.member == self.member { Reason::Shared } else { Reason::Others })
    }

    /// What becomes of a row, counted.
    pub fn count(&self, row: Row<'_>, report: &mut Report) -> Fate {
        let fate = self.fate(row);
        let (what, reason) = match &fate {
            Fate::Erase(reason) => (What::Erased, *reason),
            Fate::Change(reason, _) => (What::Changed, *reason),
            Fate::Keep(reason) => (What::Kept, *reason),
        };
        let count = report.counts.entry((what, kind(row), reason)).or_default();
        *count = count.saturating_add(1);
        fate
    }
}

const fn kind(row: Row<'_>) -> Kind {
    match row {
        Row::Member(_) | Row::MemberRow(_) => Kind::Members,
        Row::Identity(_) => Kind::Identities,
        Row::Pairing(_) => Kind::Pairings,
        Row::Group(_) => Kind::Groups,
        Row::Conversation(_) => Kind::Conversations,
        Row::Message(_) => Kind::Messages,
        Row::Turn(_) => Kind::Turns,
        Row::Step(_) => Kind::Steps,
        Row::Memory(_) => Kind::Memories,
        Row::Reminder(_) => Kind::Reminders,
        Row::Claim(..) => Kind::Claims,
        Row::Delivery(_) => Kind::Deliveries,
        Row::Session(_) => Kind::Sessions,
        Row::Secret(_) => Kind::Secrets,
        Row::Tool(_) => Kind::Tools,
        Row::ToolValue(_) => Kind::ToolValues,
        Row::Approval(_) | Row::Endorsement(_) => Kind::Approvals,
        Row::Grant(_) => Kind::Grants,
        Row::Result(_) => Kind::Results,
        Row::Spent(_) => Kind::Budgets,
        Row::Entry(_) => Kind::Journal,
    }
}

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Gone.
    Erased,
    /// There in another form.
    Changed,
    /// There as before.
    Kept,
}

/// How what was erased is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum How {
    /// The store was written anew without it.
    #[default]
    WrittenAnew,
    /// Its rows were deleted, in a database whose files are another's.
    Deleted,
}

impl How {
    /// A closed word for the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WrittenAnew => "written anew",
            Self::Deleted => "rows deleted",
        }
    }
}

/// What was erased and what stayed. It counts and names kinds; it quotes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    counts: BTreeMap<(What, Kind, Reason), u64>,
    how: How,
}

impl Report {
    /// How many rows of a kind came to this.
    #[must_use]
    pub fn of(&self, what: What, kind: Kind) -> u64 {
        self.counts.iter().filter(|((w, k, _), _)| (*w, *k) == (what, kind)).map(|(_, count)| count).sum()
    }

    /// Whether anything was erased at all.
    #[must_use]
    pub fn erased_any(&self) -> bool {
        self.counts.keys().any(|(what, _, _)| *what == What::Erased)
    }

    /// With what was counted before the commit that removed the member. What that commit left is counted in both.
    #[must_use]
    pub fn after(mut self, before: &Foretold) -> Self {
        for (what, kind, reason, count) in &before.0 {
            let all = self.counts.entry((*what, *kind, *reason)).or_default();
            *all = (*all).max(*count);
        }
        self
    }

    /// What of this is told beforehand: what will be erased or changed.
    #[must_use]
    pub fn foretold(&self) -> Foretold {
        let leaves = self.counts.iter().filter(|((what, _, _), _)| *what != What::Kept);
        Foretold(leaves.map(|((what, kind, reason), count)| (*what, *kind, *reason, *count)).collect())
    }

    /// How what was erased is gone.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }

    /// The same, where rows could only be deleted.
    #[must_use]
    pub fn deleted(self) -> Self {
        Self { how: How::Deleted, ..self }
    }
}

/// What the commit that removes a member takes away, counted before it does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Foretold(Vec<(What, Kind, Reason, u64)>);

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (what, head) in [(What::Erased, "Erased"), (What::Changed, "Changed"), (What::Kept, "Kept")] {
            let mut rows = self.counts.iter().filter(|((of, _, _), _)| *of == what).peekable();
            if rows.peek().is_none() {
                writeln!(f, "{head}: nothing")?;
                continue;
            }
            writeln!(f, "{head}:")?;
            for ((_, kind, reason), count) in rows {
                writeln!(f, "  {count} {}, {}", kind.words(), reason.words())?;
            }
        }
        if self.how == How::Deleted {
            f.write_str(
                "The rows are deleted in the database. What its files still hold of them, only the server can clear: compact it.\n",
            )?;
        }
        f.write_str("The journal names the member by an id alone. Backups made before keep what they held until they are made anew.\n")
    }
}

#[cfg(test)]
mod tests;
