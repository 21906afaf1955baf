//! The store in a folder and the store in memory pass the suite that the double passes.

#![expect(clippy::unwrap_used, reason = "in a test a failure is the message")]

use std::sync::Arc;

use hearth_adapters::store::{Location, StoreConfig, SurrealStore};
use hearth_conformance::suite;
use hearth_domain::store::Store;

fn run(make: impl Fn() -> Arc<dyn Store>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let broken = runtime.block_on(suite::all(make));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_store_in_a_folder_passes_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    run(|| {
        count.set(count.get() + 1);
        let location = Location::Embedded(folder.path().join(count.get().to_string()));
        Arc::new(SurrealStore::new(StoreConfig { location }))
    });
}

#[test]
fn the_store_in_memory_passes_every_check() {
    run(|| Arc::new(SurrealStore::new(StoreConfig { location: Location::Memory })));
}
