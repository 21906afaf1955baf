//! Under which names the page may be reached, and by whom: the guard against DNS rebinding, and against a way without TLS.
//!
//! | who asks | for which name | |
//! |---|---|---|
//! | this machine, directly | a loopback name | plain HTTP, which does not leave the machine |
//! | a declared proxy that says `X-Forwarded-Proto: https` | a public name | TLS up to the proxy; the last `X-Forwarded-For` is who asks |
//! | anybody else, or in any other way | | refused; what they say of a way is not read |

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};

/// What a proxy says of the scheme, and of who asks.
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const CLIENT: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The scheme of a browser's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Without TLS: loopback.
    Http,
    /// A proxy in front of the house speaks TLS.
    Https,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) scheme: Scheme,
    /// Who asks: the peer, or whom a declared proxy names.
    pub(crate) client: IpAddr,
}

/// Why a request does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// That is no name of ours.
    Name,
    /// The peer is neither this machine nor a declared proxy.
    Peer,
    /// The proxy does not say that its client came by TLS.
    Plain,
    /// The proxy hides the name.
    Hidden,
}

impl Stop {
    pub(crate) const fn said(self) -> (StatusCode, &'static str) {
        match self {
            Self::Name => (StatusCode::MISDIRECTED_REQUEST, "This house does not go by that name.\n"),
            Self::Peer => {
                (StatusCode::FORBIDDEN, "The house is reached from its own machine, or through the proxy in its configuration.\n")
            }
            Self::Plain => {
                (StatusCode::FORBIDDEN, "The proxy does not say `X-Forwarded-Proto: https`: this house is reached by https alone.\n")
            }
            Self::Hidden => (StatusCode::FORBIDDEN, "The proxy must pass on the name that the browser asked for (`Host`).\n"),
        }
    }
}

/// Why the page cannot be served like that. The sentence says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// It would be reachable from elsewhere without TLS.
    #[error(
        "web.listen is {0}, and the page speaks no TLS itself: listen on loopback (127.0.0.1), or have a proxy speak TLS for it and name the proxy's addresses in web.proxies and the page's in web.allowed_hosts (\"https://house.example\")"
    )]
    Listen(SocketAddr),
    /// A name beyond this machine without TLS.
    #[error(
        "web.allowed_hosts has `{0}`: beyond this machine the page is reached by a proxy that speaks TLS; write it as https://name or https://name:port, without a path"
    )]
    Host(String),
    /// A public name without a proxy.
    #[error(
        "web.allowed_hosts has `{0}`, and nobody speaks TLS for it: name the addresses of the proxy that does in web.proxies, such as 127.0.0.1"
    )]
    NoProxy(String),
    /// A proxy without a public name.
    #[error("web.proxies names a proxy, and web.allowed_hosts no https:// name that it speaks TLS for; name one, or leave web.proxies out")]
    NoName,
    /// An address that nobody has.
    #[error("web.proxies has {0}, which is no address of one machine")]
    Proxy(IpAddr),
}

impl ReachError {
    /// The key of `[web]` that is wrong.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Listen(_) => "listen",
            Self::Host(_) | Self::NoProxy(_) => "allowed_hosts",
            Self::NoName | Self::Proxy(_) => "proxies",
        }
    }
}

/// Whether the page may be served there, under these further names and through these proxies.
///
/// # Errors
///
/// What is wrong.
pub fn check(listen: SocketAddr, names: &[String], proxies: &[IpAddr]) -> Result<(), ReachError> {
    let mut public = None;
    for entry in names {
        match entry.trim().strip_prefix("https://") {
            Some(name) if is_name(name) => public = public.or(Some(entry)),
            None if is_loopback(entry.trim().trim_start_matches("http://")) => {}
            Some(_) | None => return Err(ReachError::Host(entry.clone())),
        }
    }
    if let Some(address) = proxies.iter().find(|address| address.is_unspecified() || address.is_multicast()) {
        return Err(ReachError::Proxy(*address));
    }
    match public {
        Some(name) if proxies.is_empty() => Err(ReachError::NoProxy(name.clone())),
        None if !proxies.is_empty() => Err(ReachError::NoName),
        None if !listen.ip().to_canonical().is_loopback() => Err(ReachError::Listen(listen)),
        Some(_) | None => Ok(()),
    }
}

/// The address under which the page is reached from elsewhere: the first public name.
#[must_use]
pub fn public(names: &[String]) -> Option<String> {
    let name = names.iter().find(|entry| entry.trim().starts_with("https://"))?;
    Some(name.trim().trim_end_matches('/').to_ascii_lowercase())
}

fn is_name(name: &str) -> bool {
    let name = name.trim_end_matches('/');
    let (host, port) = name.rsplit_once(':').map_or((name, None), |(host, port)| (host, Some(port)));
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    !host.is_empty() && host.chars().all(letters) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

fn is_loopback(entry: &str) -> bool {
    let entry = entry.trim_end_matches('/').to_ascii_lowercase();
    let host = entry.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(entry.as_str(), |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The names, as a browser writes them into `Host`, how it reaches each, and who may pass requests on.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    names: BTreeMap<String, Scheme>,
    proxies: BTreeSet<IpAddr>,
}

impl Hosts {
    /// The loopback names of this address and what the configuration adds, [`check`]ed: a loopback name with its port, or `https://name[:port]`.
    pub(crate) fn new(address: SocketAddr, configured: &[String], proxies: &[IpAddr]) -> Self {
        let port = address.port();
        let own = ["127.0.0.1", "localhost", "[::1]"].map(|name| (format!("{name}:{port}"), Scheme::Http));
        let more = configured.iter().map(|entry| {
            let entry = entry.trim().trim_end_matches('/').to_ascii_lowercase();
            match entry.strip_prefix("https://") {
                Some(name) => (name.to_owned(), Scheme::Https),
                None => (entry.trim_start_matches("http://").to_owned(), Scheme::Http),
            }
        });
        let names = own.into_iter().chain(more).filter(|(name, _)| !name.is_empty()).collect();
        Self { names, proxies: proxies.iter().map(IpAddr::to_canonical).collect() }
    }

    /// How a request for this name came.
    pub(crate) fn way(&self, peer: IpAddr, host: &str, headers: &HeaderMap) -> Result<Way, Stop> {
        let scheme = self.scheme(host).ok_or(Stop::Name)?;
        let peer = peer.to_canonical();
        // What anybody else says of whom they speak for is not read.
        let proxied = self.proxies.contains(&peer) && headers.contains_key(PROTO);
        match scheme {
            Scheme::Http if !peer.is_loopback() => Err(Stop::Peer),
            Scheme::Http if proxied => Err(Stop::Hidden),
            Scheme::Http => Ok(Way { scheme, client: peer }),
            Scheme::Https if !self.proxies.contains(&peer) => Err(Stop::Peer),
            Scheme::Https if !says_https(headers) => Err(Stop::Plain),
            Scheme::Https => Ok(Way { scheme, client: named(headers).unwrap_or(peer) }),
        }
    }

    fn scheme(&self, host: &str) -> Option<Scheme> {
        self.names.get(&host.to_ascii_lowercase()).copied()
    }

    /// Whether this is the origin of our page under that name.
    pub(crate) fn is_origin(&self, host: &str, origin: &str) -> bool {
        let prefix = match self.scheme(host) {
            Some(Scheme::Http) => "http://",
            Some(Scheme::Https) => "https://",
            None => return false,
        };
        origin.strip_prefix(prefix).is_some_and(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Who is at the other end of the connection.
pub(crate) fn peer(request: &ServiceRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}

/// Whether `https` is all that is said.
fn says_https(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(PROTO);
    said.next().is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(b"https")) && said.next().is_none()
}

/// Whom the proxy names: the last address, which it added itself; those before it anybody can send.
fn named(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(CLIENT).next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse::<IpAddr>().or_else(|_| last.parse::<SocketAddr>().map(|address| address.ip())).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const HERE: &str = "127.0.0.1";
    const PROXY: &str = "192.0.2.7";

    fn hosts() -> Hosts {
        let names = ["https://Hearth.Example/".into(), "localhost:8080".into()];
        Hosts::new(SocketAddr::from(([127, 0, 0, 1], 7117)), &names, &[PROXY.parse().unwrap()])
    }

    fn headers(all: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        all.iter().for_each(|(name, value)| headers.append(name.clone(), HeaderValue::from_static(value)));
        headers
    }

    fn way(peer: &str, host: &str, said: &[(HeaderName, &'static str)]) -> Result<(Scheme, String), Stop> {
        hosts().way(peer.parse().unwrap(), host, &headers(said)).map(|way| (way.scheme, way.client.to_string()))
    }

    #[test]
    fn only_our_names_with_our_port_are_ours() {
        for ours in ["127.0.0.1:7117", "LOCALHOST:7117", "[::1]:7117", "localhost:8080"] {
            assert_eq!(way(HERE, ours, &[]), Ok((Scheme::Http, HERE.to_owned())), "{ours}");
        }
        for foreign in ["127.0.0.1", "127.0.0.1:80", "evil.example:7117", "localhost.evil:7117", "", "hearth.example:443"] {
            assert_eq!(way(HERE, foreign, &[]), Err(Stop::Name), "{foreign}");
        }
    }

    #[test]
    fn a_public_name_is_reached_through_the_proxy_and_by_tls_alone() {
        let https = (PROTO, "https");
        assert_eq!(way(PROXY, "hearth.example", std::slice::from_ref(&https)), Ok((Scheme::Https, PROXY.to_owned())));
        assert_eq!(way("::ffff:192.0.2.7", "hearth.example", std::slice::from_ref(&https)), Ok((Scheme::Https, PROXY.to_owned())));
        for said in [&[][..], &[(PROTO, "http")], &[(PROTO, "https,http")], &[(PROTO, "https, https")], &[https.clone(), https.clone()]] {
            assert_eq!(way(PROXY, "hearth.example", said), Err(Stop::Plain), "{said:?}");
        }
        for peer in [HERE, "192.0.2.8", "::1"] {
            assert_eq!(way(peer, "hearth.example", std::slice::from_ref(&https)), Err(Stop::Peer), "{peer}");
        }
        assert_eq!(way("192.0.2.8", "127.0.0.1:7117", &[]), Err(Stop::Peer));
        assert_eq!(way(PROXY, "127.0.0.1:7117", std::slice::from_ref(&https)), Err(Stop::Peer));
        let here = Hosts::new(SocketAddr::from(([127, 0, 0, 1], 7117)), &["https://hearth.example".into()], &[HERE.parse().unwrap()]);
        let hidden = here.way(HERE.parse().unwrap(), "127.0.0.1:7117", &headers(&[https]));
        assert_eq!(hidden.map(|way| way.client), Err(Stop::Hidden));
    }

    #[test]
    fn who_asks_is_the_last_address_that_the_proxy_names_and_nobody_elses_word() {
        let asked = |peer: &str, host: &str, client| way(peer, host, &[(PROTO, "https"), (CLIENT, client)]).map(|(_, client)| client);
        assert_eq!(asked(PROXY, "hearth.example", "203.0.113.9").as_deref(), Ok("203.0.113.9"));
        assert_eq!(asked(PROXY, "hearth.example", "127.0.0.1, 203.0.113.9").as_deref(), Ok("203.0.113.9"));
        assert_eq!(asked(PROXY, "hearth.example", "203.0.113.9, [2001:db8::1]:80").as_deref(), Ok("2001:db8::1"));
        assert_eq!(asked(PROXY, "hearth.example", "unknown").as_deref(), Ok(PROXY));
        assert_eq!(asked(HERE, "127.0.0.1:7117", "203.0.113.9").as_deref(), Ok(HERE));
    }

    #[test]
    fn an_origin_must_be_the_very_host_with_its_scheme() {
        let hosts = hosts();
        assert!(hosts.is_origin("127.0.0.1:7117", "http://127.0.0.1:7117"));
        assert!(hosts.is_origin("hearth.example", "https://hearth.example"));
        for (host, origin) in [
            ("127.0.0.1:7117", "null"),
            ("127.0.0.1:7117", "http://localhost:7117"),
            ("127.0.0.1:7117", "https://127.0.0.1:7117"),
            ("127.0.0.1:7117", "http://127.0.0.1:7117.evil.example"),
            ("hearth.example", "http://hearth.example"),
            ("evil.example", "http://evil.example"),
        ] {
            assert!(!hosts.is_origin(host, origin), "{host} {origin}");
        }
    }

    #[test]
    fn beyond_loopback_there_is_a_proxy_with_a_name_or_nothing() {
        let checked = |listen: &str, names: &[&str], proxies: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let proxies: Vec<IpAddr> = proxies.iter().map(|address| address.parse().unwrap()).collect();
            check(listen.parse().unwrap(), &names, &proxies).map_err(|error| error.key())
        };
        assert_eq!(checked("127.0.0.1:7700", &[], &[]), Ok(()));
        assert_eq!(checked("[::1]:7700", &["localhost:80", "http://127.0.0.1:8080/"], &[]), Ok(()));
        assert_eq!(checked("127.0.0.1:7700", &["https://a.example"], &["127.0.0.1"]), Ok(()));
        assert_eq!(checked("192.0.2.1:7700", &["https://a.example:8443"], &["192.0.2.7", "::1"]), Ok(()));
        for listen in ["0.0.0.0:7700", "[::]:7700", "192.0.2.1:7700"] {
            assert_eq!(checked(listen, &[], &[]), Err("listen"), "{listen}");
        }
        for name in
            ["box.lan:80", "http://a.example", "https://", "https://a.example/page", "https://u@a.example", "https://a b", "https://a:0"]
        {
            assert_eq!(checked("127.0.0.1:7700", &[name], &["127.0.0.1"]), Err("allowed_hosts"), "{name}");
        }
        assert_eq!(checked("127.0.0.1:7700", &["https://a.example"], &[]), Err("allowed_hosts"));
        assert_eq!(checked("192.0.2.1:7700", &[], &["192.0.2.7"]), Err("proxies"));
        assert_eq!(checked("192.0.2.1:7700", &["https://a.example"], &["0.0.0.0"]), Err("proxies"));
        assert_eq!(public(&["localhost:1".into(), "https://A.example/".into()]).as_deref(), Some("https://a.example"));
    }
}
