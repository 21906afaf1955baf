//! Sealed records and manifests: whatever is not byte for byte what was sealed is not opened, and nothing panics.
#![no_main]

use std::sync::{LazyLock, Mutex};

use hearth_domain::household::Member;
use hearth_domain::ids::SecretId;
use hearth_domain::secret::{SealedRecord, SecretName, SecretPolicy};
use hearth_vault::seal::crypto::SystemEntropy;
use hearth_vault::seal::folder::KeyFolder;
use hearth_vault::seal::manifest::Head;
use hearth_vault::seal::source::set_up;
use hearth_vault::seal::{Draft, Seal};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretSlice;

struct Sealed {
    _folder: tempfile::TempDir,
    seal: Seal,
    record: SealedRecord,
    manifest: Vec<u8>,
}

static SEALED: LazyLock<Mutex<Sealed>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut seal = set_up(KeyFolder::open(&path).unwrap(), None, Box::new(SystemEntropy)).unwrap();
    let (name, value) = (SecretName::new("mail").unwrap(), SecretSlice::from(b"a value of some length".to_vec()));
    let policy: SecretPolicy = serde_json::from_str(r#"{"users":[],"targets":[],"bytes_out_max":1}"#).unwrap();
    let id = SecretId::derived(&["mail"]);
    let record = seal.begin_put(Draft { id, owner: Member::id_of("Ada"), name: &name, policy: &policy, value: &value }).unwrap();
    seal.finish_put(id).unwrap();
    let manifest = std::fs::read(path.join(hearth_vault::seal::folder::MANIFEST)).unwrap();
    Mutex::new(Sealed { _folder: folder, seal, record, manifest })
});

/// Some bytes of the real thing changed: pairs of a place and what is added there; then cut or made longer.
fn changed(real: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = real.to_vec();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len().max(1);
        match edit[2] {
            0 => bytes.truncate(at.max(1)),
            255 => bytes.extend_from_slice(edit),
            by => bytes[at] ^= by,
        }
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let sealed = SEALED.lock().unwrap();
    match kind % 4 {
        0 => drop(Head::read(rest)),
        1 => drop(Head::read(&changed(&sealed.manifest, rest))),
        kind => {
            let envelope = if kind == 2 { rest.to_vec() } else { changed(&sealed.record.envelope, rest) };
            let same = envelope == sealed.record.envelope;
            let record = SealedRecord { envelope, ..sealed.record.clone() };
            assert_eq!(sealed.seal.check_all(&[record]).usable.len(), usize::from(same));
        }
    }
});
