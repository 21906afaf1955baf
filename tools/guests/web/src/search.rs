//! A search through SearXNG: its page `/search` with `format=json`.

use hearth_guest_readable::text;
use hearth_tool::{Answer, Context, Failure, http, kv};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where it is asked if nobody said otherwise.
const ADDRESS: &str = "http://searxng.local:8080";
const KEY: &str = "searxng";
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 2 << 20;
/// The longest extract and title, in characters.
const EXTRACT_CHARS: usize = 400;
const TITLE_CHARS: usize = 200;
/// The longest address, in bytes.
const ADDRESS_BYTES: usize = 2_048;

#[derive(Deserialize)]
pub(crate) struct Search {
    query: String,
    count: Option<usize>,
    since: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Setup {
    address: String,
}

#[derive(Deserialize)]
struct Found {
    results: Vec<Hit>,
    #[serde(default)]
    answers: Vec<Value>,
}

#[derive(Deserialize)]
struct Hit {
    url: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default, rename = "publishedDate")]
    published: Option<String>,
}

pub(crate) fn setup(setup: Setup, _context: &Context) -> Result<Answer, Failure> {
    let address = setup.address.trim().trim_end_matches('/');
    let host = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.chars().any(char::is_whitespace) {
        return Err(Failure::bad_arguments("the address is http:// or https:// with a host, and a port if it has one"));
    }
    kv::set(KEY, address.as_bytes())?;
    Ok(json!({ "address": address }).into())
}

pub(crate) fn search(search: Search, context: &Context) -> Result<Answer, Failure> {
    let address = kv::get(KEY)?.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| ADDRESS.to_owned());
    let mut url = http::Url::new(&format!("{address}/search")).query("q", &search.query).query("format", "json");
    url = url.query("language", &context.locale);
    if let Some(since) = &search.since {
        url = url.query("time_range", since);
    }
    let response = http::Request::get(url).header("accept", "application/json").send()?;
    if response.status == 403 {
        return Err(Failure::failed(
            "the search refuses to answer as JSON; allow the format json in SearXNG's settings.yml (search: formats)",
        ));
    }
    let found: Found = response.success()?.json_limited(ANSWER_BYTES)?;
    let usable = found.results.into_iter().filter(|hit| hit.url.len() <= ADDRESS_BYTES && hit.url.starts_with("http"));
    let results = usable.take(search.count.unwrap_or(8).clamp(1, 20)).map(|hit| {
        let short = |text: Option<String>, most: usize| text.map(|text| text::cut(&text::line(&text), most).0.to_owned());
        json!({
            "title": short(hit.title, TITLE_CHARS),
            "url": hit.url,
            "extract": short(hit.content, EXTRACT_CHARS),
            "published": hit.published,
        })
    });
    let results: Vec<Value> = results.collect();
    // Newer ones are objects, older ones plain text.
    let answers = found.answers.iter().filter_map(|answer| answer.as_str().or_else(|| answer.get("answer").and_then(Value::as_str)));
    let answers: Vec<String> = answers.map(|answer| text::cut(&text::line(answer), EXTRACT_CHARS).0.to_owned()).take(3).collect();
    Ok(json!({ "results": results, "answers": answers }).into())
}
