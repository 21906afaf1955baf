//! Login links: a one-time token that the owner of the machine hands to a member, good for ten minutes.
//!
//! ```text
//! issued ──▶ redeemed (once) ──▶ a session        wrong secret, 5 times ──▶ void        10 minutes ──▶ void
//! ```
//!
//! A token is `name-secret`, 8 and 32 hexadecimal digits. The name finds the link, the secret is kept as its digest only. It
//! travels in the fragment of an address, which browsers send to nobody, and is handed over by a button, so that a link preview
//! cannot use it up. Links live in memory: a restart of the house voids them. Ten minutes are over when either clock says so: the wall
//! clock may be set back, the other one stands still while a machine sleeps. Limits: [`LINKS`], [`TRIES`], [`VALID`].

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::ids::MemberId;
use hearth_domain::journal::Digest;
use hearth_domain::session::{Refused, named};
use hearth_domain::time::{Clock, Mono, Timestamp};
use subtle::ConstantTimeEq as _;

/// How long a link is good.
pub const VALID: Duration = Duration::from_secs(600);
/// Links that are good at once; one more voids the oldest.
pub const LINKS: usize = 16;
/// Wrong secrets after which a link is void.
pub const TRIES: u32 = 5;
/// Links that are good no more and still known, so that the journal says what was wrong with one.
const SPENT: usize = 64;
/// Hexadecimal digits of a token's name and secret.
const DIGITS: (usize, usize) = (8, 32);

/// Fills bytes with chance fit for secrets.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Why a token gives no session. The sentence does not tell a wrong one from one that is used or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this login link is not valid (any more): a link works once and for ten minutes; ask for a new one with `hearth login`")]
pub struct NotValid;

/// What the journal gets to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) why: Refused,
    /// Whose link it was.
    pub(crate) member: Option<MemberId>,
}

/// Issues and redeems login links. A clone is the same issuer.
#[derive(Clone)]
pub struct LoginLinks {
    clock: Arc<dyn Clock>,
    random: RandomSource,
    links: Arc<Mutex<Links>>,
}

/// The links that are good, and some that were.
#[derive(Debug, Default)]
struct Links {
    open: VecDeque<OneTime>,
    spent: VecDeque<(String, Rejected)>,
}

impl std::fmt::Debug for LoginLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginLinks").field("open", &self.links().open.len()).finish_non_exhaustive()
    }
}

/// A link that is good.
#[derive(Debug, Clone)]
pub(crate) struct OneTime {
    name: String,
    secret: Digest,
    member: MemberId,
    device: Option<String>,
    until: (Mono, Timestamp),
    tries: u32,
}

impl OneTime {
    /// Whom it logs in.
    pub(crate) const fn member(&self) -> MemberId {
        self.member
    }

    /// What its member calls the device.
    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }
}

impl Links {
    /// Puts away what is too old.
    fn sweep(&mut self, (mono, wall): (Mono, Timestamp)) {
        let is_old = |link: &OneTime| link.until.0 <= mono || link.until.1 <= wall;
        while let Some(at) = self.open.iter().position(is_old) {
            self.spend(at, Refused::Expired);
        }
    }

    /// Takes a link from those that are good.
    fn spend(&mut self, at: usize, why: Refused) -> Option<OneTime> {
        let link = self.open.remove(at)?;
        self.spent.retain(|(name, _)| *name != link.name);
        if self.spent.len() >= SPENT {
            self.spent.pop_front();
        }
        self.spent.push_back((link.name.clone(), Rejected { why, member: Some(link.member) }));
        Some(link)
    }

    fn put(&mut self, link: OneTime) {
        self.spent.retain(|(name, _)| *name != link.name);
        self.open.retain(|known| known.name != link.name);
        if self.open.len() >= LINKS {
            self.spend(0, Refused::Void);
        }
        self.open.push_back(link);
    }

    fn redeem(&mut self, name: &str, secret: &str) -> Result<OneTime, Rejected> {
        let Some(at) = self.open.iter().position(|link| link.name == name) else {
            let spent = self.spent.iter().find(|(spent, _)| spent == name).map(|(_, rejected)| *rejected);
            return Err(spent.unwrap_or(Rejected { why: Refused::Unknown, member: None }));
        };
        let unknown = Rejected { why: Refused::Unknown, member: None };
        let link = self.open.get_mut(at).ok_or(unknown)?;
        if same(&link.secret.to_string(), &digest(secret).to_string()) {
            return self.spend(at, Refused::Used).ok_or(unknown);
        }
        link.tries = link.tries.saturating_add(1);
        let (member, over) = (Some(link.member), link.tries >= TRIES);
        if over {
            self.spend(at, Refused::Void);
        }
        Err(Rejected { why: Refused::Wrong, member })
    }
}

impl LoginLinks {
    /// An issuer without links.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: RandomSource) -> Self {
        Self { clock, random, links: Arc::default() }
    }

    /// A new token for this member, to be put behind `/login#`.
    #[must_use]
    pub fn issue(&self, member: MemberId) -> String {
        self.issue_for(member, None)
    }

    /// The same for a device that its member calls so.
    #[must_use]
    pub fn issue_for(&self, member: MemberId, device: Option<&str>) -> String {
        let (name, secret) = (self.random_hex::<4>(), self.random_hex::<16>());
        let (mono, wall) = self.now();
        let token = format!("{name}-{secret}");
        // A wall clock at the end of time would make links that are over at once, never such that are good for longer.
        let until = (mono.plus(VALID), wall.checked_add(VALID).unwrap_or(wall));
        let link = OneTime { secret: digest(&secret), name, member, device: device.and_then(named), until, tries: 0 };
        let mut links = self.links();
        links.sweep((mono, wall));
        links.put(link);
        token
    }

    fn now(&self) -> (Mono, Timestamp) {
        (self.clock.mono(), self.clock.wall())
    }

    /// Takes the link of this token.
    pub(crate) fn redeem(&self, token: &str) -> Result<OneTime, Rejected> {
        // A whole address is welcome, too.
        let token = token.rsplit('#').next().unwrap_or(token).trim();
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parts = token.split_once('-').filter(|(name, secret)| digits(name, DIGITS.0) && digits(secret, DIGITS.1));
        let (name, secret) = parts.ok_or(Rejected { why: Refused::Malformed, member: None })?;
        let mut links = self.links();
        links.sweep(self.now());
        links.redeem(name, secret)
    }

    /// Puts a link back whose session could not be saved.
    pub(crate) fn give_back(&self, link: OneTime) {
        self.links().put(link);
    }

    /// A fresh token of 256 bits.
    pub(crate) fn session_token(&self) -> String {
        self.random_hex::<32>()
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random_hex<const N: usize>(&self) -> String {
        let mut bytes = [0_u8; N];
        (self.random)(&mut bytes);
        bytes.iter().fold(String::with_capacity(N.saturating_mul(2)), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn digest(secret: &str) -> Digest {
    Digest::of(secret.as_bytes())
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use hearth_domain::household::Member;
    use hearth_domain::time::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Hands(AtomicU64, AtomicU64);

    impl Clock for Hands {
        fn mono(&self) -> Mono {
            Mono(Duration::from_secs(self.0.load(Ordering::Relaxed)))
        }
        fn wall(&self) -> Timestamp {
            Timestamp::from_second(1_000_000 + i64::try_from(self.1.load(Ordering::Relaxed)).unwrap()).unwrap()
        }
    }

    fn links() -> (Arc<Hands>, LoginLinks) {
        let (clock, count) = (Arc::new(Hands::default()), AtomicU64::new(1));
        let random: RandomSource = Arc::new(move |bytes: &mut [u8]| {
            let next = Digest::of(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes()).to_string();
            bytes.iter_mut().zip(next.bytes()).for_each(|(to, from)| *to = from);
        });
        (Arc::clone(&clock), LoginLinks::new(clock, random))
    }

    fn ada() -> MemberId {
        Member::id_of("Ada")
    }

    fn redeem(links: &LoginLinks, token: &str) -> Option<MemberId> {
        links.redeem(token).ok().map(|link| link.member())
    }

    fn rejected(links: &LoginLinks, token: &str) -> (Refused, Option<MemberId>) {
        let Rejected { why, member } = links.redeem(token).unwrap_err();
        (why, member)
    }

    #[test]
    fn the_journal_gets_to_know_what_was_wrong_and_whose_link_it_was() {
        let (clock, links) = links();
        let (used, wrong, old) = (links.issue(ada()), links.issue(ada()), links.issue(ada()));
        redeem(&links, &used).unwrap();
        assert_eq!(rejected(&links, &used), (Refused::Used, Some(ada())));
        let guess = format!("{}-{}", wrong.split('-').next().unwrap(), "0".repeat(32));
        for _ in 0..TRIES {
            assert_eq!(rejected(&links, &guess), (Refused::Wrong, Some(ada())));
        }
        assert_eq!(rejected(&links, &wrong), (Refused::Void, Some(ada())));
        // The other clock stands still while the machine sleeps.
        clock.1.store(VALID.as_secs(), Ordering::Relaxed);
        assert_eq!(rejected(&links, &old), (Refused::Expired, Some(ada())));
        assert_eq!(rejected(&links, &format!("{}-{}", "0".repeat(8), "0".repeat(32))), (Refused::Unknown, None));
        assert_eq!(rejected(&links, "hello"), (Refused::Malformed, None));
    }

    #[test]
    fn a_link_works_once() {
        let (_, links) = links();
        let token = links.issue(ada());
        assert_eq!(redeem(&links, &format!(" http://127.0.0.1:1/login#{token}\n")), Some(ada()));
        assert_eq!(redeem(&links, &token), None);
    }

    #[test]
    fn a_link_of_yesterday_is_void() {
        let (clock, links) = links();
        let token = links.issue(ada());
        clock.0.store(VALID.as_secs(), Ordering::Relaxed);
        assert_eq!(redeem(&links, &token), None);
    }

    #[test]
    fn five_wrong_secrets_void_a_link_and_no_other() {
        let (_, links) = links();
        let (token, other) = (links.issue(ada()), links.issue(ada()));
        let wrong = format!("{}-{}", token.split('-').next().unwrap(), "0".repeat(32));
        assert!((0..TRIES).all(|_| redeem(&links, &wrong).is_none()));
        assert_eq!(redeem(&links, &token), None);
        assert_eq!(redeem(&links, &other), Some(ada()));
    }

    #[test]
    fn nonsense_is_refused() {
        let (_, links) = links();
        let _ = links.issue(ada());
        for token in ["", "-", "#", "00000000-", "é-é", &"-".repeat(100_000)] {
            assert_eq!(redeem(&links, token), None);
        }
    }

    #[test]
    fn links_are_bounded_and_the_newest_is_good() {
        let (_, links) = links();
        let tokens: Vec<_> = (0..=LINKS).map(|_| links.issue(ada())).collect();
        assert_eq!(redeem(&links, &tokens[0]), None);
        assert_eq!(redeem(&links, &tokens[LINKS]), Some(ada()));
    }

    #[test]
    fn a_link_whose_session_was_not_saved_is_good_again() {
        let (_, links) = links();
        let token = links.issue(ada());
        let link = links.redeem(&token).unwrap();
        links.give_back(link);
        assert_eq!(redeem(&links, &token), Some(ada()));
    }

    #[test]
    fn the_secret_is_nowhere_in_the_issuer() {
        let (_, links) = links();
        let token = links.issue(ada());
        let secret = token.split_once('-').unwrap().1;
        let open = format!("{:?}", links.links());
        assert!(!open.contains(secret) && !format!("{links:?}").contains(secret));
    }
}
