//! What each observer of a house sees, byte for byte and with its virtual time, so that two runs can be compared.
//!
//! | observer | sees |
//! |---|---|
//! | a member's model | every request that is made for the member, whole; the tools in it as a digest |
//! | a member's tools | every call and request on the member's behalf, whole |
//! | a member's screens | messages, previews, verdicts, questions as the local socket shows them |
//! | a member's index | what is found in memory for the member, with scores |
//! | strangers | what the house says to an account that nobody knows |
//! | the log | every line that the house's crates log |
//! | the journal | every entry, without its digests |
//! | the tree | starts, ends and restarts of actors |
//! | the vault | the values that it holds; nobody else may see those |
//!
//! Left out: the words that members write themselves, on their own screens and as what is looked for (their length is kept); digests of content and of the chain, which
//! stand for what they are made of (in [`hearth_domain::journal`]); what is sealed; and other people's platforms, which such runs leave out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hearth_domain::approval::Approval;
use hearth_domain::approval::reply::code;
use hearth_domain::household::{Audience, Member, Place};
use hearth_domain::http::Asked;
use hearth_domain::ids::MemberId;
use hearth_domain::journal::{Digest, Entry};
use hearth_domain::memory::{Memory, MemoryHit, MemorySearch};
use hearth_domain::message::{Author, Message};
use hearth_domain::model::ModelRequest;

use crate::checkers::privacy::conversation_of;
use crate::checkers::{Device, Seen};
use crate::plan::Plan;

/// The number of a member; none for nobody whom the plan knows.
pub type Whose = Option<usize>;

/// Who sees something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Observer {
    /// The models, in requests for this member.
    Model(Whose),
    /// The tools, in calls for this member.
    Tools(Whose),
    /// This member's screens.
    Screens(Whose),
    /// What the index is asked and answers for this member.
    Index(Whose),
    /// Accounts that nobody knows.
    Strangers,
    /// Whoever reads the log.
    Log,
    /// Whoever reads the journal.
    Journal,
    /// Whoever watches the actors.
    Tree,
    /// The vault alone.
    Vault,
}

impl Observer {
    /// Whether it acts for this member alone.
    #[must_use]
    pub fn is_of(self, member: usize) -> bool {
        match self {
            Self::Model(whose) | Self::Tools(whose) | Self::Screens(whose) | Self::Index(whose) => whose == Some(member),
            Self::Strangers | Self::Log | Self::Journal | Self::Tree | Self::Vault => false,
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// When, from the beginning.
    pub at: Duration,
    /// What.
    pub text: String,
}

/// What everybody has seen.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    views: BTreeMap<Observer, Vec<Sight>>,
    members: BTreeMap<MemberId, usize>,
    conversations: BTreeMap<String, usize>,
    devices: BTreeMap<Device, usize>,
}

impl Recording {
    /// Of a house in which nothing was seen yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let numbered = || plan.members.iter().enumerate();
        let threads = crate::people::threads(plan);
        let places = numbered()
            .flat_map(|(n, member)| threads.iter().map(move |thread| (Place::private(member, thread).conversation.to_string(), n)));
        Self {
            views: BTreeMap::new(),
            members: numbered().map(|(n, member)| (member.id, n)).collect(),
            conversations: places.collect(),
            devices: BTreeMap::new(),
        }
    }

    /// What each has seen, in its order.
    #[must_use]
    pub const fn views(&self) -> &BTreeMap<Observer, Vec<Sight>> {
        &self.views
    }

    /// Somebody sees something.
    pub fn add(&mut self, at: Duration, observer: Observer, text: String) {
        self.views.entry(observer).or_default().push(Sight { at, text });
    }

    fn whose(&self, member: MemberId) -> Whose {
        self.members.get(&member).copied()
    }

    /// The one member for whom something is looked for.
    fn alone(&self, audience: &Audience) -> Whose {
        let mut present = audience.iter();
        match (present.next(), present.next()) {
            (Some((member, _)), None) => self.whose(member),
            _ => None,
        }
    }

    /// Something was looked for in memory.
    pub fn searched(&mut self, at: Duration, search: &MemorySearch, found: &[MemoryHit]) {
        let whose = self.alone(&search.audience);
        self.add(at, Observer::Index(whose), format!("search of {} bytes, at most {}: {found:?}", search.words.len(), search.limit));
    }

    /// What belongs to a conversation was read.
    pub fn listed(&mut self, at: Duration, audience: &Audience, found: &[Memory]) {
        let whose = self.alone(audience);
        self.add(at, Observer::Index(whose), format!("entries: {found:?}"));
    }

    /// A request left the house.
    pub fn sent(&mut self, at: Duration, asked: &Asked) {
        let whose = asked.member.and_then(|member| self.whose(member));
        let Asked { principal, method, url, headers, body, .. } = asked;
        self.add(at, Observer::Tools(whose), format!("http {principal} {method} {url} {headers:?} {body:?}"));
    }

    /// An event of the world.
    pub fn see(&mut self, at: Duration, seen: &Seen<'_>) {
        let (observer, text) = match seen {
            Seen::Prompt(request) => {
                (Observer::Model(self.conversations.get(conversation_of(&request.cache_key)).copied()), whole(request))
            }
            Seen::Called(call) => (Observer::Tools(self.whose(call.member.id)), format!("{call:?}")),
            Seen::Written(group) => return group.entries.iter().for_each(|entry| self.add(at, Observer::Journal, without_digests(entry))),
            Seen::Connected { device, conversation, cursor } => {
                let Some(whose) = self.conversations.get(&conversation.to_string()).copied() else { return };
                self.devices.insert(*device, whose);
                (Observer::Screens(Some(whose)), format!("{device} connected from {cursor:?}"))
            }
            Seen::Shown(device, message) => (self.screen(*device), format!("{device} shows {}", shown(message))),
            Seen::Preview(device, text) => (self.screen(*device), format!("{device} previews {text:?}")),
            Seen::CaughtUp(device) => (self.screen(*device), format!("{device} has caught up")),
            Seen::Told { origin, outcome } => {
                let member = origin.split_once('/').and_then(|(member, _)| member.parse().ok());
                (Observer::Screens(member.and_then(|member| self.whose(member))), format!("{origin}: {outcome:?}"))
            }
            Seen::Answers { who, approval, answer } => {
                (Observer::Screens(self.whose(who.id)), asked(who, approval, &format!("{answer:?}")))
            }
            Seen::Arrived { account, answer } => (Observer::Strangers, format!("{account}: {answer:?}")),
            Seen::Tree(event) => (Observer::Tree, format!("{} {:?}", event.path, event.kind)),
            Seen::Effect(_)
            | Seen::Disconnected(_)
            | Seen::Asked(..)
            | Seen::Answered(_)
            | Seen::Agrees { .. }
            | Seen::Pairs { .. }
            | Seen::Incoming { .. }
            | Seen::Dealt { .. }
            | Seen::Passed { .. }
            | Seen::Receipt { .. }
            | Seen::Post { .. }
            | Seen::Said { .. }
            | Seen::Posted { .. }
            | Seen::Admits(_)
            | Seen::Admitted { .. }
            | Seen::Dismissed(_)
            | Seen::Picture(_)
            | Seen::Begins => return,
        };
        self.add(at, observer, text);
    }

    fn screen(&self, device: Device) -> Observer {
        Observer::Screens(self.devices.get(&device).copied())
    }
}

/// A request, every field of it. What tools there are is long, and the same for a long time.
fn whole(request: &ModelRequest) -> String {
    let ModelRequest { system, context, history, tools, max_output_tokens, label, member, now, cache_key, charge } = request;
    let tools = Digest::of(format!("{tools:?}").as_bytes());
    let mut text =
        format!("{cache_key} for {member} at {now}, {max_output_tokens} tokens, {charge:?}, {label:?}, tools {tools}\n{system}\n{context}");
    for one in history {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{one:?}");
    }
    text
}

/// An entry, without what is made of private content.
fn without_digests(Entry { seq, fact, .. }: &Entry) -> String {
    let content = if fact.content.is_some() { "with content" } else { "" };
    format!("{seq} {:?} {:?} {} {} {} {content}", fact.kind, fact.who, fact.subject, fact.detail, fact.at)
}

/// A message, without the words that its own member wrote.
fn shown(message: &Message) -> String {
    match message.author {
        Author::House => format!("{message:?}"),
        Author::Member(_) => format!("{:?}", Message { text: format!("{} bytes", message.text.len()), ..message.clone() }),
    }
}

/// A question, as the local socket shows it to this person.
fn asked(who: &Member, approval: &Approval, answer: &str) -> String {
    let card = if approval.call.member == who.id { approval.card.sentence() } else { approval.card.for_others().sentence() };
    format!("{} until {}: {card} {answer}", code(approval.id), approval.expires)
}
