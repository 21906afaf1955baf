//! Bounds, counts, deadlines and faults of links.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use hearth_supervisor::link::{AskError, Link, Refusal, Refused};
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::{ChildSpec, Strategy};
use hearth_supervisor::wires::{Interceptor, Manner as Travel, Passage, Verdict, Wires};

use crate::support::{Do, Manner, Puppet, SECOND, Stage, count, house, run};

#[test]
fn a_message_counts_from_its_offer_until_its_handler_begins_and_the_bound_holds() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        assert_eq!(link.offer(Do::Count).unwrap_err().reason, Refusal::Down, "not started yet");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let depth = || {
            let tree = root.tree().snapshot();
            let node = tree.find("house/a").unwrap();
            (node.mailbox_depth, node.mailbox_high_water, node.mailbox_capacity)
        };
        assert_eq!(depth(), (0, 0, 8));
        let sleeping = link.ask(Do::Sleep(SECOND), 60 * SECOND);
        for _ in 0..7 {
            link.offer(Do::Count).unwrap();
        }
        assert_eq!(depth(), (8, 8, 8));
        let refused = link.offer(Do::Stop).unwrap_err();
        assert_eq!((refused.reason, refused.message), (Refusal::Full, Do::Stop));
        assert_eq!(link.ask(Do::Count, SECOND).await, Err(AskError::Full));
        tokio::task::yield_now().await;
        assert_eq!(depth(), (7, 8, 8), "the first handler has begun");
        assert_eq!(sleeping.await, Ok(1));
        assert_eq!(count(&link).await, Ok(9));
        assert_eq!(depth(), (0, 8, 8));
    });
}

#[test]
fn an_ask_times_out_and_its_late_answer_hurts_nobody() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        assert_eq!(link.ask(Do::Sleep(10 * SECOND), SECOND).await, Err(AskError::TimedOut));
        // Its asker is gone before its handler begins, so it is skipped.
        assert_eq!(link.ask(Do::Count, SECOND).await, Err(AskError::TimedOut));
        assert_eq!(link.ask(Do::Count, 60 * SECOND).await, Ok(2));
    });
}

#[test]
fn a_restart_loses_the_queue_and_says_so_to_askers() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        link.offer(Do::Panic).unwrap();
        let queued = [count(&link), count(&link)];
        assert_eq!(futures_util::future::join_all(queued).await, [Err(AskError::Lost), Err(AskError::Lost)]);
        stage.recorder.seen("house/a started", 2).await;
        assert_eq!(count(&link).await, Ok(1));
    });
}

#[test]
fn a_link_works_from_another_thread() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let (sender, mut counts) = tokio::sync::mpsc::channel(1);
        let elsewhere = link.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            for _ in 0..500 {
                sender.blocking_send(runtime.block_on(elsewhere.ask(Do::Count, 60 * SECOND))).unwrap();
            }
        });
        for expected in 1..=500 {
            assert_eq!(counts.recv().await, Some(Ok(expected)));
        }
        thread.join().unwrap();
    });
}

#[test]
fn many_threads_together_never_pass_the_bound_and_lose_nothing_that_was_taken() {
    const THREADS: u32 = 4;
    const EACH: u32 = 500;
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let (sender, mut done) = tokio::sync::mpsc::channel(1);
        for _ in 0..THREADS {
            let (link, sender) = (link.clone(), sender.clone());
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    while link.offer(Do::Count).is_err() {
                        std::thread::yield_now();
                    }
                }
                sender.blocking_send(()).unwrap();
            });
        }
        for _ in 0..THREADS {
            done.recv().await.unwrap();
        }
        assert_eq!(link.ask(Do::Count, 3600 * SECOND).await, Ok(THREADS * EACH + 1));
        let tree = root.tree().snapshot();
        let node = tree.find("house/a").unwrap();
        assert!(node.mailbox_high_water <= node.mailbox_capacity);
        assert_eq!(node.mailbox_depth, 0);
    });
}

#[test]
fn a_full_mailbox_does_not_starve_the_other_tasks_of_the_thread() {
    run(async {
        let stage = Stage::new();
        let slot = Slot::<Puppet>::new("a", 1000, &stage.wires);
        let link = slot.link::<Do>();
        let recorder = stage.recorder.clone();
        let spec = ChildSpec::worker(&slot, move || {
            let recorder = recorder.clone();
            async move { Ok(Puppet { name: "a".to_owned(), recorder, count: 0, manner: Manner::Plain }) }
        });
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        for _ in 0..1000 {
            link.offer(Do::Count).unwrap();
        }
        // Not `yield_now`, which waits for the whole queue of tasks.
        let mut turns = 0;
        let neighbour = actix_rt::spawn(std::future::poll_fn(move |task| {
            if slot.depth() == 0 {
                return Poll::Ready(turns);
            }
            turns += 1;
            task.waker().wake_by_ref();
            Poll::Pending
        }));
        let turns = neighbour.await.unwrap();
        assert!(turns >= 15, "{turns} turns for a thousand messages, although each is answered atomically");
    });
}

// === faults ===

/// Gives the verdicts in order, then passes everything; keeps what it was asked.
struct Script {
    verdicts: Mutex<Vec<Verdict>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn new(verdicts: &[Verdict]) -> Arc<Self> {
        let verdicts = verdicts.iter().rev().copied().collect();
        Arc::new(Self { verdicts: Mutex::new(verdicts), asked: Mutex::default() })
    }
}

impl Interceptor for Script {
    fn judge(&self, passage: &Passage<'_>) -> Verdict {
        let message = passage.message.rsplit("::").next().unwrap_or_default();
        self.asked.lock().unwrap().push(format!("{} {message} {:?}", passage.to, passage.manner));
        self.verdicts.lock().unwrap().pop().unwrap_or(Verdict::Pass)
    }
}

#[test]
fn each_verdict_is_carried_out() {
    run(async {
        let script = Script::new(&[Verdict::Refuse, Verdict::Refuse, Verdict::LoseReply, Verdict::Delay(2 * SECOND)]);
        let stage = Stage { wires: Wires::intercepted(script.clone()), ..Stage::new() };
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        assert_eq!(link.offer(Do::Count).unwrap_err().reason, Refusal::Full);
        assert_eq!(link.ask(Do::Count, SECOND).await, Err(AskError::Full));
        let begun = tokio::time::Instant::now();
        assert_eq!(link.ask(Do::Count, 3 * SECOND).await, Err(AskError::TimedOut));
        assert_eq!(begun.elapsed(), 3 * SECOND);
        let begun = tokio::time::Instant::now();
        assert_eq!(link.ask(Do::Count, 3 * SECOND).await, Ok(2), "the one without a reply was handled");
        assert_eq!(begun.elapsed(), 2 * SECOND);
        let asked = script.asked.lock().unwrap().clone();
        assert_eq!(asked, ["a Do Offer", "a Do Ask", "a Do Ask", "a Do Ask"]);
        assert_eq!(format!("{:?}", Travel::Ask), "Ask");
    });
}

#[test]
fn a_delayed_message_takes_a_seat_and_is_not_overtaken_on_its_link() {
    run(async {
        let script = Script::new(&[Verdict::Delay(2 * SECOND), Verdict::Delay(SECOND), Verdict::Pass]);
        let stage = Stage { wires: Wires::intercepted(script), ..Stage::new() };
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let begun = tokio::time::Instant::now();
        let asks = [(); 3].map(|()| link.ask(Do::Count, 60 * SECOND));
        assert_eq!(root.tree().snapshot().find("house/a").unwrap().mailbox_depth, 3);
        assert_eq!(futures_util::future::join_all(asks).await, [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(begun.elapsed(), 2 * SECOND);
    });
}

#[test]
fn what_is_delayed_is_lost_with_the_restart_of_its_receiver() {
    run(async {
        let script = Script::new(&[Verdict::Delay(10 * SECOND)]);
        let stage = Stage { wires: Wires::intercepted(script), ..Stage::new() };
        let (spec, link) = stage.puppet("a");
        let other = link.over(&Wires::plain());
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let delayed = link.ask(Do::Count, 60 * SECOND);
        other.offer(Do::Panic).unwrap();
        assert_eq!(delayed.await, Err(AskError::Lost));
        assert_eq!(count(&other).await, Ok(1));
        assert_eq!(root.tree().snapshot().find("house/a").unwrap().mailbox_depth, 0);
    });
}

// === links without an actor ===

#[test]
fn a_link_can_end_in_a_closure_or_a_channel() {
    run(async {
        let link = Link::<Do>::from_fn("closure", |message, reply| match message {
            Do::Count => {
                reply.send(7);
                Ok(())
            }
            message => Err(Refused { reason: Refusal::Full, message }),
        });
        assert_eq!(count(&link).await, Ok(7));
        assert_eq!(link.offer(Do::Stop).unwrap_err().message, Do::Stop);

        let (link, mut letters) = Link::<Do>::channel("channel", 1);
        link.offer(Do::Count).unwrap();
        assert_eq!(link.offer(Do::Stop).unwrap_err().reason, Refusal::Full);
        assert!(!letters.recv().await.unwrap().reply.is_wanted());
        let ask = link.ask(Do::Count, SECOND);
        let letter = letters.recv().await.unwrap();
        assert!(letter.reply.is_wanted());
        letter.reply.send(9);
        assert_eq!(ask.await, Ok(9));
        let ask = link.ask(Do::Count, SECOND);
        drop(letters);
        assert_eq!(ask.await, Err(AskError::Lost));
        assert_eq!(link.ask(Do::Count, SECOND).await, Err(AskError::Down));

        let faulty = link.over(&Wires::intercepted(Script::new(&[Verdict::Refuse])));
        assert_eq!(faulty.ask(Do::Count, SECOND).await, Err(AskError::Full));
        assert_eq!(link.ask(Do::Count, Duration::MAX).await, Err(AskError::Down));
    });
}
