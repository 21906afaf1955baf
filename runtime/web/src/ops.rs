//! What an owner and a collector may look at.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::face::Face;
use crate::principal::{Owner, Scraper};

/// `GET /healthz`: that somebody answers, and nothing else.
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /tree`.
pub(crate) async fn tree(_: Owner, face: Data<Face>) -> HttpResponse {
    HttpResponse::Ok().json(face.tree.snapshot())
}

/// `GET /metrics`.
pub(crate) async fn metrics(_: Scraper, face: Data<Face>) -> HttpResponse {
    let counts = face.doors.inquire.counts().await;
    let text = face.metrics.text(&face.tree.snapshot(), counts.as_ref());
    HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text)
}
