//! What a house of version 3 wrote, word for word: it is brought forward, read, and forgotten like anything else.

use hearth_domain::household::record::{GoneRow, HouseholdWrite};
use hearth_domain::ids::{MessageId, ReminderId, SessionId, TurnId};
use hearth_domain::journal::verify;
use hearth_domain::memory::MemorySearch;
use hearth_domain::policy::Taken;
use hearth_domain::store::{StepBody, TurnState, Write};

use super::*;

/// The rows of a house in which Ada lives, with a turn under way, as statements. Names of ids stand in braces.
const ROWS: &str = "
INSERT INTO member { id: {ada}, name: 'ada', role: 'owner', zone: 'Europe/Berlin' };
INSERT INTO member { id: {bob}, name: 'bob', role: 'adult', zone: 'UTC' };
INSERT INTO conversation { id: {kitchen}, owner: {ada}, thread: '', audience: [{ member: {ada}, role: 'owner' }], at: {at},
    summary: { text: 'tea was spoken of', upto: 1, excludes_guests: false, only: [{ada}], integrity: 'member' } };
INSERT INTO message { id: [{kitchen}, -1], name: {message}, turn: {turn}, author: {ada}, purpose: 'said',
    origin: { channel: 'local', external: '1' }, text: 'put the kettle on', images: [], excludes_guests: false, only: [{ada}],
    integrity: 'member', at: {at} };
INSERT INTO turn { id: {turn}, conversation: {kitchen}, member: {ada}, message: {message}, answer: {answer}, channel: 'local', state: 'open',
    sources: [], usage: { input_tokens: 7, cached_tokens: 1, output_tokens: 3, micro_usd: 12 }, at: {at} };
INSERT INTO step { id: [{turn}, 0], excludes_guests: false, only: [{ada}], integrity: 'member', at: {at}, body:
    '{\"step\":\"intent\",\"call\":\"cal_00000000000000000000000000000001\",\"provider_call\":\"c1\",\"name\":\"kettle__on\",\"arguments\":{\"minutes\":3},\"idempotent\":false}' };
INSERT INTO memory { id: {memory}, member: {ada}, conversation: {kitchen}, kind: 'fact', done: false, text: 'likes green tea',
    excludes_guests: false, only: [{ada}], integrity: 'member', at: {at} };
INSERT INTO reminder { id: {reminder}, member: {ada}, conversation: {kitchen}, channel: 'local', text: 'drink it', excludes_guests: false,
    only: [{ada}], integrity: 'member', due: {at}, first: {at}, zone: 'UTC', every: 'day', state: 'pending' };
INSERT INTO delivery { id: {answer}, conversation: {kitchen}, message: {message}, seq: 1, channel: 'local', state: 'pending', attempts: 0, at: {at} };
INSERT INTO session { id: {session}, member: {ada}, token: '{token}', at: {at}, until: d'2100-01-01T00:00:00Z' };
INSERT INTO secret { id: {session}, owner: {ada}, name: 'openai', version: 2, envelope: <bytes> 'sealed' };
INSERT INTO tool { id: {tool}, name: 'hearth/feeds', version: '1.0.0', component: '{token}', manifest: '{\"name\":\"hearth/feeds\"}',
    granted: '{\"by\":\"ada\"}', state: 'granted', who: {ada}, at: {at} };
INSERT INTO tool_component { id: {tool}, wasm: <bytes> 'component' };
";

/// The rows, with ids.
fn rows() -> String {
    let uuid = |id: uuid::Uuid| format!("u'{id}'");
    let names = [
        ("ada", uuid(sample::who("ada").uuid())),
        ("bob", uuid(sample::who("bob").uuid())),
        ("kitchen", uuid(sample::place("kitchen").uuid())),
        ("message", uuid(MessageId::derived(&["m"]).uuid())),
        ("turn", uuid(TurnId::derived(&["t"]).uuid())),
        ("answer", uuid(hearth_domain::ids::AnswerId::derived(&["a"]).uuid())),
        ("memory", uuid(hearth_domain::ids::MemoryId::derived(&["f"]).uuid())),
        ("reminder", uuid(ReminderId::derived(&["r"]).uuid())),
        ("session", uuid(SessionId::derived(&["s"]).uuid())),
        ("tool", uuid(hearth_domain::ids::ToolId::derived(&["hearth/feeds"]).uuid())),
        ("token", hearth_domain::journal::Digest::of(b"token").to_string()),
        ("at", "d'2026-01-01T08:00:00Z'".to_owned()),
    ];
    names.into_iter().fold(ROWS.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &value))
}

fn written_by_version_3() -> (SurrealStore, Head) {
    let before = in_memory(&schema::MIGRATIONS[..3]);
    let mut head = wait(before.open()).unwrap().head;
    wait(before.apply(sample::group(&mut head, []))).unwrap();
    wait(before.read(|link| async move {
        link.ask(rows(), Object::new()).await?;
        Ok(())
    }))
    .unwrap();
    (before, head)
}

#[test]
fn what_a_house_of_version_3_wrote_is_read_as_it_was() {
    let (before, head) = written_by_version_3();
    let now = beside(&before, schema::MIGRATIONS);
    let opened = wait(now.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from, opened.head), (u32::try_from(schema::MIGRATIONS.len()).unwrap(), Some(3), head));
    assert_eq!(opened.erased, []);
    assert_eq!(wait(now.sessions(None)).unwrap(), [], "who was logged in logs in anew");
    let household = wait(now.household()).unwrap();
    let members: Vec<_> = household.members.iter().map(|row| (row.member.name.as_str(), row.by, row.guardians.len())).collect();
    assert_eq!(members.len(), 2);
    assert!(members.contains(&("ada", None, 0)) && members.contains(&("bob", None, 0)));
    assert_eq!((household.gone.len(), household.identities.len(), household.pairings.len(), household.groups.len()), (0, 0, 0, 0));
    let state = wait(now.conversation(sample::place("kitchen"), 9)).unwrap();
    let said = state.messages.iter().chain(&state.asked).next().unwrap();
    assert_eq!((said.text.as_str(), state.open[0].state), ("put the kettle on", TurnState::Open));
    assert_eq!(state.row.unwrap().summary.unwrap().text, "tea was spoken of");
    let [step] = state.steps[&TurnId::derived(&["t"])].as_slice() else { panic!("one step") };
    let StepBody::Intent { name, taken, .. } = &step.body else { panic!("{step:?}") };
    assert_eq!((name.as_str(), taken), ("kettle__on", &Taken::default()), "a turn of then had taken nothing down");
    assert_eq!(wait(now.pending_reminders()).unwrap().len(), 1);
    assert_eq!(wait(now.unsettled_deliveries()).unwrap().len(), 1);
    assert_eq!(wait(now.secrets()).unwrap()[0].version, 2);
    assert_eq!(wait(now.tools()).unwrap()[0].name, "hearth/feeds");
    let words = MemorySearch { words: "green tea".to_owned(), audience: sample::adults(&["ada"]), limit: 9 };
    assert_eq!(wait(now.search(words)).unwrap().len(), 1);
    assert_eq!(wait(now.results(TurnId::derived(&["t"]))).unwrap(), []);
    assert_eq!(verify(Head::EMPTY, &wait(now.journal(0, 9)).unwrap()), Ok(head));
}

#[test]
fn what_a_house_of_version_3_wrote_of_a_member_goes_with_them() {
    let (before, mut head) = written_by_version_3();
    let now = beside(&before, schema::MIGRATIONS);
    wait(now.open()).unwrap();
    let gone = GoneRow { id: sample::who("ada"), at: sample::at(9), erased: false };
    wait(now.apply(sample::group(&mut head, [Write::Household(HouseholdWrite::Gone(gone))]))).unwrap();
    let opened = wait(now.open()).unwrap();
    assert_eq!(opened.erased.len(), 1);
    let counts = wait(now.counts()).unwrap();
    assert_eq!((counts.conversations, counts.messages, counts.open_turns, counts.memories, counts.secrets), (0, 0, 0, 0, 0));
    assert_eq!((counts.pending_reminders, counts.pending_deliveries, counts.tools), (0, 0, 1));
    assert_eq!(wait(now.household()).unwrap().members.len(), 1);
}
