//! The stop of the house, and its end: at once, and over restarts.

use hearth_domain::household::Member;
use hearth_domain::ids::MemberId;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::policy::Freeze;
use hearth_domain::store::Write;
use hearth_supervisor::context::Context;
use tokio::sync::oneshot;

use super::PolicyActor;

impl PolicyActor {
    /// Counts at once: whoever says this does not wait for a disk. Said again, it is saved again.
    pub(super) fn stop_house(&mut self, who: &Member, answer: oneshot::Sender<Result<String, String>>, ctx: &mut Context<Self>) {
        if !Freeze::may_be_changed_by(who.role) {
            let _ = answer.send(Err("Stopping the whole house is for an adult. /stop ends what runs for you.".to_owned()));
            return;
        }
        let freeze = self.desk.freeze().unwrap_or(Freeze { by: who.id, at: self.now() });
        self.desk.set_freeze(Some(freeze));
        self.frozen.set(true);
        tracing::warn!(by = %who.id, "the house is stopped");
        let change = (vec![Write::Freeze(Some(freeze))], self.of_house(FactKind::Stopped, who.id));
        self.change(ctx, change, move |_, is_saved, _| {
            let stopped = "The house is stopped: nothing is done and nothing leaves it, until an adult says /estop lift.".to_owned();
            let unsaved = "The house is stopped, but that could not be saved: a restart would lift it. Say it again.".to_owned();
            let _ = answer.send(if is_saved { Ok(stopped) } else { Err(unsaved) });
        });
    }

    /// Counts when it is saved.
    pub(super) fn lift(&self, who: &Member, answer: oneshot::Sender<Result<String, String>>, ctx: &mut Context<Self>) {
        let refused = match self.desk.freeze() {
            _ if !Freeze::may_be_changed_by(who.role) => Some(Err("Lifting the stop of the house is for an adult.".to_owned())),
            None => Some(Ok("The house is not stopped.".to_owned())),
            Some(_) => None,
        };
        if let Some(said) = refused {
            let _ = answer.send(said);
            return;
        }
        let change = (vec![Write::Freeze(None)], self.of_house(FactKind::Lifted, who.id));
        self.change(ctx, change, move |this, is_saved, _| {
            if is_saved {
                this.desk.set_freeze(None);
                this.frozen.set(false);
            }
            let said =
                if is_saved { Ok("The house goes on.") } else { Err("That could not be saved; the house is still stopped. Say it again.") };
            let _ = answer.send(said.map(str::to_owned).map_err(str::to_owned));
        });
    }

    fn of_house(&self, kind: FactKind, who: MemberId) -> Fact {
        Fact { kind, who: Some(who), subject: "house".to_owned(), detail: String::new(), content: None, at: self.now() }
    }
}
