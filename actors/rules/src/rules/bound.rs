//! To which tool a rule is bound by its condition: `when { resource.tool == "home/door" && … }` speaks of no other.
//!
//! Read off the rule's JSON form (Cedar's policy format), conjunct by conjunct from the left, as it is evaluated. Whatever stands before the
//! comparison must be such that it cannot fail: a rule that cannot be evaluated denies, and one that lies in another drawer would not.

use serde_json::Value;

/// Whether what a rule says may depend on by whose word it is. The whole context, used as a value, counts as that.
pub(super) fn speaks_of_order(form: &Value) -> bool {
    match form {
        Value::Object(all) => all.iter().any(|(operator, inner)| match operator.as_str() {
            "." if inner.get("left").is_some_and(is_context) => inner.get("attr").and_then(Value::as_str) == Some("order"),
            "Var" => inner.as_str() == Some("context"),
            _ => speaks_of_order(inner),
        }),
        Value::Array(all) => all.iter().any(speaks_of_order),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_context(form: &Value) -> bool {
    form.get("Var").and_then(Value::as_str) == Some("context")
}

/// Operators that cannot fail in a rule that fits the schema. Sums can, by their size.
const SAFE: [&str; 16] = ["Var", "Value", ".", "==", "!=", "<", "<=", ">", ">=", "!", "&&", "||", "in", "contains", "hasTag", "Set"];

/// The tool, if the rule can speak of one alone.
pub(super) fn tool(form: &Value) -> Option<String> {
    let first = form.get("conditions")?.as_array()?.first()?;
    if first.get("kind")?.as_str() != Some("when") {
        return None;
    }
    let mut conjuncts = Vec::new();
    flatten(first.get("body")?, &mut conjuncts);
    for conjunct in conjuncts {
        if let Some(tool) = compared(conjunct) {
            return Some(tool.to_owned());
        }
        if !is_safe(conjunct) {
            return None;
        }
    }
    None
}

fn flatten<'a>(body: &'a Value, into: &mut Vec<&'a Value>) {
    match body.get("&&").and_then(|and| Some((and.get("left")?, and.get("right")?))) {
        Some((left, right)) => {
            flatten(left, into);
            flatten(right, into);
        }
        None => into.push(body),
    }
}

/// `resource.tool == "…"`, either way round.
fn compared(conjunct: &Value) -> Option<&str> {
    let both = conjunct.get("==")?;
    let (left, right) = (both.get("left")?, both.get("right")?);
    let name = |value: &'static str| move |side: &Value| side.get("Var").and_then(Value::as_str) == Some(value);
    let attribute = |side: &Value| {
        side.get(".")
            .is_some_and(|dot| dot.get("attr").and_then(Value::as_str) == Some("tool") && dot.get("left").is_some_and(name("resource")))
    };
    match (attribute(left), attribute(right)) {
        (true, _) => right.get("Value")?.as_str(),
        (_, true) => left.get("Value")?.as_str(),
        (false, false) => None,
    }
}

fn is_safe(form: &Value) -> bool {
    match form {
        // An expression is an object with its operator as the one key; what a literal looks like inside does not count.
        Value::Object(all) => all.iter().all(|(operator, inner)| {
            SAFE.contains(&operator.as_str()) && (operator == "Value" || operator == "Var" || operands(inner).all(is_safe))
        }),
        Value::Array(all) => all.iter().all(is_safe),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// The operands of an operator: those of its fields that are expressions.
fn operands(inner: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match inner {
        Value::Object(fields) => Box::new(fields.iter().filter(|(name, _)| name.as_str() != "attr").map(|(_, operand)| operand)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Box::new(std::iter::once(inner)),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use cedar_policy::Policy;

    use super::*;

    fn of(condition: &str) -> Option<String> {
        let policy = Policy::from_str(&format!("forbid (principal, action, resource) {condition};")).unwrap();
        tool(&policy.to_json().unwrap())
    }

    #[test]
    fn a_rule_speaks_of_the_order_when_it_may() {
        for (condition, expected) in [
            (r#"when { context.order != Order::"none" }"#, true),
            (r#"unless { context.guest_present || !(Order::"grant" == context.order) }"#, true),
            (r#"when { if context.minute > 5 then context.order == Order::"none" else false }"#, true),
            (r#"when { context has order }"#, true),
            (r#"when { context == context }"#, true),
            (r#"when { context.text.hasTag("order") && context.text.getTag("order") == "x" }"#, false),
            (r#"when { context.minute > 5 }"#, false),
            ("", false),
        ] {
            let policy = Policy::from_str(&format!("forbid (principal, action, resource) {condition};")).unwrap();
            assert_eq!(speaks_of_order(&policy.to_json().unwrap()), expected, "{condition}");
        }
    }

    #[test]
    fn a_rule_is_bound_to_the_tool_that_its_condition_names_and_to_none_otherwise() {
        for (condition, expected) in [
            (r#"when { resource.tool == "a/b" }"#, Some("a/b")),
            (r#"when { "a/b" == resource.tool && context.minute > 5 }"#, Some("a/b")),
            (r#"when { context.guest_present && resource.operation == "x" && resource.tool == "a/b" }"#, Some("a/b")),
            (r#"when { resource.kinds.contains(Kind::"lock") && resource.tool == "a/b" } unless { context.child_present }"#, Some("a/b")),
            (r#"when { resource.tool == "a/b" || context.guest_present }"#, None),
            (r#"when { !(resource.tool == "a/b") }"#, None),
            (r#"when { resource.tool != "a/b" }"#, None),
            (r#"unless { resource.tool == "a/b" }"#, None),
            (r#"when { context.spent_today + 1 > 5 && resource.tool == "a/b" }"#, None),
            (r#"when { context.text.getTag("to") == "x" && resource.tool == "a/b" }"#, None),
            (r#"when { principal.tool == "a/b" }"#, None),
            (r#"when { resource.operation == "a/b" }"#, None),
            ("", None),
        ] {
            assert_eq!(of(condition).as_deref(), expected, "{condition}");
        }
    }
}
