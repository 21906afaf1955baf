//! The server: starts on a listener that the node has bound, and stops.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use hearth_actors::ports::Ports;
use hearth_actors::tree::Doors;
use hearth_domain::journal::Digest;
use hearth_domain::limits::Limits;
use hearth_supervisor::tree::Tree;

use crate::assets::Assets;
use crate::bucket::Rates;
use crate::face::Face;
use crate::guard::guard;
use crate::hosts::{Hosts, ReachError, check};
use crate::live::Live;
use crate::login::LoginLinks;
use crate::metrics::Metrics;
use crate::principal::form_config;
use crate::routes;

/// Connections at once.
const CONNECTIONS: usize = 2_048;
/// How long a request's head may take to arrive.
const HEAD: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Seconds that requests under way get when the server stops.
const STOP: u64 = 3;
/// Bytes of a form besides its text.
const FORM: usize = 4 * 1024;
/// Bytes that one byte of text may take in a form.
const ENCODED: usize = 3;

/// What the node decides about the page.
#[derive(Debug)]
pub struct WebOptions {
    /// Where the page is served: bound already, on loopback, or elsewhere behind a proxy.
    pub listener: TcpListener,
    /// Further names under which browsers reach it: `https://name[:port]` through a proxy that speaks TLS, or another loopback name with
    /// its port. Loopback names with the listener's port are allowed always.
    pub allowed_hosts: Vec<String>,
    /// The addresses from which that proxy comes.
    pub proxies: Vec<IpAddr>,
    /// The household's name.
    pub household: String,
    /// What a collector has to show for `/metrics`; none leaves it to the owner's session.
    pub metrics_token: Option<String>,
    /// The bounds.
    pub limits: Limits,
}

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// It would be reachable without TLS, or not at all.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The listener is of no use.
    #[error("the page's listener cannot be used")]
    Listener(#[source] std::io::Error),
}

/// A page that is served.
#[derive(Debug)]
pub struct WebServer {
    handle: ServerHandle,
    live: Arc<Live>,
}

impl WebServer {
    /// Ends the streams, lets requests under way finish for a few seconds, and stops.
    pub async fn stop(self) {
        self.live.end_all();
        self.handle.stop(true).await;
    }
}

/// Starts to serve on one worker thread. Must be called inside an actix `System`.
///
/// # Errors
///
/// When the listener cannot be used, or the page would be reachable without TLS.
pub fn start(
    options: WebOptions,
    doors: Doors,
    ports: Ports,
    tree: Tree,
    login: LoginLinks,
    metrics: Arc<Metrics>,
) -> Result<WebServer, WebError> {
    let address = options.listener.local_addr().map_err(WebError::Listener)?;
    check(address, &options.allowed_hosts, &options.proxies)?;
    let forms = options.limits.message_bytes.saturating_mul(ENCODED).saturating_add(FORM);
    let (listener, face) = face(options, address, doors, ports, tree, login, metrics);
    let live = Arc::clone(&face.live);
    let face = Data::new(face);
    let app = move || App::new().app_data(face.clone()).app_data(form_config(forms)).wrap(from_fn(guard)).configure(routes::mount);
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(CONNECTIONS)
        .client_request_timeout(HEAD)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(STOP)
        .disable_signals()
        .listen(listener)
        .map_err(WebError::Listener)?
        .run();
    let handle = server.handle();
    drop(actix_web::rt::spawn(server));
    Ok(WebServer { handle, live })
}

fn face(
    options: WebOptions,
    address: SocketAddr,
    doors: Doors,
    ports: Ports,
    tree: Tree,
    login: LoginLinks,
    metrics: Arc<Metrics>,
) -> (TcpListener, Face) {
    let face = Face {
        doors,
        store: ports.store,
        clock: ports.clock,
        ids: ports.ids,
        tree,
        login,
        metrics,
        hosts: Hosts::new(address, &options.allowed_hosts, &options.proxies),
        limits: options.limits,
        household: options.household,
        live: Arc::default(),
        assets: Assets::new(),
        metrics_token: options.metrics_token.filter(|token| !token.is_empty()).map(|token| Digest::of(token.as_bytes())),
        rates: Mutex::new(Rates::default()),
        touched: Mutex::new(BTreeMap::new()),
    };
    (options.listener, face)
}
