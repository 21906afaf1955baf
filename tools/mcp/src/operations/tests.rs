use proptest::prelude::*;
use serde_json::json;

use super::*;

fn tool(name: &str, schema: Value) -> Tool {
    serde_json::from_value(json!({ "name": name, "description": "does\nsomething", "inputSchema": schema })).unwrap()
}

fn plain(name: &str) -> Tool {
    tool(name, json!({ "type": "object" }))
}

fn names(tools: &[Tool]) -> Vec<String> {
    listed("x", tools, &[], &BTreeMap::new()).unwrap().operations.into_iter().map(|operation| operation.name).collect()
}

#[test]
fn names_are_those_that_people_would_give() {
    for (given, expected) in [
        ("echo", "echo"),
        ("getTinyImage", "get_tiny_image"),
        ("get-sum", "get_sum"),
        ("list__files", "list_files"),
        ("HTTPGet", "httpget"),
        ("notes/read", "notes_read"),
        ("2fa", "t_2fa"),
        ("_x_", "x"),
    ] {
        assert_eq!(operation_name(given), expected, "{given}");
    }
    assert_eq!(operation_name("trigger-long-running-operation"), "trigger_long_running_operation");
    let long = operation_name("trigger-long-running-operation-in-another-thread");
    assert!(long.starts_with("trigger_long_running_operation") && long.len() <= OPERATION_MAX, "{long}");
    let [a, b] = ["a", "b"].map(|end| operation_name(&format!("trigger-long-running-operation-in-another-thread-{end}")));
    assert_ne!(a, b);
    assert_ne!(operation_name("прочитать"), operation_name("записать"));
    assert_ne!(operation_name("echo\u{200b}"), "echo", "what looks like another is not it");
}

#[test]
fn two_tools_of_one_name_are_refused_together() {
    for pair in [["echo", "echo"], ["get-sum", "get_sum"], ["Echo", "echo"]] {
        assert_eq!(listed("x", &pair.map(plain), &[], &BTreeMap::new()), Err(Fault::Malformed), "{pair:?}");
    }
    assert_eq!(
        listed("x", &["echo", "echo"].map(plain), &["other".into()], &BTreeMap::new()),
        Err(Fault::Exports),
        "those that are not used do no harm"
    );
}

#[test]
fn what_does_not_fit_is_left_out() {
    let deep = (0..40).fold(json!({}), |inner, _| json!({ "properties": { "a": inner } }));
    let large = json!({ "type": "object", "description": "x".repeat(SCHEMA_MAX) });
    let tools = [
        plain("fits"),
        tool("no_object", json!({ "type": "string" })),
        tool("no_type", json!({})),
        tool("deep", json!({ "type": "object", "properties": deep })),
        tool("large", large),
        tool("hidden", json!({ "type": "object", "title": "a\u{200b}b" })),
    ];
    assert_eq!(names(&tools), ["fits"]);
    let many: Vec<_> = (0..100).map(|n| plain(&format!("t{n:03}"))).collect();
    assert_eq!(names(&many).len(), OPERATIONS_MAX);
    assert_eq!(listed("x", &many, &["t099".into()], &BTreeMap::new()).unwrap().names, BTreeMap::from([("t099".into(), "t099".into())]));
    assert_eq!(listed("x", &[], &[], &BTreeMap::new()), Err(Fault::Exports));
}

#[test]
fn hints_count_for_nothing() {
    let hinted = json!({
        "name": "wipe", "inputSchema": { "type": "object" },
        "annotations": { "readOnlyHint": true, "idempotentHint": true, "destructiveHint": false, "openWorldHint": false },
    });
    let listed = listed("x", &[serde_json::from_value(hinted).unwrap()], &[], &BTreeMap::new()).unwrap();
    let [operation] = listed.operations.as_slice() else { panic!("one") };
    assert_eq!((operation.effect, operation.idempotent), (Effect::ExternalSend, false));
    assert!(operation.arguments.is_empty() && operation.fields.is_empty());
    assert_eq!(operation.description, "wipe", "for want of another");
}

#[test]
fn what_the_owner_says_counts_for_the_tool_that_is_named() {
    let said = json!({ "effect": "read", "idempotent": true, "arguments": { "/station": "content" }, "fields": { "/*/track": "service" } });
    let says = BTreeMap::from([("nextTrains".to_owned(), serde_json::from_value(said).unwrap())]);
    let listed = listed("x", &["nextTrains", "other"].map(plain), &[], &says).unwrap();
    let [trains, other] = listed.operations.as_slice() else { panic!("two") };
    assert_eq!((trains.name.as_str(), trains.effect, trains.idempotent), ("next_trains", Effect::Read, true));
    assert_eq!((trains.arguments.len(), trains.fields.len()), (1, 1));
    assert_eq!((other.effect, other.fields.len()), (Effect::ExternalSend, 0));
}

#[test]
fn a_name_that_no_tool_has_gives_no_manifest() {
    assert_eq!(manifest_of("No Name", Version { major: 1, minor: 0, patch: 0 }, &[]), Err(ManifestNameError));
}

proptest! {
    #[test]
    fn every_name_is_one_of_an_operation(text in "\\PC{0,40}|[a-zA-Z0-9_.-]{0,40}") {
        let name = operation_name(&text);
        prop_assert!(is_operation(&name), "{}", name);
    }

    #[test]
    fn whatever_is_listed_makes_a_sound_manifest(texts in proptest::collection::vec(("\\PC{0,30}", "\\PC{0,500}|[\\s\\u{202e}a]{0,500}"), 1..6)) {
        let tools: Vec<Tool> = texts
            .iter()
            .map(|(name, said)| json!({ "name": name, "description": said, "inputSchema": { "type": "object", "title": said } }))
            .map(|tool| serde_json::from_value(tool).unwrap())
            .collect();
        if let Ok(listed) = listed("x", &tools, &[], &BTreeMap::new()) {
            let manifest = manifest_of("x", Version { major: 1, minor: 0, patch: 0 }, &listed.operations).unwrap();
            prop_assert_eq!(manifest.check(), Ok(()));
            prop_assert_eq!(manifest.agrees(&listed.operations), Ok(()));
        }
    }
}
