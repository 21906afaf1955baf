//! Sessions at the page: found, listed, used and ended.

use hearth_domain::household::record::HouseholdWrite;
use hearth_domain::ids::SessionId;
use hearth_domain::session::Session;
use hearth_domain::store::Write;

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{at, session, who};

pub(super) const CHECKS: &[Check] = &[
    check("sessions are listed for a member and for all, oldest first", |house| boxed(listed(house))),
    check("a session says when it was used", |house| boxed(used(house))),
    check("a session that was ended stays ended when it is used meanwhile", |house| boxed(ended(house))),
    check("a member's sessions end together, and nobody else's", |house| boxed(together(house))),
];

fn bobs(name: &str) -> Session {
    Session { member: who("bob"), ..session(name) }
}

async fn listed(mut house: House) -> Outcome {
    let (first, second, other) = (session("phone"), Session { at: at(-5), ..session("tablet") }, bobs("laptop"));
    house.write([first.clone(), second.clone(), other.clone()].map(Write::Session)).await?;
    house.reopen().await?;
    same("ada's", &house.store.sessions(Some(who("ada"))).await?, &vec![second, first])?;
    same("bob's", &house.store.sessions(Some(who("bob"))).await?, &vec![other])?;
    same("nobody's", &house.store.sessions(Some(who("eve"))).await?, &Vec::new())?;
    same("all", &house.store.sessions(None).await?.len(), &3)
}

async fn used(mut house: House) -> Outcome {
    let (here, there) = (session("phone"), session("tablet"));
    // In the group that begins it, and in a later one.
    let seen = |session: &Session, seconds| Write::SessionSeen { id: session.id, at: at(seconds) };
    house.write([Write::Session(here.clone()), seen(&here, 40), Write::Session(there.clone())]).await?;
    same("the first", &house.store.session(here.token).await?, &Some(Session { seen: at(40), ..here.clone() }))?;
    house.write([seen(&there, 50), seen(&here, 60)]).await?;
    house.reopen().await?;
    same("the first again", &house.store.session(here.token).await?, &Some(Session { seen: at(60), ..here }))?;
    same("the second", &house.store.session(there.token).await?, &Some(Session { seen: at(50), ..there }))
}

async fn ended(mut house: House) -> Outcome {
    let (here, there) = (session("phone"), session("tablet"));
    house.write([Write::Session(here.clone()), Write::Session(there.clone())]).await?;
    house.write([Write::EndSession(here.id)]).await?;
    house.write([Write::SessionSeen { id: here.id, at: at(9) }]).await?;
    house.write([Write::EndSession(there.id), Write::SessionSeen { id: there.id, at: at(9) }]).await?;
    house.write([Write::SessionSeen { id: SessionId::derived(&["never"]), at: at(9) }]).await?;
    house.reopen().await?;
    same("what is left", &house.store.sessions(None).await?, &Vec::new())
}

async fn together(mut house: House) -> Outcome {
    let other = bobs("laptop");
    house.write([session("phone"), session("tablet"), other.clone()].map(Write::Session)).await?;
    let all = || Write::Household(HouseholdWrite::EndSessions { member: who("ada") });
    let after = session("after");
    house.write([Write::Session(session("before")), all(), Write::Session(after.clone())]).await?;
    same("what is left", &house.store.sessions(None).await?.len(), &2)?;
    same("what began after it", &house.store.session(after.token).await?, &Some(after))?;
    same("bob's", &house.store.session(other.token).await?, &Some(other))?;
    house.write([all()]).await?;
    house.write([all()]).await?;
    same("ada's", &house.store.sessions(Some(who("ada"))).await?, &Vec::new())
}
