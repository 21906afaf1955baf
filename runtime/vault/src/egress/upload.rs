//! A request's body on its way out: bounded, watched, then rewritten.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use zeroize::Zeroizing;

use crate::egress::failure::Failure;
use crate::egress::passing::Passing;
use crate::egress::patience::Patience;
use crate::egress::ports::{Rewrite, Rewriter};

/// Why an upload was broken off; what the HTTP library says of it is less.
pub(super) type Trouble = Arc<Mutex<Option<Failure>>>;

/// The word for the HTTP library; the failure itself is in [`Trouble`].
#[derive(Debug, thiserror::Error)]
#[error("the request was broken off by the broker")]
pub(super) struct BrokenOff;

/// What is sent.
pub(super) enum Outgoing {
    /// Complete, or nothing.
    Whole(Option<Bytes>),
    /// While it arrives.
    Stream(Box<Upload>),
}

impl Outgoing {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(upload) => {
                let piece = ready!(upload.poll(cx));
                Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(|failure| upload.complain(failure))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(upload) => upload.length.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Flowing,
    Over,
}

/// A body that is sent while it arrives.
pub(super) struct Upload {
    from: Incoming,
    passing: Passing,
    rewrite: Option<Box<dyn Rewrite>>,
    patience: Patience,
    /// What the server is told; unknown when the rewriting may change it.
    length: Option<u64>,
    limit: u64,
    left: u64,
    phase: Phase,
    trouble: Trouble,
}

impl Upload {
    pub(super) fn new(
        from: Incoming,
        passing: Passing,
        rewriter: Option<&dyn Rewriter>,
        patience: Patience,
        limit: u64,
        trouble: Trouble,
    ) -> Self {
        let length = if rewriter.is_some() { None } else { from.size_hint().exact() };
        let rewrite = rewriter.map(Rewriter::start);
        Self { from, passing, rewrite, patience, length, limit, left: limit, phase: Phase::Flowing, trouble }
    }

    fn complain(&self, failure: Failure) -> BrokenOff {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        BrokenOff
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        while self.phase == Phase::Flowing {
            let frame = match Pin::new(&mut self.from).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.patience.poll(cx).map(|failure| Some(Err(failure))),
            };
            let in_time = self.patience.heard();
            let piece = match frame {
                _ if in_time.is_err() => in_time.map(|()| Bytes::new()),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.pass_on(data),
                    // Trailers are not sent on (RFC 9110 6.5).
                    Err(_) => continue,
                },
                Some(Err(error)) => Err(Failure::Client(error)),
                None => self.end(),
            };
            match piece {
                Ok(piece) if piece.is_empty() => {}
                other => return Poll::Ready(Some(other)),
            }
        }
        Poll::Ready(None)
    }

    fn pass_on(&mut self, data: Bytes) -> Result<Bytes, Failure> {
        self.left = self.left.checked_sub(data.len() as u64).ok_or(Failure::TooLarge(self.limit))?;
        let piece = self.passing.feed(data).map_err(Failure::LeakOut)?;
        let Some(rewrite) = self.rewrite.as_mut() else { return Ok(piece) };
        let mut out = Zeroizing::new(Vec::with_capacity(piece.len()));
        rewrite.feed(&piece, &mut out)?;
        Ok(Bytes::from_owner(out))
    }

    fn end(&mut self) -> Result<Bytes, Failure> {
        self.phase = Phase::Over;
        let rest = self.passing.finish().map_err(Failure::LeakOut)?;
        let Some(rewrite) = self.rewrite.as_mut() else { return Ok(rest) };
        let mut out = Zeroizing::new(Vec::with_capacity(rest.len()));
        rewrite.feed(&rest, &mut out)?;
        rewrite.finish(&mut out)?;
        Ok(Bytes::from_owner(out))
    }
}

/// Reads a body to its end; it is not looked through yet.
pub(super) async fn gather(mut from: Incoming, limit: usize, mut patience: Patience) -> Result<Bytes, Failure> {
    let mut all = bytes::BytesMut::new();
    loop {
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut from).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => patience.poll(cx).map(Err),
        });
        let Some(frame) = frame.await? else { return Ok(all.freeze()) };
        patience.heard()?;
        let Ok(data) = frame.map_err(Failure::Client)?.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(Failure::TooLarge(limit as u64));
        }
        all.extend_from_slice(&data);
    }
}

/// Replaces the placeholders of something that is complete.
pub(super) fn rewritten(rewriter: &dyn Rewriter, bytes: &[u8]) -> Result<Bytes, Failure> {
    let mut rewrite = rewriter.start();
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len()));
    rewrite.feed(bytes, &mut out)?;
    rewrite.finish(&mut out)?;
    Ok(Bytes::from_owner(out))
}

/// Reads a small answer that nobody wants, so that its connection can be used again.
pub(super) async fn drain(body: Incoming) -> Result<(), hyper::Error> {
    body.collect().await.map(drop)
}
