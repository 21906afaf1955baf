//! What every request passes before its route, and every answer on its way out.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};

use crate::face::Face;

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

/// Refuses a foreign `Host`, a foreign or missing `Origin` of anything but a read, and dresses every answer.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let face = request.app_data::<Data<Face>>().cloned();
    let refusal = match &face {
        Some(face) => refusal(face, &request),
        None => Some((StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
    };
    let mut response = match refusal {
        Some((status, sentence)) => {
            tracing::warn!(%status, peer = ?request.peer_addr(), path = request.path(), "refused a request of another page or name");
            let refused = HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(sentence);
            request.into_response(refused).map_into_right_body()
        }
        None => next.call(request).await?.map_into_left_body(),
    };
    if let Some(face) = face {
        face.metrics.answered(response.status().as_u16());
    }
    dress(response.headers_mut());
    Ok(response)
}

fn refusal(face: &Face, request: &ServiceRequest) -> Option<(StatusCode, &'static str)> {
    let Some(host) = host(request).filter(|host| face.hosts.scheme(host).is_some()) else {
        return Some((StatusCode::MISDIRECTED_REQUEST, "This house does not go by that name.\n"));
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let headers = request.headers();
    let same_origin = only(headers, header::ORIGIN).is_some_and(|origin| face.hosts.is_origin(host, origin));
    let same_site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    (!same_origin || !same_site).then_some((StatusCode::FORBIDDEN, "This request comes from another page than the house's own.\n"))
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
