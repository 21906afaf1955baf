//! Every row type is read back as it was written, whatever its fields hold.

use hearth_domain::delivery::DeliveryState;
use hearth_domain::flow::extract::{Budget, Kind};
use hearth_domain::flow::plan::Fit;
use hearth_domain::flow::value::Source;
use hearth_domain::household::{Audience, Role};
use hearth_domain::ids::{AnswerId, ApprovalId, CallId, MemoryId};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::memory::MemoryKind;
use hearth_domain::message::{Author, Message, Origin, Part, Purpose};
use hearth_domain::model::{Arguments, StopReason, ToolCall, Usage};
use hearth_domain::policy::Taken;
use hearth_domain::schedule::{Every, ReminderState};
use hearth_domain::store::{Step, StepBody, Summary, TurnState, Write};
use hearth_domain::time::Timestamp;
use hearth_domain::tool::ToolError;
use serde_json::json;

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{
    adults, at, conversation, delivery, fact, member, memory, message, place, reminder, said_to, session, turn, turn_id, who,
};

pub(super) const CHECKS: &[Check] = &[
    check("members are read back and replaced", |house| boxed(members(house))),
    check("conversations are read back and replaced", |house| boxed(conversations(house))),
    check("messages are read back with all that they hold", |house| boxed(messages(house))),
    check("labels are read back as they were", |house| boxed(labels(house))),
    check("turns are read back and replaced", |house| boxed(turns(house))),
    check("steps are read back with arguments and results as they were", |house| boxed(steps(house))),
    check("remembered things are read back, replaced and forgotten", |house| boxed(memories(house))),
    check("reminders are read back and replaced", |house| boxed(reminders(house))),
    check("deliveries and sessions are read back", |house| boxed(others(house))),
    check("a message of 64 KiB is read back", |house| boxed(large(house))),
    check("times are kept to the nanosecond, before and after 1970", |house| boxed(times(house))),
];

async fn members(mut house: House) -> Outcome {
    let roles = [Role::Owner, Role::Adult, Role::Teen, Role::Child, Role::Guest];
    let mut rows: Vec<_> = roles.map(|role| member(&role.to_string(), role)).into();
    rows.sort_by_key(|row| row.id);
    house.write(rows.iter().cloned().map(Write::Member)).await?;
    same("members", &house.store.members().await?, &rows)?;
    for row in &mut rows {
        (row.name, row.zone) = ("Ünï çode 🏠".to_owned(), "UTC".to_owned());
    }
    house.write(rows.iter().cloned().map(Write::Member)).await?;
    same("members after a change", &house.store.members().await?, &rows)
}

async fn conversations(mut house: House) -> Outcome {
    let mut row = conversation("kitchen");
    house.write([Write::Conversation(row.clone())]).await?;
    same("the row", &house.store.conversation(row.id, 1).await?.row, &Some(row.clone()))?;
    row.owner = None;
    row.thread = "holidays".to_owned();
    row.audience = Audience::of([(who("ada"), Role::Owner), (who("bob"), Role::Child), (who("eve"), Role::Guest)]);
    row.summary = Some(Summary { text: "They spoke.".to_owned(), label: said_to(&["ada", "bob"]), upto: 41 });
    house.write([Write::Conversation(row.clone())]).await?;
    same("the changed row", &house.store.conversation(row.id, 1).await?.row, &Some(row.clone()))?;
    row.summary = None;
    row.audience = Audience::default();
    house.write([Write::Conversation(row.clone())]).await?;
    same("fields that were emptied", &house.store.conversation(row.id, 1).await?.row, &Some(row))
}

async fn written(house: &mut House, rows: Vec<Message>) -> Outcome {
    house.write(rows.iter().cloned().map(Write::Message)).await?;
    same("messages", &house.store.messages(place("kitchen"), 0, 100).await?, &rows)?;
    house.reopen().await?;
    same("messages after a reopening", &house.store.recent(place("kitchen"), 100).await?, &rows)
}

async fn messages(mut house: House) -> Outcome {
    let said = Message {
        origin: Some(Origin { channel: "telegram".to_owned(), external: "4711".to_owned() }),
        images: vec![
            Part::Image { media_type: "image/png".to_owned(), base64: "aGVhcnRo".to_owned() },
            Part::Text { text: "a caption".to_owned() },
        ],
        ..message("kitchen", 1, "What's \"this\"?\n\0 'quoted' \u{202e} 😀")
    };
    let house_says = |seq, purpose| Message {
        answer: Some(AnswerId::derived(&["kitchen", "1"])),
        author: Author::House,
        purpose,
        ..message("kitchen", seq, "")
    };
    let notice = Message { turn: None, ..house_says(4, Purpose::Notice) };
    written(&mut house, vec![said, house_says(2, Purpose::Answer), house_says(3, Purpose::Failure), notice]).await
}

async fn labels(mut house: House) -> Outcome {
    let readers = [
        Readers::public(),
        Readers::household(),
        Readers::nobody(),
        Readers::only([who("ada"), who("bob")]),
        Readers::only([who("ada")]).meet(&Readers::household()),
    ];
    let integrities = [Integrity::Outside, Integrity::Member, Integrity::House];
    let all = readers.iter().flat_map(|readers| integrities.map(|integrity| Label::new(readers.clone(), integrity)));
    let rows = (1..).zip(all).map(|(seq, label)| Message { label, ..message("kitchen", seq, "text") }).collect();
    written(&mut house, rows).await
}

async fn turns(mut house: House) -> Outcome {
    let mut row = turn("kitchen", 1);
    house.write([Write::Conversation(conversation("kitchen")), Write::Turn(row.clone())]).await?;
    same("the turn", &house.store.conversation(place("kitchen"), 1).await?.open, &vec![row.clone()])?;
    row.sources = vec![MemoryId::derived(&["tea"]), MemoryId::derived(&["cake"])];
    row.usage = Usage { input_tokens: 1, cached_tokens: 2, output_tokens: 3, micro_usd: u64::from(u32::MAX) * 4 };
    house.write([Write::Turn(row.clone())]).await?;
    same("the changed turn", &house.store.conversation(place("kitchen"), 1).await?.open, &vec![row.clone()])?;
    for state in [TurnState::Answered, TurnState::Failed, TurnState::Stopped] {
        row.state = state;
        house.write([Write::Turn(row.clone())]).await?;
        same("ended", &house.store.conversation(place("kitchen"), 1).await?.open, &Vec::new())?;
    }
    Ok(())
}

/// Every kind of step, with JSON that a database could be tempted to tidy.
fn bodies() -> Vec<StepBody> {
    let odd = json!({"id": "a:b", "n": 1.0, "big": u64::MAX, "deep": [[null, {"": "2026-01-01T00:00:00Z"}], -0.5, true], "Ω": "u'x'"});
    let call = |arguments| ToolCall { id: "call_1".to_owned(), name: "lists.add".to_owned(), arguments };
    let reply = |stop, calls| StepBody::Reply {
        text: "Let me see.".to_owned(),
        calls,
        provider: "house".to_owned(),
        usage: Usage::default(),
        stop,
    };
    let id = CallId::derived(&["1"]);
    let outcome =
        |result| StepBody::Outcome { call: id, provider_call: "call_1".to_owned(), name: "lists.add".to_owned(), result, taken: None };
    let errors = [
        ToolError::Unknown,
        ToolError::BadArguments("no list".to_owned()),
        ToolError::Denied("children may not".to_owned()),
        ToolError::TimedOut,
        ToolError::Lost,
        ToolError::Failed("no".to_owned()),
        ToolError::Stopped,
        ToolError::Busy,
    ];
    let mut budget = Budget::new(9);
    assert_eq!(budget.show(&Kind::YesNo {}, [&Source::unknown()]), Ok(()));
    let mut bodies = vec![
        reply(StopReason::ToolUse, vec![call(Arguments::Json(odd.clone())), call(Arguments::Malformed("{\"a\":".to_owned()))]),
        reply(StopReason::End, Vec::new()),
        reply(StopReason::Length, Vec::new()),
        reply(StopReason::Refused, Vec::new()),
        StepBody::Asked {
            call: CallId::derived(&["asked"]),
            provider_call: "p2".into(),
            name: "send".into(),
            arguments: json!({ "to": "bo" }),
            approval: ApprovalId::derived(&["asked"]),
            carries: said_to(&["ada"]),
            fit: Fit::Wider,
        },
        StepBody::Intent {
            call: id,
            provider_call: "call_1".to_owned(),
            name: "lists.add".to_owned(),
            arguments: odd.clone(),
            idempotent: true,
            taken: Taken { mentions: [("\"bo\"".to_owned(), 1)].into(), links: 2, budget },
            carries: said_to(&["bo"]),
            fit: Fit::Filled(3),
        },
        outcome(Ok(odd)),
        outcome(Ok(json!(null))),
    ];
    bodies.extend(errors.map(|error| outcome(Err(error))));
    bodies
}

async fn steps(mut house: House) -> Outcome {
    let step = |(index, body)| Step { turn: turn_id("kitchen", 1), index, body, label: said_to(&["ada"]), at: at(i64::from(index)) };
    let rows: Vec<Step> = (0..).zip(bodies()).map(step).collect();
    house.write([Write::Turn(turn("kitchen", 1))]).await?;
    house.write(rows.iter().rev().cloned().map(Write::Step)).await?;
    let state = house.store.conversation(place("kitchen"), 1).await?;
    same("the steps", &state.steps.get(&turn_id("kitchen", 1)).cloned().unwrap_or_default(), &rows)
}

async fn memories(mut house: House) -> Outcome {
    let item = |done| MemoryKind::Item { list: "shopping".to_owned(), done };
    let note = memory("note", MemoryKind::Note, "the boiler's key hangs in the hall");
    let milk = memory("milk", item(false), "milk");
    let tea = fact("tea", "likes tea");
    house.write([&note, &milk, &tea].map(|row| Write::Memory(row.clone()))).await?;
    let mut expected = vec![note.clone(), milk];
    expected.sort_by_key(|row| row.id);
    same("entries", &house.store.entries(place("kitchen"), adults(&["ada"])).await?, &expected)?;
    let ticked = memory("milk", item(true), "oat milk");
    house.write([Write::Memory(ticked.clone()), Write::Forget(note.id), Write::Forget(MemoryId::derived(&["never"]))]).await?;
    same("entries after changes", &house.store.entries(place("kitchen"), adults(&["ada"])).await?, &vec![ticked])?;
    same("how many", &house.store.memory_count(who("ada")).await?, &2)
}

async fn reminders(mut house: House) -> Outcome {
    let mut row = reminder("plants", 5, ReminderState::Pending);
    for every in [None, Some(Every::Day), Some(Every::Week), Some(Every::Month), Some(Every::Year)] {
        row.every = every;
        row.due = row.after_firing(at(10)).due;
        row.state = ReminderState::Pending;
        house.write([Write::Reminder(row.clone())]).await?;
        same("the reminder", &house.store.pending_reminders().await?, &vec![row.clone()])?;
    }
    Ok(())
}

async fn others(mut house: House) -> Outcome {
    let (sent, entered) = (delivery(7, DeliveryState::Sending), session("phone"));
    house.write([Write::Delivery(sent.clone()), Write::Session(entered.clone())]).await?;
    house.reopen().await?;
    same("the delivery", &house.store.unsettled_deliveries().await?, &vec![sent])?;
    same("the session", &house.store.session(entered.token).await?, &Some(entered))
}

async fn large(mut house: House) -> Outcome {
    let text: String = "hearth ✓ ".chars().cycle().take(64 * 1024).collect();
    let picture = Part::Image { media_type: "image/jpeg".to_owned(), base64: "QUJD".repeat(256 * 1024) };
    let rows = vec![message("kitchen", 1, &text), Message { images: vec![picture], ..message("kitchen", 2, "look") }];
    written(&mut house, rows).await
}

async fn times(mut house: House) -> Outcome {
    let texts = ["1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z", "2026-03-29T01:00:00.000000001Z", "2500-12-31T23:59:59.5Z"];
    let times = texts.iter().filter_map(|text| text.parse::<Timestamp>().ok());
    let rows: Vec<Message> = (1..).zip(times).map(|(seq, at)| Message { at, ..message("kitchen", seq, "text") }).collect();
    same("times", &rows.len(), &texts.len())?;
    written(&mut house, rows).await
}
