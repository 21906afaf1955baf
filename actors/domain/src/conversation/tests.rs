//! The core driven by hand: no runtime, no store, only events and effects.

use std::cell::Cell;

use serde_json::json;

use super::*;
use crate::flow::gate::Verdict;
use crate::household::Role;
use crate::memory::{Memory, MemoryKind};
use crate::model::{Arguments, StopReason, ToolCall, Usage, Utterance};
use crate::policy::{Refusal, Weighed};
use crate::tool;

#[derive(Default)]
struct Counted(Cell<u128>);

// Tests are on one thread; the trait asks for what a port needs.
#[derive(Default)]
struct TestIds(std::sync::Mutex<Counted>);

impl Ids for TestIds {
    fn fresh(&self) -> uuid::Uuid {
        let counted = self.0.lock().unwrap();
        counted.0.set(counted.0.get() + 1);
        uuid::Uuid::from_u128(counted.0.get())
    }
}

fn member() -> Member {
    Member { id: Member::id_of("Ada"), name: "Ada".into(), role: Role::Adult, zone: "UTC".into() }
}

fn setting(limits: Limits) -> Arc<Setting> {
    Arc::new(Setting { limits, household: "home".into() })
}

fn tools() -> Arc<Vec<ToolSpec>> {
    let spec = |name: &str, idempotent| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: json!({}),
        effect: if name == "look" { tool::Effect::Read } else { tool::Effect::WriteOwn },
        idempotent,
        annotations: tool::Annotations { arguments: [("/what".to_owned(), crate::sandbox::Role::Content)].into(), ..Default::default() },
    };
    Arc::new(vec![spec("note", true), spec("send", false), spec("look", true)])
}

/// A conversation, its store, and what it has delivered.
struct World {
    ids: TestIds,
    tools: Arc<Vec<ToolSpec>>,
    setting: Arc<Setting>,
    core: Core,
    todo: VecDeque<Effect>,
    rows: ConversationState,
    delivered: Vec<Message>,
    answers: Vec<Result<Accepted, SayError>>,
    stopped: Vec<bool>,
    hits: Vec<MemoryHit>,
    /// What people were asked about at once.
    asked: Vec<Inquiry>,
    refuses_to_ask: bool,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let (ids, setting, tools) = (TestIds::default(), setting(limits), tools());
        let place = Place::private(&member(), "");
        let cx = Cx { now: Timestamp::UNIX_EPOCH, ids: &ids, tools: &tools };
        let (core, first) = Core::load(cx, Arc::clone(&setting), place.conversation, ConversationState::default(), &BTreeMap::new());
        assert!(first.is_empty());
        Self {
            core,
            setting,
            todo: VecDeque::new(),
            rows: ConversationState::default(),
            delivered: vec![],
            answers: vec![],
            stopped: vec![],
            hits: vec![],
            asked: vec![],
            refuses_to_ask: false,
            ids,
            tools,
        }
    }

    fn event(&mut self, event: impl FnOnce(&mut Core, Cx<'_>) -> Vec<Effect>) {
        let effects = event(&mut self.core, Cx { now: Timestamp::UNIX_EPOCH, ids: &self.ids, tools: &self.tools });
        self.todo.extend(effects);
    }

    fn say(&mut self, nonce: &str, text: &str) {
        let say = Say {
            member: member(),
            place: Place::private(&member(), ""),
            readers: Readers::only([member().id]),
            thread: String::new(),
            origin: Origin { channel: "local".into(), external: nonce.into() },
            text: text.into(),
            images: vec![],
        };
        self.event(|core, cx| core.on_said(cx, 0, say));
    }

    /// Carries out effects until one is for a model or a tool.
    fn until_outside(&mut self) -> Option<Effect> {
        while let Some(effect) = self.todo.pop_front() {
            match effect {
                Effect::Save { ticket, commit, .. } => {
                    self.write(&commit);
                    self.event(|core, cx| core.on_saved(cx, ticket, Ok(())));
                }
                Effect::SaveAgain { ticket, .. } => self.event(|core, cx| core.on_again(cx, ticket)),
                Effect::Recall(turn, _) => {
                    let hits = self.hits.clone();
                    self.event(|core, cx| core.on_recalled(cx, turn, hits));
                }
                Effect::Decide(question) => {
                    let weighed = question.weigh(&[], &[], Timestamp::UNIX_EPOCH);
                    let decision = match weighed.verdict {
                        Verdict::Allow(_) => Decision::Allow(weighed.taken),
                        Verdict::Ask(approval) => Decision::Ask(approval.id),
                        Verdict::Deny(denial) => Decision::Deny(denial.into()),
                    };
                    self.event(|core, cx| core.on_decided(cx, question.call, decision));
                }
                Effect::Foresee(question) => {
                    let Weighed { verdict, taken } = question.weigh(&[], &[], Timestamp::UNIX_EPOCH);
                    let foreseen = match verdict {
                        Verdict::Allow(_) => Foreseen::Decided(Decision::Allow(taken)),
                        Verdict::Ask(approval) => Foreseen::Asks(approval),
                        Verdict::Deny(denial) => Foreseen::Decided(Decision::Deny(denial.into())),
                    };
                    self.event(|core, cx| core.on_foreseen(cx, question.call, foreseen));
                }
                Effect::Ask(inquiry) => {
                    let asked = inquiry.calls.iter().map(|one| one.id).collect();
                    self.asked.push(*inquiry);
                    let result = if self.refuses_to_ask { Err(Refusal::Unavailable) } else { Ok(()) };
                    self.event(|core, cx| core.on_asked(cx, &asked, result));
                }
                Effect::AnswerSay(_, answer) => self.answers.push(answer),
                Effect::AnswerStop(_, stopped) => self.stopped.push(stopped),
                Effect::Deliver(_, message) => self.delivered.push(message),
                Effect::ResetPreview(_) => {}
                outside => return Some(outside),
            }
        }
        None
    }

    fn write(&mut self, commit: &Commit) {
        for write in &commit.writes {
            match write {
                Write::Conversation(row) => self.rows.row = Some(row.clone()),
                Write::Message(message) => self.rows.messages.push(message.clone()),
                Write::Turn(turn) => {
                    self.rows.open.retain(|row| row.id != turn.id);
                    if turn.state == TurnState::Open {
                        self.rows.open.push(turn.clone());
                    }
                }
                Write::Result(kept) => self.rows.results.entry(kept.turn).or_default().push(kept.stored.clone()),
                Write::ForgetResults(turn) => drop(self.rows.results.remove(turn)),
                Write::Step(step) => self.rows.steps.entry(step.turn).or_default().push(step.clone()),
                _ => {}
            }
        }
    }

    /// A crash: a new core from what is in the store.
    fn crash(&mut self) {
        self.todo.clear();
        let members = BTreeMap::from([(member().id, member())]);
        let cx = Cx { now: Timestamp::UNIX_EPOCH, ids: &self.ids, tools: &self.tools };
        let (core, first) = Core::load(cx, Arc::clone(&self.setting), self.core.id, self.rows.clone(), &members);
        self.core = core;
        self.todo = first.into();
    }

    fn model(&mut self) -> (u64, Arc<ModelRequest>) {
        match self.until_outside() {
            Some(Effect::CallModel(call, request)) => (call, request),
            other => panic!("expected a model call, got {other:?}"),
        }
    }

    fn tool(&mut self) -> Box<Invocation> {
        match self.until_outside() {
            Some(Effect::RunTool(invocation)) => invocation,
            other => panic!("expected a tool call, got {other:?}"),
        }
    }

    fn reply(&mut self, call: u64, reply: ModelReply) {
        self.event(|core, cx| core.on_replied(cx, call, Ok(reply)));
    }

    fn tool_fails(&mut self, invocation: &Invocation, error: ToolError) {
        self.event(|core, cx| core.on_tool_ended(cx, invocation.id, Err(error)));
    }

    fn tool_done(&mut self, invocation: &Invocation) {
        let output = ToolOutput { value: json!({ "ok": true }), label: invocation.label.clone() };
        self.event(|core, cx| core.on_tool_ended(cx, invocation.id, Ok(output)));
    }
}

fn text(text: &str) -> ModelReply {
    ModelReply { text: text.into(), calls: vec![], usage: Usage::default(), stop: StopReason::End, provider: "test".into() }
}

fn calls(names: &[&str]) -> ModelReply {
    let call =
        |(n, name): (usize, &&str)| ToolCall { id: format!("c{n}"), name: (*name).into(), arguments: Arguments::Json(json!({ "n": n })) };
    ModelReply { calls: names.iter().enumerate().map(call).collect(), stop: StopReason::ToolUse, ..text("") }
}

#[test]
fn a_message_gets_its_one_answer_and_the_house_rests() {
    let mut world = World::new();
    world.say("1", "hi");
    let (call, request) = world.model();
    assert_eq!(request.history.len(), 1);
    world.reply(call, text("hello"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["hello"]);
    assert_eq!(world.delivered[0].answer, Some(world.answers[0].as_ref().unwrap().answer));
    assert!(world.core.is_idle() && world.rows.open.is_empty());
}

#[test]
fn the_same_message_again_is_accepted_once_also_after_a_crash() {
    let mut world = World::new();
    world.say("1", "hi");
    let (call, _) = world.model();
    world.say("1", "hi");
    world.reply(call, text("hello"));
    assert!(world.until_outside().is_none());
    world.crash();
    world.say("1", "hi");
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 1);
    assert!(world.answers.len() == 3 && world.answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn messages_that_come_during_a_turn_wait_and_are_answered_in_order() {
    let mut world = World::new();
    world.say("1", "one");
    let (first, _) = world.model();
    world.say("2", "two");
    assert!(world.until_outside().is_none());
    world.reply(first, text("answer one"));
    let (second, request) = world.model();
    let seen: Vec<_> = request.history.iter().filter(|piece| matches!(piece, Utterance::User { .. })).collect();
    assert_eq!(seen.len(), 2, "the first message and this one");
    world.reply(second, text("answer two"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 2);
}

#[test]
fn too_many_waiting_messages_are_refused_with_a_sentence() {
    let mut world = World::with(Limits { waiting_messages: 1, ..Limits::default() });
    for nonce in ["1", "2", "3"] {
        world.say(nonce, "x");
    }
    world.until_outside();
    assert!(world.answers.contains(&Err(SayError::Busy { waiting: 1 })), "{:?}", world.answers);
}

#[test]
fn intents_are_saved_before_tools_run_and_results_before_the_next() {
    let mut world = World::new();
    world.say("1", "do two things");
    let (call, _) = world.model();
    world.reply(call, calls(&["note", "note"]));
    let first = world.tool();
    let steps = world.rows.steps.values().next().unwrap().len();
    assert_eq!(steps, 3, "the reply and both intents");
    world.tool_done(&first);
    let second = world.tool();
    assert_eq!(world.rows.steps.values().next().unwrap().len(), 4);
    world.tool_done(&second);
    let (call, request) = world.model();
    assert_eq!(request.history.len(), 4, "question, reply, two results");
    world.reply(call, text("done"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn a_crash_repeats_an_idempotent_call_with_its_id_and_no_finished_one() {
    let mut world = World::new();
    world.say("1", "do two things");
    let (call, _) = world.model();
    world.reply(call, calls(&["note", "note"]));
    let first = world.tool();
    world.tool_done(&first);
    let second = world.tool();
    world.crash();
    let again = world.tool();
    assert_eq!(again.id, second.id);
    world.tool_done(&again);
    let (call, _) = world.model();
    world.reply(call, text("done"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn a_crash_during_a_call_that_must_not_be_repeated_ends_in_a_visible_unknown() {
    let mut world = World::new();
    world.say("1", "send it");
    let (call, _) = world.model();
    world.reply(call, calls(&["send"]));
    world.tool();
    world.crash();
    assert!(world.until_outside().is_none(), "nothing is run again");
    assert_eq!(world.delivered.len(), 1);
    assert!(world.delivered[0].text.contains("`send`") && world.delivered[0].purpose == Purpose::Failure);
    assert!(world.rows.open.is_empty());
}

#[test]
fn a_crash_before_the_answer_asks_the_model_again_and_answers_once() {
    let mut world = World::new();
    world.say("1", "hi");
    world.model();
    world.crash();
    let (call, _) = world.model();
    world.reply(call, text("hello"));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn stop_ends_the_turn_at_once_and_names_what_was_done() {
    let mut world = World::new();
    world.say("1", "do two things");
    let (call, _) = world.model();
    world.reply(call, calls(&["note", "note"]));
    let first = world.tool();
    world.tool_done(&first);
    world.tool();
    world.event(|core, cx| core.on_stop(cx, 9));
    assert!(matches!(world.until_outside(), Some(Effect::CancelTool(_))));
    assert!(world.until_outside().is_none());
    let text = "Stopped. Done before that: note. `note` was at work, and I cannot tell whether it happened.";
    assert_eq!(world.delivered[0].text, text);
    assert!(world.core.is_idle());
}

#[test]
fn a_stop_is_acknowledged_when_its_end_is_durable_and_no_crash_takes_it_back() {
    let mut world = World::new();
    world.event(|core, cx| core.on_stop(cx, 9));
    assert!(matches!(world.todo.pop_front(), Some(Effect::AnswerStop(9, false))), "nothing runs");
    world.say("1", "tell me a long story");
    world.model();
    world.event(|core, cx| core.on_stop(cx, 9));
    assert!(!world.todo.iter().any(|effect| matches!(effect, Effect::AnswerStop(..))), "not durable yet");
    assert!(matches!(world.until_outside(), Some(Effect::CancelModel(_))));
    assert!(world.until_outside().is_none());
    assert_eq!(world.stopped, [true]);
    world.crash();
    assert!(world.until_outside().is_none(), "the turn stays stopped");
}

#[test]
fn a_call_whose_outcome_is_not_known_is_repeated_under_its_id_once_when_its_tool_allows_that() {
    for error in [ToolError::TimedOut, ToolError::Lost] {
        let mut world = World::new();
        world.say("1", "write it down");
        let (call, _) = world.model();
        world.reply(call, calls(&["note"]));
        let first = world.tool();
        world.tool_fails(&first, error.clone());
        let second = world.tool();
        assert_eq!(first.id, second.id);
        assert_eq!(first.decided, second.decided);
        world.tool_fails(&second, error);
        assert!(world.until_outside().is_none(), "neither the tool nor the model is asked again");
        assert!(world.delivered[0].text.contains("I cannot tell whether it happened"), "{}", world.delivered[0].text);
    }
}

#[test]
fn a_call_whose_outcome_is_not_known_is_never_repeated_when_its_tool_does_not_allow_that() {
    let mut world = World::new();
    world.say("1", "send it");
    let (call, _) = world.model();
    world.reply(call, calls(&["send"]));
    let sent = world.tool();
    world.tool_fails(&sent, ToolError::Lost);
    assert!(world.until_outside().is_none());
    assert!(world.delivered[0].text.contains("I cannot tell whether it happened"));
}

#[test]
fn a_look_that_did_not_come_back_is_told_to_the_model() {
    let mut world = World::new();
    world.say("1", "what time is it");
    let (call, _) = world.model();
    world.reply(call, calls(&["look"]));
    for _ in 0..2 {
        let looked = world.tool();
        world.tool_fails(&looked, ToolError::TimedOut);
    }
    world.model();
}

#[test]
fn only_the_newest_pictures_stay_before_the_eyes_of_a_model() {
    let mut world = World::with(Limits { history_pictures: 2, ..Limits::default() });
    let picture = || Part::Image { media_type: "image/png".into(), base64: "AAAA".into() };
    for nonce in ["1", "2", "3", "4"] {
        let say = Say {
            member: member(),
            place: Place::private(&member(), ""),
            readers: Readers::only([member().id]),
            thread: String::new(),
            origin: Origin { channel: "local".into(), external: nonce.into() },
            text: "look".into(),
            images: vec![picture()],
        };
        world.event(|core, cx| core.on_said(cx, 0, say));
        let (call, request) = world.model();
        let shown = request.history.iter().filter_map(|one| match one {
            Utterance::User { parts } => Some(parts.iter().filter(|part| matches!(part, Part::Image { .. })).count()),
            Utterance::Assistant { .. } | Utterance::ToolResult { .. } => None,
        });
        // The one that is asked about comes on top.
        assert!(shown.sum::<usize>() <= 3, "at message {nonce}");
        world.reply(call, text("a picture"));
        assert!(world.until_outside().is_none());
    }
}

#[test]
fn a_stop_before_the_message_is_durable_waits_for_that() {
    let mut world = World::new();
    world.say("1", "hi");
    world.event(|core, cx| core.on_stop(cx, 9));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 1);
    assert_eq!(world.answers.len(), 1);
}

#[test]
fn the_stop_word_ends_the_turn_that_runs_and_is_answered_itself() {
    let mut world = World::new();
    world.say("1", "tell me a long story");
    world.model();
    world.say("2", "/stop");
    assert!(matches!(world.until_outside(), Some(Effect::CancelModel(_))));
    assert!(world.until_outside().is_none(), "no model is asked about the word");
    let texts: Vec<_> = world.delivered.iter().map(|message| message.text.as_str()).collect();
    assert!(texts.len() == 2 && texts.iter().all(|text| text.starts_with("Stopped")), "{texts:?}");
    assert!(world.core.is_idle());
}

#[test]
fn the_stop_word_ends_the_turn_that_runs_even_where_nothing_more_fits() {
    let mut world = World::with(Limits { waiting_messages: 1, ..Limits::default() });
    world.say("1", "tell me a long story");
    world.model();
    world.say("2", "and another one");
    world.say("3", "/stop");
    assert!(matches!(world.until_outside(), Some(Effect::CancelModel(_))));
    world.model();
    assert!(world.delivered.len() == 1 && world.delivered[0].text.starts_with("Stopped"), "{:?}", world.delivered);
    assert!(world.answers.contains(&Err(SayError::Busy { waiting: 1 })), "{:?}", world.answers);
}

#[test]
fn many_short_messages_are_summarised_before_a_waking_conversation_would_miss_some() {
    let mut world = World::new();
    for n in 0..100 {
        world.say(&n.to_string(), "hi");
        let (call, _) = world.model();
        world.reply(call, text("hello"));
        while let Some(effect) = world.until_outside() {
            let Effect::Summarise(call, _) = effect else { panic!("{effect:?}") };
            world.event(|core, cx| core.on_summarised(cx, call, Err(ModelError::NobodyLeft)));
        }
    }
    let summary = world.rows.row.as_ref().and_then(|row| row.summary.as_ref()).expect("it was summarised");
    assert!(summary.upto >= 80, "{}", summary.upto);
}

#[test]
fn unknown_tools_and_malformed_arguments_are_told_to_the_model_and_never_run() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    let mut reply = calls(&["fly", "note"]);
    reply.calls[1].arguments = Arguments::Malformed("{\"n\":".into());
    world.reply(call, reply);
    let (call, request) = world.model();
    let results =
        request.history.iter().filter(|piece| matches!(piece, Utterance::ToolResult { content, .. } if content.contains("error"))).count();
    assert_eq!(results, 2);
    world.reply(call, text("sorry"));
    assert!(world.until_outside().is_none());
}

#[test]
fn the_same_failing_call_ends_the_turn_after_a_few_times() {
    let mut world = World::new();
    world.say("1", "x");
    for _ in 0..3 {
        let (call, _) = world.model();
        world.reply(call, calls(&["fly"]));
    }
    assert!(world.until_outside().is_none());
    assert!(world.delivered[0].text.contains("failed 3 times"), "{}", world.delivered[0].text);
}

#[test]
fn a_thousand_calls_in_one_reply_are_refused_as_a_whole() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.reply(call, calls(&["note"; 1000]));
    assert!(world.until_outside().is_none());
    assert!(world.delivered[0].text.contains("1000"));
}

#[test]
fn empty_answers_are_asked_again_once_then_said() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.reply(call, text(" "));
    let (call, _) = world.model();
    world.reply(call, text(""));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered[0].purpose, Purpose::Failure);
}

#[test]
fn a_failed_provider_is_a_visible_failure() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.event(|core, cx| core.on_replied(cx, call, Err(ModelError::NobodyLeft)));
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered[0].purpose, Purpose::Failure);
}

#[test]
fn a_message_that_could_not_be_written_is_refused_and_leaves_no_turn() {
    let mut world = World::new();
    world.say("1", "x");
    let Some(Effect::Save { ticket, .. }) = world.todo.pop_front() else { panic!("a commit comes first") };
    world.event(|core, cx| core.on_saved(cx, ticket, Err(StoreError::DiskFull)));
    assert!(world.until_outside().is_none());
    assert_eq!(world.answers, [Err(SayError::Store(StoreError::DiskFull))]);
    assert!(world.core.is_idle());
}

#[test]
fn the_commit_of_an_answer_is_tried_again_until_it_holds() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.reply(call, text("hello"));
    let Some(Effect::Save { ticket, .. }) = world.todo.pop_front() else { panic!("the end is saved") };
    world.event(|core, cx| core.on_saved(cx, ticket, Err(StoreError::Busy)));
    let Some(Effect::SaveAgain { after, .. }) = world.todo.front() else { panic!("it is tried again") };
    assert!(!after.is_zero());
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn an_answer_that_is_saved_again_comes_after_what_was_said_meanwhile() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.reply(call, text("hello"));
    let Some(Effect::Save { ticket, .. }) = world.todo.pop_front() else { panic!("the end is saved") };
    world.event(|core, cx| core.on_saved(cx, ticket, Err(StoreError::Busy)));
    let Some(Effect::SaveAgain { ticket, .. }) = world.todo.pop_front() else { panic!("it is tried again") };
    world.say("2", "y");
    world.event(|core, cx| core.on_again(cx, ticket));
    world.model();
    let seqs: Vec<_> = world.rows.messages.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [1, 3, 4], "the answer's first place stays empty");
    assert_eq!(world.delivered[0].seq, 4);
}

#[test]
fn an_answer_of_unknown_fate_is_looked_up_and_not_written_again() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.reply(call, text("hello"));
    let Some(Effect::Save { ticket, .. }) = world.todo.pop_front() else { panic!("the end is saved") };
    world.event(|core, cx| core.on_saved(cx, ticket, Err(StoreError::Unavailable("cut".into()))));
    assert!(matches!(world.todo.pop_front(), Some(Effect::Reload(_))));
}

#[test]
fn what_not_everyone_present_may_read_is_neither_recalled_nor_answered() {
    let secret = |readers| MemoryHit {
        memory: Memory {
            id: crate::ids::MemoryId::derived(&["m"]),
            member: member().id,
            conversation: ConversationId::derived(&["c"]),
            kind: MemoryKind::Fact,
            text: "canary".into(),
            label: Label::new(readers, Integrity::Member),
            at: Timestamp::UNIX_EPOCH,
        },
        score: 1.0,
    };
    let mut world = World::new();
    world.hits = vec![secret(Readers::only([Member::id_of("Bob")])), secret(Readers::only([member().id]))];
    world.say("1", "x");
    let (call, request) = world.model();
    assert_eq!(request.context.matches("canary").count(), 1);
    assert!(world.core.previewing(call).is_some());
    world.reply(call, calls(&["note"]));
    let invocation = world.tool();
    let output = ToolOutput { value: json!({}), label: Label::new(Readers::nobody(), Integrity::Outside) };
    world.event(|core, cx| core.on_tool_ended(cx, invocation.id, Ok(output)));
    let (call, _) = world.model();
    assert_eq!(world.core.previewing(call), None, "a preview would be delivered before anybody judges it");
    world.reply(call, text("canary"));
    assert!(world.until_outside().is_none());
    assert!(!world.delivered[0].text.contains("canary"));
}

#[test]
fn a_denied_call_never_reaches_its_tool() {
    let mut world = World::new();
    world.say("1", "x");
    let (call, _) = world.model();
    world.reply(call, calls(&["note"]));
    let Some(Effect::Decide(question)) = world.todo.pop_front() else { panic!("policy is asked") };
    world.event(|core, cx| core.on_decided(cx, question.call, Decision::Deny(Refusal::NoRule)));
    let (_, request) = world.model();
    assert!(matches!(request.history.last(), Some(Utterance::ToolResult { content, .. }) if content.contains("not allowed")));
}

/// A turn whose model makes the same call again and again.
fn stubborn(mut outcome: impl FnMut(&mut World, Effect)) -> World {
    let mut world = World::new();
    world.say("1", "x");
    for _ in 0..world.setting.limits.repeated_failures {
        let (call, _) = world.model();
        world.reply(call, calls(&["note"]));
        let effect = world.todo.pop_front().expect("policy is asked");
        outcome(&mut world, effect);
    }
    world
}

#[test]
fn a_call_that_is_denied_again_and_again_does_not_end_the_members_turn() {
    let deny = |world: &mut World, effect| {
        let Effect::Decide(question) = effect else { panic!("{effect:?}") };
        world.event(|core, cx| core.on_decided(cx, question.call, Decision::Deny(Refusal::Refused)));
    };
    let mut world = stubborn(deny);
    let (call, _) = world.model();
    world.reply(call, text("here is what you asked for"));
    assert!(world.until_outside().is_none());
    assert_eq!((world.delivered[0].purpose, world.delivered[0].text.as_str()), (Purpose::Answer, "here is what you asked for"));
    let mut world = stubborn(deny);
    world.crash();
    world.model();
}

#[test]
fn a_call_that_fails_again_and_again_ends_the_turn_visibly() {
    let mut world = stubborn(|world, effect| {
        world.todo.push_front(effect);
        let Some(Effect::RunTool(invocation)) = world.until_outside() else { panic!("it runs") };
        world.event(|core, cx| core.on_tool_ended(cx, invocation.id, Err(ToolError::Failed("no".to_owned()))));
    });
    assert!(world.until_outside().is_none());
    assert!(world.delivered[0].text.contains("failed 3 times"), "{:?}", world.delivered);
}

#[test]
fn a_long_history_is_summarised_with_the_join_of_its_labels() {
    let mut world = World::with(Limits { history_tokens: 50, history_keep_tokens: 20, ..Limits::default() });
    for n in 0..6 {
        world.say(&n.to_string(), "some words that take a few tokens each time");
        let (call, _) = world.model();
        world.reply(call, text("and an answer of some words as well"));
        match world.until_outside() {
            Some(Effect::Summarise(call, request)) => {
                assert!(request.tools.is_empty());
                world.event(|core, cx| core.on_summarised(cx, call, Err(ModelError::NobodyLeft)));
                assert!(world.until_outside().is_none());
            }
            None => {}
            other => panic!("{other:?}"),
        }
    }
    let summary = world.rows.row.as_ref().and_then(|row| row.summary.as_ref()).expect("it was summarised");
    assert_eq!(summary.label.readers, Readers::only([member().id]));
    assert!(summary.text.contains("Member said"));
    assert!(world.core.history.len() < 12);
    world.crash();
    assert!(world.core.history.len() < 12);
}

#[test]
fn a_turn_that_breaks_the_house_again_and_again_is_given_up_visibly() {
    let mut world = World::new();
    world.say("1", "x");
    world.model();
    world.crash();
    world.todo.clear();
    world.event(Core::on_hopeless);
    assert!(world.until_outside().is_none());
    assert_eq!(world.delivered[0].purpose, Purpose::Failure);
    assert!(world.rows.open.is_empty());
}

#[test]
fn a_tool_that_comes_is_offered_and_one_that_is_gone_is_not_run() {
    let mut world = World::new();
    let (calendar, all) = (ToolSpec { name: "calendar".into(), ..tools()[0].clone() }, tools());
    world.tools = Arc::new(all.iter().cloned().chain([calendar]).collect());
    world.say("1", "what is on today?");
    let (call, request) = world.model();
    assert!(request.tools.iter().any(|spec| spec.name == "calendar"));
    // Revoked while the model thinks.
    world.tools = all;
    world.reply(call, calls(&["calendar"]));
    let (_, request) = world.model();
    assert!(request.tools.iter().all(|spec| spec.name != "calendar"));
    assert!(format!("{:?}", request.history).contains("no such tool"), "{:?}", request.history);
}

#[test]
fn a_call_of_unknown_outcome_whose_tool_is_gone_is_told_to_the_member() {
    let mut world = World::new();
    world.say("1", "send it");
    let (call, _) = world.model();
    world.reply(call, calls(&["note"]));
    let call = world.tool();
    world.tools = Arc::new(Vec::new());
    world.tool_fails(&call, ToolError::Lost);
    assert!(world.until_outside().is_none());
    assert!(world.delivered[0].text.contains("note"), "{:?}", world.delivered);
}

mod asking;
mod audience;
mod budget;
mod endorsing;
mod holding;
mod labels;
