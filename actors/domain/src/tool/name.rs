//! What a tool is called: in the house, towards a model, towards the vault. Also its version, and who made it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::secret::Principal;

/// Longest namespace, in bytes.
pub const NAMESPACE_MAX: usize = 16;
/// Longest name within a namespace, in bytes.
pub const NAME_MAX: usize = 20;
/// Longest name of an operation, in bytes. One of a tool with a long name has less: [`FUNCTION_MAX`] is for the whole.
pub const OPERATION_MAX: usize = 37;
/// The namespace of all tools that are MCP servers.
pub const MCP: &str = "mcp";
/// Longest name of a function that the model APIs accept, in bytes.
pub const FUNCTION_MAX: usize = 64;
/// Stands between the parts of a function's name. None of them holds it, so that two tools never share a function.
pub const BETWEEN: &str = "__";

const _: () = assert!(MCP.len() + NAME_MAX + OPERATION_MAX + 2 * BETWEEN.len() <= FUNCTION_MAX, "every name of a server's function fits");

/// A text that names no tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tool is called `namespace/name`: at most {NAMESPACE_MAX} and {NAME_MAX} lower-case letters, digits and inner hyphens, each beginning \
     with a letter"
)]
pub struct ToolNameError;

/// `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolName {
    namespace: String,
    name: String,
}

impl ToolName {
    /// The namespace: whose tools these are.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the model calls to have this operation done: `namespace__name__operation`.
    #[must_use]
    pub fn function(&self, operation: &str) -> String {
        format!("{}{BETWEEN}{}{BETWEEN}{operation}", self.namespace, self.name)
    }

    /// The tool and operation of a function's name; `None` when it is not one of a tool.
    #[must_use]
    pub fn of_function(function: &str) -> Option<(Self, &str)> {
        let mut parts = function.splitn(3, BETWEEN);
        let (namespace, name, operation) = (parts.next()?, parts.next()?, parts.next()?);
        let tool = format!("{namespace}/{name}").parse().ok()?;
        is_operation(operation).then_some((tool, operation))
    }

    /// The tool as a user of secrets: `tool/namespace.name`.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal::Tool(format!("{}.{}", self.namespace, self.name))
    }
}

/// Whether an operation can have this name: lower-case letters, digits and single underscores between them, beginning with a letter.
#[must_use]
pub fn is_operation(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    first && text.len() <= OPERATION_MAX && text.bytes().all(plain) && !text.contains(BETWEEN) && !text.ends_with('_')
}

/// Whether a part of a tool's name, a slot or a place can have this name.
pub(super) fn is_label(text: &str, max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    first && text.len() <= max && text.bytes().all(plain) && !text.ends_with('-')
}

impl FromStr for ToolName {
    type Err = ToolNameError;
    fn from_str(text: &str) -> Result<Self, ToolNameError> {
        let (namespace, name) = text.split_once('/').ok_or(ToolNameError)?;
        let fits = is_label(namespace, NAMESPACE_MAX) && is_label(name, NAME_MAX);
        fits.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() }).ok_or(ToolNameError)
    }
}

impl TryFrom<String> for ToolName {
    type Error = ToolNameError;
    fn try_from(text: String) -> Result<Self, ToolNameError> {
        text.parse()
    }
}

impl From<ToolName> for String {
    fn from(name: ToolName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A text that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers such as 1.4.0, without leading zeros")]
pub struct VersionError;

/// `major.minor.patch`, compared number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub patch: u32,
}

impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut numbers = text.split('.').map(|part| {
            let plain = part == "0" || !part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain { part.parse::<u32>().map_err(|_| VersionError) } else { Err(VersionError) }
        });
        let mut next = || numbers.next().unwrap_or(Err(VersionError));
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if numbers.next().is_none() { Ok(version) } else { Err(VersionError) }
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The public half of an author's ed25519 key (RFC 8032), shown in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthorKey(pub [u8; 32]);

/// A text that is no author's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an author's key is 64 lower-case hexadecimal digits")]
pub struct AuthorKeyError;

impl FromStr for AuthorKey {
    type Err = AuthorKeyError;
    fn from_str(text: &str) -> Result<Self, AuthorKeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| AuthorKeyError)?;
        // A key has one spelling, so that two keys are the same where their texts are.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Err(AuthorKeyError) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for AuthorKey {
    type Error = AuthorKeyError;
    fn try_from(text: String) -> Result<Self, AuthorKeyError> {
        text.parse()
    }
}

impl From<AuthorKey> for String {
    fn from(key: AuthorKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for AuthorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AuthorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_two_parts_of_plain_letters() {
        for good in ["hearth/weather", "a/b", "my-house/tool-2"] {
            assert_eq!(good.parse::<ToolName>().unwrap().to_string(), good);
        }
        let long = format!("a/{}", "b".repeat(NAME_MAX + 1));
        for bad in ["", "/", "a", "a/", "/b", "A/b", "a/b/c", "a_b/c", "1a/b", "a-/b", "a/-b", "a/ü", "a/b\n", &long] {
            assert_eq!(bad.parse::<ToolName>(), Err(ToolNameError), "{bad}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let of = |text: &str| text.parse::<Version>().unwrap();
        assert!(of("1.10.0") > of("1.9.9") && of("2.0.0") > of("1.99.99") && of("0.0.1") > of("0.0.0"));
        for bad in ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-a", "1..0", "+1.0.0", "1.0.4294967296", " 1.0.0"] {
            assert_eq!(bad.parse::<Version>(), Err(VersionError), "{bad}");
        }
    }

    #[test]
    fn a_key_has_one_spelling() {
        let key = AuthorKey([0xab; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse::<AuthorKey>(), Err(AuthorKeyError));
        assert_eq!("ab".parse::<AuthorKey>(), Err(AuthorKeyError));
    }

    #[test]
    fn a_tool_uses_secrets_under_a_name_that_the_vault_can_read() {
        let principal = "hearth/weather".parse::<ToolName>().unwrap().principal();
        assert_eq!(principal.to_string().parse(), Ok(principal));
    }

    fn label(max: usize) -> impl Strategy<Value = String> {
        "[a-z][a-z0-9-]{0,30}".prop_filter("a label", move |text| is_label(text, max))
    }

    fn operation() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9_]{0,23}".prop_filter("an operation", |text| is_operation(text))
    }

    proptest! {
        #[test]
        fn a_function_leads_back_to_its_tool_alone(namespace in label(NAMESPACE_MAX), name in label(NAME_MAX), operation in operation()) {
            let tool: ToolName = format!("{namespace}/{name}").parse().unwrap();
            let function = tool.function(&operation);
            prop_assert!(function.len() <= FUNCTION_MAX);
            prop_assert!(function.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
            prop_assert_eq!(ToolName::of_function(&function), Some((tool, operation.as_str())));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,40}") {
            let _ = (text.parse::<ToolName>(), text.parse::<Version>(), text.parse::<AuthorKey>());
            let _ = ToolName::of_function(&text);
        }
    }
}
