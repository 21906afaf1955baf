//! Reminders: when they are due.

use super::{BERLIN, check};

/// Reminders at a fixed Tuesday, 14:04 in Berlin: what is said, its text, and local date and time or `every`.
const TIMES: &[(&str, &str, &str)] = &[
    // lengths of time
    ("remind me in 1 minute to stretch", "stretch", "2026-04-21T14:05"),
    ("remind me to stretch in 1 minute", "stretch", "2026-04-21T14:05"),
    ("Remind me in a minute to Stretch!", "Stretch", "2026-04-21T14:05"),
    ("remind me in 5 mins to turn off the oven", "turn off the oven", "2026-04-21T14:09"),
    ("remind me in 30min to turn off the oven", "turn off the oven", "2026-04-21T14:34"),
    ("remind me in an hour and a half to leave", "leave", "2026-04-21T15:34"),
    ("remind me in half an hour to leave", "leave", "2026-04-21T14:34"),
    ("remind me in a quarter of an hour to leave", "leave", "2026-04-21T14:19"),
    ("remind me in two and a half hours to leave", "leave", "2026-04-21T16:34"),
    ("remind me in 2 hours and 15 minutes to leave", "leave", "2026-04-21T16:19"),
    ("remind me in 1h30 to leave", "leave", "2026-04-21T15:34"),
    ("remind me in 1.5 hours to leave", "leave", "2026-04-21T15:34"),
    ("remind me to leave twenty minutes from now", "leave", "2026-04-21T14:24"),
    ("remind me in twenty-five minutes to leave", "leave", "2026-04-21T14:29"),
    ("remind me in a couple of hours to leave", "leave", "2026-04-21T16:04"),
    ("remind me in 3 days to water the plants", "water the plants", "2026-04-24T14:04"),
    ("remind me in two weeks at 6pm to water the plants", "water the plants", "2026-05-05T18:00"),
    ("remind me in a fortnight to pay", "pay", "2026-05-05T14:04"),
    ("remind me in 6 months to see the dentist", "see the dentist", "2026-10-21T14:04"),
    // clock times
    ("remind me at 7:30 to stretch", "stretch", "2026-04-21T19:30"),
    ("remind me at 07:30 to stretch", "stretch", "2026-04-22T07:30"),
    ("remind me at 7 to stretch", "stretch", "2026-04-21T19:00"),
    ("remind me at 3 to stretch", "stretch", "2026-04-21T15:00"),
    ("remind me at 2 to stretch", "stretch", "2026-04-22T14:00"),
    ("remind me at 11 to stretch", "stretch", "2026-04-22T11:00"),
    ("remind me at 12 to eat", "eat", "2026-04-22T12:00"),
    ("remind me at 18 to eat", "eat", "2026-04-21T18:00"),
    ("remind me at 1830 to eat", "eat", "2026-04-21T18:30"),
    ("remind me at 18.30 to eat", "eat", "2026-04-21T18:30"),
    ("remind me to eat at 6 PM", "eat", "2026-04-21T18:00"),
    ("remind me to eat at 6p.m.", "eat", "2026-04-21T18:00"),
    ("remind me at 6 p.m. to eat", "eat", "2026-04-21T18:00"),
    ("remind me to get up at 6am", "get up", "2026-04-22T06:00"),
    ("remind me to get up at 12am", "get up", "2026-04-22T00:00"),
    ("remind me to eat at 12 pm", "eat", "2026-04-22T12:00"),
    ("remind me at noon to eat", "eat", "2026-04-22T12:00"),
    ("remind me at midnight to sleep", "sleep", "2026-04-22T00:00"),
    ("remind me at half past seven to go", "go", "2026-04-21T19:30"),
    ("remind me at quarter to 8 to go", "go", "2026-04-21T19:45"),
    ("remind me at ten past 8 to go", "go", "2026-04-21T20:10"),
    ("remind me at seven o'clock to go", "go", "2026-04-21T19:00"),
    ("remind me to go at 7 in the morning", "go", "2026-04-22T07:00"),
    ("remind me this evening to go", "go", "2026-04-21T19:00"),
    ("remind me tonight to go", "go", "2026-04-21T20:00"),
    ("remind me tonight at 9 to go", "go", "2026-04-21T21:00"),
    ("remind me to go tonight at 12", "go", "2026-04-22T00:00"),
    ("remind me in the morning to go", "go", "2026-04-22T09:00"),
    ("remind me today at 5 to go", "go", "2026-04-21T17:00"),
    // days
    ("remind me to call mum tomorrow at 6pm", "call mum", "2026-04-22T18:00"),
    ("Remind me tomorrow to call Mum at 6pm", "call Mum", "2026-04-22T18:00"),
    ("remind me to call mum at 6 tomorrow", "call mum", "2026-04-22T18:00"),
    ("remind me to call mum at 7 tomorrow", "call mum", "2026-04-22T07:00"),
    ("remind me to call mum tomorrow", "call mum", "2026-04-22T09:00"),
    ("remind me tomorrow morning to call mum", "call mum", "2026-04-22T09:00"),
    ("remind me tomorrow evening at 8 to call mum", "call mum", "2026-04-22T20:00"),
    ("remind me the day after tomorrow to call mum", "call mum", "2026-04-23T09:00"),
    ("remind me on friday at noon to call mum", "call mum", "2026-04-24T12:00"),
    ("please remind me Friday to call mum", "call mum", "2026-04-24T09:00"),
    ("remind me on fri at 10 to call mum", "call mum", "2026-04-24T10:00"),
    ("remind me next tuesday to call mum", "call mum", "2026-04-28T09:00"),
    ("remind me on tuesday to call mum", "call mum", "2026-04-28T09:00"),
    ("remind me on tuesday at 18:00 to call mum", "call mum", "2026-04-21T18:00"),
    ("remind me on tuesday at 9am to call mum", "call mum", "2026-04-28T09:00"),
    ("remind me next tuesday at 18:00 to call mum", "call mum", "2026-04-28T18:00"),
    ("remind me to call mum on sunday evening", "call mum", "2026-04-26T19:00"),
    ("remind me on wednesday next week to call mum", "call mum", "2026-04-29T09:00"),
    ("remind me next week on monday at 8 to call mum", "call mum", "2026-04-27T08:00"),
    ("remind me next week to call mum", "call mum", "2026-04-28T09:00"),
    ("remind me next month to call mum", "call mum", "2026-05-21T09:00"),
    ("remind me at the weekend to mow the lawn", "mow the lawn", "2026-04-25T09:00"),
    ("remind me on 3 May to call mum", "call mum", "2026-05-03T09:00"),
    ("remind me on the 3rd of May at 10 to call mum", "call mum", "2026-05-03T10:00"),
    ("remind me on May 3rd, 2027 at 10:15am to call mum", "call mum", "2027-05-03T10:15"),
    ("remind me on 3 January to call mum", "call mum", "2027-01-03T09:00"),
    ("remind me on the 5th to pay the rent", "pay the rent", "2026-05-05T09:00"),
    ("remind me on the 31st to pay the rent", "pay the rent", "2026-05-31T09:00"),
    ("remind me on the twenty-fifth at 8 to pay", "pay", "2026-04-25T08:00"),
    ("remind me on 2026-12-24 at 16:00 to light the tree", "light the tree", "2026-12-24T16:00"),
    ("remind me on 24.12.2026 to light the tree", "light the tree", "2026-12-24T09:00"),
    ("remind me on 29 february to laugh", "laugh", "2028-02-29T09:00"),
    ("remind me on friday at midnight to sleep", "sleep", "2026-04-25T00:00"),
    ("remind me on Thursday, April 23 at 8am to call mum", "call mum", "2026-04-23T08:00"),
    ("remind me to call mum on thursday the 23rd at 8", "call mum", "2026-04-23T08:00"),
    ("remind me to turn the oven on in 20 minutes", "turn the oven on", "2026-04-21T14:24"),
    ("remind me please to log in at 9pm", "log in", "2026-04-21T21:00"),
    ("/remind at 6 to eat", "eat", "2026-04-21T18:00"),
    ("reminder: call mum tomorrow at 9", "call mum", "2026-04-22T09:00"),
    // repetitions
    ("remind me every day at 8 to take the pill", "take the pill", "2026-04-22T08:00 day"),
    ("remind me to take the pill every day at 20:00", "take the pill", "2026-04-21T20:00 day"),
    ("remind me every morning to take the pill", "take the pill", "2026-04-22T09:00 day"),
    ("remind me to take the pill daily at 9pm", "take the pill", "2026-04-21T21:00 day"),
    ("remind me every monday at 8 to take the bins out", "take the bins out", "2026-04-27T08:00 week"),
    ("remind me on Mondays to take the bins out", "take the bins out", "2026-04-27T09:00 week"),
    ("remind me every weekday at 7 to pack lunch", "pack lunch", "2026-04-22T07:00 weekday"),
    ("remind me every hour to drink water", "drink water", "2026-04-21T15:04 hour"),
    ("remind me every month on the 1st at 9 to pay the rent", "pay the rent", "2026-05-01T09:00 month"),
    ("remind me every year on 3 May to call mum", "call mum", "2026-05-03T09:00 year"),
    // shapes
    ("remind me tomorrow at 8 about the meeting at 9", "about the meeting at 9", "2026-04-22T08:00"),
    ("remind me about the cake in 20 minutes", "about the cake", "2026-04-21T14:24"),
    ("remind me at 8pm that the train leaves at 9", "that the train leaves at 9", "2026-04-21T20:00"),
    ("set a reminder for tomorrow at 9 to call mum", "call mum", "2026-04-22T09:00"),
    ("could you set a reminder to call mum tomorrow at 9?", "call mum", "2026-04-22T09:00"),
    ("remind me tomorrow at 9: call mum", "call mum", "2026-04-22T09:00"),
    ("hey hearth, can you remind me at 6pm to say thanks", "say thanks", "2026-04-21T18:00"),
    ("remind me tomorrow to book a table for friday at 8", "book a table for friday at 8", "2026-04-22T09:00"),
];

#[test]
fn reminders_are_due_when_they_were_said_to_be() {
    let rows: Vec<(&str, String)> = TIMES
        .iter()
        .map(|(said, text, at)| {
            let (at, every) = at.split_once(' ').unwrap_or((at, ""));
            let offset = if ("2026-10-25".."2027-03-28").contains(&at) || at.starts_with("2028-02") { "+01:00" } else { "+02:00" };
            let every = if every.is_empty() { String::new() } else { format!(" every={every}") };
            (*said, format!("remind at={at}:00{offset}[Europe/Berlin]{every} text={text}"))
        })
        .collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(said, meant)| (*said, meant.as_str())).collect();
    check(BERLIN, &rows);
}
