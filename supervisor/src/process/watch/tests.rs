use proptest::prelude::*;

use super::*;

const DEADLINES: Deadlines = Deadlines {
    start: Duration::from_secs(10),
    ping_every: Duration::from_secs(5),
    answer: Duration::from_secs(2),
    stop: Duration::from_secs(3),
    terminate: Duration::from_secs(1),
};
const KILLED: Exit = Exit::Signal { number: 9, dumped: false };

struct Driven {
    watch: Watch,
    started: Instant,
}

impl Driven {
    fn new() -> Self {
        let started = Instant::now();
        Self { watch: Watch::start(DEADLINES, started).0, started }
    }

    /// Effects of the event at this second, with the time to wake as the second it is.
    fn at(&mut self, second: u64, event: Event) -> (Vec<Effect>, Option<u64>) {
        let mut effects = self.watch.on_event(self.started + Duration::from_secs(second), event);
        let wake = match effects.last() {
            Some(Effect::WakeAt(at)) => Some((*at - self.started).as_secs()),
            _ => None,
        };
        effects.retain(|effect| !matches!(effect, Effect::WakeAt(_)));
        (effects, wake)
    }

    fn ready() -> Self {
        let mut driven = Self::new();
        assert_eq!(driven.at(1, Event::Ready), (vec![Effect::BecameReady], Some(6)));
        driven
    }
}

#[test]
fn a_child_that_is_not_ready_in_time_is_killed() {
    let mut child = Driven::new();
    assert_eq!(child.at(9, Event::Tick), (vec![], Some(10)));
    assert_eq!(child.at(10, Event::Tick), (vec![Effect::Kill], None));
    assert_eq!(child.at(11, Event::Ready), (vec![], None), "too late");
    assert_eq!(child.at(12, Event::Exited(KILLED)), (vec![Effect::Gone { cause: Cause::StartTimedOut, exit: KILLED }], None));
    assert!(child.watch.is_gone());
}

#[test]
fn a_child_that_answers_is_asked_again() {
    let mut child = Driven::ready();
    for round in 0..5_u64 {
        let due = 6 + round * 6;
        assert_eq!(child.at(due, Event::Tick), (vec![Effect::Ping { nonce: round }], Some(due + 2)));
        assert_eq!(child.at(due + 1, Event::Pong { nonce: round }), (vec![], Some(due + 6)));
        assert!(child.watch.is_ready());
    }
}

#[test]
fn a_child_that_does_not_answer_is_killed() {
    let mut child = Driven::ready();
    child.at(6, Event::Tick);
    assert_eq!(child.at(7, Event::Pong { nonce: 99 }), (vec![], Some(8)), "an answer to nothing");
    assert_eq!(child.at(8, Event::Pong { nonce: 0 }), (vec![Effect::BecameUnready, Effect::Kill], None), "an answer too late");
    assert_eq!(child.at(8, Event::Exited(KILLED)), (vec![Effect::Gone { cause: Cause::Unanswered, exit: KILLED }], None));
}

#[test]
fn a_child_that_is_asked_to_stop_is_asked_then_told_then_killed() {
    let mut child = Driven::ready();
    assert_eq!(child.at(2, Event::Stop), (vec![Effect::BecameUnready, Effect::AskToStop], Some(5)));
    assert_eq!(child.at(3, Event::Stop), (vec![], Some(5)), "asking again changes nothing");
    assert_eq!(child.at(4, Event::SocketClosed), (vec![], Some(5)));
    assert_eq!(child.at(5, Event::Tick), (vec![Effect::Terminate], Some(6)));
    assert_eq!(child.at(6, Event::Tick), (vec![Effect::Kill], None));
    assert_eq!(child.at(7, Event::Exited(KILLED)), (vec![Effect::Gone { cause: Cause::Asked, exit: KILLED }], None));
}

#[test]
fn a_child_that_ends_by_itself_is_told_apart() {
    let mut child = Driven::ready();
    let exit = Exit::Code(3);
    assert_eq!(child.at(2, Event::Exited(exit)), (vec![Effect::Gone { cause: Cause::Itself, exit }], None));
    assert_eq!(child.at(2, Event::Stop), (vec![], None));
}

#[test]
fn a_child_whose_socket_ended_has_a_moment_to_end() {
    let mut child = Driven::ready();
    assert_eq!(child.at(2, Event::SocketClosed), (vec![Effect::BecameUnready], Some(3)));
    let exit = Exit::Code(0);
    let mut ended = Driven::ready();
    ended.at(2, Event::SocketClosed);
    assert_eq!(ended.at(2, Event::Exited(exit)), (vec![Effect::Gone { cause: Cause::SocketClosed, exit }], None));
    assert_eq!(child.at(3, Event::Tick), (vec![Effect::Kill], None));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Tick),
        2 => Just(Event::Ready),
        2 => (0_u64..4).prop_map(|nonce| Event::Pong { nonce }),
        1 => Just(Event::Stop),
        1 => Just(Event::SocketClosed),
        1 => Just(Event::Exited(KILLED)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_child_that_is_asked_to_stop_is_killed_in_time(
        events in proptest::collection::vec((0_u64..4, event()), 0..40),
    ) {
        let mut child = Driven::new();
        let (mut second, mut all) = (0, Vec::new());
        for (later, event) in events {
            second += later;
            all.extend(child.at(second, event).0);
        }
        all.extend(child.at(second, Event::Stop).0);
        // Each deadline is looked at when it is due, as the effects ask.
        for _ in 0..10 {
            second += 1;
            all.extend(child.at(second, Event::Tick).0);
        }
        let count = |wanted: fn(&Effect) -> bool| all.iter().filter(|effect| wanted(effect)).count();
        let kills = count(|effect| matches!(effect, Effect::Kill));
        let gone = count(|effect| matches!(effect, Effect::Gone { .. }));
        prop_assert!(kills <= 1 && gone <= 1);
        prop_assert!(kills == 1 || gone == 1);
        prop_assert_eq!(gone == 1, child.watch.is_gone());
        prop_assert!(!child.watch.is_ready());
        // Users are let in at most once, and out no oftener than in.
        let ups = count(|effect| matches!(effect, Effect::BecameReady));
        let downs = count(|effect| matches!(effect, Effect::BecameUnready));
        prop_assert!(downs <= ups && ups <= 1);
    }
}
