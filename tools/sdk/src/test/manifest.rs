//! What a tool can do stands in its code, and in `manifest.toml` for whoever reads it without running anything. It is written there from
//! the code: everything below the line [`MARK`].

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Effect, Operation, Role, Tool, Trust};

/// Above it the manifest is the author's, below it the code's.
pub const MARK: &str = "# Written from the code: `hearth tool build`, or `HEARTH_MANIFEST=write cargo test`.";

/// The variable of the environment that has [`manifest`] write instead of compare, when it is `write`.
pub const VARIABLE: &str = "HEARTH_MANIFEST";

/// Why a manifest is not the tool's.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read or written.
    File(PathBuf, io::Error),
    /// Its operations are others than the code's.
    Differs(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{} cannot be read or written: {error}", path.display()),
            Self::Differs(path) => {
                write!(
                    f,
                    "{} does not say what the tool says of itself: run `{VARIABLE}=write cargo test` and look at what changed",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Differs(_) => None,
        }
    }
}

/// Whether a manifest's operations are the tool's, for a test of the author. With `HEARTH_MANIFEST=write` they are written.
///
/// # Errors
/// They are others, or the file cannot be read or written.
pub fn manifest(path: impl AsRef<Path>, tool: &Tool) -> Result<(), Error> {
    let path = path.as_ref();
    let write = env::var_os(VARIABLE).is_some_and(|value| value == "write");
    let file = |error| Error::File(path.to_owned(), error);
    let text = fs::read_to_string(path).map_err(file)?;
    let wanted = with_operations(&text, tool);
    if text == wanted {
        return Ok(());
    }
    if write { fs::write(path, wanted).map_err(file) } else { Err(Error::Differs(path.to_owned())) }
}

/// A manifest with these operations in the place of its own.
fn with_operations(text: &str, tool: &Tool) -> String {
    let head = text.split_once(MARK).map_or(text, |(head, _)| head).trim_end();
    format!("{head}\n\n{MARK}\n{}", operations(tool))
}

/// The operations as a manifest has them: TOML.
#[must_use]
pub fn operations(tool: &Tool) -> String {
    let texts: Vec<String> = tool.operations().iter().map(operation).collect();
    texts.join("\n")
}

fn operation(operation: &Operation) -> String {
    let mut text = String::from("[[operations]]\n");
    let mut line = |key: &str, value: &str| {
        // Writing into a String cannot fail.
        let _written = writeln!(text, "{key} = {value}");
    };
    line("name", &quoted(operation.name));
    line("description", &quoted(operation.description));
    line("effect", &quoted(effect(operation.effect)));
    if operation.idempotent {
        line("idempotent", "true");
    }
    let arguments = operation.arguments.iter().map(|argument| (argument.at, role(argument.role))).collect();
    let fields = operation.fields.iter().map(|field| (field.at, trust(field.trust))).collect();
    for (key, pairs) in [("arguments", table(&arguments)), ("fields", table(&fields))] {
        if let Some(pairs) = pairs {
            line(key, &pairs);
        }
    }
    line("parameters", &schema(&operation.schema()));
    text
}

fn table(pairs: &BTreeMap<&str, &str>) -> Option<String> {
    let pairs: Vec<String> = pairs.iter().map(|(at, word)| format!("{} = {}", quoted(at), quoted(word))).collect();
    (!pairs.is_empty()).then(|| format!("{{ {} }}", pairs.join(", ")))
}

/// In a literal of several lines, which needs no escapes, where that can be. Its keys are sorted, so that the text is the same whether or
/// not another crate of the author's switches `serde_json`'s order of insertion on.
fn schema(schema: &Value) -> String {
    let mut schema = schema.clone();
    schema.sort_all_objects();
    let text = format!("{schema:#}");
    if text.contains("'''") || text.chars().any(|letter| letter.is_control() && letter != '\n') {
        return quoted(&schema.to_string());
    }
    format!("'''\n{text}\n'''")
}

/// A basic string (TOML 1.0).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => {
                let _written = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::WriteOwn => "write_own",
        Effect::ExternalSend => "external_send",
        Effect::Pay => "pay",
        Effect::Physical => "physical",
        Effect::Delete => "delete",
        Effect::Admin => "admin",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Content => "content",
        Role::Recipient => "recipient",
        Role::Url => "url",
        Role::Path => "path",
        Role::Amount => "amount",
        Role::Id => "id",
        Role::Schedule => "schedule",
        Role::Code => "code",
        Role::SecretRef => "secret_ref",
    }
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Outside => "outside",
        Trust::Service => "service",
        Trust::Member => "member",
    }
}
