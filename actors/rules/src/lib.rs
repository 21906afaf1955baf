//! The household's own rules: who may have what done, when, by whose word.
//!
//! A house comes with [`Rules::DEFAULTS`](rules::Rules::DEFAULTS) for the five roles; what a household writes is added to them, or takes
//! their place. Rules are Cedar policies over the schema in `house.cedarschema`; this crate reads and checks them
//! ([`Rules::new`](rules::Rules::new)), decides by them ([`Rules::decide`](rules::Rules::decide)), says in plain words which of them spoke
//! ([`Rules::explain`](rules::Rules::explain)), reads questions such as "may Mia unlock the front door at 22:00?"
//! ([`question::parse_question`]), and runs a household's list of such questions ([`suite::Suite`]).
//!
//! Invariants: what no rule allows is denied; what one rule forbids is denied whatever others allow; a rule that cannot be evaluated
//! denies. Rules decide beside the gate of labels and grants (`hearth-domain`), never instead of it: an effect needs both.
//!
//! Limits: [`rules::TEXT_MAX`] bytes and [`rules::RULES_MAX`] rules; [`request::ARGUMENTS_MAX`] arguments.

pub mod kind;
pub mod problem;
pub mod question;
pub mod request;
pub mod rules;
pub mod suite;

#[cfg(test)]
mod tests;
