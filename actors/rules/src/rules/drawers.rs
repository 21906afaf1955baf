//! Where rules lie, and how several are asked with one evaluation.
//!
//! Each rule of an effect is in one drawer, by its head or the tool to which its condition is bound; a request opens four at most. In a
//! drawer, rules of one stance make a bundle with one rule more: whether any of them speaks. Most of what a household forbids does not
//! speak of what is asked just now, and one evaluation of all conditions costs a fraction of as many rules with a result each.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Authorizer, Effect as Stance, Entities, Policy, PolicyId, PolicySet, PrincipalConstraint, Request as Asked,
    ResourceConstraint, Schema,
};
use hearth_domain::tool::Effect;
use serde_json::{Value, json};

use super::ask::Names;
use super::{Read, Said, Together, bound};

/// Fewest rules of which it is asked first whether any speaks.
const TOGETHER_MIN: usize = 3;

/// Whom or what a rule of one effect can speak of, by its head. Each rule is in one drawer; a request opens four at most, so that most
/// rules of a household are not asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Drawer {
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
pub(super) struct Part {
    /// Those whose word does not depend on by whose word it is.
    pub(super) plain: Stances,
    /// The others.
    pub(super) ordered: Stances,
}

/// Rules, by what they say.
#[derive(Debug, Default)]
pub(super) struct Stances {
    pub(super) allowing: Bundle,
    pub(super) forbidding: Bundle,
}

/// Rules of one stance.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// Those of which [`Bundle::any`] knows; none of them has a head any more.
    known: PolicySet,
    /// The others.
    others: PolicySet,
    /// The conditions of those that are known, until they are put together.
    conditions: Vec<Value>,
    /// One rule that speaks, or cannot be evaluated, where any of those that are known does; none where they are few.
    any: Option<PolicySet>,
}

impl Stances {
    /// Asks all of them.
    pub(super) fn ask(&self, authorizer: &Authorizer, asked: &Asked, entities: &Entities, said: &mut Said) {
        self.forbidding.ask(authorizer, asked, entities, said);
        self.allowing.ask(authorizer, asked, entities, said);
    }
}

impl Bundle {
    /// Asks all of them.
    pub(super) fn ask(&self, authorizer: &Authorizer, asked: &Asked, entities: &Entities, said: &mut Said) {
        said.ask(authorizer, asked, &self.others, entities);
        let silent = self.any.as_ref().is_some_and(|any| {
            let answer = authorizer.is_authorized(asked, any, entities);
            answer.diagnostics().reason().next().is_none() && answer.diagnostics().errors().next().is_none()
        });
        if !silent {
            said.ask(authorizer, asked, &self.known, entities);
        }
    }

    fn add(&mut self, policy: Policy, form: &Value) -> Result<(), Together> {
        let condition = condition(form).filter(|_| is_headless(form));
        let set = if condition.is_some() { &mut self.known } else { &mut self.others };
        self.conditions.extend(condition);
        set.add(policy).map_err(|_| Together)
    }

    fn put_together(&mut self) -> Result<(), Together> {
        let conditions = std::mem::take(&mut self.conditions);
        let Some(body) = either(&conditions).filter(|_| conditions.len() >= TOGETHER_MIN) else { return Ok(()) };
        let all = json!({ "op": "All" });
        let form = json!({
            "effect": "forbid", "principal": all, "action": all, "resource": all, "conditions": [{ "kind": "when", "body": body }]
        });
        let policy = Policy::from_json(Some(PolicyId::new("any")), form).map_err(|_| Together)?;
        self.any = Some(PolicySet::from_policies([policy]).map_err(|_| Together)?);
        Ok(())
    }
}

/// Whether nothing is left of a rule's head.
fn is_headless(form: &Value) -> bool {
    let all = |part: &str| form.get(part).and_then(|constraint| constraint.get("op")).and_then(Value::as_str) == Some("All");
    all("principal") && all("action") && all("resource")
}

/// A rule's conditions as one expression, evaluated in their order; none when it has none, and so speaks always.
fn condition(form: &Value) -> Option<Value> {
    let of = |condition: &Value| {
        let body = condition.get("body")?.clone();
        Some(if condition.get("kind")?.as_str()? == "unless" { json!({ "!": { "arg": body } }) } else { body })
    };
    let all: Option<Vec<_>> = form.get("conditions")?.as_array()?.iter().map(of).collect();
    all?.into_iter().reduce(|left, right| json!({ "&&": { "left": left, "right": right } }))
}

/// Whether any of these holds, as a tree of little depth.
fn either(all: &[Value]) -> Option<Value> {
    match all {
        [] => None,
        [one] => Some(one.clone()),
        _ => {
            let (left, right) = all.split_at(all.len() / 2);
            Some(json!({ "||": { "left": either(left)?, "right": either(right)? } }))
        }
    }
}

/// The rules by effect and drawer.
pub(super) fn sorted(
    effects: impl IntoIterator<Item = Effect>,
    policies: &[Read],
    schema: &Schema,
    names: &Names,
) -> Result<BTreeMap<(Effect, Drawer), Part>, Together> {
    let mut parts = BTreeMap::new();
    for effect in effects {
        sort(effect, policies, schema, names, &mut parts)?;
    }
    for Part { plain, ordered } in parts.values_mut() {
        for bundle in [&mut plain.allowing, &mut plain.forbidding, &mut ordered.allowing, &mut ordered.forbidding] {
            bundle.put_together()?;
        }
    }
    Ok(parts)
}

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
        with_bags(&mut form, names);
        // Read from its form, a rule does not carry along where each of its words stands: a third of what asking it would cost.
        let policy = Policy::from_json(Some(policy.id().clone()), form.clone()).map_err(|_| Together)?;
        let part = parts.entry((effect, drawer)).or_default();
        let half = if ordered { &mut part.ordered } else { &mut part.plain };
        match policy.effect() {
            Stance::Permit => half.allowing.add(policy, &form)?,
            Stance::Forbid => half.forbidding.add(policy, &form)?,
        }
    }
    Ok(())
}

/// Takes from a rule's head what holds of every request that opens its drawer, so that it is not looked at again.
fn bare(form: &mut Value, policy: &Policy, drawer: &Drawer) {
    let mut all = |part: &str| {
        if let Some(constraint) = form.get_mut(part) {
            *constraint = json!({ "op": "All" });
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

/// Puts the bags of arguments in the place of what leads to them: they are the same in every request.
fn with_bags(form: &mut Value, names: &Names) {
    match form {
        Value::Object(all) => {
            let of =
                |name: &str| all.get(".").filter(|dot| dot.get("left").is_some_and(|left| *left == json!({ "Var": "context" })))?.get(name);
            match of("attr").and_then(Value::as_str).and_then(|attribute| names.bag(attribute)) {
                Some(bag) => *form = json!({ "Value": { "__entity": bag } }),
                None => all.values_mut().for_each(|inner| with_bags(inner, names)),
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|inner| with_bags(inner, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
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
