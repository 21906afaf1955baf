//! Which MCP servers there are: from the owner's configuration, read once at the start. Nothing else names a command.
//!
//! ```toml
//! [[mcp]]
//! name = "notes"
//! [mcp.what.stdio]
//! command = ["/usr/bin/node", "/opt/notes/server.js"]
//! folder = "/var/lib/hearth/mcp/notes"
//! programs = ["/opt/notes"]
//!
//! [[mcp]]
//! name = "trains"
//! what = { http = { url = "https://mcp.example.com/trains", key = "trains" } }
//! [mcp.says.departures]
//! effect = "read"
//! arguments = { "/station" = "content" }
//! fields = { "/*/track" = "service" }
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use hearth_domain::error::{Class, Classified};
use hearth_domain::sandbox::{Role, Trust};
use hearth_domain::secret::SecretName;
use hearth_domain::tool::Effect;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::component;
use crate::server::VERB;

/// Most arguments and most variables of one command.
const ARGUMENTS_MAX: usize = 256;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name: the tool is `mcp/NAME`.
    pub name: String,
    /// Where it is.
    pub what: What,
    /// The only ones of its tools that are used, as it calls them; empty for all.
    #[serde(default)]
    pub tools: Vec<String>,
    /// What the owner says of its tools, by the names by which it calls them. Of the others nothing is known: they send something out, and
    /// nothing that they give is trusted.
    #[serde(default)]
    pub says: BTreeMap<String, Said>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
}

/// What the owner says of one tool, from its documentation. The server's own hints are not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// What it does to the world.
    pub effect: Effect,
    /// Whether a call of unknown outcome may be made again.
    #[serde(default)]
    pub idempotent: bool,
    /// What arguments are for, by their JSON pointer (RFC 6901; `*` for every element).
    #[serde(default)]
    pub arguments: BTreeMap<String, Role>,
    /// How far fields of the result are trusted, by their JSON pointer. Only for a server that writes its text with an encoder.
    #[serde(default)]
    pub fields: BTreeMap<String, Trust>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A process of this machine, spoken to on its standard input and output.
    Stdio(Stdio),
    /// A server elsewhere.
    Http(Http),
}

/// A process of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stdio {
    /// The program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// Its own folder, and the only one that it writes to. It is made when it is missing; the one above it must be there.
    pub folder: PathBuf,
    /// Its environment besides `HOME`, `PATH`, `TMPDIR` and `LANG`. No place for a secret: the server could say it to anybody.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Files and folders of its own code outside of the system's: read and started, never written.
    #[serde(default)]
    pub programs: Vec<PathBuf>,
}

/// A server elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Its address, without user, password or fragment.
    pub url: Url,
    /// The secret that it wants as `Authorization: Bearer …`. The house sends the placeholder, and the vault fills it in where the secret's
    /// own policy allows it to this server's tool.
    #[serde(default)]
    pub key: Option<SecretName>,
}

/// What a server may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Messages between two calls, or in one, that are no answers.
    pub unasked: u32,
    /// How long it may take until it has said what it can do.
    #[serde(with = "humantime_serde")]
    pub start: Duration,
    /// Bytes of memory of each of its processes.
    pub memory_bytes: u64,
    /// Seconds of processor time in the life of each of its processes.
    pub processor_s: u64,
    /// Bytes of the largest file that it writes.
    pub file_bytes: u64,
    /// Descriptors of each of its processes.
    pub descriptors: u64,
    /// Its processes and their threads.
    pub processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: hearth_domain::sandbox::MESSAGE_BYTES,
            unasked: 1_000,
            start: Duration::from_secs(9),
            memory_bytes: 1 << 30,
            processor_s: 3_600,
            file_bytes: 256 << 20,
            descriptors: 256,
            processes: 128,
        }
    }
}

/// What is wrong with a server of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The name is none of a tool.
    #[error("an MCP server is called by at most 20 lower-case letters, digits and inner hyphens, beginning with a letter")]
    Name,
    /// Two of one name.
    #[error("two MCP servers have the same name")]
    Twice,
    /// The program is not an absolute path, or there are too many arguments.
    #[error("the command of an MCP server begins with the absolute path of a program and has at most {ARGUMENTS_MAX} arguments")]
    Command,
    /// A path that is relative, the root, or goes up.
    #[error("the folders of an MCP server are absolute paths without `..`, and none of them is the root")]
    Folder,
    /// A variable that could not be set.
    #[error(
        "the variables of an MCP server have names of letters, digits and underscores, at most {ARGUMENTS_MAX}, and HOME is its folder"
    )]
    Variable,
    /// No address of the web.
    #[error("the address of an MCP server is http or https with a host, without user, password or fragment")]
    Address,
    /// A limit of nothing.
    #[error("a limit of an MCP server is 0")]
    Limit,
}

impl Classified for ConfigError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Whether these servers can be used together.
///
/// # Errors
/// The first thing that is wrong, with the number of the server, counted from 0.
pub fn check(servers: &[Server]) -> Result<(), (usize, ConfigError)> {
    for (at, server) in servers.iter().enumerate() {
        server.check().map_err(|error| (at, error))?;
        let before = servers.iter().take(at);
        if before.into_iter().any(|other| other.name == server.name) {
            return Err((at, ConfigError::Twice));
        }
    }
    Ok(())
}

impl Server {
    /// Whether it can be used.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if component::tool(&self.name).is_none() {
            return Err(ConfigError::Name);
        }
        self.limits.check()?;
        match &self.what {
            What::Stdio(stdio) => stdio.check(),
            What::Http(http) => http.check(),
        }
    }

    /// The arguments of the process in which it runs, the verb first; none for a server elsewhere. The same for the same configuration: a
    /// starter is told them in the beginning and starts nothing else.
    #[must_use]
    pub fn arguments(&self) -> Option<Vec<OsString>> {
        let What::Stdio(stdio) = &self.what else { return None };
        let mut arguments: Vec<OsString> = vec![VERB.into(), self.name.clone().into()];
        let mut add = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
        add("--folder", stdio.folder.clone().into());
        stdio.programs.iter().for_each(|path| add("--program", path.clone().into()));
        stdio.variables.iter().for_each(|(name, value)| add("--variable", format!("{name}={value}").into()));
        add("--memory-bytes", self.limits.memory_bytes.to_string().into());
        add("--processor-s", self.limits.processor_s.to_string().into());
        add("--file-bytes", self.limits.file_bytes.to_string().into());
        add("--descriptors", self.limits.descriptors.to_string().into());
        add("--processes", self.limits.processes.to_string().into());
        arguments.push("--".into());
        arguments.extend(stdio.command.iter().map(OsString::from));
        Some(arguments)
    }
}

impl Limits {
    fn check(&self) -> Result<(), ConfigError> {
        let numbers = [self.memory_bytes, self.processor_s, self.file_bytes, self.descriptors, self.processes, u64::from(self.unasked)];
        let none = numbers.contains(&0) || self.message_bytes == 0 || self.start.is_zero();
        if none { Err(ConfigError::Limit) } else { Ok(()) }
    }
}

impl Stdio {
    fn check(&self) -> Result<(), ConfigError> {
        let program = self.command.first().is_some_and(|program| Path::new(program).is_absolute());
        let sound = |text: &String| !text.contains('\0');
        if !program || self.command.len() > ARGUMENTS_MAX || !self.command.iter().all(sound) {
            return Err(ConfigError::Command);
        }
        if !std::iter::once(&self.folder).chain(&self.programs).all(|path| is_place(path)) {
            return Err(ConfigError::Folder);
        }
        let name = |name: &str| {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            plain && !name.is_empty() && name != "HOME" && !name.starts_with(|first: char| first.is_ascii_digit())
        };
        let variables = self.variables.len() <= ARGUMENTS_MAX && self.variables.iter().all(|(key, value)| name(key) && sound(value));
        if variables { Ok(()) } else { Err(ConfigError::Variable) }
    }
}

fn is_place(path: &Path) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir) && path.parent().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

impl Http {
    fn check(&self) -> Result<(), ConfigError> {
        let url = &self.url;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && plain { Ok(()) } else { Err(ConfigError::Address) }
    }
}

#[cfg(test)]
mod tests;
