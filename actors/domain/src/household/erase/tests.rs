use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::delivery::DeliveryState;
use crate::household::people::tests::{account, at, family, id};
use crate::household::{Place, Role};
use crate::ids::{AnswerId, CallId, MemoryId, MessageId, SessionId};
use crate::journal::{Digest, Fact, FactKind, Head};
use crate::label::{Integrity, Label};
use crate::memory::MemoryKind;
use crate::message::{Author, Purpose};
use crate::model::Usage;
use crate::secret::SecretName;
use crate::store::{StepBody, Summary, TurnState};

/// Rows of a house, owned.
#[derive(Default)]
struct House {
    conversations: Vec<Conversation>,
    messages: Vec<Message>,
    turns: Vec<Turn>,
    steps: Vec<Step>,
    memories: Vec<Memory>,
    reminders: Vec<Reminder>,
    deliveries: Vec<Delivery>,
    values: Vec<ToolValue>,
    secrets: Vec<SealedRecord>,
    sessions: Vec<Session>,
}

impl House {
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let claims = self.reminders.iter().map(|row| Row::Claim(row.id, row.due));
        self.conversations
            .iter()
            .map(Row::Conversation)
            .chain(self.messages.iter().map(Row::Message))
            .chain(self.turns.iter().map(Row::Turn))
            .chain(self.steps.iter().map(Row::Step))
            .chain(self.memories.iter().map(Row::Memory))
            .chain(self.reminders.iter().map(Row::Reminder))
            .chain(claims)
            .chain(self.deliveries.iter().map(Row::Delivery))
            .chain(self.values.iter().map(Row::ToolValue))
            .chain(self.secrets.iter().map(Row::Secret))
            .chain(self.sessions.iter().map(Row::Session))
    }

    /// Something said in a conversation, with all that belongs to it.
    fn said(&mut self, n: usize, who: MemberId, place: ConversationId, owner: Option<MemberId>, readers: &Readers, text: &str) {
        let key = format!("{n} {text}");
        let label = Label::new(readers.clone(), Integrity::Member);
        let (message, turn, answer) = (MessageId::derived(&[&key]), TurnId::derived(&[&key]), AnswerId::derived(&[&key]));
        let audience = Audience::of(readers.limited_to().into_iter().flatten().map(|member| (*member, Role::Adult)));
        let summary = Some(Summary { text: text.to_owned(), label: label.clone(), upto: 1 });
        if self.conversations.iter().all(|row| row.id != place) {
            self.conversations.push(Conversation { id: place, owner, thread: String::new(), audience, summary, at: at(0) });
        }
        self.messages.push(Message {
            id: message,
            conversation: place,
            seq: n as u64,
            turn: Some(turn),
            answer: None,
            author: Author::Member(who),
            purpose: Purpose::Said,
            origin: None,
            text: text.to_owned(),
            images: vec![],
            label: label.clone(),
            at: at(0),
        });
        self.turns.push(Turn {
            id: turn,
            conversation: place,
            member: who,
            message,
            answer,
            channel: "cli".into(),
            state: TurnState::Answered,
            sources: vec![],
            usage: Usage::default(),
            at: at(0),
        });
        let state = DeliveryState::Pending;
        self.deliveries.push(Delivery {
            answer,
            conversation: place,
            message,
            seq: 1,
            channel: "cli".into(),
            state,
            attempts: 0,
            at: at(0),
        });
        self.done(&key, turn, who, place, &label, text);
    }

    /// What a turn upon it does: a step, a memory and a reminder.
    fn done(&mut self, key: &str, turn: TurnId, who: MemberId, place: ConversationId, label: &Label, text: &str) {
        let arguments = Value::String(text.to_owned());
        let body = StepBody::Intent {
            call: CallId::derived(&[key]),
            provider_call: String::new(),
            name: "t".into(),
            arguments,
            idempotent: true,
            taken: Default::default(),
            carries: Label::neutral(),
            fit: Default::default(),
        };
        self.steps.push(Step { turn, index: 0, body, label: label.clone(), at: at(0) });
        self.memories.push(Memory {
            id: MemoryId::derived(&[key]),
            member: who,
            conversation: place,
            kind: MemoryKind::Fact,
            text: text.to_owned(),
            label: label.clone(),
            at: at(0),
        });
        self.reminders.push(Reminder {
            id: ReminderId::derived(&[key]),
            member: who,
            conversation: place,
            channel: "cli".into(),
            text: text.to_owned(),
            label: label.clone(),
            due: at(9),
            first: at(9),
            zone: "UTC".into(),
            every: None,
            state: ReminderState::Pending,
        });
    }

    fn own(&mut self, who: MemberId, text: &str) {
        self.values.push(ToolValue { tool: "a/b".into(), member: who, key: "k".into(), value: text.as_bytes().to_vec() });
        let id = SecretId::derived(&[text]);
        self.secrets.push(SealedRecord {
            id,
            owner: who,
            name: SecretName::new("key").unwrap(),
            version: 1,
            envelope: text.as_bytes().to_vec(),
        });
        self.sessions.push(Session {
            id: SessionId::derived(&[text]),
            member: who,
            role: Role::Adult,
            token: Digest::of(text.as_bytes()),
            device: text.to_owned(),
            at: at(0),
            seen: at(1),
            until: at(9),
        });
    }

    /// The new folder, as text, and the report.
    fn without(&self, eraser: &mut Eraser) -> (String, Report) {
        self.rows().for_each(|row| eraser.learn(row));
        let mut report = Report::default();
        let mut left = String::new();
        for row in self.rows() {
            match eraser.count(row, &mut report) {
                Fate::Erase(_) => {}
                Fate::Keep(_) => left.push_str(&written(row)),
                Fate::Change(_, changed) => left.push_str(&format!("{changed:?}")),
            }
        }
        (left, report)
    }
}

fn written(row: Row<'_>) -> String {
    let bytes = if let Row::ToolValue(value) = row {
        value.value.clone()
    } else if let Row::Secret(secret) = row {
        secret.envelope.clone()
    } else {
        return format!("{row:?}");
    };
    String::from_utf8(bytes).unwrap()
}

fn group() -> ConversationId {
    ConversationId::derived(&["group", "1", ""])
}

fn house() -> House {
    let (ada, ben) = (id("Ada"), id("Ben"));
    let mut house = House::default();
    house.said(1, ada, Place::main(ada), Some(ada), &Readers::only([ada]), "ada-private");
    house.said(2, ben, Place::main(ben), Some(ben), &Readers::only([ben]), "ben-private");
    house.said(3, ada, group(), None, &Readers::only([ada, ben]), "ada-in-the-group");
    house.said(4, ben, group(), None, &Readers::only([ada, ben]), "ben-in-the-group");
    house.own(ada, "ada-own");
    house.own(ben, "ben-own");
    house
}

fn eraser(name: &str) -> Eraser {
    Eraser::new(id(name), &BTreeSet::new(), BTreeSet::new())
}

#[test]
fn a_report_says_whether_rows_were_only_deleted() {
    let report = Report::default();
    assert!(!report.erased_any() && report.to_string().starts_with("Erased: nothing\n"));
    assert!(!report.to_string().contains("compact"));
    let report = report.deleted();
    assert!(report.to_string().contains("only the server can clear") && report.how().word() == "rows deleted");
}

#[test]
fn what_was_private_goes_and_what_was_shared_stays() {
    let (left, report) = house().without(&mut eraser("Ada"));
    for gone in ["ada-private", "ada-own"] {
        assert!(!left.contains(gone), "{gone}");
    }
    for stays in ["ben-private", "ben-own", "ada-in-the-group", "ben-in-the-group"] {
        assert!(left.contains(stays), "{stays}");
    }
    for kind in [Kind::Messages, Kind::Turns, Kind::Steps, Kind::Memories, Kind::Reminders, Kind::Deliveries, Kind::Conversations] {
        assert_eq!(report.of(What::Erased, kind), 1, "{kind:?}\n{report}");
    }
    assert_eq!((report.of(What::Changed, Kind::Reminders), report.of(What::Changed, Kind::Conversations)), (1, 1));
    assert_eq!(report.of(What::Erased, Kind::Secrets), 1);
}

#[test]
fn a_shared_reminder_of_theirs_keeps_its_text_and_does_not_run() {
    let house = house();
    let mut eraser = eraser("Ada");
    house.rows().for_each(|row| eraser.learn(row));
    let shared = &house.reminders[2];
    let stopped = Reminder { state: ReminderState::Cancelled, ..shared.clone() };
    let expected = Fate::Change(Reason::SharedAndStopped, Box::new(Changed::Reminder(stopped)));
    assert_eq!(eraser.fate(Row::Reminder(shared)), expected);
}

#[test]
fn what_the_last_of_two_could_read_goes_with_the_second() {
    let house = house();
    let first = BTreeSet::from([id("Ada")]);
    let (left, _) = house.without(&mut Eraser::new(id("Ben"), &first, BTreeSet::new()));
    assert!(!left.contains("in-the-group"), "{left}");
}

#[test]
fn a_secret_that_others_use_stays() {
    let shared = BTreeSet::from([SecretId::derived(&["ada-own"])]);
    let (_, report) = house().without(&mut Eraser::new(id("Ada"), &BTreeSet::new(), shared));
    assert_eq!((report.of(What::Erased, Kind::Secrets), report.of(What::Kept, Kind::Secrets)), (0, 2));
}

#[test]
fn members_accounts_and_guardianships_go_and_the_journal_stays() {
    let people = family();
    let ada = eraser("Ada");
    let mia = people.roster.get(id("Mia")).unwrap();
    assert!(matches!(ada.fate(Row::MemberRow(mia)), Fate::Change(Reason::NamedAmongOthers, _)));
    let row = people.roster.get(id("Ada")).unwrap();
    assert_eq!(ada.fate(Row::MemberRow(row)), Fate::Erase(Reason::Theirs));
    assert_eq!(ada.fate(Row::Member(&row.member)), Fate::Erase(Reason::Theirs));
    for (n, expected) in [(0, Fate::Erase(Reason::Theirs)), (1, Fate::Keep(Reason::Others))] {
        let member = people.identities.member(&account(n)).unwrap();
        let row = IdentityRow { id: account(n).id(), identity: account(n), member, by: None, at: at(0) };
        assert_eq!(ada.fate(Row::Identity(&row)), expected);
    }
    let fact = Fact {
        kind: FactKind::MemberEnrolled,
        who: Some(id("Ada")),
        subject: id("Ada").to_string(),
        detail: "owner".into(),
        content: None,
        at: at(0),
    };
    let mut head = Head::EMPTY;
    assert_eq!(ada.fate(Row::Entry(&head.append(fact))), Fate::Keep(Reason::IdsOnly));
}

#[test]
fn the_report_is_for_a_person_and_quotes_nothing() {
    let (_, report) = house().without(&mut eraser("Ada"));
    let text = report.to_string();
    assert!(text.starts_with("Erased:\n  1 conversations, of their private conversations\n"), "{text}");
    assert!(text.contains("Kept:\n") && text.contains("  2 messages, said to others, who keep it\n"), "{text}");
    assert!(text.contains("  1 reminders, said to others, who keep it; it will not run any more\n"), "{text}");
    for word in ["ada-", "ben-"] {
        assert!(!text.contains(word), "{text}");
    }
}

proptest! {
    #[test]
    fn of_any_house_the_removed_leave_nothing_of_their_own_and_others_lose_nothing(
        said in proptest::collection::vec((0_usize..4, any::<bool>(), proptest::collection::btree_set(0_usize..4, 1..4), any::<bool>()), 1..20)
    ) {
        const WHO: [&str; 4] = ["Ada", "Ben", "Tom", "Mia"];
        let mut house = House::default();
        for (n, (who, private, with, household)) in said.iter().enumerate() {
            let speaker = id(WHO[*who]);
            let (place, owner) = if *private { (Place::main(speaker), Some(speaker)) } else { (group(), None) };
            let present: BTreeSet<_> = with.iter().copied().chain([*who]).collect();
            let readers = match (private, household) {
                (true, _) => Readers::only([speaker]),
                (false, true) => Readers::household(),
                (false, false) => Readers::only(present.iter().map(|n| id(WHO[*n]))),
            };
            let own = *private || (!household && present.len() == 1);
            let text = if own { format!("<{who} alone {n}>") } else { format!("<shared {n}>") };
            house.said(n, speaker, place, owner, &readers, &text);
        }
        // A group's summary stands for what was said to all of it.
        house.conversations.iter_mut().filter(|row| row.owner.is_none()).for_each(|row| row.summary = None);
        for (n, name) in WHO.iter().enumerate() {
            house.own(id(name), &format!("<{n} alone>"));
        }
        let (before, _) = house.without(&mut eraser("Nobody"));
        let (after, _) = house.without(&mut eraser("Ada"));
        prop_assert!(!after.contains("<0 alone"), "{}", after);
        for (n, (who, ..)) in said.iter().enumerate().filter(|(_, (who, ..))| *who != 0) {
            for text in [format!("<{who} alone {n}>"), format!("<{who} alone>"), format!("<shared {n}>")] {
                prop_assert_eq!(after.matches(&text).count(), before.matches(&text).count(), "{}", text);
            }
        }
    }
}
