//! What a request is aimed at, read once with the WHATWG parser. The parsed form is what is checked, resolved, connected to and sent.

use std::fmt;
use std::str::FromStr;

use hearth_domain::error::{Class, Classified};
use hearth_domain::secret::{PLACEHOLDER_BEGIN, Scheme};
use url::{Host, Url};

use super::address::{AddressKind, judge};
use super::path::{self, PathError};

/// Longest authority that is read, in bytes: a host and a port.
pub const AUTHORITY_MAX: usize = 512;
/// Longest path with query, in bytes.
pub const PATH_AND_QUERY_MAX: usize = 16 * 1024;
/// Longest name of a host in bytes (RFC 1035 section 2.3.4, without the trailing dot).
pub const HOST_MAX: usize = 253;
/// Longest label of such a name, in bytes (RFC 1035 section 2.3.4).
pub const LABEL_MAX: usize = 63;
/// Longest method, in bytes.
pub const METHOD_MAX: usize = 24;

/// Endings of names that resolve in a house, a cluster or a cloud, and nowhere else (RFC 6761, 6762, 7686, 8375, 9476; ICANN's
/// reservation of `internal`; the rest by custom).
const LOCAL_ENDINGS: [&str; 16] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "lan",
    "home",
    "corp",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "test",
    "invalid",
    "onion",
    "alt",
];

/// Where a request goes. Made by [`Target::of`]: whoever fills the fields by hand answers for them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// How.
    pub scheme: Scheme,
    /// A name in lower-case ASCII (IDNA applied, no trailing dot), or an address.
    pub host: Host<String>,
    /// The port, never 0.
    pub port: u16,
    /// The method, in upper case.
    pub method: String,
    /// The path as it is sent. [`path::check`] let it through.
    pub path: String,
    /// The query as it is sent, without its question mark.
    pub query: Option<String>,
}

/// Why something is no target. Says what is wrong, never what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The method.
    #[error("the method is not one that is sent: upper-case letters only, and neither CONNECT nor TRACE")]
    Method,
    /// The scheme, where a whole address is read.
    #[error("only https and http addresses are sent to")]
    Scheme,
    /// No host.
    #[error("the address names no host")]
    NoHost,
    /// A user or password.
    #[error("the address holds a user or password before an `@`: credentials are put in by the vault, as placeholders")]
    UserInfo,
    /// A backslash.
    #[error("the address holds a backslash")]
    Backslash,
    /// A control character or white space.
    #[error("the address holds a control character or white space")]
    Control,
    /// A percent sign in the host: an encoded host or a zone of an IPv6 address.
    #[error("the host holds a percent sign: neither encoded hosts nor zones of addresses are read")]
    HostEncoded,
    /// An IPv4 address in another spelling than four plain decimal numbers.
    #[error("the host is an IPv4 address in an unusual spelling: write it as four decimal numbers")]
    LegacyAddress,
    /// A dot at the end.
    #[error("the host ends with a dot: write it without")]
    TrailingDot,
    /// A name that IDNA makes another ASCII name of.
    #[error("the host is spelled with look-alikes of plain letters: write it in plain letters")]
    Spelling,
    /// Anything else that is no host.
    #[error("the host is no name or address")]
    Host,
    /// The port.
    #[error("the port is no number from 1 to 65535")]
    Port,
    /// It is too long.
    #[error("the address is longer than {AUTHORITY_MAX} bytes before or {PATH_AND_QUERY_MAX} bytes after the host")]
    TooLong,
    /// The path.
    #[error("{0}")]
    Path(#[source] PathError),
    /// The query.
    #[error("the query holds a fragment")]
    Query,
    /// A name that is resolved at home only.
    #[error("the host is a name of the local network: its owner has to allow it as a LAN host")]
    LocalName,
    /// An address that is not public.
    #[error("the host is {0}: it is not on the public internet")]
    Address(AddressKind),
}

impl TargetError {
    /// What a machine tells it by. Stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Method => "target_method",
            Self::Scheme => "target_scheme",
            Self::NoHost => "target_no_host",
            Self::UserInfo => "target_user_info",
            Self::Backslash => "target_backslash",
            Self::Control => "target_control",
            Self::HostEncoded => "target_host_encoded",
            Self::LegacyAddress => "target_legacy_address",
            Self::TrailingDot => "target_trailing_dot",
            Self::Spelling => "target_spelling",
            Self::Host => "target_host",
            Self::Port => "target_port",
            Self::TooLong => "target_too_long",
            Self::Path(_) => "target_path",
            Self::Query => "target_query",
            Self::LocalName => "target_local_name",
            Self::Address(_) => "target_address",
        }
    }
}

impl Classified for TargetError {
    fn class(&self) -> Class {
        Class::Denied
    }
}

impl Target {
    /// The target of a request line: its method, how it will be sent, `host[:port]`, and path with query.
    ///
    /// # Errors
    ///
    /// Whatever can be read in two ways, in the words of [`TargetError`].
    pub fn of(method: &http::Method, scheme: Scheme, authority: &str, path_and_query: &str) -> Result<Self, TargetError> {
        let method = plain_method(method.as_str())?;
        if authority.len() > AUTHORITY_MAX || path_and_query.len() > PATH_AND_QUERY_MAX {
            return Err(TargetError::TooLong);
        }
        let (host_text, port) = split_authority(authority)?;
        let port = port.unwrap_or(default_port(scheme));
        let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
        path::check(path).map_err(TargetError::Path)?;
        query.map_or(Ok(()), check_query)?;
        let url = Url::parse(&format!("{}://{host_text}:{port}{path_and_query}", scheme_text(scheme))).map_err(|_| TargetError::Host)?;
        let host = plain_host(host_text, url.host().ok_or(TargetError::NoHost)?)?;
        // The parser escapes what is not plain ASCII; what it made is checked as what was written was.
        path::check(url.path()).map_err(TargetError::Path)?;
        Ok(Self { scheme, host, port, method, path: url.path().to_owned(), query: url.query().map(str::to_owned) })
    }

    /// The same, sent in another way. The parser reads both schemes alike; only the port of an authority without one is another.
    ///
    /// # Errors
    ///
    /// As [`Target::of`], of which this target was made with the same authority.
    pub fn over(&self, scheme: Scheme, authority: &str) -> Result<Self, TargetError> {
        let (_, port) = split_authority(authority)?;
        Ok(Self { scheme, port: port.unwrap_or(default_port(scheme)), ..self.clone() })
    }

    /// The target of a whole address.
    ///
    /// # Errors
    ///
    /// As [`Target::of`]; also when it is neither `https` nor `http`.
    pub fn of_url(method: &http::Method, text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else {
            return Err(TargetError::Scheme);
        };
        let (authority, path_and_query) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        match path_and_query.as_bytes().first() {
            None => Self::of(method, scheme, authority, "/"),
            Some(b'?') => Self::of(method, scheme, authority, &format!("/{path_and_query}")),
            Some(_) => Self::of(method, scheme, authority, path_and_query),
        }
    }

    /// The host as it is written in a policy and in an address: an IPv6 address stands in brackets.
    #[must_use]
    pub fn host_text(&self) -> String {
        self.host.to_string()
    }

    /// `host[:port]`, the port only where it is not the scheme's own: what a `Host` header says.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == default_port(self.scheme) { self.host_text() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Scheme, host and port: `https://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", scheme_text(self.scheme), self.authority())
    }

    /// Path and query as they stand in a request line.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// The whole address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.origin(), self.path_and_query())
    }

    /// Whether scheme, host and port are the same (RFC 6454 section 5).
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// Whether this may be asked for without a LAN rule: no name that is resolved at home only, no address that is not public.
    /// A name's addresses have to be judged in addition, once they are known.
    ///
    /// # Errors
    ///
    /// [`TargetError::LocalName`] or [`TargetError::Address`].
    pub fn check_public(&self) -> Result<(), TargetError> {
        match &self.host {
            Host::Domain(name) if local_name(name) => Err(TargetError::LocalName),
            Host::Domain(_) => Ok(()),
            Host::Ipv4(ip) => judge((*ip).into()).map_err(TargetError::Address),
            Host::Ipv6(ip) => judge((*ip).into()).map_err(TargetError::Address),
        }
    }
}

/// Like the address, but the query only by its length: tokens stand there.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = self.query.as_ref().map(|query| format!("<{} bytes>", query.len()));
        f.debug_struct("Target")
            .field("method", &self.method)
            .field("origin", &self.origin())
            .field("path", &self.path)
            .field("query", &query)
            .finish()
    }
}

/// `METHOD https://host[:port]/path[?query]`. It parses to itself.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url())
    }
}

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (method, url) = text.split_once(' ').ok_or(TargetError::Method)?;
        let method = http::Method::from_bytes(method.as_bytes()).map_err(|_| TargetError::Method)?;
        Self::of_url(&method, url)
    }
}

/// The port of a scheme.
#[must_use]
pub const fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Https => 443,
        Scheme::Http => 80,
    }
}

/// The scheme as it is written.
#[must_use]
pub const fn scheme_text(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
    }
}

/// Whether a name is resolved at home only: of one label, or with an ending that the public DNS does not have.
#[must_use]
pub fn local_name(name: &str) -> bool {
    !name.contains('.')
        || LOCAL_ENDINGS.iter().any(|ending| name.strip_suffix(ending).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// A method that can be sent: CONNECT would make a tunnel, and TRACE returns the credential that was sent (RFC 9110 section 9.3.8).
///
/// # Errors
///
/// [`TargetError::Method`].
pub fn plain_method(method: &str) -> Result<String, TargetError> {
    let plain = !method.is_empty() && method.len() <= METHOD_MAX && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if plain && !matches!(method, "CONNECT" | "TRACE" | "TRACK") { Ok(method.to_owned()) } else { Err(TargetError::Method) }
}

fn check_query(query: &str) -> Result<(), TargetError> {
    if query.contains('#') {
        return Err(TargetError::Query);
    }
    if query.chars().any(|letter| letter.is_control() || letter.is_whitespace()) { Err(TargetError::Control) } else { Ok(()) }
}

fn split_authority(authority: &str) -> Result<(&str, Option<u16>), TargetError> {
    for letter in authority.chars() {
        match letter {
            '@' => return Err(TargetError::UserInfo),
            '\\' => return Err(TargetError::Backslash),
            '%' => return Err(TargetError::HostEncoded),
            '/' | '?' | '#' => return Err(TargetError::Host),
            _ if letter.is_control() || letter.is_whitespace() => return Err(TargetError::Control),
            _ => {}
        }
    }
    // The colon that begins the port is the first one behind the host's bracket.
    let host_end = if authority.starts_with('[') { authority.find(']').map(|at| at + 1).ok_or(TargetError::Host)? } else { 0 };
    let tail = authority.get(host_end..).unwrap_or_default();
    let (host, port) = match tail.find(':') {
        None => (authority, None),
        Some(at) => (authority.get(..host_end + at).unwrap_or_default(), tail.get(at + 1..)),
    };
    if host.is_empty() {
        return Err(TargetError::NoHost);
    }
    Ok((host, port.map(plain_port).transpose()?))
}

fn plain_port(text: &str) -> Result<u16, TargetError> {
    let plain = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().map_err(|_| TargetError::Port) } else { Err(TargetError::Port) }
}

fn plain_host(text: &str, host: Host<&str>) -> Result<Host<String>, TargetError> {
    match host {
        Host::Ipv4(ip) if ip.to_string() == text => Ok(Host::Ipv4(ip)),
        Host::Ipv4(_) => Err(TargetError::LegacyAddress),
        Host::Ipv6(ip) if text.starts_with('[') => Ok(Host::Ipv6(ip)),
        Host::Ipv6(_) => Err(TargetError::Host),
        Host::Domain(name) => plain_name(text, name).map(|()| Host::Domain(name.to_owned())),
    }
}

fn plain_name(text: &str, name: &str) -> Result<(), TargetError> {
    if name.ends_with('.') {
        return Err(TargetError::TrailingDot);
    }
    // A placeholder in a name would be looked up in the DNS; `_` is in none of the names that follow.
    let label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > HOST_MAX || !name.split('.').all(label) || name.contains(PLACEHOLDER_BEGIN) {
        return Err(TargetError::Host);
    }
    let spelled_plainly = text.to_ascii_lowercase() == name;
    let international = !text.is_ascii() && name.split('.').any(|label| label.starts_with("xn--"));
    if spelled_plainly || international { Ok(()) } else { Err(TargetError::Spelling) }
}
