use serde_json::json;

use super::*;
use crate::flow::plan::Fit;
use crate::household::{Audience, Role};
use crate::ids::{AnswerId, ConversationId};
use crate::label::Readers;
use crate::memory::MemoryKind;
use crate::message::Purpose;
use crate::model::Usage;
use crate::policy::Taken;
use crate::store::TurnState;
use crate::time::Timestamp;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn who(name: &str, role: Role) -> Member {
    Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
}

fn adas(integrity: Integrity) -> Label {
    Label::new(Readers::only([Member::id_of("Ada")]), integrity)
}

fn call(name: &str) -> CallId {
    CallId::derived(&[name])
}

fn approval(name: &str) -> ApprovalId {
    ApprovalId::derived(&[name])
}

/// A reply of Ada's with these steps.
fn account(bodies: Vec<(StepBody, Label)>) -> Account {
    let (conversation, turn) = (ConversationId::derived(&["c"]), TurnId::derived(&["t"]));
    let message = Message {
        id: MessageId::derived(&["m"]),
        conversation,
        seq: 2,
        turn: Some(turn),
        answer: None,
        author: Author::House,
        purpose: Purpose::Answer,
        origin: None,
        text: "It rains.".to_owned(),
        images: Vec::new(),
        label: adas(Integrity::Outside),
        at: AT,
    };
    let audience = Audience::of([(Member::id_of("Ada"), Role::Owner)]);
    Account {
        conversation: Conversation { id: conversation, owner: None, thread: String::new(), audience, summary: None, at: AT },
        message,
        turn: Some(Turn {
            id: turn,
            conversation,
            member: Member::id_of("Ada"),
            message: MessageId::derived(&["asked"]),
            answer: AnswerId::derived(&["a"]),
            channel: "local".to_owned(),
            state: TurnState::Answered,
            sources: vec![MemoryId::derived(&["there"]), MemoryId::derived(&["gone"])],
            usage: Usage::default(),
            at: AT,
        }),
        steps: (0..).zip(bodies).map(|(index, (body, label))| Step { turn, index, body, label, at: AT }).collect(),
        memories: vec![Memory {
            id: MemoryId::derived(&["there"]),
            member: Member::id_of("Ada"),
            conversation,
            kind: MemoryKind::Fact,
            text: "x".to_owned(),
            label: Label::new(Readers::household(), Integrity::Member),
            at: AT,
        }],
    }
}

fn asked(name: &str) -> StepBody {
    let (provider_call, arguments) = (String::new(), json!({}));
    StepBody::Asked {
        call: call(name),
        provider_call,
        name: name.to_owned(),
        arguments,
        approval: approval(name),
        carries: Label::neutral(),
        fit: Fit::NoPlan,
    }
}

fn intent(name: &str) -> StepBody {
    let (provider_call, arguments, idempotent, taken) = (String::new(), json!({}), true, Taken::default());
    StepBody::Intent {
        call: call(name),
        provider_call,
        name: name.to_owned(),
        arguments,
        idempotent,
        taken,
        carries: Label::neutral(),
        fit: Fit::NoPlan,
    }
}

fn ended(name: &str, result: Result<serde_json::Value, ToolError>) -> StepBody {
    StepBody::Outcome { call: call(name), provider_call: String::new(), name: name.to_owned(), result, taken: None }
}

fn in_state(name: &str, state: State) -> (ApprovalId, Approval) {
    let mut row = crate::approval::tests::sample();
    (row.id, row.state) = (approval(name), state);
    (approval(name), row)
}

#[test]
fn a_reply_names_what_it_drew_on_and_what_was_decided() {
    let (members, outside) = (adas(Integrity::Member), adas(Integrity::Outside));
    let denied = || Err(ToolError::Denied("no rule allows this effect".to_owned()));
    let account = account(vec![
        (intent("read"), members.clone()),
        (ended("door", denied()), members.clone()),
        (asked("mail"), members.clone()),
        (asked("pay"), members.clone()),
        (asked("call"), members.clone()),
        (ended("wish", Err(ToolError::Unknown)), members),
        (ended("read", Ok(json!({}))), outside.clone()),
        (intent("mail"), outside.clone()),
        (ended("mail", Ok(json!({}))), outside.clone()),
        (ended("pay", Err(ToolError::Denied("a member said no to this".to_owned()))), outside.clone()),
    ]);
    let bo = Member::id_of("Bo");
    let approvals = [in_state("mail", State::Used { by: Some(bo), at: AT }), in_state("pay", State::Denied { by: bo, at: AT })].into();
    let why = account.explain(&approvals);
    assert_eq!(account.questions().collect::<Vec<_>>(), ["mail", "pay", "call"].map(approval));
    let decided: BTreeMap<_, _> = why.calls.iter().map(|judged| (judged.function.as_str(), judged.decided.clone())).collect();
    let no = |why: &str, by| Decided::Refused { why: why.to_owned(), by };
    let all = [
        ("read", Decided::Allowed),
        ("door", no("no rule allows this effect", None)),
        ("mail", Decided::Approved { by: Some(bo) }),
        ("pay", no("a member said no to this", Some(bo))),
        ("call", Decided::Asked),
        ("wish", Decided::Invalid),
    ];
    assert_eq!(decided, all.into());
    let household = Label::new(Readers::household(), Integrity::Member);
    let result = |name: &str| Drawn::Result { call: call(name), function: name.to_owned(), label: outside.clone() };
    let sources = [
        Drawn::Memory { id: MemoryId::derived(&["there"]), label: Some(household) },
        Drawn::Memory { id: MemoryId::derived(&["gone"]), label: None },
        result("read"),
        result("mail"),
    ];
    assert_eq!(why.sources, sources);
    let text = why.lines(|id| if id == bo { "Bo".to_owned() } else { "Ada".to_owned() }).join("\n");
    for part in
        ["Readers: Ada.", "somebody outside", "Bo said yes", "Bo said no", "everybody but guests", "forgotten since", "not answered"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn only_whoever_may_read_it_may_ask() {
    let mut account = account(Vec::new());
    assert!(account.may_be_asked_by(&who("Ada", Role::Owner)));
    assert!(!account.may_be_asked_by(&who("Bo", Role::Owner)), "not there");
    account.message.label = Label::new(Readers::public(), Integrity::House);
    assert!(!account.may_be_asked_by(&who("Bo", Role::Owner)), "what anybody might read was said to Ada alone");
    account.message.label = Label::new(Readers::only([Member::id_of("Bo")]), Integrity::House);
    assert!(!account.may_be_asked_by(&who("Ada", Role::Owner)), "not hers to read");
    account.message.label = adas(Integrity::House);
    account.message.author = Author::Member(Member::id_of("Ada"));
    assert!(!account.may_be_asked_by(&who("Ada", Role::Owner)), "not said by the house");
}

#[test]
fn what_the_house_said_by_itself_has_no_turn() {
    let account = Account { turn: None, ..account(Vec::new()) };
    let lines = account.explain(&BTreeMap::new()).lines(|_| "Ada".to_owned());
    assert!(lines.iter().any(|line| line.contains("by itself")) && lines.iter().any(|line| line.contains("nothing but")), "{lines:?}");
}
