//! The process as the owner's commands see it: its door, its words to the house, its proof of who is there.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::error::Class;
use hearth_domain::vault::Tell;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::door::Door;
use super::no::No;
use super::passphrase::{apart, not_computed, text};
use crate::admin::{AdminAnswer, Proof};
use crate::keeper::change::{Begun, ChangeError};
use crate::keeper::sign_in::SignIns;
use crate::seal::proof::OwnerProof;
use crate::seal::recovery::RecoveryKey;

/// How long the house may take to store something.
const HOUSE: Duration = Duration::from_secs(30);

/// What the owner's socket needs of the process.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) door: Arc<Door>,
    pub(super) sign_ins: Arc<SignIns>,
    pub(super) tells: mpsc::Sender<Tell>,
    /// Connections to the process's own broker.
    pub(super) trials: mpsc::Sender<UnixStream>,
    /// The word to end.
    pub(super) lock: mpsc::Sender<()>,
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

/// Looks whether it is the owner. Each attempt counts before it is compared.
pub(super) async fn prove(process: &Process, proof: Proof) -> Result<OwnerProof, No> {
    let keeper = &process.door.keeper;
    let compared = match proof {
        Proof::Passphrase(passphrase) => {
            let passphrase = text(&passphrase)?;
            let attempt = keeper.attempt()?;
            let compared = apart(move || attempt.passphrase(&passphrase)).await;
            compared.ok_or_else(not_computed)?.map_err(|error| No::of(&error))?
        }
        Proof::Recovery(key) => {
            let key = RecoveryKey::read(&text(&key)?).map_err(|error| No::of(&error))?;
            keeper.attempt()?.recovery(&key)
        }
    };
    Ok(keeper.judge(&compared)?)
}
