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
use hearth_domain::conversation::{Accepted, SayError};
use hearth_domain::household::Member;
use hearth_domain::ids::{ConversationId, IdentityId, MemberId};
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
pub mod durable;
pub mod effects;
pub mod outward;
pub mod privacy;
pub mod queues;
pub mod reminders;
pub mod restarts;
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

/// All of them.
#[derive(Debug)]
pub struct Checkers {
    /// I-12; the store double reports to it.
    pub durable: durable::Durable,
    /// I-1; the vault's double reports to it.
    pub vault: vault::Vault,
    /// I-2; the sandboxes' double reports to it.
    pub sandboxes: sandboxes::Sandboxes,
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

    fn all(&self) -> [&dyn Checker; 15] {
        let Self {
            durable,
            vault,
            sandboxes,
            privacy,
            reminders,
            answers,
            clients,
            chain,
            effects,
            restarts,
            queues,
            waiting,
            outward,
            widening,
            strangers,
        } = self;
        [
            durable, vault, sandboxes, privacy, reminders, answers, clients, chain, effects, restarts, queues, waiting, outward, widening,
            strangers,
        ]
    }

    fn all_mut(&mut self) -> [&mut dyn Checker; 15] {
        let Self {
            durable,
            vault,
            sandboxes,
            privacy,
            reminders,
            answers,
            clients,
            chain,
            effects,
            restarts,
            queues,
            waiting,
            outward,
            widening,
            strangers,
        } = self;
        [
            durable, vault, sandboxes, privacy, reminders, answers, clients, chain, effects, restarts, queues, waiting, outward, widening,
            strangers,
        ]
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
