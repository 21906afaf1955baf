//! A tool's request, read in one way only.
//!
//! The house authorises what a sandbox asks for, and another process reads the same text again and sends it. So nothing is accepted here
//! that any reader could take for something else: the accepted addresses are those that the WHATWG parser leaves exactly as they are.

// Addresses as values; the domain opens nothing.
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::secret::Scheme;

/// Longest address that is read, in bytes.
pub const URL_MAX: usize = 16 * 1024;
/// Longest name of a host, in bytes (RFC 1035 section 2.3.4, without the trailing dot).
pub const HOST_MAX: usize = 253;
/// Longest label of such a name, in bytes (RFC 1035 section 2.3.4).
pub const LABEL_MAX: usize = 63;
/// Longest method, in bytes.
pub const METHOD_MAX: usize = 24;

/// Methods that ask and change nothing (RFC 9110 section 9.2.1; RFC 4918 section 9.1 and RFC 3253 section 3.6 for calendars). OPTIONS
/// is left out because nothing has a use for it, TRACE because it returns the credential that was sent.
pub const SAFE_METHODS: [&str; 4] = ["GET", "HEAD", "PROPFIND", "REPORT"];

/// The parts of a request by which it is authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestParts {
    /// In upper case.
    pub method: String,
    /// How.
    pub scheme: Scheme,
    /// A name in lower-case ASCII, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// As it is sent, beginning with a slash.
    pub path: String,
}

/// Why a request is not even looked at. Says what is wrong, never what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method.
    #[error("the method is not one that is sent: upper-case letters only, and neither CONNECT nor TRACE")]
    Method,
    /// The scheme.
    #[error("the address does not begin with https:// or http://")]
    Scheme,
    /// It is too long.
    #[error("the address is longer than {URL_MAX} bytes")]
    TooLong,
    /// The host.
    #[error("the host is not written plainly: a name in lower-case letters, digits, hyphens and dots, or an address in its usual form")]
    Host,
    /// The port.
    #[error("the port is no number from 1 to 65535")]
    Port,
    /// The path.
    #[error("the path can be read in two ways: no empty or dot segments, and no slash, backslash, dot, percent sign or control encoded")]
    Path,
    /// Something that has to be encoded.
    #[error("the address holds a letter that has to be percent-encoded, or a fragment")]
    Letter,
}

impl RequestParts {
    /// The parts of a request with this method to this address. The query is checked and left out: no rule speaks of it.
    ///
    /// # Errors
    ///
    /// The first thing that can be read in two ways.
    pub fn read(method: &str, url: &str) -> Result<Self, RequestError> {
        check_method(method)?;
        if url.len() > URL_MAX {
            return Err(RequestError::TooLong);
        }
        let (origin, rest) = Origin::split(url)?;
        let (path, query) = rest.split_once('?').map_or((rest, ""), |(path, query)| (path, query));
        if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(RequestError::Letter);
        }
        let path = if path.is_empty() { "/" } else { path };
        check_path(path)?;
        Ok(Self { method: method.to_owned(), scheme: origin.scheme, host: origin.host, port: origin.port, path: path.to_owned() })
    }
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Origin {
    /// The origin of an address, and what follows it.
    pub(super) fn split(url: &str) -> Result<(Self, &str), RequestError> {
        let (scheme, rest) = split_scheme(url)?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        Ok((Self { scheme, host: host.to_owned(), port: port.unwrap_or(default_port(scheme)) }, rest))
    }
}

/// The scheme of an address, and what follows it.
pub(super) fn split_scheme(url: &str) -> Result<(Scheme, &str), RequestError> {
    let https = url.strip_prefix("https://").map(|rest| (Scheme::Https, rest));
    https.or_else(|| url.strip_prefix("http://").map(|rest| (Scheme::Http, rest))).ok_or(RequestError::Scheme)
}

/// The port of a scheme.
pub(super) const fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Https => 443,
        Scheme::Http => 80,
    }
}

/// The scheme as it is written.
pub(super) const fn scheme_text(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
    }
}

/// Whether a method can be sent.
pub(super) fn check_method(method: &str) -> Result<(), RequestError> {
    let plain = !method.is_empty() && method.len() <= METHOD_MAX && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if plain && !matches!(method, "CONNECT" | "TRACE" | "TRACK") { Ok(()) } else { Err(RequestError::Method) }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), RequestError> {
    let host_end = if authority.starts_with('[') { authority.find(']').ok_or(RequestError::Host)? } else { 0 };
    let tail = authority.get(host_end..).unwrap_or_default();
    let Some(at) = tail.find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(host_end.saturating_add(at));
    let port = port.get(1..).unwrap_or_default();
    let plain = !port.starts_with('0') && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if plain { port.parse().map(|port| (host, Some(port))).map_err(|_| RequestError::Port) } else { Err(RequestError::Port) }
}

fn check_host(host: &str) -> Result<(), RequestError> {
    let fits = if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // The forms with an IPv4 address inside are printed differently by different printers.
        inside.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_string() == inside) && !inside.contains('.')
    } else {
        is_ipv4(host) || is_name(host)
    };
    if fits { Ok(()) } else { Err(RequestError::Host) }
}

fn is_ipv4(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.to_string() == host)
}

/// Whether a host is a name: plain labels, the last of which begins with a letter, because others read a number there as an address.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().and_then(|label| label.bytes().next());
    host.len() <= HOST_MAX && host.split('.').all(label) && last.is_some_and(|byte| byte.is_ascii_lowercase())
}

/// Whether a host can be one of the public internet by its form: a name of two labels or more, and no address.
pub(super) fn is_public_name(host: &str) -> bool {
    is_name(host) && host.contains('.')
}

/// Whether a path is read in one way only, however often its reader decodes it.
pub(super) fn check_path(path: &str) -> Result<(), RequestError> {
    let segments = path.strip_prefix('/').ok_or(RequestError::Path)?;
    if !path.bytes().all(sent_as_is) {
        return Err(RequestError::Letter);
    }
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Servers that know parameters read `..;x` as `..`.
        let name = segment.split(';').next().unwrap_or_default();
        let empty_inside = name.is_empty() && (segments.peek().is_some() || !segment.is_empty());
        if empty_inside || matches!(name, "." | "..") || !escapes(segment) {
            return Err(RequestError::Path);
        }
    }
    Ok(())
}

/// Whether the WHATWG parser leaves this byte of a path as it is, and no reader takes it for a separator.
const fn sent_as_is(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Whether each percent sign is followed by two digits, which stand for nothing that a second reading could make a separator of.
fn escapes(segment: &str) -> bool {
    segment.split('%').skip(1).all(|rest| {
        let value = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = value.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        value.is_some_and(|byte| !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'.' | b'%' | b'#' | b'?' | b';'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_address_is_read_into_its_parts() {
        let parts = RequestParts::read("GET", "https://api.example.com/v1/a%20b?q=1&p=%2f").unwrap();
        assert_eq!((parts.host.as_str(), parts.port, parts.path.as_str()), ("api.example.com", 443, "/v1/a%20b"));
        let parts = RequestParts::read("PUT", "http://192.168.1.9:8123").unwrap();
        assert_eq!((parts.scheme, parts.host.as_str(), parts.port, parts.path.as_str()), (Scheme::Http, "192.168.1.9", 8123, "/"));
        let parts = RequestParts::read("GET", "https://[fd12::1]:8443?a").unwrap();
        assert_eq!((parts.host.as_str(), parts.port, parts.path.as_str()), ("[fd12::1]", 8443, "/"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        use RequestError::{Host, Letter, Path, Port, Scheme};
        let table = [
            ("ftp://a.com/", Scheme),
            ("HTTPS://a.com/", Scheme),
            ("https:/a.com/", Scheme),
            ("https:///a.com/", Host),
            ("https://user@a.com/", Host),
            ("https://A.com/", Host),
            ("https://a.com./", Host),
            ("https://a..com/", Host),
            ("https://\u{430}.com/", Host),
            ("https://a.com\\@b.com/", Host),
            ("https://a%2ecom/", Host),
            ("https://127.1/", Host),
            ("https://2130706433/", Host),
            ("https://0x7f000001/", Host),
            ("https://0177.0.0.1/", Host),
            ("https://a.0x7f/", Host),
            ("https://[::ffff:1.2.3.4]/", Host),
            ("https://[::FFFF]/", Host),
            ("https://[::1/", Host),
            ("https://*.a.com/", Host),
            ("https://hearth_secret_mine_.a.com/", Host),
            ("https://a.com:0/", Port),
            ("https://a.com:/", Port),
            ("https://a.com:65536/", Port),
            ("https://a.com:443:80/", Port),
            ("https://[::1]x:80/", Host),
            ("https://a.com/../b", Path),
            ("https://a.com/./b", Path),
            ("https://a.com/a/..", Path),
            ("https://a.com/..;x/b", Path),
            ("https://a.com/;x/b", Path),
            ("https://a.com//b", Path),
            ("https://a.com/%2e%2e/b", Path),
            ("https://a.com/%252e/b", Path),
            ("https://a.com/a%2fb", Path),
            ("https://a.com/a%5Cb", Path),
            ("https://a.com/a%00", Path),
            ("https://a.com/a%3bb", Path),
            ("https://a.com/a%4", Path),
            ("https://a.com/a%zz", Path),
            ("https://a.com/a%+1", Path),
            ("https://a.com/a\\b", Letter),
            ("https://a.com/a b", Letter),
            ("https://a.com/ä", Letter),
            ("https://a.com/a#b", Letter),
            ("https://a.com/a?b#c", Letter),
            ("https://a.com/a?b\n", Letter),
            ("https://a.com/{a}", Letter),
        ];
        for (url, error) in table {
            assert_eq!(RequestParts::read("GET", url), Err(error), "{url}");
        }
        for method in ["", "get", "CONNECT", "TRACE", "GET ", "G\r\n"] {
            assert_eq!(RequestParts::read(method, "https://a.com/"), Err(RequestError::Method), "{method}");
        }
        let long = format!("https://a.com/{}", "a".repeat(URL_MAX));
        assert_eq!(RequestParts::read("GET", &long), Err(RequestError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}", rest in "[a.:/\\[\\]?#%2e1@;]{0,40}") {
            let _ = RequestParts::read(&text, &text);
            let _ = RequestParts::read("GET", &format!("https://{text}"));
            if let Ok(parts) = RequestParts::read("GET", &format!("https://{rest}")) {
                let again = format!("https://{}:{}{}", parts.host, parts.port, parts.path);
                prop_assert_eq!(RequestParts::read("GET", &again).unwrap(), parts);
            }
        }
    }
}
