//! What is asked of the rules: who, what, with which arguments, when, by whose word, before whom.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::household::Role;
use hearth_domain::label::Integrity;
use hearth_domain::time::Zoned;
use hearth_domain::tool::Effect;
use jiff::civil::Weekday;

use crate::kind::{Kind, kinds};

/// Most arguments of one request that rules can speak of, texts and numbers together; a request with more is denied.
pub const ARGUMENTS_MAX: usize = 128;
/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// Somebody, as rules know them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// The name by which the house calls them.
    pub name: String,
    /// What they are here.
    pub role: Role,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// What it does to the world.
    pub effect: Effect,
    /// The tool.
    pub tool: String,
    /// The operation.
    pub operation: String,
    /// What it is about.
    pub kinds: BTreeSet<Kind>,
    /// Arguments that are texts, by name. Others than texts and whole numbers cannot be spoken of.
    pub texts: BTreeMap<String, String>,
    /// Arguments that are whole numbers, by name. Money is in cents.
    pub numbers: BTreeMap<String, i64>,
}

impl Deed {
    /// An operation of a tool, without arguments; its kinds are read off the names.
    #[must_use]
    pub fn of(effect: Effect, tool: &str, operation: &str) -> Self {
        Self {
            effect,
            tool: tool.to_owned(),
            operation: operation.to_owned(),
            kinds: kinds(tool, operation),
            texts: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }
}

/// A point of the local week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Minutes since midnight, below [`DAY_MINUTES`].
    minute: u16,
    /// The day.
    weekday: Weekday,
}

impl Moment {
    /// That hour and minute of that weekday; none when there is no such hour or minute.
    #[must_use]
    pub const fn new(weekday: Weekday, hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self { minute: hour * 60 + minute, weekday }) } else { None }
    }

    /// The moment at a member's local time.
    #[must_use]
    pub fn of(now: &Zoned) -> Self {
        let part = |value: i8| u16::try_from(value).unwrap_or_default();
        Self { minute: part(now.hour()).saturating_mul(60).saturating_add(part(now.minute())), weekday: now.weekday() }
    }

    /// Minutes since midnight.
    #[must_use]
    pub const fn minute(self) -> u16 {
        self.minute
    }

    /// The day.
    #[must_use]
    pub const fn weekday(self) -> Weekday {
        self.weekday
    }

    /// The same time of another day.
    #[must_use]
    pub const fn on(self, weekday: Weekday) -> Self {
        Self { weekday, ..self }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:02}:{:02}", day_word(self.weekday), self.minute / 60, self.minute % 60)
    }
}

/// The word of the schema for a day.
#[must_use]
pub const fn day_word(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// What the member has spent so far, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// Today, in the member's zone.
    pub today: u32,
    /// This month.
    pub month: u32,
}

/// By whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The member said exactly this.
    OwnWord,
    /// A member's grant covers it.
    Grant,
    /// A model wants it, and nobody else has said so.
    None,
}

impl Order {
    /// The word of the schema.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::OwnWord => "own_word",
            Self::Grant => "grant",
            Self::None => "none",
        }
    }
}

/// Where the answer will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// One member's own conversation.
    Private,
    /// A group's.
    Group,
    /// All the household's.
    Household,
}

impl Setting {
    /// The word of the schema.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
            Self::Household => "household",
        }
    }
}

/// One question to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who wants it done.
    pub who: Person,
    /// What.
    pub deed: Deed,
    /// When, by the member's clock.
    pub at: Moment,
    /// What they have spent.
    pub spending: Spending,
    /// Who wrote what the turn has taken in: the least trusted of it.
    pub integrity: Integrity,
    /// By whose word.
    pub order: Order,
    /// Where.
    pub setting: Setting,
    /// Who will see what comes of it, the one who asks included.
    pub audience: BTreeSet<Person>,
    /// People without a name here who will see it, too: they count as guests.
    pub strangers: bool,
}

impl Request {
    /// A request by a member's own word, in their private conversation, with nothing spent and nothing read from outside.
    #[must_use]
    pub fn of(who: Person, deed: Deed, at: Moment) -> Self {
        Self {
            audience: BTreeSet::from([who.clone()]),
            who,
            deed,
            at,
            spending: Spending::default(),
            integrity: Integrity::Member,
            order: Order::OwnWord,
            setting: Setting::Private,
            strangers: false,
        }
    }

    /// Whether a child will see what comes of it.
    #[must_use]
    pub fn child_present(&self) -> bool {
        self.audience.iter().any(|person| person.role == Role::Child)
    }

    /// Whether a guest, or somebody whom the house does not know, will see what comes of it.
    #[must_use]
    pub fn guest_present(&self) -> bool {
        self.strangers || self.audience.iter().any(|person| person.role == Role::Guest)
    }
}

/// The word of the schema for an effect, as in `Action::"pay"`.
#[must_use]
pub const fn effect_word(effect: Effect) -> &'static str {
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

/// All effects.
pub(crate) const EFFECTS: [Effect; 7] =
    [Effect::Read, Effect::WriteOwn, Effect::ExternalSend, Effect::Pay, Effect::Physical, Effect::Delete, Effect::Admin];
