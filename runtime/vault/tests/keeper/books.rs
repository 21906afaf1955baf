//! A provider of tokens, and an interface that takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::net::{Answering, full, text};

/// How the provider behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// A new refresh token each time; the one before is used up.
    #[default]
    Strict,
    /// The one before stays good.
    Lenient,
    /// No answer until it is let go.
    Silent,
    /// As strict, once it is let go.
    Held,
    /// This status and body.
    Says(u16, String),
    /// To another address.
    Elsewhere(String),
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) mood: Mood,
    pub(crate) codes: BTreeMap<String, String>,
    pub(crate) access: BTreeSet<String>,
    pub(crate) refresh: BTreeSet<String>,
    /// The forms that were sent, in order.
    pub(crate) forms: Vec<String>,
    /// How often the interface was asked.
    pub(crate) asked: usize,
    given: usize,
    /// Requests that are held.
    pub(crate) held: usize,
    pub(crate) life: u64,
}

impl Books {
    fn give(&mut self) -> String {
        self.given += 1;
        let (access, refresh) =
            (format!("access-{:04}-Hd02nPzx71LmWvTe", self.given), format!("refresh-{:04}-q83Kd0NzPx7LmW5r", self.given));
        self.access.insert(access.clone());
        self.refresh.insert(refresh.clone());
        format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}","token_type":"Bearer","expires_in":{}}}"#, self.life)
    }

    /// Every token that was ever given.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.access.iter().chain(&self.refresh).cloned().collect()
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.forms.iter().filter(|form| form.contains("grant_type=refresh_token")).count()
    }

    fn answer(&mut self, form: &str) -> (StatusCode, String) {
        self.forms.push(form.to_owned());
        let field = |wanted: &str| {
            url::form_urlencoded::parse(form.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        if let Mood::Says(status, body) = &self.mood {
            return (StatusCode::from_u16(*status).unwrap(), body.clone());
        }
        let good = if field("grant_type") == "authorization_code" {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier").as_bytes()));
            self.codes.remove(&field("code")).is_some_and(|known| known == challenge)
        } else {
            let known = self.refresh.contains(&field("refresh_token"));
            if matches!(self.mood, Mood::Strict | Mood::Held) {
                self.refresh.remove(&field("refresh_token"));
            }
            known
        };
        if good { (StatusCode::OK, self.give()) } else { (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned()) }
    }
}

pub(crate) type Shared = Arc<Mutex<Books>>;

pub(crate) fn token_server(request: Request<Incoming>, books: Shared, let_go: Arc<Notify>) -> Answering {
    Box::pin(async move {
        let form = String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let mood = books.lock().unwrap().mood.clone();
        if mood == Mood::Silent {
            books.lock().unwrap().forms.push(form);
            let_go.notified().await;
            return text("late");
        }
        if mood == Mood::Held {
            books.lock().unwrap().held += 1;
            let_go.notified().await;
        }
        if let Mood::Elsewhere(to) = mood {
            books.lock().unwrap().forms.push(form);
            return Response::builder().status(307).header("location", to).body(full("")).unwrap();
        }
        let (status, body) = books.lock().unwrap().answer(&form);
        Response::builder().status(status).header("content-type", "application/json").body(full(body)).unwrap()
    })
}

pub(crate) fn api_server(request: Request<Incoming>, books: Shared) -> Answering {
    let mut books = books.lock().unwrap();
    books.asked += 1;
    let given = request.headers().get("authorization").map_or("", |value| value.to_str().unwrap());
    let good = given.strip_prefix("Bearer ").is_some_and(|token| books.access.contains(token));
    let answer = if good { text("fine") } else { Response::builder().status(401).body(full("no")).unwrap() };
    Box::pin(std::future::ready(answer))
}

/// What is asked of a browser: a field of the address that it opens.
pub(crate) fn field(address: &str, wanted: &str) -> String {
    let query = address.split_once('?').unwrap().1;
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).unwrap().1.into_owned()
}

impl Books {
    /// The person agrees: where the browser is sent back to.
    pub(crate) fn agree(&mut self, address: &str) -> String {
        assert_eq!(field(address, "code_challenge_method"), "S256");
        let code = format!("code-{}", self.codes.len());
        self.codes.insert(code.clone(), field(address, "code_challenge"));
        format!("{}?code={code}&state={}", field(address, "redirect_uri"), field(address, "state"))
    }
}
