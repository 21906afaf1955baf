//! Under which names the page may be reached: the guard against DNS rebinding.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The scheme of a browser's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Without TLS: loopback.
    Http,
    /// A proxy in front of the house speaks TLS.
    Https,
}

/// The names, as a browser writes them into `Host`, and how it reaches each.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(BTreeMap<String, Scheme>);

impl Hosts {
    /// The loopback names of this address and what the configuration adds: `name[:port]`, or `https://name[:port]`.
    pub(crate) fn new(address: SocketAddr, configured: &[String]) -> Self {
        let port = address.port();
        let own = ["127.0.0.1", "localhost", "[::1]"].map(|name| (format!("{name}:{port}"), Scheme::Http));
        let more = configured.iter().map(|entry| {
            let entry = entry.trim().trim_end_matches('/').to_ascii_lowercase();
            match entry.strip_prefix("https://") {
                Some(name) => (name.to_owned(), Scheme::Https),
                None => (entry.trim_start_matches("http://").to_owned(), Scheme::Http),
            }
        });
        Self(own.into_iter().chain(more).filter(|(name, _)| !name.is_empty()).collect())
    }

    /// How this name is reached; none when it is not ours.
    pub(crate) fn scheme(&self, host: &str) -> Option<Scheme> {
        self.0.get(&host.to_ascii_lowercase()).copied()
    }

    /// Whether this is the origin of our page under that name.
    pub(crate) fn is_origin(&self, host: &str, origin: &str) -> bool {
        let prefix = match self.scheme(host) {
            Some(Scheme::Http) => "http://",
            Some(Scheme::Https) => "https://",
            None => return false,
        };
        origin.strip_prefix(prefix).is_some_and(|name| name.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new(SocketAddr::from(([127, 0, 0, 1], 7117)), &["https://Hearth.Example/".into(), "box.lan:80".into()])
    }

    #[test]
    fn only_our_names_with_our_port_are_ours() {
        let hosts = hosts();
        for ours in ["127.0.0.1:7117", "LOCALHOST:7117", "[::1]:7117", "hearth.example", "box.lan:80"] {
            assert!(hosts.scheme(ours).is_some(), "{ours}");
        }
        for foreign in ["127.0.0.1", "127.0.0.1:80", "evil.example:7117", "localhost.evil:7117", "", "hearth.example:443"] {
            assert!(hosts.scheme(foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn an_origin_must_be_the_very_host_with_its_scheme() {
        let hosts = hosts();
        assert!(hosts.is_origin("127.0.0.1:7117", "http://127.0.0.1:7117"));
        assert!(hosts.is_origin("hearth.example", "https://hearth.example"));
        for (host, origin) in [
            ("127.0.0.1:7117", "null"),
            ("127.0.0.1:7117", "http://localhost:7117"),
            ("127.0.0.1:7117", "https://127.0.0.1:7117"),
            ("127.0.0.1:7117", "http://127.0.0.1:7117.evil.example"),
            ("hearth.example", "http://hearth.example"),
            ("evil.example", "http://evil.example"),
        ] {
            assert!(!hosts.is_origin(host, origin), "{host} {origin}");
        }
    }
}
