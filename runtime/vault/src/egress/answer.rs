//! A server's answer on its way to the client: looked through, bound, unpacked.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use crate::egress::Broker;
use crate::egress::download::{Occupied, Returned};
use crate::egress::failure::Failure;
use crate::egress::headers;
use crate::egress::passing::{Passing, look};
use crate::egress::patience::Patience;
use crate::egress::ports::Pass;
use crate::egress::unpack::{self, Unpack};

/// What a client gets.
pub(super) type Reply = Response<Either<Full<Bytes>, Returned>>;

/// Looks through the head of an answer.
pub(super) fn watch_answer(broker: &Broker, response: &Response<Incoming>) -> Result<(), Failure> {
    let text = headers::lines(&[response.status().as_str()], response.headers());
    look(broker.watch.incoming(), [text.as_slice()]).map_err(Failure::LeakIn)
}

/// Unpacking, where the answer is packed and has a body.
fn unpacking(response: &Response<Incoming>, limit: u64) -> Result<Option<Unpack>, Failure> {
    if response.body().is_end_stream() {
        return Ok(None);
    }
    let packing = unpack::packing(response.headers()).map_err(|_| Failure::AnswerPacked)?;
    if packing.is_some() && response.status() == StatusCode::PARTIAL_CONTENT {
        // A part of something packed cannot be read by itself.
        return Err(Failure::AnswerPacked);
    }
    Ok(packing.map(|packing| Unpack::new(packing, limit)))
}

/// Makes the client's answer of a server's, whose head has been looked through.
pub(super) async fn returned(
    broker: &Broker,
    response: Response<Incoming>,
    pass: &Pass,
    started: Instant,
    occupied: Occupied,
) -> Result<Reply, Failure> {
    let limit = pass.bounds.response_bytes;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::Upgrade("the server switched protocols unasked"));
    }
    let declared = response.body().size_hint().exact();
    if declared.is_some_and(|bytes| bytes > limit) {
        return Err(Failure::AnswerTooLarge(limit));
    }
    let unpack = unpacking(&response, limit)?;
    let short = unpack.is_none() && declared.is_some_and(|bytes| bytes <= broker.limits.look_ahead_bytes);
    let (mut parts, body) = response.into_parts();
    headers::strip(&mut parts.headers);
    if unpack.is_some() {
        parts.headers.remove(header::CONTENT_ENCODING);
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let patience = Patience::new(pass.bounds.silence, pass.bounds.total, started + pass.bounds.total);
    let mut body = Returned::new(body, unpack, Passing::new(broker.watch.incoming()), patience, limit, occupied);
    if short {
        body.look_ahead().await?;
    } else {
        body.glance(broker.limits.look_ahead_bytes).await?;
    }
    let mut reply = Response::new(Either::Right(body));
    (*reply.status_mut(), *reply.headers_mut()) = (parts.status, parts.headers);
    Ok(reply)
}
