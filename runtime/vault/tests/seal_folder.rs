//! The key folder on a real disk: what is created how, what is refused, what a crash leaves.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a failure is the message")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use hearth_domain::household::Member;
use hearth_domain::ids::SecretId;
use hearth_domain::secret::{SealedRecord, SecretName, SecretPolicy};
use hearth_domain::time::Mono;
use hearth_vault::seal::crypto::{Cost, SystemEntropy};
use hearth_vault::seal::folder::{FolderError, KEY, KEY_NEXT, KeyFolder, LOCK, MANIFEST};
use hearth_vault::seal::keys::Source;
use hearth_vault::seal::manifest::ManifestError;
use hearth_vault::seal::passphrase::{PassphraseKey, Verifier};
use hearth_vault::seal::source::{CREDENTIAL, Found, ORDER, OpenError, SetUpError, SourceError, find, open_folder, set_up};
use hearth_vault::seal::{CommitError, Draft, Seal, StoreError};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

struct Place {
    _root: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("key");
        Self { _root: root, folder }
    }

    fn lock(&self) -> KeyFolder {
        KeyFolder::open(&self.folder).unwrap()
    }

    fn set_up(&self) -> Seal {
        set_up(self.lock(), None, Box::new(SystemEntropy)).unwrap()
    }

    fn open(&self) -> Result<Seal, OpenError> {
        let folder = self.lock();
        match find(&ORDER, &folder, None).unwrap() {
            Found::Keys { source, keys } => open_folder(folder, source, keys, Box::new(SystemEntropy)),
            Found::Sealed { .. } => panic!("a passphrase was not asked for"),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn put(seal: &mut Seal, text: &str) -> SealedRecord {
    let (name, value) = (SecretName::new("mail").unwrap(), SecretSlice::from(text.as_bytes().to_vec()));
    let policy: SecretPolicy = serde_json::from_str(r#"{"users":[],"targets":[],"bytes_out_max":1}"#).unwrap();
    let id = SecretId::derived(&["mail"]);
    let record = seal.begin_put(Draft { id, owner: Member::id_of("Ada"), name: &name, policy: &policy, value: &value }).unwrap();
    seal.finish_put(id).unwrap();
    record
}

fn read(seal: &Seal, record: &SealedRecord) -> Vec<u8> {
    seal.open_record(record).unwrap().value.expose_secret().to_vec()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_vault_comes_back_by_itself_and_its_files_are_its_user_s_alone() {
    let place = Place::new();
    let mut seal = place.set_up();
    let record = put(&mut seal, "value");
    drop(seal);
    assert_eq!(read(&place.open().unwrap(), &record), b"value");
    assert_eq!(place.names(), [KEY, LOCK, MANIFEST]);
    assert_eq!(mode(&place.folder), 0o700);
    assert!([KEY, LOCK, MANIFEST].iter().all(|name| mode(&place.file(name)) == 0o600));
}

#[test]
fn two_vaults_do_not_run_on_one_key_folder() {
    let place = Place::new();
    let seal = place.set_up();
    assert!(matches!(KeyFolder::open(&place.folder), Err(FolderError::InUse)));
    drop(seal);
    assert!(KeyFolder::open(&place.folder).is_ok());
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let place = Place::new();
    drop(place.set_up());
    for wrong in [0o640, 0o604, 0o620, 0o610, 0o602, 0o601] {
        set_mode(&place.file(KEY), wrong);
        assert!(matches!(place.lock().keys(), Err(FolderError::Exposed { what: KEY })), "{wrong:o}");
    }
    set_mode(&place.file(KEY), 0o400);
    set_mode(&place.file(MANIFEST), 0o644);
    assert!(matches!(place.lock().manifest(), Err(FolderError::Exposed { what: MANIFEST })));
    set_mode(&place.folder, 0o770);
    assert!(matches!(KeyFolder::open(&place.folder), Err(FolderError::Exposed { .. })));
}

#[test]
fn a_link_a_folder_and_a_pipe_are_no_key_file() {
    let place = Place::new();
    drop(place.set_up());
    let (key, aside) = (place.file(KEY), place.file("aside"));
    fs::rename(&key, &aside).unwrap();
    symlink(&aside, &key).unwrap();
    assert!(matches!(place.lock().keys(), Err(FolderError::NotPlain { what: KEY })));
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    assert!(matches!(place.lock().keys(), Err(FolderError::NotPlain { what: KEY })));
    fs::remove_dir(&key).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &key, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(matches!(place.lock().keys(), Err(FolderError::NotPlain { what: KEY })));
    let link = place.folder.with_file_name("link");
    symlink(&place.folder, &link).unwrap();
    assert!(matches!(KeyFolder::open(&link), Err(FolderError::NotPlain { .. })));
}

#[test]
fn files_of_another_user_are_refused() {
    let place = Place::new();
    drop(place.set_up());
    // Only root can give a file away; for anybody else there is nothing to try.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(place.file(KEY), Some(1234), None).unwrap();
        assert!(matches!(place.lock().keys(), Err(FolderError::OtherOwner { what: KEY })));
        std::os::unix::fs::chown(&place.folder, Some(1234), None).unwrap();
        assert!(matches!(KeyFolder::open(&place.folder), Err(FolderError::OtherOwner { .. })));
    }
}

#[test]
fn a_cut_or_altered_key_file_is_refused_and_a_wrong_one_is_told_apart() {
    let (place, other) = (Place::new(), Place::new());
    drop((place.set_up(), other.set_up()));
    let good = fs::read(place.file(KEY)).unwrap();
    for wrong in [&good[..44], &[good.as_slice(), b"\n"].concat(), b"", &[0; 45]] {
        fs::write(place.file(KEY), wrong).unwrap();
        let folder = place.lock();
        assert!(matches!(find(&ORDER, &folder, None), Err(SourceError::Folder(FolderError::Damaged { what: KEY }))));
    }
    fs::copy(other.file(KEY), place.file(KEY)).unwrap();
    assert!(matches!(place.open(), Err(OpenError::Manifest(ManifestError::WrongKey))));
    fs::write(place.file(KEY), good).unwrap();
    assert!(place.open().is_ok());
}

#[test]
fn no_vault_is_set_up_over_another_and_a_lost_manifest_is_said() {
    let place = Place::new();
    drop(place.set_up());
    let before = fs::read(place.file(MANIFEST)).unwrap();
    assert!(matches!(set_up(place.lock(), None, Box::new(SystemEntropy)), Err(SetUpError::Commit(CommitError::Store(StoreError::Exists)))));
    assert_eq!(fs::read(place.file(MANIFEST)).unwrap(), before);
    fs::remove_file(place.file(MANIFEST)).unwrap();
    assert!(matches!(place.open(), Err(OpenError::NoManifest)));
    let key = fs::read(place.file(KEY)).unwrap();
    drop(place.set_up());
    assert_eq!(fs::read(place.file(KEY)).unwrap(), key, "a set-up that was interrupted goes on with its key");
}

#[test]
fn what_a_crash_left_of_a_write_is_passed_over_and_cleared_away() {
    let place = Place::new();
    let mut seal = place.set_up();
    let record = put(&mut seal, "one");
    drop(seal);
    let whole = fs::read(place.file(MANIFEST)).unwrap();
    // Created; partly written; written and not renamed.
    for length in [0, 1, whole.len() / 2, whole.len()] {
        fs::write(place.file("vault.manifest.new"), &whole[..length]).unwrap();
        let mut seal = place.open().unwrap();
        assert_eq!(read(&seal, &record), b"one");
        seal.begin_remove(record.id).unwrap();
        assert!(!place.names().iter().any(|name| name.ends_with(".new")));
        assert_eq!(seal.settle(std::slice::from_ref(&record)).unwrap().troubles, []);
    }
}

#[test]
fn a_rotation_that_stopped_halfway_is_ended_at_the_next_start() {
    let place = Place::new();
    let mut seal = place.set_up();
    let record = put(&mut seal, "one");
    let (old_key, old_manifest) = (fs::read(place.file(KEY)).unwrap(), fs::read(place.file(MANIFEST)).unwrap());
    seal.set_owner(Verifier::new(&SecretString::from("correct horse"), Cost::FLOOR, &SystemEntropy).unwrap()).unwrap();
    let compared = seal.attempt(Mono::default()).unwrap().passphrase(&SecretString::from("correct horse")).unwrap();
    let proof = seal.judge(&compared).unwrap();
    assert!(seal.rotate_vault_key(proof, None).unwrap().left.is_none());
    drop(seal);
    let (new_key, new_manifest) = (fs::read(place.file(KEY)).unwrap(), fs::read(place.file(MANIFEST)).unwrap());
    assert!(new_key != old_key && !place.file(KEY_NEXT).exists());
    for (manifest, good) in [(&old_manifest, &old_key), (&new_manifest, &new_key)] {
        fs::write(place.file(KEY), &old_key).unwrap();
        fs::write(place.file(KEY_NEXT), &new_key).unwrap();
        set_mode(&place.file(KEY_NEXT), 0o600);
        fs::write(place.file(MANIFEST), manifest).unwrap();
        assert_eq!(read(&place.open().unwrap(), &record), b"one");
        assert_eq!(&fs::read(place.file(KEY)).unwrap(), good);
        assert!(!place.file(KEY_NEXT).exists());
    }
}

#[test]
fn a_systemd_credential_comes_first_and_is_not_rotated_from_here() {
    let place = Place::new();
    let mut seal = place.set_up();
    let record = put(&mut seal, "one");
    seal.set_owner(Verifier::new(&SecretString::from("correct horse"), Cost::FLOOR, &SystemEntropy).unwrap()).unwrap();
    drop(seal);
    let credentials = tempfile::tempdir().unwrap();
    fs::rename(place.file(KEY), credentials.path().join(CREDENTIAL)).unwrap();
    // As systemd shows an access list.
    set_mode(&credentials.path().join(CREDENTIAL), 0o440);
    let folder = place.lock();
    let Found::Keys { source: Source::SystemdCredential, keys } = find(&ORDER, &folder, Some(credentials.path())).unwrap() else {
        panic!("the credential was passed over");
    };
    let mut seal = open_folder(folder, Source::SystemdCredential, keys, Box::new(SystemEntropy)).unwrap();
    assert_eq!(read(&seal, &record), b"one");
    let compared = seal.attempt(Mono::default()).unwrap().passphrase(&SecretString::from("correct horse")).unwrap();
    let proof = seal.judge(&compared).unwrap();
    assert!(seal.rotate_vault_key(proof, None).is_err());
    assert_eq!(read(&seal, &record), b"one");
    drop(seal);
    set_mode(&credentials.path().join(CREDENTIAL), 0o444);
    assert!(find(&ORDER, &place.lock(), Some(credentials.path())).is_err());
}

#[test]
fn a_passphrase_vault_stays_sealed_until_somebody_types_it() {
    let place = Place::new();
    let words = SecretString::from("correct horse");
    let under = PassphraseKey::new(&words, Cost::FLOOR, &SystemEntropy).unwrap();
    let mut seal = set_up(place.lock(), Some(&under), Box::new(SystemEntropy)).unwrap();
    let record = put(&mut seal, "one");
    drop(seal);
    assert_eq!(place.names(), [LOCK, MANIFEST]);
    let folder = place.lock();
    let Found::Sealed { household, slot } = find(&ORDER, &folder, None).unwrap() else { panic!("it opened by itself") };
    assert!(slot.unlock(household, &SecretString::from("correct horsf")).is_err());
    let key = slot.unlock(household, &words).unwrap();
    let seal = open_folder(folder, Source::Passphrase, vec![key], Box::new(SystemEntropy)).unwrap();
    assert_eq!(read(&seal, &record), b"one");
}

#[test]
fn a_keyring_is_refused_and_nothing_is_not_taken_for_a_key() {
    let place = Place::new();
    let folder = place.lock();
    assert!(matches!(find(&[Source::Keyring], &folder, None), Err(SourceError::Unsupported)));
    assert!(matches!(find(&ORDER, &folder, Some(Path::new("nowhere"))), Err(SourceError::Nowhere)));
}
