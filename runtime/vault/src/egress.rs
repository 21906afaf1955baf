//! The broker: requests come in over a Unix socket, credentials go in, checked connections go out.
//!
//! ```text
//! client ─► server ─► forward: scan ► Gate::admit ► pool | connect (resolve once, judge, pin, TLS) ► upload (scan, rewrite)
//!        ◄─────────── download: bound, unpack, scan ◄─────────────────────────────────────────────── server outside
//! ```
//!
//! - A client speaks HTTP/1.1 or HTTP/2 to the socket, in the clear, naming the host it wants; the broker adds TLS unless the request says
//!   `hearth-scheme: http` and the policy agrees. `hearth-*` headers are the house's and never leave it.
//! - An answer with a `hearth-broker` header is the broker's own; `hearth-outcome` then says whether the request may have arrived.
//! - No environment variable is read: there is no proxy between the broker and a server.
//! - Decisions are others': [`Gate`], [`Watch`] and [`Judge`].

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;

use crate::egress::connect::Connector;
use crate::egress::limits::Limits;
use crate::egress::pool::Pool;
use crate::egress::ports::{Gate, Judge, Resolve, Watch};
use crate::egress::server::{Doors, Ending};

mod answer;
pub mod connect;
mod download;
pub mod failure;
mod forward;
mod headers;
pub mod limits;
pub mod own;
mod passing;
mod patience;
mod pool;
pub mod ports;
pub mod server;
mod unpack;
mod upload;
mod websocket;

/// What a broker is made of.
pub struct Settings {
    /// Decides about requests.
    pub gate: Arc<dyn Gate>,
    /// Looks for secrets.
    pub watch: Arc<dyn Watch>,
    /// Finds addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Says which addresses may be connected to.
    pub judge: Judge,
    /// Who is trusted to sign certificates; [`connect::system_roots`] in the product.
    pub roots: RootCertStore,
    /// The bounds.
    pub limits: Limits,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// One broker. It runs where [`server::serve`] is awaited.
pub struct Broker {
    gate: Arc<dyn Gate>,
    watch: Arc<dyn Watch>,
    connector: Connector,
    pool: Arc<Pool>,
    limits: Limits,
    doors: Doors,
    ending: Ending,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Broker {
    /// A broker without connections.
    pub fn new(settings: Settings) -> Arc<Self> {
        let Settings { gate, watch, resolver, judge, roots, limits } = settings;
        Arc::new(Self {
            gate,
            watch,
            connector: Connector::new(resolver, judge, roots, limits.addresses),
            pool: Arc::new(Pool::new(limits)),
            limits,
            doors: Doors::new(&limits),
            ending: Ending::new(),
        })
    }
}
