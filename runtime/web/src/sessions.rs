//! Sessions as the face keeps them: begun, found, said to be used, and ended. Which is good, `domain::session` says.

use hearth_domain::household::Member;
use hearth_domain::ids::SessionId;
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::session::{LASTS, Over, Refused, SEEN_EVERY, SESSIONS_MAX, Session};
use hearth_domain::store::{Commit, Write};
use hearth_domain::time::Timestamp;

use crate::face::Face;
use crate::login::{OneTime, Rejected};
use crate::problem::Refusal;

/// Sessions that end at one login because they are over.
const SWEPT: usize = 16;

impl Face {
    /// The session of this token and its member, when it is good now. One that is over is ended, so that no clock makes it good again.
    pub(crate) async fn found(&self, token: Digest) -> Result<Option<(Session, Member)>, Refusal> {
        let Some(session) = self.read(self.store.session(token)).await? else { return Ok(None) };
        let (member, now) = (self.member(session.member).await?, self.now());
        match (session.check(member.as_ref(), now), member) {
            (Ok(()), Some(member)) => {
                self.touch(&session, now).await;
                Ok(Some((session, member)))
            }
            (Ok(()), None) | (Err(Over::Clock), _) => Ok(None),
            (Err(over), _) => {
                self.expire(&session, over).await;
                Ok(None)
            }
        }
    }

    /// Whether this very session is good still.
    pub(crate) async fn is_good(&self, session: &Session) -> Result<bool, Refusal> {
        Ok(self.found(session.token).await?.is_some_and(|(found, _)| found.id == session.id))
    }

    /// Says that a session is used, seldom enough.
    async fn touch(&self, session: &Session, now: Timestamp) {
        if !session.is_seen_anew(now) {
            return;
        }
        {
            let mut touched = self.touched.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            touched.retain(|_, at| now >= *at && at.duration_until(now).unsigned_abs() < SEEN_EVERY);
            if touched.contains_key(&session.id) {
                return;
            }
            touched.insert(session.id, now);
        }
        // What is not written, the next request of the session writes in an hour.
        drop(self.save(session.used(now)).await);
    }

    async fn expire(&self, session: &Session, over: Over) {
        tracing::info!(session = %session.id, %over, "a session at the page is over");
        // What is not written is over all the same, and ended by whoever presents it next.
        drop(self.save(session.expired(over, self.now())).await);
    }

    /// Begins a session and gives its token, which is kept nowhere.
    pub(crate) async fn begin(&self, link: &OneTime, agent: &str) -> Result<String, Refusal> {
        let Some(member) = self.member(link.member()).await? else {
            self.refused(Rejected { why: Refused::Gone, member: None }).await;
            return Err(Refusal::NotLoggedIn);
        };
        let (token, at) = (self.login.session_token(), self.now());
        let session = Session {
            id: SessionId::fresh(&*self.ids),
            member: member.id,
            role: member.role,
            token: Digest::of(token.as_bytes()),
            device: link.device().map_or_else(|| hearth_domain::session::device(agent), str::to_owned),
            at,
            seen: at,
            until: at.checked_add(LASTS).map_err(|_| Refusal::Busy)?,
        };
        self.make_room(&member, at).await?;
        let (id, fact) = (session.id, session.fact(FactKind::LoggedIn, "page".to_owned(), at));
        self.save(Commit { writes: vec![Write::Session(session)], fact }).await?;
        tracing::info!(member = %member.id, session = %id, "logged in at the page");
        Ok(token)
    }

    /// Ends sessions whose time is over, anybody's, and of the member's those that are too many.
    async fn make_room(&self, member: &Member, now: Timestamp) -> Result<(), Refusal> {
        let all = self.read(self.store.sessions(None)).await?;
        let (over, good): (Vec<_>, Vec<_>) = all
            .into_iter()
            .map(|session| (session.check_time(now), session))
            .partition(|(checked, _)| matches!(checked, Err(Over::Old | Over::Idle)));
        for (checked, session) in over.into_iter().take(SWEPT) {
            self.expire(&session, checked.err().unwrap_or(Over::Old)).await;
        }
        let mut theirs: Vec<_> = good.into_iter().map(|(_, session)| session).filter(|session| session.member == member.id).collect();
        theirs.sort_by_key(|session| (session.seen, session.at));
        let excess = theirs.len().saturating_add(1).saturating_sub(SESSIONS_MAX);
        for session in theirs.iter().take(excess) {
            self.expire(session, Over::Many).await;
        }
        Ok(())
    }

    /// A session ends by its member's logging out.
    pub(crate) async fn log_out(&self, session: &Session) -> Result<(), Refusal> {
        let fact = session.fact(FactKind::LoggedOut, "page".to_owned(), self.now());
        self.save(Commit { writes: vec![Write::EndSession(session.id)], fact }).await?;
        self.live.end_session(session.id);
        Ok(())
    }

    /// Tells the journal of a refused login, seldom enough.
    pub(crate) async fn refused(&self, rejected: Rejected) {
        let Some(untold) = self.rates().tell(self.clock.mono()) else { return };
        let before = if untold == 0 { String::new() } else { format!(", and {untold} before it") };
        let detail = format!("{}{before}", rejected.why.word());
        let fact =
            Fact { kind: FactKind::LoginRefused, who: rejected.member, subject: "login".to_owned(), detail, content: None, at: self.now() };
        if self.save(Commit { writes: Vec::new(), fact }).await.is_err() {
            tracing::warn!(why = rejected.why.word(), "a refused login could not be written to the journal");
        }
    }
}
