//! Requests of the vault's own: to an address at which tokens are given. The same rules of addresses, the same TLS and limits as for the
//! house's requests; nothing of them or of their answers goes to the house, and no redirect is followed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rustls::RootCertStore;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::egress::connect::{Connector, Speaks};
use crate::egress::failure::{Failed, Failure, Wait};
use crate::egress::headers;
use crate::egress::limits::Limits;
use crate::egress::pool::{Key, Pool};
use crate::egress::ports::{Judge, Pass, Resolve};
use crate::egress::upload::Outgoing;

/// The way out for the vault's own requests. Each has a connection of its own.
pub struct OwnWay {
    connector: Connector,
    pool: Pool,
}

impl fmt::Debug for OwnWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnWay").finish_non_exhaustive()
    }
}

/// What a server answered.
pub struct OwnAnswer {
    /// The status.
    pub status: StatusCode,
    /// The body. It may hold tokens.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for OwnAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl OwnWay {
    /// A way out by these rules.
    #[must_use]
    pub fn new(resolver: Arc<dyn Resolve>, judge: Judge, roots: RootCertStore, limits: Limits) -> Self {
        let connector = Connector::new(resolver, judge, roots, limits.addresses);
        Self { connector, pool: Pool::new(Limits { idle: 0, ..limits }) }
    }

    /// Sends once, and reads the answer within the bounds of the pass.
    ///
    /// # Errors
    ///
    /// When there is no answer that can be read; with [`Outcome::Unknown`](crate::egress::failure::Outcome::Unknown) the server may have
    /// acted all the same.
    pub async fn send(&self, pass: &Pass, body: Bytes) -> Result<OwnAnswer, Failed> {
        let end = Instant::now() + pass.bounds.total;
        let work = async {
            let line = self.connector.connect(pass, Speaks::Any, end).await.map_err(Failed::unsent)?;
            let mut leased = self.pool.begin(line, Key::of(pass)).await.map_err(Failed::unsent)?;
            let builder = if leased.sender.is_http2() { headers::for_http2 } else { headers::for_http1 };
            let request = builder(&pass.target, &pass.written).map_err(Failed::unsent)?;
            let request = request.body(Outgoing::whole(body)).map_err(|_| Failed::unsent(Failure::Unwritable))?;
            let late = end.min(Instant::now() + pass.bounds.answer);
            let response = match timeout_at(late, leased.sender.send(request)).await {
                Err(_) => return Err(Failed::unknown(Failure::Deadline(Wait::Answer, pass.bounds.answer))),
                Ok(Err(error)) => return Err(broken(error.into_error())),
                Ok(Ok(response)) => response,
            };
            let (parts, body) = response.into_parts();
            let packed = parts.headers.get(header::CONTENT_ENCODING).is_some_and(|how| how.as_bytes() != b"identity");
            if packed {
                return Err(Failed::unknown(Failure::AnswerPacked));
            }
            let body = read(body, pass.bounds.response_bytes).await.map_err(Failed::unknown)?;
            Ok(OwnAnswer { status: parts.status, body })
        };
        match timeout_at(end, work).await {
            Ok(done) => done,
            Err(_) => Err(Failed::unknown(Failure::Deadline(Wait::Total, pass.bounds.total))),
        }
    }
}

fn broken(error: hyper::Error) -> Failed {
    let unreadable = error.is_parse() || error.is_parse_too_large();
    Failed::unknown(if unreadable { Failure::BadAnswer(error) } else { Failure::Broken(error) })
}

async fn read(mut body: Incoming, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    // All of it at once: a buffer that grew would leave tokens behind where it was.
    let mut all = Zeroizing::new(Vec::with_capacity(room));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Failure::Broken)?.into_data() else { continue };
        if all.len().saturating_add(data.len()) > room {
            return Err(Failure::AnswerTooLarge(limit));
        }
        all.extend_from_slice(&data);
    }
    Ok(all)
}
