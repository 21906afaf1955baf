//! The leak guard inside the house: covers stored secrets in what goes to model providers and in what they reply, by asking the vault
//! where they stand. It never learns what stands there otherwise.
//!
//! Without a stored secret it asks nothing. With one, what cannot be looked through does not go: the vault's process may be gone for a
//! moment, which is waited for. While the vault is sealed nothing is looked for: no secret can be used then, so none can come back, and
//! only a provider that needs none is asked at all.

use std::ops::Range;
use std::time::Duration;

use hearth_domain::limits::Limits;
use hearth_domain::model::{ModelError, ModelReply, ModelRequest};
use hearth_domain::vault::{Covering, Joined, Span, VaultError};
use hearth_supervisor::link::Link;

use crate::vault::{Look, Stored};

/// Questions before the vault is taken for gone.
const TRIES: u32 = 6;
/// Time until the second question; doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of one question.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes that two questions share, so that a secret at their border is found: the longest one, with room for its encodings.
const SHARED_BYTES: usize = 32 * 1024;
/// Bytes of one request or reply.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Sees one text, and may change it.
type Visit<'a> = dyn FnMut(&mut String) + 'a;

/// The guard.
#[derive(Debug, Clone)]
pub struct Guard {
    look: Link<Look>,
    stored: Stored,
    deadline: Duration,
}

impl Guard {
    /// A guard that asks there, unless nothing is stored.
    #[must_use]
    pub const fn new(look: Link<Look>, stored: Stored, limits: &Limits) -> Self {
        Self { look, stored, deadline: limits.ask_deadline }
    }

    /// Whether there is anything to look for, as far as is known.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.stored.known() != Some(0)
    }

    /// Covers what stands in a request.
    ///
    /// # Errors
    ///
    /// When it could not be looked through. It must not go, then.
    pub async fn cover_request(&self, request: &mut ModelRequest) -> Result<(), ModelError> {
        self.cover(&mut |visit| request.each_text(visit)).await.map(drop)
    }

    /// Covers what stands in a reply; `true` when something did.
    ///
    /// # Errors
    ///
    /// When it could not be looked through.
    pub async fn cover_reply(&self, reply: &mut ModelReply) -> Result<bool, ModelError> {
        self.cover(&mut |visit| reply.each_text(visit)).await
    }

    async fn cover(&self, each: &mut (dyn FnMut(&mut Visit<'_>) + Send)) -> Result<bool, ModelError> {
        if !self.watches() {
            return Ok(false);
        }
        let mut joined = Joined::default();
        each(&mut |text| joined.add(text));
        let spans = self.find(&joined.into_text()).await?;
        if !spans.is_empty() {
            let names: std::collections::BTreeSet<_> = spans.iter().map(|span| span.name.as_str()).collect();
            tracing::warn!(secrets = ?names, "stored secrets were covered on their way to or from a model");
            let mut covering = Covering::new(&spans);
            each(&mut |text| covering.next(text));
        }
        Ok(!spans.is_empty())
    }

    async fn find(&self, text: &str) -> Result<Vec<Span>, ModelError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ModelError::Rejected("it is too long to be looked through for secrets".to_owned()));
        }
        let mut spans = Vec::new();
        for piece in pieces(text, PIECE_BYTES, SHARED_BYTES) {
            let found = self.ask(text.get(piece.clone()).unwrap_or_default()).await?;
            let shift = |at: usize| at.saturating_add(piece.start);
            spans.extend(found.into_iter().map(|span| Span { start: shift(span.start), end: shift(span.end), name: span.name }));
        }
        Ok(spans)
    }

    async fn ask(&self, text: &str) -> Result<Vec<Span>, ModelError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.look.ask(Look { text: text.to_owned() }, self.deadline).await {
                Ok(Ok(spans)) => return Ok(spans),
                Ok(Err(error @ (VaultError::Sealed | VaultError::Broken))) => {
                    tracing::debug!(%error, "a text is not looked through for secrets");
                    return Ok(Vec::new());
                }
                Ok(Err(_)) | Err(_) => tokio::time::sleep(pause).await,
            }
            // It may have been read by now that there are none.
            if self.stored.known() == Some(0) {
                return Ok(Vec::new());
            }
            pause = pause.saturating_mul(2);
        }
        let last = self.look.ask(Look { text: text.to_owned() }, self.deadline).await;
        last.unwrap_or(Err(VaultError::Gone)).map_err(|error| ModelError::Unavailable(error.to_string()))
    }
}

/// The text in pieces of at most so many bytes, of which two share some.
fn pieces(text: &str, most: usize, shared: usize) -> Vec<Range<usize>> {
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut pieces = Vec::new();
    let mut start: usize = 0;
    loop {
        let end = boundary(start.saturating_add(most));
        pieces.push(start..end);
        let next = boundary(end.saturating_sub(shared));
        if end == text.len() || next <= start {
            return pieces;
        }
        start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_text_and_share_their_borders() {
        let whole = |text: &str| matches!(pieces(text, 8, 2).as_slice(), [one] if *one == (0..text.len()));
        assert!(whole("") && whole("12345678"));
        assert_eq!(pieces("1234567890", 8, 2), [0..8, 6..10]);
        // A character is never cut: the border moves to its beginning.
        let text = "é".repeat(10);
        assert_eq!(pieces(&text, 7, 3), [0..6, 2..8, 4..10, 6..12, 8..14, 10..16, 12..18, 14..20]);
    }
}
