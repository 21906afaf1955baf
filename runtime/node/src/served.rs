//! What the local socket serves besides conversations: the tree, the state of the house, the journal, login links.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_actors::audit::{AuditError, Verified, Verify};
use hearth_actors::household::{Resolve, Who};
use hearth_actors::local::{Seen, Subscribed};
use hearth_actors::policy::Stopped;
use hearth_actors::tools::{ListTools, ShowTool};
use hearth_actors::tree::Doors;
use hearth_actors::vault::Status;
use hearth_domain::delivery::Delivery;
use hearth_domain::ids::ConversationId;
use hearth_domain::journal::ChainError;
use hearth_domain::store::Store;
use hearth_supervisor::tree::Tree;
use hearth_web::login::LoginLinks;
use serde_json::json;

use crate::approvals;
use crate::audits;
use crate::confine::Confined;
use crate::desk;
use crate::sessions;
use crate::toolbox::Toolbox;
use crate::wire::audit::{AuditAnswer, AuditAsk};
use crate::wire::household::{HouseholdAnswer, HouseholdAsk};
use crate::wire::policy::{PolicyAnswer, PolicyAsk};
use crate::wire::sessions::{SessionAnswer, SessionAsk};

/// How long the journal may take to be checked.
const VERIFYING: Duration = Duration::from_secs(600);
/// How long the store may take to say what is not confirmed.
const READING: Duration = Duration::from_secs(5);
/// What is right after a backup was put back.
const RESTORED: &str = ". If a backup was put back, its owner says that it counts with `hearth secret accept-restore`";
/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";

/// What the local socket serves.
pub struct Served {
    /// The doors of the house.
    pub doors: Doors,
    /// Its tree.
    pub tree: Tree,
    store: Arc<dyn Store>,
    links: Option<(LoginLinks, String)>,
    confined: Confined,
    toolbox: Toolbox,
    /// Up to where conversations were confirmed here; the store is told some time later.
    confirmed: Mutex<BTreeMap<ConversationId, u64>>,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("data", &self.confined.data).finish_non_exhaustive()
    }
}

impl Served {
    /// A house that is up.
    #[must_use]
    pub fn new(
        doors: Doors,
        tree: Tree,
        store: Arc<dyn Store>,
        links: Option<(LoginLinks, String)>,
        confined: Confined,
        toolbox: Toolbox,
    ) -> Self {
        Self { doors, tree, store, links, confined, toolbox, confirmed: Mutex::default() }
    }

    /// The toolbox, for a client.
    #[must_use]
    pub fn toolbox(&self) -> Toolbox {
        self.toolbox.clone()
    }

    /// A client has shown everything up to there.
    pub fn seen(&self, client: &Subscribed, upto: u64) {
        // Made good by the next one when it does not fit.
        if self.doors.seen.offer(Seen { client: client.client, upto }).is_ok() {
            let mut confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
            let before = confirmed.entry(client.conversation).or_default();
            *before = upto.max(*before);
        }
    }

    /// A client has shown this one message. A confirmation covers everything before it as well, so there is none while something
    /// that was said earlier waits for its own.
    pub async fn seen_only(&self, client: &Subscribed, seq: u64) {
        // What cannot be read now is confirmed by whoever shows more.
        let Ok(Ok(unsettled)) = tokio::time::timeout(READING, self.store.unsettled_deliveries()).await else {
            return;
        };
        let from = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner).get(&client.conversation).copied().unwrap_or(0);
        let waits = |row: &Delivery| row.conversation == client.conversation && row.seq > from && row.seq < seq;
        if !unsettled.iter().any(waits) {
            self.seen(client, seq);
        }
    }

    /// How the house is, as JSON: `version`, `data`, `page`, `models`, `stopped`, `counts`, `uptime_ms`, `restarts`, `tools`, and `vault` and `egress` as
    /// they say themselves.
    pub async fn status(&self) -> serde_json::Value {
        let root = self.tree.snapshot();
        let (vault, egress) = (self.doors.vault.ask(Status, READING).await, self.doors.egress.ask(Status, READING).await);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data": self.confined.data,
            "page": self.links.as_ref().map(|(_, base)| base),
            "models": self.doors.inquire.providers(),
            "stopped": self.stopped().await,
            "counts": self.doors.inquire.counts().await,
            "uptime_ms": root.uptime_ms,
            "restarts": restarts(&root),
            "house": { "confined": &*self.confined.report },
            "vault": vault.ok(),
            "egress": egress.ok(),
            "tools": self.tools().await,
        })
    }

    /// Each tool: `name`, `state`, and while it is in use what confines its process.
    async fn tools(&self) -> Vec<serde_json::Value> {
        let tools = &self.doors.tools;
        let mut said = Vec::new();
        for tool in tools.list.ask(ListTools, READING).await.ok().and_then(Result::ok).unwrap_or_default() {
            let shown = tools.show.ask(ShowTool(tool.name.clone()), READING).await.ok().and_then(Result::ok).unwrap_or(tool);
            said.push(json!({ "name": shown.name, "state": shown.state, "confined": shown.report.map(|report| report.confined) }));
        }
        said
    }

    /// Who stopped the house and since when, while it is stopped.
    pub async fn stopped(&self) -> Option<String> {
        let freeze = self.doors.policy.stopped.ask(Stopped, READING).await.ok()??;
        let members = self.doors.who.ask(Who, READING).await.unwrap_or_default();
        let by = members.iter().find(|member| member.id == freeze.by);
        let (name, at) =
            by.map_or_else(|| (freeze.by.to_string(), freeze.at.to_string()), |by| (by.name.clone(), audits::shown(freeze.at, by)));
        Some(format!("stopped by {name} since {at}"))
    }

    /// What the journal says to a member.
    pub async fn audit(&self, member: Option<String>, ask: AuditAsk) -> Result<AuditAnswer, String> {
        audits::serve(&self.doors, &self.store, member, ask).await
    }

    /// Checks the journal.
    pub async fn verify(&self) -> Result<Verified, String> {
        let checked = self.doors.verify.ask(Verify, VERIFYING).await.map_err(|_| BUSY.to_owned())?;
        checked.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let backup = if matches!(error, AuditError::Broken(ChainError::Cut { .. } | ChainError::Other { .. })) { RESTORED } else { "" };
            format!("{error}{cause}{backup}")
        })
    }

    /// Questions that wait for people, their answers, and what was allowed.
    pub async fn policy(&self, member: Option<String>, ask: PolicyAsk) -> Result<PolicyAnswer, String> {
        approvals::serve(&self.doors, READING, member, ask).await
    }

    /// Serves what a member at this machine asks of the household.
    pub async fn household(&self, member: Option<String>, ask: HouseholdAsk) -> Result<HouseholdAnswer, String> {
        desk::serve(&self.doors, &self.store, member, ask).await
    }

    /// Serves what a member at this machine asks of sessions at the page.
    pub async fn sessions(&self, member: Option<String>, ask: SessionAsk) -> Result<SessionAnswer, String> {
        sessions::serve(&self.doors, &self.store, member, ask).await
    }

    /// A link that logs a member in at the page, on a device that they call so.
    pub async fn login(&self, member: Option<String>, device: Option<String>) -> Result<String, String> {
        let (links, base) = self.links.as_ref().ok_or("the page is not served; see [web] in the configuration")?;
        let asked = Resolve { identity: member, thread: String::new() };
        let resolved = self.doors.resolve.ask(asked, Duration::from_secs(10)).await.map_err(|_| BUSY.to_owned())?;
        let member = resolved.map_err(|error| error.to_string())?.member;
        Ok(format!("{base}/login#{}", links.issue_for(member.id, device.as_deref())))
    }
}

fn restarts(node: &hearth_supervisor::tree::TreeNode) -> u64 {
    node.children.iter().map(restarts).fold(node.restarts, u64::saturating_add)
}
