//! What a person reads when a request is refused: one sentence, as a page or as JSON.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::view;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No session, or one that ended.
    #[error("You are not logged in on this browser, or the session has ended. Ask for a login link with `hearth login`.")]
    NotLoggedIn,
    /// The CSRF token is missing or of another session.
    #[error("This page is out of date. Load it again and repeat what you did.")]
    Stale,
    /// Enrolled, but not allowed to look at this.
    #[error("Only the owner of the house may look at this.")]
    NotOwner,
    /// No such session, or not theirs.
    #[error("There is no such session, or it is not yours to end.")]
    NoSession,
    /// A body that is no form.
    #[error("The house did not understand this request.")]
    Garbled,
    /// More than fits.
    #[error("This message is too long; send it in parts.")]
    TooLarge,
    /// The body did not arrive.
    #[error("The request took too long to arrive. Send it again.")]
    Slow,
    /// Too many attempts.
    #[error("Too many attempts or requests. Wait a minute and try again.")]
    TooMany,
    /// An actor or the store did not answer.
    #[error("The house is busy or restarting. Try again in a moment.")]
    Busy,
    /// What an actor says.
    #[error("{1}")]
    Told(StatusCode, String),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotLoggedIn => StatusCode::UNAUTHORIZED,
            Self::Stale | Self::NotOwner => StatusCode::FORBIDDEN,
            Self::NoSession => StatusCode::NOT_FOUND,
            Self::Garbled => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Told(status, _) => *status,
        }
    }
}

/// A refusal in the form in which it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct Problem {
    refusal: Refusal,
    json: bool,
}

impl Problem {
    /// A refusal of this request.
    pub(crate) fn new(request: &HttpRequest, refusal: Refusal) -> Self {
        Self { refusal, json: wants_json(request) }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.refusal.status()
    }

    fn error_response(&self) -> HttpResponse {
        let sentence = self.refusal.to_string();
        let mut response = HttpResponse::build(self.status_code());
        if matches!(self.refusal, Refusal::TooMany | Refusal::Busy) {
            response.insert_header((header::RETRY_AFTER, "10"));
        }
        if self.json {
            return response.json(serde_json::json!({ "error": sentence }));
        }
        let page = if self.refusal == Refusal::NotLoggedIn {
            view::outside::not_logged_in()
        } else {
            view::outside::problem(self.status_code(), &sentence)
        };
        response.content_type(mime()).body(page.into_string())
    }
}

/// Whether the request comes from the page's script and not from a form.
pub(crate) fn wants_json(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}

/// The media type of our pages.
pub(crate) const fn mime() -> &'static str {
    "text/html; charset=utf-8"
}
