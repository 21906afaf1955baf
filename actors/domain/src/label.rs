//! Labels: who may learn a value, and who wrote it.
//!
//! Every value that can reach a model, memory, a tool or a channel carries a [`Label`]. Joining values intersects
//! their readers and takes the lowest integrity: a join-semilattice (associative, commutative, idempotent,
//! monotone), property-tested below. Nothing here lowers a label; that takes a member (DESIGN section 4).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::household::{Audience, MemberId, Role};

/// Who wrote a value. Ordered: a join takes the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// A web page, mail, tool output, MCP server, webhook or unknown sender.
    Outside,
    /// An enrolled person.
    Member,
    /// The runtime itself.
    House,
}

/// The set of members who may learn a value.
///
/// A conjunction of two conditions, so that joining needs no knowledge of who is enrolled just now: somebody who
/// joins the household next year may read what was said to the household, and a guest never may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readers {
    /// Guests are excluded.
    household: bool,
    /// Nobody but these; `None` sets no limit.
    only: Option<BTreeSet<MemberId>>,
}

impl Readers {
    /// Anybody at all.
    #[must_use]
    pub const fn public() -> Self {
        Self { household: false, only: None }
    }

    /// All members but guests.
    #[must_use]
    pub const fn household() -> Self {
        Self { household: true, only: None }
    }

    /// Exactly these members.
    #[must_use]
    pub fn only(members: impl IntoIterator<Item = MemberId>) -> Self {
        Self { household: false, only: Some(members.into_iter().collect()) }
    }

    /// The readers of what is said to this audience: everybody present.
    #[must_use]
    pub fn present(audience: &Audience) -> Self {
        Self::only(audience.iter().map(|(member, _)| member))
    }

    /// Nobody.
    #[must_use]
    pub const fn nobody() -> Self {
        Self { household: false, only: Some(BTreeSet::new()) }
    }

    /// The readers of a value made from two others: their intersection.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let only = match (&self.only, &other.only) {
            (None, set) | (set, None) => set.clone(),
            (Some(a), Some(b)) => Some(a.intersection(b).copied().collect()),
        };
        // The empty set has one form only, so that equal sets are equal values.
        let household = (self.household || other.household) && only.as_ref().is_none_or(|set| !set.is_empty());
        Self { household, only }
    }

    /// Whether this member, in this role, is among the readers.
    #[must_use]
    pub fn allow(&self, member: MemberId, role: Role) -> bool {
        !(self.household && role == Role::Guest) && self.only.as_ref().is_none_or(|set| set.contains(&member))
    }

    /// Invariant I-5: whether everybody in the audience is among the readers.
    #[must_use]
    pub fn cover(&self, audience: &Audience) -> bool {
        audience.iter().all(|(member, role)| self.allow(member, role))
    }

    /// Whether guests are excluded as such.
    #[must_use]
    pub const fn excludes_guests(&self) -> bool {
        self.household
    }

    /// The members to which the set is limited, if it is.
    #[must_use]
    pub const fn limited_to(&self) -> Option<&BTreeSet<MemberId>> {
        self.only.as_ref()
    }
}

/// Readers and integrity of one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Who may learn the value.
    pub readers: Readers,
    /// Who wrote it.
    pub integrity: Integrity,
}

impl Label {
    /// A label from its two parts.
    #[must_use]
    pub const fn new(readers: Readers, integrity: Integrity) -> Self {
        Self { readers, integrity }
    }

    /// What the runtime itself says to anybody: the neutral element of joining.
    #[must_use]
    pub const fn neutral() -> Self {
        Self { readers: Readers::public(), integrity: Integrity::House }
    }

    /// The label of a value made from two others.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self { readers: self.readers.meet(&other.readers), integrity: self.integrity.min(other.integrity) }
    }

    /// The label of a value made from all of these.
    #[must_use]
    pub fn join_all<'a>(labels: impl IntoIterator<Item = &'a Self>) -> Self {
        labels.into_iter().fold(Self::neutral(), |sum, label| sum.join(label))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(n: u8) -> MemberId {
        MemberId::derived(&[&n.to_string()])
    }

    fn readers() -> impl Strategy<Value = Readers> {
        let set = proptest::collection::btree_set(0_u8..4, 0..4).prop_map(|s| s.into_iter().map(member));
        (any::<bool>(), proptest::option::of(set)).prop_map(|(household, only)| {
            let limit = only.map_or_else(Readers::public, Readers::only);
            if household { limit.meet(&Readers::household()) } else { limit }
        })
    }

    fn integrity() -> impl Strategy<Value = Integrity> {
        prop_oneof![Just(Integrity::Outside), Just(Integrity::Member), Just(Integrity::House)]
    }

    fn label() -> impl Strategy<Value = Label> {
        (readers(), integrity()).prop_map(|(r, i)| Label::new(r, i))
    }

    proptest! {
        #[test]
        fn joining_is_associative(a in label(), b in label(), c in label()) {
            prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        }

        #[test]
        fn joining_is_commutative(a in label(), b in label()) {
            prop_assert_eq!(a.join(&b), b.join(&a));
        }

        #[test]
        fn joining_is_idempotent(a in label()) {
            prop_assert_eq!(a.join(&a), a);
        }

        #[test]
        fn the_neutral_label_changes_nothing(a in label()) {
            prop_assert_eq!(a.join(&Label::neutral()), a);
        }

        /// Monotone: whoever begins with less has less in the end.
        #[test]
        fn joining_keeps_the_order_of_labels(a in label(), lower in label(), b in label(), n in 0_u8..4, guest in any::<bool>()) {
            let (below, above) = (a.join(&lower).join(&b), a.join(&b));
            let role = if guest { Role::Guest } else { Role::Adult };
            prop_assert!(!below.readers.allow(member(n), role) || above.readers.allow(member(n), role));
            prop_assert!(below.integrity <= above.integrity);
        }

        #[test]
        fn all_labels_together_are_the_join_of_each(labels in proptest::collection::vec(label(), 0..6), again in any::<bool>()) {
            let joined = Label::join_all(&labels);
            let mut other: Vec<_> = labels.iter().rev().collect();
            if again {
                other.extend(&labels);
            }
            prop_assert_eq!(Label::join_all(other), joined);
        }

        #[test]
        fn joining_never_adds_a_reader_nor_raises_integrity(a in label(), b in label(), n in 0_u8..4, guest in any::<bool>()) {
            let joined = a.join(&b);
            let role = if guest { Role::Guest } else { Role::Adult };
            let both = a.readers.allow(member(n), role) && b.readers.allow(member(n), role);
            prop_assert_eq!(joined.readers.allow(member(n), role), both);
            prop_assert!(joined.integrity <= a.integrity && joined.integrity <= b.integrity);
        }
    }
}
