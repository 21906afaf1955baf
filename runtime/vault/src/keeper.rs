//! The keeper: what the vault knows while it runs, and every decision that needs it. Synchronous; one lock, never held across a wait.
//!
//! ```text
//! records ─load─▶ Keeper ◀─ gate (may this go out, as what) ◀─ broker
//!                   │  ├──▶ watch (a guard of all values) ──▶ broker
//!                   │  └──▶ events ──▶ house
//!                   └─ change: begin ─▶ Tell::Write ─▶ house … written(ticket, ok) ─▶ finish
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `change` | adding, rotating, allowing, revoking: each in two phases |
//! | [`trouble`] | records that do not open: shown, forgotten, or taken as they are after a restore |
//! | [`member`] | a member's key: replaced, destroyed |
//! | `owner` | the owner's proof; vault key, passphrase and recovery key |
//! | [`gate`], `grant`, `body`, `signing` | the vault's answers to the broker |
//! | `asker`, `head`, `no` | who asks, in which request, and why it does not go out |
//! | [`login`], `renew`, [`renewer`], [`sign_in`] | secrets that are signed in for (OAuth 2), and renewed here |
//! | [`keyless`] | those of the process without keys |
//! | [`watch`], [`events`] | leaks and uses |
//!
//! **Versions.** A placeholder means the newest durable version, always. What was put in before a rotation stays as it went out. The value
//! before (or of a revoked secret) stays known to the guard for [`OVERLAP`], encrypted under a key of this process; a restart forgets it.
//!
//! A login renews itself: its versions come and go as its access tokens do.
//!
//! **In memory.** Policies and the guard's fingerprints. A value is opened for one use (or one rebuild of the guard) and zeroed after it.
//!
//! **Not claimed.** Who asks is what the house says: a house that lies can use each secret for what its policy allows its users, and no more.
//! Counts of uses begin anew with the process, and when a rate's window is changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::ids::{Ids, MemberId, SecretId};
use hearth_domain::journal::check::Attested;
use hearth_domain::secret::{SealedRecord, SecretName, SecretPolicy};
use hearth_domain::time::{Clock, Mono};
use hearth_domain::vault::{SecretInfo, Span, VaultState};
use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use crate::guard::{Grade, Guard};
use crate::policy::rule;
use crate::policy::usage::Window;
use crate::seal::Seal;
use crate::seal::check::Trouble;
use crate::seal::crypto::{self, Entropy, EntropyError, Key, NONCE_BYTES, TAG_BYTES};
use crate::seal::envelope::Opened;
use crate::seal::manifest::RECORDS_MAX;

mod asker;
mod body;
pub mod change;
pub mod events;
pub mod gate;
mod grant;
mod head;
mod ill;
pub mod keyless;
pub mod login;
pub mod member;
mod no;
mod owner;
pub mod renew;
pub mod renewer;
pub mod sign_in;
mod signing;
pub mod trouble;
pub mod watch;

use change::Pending;
use events::Events;
use ill::Ill;
use renew::Renewal;

/// How long a value that was replaced or revoked stays known to the guard.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// Most of such values; beyond it the oldest is forgotten.
pub const KEPT_MAX: usize = 64;

/// Time, ids and chance.
#[derive(Clone)]
pub struct Ports {
    /// Clocks.
    pub clock: Arc<dyn Clock>,
    /// Ids of new secrets.
    pub ids: Arc<dyn Ids>,
    /// Chance that is fit for keys.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// Whether there is a key.
enum Lock {
    /// Nobody has given one yet.
    Sealed,
    /// There is none that fits.
    Broken,
    /// It is here.
    Open(Box<Seal>),
}

/// Whether a secret is used at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Yes.
    Good,
    /// Its removal is under way.
    Leaving,
}

/// What a secret's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What is put in.
    Plain,
    /// A [`login::Login`].
    Login,
}

impl Kind {
    fn of(value: &SecretSlice<u8>) -> Self {
        if login::is_login(value) { Self::Login } else { Self::Plain }
    }
}

/// A secret that can be used.
struct Secret {
    record: SealedRecord,
    policy: Arc<SecretPolicy>,
    standing: Standing,
    kind: Kind,
}

/// A value under the key of this process.
struct Locked {
    nonce: [u8; NONCE_BYTES],
    tag: [u8; TAG_BYTES],
    text: Vec<u8>,
}

/// A value that is only guarded any more.
struct Kept {
    name: SecretName,
    owner: Option<MemberId>,
    until: Mono,
    locked: Locked,
}

/// What the keeper is made of.
struct Core {
    ports: Ports,
    lock: Lock,
    /// What the house has stored, before it could be opened.
    waiting: Option<Vec<SealedRecord>>,
    /// Everybody who was removed from the household. Their keys are destroyed as soon as there is a manifest to be changed.
    gone: BTreeSet<MemberId>,
    /// Whether the records have been read: a change before would be settled away.
    loaded: bool,
    secrets: BTreeMap<SecretName, Secret>,
    /// What the house has beside them, and what it should have.
    ill: Vec<Ill>,
    kept: Vec<Kept>,
    /// Secrets that are logins, and what became of their renewals.
    logins: usize,
    renewals: BTreeMap<SecretId, Renewal>,
    windows: BTreeMap<SecretId, Window>,
    guard: Guard,
    guard_key: Zeroizing<[u8; 32]>,
    kept_key: Key,
    next_ticket: u64,
    pending: BTreeMap<u64, Pending>,
    /// Changes that the house has stored and whose last step in the manifest failed.
    unfinished: BTreeSet<SecretId>,
}

/// A handle to the keeper; clones are the same one.
#[derive(Clone)]
pub struct Keeper {
    core: Arc<Mutex<Core>>,
    events: Arc<Events>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// What it has, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Census {
    /// Whether it can be used.
    pub state: VaultState,
    /// Secrets that can be used.
    pub secrets: usize,
    /// Values that are only guarded any more.
    pub kept: usize,
    /// Spellings that the guard looks for.
    pub patterns: usize,
    /// Memory of the guard's fingerprints, in bytes.
    pub guard_bytes: usize,
    /// Whether an owner's passphrase is set.
    pub owner: bool,
    /// Members who were removed from the household and whose key is not destroyed yet; of a vault that is open.
    #[serde(default)]
    pub parting: usize,
}

impl Keeper {
    /// A keeper without a key.
    ///
    /// # Errors
    ///
    /// Without chance.
    pub fn new(ports: Ports) -> Result<Self, EntropyError> {
        let mut guard_key = Zeroizing::new([0; 32]);
        ports.entropy.fill(guard_key.as_mut_slice())?;
        let core = Core {
            lock: Lock::Sealed,
            waiting: None,
            gone: BTreeSet::new(),
            loaded: false,
            secrets: BTreeMap::new(),
            ill: Vec::new(),
            kept: Vec::new(),
            logins: 0,
            renewals: BTreeMap::new(),
            windows: BTreeMap::new(),
            guard: Guard::build(&guard_key, []),
            guard_key,
            kept_key: Key::fresh(&*ports.entropy)?,
            next_ticket: 1,
            pending: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            ports,
        };
        Ok(Self { core: Arc::new(Mutex::new(core)), events: Arc::new(Events::default()) })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was used.
    #[must_use]
    pub fn events(&self) -> Arc<Events> {
        Arc::clone(&self.events)
    }

    /// Whether it can be used.
    #[must_use]
    pub fn state(&self) -> VaultState {
        self.core().state()
    }

    /// There is no key that fits, and waiting for one is no use.
    pub fn set_broken(&self) {
        self.core().lock = Lock::Broken;
    }

    /// The key is here. Opens the records if they came before. Gives what is wrong with single ones, as sentences.
    pub fn open(&self, seal: Seal) -> Vec<String> {
        let mut core = self.core();
        core.lock = Lock::Open(Box::new(seal));
        match core.waiting.take() {
            Some(records) => core.adopt(records),
            None => core.part(),
        }
    }

    /// What the house has stored: once, with no change under way. Gives what is wrong with single records, as sentences.
    pub fn load(&self, records: Vec<SealedRecord>) -> Vec<String> {
        let mut core = self.core();
        if matches!(core.lock, Lock::Open(_)) {
            return core.adopt(records);
        }
        core.waiting = Some(records);
        Vec::new()
    }

    /// The secrets that can be used, by name.
    #[must_use]
    pub fn list(&self) -> Vec<SecretInfo> {
        let core = self.core();
        core.secrets.iter().map(|(name, secret)| core.info(name, secret)).collect()
    }

    /// The policy of a secret.
    #[must_use]
    pub fn policy(&self, name: &SecretName) -> Option<Arc<SecretPolicy>> {
        self.core().secrets.get(name).map(|secret| Arc::clone(&secret.policy))
    }

    /// Where values of stored secrets stand in a text, those that overlap or touch as one place.
    #[must_use]
    pub fn look(&self, text: &str) -> Vec<Span> {
        let guard = self.core().guard.clone();
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
        let mut spans: Vec<Span> = guard
            .find(text.as_bytes())
            .into_iter()
            .map(|finding| Span { start: place(finding.start), end: place(finding.end), name: finding.secret })
            .collect();
        spans.sort_by_key(|span| (span.start, span.end));
        spans.dedup_by(|later, earlier| {
            let one = later.start <= earlier.end;
            if one {
                earlier.end = earlier.end.max(later.end);
            }
            one
        });
        spans
    }

    /// The newest attested end of the journal, after this one was kept if it is newer and could be.
    ///
    /// # Errors
    ///
    /// The state in which nothing is known of it.
    pub fn attest(&self, journal: Option<Attested>) -> Result<Option<Attested>, VaultState> {
        let mut core = self.core();
        let state = core.state();
        let seal = core.seal().ok_or(state)?;
        if let Some(Err(error)) = journal.map(|journal| seal.attest(journal)) {
            tracing::warn!(%error, "the journal's end could not be kept");
        }
        Ok(seal.attested())
    }

    /// Forgets values whose time as an older version is over. To be called now and then.
    pub fn forget_old(&self) {
        let mut core = self.core();
        let now = core.ports.clock.mono();
        let before = core.kept.len();
        core.kept.retain(|kept| !kept.is_over(now));
        if core.kept.len() != before {
            core.rebuild();
        }
    }

    /// What it has, in numbers.
    #[must_use]
    pub fn census(&self) -> Census {
        let core = self.core();
        let owner = matches!(&core.lock, Lock::Open(seal) if seal.has_owner());
        let (patterns, guard_bytes) = (core.guard.patterns(), core.guard.resident_bytes());
        let parting = seal_of(&core.lock).map_or(0, |seal| core.gone.iter().filter(|member| seal.has_key(**member)).count());
        Census { state: core.state(), secrets: core.secrets.len(), kept: core.kept.len(), patterns, guard_bytes, owner, parting }
    }
}

const fn seal_of(lock: &Lock) -> Option<&Seal> {
    match lock {
        Lock::Open(seal) => Some(seal),
        Lock::Sealed | Lock::Broken => None,
    }
}

impl Core {
    fn state(&self) -> VaultState {
        match self.lock {
            Lock::Sealed => VaultState::Sealed,
            Lock::Broken => VaultState::Broken,
            Lock::Open(_) => VaultState::Open,
        }
    }

    fn seal(&mut self) -> Option<&mut Seal> {
        match &mut self.lock {
            Lock::Open(seal) => Some(seal),
            Lock::Sealed | Lock::Broken => None,
        }
    }

    fn open_value(&self, record: &SealedRecord) -> Option<SecretSlice<u8>> {
        seal_of(&self.lock)?.open_value(record).ok()
    }

    /// The same, with what is wrong. Without a key nothing is known of a record.
    fn judge(&self, record: &SealedRecord) -> Result<Opened, Trouble> {
        seal_of(&self.lock).ok_or(Trouble::Unknown)?.open_record(record)
    }

    /// The value of a secret, for one use.
    fn value(&self, name: &SecretName) -> Option<SecretSlice<u8>> {
        self.secrets.get(name).and_then(|secret| self.open_value(&secret.record))
    }

    fn adopt(&mut self, mut records: Vec<SealedRecord>) -> Vec<String> {
        self.loaded = true;
        let mut said = self.part();
        if records.len() > RECORDS_MAX {
            said.push(format!("the house has more than {RECORDS_MAX} secrets; those beyond are left alone"));
            records.truncate(RECORDS_MAX);
        }
        // The house removes them. Without a key they are nothing to speak of.
        let keyless = |member| self.gone.contains(&member) && seal_of(&self.lock).is_some_and(|seal| !seal.has_key(member));
        records.retain(|record| !keyless(record.owner));
        let Some(seal) = self.seal() else { return said };
        let findings = match seal.settle(&records) {
            Ok(findings) => findings,
            Err(error) => {
                said.push(format!("changes that were under way could not be brought to their end: {error}"));
                seal.check_all(&records)
            }
        };
        self.ill = findings.troubles.iter().filter_map(|finding| Ill::missing(*finding, seal_of(&self.lock)?)).collect();
        records.sort_by_key(|record| record.id);
        self.secrets.clear();
        self.renewals.clear();
        self.unfinished.clear();
        for record in records {
            match self.judge(&record) {
                Err(trouble) => self.ill.push(Ill::of(record, trouble.to_string())),
                Ok(_) if self.secrets.contains_key(&record.name) => {
                    self.ill.push(Ill::of(record, "there are two secrets of this name; the older one is used".to_owned()));
                }
                Ok(opened) => {
                    let kind = Kind::of(&opened.value);
                    let secret = Secret { policy: Arc::new(opened.policy), record, standing: Standing::Good, kind };
                    self.secrets.insert(secret.record.name.clone(), secret);
                }
            }
        }
        said.extend(self.ill.iter().map(Ill::to_string));
        self.rebuild();
        said
    }

    /// A new guard. All values are in memory at once while it is made.
    fn rebuild(&mut self) {
        let stored = self.secrets.iter().filter_map(|(name, secret)| Some((name.clone(), self.open_value(&secret.record)?)));
        let stored = stored.flat_map(|(name, value)| Self::guarded(value).into_iter().map(move |value| (name.clone(), value)));
        let kept = self.kept.iter().filter_map(|kept| Some((kept.name.clone(), self.unlock(&kept.locked)?)));
        let values: Vec<(SecretName, SecretSlice<u8>)> = stored.chain(self.hands()).chain(kept).collect();
        self.logins = self.secrets.values().filter(|secret| secret.kind == Kind::Login).count();
        self.guard = Guard::build(&self.guard_key, values.iter().map(|(name, value)| (name.clone(), value.expose_secret())));
    }

    fn unlock(&self, locked: &Locked) -> Option<SecretSlice<u8>> {
        let mut text = Zeroizing::new(locked.text.clone());
        crypto::open_in_place(&self.kept_key, &locked.nonce, b"kept", &mut text, &locked.tag).ok()?;
        Some(SecretSlice::from(std::mem::take(&mut *text)))
    }

    fn lock_away(&self, value: &SecretSlice<u8>) -> Option<Locked> {
        let mut nonce = [0; NONCE_BYTES];
        self.ports.entropy.fill(&mut nonce).ok()?;
        let mut text = Zeroizing::new(value.expose_secret().to_vec());
        let tag = crypto::seal_in_place(&self.kept_key, &nonce, b"kept", &mut text)?;
        Some(Locked { nonce, tag, text: std::mem::take(&mut *text) })
    }

    /// Keeps a value for the guard for so long.
    fn keep(&mut self, name: &SecretName, value: &SecretSlice<u8>, time: Duration) {
        let Some(locked) = self.lock_away(value) else {
            tracing::warn!("there is no chance to be had: an older value is not guarded any more");
            return;
        };
        let until = self.ports.clock.mono().plus(time);
        let owner = self.secrets.get(name).map(|secret| secret.record.owner);
        if self.kept.len() >= KEPT_MAX {
            self.drop_one_kept();
        }
        self.kept.push(Kept { name: name.clone(), owner, until, locked });
    }

    /// Of the name that has most of them, the one whose time is over first: a secret whose value changes often pushes out its own.
    fn drop_one_kept(&mut self) {
        let of = |name: &SecretName| self.kept.iter().filter(|kept| kept.name == *name).count();
        let first = self.kept.iter().enumerate().min_by_key(|(_, kept)| (Reverse(of(&kept.name)), kept.until));
        if let Some(first) = first.map(|(place, _)| place) {
            self.kept.remove(first);
        }
    }

    fn info(&self, name: &SecretName, secret: &Secret) -> SecretInfo {
        let grade = self.guard.grades().iter().find(|(known, _)| known == name).map(|(_, grade)| *grade);
        SecretInfo {
            name: name.clone(),
            owner: secret.record.owner,
            version: secret.record.version,
            users: secret.policy.users.iter().cloned().collect(),
            targets: secret.policy.targets.iter().map(rule::show).collect(),
            guarded: matches!(grade, Some(Grade::Strong | Grade::Unsplit)),
            canary: secret.policy.canary,
        }
    }

    /// Uses of a secret within its policy's window.
    fn window(&mut self, name: &SecretName) -> Option<(&mut Window, u64)> {
        let now = u64::try_from(self.ports.clock.mono().0.as_millis()).unwrap_or(u64::MAX);
        let secret = self.secrets.get(name)?;
        let length = u64::from(secret.policy.rate?.window_s).saturating_mul(1000);
        let window = self.windows.entry(secret.record.id).or_insert_with(|| Window::new(length));
        if window.length_ms() != length.max(1) {
            *window = Window::new(length);
        }
        Some((window, now))
    }
}
