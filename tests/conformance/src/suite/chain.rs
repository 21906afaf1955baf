//! The journal, groups, and claims.

use hearth_domain::journal::{FactKind, Head, verify};
use hearth_domain::store::{Group, StoreError, Write};

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{at, conversation, group, happened, member, message, place, reminder, who};
use hearth_domain::household::Role;
use hearth_domain::ids::ReminderId;
use hearth_domain::schedule::ReminderState;

pub(super) const CHECKS: &[Check] = &[
    check("the chain is read back whole and in pages", |house| boxed(paging(house))),
    check("the head is found again after a reopening", |house| boxed(head(house))),
    check("every field of an entry is read back", |house| boxed(fields(house))),
    check("an occurrence is claimed once", |house| boxed(claim(house))),
    check("a refused claim writes nothing of its group", |house| boxed(claim_writes_nothing(house))),
    check("two claims of one occurrence in one group are refused", |house| boxed(double_claim(house))),
    check("a group of many commits is written as one", |house| boxed(large_group(house))),
    check("the same group again changes nothing", |house| boxed(again(house))),
    check("a place in the chain is taken once", |house| boxed(taken(house))),
    check("a later write of the same row in a group wins", |house| boxed(later_wins(house))),
];

async fn paging(mut house: House) -> Outcome {
    for _ in 0..7 {
        house.write([]).await?;
    }
    let first = house.store.journal(0, 3).await?;
    let second = house.store.journal(3, 100).await?;
    same("a page", &first.iter().map(|entry| entry.seq).collect::<Vec<_>>(), &vec![1, 2, 3])?;
    let head = verify(Head::EMPTY, first.iter().chain(&second));
    same("the chain", &head, &Ok(house.head))?;
    same("past the end", &house.store.journal(7, 5).await?.len(), &0)?;
    same("none", &house.store.journal(0, 0).await?.len(), &0)
}

async fn head(mut house: House) -> Outcome {
    same("an empty chain", &house.head, &Head::EMPTY)?;
    house.write([]).await?;
    house.write([]).await?;
    let before = house.head;
    house.reopen().await?;
    same("the head", &house.head, &before)
}

async fn fields(mut house: House) -> Outcome {
    let mut bare = happened(FactKind::HouseStarted, "");
    (bare.who, bare.content, bare.detail) = (None, None, String::new());
    let entries = vec![house.head.append(happened(FactKind::Forgotten, "rem_1")), house.head.append(bare)];
    house.store.apply(Group { writes: Vec::new(), entries: entries.clone() }).await?;
    same("the entries", &house.store.journal(0, 10).await?, &entries)
}

fn claim_of(name: &str, due: i64) -> Write {
    Write::Claim { reminder: ReminderId::derived(&[name]), due: at(due), at: at(due) }
}

async fn claim(mut house: House) -> Outcome {
    house.write([claim_of("plants", 1)]).await?;
    house.write([claim_of("plants", 2), claim_of("bins", 1)]).await?;
    house.reopen().await?;
    same("the second claim", &house.write([claim_of("plants", 1)]).await, &Err(StoreError::Claimed))?;
    house.write([claim_of("plants", 3)]).await?;
    Ok(())
}

async fn claim_writes_nothing(mut house: House) -> Outcome {
    house.write([claim_of("plants", 1)]).await?;
    let rest = [Write::Message(message("kitchen", 1, "water the plants")), Write::Reminder(reminder("plants", 5, ReminderState::Pending))];
    let refused = house.write(rest.into_iter().chain([claim_of("plants", 1)])).await;
    same("the refusal", &refused, &Err(StoreError::Claimed))?;
    same("messages", &house.store.recent(place("kitchen"), 10).await?, &Vec::new())?;
    same("reminders", &house.store.pending_reminders().await?, &Vec::new())?;
    same("entries", &house.store.journal(0, 10).await?.len(), &1)?;
    house.write([]).await?;
    Ok(())
}

async fn double_claim(mut house: House) -> Outcome {
    let refused = house.write([claim_of("plants", 1), claim_of("plants", 1)]).await;
    same("the refusal", &refused, &Err(StoreError::Claimed))?;
    house.write([claim_of("plants", 1)]).await?;
    Ok(())
}

async fn large_group(mut house: House) -> Outcome {
    let writes: Vec<Write> = (1..=64).map(|seq| Write::Message(message("kitchen", seq, "text"))).collect();
    let entries = (0..64).map(|_| house.head.append(happened(FactKind::MessageAccepted, "msg"))).collect();
    house.store.apply(Group { writes, entries }).await?;
    same("messages", &house.store.recent(place("kitchen"), 100).await?.len(), &64)?;
    same("the chain", &verify(Head::EMPTY, &house.store.journal(0, 100).await?), &Ok(house.head))
}

async fn again(mut house: House) -> Outcome {
    house.write([Write::Conversation(conversation("kitchen"))]).await?;
    let mut head = house.head;
    let repeated = group(&mut head, [Write::Message(message("kitchen", 1, "once")), claim_of("plants", 1)]);
    house.store.apply(repeated.clone()).await?;
    house.store.apply(repeated).await?;
    house.head = head;
    same("messages", &house.store.recent(place("kitchen"), 10).await?.len(), &1)?;
    same("entries", &house.store.journal(0, 10).await?.len(), &2)?;
    house.write([Write::Message(message("kitchen", 1, "once"))]).await?;
    same("messages", &house.store.recent(place("kitchen"), 10).await?, &vec![message("kitchen", 1, "once")])
}

async fn taken(mut house: House) -> Outcome {
    let mut stale = house.head;
    house.write([]).await?;
    let entries = vec![stale.append(happened(FactKind::LoggedIn, "somebody else"))];
    let refused = house.store.apply(Group { writes: vec![Write::Member(member("eve", Role::Guest))], entries }).await;
    same("the refusal", &refused, &Err(StoreError::Fenced))?;
    same("members", &house.store.members().await?, &Vec::new())
}

async fn later_wins(mut house: House) -> Outcome {
    let (first, second) = (member("ada", Role::Adult), member("ada", Role::Owner));
    house.write([Write::Member(first), Write::Member(second.clone())]).await?;
    same("members", &house.store.members().await?, &vec![second.clone()])?;
    same("the id", &second.id, &who("ada"))
}
