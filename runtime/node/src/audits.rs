//! What the local socket serves of the journal: what concerns a member, and why the house said something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hearth_actors::audit::ListEntries;
use hearth_actors::household::{ListHousehold, Resolve, Resolved, Who};
use hearth_actors::tree::Doors;
use hearth_domain::household::{Member, MemberId, Role};
use hearth_domain::ids::MessageId;
use hearth_domain::journal::Entry;
use hearth_domain::journal::told::{Reader, sentence};
use hearth_domain::message::Author;
use hearth_domain::store::Store;
use hearth_domain::time::{Clock as _, Timestamp};
use jiff::civil::Date;
use jiff::{Span, Zoned};

use hearth_adapters::system::SystemClock;

use crate::wire::audit::{AuditAnswer, AuditAsk, Told};

/// How long the household, the journal and the store may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Messages among which the last one of the house is looked for.
const RECENT: usize = 50;
/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";
/// Sentence for a message that is not there, or not theirs.
const NO_MESSAGE: &str = "there is no such message of the house; `hearth chat --once … --json` and the page show their ids";

/// Serves one client's wish.
pub async fn serve(doors: &Doors, store: &Arc<dyn Store>, identity: Option<String>, ask: AuditAsk) -> Result<AuditAnswer, String> {
    match ask {
        AuditAsk::List { since, before, limit } => {
            let Resolved { member, .. } = resolved(doors, identity, String::new()).await?;
            let now = SystemClock.wall().to_zoned(member.time_zone());
            let since = since.map(|since| when(&since, &now)).transpose()?;
            let children = children(doors, &member).await?;
            let names = names(doors).await;
            let asked = ListEntries { reader: Reader { member: member.clone(), children }, since, before, limit };
            let listed = doors.entries.ask(asked, ANSWER).await.map_err(|_| BUSY.to_owned())?.map_err(|error| error.to_string())?;
            let entries = listed.entries.iter().map(|entry| told(entry, &member, &names)).collect();
            Ok(AuditAnswer::Listed { entries, before: listed.before })
        }
        AuditAsk::Why { message, thread } => why(doors, store, identity, message, thread).await,
    }
}

async fn why(
    doors: &Doors,
    store: &Arc<dyn Store>,
    identity: Option<String>,
    message: Option<String>,
    thread: String,
) -> Result<AuditAnswer, String> {
    let Resolved { member, place, .. } = resolved(doors, identity, thread).await?;
    let id: Option<MessageId> = match message {
        Some(id) => Some(id.parse().map_err(|_| format!("`{id}` is no id of a message; give one, or `last`"))?),
        None => {
            let recent = read(store.recent(place.conversation, RECENT)).await?;
            recent.iter().rev().find(|said| said.author == Author::House).map(|said| said.id)
        }
    };
    let account = read(store.account(id.ok_or(NO_MESSAGE)?)).await?;
    let account = account.filter(|account| account.may_be_asked_by(&member)).ok_or(NO_MESSAGE)?;
    let mut approvals = BTreeMap::new();
    for id in account.questions().collect::<BTreeSet<_>>() {
        approvals.extend(read(store.approval(id)).await?.map(|approval| (id, approval)));
    }
    let why = account.explain(&approvals);
    let names = names(doors).await;
    let lines = why.lines(|id| name_of(&names, id));
    Ok(AuditAnswer::Why { why: Box::new(why), lines })
}

async fn read<T>(asked: hearth_domain::store::StoreFuture<T>) -> Result<T, String> {
    tokio::time::timeout(ANSWER, asked).await.map_err(|_| BUSY.to_owned())?.map_err(|error| error.to_string())
}

async fn resolved(doors: &Doors, identity: Option<String>, thread: String) -> Result<Resolved, String> {
    let resolved = doors.resolve.ask(Resolve { identity, thread }, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    resolved.map_err(|error| error.to_string())
}

/// Those whom an adult looks after: the children and teens of whom they are a guardian, and children without one.
async fn children(doors: &Doors, member: &Member) -> Result<BTreeSet<MemberId>, String> {
    if !matches!(member.role, Role::Owner | Role::Adult) {
        return Ok(BTreeSet::new());
    }
    let listed = doors.household.list.ask(ListHousehold { by: member.id }, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    let rows = listed.map_err(|error| error.to_string())?.members.into_iter().map(|(row, _)| row);
    let theirs = rows.filter(|row| match row.member.role {
        Role::Child => row.guardians.is_empty() || row.guardians.contains(&member.id),
        Role::Teen => row.guardians.contains(&member.id),
        Role::Owner | Role::Adult | Role::Guest => false,
    });
    Ok(theirs.map(|row| row.member.id).collect())
}

/// The names of members; whoever is gone is shown by their id.
pub async fn names(doors: &Doors) -> BTreeMap<MemberId, String> {
    let members = doors.who.ask(Who, ANSWER).await.unwrap_or_default();
    members.into_iter().map(|member| (member.id, member.name)).collect()
}

/// The name of a member.
#[must_use]
pub fn name_of(names: &BTreeMap<MemberId, String>, id: MemberId) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

fn told(entry: &Entry, member: &Member, names: &BTreeMap<MemberId, String>) -> Told {
    let name = |id| name_of(names, id);
    let kind = serde_json::to_value(entry.fact.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    Told {
        seq: entry.seq,
        at: shown(entry.fact.at, member),
        kind: kind.unwrap_or_default(),
        who: entry.fact.who.map(name),
        subject: entry.fact.subject.clone(),
        detail: entry.fact.detail.clone(),
        text: sentence(entry, name),
    }
}

/// A time as a member reads it.
#[must_use]
pub fn shown(at: Timestamp, member: &Member) -> String {
    at.to_zoned(member.time_zone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A time, a day, or a span before now.
fn when(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        return day.to_zoned(now.time_zone().clone()).map(|day| day.timestamp()).map_err(|error| error.to_string());
    }
    let ago = text.parse::<Span>().ok().and_then(|span| now.checked_sub(span).ok());
    ago.map(|at| at.timestamp())
        .ok_or_else(|| format!("`{text}` is no time: use a day (2026-11-26), a time (2026-11-26T08:00:00Z) or a span (3d, 2h)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_a_day_or_a_span() {
        let now: Zoned = "2026-11-26T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let at = |text: &str| when(text, &now).map(|at| at.to_string());
        assert_eq!(at("2026-11-20T08:00:00Z").as_deref(), Ok("2026-11-20T08:00:00Z"));
        assert_eq!(at("2026-11-20").as_deref(), Ok("2026-11-19T23:00:00Z"));
        assert_eq!(at("3d").as_deref(), Ok("2026-11-23T11:00:00Z"));
        assert_eq!(at("2h").as_deref(), Ok("2026-11-26T09:00:00Z"));
        assert!(at("yesterday").unwrap_err().contains("no time"));
    }
}
