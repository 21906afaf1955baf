//! What a call asks of the house, one question after the other: authorised by the grant, bounded, and then served.
//!
//! What is served lives as long as the call: dropping a [`Serving`] and the future of its open question ends requests and closes bodies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use hearth_domain::http::broker::{OWN, SIGN};
use hearth_domain::http::{Answered, Asked, Body, Http, HttpError, Way};
use hearth_domain::ids::ToolId;
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::label::Label;
use hearth_domain::limits::Limits;
use hearth_domain::memory::{MemoryHit, MemorySearch};
use hearth_domain::sandbox::{HostAnswer, HostAsk, HttpAsk, PIECE_BYTES, Refusal, RefusalKind};
use hearth_domain::secret::PLACEHOLDER_BEGIN;
use hearth_domain::store::{Commit, Store, StoreError, Write};
use hearth_domain::time::{Clock, Mono};
use hearth_domain::tool::Invocation;
use hearth_domain::tool::grant::Grant;
use hearth_domain::tool::record::{KEY_BYTES, ToolValue};
use hearth_domain::tool::request::RequestParts;
use hearth_supervisor::link::Link;

use crate::memory::{Recall, within};
use crate::store::Save;

/// Keys that are given at once.
const KEYS_MAX: usize = 1_000;
/// Entries of memory that are given at once.
const FOUND_MAX: u32 = 20;
/// Longest query of a search, in bytes.
const QUERY_MAX: usize = 1_000;
/// Bytes of all headers of a response.
const HEADERS_MAX: usize = 64 * 1024;
/// Headers of a request.
const REQUEST_HEADERS_MAX: usize = 128;
/// Longest time that one question may take, whatever the call has left.
const QUESTION_MAX: Duration = Duration::from_secs(120);

/// By what the house serves.
#[derive(Clone)]
pub(super) struct House {
    pub(super) http: Arc<dyn Http>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) save: Link<Save>,
    pub(super) recall: Link<Recall>,
    pub(super) limits: Limits,
}

/// What came of a question: the answer, and what stays behind.
pub(super) enum Given {
    /// Only the answer.
    Plain(HostAnswer),
    /// A response whose body stays open.
    Opened(Answered),
    /// A piece of a body that stays open.
    Read(u32, Body, Vec<u8>),
    /// Entries of memory, whose labels the result will have.
    Found(Vec<MemoryHit>),
}

/// One call and what it has open.
pub(super) struct Serving {
    house: House,
    grant: Arc<Grant>,
    operation: String,
    call: Arc<Invocation>,
    until: Mono,
    bodies: BTreeMap<u32, Body>,
    last_body: u32,
    label: Label,
}

fn refused(kind: RefusalKind, sentence: &str) -> Refusal {
    Refusal { kind, sentence: sentence.to_owned() }
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::warn!(%error, "the store did not serve a tool");
    refused(RefusalKind::Unavailable, "the house cannot look that up or keep it just now")
}

impl Serving {
    /// Nothing is open yet. The call has until then.
    pub(super) fn new(house: House, grant: Arc<Grant>, operation: String, call: Arc<Invocation>, until: Mono) -> Self {
        Self { house, grant, operation, call, until, bodies: BTreeMap::new(), last_body: 0, label: Label::neutral() }
    }

    /// The join of the labels of what the house told the call.
    pub(super) const fn label(&self) -> &Label {
        &self.label
    }

    /// Begins to serve a question. Dropping the future ends whatever is done for it.
    pub(super) fn begin(&mut self, ask: HostAsk) -> BoxFuture<'static, Given> {
        let plain = |answer: Result<HostAnswer, Refusal>| Given::Plain(answer.unwrap_or_else(HostAnswer::Refused));
        let ready = |answer| std::future::ready(plain(answer)).boxed();
        match ask {
            HostAsk::Http(ask) => match self.request(ask) {
                Ok((way, asked)) => {
                    let sent = self.house.http.send(way, asked);
                    async move { sent.await.map_or_else(|error| plain(Err(of_http(error))), Given::Opened) }.boxed()
                }
                Err(refusal) => ready(Err(refusal)),
            },
            HostAsk::Read { body } => match self.bodies.remove(&body) {
                Some(open) => read(body, open).boxed(),
                None => ready(Err(refused(RefusalKind::Unknown, "there is no such body, or it has ended"))),
            },
            HostAsk::Close { body } => {
                self.bodies.remove(&body);
                ready(Ok(HostAnswer::Done))
            }
            HostAsk::Secret { slot } => ready(self.grant.secret(&slot).map(|name| HostAnswer::Placeholder { text: name.placeholder() })),
            HostAsk::Get { key } => self.get(key).map(plain).boxed(),
            HostAsk::Set { key, value } => self.set(key, &value).map(plain).boxed(),
            HostAsk::Delete { key } => self.delete(key).map(plain).boxed(),
            HostAsk::Keys { prefix } => self.keys(prefix).map(plain).boxed(),
            HostAsk::Search { query, limit } => self.search(query, limit),
        }
    }

    /// The answer that the sandbox gets, once what stays behind is kept.
    pub(super) fn finish(&mut self, given: Given) -> HostAnswer {
        match given {
            Given::Plain(answer) => answer,
            Given::Opened(answered) => self.open(answered),
            Given::Read(body, open, piece) => {
                self.bodies.insert(body, open);
                HostAnswer::Piece { piece: Some(STANDARD.encode(piece)) }
            }
            Given::Found(hits) => {
                self.label = Label::join_all(hits.iter().map(|hit| &hit.memory.label)).join(&self.label);
                let now = self.house.clock.wall();
                let age = |hit: &MemoryHit| u64::try_from(now.as_second().saturating_sub(hit.memory.at.as_second())).unwrap_or(0);
                HostAnswer::Found { found: hits.into_iter().map(|hit| (hit.memory.text.clone(), age(&hit))).collect() }
            }
        }
    }

    /// How long a question may take.
    fn left(&self) -> Duration {
        self.until.since(self.house.clock.mono()).min(QUESTION_MAX)
    }

    /// The request that is made for the tool, if it may be made.
    fn request(&self, ask: HttpAsk) -> Result<(Way, Asked), Refusal> {
        let HttpAsk { method, url, headers, body } = ask;
        if self.bodies.len() >= usize::try_from(self.grant.limits.resources).unwrap_or(usize::MAX) {
            return Err(refused(RefusalKind::Limit, "too many bodies are open; close some first"));
        }
        check_headers(&headers)?;
        let parts = RequestParts::read(&method, &url).map_err(|error| refused(RefusalKind::Denied, &error.to_string()))?;
        self.grant.may(&self.operation, &parts)?;
        let body = body.map(|text| STANDARD.decode(text)).transpose();
        let body = body.map_err(|_| refused(RefusalKind::Denied, "the request's body cannot be read"))?;
        let texts = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let pieces: Vec<&[u8]> = [url.as_bytes()].into_iter().chain(texts).chain(body.as_deref()).collect();
        for piece in &pieces {
            self.grant.may_mention(piece)?;
        }
        let begin = PLACEHOLDER_BEGIN.as_bytes();
        let mentions = |piece: &&[u8]| piece.windows(begin.len()).any(|window| window == begin);
        let way = if pieces.iter().any(mentions) { Way::Vault } else { Way::Egress };
        let (principal, member) = (self.grant.tool().principal(), Some(self.call.member.id));
        Ok((way, Asked { principal, member, method, url, headers, body, deadline: self.left() }))
    }

    fn open(&mut self, answered: Answered) -> HostAnswer {
        let Answered { status, headers, body } = answered;
        let bytes = headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).fold(0, usize::saturating_add);
        if bytes > HEADERS_MAX {
            return HostAnswer::Refused(refused(RefusalKind::Limit, "the response has more headers than allowed"));
        }
        self.last_body = self.last_body.saturating_add(1);
        self.bodies.insert(self.last_body, body);
        HostAnswer::Response { status, headers, body: self.last_body }
    }

    fn get(&self, key: String) -> impl Future<Output = Result<HostAnswer, Refusal>> + Send + 'static {
        let checked = self.grant.may_look().and_then(|()| check_key(&key));
        let read = self.house.store.tool_value(self.grant.tool().to_string(), self.call.member.id, key);
        let deadline = self.house.limits.read_deadline;
        async move {
            checked?;
            let value = within(deadline, read).await.map_err(|error| unavailable(&error))?;
            Ok(HostAnswer::Value { value: value.map(|value| STANDARD.encode(value)) })
        }
    }

    fn set(&self, key: String, value: &str) -> impl Future<Output = Result<HostAnswer, Refusal>> + Send + 'static {
        let (house, grant, member) = (self.house.clone(), Arc::clone(&self.grant), self.call.member.id);
        let value = STANDARD.decode(value);
        async move {
            grant.may_look()?;
            let value = value.map_err(|_| refused(RefusalKind::Denied, "the value cannot be read"))?;
            let value = ToolValue { tool: grant.tool().to_string(), member, key, value };
            value.check().map_err(|error| refused(RefusalKind::Limit, &error.to_string()))?;
            let deadline = house.limits.read_deadline;
            let (known, kept) = futures_util::future::try_join(
                within(deadline, house.store.tool_value(value.tool.clone(), member, value.key.clone())),
                within(deadline, house.store.tool_value_bytes(value.tool.clone(), member)),
            )
            .await
            .map_err(|error| unavailable(&error))?;
            // The bytes of what it takes the place of are free again.
            let freed = known.map_or(0, |known| ToolValue { value: known, ..value.clone() }.bytes());
            grant.may_keep(kept.saturating_sub(freed).saturating_add(value.bytes()))?;
            let fact = kept_fact(&house, FactKind::Remembered, &value);
            save(&house, Write::ToolValue(value), fact).await
        }
    }

    fn delete(&self, key: String) -> impl Future<Output = Result<HostAnswer, Refusal>> + Send + 'static {
        let (house, grant, member) = (self.house.clone(), Arc::clone(&self.grant), self.call.member.id);
        async move {
            grant.may_look()?;
            check_key(&key)?;
            let tool = grant.tool().to_string();
            let value = ToolValue { tool: tool.clone(), member, key: key.clone(), value: Vec::new() };
            let fact = kept_fact(&house, FactKind::Forgotten, &value);
            save(&house, Write::ForgetToolValue { tool, member, key }, fact).await
        }
    }

    fn keys(&self, prefix: String) -> impl Future<Output = Result<HostAnswer, Refusal>> + Send + 'static {
        let checked = self.grant.may_look();
        let too_long = prefix.len() > KEY_BYTES;
        let read = self.house.store.tool_keys(self.grant.tool().to_string(), self.call.member.id, prefix, KEYS_MAX);
        let deadline = self.house.limits.read_deadline;
        async move {
            checked?;
            if too_long {
                return Ok(HostAnswer::Keys { keys: Vec::new() });
            }
            let keys = within(deadline, read).await.map_err(|error| unavailable(&error))?;
            Ok(HostAnswer::Keys { keys })
        }
    }

    /// Searches for what everybody who will see the result may know.
    fn search(&self, words: String, limit: u32) -> BoxFuture<'static, Given> {
        let refuse = |refusal: Refusal| std::future::ready(Given::Plain(HostAnswer::Refused(refusal))).boxed();
        if let Err(refusal) = self.grant.may_search() {
            return refuse(refusal);
        }
        if words.len() > QUERY_MAX {
            return refuse(refused(RefusalKind::Limit, "the query is too long"));
        }
        let limit = usize::try_from(limit.min(FOUND_MAX)).unwrap_or(0);
        let search = MemorySearch { words, audience: self.call.audience.clone(), limit };
        let found = self.house.recall.ask(Recall(search), self.house.limits.ask_deadline);
        async move {
            match found.await {
                Ok(Ok(hits)) => Given::Found(hits),
                Ok(Err(_)) | Err(_) => {
                    Given::Plain(HostAnswer::Refused(refused(RefusalKind::Unavailable, "memory does not answer just now")))
                }
            }
        }
        .boxed()
    }
}

/// The next piece of a body.
async fn read(number: u32, mut body: Body) -> Given {
    loop {
        return match body.next().await {
            None => Given::Plain(HostAnswer::Piece { piece: None }),
            Some(Ok(piece)) if piece.is_empty() => continue,
            Some(Ok(piece)) if piece.len() > PIECE_BYTES => {
                Given::Plain(HostAnswer::Refused(refused(RefusalKind::Limit, "a piece of the response is larger than allowed")))
            }
            Some(Ok(piece)) => Given::Read(number, body, piece),
            Some(Err(error)) => Given::Plain(HostAnswer::Refused(of_http(error))),
        };
    }
}

fn of_http(error: HttpError) -> Refusal {
    let kind = match error {
        HttpError::Denied(_) => RefusalKind::Denied,
        HttpError::Limit(_) => RefusalKind::Limit,
        HttpError::Unreachable(_) | HttpError::Unknown => RefusalKind::Unavailable,
    };
    refused(kind, &error.to_string())
}

/// Bounded, and none by which the house and the broker speak: who asks is said by the house, and an order of a signature names a secret
/// without its placeholder, which no grant knows yet.
fn check_headers(headers: &[(String, String)]) -> Result<(), Refusal> {
    if headers.len() > REQUEST_HEADERS_MAX {
        return Err(refused(RefusalKind::Limit, "the request has too many headers"));
    }
    let is_ours = |name: &str| name.starts_with(OWN) || name == SIGN;
    if headers.iter().any(|(name, _)| is_ours(name.trim().to_ascii_lowercase().as_str())) {
        return Err(refused(RefusalKind::Denied, "a header of that name is not a tool's to send"));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(refused(RefusalKind::Unknown, "no such key: a key has 1 to 256 bytes"));
    }
    Ok(())
}

/// What the journal says of something that a tool keeps. Neither key nor value: both are the tool's.
fn kept_fact(house: &House, kind: FactKind, value: &ToolValue) -> Fact {
    Fact {
        kind,
        who: Some(value.member),
        subject: ToolId::derived(&[&value.tool, &value.member.to_string(), &value.key]).to_string(),
        detail: value.tool.clone(),
        content: (kind == FactKind::Remembered).then(|| Digest::of(&value.value)),
        at: house.clock.wall(),
    }
}

async fn save(house: &House, write: Write, fact: Fact) -> Result<HostAnswer, Refusal> {
    let saved = house.save.ask(Save(Commit { writes: vec![write], fact }), house.limits.commit_deadline).await;
    match saved {
        Ok(Ok(())) => Ok(HostAnswer::Done),
        Ok(Err(error)) => Err(unavailable(&error)),
        Err(error) => Err(unavailable(&StoreError::Unavailable(error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_says_neither_who_asks_nor_what_is_to_be_signed() {
        let with = |name: &str| check_headers(&[("accept".to_owned(), "*/*".to_owned()), (name.to_owned(), "x".to_owned())]);
        for name in ["hearth-as", "Hearth-For", " hearth-scheme", "X-Hearth-Sign", "x-hearth-sign "] {
            assert_eq!(with(name).map_err(|refusal| refusal.kind), Err(RefusalKind::Denied), "{name}");
        }
        assert_eq!(with("x-token"), Ok(()));
        let many = vec![("a".to_owned(), String::new()); REQUEST_HEADERS_MAX + 1];
        assert_eq!(check_headers(&many).map_err(|refusal| refusal.kind), Err(RefusalKind::Limit));
    }
}
