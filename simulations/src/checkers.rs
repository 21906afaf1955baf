//! The checkers: one named invariant each, shown every event as it happens, and asked in the end whether the house is at rest.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::collapsible_match,
    reason = "a checker looks at the events that concern it; a guard that inserts would hide what it does"
)]

use std::time::Duration;

use hearth_actors::household::{Resolved, Unpaired};
use hearth_conformance::double::Rows;
use hearth_domain::approval::{Answer, Approval};
use hearth_domain::channel::{Heard, Incoming, Post, Posted};
use hearth_domain::conversation::{Accepted, SayError};
use hearth_domain::household::Member;
use hearth_domain::ids::{AnswerId, ConversationId, GroupId, IdentityId, MemberId};
use hearth_domain::message::Message;
use hearth_domain::model::ModelRequest;
use hearth_domain::store::Group;
use hearth_domain::time::Timestamp;
use hearth_domain::tool::Invocation;
use hearth_supervisor::tree::{Event, TreeNode};

use crate::plan::Plan;
use crate::world::Violation;

pub mod answers;
pub mod chain;
pub mod clients;
pub mod consents;
pub mod doors;
pub mod durable;
pub mod effects;
pub mod known;
pub mod outward;
pub mod posts;
pub mod privacy;
pub mod queues;
pub mod reminders;
pub mod restarts;
pub mod rooms;
pub mod sandboxes;
pub mod strangers;
pub mod vault;
pub mod waiting;
pub mod widening;

/// A client of the house, over all its connections.
pub type Device = usize;

/// What a checker is shown.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A group that is in the store.
    Written(&'a Group),
    /// What a model is shown.
    Prompt(&'a ModelRequest),
    /// A tool outside the tree is called.
    Called(&'a Invocation),
    /// A tool outside the tree has its effect.
    Effect(&'a Invocation),
    /// A client is connected.
    Connected {
        /// Which.
        device: Device,
        /// To what.
        conversation: ConversationId,
        /// From where on.
        cursor: Option<u64>,
    },
    /// A client has been handed all that there was.
    CaughtUp(Device),
    /// A client is not connected any more.
    Disconnected(Device),
    /// A client shows a message.
    Shown(Device, &'a Message),
    /// A client shows a piece of an answer.
    Preview(Device, &'a str),
    /// A person asks the house something; numbered.
    Asked(u64, &'a str),
    /// The house has answered, or the asker has seen the deadline pass.
    Answered(u64),
    /// A message was answered with accepted or refused.
    Told {
        /// Its origin at the channel.
        origin: &'a str,
        /// How.
        outcome: &'a Result<Accepted, SayError>,
    },
    /// Somebody is about to answer a question of the house.
    Answers {
        /// Who.
        who: &'a Member,
        /// Which, as they have read it.
        approval: &'a Approval,
        /// What.
        answer: Answer,
    },
    /// Somebody says yes in a message, to a question that is named there or to whichever waits.
    Agrees {
        /// Who.
        who: MemberId,
        /// Whether it is named.
        named: bool,
    },
    /// A grown-up is about to let an account in, as a guest of this name.
    Pairs {
        /// The account.
        account: IdentityId,
        /// The name.
        name: &'a str,
    },
    /// An account has written to the house.
    Arrived {
        /// The account.
        account: IdentityId,
        /// What the house made of it.
        answer: &'a Result<Resolved, Unpaired>,
    },
    /// A channel tells the house of a message.
    Incoming {
        /// The channel.
        channel: &'a str,
        /// The message.
        message: &'a Incoming,
    },
    /// The house has dealt with what a channel told last.
    Dealt {
        /// The channel.
        channel: &'a str,
        /// What that was.
        heard: &'a Heard,
    },
    /// The house has a channel begin anew without a word about what that told last.
    Passed {
        /// The channel.
        channel: &'a str,
        /// What that was.
        heard: &'a Heard,
    },
    /// The house says what became of a message.
    Receipt {
        /// The channel.
        channel: &'a str,
        /// The message.
        message: &'a Incoming,
        /// Whether it need not be told again.
        taken: bool,
    },
    /// The house has something said at a channel.
    Post {
        /// The channel.
        channel: &'a str,
        /// What, and where.
        post: &'a Post,
    },
    /// It is there, for everybody to read.
    Said {
        /// The channel.
        channel: &'a str,
        /// What.
        delivery: AnswerId,
    },
    /// What the channel says became of it.
    Posted {
        /// The channel.
        channel: &'a str,
        /// What.
        delivery: AnswerId,
        /// How it ended.
        end: Posted,
    },
    /// A grown-up is about to let the house speak in a room.
    Admits(GroupId),
    /// They know what came of it.
    Admitted {
        /// The room.
        group: GroupId,
        /// Whether the house may.
        given: bool,
    },
    /// A grown-up knows that the house may not speak in a room any more.
    Dismissed(GroupId),
    /// Something happened in the tree.
    Tree(&'a Event),
    /// The tree as it is.
    Picture(&'a TreeNode),
    /// A life of the house begins.
    Begins,
}

/// The world in the end.
#[derive(Debug)]
pub struct Rest<'a> {
    /// What was acknowledged.
    pub rows: &'a Rows,
    /// What the wall clock shows.
    pub wall: Timestamp,
}

/// One invariant.
pub trait Checker {
    /// Its name.
    fn name(&self) -> &'static str;

    /// An event; the error says what is wrong.
    ///
    /// # Errors
    ///
    /// When the invariant is broken.
    fn on_event(&mut self, now: Duration, seen: &Seen<'_>) -> Result<(), String>;

    /// What still keeps the house from being at rest.
    fn unrest(&self, _: &Rest<'_>) -> Option<String> {
        None
    }

    /// The house is at rest: what must hold then.
    ///
    /// # Errors
    ///
    /// When it does not.
    fn at_rest(&self, _: &Rest<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// How many there are.
const ALL: usize = 18;

/// The one list of them, in the order in which they look. One that is forgotten here does not compile.
macro_rules! all {
    ($checkers:expr) => {{
        #[rustfmt::skip]
        let Checkers {
            durable, vault, sandboxes, doors, rooms, posts, privacy, reminders, answers, clients, chain, effects, restarts, queues, waiting,
            outward, widening, strangers,
        } = $checkers;
        [
            durable, vault, sandboxes, doors, rooms, posts, privacy, reminders, answers, clients, chain, effects, restarts, queues, waiting,
            outward, widening, strangers,
        ]
    }};
}

/// All of them.
#[derive(Debug)]
pub struct Checkers {
    /// I-12; the store double reports to it.
    pub durable: durable::Durable,
    /// I-1; the vault's double reports to it.
    pub vault: vault::Vault,
    /// I-2; the sandboxes' double reports to it.
    pub sandboxes: sandboxes::Sandboxes,
    /// I-9 at the channels; people know from it whom the house has let in.
    pub doors: doors::Doors,
    rooms: rooms::Rooms,
    posts: posts::Posts,
    privacy: privacy::Privacy,
    reminders: reminders::Reminders,
    answers: answers::Answers,
    clients: clients::Clients,
    chain: chain::Chain,
    effects: effects::Effects,
    restarts: restarts::Restarts,
    queues: queues::Queues,
    waiting: waiting::Waiting,
    outward: outward::Outward,
    widening: widening::Widening,
    strangers: strangers::Strangers,
}

impl Checkers {
    /// Checkers that have seen nothing.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            durable: durable::Durable::default(),
            vault: vault::Vault::new(plan),
            sandboxes: sandboxes::Sandboxes::new(plan),
            doors: doors::Doors::new(plan),
            rooms: rooms::Rooms::new(plan),
            posts: posts::Posts::new(plan),
            privacy: privacy::Privacy::new(plan),
            reminders: reminders::Reminders::default(),
            answers: answers::Answers::default(),
            clients: clients::Clients::default(),
            chain: chain::Chain::default(),
            effects: effects::Effects::default(),
            restarts: restarts::Restarts::default(),
            queues: queues::Queues,
            waiting: waiting::Waiting::default(),
            outward: outward::Outward::new(plan),
            widening: widening::Widening::new(plan),
            strangers: strangers::Strangers::new(plan),
        }
    }

    fn all(&self) -> [&dyn Checker; ALL] {
        all!(self)
    }

    fn all_mut(&mut self) -> [&mut dyn Checker; ALL] {
        all!(self)
    }

    /// Shows an event to everybody.
    ///
    /// # Errors
    ///
    /// The first invariant that is broken.
    pub fn on_event(&mut self, now: Duration, seen: &Seen<'_>) -> Result<(), Violation> {
        for checker in self.all_mut() {
            checker.on_event(now, seen).map_err(|what| Violation { invariant: checker.name(), what })?;
        }
        Ok(())
    }

    /// Who still keeps the house from being at rest, and why.
    #[must_use]
    pub fn unrest(&self, wall: Timestamp) -> Option<Violation> {
        let rest = Rest { rows: self.durable.rows(), wall };
        self.all().into_iter().find_map(|checker| checker.unrest(&rest).map(|what| Violation { invariant: checker.name(), what }))
    }

    /// What must hold when all is at rest.
    ///
    /// # Errors
    ///
    /// The first invariant that is broken.
    pub fn at_rest(&self, wall: Timestamp) -> Result<(), Violation> {
        let rest = Rest { rows: self.durable.rows(), wall };
        self.all().into_iter().try_for_each(|checker| checker.at_rest(&rest).map_err(|what| Violation { invariant: checker.name(), what }))
    }
}
