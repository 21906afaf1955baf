//! OpenClaw's files of credentials, read for what is clearly one: `auth-profiles.json` (`profiles`), and in `openclaw.json` the variables
//! (`env`) and values whose name says what they are, such as `channels.telegram.botToken`. Plain JSON: comments are not understood.
//! Logins that renew themselves (OAuth), references to somewhere else, and the password of OpenClaw's own door are left, and said.

use anyhow::Context as _;
use hearth_domain::secret::NAME_MAX;
use hearth_vault::admin::Hidden;
use serde_json::Value;

/// Names of values that are credentials, wherever they stand.
const CREDENTIALS: [&str; 14] = [
    "apiKey",
    "api_key",
    "token",
    "botToken",
    "appToken",
    "userToken",
    "accessToken",
    "authToken",
    "secret",
    "signingSecret",
    "clientSecret",
    "webhookSecret",
    "password",
    "appPassword",
];
/// Parts of names of variables that hold a credential.
const VARIABLES: [&str; 5] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE"];
/// How a value begins that only refers to a variable.
const REFERENCE: &str = "${";

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// A name for each, and its value.
    pub(super) taken: Vec<(String, Hidden)>,
    /// Where something was left, and why.
    pub(super) left: Vec<String>,
}

impl Credentials {
    fn take(&mut self, path: &[&str], value: &str) {
        if value.is_empty() || value.starts_with(REFERENCE) {
            self.leave(path, "it is empty or refers to a variable");
        } else {
            self.taken.push((name(path), Hidden::new(value.as_bytes().to_vec())));
        }
    }

    fn leave(&mut self, path: &[&str], why: &str) {
        self.left.push(format!("{}: {why}", path.join(".")));
    }

    /// `profiles`: each has a kind, and its value in a field of that kind.
    fn profile(&mut self, id: &str, profile: &Value) {
        let text = |field: &str| profile.get(field).and_then(Value::as_str);
        match (text("type"), text("key"), text("token")) {
            (Some("api_key"), Some(value), _) | (Some("token"), _, Some(value)) => self.take(&[id], value),
            (Some("oauth"), _, _) => self.leave(&["profiles", id], "a login that renews itself; sign in anew with `hearth secret sign-in`"),
            _ => self.leave(&["profiles", id], "it holds no value"),
        }
    }

    /// `env` and `env.vars`: a variable is taken when its name says that it is a credential.
    fn variable(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(value) if VARIABLES.iter().any(|part| name.to_uppercase().contains(part)) => self.take(&[name], value),
            Value::String(_) => self.leave(&["env", name], "its name does not say that it is a credential"),
            Value::Object(inner) if name == "vars" => inner.iter().for_each(|(name, value)| self.variable(name, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }

    /// Everything else: what has the name of a credential.
    fn inside<'a>(&mut self, path: &mut Vec<&'a str>, value: &'a Value) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    path.push(field);
                    match value {
                        Value::String(value) if CREDENTIALS.contains(&field.as_str()) => self.take(path, value),
                        Value::Object(_) if CREDENTIALS.contains(&field.as_str()) => self.leave(path, "it refers to another place"),
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                            self.inside(path, value);
                        }
                    }
                    path.pop();
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.inside(path, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Reads the text of such a file.
pub(super) fn credentials(text: &str) -> anyhow::Result<Credentials> {
    // What serde_json says of a text that does not parse is a place in it, and never the text.
    let file: Value = serde_json::from_str(text).context("it is no plain JSON; take comments and trailing commas out of it")?;
    let fields = file.as_object().context("it is no JSON object")?;
    let mut found = Credentials::default();
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("profiles", Value::Object(profiles)) => profiles.iter().for_each(|(id, profile)| found.profile(id, profile)),
            ("env", Value::Object(variables)) => variables.iter().for_each(|(name, value)| found.variable(name, value)),
            ("gateway", _) => found.leave(&["gateway"], "it opens OpenClaw's own door alone"),
            (field, value) => found.inside(&mut vec![field], value),
        }
    }
    Ok(found)
}

/// A name for what stands there: `channels.telegram.botToken` is `channels-telegram-bot-token`.
fn name(path: &[&str]) -> String {
    let mut name = String::new();
    for part in path {
        let mut small = false;
        for letter in format!("{part}.").chars() {
            // A new word begins with a capital after a small letter.
            if letter.is_ascii_uppercase() && small {
                name.push('-');
            }
            small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
            match letter.to_ascii_lowercase() {
                plain if plain.is_ascii_alphanumeric() => name.push(plain),
                _ if name.ends_with('-') || name.is_empty() => {}
                _ => name.push('-'),
            }
        }
    }
    name.truncate(NAME_MAX);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, usize) {
        let found = credentials(text).unwrap();
        let text = |value: &Hidden| value.text().unwrap().expose_secret().to_owned();
        (found.taken.iter().map(|(name, value)| (name.clone(), text(value))).collect(), found.left.len())
    }

    fn taken(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_and_tokens_of_profiles_are_taken_and_logins_are_left() {
        let text = r#"{"version": 1, "profiles": {
            "anthropic:work": {"type": "token", "provider": "anthropic", "token": "tok-1"},
            "google:me": {"type": "oauth", "access": "a", "refresh": "r", "expires": 1},
            "openai:default": {"type": "api_key", "provider": "openai", "key": "sk-1"},
            "other:env": {"type": "api_key", "key": "${OTHER_KEY}"},
            "third:ref": {"type": "api_key", "keyRef": {"source": "env", "id": "X"}}}}"#;
        assert_eq!(read(text), (taken(&[("anthropic-work", "tok-1"), ("openai-default", "sk-1")]), 3));
    }

    #[test]
    fn a_configuration_gives_what_has_the_name_of_a_credential_and_nothing_else() {
        let text = r#"{"env": {"OPENAI_API_KEY": "sk-1", "LANG": "C", "vars": {"GROQ_API_KEY": "gsk-1"}, "shellEnv": {"enabled": true}},
            "channels": {"telegram": {"enabled": true, "botToken": "1:abc", "dmPolicy": "pairing"},
                         "slack": {"accounts": {"Main Office": {"appToken": "xapp-1", "botToken": {"source": "file"}}}}},
            "gateway": {"auth": {"token": "own"}},
            "models": {"providers": {"x": {"apiKey": "${X}", "baseUrl": "https://x.example.com"}}}}"#;
        let expected = [
            ("channels-slack-accounts-main-office-app-token", "xapp-1"),
            ("channels-telegram-bot-token", "1:abc"),
            ("openai-api-key", "sk-1"),
            ("groq-api-key", "gsk-1"),
        ];
        let (mut found, left) = read(text);
        found.sort();
        let mut expected = taken(&expected);
        expected.sort();
        assert_eq!((found, left), (expected, 4));
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "[]", "{\"a\": 1, // comment\n}", "\"text\""] {
            assert!(credentials(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_names() {
        for (path, expected) in [
            (&["OPENAI_API_KEY"][..], "openai-api-key"),
            (&["channels", "telegram", "botToken"], "channels-telegram-bot-token"),
            (&["openai:default"], "openai-default"),
            (&["--x--", "Ü"], "x"),
        ] {
            assert_eq!(name(path), expected);
        }
        assert_eq!(name(&["a".repeat(100).as_str()]).len(), NAME_MAX);
    }
}
