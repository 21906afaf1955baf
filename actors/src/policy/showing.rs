//! Questions on their way to people: each is shown once, where its member asked and to the adults whose matter it is, until that is saved.

use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, WrapFuture as _};
use hearth_domain::approval::{Approval, State};
use hearth_domain::conversation::{Notice, Noticed};
use hearth_domain::household::{Member, Place};
use hearth_domain::ids::{ApprovalId, ConversationId, MemberId, ReminderId};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::time::Timestamp;
use hearth_supervisor::context::Context;

use super::PolicyActor;
use crate::channel::LOCAL;
use crate::household::Who;
use crate::scheduler::Announce;

/// Time until a card is told again, when that could not be saved.
const TELL_AGAIN: Duration = Duration::from_secs(5);

impl PolicyActor {
    /// Shows the question where its member asked, and to the adults whose matter it is.
    fn tell_cards(&self, approval: &Approval, alone: bool, members: &[Member], ctx: &mut Context<Self>) {
        let asker = approval.call.member;
        for (who, card) in approval.cards(members) {
            let here = if who == asker && alone { approval.call.conversation } else { Place::main(who) };
            self.tell(notice(approval.id, who, here, card, approval.asked), ctx);
        }
    }

    /// Shows a question for whose answer somebody waits. Who was shown it, in this life or another, is not shown it again.
    pub(super) fn show(&mut self, id: ApprovalId, ctx: &mut Context<Self>) {
        let Some(approval) = self.desk.approval(id).filter(|approval| approval.state == State::Pending) else { return };
        let alone = self.unshown.remove(&approval.part_of.unwrap_or(id)).unwrap_or(false);
        match approval.part_of.map(|whole| self.desk.endorsement(whole)) {
            Some(several) => several.into_iter().for_each(|several| self.tell_together(several, alone, ctx)),
            None => self.tell_pending(id, alone, ctx),
        }
    }

    pub(super) fn tell_pending(&self, id: ApprovalId, alone: bool, ctx: &mut Context<Self>) {
        let members = self.links.who.ask(Who, self.limits.ask_deadline);
        ctx.spawn(members.into_actor(self).map(move |members, this, ctx| match (members, this.desk.approval(id)) {
            (_, None) => {}
            (Ok(members), Some(approval)) if approval.state == State::Pending => this.tell_cards(approval, alone, &members, ctx),
            (Ok(_), Some(_)) => {}
            (Err(_), Some(_)) => drop(ctx.run_later(TELL_AGAIN, move |this, ctx| this.tell_pending(id, alone, ctx))),
        }));
    }

    pub(super) fn tell(&self, notice: Notice, ctx: &mut Context<Self>) {
        let said = self.links.announce.ask(Announce(Box::new(notice.clone())), self.limits.commit_deadline);
        ctx.spawn(said.into_actor(self).map(|said, _, ctx| {
            if !matches!(said, Ok(Noticed::Said(_) | Noticed::Before)) {
                ctx.run_later(TELL_AGAIN, move |this, ctx| this.tell(notice, ctx));
            }
        }));
    }
}

/// A card for somebody, once.
pub(super) fn notice(id: ApprovalId, member: MemberId, conversation: ConversationId, text: String, at: Timestamp) -> Notice {
    let reminder = Reminder {
        id: ReminderId::derived(&["approval", &id.to_string(), &member.to_string()]),
        member,
        conversation,
        channel: LOCAL.to_owned(),
        text: text.clone(),
        label: Label::new(Readers::only([member]), Integrity::House),
        due: at,
        first: at,
        zone: "UTC".to_owned(),
        every: None,
        state: ReminderState::Pending,
    };
    Notice { reminder, text }
}
