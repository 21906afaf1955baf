//! What every request passes before its route, and every answer on its way out.
//!
//! The order is that of what it costs: how often its peer comes, by which name and way it comes, from which page. What a proof then finds
//! of a session comes after that.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpResponse};

use crate::face::Face;
use crate::hosts::{Scheme, Stop, Way, peer};

/// Headers of every answer. `Referrer-Policy` is `same-origin` and not `no-referrer`: under the latter, browsers send
/// `Origin: null` with our own forms, which is refused here.
const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types hearth",
    ),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-robots-tag", "noindex, nofollow"),
];

/// What says in a browser that it came by TLS once, and shall come by nothing else.
const BY_TLS: &str = "max-age=31536000";

/// Refuses too many requests, a foreign `Host`, a way without TLS from elsewhere, a foreign `Origin`, a missing one of anything but a read,
/// and dresses every answer.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let face = request.app_data::<Data<Face>>().cloned();
    let admitted = match &face {
        Some(face) => admitted(face, &request),
        None => Err((StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
    };
    let by_tls = admitted.as_ref().is_ok_and(|way| way.scheme == Scheme::Https);
    let mut response = match admitted {
        Err((status, sentence)) => {
            tracing::warn!(%status, peer = ?request.peer_addr(), path = request.path(), "refused a request of another page or name");
            let refused = HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(sentence);
            request.into_response(refused).map_into_right_body()
        }
        Ok(way) => {
            request.extensions_mut().insert(way);
            next.call(request).await?.map_into_left_body()
        }
    };
    if let Some(face) = face {
        face.metrics.answered(response.status().as_u16());
    }
    dress(response.headers_mut());
    if by_tls {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(BY_TLS));
    }
    Ok(response)
}

fn admitted(face: &Face, request: &ServiceRequest) -> Result<Way, (StatusCode, &'static str)> {
    let (host, headers) = (host(request), request.headers());
    let way = face.hosts.way(peer(request), host.unwrap_or_default(), headers);
    if !face.rates().request(way.map_or_else(|_| peer(request), |way| way.client), face.clock.mono()) {
        return Err((StatusCode::TOO_MANY_REQUESTS, "Too many requests. Wait a moment and try again.\n"));
    }
    let way = way.map_err(Stop::said)?;
    let same_origin = only(headers, header::ORIGIN).is_some_and(|origin| face.hosts.is_origin(host.unwrap_or_default(), origin));
    let own = if matches!(*request.method(), Method::GET | Method::HEAD) {
        // A page that is opened from elsewhere says no origin. What another page loads, or a socket that it opens, does.
        (same_origin || !headers.contains_key(header::ORIGIN)) && !is_loaded_from_elsewhere(headers)
    } else {
        same_origin && headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
    };
    if own { Ok(way) } else { Err((StatusCode::FORBIDDEN, "This request comes from another page than the house's own.\n")) }
}

/// Whether another page loads this into itself, as its browser says. Opening a page is no loading.
fn is_loaded_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    site && headers.get("sec-fetch-mode").is_none_or(|mode| mode != "navigate")
}

/// The one name under which the house was asked for.
fn host(request: &ServiceRequest) -> Option<&str> {
    let host = only(request.headers(), header::HOST)?;
    let asked = request.uri().authority().map(|authority| authority.as_str());
    asked.is_none_or(|asked| asked.eq_ignore_ascii_case(host)).then_some(host)
}

/// A header's value, when there is exactly one.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn dress(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
