//! A provider of tokens on loopback, an interface that takes them, and a vault that signs in there.

use std::sync::{Arc, Mutex};

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
use rustls::RootCertStore;
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::books::{Mood, Shared, api_server, field, token_server};
use crate::net::{INSIDE, Server};
use crate::support::{Door, Vault, name, owner, policy};

/// Whether the house stores what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storing {
    /// Yes.
    Yes,
    /// No, and it says so.
    No,
    /// It is not heard of again.
    Never,
    /// When it is told to go on ([`Shelf::go_on`]).
    Later,
}

/// A house that has what it stored.
pub(crate) struct Shelf {
    keeper: Keeper,
    pub(crate) stored: Mutex<Vec<SealedRecord>>,
    pub(crate) storing: Mutex<Storing>,
    /// Everything it was told, as it was told.
    pub(crate) told: Mutex<String>,
    pub(crate) reached: Notify,
    later: Mutex<Vec<(u64, Vec<SealedRecord>)>>,
}

impl Shelf {
    /// Stores what it was told to store later.
    pub(crate) fn go_on(&self) {
        for (ticket, put) in std::mem::take(&mut *self.later.lock().unwrap()) {
            self.put(put);
            self.keeper.written(ticket, true);
        }
    }

    fn put(&self, put: Vec<SealedRecord>) {
        let mut stored = self.stored.lock().unwrap();
        stored.retain(|record| put.iter().all(|new| new.id != record.id));
        stored.extend(put);
    }
}

impl House for Shelf {
    fn store(&self, begun: Begun) -> BoxFuture<'static, Result<(), ChangeError>> {
        let Begun { write, done } = begun;
        self.told.lock().unwrap().push_str(&serde_json::to_string(&write).unwrap());
        let Tell::Write { ticket, put, .. } = write else { panic!("not a write") };
        let storing = *self.storing.lock().unwrap();
        match storing {
            Storing::Yes => {
                self.put(put);
                self.keeper.written(ticket, true);
            }
            Storing::No => self.keeper.written(ticket, false),
            Storing::Never => {}
            Storing::Later => self.later.lock().unwrap().push((ticket, put)),
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
            later: Mutex::default(),
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
        let (vault, findings) = vault.killed();
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
        assert_eq!(field(address, "scope"), "calendar mail");
        SecretString::from(self.books.lock().unwrap().agree(address))
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
        self.vault.keeper.signed_in().into_iter().filter_map(|how| how.trouble).collect()
    }
}
