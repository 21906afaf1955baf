//! The core of a conversation: a synchronous machine that turns events into effects.
//!
//! ```text
//!            said                     recalled + accepted          no calls
//!  (idle) ────────▶ Gathering ─────────────────────▶ Modelling ───────────────▶ Ending ──saved──▶ (idle, or the next)
//!                                                     ▲    │ calls                ▲
//!                                     no call left    │    ▼                      │ stop, failure, limit
//!                                                     │ Deciding ──▶ SavingReply  │ (from every phase)
//!                                                     │                  │ saved  │
//!                                                     └── SavingOutcome ◀── Running
//! ```
//!
//! The happy path: a message is [said](Core::on_said), saved, facts are recalled, a model is called, its calls are
//! decided upon, run one after the other, the model is called again, and its text is saved as the one logical answer.
//!
//! The failure paths: a commit that did not happen refuses the message, or is tried again while a turn is under way;
//! one of unknown outcome at acceptance makes the conversation reload. A model that fails ends the turn with a visible
//! failure. A crash at any instant resumes from the steps (`resume.rs`): what is finished is not repeated, what is
//! of unknown outcome is repeated only when its tool is idempotent.
//!
//! Invariants: one turn is active at a time; each open turn ends exactly once (I-10); an answer's label covers its
//! audience (I-5); what is recalled may be read by everyone present (I-7); no call runs before its intent is saved.

mod endorsing;
mod holding;
mod judging;
mod prompt;
mod resume;
mod saving;
mod summary;
#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "the tests' world leaves to each test what it does not carry out")]
mod tests;
mod turning;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::approval::reply::Word;
use crate::budget::{Amounts, Charge};
use crate::delivery::{Delivery, DeliveryState};
use crate::error::{Class, Classified};
use crate::flow::call::Call;
use crate::flow::endorse::Inquiry;
use crate::household::{Audience, Member, Place};
use crate::ids::{AnswerId, ApprovalId, CallId, ConversationId, Ids, MemberId, MessageId, TurnId};
use crate::journal::{Digest, Fact, FactKind};
use crate::label::{Integrity, Label, Readers};
use crate::limits::Limits;
use crate::memory::{MemoryHit, MemorySearch};
use crate::message::{Author, Message, Origin, Part, Purpose};
use crate::model::{ModelError, ModelReply, ModelRequest};
use crate::policy::{Decider, Decision, Foreseen, Question, Refusal};
use crate::schedule::Reminder;
use crate::store::{Commit, Conversation, ConversationState, Step, StoreError, Turn, TurnState, Write};
use crate::time::Timestamp;
use crate::tool::{Invocation, ToolError, ToolOutput, ToolSpec};

pub use prompt::estimate_tokens;
use saving::Saving;
use turning::Active;

/// The message that ends the turn that runs, for channels that have nothing but messages.
pub const STOP_WORD: &str = "/stop";
/// Messages by which a repeated hand-over is recognised.
const REMEMBERED_ORIGINS: usize = 256;

/// What a member says, resolved: who, where, through which channel.
#[derive(Debug, Clone)]
pub struct Say {
    /// Who.
    pub member: Member,
    /// Where, and who is present now: before them it is recalled and answered.
    pub place: Place,
    /// To whom it was said: whoever was there when it was written. With somebody there now who was not, the turn shows and does nothing that
    /// follows from it.
    pub readers: Readers,
    /// The thread's name; empty for the main one.
    pub thread: String,
    /// The channel, and the message's id there.
    pub origin: Origin,
    /// The text.
    pub text: String,
    /// Pictures.
    pub images: Vec<Part>,
}

/// The promise that a message will be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The message.
    pub message: MessageId,
    /// Its turn.
    pub turn: TurnId,
    /// The answer to come.
    pub answer: AnswerId,
    /// The message's place in the conversation.
    pub seq: u64,
}

/// Why a message was not accepted. The sentence is for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// Nothing in it.
    #[error("there is nothing in this message")]
    Empty,
    /// More than the limit.
    #[error("this message has {bytes} bytes, more than the {limit} that fit; send it in parts")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
    /// Too many wait.
    #[error("{waiting} messages are waiting for an answer here already; wait for one, or stop the turn")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// It could not be saved; nothing happened.
    #[error("the message could not be saved: {0}")]
    Store(StoreError),
    /// The conversation could not take it just now.
    #[error("the house is busy or restarting; send the message again")]
    Unavailable,
    /// The sender is nobody here.
    #[error("the house does not know you; ask an adult of the household to add you")]
    Unknown,
}

impl Classified for SayError {
    fn class(&self) -> Class {
        match self {
            Self::Empty | Self::TooLong { .. } => Class::Permanent,
            Self::Busy { .. } | Self::Unavailable => Class::Transient,
            Self::Store(error) => error.class(),
            Self::Unknown => Class::Denied,
        }
    }
}

/// Something that the house says by itself: an occurrence of a reminder.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The reminder, as it stood when it came due.
    pub reminder: Reminder,
    /// What to say.
    pub text: String,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noticed {
    /// It is in the conversation; the reminder's row afterwards.
    Said(Box<Reminder>),
    /// It had been said before.
    Before,
    /// It could not be saved; try again.
    Failed(StoreError),
}

/// A commit under way.
pub type Ticket = u64;
/// A question under way, answered by an effect.
pub type AskId = u64;

/// What the shell must do. In order.
#[derive(Debug)]
pub enum Effect {
    /// Write this, after that long, and report with [`Core::on_saved`].
    Save {
        /// Names the commit in the report.
        ticket: Ticket,
        /// What to write.
        commit: Commit,
        /// How long to wait before.
        after: Duration,
    },
    /// Report with [`Core::on_again`] after that long: the commit was certainly not written.
    SaveAgain {
        /// The commit.
        ticket: Ticket,
        /// How long to wait.
        after: Duration,
    },
    /// Answer whoever said something.
    AnswerSay(AskId, Result<Accepted, SayError>),
    /// Answer whoever gave a notice.
    AnswerNotice(AskId, Noticed),
    /// Answer whoever asked for the end of the turn that runs: whether one ran, and its end is durable.
    AnswerStop(AskId, bool),
    /// Search memory and report with [`Core::on_recalled`].
    Recall(TurnId, MemorySearch),
    /// Call a model and report with [`Core::on_replied`].
    CallModel(u64, Arc<ModelRequest>),
    /// Drop that model call; no report is wanted.
    CancelModel(u64),
    /// Ask policy and report with [`Core::on_decided`].
    Decide(Box<Question>),
    /// Have policy say what it would decide, asking nobody, and report with [`Core::on_foreseen`].
    Foresee(Box<Question>),
    /// Ask a person about all these calls as one question, and report with [`Core::on_asked`].
    Ask(Box<Inquiry>),
    /// Wait for a person's answer about this call and report with [`Core::on_answered`].
    Await(CallId, ApprovalId, Box<Call>),
    /// Nobody waits for the answer to this question any more.
    Withdraw(ApprovalId),
    /// Take a member's word to policy, given as a message of this turn, and report with [`Core::on_reply_taken`].
    TakeReply(TurnId, MemberId, Word),
    /// Have a reader answer, with no tools and no memory, and report with [`Core::on_replied`].
    Read(u64, Arc<ModelRequest>),
    /// Run a tool and report with [`Core::on_tool_ended`].
    RunTool(Box<Invocation>),
    /// Cancel a tool call; no report is wanted.
    CancelTool(CallId),
    /// The preview shown so far is void.
    ResetPreview(TurnId),
    /// Hand this to the outbox: it is durable.
    Deliver(Delivery, Message),
    /// Ask a model to sum up and report with [`Core::on_summarised`].
    Summarise(u64, Arc<ModelRequest>),
    /// Throw this value away and load again: what is in the store is not known.
    Reload(&'static str),
}

/// What does not change while the house runs.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The bounds.
    pub limits: Limits,
    /// The household's name.
    pub household: String,
}

/// The clock, the ids and the tools of one event.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The wall clock.
    pub now: Timestamp,
    /// Makes ids.
    pub ids: &'a dyn Ids,
    /// The tools that a model may call just now, in a stable order: they come and go while a conversation runs.
    pub tools: &'a Arc<Vec<ToolSpec>>,
}

impl std::fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx").field("now", &self.now).finish_non_exhaustive()
    }
}

/// A turn that is open.
#[derive(Debug, Clone)]
struct Pending {
    turn: Turn,
    message: Message,
    member: Member,
    audience: Audience,
    steps: Vec<Step>,
    saved: bool,
    stop: bool,
    /// What became of the answer to a question that its message is.
    taken: Option<String>,
}

/// A conversation.
#[derive(Debug)]
pub struct Core {
    setting: Arc<Setting>,
    id: ConversationId,
    row: Option<Conversation>,
    /// Whether the store has the row as it is here, but for a summary.
    row_saved: bool,
    next_seq: u64,
    /// Messages after the summary, oldest first.
    history: Vec<Message>,
    waiting: VecDeque<Pending>,
    active: Option<Active>,
    saving: BTreeMap<Ticket, (Saving, Commit, Duration)>,
    /// What is durable and waits for an earlier place that is still being saved: words of commits need not come in their order.
    held: BTreeMap<u64, (Delivery, Message)>,
    origins: VecDeque<(Origin, Accepted)>,
    /// The channel by which something was last said here: where the house says something of its own accord.
    channel: Option<String>,
    /// Who waits for the end of which turn.
    stops: Vec<(TurnId, AskId)>,
    summarising: Option<summary::Summarising>,
    /// Whose turn ended last: a summary is made on their budget.
    payer: Option<Charge>,
    /// Numbers tickets and model calls.
    counter: u64,
}

impl Core {
    /// The conversation as the store has it, and what is to be done at once: its open turns resume.
    pub fn load(
        cx: Cx<'_>,
        setting: Arc<Setting>,
        id: ConversationId,
        state: ConversationState,
        members: &BTreeMap<MemberId, Member>,
    ) -> (Self, Vec<Effect>) {
        resume::load(cx, setting, id, state, members)
    }

    /// Whether nothing is under way, so that the conversation can be parked without loss.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_empty() && self.saving.is_empty() && self.summarising.is_none()
    }

    /// Who pays for what is done here now; `None` before anything is.
    #[must_use]
    pub fn charge(&self, now: Timestamp) -> Option<Charge> {
        self.active.as_ref().map(|active| active.charge(now)).or(self.payer)
    }

    /// How many turns are open.
    #[must_use]
    pub fn open_turns(&self) -> usize {
        self.waiting.len() + usize::from(self.active.is_some())
    }

    /// A member said something.
    pub fn on_said(&mut self, cx: Cx<'_>, ask: AskId, say: Say) -> Vec<Effect> {
        if let Some(known) = self.origins.iter().find(|(origin, _)| *origin == say.origin).map(|(_, accepted)| *accepted) {
            return self.say_again(ask, known);
        }
        // The turn that runs ends now, even where the word itself does not fit any more; that is answered in its order.
        let mut effects = if say.text.trim() == STOP_WORD { self.stop_active(cx).1 } else { Vec::new() };
        match self.admit(&say) {
            Ok(()) => effects.extend(self.accept(cx, ask, say)),
            Err(error) => effects.push(Effect::AnswerSay(ask, Err(error))),
        }
        effects
    }

    /// The same message again: answered with what it was answered with, once that is durable.
    fn say_again(&mut self, ask: AskId, known: Accepted) -> Vec<Effect> {
        for (saving, ..) in self.saving.values_mut() {
            if let Saving::Accept { turn, asks, .. } = saving
                && *turn == known.turn
            {
                asks.push(ask);
                return Vec::new();
            }
        }
        vec![Effect::AnswerSay(ask, Ok(known))]
    }

    fn admit(&self, say: &Say) -> Result<(), SayError> {
        let limits = &self.setting.limits;
        let images: usize = say.images.iter().map(|part| if let Part::Image { base64, .. } = part { base64.len() } else { 0 }).sum();
        if say.text.len() > limits.message_bytes {
            Err(SayError::TooLong { bytes: say.text.len(), limit: limits.message_bytes })
        } else if images > limits.image_bytes {
            Err(SayError::TooLong { bytes: images, limit: limits.image_bytes })
        } else if say.text.trim().is_empty() && say.images.is_empty() {
            Err(SayError::Empty)
        } else if self.waiting.len() >= limits.waiting_messages {
            Err(SayError::Busy { waiting: self.waiting.len() })
        } else {
            Ok(())
        }
    }

    fn accept(&mut self, cx: Cx<'_>, ask: AskId, say: Say) -> Vec<Effect> {
        let seq = self.take_seq();
        let turn_id = TurnId::fresh(cx.ids);
        let message = Message {
            id: MessageId::fresh(cx.ids),
            conversation: self.id,
            seq,
            turn: Some(turn_id),
            answer: None,
            author: Author::Member(say.member.id),
            purpose: Purpose::Said,
            origin: Some(say.origin.clone()),
            text: say.text,
            images: say.images,
            label: Label::new(say.readers, Integrity::Member),
            at: cx.now,
        };
        let turn = Turn {
            id: turn_id,
            conversation: self.id,
            member: say.member.id,
            message: message.id,
            answer: AnswerId::fresh(cx.ids),
            channel: say.origin.channel.clone(),
            state: TurnState::Open,
            sources: Vec::new(),
            usage: crate::model::Usage::default(),
            at: cx.now,
        };
        let accepted = Accepted { message: message.id, turn: turn_id, answer: turn.answer, seq };
        self.channel = Some(say.origin.channel.clone());
        self.remember_origin(say.origin, accepted);

        let mut writes = self.refresh_row(cx, &say.member, &say.place, &say.thread);
        let with_row = !writes.is_empty();
        writes.push(Write::Message(message.clone()));
        writes.push(Write::Turn(turn.clone()));
        let fact = fact(cx, FactKind::MessageAccepted, Some(say.member.id), message.id.to_string(), "", &message.text);
        self.waiting.push_back(Pending {
            turn,
            message,
            member: say.member,
            audience: say.place.audience,
            steps: Vec::new(),
            saved: false,
            stop: false,
            taken: None,
        });
        let mut effects = vec![self.save(Saving::Accept { turn: turn_id, asks: vec![ask], with_row }, Commit { writes, fact })];
        effects.extend(self.activate_next());
        effects
    }

    /// The conversation's row, when it is new, somebody came or went, or it is not certain that the store has it.
    fn refresh_row(&mut self, cx: Cx<'_>, member: &Member, place: &Place, thread: &str) -> Vec<Write> {
        let unchanged = self.row_saved && self.row.as_ref().is_some_and(|row| row.audience == place.audience);
        if unchanged {
            return Vec::new();
        }
        let row = Conversation {
            id: self.id,
            // A group is nobody's, whoever speaks there: it does not go when one of them does.
            owner: (Place::private(member, thread).conversation == self.id).then_some(member.id),
            thread: thread.to_owned(),
            audience: place.audience.clone(),
            summary: self.row.as_ref().and_then(|row| row.summary.clone()),
            at: self.row.as_ref().map_or(cx.now, |row| row.at),
        };
        self.row = Some(row.clone());
        self.row_saved = false;
        vec![Write::Conversation(row)]
    }

    fn remember_origin(&mut self, origin: Origin, accepted: Accepted) {
        if self.origins.len() >= REMEMBERED_ORIGINS {
            self.origins.pop_front();
        }
        self.origins.push_back((origin, accepted));
    }

    /// An occurrence of a reminder came due here.
    pub fn on_notice(&mut self, cx: Cx<'_>, ask: AskId, notice: Notice) -> Vec<Effect> {
        let seq = self.take_seq();
        let due = notice.reminder.due;
        let after = Box::new(notice.reminder.after_firing(cx.now));
        let message = Message {
            id: MessageId::fresh(cx.ids),
            conversation: self.id,
            seq,
            turn: None,
            answer: Some(AnswerId::derived(&[&notice.reminder.id.to_string(), &due.to_string()])),
            author: Author::House,
            purpose: Purpose::Notice,
            origin: None,
            text: notice.text,
            images: Vec::new(),
            label: notice.reminder.label.clone(),
            at: cx.now,
        };
        let channel = self.channel.clone().unwrap_or_else(|| notice.reminder.channel.clone());
        let delivery = self.delivery(cx, &message, message.answer.unwrap_or_else(|| AnswerId::fresh(cx.ids)), &channel);
        let commit = Commit {
            writes: vec![
                Write::Claim { reminder: notice.reminder.id, due, at: cx.now },
                Write::Reminder((*after).clone()),
                Write::Message(message.clone()),
                Write::Delivery(delivery.clone()),
            ],
            fact: fact(cx, FactKind::ReminderFired, Some(notice.reminder.member), notice.reminder.id.to_string(), "", &message.text),
        };
        vec![self.save(Saving::Notice { ask, delivery, message, reminder: after }, commit)]
    }

    /// The turn that runs shall end now. Its work is cut at once; the answer waits until the end is durable, so that no crash takes a
    /// stop back that was acknowledged.
    pub fn on_stop(&mut self, cx: Cx<'_>, ask: AskId) -> Vec<Effect> {
        let (stopped, mut effects) = self.stop_active(cx);
        match stopped {
            Some(turn) => self.stops.push((turn, ask)),
            None => effects.push(Effect::AnswerStop(ask, false)),
        }
        effects
    }

    /// Answers those who wait for the end of this turn.
    fn answer_stops(&mut self, turn: TurnId) -> Vec<Effect> {
        self.stops.extract_if(.., |(waited, _)| *waited == turn).map(|(_, ask)| Effect::AnswerStop(ask, true)).collect()
    }

    /// The active turn has brought the conversation down again and again: it ends, visibly.
    pub fn on_hopeless(&mut self, cx: Cx<'_>) -> Vec<Effect> {
        // One whose end is being saved has its visible failure already.
        let ending = self.active.as_ref().is_some_and(|active| matches!(active.phase, turning::Phase::Ending));
        if ending { Vec::new() } else { self.give_up(cx) }
    }

    /// Messages before those of the state, by which a repeated hand-over is recognised; oldest first.
    pub fn remember_earlier(&mut self, earlier: &[Message]) {
        let open = self.waiting.iter().chain(self.active.as_ref().map(|active| &active.pending)).map(|pending| pending.turn.clone());
        let mut known = resume::origins(earlier, &open.collect::<Vec<_>>());
        known.retain(|(origin, _)| !self.origins.iter().any(|(later, _)| later == origin));
        self.channel = self.channel.take().or_else(|| resume::last_channel(earlier));
        known.append(&mut self.origins);
        self.origins = known;
    }

    /// A search of memory ended. A failure is no reason to leave a person without an answer.
    pub fn on_recalled(&mut self, cx: Cx<'_>, turn: TurnId, hits: Vec<MemoryHit>) -> Vec<Effect> {
        self.recalled(cx, turn, hits)
    }

    /// A model call ended.
    pub fn on_replied(&mut self, cx: Cx<'_>, call: u64, result: Result<ModelReply, ModelError>) -> Vec<Effect> {
        self.replied(cx, call, result)
    }

    /// The turn to which pieces of that model call's text belong, while it is under way.
    #[must_use]
    pub fn previewing(&self, call: u64) -> Option<TurnId> {
        // A preview is delivered before the answer is judged: what not everybody here may read is not previewed (I-5).
        let all_may_read = |active: &&Active| active.label.readers.cover(&active.pending.audience);
        self.active.as_ref().filter(|active| active.is_modelling(call)).filter(all_may_read).map(|active| active.pending.turn.id)
    }

    /// Policy decided upon a call.
    pub fn on_decided(&mut self, cx: Cx<'_>, call: CallId, decision: Decision) -> Vec<Effect> {
        self.decided(cx, call, decision)
    }

    /// Policy said what it would decide upon a call.
    pub fn on_foreseen(&mut self, cx: Cx<'_>, call: CallId, foreseen: Foreseen) -> Vec<Effect> {
        self.foreseen(cx, call, foreseen)
    }

    /// A person was asked about these questions at once, or could not be.
    pub fn on_asked(&mut self, cx: Cx<'_>, asked: &BTreeSet<ApprovalId>, result: Result<(), Refusal>) -> Vec<Effect> {
        self.asked(cx, asked, result)
    }

    /// A person answered about a call, or nobody did.
    pub fn on_answered(&mut self, cx: Cx<'_>, call: CallId, answer: Result<(), Refusal>) -> Vec<Effect> {
        self.answered(cx, call, answer)
    }

    /// What became of a member's answer: a sentence for them.
    pub fn on_reply_taken(&mut self, cx: Cx<'_>, turn: TurnId, sentence: String) -> Vec<Effect> {
        let active = self.active.as_mut().map(|active| &mut active.pending);
        if let Some(pending) = self.waiting.iter_mut().chain(active).find(|pending| pending.turn.id == turn) {
            pending.taken = Some(sentence);
        }
        self.go_on(cx)
    }

    /// A tool call ended.
    pub fn on_tool_ended(&mut self, cx: Cx<'_>, call: CallId, result: Result<ToolOutput, ToolError>) -> Vec<Effect> {
        self.tool_ended(cx, call, result)
    }

    /// A model summed up, or did not.
    pub fn on_summarised(&mut self, cx: Cx<'_>, call: u64, result: Result<ModelReply, ModelError>) -> Vec<Effect> {
        self.summarised(cx, call, result)
    }

    // === helpers ===

    fn count(&mut self) -> u64 {
        self.counter = self.counter.saturating_add(1);
        self.counter
    }

    fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        seq
    }

    /// A place in which nothing was written is free again, unless a later one is taken.
    fn give_back(&mut self, seq: u64) {
        if self.next_seq == seq.saturating_add(1) {
            self.next_seq = seq;
        }
    }

    /// Puts a message into the history at its place.
    fn remember(&mut self, message: Message) {
        let at = self.history.partition_point(|known| known.seq < message.seq);
        if self.history.get(at).is_none_or(|known| known.seq != message.seq) {
            self.history.insert(at, message);
            prompt::fade_pictures(&mut self.history, self.setting.limits.history_pictures);
        }
    }

    fn delivery(&self, cx: Cx<'_>, message: &Message, answer: AnswerId, channel: &str) -> Delivery {
        Delivery {
            answer,
            conversation: self.id,
            message: message.id,
            seq: message.seq,
            channel: channel.to_owned(),
            state: DeliveryState::Pending,
            attempts: 0,
            at: cx.now,
        }
    }
}

/// A fact with the digest of its content.
fn fact(cx: Cx<'_>, kind: FactKind, who: Option<MemberId>, subject: String, detail: &str, content: &str) -> Fact {
    Fact { kind, who, subject, detail: detail.to_owned(), content: Some(Digest::of(content.as_bytes())), at: cx.now }
}
