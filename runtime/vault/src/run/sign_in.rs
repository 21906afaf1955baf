//! Signing in over the owner's socket, and how the renewer reaches the house.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hearth_domain::secret::SecretName;
use hearth_domain::vault::Tell;
use rustls::RootCertStore;
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::no::No;
use super::passphrase::text;
use super::process::{Process, put};
use crate::admin::{AdminAnswer, Hidden, NewSignIn};
use crate::egress::connect::SystemResolver;
use crate::egress::limits::Limits;
use crate::egress::own::OwnWay;
use crate::keeper::Keeper;
use crate::keeper::change::{Begun, ChangeError};
use crate::keeper::login::Provider;
use crate::keeper::renewer::{House, Renewer};
use crate::keeper::sign_in::{Aim, SIGN_IN, SignInError};
use crate::keeper::watch::judge;

/// The house at the other end of the line.
struct Line(mpsc::Sender<Tell>);

impl House for Line {
    fn store(&self, begun: Begun) -> BoxFuture<'static, Result<(), ChangeError>> {
        let tells = self.0.clone();
        Box::pin(async move { put(&tells, begun).await.unwrap_or(Err(ChangeError::Unsure)) })
    }
}

/// What renews the secrets of this process.
pub(super) fn renewer(keeper: &Keeper, roots: RootCertStore, tells: mpsc::Sender<Tell>) -> Renewer {
    let way = OwnWay::new(Arc::new(SystemResolver), judge(), roots, Limits::default());
    Renewer::new(keeper.clone(), way, Arc::new(Line(tells)))
}

pub(super) fn begin(process: &Process, new: NewSignIn) -> Result<AdminAnswer, No> {
    let NewSignIn { secret, authorize, token, client, client_secret, auth, scope, redirect } = new;
    let client_secret = client_secret.as_ref().map(text).transpose()?;
    let provider = Box::new(Provider { client, client_secret, auth, scope, authorize, token, redirect });
    let (name, owner) = (secret.name.clone(), secret.owner);
    let aim = Aim::New { owner, policy: Box::new(secret.policy()?), provider };
    open(process, &name, aim)
}

pub(super) fn again(process: &Process, name: &SecretName) -> Result<AdminAnswer, No> {
    open(process, name, Aim::Again)
}

fn open(process: &Process, name: &SecretName, aim: Aim) -> Result<AdminAnswer, No> {
    let address = process.sign_ins.begin(name, aim)?;
    Ok(AdminAnswer::Open { address, seconds: SIGN_IN.as_secs() })
}

pub(super) async fn finish(process: &Process, name: &SecretName, answer: &Hidden) -> Result<AdminAnswer, No> {
    let answer: SecretString = text(answer)?;
    process.sign_ins.finish(name, &answer).await?;
    Ok(AdminAnswer::Done)
}

impl From<SignInError> for No {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Change(error) => error.into(),
            SignInError::None
            | SignInError::Busy
            | SignInError::Parameter
            | SignInError::Redirect
            | SignInError::Entropy(_)
            | SignInError::OAuth(_)
            | SignInError::Renew(_) => Self::of(&error),
        }
    }
}
