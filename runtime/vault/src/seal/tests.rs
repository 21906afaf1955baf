mod crash;
mod keys;
mod owner;
mod tamper;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hearth_domain::household::Member;
use proptest::prelude::*;

use super::check::Findings;
use super::crypto::SystemEntropy;
use super::key_file::{KEY_FILE_BYTES, read_key, write_key};
use super::*;

/// Before or after the effect of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

/// What outlasts a crash.
#[derive(Default)]
struct Disk {
    manifest: Option<Vec<u8>>,
    key: Option<[u8; KEY_FILE_BYTES]>,
    next: Option<[u8; KEY_FILE_BYTES]>,
    writes: usize,
    crash: Option<(usize, Moment)>,
}

/// A key folder in memory that can fail at any step, with or without the step's effect.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Disk>>);

impl Memory {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// The next write but `after` fails.
    fn crash_in(&self, after: usize, moment: Moment) {
        let mut disk = self.disk();
        disk.crash = Some((disk.writes + after, moment));
    }

    fn write(&self, effect: impl FnOnce(&mut Disk)) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let at = disk.writes;
        disk.writes += 1;
        let down = StoreError::Write { step: "by plan", source: std::io::Error::other("crash") };
        let crash = disk.crash.filter(|(when, _)| *when == at).map(|(_, moment)| moment);
        if crash != Some(Moment::Before) {
            effect(&mut disk);
        }
        if crash.is_some() { Err(down) } else { Ok(()) }
    }
}

impl KeyStore for Memory {
    fn create_manifest(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_manifest(bytes)
    }
    fn write_manifest(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|disk| disk.manifest = Some(bytes.to_vec()))
    }
    fn stage_key(&mut self, key: &VaultKey) -> Result<(), StoreError> {
        self.write(|disk| disk.next = Some(*write_key(key)))
    }
    fn adopt_key(&mut self) -> Result<(), StoreError> {
        self.write(|disk| disk.key = disk.next.take().or(disk.key))
    }
}

/// A vault and the house that stores its records.
struct House {
    memory: Memory,
    seal: Seal,
    records: BTreeMap<SecretId, SealedRecord>,
}

fn ada() -> MemberId {
    Member::id_of("Ada")
}

fn ben() -> MemberId {
    Member::id_of("Ben")
}

fn id(name: &str) -> SecretId {
    SecretId::derived(&[name])
}

fn value(text: &str) -> SecretSlice<u8> {
    SecretSlice::from(text.as_bytes().to_vec())
}

fn policy() -> SecretPolicy {
    serde_json::from_str(r#"{"users":[{"kind":"tool","name":"mail"}],"targets":[],"bytes_out_max":1000}"#).unwrap()
}

impl House {
    fn new() -> Self {
        let memory = Memory::default();
        let key = VaultKey::fresh(&SystemEntropy).unwrap();
        memory.disk().key = Some(*write_key(&key));
        let household = Household::fresh(&SystemEntropy).unwrap();
        let seal = Seal::create(household, key, None, Box::new(memory.clone()), Box::new(SystemEntropy)).unwrap();
        Self { memory, seal, records: BTreeMap::new() }
    }

    fn with_secrets() -> Self {
        let mut house = Self::new();
        house.put(ada(), "mail", "one");
        house.put(ada(), "calendar", "two");
        house.put(ben(), "bank", "three");
        house
    }

    fn begin(&mut self, owner: MemberId, name: &str, text: &str) -> Result<SealedRecord, PutError> {
        let (name, policy, value) = (SecretName::new(name).unwrap(), policy(), value(text));
        self.seal.begin_put(Draft { id: id(name.as_str()), owner, name: &name, policy: &policy, value: &value })
    }

    fn put(&mut self, owner: MemberId, name: &str, text: &str) -> SealedRecord {
        let record = self.begin(owner, name, text).unwrap();
        self.records.insert(record.id, record.clone());
        self.seal.finish_put(record.id).unwrap();
        record
    }

    fn all(&self) -> Vec<SealedRecord> {
        self.records.values().cloned().collect()
    }

    fn check(&self) -> Findings {
        self.seal.check_all(&self.all())
    }

    fn settle(&mut self) -> Findings {
        let records = self.all();
        self.seal.settle(&records).unwrap()
    }

    fn record(&self, name: &str) -> SealedRecord {
        self.records[&id(name)].clone()
    }

    fn read(&self, name: &str) -> Result<String, Trouble> {
        text_of(&self.seal, &self.record(name))
    }

    /// The process ends; a new one opens what is on the disk, as `source::open_folder` does.
    fn restart(&mut self) {
        let mut disk = self.memory.disk();
        disk.crash = None;
        let manifest = disk.manifest.clone().unwrap();
        let keys: Vec<_> = disk.key.iter().chain(disk.next.iter()).map(|bytes| read_key(bytes).unwrap()).collect();
        for (at, key) in keys.into_iter().enumerate() {
            if manifest::open(&manifest, |household| key.hierarchy(household)).is_ok() {
                let next = disk.next.take();
                if at == 1 {
                    disk.key = next;
                }
                drop(disk);
                self.seal = Seal::open(key, &manifest, Box::new(self.memory.clone()), Box::new(SystemEntropy)).unwrap();
                return;
            }
        }
        panic!("no key opens the manifest");
    }
}

fn text_of(seal: &Seal, record: &SealedRecord) -> Result<String, Trouble> {
    seal.open_record(record).map(|opened| String::from_utf8(opened.value.expose_secret().to_vec()).unwrap())
}

#[test]
fn a_secret_comes_back_as_it_went_in() {
    let mut house = House::with_secrets();
    house.restart();
    assert_eq!(house.read("mail"), Ok("one".to_owned()));
    assert_eq!(house.seal.open_record(&house.record("mail")).unwrap().policy, policy());
    assert_eq!(house.check(), Findings { usable: [id("mail"), id("calendar"), id("bank")].into(), troubles: vec![] });
}

#[test]
fn neither_envelope_nor_manifest_shows_what_is_inside() {
    let mut house = House::new();
    let record = house.put(ada(), "mail", "canary-7d1f3a55");
    let manifest = house.memory.disk().manifest.clone().unwrap();
    for bytes in [&record.envelope, &manifest] {
        for word in ["canary-7d1f3a55", "bytes_out_max", "canary"] {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()));
        }
    }
    let opened = house.seal.open_record(&record).unwrap();
    assert!(!format!("{opened:?} {:?}", house.seal).contains("7d1f3a55"));
}

#[test]
fn lengths_of_one_bucket_cannot_be_told_apart() {
    let mut house = House::new();
    let lengths: std::collections::BTreeSet<_> =
        (1..800).step_by(61).map(|length| house.put(ada(), "mail", &"x".repeat(length)).envelope.len()).collect();
    assert_eq!(lengths.len(), 1);
}

#[test]
fn equal_values_have_different_envelopes() {
    let mut house = House::new();
    let (one, two) = (house.put(ada(), "mail", "same"), house.put(ada(), "other", "same"));
    assert!(one.envelope.chunks(16).zip(two.envelope.chunks(16)).skip(3).all(|(a, b)| a != b));
}

#[test]
fn values_of_no_bytes_and_of_more_than_a_mebibyte_are_refused() {
    let mut house = House::new();
    for text in [String::new(), "x".repeat(VALUE_MAX + 1)] {
        assert!(matches!(house.begin(ada(), "mail", &text), Err(PutError::ValueSize)));
    }
    let before = house.seal.generation();
    let name = SecretName::new("mail").unwrap();
    let mut policy = policy();
    policy.users.insert(hearth_domain::secret::Principal::Tool("x".repeat(POLICY_MAX)));
    let draft = Draft { id: id("mail"), owner: ada(), name: &name, policy: &policy, value: &value("v") };
    assert!(matches!(house.seal.begin_put(draft), Err(PutError::PolicySize)));
    assert_eq!(house.seal.generation(), before);
}

#[test]
fn a_mebibyte_survives() {
    let mut house = House::new();
    let text = "é\n\0x".repeat(VALUE_MAX / 5);
    let text = format!("{text}{}", "y".repeat(VALUE_MAX - text.len()));
    let record = house.put(ada(), "large", &text);
    assert!(record.envelope.len() <= envelope::ENVELOPE_MAX);
    assert!(house.read("large") == Ok(text));
}

#[test]
fn another_member_s_secret_is_not_replaced() {
    let mut house = House::with_secrets();
    assert!(matches!(house.begin(ben(), "mail", "mine"), Err(PutError::OtherOwner)));
    assert_eq!(house.read("mail"), Ok("one".to_owned()));
}

#[test]
fn steps_out_of_order_are_refused_and_change_nothing() {
    let mut house = House::with_secrets();
    let before = house.seal.generation();
    assert!(matches!(house.seal.finish_put(id("mail")), Err(StepError::OutOfStep)));
    assert!(matches!(house.seal.abandon_put(id("mail")), Err(StepError::OutOfStep)));
    assert!(matches!(house.seal.finish_remove(id("mail")), Err(StepError::OutOfStep)));
    assert!(matches!(house.seal.finish_put(id("none")), Err(StepError::Unknown)));
    assert_eq!(house.seal.generation(), before);
    house.begin(ada(), "mail", "new").unwrap();
    assert!(matches!(house.begin(ada(), "mail", "newer"), Err(PutError::Underway)));
    assert!(matches!(house.seal.begin_remove(id("mail")), Err(StepError::OutOfStep)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_value_comes_back(bytes in prop::collection::vec(any::<u8>(), 1..5000)) {
        let mut house = House::new();
        let (name, policy, value) = (SecretName::new("any").unwrap(), policy(), SecretSlice::from(bytes.clone()));
        let draft = Draft { id: id("any"), owner: ada(), name: &name, policy: &policy, value: &value };
        let record = house.seal.begin_put(draft).unwrap();
        let opened = house.seal.open_record(&record).unwrap();
        prop_assert_eq!(opened.value.expose_secret(), bytes.as_slice());
    }
}
