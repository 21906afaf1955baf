use std::time::Duration;

use hearth_tool::{
    Failure,
    log::Level,
    test::{House, faults, manifest},
};
use serde_json::{Value, json};

use super::*;

fn run(code: &str, input: Value) -> Result<Value, Failure> {
    House::new().call(&runner(), "run", &json!({ "code": code, "input": input })).map(|answer| answer.value().unwrap().clone())
}

fn why(code: &str) -> Failure {
    run(code, json!({})).unwrap_err()
}

#[test]
fn the_description_is_as_the_house_wants_it() {
    assert_eq!(faults(&runner()), Vec::<String>::new());
    manifest(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"), &runner()).unwrap();
}

#[test]
fn the_last_expression_or_what_is_returned_is_the_result() {
    let table = [
        ("1 + 1", json!(2)),
        ("const a = input.list.map(x => x * 2);\na", json!([2, 4])),
        ("return input.list.length;", json!(2)),
        ("if (input.list) { return { ok: true } }\nreturn null", json!({ "ok": true })),
        ("await Promise.resolve([1n.toString(), 'grün'])", json!(["1", "grün"])),
        ("Promise.all([1, Promise.resolve(2)])", json!([1, 2])),
        ("undefined", Value::Null),
        ("x = 3; x", json!(3)),
        ("'2026-03-01T12:00'.match(/^(\\d+)-/)[1]", json!("2026")),
        ("Object.keys(globalThis).sort()", json!(["input", "performance"])),
    ];
    for (code, wanted) in table {
        assert_eq!(run(code, json!({ "list": [1, 2] })), Ok(wanted), "{code}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let table = [
        ("let a = 1;\nlet b = ;", Failure::bad_arguments("line 2: SyntaxError: unexpected token in expression: ';'")),
        ("\n\nnothing.at.all", Failure::failed("line 3: ReferenceError: nothing is not defined")),
        ("function f() {\n  null.x\n}\nf()", Failure::failed("line 2: TypeError: cannot read property 'x' of null")),
        ("\nreturn input.a.b", Failure::failed("line 2: TypeError: cannot read property 'b' of undefined")),
        ("throw new Failure('not_found', 'no such dish')", Failure::not_found("line 1: no such dish")),
        ("throw 'plain'", Failure::failed("the script threw: plain")),
        ("await new Promise(() => {})", Failure::failed("the script waits for something that never comes")),
        ("const a = []; a.push(a); a", Failure::failed("TypeError: circular reference")),
    ];
    for (code, wanted) in table {
        assert_eq!(why(code), wanted, "{code}");
    }
}

#[test]
fn time_memory_stack_and_result_are_bounded() {
    let few = Limits { asks: 100, ..Limits::default() };
    let endless = engine::evaluate(&Code { text: "while (true) {}", input: &Value::Null }, few).unwrap_err();
    assert!(endless.to_string().contains("longer than it may"), "{endless}");
    // A script cannot catch its end.
    let stubborn = "for (;;) { try { while (true) {} } catch {} }";
    assert!(engine::evaluate(&Code { text: stubborn, input: &Value::Null }, few).is_err());
    let bomb = why("const a = []; while (true) a.push('x'.repeat(1000) + a.length)");
    assert!(bomb.to_string().contains("memory"), "{bomb}");
    let deep = why("function f() { return f() + 1 }\nf()");
    assert!(deep.to_string().contains("stack"), "{deep}");
    let long = why("'x'.repeat(600000)");
    assert!(long.to_string().contains("longer than"), "{long}");
    assert!(Limits::default().compute < Duration::from_secs(10), "the house's own limit comes later");
}

#[test]
fn http_is_what_the_house_grants() {
    let recorded = "POST https://api.example/v1\ncontent-type: application/json\n\n{\"a\":1}\n---\n201\nX-Kind: made\n\n{\"id\": 7}";
    let house = House::new().answering(recorded);
    let code = "const answer = http({ url: 'https://api.example/v1', body: { a: 1 } });\n[answer.status, answer.json().id, answer.headers['x-kind']]";
    let answer = house.call(&runner(), "run", &json!({ "code": code })).unwrap();
    assert_eq!(answer.value().unwrap(), &json!([201, 7, "made"]));
    let denied = why("\nhttp('https://other.example/')");
    assert!(matches!(&denied, Failure::Denied(sentence) if sentence.starts_with("line 2: ")), "{denied:?}");
    assert_eq!(run("try { http('https://other.example/') } catch (e) { e.kind }", json!({})), Ok(json!("denied")));
    assert!(matches!(why("kv.get('a')"), Failure::Failed(_)), "only an author's tool has more doors");
}

#[test]
fn the_console_is_the_log() {
    let house = House::new();
    house.call(&runner(), "run", &json!({ "code": "console.log('a', 1, {b: [2]}); console.error(new TypeError('c'))" })).unwrap();
    assert_eq!(house.log(), [(Level::Info, "a 1 {\"b\":[2]}".to_owned()), (Level::Error, "TypeError: c".to_owned())]);
}

const AUTHORED: &str = include_str!("../../../sdk/template/js/tool.js");

fn js(folder: &str) -> String {
    format!("{}/../../sdk/template/js/{folder}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_template_of_an_author_is_sound_and_works() {
    let tool = authored::tool(AUTHORED);
    assert_eq!(faults(&tool), Vec::<String>::new());
    manifest(js("manifest.toml"), &tool).unwrap();
    let house = House::new().recorded(js("recorded"));
    for asked in 1..=2 {
        let answer = house.call(&tool, "define", &json!({ "word": "hearth" })).unwrap();
        assert_eq!(answer.value().unwrap()["meanings"][0]["kind"], "noun");
        assert_eq!(answer.value().unwrap()["asked"], asked);
    }
    assert!(matches!(house.call(&tool, "define", &json!({ "word": "xyzzy" })), Err(Failure::NotFound(_))));
}

#[test]
fn a_broken_source_says_what_is_wrong_instead_of_what_it_can_do() {
    let table = [
        ("operation({", "line 1: SyntaxError"),
        ("operation({ name: 'a', description: 'b', effect: 'fly' })", "an effect"),
        ("operation({ name: 'a' })", "missing field `description`"),
        ("nothing()", "line 1: ReferenceError"),
        ("http('https://a.example/')", "line 1: "),
    ];
    for (source, wanted) in table {
        let tool = authored::tool(source);
        let description = tool.operations()[0].description;
        assert_eq!((tool.operations()[0].name, description.contains(wanted)), ("broken_source", true), "{source}: {description}");
    }
}
