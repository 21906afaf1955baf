//! A conversation's state, and its messages by place.

use hearth_domain::delivery::{Delivery, DeliveryState};
use hearth_domain::label::Label;
use hearth_domain::message::{Author, Message};
use hearth_domain::model::StopReason;
use hearth_domain::model::Usage;
use hearth_domain::store::{Conversation, Step, StepBody, Summary, Turn, TurnState, Write};
use hearth_domain::why::Account;

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{at, conversation, delivery, fact, message, place, turn, turn_id, who};

pub(super) const CHECKS: &[Check] = &[
    check("the private conversations of a member are theirs and no others", |house| boxed(private(house))),
    check("the tail holds the newest messages, oldest first", |house| boxed(tail(house))),
    check("messages that a summary stands for are left out", |house| boxed(summary(house))),
    check("open turns come oldest first, with their steps in order", |house| boxed(open(house))),
    check("the message of an open turn is there though it lies before the tail", |house| boxed(asked(house))),
    check("an ended turn leaves nothing in the state", |house| boxed(ended(house))),
    check("conversations do not see each other's messages, turns or steps", |house| boxed(apart(house))),
    check("messages are paged by a cursor", |house| boxed(cursor(house))),
    check("a message of the house is found with what its turn drew on", |house| boxed(account(house))),
];

async fn account(mut house: House) -> Outcome {
    let answer = Message { turn: Some(turn_id("kitchen", 1)), author: Author::House, ..message("kitchen", 2, "It is told.") };
    let known = fact("known", "known");
    let sources = vec![known.id, fact("gone", "gone").id];
    let row = Turn { state: TurnState::Answered, sources, ..turn("kitchen", 1) };
    let sent = Delivery { message: answer.id, conversation: place("kitchen"), seq: 2, ..delivery(2, DeliveryState::Delivered) };
    let steps = vec![reply("kitchen", 1, 0), reply("kitchen", 1, 1)];
    house
        .write(
            [
                Write::Conversation(conversation("kitchen")),
                Write::Message(message("kitchen", 1, "1")),
                Write::Message(answer.clone()),
                Write::Turn(row.clone()),
                Write::Delivery(sent),
                Write::Memory(known.clone()),
                Write::Memory(fact("other", "other")),
            ]
            .into_iter()
            .chain(steps.iter().cloned().map(Write::Step)),
        )
        .await?;
    let conversation = conversation("kitchen");
    let whole = Account { conversation, message: answer.clone(), turn: Some(row), steps, memories: vec![known] };
    same("the account", &house.store.account(answer.id).await?, &Some(whole))?;
    same("what a member said", &house.store.account(message("kitchen", 1, "1").id).await?, &None)
}

async fn said(house: &mut House, name: &str, count: u64) -> Outcome {
    let messages = (1..=count).map(|seq| Write::Message(message(name, seq, &seq.to_string())));
    house.write(messages.collect::<Vec<_>>()).await?;
    Ok(())
}

async fn seqs(house: &House, tail: usize) -> Result<Vec<u64>, super::Broken> {
    Ok(house.store.conversation(place("kitchen"), tail).await?.messages.iter().map(|row| row.seq).collect())
}

async fn tail(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 12).await?;
    same("the tail", &seqs(&house, 3).await?, &vec![10, 11, 12])?;
    same("no tail", &seqs(&house, 0).await?, &Vec::new())?;
    same("a long tail", &seqs(&house, 1_000).await?.len(), &12)?;
    let recent: Vec<u64> = house.store.recent(place("kitchen"), 2).await?.iter().map(|row| row.seq).collect();
    same("recent", &recent, &vec![11, 12])
}

async fn summary(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 12).await?;
    let mut row = conversation("kitchen");
    row.summary = Some(Summary { text: "So far.".to_owned(), label: Label::neutral(), upto: 10 });
    house.write([Write::Conversation(row)]).await?;
    same("after the summary", &seqs(&house, 5).await?, &vec![11, 12])?;
    same("recent", &house.store.recent(place("kitchen"), 5).await?.len(), &5)
}

fn reply(name: &str, seq: u64, index: u32) -> Step {
    let body = StepBody::Reply {
        text: index.to_string(),
        calls: Vec::new(),
        provider: "p".to_owned(),
        usage: Usage::default(),
        stop: StopReason::End,
    };
    Step { turn: turn_id(name, seq), index, body, label: Label::neutral(), at: at(0) }
}

async fn open(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 4).await?;
    house.write([Write::Turn(turn("kitchen", 3)), Write::Turn(turn("kitchen", 2)), Write::Turn(turn("kitchen", 4))]).await?;
    let steps = [reply("kitchen", 3, 1), reply("kitchen", 3, 0), reply("kitchen", 2, 0), reply("kitchen", 3, 2)];
    house.write(steps.map(Write::Step)).await?;
    let state = house.store.conversation(place("kitchen"), 10).await?;
    same("the turns", &state.open, &vec![turn("kitchen", 2), turn("kitchen", 3), turn("kitchen", 4)])?;
    same("the first turn's steps", &state.steps.get(&turn_id("kitchen", 2)), &Some(&vec![reply("kitchen", 2, 0)]))?;
    let three = (0..3).map(|index| reply("kitchen", 3, index)).collect::<Vec<_>>();
    same("the second turn's steps", &state.steps.get(&turn_id("kitchen", 3)), &Some(&three))?;
    same("a turn without steps", &state.steps.get(&turn_id("kitchen", 4)), &None)?;
    same("asked", &state.asked, &Vec::new())
}

async fn asked(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 9).await?;
    house.write([Write::Turn(turn("kitchen", 3)), Write::Turn(turn("kitchen", 5)), Write::Turn(turn("kitchen", 9))]).await?;
    let state = house.store.conversation(place("kitchen"), 2).await?;
    same("the tail", &state.messages.iter().map(|row| row.seq).collect::<Vec<_>>(), &vec![8, 9])?;
    same("asked", &state.asked, &vec![message("kitchen", 3, "3"), message("kitchen", 5, "5")])
}

async fn ended(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 1).await?;
    house.write([Write::Turn(turn("kitchen", 1)), Write::Step(reply("kitchen", 1, 0))]).await?;
    let mut over = turn("kitchen", 1);
    over.state = TurnState::Answered;
    house.write([Write::Turn(over)]).await?;
    let state = house.store.conversation(place("kitchen"), 10).await?;
    same("open", &state.open, &Vec::new())?;
    same("steps", &state.steps.len(), &0)
}

async fn apart(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 2).await?;
    said(&mut house, "garden", 5).await?;
    house.write([Write::Turn(turn("garden", 5)), Write::Step(reply("garden", 5, 0)), Write::Turn(turn("kitchen", 2))]).await?;
    let state = house.store.conversation(place("kitchen"), 10).await?;
    same("messages", &state.messages.len(), &2)?;
    same("turns", &state.open, &vec![turn("kitchen", 2)])?;
    same("steps", &state.steps.len(), &0)?;
    same("the other's recent", &house.store.recent(place("garden"), 10).await?.len(), &5)
}

async fn cursor(mut house: House) -> Outcome {
    said(&mut house, "kitchen", 7).await?;
    for (after, limit, expected) in
        [(0, 3, vec![1, 2, 3]), (3, 3, vec![4, 5, 6]), (6, 3, vec![7]), (7, 3, vec![]), (2, 0, vec![]), (u64::MAX, 3, vec![])]
    {
        let page = house.store.messages(place("kitchen"), after, limit).await?;
        same("a page", &page.iter().map(|row| row.seq).collect::<Vec<_>>(), &expected)?;
    }
    Ok(())
}

async fn private(mut house: House) -> Outcome {
    let (first, second) = (conversation("kitchen"), Conversation { at: at(7), ..conversation("music") });
    let bobs = Conversation { owner: Some(who("bob")), ..conversation("garden") };
    let group = Conversation { owner: None, ..conversation("family") };
    house.write([second.clone(), group, bobs.clone(), first.clone()].map(Write::Conversation)).await?;
    let mut adas = vec![first, second];
    adas.sort_by_key(|row| (row.at, row.id));
    same("ada's", &house.store.conversations(who("ada")).await?, &adas)?;
    same("bob's", &house.store.conversations(who("bob")).await?, &vec![bobs])?;
    same("nobody's", &house.store.conversations(who("eve")).await?, &Vec::new())
}
