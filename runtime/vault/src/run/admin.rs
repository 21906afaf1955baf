//! The vault's own socket, for its owner's commands.
//!
//! Whoever is this user or the administrator may speak; the house runs as this user too, which is why whatever widens a policy takes the
//! owner's proof. "Done" is said only after the house said that it is durable.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use hearth_domain::error::Class;
use hearth_domain::secret::{SecretName, SecretPolicy};
use hearth_domain::vault::{MESSAGE_BYTES, Tell};
use hearth_supervisor::process::frame::{self, Assembler, Frame};
use secrecy::SecretString;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::door::apart;
use super::house::Process;
use super::no::No;
use super::{acts, sign_in, trial};
use crate::admin::{AdminAnswer, AdminAsk, Hidden, NewSecret, Proof, SOCKET, may_talk};
use crate::keeper::change::{Allowance, Begun, ChangeError, targets};
use crate::policy::rule;
use crate::seal::crypto::{Entropy as _, SystemEntropy};
use crate::seal::proof::{OwnerProof, ProofError};
use crate::seal::recovery::RecoveryKey;

/// Commands at a time.
const CONNECTIONS: usize = 8;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the house may take to store something.
const HOUSE: Duration = Duration::from_secs(30);
/// Between two tries to accept when the system has no descriptor.
const BREATH: Duration = Duration::from_millis(50);
/// Chance in a decoy, in bytes.
const DECOY_BYTES: usize = 24;

/// Makes the socket. The lock on the key folder says that what is there is left from before.
pub(super) fn listen(keys: &Path) -> io::Result<UnixListener> {
    let path = keys.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves for as long as it is not dropped.
pub(super) async fn serve(listener: UnixListener, process: Process) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            drop(connections.join_next().await);
        }
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, process.clone()))),
            Err(error) => {
                tracing::warn!(%error, "an owner's command could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn connection(mut stream: UnixStream, process: Process) {
    if !stream.peer_cred().is_ok_and(|peer| may_talk(peer.uid())) {
        tracing::warn!("another user tried to speak to the vault");
        return;
    }
    let mut assembler = Assembler::new(MESSAGE_BYTES);
    loop {
        let asked = match timeout(SILENCE, frame::read_async(&mut stream, &mut assembler)).await {
            Ok(Ok(Some(Frame::Message(asked)))) => asked,
            Ok(Ok(Some(Frame::Life(_)) | None)) | Err(_) => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what an owner's command said cannot be read");
                return;
            }
        };
        let lock = matches!(asked, AdminAsk::Lock);
        let answer = answer(&process, asked).await.unwrap_or_else(AdminAnswer::from);
        let lock = lock && matches!(answer, AdminAnswer::Done);
        if !matches!(timeout(SILENCE, frame::write_async(&mut stream, &Frame::Message(answer), MESSAGE_BYTES)).await, Ok(Ok(()))) {
            return;
        }
        if lock {
            // A word that is there already is enough.
            let _ = process.lock.try_send(());
        }
    }
}

async fn answer(process: &Process, asked: AdminAsk) -> Result<AdminAnswer, No> {
    let keeper = &process.door.keeper;
    match asked {
        AdminAsk::Add(new) => add(process, *new).await,
        AdminAsk::Rotate { name, value } => stored(process, keeper.begin_rotate(&name, value.bytes())?).await,
        AdminAsk::Allow { name, change, proof } => allow(process, &name, &change, proof).await,
        AdminAsk::ShowPolicy { name } => {
            let policy = keeper.policy(&name).ok_or(ChangeError::Unknown)?;
            let targets = policy.targets.iter().map(rule::show).collect();
            Ok(AdminAnswer::Policy { policy: Box::new((*policy).clone()), targets })
        }
        AdminAsk::List => Ok(AdminAnswer::Listed { secrets: keeper.list(), signed_in: keeper.signed_in(), troubled: keeper.troubled() }),
        AdminAsk::Revoke { name } => stored(process, keeper.begin_revoke(&name)?).await,
        AdminAsk::Test { name, url, header } => trial::test(process, &name, url.as_deref(), header.as_deref())
            .await
            .map(|(status, broker)| AdminAnswer::Tested { status, broker })
            .map_err(|error| No::new(Class::Permanent, error.to_string())),
        AdminAsk::SetUp { passphrase } => opened(process, process.door.set_up(text(&passphrase)?).await?).await,
        AdminAsk::Unseal { proof } => opened(process, process.door.unseal(proof).await?).await,
        AdminAsk::Lock => acts::lock(process).await,
        AdminAsk::Recover { key, new } => acts::recover(process, &key, new).await,
        AdminAsk::AcceptRestore { proof } => acts::accept_restore(process, proof).await,
        AdminAsk::RotateKey { proof, passphrase } => acts::rotate_key(process, proof, passphrase).await,
        AdminAsk::Rekey { member } => acts::rekey(process, member).await,
        AdminAsk::Erase { member, proof } => acts::erase(process, member, proof).await,
        AdminAsk::Admit { member, proof } => acts::admit(process, member, proof).await,
        AdminAsk::ChangePassphrase { proof, new } => acts::change_passphrase(process, proof, &new).await,
        AdminAsk::NewRecovery { proof } => acts::new_recovery(process, proof).await,
        AdminAsk::Forget { which } => stored(process, keeper.begin_forget(&which)?).await,
        AdminAsk::SetProof { old, new } => set_proof(process, old, &new).await,
        AdminAsk::SignIn(new) => sign_in::begin(process, *new),
        AdminAsk::SignInAgain { name } => sign_in::again(process, &name),
        AdminAsk::SignedIn { name, answer } => sign_in::finish(process, &name, &answer).await,
        AdminAsk::Status => Ok(AdminAnswer::Status(keeper.census())),
    }
}

/// A passphrase or a recovery key.
pub(super) fn text(hidden: &Hidden) -> Result<SecretString, No> {
    hidden.text().ok_or_else(|| No::new(Class::Permanent, "a passphrase is a text"))
}

/// Tells the house that the vault can be used.
pub(super) async fn opened(process: &Process, findings: Vec<String>) -> Result<AdminAnswer, No> {
    findings.iter().for_each(|finding| tracing::warn!(finding, "a secret cannot be used"));
    tell(process, Tell::State { state: process.door.keeper.state() }).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn tell(process: &Process, tell: Tell) -> Result<(), No> {
    process.tells.send(tell).await.map_err(|_| gone())
}

/// Waits for the house; `None` when it is gone.
pub(super) async fn put(tells: &mpsc::Sender<Tell>, begun: Begun) -> Option<Result<(), ChangeError>> {
    let Begun { write, done } = begun;
    tells.send(write).await.ok()?;
    match timeout(HOUSE, done).await {
        Ok(Ok(result)) => Some(result),
        Ok(Err(_)) | Err(_) => Some(Err(ChangeError::Unsure)),
    }
}

/// The same, as it is answered.
pub(super) async fn stored(process: &Process, begun: Begun) -> Result<AdminAnswer, No> {
    let result = put(&process.tells, begun).await.ok_or_else(gone)?;
    result.map(|()| AdminAnswer::Done).map_err(No::from)
}

fn gone() -> No {
    No::new(Class::Transient, "the house is gone")
}

/// The policy that an owner wants for a new secret.
pub(super) fn policy_of(new: NewSecret) -> Result<SecretPolicy, ChangeError> {
    let NewSecret { name, users, authority, members, rate, bytes_out_max, until, canary, .. } = new;
    let mut targets = targets(&new.targets, &name)?;
    targets.iter_mut().for_each(|target| target.authority.clone_from(&authority));
    let members = members.map(|members| members.into_iter().collect());
    Ok(SecretPolicy { users: users.into_iter().collect(), members, targets, rate, bytes_out_max, until, canary })
}

async fn add(process: &Process, new: NewSecret) -> Result<AdminAnswer, No> {
    let (name, owner, canary) = (new.name.clone(), new.owner, new.canary);
    let (value, planted) = match new.value.clone() {
        Some(value) => (value, None),
        None if canary => {
            let decoy = decoy()?;
            (decoy.clone(), Some(decoy))
        }
        None => return Err(No::new(Class::Permanent, "a secret needs a value; only a decoy is drawn")),
    };
    let policy = policy_of(new)?;
    let begun = process.door.keeper.begin_add(&name, owner, policy, value.bytes())?;
    let done = stored(process, begun).await?;
    Ok(planted.map_or(done, |value| AdminAnswer::Planted { value }))
}

/// What looks like a key of a service.
fn decoy() -> Result<Hidden, No> {
    let mut chance = [0; DECOY_BYTES];
    SystemEntropy.fill(&mut chance).map_err(|error| No::of(&error))?;
    Ok(Hidden::new(format!("sk-live-{}", hex::encode(chance)).into_bytes()))
}

async fn allow(process: &Process, name: &SecretName, change: &Allowance, proof: Option<Proof>) -> Result<AdminAnswer, No> {
    let keeper = &process.door.keeper;
    let begun = match keeper.begin_allow(name, change, None) {
        Err(ChangeError::NeedsProof) => {
            if !keeper.census().owner {
                return Err(ChangeError::from(ProofError::NotSet).into());
            }
            let proof = prove(process, proof.ok_or(ChangeError::NeedsProof)?).await?;
            keeper.begin_allow(name, change, Some(proof))?
        }
        other => other?,
    };
    stored(process, begun).await
}

async fn set_proof(process: &Process, old: Option<Proof>, new: &Hidden) -> Result<AdminAnswer, No> {
    let (keeper, new) = (&process.door.keeper, text(new)?);
    if old.is_none() && keeper.census().owner {
        return Err(ChangeError::from(ProofError::AlreadySet).into());
    }
    let proof = match old {
        Some(old) => Some(prove(process, old).await?),
        None => None,
    };
    let verifier = process.door.verifier(new).await?;
    match proof {
        Some(proof) => keeper.change_owner(proof, verifier).map(|()| AdminAnswer::Done).map_err(No::from),
        None => Ok(AdminAnswer::Kit { text: Hidden::from(&keeper.set_owner(verifier)?) }),
    }
}

/// Looks whether it is the owner. Each attempt counts before it is compared.
pub(super) async fn prove(process: &Process, proof: Proof) -> Result<OwnerProof, No> {
    let keeper = &process.door.keeper;
    let compared = match proof {
        Proof::Passphrase(passphrase) => {
            let passphrase = text(&passphrase)?;
            let attempt = keeper.attempt()?;
            let compared = apart(move || attempt.passphrase(&passphrase)).await;
            compared.ok_or_else(acts::not_computed)?.map_err(|error| No::of(&error))?
        }
        Proof::Recovery(key) => {
            let key = RecoveryKey::read(&text(&key)?).map_err(|error| No::of(&error))?;
            keeper.attempt()?.recovery(&key)
        }
    };
    Ok(keeper.judge(&compared)?)
}
