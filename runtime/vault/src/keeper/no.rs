//! Why a request does not go out: what its sender is told, and what the audit is.

use hearth_domain::vault::VaultState;

use crate::egress::ports::{Refused, Why};
use crate::policy::decide::Refusal;
use crate::policy::placeholder::PlaceholderError;
use crate::policy::redirect::RedirectError;
use crate::policy::target::TargetError;
use crate::sign::SignError;

/// A refusal and what is told about it.
pub(super) struct No {
    pub(super) refused: Refused,
    pub(super) alarm: bool,
}

impl No {
    pub(super) fn new(why: Why, code: &'static str, sentence: impl Into<String>) -> Self {
        Self { refused: Refused { why, code, sentence: sentence.into() }, alarm: false }
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let why = match refusal {
            Refusal::Rate => Why::TooOften,
            Refusal::Bytes => Why::TooLarge,
            Refusal::Canary
            | Refusal::User
            | Refusal::Member
            | Refusal::Expired
            | Refusal::NoTarget
            | Refusal::Host
            | Refusal::Port
            | Refusal::Scheme
            | Refusal::Method
            | Refusal::Path
            | Refusal::Slot
            | Refusal::NotPublic(_) => Why::Denied,
        };
        let refused = Refused { why, code: refusal.code(), sentence: refusal.to_string() };
        Self { refused, alarm: refusal == Refusal::Canary }
    }
}

impl From<PlaceholderError> for No {
    fn from(error: PlaceholderError) -> Self {
        Self::new(Why::Denied, error.code(), error.to_string())
    }
}

impl From<TargetError> for No {
    fn from(error: TargetError) -> Self {
        Self::new(Why::BadTarget, error.code(), error.to_string())
    }
}

impl From<RedirectError> for No {
    fn from(error: RedirectError) -> Self {
        Self::new(Why::Denied, error.code(), error.to_string())
    }
}

impl From<SignError> for No {
    fn from(error: SignError) -> Self {
        let why = if error == SignError::Order { Why::BadTarget } else { Why::Denied };
        Self::new(why, "signature", error.to_string())
    }
}

pub(super) fn unknown() -> No {
    No::new(Why::Denied, "unknown", "the request mentions a secret that is not there; enter it with `hearth secret add`")
}

pub(super) fn sealed(state: VaultState) -> No {
    let sentence = match state {
        VaultState::Broken => "the vault's key is missing or wrong; see `hearth doctor`",
        VaultState::Open | VaultState::Sealed => "the vault is sealed; its owner opens it with `hearth secret unseal`",
    };
    No::new(Why::Sealed, "sealed", sentence)
}
