//! Questions in words, by a small closed grammar. No model reads them: what the grammar does not know is an error, not a guess.
//!
//! ```text
//! may NAME VERB THING… [at 22:00] [on monday] [for 12.50] [to WHOM] [in a group] [with a guest] [with NAME] [with a grant]
//!     [unasked] [after reading] [having spent 5.00] ?
//! ```
//!
//! Verbs and things are those of the tools' operations, with a closed table of synonyms. Words of the thing that no name holds become the
//! operation's argument that names a thing.

use std::collections::{BTreeMap, BTreeSet};

use hearth_domain::error::{Class, Classified};
use hearth_domain::label::Integrity;
use hearth_domain::sandbox::Role as Argument;
use hearth_domain::tool::Effect;
use jiff::civil::Weekday;

use crate::kind::words;
use crate::problem::nearest;
use crate::request::{Deed, Moment, Order, Person, Request, Setting, day_word};

/// The longest question, in bytes.
pub const QUESTION_MAX: usize = 500;

/// One thing that a tool can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// What it does to the world.
    pub effect: Effect,
    /// The tool.
    pub tool: String,
    /// The operation.
    pub operation: String,
    /// What its arguments are for, by name.
    pub arguments: BTreeMap<String, Argument>,
}

/// What a question can speak of.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The people.
    pub members: &'a [Person],
    /// What can be done.
    pub tools: &'a [Capability],
    /// The moment that is meant where none is said.
    pub now: Moment,
}

/// A question that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Not of the form.
    #[error("write it like this: may NAME VERB THING at 22:00?")]
    Form,
    /// Too long.
    #[error("a question has at most {QUESTION_MAX} bytes")]
    TooLong,
    /// Nobody of that name.
    #[error("nobody here is called \"{0}\"{1}")]
    Member(String, Near),
    /// No operation of that verb.
    #[error("no tool here can \"{0}\"{1}")]
    Verb(String, Near),
    /// More than one operation fits.
    #[error("several tools can do that; name the thing as one of these does: {0}")]
    Several(String),
    /// A word that has no place.
    #[error("\"{0}\" has no place in the question: {1} takes no such thing")]
    Word(String, String),
    /// Not a time.
    #[error("\"{0}\" is no time of day; write 22:00 or 10 pm")]
    Time(String),
    /// Not an amount of money.
    #[error("\"{0}\" is no amount; write 12.50")]
    Amount(String),
}

/// A word that was perhaps meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near(Option<String>);

impl std::fmt::Display for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |near| write!(f, "; did you mean \"{near}\"?"))
    }
}

impl Classified for QuestionError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Verbs that mean the same.
const SAME: [&[&str]; 9] = [
    &["unlock", "open"],
    &["lock", "close", "shut"],
    &["switch", "turn", "set", "toggle", "dim", "change"],
    &["send", "write", "text", "mail", "message"],
    &["pay", "buy", "order", "purchase", "spend", "transfer"],
    &["delete", "remove", "erase", "forget"],
    &["read", "see", "list", "look", "check", "ask", "search", "find", "get", "forecast", "show", "watch"],
    &["play", "hear", "listen", "start"],
    &["add", "create", "note", "remember", "save"],
];
/// Words without a meaning of their own.
const EMPTY: [&str; 17] =
    ["the", "a", "an", "some", "any", "something", "on", "off", "up", "down", "my", "his", "her", "their", "our", "about", "present"];
/// Days, for `on …`.
const DAYS: [Weekday; 7] =
    [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday, Weekday::Saturday, Weekday::Sunday];

/// Reads a question.
///
/// # Errors
///
/// What in it cannot be read, with what was perhaps meant.
pub fn parse_question(text: &str, world: &World<'_>) -> Result<Request, QuestionError> {
    if text.len() > QUESTION_MAX {
        return Err(QuestionError::TooLong);
    }
    let spoken = tokens(text);
    let mut rest = Cursor(&spoken);
    let is = rest.next().map(str::to_lowercase).filter(|word| ["may", "can", "could", "is"].contains(&word.as_str()));
    let is = is.ok_or(QuestionError::Form)?;
    let who = rest.person(world)?;
    if is == "is" && !(rest.take(&["allowed"]) && rest.take(&["to"])) {
        return Err(QuestionError::Form);
    }
    let verb = rest.next().ok_or(QuestionError::Form)?.to_lowercase();
    let said = Said::read(&mut rest, world)?;
    let capability = choose(&verb, &said.thing, world.tools)?;
    let mut request = Request::of(who, Deed::of(capability.effect, &capability.tool, &capability.operation), world.now);
    said.fill(&mut request, capability)?;
    Ok(request)
}

/// Words, and texts in quotation marks as one word each.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (n, piece) in text.split('"').enumerate() {
        if n % 2 == 1 {
            found.push(piece.to_owned());
            continue;
        }
        let words = piece.split_whitespace().map(|word| word.trim_end_matches(['?', ',', '!', '.', ';']));
        found.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }
    found
}

/// What is still to be read.
struct Cursor<'a>(&'a [String]);

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn peek(&self, ahead: usize) -> Option<String> {
        self.0.get(ahead).map(|word| word.to_lowercase())
    }

    /// Takes these words if they come next; case does not count.
    fn take(&mut self, words: &[&str]) -> bool {
        let comes = words.iter().enumerate().all(|(n, word)| self.peek(n).as_deref() == Some(*word));
        if comes {
            self.0 = self.0.get(words.len()..).unwrap_or_default();
        }
        comes
    }

    /// Takes the name of a member, the longest that fits.
    fn member(&mut self, members: &[Person]) -> Option<Person> {
        let fits = |person: &&Person| {
            let name: Vec<_> = person.name.split_whitespace().collect();
            name.iter().enumerate().all(|(n, word)| self.peek(n).is_some_and(|said| said == word.to_lowercase()))
        };
        let found = members.iter().filter(fits).max_by_key(|person| person.name.split_whitespace().count())?.clone();
        self.0 = self.0.get(found.name.split_whitespace().count()..).unwrap_or_default();
        Some(found)
    }

    fn person(&mut self, world: &World<'_>) -> Result<Person, QuestionError> {
        self.member(world.members).ok_or_else(|| {
            let said = self.peek(0).unwrap_or_default();
            let near = nearest(&said, world.members.iter().map(|person| person.name.as_str()));
            let near = Near(near.map(str::to_owned));
            QuestionError::Member(said, near)
        })
    }

    fn time(&mut self) -> Result<(u16, u16), QuestionError> {
        let said = self.next().unwrap_or_default().to_lowercase();
        let wrong = || QuestionError::Time(said.clone());
        match said.as_str() {
            "noon" => return Ok((12, 0)),
            "midnight" => return Ok((0, 0)),
            _ => {}
        }
        let (clock, glued) = match (said.strip_suffix("am"), said.strip_suffix("pm")) {
            (Some(clock), _) => (clock, Some(false)),
            (_, Some(clock)) => (clock, Some(true)),
            (None, None) => (said.as_str(), None),
        };
        let (hour, minute) = clock.split_once([':', '.']).unwrap_or((clock, "0"));
        let (mut hour, minute): (u16, u16) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
        let after_noon = glued.or_else(|| if self.take(&["pm"]) { Some(true) } else { self.take(&["am"]).then_some(false) });
        if let Some(after_noon) = after_noon {
            if !(1..=12).contains(&hour) {
                return Err(wrong());
            }
            hour = hour % 12 + if after_noon { 12 } else { 0 };
        }
        if hour < 24 && minute < 60 { Ok((hour, minute)) } else { Err(wrong()) }
    }

    /// An amount in cents, if one comes next.
    fn amount(&mut self) -> Option<i64> {
        let said = self.peek(0)?;
        let digits = said.trim_matches(['€', '$', '£']);
        let (whole, cents) = digits.split_once(['.', ',']).unwrap_or((digits, "00"));
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(cents) || cents.len() != 2 {
            return None;
        }
        let amount = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)?;
        self.next();
        for unit in ["euro", "euros", "eur", "dollars", "dollar", "pounds", "€"] {
            self.take(&[unit]);
        }
        Some(amount)
    }
}

/// All that was said after the verb.
#[derive(Default)]
struct Said {
    thing: Vec<String>,
    time: Option<(u16, u16)>,
    day: Option<Weekday>,
    amount: Option<i64>,
    to: Option<String>,
    setting: Option<Setting>,
    order: Option<Order>,
    outside: bool,
    spent: Option<i64>,
    strangers: bool,
    present: BTreeSet<Person>,
}

impl Said {
    fn read(rest: &mut Cursor<'_>, world: &World<'_>) -> Result<Self, QuestionError> {
        let mut said = Self::default();
        while let Some(word) = rest.peek(0) {
            if said.phrase(rest, world)? {
                continue;
            }
            rest.next();
            if !EMPTY.contains(&word.as_str()) {
                said.thing.push(word);
            }
        }
        Ok(said)
    }

    /// Takes one of the phrases that are no part of the thing, if one comes next.
    fn phrase(&mut self, rest: &mut Cursor<'_>, world: &World<'_>) -> Result<bool, QuestionError> {
        let day = |word: Option<String>| {
            let word = word.unwrap_or_default();
            DAYS.into_iter().find(|day| word.strip_suffix('s').unwrap_or(&word) == day_word(*day))
        };
        let said = rest.peek(1);
        if said
            .as_ref()
            .is_some_and(|word| word.starts_with(|letter: char| letter.is_ascii_digit()) || word == "noon" || word == "midnight")
            && rest.take(&["at"])
        {
            self.time = Some(rest.time()?);
        } else if let Some(found) = day(said.clone()).filter(|_| rest.peek(0).as_deref() == Some("on")) {
            self.day = Some(found);
            rest.next();
            rest.next();
        } else if rest.take(&["for"]) {
            self.amount = Some(rest.amount().ok_or_else(|| QuestionError::Amount(rest.peek(0).unwrap_or_default()))?);
        } else if rest.take(&["having", "spent"]) {
            self.spent = Some(rest.amount().ok_or_else(|| QuestionError::Amount(rest.peek(0).unwrap_or_default()))?);
            rest.take(&["today"]);
        } else if rest.take(&["to"]) {
            self.to = Some(rest.next().ok_or(QuestionError::Form)?.to_owned());
        } else {
            return self.circumstance(rest, world);
        }
        Ok(true)
    }

    fn circumstance(&mut self, rest: &mut Cursor<'_>, world: &World<'_>) -> Result<bool, QuestionError> {
        let any = |rest: &mut Cursor<'_>, ways: &[&[&str]]| ways.iter().any(|way| rest.take(way));
        if any(rest, &[&["in", "a", "group"], &["in", "the", "group"]]) {
            self.setting = Some(Setting::Group);
        } else if any(rest, &[&["in", "private"]]) {
            self.setting = Some(Setting::Private);
        } else if any(rest, &[&["before", "the", "household"]]) {
            self.setting = Some(Setting::Household);
        } else if any(rest, &[&["with", "a", "grant"], &["by", "a", "grant"]]) {
            self.order = Some(Order::Grant);
        } else if any(rest, &[&["unasked"], &["by", "itself"]]) {
            self.order = Some(Order::None);
        } else if any(rest, &[&["after", "reading", "a", "page"], &["after", "reading", "a", "mail"], &["after", "reading"]]) {
            self.outside = true;
        } else if any(rest, &[&["with", "a", "guest"], &["with", "guests"], &["with", "a", "stranger"]]) {
            self.strangers = true;
        } else if rest.take(&["with"]) {
            self.present.insert(rest.person(world)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Puts what was said into the request.
    fn fill(self, request: &mut Request, capability: &Capability) -> Result<(), QuestionError> {
        let name = |roles: &[Argument], said: &str| {
            let found = capability.arguments.iter().find(|(_, role)| roles.contains(role)).map(|(name, _)| name.clone());
            found.ok_or_else(|| QuestionError::Word(said.to_owned(), format!("{} of {}", capability.operation, capability.tool)))
        };
        let left: Vec<_> = self.thing.iter().filter(|word| !names(capability, word)).cloned().collect();
        if !left.is_empty() {
            let text = left.join(" ");
            request.deed.texts.insert(name(&[Argument::Id, Argument::Content, Argument::Path, Argument::Url], &text)?, text);
        }
        if let Some(to) = self.to {
            request.deed.texts.insert(name(&[Argument::Recipient, Argument::Url], &to)?, to);
        }
        if let Some(amount) = self.amount {
            request.deed.numbers.insert(name(&[Argument::Amount], "for")?, amount);
        }
        let day = self.day.unwrap_or(request.at.weekday());
        let time = self.time.and_then(|(hour, minute)| Moment::new(day, hour, minute));
        request.at = time.unwrap_or_else(|| request.at.on(day));
        request.order = self.order.unwrap_or(request.order);
        request.setting = self.setting.unwrap_or(request.setting);
        request.integrity = if self.outside { Integrity::Outside } else { request.integrity };
        request.spending.today = self.spent.map_or(0, |spent| u32::try_from(spent).unwrap_or(u32::MAX));
        request.spending.month = request.spending.today;
        request.strangers = self.strangers;
        request.audience.extend(self.present);
        Ok(())
    }
}

/// Whether a word is one of the names of an operation; a plural is its singular.
fn names(capability: &Capability, word: &str) -> bool {
    let tool = capability.tool.rsplit('/').next().unwrap_or_default();
    let bare = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    words(tool).chain(words(&capability.operation)).any(|name| bare(&name) == bare(word))
}

/// Whether an operation does what the verb says.
fn does(capability: &Capability, verb: &str) -> bool {
    let same = |word: &str| word == verb || SAME.iter().any(|group| group.contains(&word) && group.contains(&verb));
    words(&capability.operation).any(|word| same(&word))
}

/// The operation that is meant.
fn choose<'a>(verb: &str, thing: &[String], tools: &'a [Capability]) -> Result<&'a Capability, QuestionError> {
    let able: Vec<_> = tools.iter().filter(|capability| does(capability, verb)).collect();
    if able.is_empty() {
        let verbs: Vec<_> = tools.iter().flat_map(|capability| words(&capability.operation).take(1)).collect();
        let near = nearest(verb, verbs.iter().map(String::as_str)).map(str::to_owned);
        return Err(QuestionError::Verb(verb.to_owned(), Near(near)));
    }
    // The verb itself before a synonym of it, then the names.
    let score = |capability: &&&Capability| {
        let exact = words(&capability.operation).any(|word| word == verb);
        (thing.iter().filter(|word| names(capability, word)).count(), exact)
    };
    let best = able.iter().map(|capability| score(&capability)).max().unwrap_or_default();
    // Where nothing says which of several is meant, the verb alone does not.
    let meant: Vec<_> = able.iter().filter(|capability| best.0 == 0 || score(capability) == best).collect();
    match meant.as_slice() {
        [one] => Ok(one),
        several => {
            let list: Vec<_> = several.iter().map(|capability| format!("{} of {}", capability.operation, capability.tool)).collect();
            Err(QuestionError::Several(list.join(", ")))
        }
    }
}
