//! Children that come and go while their supervisor runs.

use std::sync::Arc;

use hearth_supervisor::exit::ExitReason;
use hearth_supervisor::link::Refusal;
use hearth_supervisor::root::{Root, RootOptions};
use hearth_supervisor::spec::handle::{StartChildError, StopChildError, SupervisorHandle};
use hearth_supervisor::spec::{Backoff, ChildSpec, Restart, Strategy, SupervisorSpec};
use hearth_supervisor::tree::{Event, NodeState, Observer};

use crate::support::{Do, Manner, SECOND, Stage, count, house, run};

#[test]
fn a_child_is_added_answers_and_is_stopped_for_good() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let (spec, link) = stage.puppet("a");
        assert_eq!(handle.start_child(spec.clone()).await, Err(StartChildError::Down));
        let root = stage.start(house(Strategy::OneForOne).handle(&handle).children_max(1));
        root.started().await.unwrap();
        handle.start_child(spec.clone()).await.unwrap();
        assert_eq!(count(&link).await, Ok(1));
        assert_eq!(handle.start_child(spec.clone()).await, Err(StartChildError::Duplicate));
        assert_eq!(handle.start_child(spec.clone().id("b")).await, Err(StartChildError::Full { max: 1 }));
        handle.stop_child("a").await.unwrap();
        assert_eq!(stage.recorder.count("a hook stopped"), 1);
        assert_eq!(link.offer(Do::Count).unwrap_err().reason, Refusal::Down);
        assert_eq!(handle.stop_child("a").await, Err(StopChildError::Unknown));
        assert!(root.tree().snapshot().children.is_empty());
        handle.start_child(spec).await.unwrap();
        assert_eq!(count(&link).await, Ok(1));
        root.stop().await;
        assert_eq!(handle.stop_child("a").await, Err(StopChildError::Down));
    });
}

#[test]
fn a_child_whose_first_start_fails_is_the_callers_matter_and_is_not_kept() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let root = stage.start(house(Strategy::OneForOne).intensity(0, SECOND).handle(&handle));
        root.started().await.unwrap();
        let (spec, _) = stage.mannered("a", |_| Manner::PanicInStarted);
        let reason = ExitReason::StartPanicked { message: "no start".to_owned() };
        assert_eq!(handle.start_child(spec).await, Err(StartChildError::Failed { reason }));
        assert!(root.tree().snapshot().children.is_empty());
        assert_eq!(root.tree().snapshot().state, NodeState::Running);
    });
}

#[test]
fn a_transient_child_that_was_added_is_forgotten_when_it_ends_by_itself_but_restarted_after_a_panic() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let root = stage.start(house(Strategy::OneForOne).handle(&handle));
        root.started().await.unwrap();
        let (spec, link) = stage.puppet("a");
        handle.start_child(spec.restart(Restart::Transient)).await.unwrap();
        link.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/a started", 2).await;
        link.offer(Do::Stop).unwrap();
        stage.recorder.seen("house/a exited normal", 1).await;
        assert!(root.tree().snapshot().children.is_empty());
    });
}

#[test]
fn children_that_were_added_are_gone_when_their_supervisor_restarts() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let (fixed, to_fixed) = stage.puppet("fixed");
        let tools =
            SupervisorSpec::new("tools", Strategy::OneForOne).intensity(0, SECOND).backoff(Backoff::NONE).handle(&handle).child(fixed);
        let root = stage.start(house(Strategy::OneForOne).child(ChildSpec::supervisor(tools)));
        root.started().await.unwrap();
        let (added, to_added) = stage.puppet("added");
        handle.start_child(added.clone()).await.unwrap();
        to_fixed.offer(Do::Panic).unwrap();
        stage.recorder.seen("house/tools started", 2).await;
        assert_eq!(to_added.offer(Do::Count).unwrap_err().reason, Refusal::Down);
        assert!(root.tree().snapshot().find("house/tools/added").is_none());
        handle.start_child(added).await.unwrap();
        assert_eq!(count(&to_added).await, Ok(1), "the same handle reaches the new supervisor");
    });
}

#[test]
fn children_that_were_added_are_stopped_together_and_before_the_others() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let (fixed, _) = stage.puppet("fixed");
        let root = stage.start(house(Strategy::OneForOne).handle(&handle).child(fixed));
        root.started().await.unwrap();
        for name in ["x", "y", "z"] {
            let (spec, _) = stage.mannered(name, |_| Manner::NeverStop);
            handle.start_child(spec).await.unwrap();
        }
        let begun = tokio::time::Instant::now();
        root.stop().await;
        assert_eq!(begun.elapsed(), 5 * SECOND, "three deadlines of five seconds at once");
        let lines = stage.recorder.lines();
        let at = |line: &str| lines.iter().position(|known| known == line).unwrap();
        assert!(at("house/z exited killed") < at("fixed hook stopping"));
        assert!(at("house/x exited killed") < at("fixed hook stopping"));
    });
}

#[test]
fn a_child_of_the_spec_that_is_stopped_is_parked() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let (fixed, _) = stage.puppet("fixed");
        let root = stage.start(house(Strategy::OneForOne).handle(&handle).child(fixed));
        root.started().await.unwrap();
        handle.stop_child("fixed").await.unwrap();
        assert_eq!(root.tree().snapshot().find("house/fixed").unwrap().state, NodeState::Parked);
    });
}

#[test]
fn a_handle_works_from_another_thread() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let root = stage.start(house(Strategy::OneForOne).handle(&handle));
        root.started().await.unwrap();
        let (spec, link) = stage.puppet("a");
        let (sender, done) = tokio::sync::oneshot::channel();
        let elsewhere = handle.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            sender.send(runtime.block_on(elsewhere.start_child(spec))).unwrap();
        });
        assert_eq!(done.await.unwrap(), Ok(()));
        assert_eq!(count(&link).await, Ok(1));
    });
}

#[test]
fn ten_thousand_children_start_answer_and_stop() {
    run(async {
        let stage = Stage::new();
        let handle = SupervisorHandle::new();
        let root = stage.start(house(Strategy::OneForOne).handle(&handle));
        root.started().await.unwrap();
        let mut links = Vec::new();
        for number in 0..10_000 {
            let (spec, link) = stage.puppet(&format!("c{number}"));
            handle.start_child(spec.restart(Restart::Transient)).await.unwrap();
            links.push(link);
        }
        let last = links.last().unwrap();
        assert_eq!(count(last).await, Ok(1));
        assert_eq!(root.tree().snapshot().children.len(), 10_000);
        for link in &links[..5_000] {
            link.offer(Do::Stop).unwrap();
        }
        stage.recorder.seen("house/c4999 exited normal", 1).await;
        assert_eq!(root.tree().snapshot().children.len(), 5_000);
        assert_eq!(root.stop().await, ExitReason::Shutdown);
        assert!(root.tree().snapshot().children.is_empty());
        assert!(links.iter().all(|link| link.offer(Do::Count).is_err()));
        assert_eq!(Arc::strong_count(&stage.recorder), 1, "no factory and no actor is left");
    });
}

#[test]
fn a_snapshot_can_be_written_as_json_and_an_observer_that_panics_does_no_harm() {
    struct Clumsy;
    impl Observer for Clumsy {
        fn on_event(&self, _: &Event) {
            panic!("clumsy");
        }
    }
    run(async {
        let stage = Stage::new();
        let (spec, link) = stage.puppet("a");
        let options = RootOptions { observer: Some(Arc::new(Clumsy)), ..RootOptions::default() };
        let root = Root::start(house(Strategy::OneForOne).child(spec), options);
        root.started().await.unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!(count(&link).await, Ok(1));
        let json = serde_json::to_value(root.tree().snapshot()).unwrap();
        let expected = serde_json::json!({
            "name": "a", "path": "house/a", "kind": "worker", "state": "running", "restarts": 0,
            "last_exit": null, "last_exit_label": null, "mailbox_depth": 0, "mailbox_high_water": 1,
            "mailbox_capacity": 8, "uptime_ms": 1000, "children": []
        });
        assert_eq!(json["children"][0], expected);
        assert_eq!(json["kind"], "supervisor");
    });
}
