//! The journal for people: which entries concern somebody, and each as a sentence.
//!
//! An entry holds ids, digests and closed words, so none of this can say what anybody wrote.

use std::collections::BTreeSet;

use super::{Entry, FactKind};
use crate::household::{Member, Role};
use crate::ids::MemberId;

/// Whoever reads the journal.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Who.
    pub member: Member,
    /// The children whom they look after.
    pub children: BTreeSet<MemberId>,
}

impl Reader {
    /// Whether an entry concerns them: what was done by or for them; and for an adult, what was done by or for their children, and what
    /// concerns the house as a whole.
    #[must_use]
    pub fn is_concerned(&self, entry: &Entry) -> bool {
        let fact = &entry.fact;
        let ends_with = |id: MemberId| fact.detail.split(" gives ").next().is_some_and(|detail| detail.ends_with(&format!(" for {id}")));
        let of = |id: MemberId| fact.who == Some(id) || ends_with(id) || (is_about_member(fact.kind) && fact.subject == id.to_string());
        let adult = matches!(self.member.role, Role::Owner | Role::Adult);
        of(self.member.id) || (adult && (fact.who.is_none() || is_of_house(fact.kind) || self.children.iter().any(|child| of(*child))))
    }
}

/// Kinds whose subject is a member.
const fn is_about_member(kind: FactKind) -> bool {
    matches!(
        kind,
        FactKind::MemberEnrolled | FactKind::MemberAdded | FactKind::MemberChanged | FactKind::MemberRemoved | FactKind::MemberErased
    )
}

/// Kinds that concern every adult, whoever did it.
const fn is_of_house(kind: FactKind) -> bool {
    is_about_member(kind)
        || matches!(
            kind,
            FactKind::HouseStarted
                | FactKind::PairingAsked
                | FactKind::PairingDenied
                | FactKind::IdentityLinked
                | FactKind::IdentityUnlinked
                | FactKind::GroupChanged
                | FactKind::GroupAdmitted
                | FactKind::GroupDismissed
                | FactKind::Stopped
                | FactKind::Lifted
                | FactKind::JournalBroken
                | FactKind::SecretAlarm
                | FactKind::ToolInstalled
                | FactKind::ToolGranted
                | FactKind::ToolUpdated
                | FactKind::ToolRevoked
                | FactKind::ToolRemoved
                | FactKind::ToolQuarantined
        )
}

/// An entry as a sentence; `name` gives the name of a member.
#[must_use]
pub fn sentence(entry: &Entry, name: impl Fn(MemberId) -> String) -> String {
    let fact = &entry.fact;
    let who = fact.who.map_or_else(|| "the house".to_owned(), &name);
    let about = fact.subject.parse().map_or_else(|_| fact.subject.clone(), &name);
    let detail = named(&fact.detail, &name);
    let (subject, rest) = (fact.subject.as_str(), if detail.is_empty() { String::new() } else { format!(" ({detail})") });
    match fact.kind {
        FactKind::HouseStarted => format!("The house started, version {subject}."),
        FactKind::MemberEnrolled => format!("{about} is a member by the configuration{rest}."),
        FactKind::MemberAdded => format!("{who} added {about}{rest}."),
        FactKind::MemberChanged => format!("{who} gave {about} another role{rest}."),
        FactKind::MemberRemoved => format!("{who} removed {about}{rest}."),
        FactKind::MemberErased => format!("What was {about}'s is erased from the store."),
        FactKind::PairingAsked => format!("A stranger asked to be let in{rest}."),
        FactKind::PairingDenied => format!("{who} turned a stranger away{rest}."),
        FactKind::IdentityLinked => format!("{who} linked an account{rest}."),
        FactKind::IdentityUnlinked => format!("{who} unlinked an account{rest}."),
        FactKind::GroupChanged => format!("Somebody came to a group or went ({subject})."),
        FactKind::GroupAdmitted => format!("{who} let the house speak in the group {subject}."),
        FactKind::GroupDismissed => format!("{who} let the house speak in the group {subject} no more."),
        FactKind::MessageAccepted => format!("{who} wrote {subject}."),
        FactKind::ModelReplied => format!("A model replied to {who} and wanted tools: {detail}."),
        FactKind::ToolFinished => format!("A tool call for {who} ended: {detail}."),
        FactKind::TurnAnswered => format!("{who} was answered."),
        FactKind::TurnFailed => format!("{who} was told that it did not work{rest}."),
        FactKind::TurnStopped => format!("{who}'s turn was stopped."),
        FactKind::OutcomeUnknown => format!("Nobody knows whether something happened for {who}{rest}."),
        FactKind::Summarised => format!("A conversation was summed up ({subject})."),
        FactKind::DeliveryBegun => format!("A message is being sent{rest}."),
        FactKind::Delivered => format!("A message arrived{rest}."),
        FactKind::DeliveryUnknown => format!("Nobody knows whether a message arrived{rest}."),
        FactKind::DeliveryFailed => format!("A message did not arrive{rest}."),
        FactKind::Remembered => format!("Something was written to memory for {who}{rest}."),
        FactKind::Forgotten => format!("Something was removed from memory for {who}{rest}."),
        FactKind::ReminderSet => format!("A reminder was set for {who}{rest}."),
        FactKind::ReminderFired => format!("{who} was reminded, or told something by the house."),
        FactKind::Decided => format!("A call for {who} was decided upon: {detail}."),
        FactKind::ApprovalAsked => format!("A question was asked for {who}: {detail}."),
        FactKind::ApprovalEnded => format!("A question was answered by {who}, or over: {detail}."),
        FactKind::ApprovalUsed => format!("A call was let go by a yes, for {who}: {detail}."),
        FactKind::ConsentGiven => format!("{who} let the adults see what a question of theirs is about: {detail}."),
        FactKind::GrantChanged => format!("{who} and something allowed beforehand: {detail} ({subject})."),
        FactKind::CallApproved => format!("A call that a person said yes to began for {who}: {detail}."),
        FactKind::BudgetRaised => format!("A step for {who} was set aside in the budget of {subject}."),
        FactKind::Stopped => format!("{who} stopped the house."),
        FactKind::Lifted => format!("{who} lifted the stop of the house."),
        FactKind::JournalBroken => format!("The journal is not the one that the vault has attested{rest}."),
        FactKind::LoggedIn => format!("{who} logged in at the page."),
        FactKind::LoggedOut => format!("{who} logged out at the page."),
        FactKind::LoginRefused if fact.who.is_some() => format!("Somebody tried to log in at the page as {who} and was refused{rest}."),
        FactKind::LoginRefused => format!("Somebody tried to log in at the page and was refused{rest}."),
        FactKind::SessionUsed => format!("{who} was at the page."),
        FactKind::SessionRevoked => format!("{who} ended sessions at the page: {detail}."),
        FactKind::SessionExpired => format!("A session of {who}'s at the page ended by itself{rest}."),
        FactKind::GlassBroken => format!("{who} opened {about}'s private conversations to themselves: {detail}."),
        FactKind::GlassRead => format!("{who} read {about}'s private conversations: {detail}."),
        FactKind::SecretChanged => format!("A secret of {who}'s: {detail} ({subject})."),
        FactKind::SecretUsed => format!("A secret was used for {who}: {detail} ({subject})."),
        FactKind::SecretAlarm => format!("ALARM: a decoy was touched, or a secret tried to leave: {detail} ({subject})."),
        FactKind::ToolInstalled => format!("{who} installed the tool {subject}{rest}."),
        FactKind::ToolGranted => format!("{who} said yes to what the tool {subject} asks for{rest}."),
        FactKind::ToolUpdated => format!("{who} replaced the tool {subject}{rest}."),
        FactKind::ToolRevoked => format!("{who} took back the grant of the tool {subject}{rest}."),
        FactKind::ToolRemoved => format!("{who} removed the tool {subject}{rest}."),
        FactKind::ToolQuarantined => format!("The tool {subject} failed again and again and is not called any more{rest}."),
    }
}

/// A detail with names where it has members' ids.
fn named(detail: &str, name: impl Fn(MemberId) -> String) -> String {
    let word = |word: &str| word.parse().map_or_else(|_| word.to_owned(), &name);
    detail.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::{Fact, Head};
    use super::*;
    use crate::time::Timestamp;

    fn member(name: &str, role: Role) -> Member {
        Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
    }

    fn entry(kind: FactKind, who: Option<&str>, subject: &str, detail: &str) -> Entry {
        let who = who.map(Member::id_of);
        let (subject, detail) = (subject.to_owned(), detail.to_owned());
        Head::EMPTY.clone().append(Fact { kind, who, subject, detail, content: None, at: Timestamp::UNIX_EPOCH })
    }

    fn reader(name: &str, role: Role, children: &[&str]) -> Reader {
        Reader { member: member(name, role), children: children.iter().map(|name| Member::id_of(name)).collect() }
    }

    #[test]
    fn everybody_reads_what_is_theirs_and_adults_what_is_their_childrens_and_the_houses() {
        let (ada, bo) = (reader("Ada", Role::Owner, &["Mia"]), reader("Bo", Role::Adult, &[]));
        let mia = reader("Mia", Role::Child, &[]);
        let who_reads = |entry: &Entry| [&ada, &bo, &mia].map(|reader| reader.is_concerned(entry));
        assert_eq!(who_reads(&entry(FactKind::LoggedIn, Some("Ada"), "ses_1", "")), [true, false, false]);
        assert_eq!(who_reads(&entry(FactKind::Decided, Some("Mia"), "call_1", "door: refused, rule x")), [true, false, true]);
        assert_eq!(who_reads(&entry(FactKind::HouseStarted, None, "0.1.0", "")), [true, true, false]);
        assert_eq!(who_reads(&entry(FactKind::ToolInstalled, Some("Bo"), "a/b", "")), [true, true, false]);
        assert_eq!(who_reads(&entry(FactKind::SecretUsed, Some("Bo"), "sec_1", "x")), [false, true, false]);
        let answered = format!("door: yes for {}", Member::id_of("Mia"));
        for detail in [answered.clone(), format!("{answered} gives grant_1")] {
            assert_eq!(who_reads(&entry(FactKind::ApprovalEnded, Some("Bo"), "apr_1", &detail)), [true, true, true]);
        }
        let mias = Member::id_of("Mia").to_string();
        assert_eq!(who_reads(&entry(FactKind::MemberChanged, Some("Bo"), &mias, "teen")), [true, true, true]);
        // An id that merely stands in a subject or a detail is nobody's entry.
        assert_eq!(who_reads(&entry(FactKind::MessageAccepted, Some("Bo"), &mias, "")), [false, true, false]);
    }

    #[test]
    fn a_sentence_has_names_in_the_place_of_ids() {
        let name = |id: MemberId| if id == Member::id_of("Mia") { "Mia".to_owned() } else { "Bo".to_owned() };
        let answered = entry(FactKind::ApprovalEnded, Some("Bo"), "apr_1", &format!("door: yes for {}", Member::id_of("Mia")));
        assert_eq!(sentence(&answered, name), "A question was answered by Bo, or over: door: yes for Mia.");
        assert_eq!(sentence(&entry(FactKind::Stopped, Some("Bo"), "house", ""), name), "Bo stopped the house.");
        let added = entry(FactKind::MemberAdded, Some("Bo"), &Member::id_of("Mia").to_string(), "child");
        assert_eq!(sentence(&added, name), "Bo added Mia (child).");
    }
}
