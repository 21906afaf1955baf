//! The page's script, style and picture, compiled in. Their addresses hold the digest of their content, so that browsers keep
//! them for ever and never mix versions.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, http::StatusCode};
use hearth_domain::journal::Digest;

use crate::face::Face;
use crate::problem::mime;
use crate::view;

const SCRIPT: &str = include_str!("../assets/app.js");
const STYLE: &str = include_str!("../assets/app.css");
const ICON: &str = include_str!("../assets/icon.svg");

/// Where each asset is found.
#[derive(Debug, Clone)]
pub(crate) struct Assets {
    pub(crate) script: String,
    pub(crate) style: String,
    pub(crate) icon: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        Self { script: address("app", "js", SCRIPT), style: address("app", "css", STYLE), icon: address("icon", "svg", ICON) }
    }
}

fn address(stem: &str, extension: &str, content: &str) -> String {
    let digest: String = Digest::of(content.as_bytes()).to_string().chars().take(12).collect();
    format!("/assets/{stem}-{digest}.{extension}")
}

/// `GET /assets/…`
pub(crate) async fn serve(name: Path<String>, face: Data<Face>) -> HttpResponse {
    let path = format!("/assets/{}", name.into_inner());
    let Assets { script, style, icon } = &face.assets;
    let (media_type, content) = match &path {
        path if path == script => ("text/javascript; charset=utf-8", SCRIPT),
        path if path == style => ("text/css; charset=utf-8", STYLE),
        path if path == icon => ("image/svg+xml", ICON),
        _ => {
            let page = view::outside::problem(StatusCode::NOT_FOUND, "There is nothing at this address.");
            return HttpResponse::NotFound().content_type(mime()).body(page.into_string());
        }
    };
    HttpResponse::Ok().content_type(media_type).insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable")).body(content)
}
