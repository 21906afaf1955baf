//! Heads: what is read from a client's, what is taken out on the way, what is put in.

use hearth_domain::http::broker::{ASKING, FOR, HOP, IDEMPOTENT, OWN, REDIRECTS, SCHEME};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};

use crate::egress::failure::Failure;
use crate::egress::ports::{Asked, Head, Scheme, Target, Written};

/// Bytes for which a head's lines seldom need more room.
const LINES_BYTES: usize = 1024;

/// What else a client asks of the broker itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) idempotent: bool,
    pub(super) follow: bool,
}

/// Takes out what concerns one connection, and every header of the house's own.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let goes = |name: &&HeaderName| name.as_str().starts_with(OWN) || HOP.contains(&name.as_str()) || named.contains(name);
    let going: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
    for name in &going {
        headers.remove(name);
    }
}

/// Takes out what the broker writes itself.
fn strip_own_affairs(headers: &mut HeaderMap) {
    for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
        headers.remove(name);
    }
}

/// One of the house's headers; twice is as good as a lie.
fn own(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(name).iter();
    let (first, more) = (values.next(), values.next());
    match (first.map(HeaderValue::to_str), more) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text.to_owned())),
        (Some(_), _) => Err(Failure::Target("a hearth header is there twice or holds more than plain text")),
    }
}

fn authority(parts: &Parts) -> Result<String, Failure> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Failure::Target("it names two hosts"));
    }
    let host = host.map(|host| host.to_str()).transpose().map_err(|_| Failure::Target("its host is not plain text"))?;
    match (parts.uri.authority().map(http::uri::Authority::as_str), host) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => Err(Failure::Target("its address and its Host header differ")),
        (Some(one), _) | (None, Some(one)) if !one.is_empty() => Ok(one.to_owned()),
        (Some(_) | None, _) => Err(Failure::Target("it names no host")),
    }
}

fn opens_websocket(parts: &Parts) -> Result<bool, Failure> {
    let Some(upgrade) = parts.headers.get(header::UPGRADE) else { return Ok(false) };
    let websocket = upgrade.as_bytes().eq_ignore_ascii_case(b"websocket");
    // An upgrade that is not understood is ignored (RFC 9110 7.8): h2c, for one.
    if !websocket {
        return Ok(false);
    }
    let fits = parts.method == Method::GET && parts.version == Version::HTTP_11;
    if fits { Ok(true) } else { Err(Failure::Upgrade("it is opened by GET in HTTP/1.1")) }
}

/// Reads a client's head. Its headers are taken out of it.
pub(super) fn read(parts: &mut Parts) -> Result<(Head, Wishes), Failure> {
    if parts.method == Method::CONNECT {
        return Err(Failure::Target("tunnels are not made here; send the request itself"));
    }
    let asked = match own(&parts.headers, SCHEME)?.as_deref() {
        None | Some("https") => Asked::Tls,
        Some("http") => Asked::Plain,
        Some(_) => return Err(Failure::Target("hearth-scheme is http or https")),
    };
    let wishes = Wishes {
        idempotent: own(&parts.headers, IDEMPOTENT)?.as_deref() == Some("yes"),
        follow: own(&parts.headers, REDIRECTS)?.as_deref() == Some("follow"),
    };
    let (asking, member) = (own(&parts.headers, ASKING)?, own(&parts.headers, FOR)?);
    let (authority, upgrade) = (authority(parts)?, opens_websocket(parts)?);
    // What opens a WebSocket is looked at once more.
    let mut headers = if upgrade { parts.headers.clone() } else { std::mem::take(&mut parts.headers) };
    strip(&mut headers);
    strip_own_affairs(&mut headers);
    let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let head = Head { method: parts.method.clone(), asked, authority, path_and_query, headers, asking, member, upgrade };
    Ok((head, wishes))
}

/// A head as a scan reads it: a line for each header.
pub(super) fn lines<'a>(first: &[&str], headers: impl IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> Vec<u8> {
    let mut text = Vec::with_capacity(LINES_BYTES);
    text.extend_from_slice(first.join(" ").as_bytes());
    text.push(b'\n');
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}

/// What may be asked of a server: only packings that can be looked through, and none unless the client wanted one.
pub(super) fn accept_encoding(headers: &mut HeaderMap) {
    let wants_gzip = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("gzip"));
    let value = if wants_gzip { HeaderValue::from_static("gzip") } else { HeaderValue::from_static("identity") };
    headers.insert(header::ACCEPT_ENCODING, value);
}

/// The head for an HTTP/1.1 server.
pub(super) fn for_http1(target: &Target, written: &Written) -> Result<http::request::Builder, Failure> {
    let host = HeaderValue::try_from(target.authority()).map_err(|_| Failure::Unwritable)?;
    let mut headers = HeaderMap::with_capacity(written.headers.len() + 4);
    // First, as RFC 9110 7.2 advises.
    headers.insert(header::HOST, host);
    for (name, value) in &written.headers {
        headers.append(name, value.clone());
    }
    Ok(builder(written, Uri::from(written.path_and_query.clone()), headers))
}

/// The head for an HTTP/2 server.
pub(super) fn for_http2(target: &Target, written: &Written) -> Result<http::request::Builder, Failure> {
    let scheme = match target.scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
    };
    let uri = Uri::builder().scheme(scheme).authority(target.authority()).path_and_query(written.path_and_query.clone());
    let mut headers = written.headers.clone();
    headers.remove(header::HOST);
    Ok(builder(written, uri.build().map_err(|_| Failure::Unwritable)?, headers))
}

fn builder(written: &Written, uri: Uri, headers: HeaderMap) -> http::request::Builder {
    let mut builder = http::Request::builder().method(written.method.clone()).uri(uri);
    if let Some(all) = builder.headers_mut() {
        *all = headers;
    }
    builder
}

/// Makes the gate's head safe to send: what the broker rules itself is taken out.
pub(super) fn settle(written: &mut Written) {
    strip(&mut written.headers);
    strip_own_affairs(&mut written.headers);
    accept_encoding(&mut written.headers);
}

/// Takes out everything that is, or may be, a credential: for another origin.
pub(super) fn drop_credentials(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    let sensitive: Vec<HeaderName> = headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in sensitive {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: http::request::Builder) -> Result<(Head, Wishes), Failure> {
        read(&mut request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn what_concerns_one_connection_and_the_house_stays() {
        let (head, wishes) = head(
            http::Request::get("/a?b")
                .header("host", "one.example")
                .header("connection", "close, x-own")
                .header("x-own", "1")
                .header("hearth-as", "provider/p")
                .header("hearth-idempotent", "yes")
                .header("hearth-unheard", "1")
                .header("te", "trailers")
                .header("x-kept", "1"),
        )
        .unwrap();
        assert_eq!(head.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
        assert_eq!((head.authority.as_str(), head.path_and_query.as_str()), ("one.example", "/a?b"));
        assert_eq!((head.asking.as_deref(), wishes.idempotent, wishes.follow), (Some("provider/p"), true, false));
    }

    #[test]
    fn a_request_that_names_two_hosts_or_none_is_refused() {
        let two = http::Request::get("/").header("host", "a").header("host", "b");
        let differing = http::Request::get("http://a/").header("host", "b");
        for request in [two, differing, http::Request::get("/"), http::Request::get("/").header("host", "")] {
            assert!(matches!(head(request), Err(Failure::Target(_))));
        }
    }

    #[test]
    fn a_client_that_claims_two_things_is_refused() {
        let request = http::Request::get("/").header("host", "a").header("hearth-as", "provider/a").header("hearth-as", "provider/b");
        assert!(matches!(head(request), Err(Failure::Target(_))));
    }

    #[test]
    fn a_server_is_not_offered_packings_that_cannot_be_read() {
        for (asked, sent) in [(Some("gzip, br"), "gzip"), (Some("br, zstd"), "identity"), (None, "identity")] {
            let mut headers = HeaderMap::new();
            if let Some(asked) = asked {
                headers.insert("accept-encoding", HeaderValue::from_static(asked));
            }
            accept_encoding(&mut headers);
            assert_eq!(headers["accept-encoding"], sent);
        }
    }
}
