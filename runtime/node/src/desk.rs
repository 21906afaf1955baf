//! What the local socket serves of the household: who is here, and changes of it.

use std::sync::Arc;
use std::time::Duration;

use hearth_actors::household::glass::{BreakGlass, ReadGlass};
use hearth_actors::household::{Change, ListHousehold, Listing, Resolve, account, rooms};
use hearth_actors::tree::Doors;
use hearth_actors::vault::Status;
use hearth_domain::household::identity::Identity;
use hearth_domain::household::pairing::Setting;
use hearth_domain::household::wish::{Newcomer, Wish};
use hearth_domain::household::{Member, MemberId};
use hearth_domain::ids::GroupId;
use hearth_domain::message::{Author, Message};
use hearth_domain::store::{Conversation, Store};
use hearth_domain::vault::VaultState;

use crate::wire::household::{
    HouseholdAnswer, HouseholdAsk, New, ShownAccount, ShownConversation, ShownGroup, ShownMember, ShownSaid, ShownWaiting,
};

/// How long the household may take to answer, and to write.
const ANSWER: Duration = Duration::from_secs(20);
/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";

/// Serves one question of a member at this machine; the owner when none is named.
pub async fn serve(doors: &Doors, store: &Arc<dyn Store>, member: Option<String>, ask: HouseholdAsk) -> Result<HouseholdAnswer, String> {
    let resolved = doors.resolve.ask(Resolve { identity: member, thread: String::new() }, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    let by: Member = resolved.map_err(|error| error.to_string())?.member;
    if ask == HouseholdAsk::List {
        return Ok(shown(&list(doors, by.id).await?));
    }
    if ask == HouseholdAsk::Who {
        return Ok(HouseholdAnswer::Done { member: by.id.to_string(), secrets: None });
    }
    if let HouseholdAsk::BreakGlass { name, reason } = ask {
        let opened = doors.household.break_glass.ask(BreakGlass { by: by.id, child: name, reason }, ANSWER).await;
        let opening = opened.map_err(|_| BUSY.to_owned())?.map_err(|error| error.to_string())?;
        return Ok(HouseholdAnswer::Opened { until: crate::audits::shown(opening.until, &by) });
    }
    if let HouseholdAsk::ReadGlass { name } = ask {
        let read = doors.household.read_glass.ask(ReadGlass { by: by.id, child: name }, ANSWER).await;
        let read = read.map_err(|_| BUSY.to_owned())?.map_err(|error| error.to_string())?;
        return Ok(HouseholdAnswer::Read { conversations: read.into_iter().map(|(row, said)| conversation(row, said, &by)).collect() });
    }
    // Their records go with them.
    let owned = if matches!(ask, HouseholdAsk::Remove { .. }) { owned(store).await } else { Vec::new() };
    let wish = match ask {
        HouseholdAsk::List | HouseholdAsk::Who | HouseholdAsk::BreakGlass { .. } | HouseholdAsk::ReadGlass { .. } => {
            return Err(BUSY.to_owned());
        }
        HouseholdAsk::Add(new) => Wish::Add(newcomer(new)),
        HouseholdAsk::Role { name, role, guardians } => Wish::Role { name, role, guardians },
        HouseholdAsk::Remove { name } => Wish::Remove { name },
        HouseholdAsk::PairNew { code, new } => Wish::PairNew { code, newcomer: newcomer(new) },
        HouseholdAsk::PairWith { code, name } => Wish::PairWith { code, name },
        HouseholdAsk::Deny { code } => Wish::Deny { code },
        HouseholdAsk::Unlink { account: typed } => {
            let listing = list(doors, by.id).await?;
            let id = account(&listing, &typed).ok_or("nobody has such an account, or you may not see it; see `hearth identity list`")?;
            Wish::Unlink { id }
        }
        HouseholdAsk::Admit { group } => Wish::Admit { group: named(doors, by.id, &group).await? },
        HouseholdAsk::Dismiss { group } => Wish::Dismiss { group: named(doors, by.id, &group).await? },
    };
    // Whoever is at this machine is alone with the house.
    let change = Change { by: by.id, from: Setting::Private, wish };
    let granted = doors.household.change.ask(change, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    let member = granted.map_err(|error| error.to_string())?.changed.member;
    let count = owned.into_iter().filter(|owner| *owner == member).count();
    let secrets = if count == 0 { None } else { Some(format!("{count} secrets were theirs. {}", key(doors).await)) };
    Ok(HouseholdAnswer::Done { member: member.to_string(), secrets })
}

async fn named(doors: &Doors, by: MemberId, typed: &str) -> Result<GroupId, String> {
    let listing = list(doors, by).await?;
    rooms::group(&listing.groups, typed)
        .ok_or_else(|| "no channel told of such a group, or it is not yours to see; see `hearth group list`".to_owned())
}

async fn list(doors: &Doors, by: MemberId) -> Result<Listing, String> {
    let listed = doors.household.list.ask(ListHousehold { by }, ANSWER).await.map_err(|_| BUSY.to_owned())?;
    listed.map_err(|error| error.to_string())
}

/// Whose the sealed records are. When that cannot be read, it is only not said.
async fn owned(store: &Arc<dyn Store>) -> Vec<MemberId> {
    let records = tokio::time::timeout(ANSWER, store.secrets()).await;
    records.ok().and_then(Result::ok).unwrap_or_default().iter().map(|record| record.owner).collect()
}

/// What becomes of a removed member's key.
async fn key(doors: &Doors) -> &'static str {
    match doors.vault.ask(Status, ANSWER).await.ok().and_then(|report| report.state) {
        Some(VaultState::Open) => "The vault destroys the key to them, and with it every copy.",
        Some(VaultState::Sealed) => {
            "The vault is sealed: it destroys the key to them when it is opened. `hearth secret unseal` opens it, `hearth secret status` says how it is."
        }
        Some(VaultState::Broken) => "The vault has lost its own key, and with it the key to them: `hearth doctor` says more.",
        None => "The vault is being started: it destroys the key to them when it is up. `hearth secret status` says how it is.",
    }
}

fn conversation(row: Conversation, said: Vec<Message>, reader: &Member) -> ShownConversation {
    let shown = |message: Message| ShownSaid {
        at: crate::audits::shown(message.at, reader),
        house: message.author == Author::House,
        text: message.text,
    };
    ShownConversation { thread: row.thread, said: said.into_iter().map(shown).collect() }
}

fn newcomer(new: New) -> Newcomer {
    Newcomer { name: new.name, role: new.role, zone: new.zone, guardians: new.guardians }
}

fn shown(listing: &Listing) -> HouseholdAnswer {
    let named = |id: &MemberId| {
        let row = listing.members.iter().find(|(row, _)| row.member.id == *id);
        row.map_or_else(|| id.to_string(), |(row, _)| row.member.name.clone())
    };
    let account = |identity: &Identity| ShownAccount { id: identity.id().to_string(), account: identity.to_string() };
    let members = listing.members.iter().map(|(row, accounts)| ShownMember {
        id: row.member.id.to_string(),
        name: row.member.name.clone(),
        role: row.member.role,
        zone: row.member.zone.clone(),
        guardians: row.guardians.iter().map(named).collect(),
        configured: row.by.is_none(),
        accounts: accounts.iter().map(account).collect(),
    });
    let waiting = listing.waiting.iter().map(|row| ShownWaiting { account: row.identity.to_string(), until: row.until.to_string() });
    let groups = listing.groups.iter().map(|group| ShownGroup {
        id: group.id.to_string(),
        group: format!("{}/{}", group.channel, group.room),
        admitted: group.admitted.as_ref().map(named),
        members: group.members.iter().map(named).collect(),
        strangers: group.strangers,
        complete: group.complete,
    });
    let (members, waiting) = (members.collect(), waiting.collect());
    HouseholdAnswer::Listing { members, waiting, away: listing.away.clone(), groups: groups.collect() }
}
