//! What every handler has at hand.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest};
use hearth_actors::household::Who;
use hearth_actors::store::Save;
use hearth_actors::tree::Doors;
use hearth_domain::household::{Member, MemberId};
use hearth_domain::ids::{Ids, SessionId};
use hearth_domain::journal::Digest;
use hearth_domain::limits::Limits;
use hearth_domain::store::{Commit, Store, StoreError, StoreFuture};
use hearth_domain::time::{Clock, Timestamp};
use hearth_supervisor::tree::Tree;

use crate::assets::Assets;
use crate::bucket::{Kind, Rates};
use crate::hosts::{Hosts, Scheme, Way};
use crate::live::Live;
use crate::login::LoginLinks;
use crate::metrics::Metrics;
use crate::problem::Refusal;

/// The state of the web face.
pub(crate) struct Face {
    pub(crate) doors: Doors,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) tree: Tree,
    pub(crate) login: LoginLinks,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) household: String,
    pub(crate) hosts: Hosts,
    pub(crate) live: Arc<Live>,
    pub(crate) assets: Assets,
    pub(crate) metrics_token: Option<Digest>,
    pub(crate) rates: Mutex<Rates>,
    /// When the store was told last that a session is used.
    pub(crate) touched: Mutex<BTreeMap<SessionId, Timestamp>>,
}

impl Face {
    /// Takes note of an attempt at a secret; refuses one too many. No peer is exempt.
    pub(crate) fn attempt(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let allowed = self.rates().attempt(way(request).client, self.clock.mono());
        if allowed { Ok(()) } else { Err(Refusal::TooMany) }
    }

    /// Takes note of a request of a session; refuses one too many.
    pub(crate) fn paced(&self, session: SessionId, method: &Method) -> Result<(), Refusal> {
        let kind = if matches!(*method, Method::GET | Method::HEAD) { Kind::Read } else { Kind::Act };
        if self.rates().session(session, kind, self.clock.mono()) { Ok(()) } else { Err(Refusal::TooMany) }
    }

    pub(crate) fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read of the store that ends.
    pub(crate) async fn read<T>(&self, read: StoreFuture<T>) -> Result<T, Refusal> {
        match tokio::time::timeout(self.limits.read_deadline, read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
        }
    }

    /// Everybody who is enrolled.
    pub(crate) async fn members(&self) -> Result<Vec<Member>, Refusal> {
        self.doors.who.ask(Who, self.limits.ask_deadline).await.map_err(|_| Refusal::Busy)
    }

    /// The enrolled member with this id.
    pub(crate) async fn member(&self, id: MemberId) -> Result<Option<Member>, Refusal> {
        // The local channel finds people by their names, of which no two are alike.
        Ok(self.members().await?.into_iter().find(|member| member.id == id))
    }

    /// Writes, and waits until it is durable.
    pub(crate) async fn save(&self, commit: Commit) -> Result<(), Refusal> {
        let saved = self.doors.save.ask(Save(commit), self.limits.commit_deadline).await;
        saved.unwrap_or(Err(StoreError::Busy)).map_err(|_| Refusal::Busy)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.wall()
    }
}

/// How a request came, as the guard found it.
pub(crate) fn way(request: &HttpRequest) -> Way {
    let unknown = Way { scheme: Scheme::Http, client: IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    request.extensions().get::<Way>().copied().unwrap_or(unknown)
}
