//! Typed ids, one registry for the whole house.
//!
//! Every id is a UUID that only an [`Ids`] port makes (seeded in simulation, from the operating system in the
//! product) and is shown with the prefix of its kind, so that a turn cannot be passed as a message and a log line
//! says what it talks about. Turn, tool call and answer ids are idempotency keys.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Makes ids. The only source of fresh ids in the house.
pub trait Ids: Send + Sync {
    /// A fresh UUID: time-ordered (version 7) in the product, from the seed in simulation.
    fn fresh(&self) -> Uuid;
}

/// An id that could not be read back from its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: expected `{prefix}_` and 32 hexadecimal digits")]
pub struct IdError {
    /// What kind of id was expected.
    pub kind: &'static str,
    /// Its prefix.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix with which this kind of id is shown.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id from the port.
            #[must_use]
            pub fn fresh(ids: &dyn Ids) -> Self {
                Self(ids.fresh())
            }

            /// The id that belongs to these parts, the same at every call: for things that are found by name.
            #[must_use]
            pub fn derived(parts: &[&str]) -> Self {
                Self(derive_uuid($prefix, parts))
            }

            /// The bare UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Wraps a UUID that a store or a wire gave back.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or(IdError { kind: stringify!($name), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// One enrolled person.
    MemberId, "mem";
    /// One conversation: a member's private one, a group's, or a named thread of either.
    ConversationId, "cnv";
    /// One message, in or out.
    MessageId, "msg";
    /// One turn: an accepted message and all that is done to answer it.
    TurnId, "trn";
    /// One logical answer. Stable over retries and restarts; a channel never shows the same one twice.
    AnswerId, "ans";
    /// One call of a tool in a turn.
    CallId, "cal";
    /// One remembered fact, note or list item.
    MemoryId, "rem";
    /// One reminder.
    ReminderId, "rmd";
    /// One login session at the page.
    SessionId, "ses";
    /// One secret of the vault, over all its versions.
    SecretId, "sec";
    /// One account of one person at one channel, over a digest of both.
    IdentityId, "idn";
    /// One request of an unknown sender to be paired.
    PairingId, "par";
    /// One group chat at one channel.
    GroupId, "grp";
    /// One installed tool, or one thing that a tool keeps, by its name.
    ToolId, "tol";
    /// One question to a member: may this effect happen?
    ApprovalId, "apv";
    /// What a member allowed for more than once.
    GrantId, "grt";
}

/// A version 8 UUID (RFC 9562 section 5.8) from the first 16 bytes of a SHA-256 over length-framed parts.
fn derive_uuid(kind: &str, parts: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    for part in std::iter::once(&kind).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_what_it_prints() {
        let id = TurnId::derived(&["a", "b"]);
        assert_eq!(id.to_string().parse::<TurnId>(), Ok(id));
        assert_eq!(serde_json::from_str::<TurnId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = TurnId::derived(&["a"]).to_string();
        assert!(id.parse::<MessageId>().is_err());
        assert!("trn_".parse::<TurnId>().is_err());
        assert!("".parse::<TurnId>().is_err());
    }

    #[test]
    fn parts_are_framed_so_that_boundaries_count() {
        assert_ne!(MemberId::derived(&["ab", "c"]), MemberId::derived(&["a", "bc"]));
    }
}
