//! Each way to end is seen, told apart and acted on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth_supervisor::child::Probe;
use hearth_supervisor::exit::{ExitReason, StartError};
use hearth_supervisor::link::{AskError, Refusal};
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::{Backoff, ChildSpec, Restart, Shutdown, Strategy, SupervisorSpec};
use hearth_supervisor::tree::NodeState;

use crate::support::{Do, Manner, Puppet, SECOND, Stage, count, house, run};

#[test]
fn a_panic_in_a_handler_restarts_a_fresh_actor_behind_the_same_link() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        assert_eq!(count(&link).await, Ok(1));
        assert_eq!(count(&link).await, Ok(2));
        assert_eq!(link.ask(Do::Panic, SECOND).await, Err(AskError::Lost));
        stage.recorder.seen("house/a started", 2).await;
        assert_eq!(count(&link).await, Ok(1), "the state is fresh");
        let lines = stage.recorder.lines();
        assert!(lines.contains(&"house/a exited panicked".to_owned()), "{lines:?}");
        assert!(!lines.contains(&"a hook stopping".to_owned()), "no hook runs on half-changed state: {lines:?}");
        let node = root.tree().snapshot();
        let node = node.find("house/a").unwrap();
        assert_eq!(node.restarts, 1);
        let last = node.last_exit.clone().unwrap();
        assert!(last.contains("as told") && last.contains("the handler of") && last.contains("Do"), "{last}");
    });
}

#[test]
fn a_panic_in_a_future_on_the_context_is_an_exit() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        link.offer(Do::PanicInFuture).unwrap();
        stage.recorder.seen("house/a started", 2).await;
        let last = root.tree().snapshot().find("house/a").unwrap().last_exit.clone().unwrap();
        assert_eq!(last, "panicked in a future on its context: as told, later");
    });
}

#[test]
fn a_panic_in_started_is_a_failed_start_and_is_tried_again() {
    run(async {
        let stage = Stage::new();
        let manner = |built| {
            if built == 1 { Manner::PanicInStarted } else { Manner::Plain }
        };
        let (spec, link) = stage.mannered("a", manner);
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        link.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/a started", 2).await;
        assert_eq!(stage.recorder.count("house/a exited start_panicked"), 1);
        assert_eq!(root.tree().snapshot().find("house/a").unwrap().restarts, 2);
    });
}

#[test]
fn a_first_start_that_fails_stops_what_was_started_and_ends_the_tree() {
    run(async {
        let stage = Stage::new();
        let (good, _) = stage.puppet("good");
        let (bad, _) = stage.mannered("bad", |_| Manner::PanicInStarted);
        let (never, _) = stage.puppet("never");
        let root = stage.start(house(Strategy::OneForOne).child(good).child(bad).child(never));
        let reason = root.started().await.unwrap_err();
        let last = Box::new(ExitReason::StartPanicked { message: "no start".to_owned() });
        assert_eq!(reason, ExitReason::ChildFailedToStart { child: Arc::from("bad"), last });
        assert_eq!(root.ended().await, reason);
        assert_eq!(stage.recorder.count("house/good exited shutdown"), 1);
        assert_eq!(stage.recorder.count("never hook started"), 0);
    });
}

#[test]
fn a_factory_error_keeps_its_cause() {
    run(async {
        let stage = Stage::new();
        let slot = Slot::<Puppet>::new("store", 1, &stage.wires);
        let spec = ChildSpec::worker(&slot, || async {
            Err(StartError::caused_by("open the store", std::io::Error::other("locked by another process")))
        });
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        let reason = root.started().await.unwrap_err();
        assert_eq!(reason.to_string(), "could not start store, which could not start: open the store: locked by another process");
    });
}

#[test]
fn a_factory_that_panics_or_never_ends_is_a_failed_start() {
    run(async {
        let stage = Stage::new();
        let slot = Slot::<Puppet>::new("a", 1, &stage.wires);
        let spec = ChildSpec::worker(&slot, || async { panic!("in the factory") });
        let reason = stage.start(house(Strategy::OneForOne).child(spec)).started().await.unwrap_err();
        assert!(reason.to_string().contains("panicked while starting: in the factory"), "{reason}");

        let slot = Slot::<Puppet>::new("b", 1, &stage.wires);
        let spec = ChildSpec::worker(&slot, std::future::pending).start_deadline(3 * SECOND);
        let reason = stage.start(house(Strategy::OneForOne).child(spec)).started().await.unwrap_err();
        assert!(reason.to_string().contains("not ready by its start deadline"), "{reason}");

        let (spec, _) = stage.mannered("c", |_| Manner::WaitInStarted(10 * SECOND));
        let spec = spec.start_deadline(3 * SECOND);
        let reason = stage.start(house(Strategy::OneForOne).child(spec)).started().await.unwrap_err();
        assert!(reason.to_string().contains("not ready by its start deadline"), "{reason}");
    });
}

#[test]
fn a_normal_exit_parks_a_transient_child_and_restarts_a_permanent_one() {
    run(async {
        let stage = Stage::new();
        let (transient, to_transient) = stage.puppet("transient");
        let (permanent, to_permanent) = stage.puppet("permanent");
        let (temporary, to_temporary) = stage.puppet("temporary");
        let spec = house(Strategy::OneForOne)
            .child(transient.restart(Restart::Transient))
            .child(permanent)
            .child(temporary.restart(Restart::Temporary));
        let root = stage.start(spec);
        root.started().await.unwrap();
        for link in [&to_transient, &to_permanent, &to_temporary] {
            link.offer(Do::Stop).unwrap();
        }
        stage.recorder.seen("house/permanent started", 2).await;
        stage.recorder.seen("house/temporary exited normal", 1).await;
        assert_eq!(to_transient.offer(Do::Count).unwrap_err().reason, Refusal::Down);
        let tree = root.tree().snapshot();
        assert_eq!(tree.find("house/transient").unwrap().state, NodeState::Parked);
        assert_eq!(tree.find("house/transient").unwrap().last_exit_label, Some("normal"));
        assert_eq!(tree.find("house/permanent").unwrap().state, NodeState::Running);
        assert!(tree.find("house/temporary").is_none());
    });
}

#[test]
fn an_actor_that_stops_in_started_is_parked_when_it_may() {
    run(async {
        let stage = Stage::new();
        let (spec, _) = stage.mannered("a", |_| Manner::StopInStarted);
        let (next, link) = stage.puppet("b");
        let root = stage.start(house(Strategy::OneForOne).child(spec.restart(Restart::Transient)).child(next));
        root.started().await.unwrap();
        assert_eq!(root.tree().snapshot().find("house/a").unwrap().state, NodeState::Parked);
        assert_eq!(count(&link).await, Ok(1));
    });
}

#[test]
fn an_actor_that_never_attends_its_mailbox_is_found_by_its_probe() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let spec = spec.probe(Probe { every: 10 * SECOND, deadline: 5 * SECOND });
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        tokio::time::sleep(3600 * SECOND).await;
        assert_eq!(stage.recorder.count("house/a exited stuck"), 0, "idle is not stuck");
        assert_eq!(link.ask(Do::Sleep(4 * SECOND), 60 * SECOND).await, Ok(1), "busy within the deadline is not stuck");
        let begun = tokio::time::Instant::now();
        assert_eq!(link.ask(Do::Hang, 3600 * SECOND).await, Err(AskError::Lost));
        assert!(begun.elapsed() <= 16 * SECOND);
        stage.recorder.seen("house/a started", 2).await;
        let lines = stage.recorder.lines();
        let stuck = lines.iter().position(|line| line == "house/a stuck").unwrap();
        assert_eq!(lines[stuck + 1], "house/a exited stuck");
        assert_eq!(count(&link).await, Ok(1));
    });
}

#[test]
fn a_busy_actor_answers_probes_between_its_messages() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec.probe(Probe { every: SECOND, deadline: SECOND })));
        root.started().await.unwrap();
        let half = SECOND / 2;
        for _ in 0..6 {
            let asks = (0..8).map(|_| link.ask(Do::Sleep(half), 60 * SECOND)).collect::<Vec<_>>();
            for ask in asks {
                ask.await.unwrap();
            }
        }
        assert_eq!(stage.recorder.count("house/a exited stuck"), 0);
    });
}

#[test]
fn an_actor_that_does_not_stop_is_killed_at_its_deadline_without_hooks() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.mannered("a", |_| Manner::NeverStop);
        let spec = spec.shutdown(Shutdown::Deadline(7 * SECOND));
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert_eq!(begun.elapsed(), 7 * SECOND);
        assert_eq!(stage.recorder.count("house/a exited killed"), 1);
        assert_eq!(stage.recorder.count("a hook stopped"), 0);
        assert_eq!(link.offer(Do::Count).unwrap_err().reason, Refusal::Down);
    });
}

#[test]
fn an_actor_may_drain_its_mailbox_before_it_stops() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.mannered("a", |_| Manner::DrainBeforeStop);
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let asks = [count(&link), count(&link), count(&link)];
        let stopping = root.stop();
        let asks = futures_util::future::join_all(asks);
        let (asks, reason) = futures_util::future::join(asks, stopping).await;
        assert_eq!(asks, [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(reason, ExitReason::Shutdown);
        assert_eq!(stage.recorder.count("house/a exited shutdown"), 1);
    });
}

#[test]
fn a_waiting_handler_does_not_hold_up_a_stop() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec));
        root.started().await.unwrap();
        let hanging = link.ask(Do::Hang, 60 * SECOND);
        let begun = tokio::time::Instant::now();
        let (answer, _) = futures_util::future::join(hanging, root.stop()).await;
        assert_eq!(answer, Err(AskError::Lost));
        assert!(begun.elapsed().is_zero());
        assert_eq!(stage.recorder.count("a hook stopped"), 1);
    });
}

#[test]
fn panics_in_stopping_and_in_drop_are_seen_and_hurt_nobody_else() {
    run(async {
        let stage = Stage::new();
        let (a, _) = stage.mannered("a", |_| Manner::PanicInStopping);
        let (b, to_b) = stage.mannered("b", |built| if built == 0 { Manner::PanicInDrop } else { Manner::Plain });
        let (c, to_c) = stage.puppet("c");
        let root = stage.start(house(Strategy::OneForOne).child(a).child(b).child(c));
        root.started().await.unwrap();
        to_b.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/b started", 2).await;
        assert_eq!(count(&to_c).await, Ok(1));
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert_eq!(stage.recorder.count("house/a exited panicked"), 1);
    });
}

#[test]
fn one_restart_too_many_stops_the_children_and_ends_the_tree() {
    run(async {
        let stage = Stage::new();
        let (good, _) = stage.puppet("good");
        let (bad, link) = stage.puppet("bad");
        let root = stage.start(house(Strategy::OneForOne).intensity(2, 60 * SECOND).child(good).child(bad));
        root.started().await.unwrap();
        for started in 2..=3 {
            link.offer(Do::Panic).unwrap();
            stage.recorder.seen("house/bad started", started).await;
        }
        link.offer(Do::Panic).unwrap();
        let reason = root.ended().await;
        assert_eq!(reason.label(), "gave_up");
        let lines = stage.recorder.take();
        let tail = [
            "house gaveup",
            "good hook stopping",
            "good hook stopped",
            "house/good exited shutdown",
            "house escalated",
            "house stopped",
            "house exited gave_up",
        ];
        assert_eq!(lines[lines.len() - tail.len()..], tail);
    });
}

#[test]
fn a_nested_supervisor_that_gives_up_is_a_failure_of_its_parent_and_starts_fresh() {
    run(async {
        let stage = Stage::new();
        let (inner, link) = stage.puppet("inner");
        let tools = SupervisorSpec::new("tools", Strategy::OneForOne).intensity(0, SECOND).backoff(Backoff::NONE).child(inner);
        let root = stage.start(house(Strategy::OneForOne).intensity(1, 60 * SECOND).child(ChildSpec::supervisor(tools)));
        root.started().await.unwrap();
        link.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/tools started", 2).await;
        assert_eq!(count(&link).await, Ok(1));
        assert_eq!(stage.recorder.count("house/tools exited gave_up"), 1);
        link.offer(Do::Panic).unwrap();
        let reason = root.ended().await;
        assert!(reason.to_string().starts_with("gave up on tools, which gave up on inner, which panicked"), "{reason}");
    });
}

#[test]
fn the_back_off_grows_with_failures_in_a_row_and_is_forgotten_after_a_quiet_period() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let backoff = Backoff { first: SECOND, max: 8 * SECOND, factor: 2.0, jitter: 0.0 };
        let root = stage.start(house(Strategy::OneForOne).intensity(3, 60 * SECOND).backoff(backoff).child(spec));
        root.started().await.unwrap();
        for started in 2..=3 {
            link.offer(Do::Panic).unwrap();
            stage.recorder.seen("house/a started", started).await;
        }
        tokio::time::sleep(60 * SECOND).await;
        link.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/a started", 4).await;
        let pauses: Vec<String> = stage.recorder.lines().into_iter().filter(|line| line.contains("restarting")).collect();
        assert_eq!(pauses, ["house/a restarting 1000", "house/a restarting 2000", "house/a restarting 1000"]);
    });
}

#[test]
fn two_children_in_one_slot_are_refused_without_harm_to_the_first() {
    run(async {
        let stage = Stage::new();
        let builds = Arc::new(AtomicU32::new(0));
        let slot = Slot::<Puppet>::new("a", 1, &stage.wires);
        let link = slot.link::<Do>();
        let spec = |id: &str| {
            let (builds, recorder) = (builds.clone(), stage.recorder.clone());
            let build = move || {
                builds.fetch_add(1, Ordering::Relaxed);
                let recorder = recorder.clone();
                async move { Ok(Puppet { name: "a".to_owned(), recorder, count: 0, manner: Manner::Plain }) }
            };
            ChildSpec::worker(&slot, build).id(id)
        };
        let handle = hearth_supervisor::spec::handle::SupervisorHandle::new();
        let root = stage.start(house(Strategy::OneForOne).handle(&handle).child(spec("first")));
        root.started().await.unwrap();
        let error = handle.start_child(spec("second")).await.unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
        assert_eq!(count(&link).await, Ok(1));
        assert_eq!(builds.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_child_that_is_always_killed_runs_no_hooks() {
    run(async {
        let stage = Stage::new();
        let (spec, _) = stage.puppet("a");
        let root = stage.start(house(Strategy::OneForOne).child(spec.shutdown(Shutdown::Kill)));
        root.started().await.unwrap();
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert_eq!(stage.recorder.count("house/a exited killed"), 1);
        assert_eq!(stage.recorder.count("a hook stopping"), 0);
    });
}

#[test]
fn a_supervisor_that_does_not_stop_in_time_is_killed_with_all_below_it() {
    run(async {
        let stage = Stage::new();
        let (a, _) = stage.mannered("a", |_| Manner::NeverStop);
        let (b, _) = stage.mannered("b", |_| Manner::NeverStop);
        let tools =
            SupervisorSpec::new("tools", Strategy::OneForOne).child(a.shutdown(Shutdown::Infinity)).child(b.shutdown(Shutdown::Infinity));
        let tools = ChildSpec::supervisor(tools).shutdown(Shutdown::Deadline(9 * SECOND));
        let root = stage.start(house(Strategy::OneForOne).child(tools));
        root.started().await.unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert_eq!(begun.elapsed(), 9 * SECOND);
        for line in ["house/tools/a exited killed", "house/tools/b exited killed", "house/tools exited killed"] {
            assert_eq!(stage.recorder.count(line), 1, "{line}");
        }
    });
}

#[test]
fn a_restart_that_fails_to_start_counts_and_is_tried_again_until_the_intensity_is_reached() {
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.mannered("a", |built| if built == 0 { Manner::Plain } else { Manner::PanicInStarted });
        let root = stage.start(house(Strategy::OneForOne).intensity(3, 60 * SECOND).child(spec));
        root.started().await.unwrap();
        link.offer(Do::Panic).unwrap();
        assert_eq!(root.ended().await.label(), "gave_up");
        assert_eq!(stage.recorder.count("house/a exited start_panicked"), 3);
    });
}

#[test]
fn a_future_that_runs_outside_of_its_actor_loses_only_its_reply() {
    run(async {
        let slot = Slot::<Outsider>::new("a", 4, &hearth_supervisor::wires::Wires::plain());
        let link = slot.link::<Detached>();
        let stage = Stage::new();
        let root = stage.start(house(Strategy::OneForOne).child(ChildSpec::worker(&slot, || async { Ok(Outsider) })));
        root.started().await.unwrap();
        assert_eq!(link.ask(Detached, SECOND).await, Err(AskError::Lost));
        assert_eq!(root.tree().snapshot().find("house/a").unwrap().last_exit, None);
    });
}

struct Outsider;

impl actix::Actor for Outsider {
    type Context = hearth_supervisor::context::Context<Self>;
}

#[derive(actix::Message)]
#[rtype(result = "()")]
struct Detached;

impl actix::Handler<Detached> for Outsider {
    type Result = actix::ResponseFuture<()>;

    fn handle(&mut self, _: Detached, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { panic!("outside") })
    }
}
