//! The manifests of the house's own tools, and of the templates: sound, and enough for every request that their tests recorded.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hearth_domain::ids::MemberId;
use hearth_domain::journal::Digest;
use hearth_domain::time::Timestamp;
use hearth_domain::tool::grant::{Answer, Grant, Release};
use hearth_domain::tool::manifest::Manifest;
use hearth_domain::tool::request::RequestParts;
use hearth_tool::test::recorded::Recording;
use hearth_tool_package::read_manifest;

fn tools() -> Vec<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["guests", "sdk/template"].map(|folder| std::fs::read_dir(tools.join(folder)).unwrap());
    let mut found: Vec<PathBuf> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.retain(|folder| folder.join("manifest.toml").is_file());
    found.sort();
    assert!(found.len() > 7, "{found:?}");
    found
}

fn manifest(folder: &Path) -> Manifest {
    let text = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    read_manifest(&text).unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()))
}

/// What an adult grants who names this host for every place.
fn granted(manifest: Manifest, origin: &str) -> Grant {
    let places = manifest.wants.places.keys().map(|place| (place.clone(), format!("{origin} lan").parse().unwrap())).collect();
    let answer = Answer { slots: BTreeMap::new(), places, memory: true, by: MemberId::derived(&["adult"]), at: Timestamp::UNIX_EPOCH };
    let release = Release { component: Digest::of(b"component"), manifest: Digest::of(b"manifest"), author: None };
    Grant::given(manifest, release, answer)
}

#[test]
fn every_manifest_is_sound_and_called_as_its_folder() {
    for folder in tools() {
        let name = manifest(&folder).name.to_string();
        let called = folder.file_name().unwrap().to_str().unwrap();
        assert!(name.ends_with(called) || folder.parent().unwrap().ends_with("template"), "{name} in {called}");
    }
}

#[test]
fn the_rules_of_a_manifest_allow_what_was_recorded() {
    for folder in tools().into_iter().filter(|folder| folder.join("recorded").is_dir()) {
        let manifest = manifest(&folder);
        for exchange in Recording::folder(&folder.join("recorded")).unwrap().exchanges {
            let parts = RequestParts::read(&exchange.method, &exchange.url).unwrap_or_else(|error| panic!("{}: {error}", exchange.url));
            let origin = exchange.url.split('/').take(3).collect::<Vec<_>>().join("/");
            let grant = granted(manifest.clone(), &origin);
            let may = manifest.operations.iter().any(|operation| grant.may(&operation.name, &parts).is_ok());
            assert!(may, "{}: {} {}", folder.display(), exchange.method, exchange.url);
        }
    }
}
