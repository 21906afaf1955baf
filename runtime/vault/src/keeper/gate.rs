//! The gate of the process that holds keys: only what mentions a secret goes out, and only where that secret's policy says.
//!
//! ```text
//! head ─▶ who asks ─▶ placeholders and order for a signature ─▶ scheme (policies) ─▶ target ─▶ each secret's policy ─▶ values in
//! ```
//!
//! - A request mentions a secret in its head, orders a signature, or has a body (or is a WebSocket) in which a secret *may* stand by the
//!   policy of one that its asker may use: it then goes to a host that this policy names, and each placeholder of the body is decided on
//!   when it is met. Anything else is refused; the process without keys is for that.
//! - A credential of the caller's own (`Authorization`, `Cookie`, `x-api-key` …) is refused.
//! - TLS, unless a plain LAN host is named by a policy of a mentioned secret and none names it with TLS, or the request asks for plain text
//!   and the policy has it.
//! - Redirects: decided anew. The placeholders of the head go along to the same origin. Another origin is followed only where the policies
//!   name it, without credentials; otherwise the redirect is handed to the client, who may follow it by the process without keys.
//!   One that no policy could allow (scheme, downgrade, an address that is not public) is refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hearth_domain::household::MemberId;
use hearth_domain::http::broker::SIGN;
use hearth_domain::secret::{Principal, Scheme, SecretName, Slot, TargetRule};
use hearth_domain::vault::{Used, VaultState};
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use super::body::{BodyRewriter, BodyUse};
use super::renewer::{Renewer, Renewing};
use super::signing::Signing;
use super::{Keeper, Kind};
use crate::egress::limits::Bounds;
use crate::egress::ports::{self, Gate, Head, Hop, Pass, Refused, Sign, Why, Written};
use crate::policy::decide::Refusal;
use crate::policy::placeholder::{self, BodyKind, PlaceholderError};
use crate::policy::redirect::{self, RedirectError};
use crate::policy::target::{Target, TargetError, scheme_text};
use crate::sign::{SignError, SignOrder};

/// Headers that are credentials by their name: what stands in them comes from the vault or not at all.
const CREDENTIALS: [&str; 13] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "x-auth-token",
    "x-access-token",
    "x-auth-key",
    "private-token",
    "x-amz-security-token",
    "x-vault-token",
];
/// Bytes of an opaque body up to which it is looked through for placeholders, which have no place there. A larger one goes out as it is.
const OPAQUE_LOOKED_AT: u64 = 1 << 20;

/// The gate of this keeper.
#[derive(Debug, Clone)]
pub struct KeeperGate {
    keeper: Keeper,
    bounds: Bounds,
    renewer: Option<Renewer>,
}

/// What was asked, read once.
pub(super) struct Asker {
    pub(super) who: Principal,
    pub(super) member: Option<MemberId>,
}

/// A refusal and what is told about it.
pub(super) struct No {
    pub(super) refused: Refused,
    pub(super) alarm: bool,
}

impl No {
    pub(super) fn new(why: Why, code: &'static str, sentence: impl Into<String>) -> Self {
        Self { refused: Refused { why, code, sentence: sentence.into() }, alarm: false }
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let why = match refusal {
            Refusal::Rate => Why::TooOften,
            Refusal::Bytes => Why::TooLarge,
            Refusal::Canary
            | Refusal::User
            | Refusal::Member
            | Refusal::Expired
            | Refusal::NoTarget
            | Refusal::Host
            | Refusal::Port
            | Refusal::Scheme
            | Refusal::Method
            | Refusal::Path
            | Refusal::Slot
            | Refusal::NotPublic(_) => Why::Denied,
        };
        let refused = Refused { why, code: refusal.code(), sentence: refusal.to_string() };
        Self { refused, alarm: refusal == Refusal::Canary }
    }
}

impl From<PlaceholderError> for No {
    fn from(error: PlaceholderError) -> Self {
        Self::new(Why::Denied, error.code(), error.to_string())
    }
}

impl From<TargetError> for No {
    fn from(error: TargetError) -> Self {
        Self::new(Why::BadTarget, error.code(), error.to_string())
    }
}

impl From<RedirectError> for No {
    fn from(error: RedirectError) -> Self {
        Self::new(Why::Denied, error.code(), error.to_string())
    }
}

impl From<SignError> for No {
    fn from(error: SignError) -> Self {
        let why = if error == SignError::Order { Why::BadTarget } else { Why::Denied };
        Self::new(why, "signature", error.to_string())
    }
}

pub(super) fn unknown() -> No {
    No::new(Why::Denied, "unknown", "the request mentions a secret that is not there; enter it with `hearth secret add`")
}

pub(super) fn sealed(state: VaultState) -> No {
    let sentence = match state {
        VaultState::Broken => "the vault's key is missing or wrong; see `hearth doctor`",
        VaultState::Open | VaultState::Sealed => "the vault is sealed; its owner opens it with `hearth secret unseal`",
    };
    No::new(Why::Sealed, "sealed", sentence)
}

impl KeeperGate {
    /// A gate with these bounds for every request; policies narrow them.
    #[must_use]
    pub const fn new(keeper: Keeper, bounds: Bounds) -> Self {
        Self { keeper, bounds, renewer: None }
    }

    /// The same, with secrets renewed that are signed in for.
    #[must_use]
    pub fn renewing(self, renewer: Renewer) -> Self {
        Self { renewer: Some(renewer), ..self }
    }

    /// The logins of a request that their policies let it have: for another one nothing is renewed.
    fn logins(&self, head: &Head, body_len: Option<u64>) -> Result<Vec<SecretName>, No> {
        let asked = asked(head)?;
        let (headers, order) = without_order(&head.headers)?;
        let probe = Target::of(&head.method, Scheme::Https, &head.authority, &head.path_and_query)?;
        let mut mentions = placeholder::names(&probe, &headers)?;
        for name in order.iter().flat_map(SignOrder::secrets) {
            mentions.entry(name.clone()).or_default().insert(Slot::Signature);
        }
        let mut core = self.keeper.core();
        let target = probe.over(core.scheme(head, &asked.who, &mentions), &head.authority)?;
        let mut wanted: Vec<(SecretName, BTreeSet<Slot>)> =
            mentions.into_iter().filter(|(name, _)| core.secrets.get(name).is_some_and(|secret| secret.kind == Kind::Login)).collect();
        if head.upgrade || body_len != Some(0) {
            let logins = core.secrets.iter().filter(|(_, secret)| secret.kind == Kind::Login);
            wanted.extend(logins.map(|(name, _)| (name.clone(), BTreeSet::from([Slot::Body]))));
        }
        let bytes = head_bytes(head).saturating_add(body_len.unwrap_or(0));
        let names = wanted.iter().filter(|(name, slots)| core.rule_for(name, &asked, &target, slots, bytes).is_ok());
        Ok(names.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn decided(&self, head: &Head, body_len: Option<u64>, read: &mut Read) -> Result<Pass, No> {
        let asked = asked(head)?;
        read.asked = Some(Asker { who: asked.who.clone(), member: asked.member });
        let (headers, order) = without_order(&head.headers)?;
        let probe = Target::of(&head.method, Scheme::Https, &head.authority, &head.path_and_query)?;
        read.place = place(head, None);
        let mut mentions = placeholder::names(&probe, &headers)?;
        for name in order.iter().flat_map(SignOrder::secrets) {
            mentions.entry(name.clone()).or_default().insert(Slot::Signature);
        }
        read.secrets = mentions.keys().cloned().collect();
        no_own_credentials(&headers, &probe)?;
        let bytes = head_bytes(head);
        let mut core = self.keeper.core();
        if core.state() != VaultState::Open {
            return Err(sealed(core.state()));
        }
        let target = probe.over(core.scheme(head, &asked.who, &mentions), &head.authority)?;
        read.place = place(head, Some(&target));
        let total = bytes.saturating_add(body_len.unwrap_or(0));
        let granted = if mentions.is_empty() {
            let body = head.upgrade || body_len != Some(0);
            core.grant_for_body(&asked, &target, total, body)?
        } else {
            core.grant(&asked, &target, &mentions, total)?
        };
        drop(core);
        let written = fill(head, &target, &headers, &granted.values)?;
        let bounds = Bounds { request_bytes: self.bounds.request_bytes.min(granted.bytes_out_max.saturating_sub(bytes)), ..self.bounds };
        let rewriter = self.rewriter((bytes, body_len), head.upgrade, &headers, asked, (&target, &read.place));
        let sign = order.map(|order| Arc::new(Signing { keeper: self.keeper.clone(), order }) as Arc<dyn Sign>);
        Ok(pass_of(&target, written, rewriter, sign, &granted.rule, bounds))
    }

    fn rewriter(
        &self,
        (head_bytes, body_len): (u64, Option<u64>),
        upgrade: bool,
        headers: &HeaderMap,
        asked: Asker,
        (target, place): (&Target, &str),
    ) -> Option<Arc<dyn ports::Rewriter>> {
        let kind = if upgrade { BodyKind::Json } else { kind_of(headers) };
        // Rewriting takes the length away from what is too long to be gathered.
        let large = body_len.is_none_or(|bytes| bytes > OPAQUE_LOOKED_AT);
        if kind == BodyKind::Opaque && large {
            return None;
        }
        let bytes = (head_bytes, body_len.unwrap_or(0));
        let body = BodyUse { keeper: self.keeper.clone(), asked, target: target.clone(), kind, bytes, place: place.to_owned() };
        Some(Arc::new(BodyRewriter(Arc::new(body))))
    }

    fn onward(&self, pass: &Pass, head: &Head, (status, location, count): (u16, &str, u32), read: &mut Read) -> Result<Option<Hop>, No> {
        let asked = asked(head)?;
        let (headers, order) = without_order(&head.headers)?;
        let from = came_from(pass, head, count)?;
        let status = StatusCode::from_u16(status).map_err(|_| RedirectError::NotARedirect)?;
        let hop = redirect::next(&from, status, location, count.saturating_sub(1))?;
        let (target, bytes) = (hop.target, head_bytes(head));
        let mut mentions = placeholder::names(&bare(&target), &headers)?;
        for name in order.iter().flat_map(SignOrder::secrets) {
            mentions.entry(name.clone()).or_default().insert(Slot::Signature);
        }
        if hop.same_origin {
            read.asked = Some(Asker { who: asked.who.clone(), member: asked.member });
            (read.secrets, read.place) = (mentions.keys().cloned().collect(), place(head, Some(&target)));
        }
        let original = Target::of(&head.method, target.scheme, &head.authority, &head.path_and_query)?;
        let all: BTreeSet<SecretName> = placeholder::names(&original, &headers)?.into_keys().chain(mentions.keys().cloned()).collect();
        let mut core = self.keeper.core();
        if core.state() != VaultState::Open {
            return Err(sealed(core.state()));
        }
        let rule = match core.named(&asked, &target, &all, bytes) {
            Ok(rule) => rule,
            Err(no) if hop.same_origin => return Err(no),
            Err(_) => {
                target.check_public()?;
                return Ok(None);
            }
        };
        let values =
            if hop.same_origin && !mentions.is_empty() { core.grant(&asked, &target, &mentions, bytes)?.values } else { BTreeMap::new() };
        drop(core);
        let headers = if hop.same_origin { headers } else { Cow::Owned(without_placeholders(&headers, &target)) };
        let written = fill(head, &target, &headers, &values)?;
        let (mut rewriter, mut sign) = (None, None);
        if hop.same_origin && hop.keep_body {
            rewriter.clone_from(&pass.rewriter);
        }
        if hop.same_origin {
            sign = order.map(|order| Arc::new(Signing { keeper: self.keeper.clone(), order }) as Arc<dyn Sign>);
        }
        Ok(Some(Hop { pass: pass_of(&target, written, rewriter, sign, &rule, pass.bounds) }))
    }
}

/// What was found out about a request before it was decided on.
#[derive(Default)]
struct Read {
    asked: Option<Asker>,
    secrets: Vec<SecretName>,
    place: String,
}

impl Keeper {
    /// Tells what became of a use.
    pub(super) fn tell(&self, asked: Option<&Asker>, secrets: Vec<SecretName>, place: String, outcome: Result<(), &No>) {
        let (outcome, alarm) = match outcome {
            Ok(()) => ("sent", false),
            Err(no) => (no.refused.code, no.alarm),
        };
        let at = self.core().ports.clock.wall();
        let (who, member) = (asked.map(|asked| asked.who.clone()), asked.and_then(|asked| asked.member));
        self.events.push(Used { who, member, secrets, place, outcome: outcome.to_owned(), alarm, times: 1, at });
    }
}

impl Gate for KeeperGate {
    fn admit(&self, head: &Head, body_len: Option<u64>) -> Result<Pass, Refused> {
        let mut read = Read::default();
        let decided = self.decided(head, body_len, &mut read);
        if !read.secrets.is_empty() {
            self.keeper.tell(read.asked.as_ref(), read.secrets, read.place, decided.as_ref().map(drop));
        }
        decided.map_err(|no| no.refused)
    }

    fn redirect(&self, pass: &Pass, head: &Head, status: u16, location: &str, count: u32) -> Result<Option<Hop>, Refused> {
        let mut read = Read::default();
        let decided = self.onward(pass, head, (status, location, count), &mut read);
        if !read.secrets.is_empty() {
            self.keeper.tell(read.asked.as_ref(), read.secrets, read.place, decided.as_ref().map(drop));
        }
        decided.map_err(|no| no.refused)
    }

    fn renewal(&self, head: &Head, body_len: Option<u64>) -> Option<Box<dyn ports::Renewal>> {
        let renewer = self.renewer.as_ref().filter(|_| self.keeper.has_logins())?;
        let names = self.logins(head, body_len).ok().filter(|names| !names.is_empty())?;
        let names = Arc::new(Mutex::new(names.into_iter().map(|name| (name, None)).collect()));
        Some(Box::new(Renewing { renewer: renewer.clone(), names }))
    }
}

// === reading and writing heads ===

fn asked(head: &Head) -> Result<Asker, No> {
    let nobody = || No::new(Why::Denied, "who", "the request does not say which part of the house asks (`hearth-as: provider/NAME`)");
    let who = head.asking.as_deref().and_then(|text| text.parse().ok()).ok_or_else(nobody)?;
    let no_member = |_| No::new(Why::Denied, "member", "the request does not say clearly for which member it is (`hearth-for`)");
    let member = head.member.as_deref().map(str::parse).transpose().map_err(no_member)?;
    Ok(Asker { who, member })
}

fn without_order(headers: &HeaderMap) -> Result<(Cow<'_, HeaderMap>, Option<SignOrder>), No> {
    let mut orders = headers.get_all(SIGN).iter();
    let Some(order) = orders.next() else { return Ok((Cow::Borrowed(headers), None)) };
    let text = order.to_str().ok().filter(|_| orders.next().is_none()).ok_or(SignError::Order)?;
    let order = SignOrder::parse(text)?;
    let mut rest = headers.clone();
    rest.remove(SIGN);
    Ok((Cow::Owned(rest), Some(order)))
}

/// A target of which nothing but the headers can mention a secret.
fn bare(target: &Target) -> Target {
    Target { path: "/".to_owned(), query: None, ..target.clone() }
}

fn mentions_one(name: &HeaderName, value: &header::HeaderValue, target: &Target) -> bool {
    let one = HeaderMap::from_iter([(name.clone(), value.clone())]);
    placeholder::names(target, &one).is_ok_and(|mentions| !mentions.is_empty())
}

pub(super) fn no_own_credentials(headers: &HeaderMap, target: &Target) -> Result<(), No> {
    let target = bare(target);
    let own =
        |(name, value): (&HeaderName, &header::HeaderValue)| CREDENTIALS.contains(&name.as_str()) && !mentions_one(name, value, &target);
    if headers.iter().any(own) {
        let sentence = "the request brings a credential of its own (such as Authorization, Cookie or x-api-key): enter it as a secret and use its placeholder";
        return Err(No::new(Why::Denied, "own_credential", sentence));
    }
    Ok(())
}

fn without_placeholders(headers: &HeaderMap, target: &Target) -> HeaderMap {
    let target = bare(target);
    headers.iter().filter(|(name, value)| !mentions_one(name, value, &target)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Where a redirect came from. After the first one the path is what was sent last.
fn came_from(pass: &Pass, head: &Head, count: u32) -> Result<Target, No> {
    let scheme = match pass.target.scheme {
        ports::Scheme::Https => Scheme::Https,
        ports::Scheme::Http => Scheme::Http,
    };
    let sent = pass.written.path_and_query.as_str();
    let path = if count <= 1 { head.path_and_query.as_str() } else { sent };
    Ok(Target::of(&pass.written.method, scheme, &pass.target.authority(), path)?)
}

fn kind_of(headers: &HeaderMap) -> BodyKind {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map_or(BodyKind::Opaque, BodyKind::of);
    if headers.contains_key(header::CONTENT_ENCODING) { BodyKind::Opaque } else { kind }
}

/// Method and origin with its port, and nothing that may hold a token.
pub(super) fn place(head: &Head, target: Option<&Target>) -> String {
    match target {
        None => format!("{} (no clear target)", head.method),
        Some(target) => format!("{} {}://{}:{}", target.method, scheme_text(target.scheme), target.host, target.port),
    }
}

fn head_bytes(head: &Head) -> u64 {
    let lines: usize = head.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()).saturating_add(4)).sum();
    let first = head.path_and_query.len().saturating_add(head.authority.len());
    u64::try_from(lines.saturating_add(first)).unwrap_or(u64::MAX)
}

/// The head with the values in it.
fn fill(head: &Head, target: &Target, headers: &HeaderMap, values: &BTreeMap<SecretName, SecretSlice<u8>>) -> Result<Written, No> {
    let mut filled = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let with = placeholder::header(name, value, values)?;
        filled.append(name.clone(), with.unwrap_or_else(|| value.clone()));
    }
    let path = placeholder::path(&target.path, values)?;
    let query = target.query.as_deref().map(|query| placeholder::query(query, values)).transpose()?;
    let size = path.len().saturating_add(query.as_ref().map_or(0, |query| query.len().saturating_add(1)));
    let mut all = Zeroizing::new(Vec::with_capacity(size));
    all.extend_from_slice(path.as_bytes());
    if let Some(query) = &query {
        all.push(b'?');
        all.extend_from_slice(query.as_bytes());
    }
    let unwritable = |_| No::new(Why::BadTarget, "target_path", "the path cannot be written");
    let path_and_query = PathAndQuery::from_maybe_shared(Bytes::from_owner(all)).map_err(unwritable)?;
    let method = http::Method::from_bytes(target.method.as_bytes()).unwrap_or_else(|_| head.method.clone());
    Ok(Written { method, path_and_query, headers: filled })
}

/// The broker's own form of a target.
pub(super) fn port_target(target: &Target) -> ports::Target {
    let scheme = match target.scheme {
        Scheme::Https => ports::Scheme::Https,
        Scheme::Http => ports::Scheme::Http,
    };
    let host = target.host_text().trim_matches(['[', ']']).to_owned();
    ports::Target { scheme, host, port: target.port }
}

fn pass_of(
    target: &Target,
    written: Written,
    rewriter: Option<Arc<dyn ports::Rewriter>>,
    sign: Option<Arc<dyn Sign>>,
    rule: &TargetRule,
    bounds: Bounds,
) -> Pass {
    let authority_pem = rule.authority.as_deref().map(Arc::from);
    Pass { target: port_target(target), written, rewriter, sign, lan: rule.lan, authority_pem, bounds }
}
