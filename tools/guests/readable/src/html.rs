//! HTML as Markdown: what a reader would see, with its links.
//!
//! Dropped: scripts, forms, frames, navigation, pictures (their description stays), comments, and elements that are hidden by attribute,
//! inline style or a usual class. A style sheet is not read: text that only it hides is still there. All of this is about being readable;
//! what a page says stays the word of somebody outside.

use html5ever::{parse_document, tendril::TendrilSink};

mod hidden;
mod markdown;
#[cfg(test)]
mod tests;
mod tree;

use tree::{Tree, TreeMaker};

/// The longest page that is parsed, in bytes.
pub const HTML_BYTES: usize = 4 << 20;

/// An article shorter than this is no reason to leave out what stands around it, in characters.
const ARTICLE_CHARS: usize = 400;

/// A page as a reader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Of its head; empty if there is none.
    pub title: String,
    /// Markdown.
    pub text: String,
    /// Whether its end is missing.
    pub cut: bool,
}

fn parse(html: &str) -> Tree {
    let (html, _) = floor(html);
    let maker = parse_document(TreeMaker::default(), html5ever::ParseOpts::default());
    maker.one(html)
}

/// The most of a page that is parsed, and whether that is not all.
fn floor(html: &str) -> (&str, bool) {
    let mut end = html.len().min(HTML_BYTES);
    while !html.is_char_boundary(end) {
        end -= 1;
    }
    (html.get(..end).unwrap_or_default(), end < html.len())
}

/// The main part of a page, as Markdown of at most so many characters. Links are made whole by the page's own address.
#[must_use]
pub fn page(html: &str, address: Option<&str>, limit_chars: usize) -> Page {
    let tree = parse(html);
    let base = tree.first("base").and_then(|base| tree.attribute(base, "href")).and_then(|href| crate::address::resolve(address, href));
    let base = base.as_deref().or(address);
    let title = tree.first("title").map(|title| crate::text::line(&tree.text(title))).unwrap_or_default();
    let mut best = None;
    for name in ["main", "article"] {
        let found = tree.all(name);
        // Several articles are a list of them.
        if let [only] = found.as_slice() {
            best = Some(*only).filter(|only| !hidden::is(&tree, *only));
        }
        if best.is_some() {
            break;
        }
    }
    let mut text = best.map(|best| markdown::write(&tree, best, base, limit_chars)).unwrap_or_default();
    if text.chars().count() < ARTICLE_CHARS.min(limit_chars) {
        let whole = markdown::write(&tree, tree.root(), base, limit_chars);
        if text.is_empty() || whole.chars().count() > 4 * text.chars().count() {
            text = whole;
        }
    }
    let (kept, cut) = crate::text::cut(&text, limit_chars);
    Page { title, text: kept.trim_end().to_owned(), cut: cut || floor(html).1 }
}

/// A piece of HTML as Markdown of at most so many characters, and whether its end is missing.
#[must_use]
pub fn piece(html: &str, address: Option<&str>, limit_chars: usize) -> (String, bool) {
    let tree = parse(html);
    let text = markdown::write(&tree, tree.root(), address, limit_chars);
    let (kept, cut) = crate::text::cut(&text, limit_chars);
    (kept.trim_end().to_owned(), cut)
}
