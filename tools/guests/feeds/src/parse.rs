//! RSS 2.0, RSS 1.0 and Atom (RFC 4287): different names for the same few things, read without regard to which one it is.

use hearth_guest_readable::{address, html, text};
use quick_xml::{Reader, escape::resolve_html5_entity, events::Event};
use serde::Serialize;

/// The most entries that are read of a feed.
const ENTRIES: usize = 200;
/// The deepest element that is read.
const DEPTH: usize = 64;
/// The longest text of one element, in bytes.
const TEXT_BYTES: usize = 256 * 1_024;
/// What is shown of an entry, in characters.
const TITLE_CHARS: usize = 200;
const SUMMARY_CHARS: usize = 600;

/// A feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) title: String,
    pub(crate) entries: Vec<Entry>,
}

/// One thing that was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// What tells it from others: its id, else its address, else its title.
    #[serde(skip)]
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) url: Option<String>,
    /// As the feed writes it.
    pub(crate) published: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) summary: Option<String>,
}

/// What is being read of an entry or of the feed itself.
#[derive(Default)]
struct Draft {
    id: String,
    title: String,
    link: String,
    published: String,
    updated: String,
    author: String,
    summary: String,
    content: String,
}

impl Draft {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "id" | "guid" => &mut self.id,
            "title" => &mut self.title,
            "link" => &mut self.link,
            "pubDate" | "published" | "date" => &mut self.published,
            "updated" => &mut self.updated,
            "author" | "creator" | "name" => &mut self.author,
            "description" | "summary" => &mut self.summary,
            "encoded" | "content" => &mut self.content,
            _ => return None,
        })
    }

    fn entry(self, base: &str) -> Entry {
        let short = |html: &str, most: usize| text::line(&html::piece(html, Some(base), most).0);
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let url = some(self.link.trim().to_owned()).or_else(|| some(self.id.clone()).filter(|id| id.starts_with("http")));
        let url = url.and_then(|url| address::resolve(Some(base), &url)).filter(|url| url.starts_with("http"));
        let title = short(&self.title, TITLE_CHARS);
        let id = [self.id.trim(), url.as_deref().unwrap_or_default(), title.as_str()]
            .into_iter()
            .find(|id| !id.is_empty())
            .unwrap_or_default()
            .to_owned();
        let summary = if self.summary.trim().is_empty() { &self.content } else { &self.summary };
        Entry {
            summary: some(short(summary, SUMMARY_CHARS)),
            published: some(text::line(if self.published.is_empty() { &self.updated } else { &self.published })),
            author: some(text::cut(&text::line(&self.author), TITLE_CHARS).0.to_owned()),
            id,
            title,
            url,
        }
    }
}

/// The feed of this text, whose own address makes its links whole; none if it is no feed.
pub(crate) fn parse(source: &str, base: &str) -> Option<Feed> {
    let mut reader = Reader::from_str(source);
    // Feeds are written by hand, too.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_dangling_amp = true;
    let mut path: Vec<String> = Vec::new();
    let (mut feed, mut entry): (Draft, Option<Draft>) = (Draft::default(), None);
    let mut entries = Vec::new();
    let mut is_feed = false;
    // What is not well-formed ends the feed, and what came before counts.
    while let Ok(event) = reader.read_event() {
        let piece = match event {
            Event::Eof => break,
            Event::Start(element) => {
                let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                is_feed |= path.is_empty() && matches!(name.as_str(), "rss" | "feed" | "RDF");
                if path.len() >= DEPTH {
                    break;
                }
                if matches!(name.as_str(), "item" | "entry") && entry.is_none() {
                    entry = Some(Draft::default());
                }
                link(&element, entry.as_mut().unwrap_or(&mut feed));
                path.push(name);
                continue;
            }
            Event::Empty(element) => {
                link(&element, entry.as_mut().unwrap_or(&mut feed));
                continue;
            }
            Event::End(_) => {
                let name = path.pop().unwrap_or_default();
                if matches!(name.as_str(), "item" | "entry")
                    && let Some(done) = entry.take()
                {
                    entries.push(done.entry(base));
                    if entries.len() >= ENTRIES {
                        break;
                    }
                }
                continue;
            }
            Event::Text(text) => text.xml10_content().map(|text| text.into_owned()).unwrap_or_default(),
            Event::CData(text) => text.xml10_content().map(|text| text.into_owned()).unwrap_or_default(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => character.to_string(),
                _ => reference.decode().ok().and_then(|name| resolve_html5_entity(&name)).unwrap_or_default().to_owned(),
            },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
        };
        let draft = entry.as_mut().unwrap_or(&mut feed);
        if let Some(field) = path.last().and_then(|name| draft.field(name))
            && field.len() < TEXT_BYTES
        {
            field.push_str(&piece);
        }
    }
    is_feed.then(|| Feed { title: text::cut(&text::line(&feed.title), TITLE_CHARS).0.to_owned(), entries })
}

/// Atom's link is an attribute; the one without a relation, or to the page itself, counts.
fn link(element: &quick_xml::events::BytesStart<'_>, draft: &mut Draft) {
    if element.local_name().as_ref() != b"link" {
        return;
    }
    let attribute = |name: &str| {
        let attribute = element.try_get_attribute(name).ok()??;
        attribute.unescape_value().ok().map(|value| value.into_owned())
    };
    let page = attribute("rel").is_none_or(|rel| rel == "alternate");
    if let Some(href) = attribute("href").filter(|_| page && draft.link.is_empty()) {
        draft.link = href;
    }
}
