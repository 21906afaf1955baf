//! Why an owner's command was not carried out, as it is answered.

use hearth_domain::error::{Class, Classified};

use crate::admin::{AdminAnswer, Code};
use crate::keeper::change::ChangeError;

/// A refusal.
pub(super) struct No {
    class: Class,
    code: Code,
    sentence: String,
}

impl No {
    /// One that only a person makes something of.
    pub(super) fn new(class: Class, sentence: impl Into<String>) -> Self {
        Self { class, code: Code::Other, sentence: sentence.into() }
    }

    /// What an error says.
    pub(super) fn of(error: &(impl Classified + ToString)) -> Self {
        Self::new(error.class(), error.to_string())
    }

    /// One that a command knows what to do about.
    pub(super) fn coded(code: Code, sentence: impl Into<String>) -> Self {
        Self { class: Class::Denied, code, sentence: sentence.into() }
    }
}

impl From<ChangeError> for No {
    fn from(error: ChangeError) -> Self {
        let code = match &error {
            ChangeError::NeedsProof => Code::ProofNeeded,
            ChangeError::NeedsPassphrase => Code::PassphraseNeeded,
            ChangeError::Sealed
            | ChangeError::Broken
            | ChangeError::NotLoaded
            | ChangeError::Exists
            | ChangeError::Unknown
            | ChangeError::Policy(_)
            | ChangeError::Target { .. }
            | ChangeError::Preset { .. }
            | ChangeError::NoPassphrase
            | ChangeError::Underway
            | ChangeError::Troubled
            | ChangeError::Usable
            | ChangeError::NotInTrouble
            | ChangeError::Ambiguous
            | ChangeError::Remains
            | ChangeError::Member(_)
            | ChangeError::Proof(_)
            | ChangeError::Put(_)
            | ChangeError::Step(_)
            | ChangeError::Value
            | ChangeError::Reserved
            | ChangeError::SignedIn
            | ChangeError::NotSignedIn
            | ChangeError::Busy
            | ChangeError::Unsure
            | ChangeError::NotStored => Code::Other,
        };
        Self { code, ..Self::of(&error) }
    }
}

impl From<No> for AdminAnswer {
    fn from(No { class, code, sentence }: No) -> Self {
        Self::Refused { class, code, sentence }
    }
}
