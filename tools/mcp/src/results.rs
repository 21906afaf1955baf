//! What a server answers to a call, as what a call comes to. All of it was written outside of the house.

use hearth_domain::sandbox::{Fault, Outcome, Part, ToolRefusal, ToolRefusalKind};
use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ResourceContents};
use serde_json::{Value, json};

use crate::text::one_line;

/// Most parts of one result.
const PARTS_MAX: usize = 256;
/// Longest refusal, in bytes.
const SENTENCE_BYTES: usize = 2_000;
/// Longest media type, in bytes.
const MEDIA_TYPE_BYTES: usize = 100;
const NO_INPUT: &str = "the server asks for more input in the middle of a call, which no server gets here";

/// The outcome of a call that was answered.
pub(crate) fn outcome(response: CallToolResponse, result_bytes: usize) -> Outcome {
    match response {
        CallToolResponse::Complete(result) => of_result(result, result_bytes),
        // Sampling, roots and elicitation in another form; and work whose end nobody would hear of.
        CallToolResponse::InputRequired(_) | CallToolResponse::Task(_) => refused(ToolRefusalKind::Failed, NO_INPUT),
        _ => Outcome::Fault(Fault::Malformed),
    }
}

/// The outcome of a call that was answered with an error.
pub(crate) fn of_error(error: &ErrorData) -> Outcome {
    let kind = match error.code {
        ErrorCode::INVALID_PARAMS => ToolRefusalKind::BadArguments,
        ErrorCode::METHOD_NOT_FOUND | ErrorCode::RESOURCE_NOT_FOUND => ToolRefusalKind::NotFound,
        _ => ToolRefusalKind::Failed,
    };
    refused(kind, &error.message)
}

/// A refusal in words of the server or of ours.
pub(crate) fn refused(kind: ToolRefusalKind, sentence: &str) -> Outcome {
    Outcome::Refused(ToolRefusal { kind, sentence: one_line(sentence, SENTENCE_BYTES) })
}

fn of_result(result: CallToolResult, result_bytes: usize) -> Outcome {
    if result.is_error == Some(true) {
        let texts: Vec<_> = result.content.iter().filter_map(|block| block.as_text().map(|text| text.text.as_str())).collect();
        return refused(ToolRefusalKind::Failed, &texts.join(" "));
    }
    let structured = result.structured_content;
    let said = |text: &str| structured.as_ref().is_some_and(|value| serde_json::from_str::<Value>(text).is_ok_and(|said| said == *value));
    // A server that gives a value gives it as text as well, for clients that know nothing of values.
    let content = result.content.into_iter().filter(|block| !block.as_text().is_some_and(|text| said(&text.text)));
    let parts: Option<Vec<_>> = content.map(part).collect();
    let Some(mut parts) = parts else { return Outcome::Fault(Fault::Malformed) };
    parts.extend(structured.as_ref().map(|value| Part::Json(value.to_string())));
    let bytes = parts.iter().map(bytes).fold(0, usize::saturating_add);
    if parts.len() > PARTS_MAX || bytes > result_bytes { Outcome::Fault(Fault::ResultSize) } else { Outcome::Parts(parts) }
}

/// Links are shown and never followed.
fn part(block: ContentBlock) -> Option<Part> {
    match block {
        ContentBlock::Text(text) => Some(Part::Text(text.text)),
        ContentBlock::Image(image) => blob(image.mime_type, image.data),
        ContentBlock::Audio(audio) => blob(audio.mime_type, audio.data),
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
                Some(Part::Json(json!({ "resource": { "uri": uri, "media_type": mime_type, "text": text } }).to_string()))
            }
            ResourceContents::BlobResourceContents { mime_type, blob: data, .. } => {
                blob(mime_type.unwrap_or_else(|| "application/octet-stream".to_owned()), data)
            }
            _ => None,
        },
        ContentBlock::ResourceLink(link) => {
            let link = json!({ "uri": link.uri, "name": link.name, "description": link.description, "media_type": link.mime_type });
            Some(Part::Json(json!({ "resource_link": link }).to_string()))
        }
        _ => None,
    }
}

fn blob(media_type: String, base64: String) -> Option<Part> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let digits = base64.len().is_multiple_of(4) && base64.bytes().all(letter);
    let name = media_type.len() <= MEDIA_TYPE_BYTES
        && media_type.contains('/')
        && media_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (digits && name).then_some(Part::Blob { media_type, base64 })
}

fn bytes(part: &Part) -> usize {
    match part {
        Part::Text(text) | Part::Json(text) => text.len(),
        Part::Blob { media_type, base64 } => media_type.len().saturating_add(base64.len() / 4 * 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(result: Value) -> Outcome {
        outcome(CallToolResponse::Complete(serde_json::from_value(result).unwrap()), 1_000)
    }

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[test]
    fn content_becomes_parts() {
        let image = json!({ "type": "image", "data": "AAAA", "mimeType": "image/png" });
        let link = json!({ "type": "resource_link", "uri": "http://169.254.169.254/", "name": "n" });
        let file = json!({ "type": "resource", "resource": { "uri": "file:///etc/passwd", "text": "x" } });
        let Outcome::Parts(parts) = of(json!({ "content": [{ "type": "text", "text": "a" }, image, link, file] })) else { panic!("parts") };
        let [said, image, Part::Json(link), Part::Json(file)] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(*said, text("a"));
        assert_eq!(*image, Part::Blob { media_type: "image/png".into(), base64: "AAAA".into() });
        assert!(link.contains("169.254") && file.contains("file:///etc/passwd"), "shown, not followed");
    }

    #[test]
    fn a_value_is_given_once() {
        let both = of(json!({ "content": [{ "type": "text", "text": "{ \"a\": 1 }" }], "structuredContent": { "a": 1 } }));
        assert_eq!(both, Outcome::Parts(vec![Part::Json("{\"a\":1}".into())]));
        let others = of(json!({ "content": [{ "type": "text", "text": "{ \"a\": 2 }" }], "structuredContent": { "a": 1 } }));
        assert_eq!(others, Outcome::Parts(vec![text("{ \"a\": 2 }"), Part::Json("{\"a\":1}".into())]));
    }

    #[test]
    fn what_is_too_large_or_is_not_what_it_says_is_told_apart() {
        assert_eq!(of(json!({ "content": [{ "type": "text", "text": "x".repeat(1_001) }] })), Outcome::Fault(Fault::ResultSize));
        let many: Vec<_> = (0..300).map(|_| json!({ "type": "text", "text": "" })).collect();
        assert_eq!(of(json!({ "content": many })), Outcome::Fault(Fault::ResultSize));
        for (data, media_type) in [("no base64", "image/png"), ("AAAA", "image"), ("AAAA", "image/\u{202e}gnp"), ("AAA", "image/png")] {
            let image = json!({ "type": "image", "data": data, "mimeType": media_type });
            assert_eq!(of(json!({ "content": [image] })), Outcome::Fault(Fault::Malformed), "{data} {media_type}");
        }
    }

    #[test]
    fn a_refusal_is_one_line_of_the_server() {
        let failed = of(json!({ "content": [{ "type": "text", "text": "no\n\u{1b}[31mway" }], "isError": true }));
        assert_eq!(failed, refused(ToolRefusalKind::Failed, "no [31mway"));
        let bad = of_error(&ErrorData::new(ErrorCode::INVALID_PARAMS, "x".repeat(5_000), None));
        let Outcome::Refused(ToolRefusal { kind: ToolRefusalKind::BadArguments, sentence }) = bad else { panic!("{bad:?}") };
        assert_eq!(sentence.len(), SENTENCE_BYTES);
    }
}
