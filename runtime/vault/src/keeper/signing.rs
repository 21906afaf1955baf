//! Signatures that the broker orders when a request is complete: the key is opened then, and closed again.

use std::collections::BTreeMap;

use hearth_domain::secret::Scheme;

use super::Keeper;
use super::no::No;
use crate::egress::ports::{self, Refused, Sign, Why, Written};
use crate::policy::target::{Target, default_port};
use crate::sign::{self, Moment, SignOrder, ToSign};

/// Bytes of a nonce of a signature.
const NONCE: usize = 16;

/// One request's order. The policies have allowed it.
pub(super) struct Signing {
    pub(super) keeper: Keeper,
    pub(super) order: SignOrder,
}

impl Sign for Signing {
    fn sign(&self, to: &ports::Target, written: &mut Written, body: &[u8]) -> Result<(), Refused> {
        self.signed(to, written, body).map_err(|no| no.refused)
    }
}

impl Signing {
    fn signed(&self, to: &ports::Target, written: &mut Written, body: &[u8]) -> Result<(), No> {
        let scheme = if to.scheme == ports::Scheme::Https { Scheme::Https } else { Scheme::Http };
        let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
        let port = if to.port == default_port(scheme) { String::new() } else { format!(":{}", to.port) };
        let target = Target::of(&written.method, scheme, &format!("{host}{port}"), written.path_and_query.as_str())?;
        let mut nonce = [0; NONCE];
        let mut keys = BTreeMap::new();
        let now = {
            let core = self.keeper.core();
            let failed = |error: crate::seal::crypto::EntropyError| No::new(Why::Denied, "signature", error.to_string());
            core.ports.entropy.fill(&mut nonce).map_err(failed)?;
            for name in self.order.secrets() {
                keys.insert(name.clone(), core.fill(name)?);
            }
            core.ports.clock.wall()
        };
        let nonce = hex::encode(nonce);
        let moment = Moment { now, nonce: &nonce, random: &ring::rand::SystemRandom::new() };
        let request = ToSign { target: &target, headers: &written.headers, body: Some(body) };
        for (name, value) in sign::sign(&self.order, &keys, &request, &moment)? {
            written.headers.insert(name, value);
        }
        Ok(())
    }
}
