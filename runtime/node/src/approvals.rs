//! What the local socket serves of policy: questions that wait, answers, what was allowed, and what was used of budgets.

use std::time::Duration;

use hearth_actors::budget::Used;
use hearth_actors::household::Resolve;
use hearth_actors::policy::together::WaitingTogether;
use hearth_actors::policy::{Granted, TakeBack, TakeReply, Waiting};
use hearth_actors::tree::Doors;
use hearth_domain::approval::reply::{Word, code};
use hearth_domain::household::Member;
use hearth_domain::ids::GrantId;

use crate::wire::policy::{self, PolicyAnswer, PolicyAsk};

/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";

/// Serves one client's wish.
pub async fn serve(doors: &Doors, deadline: Duration, identity: Option<String>, ask: PolicyAsk) -> Result<PolicyAnswer, String> {
    let member = member(doors, deadline, identity).await?;
    let door = &doors.policy;
    match ask {
        PolicyAsk::Waiting => {
            let waiting = door.waiting.ask(Waiting(member.clone()), deadline).await.map_err(|_| BUSY.to_owned())?;
            let questions = waiting.into_iter().filter_map(|approval| {
                let (code, until, mine) = (code(approval.id), approval.expires.to_string(), approval.call.member == member.id);
                let text = approval.question_for(&member)?;
                let exact = policy::Exact { function: approval.call.function, arguments: approval.call.arguments };
                Some(policy::Waiting { code, text, until, call: mine.then_some(exact) })
            });
            let mut questions: Vec<_> = questions.collect();
            let several = door.waiting_together.ask(WaitingTogether(member.clone()), deadline).await.map_err(|_| BUSY.to_owned())?;
            questions.extend(several.into_iter().map(|one| policy::Waiting {
                code: code(one.id),
                text: one.sentence(),
                until: one.expires.to_string(),
                call: None,
            }));
            Ok(PolicyAnswer::Waiting { questions })
        }
        PolicyAsk::Reply { text } => {
            let word = Word::read(&text).ok_or("an answer is /yes, /no or /always, with the question's code of six letters")?;
            let taken = door.take_reply.ask(TakeReply { who: member.id, word }, deadline).await.map_err(|_| BUSY.to_owned())?;
            taken.map(|sentence| PolicyAnswer::Said { sentence })
        }
        PolicyAsk::Budget => {
            let used = door.used.ask(Used(member), deadline).await.map_err(|_| BUSY.to_owned())?;
            let members = used.into_iter().map(|one| {
                let (member, day) = (one.member.name, one.day.to_string());
                policy::Budgeted { member, day, used: one.used, cap: one.budget.day, turn: one.budget.turn }
            });
            Ok(PolicyAnswer::Budget { members: members.collect() })
        }
        PolicyAsk::Grants => {
            let reader = member.id;
            let granted = door.granted.ask(Granted(member), deadline).await.map_err(|_| BUSY.to_owned())?;
            let grants = granted.into_iter().map(|grant| policy::Granted { id: grant.id.to_string(), text: grant.sentence(reader) });
            Ok(PolicyAnswer::Grants { grants: grants.collect() })
        }
        PolicyAsk::Revoke { id } => {
            let grant: GrantId = id.parse().map_err(|_| format!("`{id}` is no id of a grant; see hearth grants"))?;
            let reader = member.id;
            let taken = door.take_back.ask(TakeBack { who: member, grant }, deadline).await.map_err(|_| BUSY.to_owned())?;
            taken.map(|grant| PolicyAnswer::Said { sentence: format!("Taken back: {}", grant.sentence(reader)) })
        }
    }
}

async fn member(doors: &Doors, deadline: Duration, identity: Option<String>) -> Result<Member, String> {
    let asked = Resolve { identity, thread: String::new() };
    let resolved = doors.resolve.ask(asked, deadline).await.map_err(|_| BUSY.to_owned())?;
    Ok(resolved.map_err(|error| error.to_string())?.member)
}
