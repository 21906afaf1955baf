//! A document in parts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hearth_guest_readable::{charset, html, text as words};
use hearth_tool::{Answer, Context, Failure, Part, http};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{docx, kind::Kind, pdf, table};

/// The longest document, in bytes.
const FILE_BYTES: usize = 16 << 20;
/// What is given at once, in characters, and the most of it.
const MOST_CHARS: usize = 20_000;
const MOST_CHARS_LIMIT: usize = 60_000;
/// The most of a document that is made into text, so that it can be given in parts, in characters.
const TEXT_CHARS: usize = 2_000_000;

#[derive(Deserialize)]
pub(crate) struct Text {
    data: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    media_type: String,
    start: Option<usize>,
    most: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct Fetch {
    url: String,
    start: Option<usize>,
    most: Option<usize>,
}

/// What is read, and which part of it is wanted.
struct Wanted<'a> {
    bytes: &'a [u8],
    name: &'a str,
    media_type: &'a str,
    start: usize,
    most: usize,
}

pub(crate) fn text(asked: Text, _context: &Context) -> Result<Answer, Failure> {
    let bytes = STANDARD.decode(asked.data.trim()).map_err(|_not_base64| Failure::bad_arguments("the data is not base64"))?;
    let wanted = Wanted {
        bytes: &bytes,
        name: &asked.name,
        media_type: &asked.media_type,
        start: asked.start.unwrap_or(0),
        most: asked.most.unwrap_or(MOST_CHARS),
    };
    read(&wanted, Map::new())
}

pub(crate) fn fetch(asked: Fetch, _context: &Context) -> Result<Answer, Failure> {
    let response = http::get(asked.url.clone())?.success()?;
    let media_type = response.header("content-type").unwrap_or_default().to_owned();
    let bytes = response.bytes_limited(FILE_BYTES)?;
    let wanted = Wanted {
        bytes: &bytes,
        name: asked.url.split(['?', '#']).next().unwrap_or_default(),
        media_type: &media_type,
        start: asked.start.unwrap_or(0),
        most: asked.most.unwrap_or(MOST_CHARS),
    };
    read(&wanted, Map::from_iter([("url".to_owned(), json!(asked.url))]))
}

/// The whole text, and whether it is whole.
fn whole(wanted: &Wanted<'_>, kind: Kind) -> Result<(String, bool), Failure> {
    let source = || charset::decode(wanted.bytes, Some(wanted.media_type).filter(|media_type| !media_type.is_empty()));
    Ok(match kind {
        Kind::Pdf => pdf::text(wanted.bytes, TEXT_CHARS)?,
        Kind::Docx => docx::text(wanted.bytes, TEXT_CHARS)?,
        Kind::Table(parted_by) => table::text(&source(), parted_by, TEXT_CHARS)?,
        Kind::Html => {
            let page = html::page(&source(), None, TEXT_CHARS);
            (page.text, !page.cut)
        }
        Kind::Text => (source(), true),
    })
}

fn read(wanted: &Wanted<'_>, mut head: Map<String, Value>) -> Result<Answer, Failure> {
    let kind = Kind::of(wanted.bytes, wanted.name, wanted.media_type)
        .ok_or_else(|| Failure::bad_arguments("this file is no document with text: PDF, DOCX, HTML, CSV and plain text can be read"))?;
    let (text, complete) = whole(wanted, kind)?;
    let cleaned = words::clean(&text);
    let (text, cut) = words::cut(cleaned.trim(), TEXT_CHARS);
    let at = text.char_indices().nth(wanted.start).map(|(at, _)| at);
    let rest = match at {
        Some(at) => text.get(at..).unwrap_or_default(),
        None if wanted.start == 0 => "",
        None => return Err(Failure::bad_arguments("the document is not so long; begin earlier")),
    };
    let (shown, more) = words::cut(rest, wanted.most.min(MOST_CHARS_LIMIT));
    head.insert("kind".to_owned(), json!(kind.word()));
    head.insert("next_start".to_owned(), json!(more.then(|| wanted.start.saturating_add(shown.chars().count()))));
    head.insert("complete".to_owned(), json!(complete && !cut && !more));
    Ok(Answer::from(Value::Object(head)).and(Part::Text(shown.to_owned())))
}
