//! Login links: a one-time token that the owner of the machine hands to a member, good for ten minutes.
//!
//! ```text
//! issued ──▶ redeemed (once) ──▶ a session        wrong secret, 5 times ──▶ void        10 minutes ──▶ void
//! ```
//!
//! A token is `name-secret`, 8 and 32 hexadecimal digits. The name finds the link, the secret is kept as its digest only. It
//! travels in the fragment of an address, which browsers send to nobody, and is handed over by a button, so that a link preview
//! cannot use it up. Links live in memory: a restart of the house voids them. Limits: [`LINKS`], [`TRIES`], [`VALID`].

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::ids::MemberId;
use hearth_domain::journal::Digest;
use hearth_domain::time::{Clock, Mono};
use subtle::ConstantTimeEq as _;

/// How long a link is good.
pub const VALID: Duration = Duration::from_secs(600);
/// Links that are good at once; one more voids the oldest.
pub const LINKS: usize = 16;
/// Wrong secrets after which a link is void.
pub const TRIES: u32 = 5;

/// Fills bytes with chance fit for secrets.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Why a token gives no session. The sentence does not tell a wrong one from one that is used or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this login link is not valid (any more): a link works once and for ten minutes; ask for a new one with `hearth login`")]
pub struct NotValid;

/// Issues and redeems login links. A clone is the same issuer.
#[derive(Clone)]
pub struct LoginLinks {
    clock: Arc<dyn Clock>,
    random: RandomSource,
    open: Arc<Mutex<VecDeque<OneTime>>>,
}

impl std::fmt::Debug for LoginLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginLinks").field("open", &self.open().len()).finish_non_exhaustive()
    }
}

/// A link that is good.
#[derive(Debug, Clone)]
pub(crate) struct OneTime {
    name: String,
    secret: Digest,
    member: MemberId,
    until: Mono,
    tries: u32,
}

impl OneTime {
    /// Whom it logs in.
    pub(crate) const fn member(&self) -> MemberId {
        self.member
    }
}

impl LoginLinks {
    /// An issuer without links.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: RandomSource) -> Self {
        Self { clock, random, open: Arc::default() }
    }

    /// A new token for this member, to be put behind `/login#`.
    #[must_use]
    pub fn issue(&self, member: MemberId) -> String {
        let (name, secret) = (self.random_hex::<4>(), self.random_hex::<16>());
        let now = self.clock.mono();
        let token = format!("{name}-{secret}");
        let link = OneTime { secret: digest(&secret), name, member, until: now.plus(VALID), tries: 0 };
        self.put(link, now);
        token
    }

    /// Takes the link of this token.
    pub(crate) fn redeem(&self, token: &str) -> Result<OneTime, NotValid> {
        // A whole address is welcome, too.
        let token = token.rsplit('#').next().unwrap_or(token).trim();
        let (name, secret) = token.split_once('-').ok_or(NotValid)?;
        let (now, given) = (self.clock.mono(), digest(secret).to_string());
        let mut open = self.open();
        open.retain(|link| link.until > now);
        let at = open.iter().position(|link| link.name == name).ok_or(NotValid)?;
        let link = open.get_mut(at).ok_or(NotValid)?;
        if !same(&link.secret.to_string(), &given) {
            link.tries = link.tries.saturating_add(1);
            if link.tries >= TRIES {
                open.remove(at);
            }
            return Err(NotValid);
        }
        open.remove(at).ok_or(NotValid)
    }

    /// Puts a link back whose session could not be saved.
    pub(crate) fn give_back(&self, link: OneTime) {
        self.put(link, self.clock.mono());
    }

    /// A fresh token of 256 bits.
    pub(crate) fn session_token(&self) -> String {
        self.random_hex::<32>()
    }

    fn put(&self, link: OneTime, now: Mono) {
        let mut open = self.open();
        open.retain(|known| known.until > now && known.name != link.name);
        if open.len() >= LINKS {
            open.pop_front();
        }
        open.push_back(link);
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<OneTime>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
    struct Hands(AtomicU64);

    impl Clock for Hands {
        fn mono(&self) -> Mono {
            Mono(Duration::from_secs(self.0.load(Ordering::Relaxed)))
        }
        fn wall(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
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
        let open = format!("{:?}", links.open());
        assert!(!open.contains(secret) && !format!("{links:?}").contains(secret));
    }
}
