//! Sessions at the page: what one is, until when it is good, and who may end it.
//!
//! ```text
//! link redeemed ─▶ good ──(nobody came for a week, a month is over, another role, not here any more)──▶ over
//!                   └────(logged out, ended by its member or by a minor's grown-up)──▶ gone from the store
//! ```
//!
//! A session is good only as long as its row is in the store: whoever ends it removes the row, so that no restart brings it back. It holds
//! the role that its member had when it began, and is over when that is another one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Class, Classified};
use crate::household::record::HouseholdWrite;
use crate::household::{Member, MemberId, Role};
use crate::ids::SessionId;
use crate::journal::{Digest, Fact, FactKind};
use crate::store::{Commit, Write};
use crate::time::Timestamp;
use crate::tool::manifest::is_invisible;

/// How long a session lasts at most.
pub const LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long it lasts without being used.
pub const IDLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How exactly the store knows when it was used last.
pub const SEEN_EVERY: Duration = Duration::from_secs(60 * 60);
/// How far a session may have begun in the future: a clock that was moved back further makes none of it good.
pub const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Sessions of one member; one more ends the one that was used least lately.
pub const SESSIONS_MAX: usize = 16;
/// Characters of a device's name.
pub const DEVICE_MAX: usize = 40;

/// A login session at the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who is logged in.
    pub member: MemberId,
    /// What they were when it began.
    pub role: Role,
    /// SHA-256 of the cookie's token; the token itself is nowhere.
    pub token: Digest,
    /// The device, as its member called it, or by the closed words of [`device`].
    pub device: String,
    /// When it began.
    pub at: Timestamp,
    /// When it was last used, as exactly as [`SEEN_EVERY`].
    pub seen: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Why a session is good no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// Its time is over.
    #[error("old")]
    Old,
    /// Nobody used it for long.
    #[error("idle")]
    Idle,
    /// Its member has another role now.
    #[error("role")]
    Role,
    /// Its member does not live here any more.
    #[error("gone")]
    Gone,
    /// It begins in the future: a clock was moved. Not good while that is so.
    #[error("clock")]
    Clock,
    /// Its member has begun too many after it.
    #[error("many")]
    Many,
}

impl Session {
    /// Whether it is good now; `member` is who its member is here by now.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn check(&self, member: Option<&Member>, now: Timestamp) -> Result<(), Over> {
        let member = member.filter(|member| member.id == self.member).ok_or(Over::Gone)?;
        if member.role != self.role {
            return Err(Over::Role);
        }
        self.check_time(now)
    }

    /// The same of its time alone.
    ///
    /// # Errors
    ///
    /// Why it is not good.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Over> {
        if now.duration_until(self.at).unsigned_abs() > AHEAD && now < self.at {
            return Err(Over::Clock);
        }
        if now >= self.until {
            return Err(Over::Old);
        }
        if now > self.seen && self.seen.duration_until(now).unsigned_abs() >= IDLE {
            return Err(Over::Idle);
        }
        Ok(())
    }

    /// Whether the store has to be told that it is used now.
    #[must_use]
    pub fn is_seen_anew(&self, now: Timestamp) -> bool {
        now > self.seen && self.seen.duration_until(now).unsigned_abs() >= SEEN_EVERY
    }

    /// What a session that is over becomes: nothing, with its fact.
    #[must_use]
    pub fn expired(&self, over: Over, at: Timestamp) -> Commit {
        let fact = self.fact(FactKind::SessionExpired, over.to_string(), at);
        Commit { writes: vec![Write::EndSession(self.id)], fact }
    }

    /// It is used.
    #[must_use]
    pub fn used(&self, at: Timestamp) -> Commit {
        let fact = self.fact(FactKind::SessionUsed, String::new(), at);
        Commit { writes: vec![Write::SessionSeen { id: self.id, at }], fact }
    }

    /// Something about it, on its member's behalf.
    #[must_use]
    pub fn fact(&self, kind: FactKind, detail: String, at: Timestamp) -> Fact {
        Fact { kind, who: Some(self.member), subject: self.id.to_string(), detail, content: None, at }
    }
}

/// Which sessions are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}

/// Why no session is ended or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// Not theirs. The same sentence as for nobody, so that it does not say who has sessions.
    #[error("sessions are their member's own; a grown-up sees and ends those of a child or teen as well, and nobody else's")]
    NotAllowed,
    /// None such.
    #[error("there is no such session; `hearth session list` shows those that there are")]
    Unknown,
}

impl Classified for EndError {
    fn class(&self) -> Class {
        match self {
            Self::NotAllowed => Class::Denied,
            Self::Unknown => Class::Permanent,
        }
    }
}

/// Whether somebody may see and end a member's sessions: their own, and a grown-up those of a child or teen.
#[must_use]
pub fn may_see(by: &Member, of: &Member) -> bool {
    let grown = matches!(by.role, Role::Owner | Role::Adult);
    by.id == of.id || (grown && matches!(of.role, Role::Child | Role::Teen))
}

/// Ends sessions of a member; `sessions` are all of theirs. Gives the commit and how many end with it.
///
/// # Errors
///
/// When the one who asks may not, or there is none such.
pub fn end(by: &Member, of: &Member, which: Which, sessions: &[Session], at: Timestamp) -> Result<(Commit, usize), EndError> {
    if !may_see(by, of) {
        return Err(EndError::NotAllowed);
    }
    let theirs = sessions.iter().filter(|session| session.member == of.id).map(|session| session.id);
    let ended: Vec<SessionId> = match which {
        Which::One(id) => theirs.filter(|session| *session == id).collect(),
        Which::AllBut(id) => theirs.filter(|session| *session != id).collect(),
        Which::All => theirs.collect(),
    };
    let (subject, word) = match which {
        Which::One(_) if ended.is_empty() => return Err(EndError::Unknown),
        Which::One(id) => (id.to_string(), "one"),
        Which::AllBut(id) => (id.to_string(), "all others"),
        Which::All => (of.id.to_string(), "all"),
    };
    let writes = match which {
        // With those that begin meanwhile.
        Which::All => vec![Write::Household(HouseholdWrite::EndSessions { member: of.id })],
        Which::One(_) | Which::AllBut(_) => ended.iter().copied().map(Write::EndSession).collect(),
    };
    let detail = format!("{word} for {}", of.id);
    let fact = Fact { kind: FactKind::SessionRevoked, who: Some(by.id), subject, detail, content: None, at };
    Ok((Commit { writes, fact }, ended.len()))
}

/// Whether a write may end a session, so that whoever serves one looks again.
#[must_use]
pub const fn may_end(write: &Write) -> bool {
    matches!(
        write,
        Write::EndSession(_)
            | Write::Household(HouseholdWrite::EndSessions { .. } | HouseholdWrite::EraseOwn { .. } | HouseholdWrite::Gone(_))
    )
}

/// Why a login is refused: a closed word for the journal. The person reads one sentence for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// What was handed over has not the form of a link.
    Malformed,
    /// There is no link of that name.
    Unknown,
    /// The link was used.
    Used,
    /// The link is too old.
    Expired,
    /// The secret is another one.
    Wrong,
    /// The secret was wrong too often, or newer links took its place.
    Void,
    /// Its member does not live here any more.
    Gone,
    /// Too many attempts.
    TooMany,
}

impl Refused {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Wrong => "wrong",
            Self::Void => "void",
            Self::Gone => "gone",
            Self::TooMany => "too many",
        }
    }
}

/// A name that a member gave to a device, if it can be shown: what nobody sees is left out, and what is too long.
#[must_use]
pub fn named(text: &str) -> Option<String> {
    let plain = |letter: &char| !letter.is_control() && !is_invisible(*letter);
    let name: String = text.trim().chars().filter(plain).take(DEVICE_MAX).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A device by what its browser calls itself, in closed words: what a browser sends is anybody's text.
#[must_use]
pub fn device(agent: &str) -> String {
    // Each names those before it as well.
    const BROWSERS: [(&str, &str); 6] = [
        ("Firefox/", "Firefox"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Macintosh", "a Mac"),
        ("Linux", "Linux"),
    ];
    let known = |all: &[(&str, &'static str)]| all.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("a browser on {system}"),
        (None, None) => "a browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, role: Role) -> Member {
        Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).unwrap()
    }

    fn session(of: &Member) -> Session {
        Session {
            id: SessionId::derived(&[&of.name]),
            member: of.id,
            role: of.role,
            token: Digest::of(of.name.as_bytes()),
            device: "a browser".to_owned(),
            at: at(0),
            seen: at(0),
            until: at(0).checked_add(LASTS).unwrap(),
        }
    }

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn a_session_is_over_by_its_age_by_idleness_by_role_and_without_its_member() {
        let mia = member("Mia", Role::Teen);
        let fresh = session(&mia);
        assert_eq!(fresh.check(Some(&mia), at(7 * DAY - 1)), Ok(()));
        assert_eq!(fresh.check(Some(&mia), at(7 * DAY)), Err(Over::Idle));
        let used = Session { seen: at(29 * DAY), ..fresh.clone() };
        assert_eq!(used.check(Some(&mia), at(30 * DAY - 1)), Ok(()));
        assert_eq!(used.check(Some(&mia), at(30 * DAY)), Err(Over::Old));
        assert_eq!(fresh.check(Some(&member("Mia", Role::Adult)), at(1)), Err(Over::Role));
        assert_eq!(fresh.check(None, at(1)), Err(Over::Gone));
        assert_eq!(fresh.check(Some(&member("Ada", Role::Teen)), at(1)), Err(Over::Gone));
    }

    #[test]
    fn a_clock_that_was_moved_back_before_its_beginning_makes_it_good_no_longer() {
        let mia = member("Mia", Role::Teen);
        assert_eq!(session(&mia).check(Some(&mia), at(-60)), Ok(()));
        assert_eq!(session(&mia).check(Some(&mia), at(-DAY)), Err(Over::Clock));
    }

    #[test]
    fn sessions_are_ended_by_their_member_and_by_a_minors_grown_ups_and_by_nobody_else() {
        let everybody = [
            member("Ada", Role::Owner),
            member("Ben", Role::Adult),
            member("Tim", Role::Teen),
            member("Mia", Role::Child),
            member("Uma", Role::Guest),
        ];
        for by in &everybody {
            for of in &everybody {
                let sessions = [session(of)];
                let done = end(by, of, Which::One(sessions[0].id), &sessions, at(1));
                let minor = ["Tim", "Mia"].contains(&of.name.as_str());
                let may = by.id == of.id || (["Ada", "Ben"].contains(&by.name.as_str()) && minor);
                assert_eq!(done.is_ok(), may, "{} {}", by.name, of.name);
                if let Ok((commit, count)) = done {
                    assert_eq!((commit.fact.who, count, commit.writes), (Some(by.id), 1, vec![Write::EndSession(sessions[0].id)]));
                    assert!(commit.fact.detail.ends_with(&format!(" for {}", of.id)));
                }
            }
        }
    }

    #[test]
    fn of_several_one_all_and_all_but_one_are_ended_and_never_another_members() {
        let (ada, ben) = (member("Ada", Role::Owner), member("Ben", Role::Adult));
        let named = |name: &str| Session { id: SessionId::derived(&[name]), ..session(&ada) };
        let sessions = [named("a"), named("b"), named("c"), session(&ben)];
        let ended = |which| end(&ada, &ada, which, &sessions, at(1)).map(|(commit, count)| (commit.writes, count));
        let others = vec![Write::EndSession(sessions[1].id), Write::EndSession(sessions[2].id)];
        assert_eq!(ended(Which::AllBut(sessions[0].id)), Ok((others, 2)));
        assert_eq!(ended(Which::All), Ok((vec![Write::Household(HouseholdWrite::EndSessions { member: ada.id })], 3)));
        assert_eq!(ended(Which::One(sessions[3].id)), Err(EndError::Unknown));
        assert_eq!(ended(Which::One(SessionId::derived(&["x"]))), Err(EndError::Unknown));
    }

    #[test]
    fn a_device_is_named_in_closed_words_whatever_its_browser_says() {
        let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
        assert_eq!(device(linux), "Chrome on Linux");
        assert_eq!(
            device("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"),
            "Safari on an iPhone"
        );
        assert_eq!(device("Mozilla/5.0 (Android 16; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"), "Firefox on Android");
        assert_eq!(device("<script>\u{202e}evil"), "a browser");
        assert_eq!(named("  Mia's\u{202e} tablet\n"), Some("Mia's tablet".to_owned()));
        assert_eq!(named("\u{200b} \n"), None);
        assert_eq!(named(&"x".repeat(500)).unwrap().len(), DEVICE_MAX);
    }
}
