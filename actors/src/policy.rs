//! The policy actor: every decision upon an effect, in one place, outside every model's context; and what people answered.
//!
//! ```text
//!  Decide ─▶ desk ─▶ Allow | Deny
//!               └──▶ question saved ─▶ card told ─▶ Ask ···▶ Wait ─┬─ yes ─▶ used up, saved ─▶ Ok: the call may run
//!                                                                  └─ no, withdrawn, its time over ─▶ refused
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Decide`] | [`Decision`] | may this call run? |
//! | [`Wait`] | `Result<(), Refusal>` | until a person has answered about a call |
//! | [`Foresee`](together::Foresee), [`AskAbout`](together::AskAbout) | [`Foreseen`] | the same for several calls, about which a person is asked at once |
//! | [`Withdraw`] | | nobody waits for that answer any more |
//! | [`TakeReply`] | sentence | a member's answer, or the stop of the house and its end |
//! | [`Stopped`] | freeze | what the house is stopped by |
//! | [`Waiting`] | questions | what waits for a member's answer |
//! | [`Granted`], [`TakeBack`] | grants | what was allowed, and an end of it |
//! | → `Announce` | | cards |
//!
//! Permanent. The one owner of questions and grants: each change is in the store before it counts, and no other message is taken meanwhile, so that
//! the first answer wins. A restart loses nothing but who waits; they ask again. An asker that gets no answer denies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, MessageResult, ResponseFuture, WrapFuture};
use hearth_domain::approval::grant::Grant;
use hearth_domain::approval::reply::{Reply, Word};
use hearth_domain::approval::{Answer, Approval, State, Why};
use hearth_domain::flow::call::Call;
use hearth_domain::household::Member;
use hearth_domain::ids::{ApprovalId, GrantId, MemberId};
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::limits::Limits;
use hearth_domain::policy::{Decision, Foreseen, Freeze, Question, Refusal};
use hearth_domain::store::{Commit, Write};
use hearth_domain::time::Timestamp;
use hearth_rules::rules::Rules;
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;
use tokio::sync::oneshot;

use crate::budget::Purse;
use crate::frozen::Frozen;
use crate::household::Who;
use crate::ports::Ports;
use crate::scheduler::Announce;
use crate::store::{Save, Settle};
use desk::{Desk, Meant, Ruling};
use together::Said;

pub mod bench;
mod desk;
mod showing;
mod stopping;
pub mod together;

/// How often it is looked whose time is over.
const SWEEP: Duration = Duration::from_secs(5);
/// May this call run?
#[derive(Debug, Message)]
#[rtype(result = "Decision")]
pub struct Decide(pub Box<Question>);

/// Answer when a person has answered about exactly this call: it may run once, now, or not.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct Wait {
    /// The question.
    pub approval: ApprovalId,
    /// The call.
    pub call: Box<Call>,
}

/// Nobody waits for the answer to this question any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Withdraw(pub ApprovalId);

/// A member answers a question, or stops the house; what became of it, as a sentence.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, String>")]
pub struct TakeReply {
    /// Who, as their channel knows them.
    pub who: MemberId,
    /// What.
    pub word: Word,
}

/// What is the house stopped by?
#[derive(Debug, Message)]
#[rtype(result = "Option<Freeze>")]
pub struct Stopped;

/// The questions that wait for this member's answer.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Approval>")]
pub struct Waiting(pub Member);

/// What stands of what this member was allowed, or has allowed.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Grant>")]
pub struct Granted(pub Member);

/// This member takes a grant back; whether it was theirs to take.
#[derive(Debug, Message)]
#[rtype(result = "Result<Grant, String>")]
pub struct TakeBack {
    /// Who.
    pub who: Member,
    /// Which.
    pub grant: GrantId,
}

/// To whom policy speaks.
#[derive(Debug, Clone)]
pub struct Links {
    /// To the store.
    pub save: Link<Save>,
    /// To the store.
    pub settle: Link<Settle>,
    /// To the conversations.
    pub announce: Link<Announce>,
    /// To the household.
    pub who: Link<Who>,
}

/// What becomes of a call about which a person has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They are asked.
    Ask,
    /// It is only said what they would be asked.
    Foresee,
}

/// Somebody who waits for a person.
struct Asker {
    call: Call,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

/// The policy actor.
pub struct PolicyActor {
    desk: Desk,
    askers: BTreeMap<ApprovalId, Vec<Asker>>,
    /// Questions that nobody was shown yet, and whether whoever asked is alone there: they are shown once somebody waits for the answer, which
    /// is when the conversation has saved that it does.
    unshown: BTreeMap<ApprovalId, bool>,
    frozen: Frozen,
    ports: Ports,
    links: Links,
    limits: Limits,
}

impl std::fmt::Debug for PolicyActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyActor").field("asked", &self.askers.len()).finish_non_exhaustive()
    }
}

impl PolicyActor {
    /// With the questions and grants of the store.
    pub async fn load(
        rules: Arc<Rules>,
        (frozen, purse): (Frozen, Purse),
        ports: Ports,
        links: Links,
        limits: Limits,
    ) -> Result<Self, StartError> {
        crate::store::settled(&links.settle, &limits).await?;
        let unread = |error| StartError::caused_by("the questions that wait could not be read", error);
        let approvals = ports.store.open_approvals().await.map_err(unread)?;
        let grants = ports.store.grants(None).await.map_err(unread)?;
        let endorsements = ports.store.open_endorsements().await.map_err(unread)?;
        let freeze = ports.store.freeze().await.map_err(unread)?;
        frozen.set(freeze.is_some());
        let mut desk = Desk::new(rules, approvals, grants, freeze).with_purse(purse);
        endorsements.into_iter().for_each(|endorsement| desk.put_endorsement(endorsement));
        Ok(Self { desk, askers: BTreeMap::new(), unshown: BTreeMap::new(), frozen, ports, links, limits })
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.wall()
    }

    /// Saves a change, and takes no other message until it is known what became of it; then does the rest with whether it is saved.
    fn change(
        &self,
        ctx: &mut Context<Self>,
        (writes, fact): (Vec<Write>, Fact),
        then: impl FnOnce(&mut Self, bool, &mut Context<Self>) + 'static,
    ) {
        let saved = self.links.save.ask(Save(Commit { writes, fact }), self.limits.commit_deadline);
        ctx.wait(saved.into_actor(self).map(|saved, this, ctx| {
            let is_saved = matches!(saved, Ok(Ok(())));
            if !is_saved {
                tracing::warn!("a question or grant could not be saved; it does not count");
            }
            then(this, is_saved, ctx);
        }));
    }

    fn of_approval(&self, kind: FactKind, who: MemberId, approval: &Approval) -> (Vec<Write>, Fact) {
        let mut detail = format!("{}: {}", approval.call.function, word(&approval.state));
        if kind == FactKind::ApprovalAsked {
            let whys: BTreeSet<_> = approval.card.whys.iter().map(Why::word).collect();
            detail.push_str(&format!(", {}", whys.into_iter().collect::<Vec<_>>().join(" ")));
        }
        let (subject, detail) = (approval.id.to_string(), on_behalf(detail, who, approval.call.member));
        let fact = Fact { kind, who: Some(who), subject, detail, content: Some(approval.fingerprint), at: self.now() };
        (vec![Write::Approval(approval.clone())], fact)
    }

    /// A grant was used for this effect, or taken back.
    fn of_grant(&self, who: MemberId, grant: &Grant, used_for: Option<Digest>) -> (Vec<Write>, Fact) {
        let what = if used_for.is_some() { "used" } else { "taken back" };
        let detail = on_behalf(format!("{}: {what}", grant.function), who, grant.member);
        let subject = grant.id.to_string();
        let fact = Fact { kind: FactKind::GrantChanged, who: Some(who), subject, detail, content: used_for, at: self.now() };
        (vec![Write::Grant(grant.clone())], fact)
    }

    fn of_refusal(&self, question: &Question, refusal: &Refusal) -> (Vec<Write>, Fact) {
        let fact = Fact {
            kind: FactKind::Decided,
            who: Some(question.member.id),
            subject: question.call.to_string(),
            detail: format!("{}: refused, {}", question.function.name, refusal.word()),
            content: Some(question.exact().fingerprint()),
            at: self.now(),
        };
        (Vec::new(), fact)
    }

    fn decide(&mut self, question: &Question, mode: Mode, ctx: &mut Context<Self>) -> oneshot::Receiver<Foreseen> {
        let (answer, answered) = oneshot::channel();
        let member = question.member.id;
        let began = self.ports.clock.mono();
        let ruling = self.desk.rule(question, self.now());
        self.ports.meter.decided(self.ports.clock.mono().since(began));
        match ruling {
            Ruling::Decided(Decision::Deny(refusal)) => {
                tracing::warn!(call = %question.call, tool = question.function.name, %member, %refusal, "denied");
                let change = self.of_refusal(question, &refusal);
                // A no counts whether it could be written or not. The asker may be gone.
                self.change(ctx, change, move |_, _, _| says(answer, Decision::Deny(refusal)));
            }
            Ruling::Decided(decision) => says(answer, decision),
            Ruling::Ask(approval) if mode == Mode::Foresee => drop(answer.send(Foreseen::Asks(approval))),
            Ruling::Ask(approval) => {
                let alone = question.audience.iter().all(|(present, _)| present == member);
                let id = approval.id;
                let then = move |is_asked| says(answer, if is_asked { Decision::Ask(id) } else { Decision::Deny(Refusal::Unavailable) });
                self.ask(*approval, alone, then, ctx);
            }
            Ruling::Approved(approval, taken) => {
                let change = self.of_approval(FactKind::ApprovalUsed, member, &approval);
                self.change(ctx, change, move |this, is_saved, _| {
                    if is_saved {
                        this.desk.put_approval(*approval);
                    }
                    says(answer, if is_saved { Decision::Allow(taken) } else { Decision::Deny(Refusal::Unavailable) });
                });
            }
            Ruling::Granted(grant, taken) => {
                let change = self.of_grant(member, &grant, Some(question.exact().fingerprint()));
                self.change(ctx, change, move |this, is_saved, _| {
                    if is_saved {
                        this.desk.put_grant(*grant);
                    }
                    says(answer, if is_saved { Decision::Allow(taken) } else { Decision::Deny(Refusal::Unavailable) });
                });
            }
        }
        answered
    }

    // === people ===

    /// Asks people, when it is known who may see what of it. Nothing else is decided meanwhile, so that nobody is asked twice.
    fn ask(&self, approval: Approval, alone: bool, then: impl FnOnce(bool) + 'static, ctx: &mut Context<Self>) {
        let members = self.links.who.ask(Who, self.limits.ask_deadline);
        ctx.wait(members.into_actor(self).map(move |members, this, ctx| {
            let Ok(members) = members else { return then(false) };
            let approval = approval.among(&members);
            let change = this.of_approval(FactKind::ApprovalAsked, approval.call.member, &approval);
            this.change(ctx, change, move |this, is_saved, _| {
                if is_saved {
                    this.unshown.insert(approval.id, alone);
                    this.desk.put_approval(approval);
                }
                then(is_saved);
            });
        }));
    }

    fn take_reply(&mut self, who: &Member, reply: &Reply, answer: oneshot::Sender<Result<String, String>>, ctx: &mut Context<Self>) {
        if self.desk.freeze().is_some() && reply.answer != Answer::No {
            let _ = answer.send(Err("The house is stopped: lift that first with /estop lift, or say /no.".to_owned()));
            return;
        }
        let approval = match self.desk.meant(who, reply) {
            Ok(Meant::One(approval)) => Ok(*approval),
            Ok(Meant::Several(several)) => {
                let said = Said { by: who.clone(), answer: reply.answer, told: answer };
                return self.answer_together(*several, said, ctx);
            }
            Err(sentence) => Err(sentence),
        };
        let taken = approval.and_then(|mut approval| {
            let grant = approval.answer(who, reply.answer, self.now(), GrantId::fresh(&*self.ports.ids));
            grant.map(|grant| (approval, grant)).map_err(|error| format!("That did not count: {error}."))
        });
        let (approval, grant) = match taken {
            Ok(taken) => taken,
            Err(sentence) => {
                let _ = answer.send(Err(sentence));
                return;
            }
        };
        let lets_see = approval.state == State::Pending;
        let kind = if lets_see { FactKind::ConsentGiven } else { FactKind::ApprovalEnded };
        let (mut writes, mut fact) = self.of_approval(kind, who.id, &approval);
        if lets_see {
            fact.content = Some(approval.shown_values());
        }
        if let Some(grant) = &grant {
            fact.detail.push_str(&format!(" gives {}", grant.id));
            writes.push(Write::Grant(grant.clone()));
        }
        let sentence = match reply.answer {
            Answer::No => format!("Noted: `{}` is not done.", approval.card.function),
            _ if lets_see => "Noted: an adult is asked now.".to_owned(),
            Answer::Always => format!("Noted: `{}` is done, and from now on whenever it hits the same.", approval.card.function),
            Answer::Once | Answer::Times(_) | Answer::Until(_) => format!("Noted: `{}` is done.", approval.card.function),
        };
        self.change(ctx, (writes, fact), move |this, is_saved, ctx| {
            if is_saved {
                let id = approval.id;
                this.desk.put_approval(approval);
                grant.into_iter().for_each(|grant| this.desk.put_grant(grant));
                if lets_see {
                    this.tell_pending(id, false, ctx);
                } else {
                    this.wake(id, ctx);
                }
            }
            let _ = answer.send(if is_saved { Ok(sentence) } else { Err("Your answer could not be saved; say it again.".to_owned()) });
        });
    }

    /// Tells those who wait what became of a question.
    fn wake(&mut self, id: ApprovalId, ctx: &mut Context<Self>) {
        for asker in self.askers.remove(&id).unwrap_or_default() {
            self.settle(id, asker, ctx);
        }
    }

    fn settle(&mut self, id: ApprovalId, asker: Asker, ctx: &mut Context<Self>) {
        let refusal = match self.desk.approval(id).map(|approval| approval.state) {
            Some(State::Pending) => {
                self.askers.entry(id).or_default().push(asker);
                return;
            }
            Some(State::Approved { .. }) => return self.let_go(id, asker, ctx),
            Some(State::Denied { .. }) => Refusal::Refused,
            Some(State::Expired { .. } | State::Used { .. }) | None => Refusal::Expired,
        };
        let _ = asker.answer.send(Err(refusal));
    }

    /// Uses the approval up, and lets the call go when that is saved.
    fn let_go(&mut self, id: ApprovalId, Asker { call, answer }: Asker, ctx: &mut Context<Self>) {
        if self.desk.freeze().is_some() {
            let _ = answer.send(Err(Refusal::Frozen));
            return;
        }
        let now = self.now();
        let mut approval = self.desk.approval(id).cloned();
        let Some(Ok(())) = approval.as_mut().map(|approval| approval.run(&call, now)) else {
            let _ = answer.send(Err(Refusal::Expired));
            return;
        };
        let Some(approval) = approval else { return };
        let change = self.of_approval(FactKind::ApprovalUsed, call.member, &approval);
        self.change(ctx, change, move |this, is_saved, _| {
            if is_saved {
                this.desk.put_approval(approval);
            }
            let _ = answer.send(if is_saved { Ok(()) } else { Err(Refusal::Unavailable) });
        });
    }

    /// Ends what is over, one after the other.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        if let Some(approval) = self.desk.expired(now).into_iter().next() {
            self.end(approval, ctx);
        } else if let Some((endorsement, member)) = self.desk.expired_endorsement(now).and_then(|one| Some((one.clone(), one.member()?))) {
            self.ends_together(member, endorsement, Vec::new(), ctx, |_| ());
        }
    }

    fn end(&self, approval: Approval, ctx: &mut Context<Self>) {
        let change = self.of_approval(FactKind::ApprovalEnded, approval.call.member, &approval);
        self.change(ctx, change, move |this, is_saved, ctx| {
            if is_saved {
                let id = approval.id;
                this.unshown.remove(&approval.part_of.unwrap_or(id));
                this.desk.put_approval(approval);
                this.wake(id, ctx);
                this.sweep(ctx);
            }
        });
    }
}

/// The asker may be gone.
fn says(answer: oneshot::Sender<Foreseen>, decision: Decision) {
    let _ = answer.send(Foreseen::Decided(decision));
}

/// A state as a closed word.
const fn word(state: &State) -> &'static str {
    match state {
        State::Pending => "asked",
        State::Approved { .. } => "yes",
        State::Denied { .. } => "no",
        State::Expired { .. } => "over",
        State::Used { .. } => "used",
    }
}

/// A detail of a fact whose `who` acted for somebody else, with whom.
fn on_behalf(detail: String, who: MemberId, member: MemberId) -> String {
    if who == member { detail } else { format!("{detail} for {member}") }
}

// === impl Actor ===

impl Actor for PolicyActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(SWEEP, Self::sweep);
    }
}

impl Handler<Decide> for PolicyActor {
    type Result = ResponseFuture<Decision>;

    fn handle(&mut self, Decide(question): Decide, ctx: &mut Context<Self>) -> Self::Result {
        let answered = self.decide(&question, Mode::Ask, ctx);
        Box::pin(async {
            match answered.await {
                Ok(Foreseen::Decided(decision)) => decision,
                Ok(Foreseen::Asks(_)) | Err(_) => Decision::Deny(Refusal::Unavailable),
            }
        })
    }
}

impl Handler<Wait> for PolicyActor {
    type Result = ResponseFuture<Result<(), Refusal>>;

    fn handle(&mut self, Wait { approval, call }: Wait, ctx: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.settle(approval, Asker { call: *call, answer }, ctx);
        self.show(approval, ctx);
        Box::pin(async { answered.await.unwrap_or(Err(Refusal::Unavailable)) })
    }
}

impl Handler<Withdraw> for PolicyActor {
    type Result = ();

    fn handle(&mut self, Withdraw(id): Withdraw, ctx: &mut Context<Self>) {
        let Some(mut approval) = self.desk.approval(id).filter(|approval| !approval.state.is_final()).cloned() else { return };
        if let Some(whole) = approval.part_of {
            return self.withdraw_together(whole, ctx);
        }
        approval.state = State::Expired { at: self.now() };
        self.end(approval, ctx);
    }
}

impl Handler<TakeReply> for PolicyActor {
    type Result = ResponseFuture<Result<String, String>>;

    fn handle(&mut self, TakeReply { who, word }: TakeReply, ctx: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        // The role that the person has now.
        let members = self.links.who.ask(Who, self.limits.ask_deadline);
        ctx.spawn(members.into_actor(self).map(move |members, this, ctx| {
            match (members.unwrap_or_default().iter().find(|member| member.id == who), word) {
                (Some(member), Word::Reply(reply)) => this.take_reply(member, &reply, answer, ctx),
                (Some(member), Word::Estop) => this.stop_house(member, answer, ctx),
                (Some(member), Word::Lift) => this.lift(member, answer, ctx),
                (None, _) => drop(answer.send(Err("The house does not know you.".to_owned()))),
            }
        }));
        Box::pin(async { answered.await.unwrap_or_else(|_| Err("The house is busy; say it again.".to_owned())) })
    }
}

impl Handler<Stopped> for PolicyActor {
    type Result = MessageResult<Stopped>;

    fn handle(&mut self, _: Stopped, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.desk.freeze())
    }
}

impl Handler<Waiting> for PolicyActor {
    type Result = MessageResult<Waiting>;

    fn handle(&mut self, Waiting(member): Waiting, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.desk.pending().filter(|approval| approval.is_for(&member)).cloned().collect())
    }
}

impl Handler<Granted> for PolicyActor {
    type Result = MessageResult<Granted>;

    fn handle(&mut self, Granted(member): Granted, _: &mut Context<Self>) -> Self::Result {
        // What a grant hits is its member's own matter, and that of whoever allowed it.
        let theirs = |grant: &&Grant| grant.member == member.id || grant.by == member.id;
        MessageResult(self.desk.standing(self.now()).filter(theirs).cloned().collect())
    }
}

impl Handler<TakeBack> for PolicyActor {
    type Result = ResponseFuture<Result<Grant, String>>;

    fn handle(&mut self, TakeBack { who, grant }: TakeBack, ctx: &mut Context<Self>) -> Self::Result {
        let now = self.now();
        let found = self.desk.standing(now).find(|known| known.id == grant).cloned();
        let Some(mut found) = found else {
            return Box::pin(std::future::ready(Err("no such grant stands".to_owned())));
        };
        if !found.revoke(&who, now) {
            return Box::pin(std::future::ready(Err("that grant is not yours to take back".to_owned())));
        }
        let (answer, answered) = oneshot::channel();
        let change = self.of_grant(who.id, &found, None);
        self.change(ctx, change, move |this, is_saved, _| {
            let _ = answer.send(if is_saved { Ok(found.clone()) } else { Err("that could not be saved; try again".to_owned()) });
            if is_saved {
                this.desk.put_grant(found);
            }
        });
        Box::pin(async { answered.await.unwrap_or_else(|_| Err("the house is busy; try again".to_owned())) })
    }
}
