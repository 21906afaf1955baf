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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hearth_domain::household::MemberId;
use hearth_domain::secret::{Principal, Scheme, SecretName, SecretPolicy, Slot, TargetRule};
use hearth_domain::vault::{Used, VaultState};
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use super::body::{BodyRewriter, BodyUse};
use super::{Core, Keeper, Standing};
use crate::egress::limits::Bounds;
use crate::egress::ports::{self, Asked, Gate, Head, Hop, Pass, Refused, Sign, Why, Written};
use crate::policy::decide::{Asking, Refusal, decide, scheme_for};
use crate::policy::placeholder::{self, BodyKind, Mentions, PlaceholderError};
use crate::policy::redirect::{self, RedirectError};
use crate::policy::target::{Target, TargetError, default_port, scheme_text};
use crate::sign::{self, Moment, SIGN_HEADER, SignError, SignOrder, ToSign};

/// Headers that are credentials by their name: what stands in them comes from the vault or not at all.
const CREDENTIALS: [&str; 14] = [
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
    "x-csrf-token",
    "private-token",
    "x-amz-security-token",
    "x-vault-token",
];
/// Bytes of an opaque body up to which it is looked through for placeholders, which have no place there. A larger one goes out as it is.
const OPAQUE_LOOKED_AT: u64 = 1 << 20;
/// Bytes of a nonce of a signature.
const NONCE: usize = 16;

/// The gate of this keeper.
#[derive(Debug, Clone)]
pub struct KeeperGate {
    keeper: Keeper,
    bounds: Bounds,
}

/// What was asked, read once.
pub(super) struct Asker {
    pub(super) who: Principal,
    pub(super) member: Option<MemberId>,
}

/// What a request may have.
struct Granted {
    values: BTreeMap<SecretName, SecretSlice<u8>>,
    rule: TargetRule,
    bytes_out_max: u64,
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
            _ => Why::Denied,
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

fn unknown() -> No {
    No::new(Why::Denied, "unknown", "the request mentions a secret that is not there; enter it with `hearth secret add`")
}

fn sealed(state: VaultState) -> No {
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
        Self { keeper, bounds }
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
        let target = core.target(head, &asked.who, &mentions)?;
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
        let rewriter = self.rewriter(head, body_len, &headers, asked, &target);
        let sign = order.map(|order| Arc::new(Signing { keeper: self.keeper.clone(), order }) as Arc<dyn Sign>);
        Ok(pass_of(&target, written, rewriter, sign, &granted.rule, bounds))
    }

    fn rewriter(
        &self,
        head: &Head,
        body_len: Option<u64>,
        headers: &HeaderMap,
        asked: Asker,
        target: &Target,
    ) -> Option<Arc<dyn ports::Rewriter>> {
        let kind = if head.upgrade { BodyKind::Json } else { kind_of(headers) };
        // Rewriting takes the length away from what is too long to be gathered.
        let large = body_len.is_none_or(|bytes| bytes > OPAQUE_LOOKED_AT);
        if kind == BodyKind::Opaque && large {
            return None;
        }
        let body = BodyUse { keeper: self.keeper.clone(), asked, target: target.clone(), kind, place: place(head, Some(target)) };
        Some(Arc::new(BodyRewriter(Arc::new(body))))
    }

    fn onward(&self, pass: &Pass, head: &Head, status: u16, location: &str, count: u32) -> Result<Option<Hop>, No> {
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
        let values = if hop.same_origin && !mentions.is_empty() {
            core.grant(&asked, &target, &mentions, bytes)?.values
        } else {
            BTreeMap::new()
        };
        drop(core);
        let headers = if hop.same_origin { headers } else { without_placeholders(&headers, &target) };
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
        self.events.push(Used { who, member, secrets, place, outcome: outcome.to_owned(), alarm, at });
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
        self.onward(pass, head, status, location, count).map_err(|no| no.refused)
    }
}

// === decisions ===

impl Core {
    /// How the request is sent, and so where exactly.
    fn target(&self, head: &Head, who: &Principal, mentions: &Mentions) -> Result<Target, No> {
        let scheme = match head.asked {
            Asked::Plain => Scheme::Http,
            Asked::Tls => {
                let of_user = |policy: &SecretPolicy| policy.users.contains(who);
                let meant = |name: &SecretName, policy: &SecretPolicy| mentions.contains_key(name) || (mentions.is_empty() && of_user(policy));
                let policies: Vec<&SecretPolicy> =
                    self.secrets.iter().filter(|(name, secret)| meant(name, &secret.policy)).map(|(_, secret)| &*secret.policy).collect();
                scheme_for(policies.iter().copied(), &head.authority)
            }
        };
        Ok(Target::of(&head.method, scheme, &head.authority, &head.path_and_query)?)
    }

    fn usable(&self, name: &SecretName) -> Result<Arc<SecretPolicy>, No> {
        let secret = self.secrets.get(name).filter(|secret| secret.standing == Standing::Good);
        secret.map(|secret| Arc::clone(&secret.policy)).ok_or_else(unknown)
    }

    fn rule_for(&mut self, name: &SecretName, asked: &Asker, target: &Target, slots: &BTreeSet<Slot>, bytes: u64) -> Result<TargetRule, No> {
        let policy = self.usable(name)?;
        let uses_in_window = self.window(name).map_or(0, |(window, now)| window.count(now));
        let now = self.ports.clock.wall();
        let asking = Asking { who: &asked.who, member: asked.member, now, uses_in_window, bytes_out: bytes, slots };
        Ok(decide(&policy, &asking, target)?.clone())
    }

    /// All of the mentioned secrets, or none.
    fn grant(&mut self, asked: &Asker, target: &Target, mentions: &Mentions, bytes: u64) -> Result<Granted, No> {
        let mut rules = Vec::new();
        let mut bytes_out_max = u64::MAX;
        for (name, slots) in mentions {
            rules.push(self.rule_for(name, asked, target, slots, bytes)?);
            bytes_out_max = bytes_out_max.min(self.usable(name)?.bytes_out_max);
        }
        let rule = agreed(rules)?;
        let mut values = BTreeMap::new();
        for (name, slots) in mentions {
            // What only signs is opened when it signs.
            if slots.iter().any(|slot| *slot != Slot::Signature) {
                values.insert(name.clone(), self.value(name).ok_or_else(unknown)?);
            }
            self.count(name);
        }
        Ok(Granted { values, rule, bytes_out_max })
    }

    /// For a request whose head mentions nothing: a secret whose policy lets it stand in the body.
    fn grant_for_body(&mut self, asked: &Asker, target: &Target, bytes: u64, has_body: bool) -> Result<Granted, No> {
        let (slots, names) = (BTreeSet::from([Slot::Body]), self.secrets.keys().cloned().collect::<Vec<_>>());
        for name in names.iter().filter(|_| has_body) {
            if let Ok(rule) = self.rule_for(name, asked, target, &slots, bytes) {
                let bytes_out_max = self.usable(name)?.bytes_out_max;
                return Ok(Granted { values: BTreeMap::new(), rule, bytes_out_max });
            }
        }
        let sentence = "the request mentions no secret; what needs none goes by the way out without keys";
        Err(No::new(Why::Denied, "no_placeholder", sentence))
    }

    /// The rule by which every one of these secrets names the target, wherever in the request it may stand.
    fn named(&mut self, asked: &Asker, target: &Target, names: &BTreeSet<SecretName>, bytes: u64) -> Result<TargetRule, No> {
        let each = [Slot::Header, Slot::Path, Slot::Query, Slot::Body, Slot::Signature].map(|slot| BTreeSet::from([slot]));
        let mut rules = Vec::new();
        for name in names {
            let mut last = None;
            let rule = each.iter().find_map(|slots| self.rule_for(name, asked, target, slots, bytes).map_err(|no| last = Some(no)).ok());
            rules.push(rule.ok_or_else(|| last.unwrap_or_else(unknown))?);
        }
        if rules.is_empty() {
            return Ok(self.grant_for_body(asked, target, bytes, true)?.rule);
        }
        agreed(rules)
    }

    fn count(&mut self, name: &SecretName) {
        if let Some((window, now)) = self.window(name) {
            window.add(now);
        }
    }
}

impl Keeper {
    /// A secret that a body mentions: decided on, counted and opened.
    pub(super) fn for_body(&self, name: &SecretName, asked: &Asker, target: &Target) -> Result<SecretSlice<u8>, No> {
        let mut core = self.core();
        if core.state() != VaultState::Open {
            return Err(sealed(core.state()));
        }
        core.rule_for(name, asked, target, &BTreeSet::from([Slot::Body]), 0)?;
        let value = core.value(name).ok_or_else(unknown)?;
        core.count(name);
        Ok(value)
    }
}

/// Several secrets in one request: how their rules reach the host has to be the same.
fn agreed(rules: Vec<TargetRule>) -> Result<TargetRule, No> {
    let mut rules = rules.into_iter();
    let first = rules.next().ok_or_else(unknown)?;
    if rules.all(|rule| rule.lan == first.lan && rule.authority == first.authority) {
        return Ok(first);
    }
    let sentence = "the secrets of one request have rules that reach its host in different ways (lan, authority); make them the same";
    Err(No::new(Why::Denied, "rules_differ", sentence))
}

// === reading and writing heads ===

fn asked(head: &Head) -> Result<Asker, No> {
    let nobody = || No::new(Why::Denied, "who", "the request does not say which part of the house asks (`hearth-as: provider/NAME`)");
    let who = head.asking.as_deref().and_then(|text| text.parse().ok()).ok_or_else(nobody)?;
    let no_member = |_| No::new(Why::Denied, "member", "the request does not say clearly for which member it is (`hearth-for`)");
    let member = head.member.as_deref().map(str::parse).transpose().map_err(no_member)?;
    Ok(Asker { who, member })
}

fn without_order(headers: &HeaderMap) -> Result<(HeaderMap, Option<SignOrder>), No> {
    let mut orders = headers.get_all(SIGN_HEADER).iter();
    let Some(order) = orders.next() else { return Ok((headers.clone(), None)) };
    let text = order.to_str().ok().filter(|_| orders.next().is_none()).ok_or(SignError::Order)?;
    let order = SignOrder::parse(text)?;
    let mut rest = headers.clone();
    rest.remove(SIGN_HEADER);
    Ok((rest, Some(order)))
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
    let own = |(name, value): (&HeaderName, &header::HeaderValue)| {
        CREDENTIALS.contains(&name.as_str()) && !mentions_one(name, value, &target)
    };
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

// === signatures ===

struct Signing {
    keeper: Keeper,
    order: SignOrder,
}

impl Sign for Signing {
    fn sign(&self, to: &ports::Target, written: &mut Written, body: &[u8]) -> Result<(), Refused> {
        self.signed(to, written, body).map_err(|no| no.refused)
    }
}

impl Signing {
    fn signed(&self, to: &ports::Target, written: &mut Written, body: &[u8]) -> Result<(), No> {
        let scheme = if to.scheme == ports::Scheme::Https { Scheme::Https } else { Scheme::Http };
        let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
        let port = if to.port == default_port(scheme) { String::new() } else { format!(":{}", to.port) };
        let target = Target::of(&written.method, scheme, &format!("{host}{port}"), written.path_and_query.as_str())?;
        let mut nonce = [0; NONCE];
        let mut keys = BTreeMap::new();
        let now = {
            let core = self.keeper.core();
            let failed = |error: crate::seal::crypto::EntropyError| No::new(Why::Denied, "signature", error.to_string());
            core.ports.entropy.fill(&mut nonce).map_err(failed)?;
            for name in self.order.secrets() {
                keys.insert(name.clone(), core.value(name).ok_or_else(unknown)?);
            }
            core.ports.clock.wall()
        };
        let nonce = hex::encode(nonce);
        let moment = Moment { now, nonce: &nonce, random: &ring::rand::SystemRandom::new() };
        let request = ToSign { target: &target, headers: &written.headers, body: Some(body) };
        for (name, value) in sign::sign(&self.order, &keys, &request, &moment)? {
            written.headers.insert(name, value);
        }
        Ok(())
    }
}
