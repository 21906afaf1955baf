//! The operations.

use std::collections::BTreeSet;

use hearth_guest_readable::charset;
use hearth_tool::{Answer, Context, Failure, http, kv, progress};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::parse::{Feed, parse};

/// The longest feed that is read, in bytes.
const FEED_BYTES: usize = 4 << 20;
/// The most feeds that are followed.
const FEEDS: usize = 50;
/// Entries that are remembered as told, of each feed; more than a feed shows at once.
const TOLD: usize = 300;
/// A key may not be longer than 128 bytes.
const URL_BYTES: usize = 120;

#[derive(Deserialize)]
pub(crate) struct Read {
    url: String,
    count: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    url: String,
}

#[derive(Deserialize)]
pub(crate) struct News {
    count: Option<usize>,
}

/// What is kept of a feed.
#[derive(Serialize, Deserialize)]
struct Followed {
    title: String,
    /// Digests of the entries that were told.
    told: BTreeSet<u64>,
}

/// FNV-1a, 64 bits: enough to tell a feed's entries apart.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn key(url: &str) -> Result<String, Failure> {
    if url.len() > URL_BYTES { Err(Failure::bad_arguments("the address is too long to be followed")) } else { Ok(format!("feed/{url}")) }
}

fn load(url: &str) -> Result<Feed, Failure> {
    let accept = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1";
    let response = http::Request::get(url).header("accept", accept).send()?.success()?;
    let content_type = response.header("content-type").map(str::to_owned);
    let bytes = response.bytes_limited(FEED_BYTES)?;
    let source = charset::decode(&bytes, content_type.as_deref());
    parse(&source, url).ok_or_else(|| Failure::failed("what is at this address is not an RSS or Atom feed"))
}

pub(crate) fn read(read: Read, _context: &Context) -> Result<Answer, Failure> {
    let mut feed = load(&read.url)?;
    feed.entries.truncate(read.count.unwrap_or(10).clamp(1, 50));
    Ok(json!({ "feed": feed.title, "entries": feed.entries }).into())
}

pub(crate) fn follow(named: Named, _context: &Context) -> Result<Answer, Failure> {
    let key = key(&named.url)?;
    if kv::get(&key)?.is_none() && kv::keys("feed/")?.len() >= FEEDS {
        return Err(Failure::denied("too many feeds are followed; unfollow one first"));
    }
    let feed = load(&named.url)?;
    // What is there now is not news.
    let told = feed.entries.iter().map(|entry| digest(&entry.id)).take(TOLD).collect();
    kv::set_json(&key, &Followed { title: feed.title.clone(), told })?;
    Ok(json!({ "feed": feed.title, "url": named.url }).into())
}

pub(crate) fn unfollow(named: Named, _context: &Context) -> Result<Answer, Failure> {
    kv::delete(&key(&named.url)?)?;
    Ok(json!({ "url": named.url }).into())
}

pub(crate) fn followed(_nothing: Value, _context: &Context) -> Result<Answer, Failure> {
    let mut feeds = Vec::new();
    for key in kv::keys("feed/")? {
        let title = kv::get_json::<Followed>(&key).ok().flatten().map(|feed| feed.title);
        feeds.push(json!({ "url": key.strip_prefix("feed/"), "title": title }));
    }
    Ok(json!(feeds).into())
}

pub(crate) fn news(news: News, _context: &Context) -> Result<Answer, Failure> {
    let most = news.count.unwrap_or(10).clamp(1, 50);
    let (mut entries, mut failed) = (Vec::new(), Vec::new());
    let mut more = false;
    for key in kv::keys("feed/")? {
        let Some(mut kept) = kv::get_json::<Followed>(&key)? else { continue };
        let url = key.strip_prefix("feed/").unwrap_or_default().to_owned();
        progress(&format!("reading {}", kept.title));
        // One feed that is down does not keep the others from being told.
        let feed = match load(&url) {
            Ok(feed) => feed,
            Err(why) => {
                failed.push(json!({ "url": url, "why": why.to_string() }));
                continue;
            }
        };
        let mut told = BTreeSet::new();
        for entry in feed.entries.into_iter().take(TOLD) {
            let digest = digest(&entry.id);
            if kept.told.contains(&digest) {
                told.insert(digest);
            } else if entries.len() < most {
                told.insert(digest);
                entries.push(json!({ "feed": kept.title, "entry": entry }));
            } else {
                more = true;
            }
        }
        // What the feed no longer shows is forgotten with it.
        kept.told = told;
        kv::set_json(&key, &kept)?;
    }
    Ok(json!({ "news": entries, "more": more, "unreachable": failed }).into())
}
