//! What only the real store can do: fences, migrations, odd words.

use futures_util::FutureExt as _;
use hearth_conformance::sample;
use hearth_domain::household::erase::{Kind, What};
use hearth_domain::household::record::{GoneRow, HouseholdWrite};
use hearth_domain::household::{Audience, Role};
use hearth_domain::journal::Head;
use hearth_domain::store::{Step, StepBody, Write};
use hearth_domain::tool::record::{COMPONENT_BYTES, ToolRecord};
use proptest::prelude::*;
use surrealdb::types::Object;

use super::*;

mod older;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn in_memory(migrations: &'static [&'static str]) -> SurrealStore {
    SurrealStore::with_migrations(StoreConfig { location: Location::Memory }, migrations)
}

/// Another house over the same database, as on a server.
fn beside(store: &SurrealStore, migrations: &'static [&'static str]) -> SurrealStore {
    let other = in_memory(migrations);
    *other.shared.memory.lock().unwrap() = store.shared.memory.lock().unwrap().clone();
    other
}

#[test]
fn the_house_that_opened_first_is_fenced_by_the_second() {
    let first = in_memory(schema::MIGRATIONS);
    let mut head = wait(first.open()).unwrap().head;
    wait(first.apply(sample::group(&mut head, []))).unwrap();
    let second = beside(&first, schema::MIGRATIONS);
    assert_eq!(wait(second.open()).unwrap().head, head);
    let refused = sample::group(&mut head.clone(), [Write::Member(sample::member("eve", Role::Guest))]);
    assert_eq!(wait(first.apply(refused)), Err(StoreError::Fenced));
    wait(second.apply(sample::group(&mut head, []))).unwrap();
    assert_eq!(wait(second.members()).unwrap(), []);
    // Nor does it take the lease back when it is opened again: the two would go on for ever.
    assert_eq!(wait(first.open()), Err(StoreError::Fenced));
    wait(second.open()).unwrap();
    wait(second.apply(sample::group(&mut head, []))).unwrap();
}

const FIRST: &str = include_str!("schema/0001_first.surql");
const TWO: &[&str] = &[FIRST, "DEFINE FIELD nickname ON member TYPE option<string>; UPDATE member SET zone = 'UTC' RETURN NONE;"];
const BROKEN: &[&str] = &[FIRST, "UPDATE member SET zone = 'UTC' RETURN NONE; THROW 'no';"];

#[test]
fn a_migration_brings_an_older_store_forward_and_an_older_house_refuses_it() {
    let one = in_memory(&TWO[..1]);
    let opened = wait(one.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from), (1, None));
    wait(one.apply(sample::group(&mut Head::EMPTY.clone(), [Write::Member(sample::member("ada", Role::Owner))]))).unwrap();
    let two = beside(&one, TWO);
    let opened = wait(two.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from, opened.head.seq), (2, Some(1), 1));
    assert_eq!(wait(two.members()).unwrap()[0].zone, "UTC");
    let opened = wait(two.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from), (2, None));
    assert_eq!(wait(one.open()), Err(StoreError::NewerSchema { found: 2, known: 1 }));
}

#[test]
fn a_store_from_before_there_were_secrets_keeps_what_it_has_and_takes_them() {
    let before = in_memory(&TWO[..1]);
    let mut head = wait(before.open()).unwrap().head;
    wait(before.apply(sample::group(&mut head, [Write::Member(sample::member("ada", Role::Owner))]))).unwrap();
    let now = beside(&before, schema::MIGRATIONS);
    let opened = wait(now.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from, opened.head), (6, Some(1), head));
    assert_eq!((wait(now.secrets()).unwrap(), wait(now.counts()).unwrap().secrets), (Vec::new(), 0));
    let sealed = sample::secret("openai", 1).unwrap();
    wait(now.apply(sample::group(&mut head, [Write::Secret(sealed.clone())]))).unwrap();
    assert_eq!(wait(now.secrets()).unwrap(), [sealed]);
    assert_eq!(wait(now.members()).unwrap(), [sample::member("ada", Role::Owner)]);
}

#[test]
fn a_secret_that_was_tampered_with_is_damage_and_not_another_secret() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    let spoil = |change: &'static str| {
        wait(store.read(move |link| async move {
            link.ask(change, Object::new()).await?;
            Ok(())
        }))
    };
    for change in ["UPDATE secret SET name = 'No Name'", "UPDATE secret SET version = -1", "UPDATE secret SET version = 4294967296"] {
        wait(store.apply(sample::group(&mut head, [Write::Secret(sample::secret("openai", 1).unwrap())]))).unwrap();
        spoil(change).unwrap();
        assert!(matches!(wait(store.secrets()), Err(StoreError::Damaged(_))), "{change}");
    }
    for refused in ["UPDATE secret SET envelope = 'text'", "UPDATE secret SET owner = NONE"] {
        assert!(matches!(spoil(refused), Err(StoreError::Refused(_))), "{refused}");
    }
}

#[test]
fn a_store_from_before_there_were_tools_keeps_what_it_has_and_takes_them() {
    let before = in_memory(&schema::MIGRATIONS[..2]);
    let mut head = wait(before.open()).unwrap().head;
    let sealed = sample::secret("openai", 1).unwrap();
    wait(before.apply(sample::group(&mut head, [Write::Secret(sealed.clone())]))).unwrap();
    let now = beside(&before, &schema::MIGRATIONS[..3]);
    let opened = wait(now.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from, opened.head), (3, Some(2), head));
    assert_eq!((wait(now.tools()).unwrap(), wait(now.counts()).unwrap().tools), (Vec::new(), 0));
    let tool = sample::tool("hearth/feeds", "1.0.0");
    wait(now.apply(sample::group(&mut head, [Write::Tool(tool.clone())]))).unwrap();
    assert_eq!(wait(now.tools()).unwrap(), [tool.info]);
    assert_eq!(wait(now.secrets()).unwrap(), [sealed]);
}

#[test]
fn a_tool_that_was_tampered_with_is_damage_and_not_another_tool() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    let spoil = |change: &'static str| {
        wait(store.read(move |link| async move {
            link.ask(change, Object::new()).await?;
            Ok(())
        }))
    };
    let changes = [
        "UPDATE tool SET state = 'trusted'",
        "UPDATE tool SET state = 'quarantined'",
        "UPDATE tool SET manifest = '{'",
        "UPDATE tool SET granted = 'yes'",
    ];
    for change in changes {
        wait(store.apply(sample::group(&mut head, [Write::Tool(sample::tool("hearth/feeds", "1.0.0"))]))).unwrap();
        spoil(change).unwrap();
        assert!(matches!(wait(store.tools()), Err(StoreError::Damaged(_))), "{change}");
    }
    for refused in ["UPDATE tool_component SET wasm = 'text'", "UPDATE tool SET who = NONE"] {
        assert!(matches!(spoil(refused), Err(StoreError::Refused(_))), "{refused}");
    }
}

#[test]
fn the_largest_component_fits_into_one_group_and_a_larger_one_does_not() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    let of = |bytes: usize| ToolRecord { bytes: vec![7; bytes], ..sample::tool("hearth/large", "1.0.0") };
    let refused = sample::group(&mut head.clone(), [Write::Tool(of(COMPONENT_BYTES + 4 * 1024 * 1024))]);
    assert!(matches!(wait(store.apply(refused)), Err(StoreError::Refused(_))));
    wait(store.apply(sample::group(&mut head, [Write::Tool(of(COMPONENT_BYTES))]))).unwrap();
    assert_eq!(wait(store.tool_component("hearth/large".to_owned())).unwrap().map(|bytes| bytes.len()), Some(COMPONENT_BYTES));
}

#[test]
fn a_store_from_before_there_was_a_household_keeps_its_members_and_takes_the_rest() {
    let before = in_memory(&schema::MIGRATIONS[..3]);
    let mut head = wait(before.open()).unwrap().head;
    let (ada, sealed) = (sample::member("ada", Role::Owner), sample::secret("openai", 1).unwrap());
    wait(before.apply(sample::group(&mut head, [Write::Member(ada.clone()), Write::Secret(sealed.clone())]))).unwrap();
    let now = beside(&before, &schema::MIGRATIONS[..4]);
    let opened = wait(now.open()).unwrap();
    assert_eq!((opened.schema, opened.migrated_from, opened.head), (4, Some(3), head));
    let household = wait(now.household()).unwrap();
    assert_eq!(household.members.iter().map(|row| (&row.member, row.by)).collect::<Vec<_>>(), [(&ada, None)]);
    assert_eq!((wait(now.open_approvals()).unwrap(), wait(now.grants(None)).unwrap()), (Vec::new(), Vec::new()));
    let (asked, allowed, result) = (sample::approval("ada", 1), sample::grant("ada", "a"), sample::result("kitchen", 1, 1));
    let writes = [Write::Approval(asked.clone()), Write::Grant(allowed.clone()), Write::Result(result.clone())];
    wait(now.apply(sample::group(&mut head, writes))).unwrap();
    assert_eq!(wait(now.open_approvals()).unwrap(), [asked]);
    assert_eq!(wait(now.grants(None)).unwrap(), [allowed]);
    assert_eq!(wait(now.results(result.turn)).unwrap(), [result]);
    assert_eq!(wait(now.secrets()).unwrap(), [sealed]);
}

#[test]
fn a_question_that_was_tampered_with_is_damage_and_not_another_question() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    for change in ["UPDATE approval SET body = '{'", "UPDATE approval SET body = '{\"state\":{\"state\":\"approved\"}}'"] {
        wait(store.apply(sample::group(&mut head, [Write::Approval(sample::approval("ada", 1))]))).unwrap();
        wait(store.read(move |link| async move {
            link.ask(change, Object::new()).await?;
            Ok(())
        }))
        .unwrap();
        assert!(matches!(wait(store.open_approvals()), Err(StoreError::Damaged(_))), "{change}");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_store_as_it_was() {
    let one = in_memory(&TWO[..1]);
    wait(one.open()).unwrap();
    wait(one.apply(sample::group(&mut Head::EMPTY.clone(), [Write::Member(sample::member("ada", Role::Owner))]))).unwrap();
    assert!(matches!(wait(beside(&one, BROKEN).open()), Err(StoreError::Refused(_))));
    assert_eq!(wait(one.open()).unwrap().schema, 1);
    assert_eq!(wait(one.members()).unwrap(), [sample::member("ada", Role::Owner)]);
}

#[test]
fn a_group_that_the_engine_could_not_hold_is_refused_and_a_large_one_is_not() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    let group = |head: &mut Head, seqs: std::ops::Range<u64>| {
        let text = "x".repeat(4 * 1024 * 1024 - 1024);
        sample::group(head, seqs.map(|seq| Write::Message(sample::message("kitchen", seq, &text))).collect::<Vec<_>>())
    };
    assert!(matches!(wait(store.apply(group(&mut head.clone(), 1..6))), Err(StoreError::Refused(_))));
    let envelope = vec![0; 4 * 1024 * 1024];
    let sealed = (1..6).map(|n| Write::Secret(SealedRecord { envelope: envelope.clone(), ..sample::secret(&format!("n{n}"), 1).unwrap() }));
    assert!(matches!(wait(store.apply(sample::group(&mut head.clone(), sealed))), Err(StoreError::Refused(_))));
    wait(store.apply(group(&mut head, 1..5))).unwrap();
    assert_eq!(wait(store.counts()).unwrap().messages, 4);
}

#[test]
fn a_store_that_was_never_opened_starts_no_thread_and_is_closed() {
    let store = in_memory(schema::MIGRATIONS);
    assert!(store.shared.host.is_asleep());
    assert_eq!(wait(store.members()), Err(StoreError::Closed));
    assert_eq!(wait(store.close()), Ok(()));
}

#[test]
fn a_server_that_is_not_there_is_unavailable_and_may_be_asked_again() {
    let location = |url: &str| Location::Remote {
        url: url.to_owned(),
        namespace: "hearth".to_owned(),
        database: "house".to_owned(),
        user: "root".to_owned(),
        password: SecretString::from("secret"),
    };
    for url in ["ws://127.0.0.1:9", "ws://", "no address", "http://127.0.0.1:9"] {
        let store = SurrealStore::new(StoreConfig { location: location(url) });
        for _ in 0..2 {
            assert!(matches!(wait(store.open()), Err(StoreError::Unavailable(_))), "{url}");
        }
        assert!(!format!("{store:?}").contains("secret"));
    }
}

#[test]
fn odd_words_never_break_a_search() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    let mut write = |text: &str| wait(store.apply(sample::group(&mut head, [Write::Memory(sample::fact(text, text))])));
    write("Ada likes green tea").unwrap();
    let search = |words: String| wait(store.search(MemorySearch { words, audience: Audience::default(), limit: 5 }));
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(text in any::<String>(), sql in "[a-z'\"`$@;{}()\\\\/*-]{0,40}")| {
        for text in [text, sql] {
            prop_assert!(search(text.clone()).is_ok());
            prop_assert_eq!(search(format!("{text} green")).map(|hits| hits.is_empty()), Ok(false));
        }
    });
}

/// JSON of any shape.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let map = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Into::into),
            map.prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn any_result_of_a_tool_is_read_back() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    wait(store.apply(sample::group(&mut head, [Write::Turn(sample::turn("kitchen", 1))]))).unwrap();
    let place = std::cell::RefCell::new((0, head));
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(value in json(), text in any::<String>())| {
        let call = hearth_domain::ids::CallId::derived(&[&text]);
        let body = StepBody::Outcome { call, provider_call: text.clone(), name: text, result: Ok(value), taken: None };
        let (index, head) = &mut *place.borrow_mut();
        let step = Step { turn: sample::turn_id("kitchen", 1), index: *index, body, label: sample::said_to(&["ada"]), at: sample::at(0) };
        *index += 1;
        wait(store.apply(sample::group(head, [Write::Step(step.clone())]))).unwrap();
        let state = wait(store.conversation(sample::place("kitchen"), 0)).unwrap();
        prop_assert_eq!(state.steps[&step.turn].last(), Some(&step));
    });
}

#[test]
fn an_answer_is_waited_for_without_a_runtime_of_the_callers() {
    let store = in_memory(schema::MIGRATIONS);
    let mut opening = store.open();
    // Polled by hand: the work goes on by itself, on threads of its own.
    assert!((&mut opening).now_or_never().is_none());
    assert!(wait(opening).is_ok());
}

#[test]
fn where_no_folder_can_be_written_anew_the_rows_of_a_removed_member_are_deleted_at_the_next_opening() {
    let store = in_memory(schema::MIGRATIONS);
    let mut head = wait(store.open()).unwrap().head;
    let bobs = Conversation { owner: Some(sample::who("bob")), ..sample::conversation("garden") };
    let writes = [
        Write::Conversation(Conversation { thread: "music".to_owned(), ..sample::conversation("kitchen") }),
        Write::Message(sample::message("kitchen", 1, "in a thread")),
        Write::Turn(sample::turn("kitchen", 1)),
        Write::Delivery(sample::delivery(1, hearth_domain::delivery::DeliveryState::Pending)),
        Write::Secret(sample::secret("adas-key", 1).unwrap()),
        Write::Memory(sample::fact("own", "green tea")),
        Write::Conversation(bobs),
        Write::Message(Message { label: sample::said_to(&["bob"]), ..sample::message("garden", 1, "bobs") }),
        Write::Household(HouseholdWrite::Gone(GoneRow { id: sample::who("ada"), at: sample::at(9), erased: false })),
    ];
    wait(store.apply(sample::group(&mut head, writes))).unwrap();
    let opened = wait(store.open()).unwrap();
    let [(member, report)] = opened.erased.as_slice() else { panic!("{:?}", opened.erased) };
    assert_eq!((*member, report.of(What::Erased, Kind::Messages), report.of(What::Erased, Kind::Secrets)), (sample::who("ada"), 1, 1));
    assert!(report.to_string().contains("only the server can clear"), "{report}");
    assert_eq!(wait(store.messages(sample::place("kitchen"), 0, 9)).unwrap(), []);
    assert_eq!(wait(store.secrets()).unwrap(), []);
    assert_eq!(wait(store.conversation(sample::place("kitchen"), 9)).unwrap().row, None);
    assert_eq!(wait(store.messages(sample::place("garden"), 0, 9)).unwrap().len(), 1);
    let counts = wait(store.counts()).unwrap();
    assert_eq!((counts.open_turns, counts.pending_deliveries, counts.memories), (0, 0, 0));
    // Once it is written that it is done, it is not done again.
    let done = Write::Household(HouseholdWrite::Gone(GoneRow { id: sample::who("ada"), at: sample::at(9), erased: true }));
    wait(store.apply(sample::group(&mut head, [done]))).unwrap();
    assert_eq!(wait(store.open()).unwrap().erased, []);
}
