//! The threads on which the database runs.
//!
//! Its queries recurse deeply (its own server gives them stacks of 10 MiB), its engine blocks in places, and a
//! debug-sized future of one query is larger than an actor's mailbox. None of that belongs on the actors' thread:
//! the port's futures wait for a task's answer and do nothing else.

use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use hearth_domain::store::{StoreError, StoreFuture};
use tokio::runtime::{Builder, Handle, Runtime};

/// Two: one for the write that is under way, one for reads beside it. A house has one writer, and small machines
/// have few cores.
const WORKERS: usize = 2;

/// What SurrealDB's documentation asks for where it is embedded.
const STACK_BYTES: usize = 10 * 1024 * 1024;

/// A runtime of its own, started when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Host(Mutex<Option<Runtime>>);

impl Host {
    fn handle(&self) -> Result<Handle, StoreError> {
        let mut runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.as_ref() {
            return Ok(runtime.handle().clone());
        }
        let started = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_stack_size(STACK_BYTES)
            .thread_name("hearth-store")
            .enable_all()
            .build();
        let started = started.map_err(|error| StoreError::Unavailable(format!("its threads could not be started: {error}")))?;
        let handle = started.handle().clone();
        *runtime = Some(started);
        Ok(handle)
    }

    /// Runs work on the database's threads. It begins now, and goes on though nobody waits for it: a write that was
    /// begun is never left half done because its asker went away.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> StoreFuture<T> {
        let task = match self.handle() {
            Ok(handle) => handle.spawn(work),
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        // A panic of the database ends this one answer and nothing else.
        async move { task.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it failed in the middle".to_owned()))) }.boxed()
    }
}

#[cfg(test)]
impl Host {
    /// Whether no thread was started.
    pub(super) fn is_asleep(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Host {
    /// Ends the threads after one last thing, and waits for neither: the last owner may be one of their own tasks.
    #[expect(clippy::disallowed_methods, reason = "nobody is left who could wait for it")]
    pub(super) fn end(&self, last: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let ending = move || {
            runtime.block_on(last);
            runtime.shutdown_background();
        };
        if std::thread::Builder::new().name("hearth-store-end".to_owned()).stack_size(STACK_BYTES).spawn(ending).is_err() {
            tracing::warn!(target: "hearth::store", "the database could not be closed: no thread for it");
        }
    }
}
