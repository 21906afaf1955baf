//! Rules as an owner writes them, and rules for well-known services.
//!
//! ```text
//! METHOD[,METHOD…] https://host[:port]/path [lan] [in SLOT[,SLOT…]]
//! POST https://api.openai.com/v1/**
//! GET,POST http://192.168.1.9:8123/api/** lan
//! GET,POST https://api.telegram.org/bot{placeholder}/* in path
//! ```

use std::collections::BTreeSet;

use hearth_domain::error::{Class, Classified};
use hearth_domain::secret::{SecretName, Slot, TargetRule};

use super::change::{RuleError, check_rule};
use super::path;
use super::target::{Target, TargetError, plain_method};

/// Stands in a rule's path for the placeholder of the secret that the rule is for.
pub const OWN_PLACEHOLDER: &str = "{placeholder}";

/// Why a text is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not in the form of a rule.
    #[error("write a rule as `METHOD[,METHOD…] https://host[:port]/path [lan] [in header,path,query,body,signature]`")]
    Form,
    /// The address.
    #[error("the rule's address: {0}")]
    Target(#[source] TargetError),
    /// It has no path: a rule for a whole host says `/**`.
    #[error("the rule's address has no path; `/**` allows every path of the host")]
    NoPath,
    /// Something that is left out of the first line.
    #[error("{0}")]
    Rule(#[source] RuleError),
}

impl Classified for TextError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// The rule of a text, for the secret of that name.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(text: &str, secret: &SecretName) -> Result<TargetRule, TextError> {
    let mut words = text.split_ascii_whitespace();
    let (Some(methods), Some(address)) = (words.next(), words.next()) else { return Err(TextError::Form) };
    let (mut lan, mut slots) = (false, None);
    while let Some(word) = words.next() {
        match word {
            "lan" if !lan && slots.is_none() => lan = true,
            "in" if slots.is_none() => slots = Some(words.next().ok_or(TextError::Form)?.split(',').map(slot).collect::<Result<_, _>>()?),
            _ => return Err(TextError::Form),
        }
    }
    let methods = methods.split(',').map(plain_method).collect::<Result<BTreeSet<_>, _>>().map_err(TextError::Target)?;
    let address = address.replace(OWN_PLACEHOLDER, &secret.placeholder());
    let target = Target::of_url(&http::Method::GET, &address).map_err(TextError::Target)?;
    let begin = address.find("://").map_or(0, |at| at + 3);
    let path = address.get(begin..).and_then(|rest| rest.find('/').and_then(|at| rest.get(at..))).ok_or(TextError::NoPath)?;
    let rule = TargetRule {
        scheme: target.scheme,
        host: target.host_text(),
        port: target.port,
        methods,
        path: path.to_owned(),
        slots: slots.unwrap_or_else(|| if path::holds_placeholder(path) { BTreeSet::from([Slot::Path]) } else { Slot::usual() }),
        lan,
        authority: None,
    };
    check_rule(&rule).map_err(TextError::Rule)?;
    Ok(rule)
}

/// A rule as [`parse`] reads it, without its certificate authority.
#[must_use]
pub fn show(rule: &TargetRule) -> String {
    let methods: Vec<_> = rule.methods.iter().map(String::as_str).collect();
    let slots: Vec<_> = rule.slots.iter().map(|slot| slot_text(*slot)).collect();
    let scheme = super::target::scheme_text(rule.scheme);
    let port = if rule.port == super::target::default_port(rule.scheme) { String::new() } else { format!(":{}", rule.port) };
    let lan = if rule.lan { " lan" } else { "" };
    format!("{} {scheme}://{}{port}{}{lan} in {}", methods.join(","), rule.host, rule.path, slots.join(","))
}

const SLOTS: [(Slot, &str); 5] =
    [(Slot::Header, "header"), (Slot::Path, "path"), (Slot::Query, "query"), (Slot::Body, "body"), (Slot::Signature, "signature")];

fn slot(text: &str) -> Result<Slot, TextError> {
    SLOTS.iter().find(|(_, name)| *name == text).map(|(slot, _)| *slot).ok_or(TextError::Form)
}

/// A slot as it is written in a rule.
#[must_use]
pub fn slot_text(slot: Slot) -> &'static str {
    SLOTS.iter().find(|(known, _)| *known == slot).map_or("", |(_, name)| name)
}

/// Rules for well-known services, no wider than what a house does there: no account, key or file administration.
///
/// Discord gives a host of its own for resuming its gateway; a rule for that has to be added by hand, or the session is begun anew.
pub const PRESETS: [(&str, &[&str]); 7] = [
    (
        "openai",
        &[
            "POST https://api.openai.com/v1/chat/completions",
            "POST https://api.openai.com/v1/responses",
            "POST https://api.openai.com/v1/embeddings",
            "POST https://api.openai.com/v1/audio/*",
            "GET https://api.openai.com/v1/models",
            "GET https://api.openai.com/v1/models/*",
        ],
    ),
    (
        "anthropic",
        &[
            "POST https://api.anthropic.com/v1/messages",
            "POST https://api.anthropic.com/v1/messages/count_tokens",
            "GET https://api.anthropic.com/v1/models",
            "GET https://api.anthropic.com/v1/models/*",
        ],
    ),
    (
        "gemini",
        &[
            "GET,POST https://generativelanguage.googleapis.com/v1beta/models/* in header,query",
            "GET https://generativelanguage.googleapis.com/v1beta/models in header,query",
            "GET,POST https://generativelanguage.googleapis.com/v1/models/* in header,query",
            "GET https://generativelanguage.googleapis.com/v1/models in header,query",
        ],
    ),
    (
        "openrouter",
        &[
            "POST https://openrouter.ai/api/v1/chat/completions",
            "POST https://openrouter.ai/api/v1/responses",
            "POST https://openrouter.ai/api/v1/embeddings",
            "GET https://openrouter.ai/api/v1/models",
        ],
    ),
    (
        "telegram",
        &["GET,POST https://api.telegram.org/bot{placeholder}/* in path", "GET https://api.telegram.org/file/bot{placeholder}/** in path"],
    ),
    ("slack", &["GET,POST https://slack.com/api/*", "GET https://files.slack.com/files-pri/**"]),
    ("discord", &["DELETE,GET,PATCH,POST,PUT https://discord.com/api/v10/**", "GET https://gateway.discord.gg/ in body"]),
];

/// The rules of a well-known service for the secret of that name; `None` for one that is not known.
#[must_use]
pub fn preset(service: &str, secret: &SecretName) -> Option<Vec<TargetRule>> {
    let (_, rules) = PRESETS.iter().find(|(name, _)| *name == service)?;
    rules.iter().map(|text| parse(text, secret).ok()).collect()
}

#[cfg(test)]
mod tests {
    use hearth_domain::secret::Scheme;
    use proptest::prelude::*;

    use super::*;

    fn name() -> SecretName {
        SecretName::new("mine").unwrap()
    }

    #[test]
    fn a_rule_is_read_with_its_default_port() {
        let rule = parse("POST https://api.openai.com/v1/**", &name()).unwrap();
        assert_eq!((rule.scheme, rule.host.as_str(), rule.port, rule.path.as_str()), (Scheme::Https, "api.openai.com", 443, "/v1/**"));
        assert_eq!((rule.methods, rule.slots, rule.lan), (BTreeSet::from(["POST".to_owned()]), Slot::usual(), false));
        let rule = parse("GET,POST http://192.168.1.9/api/** lan", &name()).unwrap();
        assert_eq!((rule.scheme, rule.host.as_str(), rule.port, rule.lan), (Scheme::Http, "192.168.1.9", 80, true));
        let rule = parse("GET https://[fd12::1]:8443/ lan in body,query", &name()).unwrap();
        assert_eq!((rule.host.as_str(), rule.port, rule.slots), ("[fd12::1]", 8443, BTreeSet::from([Slot::Query, Slot::Body])));
    }

    #[test]
    fn every_preset_is_made_of_sound_rules_that_print_to_themselves() {
        for (service, texts) in PRESETS {
            let rules = preset(service, &name()).unwrap();
            assert_eq!(rules.len(), texts.len(), "{service}");
            for rule in rules {
                assert_eq!(parse(&show(&rule), &name()).unwrap(), rule);
            }
        }
        let telegram = preset("telegram", &name()).unwrap();
        assert_eq!(telegram[0].path, "/bothearth_secret_mine_/*");
        assert_eq!(preset("elsewhere", &name()), None);
    }

    type Fits = fn(&TextError) -> bool;

    #[test]
    fn what_is_no_rule_says_why() {
        let table: [(&str, Fits); 14] = [
            ("", |e| *e == TextError::Form),
            ("POST", |e| *e == TextError::Form),
            ("POST https://a.com/ wan", |e| *e == TextError::Form),
            ("POST https://a.com/ in", |e| *e == TextError::Form),
            ("POST https://a.com/ in cookie", |e| *e == TextError::Form),
            ("post https://a.com/", |e| *e == TextError::Target(TargetError::Method)),
            ("CONNECT https://a.com/", |e| *e == TextError::Target(TargetError::Method)),
            ("* https://a.com/", |e| *e == TextError::Target(TargetError::Method)),
            ("POST ftp://a.com/", |e| *e == TextError::Target(TargetError::Scheme)),
            ("POST https://a.com", |e| *e == TextError::NoPath),
            ("POST http://a.com/", |e| *e == TextError::Rule(RuleError::PlainWithoutLan)),
            ("POST https://127.0.0.1/", |e| matches!(e, TextError::Rule(RuleError::NotPublic(_)))),
            ("POST http://169.254.169.254/ lan", |e| matches!(e, TextError::Rule(RuleError::Address(_)))),
            ("POST https://*.a.com/", |e| *e == TextError::Target(TargetError::Host)),
        ];
        for (text, fits) in table {
            let error = parse(text, &name()).unwrap_err();
            assert!(fits(&error), "{text}: {error:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}", rest in "\\PC{0,40}") {
            for text in [text.clone(), format!("GET https://{rest}"), format!("GET https://a.com/{rest} lan in body")] {
                if let Ok(rule) = parse(&text, &name()) {
                    prop_assert_eq!(parse(&show(&rule), &name()).unwrap(), rule);
                }
            }
        }
    }
}
