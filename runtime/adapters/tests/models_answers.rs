//! What providers answer, and what they are sent, in every wire format, streamed and not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a failure is the message")]

use std::sync::Arc;

use hearth_adapters::models::config::Kind;
use hearth_domain::message::Part;
use hearth_domain::model::{Arguments, Model, StopReason, ToolCall, Usage, Utterance};
use hearth_scripted::script::{Call, Ending, Reply, Step};
use hearth_scripted::server::Scripted;
use serde_json::{Value, json};

use support::{KEY, WAYS, ask, model, request, run, said, sink};

#[path = "models/support.rs"]
mod support;

#[test]
fn a_text_comes_whole_and_in_pieces_with_usage_and_money() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        server.push(Step::Reply(Reply::text("Grüß dich, Ada!").using(100, 40, 10)));
        let (deltas, pieces) = sink();
        let reply = run(model(&server, way).complete(request(vec![said("hello")]), deltas)).unwrap();
        assert_eq!(reply.text, "Grüß dich, Ada!", "{way:?}");
        assert_eq!(pieces.lock().unwrap().concat(), reply.text, "{way:?}");
        assert_eq!(pieces.lock().unwrap().len() > 1, way.1, "{way:?}");
        assert_eq!((reply.stop, reply.provider.as_str()), (StopReason::End, "scripted"), "{way:?}");
        // Ollama does not say what it had cached.
        let cached = if way.0 == Kind::Ollama { 0 } else { 40 };
        let micro_usd = (100 - cached) * 3 + cached * 3 / 10 + 10 * 15;
        let used = Usage { input_tokens: 100, cached_tokens: cached, output_tokens: 10, micro_usd };
        assert_eq!(reply.usage, used, "{way:?}");
    }
}

#[test]
fn two_calls_at_once_come_in_order_with_their_arguments() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        let calls = vec![
            Call::new("call-a", "weather", &json!({"city": "Köln"})),
            Call::new("call-b", "clock", &json!({"city": "Oslo", "deep": {"list": [1, 2]}})),
        ];
        server.push(Step::Reply(Reply { text: "Let me look.".to_owned(), calls, ..Reply::default() }));
        let reply = ask(&model(&server, way)).unwrap();
        assert_eq!((reply.text.as_str(), reply.stop), ("Let me look.", StopReason::ToolUse), "{way:?}");
        let seen: Vec<(&str, &Arguments)> = reply.calls.iter().map(|call| (call.name.as_str(), &call.arguments)).collect();
        let first = Arguments::Json(json!({"city": "Köln"}));
        let second = Arguments::Json(json!({"city": "Oslo", "deep": {"list": [1, 2]}}));
        assert_eq!(seen, [("weather", &first), ("clock", &second)], "{way:?}");
        if way.0 != Kind::Ollama {
            let ids: Vec<&str> = reply.calls.iter().map(|call| call.id.as_str()).collect();
            assert_eq!(ids, ["call-a", "call-b"], "{way:?}");
        }
    }
}

#[test]
fn ids_that_are_missing_or_twice_become_unique() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        let call = |id: &str| Call::new(id, "weather", &json!({"city": "Bonn"}));
        server.push(Step::calls(vec![call(""), call(""), call("same"), call("same")]));
        let reply = ask(&model(&server, way)).unwrap();
        let mut ids: Vec<&str> = reply.calls.iter().map(|call| call.id.as_str()).collect();
        assert!(ids.iter().all(|id| !id.is_empty()), "{way:?} {ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4, "{way:?}");
    }
}

#[test]
fn a_thousand_calls_are_passed_on() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        server.push(Step::many_calls(1_000, "clock"));
        assert_eq!(ask(&model(&server, way)).unwrap().calls.len(), 1_000, "{way:?}");
    }
}

#[test]
fn arguments_that_are_no_json_are_marked_and_the_rest_of_the_reply_is_kept() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        let broken = Call { id: "call-a".to_owned(), name: "weather".to_owned(), arguments: "{\"city\": \"Kö".to_owned() };
        let sound = Call::new("call-b", "clock", &json!({"city": "Oslo"}));
        server.push(Step::calls(vec![broken, sound]));
        let reply = ask(&model(&server, way)).unwrap();
        let [first, second] = reply.calls.as_slice() else { panic!("{way:?} {:?}", reply.calls) };
        // Formats whose arguments are JSON values show a text as a JSON text.
        assert!(matches!(&first.arguments, Arguments::Malformed(text) if text.contains("Kö")), "{way:?} {first:?}");
        assert_eq!(second.arguments, Arguments::Json(json!({"city": "Oslo"})), "{way:?}");
    }
}

#[test]
fn empty_answers_pass_and_endings_are_told_apart() {
    let check = |way: (Kind, bool), step: Step, text: &str, stop: StopReason| {
        let server = Scripted::start().unwrap();
        server.push(step);
        let reply = ask(&model(&server, way)).unwrap();
        assert_eq!((reply.text.as_str(), reply.stop), (text, stop), "{way:?}");
    };
    for way in WAYS {
        check(way, Step::empty(), "", StopReason::End);
        check(way, Step::Reply(Reply::text("and then").ending(Ending::Length)), "and then", StopReason::Length);
        if way.0 == Kind::Ollama {
            continue;
        }
        check(way, Step::Reply(Reply::text("well").ending(Ending::Filtered)), "well", StopReason::Refused);
        let words = if way.0 == Kind::Gemini { "" } else { "I will not." };
        check(way, Step::refusal("I will not."), words, StopReason::Refused);
    }
}

/// The history of a turn with two calls and their results.
fn with_results() -> Vec<Utterance> {
    let call =
        |id: &str, name: &str| ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: Arguments::Json(json!({"city": "Oslo"})) };
    let result = |id: &str, name: &str, content: &str| Utterance::ToolResult {
        call: id.to_owned(),
        name: name.to_owned(),
        content: content.to_owned(),
    };
    vec![
        said("hello"),
        Utterance::Assistant { text: "Hello.".to_owned(), calls: Vec::new() },
        said("weather and time?"),
        Utterance::Assistant { text: "Looking.".to_owned(), calls: vec![call("a1", "weather"), call("b2", "clock")] },
        result("a1", "weather", "{\"degrees\":7}"),
        result("b2", "clock", "{\"now\":\"noon\"}"),
    ]
}

fn sent(way: (Kind, bool), history: Vec<Utterance>) -> Value {
    let server = Scripted::start().unwrap();
    run(model(&server, way).complete(request(history), sink().0)).unwrap();
    server.requests()[0].body.clone()
}

const WORDS: &str = "<context>\nIt is Monday.\n</context>\n\nweather and time?";

#[test]
fn anthropic_gets_results_in_one_message_and_a_marked_prefix() {
    let body = sent((Kind::Anthropic, true), with_results());
    assert_eq!(body["model"], "test-model");
    assert_eq!(body["max_tokens"], 512);
    assert_eq!(body["stream"], true);
    assert_eq!(body["system"][0]["text"], "You are the house.");
    assert_eq!(body["system"][0]["cache_control"]["type"], "ephemeral");
    assert_eq!(body["tools"][0]["name"], "weather");
    assert_eq!(body["tools"][0]["input_schema"]["required"], json!(["city"]));
    assert_eq!(body["tools"][1]["cache_control"]["type"], "ephemeral");
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"]);
    assert_eq!(messages[2]["content"][0]["text"], WORDS);
    let called = &messages[3]["content"];
    assert_eq!(called[0]["text"], "Looking.");
    assert_eq!((&called[1]["type"], &called[1]["id"], &called[2]["id"]), (&json!("tool_use"), &json!("a1"), &json!("b2")));
    assert_eq!(called[1]["input"], json!({"city": "Oslo"}));
    let results = messages[4]["content"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!((&results[0]["type"], &results[0]["tool_use_id"]), (&json!("tool_result"), &json!("a1")));
    assert!(results[1].to_string().contains("noon"));
}

#[test]
fn openai_gets_a_tool_message_per_result_and_a_cache_key() {
    for kind in [Kind::Openai, Kind::OpenaiCompatible] {
        let body = sent((kind, true), with_results());
        assert_eq!(body["stream_options"]["include_usage"], true);
        let messages = body["messages"].as_array().unwrap();
        let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user", "assistant", "tool", "tool"]);
        assert!(messages[0]["content"].to_string().contains("You are the house."));
        assert_eq!(messages[3]["content"], WORDS);
        let calls = &messages[4]["tool_calls"];
        assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("a1"), &json!("b2")));
        assert_eq!(calls[0]["function"]["arguments"], "{\"city\":\"Oslo\"}");
        assert_eq!((&messages[5]["tool_call_id"], &messages[5]["content"]), (&json!("a1"), &json!("{\"degrees\":7}")));
        assert_eq!(body["tools"][0]["function"]["name"], "weather");
        assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["city"]));
        assert_eq!(body.get("prompt_cache_key").is_some(), kind == Kind::Openai);
    }
    // Strict servers want strings, not lists of parts.
    assert_eq!(sent((Kind::OpenaiCompatible, false), vec![said("x")])["messages"][0]["content"], "You are the house.");
}

#[test]
fn gemini_and_ollama_get_results_in_their_form() {
    let body = sent((Kind::Gemini, true), with_results());
    let results = &body["contents"][4]["parts"];
    assert_eq!((&results[0]["functionResponse"]["name"], &results[1]["functionResponse"]["name"]), (&json!("weather"), &json!("clock")));
    assert_eq!(body["contents"][2]["parts"][0]["text"], WORDS);
    let body = sent((Kind::Ollama, true), with_results());
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["role"], &last["tool_name"], &last["content"]), (&json!("tool"), &json!("clock"), &json!("{\"now\":\"noon\"}")));
}

#[test]
fn pictures_go_as_base64() {
    let parts = || {
        vec![
            Part::Text { text: "what is this?".to_owned() },
            Part::Image { media_type: "image/png".to_owned(), base64: "iVBORw0KGgo=".to_owned() },
        ]
    };
    let check = |kind: Kind, at: &str, expected: &Value| {
        let body = sent((kind, true), vec![Utterance::User { parts: parts() }]);
        assert_eq!(body.pointer(at), Some(expected), "{kind:?} {body}");
    };
    let source = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
    check(Kind::Anthropic, "/messages/0/content/1/source", &source);
    for kind in [Kind::Openai, Kind::OpenaiCompatible] {
        check(kind, "/messages/1/content/1/image_url/url", &json!("data:image/png;base64,iVBORw0KGgo="));
    }
    check(Kind::Gemini, "/contents/0/parts/1/inlineData/data", &json!("iVBORw0KGgo="));
    check(Kind::Ollama, "/messages/1/images/0", &json!("iVBORw0KGgo="));
}

#[test]
fn the_key_is_in_its_header_and_nowhere_else() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        let model = model(&server, way);
        ask(&model).unwrap();
        let request = &server.requests()[0];
        let holding: Vec<&str> = request.headers.iter().filter(|(_, value)| value.contains(KEY)).map(|(name, _)| name.as_str()).collect();
        let expected = match way.0 {
            Kind::Anthropic => "x-api-key",
            Kind::Gemini => "x-goog-api-key",
            Kind::Openai | Kind::Openrouter | Kind::Ollama | Kind::OpenaiCompatible => "authorization",
        };
        assert_eq!(holding, [expected], "{way:?}");
        assert!(!request.text.contains(KEY) && !request.path.contains("key="), "{way:?} {}", request.path);
        assert!(!format!("{model:?}").contains(KEY));
    }
}

#[test]
fn the_prefix_keeps_its_bytes_from_turn_to_turn() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        let model = model(&server, way);
        let first = request(vec![said("one"), Utterance::Assistant { text: "1".to_owned(), calls: Vec::new() }, said("two")]);
        let mut second = (*first).clone();
        second.context = "It is Tuesday.".to_owned();
        second.history.extend([Utterance::Assistant { text: "2".to_owned(), calls: Vec::new() }, said("three")]);
        run(model.complete(first, sink().0)).unwrap();
        run(model.complete(Arc::new(second), sink().0)).unwrap();
        let asked = server.requests();
        let same = asked[0].text.bytes().zip(asked[1].text.bytes()).take_while(|(a, b)| a == b).count();
        let upto = asked[0].text.find("<context>").unwrap();
        assert!(same >= upto, "{way:?}: {same} < {upto}");
        for part in ["system", "tools", "systemInstruction"] {
            assert_eq!(asked[0].body[part], asked[1].body[part], "{way:?}");
        }
    }
}

#[test]
fn a_connection_is_kept_between_calls() {
    for way in WAYS {
        let server = Scripted::start().unwrap();
        let model = model(&server, way);
        run(async {
            for _ in 0..20 {
                model.complete(request(vec![said("hello")]), sink().0).await.unwrap();
            }
        });
        assert_eq!((server.requests().len(), server.connections()), (20, 1), "{way:?}");
    }
}
