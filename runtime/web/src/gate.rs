//! In and out: a login link becomes a session, a session ends.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hearth_domain::ids::SessionId;
use hearth_domain::journal::{Digest, Fact, FactKind};
use hearth_domain::store::{Commit, Session, Write};
use serde::Deserialize;

use crate::face::Face;
use crate::hosts::Scheme;
use crate::login::OneTime;
use crate::principal::{Anybody, COOKIE, Posted};
use crate::problem::{Problem, Refusal, mime};
use crate::view;

/// How long a session lasts.
const SESSION: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// What the login page sends.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    token: String,
}

/// A form with nothing in it but its CSRF token.
#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// `GET /login`. The token is in the fragment and does not reach us here.
pub(crate) async fn page(face: Data<Face>) -> HttpResponse {
    HttpResponse::Ok().content_type(mime()).body(view::outside::login(&face.household, &face.assets, None).into_string())
}

/// `POST /login`.
pub(crate) async fn login(form: Result<Anybody<Login>, Problem>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    // An attempt that cannot be read is an attempt.
    face.attempt(&request).map_err(|refusal| Problem::new(&request, refusal))?;
    let Anybody(form) = form?;
    let Ok(link) = face.login.redeem(&form.token) else {
        tracing::warn!(peer = ?request.peer_addr(), "a login attempt failed");
        let page = view::outside::login(&face.household, &face.assets, Some(&crate::login::NotValid.to_string()));
        return Ok(HttpResponse::Unauthorized().content_type(mime()).body(page.into_string()));
    };
    match begin(&face, &link).await {
        Ok(token) => {
            let cookie = cookie(&request, &face, token, SESSION);
            Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).cookie(cookie).finish())
        }
        Err(refusal) => {
            if refusal == Refusal::Busy {
                face.login.give_back(link);
            }
            Err(Problem::new(&request, refusal))
        }
    }
}

/// Begins a session and gives its token, which is kept nowhere.
async fn begin(face: &Face, link: &OneTime) -> Result<String, Refusal> {
    let member = face.member(link.member()).await?.ok_or(Refusal::NotLoggedIn)?;
    let (token, at) = (face.login.session_token(), face.now());
    let until = at.checked_add(SESSION).map_err(|_| Refusal::Busy)?;
    let session = Session { id: SessionId::fresh(&*face.ids), member: member.id, token: Digest::of(token.as_bytes()), at, until };
    let fact = fact(FactKind::LoggedIn, &session, at);
    let id = session.id;
    face.save(Commit { writes: vec![Write::Session(session)], fact }).await?;
    tracing::info!(member = %member.id, session = %id, "logged in at the page");
    Ok(token)
}

/// `POST /logout`.
pub(crate) async fn logout(form: Posted<Nothing>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, Nothing {}) = form.open();
    let session = who.session();
    let fact = fact(FactKind::LoggedOut, session, face.now());
    let ended = face.save(Commit { writes: vec![Write::EndSession(session.id)], fact }).await;
    ended.map_err(|refusal| Problem::new(&request, refusal))?;
    face.live.end_session(session.id);
    let gone = cookie(&request, &face, String::new(), std::time::Duration::ZERO);
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, "/login")).cookie(gone).finish())
}

/// Any other address.
pub(crate) async fn nothing_here() -> HttpResponse {
    let page = view::outside::problem(StatusCode::NOT_FOUND, "There is nothing at this address.");
    HttpResponse::NotFound().content_type(mime()).body(page.into_string())
}

fn cookie(request: &HttpRequest, face: &Face, token: String, age: std::time::Duration) -> Cookie<'static> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let seconds = i64::try_from(age.as_secs()).unwrap_or(0);
    Cookie::build(COOKIE, token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(face.hosts.scheme(host) == Some(Scheme::Https))
        .max_age(CookieDuration::seconds(seconds))
        .finish()
}

fn fact(kind: FactKind, session: &Session, at: hearth_domain::time::Timestamp) -> Fact {
    Fact { kind, who: Some(session.member), subject: session.id.to_string(), detail: "page".to_owned(), content: None, at }
}
