//! Said, answered, kept: without a key and without a network, over stops and starts.

use std::time::Duration;

use hearth::wire::ClientFrame;
use hearth_domain::message::Purpose;
use serde_json::Value;

use crate::support::{DEADLINE, Home, let_pass, messages};

const BINS: &str = "remember that the bins go out on Tuesday";
const ASK: &str = "what do I know about the bins?";

#[test]
fn what_was_remembered_is_known_without_a_running_house() {
    let home = Home::new();
    assert_eq!(home.once(BINS), "I'll remember that the bins go out on Tuesday.");
    let answer = home.once(ASK);
    assert!(answer.starts_with("Here is what I remember:\n- the bins go out on Tuesday (said today at "), "{answer}");
}

#[test]
fn what_was_remembered_is_known_through_the_running_house() {
    let home = Home::new();
    let house = home.start();
    home.once(BINS);
    assert!(home.once(ASK).contains("the bins go out on Tuesday"));
    // It was this house that was asked: a house of the command's own would not have got the folder.
    assert_eq!((house.count("memories"), house.count("conversations")), (1, 1));
    // What was shown is confirmed.
    house.until("pending_deliveries", 0);
}

#[test]
fn a_question_confirms_its_own_answer_and_no_reminder_that_it_did_not_print() {
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer("remind me in 1 second to stretch");
    talk.wait("the notice", |frames| messages(frames).into_iter().find(|said| said.purpose == Purpose::Notice));
    let ran = home.run(&["chat", "--once", "what time is it?"]);
    assert!(ran.out.starts_with("It's ") && !ran.out.contains("stretch"), "{}", ran.out);

    // Confirmations reach the store in the order in which they come: after that of another conversation, the question's would be there.
    let mut other = house.talk();
    other.open(Some("Bo"), None);
    let seen = other.answer("what time is it?");
    other.send(&ClientFrame::Seen { upto: seen.seq });
    let began = std::time::Instant::now();
    while house.count("pending_deliveries") > 3 {
        assert!(began.elapsed() < DEADLINE, "what Bo has seen is not confirmed\n{}", house.tail());
    }
    assert_eq!(house.count("pending_deliveries"), 3, "the answer, the reminder, and the answer behind it");

    talk.answer("what time is it?");
    let last = messages(&talk.frames).last().unwrap().seq;
    talk.send(&ClientFrame::Seen { upto: last });
    house.until("pending_deliveries", 0);
}

#[test]
fn the_json_of_an_answer_has_its_place_and_its_ids() {
    let home = Home::new();
    let ran = home.run(&["chat", "--once", BINS, "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&said["seq"], &said["house"], &said["purpose"]), (&2.into(), &true.into(), &"answer".into()));
    assert_eq!(said["text"], "I'll remember that the bins go out on Tuesday.");
    assert!(said["answer"].is_string() && said["turn"].is_string() && said["at"].is_string(), "{said}");
}

#[test]
fn another_data_folder_is_another_house() {
    let (home, other) = (Home::new(), Home::new());
    home.once(BINS);
    assert_eq!(other.once(ASK), "I don't remember anything about “bins”.");
    let mut moved = Home::new();
    moved.variables.insert("HEARTH_DATA", home.data().display().to_string());
    assert!(moved.once(ASK).contains("the bins go out on Tuesday"));
    assert!(!moved.data().exists());
}

#[test]
fn members_have_memories_of_their_own() {
    let home = Home::new();
    home.once("remember that my present is behind the piano");
    let ran = home.run(&["chat", "--as", "Bo", "--once", "what do I know about the piano?"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.out.contains("behind"), "{}", ran.out);
    assert!(home.once("what do I know about the piano?").contains("behind the piano"));
}

#[test]
fn a_stop_loses_nothing_and_the_reminder_is_still_to_come() {
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer(BINS);
    let reminder = talk.answer("remind me in 1 hour to stretch");
    assert!(reminder.text.starts_with("I'll remind you to stretch "), "{}", reminder.text);
    drop(talk);
    assert_eq!(house.stop(), Some(0));

    let house = home.start();
    let mut talk = house.talk();
    let before = talk.open(None, None);
    assert_eq!(before.iter().map(|said| said.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(talk.answer(ASK).text.contains("the bins go out on Tuesday"));
    assert!(talk.answer("what are my reminders").text.contains("stretch"));
    assert_eq!(house.count("pending_reminders"), 1);
}

#[test]
fn a_reminder_that_came_due_while_the_house_was_off_is_said_once_at_start() {
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer("remind me in 2 seconds to stretch");
    let seen = messages(&talk.frames).iter().filter(|said| said.purpose == Purpose::Notice).count();
    drop(talk);
    assert_eq!(house.stop(), Some(0));
    assert_eq!(seen, 0, "it came due before the house was off; the machine is too slow for this test");

    let_pass(Duration::from_secs(3));
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    let notices = |said: &[hearth::wire::Said]| said.iter().filter(|said| said.purpose == Purpose::Notice).cloned().collect::<Vec<_>>();
    let said = talk.wait("the notice", |frames| notices(&messages(frames)).first().cloned());
    assert!(said.text.starts_with("Reminder: stretch"), "{}", said.text);
    assert_eq!(house.count("pending_reminders"), 0);
    drop(talk);
    assert_eq!(house.stop(), Some(0));

    let house = home.start();
    let mut talk = house.talk();
    assert_eq!(notices(&talk.open(None, Some(0))).len(), 1, "said once, over every start");
}

#[test]
fn a_reminder_is_said_to_a_client_that_is_there() {
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer("remind me in 1 second to stretch");
    let notice = talk.wait("the notice", |frames| messages(frames).into_iter().find(|said| said.purpose == Purpose::Notice));
    assert_eq!(notice.text, "Reminder: stretch");
}

#[test]
fn a_client_with_a_cursor_gets_what_it_missed_and_nothing_twice() {
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.answer("remember that the cat is called Ines");
    let last = talk.answer("remember that the dog is called Otto");
    let mut late = house.talk();
    let missed = late.open(None, Some(2));
    assert_eq!(missed.iter().map(|said| said.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(missed.last(), Some(&last));
    assert_eq!(late.open(None, Some(4)), []);
}

#[test]
fn a_message_sent_twice_with_one_nonce_is_accepted_once_also_over_a_kill() {
    let home = Home::new();
    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.say_as("the same", BINS);
    let first = talk.taken("the same");
    talk.answer_of(first.answer);
    house.kill();

    let house = home.start();
    let mut talk = house.talk();
    talk.open(None, None);
    talk.say_as("the same", BINS);
    assert_eq!(talk.taken("the same"), first);
    assert_eq!((house.count("messages"), house.count("memories")), (2, 1));
}
