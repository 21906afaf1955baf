//! A value on its way, with its label and where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::label::{Integrity, Label};

/// Names a stored result of the turn; shown as `r3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResultId(pub u32);

impl fmt::Display for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Where something from outside came in: a result, and the tool that gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// The result; none when what came in was no result (a forwarded message, a memory).
    pub result: Option<ResultId>,
    /// The function that gave it, or a word for what it was.
    pub from: String,
}

impl Source {
    /// A result.
    #[must_use]
    pub fn result(id: ResultId, function: &str) -> Self {
        Self { result: Some(id), from: function.to_owned() }
    }

    /// Something of which no more is known than that it is from outside.
    #[must_use]
    pub fn unknown() -> Self {
        Self { result: None, from: "somewhere outside".to_owned() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.result {
            Some(id) => write!(f, "{} ({id})", self.from),
            None => f.write_str(&self.from),
        }
    }
}

/// Whether a model chose the value by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// No: it repeats, or is computed from, something that stands elsewhere.
    #[default]
    Found,
    /// In part: an amount is at most what stands elsewhere, and the model chose how much less.
    Bounded,
    /// Yes.
    ByModel,
}

/// A choice among values that are vouched for, made by text from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pick {
    /// Whose text.
    pub source: Source,
    /// Which choice: the same one made twice tells nothing new.
    pub by: String,
}

/// Everything that a value was made of. Joining is a union: a join-semilattice, property-tested below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The parts of the member's words that it repeats, or by which it was found.
    pub mentions: BTreeSet<String>,
    /// The tools whose services vouch for a part of it.
    pub services: BTreeSet<String>,
    /// Whether a model chose a part of it.
    pub chosen: Chosen,
    /// Where parts of it came in that somebody outside wrote.
    pub outside: BTreeSet<Source>,
    /// The choices by text from outside that led to it, and the bits of each.
    #[serde(with = "pairs")]
    pub picked: BTreeMap<Pick, u32>,
}

impl Origin {
    /// The origin of a value made from two others.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut picked = self.picked.clone();
        for (pick, bits) in &other.picked {
            let most = picked.entry(pick.clone()).or_default();
            *most = (*most).max(*bits);
        }
        Self {
            mentions: self.mentions.union(&other.mentions).cloned().collect(),
            services: self.services.union(&other.services).cloned().collect(),
            chosen: self.chosen.max(other.chosen),
            outside: self.outside.union(&other.outside).cloned().collect(),
            picked,
        }
    }

    /// A value that stands in the member's words.
    #[must_use]
    pub fn mention(mention: impl Into<String>) -> Self {
        Self { mentions: BTreeSet::from([mention.into()]), ..Self::default() }
    }

    /// A value of a result that its tool's service vouches for.
    #[must_use]
    pub fn service(tool: &str) -> Self {
        Self { services: BTreeSet::from([tool.to_owned()]), ..Self::default() }
    }

    /// A value that somebody outside wrote.
    #[must_use]
    pub fn outside(source: Source) -> Self {
        Self { outside: BTreeSet::from([source]), ..Self::default() }
    }
}

/// A value with its label and origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    /// The value.
    pub value: Value,
    /// Who may learn it and who wrote it.
    pub label: Label,
    /// What it was made of.
    pub origin: Origin,
}

/// One leaf of a call's arguments: a scalar, or a container with nothing in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    /// Its JSON pointer (RFC 6901) in the arguments.
    pub pointer: String,
    /// The value.
    pub traced: Traced,
}

/// A map whose keys are no texts, as a list of pairs.
pub(super) mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::BTreeMap;

    pub(in crate::flow) fn serialize<K: Serialize, S: Serializer>(map: &BTreeMap<K, u32>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(in crate::flow) fn deserialize<'de, K: Deserialize<'de> + Ord, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<K, u32>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}

/// What has decided so far what the turn does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The join of everything that the planner has seen.
    pub label: Label,
    /// What of it came from outside.
    pub sources: BTreeSet<Source>,
}

impl Control {
    /// A turn that has seen the member's message and nothing else.
    #[must_use]
    pub fn new(label: Label) -> Self {
        let sources = if label.integrity == Integrity::Outside { BTreeSet::from([Source::unknown()]) } else { BTreeSet::new() };
        Self { label, sources }
    }

    /// The planner is shown a value in full.
    #[must_use]
    pub fn saw(&self, seen: &Traced) -> Self {
        let mut next = Self { label: self.label.join(&seen.label), sources: self.sources.union(&seen.origin.outside).cloned().collect() };
        if next.is_tainted() && next.sources.is_empty() {
            next.sources.insert(Source::unknown());
        }
        next
    }

    /// The planner is shown values for which the house or a service vouches: who may learn what it says narrows, who decides does not
    /// change. Also for the few bits of a narrow answer within the budget.
    #[must_use]
    pub fn saw_vouched(&self, seen: &Label) -> Self {
        let label = Label::new(self.label.readers.meet(&seen.readers), self.label.integrity);
        Self { label, sources: self.sources.clone() }
    }

    /// Whether somebody outside may have decided what the turn does.
    #[must_use]
    pub fn is_tainted(&self) -> bool {
        self.label.integrity == Integrity::Outside
    }

    /// A value that the planner writes down itself: as trusted as everything that it has seen, and chosen by nobody else.
    #[must_use]
    pub fn writes(&self, value: Value) -> Traced {
        let origin = Origin { chosen: Chosen::ByModel, outside: self.sources.clone(), ..Origin::default() };
        Traced { value, label: self.label.clone(), origin }
    }
}

/// The leaves of a value that has one label and origin throughout, under a pointer.
pub fn leaves(pointer: &str, traced: &Traced, into: &mut Vec<Leaf>) {
    let inner = |value: &Value| Traced { value: value.clone(), ..traced.clone() };
    match &traced.value {
        Value::Array(values) if !values.is_empty() => {
            for (at, value) in values.iter().enumerate() {
                leaves(&format!("{pointer}/{at}"), &inner(value), into);
            }
        }
        Value::Object(values) if !values.is_empty() => {
            for (key, value) in values {
                leaves(&format!("{pointer}/{}", escaped(key)), &inner(value), into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            into.push(Leaf { pointer: pointer.to_owned(), traced: traced.clone() });
        }
    }
}

/// A key as it stands in a JSON pointer.
#[must_use]
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What the annotations of a manifest say of a pointer: the exact one, else one with `*` for elements. Of several the one that is exact for
/// longest.
#[must_use]
pub fn annotation<'a, T>(annotations: &'a BTreeMap<String, T>, pointer: &str) -> Option<&'a T> {
    annotated(annotations, pointer).map(|(_, found)| found)
}

/// The same, with the pointer of the annotation itself.
#[must_use]
pub fn annotated<'a, T>(annotations: &'a BTreeMap<String, T>, pointer: &str) -> Option<(&'a str, &'a T)> {
    if let Some((pattern, found)) = annotations.get_key_value(pointer) {
        return Some((pattern, found));
    }
    let fits = |pattern: &str| {
        pattern.split('/').count() == pointer.split('/').count()
            && pattern.split('/').zip(pointer.split('/')).all(|(want, have)| want == have || want == "*")
    };
    // `*` sorts before letters and digits, so that the last is the most exact from the left.
    annotations.iter().rev().find(|(pattern, _)| fits(pattern)).map(|(pattern, found)| (pattern.as_str(), found))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source() -> impl Strategy<Value = Source> {
        (0_u32..3).prop_map(|n| Source::result(ResultId(n), "f"))
    }

    pub(in crate::flow) fn origin() -> impl Strategy<Value = Origin> {
        let few = |letters: &'static str| proptest::collection::btree_set(letters, 0..3);
        (
            few("\"(bb|ab)\""),
            few("[st]"),
            prop_oneof![Just(Chosen::Found), Just(Chosen::Bounded), Just(Chosen::ByModel)],
            proptest::collection::btree_set(source(), 0..3),
            proptest::collection::btree_map(source().prop_map(|source| Pick { source, by: String::new() }), 0_u32..9, 0..3),
        )
            .prop_map(|(mentions, services, chosen, outside, picked)| Origin { mentions, services, chosen, outside, picked })
    }

    proptest! {
        #[test]
        fn an_origin_is_read_back_from_what_is_stored(a in origin()) {
            prop_assert_eq!(serde_json::from_str::<Origin>(&serde_json::to_string(&a).unwrap()).unwrap(), a);
        }

        #[test]
        fn joining_origins_is_associative_commutative_and_idempotent(a in origin(), b in origin(), c in origin()) {
            prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
            prop_assert_eq!(a.join(&b), b.join(&a));
            prop_assert_eq!(a.join(&a), a.clone());
            prop_assert_eq!(a.join(&Origin::default()), a);
        }

        #[test]
        fn joining_origins_forgets_nothing(a in origin(), b in origin()) {
            let joined = a.join(&b);
            prop_assert!(joined.outside.is_superset(&a.outside) && joined.outside.is_superset(&b.outside));
            prop_assert!(joined.services.is_superset(&a.services) && joined.chosen >= a.chosen);
            prop_assert!(a.picked.iter().all(|(pick, bits)| joined.picked.get(pick) >= Some(bits)));
        }
    }

    #[test]
    fn the_annotation_that_is_exact_counts_before_one_with_a_star() {
        let annotations = BTreeMap::from([("/*/id".to_owned(), 1), ("/0/id".to_owned(), 2), ("/*/*".to_owned(), 3)]);
        assert_eq!(annotation(&annotations, "/0/id"), Some(&2));
        assert_eq!(annotation(&annotations, "/1/id"), Some(&1));
        assert_eq!(annotation(&annotations, "/1/x"), Some(&3));
        assert_eq!(annotation(&annotations, "/1"), None);
        assert_eq!(annotation(&annotations, "/1/x/y"), None);
    }

    #[test]
    fn every_scalar_and_every_empty_container_is_a_leaf() {
        let traced = Control::new(Label::neutral()).writes(serde_json::json!({"a": [1, {"b/c": "x"}], "d": {}, "e": null}));
        let mut found = Vec::new();
        leaves("", &traced, &mut found);
        let pointers: Vec<_> = found.iter().map(|leaf| leaf.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/0", "/a/1/b~1c", "/d", "/e"]);
    }

    #[test]
    fn what_a_tainted_planner_writes_is_from_outside() {
        let outside = Traced {
            value: Value::Null,
            label: Label::new(crate::label::Readers::public(), Integrity::Outside),
            origin: Origin::default(),
        };
        let control = Control::new(Label::neutral()).saw(&outside);
        assert!(control.is_tainted() && !control.writes(Value::Null).origin.outside.is_empty());
    }
}
