//! Where a tool may send requests: rules as a manifest has them, and what an adult granted of them.
//!
//! ```text
//! METHOD[,METHOD…] https://host[:port]/path      one host
//! METHOD[,METHOD…] https://*/path                every public host
//! METHOD[,METHOD…] {place}/path                  the host that the adult names for `place`
//! GET https://api.open-meteo.com/v1/forecast
//! GET,POST {server}/api/**
//! ```
//!
//! A path is a pattern as in a secret's policy ([`crate::pattern`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::is_label;
use super::request::{Origin, RequestError, RequestParts, check_method, check_path, default_port, is_public_name, scheme_text};
use crate::pattern;
use crate::secret::Scheme;

/// Longest rule, in bytes.
pub const RULE_MAX: usize = 512;
/// Most methods of a rule.
pub const METHODS_MAX: usize = 8;
/// Longest name of a place or slot, in bytes.
pub const LABEL_MAX: usize = 24;

/// Why a text is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not in the form of a rule, or too long.
    #[error(
        "write a rule as `METHOD[,METHOD…] https://host[:port]/path`, with `*` for every public host or `{{place}}` for one that the adult names"
    )]
    Form,
    /// A method.
    #[error("a rule has 1 to {METHODS_MAX} different methods in upper-case letters, without CONNECT and TRACE")]
    Methods,
    /// The host.
    #[error("a rule's host is one public name written plainly; a host of the LAN or an address is a `{{place}}` that the adult names")]
    Host,
    /// Plain http.
    #[error("a rule's address begins with https://; a host that has no TLS is a `{{place}}` that the adult names")]
    Scheme,
    /// The place.
    #[error("a place is called by at most {LABEL_MAX} lower-case letters, digits and inner hyphens, beginning with a letter")]
    Place,
    /// The path.
    #[error("a rule's path begins with a slash, has no query, and `*` stands for one whole segment or `**` at the end for any rest")]
    Path,
}

/// Which host a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// This one, by https.
    Exact {
        /// A public name in lower-case ASCII.
        host: String,
        /// The port.
        port: u16,
    },
    /// Every host that has a public name, by https and its usual port.
    Public,
    /// The one that the adult names.
    Place(String),
}

/// One rule of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    methods: BTreeSet<String>,
    host: Host,
    path: String,
}

impl Rule {
    /// Its methods, in upper case.
    #[must_use]
    pub fn methods(&self) -> &BTreeSet<String> {
        &self.methods
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The place that has to be named, if there is one.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        match &self.host {
            Host::Place(place) => Some(place),
            Host::Exact { .. } | Host::Public => None,
        }
    }

    /// What it comes to when the places are these, method by method; nothing when its place is not among them.
    pub fn reaches(&self, places: &BTreeMap<String, Place>) -> impl Iterator<Item = Reach> {
        let at = match &self.host {
            Host::Exact { host, port } => Some(At::Host(Place { scheme: Scheme::Https, host: host.clone(), port: *port, lan: false })),
            Host::Public => Some(At::Public),
            Host::Place(place) => places.get(place).cloned().map(At::Host),
        };
        at.into_iter().flat_map(move |at| {
            self.methods.iter().map(move |method| Reach { method: method.clone(), at: at.clone(), path: self.path.clone() })
        })
    }
}

impl FromStr for Rule {
    type Err = RuleError;
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (methods, address) = text.split_once(' ').filter(|_| text.len() <= RULE_MAX).ok_or(RuleError::Form)?;
        let given: Vec<_> = methods.split(',').collect();
        let methods: BTreeSet<_> = given.iter().map(|method| (*method).to_owned()).collect();
        let sound = given.len() <= METHODS_MAX && methods.len() == given.len() && methods.iter().all(|method| check_method(method).is_ok());
        if !sound {
            return Err(RuleError::Methods);
        }
        let (host, path) = read_host(address)?;
        check_pattern(path)?;
        Ok(Self { methods, host, path: path.to_owned() })
    }
}

fn read_host(address: &str) -> Result<(Host, &str), RuleError> {
    if let Some(rest) = address.strip_prefix('{') {
        let (place, path) = rest.split_once('}').ok_or(RuleError::Form)?;
        return if is_label(place, LABEL_MAX) { Ok((Host::Place(place.to_owned()), path)) } else { Err(RuleError::Place) };
    }
    if let Some(path) = address.strip_prefix("https://*").filter(|path| path.starts_with('/')) {
        return Ok((Host::Public, path));
    }
    let (origin, path) =
        Origin::split(address).map_err(|error| if error == RequestError::Scheme { RuleError::Scheme } else { RuleError::Host })?;
    match origin.scheme {
        Scheme::Https if is_public_name(&origin.host) => Ok((Host::Exact { host: origin.host, port: origin.port }, path)),
        Scheme::Https => Err(RuleError::Host),
        Scheme::Http => Err(RuleError::Scheme),
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;
    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.methods.iter().map(String::as_str).collect();
        write!(f, "{} ", methods.join(","))?;
        match &self.host {
            Host::Exact { host, port } if *port == default_port(Scheme::Https) => write!(f, "https://{host}")?,
            Host::Exact { host, port } => write!(f, "https://{host}:{port}")?,
            Host::Public => f.write_str("https://*")?,
            Host::Place(place) => write!(f, "{{{place}}}")?,
        }
        f.write_str(&self.path)
    }
}

/// Why a text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not in the form of one.
    #[error("write the place as `https://host[:port]`, with ` lan` behind it if it is a device of yours")]
    Form,
    /// Plain text to the internet.
    #[error("plain http is for hosts of the LAN only: write https, or ` lan` behind it if the host is a device of yours")]
    PlainWithoutLan,
    /// A local name or an address without the mark.
    #[error("this is no public name; write ` lan` behind it if the host is a device of yours")]
    LocalWithoutLan,
}

/// A host that an adult named: `https://host[:port]`, with ` lan` behind it for a device of the house.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    /// How.
    pub scheme: Scheme,
    /// A name in lower-case ASCII, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Private addresses are allowed for it.
    pub lan: bool,
}

impl FromStr for Place {
    type Err = PlaceError;
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (address, lan) = text.strip_suffix(" lan").map_or((text, false), |address| (address, true));
        let (origin, rest) = Origin::split(address).map_err(|_| PlaceError::Form)?;
        match rest {
            "" | "/" => {}
            _ => return Err(PlaceError::Form),
        }
        if !lan && origin.scheme == Scheme::Http {
            return Err(PlaceError::PlainWithoutLan);
        }
        if !lan && !is_public_name(&origin.host) {
            return Err(PlaceError::LocalWithoutLan);
        }
        Ok(Self { scheme: origin.scheme, host: origin.host, port: origin.port, lan })
    }
}

impl TryFrom<String> for Place {
    type Error = PlaceError;
    fn try_from(text: String) -> Result<Self, PlaceError> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        let lan = if place.lan { " lan" } else { "" };
        format!("{place}{lan}")
    }
}

/// Without the mark of the LAN: `https://host[:port]`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", scheme_text(self.scheme), self.host)?;
        if self.port == default_port(self.scheme) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Where a granted rule leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// This host.
    Host(Place),
    /// Every host with a public name, by https and its usual port.
    Public,
}

/// One granted rule: one method, one host or all of them, one path pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// The method, in upper case.
    pub method: String,
    /// Where.
    pub at: At,
    /// The path pattern.
    pub path: String,
}

impl Reach {
    /// Whether this request is allowed by it.
    #[must_use]
    pub fn allows(&self, request: &RequestParts) -> bool {
        let there = match &self.at {
            At::Host(place) => place.scheme == request.scheme && place.host == request.host && place.port == request.port,
            At::Public => is_public(request.scheme, &request.host, request.port),
        };
        there && self.method == request.method && check_path(&request.path).is_ok() && pattern::matches(&self.path, &request.path)
    }

    /// Whether every request that the other allows is allowed by this one. Says no when in doubt.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let there = match (&self.at, &other.at) {
            // For a device of the house, private addresses are allowed as well.
            (At::Host(a), At::Host(b)) => a == b,
            (At::Public, At::Public) => true,
            (At::Public, At::Host(place)) => !place.lan && is_public(place.scheme, &place.host, place.port),
            (At::Host(_), At::Public) => false,
        };
        there && self.method == other.method && pattern::covers(&self.path, &other.path)
    }
}

fn is_public(scheme: Scheme, host: &str, port: u16) -> bool {
    scheme == Scheme::Https && port == default_port(Scheme::Https) && is_public_name(host)
}

fn check_pattern(pattern: &str) -> Result<(), RuleError> {
    let segments: Vec<_> = pattern.split('/').collect();
    let last = segments.len().saturating_sub(1);
    let stars = segments.iter().enumerate().all(|(at, segment)| match *segment {
        "*" => true,
        "**" => at == last,
        other => !other.contains('*'),
    });
    if stars && check_path(pattern).is_ok() { Ok(()) } else { Err(RuleError::Path) }
}

#[cfg(test)]
mod tests;
