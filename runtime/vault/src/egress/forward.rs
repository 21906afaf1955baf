//! One request: looked through, admitted, sent, answered.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Either;
use hyper::body::{Body, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::egress::Broker;
use crate::egress::answer::{Reply, returned, watch_answer};
use crate::egress::connect::Speaks;
use crate::egress::download::Occupied;
use crate::egress::failure::{Failed, Failure, Wait};
use crate::egress::headers::{self, Wishes};
use crate::egress::passing::{Passing, look};
use crate::egress::patience::Patience;
use crate::egress::pool::{Key, Leased};
use crate::egress::ports::{Head, Pass, Renewal};
use crate::egress::unpack;
use crate::egress::upload::{Outgoing, Trouble, Upload, drain, gather, rewritten};
use crate::egress::websocket;

/// How often a request that is declared idempotent is sent at most.
const TRIES: u32 = 2;
/// Kept connections that are tried before a new one is made.
const KEPT_TRIES: u32 = 4;
/// Bytes of a redirect's body that are read to keep its connection.
const REDIRECT_BODY_BYTES: u64 = 16 * 1024;

/// A request's body before it is sent.
enum Payload {
    /// Complete and looked through, as the client wrote it.
    Gathered(Bytes),
    /// Still arriving; it can be sent once.
    Arriving(Incoming),
}

/// A request under way.
struct Course<'a> {
    broker: &'a Broker,
    wishes: Wishes,
    started: Instant,
    renewal: Option<Box<dyn Renewal>>,
}

/// An answer whose head has been looked through.
struct Answered {
    response: Response<Incoming>,
    leased: Leased,
}

/// Serves one request.
pub(super) async fn forward(broker: &Arc<Broker>, request: Request<Incoming>, permit: OwnedSemaphorePermit) -> Reply {
    match course(broker, request, permit).await {
        Ok(reply) => reply,
        Err(failed) => {
            tracing::info!(code = failed.failure.code(), outcome = failed.outcome.word(), "a request was not answered by its server");
            failed.reply().map(Either::Left)
        }
    }
}

async fn course(broker: &Arc<Broker>, request: Request<Incoming>, permit: OwnedSemaphorePermit) -> Result<Reply, Failed> {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let (head, wishes) = headers::read(&mut parts).map_err(Failed::unsent)?;
    watch_head(broker, &head).map_err(Failed::unsent)?;
    let renewal = broker.gate.renewal(&head, body.size_hint().exact());
    if let Some(renewal) = &renewal {
        renewal.ready().await;
    }
    let mut pass = broker.gate.admit(&head, body.size_hint().exact()).map_err(Failed::unsent)?;
    headers::settle(&mut pass.written);
    if head.upgrade {
        // Boxed, as other parts that are seldom waited for: a future is moved about whole.
        return Box::pin(websocket::open(broker, parts, pass, started, permit)).await;
    }
    Course { broker, wishes, started, renewal }.run(head, pass, body, permit).await
}

fn watch_head(broker: &Broker, head: &Head) -> Result<(), Failure> {
    let text = headers::lines(&[head.method.as_str(), &head.authority, &head.path_and_query], &head.headers);
    look(broker.watch.outgoing(), [text.as_slice()]).map_err(Failure::LeakOut)
}

impl Course<'_> {
    async fn run(&self, mut head: Head, mut pass: Pass, body: Incoming, permit: OwnedSemaphorePermit) -> Result<Reply, Failed> {
        let mut payload = Some(self.payload(&head, &mut pass, body).await.map_err(Failed::unsent)?);
        let (mut hops, mut renewed) = (0, false);
        loop {
            let gathered = match &payload {
                Some(Payload::Gathered(bytes)) => Some(bytes.clone()),
                Some(Payload::Arriving(_)) | None => None,
            };
            let Some(sent) = payload.take() else { return Err(Failed::unknown(Failure::Unwritable)) };
            let answered = self.exchange(&mut pass, sent).await.map_err(|failed| after(hops + u32::from(renewed), failed))?;
            if !renewed
                && hops == 0
                && let Some((again, bytes)) = Box::pin(self.renewed(&head, gathered.as_ref(), &answered.response)).await
            {
                Box::pin(self.pass_by(answered, &pass)).await;
                (pass, payload, renewed) = (again, Some(Payload::Gathered(bytes)), true);
                continue;
            }
            let next = self.onward(&mut head, &pass, gathered, &answered.response, hops + 1).map_err(Failed::unknown)?;
            let Some((onward, bytes)) = next else {
                return hand_back(self.broker, answered, &pass, self.started, permit).await.map_err(Failed::unknown);
            };
            Box::pin(self.pass_by(answered, &pass)).await;
            (pass, payload, hops) = (onward, Some(Payload::Gathered(bytes)), hops + 1);
        }
    }

    /// The same request with other credentials, when the server did not accept those that it had: it says by that that it has not acted
    /// (RFC 9110 15.5.2). Only for what may be sent twice.
    async fn renewed(&self, head: &Head, gathered: Option<&Bytes>, response: &Response<Incoming>) -> Option<(Pass, Bytes)> {
        let twice = self.wishes.idempotent || matches!(head.method, Method::GET | Method::HEAD);
        let (renewal, bytes) = (self.renewal.as_ref()?, gathered?);
        if response.status() != StatusCode::UNAUTHORIZED || !twice || !renewal.rejected().await {
            return None;
        }
        let mut pass = self.broker.gate.admit(head, Some(bytes.len() as u64)).ok()?;
        headers::settle(&mut pass.written);
        if unpack::packing(&head.headers).is_ok_and(|packing| packing.is_some()) {
            pass.rewriter = None;
        }
        Some((pass, bytes.clone()))
    }

    fn end(&self, pass: &Pass) -> Instant {
        self.started + pass.bounds.total
    }

    fn patience(&self, pass: &Pass) -> Patience {
        Patience::new(pass.bounds.silence, pass.bounds.total, self.end(pass))
    }

    /// Gathers the body where it has to be complete, or may be needed again and is short. A packed one goes out as it is.
    async fn payload(&self, head: &Head, pass: &mut Pass, body: Incoming) -> Result<Payload, Failure> {
        let declared = body.size_hint().exact();
        if declared.is_some_and(|bytes| bytes > pass.bounds.request_bytes) {
            return Err(Failure::TooLarge(pass.bounds.request_bytes));
        }
        if body.is_end_stream() {
            return Ok(Payload::Gathered(Bytes::new()));
        }
        let packing = unpack::packing(&head.headers).map_err(|_| Failure::Packed)?;
        let room = self.broker.limits.gather_bytes;
        let fits = declared.is_some_and(|bytes| bytes <= room as u64);
        let wanted = pass.rewriter.is_some() || self.wishes.follow || self.wishes.idempotent;
        if packing.is_none() && pass.sign.is_none() && !(wanted && fits) {
            return Ok(Payload::Arriving(body));
        }
        let limit = room.min(usize::try_from(pass.bounds.request_bytes).unwrap_or(usize::MAX));
        let bytes = Box::pin(gather(body, limit, self.patience(pass))).await?;
        let scan = self.broker.watch.outgoing();
        match packing {
            None => look(scan, [bytes.as_ref()]),
            Some(packing) => {
                pass.rewriter = None;
                let plain = unpack::whole(packing, bytes.clone(), pass.bounds.request_bytes)?;
                look(scan, plain.iter().map(Bytes::as_ref))
            }
        }
        .map_err(Failure::LeakOut)?;
        Ok(Payload::Gathered(bytes))
    }

    /// What is sent; the bytes too, where it can be sent once more.
    fn outgoing(&self, pass: &mut Pass, payload: Payload, trouble: &Trouble) -> Result<(Outgoing, Option<Bytes>), Failure> {
        match payload {
            Payload::Arriving(from) => {
                let passing = Passing::new(self.broker.watch.outgoing());
                let (patience, limit) = (self.patience(pass), pass.bounds.request_bytes);
                let upload = Upload::new(from, passing, pass.rewriter.as_deref(), patience, limit, Arc::clone(trouble));
                Ok((Outgoing::Stream(Box::new(upload)), None))
            }
            Payload::Gathered(bytes) => {
                let bytes = match pass.rewriter.as_deref() {
                    Some(rewriter) if !bytes.is_empty() => rewritten(rewriter, &bytes)?,
                    Some(_) | None => bytes,
                };
                if let Some(sign) = pass.sign.clone() {
                    sign.sign(&pass.target, &mut pass.written, &bytes)?;
                }
                Ok((Outgoing::whole(bytes.clone()), Some(bytes)))
            }
        }
    }

    /// Sends and waits for the head of the answer. A request is sent a second time only when no byte of the first left, or when its
    /// sender said that it does no harm.
    async fn exchange(&self, pass: &mut Pass, payload: Payload) -> Result<Answered, Failed> {
        let trouble = Trouble::default();
        let (mut outgoing, again) = self.outgoing(pass, payload, &trouble).map_err(Failed::unsent)?;
        let (key, end) = (Key::of(pass), self.end(pass));
        let (mut tries, mut stale) = (1, 0);
        loop {
            let kept = if tries == 1 && stale < KEPT_TRIES { self.broker.pool.take(&key) } else { None };
            let mut leased = match kept {
                Some(leased) => leased,
                None => {
                    Box::pin(self.connected(pass, key.clone(), end)).await.map_err(|failure| after(tries - 1, Failed::unsent(failure)))?
                }
            };
            let builder = if leased.sender.is_http2() { headers::for_http2 } else { headers::for_http1 };
            let request = builder(&pass.target, &pass.written).and_then(|head| head.body(outgoing).map_err(|_| Failure::Unwritable));
            let request = request.map_err(Failed::unsent)?;
            // While a body is still arriving, its own clock watches it.
            let answer = if again.is_some() { end.min(Instant::now() + pass.bounds.answer) } else { end };
            let Ok(sent) = timeout_at(answer, leased.sender.send(request)).await else {
                return Err(Failed::unknown(Failure::Deadline(Wait::Answer, pass.bounds.answer)));
            };
            let mut error = match sent {
                Ok(response) => return self.watched(response, leased),
                Err(error) => error,
            };
            match (error.take_message(), &again) {
                (Some(request), _) if leased.reused => {
                    stale += 1;
                    outgoing = request.into_body();
                }
                (Some(_), _) => return Err(after(tries - 1, Failed::unsent(Failure::Broken(error.into_error())))),
                (None, Some(bytes)) if self.wishes.idempotent && tries < TRIES => {
                    tries += 1;
                    outgoing = Outgoing::whole(bytes.clone());
                }
                (None, _) => return Err(Failed::unknown(why_broken(&trouble, error.into_error()))),
            }
        }
    }

    async fn connected(&self, pass: &Pass, key: Key, end: Instant) -> Result<Leased, Failure> {
        let line = self.broker.connector.connect(pass, Speaks::Any, end).await?;
        self.broker.pool.begin(line, key).await
    }

    fn watched(&self, response: Response<Incoming>, leased: Leased) -> Result<Answered, Failed> {
        watch_answer(self.broker, &response).map_err(Failed::unknown)?;
        Ok(Answered { response, leased })
    }

    /// The next request, when the answer is a redirect that is followed.
    fn onward(
        &self,
        head: &mut Head,
        pass: &Pass,
        gathered: Option<Bytes>,
        response: &Response<Incoming>,
        count: u32,
    ) -> Result<Option<(Pass, Bytes)>, Failure> {
        let Some(location) = redirect(response).filter(|_| self.wishes.follow) else { return Ok(None) };
        let mut next = head.clone();
        let bytes = match (becomes_get(response.status(), &head.method), gathered) {
            (true, _) => {
                next.method = Method::GET;
                without_body(&mut next.headers);
                Bytes::new()
            }
            (false, Some(bytes)) => bytes,
            // The body is gone; the client can send it again.
            (false, None) => return Ok(None),
        };
        if count > self.broker.limits.redirects {
            return Err(Failure::Redirects(self.broker.limits.redirects));
        }
        let Some(hop) = self.broker.gate.redirect(pass, &next, response.status().as_u16(), location, count)? else { return Ok(None) };
        let mut onward = hop.pass;
        headers::settle(&mut onward.written);
        if onward.target != pass.target {
            headers::drop_credentials(&mut onward.written.headers);
            (onward.rewriter, onward.sign) = (None, None);
        }
        *head = next;
        Ok(Some((onward, bytes)))
    }

    /// Keeps the connection of a redirect when its body is short.
    async fn pass_by(&self, answered: Answered, pass: &Pass) {
        let (body, leased) = (answered.response.into_body(), answered.leased);
        if body.size_hint().upper().is_some_and(|bytes| bytes <= REDIRECT_BODY_BYTES) {
            let until = self.end(pass).min(Instant::now() + pass.bounds.silence);
            if let Ok(Ok(())) = timeout_at(until, drain(body)).await {
                self.broker.pool.give_back(leased);
            }
        }
    }
}

/// Once something was sent, nothing that happens later makes it unsent.
fn after(sent: u32, failed: Failed) -> Failed {
    if sent == 0 { failed } else { Failed::unknown(failed.failure) }
}

/// The upload's own reason, if it has one.
fn why_broken(trouble: &Trouble, error: hyper::Error) -> Failure {
    match trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(failure) => failure,
        None if error.is_parse() || error.is_parse_too_large() => Failure::BadAnswer(error),
        None => Failure::Broken(error),
    }
}

fn redirect(response: &Response<Incoming>) -> Option<&str> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    response.headers().get(header::LOCATION).filter(|_| redirects)?.to_str().ok()
}

/// RFC 9110 15.4: what is asked after a redirect.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        303 => method != Method::HEAD,
        301 | 302 => method == Method::POST,
        _ => false,
    }
}

fn without_body(headers: &mut HeaderMap) {
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION] {
        headers.remove(name);
    }
}

/// Gives the answer to the client, and the connection back when it was read.
async fn hand_back(
    broker: &Broker,
    answered: Answered,
    pass: &Pass,
    started: Instant,
    permit: OwnedSemaphorePermit,
) -> Result<Reply, Failure> {
    let occupied = Occupied { pool: Arc::clone(&broker.pool), leased: Some(answered.leased), permit: Some(permit) };
    returned(broker, answered.response, pass, started, occupied).await
}
