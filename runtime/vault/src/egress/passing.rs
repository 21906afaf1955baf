//! A stream under watch: what may go on, what has to wait.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::egress::ports::{HELD_BYTES, Leak, Scan};

/// Pieces on their way past a scan. Nothing is copied while nothing is held.
pub(super) struct Passing {
    scan: Box<dyn Scan>,
    waiting: VecDeque<Bytes>,
    bytes: usize,
}

impl Passing {
    pub(super) fn new(scan: Box<dyn Scan>) -> Self {
        Self { scan, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Takes a piece and gives what may go on now, which may be nothing.
    pub(super) fn feed(&mut self, piece: Bytes) -> Result<Bytes, Leak> {
        let held = self.scan.feed(&piece)?.0;
        self.bytes += piece.len();
        self.waiting.push_back(piece);
        if held > HELD_BYTES {
            return Err(Leak { what: "undecided".into() });
        }
        Ok(self.release(self.bytes.saturating_sub(held)))
    }

    /// The stream has ended: the rest.
    pub(super) fn finish(&mut self) -> Result<Bytes, Leak> {
        self.scan.finish()?;
        Ok(self.release(self.bytes))
    }

    fn release(&mut self, mut wanted: usize) -> Bytes {
        self.bytes -= wanted;
        let mut first: Option<Bytes> = None;
        let mut joined: Option<BytesMut> = None;
        while wanted > 0 {
            let Some(mut piece) = self.waiting.pop_front() else { break };
            if piece.len() > wanted {
                self.waiting.push_front(piece.split_off(wanted));
            }
            wanted -= piece.len();
            match (first.take(), joined.as_mut()) {
                (None, None) => first = Some(piece),
                (Some(one), _) => joined = Some([one, piece].iter().map(Bytes::as_ref).fold(BytesMut::new(), appended)),
                (None, Some(all)) => all.extend_from_slice(&piece),
            }
        }
        self.waiting.retain(|piece| !piece.is_empty());
        first.or_else(|| joined.map(BytesMut::freeze)).unwrap_or_default()
    }
}

fn appended(mut all: BytesMut, piece: &[u8]) -> BytesMut {
    all.extend_from_slice(piece);
    all
}

/// Looks through something that is complete.
pub(super) fn look<'a>(mut scan: Box<dyn Scan>, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Leak> {
    for part in parts {
        scan.feed(part)?;
    }
    scan.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::egress::ports::Held;

    /// Holds what it is told.
    struct Told(Vec<usize>, usize);

    impl Scan for Told {
        fn feed(&mut self, piece: &[u8]) -> Result<Held, Leak> {
            self.1 += piece.len();
            let held = self.0.pop().unwrap_or(0).min(self.1);
            self.1 = held;
            Ok(Held(held))
        }

        fn finish(&mut self) -> Result<(), Leak> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn whatever_is_held_arrives_in_order_and_once(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20),
            holds in proptest::collection::vec(0_usize..40, 0..20),
        ) {
            let mut passing = Passing::new(Box::new(Told(holds, 0)));
            let mut out = Vec::new();
            for piece in &pieces {
                out.extend_from_slice(&passing.feed(Bytes::copy_from_slice(piece)).unwrap());
            }
            out.extend_from_slice(&passing.finish().unwrap());
            prop_assert_eq!(out, pieces.concat());
        }
    }
}
