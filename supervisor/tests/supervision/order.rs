//! Start, stop and restart order of real trees.

use hearth_supervisor::exit::ExitReason;
use hearth_supervisor::link::Link;
use hearth_supervisor::root::RootHandle;
use hearth_supervisor::spec::{Backoff, ChildSpec, Restart, Strategy, SupervisorSpec};

use crate::support::{Do, Manner, SECOND, Stage, house, run};

async fn trio(stage: &Stage, strategy: Strategy) -> (RootHandle, [Link<Do>; 3]) {
    let (a, to_a) = stage.puppet("a");
    let (b, to_b) = stage.puppet("b");
    let (c, to_c) = stage.puppet("c");
    let root = stage.start(house(strategy).child(a).child(b).child(c));
    root.started().await.unwrap();
    (root, [to_a, to_b, to_c])
}

fn starts_and_stops(stage: &Stage) -> Vec<String> {
    let lines = stage.recorder.take();
    lines.into_iter().filter(|line| line.ends_with("hook started") || line.ends_with("hook stopped")).collect()
}

#[test]
fn children_start_in_order_and_stop_in_reverse_through_all_levels() {
    run(async {
        let stage = Stage::new();
        let (a, _) = stage.mannered("a", |_| Manner::WaitInStarted(5 * SECOND));
        let (b, _) = stage.puppet("b");
        let (c, _) = stage.puppet("c");
        let inner = SupervisorSpec::new("inner", Strategy::OneForAll).child(b);
        let root = stage.start(house(Strategy::OneForOne).child(a).child(ChildSpec::supervisor(inner)).child(c));
        root.started().await.unwrap();
        assert_eq!(
            stage.recorder.take(),
            [
                "a hook started",
                "house/a started",
                "b hook started",
                "house/inner/b started",
                "house/inner started",
                "c hook started",
                "house/c started",
                "house started"
            ]
        );
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert_eq!(starts_and_stops(&stage), ["c hook stopped", "b hook stopped", "a hook stopped"]);
    });
}

#[test]
fn one_for_one_restarts_only_the_one_that_failed() {
    run(async {
        let stage = Stage::new();
        let (_root, [_, b, _]) = trio(&stage, Strategy::OneForOne).await;
        starts_and_stops(&stage);
        b.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/b started", 1).await;
        assert_eq!(starts_and_stops(&stage), ["b hook started"]);
    });
}

#[test]
fn rest_for_one_restarts_the_one_that_failed_and_those_after_it() {
    run(async {
        let stage = Stage::new();
        let (_root, [_, b, _]) = trio(&stage, Strategy::RestForOne).await;
        starts_and_stops(&stage);
        b.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/c started", 1).await;
        assert_eq!(starts_and_stops(&stage), ["c hook stopped", "b hook started", "c hook started"]);
    });
}

#[test]
fn one_for_all_restarts_everything() {
    run(async {
        let stage = Stage::new();
        let (_root, [_, b, _]) = trio(&stage, Strategy::OneForAll).await;
        starts_and_stops(&stage);
        b.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/c started", 1).await;
        let expected = ["c hook stopped", "a hook stopped", "a hook started", "b hook started", "c hook started"];
        assert_eq!(starts_and_stops(&stage), expected);
    });
}

#[test]
fn a_sweep_starts_parked_transient_children_again_and_forgets_temporary_ones() {
    run(async {
        let stage = Stage::new();
        let (a, to_a) = stage.puppet("a");
        let (b, to_b) = stage.puppet("b");
        let (c, _) = stage.puppet("c");
        let spec = house(Strategy::OneForAll).child(a.restart(Restart::Transient)).child(b).child(c.restart(Restart::Temporary));
        let root = stage.start(spec);
        root.started().await.unwrap();
        to_a.offer(Do::Stop).unwrap();
        stage.recorder.seen("house/a exited normal", 1).await;
        starts_and_stops(&stage);
        to_b.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/b started", 1).await;
        assert_eq!(starts_and_stops(&stage), ["c hook stopped", "a hook started", "b hook started"]);
        assert!(root.tree().snapshot().find("house/c").is_none());
    });
}

#[test]
fn a_stop_during_a_back_off_ends_at_once() {
    run(async {
        let stage = Stage::new();
        let (a, to_a) = stage.puppet("a");
        let slow = Backoff { first: 600 * SECOND, max: 600 * SECOND, factor: 1.0, jitter: 0.0 };
        let root = stage.start(house(Strategy::OneForAll).backoff(slow).child(a));
        root.started().await.unwrap();
        to_a.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/a restarting 600000", 1).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert!(begun.elapsed().is_zero());
    });
}

#[test]
fn a_stop_while_the_tree_is_starting_ends_it() {
    run(async {
        let stage = Stage::new();
        let (a, _) = stage.puppet("a");
        let (b, _) = stage.mannered("b", |_| Manner::WaitInStarted(20 * SECOND));
        let root = stage.start(house(Strategy::OneForOne).child(a).child(b));
        stage.recorder.seen("b hook started", 1).await;
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert_eq!(root.started().await, Err(ExitReason::Shutdown));
        assert_eq!(stage.recorder.count("a hook stopped"), 1);
    });
}

#[test]
fn the_same_seed_gives_the_same_events_at_the_same_times() {
    let story = || {
        run(async {
            let stage = Stage::new();
            let (a, to_a) = stage.puppet("a");
            let root = stage.start(house(Strategy::OneForOne).backoff(Backoff::default()).child(a));
            root.started().await.unwrap();
            for started in 2..=4 {
                to_a.offer(Do::Panic).unwrap();
                stage.recorder.seen("house/a started", started).await;
            }
            root.stop().await;
            stage.recorder.take()
        })
    };
    let first = story();
    assert!(first.iter().any(|line| line.contains("restarting")), "{first:?}");
    assert_eq!(first, story());
}
