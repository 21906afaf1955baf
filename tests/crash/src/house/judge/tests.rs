use hearth_domain::ids::MessageId;

use super::*;
use crate::house::talk::{Promise, Seat, Sent};

const ASKED: &str = "quux both k1x1";

fn said(seq: u64, house: bool, turn: &str, purpose: Purpose, text: &str) -> Said {
    Said {
        seq,
        id: MessageId::derived(&[&seq.to_string()]),
        house,
        purpose,
        turn: (!turn.is_empty()).then(|| TurnId::derived(&[turn])),
        answer: house.then(|| AnswerId::derived(&[turn, &seq.to_string()])),
        text: text.to_owned(),
        at: String::new(),
    }
}

/// One message with two effects, one reminder, all as it should be.
fn good() -> (Talk, Found) {
    let history = vec![
        said(1, false, "a", Purpose::Said, ASKED),
        said(2, true, "a", Purpose::Answer, "done k1x1"),
        said(3, false, "b", Purpose::Said, "remind me in 2 seconds to stretch k1x2"),
        said(4, true, "b", Purpose::Answer, "I'll remind you to stretch k1x2 at 10:00."),
        said(5, true, "", Purpose::Notice, "Reminder: stretch k1x2"),
    ];
    let mut talk = Talk::new(Seat { member: "Ada".into(), thread: "t".into() });
    for (token, asked, answer) in [("k1x1", 0, 1), ("k1x2", 2, 3)] {
        let (asked, answer) = (&history[asked], &history[answer]);
        let promise = Promise { message: asked.id, turn: asked.turn.unwrap(), answer: answer.answer.unwrap(), seq: asked.seq };
        talk.sent.push(Sent { token: token.into(), text: asked.text.clone(), promise: Some(promise) });
    }
    history.iter().filter(|said| said.house).for_each(|said| talk.saw(Line::from(said)));
    (talk, Found { history, items: vec!["k1x1".into()], notes: vec!["k1x1".into()] })
}

/// The faults after `spoil`.
fn faults(spoil: impl FnOnce(&mut Talk, &mut Found)) -> Vec<Fault> {
    let (mut talk, mut found) = good();
    spoil(&mut talk, &mut found);
    let mut tally = Tally::default();
    judge(&talk, &found, &mut tally);
    tally.faults.into_keys().collect()
}

#[test]
fn nothing_is_wrong_where_nothing_is_wrong() {
    assert_eq!(faults(|_, _| {}), []);
}

#[test]
fn what_was_accepted_and_is_gone_is_lost() {
    let found = faults(|_, found| {
        found.history.truncate(2);
    });
    assert!(found.contains(&Fault::Lost), "{found:?}");
}

#[test]
fn an_answer_that_was_seen_and_is_gone_is_lost_and_the_message_unanswered() {
    let found = faults(|_, found| {
        found.history.remove(3);
    });
    assert!(found.contains(&Fault::Lost) && found.contains(&Fault::Unanswered), "{found:?}");
}

#[test]
fn a_second_delivery_and_a_second_answer_are_found() {
    let twice = faults(|talk, _| {
        let line = talk.seen[1];
        talk.saw(line);
    });
    assert_eq!(twice, [Fault::Twice]);
    let two = faults(|_, found| found.history.push(said(6, true, "a", Purpose::Answer, "done k1x1")));
    assert!(two.contains(&Fault::Twice), "{two:?}");
    let again = faults(|_, found| found.history.push(said(6, false, "c", Purpose::Said, ASKED)));
    assert!(again.contains(&Fault::Twice), "{again:?}");
}

#[test]
fn a_changed_text_and_an_answer_to_something_else_are_found() {
    assert_eq!(faults(|_, found| found.history[1].text = "done k1x1 or so".into()), [Fault::Altered]);
    assert_eq!(faults(|_, found| found.history[1].turn = None), [Fault::Unanswered]);
    let other = faults(|talk, found| {
        found.history[1].text = "done k7x7".into();
        talk.seen[0] = Line::from(&found.history[1]);
    });
    assert!(other.contains(&Fault::Altered), "{other:?}");
}

#[test]
fn what_the_client_never_got_is_undelivered() {
    assert_eq!(
        faults(|talk, _| {
            talk.seen.pop();
        }),
        [Fault::Undelivered]
    );
}

#[test]
fn effects_and_reminders_count() {
    assert_eq!(faults(|_, found| found.notes.clear()), [Fault::Effect]);
    assert_eq!(faults(|_, found| found.notes.push("k1x1".into())), [Fault::Effect]);
    assert_eq!(faults(|_, found| found.items.push("k5x5".into())), [Fault::Effect]);
    let silent = faults(|talk, found| {
        talk.seen.pop();
        found.history.pop();
    });
    assert_eq!(silent, [Fault::Reminder]);
}

#[test]
fn a_message_accepted_as_two_is_found() {
    let found = faults(|talk, _| {
        let promise = Promise { seq: 9, ..talk.sent[0].promise.unwrap() };
        talk.promised("k1x1", promise);
    });
    assert_eq!(found, [Fault::Twice]);
}
