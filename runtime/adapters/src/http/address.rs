//! Addresses: only such as everybody who reads them reads in the same way.

use hearth_domain::http::HttpError;
use reqwest::Url;

use super::denied;

/// The default port of `http`.
const PLAIN_PORT: u16 = 80;

/// The address as it is sent to the broker, and whether a connection in the clear is asked for.
///
/// # Errors
///
/// When it is too long, is not `http` or `https`, or is not written as it is read.
pub(super) fn address(text: &str, limit: usize) -> Result<(Url, bool), HttpError> {
    if text.len() > limit {
        return Err(HttpError::Limit(format!("the address is longer than the {limit} bytes allowed")));
    }
    let url = Url::parse(text).ok().filter(|url| is_as_written(text, url));
    let mut url = url.ok_or_else(|| {
        denied("the address is not written plainly: http or https, the host in ASCII, no user, no default port, no spaces, no dot segments")
    })?;
    let plain = url.scheme() == "http";
    // It goes to the broker as `http`, whose default port would be left out: the broker would take the request for port 443.
    if !plain && (url.port() == Some(PLAIN_PORT) || url.set_scheme("http").is_err()) {
        return Err(denied("this address cannot be asked by https"));
    }
    Ok((url, plain))
}

/// Whether scheme, host, port and path stand in the text as the parser found them. What it put into percent signs beyond that is no other
/// place.
fn is_as_written(text: &str, url: &Url) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let path = rest.get(authority.len()..).unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let found = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    matches!(scheme, "http" | "https")
        && scheme == url.scheme()
        && !host.is_empty()
        && authority.eq_ignore_ascii_case(&found)
        && !text.contains(|c: char| c == '\\' || c == ' ' || c.is_ascii_control())
        && !path.split('/').any(is_dots)
}

/// `.` and `..`, which a parser takes out, however they are written.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, bool), HttpError> {
        address(text, 200).map(|(url, plain)| (url.to_string(), plain))
    }

    #[test]
    fn an_address_goes_to_the_broker_in_the_clear_and_with_its_port() {
        for (text, sent, plain) in [
            ("https://api.example/v1?a=1&b=it%27s", "http://api.example/v1?a=1&b=it%27s", false),
            ("https://api.example", "http://api.example/", false),
            ("https://api.example:8443/", "http://api.example:8443/", false),
            ("http://nas.example/feed", "http://nas.example/feed", true),
            ("http://nas.example:443/", "http://nas.example:443/", true),
            ("https://[2001:db8::1]:8443/x", "http://[2001:db8::1]:8443/x", false),
            ("https://API.example/\u{e9}?q=\u{e9}", "http://api.example/%C3%A9?q=%C3%A9", false),
            ("https://api.example/a//b/...", "http://api.example/a//b/...", false),
        ] {
            assert_eq!(read(text), Ok((sent.to_owned(), plain)), "{text}");
        }
    }

    #[test]
    fn an_address_that_could_be_read_in_two_ways_is_refused() {
        for text in [
            "https://good.example@evil.example/",
            "https://good.example\\@evil.example/",
            "https:/evil.example/",
            "https:\\\\evil.example/",
            "https://evil.example\\good.example/",
            "https://good.example:443/",
            "https://good.example:80/",
            "https://good.example:/",
            "https://good.example/a/../b",
            "https://good.example/a/%2E%2e/b",
            "https://good.example/./b",
            "https://good.example/a\tb",
            "https://good.example/ a",
            " https://good.example/",
            "https://b\u{fc}cher.example/",
            "https://0x7f.1/",
            "https://127.1/",
            "HTTPS://good.example/",
            "ftp://good.example/",
            "file:///etc/passwd",
            "data:text/plain,a",
            "/v1",
            "",
        ] {
            assert!(matches!(read(text), Err(HttpError::Denied(_))), "{text:?}");
        }
        assert!(matches!(read(&format!("https://good.example/{}", "a".repeat(200))), Err(HttpError::Limit(_))));
    }
}
