//! What no single value's form shows: a configuration that can be read and still cannot be meant.

use hearth_actors::channel::LOCAL;
use hearth_actors::tree::HOUSE_PROVIDER;
use hearth_adapters::models::config::{ConfigError, ProviderConfig};
use hearth_domain::household::identity::{CHANNEL_MAX, is_channel};
use hearth_domain::message::hides;
use hearth_vault::keeper::keyless::Origin;
use hearth_web::hosts::check as reach;
use toml::de::{DeTable, DeValue};
use tracing_subscriber::EnvFilter;

use super::{Config, ENVIRONMENT, nearest, place};

/// Most channels.
const CHANNELS_MAX: usize = 32;
/// Words for how much is logged.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    at: At,
    says: String,
}

/// A key: its table, the number in an array of tables, its name. An empty name is the table itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct At {
    table: &'static str,
    number: Option<usize>,
    key: String,
}

fn at(table: &'static str, number: Option<usize>, key: &str) -> At {
    At { table, number, key: key.to_owned() }
}

impl At {
    /// Where in the text the value is, or the nearest thing around it.
    fn find(&self, text: &str) -> Option<usize> {
        let document = DeTable::parse(text).ok()?.into_inner();
        if self.table.is_empty() {
            return get(&document, &self.key).map(|(start, _)| start);
        }
        let (start, mut value) = get(&document, self.table)?;
        let mut nearest = start;
        if let (Some(number), DeValue::Array(rows)) = (self.number, value) {
            let row = rows.get(number)?;
            (nearest, value) = (row.span().start, row.get_ref());
        }
        let DeValue::Table(table) = value else {
            return Some(nearest);
        };
        Some(get(table, &self.key).map_or(nearest, |(start, _)| start))
    }

    /// The variable that overrides it.
    fn variable(&self) -> Option<&'static str> {
        let name = format!("{}.{}", self.table, self.key);
        let name = name.trim_start_matches('.');
        ENVIRONMENT.iter().find(|(_, key)| *key == name).map(|(variable, _)| *variable)
    }
}

/// A key's value, and where it begins.
fn get<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let (_, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    Some((value.span().start, value.get_ref()))
}

impl Wrong {
    fn new(at: At, says: String) -> Self {
        Self { at, says }
    }

    /// The sentence with its place: a variable, or file, line and column.
    pub(super) fn said(&self, text: &str, file: &str, is_set: impl Fn(&str) -> bool) -> String {
        if let Some(variable) = self.at.variable().filter(|variable| is_set(variable)) {
            return format!("{variable}: {}", self.says);
        }
        match self.at.find(text) {
            Some(start) => format!("{}: {}", place(text, file, start), self.says),
            None => self.says.clone(),
        }
    }
}

impl Config {
    /// The first thing that is wrong.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        if self.data.as_ref().is_some_and(|data| data.as_os_str().is_empty()) {
            return Err(Wrong::new(at("", None, "data"), "data is empty; name a folder, or leave it out".to_owned()));
        }
        reach(self.web.listen, &self.web.allowed_hosts, &self.web.proxies)
            .map_err(|wrong| Wrong::new(at("web", None, wrong.key()), wrong.to_string()))?;
        self.check_house()?;
        self.check_members()?;
        for (n, model) in self.models.iter().enumerate() {
            check_model(n, model)?;
        }
        check_location(&self.store.location)?;
        hearth_mcp::config::check(&self.mcp).map_err(|(n, error)| Wrong::new(at("mcp", Some(n), "name"), error.to_string()))?;
        self.check_channels()?;
        self.egress.lan.iter().try_for_each(|origin| check_lan(origin))?;
        if let Some(filter) = &self.log.filter {
            check_filter(filter)?;
        }
        self.limits.check().map_err(|wrong| {
            let wrong = wrong.to_string();
            let key = wrong.split(' ').next().unwrap_or_default();
            Wrong::new(at("limits", None, key), format!("limits.{wrong}"))
        })
    }

    fn check_house(&self) -> Result<(), Wrong> {
        check_zone(self.house.zone.as_deref(), at("house", None, "zone"))?;
        check_name(&self.house.name, at("house", None, "name"))
    }

    fn check_members(&self) -> Result<(), Wrong> {
        let mut before = Vec::new();
        for (n, member) in self.members.iter().enumerate() {
            let name = member.name.trim().to_lowercase();
            let place = at("members", Some(n), "name");
            if name.is_empty() {
                return Err(Wrong::new(place, "a member has no name; give one, or leave the member out".to_owned()));
            }
            if before.contains(&name) {
                return Err(Wrong::new(place, format!("two members are called `{name}`; give them different names")));
            }
            check_name(&name, place)?;
            check_zone(member.zone.as_deref(), at("members", Some(n), "zone"))?;
            before.push(name);
        }
        Ok(())
    }

    fn check_channels(&self) -> Result<(), Wrong> {
        let mut before: Vec<&str> = vec![LOCAL, "web"];
        for (n, channel) in self.channels.iter().enumerate() {
            let (name, place) = (channel.name.as_str(), at("channels", Some(n), "name"));
            if !is_channel(name) {
                let says = format!("a channel is called `{name}`; use 1 to {CHANNEL_MAX} lower-case letters, digits and hyphens");
                return Err(Wrong::new(place, says));
            }
            if before.contains(&name) {
                return Err(Wrong::new(place, format!("there is a channel `{name}` already; call it otherwise")));
            }
            before.push(name);
        }
        if self.channels.len() > CHANNELS_MAX {
            let says = format!("there are {} channels; at most {CHANNELS_MAX} are served", self.channels.len());
            return Err(Wrong::new(at("channels", Some(CHANNELS_MAX), "name"), says));
        }
        Ok(())
    }

    /// What is right and will be missed all the same: variables that are named and not set.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let unset = |name: &&String| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let mut warnings = Vec::new();
        if let Some(name) = self.web.metrics_token_env.as_ref().filter(unset) {
            warnings.push(format!("web.metrics_token_env names {name}, which is not set; /metrics is for the owner's session alone"));
        }
        if let Some(name) = self.store.password_env.as_ref().filter(unset) {
            warnings.push(format!("store.password_env names {name}, which is not set; the database is asked without a password"));
        }
        warnings
    }
}

fn check_name(name: &str, place: At) -> Result<(), Wrong> {
    match name.chars().find(|letter| letter.is_control() || hides(*letter)) {
        None => Ok(()),
        Some(letter) => {
            let says = format!("a name holds U+{:04X}, which nobody sees; write it without", u32::from(letter));
            Err(Wrong::new(place, says))
        }
    }
}

fn check_zone(zone: Option<&str>, place: At) -> Result<(), Wrong> {
    let Some(zone) = zone.filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) else {
        return Ok(());
    };
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let meant = meant(nearest(zone, known.iter().map(String::as_str), 3));
    Err(Wrong::new(place, format!("`{zone}` is not a time zone; use an IANA name such as Europe/Berlin{meant}")))
}

fn meant(name: Option<&str>) -> String {
    name.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn check_model(n: usize, model: &ProviderConfig) -> Result<(), Wrong> {
    let place = |key| at("models", Some(n), key);
    if model.name == HOUSE_PROVIDER {
        return Err(Wrong::new(place("name"), "a model cannot be called `house`, the house's own name; call it otherwise".to_owned()));
    }
    check_name(&model.name, place("name"))?;
    model.check().map_err(|error| match &error {
        ConfigError::NoAddress(_) => Wrong::new(place(""), format!("{error}; give one, such as http://127.0.0.1:8080/v1")),
        ConfigError::BadAddress(_) => {
            let address = model.base_url.as_deref().filter(|address| !address.contains("://")).map(|address| format!("http://{address}"));
            Wrong::new(place("base_url"), format!("{error}{}", meant(address.as_deref())))
        }
        ConfigError::BadPrice(_) => {
            Wrong::new(place("prices"), format!("{error}; give US dollars per million tokens, or leave prices out"))
        }
        ConfigError::BadKey(_) => Wrong::new(place("key"), error.to_string()),
    })
}

fn check_location(location: &str) -> Result<(), Wrong> {
    let host = location.strip_prefix("ws://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let right = match host {
        None => matches!(location, "embedded" | "memory"),
        Some(host) => !host.is_empty() && !host.contains(|letter: char| letter.is_whitespace() || letter == '@'),
    };
    if right {
        return Ok(());
    }
    let meant = meant(nearest(location, ["embedded", "memory"], 3));
    let says = format!("store.location is `{location}`; use `embedded`, `memory`, or an address such as ws://nas.lan:8000{meant}");
    Err(Wrong::new(at("store", None, "location"), says))
}

fn check_lan(origin: &str) -> Result<(), Wrong> {
    if origin.parse::<Origin>().is_ok() {
        return Ok(());
    }
    let says = format!("`{origin}` is no address of a device; write it as http://nas.lan:8080, without a path");
    Err(Wrong::new(at("egress", None, "lan"), says))
}

fn check_filter(filter: &str) -> Result<(), Wrong> {
    let place = at("log", None, "filter");
    let such = "use one such as `info,hearth_actors=debug`";
    if let Err(error) = EnvFilter::try_new(filter) {
        return Err(Wrong::new(place, format!("log.filter is `{filter}`, which is not understood ({error}); {such}")));
    }
    // A word alone that is no level is taken for the name of a part of the program: a slip of the pen would log nothing else.
    let words = filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '[', ':']) && word.len() > 3);
    for word in words {
        let level = word.to_ascii_lowercase();
        if let Some(near) = nearest(&level, LEVELS, 2).filter(|near| *near != level) {
            return Err(Wrong::new(place, format!("log.filter has `{word}`, which is no level; {such}; did you mean `{near}`?")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let error = Config::read(text, "f", |_| None).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        check("[store]\nlocation = \"memry\"\n", "f:2:12: store.location is `memry`");
        check("[store]\nlocation = \"memry\"\n", "did you mean `memory`?");
        check("[store]\nlocation = \"ws://\"\n", "f:2:12: store.location is `ws://`");
        check("[log]\nfilter = \"info,=x=\"\n", "f:2:10: log.filter is");
        check("[log]\nfilter = \"inof\"\n", "f:2:10: log.filter has `inof`, which is no level");
        check("[log]\nfilter = \"inof\"\n", "did you mean `info`?");
        check("[house]\nzone = \"Europe/Berln\"\n", "f:2:8: `Europe/Berln` is not a time zone");
        check("[house]\nzone = \"Europe/Berln\"\n", "did you mean `Europe/Berlin`?");
        check("[egress]\nlan = [\"http://nas.lan:8080/x\"]\n", "f:2:7: `http://nas.lan:8080/x` is no address of a device");
        check("[house]\nname = \"a\\u202eb\"\n", "f:2:8: a name holds U+202E");
        check("[[members]]\nname = \"Ada\"\n[[members]]\nname = \"ada\"\n", "f:4:8: two members");
        check("[web]\nlisten = \"0.0.0.0:80\"\n", "f:2:10: web.listen is 0.0.0.0:80");
        let web = |rest: &str| format!("[web]\n{rest}\n");
        check(
            &web("listen = \"192.0.2.1:80\"\nallowed_hosts = [\"https://a.example\"]"),
            "f:3:17: web.allowed_hosts has `https://a.example`",
        );
        check(&web("allowed_hosts = [\"http://a.example\"]"), "f:2:17: web.allowed_hosts has `http://a.example`: beyond this machine");
        check(&web("listen = \"192.0.2.1:80\"\nproxies = [\"192.0.2.7\"]"), "f:3:11: web.proxies names a proxy");
        check("data = \"\"\n", "f:1:8: data is empty");
        let channel = |name: &str| format!("[[channels]]\nname = \"{name}\"\nkind = \"bridge\"\n");
        check(&channel("Signal"), "f:2:8: a channel is called `Signal`");
        check(&channel("../x"), "f:2:8: a channel is called `../x`");
        check(&channel("local"), "f:2:8: there is a channel `local` already");
        check(&[channel("a"), channel("a")].concat(), "f:5:8: there is a channel `a` already");
    }

    #[test]
    fn a_model_that_cannot_be_asked_is_refused_with_its_place() {
        let model = |rest: &str| format!("[[models]]\nname = \"m\"\nmodel = \"x\"\n{rest}\n");
        check(&model("kind = \"opnai\""), "did you mean `openai`?");
        check(&model("kind = \"openai\"\nbase_url = \"localhost:1/v1\""), "f:5:12: provider m: base_url is not an http");
        check(&model("kind = \"openai\"\nbase_url = \"localhost:1/v1\""), "did you mean `http://localhost:1/v1`?");
        check(&model("kind = \"openai-compatible\""), "f:1:1: provider m: base_url is missing; give one");
        check(&model("kind = \"openai\"\nprices = { input = -1.0, output = 1.0 }"), "f:5:10: provider m: a price");
        check("[[models]]\nname = \"house\"\nmodel = \"x\"\nkind = \"openai\"\n", "f:2:8: a model cannot be called `house`");
    }

    #[test]
    fn what_is_right_is_let_through() {
        for text in [
            "[log]\nfilter = \"warn,hearth_actors=debug,rig=off\"\n",
            "[log]\nfilter = \"hearth_actors\"\n",
            "[store]\nlocation = \"ws://nas.lan:8000\"\n",
            "[web]\nlisten = \"192.0.2.1:80\"\nallowed_hosts = [\"https://a.example\"]\nproxies = [\"192.0.2.7\"]\n",
            "[[models]]\nname = \"m\"\nmodel = \"x\"\nkind = \"ollama\"\nbase_url = \"http://nas.lan:11434/\"\n",
        ] {
            Config::read(text, "f", |_| None).unwrap();
        }
    }
}
