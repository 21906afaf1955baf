//! What becomes of a message that a channel tells of.

use hearth_domain::channel::{Incoming, Post, To};
use hearth_domain::conversation::Say;
use hearth_domain::error::{Class, Classified as _};
use hearth_domain::household::MemberId;
use hearth_domain::household::audience::Group;
use hearth_domain::household::identity::Identity;
use hearth_domain::household::pairing::Setting;
use hearth_domain::household::wish::Wish;
use hearth_domain::ids::{AnswerId, GroupId};
use hearth_domain::message::{Origin, hides};

use super::Around;
use crate::conversations::Submit;
use crate::household::rooms::Gather;
use crate::household::{Arrive, Change, Resolved, Unpaired};

/// Longest id of a message, in bytes.
const ID_MAX: usize = 128;
/// What a grown-up says to have somebody's account paired: the code, then the name of whose it is.
const PAIR: &str = "/pair";
/// Sentence for a house that does not answer itself.
const BUSY: &str = "the house is busy or restarting; send it again";

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is dealt with.
    Taken,
    /// Not now.
    Again(String),
    /// Who spoke in a room could not be written: the channel begins anew.
    Unwritten,
}

/// Who wrote, as far as that came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// This member, by this account.
    Member(MemberId, String),
    /// Somebody whom nobody knows.
    Stranger,
    /// It did not come out.
    Open,
}

/// What became of it, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) fate: Fate,
    pub(super) by: By,
}

impl From<Fate> for Taken {
    fn from(fate: Fate) -> Self {
        Self { fate, by: By::Open }
    }
}

/// Deals with a message.
pub(super) async fn take(around: Around, message: Incoming) -> Taken {
    let transport = &around.transport;
    let is_id = (1..=ID_MAX).contains(&message.id.len()) && !message.id.chars().any(|letter| letter.is_control() || hides(letter));
    let Some(identity) = Identity::new(transport.platform(), transport.name(), &message.from).ok().filter(|_| is_id) else {
        tracing::warn!(channel = transport.name(), "a message has an id or an account that is none; it is not taken");
        return Fate::Taken.into();
    };
    match &message.room {
        None => in_private(&around, identity, message).await,
        Some(room) if Group::is_room(room) => in_room(&around, identity, room.clone(), message).await.into(),
        Some(_) => Fate::Taken.into(),
    }
}

async fn in_private(around: &Around, identity: Identity, message: Incoming) -> Taken {
    let arrive = Arrive { identity: identity.clone(), thread: String::new() };
    match around.links.arrive.ask(arrive, around.limits.commit_deadline).await {
        Err(_) => Fate::Again(BUSY.to_owned()).into(),
        Ok(Err(Unpaired::Nothing)) => Taken { fate: Fate::Taken, by: By::Stranger },
        Ok(Err(Unpaired::Show(text))) => {
            // A code that does not arrive is over soon, and then there is another one.
            tell(around, &identity, &message.id, To::Account(message.from), text).await;
            Taken { fate: Fate::Taken, by: By::Stranger }
        }
        Ok(Ok(resolved)) => {
            let by = By::Member(resolved.member.id, message.from.clone());
            Taken { fate: said(around, &identity, resolved, message).await, by }
        }
    }
}

async fn in_room(around: &Around, identity: Identity, room: String, message: Incoming) -> Fate {
    let gather = Gather { identity: identity.clone(), room, written: message.written };
    match around.links.gather.ask(gather, around.limits.commit_deadline).await {
        Ok(Ok(Some(resolved))) => said(around, &identity, resolved, message).await,
        // Whoever is not paired is there, and no more; nor does the house speak where nobody let it.
        Ok(Ok(None)) => Fate::Taken,
        Ok(Err(_)) | Err(_) => Fate::Unwritten,
    }
}

/// A member said something.
async fn said(around: &Around, identity: &Identity, resolved: Resolved, message: Incoming) -> Fate {
    let Incoming { id, from, room, text, .. } = message;
    if let Some((code, name)) = pairing(&text) {
        let from_where = if room.is_some() { Setting::Group } else { Setting::Private };
        let change = Change { by: resolved.member.id, from: from_where, wish: Wish::PairWith { code, name: name.clone() } };
        let sentence = match around.links.change.ask(change, around.limits.commit_deadline).await {
            Ok(Ok(_)) => format!("That account is {name}'s now."),
            Ok(Err(error)) => format!("{error}."),
            Err(_) => return Fate::Again(BUSY.to_owned()),
        };
        // To them alone: in a room everybody would read along.
        tell(around, identity, &id, To::Account(from), sentence).await;
        return Fate::Taken;
    }
    let channel = identity.channel().to_owned();
    let external = match &room {
        Some(room) => format!("{}/{}/{id}", GroupId::derived(&[&channel, room]), identity.id()),
        None => format!("{}/{id}", identity.id()),
    };
    let origin = Origin { channel, external };
    let Resolved { member, place, readers } = resolved;
    let say = Say { member, place, readers, thread: String::new(), origin, text, images: Vec::new() };
    match around.links.submit.ask(Submit(Box::new(say)), around.limits.commit_deadline).await {
        Ok(Ok(_)) => Fate::Taken,
        Ok(Err(error)) if error.class() == Class::Transient => Fate::Again(error.to_string()),
        Ok(Err(error)) => {
            tell(around, identity, &id, room.map_or(To::Account(from), To::Room), format!("{error}.")).await;
            Fate::Taken
        }
        Err(_) => Fate::Again(BUSY.to_owned()),
    }
}

/// Says a sentence of the house's own that is not kept.
async fn tell(around: &Around, identity: &Identity, id: &str, to: To, text: String) {
    let delivery = AnswerId::derived(&["told", &identity.id().to_string(), id]);
    let posted = around.transport.post(Post { delivery, to, text, answers: Vec::new() });
    drop(tokio::time::timeout(around.limits.ask_deadline, posted).await);
}

/// Code and name, when a message has an account paired and is nothing else.
fn pairing(text: &str) -> Option<(String, String)> {
    let mut words = text.trim().splitn(3, char::is_whitespace);
    let (PAIR, Some(code), Some(name)) = (words.next()?, words.next(), words.next()) else {
        return None;
    };
    Some((code.to_owned(), name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_paired_by_the_exact_words_alone() {
        assert_eq!(pairing("/pair ABCD-EFGH Bo"), Some(("ABCD-EFGH".to_owned(), "Bo".to_owned())));
        assert_eq!(pairing(" /pair ABCD-EFGH  Bo the Second "), Some(("ABCD-EFGH".to_owned(), "Bo the Second".to_owned())));
        for other in ["/pair", "/pair ABCD-EFGH", "please /pair ABCD-EFGH Bo", "/pairs a b", ""] {
            assert_eq!(pairing(other), None, "{other}");
        }
    }
}
