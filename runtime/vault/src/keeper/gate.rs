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

use hearth_domain::secret::{Scheme, SecretName, Slot};
use hearth_domain::vault::VaultState;
use http::{HeaderMap, StatusCode};

use super::asker::Asker;
use super::body::{BodyRewriter, BodyUse};
use super::head::{bare, came_from, fill, head_bytes, kind_of, no_own_credentials, pass_of, place, without_order, without_placeholders};
use super::no::{No, sealed};
use super::renewer::{Renewer, Renewing};
use super::signing::Signing;
use super::{Keeper, Kind};
use crate::egress::limits::Bounds;
use crate::egress::ports::{self, Gate, Head, Hop, Pass, Refused, Sign};
use crate::policy::placeholder::{self, BodyKind};
use crate::policy::redirect::{self, RedirectError};
use crate::policy::target::Target;
use crate::sign::SignOrder;

/// Bytes of an opaque body up to which it is looked through for placeholders, which have no place there. A larger one goes out as it is.
const OPAQUE_LOOKED_AT: u64 = 1 << 20;

/// The gate of this keeper.
#[derive(Debug, Clone)]
pub struct KeeperGate {
    keeper: Keeper,
    bounds: Bounds,
    renewer: Option<Renewer>,
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
        let asked = Asker::of(head)?;
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
        let asked = Asker::of(head)?;
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
        let asked = Asker::of(head)?;
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
