//! The double passes the suite, keeps what was applied over a crash, and fails as it is told to.

#![expect(clippy::unwrap_used, reason = "in a test a failure is the message")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use hearth_conformance::double::{MemoryStore, Operation, Ruling, Sleeper, StoreFaults, Verdict};
use hearth_conformance::{sample, suite};
use hearth_domain::household::Role;
use hearth_domain::journal::Head;
use hearth_domain::store::{Store, StoreError, Write};

/// The double never waits by itself, so its futures are ready at once.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

#[test]
fn the_double_passes_every_check() {
    let broken = block_on(suite::all(|| Arc::new(MemoryStore::new())));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_was_applied_outlives_the_handle_and_the_old_house_is_fenced() {
    let (old, mut head) = (MemoryStore::new(), Head::EMPTY);
    block_on(old.open()).unwrap();
    block_on(old.apply(sample::group(&mut head, [Write::Member(sample::member("ada", Role::Owner))]))).unwrap();
    let new = old.successor();
    assert_eq!(block_on(new.members()), Err(StoreError::Closed));
    assert_eq!(block_on(new.open()).unwrap().head, head);
    assert_eq!(block_on(new.members()).unwrap().len(), 1);
    assert_eq!(block_on(old.apply(sample::group(&mut head.clone(), []))), Err(StoreError::Fenced));
    block_on(new.apply(sample::group(&mut head, []))).unwrap();
}

struct Script(Mutex<Vec<(Operation, Ruling)>>);

impl StoreFaults for Script {
    fn rule(&self, operation: Operation) -> Ruling {
        let mut script = self.0.lock().unwrap();
        match script.iter().position(|(at, _)| *at == operation) {
            Some(found) => script.remove(found).1,
            None => Ruling::default(),
        }
    }
}

fn scripted(script: Vec<(Operation, Ruling)>) -> (MemoryStore, Arc<Mutex<Vec<Duration>>>) {
    let slept = Arc::<Mutex<Vec<Duration>>>::default();
    let log = Arc::clone(&slept);
    let sleeper: Sleeper = Arc::new(move |time| {
        log.lock().unwrap().push(time);
        std::future::ready(()).boxed()
    });
    (MemoryStore::new().with_faults(Arc::new(Script(Mutex::new(script))), sleeper), slept)
}

#[test]
fn a_failed_write_has_no_effect_and_an_unknown_one_has() {
    let unknown = StoreError::Unavailable("cut".into());
    let fail = |verdict| (Operation::Apply, Ruling { verdict, ..Ruling::default() });
    let (store, _) = scripted(vec![fail(Verdict::Fail(StoreError::DiskFull)), fail(Verdict::FailAfterApplying(unknown.clone()))]);
    let mut head = block_on(store.open()).unwrap().head;
    let group = sample::group(&mut head, [Write::Member(sample::member("ada", Role::Owner))]);
    assert_eq!(block_on(store.apply(group.clone())), Err(StoreError::DiskFull));
    assert!(store.rows().members.is_empty());
    assert_eq!(block_on(store.apply(group.clone())), Err(unknown));
    assert_eq!(store.rows().members.len(), 1);
    assert_eq!(block_on(store.apply(group)), Ok(()));
}

#[test]
fn a_slow_operation_waits_through_the_sleeper() {
    let slow = Ruling { before: Duration::from_secs(2), after: Duration::from_secs(3), ..Ruling::default() };
    let (store, slept) = scripted(vec![(Operation::Open, slow)]);
    block_on(store.open()).unwrap();
    assert_eq!(*slept.lock().unwrap(), [Duration::from_secs(2), Duration::from_secs(3)]);
}
