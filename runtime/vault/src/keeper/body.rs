//! Placeholders in a body or a message: each is decided on when it is first met, and its value opened only then. One event for each
//! secret of each body.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hearth_domain::secret::SecretName;
use secrecy::SecretSlice;
use zeroize::Zeroize as _;

use super::Keeper;
use super::asker::Asker;
use super::no::No;
use crate::egress::ports::{Refused, Rewrite, Rewriter, Why};
use crate::policy::decide::Refusal;
use crate::policy::placeholder::{BodyKind, Piece, PlaceholderError, Substituter, Values};
use crate::policy::target::Target;

/// Most different secrets of one body.
const SECRETS_MAX: usize = 32;

/// One request's use of secrets in its body, or in the messages of its WebSocket.
pub(super) struct BodyUse {
    pub(super) keeper: Keeper,
    pub(super) asked: Asker,
    pub(super) target: Target,
    pub(super) kind: BodyKind,
    /// Bytes of the head, and of the body as far as they were declared.
    pub(super) bytes: (u64, u64),
    pub(super) place: String,
}

/// Makes a substituter for each body or message of a request.
pub(super) struct BodyRewriter(pub(super) Arc<BodyUse>);

impl Rewriter for BodyRewriter {
    fn start(&self) -> Box<dyn Rewrite> {
        let found = Arc::new(Mutex::new(FoundOut { refused: None, bytes_max: u64::MAX }));
        let lazy = Lazy { body: Arc::clone(&self.0), first: OnceCell::new(), found: Arc::clone(&found) };
        let substituter = Substituter::new(self.0.kind, lazy);
        Box::new(BodyRewrite { body: Arc::clone(&self.0), found, seen: self.0.bytes.0, substituter })
    }
}

/// A value that was opened for this body, and those after it. A list that only grows, so that values can be lent while it does.
struct Node {
    name: SecretName,
    value: SecretSlice<u8>,
    next: OnceCell<Box<Node>>,
}

/// What came out while values were looked for.
struct FoundOut {
    refused: Option<Refused>,
    /// Most bytes of this request, by the policies of the secrets in its body.
    bytes_max: u64,
}

struct Lazy {
    body: Arc<BodyUse>,
    first: OnceCell<Box<Node>>,
    found: Arc<Mutex<FoundOut>>,
}

impl Lazy {
    fn open(&self, name: &SecretName, known: usize) -> Option<SecretSlice<u8>> {
        let body = &*self.body;
        let opened = if known < SECRETS_MAX {
            body.keeper.for_body(name, &body.asked, &body.target, body.bytes.0.saturating_add(body.bytes.1))
        } else {
            Err(No::new(Why::Denied, "too_many", format!("a body mentions more than {SECRETS_MAX} secrets")))
        };
        body.keeper.tell(Some(&body.asked), vec![name.clone()], body.place.clone(), opened.as_ref().map(drop));
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok((value, bytes_max)) => {
                found.bytes_max = found.bytes_max.min(bytes_max);
                Some(value)
            }
            Err(no) => {
                found.refused = Some(no.refused);
                None
            }
        }
    }
}

impl Values for Lazy {
    fn value(&self, name: &SecretName) -> Option<&SecretSlice<u8>> {
        let (mut at, mut known) = (&self.first, 0);
        while let Some(node) = at.get() {
            if node.name == *name {
                return Some(&node.value);
            }
            (at, known) = (&node.next, known + 1);
        }
        let value = self.open(name, known)?;
        Some(&at.get_or_init(|| Box::new(Node { name: name.clone(), value, next: OnceCell::new() })).value)
    }
}

struct BodyRewrite {
    body: Arc<BodyUse>,
    found: Arc<Mutex<FoundOut>>,
    /// Bytes of the request so far.
    seen: u64,
    substituter: Substituter<Lazy>,
}

impl BodyRewrite {
    fn put(&self, pieces: Result<Vec<Piece>, PlaceholderError>, out: &mut Vec<u8>) -> Result<(), Refused> {
        let pieces = pieces.map_err(|error| self.refusal(error))?;
        if self.seen > self.found.lock().unwrap_or_else(PoisonError::into_inner).bytes_max {
            return Err(No::from(Refusal::Bytes).refused);
        }
        let pieces: Vec<Bytes> = pieces.into_iter().map(Piece::into_bytes).collect();
        make_room(out, pieces.iter().map(Bytes::len).sum());
        pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        Ok(())
    }

    fn refusal(&self, error: PlaceholderError) -> Refused {
        if let Some(refused) = self.found.lock().unwrap_or_else(PoisonError::into_inner).refused.take() {
            return refused;
        }
        let no = No::from(error);
        self.body.keeper.tell(Some(&self.body.asked), Vec::new(), self.body.place.clone(), Err(&no));
        no.refused
    }
}

impl Rewrite for BodyRewrite {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.seen = self.seen.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let pieces = self.substituter.feed(Bytes::copy_from_slice(piece));
        self.put(pieces, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let pieces = self.substituter.finish();
        self.put(pieces, out)
    }
}

/// Room for so many more bytes; what is left behind by growing is zeroed.
fn make_room(out: &mut Vec<u8>, more: usize) {
    let wanted = out.len().saturating_add(more);
    if wanted > out.capacity() {
        let mut grown = Vec::with_capacity(wanted);
        grown.extend_from_slice(out);
        out.zeroize();
        *out = grown;
    }
}
