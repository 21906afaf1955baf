//! What a text of rules must be like, beyond what the language asks for.

use super::*;
use crate::problem::{Problem, found, nearest, position};

/// What may stand before a rule.
const ANNOTATIONS: [&str; 4] = ["id", "says", "replaces", "firm"];
/// How far a rule looks things up: of who asks, what is to be done and its arguments, and no further. Whoever is named in a rule is
/// compared and not looked up.
const LEVEL: u32 = 1;
/// The longest id of a rule, and the longest sentence of one, in bytes.
const ID_MAX: usize = 64;
const SAYS_MAX: usize = 400;

impl From<Together> for RulesError {
    fn from(error: Together) -> Self {
        Self(vec![whole(error.to_string())])
    }
}

fn whole(what: String) -> Problem {
    Problem { line: 0, column: 0, rule: None, what, instead: None }
}

/// Reads the schema.
pub(super) fn schema(text: &str) -> Result<Schema, RulesError> {
    match Schema::from_cedarschema_str(text) {
        Ok((schema, _)) => Ok(schema),
        Err(error) => Err(RulesError(vec![found(text, None, &error)])),
    }
}

/// Reads one text of rules, in the order in which they stand there.
pub(super) fn read(text: &str, author: Author, schema: &Schema) -> Result<Vec<Read>, RulesError> {
    if text.len() > TEXT_MAX {
        return Err(RulesError(vec![whole(format!("more than {TEXT_MAX} bytes"))]));
    }
    let set = PolicySet::from_str(text).map_err(|errors| RulesError(errors.iter().map(|error| found(text, None, error)).collect()))?;
    if set.num_of_policies() > RULES_MAX {
        return Err(RulesError(vec![whole(format!("more than {RULES_MAX} rules"))]));
    }
    let mut problems: Vec<_> = set.templates().map(|template| slots(text, template.annotation("id"))).collect();
    problems.extend(against_schema(text, &set, schema));
    let mut policies: Vec<_> = set.policies().map(|policy| (number(policy.id()), policy)).collect();
    policies.sort_by_key(|(number, _)| *number);
    let mut read = Vec::new();
    for (number, policy) in policies {
        problems.extend(annotations(text, policy));
        read.push(one(number, policy, author));
    }
    problems.extend(twice(text, &read));
    if problems.is_empty() { Ok(read) } else { Err(sorted(problems)) }
}

fn sorted(mut problems: Vec<Problem>) -> RulesError {
    problems.sort_by(|a, b| (a.line, a.column, &a.what).cmp(&(b.line, b.column, &b.what)));
    problems.dedup();
    RulesError(problems)
}

/// The reader numbers rules from 0: `policy0`.
fn number(id: &PolicyId) -> usize {
    id.to_string().trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

fn slots(text: &str, id: Option<&str>) -> Problem {
    let (line, column) = text.find('?').map_or((0, 0), |at| position(text, at));
    let instead = Some("write who it is about: `principal == Member::\"Mia\"` or `principal in Role::\"child\"`".to_owned());
    Problem { line, column, rule: id.map(str::to_owned), what: "a rule has no open places such as `?principal`".to_owned(), instead }
}

fn against_schema(text: &str, set: &PolicySet, schema: &Schema) -> Vec<Problem> {
    let validator = cedar_policy::Validator::new(schema.clone());
    let result = validator.validate_with_level(set, cedar_policy::ValidationMode::Strict, LEVEL);
    let id = |id: &PolicyId| set.annotation(id, "id").map(str::to_owned);
    let errors: Vec<_> = result.validation_errors().map(|error| found(text, id(error.policy_id()), error)).collect();
    if !errors.is_empty() {
        return errors;
    }
    // A rule that can never apply, or whose text is not what it looks like, is a mistake as well.
    result.validation_warnings().map(|warning| found(text, id(warning.policy_id()), warning)).collect()
}

fn one(number: usize, policy: &Policy, author: Author) -> Read {
    let id = match (policy.annotation("id"), author) {
        (Some(id), _) => id.to_owned(),
        (None, Author::House) => format!("house-rule-{}", number.saturating_add(1)),
        (None, Author::Household) => format!("own-rule-{}", number.saturating_add(1)),
    };
    let says = policy.annotation("says").filter(|says| !says.trim().is_empty()).unwrap_or(&id).to_owned();
    let forbids = policy.effect() == Stance::Forbid;
    let named = policy.new_id(PolicyId::new(&id));
    let rule = Rule { id, says, author, forbids, text: policy.to_string() };
    let firm = author == Author::House && policy.annotation("firm").is_some();
    Read { rule, policy: named, replaces: policy.annotation("replaces").map(str::to_owned), firm }
}

fn annotations(text: &str, policy: &Policy) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, value: &str, what: String, instead: Option<String>| {
        let (line, column) = place(text, key, value);
        problems.push(Problem { line, column, rule: policy.annotation("id").map(str::to_owned), what, instead });
    };
    for (key, value) in policy.annotations() {
        let max = if key == "says" { SAYS_MAX } else { ID_MAX };
        if !ANNOTATIONS.contains(&key) {
            let near = nearest(key, ANNOTATIONS.into_iter()).map(|near| format!("did you mean `@{near}`?"));
            wrong(key, value, format!("`@{key}` means nothing here"), near);
        } else if value.len() > max {
            wrong(key, value, format!("`@{key}` has more than {max} bytes"), None);
        } else if value.chars().any(hearth_domain::message::is_harmful) || value.contains(['\n', '\t']) {
            wrong(key, value, format!("`@{key}` holds letters that do not show"), Some("write plain text on one line".to_owned()));
        }
    }
    problems
}

/// Where an annotation stands.
fn place(text: &str, key: &str, value: &str) -> (usize, usize) {
    let written = [format!("@{key}(\"{value}\")"), format!("@{key}")];
    written.iter().find_map(|written| text.find(written.as_str())).map_or((0, 0), |at| position(text, at))
}

fn twice(text: &str, read: &[Read]) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let again = read.iter().filter(|read| !seen.insert(&read.rule.id));
    again
        .map(|read| {
            let written = format!("@id(\"{}\")", read.rule.id);
            let (line, column) = text.rfind(&written).map_or((0, 0), |at| position(text, at));
            let what = format!("two rules have the id \"{}\"", read.rule.id);
            Problem { line, column, rule: None, what, instead: Some("give the second another".to_owned()) }
        })
        .collect()
}

/// The house's rules with the household's: those that were replaced are gone, the firm ones never are.
pub(super) fn together(defaults: Vec<Read>, own: Vec<Read>, text: &str) -> Result<Vec<Read>, RulesError> {
    let mut problems = Vec::new();
    let mut replaced = BTreeSet::new();
    for read in &own {
        let mut wrong = |key: &str, value: &str, what: String, instead: Option<String>| {
            let (line, column) = place(text, key, value);
            problems.push(Problem { line, column, rule: Some(read.rule.id.clone()), what, instead });
        };
        if let Some(id) = &read.replaces {
            match defaults.iter().find(|read| read.rule.id == *id) {
                None => {
                    let near = nearest(id, defaults.iter().map(|read| read.rule.id.as_str()));
                    let near = near.map(|near| format!("did you mean \"{near}\"?"));
                    wrong("replaces", id, format!("the house has no rule \"{id}\""), near);
                }
                Some(read) if read.firm => {
                    wrong("replaces", id, format!("the house's rule \"{id}\" is firm and cannot be replaced"), None);
                }
                Some(_) => {
                    replaced.insert(id.clone());
                }
            }
        }
        let named = defaults.iter().any(|read_default| read_default.rule.id == read.rule.id);
        if named && read.replaces.as_ref() != Some(&read.rule.id) {
            let instead = Some(format!("give it another, or write @replaces(\"{}\") to put it in that one's place", read.rule.id));
            wrong("id", &read.rule.id, format!("the house has a rule \"{}\" already", read.rule.id), instead);
        }
    }
    if problems.is_empty() {
        Ok(defaults.into_iter().filter(|read| !replaced.contains(&read.rule.id)).chain(own).collect())
    } else {
        Err(sorted(problems))
    }
}

impl Rules {
    /// Names in the household's rules that nobody and nothing has: somebody who moved out, a tool that is not installed, a slip of the
    /// pen. Such a rule does no harm and has no use.
    #[must_use]
    pub fn unknown_names<'a>(&self, text: &str, members: &[&'a str], tools: &[&'a str]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let Ok(set) = PolicySet::from_str(text) else { return problems };
        for policy in set.policies() {
            for literal in policy.entity_literals() {
                let (kind, known) = match literal.type_name().basename() {
                    "Member" => ("nobody here is called", members),
                    "Tool" => ("there is no tool", tools),
                    _ => continue,
                };
                let name = literal.id().unescaped();
                if known.contains(&name) {
                    continue;
                }
                let (line, column) = text.find(&literal.to_string()).map_or((0, 0), |at| position(text, at));
                let instead = nearest(name, known.iter().copied()).map(|near| format!("did you mean \"{near}\"?"));
                let rule = policy.annotation("id").map(str::to_owned);
                problems.push(Problem { line, column, rule, what: format!("{kind} \"{name}\""), instead });
            }
        }
        sorted(problems).0
    }
}
