//! Reading, checking and asking rules.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Decision as Verdict, Effect as Stance, EntityId, EntityTypeName, EntityUid, Policy,
    PolicyId, PolicySet, Schema,
};
use hearth_domain::tool::Effect;

use crate::problem::RulesError;
use crate::request::{ARGUMENTS_MAX, EFFECTS, Request, effect_word};

mod ask;
mod check;
mod explain;

use ask::Names;

/// The longest text of rules, in bytes.
pub const TEXT_MAX: usize = 128 * 1024;
/// Most rules of one text.
pub const RULES_MAX: usize = 1_000;

/// The schema's text.
const SCHEMA: &str = include_str!("house.cedarschema");

/// Who wrote a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Author {
    /// It came with the house.
    House,
    /// The household.
    Household,
}

/// One rule, as a person knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id, unique among the rules in force.
    pub id: String,
    /// What it says in plain words; made from its id where its author wrote none.
    pub says: String,
    /// Who wrote it.
    pub author: Author,
    /// Whether it forbids; otherwise it allows.
    pub forbids: bool,
    /// The rule itself.
    pub text: String,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A rule allows it and none forbids it.
    Allowed,
    /// A rule forbids it.
    Forbidden,
    /// No rule allows it.
    NoRule,
    /// A rule could not be evaluated, or the request is beyond what rules can speak of; so it is denied.
    Failed,
}

/// A rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The rule's id.
    pub id: String,
    /// What it says.
    pub says: String,
}

/// The decision upon a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What came of it.
    pub outcome: Outcome,
    /// The rules that made it so, by id: those that allow when it is allowed, those that forbid when it is forbidden, those that failed
    /// when one failed.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// Whether it may be done.
    #[must_use]
    pub const fn allows(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed)
    }
}

/// The rules that can speak of one effect.
#[derive(Debug, Default)]
struct Part {
    all: PolicySet,
    allowing: PolicySet,
    forbidding: PolicySet,
}

/// The rules in force. Asking changes nothing and reads nothing else.
#[derive(Debug)]
pub struct Rules {
    rules: BTreeMap<String, Rule>,
    parts: BTreeMap<Effect, Part>,
    names: Names,
    authorizer: Authorizer,
}

impl Rules {
    /// The rules with which a house comes.
    pub const DEFAULTS: &'static str = include_str!("defaults.cedar");

    /// The rules of a house and of its household, checked against the schema.
    ///
    /// # Errors
    ///
    /// Each mistake with its line and what to write instead; those of the house's own text first.
    pub fn new(defaults: &str, own: &str) -> Result<Self, RulesError> {
        let schema = check::schema(SCHEMA)?;
        let defaults = check::read(defaults, Author::House, &schema)?;
        let written = check::read(own, Author::Household, &schema)?;
        let policies = check::together(defaults, written, own)?;
        let names = Names::new(&schema).map_err(RulesError::from)?;
        let mut parts = BTreeMap::new();
        for effect in EFFECTS {
            parts.insert(effect, part(effect, &policies, &schema, &names).map_err(RulesError::from)?);
        }
        let rules = policies.into_iter().map(|read| (read.rule.id.clone(), read.rule)).collect();
        Ok(Self { rules, parts, names, authorizer: Authorizer::new() })
    }

    /// The rules in force, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Decides. Pure: the same request has the same answer everywhere.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        let failed = Decision { outcome: Outcome::Failed, reasons: Vec::new() };
        let Some(part) = self.parts.get(&request.deed.effect) else { return failed };
        if request.deed.texts.len().saturating_add(request.deed.numbers.len()) > ARGUMENTS_MAX {
            return failed;
        }
        let Ok((asked, entities)) = self.names.asked(request) else { return failed };
        let answer = self.authorizer.is_authorized(&asked, &part.all, &entities);
        let diagnostics = answer.diagnostics();
        let broken: BTreeSet<_> = diagnostics.errors().map(broken).collect();
        if !broken.is_empty() {
            return Decision { outcome: Outcome::Failed, reasons: self.reasons(broken) };
        }
        let reasons = self.reasons(diagnostics.reason().map(ToString::to_string));
        let outcome = match answer.decision() {
            Verdict::Allow => Outcome::Allowed,
            Verdict::Deny if reasons.is_empty() => Outcome::NoRule,
            Verdict::Deny => Outcome::Forbidden,
        };
        Decision { outcome, reasons }
    }

    fn reasons(&self, ids: impl IntoIterator<Item = String>) -> Vec<Reason> {
        let known = |id: String| self.rules.get(&id).map(|rule| Reason { id, says: rule.says.clone() });
        let ordered: BTreeSet<_> = ids.into_iter().filter_map(known).collect();
        ordered.into_iter().collect()
    }

    /// All the rules of a stance that apply to a request, also where another decided.
    fn speaking(&self, request: &Request, of: impl Fn(&Part) -> &PolicySet) -> Vec<Reason> {
        let Some(part) = self.parts.get(&request.deed.effect) else { return Vec::new() };
        let Ok((asked, entities)) = self.names.asked(request) else { return Vec::new() };
        let answer = self.authorizer.is_authorized(&asked, of(part), &entities);
        self.reasons(answer.diagnostics().reason().map(ToString::to_string))
    }
}

/// The rule that could not be evaluated.
fn broken(error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
    }
}

/// One rule that was read.
#[derive(Debug, Clone)]
struct Read {
    rule: Rule,
    policy: Policy,
    replaces: Option<String>,
    firm: bool,
}

/// What the reader's library refuses although it was checked before: a mistake of ours.
#[derive(Debug, thiserror::Error)]
#[error("the rules could not be put together")]
struct Together;

/// The rules that can speak of an effect: the others need not be asked.
fn part(effect: Effect, policies: &[Read], schema: &Schema, names: &Names) -> Result<Part, Together> {
    let action = names.action(effect);
    let groups: BTreeSet<_> = schema
        .action_entities()
        .map_err(|_| Together)?
        .ancestors(&action)
        .into_iter()
        .flatten()
        .cloned()
        .chain(std::iter::once(action.clone()))
        .collect();
    let speaks = |policy: &Policy| match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == action,
        ActionConstraint::In(several) => several.iter().any(|one| groups.contains(one)),
    };
    let mut part = Part::default();
    for Read { policy, .. } in policies.iter().filter(|read| speaks(&read.policy)) {
        let half = match policy.effect() {
            Stance::Permit => &mut part.allowing,
            Stance::Forbid => &mut part.forbidding,
        };
        half.add(policy.clone()).map_err(|_| Together)?;
        part.all.add(policy.clone()).map_err(|_| Together)?;
    }
    Ok(part)
}
