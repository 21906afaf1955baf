//! Who asks for a use of a secret, as the house says, and that each use is told.

use hearth_domain::household::MemberId;
use hearth_domain::secret::{Principal, SecretName};
use hearth_domain::vault::Used;

use super::Keeper;
use super::no::No;
use crate::egress::ports::{Head, Why};

/// What was asked, read once.
pub(super) struct Asker {
    pub(super) who: Principal,
    pub(super) member: Option<MemberId>,
}

impl Asker {
    /// As the head says.
    pub(super) fn of(head: &Head) -> Result<Self, No> {
        let nobody = || No::new(Why::Denied, "who", "the request does not say which part of the house asks (`hearth-as: provider/NAME`)");
        let who = head.asking.as_deref().and_then(|text| text.parse().ok()).ok_or_else(nobody)?;
        let no_member = |_| No::new(Why::Denied, "member", "the request does not say clearly for which member it is (`hearth-for`)");
        let member = head.member.as_deref().map(str::parse).transpose().map_err(no_member)?;
        Ok(Self { who, member })
    }
}

impl Keeper {
    /// Tells what became of a use.
    pub(super) fn tell(&self, asked: Option<&Asker>, secrets: Vec<SecretName>, place: String, outcome: Result<(), &No>) {
        let (outcome, alarm) = match outcome {
            Ok(()) => ("sent", false),
            Err(no) => (no.refused.code, no.alarm),
        };
        let at = self.core().ports.clock.wall();
        let (who, member) = (asked.map(|asked| asked.who.clone()), asked.and_then(|asked| asked.member));
        self.events.push(Used { who, member, secrets, place, outcome: outcome.to_owned(), alarm, times: 1, at });
    }
}
