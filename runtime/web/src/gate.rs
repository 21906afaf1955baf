//! In and out: a login link becomes a session, a session ends.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hearth_domain::journal::Digest;
use hearth_domain::session::{LASTS, Refused};
use serde::Deserialize;

use crate::face::{Face, way};
use crate::hosts::Scheme;
use crate::login::Rejected;
use crate::principal::{Anybody, Posted, cookie_name, token};
use crate::problem::{Problem, Refusal, mime};
use crate::view;

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
    if let Err(refusal) = face.attempt(&request) {
        face.refused(Rejected { why: Refused::TooMany, member: None }).await;
        return Err(Problem::new(&request, refusal));
    }
    let Anybody(form) = match form {
        Ok(form) => form,
        Err(problem) => {
            face.refused(Rejected { why: Refused::Malformed, member: None }).await;
            return Err(problem);
        }
    };
    let link = match face.login.redeem(&form.token) {
        Ok(link) => link,
        Err(rejected) => {
            tracing::warn!(client = %way(&request).client, why = rejected.why.word(), "a login attempt failed");
            face.refused(rejected).await;
            let page = view::outside::login(&face.household, &face.assets, Some(&crate::login::NotValid.to_string()));
            return Ok(HttpResponse::Unauthorized().content_type(mime()).body(page.into_string()));
        }
    };
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    match face.begin(&link, agent).await {
        Ok(token) => {
            leave(&face, &request).await;
            let cookie = cookie(&request, token, LASTS);
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

/// A browser has one session: the one that it had before ends.
async fn leave(face: &Face, request: &HttpRequest) {
    let Some(token) = token(request) else { return };
    if let Ok(Some((session, _))) = face.found(Digest::of(token.value().as_bytes())).await {
        // One that cannot be ended now ends by its idleness; the browser has forgotten it.
        drop(face.log_out(&session).await);
    }
}

/// `POST /logout`.
pub(crate) async fn logout(form: Posted<Nothing>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, Nothing {}) = form.open();
    face.log_out(who.session()).await.map_err(|refusal| Problem::new(&request, refusal))?;
    Ok(gone(&request))
}

/// The browser is logged out, and forgets its cookie.
pub(crate) fn gone(request: &HttpRequest) -> HttpResponse {
    let gone = cookie(request, String::new(), std::time::Duration::ZERO);
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/login")).cookie(gone).finish()
}

/// Any other address.
pub(crate) async fn nothing_here() -> HttpResponse {
    let page = view::outside::problem(StatusCode::NOT_FOUND, "There is nothing at this address.");
    HttpResponse::NotFound().content_type(mime()).body(page.into_string())
}

fn cookie(request: &HttpRequest, token: String, age: std::time::Duration) -> Cookie<'static> {
    let seconds = i64::try_from(age.as_secs()).unwrap_or(0);
    Cookie::build(cookie_name(request), token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(way(request).scheme == Scheme::Https)
        .max_age(CookieDuration::seconds(seconds))
        .finish()
}
