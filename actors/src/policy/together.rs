//! Several calls of one reply: what policy would ask about each, one question about all of them, and what becomes of it.
//!
//! Each call is an approval of its own that is a part of the question ([`hearth_domain::flow::endorse`]): the one answer is written to all of
//! them in one commit, and from then on each waits, is used up, expires and survives a restart as any other.

use actix::{Handler, Message, MessageResult, ResponseFuture};
use hearth_domain::approval::{Answer, Approval, Concern, State};
use hearth_domain::flow::endorse::{Endorsement, Inquiry, Text};
use hearth_domain::household::{Member, Place};
use hearth_domain::ids::{ApprovalId, MemberId};
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::policy::{Decision, Foreseen, Question, Refusal};
use hearth_domain::store::Write;
use hearth_domain::time::Timestamp;
use hearth_supervisor::context::Context;
use tokio::sync::oneshot;

use super::showing::notice;
use super::{Mode, PolicyActor, word};

/// What would be decided upon this call? Nobody is asked.
#[derive(Debug, Message)]
#[rtype(result = "Foreseen")]
pub struct Foresee(pub Box<Question>);

/// Ask a person about these calls, as one question; whether they are asked.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct AskAbout(pub Box<Inquiry>);

/// The questions about several calls that wait for this member's answer.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Endorsement>")]
pub struct WaitingTogether(pub Member);

/// A member's word to such a question.
pub(super) struct Said {
    pub(super) by: Member,
    pub(super) answer: Answer,
    pub(super) told: oneshot::Sender<Result<String, String>>,
}

impl PolicyActor {
    fn ask_together(&self, inquiry: Inquiry, then: impl FnOnce(bool) + 'static, ctx: &mut Context<Self>) {
        let Inquiry { calls, texts, alone } = inquiry;
        let Some((member, endorsement)) = propose(calls, texts, self.now()) else { return then(false) };
        let parts = endorsement.calls().to_vec();
        let change = self.of_endorsement(FactKind::ApprovalAsked, member, &endorsement, &parts);
        self.change(ctx, change, move |this, is_saved, _| {
            if is_saved {
                this.unshown.insert(endorsement.id, alone);
                parts.into_iter().for_each(|part| this.desk.put_approval(part));
                this.desk.put_endorsement(endorsement);
            }
            then(is_saved);
        });
    }

    /// Shows the question to its member; who was told is not told again.
    pub(super) fn tell_together(&self, endorsement: &Endorsement, alone: bool, ctx: &mut Context<Self>) {
        let Some(first) = endorsement.calls().first() else { return };
        let member = first.call.member;
        let here = if alone { first.call.conversation } else { Place::main(member) };
        self.tell(notice(endorsement.id, member, here, endorsement.card(), endorsement.asked), ctx);
    }

    /// Takes the answer to all of them, in one commit.
    pub(super) fn answer_together(&self, mut endorsement: Endorsement, said: Said, ctx: &mut Context<Self>) {
        let Said { by, answer, told } = said;
        let parts = match endorsement.answer(&by, answer, self.now()) {
            Ok(parts) => self.pending_parts(parts),
            Err(error) => {
                let _ = told.send(Err(format!("That did not count: {error}.")));
                return;
            }
        };
        let sentence = match answer {
            Answer::No => "Noted: none of it is done.".to_owned(),
            Answer::Once | Answer::Times(_) | Answer::Until(_) | Answer::Always => format!("Noted: all {} are done.", parts.len()),
        };
        self.ends_together(by.id, endorsement, parts, ctx, move |is_saved| {
            let _ = told.send(if is_saved { Ok(sentence) } else { Err("Your answer could not be saved; say it again.".to_owned()) });
        });
    }

    /// Of these, those that wait still.
    fn pending_parts(&self, parts: &[Approval]) -> Vec<Approval> {
        let waits = |part: &&Approval| self.desk.approval(part.id).is_some_and(|known| known.state == State::Pending);
        parts.iter().filter(waits).cloned().collect()
    }

    /// Nobody waits for what is left of a question any more.
    pub(super) fn withdraw_together(&self, id: ApprovalId, ctx: &mut Context<Self>) {
        let now = self.now();
        let parts: Vec<_> = self
            .desk
            .parts_of(id)
            .map(|part| {
                let mut part = part.clone();
                part.state = State::Expired { at: now };
                part
            })
            .collect();
        let Some(member) = parts.first().map(|part| part.call.member) else { return };
        match self.desk.endorsement(id).cloned() {
            Some(mut endorsement) => {
                endorsement.withdraw(now);
                self.ends_together(member, endorsement, parts, ctx, |_| ());
            }
            // It was answered; what was not used of the answer goes.
            None => parts.into_iter().take(1).for_each(|part| self.end(part, ctx)),
        }
    }

    /// A question is over with this state, and these parts of it.
    pub(super) fn ends_together(
        &self,
        who: MemberId,
        endorsement: Endorsement,
        parts: Vec<Approval>,
        ctx: &mut Context<Self>,
        then: impl FnOnce(bool) + 'static,
    ) {
        let change = self.of_endorsement(FactKind::ApprovalEnded, who, &endorsement, &parts);
        self.change(ctx, change, move |this, is_saved, ctx| {
            if is_saved {
                this.desk.put_endorsement(endorsement);
                let ids: Vec<_> = parts.iter().map(|part| part.id).collect();
                parts.into_iter().for_each(|part| this.desk.put_approval(part));
                ids.into_iter().for_each(|id| this.wake(id, ctx));
            }
            then(is_saved);
        });
    }

    fn of_endorsement(&self, kind: FactKind, who: MemberId, endorsement: &Endorsement, parts: &[Approval]) -> (Vec<Write>, Fact) {
        let detail = format!("{} calls: {}", endorsement.calls().len(), word(&endorsement.state));
        let subject = endorsement.id.to_string();
        let fact = Fact { kind, who: Some(who), subject, detail, content: Some(endorsement.fingerprint), at: self.now() };
        let whole = std::iter::once(Write::Endorsement(endorsement.clone()));
        (whole.chain(parts.iter().cloned().map(Write::Approval)).collect(), fact)
    }
}

/// One question about what is a member's own to decide.
fn propose(calls: Vec<Approval>, texts: Vec<Text>, now: Timestamp) -> Option<(MemberId, Endorsement)> {
    let endorsement = Endorsement::propose(calls, texts, now).ok()?;
    match endorsement.concern {
        Concern::Own(member) => Some((member, endorsement)),
        Concern::Minor(_) | Concern::House => None,
    }
}

// === handlers ===

impl Handler<Foresee> for PolicyActor {
    type Result = ResponseFuture<Foreseen>;

    fn handle(&mut self, Foresee(question): Foresee, ctx: &mut Context<Self>) -> Self::Result {
        let answered = self.decide(&question, Mode::Foresee, ctx);
        Box::pin(async { answered.await.unwrap_or(Foreseen::Decided(Decision::Deny(Refusal::Unavailable))) })
    }
}

impl Handler<AskAbout> for PolicyActor {
    type Result = ResponseFuture<Result<(), Refusal>>;

    fn handle(&mut self, AskAbout(inquiry): AskAbout, ctx: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        let then = move |is_asked| drop(answer.send(if is_asked { Ok(()) } else { Err(Refusal::Unavailable) }));
        match inquiry.calls.as_slice() {
            [one] => self.ask(one.clone(), inquiry.alone, then, ctx),
            _ => self.ask_together(*inquiry, then, ctx),
        }
        Box::pin(async { answered.await.unwrap_or(Err(Refusal::Unavailable)) })
    }
}

impl Handler<WaitingTogether> for PolicyActor {
    type Result = MessageResult<WaitingTogether>;

    fn handle(&mut self, WaitingTogether(member): WaitingTogether, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.desk.endorsements().filter(|one| one.is_for(&member)).cloned().collect())
    }
}
