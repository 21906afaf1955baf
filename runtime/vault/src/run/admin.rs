//! The vault's own socket, for its owner's commands.
//!
//! Whoever is this user or the administrator may speak; the house runs as this user too, which is why whatever widens a policy takes the
//! owner's proof. "Done" is said only after the house said that it is durable.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use hearth_domain::error::{Class, Classified};
use hearth_domain::secret::{SecretName, SecretPolicy};
use hearth_domain::vault::{MESSAGE_BYTES, Tell};
use hearth_supervisor::process::frame::{self, Assembler, Frame};
use secrecy::SecretString;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::door::apart;
use super::house::Process;
use super::trial;
use crate::admin::{AdminAnswer, AdminAsk, Hidden, NewSecret, Proof, SOCKET, may_talk};
use crate::keeper::change::{Allowance, Begun, ChangeError, targets};
use crate::policy::rule;
use crate::seal::crypto::{Entropy as _, SystemEntropy};
use crate::seal::proof::OwnerProof;
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

/// Why something was not done.
struct No(Class, String);

impl From<ChangeError> for No {
    fn from(error: ChangeError) -> Self {
        Self(error.class(), error.to_string())
    }
}

fn no(class: Class, sentence: impl Into<String>) -> No {
    No(class, sentence.into())
}

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
        let answer = answer(&process, asked).await.unwrap_or_else(|No(class, sentence)| AdminAnswer::Refused { class, sentence });
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
        AdminAsk::List => Ok(AdminAnswer::Listed { secrets: keeper.list() }),
        AdminAsk::Revoke { name } => stored(process, keeper.begin_revoke(&name)?).await,
        AdminAsk::Test { name, url, header } => trial::test(process, &name, url.as_deref(), header.as_deref())
            .await
            .map(|(status, broker)| AdminAnswer::Tested { status, broker })
            .map_err(|error| no(Class::Permanent, error.to_string())),
        AdminAsk::SetUp { passphrase } => opened(process, process.door.set_up(text(&passphrase)?).await).await,
        AdminAsk::Unseal { passphrase } => opened(process, process.door.unseal(text(&passphrase)?).await).await,
        AdminAsk::Lock => Ok(AdminAnswer::Done),
        AdminAsk::SetProof { old, new } => set_proof(process, old, &new).await,
        AdminAsk::Status => Ok(AdminAnswer::Status(keeper.census())),
    }
}

fn text(hidden: &Hidden) -> Result<SecretString, No> {
    hidden.text().ok_or_else(|| no(Class::Permanent, "a passphrase is a text"))
}

async fn opened(process: &Process, result: Result<Vec<String>, String>) -> Result<AdminAnswer, No> {
    let findings = result.map_err(|sentence| no(Class::Denied, sentence))?;
    findings.iter().for_each(|finding| tracing::warn!(finding, "a secret cannot be used"));
    tell(process, Tell::State { state: process.door.keeper.state() }).await?;
    Ok(AdminAnswer::Done)
}

async fn tell(process: &Process, tell: Tell) -> Result<(), No> {
    process.tells.send(tell).await.map_err(|_| no(Class::Transient, "the house is gone"))
}

/// Waits for the house.
async fn stored(process: &Process, begun: Begun) -> Result<AdminAnswer, No> {
    let Begun { write, done } = begun;
    tell(process, write).await?;
    match timeout(HOUSE, done).await {
        Ok(Ok(result)) => result.map(|()| AdminAnswer::Done).map_err(No::from),
        Ok(Err(_)) | Err(_) => {
            Err(no(Class::Transient, "the house did not say whether it stored the change; look with `hearth secret list` what came of it"))
        }
    }
}

async fn add(process: &Process, new: NewSecret) -> Result<AdminAnswer, No> {
    let NewSecret { name, owner, value, users, authority, members, rate, bytes_out_max, until, canary, .. } = new;
    let mut targets = targets(&new.targets, &name)?;
    targets.iter_mut().for_each(|target| target.authority.clone_from(&authority));
    let members = members.map(|members| members.into_iter().collect());
    let policy = SecretPolicy { users: users.into_iter().collect(), members, targets, rate, bytes_out_max, until, canary };
    let (value, planted) = match value {
        Some(value) => (value, None),
        None if canary => {
            let decoy = decoy()?;
            (decoy.clone(), Some(decoy))
        }
        None => return Err(no(Class::Permanent, "a secret needs a value; only a decoy is drawn")),
    };
    let begun = process.door.keeper.begin_add(&name, owner, policy, value.bytes())?;
    let done = stored(process, begun).await?;
    Ok(planted.map_or(done, |value| AdminAnswer::Planted { value }))
}

/// What looks like a key of a service.
fn decoy() -> Result<Hidden, No> {
    let mut chance = [0; DECOY_BYTES];
    SystemEntropy.fill(&mut chance).map_err(|error| no(error.class(), error.to_string()))?;
    Ok(Hidden::new(format!("sk-live-{}", hex::encode(chance)).into_bytes()))
}

async fn allow(process: &Process, name: &SecretName, change: &Allowance, proof: Option<Proof>) -> Result<AdminAnswer, No> {
    let keeper = &process.door.keeper;
    let begun = match keeper.begin_allow(name, change, None) {
        Err(ChangeError::NeedsProof) => {
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
        return Err(ChangeError::from(crate::seal::proof::ProofError::AlreadySet).into());
    }
    let proof = match old {
        Some(old) => Some(prove(process, old).await?),
        None => None,
    };
    let verifier = process.door.verifier(new).await.map_err(|sentence| no(Class::Permanent, sentence))?;
    match proof {
        Some(proof) => keeper.change_owner(proof, verifier).map(|()| AdminAnswer::Done).map_err(No::from),
        None => Ok(AdminAnswer::Kit { text: Hidden::from(&keeper.set_owner(verifier)?) }),
    }
}

/// Looks whether it is the owner. Each attempt counts before it is compared.
async fn prove(process: &Process, proof: Proof) -> Result<OwnerProof, No> {
    let keeper = &process.door.keeper;
    let compared = match proof {
        Proof::Passphrase(passphrase) => {
            let passphrase = text(&passphrase)?;
            let attempt = keeper.attempt()?;
            let compared = apart(move || attempt.passphrase(&passphrase)).await;
            let compared = compared.ok_or_else(|| no(Class::Transient, "the passphrase could not be computed"))?;
            compared.map_err(|error| no(error.class(), error.to_string()))?
        }
        Proof::Recovery(key) => {
            let key = RecoveryKey::read(&text(&key)?).map_err(|error| no(error.class(), error.to_string()))?;
            keeper.attempt()?.recovery(&key)
        }
    };
    Ok(keeper.judge(&compared)?)
}
