//! What every handler has at hand.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpRequest;
use hearth_actors::household::Who;
use hearth_actors::store::Save;
use hearth_actors::tree::Doors;
use hearth_domain::household::{Member, MemberId};
use hearth_domain::ids::Ids;
use hearth_domain::journal::Digest;
use hearth_domain::limits::Limits;
use hearth_domain::store::{Commit, Session, Store, StoreError, StoreFuture};
use hearth_domain::time::{Clock, Timestamp};
use hearth_supervisor::tree::Tree;

use crate::assets::Assets;
use crate::bucket::Attempts;
use crate::hosts::Hosts;
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
    pub(crate) attempts: Mutex<Attempts>,
}

impl Face {
    /// Takes note of an attempt at a secret; refuses one too many. No peer is exempt.
    pub(crate) fn attempt(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let allowed = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).allow(peer, self.clock.mono());
        if allowed { Ok(()) } else { Err(Refusal::TooMany) }
    }

    /// A read of the store that ends.
    pub(crate) async fn read<T>(&self, read: StoreFuture<T>) -> Result<T, Refusal> {
        match tokio::time::timeout(self.limits.read_deadline, read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
        }
    }

    /// The session of this token, when it is good now.
    pub(crate) async fn session(&self, token: &str) -> Result<Option<Session>, Refusal> {
        let found = self.read(self.store.session(Digest::of(token.as_bytes()))).await?;
        Ok(found.filter(|session| session.until > self.now()))
    }

    /// The enrolled member with this id.
    pub(crate) async fn member(&self, id: MemberId) -> Result<Option<Member>, Refusal> {
        let members = self.doors.who.ask(Who, self.limits.ask_deadline).await.map_err(|_| Refusal::Busy)?;
        // The local channel finds people by their names, of which no two are alike.
        Ok(members.into_iter().find(|member| member.id == id))
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
