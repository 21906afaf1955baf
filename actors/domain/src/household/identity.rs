//! Identities: by which account of which channel the house knows a person.
//!
//! An identity is a channel and the platform's own stable id of an account there. Display names, user names and numbers in another
//! spelling are none: they can be changed or borrowed. It belongs to at most one member.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Class, Classified};
use crate::ids::{IdentityId, MemberId};
use crate::message::is_harmful;
use crate::tool::manifest::is_invisible;

/// Longest name of a channel, in bytes.
pub const CHANNEL_MAX: usize = 32;
/// Longest account, in bytes.
pub const ACCOUNT_MAX: usize = 128;
/// Most identities of one member.
pub const IDENTITIES_PER_MEMBER: usize = 32;

/// What kind of channel it is: decides what an account looks like there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// This machine: the kernel says which user is at the other end of a socket. The account is a uid.
    Local,
    /// The page: the account is a session's id.
    Web,
    /// Telegram: a user's number.
    Telegram,
    /// Slack: workspace and user, `T…:U…`. A user's id alone is unique in its workspace only.
    Slack,
    /// `WhatsApp`: a phone number, digits alone with the country's code (E.164 without the plus).
    Whatsapp,
    /// Discord: a user's number.
    Discord,
    /// A connector of the household's own: whatever stable id it has for an account, in letters, digits and signs of ASCII.
    Bridge,
}

impl Platform {
    /// What an account looks like there, for a person.
    const fn form(self) -> &'static str {
        match self {
            Self::Local => "a numeric user id such as 1000",
            Self::Web => "the id of a session",
            Self::Telegram | Self::Discord => "the account's number, not its user name",
            Self::Slack => "workspace and user such as T024BE7LD:U2147483697, not a display name",
            Self::Whatsapp => "a phone number in digits alone, the country's code first",
            Self::Bridge => "the connector's own id of it, in letters, digits and signs, without a space",
        }
    }

    fn takes(self, account: &str) -> bool {
        // One spelling for each number.
        let number = |max: usize| {
            (1..=max).contains(&account.len())
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && (account == "0" || !account.starts_with('0'))
        };
        let upper = |text: &str, first: &[char]| {
            (2..=24).contains(&text.len())
                && text.starts_with(first)
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        match self {
            Self::Local => account.parse::<u32>().is_ok() && number(10),
            Self::Web => account.parse::<crate::ids::SessionId>().is_ok_and(|id| id.to_string() == account),
            Self::Telegram => account.parse::<i64>().is_ok() && number(19),
            Self::Discord => account.parse::<u64>().is_ok() && number(20),
            Self::Slack => account.split_once(':').is_some_and(|(team, user)| upper(team, &['T', 'E']) && upper(user, &['U', 'W'])),
            Self::Whatsapp => number(15) && account.len() >= 7,
            Self::Bridge => !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_graphic()),
        }
    }
}

/// An account at a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Identity {
    platform: Platform,
    channel: String,
    account: String,
}

/// The stored form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    platform: Platform,
    channel: String,
    account: String,
}

/// Why something is no identity, or cannot be somebody's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The channel's name.
    #[error("a channel has a name of 1 to {CHANNEL_MAX} lower-case letters, digits and hyphens")]
    Channel,
    /// The account.
    #[error("an account there is {}", .0.form())]
    Account(Platform),
    /// It is another member's.
    #[error("this account belongs to another member already; take it from them first")]
    Taken,
    /// The member has too many.
    #[error("a member has at most {IDENTITIES_PER_MEMBER} accounts; remove one first")]
    TooMany,
}

impl Classified for IdentityError {
    fn class(&self) -> Class {
        match self {
            Self::Channel | Self::Account(_) | Self::TooMany => Class::Permanent,
            Self::Taken => Class::Denied,
        }
    }
}

/// Whether a channel may be called so: 1 to [`CHANNEL_MAX`] lower-case letters, digits and hyphens.
#[must_use]
pub fn is_channel(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=CHANNEL_MAX).contains(&name.len()) && name.bytes().all(plain)
}

impl Identity {
    /// The account of that id at the channel of that configured name.
    ///
    /// # Errors
    ///
    /// When the channel's name or the account is not of its form. Nothing is trimmed or folded: another spelling is another account.
    pub fn new(platform: Platform, channel: &str, account: &str) -> Result<Self, IdentityError> {
        if !is_channel(channel) {
            return Err(IdentityError::Channel);
        }
        let clean = account.len() <= ACCOUNT_MAX && !account.chars().any(|letter| is_harmful(letter) || is_invisible(letter));
        if !clean || !platform.takes(account) {
            return Err(IdentityError::Account(platform));
        }
        Ok(Self { platform, channel: channel.to_owned(), account: account.to_owned() })
    }

    /// Its id: the same for the same account, and nothing that shows the account.
    #[must_use]
    pub fn id(&self) -> IdentityId {
        Self::id_of(&self.channel, &self.account)
    }

    /// The id of an account as a channel names it, whether that is of its form or not: somebody is there in any case.
    #[must_use]
    pub fn id_of(channel: &str, account: &str) -> IdentityId {
        IdentityId::derived(&[channel, account])
    }

    /// The kind of channel.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        self.platform
    }

    /// The channel's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The account's id at its platform.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The guest that a sender is whom nobody has paired: an id of its own that no member ever has.
    #[must_use]
    pub fn guest(id: IdentityId) -> MemberId {
        MemberId::derived(&["guest", &id.to_string()])
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.channel, self.account)
    }
}

impl TryFrom<Raw> for Identity {
    type Error = IdentityError;
    fn try_from(raw: Raw) -> Result<Self, IdentityError> {
        Self::new(raw.platform, &raw.channel, &raw.account)
    }
}

impl From<Identity> for Raw {
    fn from(identity: Identity) -> Self {
        Self { platform: identity.platform, channel: identity.channel, account: identity.account }
    }
}

/// Whose identities these are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    of: BTreeMap<IdentityId, (Identity, MemberId)>,
}

impl Identities {
    /// Whose account it is.
    #[must_use]
    pub fn member(&self, identity: &Identity) -> Option<MemberId> {
        self.member_of(identity.id())
    }

    /// Whose account it is, by its id.
    #[must_use]
    pub fn member_of(&self, id: IdentityId) -> Option<MemberId> {
        self.of.get(&id).map(|(_, member)| *member)
    }

    /// A member's accounts, in the order of their ids.
    pub fn of(&self, member: MemberId) -> impl Iterator<Item = &Identity> {
        self.of.values().filter(move |(_, whose)| *whose == member).map(|(identity, _)| identity)
    }

    /// Gives a member an account. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// When it is somebody else's, or the member has too many. Nothing has changed then.
    pub fn link(&mut self, identity: Identity, member: MemberId) -> Result<(), IdentityError> {
        match self.member(&identity) {
            Some(whose) if whose == member => return Ok(()),
            Some(_) => return Err(IdentityError::Taken),
            None => {}
        }
        if self.of(member).count() >= IDENTITIES_PER_MEMBER {
            return Err(IdentityError::TooMany);
        }
        self.of.insert(identity.id(), (identity, member));
        Ok(())
    }

    /// Takes an account away from whoever has it.
    pub fn unlink(&mut self, id: IdentityId) -> Option<MemberId> {
        self.of.remove(&id).map(|(_, member)| member)
    }

    /// Takes all accounts away from a member.
    pub fn unlink_all(&mut self, member: MemberId) -> Vec<IdentityId> {
        let ids: Vec<_> = self.of(member).map(Identity::id).collect();
        for id in &ids {
            self.of.remove(id);
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(platform: Platform, account: &str, fits: bool) {
        let made = Identity::new(platform, "chat", account);
        assert_eq!(made.is_ok(), fits, "{platform:?} {account:?} {made:?}");
    }

    #[test]
    fn an_account_is_the_platform_s_own_stable_id_and_nothing_else() {
        for account in ["1000", "0", "4294967295"] {
            check(Platform::Local, account, true);
        }
        for account in ["", "root", "-1", "+1000", "01000", " 1000", "4294967296", "१०"] {
            check(Platform::Local, account, false);
        }
        check(Platform::Telegram, "912345678", true);
        for account in ["@ada", "Ada", "9123 45678", "912345678\u{200b}", "-100123"] {
            check(Platform::Telegram, account, false);
        }
        check(Platform::Slack, "T024BE7LD:U2147483697", true);
        for account in ["U2147483697", "T024BE7LD:ada", "T024BE7LD:u2147483697", "T024BE7LD:U2147483697:U1"] {
            check(Platform::Slack, account, false);
        }
        check(Platform::Whatsapp, "4915112345678", true);
        for account in ["+4915112345678", "004915112345678", "49 151 12345678", "49-151-12345678", "4915112345678@s", "４９15112345678"] {
            check(Platform::Whatsapp, account, false);
        }
        let session = crate::ids::SessionId::derived(&["1"]).to_string();
        check(Platform::Web, &session, true);
        check(Platform::Web, &session.to_uppercase(), false);
        check(Platform::Discord, "80351110224678912", true);
        for account in ["+4915112345678", "a8f3c0de-0001", "@ada:matrix.example"] {
            check(Platform::Bridge, account, true);
        }
        for account in ["", "+49 151 12345678", "ad\u{430}", "a\u{200b}"] {
            check(Platform::Bridge, account, false);
        }
    }

    #[test]
    fn a_channel_s_name_is_plain() {
        for channel in ["", "Chat", "chat/x", "chat ", "ch\u{430}t"] {
            assert_eq!(Identity::new(Platform::Local, channel, "1"), Err(IdentityError::Channel));
        }
    }

    #[test]
    fn an_account_belongs_to_one_member_at_most() {
        let (ada, ben) = (MemberId::derived(&["ada"]), MemberId::derived(&["ben"]));
        let account = Identity::new(Platform::Telegram, "telegram", "1").unwrap();
        let mut identities = Identities::default();
        assert_eq!(identities.link(account.clone(), ada), Ok(()));
        assert_eq!(identities.link(account.clone(), ada), Ok(()));
        assert_eq!(identities.link(account.clone(), ben), Err(IdentityError::Taken));
        assert_eq!(identities.member(&account), Some(ada));
        assert_eq!(identities.unlink(account.id()), Some(ada));
        assert_eq!(identities.link(account, ben), Ok(()));
    }

    #[test]
    fn a_member_has_a_bounded_number_of_accounts() {
        let ada = MemberId::derived(&["ada"]);
        let account = |n: usize| Identity::new(Platform::Telegram, "telegram", &(n + 1).to_string()).unwrap();
        let mut identities = Identities::default();
        for n in 0..IDENTITIES_PER_MEMBER {
            identities.link(account(n), ada).unwrap();
        }
        assert_eq!(identities.link(account(IDENTITIES_PER_MEMBER), ada), Err(IdentityError::TooMany));
        assert_eq!(identities.unlink_all(ada).len(), IDENTITIES_PER_MEMBER);
        assert_eq!(identities, Identities::default());
    }

    #[test]
    fn the_same_account_at_two_channels_is_two_identities() {
        let at = |channel| Identity::new(Platform::Telegram, channel, "1").unwrap().id();
        assert_ne!(at("telegram"), at("telegram-work"));
    }

    #[test]
    fn a_stored_identity_that_has_lost_its_form_is_refused() {
        let account = Identity::new(Platform::Whatsapp, "wa", "4915112345678").unwrap();
        let text = serde_json::to_string(&account).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&text).unwrap(), account);
        assert!(serde_json::from_str::<Identity>(&text.replace("49151", "+49151")).is_err());
    }
}
