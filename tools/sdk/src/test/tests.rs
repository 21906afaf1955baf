use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{Effect, Operation, Role, secrets};

#[derive(Deserialize)]
struct Ask {
    name: String,
}

fn greet(ask: Ask, _context: &Context) -> Result<Answer, Failure> {
    let token = secrets::slot("token")?;
    let response = http::Request::post("https://greet.example/v1")
        .header("Authorization", format!("Bearer {token}"))
        .json(&json!({ "name": ask.name }))?;
    let greeting: Value = response.send()?.success()?.json_limited(1_000)?;
    kv::set("last", ask.name.as_bytes())?;
    Ok(greeting.into())
}

fn tool() -> Tool {
    Tool::new().with(
        Operation::new("greet", Effect::ExternalSend, greet)
            .describe("Greets.")
            .parameters(|| json!({ "type": "object", "properties": { "name": { "type": "string" } } }))
            .argument("/name", Role::Content),
    )
}

const GREETING: &str = "POST https://greet.example/v1\nauthorization: Bearer hearth-secret-token\ncontent-type: application/*\n\n{ \"name\" : \"Ada\" }\n---\n200\ncontent-type: application/json\n\n{\"greeting\":\"hello\"}\n";

#[test]
fn a_recorded_request_is_answered_and_values_stay() {
    let house = House::new().secret("token").answering(GREETING);
    let answer = house.call(&tool(), "greet", &json!({ "name": "Ada" })).unwrap();
    assert_eq!(answer.value().unwrap(), &json!({ "greeting": "hello" }));
    assert_eq!(house.keys().into_iter().collect::<Vec<_>>(), ["last"]);
    assert!(house.refused().is_empty());
}

#[test]
fn another_request_is_refused_with_the_reason() {
    let house = House::new().secret("token").answering(GREETING);
    let refused = house.call(&tool(), "greet", &json!({ "name": "Eve" })).unwrap_err();
    assert!(matches!(refused, Failure::Denied(_)));
    assert!(house.refused()[0].contains("the body is"), "{:?}", house.refused());
}

#[test]
fn what_was_not_granted_is_denied() {
    let denied = House::new().secret_not_granted("token").call(&tool(), "greet", &json!({ "name": "Ada" })).unwrap_err();
    assert_eq!(denied, Failure::denied(secrets::Error::NotGranted.to_string()));
    let bad = House::new().call(&tool(), "greet", &json!({ "name": 3 })).unwrap_err();
    assert!(matches!(bad, Failure::BadArguments(_)));
    let unknown = House::new().call(&tool(), "leave", &json!({})).unwrap_err();
    assert!(matches!(unknown, Failure::NotFound(_)));
}

#[test]
fn a_status_is_the_failure_that_it_means() {
    let answering = |status: u16| House::new().answering(&format!("GET https://a.example/\n---\n{status}\n"));
    let ask = |house: House| {
        house.visit(|| http::get("https://a.example/").and_then(http::Response::success).map_err(Failure::from).unwrap_err())
    };
    assert!(matches!(ask(answering(404)), Failure::NotFound(_)));
    assert!(matches!(ask(answering(503)), Failure::Unavailable(_)));
    assert!(matches!(ask(answering(302)), Failure::Failed(_)));
}

#[test]
fn equal_requests_get_the_answers_in_order() {
    let house = House::new().answering("GET https://a.example/\n---\n200\n\none").answering("GET https://a.example/\n---\n200\n\ntwo");
    let texts: Vec<String> =
        house.visit(|| (0..3).map(|_turn| http::get("https://a.example/").unwrap().text_limited(10).unwrap()).collect());
    assert_eq!(texts, ["one", "two", "two"]);
}

#[test]
fn a_body_beyond_the_limit_is_cut_or_refused() {
    let house = House::new().answering(&format!("GET https://a.example/\n---\n200\n\n{}", "x".repeat(200_000)));
    let (cut, refused) = house.visit(|| {
        let cut = http::get("https://a.example/").unwrap().bytes_up_to(70_000).unwrap();
        (cut, http::get("https://a.example/").unwrap().bytes_limited(70_000))
    });
    assert_eq!((cut.0.len(), cut.1), (70_000, false));
    assert!(matches!(refused, Err(http::Error::Limit(_))));
}

#[test]
fn the_quota_holds() {
    let house = House::new().quota_bytes(10);
    let (first, second) = house.visit(|| (kv::set("a", b"12345678"), kv::set("b", b"12345678")));
    assert_eq!((first, second), (Ok(()), Err(kv::Error::Quota)));
}

#[test]
fn faults_of_a_description_are_told() {
    assert!(faults(&tool()).is_empty());
    let faulty = Tool::new().with(
        Operation::new("Greet", Effect::Read, greet)
            .parameters(|| json!({ "type": "object", "properties": {} }))
            .argument("/name", Role::Content),
    );
    assert_eq!(faults(&faulty).len(), 3, "{:?}", faults(&faulty));
}

#[test]
fn a_manifest_says_what_the_code_says_or_is_told_to() {
    let file = std::env::temp_dir().join(format!("hearth-tool-manifest-{}.toml", std::process::id()));
    let head = "name = \"me/greet\"\n";
    std::fs::write(&file, head).unwrap();
    assert!(matches!(manifest(&file, &tool()), Err(manifest::Error::Differs(_))));
    let written = format!("{head}\n{}\n{}", manifest::MARK, manifest::operations(&tool()));
    std::fs::write(&file, &written).unwrap();
    manifest(&file, &tool()).unwrap();
    let other = Tool::new().with(
        Operation::new("greet", Effect::Read, greet)
            .describe("Says \"hello\"\\.")
            .parameters(|| json!({ "type": "object", "title": "a'''", "properties": { "b": {}, "a": {} } })),
    );
    assert!(matches!(manifest(&file, &other), Err(manifest::Error::Differs(_))));
    std::fs::remove_file(&file).unwrap();
    let text = manifest::operations(&other);
    assert!(text.contains(r#"description = "Says \"hello\"\\.""#), "{text}");
    assert!(text.contains(r#"parameters = "{\"properties\":{\"a\":{},\"b\":{}},\"title\":\"a'''\","#), "{text}");
}
