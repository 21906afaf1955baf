//! What the local socket serves of sessions at the page: which there are, and their end. Who may, `domain::session` decides.

use std::sync::Arc;
use std::time::Duration;

use hearth_actors::household::{Resolve, Who};
use hearth_actors::store::Save;
use hearth_actors::tree::Doors;
use hearth_adapters::system::SystemClock;
use hearth_domain::household::Member;
use hearth_domain::session::{EndError, Session, Which, end, may_see};
use hearth_domain::store::Store;
use hearth_domain::time::Clock as _;

use crate::wire::sessions::{SessionAnswer, SessionAsk, ShownSession};

/// How long the household and the store may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";
/// Sentence for a name that is nobody's, or not theirs to ask about.
const NOBODY: &str = "nobody of that name has sessions that you may see; see `hearth member list` for the members";

/// Serves one client's wish.
pub async fn serve(doors: &Doors, store: &Arc<dyn Store>, identity: Option<String>, ask: SessionAsk) -> Result<SessionAnswer, String> {
    let resolved = doors.resolve.ask(Resolve { identity, thread: String::new() }, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    let by = resolved.map_err(|error| error.to_string())?.member;
    let mut seen = doors.who.ask(Who, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    seen.retain(|member| may_see(&by, member));
    seen.sort_by_key(|member| (member.id != by.id, member.name.clone()));
    let sessions =
        tokio::time::timeout(ANSWER, store.sessions(None)).await.map_err(|_| BUSY.to_owned())?.map_err(|error| error.to_string())?;
    match ask {
        SessionAsk::List { of } => {
            let members = match of {
                Some(name) => vec![named(&seen, &name)?.clone()],
                None => seen,
            };
            Ok(SessionAnswer::Listed { sessions: members.iter().flat_map(|member| shown(member, &sessions)).collect() })
        }
        SessionAsk::Revoke { id } => {
            let unknown = EndError::Unknown.to_string();
            let id = id.trim().parse().map_err(|_| unknown.clone())?;
            let session = sessions.iter().find(|session| session.id == id).ok_or(unknown.clone())?;
            // That somebody else has a session is not said, either.
            let of = seen.iter().find(|member| member.id == session.member).ok_or(unknown)?;
            ended(doors, &by, of, Which::One(id), &sessions).await
        }
        SessionAsk::RevokeAll { of: None } => ended(doors, &by, &by, Which::All, &sessions).await,
        SessionAsk::RevokeAll { of: Some(name) } => ended(doors, &by, named(&seen, &name)?, Which::All, &sessions).await,
    }
}

fn named<'a>(seen: &'a [Member], name: &str) -> Result<&'a Member, String> {
    let name = name.trim().to_lowercase();
    seen.iter().find(|member| member.name.to_lowercase() == name).ok_or_else(|| NOBODY.to_owned())
}

async fn ended(doors: &Doors, by: &Member, of: &Member, which: Which, sessions: &[Session]) -> Result<SessionAnswer, String> {
    let (commit, count) = end(by, of, which, sessions, SystemClock.wall()).map_err(|error| error.to_string())?;
    let saved = doors.save.ask(Save(commit), ANSWER).await.map_err(|_| BUSY.to_owned())?;
    saved.map_err(|error| error.to_string())?;
    Ok(SessionAnswer::Ended { count })
}

/// Those of a member that are good.
fn shown(member: &Member, sessions: &[Session]) -> Vec<ShownSession> {
    let now = SystemClock.wall();
    let good = sessions.iter().filter(|session| session.check(Some(member), now).is_ok());
    good.map(|session| ShownSession {
        id: session.id.to_string(),
        member: member.name.clone(),
        device: session.device.clone(),
        at: session.at.to_string(),
        seen: session.seen.to_string(),
        until: session.until.to_string(),
    })
    .collect()
}
