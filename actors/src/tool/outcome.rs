//! What a tool gave, as a value that a model can be shown. Pure. All of it was written outside of the house.

use hearth_domain::sandbox::{Part, SandboxLimits, ToolRefusal};
use serde_json::{Value, json};

/// Deepest JSON, in arrays and objects within one another.
const DEPTH_MAX: usize = 64;
/// Most parts of one result.
const PARTS_MAX: usize = 256;
/// Longest refusal, in bytes.
const SENTENCE_MAX: usize = 2_000;

/// The value of a result; `None` for one that is larger than allowed, or whose JSON is none, or is too deep.
pub(super) fn value(parts: Vec<Part>, limits: &SandboxLimits) -> Option<Value> {
    let bytes = parts.iter().map(|part| match part {
        Part::Text(text) | Part::Json(text) => text.len(),
        Part::Blob { media_type, base64 } => media_type.len().saturating_add(base64.len() / 4 * 3),
    });
    if parts.len() > PARTS_MAX || bytes.fold(0, usize::saturating_add) > limits.result_bytes {
        return None;
    }
    let mut parts: Vec<Value> = parts.into_iter().map(part).collect::<Option<_>>()?;
    match (parts.pop(), parts.is_empty()) {
        // One part is the result itself.
        (Some(Value::Object(mut only)), true) if only.len() == 1 && only.contains_key("json") => only.remove("json"),
        (Some(only), true) => Some(only),
        (Some(last), false) => {
            parts.push(last);
            Some(json!({ "parts": parts }))
        }
        (None, _) => Some(json!({ "parts": [] })),
    }
}

fn part(part: Part) -> Option<Value> {
    match part {
        Part::Text(text) => Some(json!({ "text": text })),
        Part::Json(text) => parse(&text).map(|value| json!({ "json": value })),
        Part::Blob { media_type, base64 } => Some(json!({ "media_type": media_type, "base64": base64 })),
    }
}

/// The value of a text, with bounds.
fn parse(text: &str) -> Option<Value> {
    // Counted before it is parsed: a parser's own bound is not ours.
    if deepest(text) > DEPTH_MAX { None } else { serde_json::from_str(text).ok() }
}

/// How many brackets are open at once, outside of strings.
fn deepest(text: &str) -> usize {
    let (mut depth, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth = depth.saturating_add(1);
                most = depth.max(most);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// A tool's own refusal. It is no error of the house's: its words are the tool's, and so they are labelled as its results are.
pub(super) fn refused(refusal: ToolRefusal) -> Value {
    let ToolRefusal { kind, mut sentence } = refusal;
    sentence.truncate(sentence.floor_char_boundary(SENTENCE_MAX));
    json!({ "error": kind, "tool_says": sentence })
}

#[cfg(test)]
mod tests {
    use hearth_domain::sandbox::ToolRefusalKind;
    use proptest::prelude::*;

    use super::*;

    fn of(parts: &[Part]) -> Option<Value> {
        value(parts.to_vec(), &SandboxLimits::default())
    }

    #[test]
    fn one_part_is_the_result_and_several_are_a_list() {
        let (text, object) = (Part::Text("sunny".into()), Part::Json(r#"{"degrees": 21}"#.into()));
        assert_eq!(of(std::slice::from_ref(&text)), Some(json!({ "text": "sunny" })));
        assert_eq!(of(std::slice::from_ref(&object)), Some(json!({ "degrees": 21 })));
        assert_eq!(of(&[text, object]), Some(json!({ "parts": [{ "text": "sunny" }, { "json": { "degrees": 21 } }] })));
        assert_eq!(of(&[]), Some(json!({ "parts": [] })));
    }

    #[test]
    fn what_is_no_json_or_too_deep_or_too_large_is_nothing() {
        for text in ["", "{", "\u{0}", "{\"a\":1}x", &"[".repeat(100_000), &format!("{}{}", "[".repeat(65), "]".repeat(65))] {
            assert_eq!(of(&[Part::Json(text.to_owned())]), None);
        }
        assert!(of(&[Part::Json(format!("{}{}", "[".repeat(64), "]".repeat(64)))]).is_some());
        let limits = SandboxLimits { result_bytes: 10, ..SandboxLimits::default() };
        assert!(value(vec![Part::Text("0123456789".into())], &limits).is_some());
        assert_eq!(value(vec![Part::Text("0123456789".into()), Part::Text("x".into())], &limits), None);
        assert_eq!(value(vec![Part::Text(String::new()); 257], &limits), None);
    }

    #[test]
    fn brackets_in_strings_are_not_depth() {
        let text = format!(r#"["\"{}"]"#, "[".repeat(1_000));
        assert!(of(&[Part::Json(text)]).is_some());
    }

    #[test]
    fn a_refusal_is_the_tools_own_words_cut_at_a_letter() {
        let said = refused(ToolRefusal { kind: ToolRefusalKind::NotFound, sentence: format!("x{}", "é".repeat(2_000)) });
        assert_eq!(said["error"], "not_found");
        assert_eq!(said["tool_says"].as_str().unwrap().len(), 1_999);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = of(&[Part::Json(text.clone()), Part::Text(text)]);
        }
    }
}
