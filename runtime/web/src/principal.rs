//! Who asks, as types: a handler that holds one of these values was reached by somebody who proved it.
//!
//! | proof | what was checked |
//! |---|---|
//! | [`Principal`] | the session's cookie, that it is good still, that its member is here as what they were, and how often it comes |
//! | [`Posted`] | a principal, and that a form of our own page was sent: the session's CSRF token (the guard checked `Origin`) |
//! | [`Owner`] | a principal who runs the house |
//! | [`Scraper`] | an owner, or the metrics token |
//!
//! Their fields are private and nothing else makes them: rights come from the store and the household, never from the client.

use std::future::Future;
use std::time::Duration;

use actix_web::cookie::Cookie;
use actix_web::dev::Payload;
use actix_web::error::UrlencodedError;
use actix_web::http::header;
use actix_web::web::{Data, Form, FormConfig};
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use hearth_domain::household::{Member, Role};
use hearth_domain::journal::Digest;
use hearth_domain::session::Session;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::face::{Face, way};
use crate::hosts::Scheme;
use crate::login::same;
use crate::problem::{Problem, Refusal};

/// The cookie's name, without TLS and with it: there, browsers take it from this very host by TLS alone, and never from a neighbour.
const COOKIES: (&str, &str) = ("hearth_session", "__Host-hearth_session");
/// Hexadecimal digits of a session's token.
const TOKEN: usize = 64;
/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(10);

/// A member who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    member: Member,
    session: Session,
    csrf: Csrf,
}

/// The token that only pages of this session know. Follows from the session's own token, which is nowhere else.
#[derive(Clone)]
struct Csrf(String);

impl std::fmt::Debug for Csrf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Csrf(..)")
    }
}

impl Principal {
    /// Who.
    pub(crate) const fn member(&self) -> &Member {
        &self.member
    }

    /// The session.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// What a form of this session has to carry.
    pub(crate) fn csrf(&self) -> &str {
        &self.csrf.0
    }

    async fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let face = face(request)?;
        let token = token(request).ok_or(Refusal::NotLoggedIn)?;
        let (session, member) = face.found(Digest::of(token.value().as_bytes())).await?.ok_or(Refusal::NotLoggedIn)?;
        face.paced(session.id, request.method())?;
        let csrf = Csrf(Digest::of(format!("hearth csrf 1 {}", token.value()).as_bytes()).to_string());
        Ok(Self { member, session, csrf })
    }
}

fn face(request: &HttpRequest) -> Result<&Data<Face>, Refusal> {
    request.app_data::<Data<Face>>().ok_or(Refusal::Busy)
}

/// The name of the session's cookie on the way that a request came.
pub(crate) fn cookie_name(request: &HttpRequest) -> &'static str {
    match way(request).scheme {
        Scheme::Http => COOKIES.0,
        Scheme::Https => COOKIES.1,
    }
}

/// The session's token as the browser sent it, if it has the form of one.
pub(crate) fn token(request: &HttpRequest) -> Option<Cookie<'static>> {
    let hexadecimal = |text: &str| text.len() == TOKEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    request.cookie(cookie_name(request)).filter(|cookie| hexadecimal(cookie.value()))
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        proved(request, |request| async move { Self::of(&request).await })
    }
}

/// A form of our page, sent by a member.
#[derive(Debug)]
pub(crate) struct Posted<T> {
    who: Principal,
    form: T,
}

impl<T> Posted<T> {
    /// Who sent it, and what.
    pub(crate) fn open(self) -> (Principal, T) {
        (self.who, self.form)
    }
}

/// A form as it arrives.
#[derive(Deserialize)]
struct Signed<T> {
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned + 'static> FromRequest for Posted<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut payload = payload.take();
        proved(request, |request| async move {
            let who = Principal::of(&request).await?;
            let sent: Signed<T> = form(&request, &mut payload).await?;
            if same(&sent.csrf, who.csrf()) { Ok(Self { who, form: sent.form }) } else { Err(Refusal::Stale) }
        })
    }
}

/// A form of anybody: the login.
#[derive(Debug)]
pub(crate) struct Anybody<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Anybody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut payload = payload.take();
        proved(request, |request| async move { form(&request, &mut payload).await.map(Self) })
    }
}

/// A form, once it is there and not too large; nothing is parsed before that.
async fn form<T: DeserializeOwned + 'static>(request: &HttpRequest, payload: &mut Payload) -> Result<T, Refusal> {
    let read = Form::<T>::from_request(request, payload);
    let form = tokio::time::timeout(BODY, read).await.map_err(|_| Refusal::Slow)?;
    form.map(Form::into_inner).map_err(|error| match error.as_error::<Refused>() {
        Some(Refused(refusal)) => refusal.clone(),
        None => Refusal::Garbled,
    })
}

/// How forms are read: at most this many bytes.
pub(crate) fn form_config(limit: usize) -> FormConfig {
    FormConfig::default().limit(limit).error_handler(|error, _| {
        let too_large = matches!(error, UrlencodedError::Overflow { .. });
        Refused(if too_large { Refusal::TooLarge } else { Refusal::Garbled }).into()
    })
}

/// Carries a refusal through actix's own error type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(Refusal);

impl actix_web::ResponseError for Refused {}

/// Somebody who runs the house.
#[derive(Debug)]
pub(crate) struct Owner(());

impl Owner {
    async fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        match Principal::of(request).await?.member.role {
            Role::Owner => Ok(Self(())),
            Role::Adult | Role::Teen | Role::Child | Role::Guest => Err(Refusal::NotOwner),
        }
    }
}

impl FromRequest for Owner {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        proved(request, |request| async move { Self::of(&request).await })
    }
}

/// Somebody who may read the metrics.
#[derive(Debug)]
pub(crate) struct Scraper(());

impl FromRequest for Scraper {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        proved(request, |request| async move {
            let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
            match (bearer, face(&request)?.metrics_token) {
                (None, _) => Owner::of(&request).await.map(|_| Self(())),
                (Some(given), Some(known)) if same(&Digest::of(given.as_bytes()).to_string(), &known.to_string()) => Ok(Self(())),
                (Some(_), _) => face(&request)?.attempt(&request).and(Err(Refusal::NotLoggedIn)),
            }
        })
    }
}

fn proved<T, F>(request: &HttpRequest, prove: impl FnOnce(HttpRequest) -> F) -> LocalBoxFuture<'static, Result<T, Problem>>
where
    F: Future<Output = Result<T, Refusal>> + 'static,
{
    let request = request.clone();
    let proof = prove(request.clone());
    async move { proof.await.map_err(|refusal| Problem::new(&request, refusal)) }.boxed_local()
}
