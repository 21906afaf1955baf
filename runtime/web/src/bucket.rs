//! How often somebody may do something. Loopback is a peer like any other.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hearth_domain::ids::SessionId;
use hearth_domain::time::Mono;
use indexmap::IndexMap;

/// Attempts at a secret of one peer at once, and the time after which one more is allowed.
const PEER: Rate = Rate { burst: 6, every: Duration::from_secs(10) };
/// Attempts of all peers together.
const OVERALL: Rate = Rate { burst: 30, every: Duration::from_secs(2) };
/// Requests of one peer, whatever they are.
const REQUESTS: Rate = Rate { burst: 400, every: Duration::from_millis(25) };
/// What one session reads.
const READS: Rate = Rate { burst: 200, every: Duration::from_millis(100) };
/// What one session does.
const ACTS: Rate = Rate { burst: 60, every: Duration::from_millis(500) };
/// Refused logins that come into the journal, of all peers together.
const TOLD: Rate = Rate { burst: 20, every: Duration::from_secs(60) };
/// Peers and sessions that are remembered; a newcomer takes the place of one whose requests are forgiven.
const REMEMBERED: usize = 1_024;

/// A burst, and one more each `every`.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u32,
    every: Duration,
}

/// A bucket as the point in time at which it is full again (GCRA).
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    full: Mono,
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Mono) -> bool {
        let spent = self.full.since(now);
        if spent > rate.every.saturating_mul(rate.burst.saturating_sub(1)) {
            return false;
        }
        self.full = now.plus(spent.saturating_add(rate.every));
        true
    }
}

/// A bucket for each of many.
#[derive(Debug)]
struct Each<K>(IndexMap<K, Bucket>);

impl<K> Default for Each<K> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<K: Hash + Eq> Each<K> {
    fn take(&mut self, key: K, rate: Rate, now: Mono) -> bool {
        if !self.0.contains_key(&key) && self.0.len() >= REMEMBERED {
            self.0.retain(|_, bucket| bucket.full > now);
            if self.0.len() >= REMEMBERED {
                return false;
            }
        }
        self.0.entry(key).or_default().take(rate, now)
    }
}

/// What a session does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Act,
}

/// Who has done what how often.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    overall: Bucket,
    attempts: Each<IpAddr>,
    requests: Each<IpAddr>,
    reads: Each<SessionId>,
    acts: Each<SessionId>,
    told: Bucket,
    untold: u64,
}

impl Rates {
    /// Takes note of an attempt at a secret; false when it is one too many.
    pub(crate) fn attempt(&mut self, peer: IpAddr, now: Mono) -> bool {
        self.attempts.take(network(peer), PEER, now) && self.overall.take(OVERALL, now)
    }

    /// Takes note of a request; false when it is one too many.
    pub(crate) fn request(&mut self, peer: IpAddr, now: Mono) -> bool {
        self.requests.take(network(peer), REQUESTS, now)
    }

    /// Takes note of what a session does; false when it is one too many.
    pub(crate) fn session(&mut self, session: SessionId, kind: Kind, now: Mono) -> bool {
        match kind {
            Kind::Read => self.reads.take(session, READS, now),
            Kind::Act => self.acts.take(session, ACTS, now),
        }
    }

    /// Whether a refused login comes into the journal, and how many before it did not: nobody fills the disk by being refused.
    pub(crate) fn tell(&mut self, now: Mono) -> Option<u64> {
        if self.told.take(TOLD, now) {
            return Some(std::mem::take(&mut self.untold));
        }
        self.untold = self.untold.saturating_add(1);
        None
    }
}

/// What one peer has for itself: an IPv4 address, or the network of an IPv6 address.
const fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !0xffff_ffff_ffff_ffff)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn a_burst_passes_and_then_one_attempt_per_interval() {
        let mut rates = Rates::default();
        assert!((0..6).all(|_| rates.attempt(HERE, at(5))));
        assert!(!rates.attempt(HERE, at(5)));
        assert!(!rates.attempt(HERE, at(14)));
        assert!(rates.attempt(HERE, at(15)));
        assert!(!rates.attempt(HERE, at(15)));
    }

    #[test]
    fn a_thousand_attempts_in_a_minute_are_a_dozen() {
        let mut rates = Rates::default();
        let passed = (0..1_000_u64).filter(|n| rates.attempt(HERE, Mono(Duration::from_millis(n * 60)))).count();
        assert!(passed <= 12, "{passed}");
    }

    #[test]
    fn many_peers_share_one_limit_and_are_not_remembered_for_ever() {
        let mut rates = Rates::default();
        let passed = (0..3_000_u32).filter(|n| rates.attempt(IpAddr::from(n.to_be_bytes()), at(0))).count();
        assert_eq!(passed, 30);
        assert!(rates.attempts.0.len() <= REMEMBERED);
        assert!(rates.attempt(HERE, at(3_600)));
    }

    #[test]
    fn a_network_of_many_addresses_is_one_peer() {
        let mut rates = Rates::default();
        let passed = (0..100_u128).filter(|n| rates.attempt(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n)), at(0))).count();
        assert_eq!(passed, 6);
    }

    #[test]
    fn a_session_reads_more_than_it_does_and_takes_nothing_from_another() {
        let mut rates = Rates::default();
        let (one, other) = (SessionId::derived(&["1"]), SessionId::derived(&["2"]));
        assert_eq!((0..1_000).filter(|_| rates.session(one, Kind::Act, at(0))).count(), 60);
        assert_eq!((0..1_000).filter(|_| rates.session(one, Kind::Read, at(0))).count(), 200);
        assert!(rates.session(other, Kind::Act, at(0)));
        assert!(rates.session(one, Kind::Act, at(1)));
    }

    #[test]
    fn of_many_refused_logins_few_are_told_and_the_others_counted() {
        let mut rates = Rates::default();
        assert_eq!((0..1_000).filter(|_| rates.tell(at(0)).is_some()).count(), 20);
        assert_eq!((rates.tell(at(60)), rates.tell(at(120))), (Some(980), Some(0)));
    }
}
