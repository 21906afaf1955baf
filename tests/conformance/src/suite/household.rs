//! The household's rows: read back as they were, and erased with all that hangs on them and nothing else.

use std::collections::BTreeSet;

use hearth_domain::household::Role;
use hearth_domain::household::audience::{Group, Presence};
use hearth_domain::household::identity::{Identity, IdentityError, Platform};
use hearth_domain::household::pairing::{Pairing, PairingState};
use hearth_domain::household::record::{GoneRow, HouseholdRows, HouseholdWrite, IdentityRow, MemberRow};
use hearth_domain::ids::{IdentityId, PairingId};
use hearth_domain::journal::Digest;
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::memory::Memory;
use hearth_domain::message::Message;
use hearth_domain::schedule::{Reminder, ReminderState};
use hearth_domain::secret::SealedRecord;
use hearth_domain::store::{Conversation, Step, StepBody, Turn, Write};
use hearth_domain::time::Timestamp;

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{
    adults, approval, at, conversation, delivery, endorsement, fact, grant, kept, member, message, place, reminder, result, said_to,
    secret, session, turn, turn_id, who,
};

pub(super) const CHECKS: &[Check] = &[
    check("the household's rows are read back as they were", |house| boxed(rows(house))),
    check("a member from before there were changes of the household has nobody's word", |house| boxed(older(house))),
    check("a member who was removed is no member, and keeps an id", |house| boxed(gone(house))),
    check("what is taken away from the household is gone, and taking it away again is no error", |house| boxed(taken(house))),
    check("an erased conversation is gone with all that is in it, and no other is", |house| boxed(erased_conversation(house))),
    check("what a member alone has is erased, and what others may read is not", |house| boxed(erased_own(house))),
    check("an erasure concerns what its group wrote before it, and not what it writes after", |house| boxed(in_order(house))),
];

fn row(name: &str, role: Role) -> MemberRow {
    MemberRow { member: member(name, role), guardians: BTreeSet::new(), by: Some(who("ada")), at: at(5) }
}

fn account(number: &str, name: &str) -> Result<IdentityRow, IdentityError> {
    let identity = Identity::new(Platform::Telegram, "telegram", number)?;
    Ok(IdentityRow { id: identity.id(), identity, member: who(name), by: None, at: at(6) })
}

fn waiting(number: &str) -> Result<Pairing, IdentityError> {
    let id = PairingId::derived(&[number]);
    let identity = Identity::new(Platform::Whatsapp, "wa", number)?;
    Ok(Pairing { id, identity, digest: Digest::of(b"code"), at: at(1), until: at(901), state: PairingState::Open })
}

fn chat() -> Group {
    let mut group = Group::new("telegram", "-100", at(2));
    group.on(Presence::Joined(IdentityId::derived(&["1"])), at(3), at(4));
    Group { admitted: Some(who("ada")), ..group }
}

async fn rows(mut house: House) -> Outcome {
    let mut child = row("mia", Role::Child);
    child.guardians = [who("ada"), who("bob")].into();
    let mut members = vec![row("ada", Role::Owner), MemberRow { by: None, ..row("bob", Role::Adult) }, child];
    members.sort_by_key(|row| row.member.id);
    let mut identities = vec![account("4711", "ada")?, account("4712", "bob")?];
    identities.sort_by_key(|row| row.id);
    let used = Pairing { state: PairingState::Used { by: who("ada") }, ..waiting("4915112345679")? };
    let mut pairings = vec![waiting("4915112345678")?, used];
    pairings.sort_by_key(|row| row.id);
    let gone = vec![GoneRow { id: who("eve"), at: at(9), erased: false }];
    let all = HouseholdRows { members, gone, identities, pairings, groups: vec![chat()] };
    let writes = all.members.iter().cloned().map(HouseholdWrite::Member);
    let writes = writes.chain(all.gone.iter().copied().map(HouseholdWrite::Gone));
    let writes = writes.chain(all.identities.iter().cloned().map(HouseholdWrite::Identity));
    let writes = writes.chain(all.pairings.iter().cloned().map(HouseholdWrite::Pairing));
    let writes = writes.chain(all.groups.iter().cloned().map(HouseholdWrite::Group));
    house.write(writes.map(Write::Household)).await?;
    same("the household", &house.store.household().await?, &all)?;
    house.reopen().await?;
    same("the household after a reopening", &house.store.household().await?, &all)?;
    let erased = GoneRow { id: who("eve"), at: at(9), erased: true };
    let changed = MemberRow { by: Some(who("bob")), at: at(7), ..row("bob", Role::Guest) };
    house.write([HouseholdWrite::Gone(erased), HouseholdWrite::Member(changed.clone())].map(Write::Household)).await?;
    let found = house.store.household().await?;
    same("the erasure", &found.gone, &vec![erased])?;
    same("the changed row", &found.members.iter().find(|row| row.member.id == who("bob")), &Some(&changed))
}

async fn older(mut house: House) -> Outcome {
    let old = MemberRow { member: member("ada", Role::Owner), guardians: BTreeSet::new(), by: None, at: Timestamp::UNIX_EPOCH };
    house.write([Write::Member(old.member.clone())]).await?;
    same("the row", &house.store.household().await?.members, &vec![old])
}

async fn gone(mut house: House) -> Outcome {
    let eve = GoneRow { id: who("eve"), at: at(9), erased: false };
    house.write([row("ada", Role::Owner), row("eve", Role::Guest)].map(|row| Write::Household(HouseholdWrite::Member(row)))).await?;
    house.write([Write::Household(HouseholdWrite::Gone(eve))]).await?;
    same("the members", &house.store.members().await?, &vec![member("ada", Role::Owner)])?;
    let found = house.store.household().await?;
    same("the rows", &found.members, &vec![row("ada", Role::Owner)])?;
    same("who left", &found.gone, &vec![eve])
}

async fn taken(mut house: House) -> Outcome {
    let (account, waiting, chat) = (account("4711", "ada")?, waiting("4915112345678")?, chat());
    let away = || {
        [
            HouseholdWrite::Unlink { id: account.id },
            HouseholdWrite::ForgetPairing { id: waiting.id },
            HouseholdWrite::ForgetGroup { id: chat.id },
        ]
        .map(Write::Household)
    };
    let rows = [HouseholdWrite::Identity(account.clone()), HouseholdWrite::Pairing(waiting.clone()), HouseholdWrite::Group(chat.clone())];
    house.write(rows.map(Write::Household)).await?;
    for _ in 0..2 {
        house.write(away()).await?;
        same("the household", &house.store.household().await?, &HouseholdRows::default())?;
    }
    Ok(())
}

/// A conversation with everything in it that one can have.
fn full(name: &str, seq: u64) -> Vec<Write> {
    let step = Step {
        turn: turn_id(name, seq),
        index: 0,
        body: StepBody::Outcome {
            call: hearth_domain::ids::CallId::derived(&[name]),
            provider_call: "1".to_owned(),
            name: "x".to_owned(),
            result: Ok(serde_json::Value::Null),
            taken: None,
        },
        label: said_to(&["ada"]),
        at: at(1),
    };
    let sent = hearth_domain::delivery::Delivery {
        conversation: place(name),
        answer: hearth_domain::ids::AnswerId::derived(&[name, "delivery"]),
        ..delivery(seq, hearth_domain::delivery::DeliveryState::Pending)
    };
    vec![
        Write::Conversation(conversation(name)),
        Write::Message(message(name, seq, name)),
        Write::Turn(turn(name, seq)),
        Write::Step(step),
        Write::Result(result(name, seq, 1)),
        Write::Delivery(sent),
    ]
}

async fn seen(house: &House, name: &str, seq: u64) -> Result<[usize; 6], super::Broken> {
    let state = house.store.conversation(place(name), 10).await?;
    let deliveries = house.store.unsettled_deliveries().await?;
    Ok([
        usize::from(state.row.is_some()),
        state.messages.len(),
        state.open.len(),
        state.steps.len(),
        house.store.results(turn_id(name, seq)).await?.len(),
        deliveries.iter().filter(|row| row.conversation == place(name)).count(),
    ])
}

async fn erased_conversation(mut house: House) -> Outcome {
    house.write(full("private", 3)).await?;
    house.write(full("kitchen", 3)).await?;
    same("before", &seen(&house, "private", 3).await?, &[1; 6])?;
    for _ in 0..2 {
        house.write([Write::Household(HouseholdWrite::EraseConversation { id: place("private") })]).await?;
        same("the erased one", &seen(&house, "private", 3).await?, &[0; 6])?;
        same("the other", &seen(&house, "kitchen", 3).await?, &[1; 6])?;
        house.reopen().await?;
    }
    // A turn that is written again begins without the steps of the one that was erased.
    house.write([Write::Conversation(conversation("private")), Write::Turn(Turn { ..turn("private", 3) })]).await?;
    same("a new turn", &seen(&house, "private", 3).await?, &[1, 0, 1, 0, 0, 0])
}

async fn erased_own(mut house: House) -> Outcome {
    let shared = Label::new(Readers::household(), Integrity::Member);
    let private = |name: &str, whose: &str| Memory { member: who(whose), label: said_to(&[whose]), ..fact(name, name) };
    let common = Memory { label: shared.clone(), ..fact("common", "common") };
    let between = Memory { label: said_to(&["ada", "bob"]), ..fact("between", "between") };
    // Somebody else noted it, and ada alone may read it.
    let handed = Memory { member: who("bob"), ..fact("handed", "handed") };
    let memories = [private("own", "ada"), private("bobs", "bob"), common.clone(), between.clone(), handed];
    house.write(memories.map(Write::Memory)).await?;
    let own = reminder("own", 5, ReminderState::Pending);
    let told = Reminder { label: shared, ..reminder("told", 6, ReminderState::Pending) };
    let bobs = Reminder { member: who("bob"), label: said_to(&["bob"]), ..reminder("bobs", 7, ReminderState::Pending) };
    house.write([own, told, bobs.clone()].map(Write::Reminder)).await?;
    let (here, there) = (session("phone"), hearth_domain::session::Session { member: who("bob"), ..session("laptop") });
    house.write([Write::Session(here.clone()), Write::Session(there.clone())]).await?;
    house.write([kept("feeds", "ada", "k", b"1"), kept("feeds", "bob", "k", b"2")].map(Write::ToolValue)).await?;
    house.write([approval("ada", 1), approval("bob", 1)].map(Write::Approval)).await?;
    house.write([Write::Endorsement(endorsement("ada", 1)?), Write::Endorsement(endorsement("bob", 1)?)]).await?;
    house.write([grant("ada", "a"), grant("bob", "b")].map(Write::Grant)).await?;
    house.write(full("music", 3)).await?;
    house.write(full("garden", 3)).await?;
    house.write([Write::Conversation(Conversation { owner: Some(who("bob")), ..conversation("garden") })]).await?;
    let bobs_key = SealedRecord { owner: who("bob"), ..secret("bobs-key", 1)? };
    house.write([Write::Secret(secret("adas-key", 1)?), Write::Secret(bobs_key.clone())]).await?;
    house.write([Write::Household(HouseholdWrite::EraseOwn { member: who("ada") })]).await?;
    same("a thread of ada's", &seen(&house, "music", 3).await?, &[0; 6])?;
    same("a conversation of bob's", &seen(&house, "garden", 3).await?, &[1; 6])?;
    same("secrets", &house.store.secrets().await?, &vec![bobs_key])?;
    let found =
        hearth_domain::memory::MemorySearch { words: "own bobs common between handed".to_owned(), audience: adults(&["ada"]), limit: 9 };
    let mut words: Vec<_> = house.store.search(found).await?.into_iter().map(|hit| hit.memory.text).collect();
    words.sort();
    same("what ada could read", &words, &vec!["between".to_owned(), "common".to_owned()])?;
    same("memories in all", &house.store.counts().await?.memories, &3)?;
    same("reminders", &house.store.pending_reminders().await?, &vec![bobs])?;
    same("a session of ada's", &house.store.session(here.token).await?, &None)?;
    same("a session of bob's", &house.store.session(there.token).await?, &Some(there))?;
    same("what is kept for ada", &house.store.tool_value_bytes("feeds".to_owned(), who("ada")).await?, &0)?;
    same("what is kept for bob", &house.store.tool_value_bytes("feeds".to_owned(), who("bob")).await?, &2)?;
    same("questions", &house.store.open_approvals().await?, &vec![approval("bob", 1)])?;
    same("larger questions", &house.store.open_endorsements().await?, &vec![endorsement("bob", 1)?])?;
    same("what is allowed", &house.store.grants(None).await?, &vec![grant("bob", "b")])
}

async fn in_order(mut house: House) -> Outcome {
    let erase = Write::Household(HouseholdWrite::EraseConversation { id: place("kitchen") });
    let own = Write::Household(HouseholdWrite::EraseOwn { member: who("ada") });
    let said = |seq| Write::Message(Message { ..message("kitchen", seq, "text") });
    let opened = || Write::Conversation(Conversation { ..conversation("kitchen") });
    house
        .write([opened(), said(1), Write::Memory(fact("before", "tea")), erase, own, said(2), Write::Memory(fact("after", "tea"))])
        .await?;
    same("messages", &house.store.recent(place("kitchen"), 9).await?, &vec![message("kitchen", 2, "text")])?;
    same("the row", &house.store.conversation(place("kitchen"), 1).await?.row, &None)?;
    same("memories", &house.store.memory_count(who("ada")).await?, &1)
}
