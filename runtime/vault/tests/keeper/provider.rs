//! A provider of tokens on loopback, an interface that takes them, and a vault that signs in there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use hearth_domain::secret::SealedRecord;
use hearth_domain::vault::Tell;
use hearth_vault::egress::connect::SystemResolver;
use hearth_vault::egress::limits::{Bounds, Limits};
use hearth_vault::egress::own::OwnWay;
use hearth_vault::keeper::Keeper;
use hearth_vault::keeper::change::{Begun, ChangeError};
use hearth_vault::keeper::gate::KeeperGate;
use hearth_vault::keeper::login::{ClientAuth, Provider};
use hearth_vault::keeper::renew::BOUNDS;
use hearth_vault::keeper::renewer::{House, Renewer};
use hearth_vault::keeper::sign_in::{Aim, SignIns};
use hearth_vault::keeper::watch::{Guarded, judge};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rustls::RootCertStore;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::net::{Answering, INSIDE, Server, full, text};
use crate::support::{Door, Vault, name, owner, policy};

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
            if self.mood == Mood::Strict {
                self.refresh.remove(&field("refresh_token"));
            }
            known
        };
        if good { (StatusCode::OK, self.give()) } else { (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned()) }
    }
}

pub(crate) type Shared = Arc<Mutex<Books>>;

/// Whether the house stores what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storing {
    /// Yes.
    Yes,
    /// No, and it says so.
    No,
    /// It is not heard of again.
    Never,
}

/// A house that has what it stored.
pub(crate) struct Shelf {
    keeper: Keeper,
    pub(crate) stored: Mutex<Vec<SealedRecord>>,
    pub(crate) storing: Mutex<Storing>,
    /// Everything it was told, as it was told.
    pub(crate) told: Mutex<String>,
    pub(crate) reached: Notify,
}

impl House for Shelf {
    fn store(&self, begun: Begun) -> BoxFuture<'static, Result<(), ChangeError>> {
        let Begun { write, done } = begun;
        self.told.lock().unwrap().push_str(&serde_json::to_string(&write).unwrap());
        let Tell::Write { ticket, put, .. } = write else { panic!("not a write") };
        let storing = *self.storing.lock().unwrap();
        if storing == Storing::Yes {
            let mut stored = self.stored.lock().unwrap();
            stored.retain(|record| put.iter().all(|new| new.id != record.id));
            stored.extend(put);
        }
        if storing != Storing::Never {
            self.keeper.written(ticket, storing == Storing::Yes);
        }
        self.reached.notify_one();
        Box::pin(async move { done.await.unwrap() })
    }
}

/// All of it.
pub(crate) struct World {
    pub(crate) vault: Vault,
    pub(crate) books: Shared,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) sign_ins: SignIns,
    pub(crate) door: Door,
    pub(crate) let_go: Arc<Notify>,
    pub(crate) bounds: Bounds,
    token: Server,
    api: Server,
}

fn token_server(request: Request<Incoming>, books: Shared, let_go: Arc<Notify>) -> Answering {
    Box::pin(async move {
        let form = String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let mood = books.lock().unwrap().mood.clone();
        if mood == Mood::Silent {
            books.lock().unwrap().forms.push(form);
            let_go.notified().await;
            return text("late");
        }
        if let Mood::Elsewhere(to) = mood {
            books.lock().unwrap().forms.push(form);
            return Response::builder().status(307).header("location", to).body(full("")).unwrap();
        }
        let (status, body) = books.lock().unwrap().answer(&form);
        Response::builder().status(status).header("content-type", "application/json").body(full(body)).unwrap()
    })
}

fn api_server(request: Request<Incoming>, books: Shared) -> Answering {
    let mut books = books.lock().unwrap();
    books.asked += 1;
    let given = request.headers().get("authorization").map_or("", |value| value.to_str().unwrap());
    let good = given.strip_prefix("Bearer ").is_some_and(|token| books.access.contains(token));
    let answer = if good { text("fine") } else { Response::builder().status(401).body(full("no")).unwrap() };
    Box::pin(std::future::ready(answer))
}

impl World {
    pub(crate) async fn new() -> Self {
        let books = Shared::default();
        books.lock().unwrap().life = 3600;
        let let_go = Arc::new(Notify::new());
        let (noted, going) = (books.clone(), let_go.clone());
        let token = Server::http(INSIDE, move |request| token_server(request, noted.clone(), going.clone())).await;
        let noted = books.clone();
        let api = Server::http(INSIDE, move |request| api_server(request, noted.clone())).await;
        Self::with(Vault::new(), books, let_go, (token, api), BOUNDS)
    }

    fn with(vault: Vault, books: Shared, let_go: Arc<Notify>, (token, api): (Server, Server), bounds: Bounds) -> Self {
        let keeper = vault.keeper.clone();
        let shelf = Arc::new(Shelf {
            keeper: keeper.clone(),
            stored: Mutex::new(vault.stored.clone()),
            storing: Mutex::new(Storing::Yes),
            told: Mutex::default(),
            reached: Notify::new(),
        });
        let way = OwnWay::new(Arc::new(SystemResolver), judge(), RootCertStore::empty(), Limits::default());
        let renewer = Renewer::within(keeper.clone(), way, shelf.clone(), bounds);
        let gate = KeeperGate::new(keeper.clone(), Bounds::default()).renewing(renewer.clone());
        let door = Door::new(Arc::new(gate), Arc::new(Guarded::new(keeper)));
        Self { vault, books, shelf, sign_ins: SignIns::new(renewer), door, let_go, bounds, token, api }
    }

    /// The same with a secret that was signed in for.
    pub(crate) async fn signed_in() -> Self {
        let world = Self::new().await;
        let address = world.sign_ins.begin(&name("key"), world.aim()).unwrap();
        world.sign_ins.finish(&name("key"), &world.agreed(&address)).await.unwrap();
        world
    }

    /// Killed, and started anew with what the house has.
    pub(crate) fn restarted(self) -> (Self, Vec<String>) {
        let Self { mut vault, books, shelf, sign_ins, door, let_go, token, api, bounds } = self;
        vault.stored = shelf.stored.lock().unwrap().clone();
        drop((shelf, sign_ins, door));
        let (vault, findings) = vault.restarted();
        (Self::with(vault, books, let_go, (token, api), bounds), findings)
    }

    /// With other bounds for what is asked of the provider.
    pub(crate) fn within(self, bounds: Bounds) -> Self {
        let Self { mut vault, books, shelf, sign_ins, door, let_go, token, api, .. } = self;
        vault.stored = shelf.stored.lock().unwrap().clone();
        drop((sign_ins, door));
        Self::with(vault, books, let_go, (token, api), bounds)
    }

    pub(crate) fn rules(&self) -> Vec<String> {
        let (api, token) = (self.api.port(), self.token.port());
        vec![
            format!("GET,POST http://127.0.0.1:{api}/** lan in header,body"),
            format!("POST http://127.0.0.1:{token}/token lan in signature"),
        ]
    }

    pub(crate) fn provider(&self) -> Provider {
        Provider {
            client: "my client".into(),
            client_secret: Some(SecretString::from("client-secret-Xc8Jq20LmW")),
            auth: ClientAuth::Form,
            scope: "calendar mail".into(),
            authorize: "https://accounts.example.com/authorize".into(),
            token: format!("http://127.0.0.1:{}/token", self.token.port()),
            redirect: "http://127.0.0.1:8123/back".into(),
        }
    }

    pub(crate) fn aim(&self) -> Aim {
        Aim::New { owner: owner(), policy: Box::new(policy("key", &self.rules())), provider: Box::new(self.provider()) }
    }

    /// The person opens the address and agrees: where the browser is sent back to.
    pub(crate) fn agreed(&self, address: &str) -> SecretString {
        let field = |wanted: &str| {
            let query = address.split_once('?').unwrap().1;
            url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).unwrap().1.into_owned()
        };
        assert_eq!((field("code_challenge_method").as_str(), field("scope").as_str()), ("S256", "calendar mail"));
        let mut books = self.books.lock().unwrap();
        let code = format!("code-{}", books.codes.len());
        books.codes.insert(code.clone(), field("code_challenge"));
        SecretString::from(format!("{}?code={code}&state={}", field("redirect_uri"), field("state")))
    }

    pub(crate) fn get(&self) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}/v1/a", self.api.port());
        self.door.client().get(url).header("hearth-as", "provider/p").bearer_auth(name("key").placeholder())
    }

    pub(crate) fn post(&self) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}/v1/a", self.api.port());
        self.door.client().post(url).header("hearth-as", "provider/p").bearer_auth(name("key").placeholder()).body("{}")
    }

    pub(crate) fn pass(&self, seconds: u64) {
        *self.vault.clock.0.lock().unwrap() += std::time::Duration::from_secs(seconds);
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.books.lock().unwrap().mood = mood;
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.books.lock().unwrap().refreshes()
    }

    pub(crate) fn said(&self) -> String {
        self.vault.keeper.troubled().into_iter().map(|troubled| troubled.sentence).collect()
    }
}
