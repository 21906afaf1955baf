//! Reading, checking and asking rules.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision as Verdict, Effect as Stance, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request as Asked, Schema,
};
use hearth_domain::tool::Effect;

use crate::problem::RulesError;
use crate::request::{ARGUMENTS_MAX, EFFECTS, Order, Request, effect_word};

mod ask;
mod bound;
mod check;
mod drawers;
mod explain;

use ask::Names;
use drawers::{Bundle, Drawer, Part, Stances};

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
        let parts = drawers::sorted(EFFECTS, &policies, &schema, &names).map_err(RulesError::from)?;
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

    /// What can be asked about a request for several orders, each rule whose word does not depend on that once.
    #[must_use]
    pub fn consider<'a>(&'a self, request: &'a Request) -> Considered<'a> {
        let few = request.deed.texts.len().saturating_add(request.deed.numbers.len()) <= ARGUMENTS_MAX;
        let entities = few.then(|| self.names.entities(request).ok()).flatten();
        Considered { rules: self, request, entities, plain: OnceCell::new() }
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
    fn speaking(&self, request: &Request, of: impl Fn(&Stances) -> &Bundle) -> Vec<Reason> {
        let Ok((asked, entities)) = self.names.asked(request) else { return Vec::new() };
        let mut said = Said::default();
        for half in self.drawers(request).flat_map(|part| [&part.plain, &part.ordered]) {
            of(half).ask(&self.authorizer, &asked, &entities, &mut said);
        }
        self.reasons(said.forbidding.into_iter().chain(said.allowing))
    }
}

/// A request, and what the rules said of it that say the same by anybody's word.
#[derive(Debug)]
pub struct Considered<'a> {
    rules: &'a Rules,
    request: &'a Request,
    /// None when it is beyond what rules can speak of.
    entities: Option<Entities>,
    /// Asked with the first order that is decided for.
    plain: OnceCell<Said>,
}

impl Considered<'_> {
    /// Decides, if it is by this word.
    #[must_use]
    pub fn decide(&self, order: Order) -> Decision {
        let Self { rules, request, entities, plain } = self;
        let failed = Decision { outcome: Outcome::Failed, reasons: Vec::new() };
        let Some(entities) = entities else { return failed };
        let Ok(asked) = rules.names.request(request, order) else { return failed };
        let all = |half: fn(&Part) -> &Stances, said: &mut Said| {
            rules.drawers(request).for_each(|part| half(part).ask(&rules.authorizer, &asked, entities, said));
        };
        let plain = plain.get_or_init(|| {
            let mut said = Said::default();
            all(|part| &part.plain, &mut said);
            said
        });
        let mut said = plain.clone();
        all(|part| &part.ordered, &mut said);
        let (outcome, ids) = said.outcome();
        Decision { outcome, reasons: rules.reasons(ids) }
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
