//! Reading, checking and asking rules.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Decision as Verdict, Effect as Stance, Entities, EntityId, EntityTypeName, EntityUid,
    Policy, PolicyId, PolicySet, PrincipalConstraint, Request as Asked, ResourceConstraint, Schema,
};
use hearth_domain::tool::Effect;

use crate::problem::RulesError;
use crate::request::{ARGUMENTS_MAX, EFFECTS, Order, Request, effect_word};

mod ask;
mod bound;
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

/// Whom or what a rule of one effect can speak of, by its head. Each rule is in one drawer; a request opens four at most, so that most
/// rules of a household are not asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Drawer {
    /// Anybody and anything.
    Any,
    /// Those of a role.
    Role(String),
    /// One member.
    Member(String),
    /// One tool.
    Tool(String),
}

/// The rules of one drawer.
#[derive(Debug, Default)]
struct Part {
    /// Those whose word does not depend on by whose word it is.
    plain: PolicySet,
    /// The others.
    ordered: PolicySet,
    allowing: PolicySet,
    forbidding: PolicySet,
}

/// The rules in force. Asking changes nothing and reads nothing else.
#[derive(Debug)]
pub struct Rules {
    rules: BTreeMap<String, Rule>,
    parts: BTreeMap<(Effect, Drawer), Part>,
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
            sort(effect, &policies, &schema, &names, &mut parts).map_err(RulesError::from)?;
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
        self.consider(request).decide(request.order)
    }

    /// Asks the rules whose word does not depend on by whose word it is, so that a request can be decided for several orders.
    #[must_use]
    pub fn consider<'a>(&'a self, request: &'a Request) -> Considered<'a> {
        let few = request.deed.texts.len().saturating_add(request.deed.numbers.len()) <= ARGUMENTS_MAX;
        let entities = few.then(|| self.names.entities(request).ok()).flatten();
        let mut said = Said::default();
        let asked = entities.as_ref().and_then(|_| self.names.request(request, request.order).ok());
        if let (Some(asked), Some(entities)) = (&asked, &entities) {
            self.drawers(request).for_each(|part| said.ask(&self.authorizer, asked, &part.plain, entities));
        }
        Considered { rules: self, request, entities: entities.filter(|_| asked.is_some()), said }
    }

    /// The rules that can speak of a request.
    fn drawers(&self, request: &Request) -> impl Iterator<Item = &Part> {
        let role = Drawer::Role(request.who.role.to_string());
        let drawers = [Drawer::Any, role, Drawer::Member(request.who.name.clone()), Drawer::Tool(request.deed.tool.clone())];
        let effect = request.deed.effect;
        drawers.into_iter().filter_map(move |drawer| self.parts.get(&(effect, drawer)))
    }

    fn reasons(&self, ids: impl IntoIterator<Item = String>) -> Vec<Reason> {
        let known = |id: String| self.rules.get(&id).map(|rule| Reason { id, says: rule.says.clone() });
        let ordered: BTreeSet<_> = ids.into_iter().filter_map(known).collect();
        ordered.into_iter().collect()
    }

    /// All the rules of a stance that apply to a request, also where another decided.
    fn speaking(&self, request: &Request, of: impl Fn(&Part) -> &PolicySet) -> Vec<Reason> {
        let Ok((asked, entities)) = self.names.asked(request) else { return Vec::new() };
        let answers: Vec<_> = self.drawers(request).map(|part| self.authorizer.is_authorized(&asked, of(part), &entities)).collect();
        self.reasons(answers.iter().flat_map(|answer| answer.diagnostics().reason().map(ToString::to_string)))
    }
}

/// A request of which a part of the rules was asked.
#[derive(Debug)]
pub struct Considered<'a> {
    rules: &'a Rules,
    request: &'a Request,
    /// None when it is beyond what rules can speak of.
    entities: Option<Entities>,
    said: Said,
}

impl Considered<'_> {
    /// Decides, if it is by this word.
    #[must_use]
    pub fn decide(&self, order: Order) -> Decision {
        let failed = Decision { outcome: Outcome::Failed, reasons: Vec::new() };
        let Some(entities) = &self.entities else { return failed };
        let Ok(asked) = self.rules.names.request(self.request, order) else { return failed };
        let mut said = self.said.clone();
        self.rules.drawers(self.request).for_each(|part| said.ask(&self.rules.authorizer, &asked, &part.ordered, entities));
        let (outcome, ids) = said.outcome();
        Decision { outcome, reasons: self.rules.reasons(ids) }
    }
}

/// What rules said, by their ids.
#[derive(Debug, Clone, Default)]
struct Said {
    broken: BTreeSet<String>,
    forbidding: BTreeSet<String>,
    allowing: BTreeSet<String>,
}

impl Said {
    fn ask(&mut self, authorizer: &Authorizer, asked: &Asked, rules: &PolicySet, entities: &Entities) {
        if rules.is_empty() {
            return;
        }
        let answer = authorizer.is_authorized(asked, rules, entities);
        let diagnostics = answer.diagnostics();
        self.broken.extend(diagnostics.errors().map(broken_rule));
        let half = match answer.decision() {
            Verdict::Allow => &mut self.allowing,
            Verdict::Deny => &mut self.forbidding,
        };
        half.extend(diagnostics.reason().map(ToString::to_string));
    }

    fn outcome(self) -> (Outcome, BTreeSet<String>) {
        if !self.broken.is_empty() {
            (Outcome::Failed, self.broken)
        } else if !self.forbidding.is_empty() {
            (Outcome::Forbidden, self.forbidding)
        } else if !self.allowing.is_empty() {
            (Outcome::Allowed, self.allowing)
        } else {
            (Outcome::NoRule, self.allowing)
        }
    }
}

/// The rule that could not be evaluated.
fn broken_rule(error: &AuthorizationError) -> String {
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

/// Puts the rules that can speak of an effect into their drawers.
fn sort(
    effect: Effect,
    policies: &[Read],
    schema: &Schema,
    names: &Names,
    parts: &mut BTreeMap<(Effect, Drawer), Part>,
) -> Result<(), Together> {
    let action = names.action(effect);
    let known = schema.action_entities().map_err(|_| Together)?;
    let groups: BTreeSet<_> = known.ancestors(&action).into_iter().flatten().chain([&action]).cloned().collect();
    let speaks = |policy: &Policy| match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == action,
        ActionConstraint::In(several) => several.iter().any(|one| groups.contains(one)),
    };
    for Read { policy, .. } in policies.iter().filter(|read| speaks(&read.policy)) {
        let mut form = policy.to_json().map_err(|_| Together)?;
        let drawer = drawer(policy, bound::tool(&form));
        let ordered = bound::speaks_of_order(&form);
        bare(&mut form, policy, &drawer);
        // Read from its form, a rule does not carry along where each of its words stands: a third of what asking it would cost.
        let policy = Policy::from_json(Some(policy.id().clone()), form).map_err(|_| Together)?;
        let part = parts.entry((effect, drawer)).or_default();
        let half = match policy.effect() {
            Stance::Permit => &mut part.allowing,
            Stance::Forbid => &mut part.forbidding,
        };
        half.add(policy.clone()).map_err(|_| Together)?;
        let whole = if ordered { &mut part.ordered } else { &mut part.plain };
        whole.add(policy).map_err(|_| Together)?;
    }
    Ok(())
}

/// Takes from a rule's head what holds of every request that opens its drawer, so that it is not looked at again.
fn bare(form: &mut serde_json::Value, policy: &Policy, drawer: &Drawer) {
    let mut all = |part: &str| {
        if let Some(constraint) = form.get_mut(part) {
            *constraint = serde_json::json!({ "op": "All" });
        }
    };
    all("action");
    match drawer {
        Drawer::Any => {}
        Drawer::Member(_) => all("principal"),
        Drawer::Role(_) => {
            if matches!(policy.principal_constraint(), PrincipalConstraint::In(_) | PrincipalConstraint::IsIn(..)) {
                all("principal");
            }
        }
        Drawer::Tool(_) => {
            if head_tool(policy).is_some() {
                all("resource");
            }
        }
    }
}

/// The drawer of a rule, by its head and the tool to which its condition is bound: the narrowest that every request has open of which it can speak.
fn drawer(policy: &Policy, bound: Option<String>) -> Drawer {
    let (role, member) = match policy.principal_constraint() {
        PrincipalConstraint::Eq(who) | PrincipalConstraint::In(who) | PrincipalConstraint::IsIn(_, who) => {
            let name = who.id().unescaped().to_owned();
            match who.type_name().basename() {
                "Role" => (Some(name), None),
                "Member" => (None, Some(name)),
                _ => (None, None),
            }
        }
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => (None, None),
    };
    match (head_tool(policy).or(bound), member, role) {
        (Some(tool), _, _) => Drawer::Tool(tool),
        (None, Some(member), _) => Drawer::Member(member),
        (None, None, Some(role)) => Drawer::Role(role),
        (None, None, None) => Drawer::Any,
    }
}

/// The tool that a rule's head names.
fn head_tool(policy: &Policy) -> Option<String> {
    match policy.resource_constraint() {
        ResourceConstraint::In(what) | ResourceConstraint::IsIn(_, what) if what.type_name().basename() == "Tool" => {
            Some(what.id().unescaped().to_owned())
        }
        ResourceConstraint::Any
        | ResourceConstraint::Is(_)
        | ResourceConstraint::Eq(_)
        | ResourceConstraint::In(_)
        | ResourceConstraint::IsIn(..) => None,
    }
}
