//! The configuration: one TOML file, everything defaulted. What is unknown or wrong is refused with file, line and a suggestion.
//!
//! Order: built-in defaults, then the file, then the environment (`HEARTH_DATA`, `HEARTH_WEB_LISTEN`, `HEARTH_LOG`, …; see [`ENVIRONMENT`]).

mod check;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use hearth_adapters::models::config::ProviderConfig;
use hearth_domain::household::{Member, Role};
use hearth_domain::limits::Limits;
use serde::{Deserialize, Serialize};

/// The variables that override the file, and what they override.
pub const ENVIRONMENT: [(&str, &str); 6] = [
    ("HEARTH_CONFIG", "the path of this file"),
    ("HEARTH_DATA", "data"),
    ("HEARTH_STORE", "store.location"),
    ("HEARTH_WEB_LISTEN", "web.listen"),
    ("HEARTH_LOG", "log.filter"),
    ("HEARTH_ZONE", "house.zone"),
];

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data folder; the platform's own when it is not set.
    pub data: Option<PathBuf>,
    /// The household.
    pub house: HouseConfig,
    /// Who lives here; the first is the owner. The user who runs the house, when none is named.
    pub members: Vec<MemberConfig>,
    /// Language models, in the order in which they are asked. House commands alone, when none is named.
    pub models: Vec<ProviderConfig>,
    /// The database.
    pub store: StoreConfig,
    /// The vault.
    pub vault: VaultConfig,
    /// Ways to other people's platforms, beside the terminal and the page.
    pub channels: Vec<ChannelConfig>,
    /// MCP servers: other people's programs, each confined, or servers elsewhere.
    pub mcp: Vec<hearth_mcp::config::Server>,
    /// The way out without keys.
    pub egress: EgressConfig,
    /// The page.
    pub web: WebConfig,
    /// The log.
    pub log: LogConfig,
    /// The bounds.
    pub limits: Limits,
    /// What members may use in a turn and in a day, where it is not what their role usually has.
    pub budget: hearth_domain::budget::Settings,
}

/// `[house]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HouseConfig {
    /// What the household is called.
    pub name: String,
    /// IANA time zone of members who name none; the machine's own when it is not set.
    pub zone: Option<String>,
    /// Whether house commands answer before a language model does, at no cost.
    pub commands_first: bool,
    /// The household's own rules, a file of Cedar policies; see `hearth policy`. Read at the start, and by no one changed but its owner.
    pub rules: Option<PathBuf>,
}

impl Default for HouseConfig {
    fn default() -> Self {
        Self { name: "this household".to_owned(), zone: None, commands_first: true, rules: None }
    }
}

/// `[[members]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberConfig {
    /// The name.
    pub name: String,
    /// The role; the first member is the owner whatever it says.
    #[serde(default = "adult")]
    pub role: Role,
    /// IANA time zone.
    pub zone: Option<String>,
}

const fn adult() -> Role {
    Role::Adult
}

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `embedded`, `memory`, or the address of a SurrealDB server, such as `ws://nas.lan:8000`.
    pub location: String,
    /// Namespace at a server.
    pub namespace: String,
    /// Database at a server.
    pub database: String,
    /// User at a server.
    pub user: Option<String>,
    /// The variable that holds the password at a server.
    pub password_env: Option<String>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            location: "embedded".to_owned(),
            namespace: "hearth".to_owned(),
            database: "house".to_owned(),
            user: None,
            password_env: None,
        }
    }
}

/// `[vault]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaultConfig {
    /// Where its key comes from, in the order in which it is looked for.
    pub sources: Vec<KeySource>,
    /// The folder of its key, outside of the data folder; one of the user's configuration when it is not set.
    pub keys: Option<PathBuf>,
}

impl Default for VaultConfig {
    fn default() -> Self {
        Self { sources: vec![KeySource::Credential, KeySource::Passphrase, KeySource::KeyFile], keys: None }
    }
}

/// `[[channels]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    /// What it is called: in accounts (`signal/…`), and as its socket.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
}

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// A connector of the household's own, at the socket `channels/NAME.sock` in the data folder; see [`crate::bridge`].
    Bridge,
}

/// `[egress]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// Devices of the house that tools may reach without a secret, where an adult granted them so: `http://nas.lan:8080`. Known from the
    /// start, so that nothing that happens later adds one.
    pub lan: Vec<String>,
}

/// Where the vault's key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// A credential of systemd, which the machine's TPM may seal.
    Credential,
    /// The owner's passphrase, when the vault was set up with one.
    Passphrase,
    /// A file that only this user reads, made at the first start.
    KeyFile,
}

/// `[web]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebConfig {
    /// Whether the page is served.
    pub enabled: bool,
    /// Where: on loopback, or elsewhere when a proxy speaks TLS for it. Port 0 takes any free one.
    pub listen: std::net::SocketAddr,
    /// Further names under which browsers reach the page, through a proxy that speaks TLS: `https://house.example`. The first is in links.
    pub allowed_hosts: Vec<String>,
    /// The addresses from which that proxy comes. It has to send `Host` as it got it, `X-Forwarded-Proto` and `X-Forwarded-For`.
    pub proxies: Vec<std::net::IpAddr>,
    /// The variable that holds what a collector shows for `/metrics`; without it, `/metrics` is for the owner's session.
    pub metrics_token_env: Option<String>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 7700)),
            allowed_hosts: Vec::new(),
            proxies: Vec::new(),
            metrics_token_env: None,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A filter of tracing-subscriber, such as `info,hearth_actors=debug`.
    pub filter: Option<String>,
    /// `pretty` or `json`; pretty in a terminal, JSON otherwise, when it is not set.
    pub format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl Config {
    /// Reads file and environment. A file that was named must be there; the usual one may be missing.
    pub fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        let from_env = variable("HEARTH_CONFIG", |name| std::env::var_os(name))?.map(PathBuf::from);
        let (path, must) = match (named, from_env) {
            (Some(path), _) => (path.to_owned(), true),
            (None, Some(path)) => (path, true),
            (None, None) => (usual_path()?, false),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must => String::new(),
            Err(error) => return Err(error).with_context(|| format!("the configuration {} cannot be read", path.display())),
        };
        Self::read(&text, &path.display().to_string(), |name| std::env::var_os(name))
    }

    /// The configuration of this text and these variables, checked.
    fn read(text: &str, file: &str, of: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let mut config = Self::parse(text, file)?;
        config.override_from(&of)?;
        config.check().map_err(|wrong| anyhow::anyhow!(wrong.said(text, file, |name| of(name).is_some())))?;
        Ok(config)
    }

    /// Reads TOML; an error names file, line, column, what is wrong and what may have been meant.
    pub fn parse(text: &str, file: &str) -> anyhow::Result<Self> {
        toml::from_str(text).map_err(|error| anyhow::anyhow!(located(text, file, &error)))
    }

    fn override_from(&mut self, of: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<()> {
        if let Some(data) = variable("HEARTH_DATA", &of)? {
            self.data = Some(PathBuf::from(data));
        }
        if let Some(location) = variable("HEARTH_STORE", &of)? {
            self.store.location = location;
        }
        if let Some(listen) = variable("HEARTH_WEB_LISTEN", &of)? {
            self.web.listen = listen
                .parse()
                .with_context(|| format!("HEARTH_WEB_LISTEN is `{listen}`; give an address and a port, such as 127.0.0.1:7700"))?;
        }
        if let Some(filter) = variable("HEARTH_LOG", &of)? {
            self.log.filter = Some(filter);
        }
        if let Some(zone) = variable("HEARTH_ZONE", &of)? {
            self.house.zone = Some(zone);
        }
        Ok(())
    }

    /// The data folder.
    pub fn data(&self) -> anyhow::Result<PathBuf> {
        match &self.data {
            Some(path) => Ok(std::path::absolute(path)?),
            None => Ok(folders()?.data_dir().to_owned()),
        }
    }

    /// Everybody who is enrolled, the owner first.
    #[must_use]
    pub fn everybody(&self) -> Vec<Member> {
        let zone = self.house.zone.clone().unwrap_or_else(machine_zone);
        if self.members.is_empty() {
            let name = machine_user();
            return vec![Member { id: Member::id_of(&name), name, role: Role::Owner, zone }];
        }
        let member = |(n, member): (usize, &MemberConfig)| Member {
            id: Member::id_of(&member.name),
            name: member.name.trim().to_owned(),
            role: if n == 0 { Role::Owner } else { member.role },
            zone: member.zone.clone().unwrap_or_else(|| zone.clone()),
        };
        self.members.iter().enumerate().map(member).collect()
    }
}

/// Where the configuration is looked for.
pub fn usual_path() -> anyhow::Result<PathBuf> {
    Ok(folders()?.config_dir().join("hearth.toml"))
}

/// A variable's text. One that is set to nothing, or to what is no text, is refused: to pass over it would be to use another folder.
fn variable(name: &str, of: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Option<String>> {
    match of(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) if text.trim().is_empty() => bail!("{name} is empty; give it a value, or do not set it"),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => bail!("{name} is not UTF-8 text; give it a value that is, or do not set it"),
    }
}

fn folders() -> anyhow::Result<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "hearth").context("this user has no home folder; set HEARTH_DATA and HEARTH_CONFIG")
}

fn machine_zone() -> String {
    jiff::tz::TimeZone::try_system().ok().and_then(|zone| zone.iana_name().map(str::to_owned)).unwrap_or_else(|| "UTC".to_owned())
}

/// The user who runs the house, with a capital.
fn machine_user() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let mut letters = user.trim().chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => "Owner".to_owned(),
    }
}

/// `file:line:column: what is wrong (did you mean …?)`
fn located(text: &str, file: &str, error: &toml::de::Error) -> String {
    let message = error.message().lines().next().unwrap_or_default();
    let suggestion = suggestion(message).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    format!("{}: {message}{suggestion}", place(text, file, error.span().map_or(0, |span| span.start)))
}

/// `file:line:column` of a byte.
fn place(text: &str, file: &str, at: usize) -> String {
    let before = text.get(..at.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count().saturating_add(1);
    format!("{file}:{line}:{column}")
}

/// The known name nearest to the unknown one, when it is near: serde names both in backticks, the unknown one first.
fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    nearest(unknown, names, 3)
}

/// The name that is at most so many letters away.
fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>, letters: usize) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (strsim::damerau_levenshtein(word, name), name)).min()?;
    (near.0 <= letters).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let error = Config::read(text, "hearth.toml", |_| None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        let config = Config::read("", "hearth.toml", |_| None).unwrap();
        assert_eq!(config.everybody().len(), 1);
    }

    #[test]
    fn the_first_member_is_the_owner() {
        let config = Config::parse("[[members]]\nname = \"Ada\"\n[[members]]\nname = \"Mia\"\nrole = \"child\"\n", "f").unwrap();
        let roles: Vec<_> = config.everybody().iter().map(|member| member.role).collect();
        assert_eq!(roles, [Role::Owner, Role::Child]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
        check("[house]\nname = \"x\"\ncommand_first = true\n", "hearth.toml:3:1: unknown field `command_first`");
        check("[house]\nname = \"x\"\ncommand_first = true\n", "did you mean `commands_first`?");
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_line() {
        check("[web]\nlisten = \"here\"\n", "hearth.toml:2:");
        check("[[members]]\nname = \"Ada\"\nrole = \"queen\"\n", "hearth.toml:3:8: unknown variant `queen`");
        check("[house\n", "hearth.toml:1:");
    }

    #[test]
    fn what_no_single_value_shows_is_refused_too() {
        check("[web]\nlisten = \"0.0.0.0:80\"\n", "loopback");
        check("[house]\nzone = \"Europe/Atlantis\"\n", "IANA");
        check("[[members]]\nname = \"Ada\"\n[[members]]\nname = \"ada\"\n", "two members");
    }

    #[test]
    fn the_environment_wins() {
        let set = |wanted: &'static str, value: &'static str| move |name: &str| (name == wanted).then(|| OsString::from(value));
        let read = |wanted, value| Config::read("[house]\nzone = \"Mars\"\n", "f", set(wanted, value));
        assert_eq!(read("HEARTH_ZONE", "UTC").unwrap().house.zone.as_deref(), Some("UTC"));
        let said = |wanted, value| Config::read("", "f", set(wanted, value)).unwrap_err().to_string();
        assert!(said("HEARTH_WEB_LISTEN", "x").starts_with("HEARTH_WEB_LISTEN is `x`"));
        assert!(said("HEARTH_STORE", "memry").starts_with("HEARTH_STORE: store.location is `memry`"));
        assert!(said("HEARTH_DATA", "").starts_with("HEARTH_DATA is empty"));
    }
}
