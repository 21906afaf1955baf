//! Keys that nobody stored here, by their well-known shapes. They warn inside the house, and stop only what leaves it.
//!
//! A shape is a beginning that its issuer documents, an alphabet, a length, and enough variety in what follows: placeholders such as
//! `AKIAIOSFODNN7EXAMPLE` or `xxxx` are none. It looks at whole texts (a message, a log line, a body up to some megabytes), in plain form.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Whose key it seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Access key of Amazon Web Services.
    AwsAccessKey,
    /// Token of GitHub, of any sort.
    GitHub,
    /// Token of GitLab.
    GitLab,
    /// Token of Slack, of any sort.
    Slack,
    /// Key of Anthropic.
    Anthropic,
    /// Key of OpenAI, or of one who writes keys as they do.
    OpenAi,
    /// Key of Google.
    Google,
    /// Live key of Stripe.
    Stripe,
    /// Token of Hugging Face.
    HuggingFace,
    /// Token of npm.
    Npm,
    /// Token of a Telegram bot.
    TelegramBot,
    /// Private key in PEM.
    PrivateKey,
    /// JSON Web Token (RFC 7519).
    Jwt,
}

/// Something in the shape of a key. It never says the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Whose.
    pub shape: Shape,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Which characters follow a beginning.
#[derive(Clone, Copy)]
enum Alphabet {
    Upper,
    Alnum,
    /// Letters, digits, `_` and `-`.
    Url,
}

struct Rule {
    begins: &'static str,
    shape: Shape,
    alphabet: Alphabet,
    /// Characters after the beginning: least and most.
    len: (usize, usize),
}

const fn rule(begins: &'static str, shape: Shape, alphabet: Alphabet, least: usize, most: usize) -> Rule {
    Rule { begins, shape, alphabet, len: (least, most) }
}

/// The longer beginning comes first.
const RULES: &[Rule] = &[
    rule("AKIA", Shape::AwsAccessKey, Alphabet::Upper, 16, 16),
    rule("ASIA", Shape::AwsAccessKey, Alphabet::Upper, 16, 16),
    rule("github_pat_", Shape::GitHub, Alphabet::Url, 60, 100),
    rule("ghp_", Shape::GitHub, Alphabet::Alnum, 36, 255),
    rule("gho_", Shape::GitHub, Alphabet::Alnum, 36, 255),
    rule("ghu_", Shape::GitHub, Alphabet::Alnum, 36, 255),
    rule("ghs_", Shape::GitHub, Alphabet::Alnum, 36, 255),
    rule("ghr_", Shape::GitHub, Alphabet::Alnum, 36, 255),
    rule("glpat-", Shape::GitLab, Alphabet::Url, 20, 255),
    rule("xoxb-", Shape::Slack, Alphabet::Url, 24, 255),
    rule("xoxp-", Shape::Slack, Alphabet::Url, 24, 255),
    rule("xoxa-", Shape::Slack, Alphabet::Url, 24, 255),
    rule("xoxr-", Shape::Slack, Alphabet::Url, 24, 255),
    rule("xoxs-", Shape::Slack, Alphabet::Url, 24, 255),
    rule("xapp-", Shape::Slack, Alphabet::Url, 24, 255),
    rule("sk-ant-", Shape::Anthropic, Alphabet::Url, 32, 255),
    rule("sk-", Shape::OpenAi, Alphabet::Url, 32, 255),
    rule("AIza", Shape::Google, Alphabet::Url, 35, 35),
    rule("sk_live_", Shape::Stripe, Alphabet::Alnum, 24, 255),
    rule("rk_live_", Shape::Stripe, Alphabet::Alnum, 24, 255),
    rule("hf_", Shape::HuggingFace, Alphabet::Alnum, 34, 40),
    rule("npm_", Shape::Npm, Alphabet::Alnum, 36, 36),
    rule(":AA", Shape::TelegramBot, Alphabet::Url, 33, 33),
    rule("-----BEGIN ", Shape::PrivateKey, Alphabet::Url, 0, 0),
    rule("eyJ", Shape::Jwt, Alphabet::Url, 10, 8192),
];

static BEGINNINGS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let begins = RULES.iter().map(|rule| rule.begins);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(begins).ok()
});

/// Least variety of what follows a beginning, in bits a character.
const LEAST_BITS: f64 = 2.8;

/// Everything in the shape of a key, in order.
#[must_use]
pub fn sightings(text: &[u8]) -> Vec<Sighting> {
    let Some(beginnings) = BEGINNINGS.as_ref() else { return Vec::new() };
    let mut found: Vec<Sighting> = Vec::new();
    for begun in beginnings.find_iter(text) {
        let Some(rule) = RULES.get(begun.pattern().as_usize()) else { continue };
        let (start, after) = (begun.start(), begun.end());
        if found.last().is_some_and(|last| start < last.end) {
            continue;
        }
        let range = match rule.shape {
            Shape::PrivateKey => private_key(text, start),
            Shape::Jwt => web_token(text, start),
            Shape::TelegramBot => bot_token(text, start, after, rule),
            Shape::AwsAccessKey
            | Shape::GitHub
            | Shape::GitLab
            | Shape::Slack
            | Shape::Anthropic
            | Shape::OpenAi
            | Shape::Google
            | Shape::Stripe
            | Shape::HuggingFace
            | Shape::Npm => plain(text, start, after, rule),
        };
        found.extend(range.map(|(start, end)| Sighting { shape: rule.shape, start, end }));
    }
    found
}

fn run(text: &[u8], from: usize, alphabet: Alphabet) -> &[u8] {
    let rest = text.get(from..).unwrap_or(&[]);
    let fits = |byte: &u8| match alphabet {
        Alphabet::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Alphabet::Alnum => byte.is_ascii_alphanumeric(),
        Alphabet::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
    };
    rest.split(|byte| !fits(byte)).next().unwrap_or(&[])
}

/// Whether a word goes on before this place.
fn within_word(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(u8::is_ascii_alphanumeric)
}

fn plain(text: &[u8], start: usize, after: usize, rule: &Rule) -> Option<(usize, usize)> {
    let follows = run(text, after, rule.alphabet);
    let (least, most) = rule.len;
    let fits = (least..=most).contains(&follows.len()) && !within_word(text, start) && varied(follows);
    fits.then(|| (start, after.saturating_add(follows.len())))
}

fn bot_token(text: &[u8], start: usize, after: usize, rule: &Rule) -> Option<(usize, usize)> {
    let before = text.get(..start).unwrap_or(&[]);
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let follows = run(text, after, rule.alphabet);
    let fits = (8..=12).contains(&digits) && follows.len() == rule.len.0 && varied(follows);
    fits.then(|| (start.saturating_sub(digits), after.saturating_add(follows.len())))
}

fn private_key(text: &[u8], start: usize) -> Option<(usize, usize)> {
    const ENDS: &[u8] = b"PRIVATE KEY-----";
    let line = text.get(start..)?.split(|byte| matches!(byte, b'\n' | b'\r' | b'\\')).next()?;
    let at = line.windows(ENDS.len()).position(|part| part == ENDS)?;
    let head = start.saturating_add(at).saturating_add(ENDS.len());
    // A heading alone, in a manual or in code, is no key.
    let body = text.get(head..)?;
    let kept = body.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n\\ ".contains(byte)).count();
    (kept >= 64).then(|| (start, head.saturating_add(kept)))
}

fn web_token(text: &[u8], start: usize) -> Option<(usize, usize)> {
    if within_word(text, start) {
        return None;
    }
    let mut at = start;
    for part in 0..3 {
        if part > 0 {
            (text.get(at) == Some(&b'.')).then_some(())?;
            at = at.saturating_add(1);
        }
        let run = run(text, at, Alphabet::Url);
        (run.len() >= 16 && varied(run)).then_some(())?;
        at = at.saturating_add(run.len());
    }
    Some((start, at))
}

/// Whether characters differ as those of a key do.
fn varied(text: &[u8]) -> bool {
    if text.windows(7).any(|part| part.eq_ignore_ascii_case(b"example")) {
        return false;
    }
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    for &byte in text {
        let count = counts.entry(byte).or_default();
        *count = count.saturating_add(1);
    }
    let all = text.len() as f64;
    let bits: f64 = counts.values().map(|&count| f64::from(count) / all).map(|share| -share * share.log2()).sum();
    // A short text cannot vary more than its length allows.
    bits >= LEAST_BITS.min(all.log2() * 0.75)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<Shape> {
        sightings(text.as_bytes()).into_iter().map(|sighting| sighting.shape).collect()
    }

    #[test]
    fn keys_are_seen_by_their_shape() {
        let pem = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEAx9f3".repeat(6));
        let cases = [
            ("id AKIAZ7QX4T2WLM9B3RKD.", Shape::AwsAccessKey),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", Shape::GitHub),
            ("\"xoxb-2837465019-5647382910-aZbYcXdWeVfUgThS\"", Shape::Slack),
            ("sk-ant-api03-Qz7rT1vWk9Xp2LmN8bYc4HdJ6fGs5aQz7", Shape::Anthropic),
            ("key=sk-proj-Qz7rT1vWk9Xp2LmN8bYc4HdJ6fGs5aQz7", Shape::OpenAi),
            ("AIzaSyD3k9Qz7rT1vWk9Xp2LmN8bYc4HdJ6fGs5", Shape::Google),
            ("bot 5839201746:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", Shape::TelegramBot),
            (pem.as_str(), Shape::PrivateKey),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", Shape::Jwt),
        ];
        for (text, wanted) in cases {
            assert_eq!(shapes(text), [wanted], "{wanted:?}");
        }
    }

    #[test]
    fn placeholders_and_words_are_no_keys() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "ask-questions-about-everything-that-is-not-clear-yet",
            "ghp_short",
            "-----BEGIN PRIVATE KEY----- is how it begins",
            "eyJ alone",
            "12:AAA",
        ] {
            assert_eq!(shapes(text), [], "{text}");
        }
    }
}
