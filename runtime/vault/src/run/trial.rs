//! One request with a secret, through the process's own broker: what `hearth secret test` does.

use std::time::Duration;

use bytes::Bytes;
use hearth_domain::error::{Class, Classified};
use hearth_domain::http::broker::{ASKING, BROKER, FOR, SCHEME};
use hearth_domain::secret::{SecretName, SecretPolicy, Slot, TargetRule};
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::process::Process;
use crate::policy::target::{Target, scheme_text};

/// How long a test takes at most.
const TOTAL: Duration = Duration::from_secs(60);

/// Why nothing was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TrialError {
    /// No such secret.
    #[error("there is no secret of this name that can be used")]
    Unknown,
    /// Nobody may use it.
    #[error("the secret has no user or no target yet; allow some with `hearth secret allow`")]
    NoUse,
    /// Not by a plain request.
    #[error("the secret goes into a body or a signature only, which a test cannot make up; give no address for it")]
    NoPlace,
    /// The address.
    #[error("the address to test is none")]
    Url,
    /// It did not come to an answer.
    #[error("the test got no answer")]
    NoAnswer,
}

impl Classified for TrialError {
    fn class(&self) -> Class {
        if *self == Self::NoAnswer { Class::Transient } else { Class::Permanent }
    }
}

/// Makes one request and gives the status, and the broker's word where it is not the server's.
pub(super) async fn test(
    process: &Process,
    name: &SecretName,
    url: Option<&str>,
    in_header: Option<&str>,
) -> Result<(u16, Option<String>), TrialError> {
    let policy = process.door.keeper.policy(name).ok_or(TrialError::Unknown)?;
    let request = request(name, &policy, url, in_header)?;
    let (ours, theirs) = UnixStream::pair().map_err(|_| TrialError::NoAnswer)?;
    process.trials.send(theirs).await.map_err(|_| TrialError::NoAnswer)?;
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.map_err(|_| TrialError::NoAnswer)?;
        let answered = std::pin::pin!(sender.send_request(request));
        match futures_util::future::select(answered, std::pin::pin!(connection)).await {
            futures_util::future::Either::Left((Ok(answer), _)) => {
                let broker = answer.headers().get(BROKER).and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok((answer.status().as_u16(), broker))
            }
            futures_util::future::Either::Left((Err(_), _)) | futures_util::future::Either::Right(_) => Err(TrialError::NoAnswer),
        }
    };
    timeout(TOTAL, exchange).await.unwrap_or(Err(TrialError::NoAnswer))
}

fn request(
    name: &SecretName,
    policy: &SecretPolicy,
    url: Option<&str>,
    in_header: Option<&str>,
) -> Result<Request<Empty<Bytes>>, TrialError> {
    let user = policy.users.first().ok_or(TrialError::NoUse)?;
    let target = match url {
        Some(url) => Target::of_url(&http::Method::GET, url).map_err(|_| TrialError::Url)?,
        None => of_rule(policy.targets.first().ok_or(TrialError::NoUse)?)?,
    };
    let rule = policy.targets.iter().find(|rule| rule.host == target.host_text() && rule.port == target.port);
    let rule = rule.or(policy.targets.first()).ok_or(TrialError::NoUse)?;
    let method = if rule.methods.contains("GET") { "GET" } else { rule.methods.first().map_or("GET", String::as_str) };
    let placeholder = name.placeholder();
    let mut path = target.path_and_query();
    let mut builder = Request::builder().method(method).header(header::HOST, target.authority()).header(ASKING, user.to_string());
    if let Some(member) = policy.members.as_ref().and_then(|members| members.first()) {
        builder = builder.header(FOR, member.to_string());
    }
    if target.scheme == hearth_domain::secret::Scheme::Http {
        builder = builder.header(SCHEME, scheme_text(target.scheme));
    }
    if !path.contains(&placeholder) {
        if let Some(own) = in_header {
            builder = builder.header(own, placeholder);
        } else if rule.slots.contains(&Slot::Header) {
            builder = builder.header(header::AUTHORIZATION, format!("Bearer {placeholder}"));
        } else if rule.slots.contains(&Slot::Query) {
            path = format!("{path}{}key={placeholder}", if target.query.is_some() { '&' } else { '?' });
        } else {
            return Err(TrialError::NoPlace);
        }
    }
    builder.uri(path).body(Empty::new()).map_err(|_| TrialError::Url)
}

/// A target that a rule allows, its stars filled with something.
fn of_rule(rule: &TargetRule) -> Result<Target, TrialError> {
    let path = rule.path.trim_end_matches("**").replace('*', "test");
    let path = if path.is_empty() { "/" } else { &path };
    let url = format!("{}://{}:{}{path}", scheme_text(rule.scheme), rule.host, rule.port);
    Target::of_url(&http::Method::GET, &url).map_err(|_| TrialError::Url)
}
