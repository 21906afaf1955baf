//! Addresses of pages: whether the member said one, which links a text has, and where a page is.
//!
//! An address that is asked for is sent to whoever keeps it, and may have anything in its name, its path and its query. So one that the member
//! did not say asks, however harmless a page may be to read.

use linkify::{LinkFinder, LinkKind};
use serde_json::Value;
use url::Url;

use super::words::Words;

/// The mention of an address in the member's words: all of it, where `https://www.` and a last `/` may be left out.
#[must_use]
pub fn said(words: &Words, address: &str) -> Option<String> {
    let (host, page) = bare(address);
    let is_host = host.contains('.') && !host.contains('@');
    let same = |word: &str| {
        let (said, rest) = bare(word);
        said.eq_ignore_ascii_case(host) && rest == page
    };
    words.each().find(|word| is_host && same(word)).map(|word| Value::from(word).to_string())
}

/// The links of a text of which the member said nothing.
pub fn unsaid<'a>(words: &'a Words, text: &'a str) -> impl Iterator<Item = &'a str> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(false);
    let found: Vec<_> = finder.links(text).map(|link| link.as_str()).collect();
    found.into_iter().filter(|link| said(words, link).is_none() && !words.say(link))
}

/// Whether a text has this address in it, from its beginning to its end. The last stop of a sentence is none of it.
#[must_use]
pub fn is_in(text: &str, address: &str) -> bool {
    let goes_on = |letter: char| letter.is_alphanumeric() || "/?#&=%_~+-@:".contains(letter);
    let begins = |before: &str| !before.ends_with(|last: char| goes_on(last) || last == '.');
    let ends = |after: &str| !after.trim_start_matches('.').starts_with(goes_on);
    let stands =
        |(at, found): (usize, &str)| text.get(..at).is_some_and(begins) && text.get(at.saturating_add(found.len())..).is_some_and(ends);
    text.match_indices(address).any(stands)
}

/// Where a page is, without which page: scheme, host and port. None for what is no address of one.
#[must_use]
pub fn place(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.username().is_empty() && url.password().is_none()).then(|| url.origin().ascii_serialization())
}

/// Host and port, and what follows, without what people leave out.
fn bare(address: &str) -> (&str, &str) {
    let strip = |text: &'_ str, begin: &str| text.get(..begin.len()).is_some_and(|head| head.eq_ignore_ascii_case(begin));
    let mut rest = address;
    for begin in ["https://", "http://", "www."] {
        if strip(rest, begin) {
            rest = rest.get(begin.len()..).unwrap_or_default();
        }
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_said_as_people_write_it_and_never_in_part() {
        let words = Words::new("Look at bbc.com, https://www.example.org/a/b?c=1 and www.news.example/today please. My dog is called co.");
        for address in ["bbc.com", "https://bbc.com", "HTTPS://WWW.BBC.COM/", "https://example.org/a/b?c=1", "http://news.example/today/"] {
            assert!(said(&words, address).is_some(), "{address}");
        }
        for address in [
            "https://bbc.com/x",
            "https://evil.bbc.com",
            "https://bbc.co",
            "https://bbc.com.evil.example",
            "https://bbc.com?secret",
            "https://bbc.com:8080",
            "https://bbc.com@evil.example/",
            "https://example.org",
            "https://example.org/a/b",
            "https://example.org/a/b?c=12",
            "https://co/",
            "https://dog",
        ] {
            assert_eq!(said(&words, address), None, "{address}");
        }
    }

    #[test]
    fn links_that_nobody_said_are_found_in_a_text() {
        let words = Words::new("Tell Bo about www.bbc.com and mail me@example.org");
        let unsaid = |text: &str| unsaid(&words, text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(unsaid("Look at https://bbc.com. It is 10.30 on the 5.6."), Vec::<String>::new());
        assert_eq!(
            unsaid("Go to www.secure-systems-252.com now, see https://x.example/?d=1."),
            ["www.secure-systems-252.com", "https://x.example/?d=1"]
        );
    }

    #[test]
    fn an_address_in_a_text_is_all_of_one() {
        let text = r#"["See https://a.example/x?y=1. And \"www.b.example\", (https://c.example/z)"]"#;
        for address in ["https://a.example/x?y=1", "www.b.example", "https://c.example/z"] {
            assert!(is_in(text, address), "{address}");
        }
        for part in ["https://a.example/x", "a.example/x?y=1", "b.example", "https://c.example", "https://a.example/x?y=12", ".example/z"] {
            assert!(!is_in(text, part), "{part}");
        }
    }

    #[test]
    fn a_place_is_scheme_host_and_port() {
        assert_eq!(place("https://En.Wikipedia.org/wiki/Rust?x#y").as_deref(), Some("https://en.wikipedia.org"));
        assert_eq!(place("http://nas.example:8080/a").as_deref(), Some("http://nas.example:8080"));
        for other in ["en.wikipedia.org", "ftp://a.example", "https://a@b.example/", "", "https://"] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
