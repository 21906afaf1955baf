//! What a tool's operation is about, read off its names: the words by which rules speak of locks and lights without knowing the tools.
//!
//! A guess that only ever narrows: what is not recognised has no kind, and only a grown-up may have it done; what looks like a lock is one,
//! whatever else it looks like.

use std::collections::BTreeSet;

/// A kind of thing, as `Kind::"…"` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Lamps and their switches.
    Light,
    /// Music, films, loudspeakers.
    Media,
    /// Heating, cooling, blinds.
    Climate,
    /// Ovens, washing machines, sockets.
    Appliance,
    /// Whatever opens the house: locks, doors, gates, alarms.
    Lock,
    /// Whatever looks at people.
    Camera,
    /// Whatever carries somebody's words to somebody.
    Message,
    /// Questions about the world that concern nobody here.
    Question,
}

impl Kind {
    /// All of them, as the schema lists them.
    pub const ALL: [Self; 8] =
        [Self::Light, Self::Media, Self::Climate, Self::Appliance, Self::Lock, Self::Camera, Self::Message, Self::Question];

    /// The word of the schema.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Media => "media",
            Self::Climate => "climate",
            Self::Appliance => "appliance",
            Self::Lock => "lock",
            Self::Camera => "camera",
            Self::Message => "message",
            Self::Question => "question",
        }
    }

    /// Words in a name that say so.
    const fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Light => &["light", "lights", "lamp", "lamps", "bulb", "dimmer"],
            Self::Media => &["media", "music", "radio", "song", "film", "tv", "speaker", "speakers", "playlist"],
            Self::Climate => &["climate", "heating", "heater", "thermostat", "cooling", "blind", "blinds", "shutter", "shutters"],
            Self::Appliance => &["appliance", "oven", "stove", "washer", "dryer", "dishwasher", "kettle", "vacuum", "socket", "plug"],
            Self::Lock => {
                &["lock", "locks", "unlock", "door", "doors", "gate", "garage", "alarm", "safe", "key", "keys", "car", "window", "windows"]
            }
            Self::Camera => &["camera", "cameras", "webcam", "doorbell", "baby"],
            Self::Message => &["mail", "email", "message", "sms", "post", "chat", "call", "letter"],
            Self::Question => {
                &["weather", "forecast", "time", "clock", "news", "wiki", "wikipedia", "dictionary", "calculator", "translate"]
            }
        }
    }
}

/// The words of a tool's and operation's name, lower case.
pub(crate) fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// What an operation is about, by the name of its tool without its namespace and its own.
#[must_use]
pub fn kinds(tool: &str, operation: &str) -> BTreeSet<Kind> {
    let name = tool.rsplit('/').next().unwrap_or_default();
    let said: BTreeSet<_> = words(name).chain(words(operation)).collect();
    let mut found: BTreeSet<_> = Kind::ALL.into_iter().filter(|kind| kind.signs().iter().any(|sign| said.contains(*sign))).collect();
    if found.contains(&Kind::Lock) || found.contains(&Kind::Camera) {
        // A gate's lamp may be a lamp or the gate: the stricter of both.
        found.retain(|kind| matches!(kind, Kind::Lock | Kind::Camera));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_off_the_names() {
        for (tool, operation, expected) in [
            ("home/lights", "switch", vec![Kind::Light]),
            ("home/front-door", "unlock", vec![Kind::Lock]),
            ("hearth/weather", "forecast", vec![Kind::Question]),
            ("home/hub", "set_radio", vec![Kind::Media]),
            ("light/garage", "open", vec![Kind::Lock]),
            ("home/hub", "run", vec![]),
        ] {
            assert_eq!(kinds(tool, operation), expected.into_iter().collect(), "{tool} {operation}");
        }
    }

    #[test]
    fn what_looks_like_a_lock_is_nothing_weaker() {
        assert_eq!(kinds("home/door-light", "switch"), BTreeSet::from([Kind::Lock]));
    }
}
