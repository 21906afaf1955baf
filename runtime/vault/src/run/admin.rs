//! The vault's own socket, for its owner's commands.
//!
//! Whoever is this user or the administrator may speak; the house runs as this user too, which is why whatever widens a policy takes the
//! owner's proof. "Done" is said only after the house said that it is durable.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use hearth_domain::error::Class;
use hearth_domain::secret::SecretName;
use hearth_domain::vault::MESSAGE_BYTES;
use hearth_supervisor::process::frame::{self, Assembler, Frame};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::no::No;
use super::passphrase::text;
use super::process::{Process, opened, prove, stored};
use super::{acts, sign_in, trial};
use crate::admin::{AdminAnswer, AdminAsk, Hidden, NewSecret, Proof, SOCKET, may_talk};
use crate::keeper::change::{Allowance, ChangeError};
use crate::policy::rule;
use crate::seal::crypto::{Entropy as _, SystemEntropy};
use crate::seal::proof::ProofError;

/// Commands at a time.
const CONNECTIONS: usize = 8;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
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
    let policy = new.policy()?;
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
