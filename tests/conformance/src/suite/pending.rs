//! What waits: turns, reminders, deliveries; and counting it.

use hearth_domain::delivery::DeliveryState;
use hearth_domain::schedule::ReminderState;
use hearth_domain::store::{Counts, TurnState, Write};

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{at, conversation, delivery, fact, message, reminder, secret, tool, turn};

pub(super) const CHECKS: &[Check] = &[
    check("pending reminders come earliest first", |house| boxed(reminders(house))),
    check("a reminder that is done or called off is not pending", |house| boxed(done(house))),
    check("unsettled deliveries are pending, sending or unknown", |house| boxed(deliveries(house))),
    check("a settled delivery is not unsettled any more", |house| boxed(settled(house))),
    check("conversations with an open turn are found, oldest turn first", |house| boxed(unfinished(house))),
    check("everything is counted", |house| boxed(counts(house))),
];

async fn reminders(mut house: House) -> Outcome {
    let late = reminder("late", 30, ReminderState::Pending);
    let early = reminder("early", 10, ReminderState::Pending);
    house.write([Write::Reminder(late.clone()), Write::Reminder(early.clone())]).await?;
    same("reminders", &house.store.pending_reminders().await?, &vec![early, late])
}

async fn done(mut house: House) -> Outcome {
    for state in [ReminderState::Pending, ReminderState::Done, ReminderState::Cancelled] {
        house.write([Write::Reminder(reminder("plants", 10, state))]).await?;
        let expected = usize::from(state == ReminderState::Pending);
        same("pending", &house.store.pending_reminders().await?.len(), &expected)?;
    }
    Ok(())
}

async fn deliveries(mut house: House) -> Outcome {
    let states = [DeliveryState::Pending, DeliveryState::Sending, DeliveryState::Unknown, DeliveryState::Delivered, DeliveryState::Failed];
    let rows: Vec<_> = (1..).zip(states).map(|(seq, state)| delivery(seq, state)).collect();
    house.write(rows.iter().rev().cloned().map(Write::Delivery)).await?;
    let expected: Vec<_> = rows.into_iter().take(3).collect();
    same("unsettled", &house.store.unsettled_deliveries().await?, &expected)
}

async fn settled(mut house: House) -> Outcome {
    house.write([Write::Delivery(delivery(1, DeliveryState::Pending))]).await?;
    house.write([Write::Delivery(delivery(1, DeliveryState::Delivered))]).await?;
    same("unsettled", &house.store.unsettled_deliveries().await?, &Vec::new())
}

async fn unfinished(mut house: House) -> Outcome {
    let names = ["kitchen", "garden", "attic"];
    house.write(names.map(|name| Write::Conversation(conversation(name)))).await?;
    let mut ended = turn("attic", 1);
    ended.state = TurnState::Answered;
    house
        .write([Write::Turn(turn("kitchen", 5)), Write::Turn(turn("garden", 2)), Write::Turn(turn("garden", 9)), Write::Turn(ended)])
        .await?;
    same("unfinished", &house.store.unfinished().await?, &vec![conversation("garden"), conversation("kitchen")])
}

async fn counts(mut house: House) -> Outcome {
    let mut ended = turn("kitchen", 1);
    ended.state = TurnState::Failed;
    house
        .write([
            Write::Conversation(conversation("kitchen")),
            Write::Message(message("kitchen", 1, "one")),
            Write::Message(message("kitchen", 2, "two")),
            Write::Turn(ended),
            Write::Turn(turn("kitchen", 2)),
            Write::Memory(fact("tea", "likes tea")),
            Write::Reminder(reminder("plants", 1, ReminderState::Pending)),
            Write::Reminder(reminder("bins", 1, ReminderState::Done)),
            Write::Delivery(delivery(1, DeliveryState::Sending)),
            Write::Delivery(delivery(2, DeliveryState::Pending)),
            Write::Delivery(delivery(3, DeliveryState::Unknown)),
            Write::Delivery(delivery(4, DeliveryState::Failed)),
            Write::Secret(secret("openai", 3)?),
            Write::Secret(secret("mailbox", 1)?),
            Write::Tool(tool("hearth/weather", "1.0.0")),
        ])
        .await?;
    let expected = Counts {
        conversations: 1,
        messages: 2,
        open_turns: 1,
        memories: 1,
        pending_reminders: 1,
        pending_deliveries: 2,
        unknown_deliveries: 1,
        secrets: 2,
        tools: 1,
    };
    same("counts", &house.store.counts().await?, &expected)?;
    same("the clock of the samples", &at(1), &turn("kitchen", 1).at)
}
