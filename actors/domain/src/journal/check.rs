//! The check of the whole chain, page by page, against an end that somebody outside of the store vouches for.
//!
//! The chain alone finds what was removed, reordered or edited within it. Whoever cuts its end off, or writes all of it anew, leaves a chain that
//! is whole: that is found by an attested head up to its place. What came after the newest attested head is not protected against it.

use serde::{Deserialize, Serialize};

use super::{ChainError, Entry, Head, verify};
use crate::time::Timestamp;

/// The end of the chain at some time, as the vault keeps it beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attested {
    /// The end.
    pub head: Head,
    /// When it was attested.
    pub at: Timestamp,
}

/// A check under way.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    head: Head,
    attested: Option<Attested>,
}

impl Check {
    /// From the beginning of the chain.
    #[must_use]
    pub const fn whole(attested: Option<Attested>) -> Self {
        Self { head: Head::EMPTY, attested }
    }

    /// From the entry before the attested one: what is before that was checked when it was attested. The digest of that entry is only known
    /// from the first page, which has to have it.
    ///
    /// # Errors
    ///
    /// When the attested entry is not there, or another.
    pub fn after(attested: Attested, found: Option<&Entry>) -> Result<Self, ChainError> {
        let head = attested.head;
        match found.filter(|entry| entry.seq == head.seq) {
            None if head.seq > 0 => Err(ChainError::Cut { seq: head.seq }),
            Some(entry) if entry.digest != head.digest => Err(ChainError::Other { seq: head.seq }),
            None | Some(_) => Ok(Self { head, attested: None }),
        }
    }

    /// Where it stands: the last entry that was checked.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The entries that follow.
    ///
    /// # Errors
    ///
    /// The first one that is not what belongs there.
    pub fn page(&mut self, entries: &[Entry]) -> Result<(), ChainError> {
        for entry in entries {
            self.head = verify(self.head, [entry])?;
            if let Some(Attested { head, .. }) = self.attested
                && head.seq == self.head.seq
                && head != self.head
            {
                return Err(ChainError::Other { seq: head.seq });
            }
        }
        Ok(())
    }

    /// No entry follows. `stored` is where the store says that the chain ends.
    ///
    /// # Errors
    ///
    /// When entries are missing.
    pub fn end(self, stored: Head) -> Result<Head, ChainError> {
        let next = self.head.seq.saturating_add(1);
        if self.head.seq < stored.seq {
            return Err(ChainError::Missing { seq: next });
        }
        match self.attested {
            Some(Attested { head, .. }) if head.seq > self.head.seq => Err(ChainError::Cut { seq: next }),
            Some(_) | None => Ok(self.head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::chain;
    use super::*;

    fn head_of(entry: &Entry) -> Head {
        Head { seq: entry.seq, digest: entry.digest }
    }

    fn attested(entry: &Entry) -> Attested {
        Attested { head: head_of(entry), at: Timestamp::UNIX_EPOCH }
    }

    /// A check in pages of two, with whatever the store says is the end.
    fn checked(entries: &[Entry], attested: Option<Attested>, stored: Head) -> Result<u64, ChainError> {
        let mut check = Check::whole(attested);
        entries.chunks(2).try_for_each(|page| check.page(page))?;
        check.end(stored).map(|head| head.seq)
    }

    #[test]
    fn a_whole_chain_holds_up_to_its_end_whatever_of_it_is_attested() {
        let all = chain(5);
        for known in [None, Some(attested(&all[0])), Some(attested(&all[4]))] {
            assert_eq!(checked(&all, known, head_of(&all[4])), Ok(5));
        }
        assert_eq!(checked(&[], None, Head::EMPTY), Ok(0));
    }

    #[test]
    fn removed_reordered_and_edited_entries_are_named() {
        let all = chain(6);
        let end = head_of(&all[5]);
        let mut removed = all.clone();
        removed.remove(2);
        assert_eq!(checked(&removed, None, end), Err(ChainError::Place { expected: 3, found: 4 }));
        let mut reordered = all.clone();
        let (third, fourth) = (all[2].fact.clone(), all[3].fact.clone());
        (reordered[2].fact, reordered[3].fact) = (fourth, third);
        assert_eq!(checked(&reordered, None, end), Err(ChainError::Altered { seq: 3 }));
        let mut edited = all.clone();
        edited[4].fact.who = Some(crate::ids::MemberId::derived(&["x"]));
        assert_eq!(checked(&edited, None, end), Err(ChainError::Altered { seq: 5 }));
        // The last one of all, with the head that the store reads from it.
        let mut edited = all;
        edited[5].fact.detail.push('x');
        assert_eq!(checked(&edited, None, end), Err(ChainError::Altered { seq: 6 }));
    }

    #[test]
    fn a_page_that_is_not_there_is_not_taken_for_the_end() {
        let all = chain(6);
        assert_eq!(checked(&all[..4], None, head_of(&all[5])), Err(ChainError::Missing { seq: 5 }));
    }

    #[test]
    fn a_cut_end_is_found_up_to_what_is_attested_and_not_beyond() {
        let all = chain(6);
        let cut = &all[..4];
        assert_eq!(checked(cut, Some(attested(&all[5])), head_of(&cut[3])), Err(ChainError::Cut { seq: 5 }));
        assert_eq!(checked(cut, Some(attested(&all[3])), head_of(&cut[3])), Ok(4), "what came later is not protected");
        assert_eq!(checked(cut, None, head_of(&cut[3])), Ok(4));
    }

    #[test]
    fn a_chain_that_was_cut_and_written_on_or_written_anew_is_not_the_attested_one() {
        let all = chain(6);
        let mut head = head_of(&all[2]);
        let mut other = all[..3].to_vec();
        for _ in 0..5 {
            other.push(head.append(all[0].fact.clone()));
        }
        assert_eq!(checked(&other, None, head), Ok(8), "a chain by itself");
        assert_eq!(checked(&other, Some(attested(&all[5])), head), Err(ChainError::Other { seq: 6 }));
    }

    #[test]
    fn a_check_goes_on_after_what_was_attested() {
        let all = chain(6);
        let mut check = Check::after(attested(&all[3]), Some(&all[3])).unwrap();
        check.page(&all[4..]).unwrap();
        assert_eq!(check.end(head_of(&all[5])), Ok(head_of(&all[5])));
        assert_eq!(Check::after(attested(&all[3]), None).map(|_| ()), Err(ChainError::Cut { seq: 4 }));
        let mut other = all[3].clone();
        other.digest = all[4].digest;
        assert_eq!(Check::after(attested(&all[3]), Some(&other)).map(|_| ()), Err(ChainError::Other { seq: 4 }));
    }
}
