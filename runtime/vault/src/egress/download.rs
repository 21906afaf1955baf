//! An answer's body on its way back: bounded, unpacked, watched.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::egress::failure::Failure;
use crate::egress::passing::Passing;
use crate::egress::patience::Patience;
use crate::egress::pool::{Leased, Pool};
use crate::egress::unpack::Unpack;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Flowing,
    Over,
}

/// What an answer occupies while it is on its way.
pub(super) struct Occupied {
    pub(super) pool: Arc<Pool>,
    pub(super) leased: Option<Leased>,
    /// The request's place among those under way.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// A server's body.
pub(super) struct Returned {
    from: Incoming,
    unpack: Option<Unpack>,
    passing: Passing,
    patience: Patience,
    limit: u64,
    left: u64,
    /// What the client has yet to get, where that is known.
    length: Option<u64>,
    /// Looked through already.
    ahead: VecDeque<Bytes>,
    phase: Phase,
    occupied: Occupied,
}

impl Returned {
    pub(super) fn new(
        from: Incoming,
        unpack: Option<Unpack>,
        passing: Passing,
        patience: Patience,
        limit: u64,
        occupied: Occupied,
    ) -> Self {
        let length = if unpack.is_some() { None } else { from.size_hint().exact() };
        let (ahead, phase) = (VecDeque::new(), Phase::Flowing);
        Self { from, unpack, passing, patience, limit, left: limit, length, ahead, phase, occupied }
    }

    /// Reads all of it before any of it goes on: for a body that is known to be short.
    pub(super) async fn look_ahead(&mut self) -> Result<(), Failure> {
        let mut all = VecDeque::new();
        while let Some(piece) = std::future::poll_fn(|cx| self.poll(cx)).await {
            all.push_back(piece?);
        }
        self.ahead = all;
        Ok(())
    }

    /// Takes what is there already, up to `bytes`, without waiting: so that an answer which fails at once fails with words.
    pub(super) async fn glance(&mut self, bytes: u64) -> Result<(), Failure> {
        let (mut taken, mut all) = (0, VecDeque::new());
        while taken < bytes {
            let ready = std::future::poll_fn(|cx| match self.poll(cx) {
                Poll::Ready(piece) => Poll::Ready(piece),
                Poll::Pending => Poll::Ready(None),
            });
            let Some(piece) = ready.await.transpose()? else { break };
            taken += piece.len() as u64;
            all.push_back(piece);
        }
        self.ahead = all;
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        while self.phase == Phase::Flowing {
            let piece = match self.unpacked() {
                Ok(Some(piece)) => self.watched(piece),
                Ok(None) => match Pin::new(&mut self.from).poll_frame(cx) {
                    Poll::Pending => return self.patience.poll(cx).map(|failure| Some(Err(failure))),
                    Poll::Ready(frame) => self.patience.heard().and_then(|()| self.arrived(frame)),
                },
                Err(failure) => Err(failure),
            };
            match piece {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(piece))),
                Err(failure) => {
                    self.phase = Phase::Over;
                    return Poll::Ready(Some(Err(failure)));
                }
            }
        }
        Poll::Ready(None)
    }

    fn unpacked(&mut self) -> Result<Option<Bytes>, Failure> {
        self.unpack.as_mut().map_or(Ok(None), |unpack| unpack.next().map_err(|_| Failure::AnswerPacked))
    }

    fn watched(&mut self, piece: Bytes) -> Result<Bytes, Failure> {
        self.passing.feed(piece).map_err(Failure::LeakIn)
    }

    fn arrived(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) -> Result<Bytes, Failure> {
        let Some(frame) = frame else { return self.end() };
        // Trailers are not handed on (RFC 9110 6.5).
        let Ok(data) = frame.map_err(Failure::Broken)?.into_data() else { return Ok(Bytes::new()) };
        self.left = self.left.checked_sub(data.len() as u64).ok_or(Failure::AnswerTooLarge(self.limit))?;
        match self.unpack.as_mut() {
            None => self.watched(data),
            Some(unpack) => {
                unpack.feed(data);
                Ok(Bytes::new())
            }
        }
    }

    fn end(&mut self) -> Result<Bytes, Failure> {
        self.phase = Phase::Over;
        let mut last = Vec::new();
        if let Some(unpack) = self.unpack.as_mut() {
            let piece = unpack.finish().map_err(|_| Failure::AnswerPacked)?;
            last.extend_from_slice(&self.watched(piece.unwrap_or_default())?);
        }
        let rest = self.passing.finish().map_err(Failure::LeakIn)?;
        if let Some(leased) = self.occupied.leased.take() {
            self.occupied.pool.give_back(leased);
        }
        self.occupied.permit = None;
        if last.is_empty() {
            return Ok(rest);
        }
        last.extend_from_slice(&rest);
        Ok(Bytes::from(last))
    }
}

impl Body for Returned {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        let piece = ready!(this.poll(cx));
        match &piece {
            Some(Ok(piece)) => this.length = this.length.map(|length| length.saturating_sub(piece.len() as u64)),
            Some(Err(failure)) => tracing::warn!(code = failure.code(), "an answer was broken off"),
            None => {}
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.phase == Phase::Over && self.ahead.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.phase == Phase::Over {
            return SizeHint::with_exact(self.ahead.iter().map(|piece| piece.len() as u64).sum());
        }
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
