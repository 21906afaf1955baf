//! One page.

use hearth_guest_readable::{charset, html, text};
use hearth_tool::{Answer, Context, Failure, Part, http};
use serde::Deserialize;
use serde_json::json;

/// The longest page that is read, in bytes.
const PAGE_BYTES: usize = html::HTML_BYTES;
/// What is given at once, in characters.
const MOST_CHARS: usize = 20_000;
/// The most that is given at once, in characters.
const MOST_CHARS_LIMIT: usize = 60_000;
/// The most of a page that is made into text, so that it can be given in parts, in characters.
const TEXT_CHARS: usize = 600_000;

#[derive(Deserialize)]
pub(crate) struct Fetch {
    url: String,
    start: Option<usize>,
    most: Option<usize>,
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/") || kind.ends_with("/json") || kind.ends_with("+json") || kind.ends_with("/xml") || kind.ends_with("+xml")
}

pub(crate) fn fetch(fetch: Fetch, context: &Context) -> Result<Answer, Failure> {
    let request = http::Request::get(fetch.url.clone())
        .header("accept", "text/html, text/markdown, text/plain, application/xhtml+xml, application/json;q=0.8, */*;q=0.1")
        .header("accept-language", format!("{}, *;q=0.5", context.locale));
    let response = request.send()?.success()?;
    let content_type = response.header("content-type").map(str::to_ascii_lowercase);
    let kind = content_type.as_deref().unwrap_or("text/html").split(';').next().unwrap_or_default().trim().to_owned();
    if !is_text(&kind) && kind != "application/xhtml" {
        return Err(Failure::failed(
            "this address is not a page but a file of another kind (a picture, a document, a sound); it cannot be read as text",
        ));
    }
    let (bytes, whole) = response.bytes_up_to(PAGE_BYTES)?;
    let source = charset::decode(&bytes, content_type.as_deref());
    let page = if kind == "text/html" || kind.starts_with("application/xhtml") {
        html::page(&source, Some(&fetch.url), TEXT_CHARS)
    } else {
        let cleaned = text::clean(&source);
        let (kept, cut) = text::cut(&cleaned, TEXT_CHARS);
        html::Page { title: String::new(), text: kept.to_owned(), cut }
    };
    let start = fetch.start.unwrap_or(0);
    let at = page.text.char_indices().nth(start).map(|(at, _)| at);
    let rest = match at {
        Some(at) => page.text.get(at..).unwrap_or_default(),
        None if start == 0 => "",
        None => return Err(Failure::bad_arguments("the page is not so long; begin earlier")),
    };
    let (shown, more) = text::cut(rest, fetch.most.unwrap_or(MOST_CHARS).min(MOST_CHARS_LIMIT));
    let next = more.then(|| start.saturating_add(shown.chars().count()));
    let head = json!({ "url": fetch.url, "title": page.title, "next_start": next, "complete": whole && !page.cut && !more });
    Ok(Answer::from(head).and(Part::Text(shown.trim().to_owned())))
}
