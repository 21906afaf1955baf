//! The household, questions, what was allowed and results, as the double has them.

use hearth_domain::approval::Approval;
use hearth_domain::approval::State;
use hearth_domain::approval::grant::Grant;
use hearth_domain::flow::endorse::Endorsement;
use hearth_domain::flow::value::ResultId;
use hearth_domain::household::record::{HouseholdRows, HouseholdWrite};
use hearth_domain::ids::{ConversationId, MemberId, TurnId};
use hearth_domain::label::Label;
use hearth_domain::schedule::ReminderState;
use hearth_domain::session::Session;
use hearth_domain::store::{Conversation, StoredResult};

use super::Rows;

/// Whether this member and nobody else may read it.
fn alone(label: &Label, member: MemberId) -> bool {
    label.readers.limited_to().is_some_and(|only| only.iter().eq([&member]))
}

/// Whose effects a question is about.
fn asker(row: &Endorsement) -> Option<MemberId> {
    row.calls().first().map(|one| one.call.member)
}

impl Rows {
    pub(super) fn change(&mut self, change: HouseholdWrite) {
        match change {
            HouseholdWrite::Member(row) => drop(self.members.insert(row.member.id, row)),
            HouseholdWrite::Gone(row) => {
                self.members.remove(&row.id);
                self.gone.insert(row.id, row);
            }
            HouseholdWrite::Identity(row) => drop(self.identities.insert(row.id, row)),
            HouseholdWrite::Unlink { id } => drop(self.identities.remove(&id)),
            HouseholdWrite::Pairing(row) => drop(self.pairings.insert(row.id, row)),
            HouseholdWrite::ForgetPairing { id } => drop(self.pairings.remove(&id)),
            HouseholdWrite::Group(row) => drop(self.groups.insert(row.id, row)),
            HouseholdWrite::ForgetGroup { id } => drop(self.groups.remove(&id)),
            HouseholdWrite::EraseConversation { id } => self.erase_conversation(id),
            HouseholdWrite::EraseOwn { member } => self.erase_own(member),
            HouseholdWrite::EndSessions { member } => self.sessions.retain(|_, row| row.member != member),
            HouseholdWrite::EraseSecret { id } => drop(self.secrets.remove(&id)),
        }
    }

    fn erase_conversation(&mut self, id: ConversationId) {
        self.conversations.remove(&id);
        self.messages.retain(|(of, _), _| *of != id);
        let turns: Vec<_> = self.turns.values().filter(|turn| turn.conversation == id).map(|turn| turn.id).collect();
        self.turns.retain(|turn, _| !turns.contains(turn));
        self.steps.retain(|(turn, _), _| !turns.contains(turn));
        self.results.retain(|_, row| row.conversation != id);
        self.deliveries.retain(|_, row| row.conversation != id);
    }

    fn erase_own(&mut self, member: MemberId) {
        let private: Vec<_> = self.conversations.values().filter(|row| row.owner == Some(member)).map(|row| row.id).collect();
        private.into_iter().for_each(|id| self.erase_conversation(id));
        self.secrets.retain(|_, row| row.owner != member);
        self.memories.retain(|_, row| !alone(&row.label, member));
        self.reminders.retain(|_, row| !alone(&row.label, member));
        for row in self.reminders.values_mut().filter(|row| row.member == member && row.state == ReminderState::Pending) {
            row.state = ReminderState::Cancelled;
        }
        self.sessions.retain(|_, row| row.member != member);
        self.tool_values.retain(|(_, of, _), _| *of != member);
        self.approvals.retain(|_, row| row.call.member != member);
        self.endorsements.retain(|_, row| asker(row) != Some(member));
        self.grants.retain(|_, row| row.member != member);
    }

    /// The private conversations of a member, oldest first.
    #[must_use]
    pub fn private_of(&self, owner: MemberId) -> Vec<Conversation> {
        let mut found: Vec<_> = self.conversations.values().filter(|row| row.owner == Some(owner)).cloned().collect();
        found.sort_by_key(|row| (row.at, row.id));
        found
    }

    /// The sessions of a member or of all, oldest first.
    #[must_use]
    pub fn sessions_of(&self, member: Option<MemberId>) -> Vec<Session> {
        let mut found: Vec<_> = self.sessions.values().filter(|row| member.is_none_or(|of| of == row.member)).cloned().collect();
        found.sort_by_key(|row| (row.at, row.id));
        found
    }

    /// All that is stored of the household.
    #[must_use]
    pub fn household(&self) -> HouseholdRows {
        HouseholdRows {
            members: self.members.values().cloned().collect(),
            gone: self.gone.values().copied().collect(),
            identities: self.identities.values().cloned().collect(),
            pairings: self.pairings.values().cloned().collect(),
            groups: self.groups.values().cloned().collect(),
        }
    }

    /// Questions of a kind, oldest first.
    #[must_use]
    pub fn asked(&self, wanted: impl Fn(&Approval) -> bool) -> Vec<Approval> {
        let mut rows: Vec<_> = self.approvals.values().filter(|row| wanted(row)).cloned().collect();
        rows.sort_by_key(|row| (row.asked, row.id));
        rows
    }

    /// Questions about several effects that nobody has answered, oldest first.
    #[must_use]
    pub fn open_endorsements(&self) -> Vec<Endorsement> {
        let mut rows: Vec<_> = self.endorsements.values().filter(|row| row.state == State::Pending).cloned().collect();
        rows.sort_by_key(|row| (row.asked, row.id));
        rows
    }

    /// What was allowed and is neither taken back nor used up, oldest first.
    #[must_use]
    pub fn standing(&self, member: Option<MemberId>) -> Vec<Grant> {
        let stands = |row: &&Grant| row.revoked.is_none() && row.left != Some(0) && member.is_none_or(|member| row.member == member);
        let mut rows: Vec<_> = self.grants.values().filter(stands).cloned().collect();
        rows.sort_by_key(|row| (row.at, row.id));
        rows
    }

    /// The results of a turn.
    #[must_use]
    pub fn results_of(&self, turn: TurnId) -> Vec<StoredResult> {
        self.results.range((turn, ResultId(0))..=(turn, ResultId(u32::MAX))).map(|(_, row)| row.clone()).collect()
    }
}
