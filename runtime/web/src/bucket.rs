//! Limits of attempts: how often somebody may try. Loopback is a peer like any other.

use std::net::IpAddr;
use std::time::Duration;

use hearth_domain::time::Mono;
use indexmap::IndexMap;

/// Attempts of one peer at once, and the time after which one more is allowed.
const PEER: Rate = Rate { burst: 6, every: Duration::from_secs(10) };
/// Attempts of all peers together.
const OVERALL: Rate = Rate { burst: 30, every: Duration::from_secs(2) };
/// Peers that are remembered; a newcomer takes the place of one whose attempts are forgiven.
const PEERS: usize = 1_024;

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

/// Who has tried how often.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    overall: Bucket,
    peers: IndexMap<IpAddr, Bucket>,
}

impl Attempts {
    /// Takes note of an attempt; false when it is one too many.
    pub(crate) fn allow(&mut self, peer: IpAddr, now: Mono) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS {
            self.peers.retain(|_, bucket| bucket.full > now);
            if self.peers.len() >= PEERS {
                return false;
            }
        }
        self.peers.entry(peer).or_default().take(PEER, now) && self.overall.take(OVERALL, now)
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
        let mut attempts = Attempts::default();
        assert!((0..6).all(|_| attempts.allow(HERE, at(5))));
        assert!(!attempts.allow(HERE, at(5)));
        assert!(!attempts.allow(HERE, at(14)));
        assert!(attempts.allow(HERE, at(15)));
        assert!(!attempts.allow(HERE, at(15)));
    }

    #[test]
    fn a_thousand_attempts_in_a_minute_are_a_dozen() {
        let mut attempts = Attempts::default();
        let passed = (0..1_000_u64).filter(|n| attempts.allow(HERE, Mono(Duration::from_millis(n * 60)))).count();
        assert!(passed <= 12, "{passed}");
    }

    #[test]
    fn many_peers_share_one_limit_and_are_not_remembered_for_ever() {
        let mut attempts = Attempts::default();
        let passed = (0..3_000_u32).filter(|n| attempts.allow(IpAddr::from(n.to_be_bytes()), at(0))).count();
        assert_eq!(passed, 30);
        assert!(attempts.peers.len() <= PEERS);
        assert!(attempts.allow(HERE, at(3_600)));
    }
}
