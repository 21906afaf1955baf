//! Opening, closing, and what stays.

use hearth_domain::household::Role;
use hearth_domain::store::{Counts, StoreError, Write};

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{adults, conversation, member, place, session, who};
use hearth_domain::journal::Digest;

pub(super) const CHECKS: &[Check] = &[
    check("an empty store is empty", |house| boxed(empty(house))),
    check("what was applied stays over a close", |house| boxed(stays(house))),
    check("a closed store answers that it is closed", |house| boxed(closed(house))),
    check("closing twice is no error", |house| boxed(closing_twice(house))),
    check("opening an open store gives the same head", |house| boxed(opening_twice(house))),
    check("an ended session is gone", |house| boxed(sessions(house))),
];

async fn empty(house: House) -> Outcome {
    same("members", &house.store.members().await?, &Vec::new())?;
    same("state", &house.store.conversation(place("kitchen"), 10).await?, &Default::default())?;
    same("unfinished", &house.store.unfinished().await?, &Vec::new())?;
    same("entries", &house.store.entries(place("kitchen"), adults(&["ada"])).await?, &Vec::new())?;
    same("memories", &house.store.memory_count(who("ada")).await?, &0)?;
    same("session", &house.store.session(Digest::ZERO).await?, &None)?;
    same("secrets", &house.store.secrets().await?, &Vec::new())?;
    same("tools", &house.store.tools().await?, &Vec::new())?;
    same("deliveries", &house.store.unsettled_deliveries().await?, &Vec::new())?;
    same("counts", &house.store.counts().await?, &Counts::default())
}

async fn stays(mut house: House) -> Outcome {
    house.write([Write::Member(member("ada", Role::Owner)), Write::Conversation(conversation("kitchen"))]).await?;
    for _ in 0..3 {
        house.reopen().await?;
    }
    same("members", &house.store.members().await?, &vec![member("ada", Role::Owner)])?;
    same("the row", &house.store.conversation(place("kitchen"), 1).await?.row, &Some(conversation("kitchen")))
}

async fn closed(mut house: House) -> Outcome {
    house.store.close().await?;
    same("a read", &house.store.members().await, &Err(StoreError::Closed))?;
    same("a state", &house.store.conversation(place("kitchen"), 1).await.map(drop), &Err(StoreError::Closed))?;
    same("secrets", &house.store.secrets().await, &Err(StoreError::Closed))?;
    same("tools", &house.store.tools().await, &Err(StoreError::Closed))?;
    same("a write", &house.write([]).await, &Err(StoreError::Closed))
}

async fn closing_twice(house: House) -> Outcome {
    house.store.close().await?;
    house.store.close().await?;
    Ok(())
}

async fn opening_twice(mut house: House) -> Outcome {
    house.write([Write::Member(member("ada", Role::Owner))]).await?;
    let again = house.store.open().await?;
    same("the head", &again.head, &house.head)?;
    house.write([Write::Member(member("bob", Role::Child))]).await?;
    same("members", &house.store.members().await?.len(), &2)
}

async fn sessions(mut house: House) -> Outcome {
    let (kept, ended) = (session("kept"), session("ended"));
    house.write([Write::Session(kept.clone()), Write::Session(ended.clone())]).await?;
    house.write([Write::EndSession(ended.id)]).await?;
    house.write([Write::EndSession(ended.id)]).await?;
    same("kept", &house.store.session(kept.token).await?, &Some(kept))?;
    same("ended", &house.store.session(ended.token).await?, &None)
}
