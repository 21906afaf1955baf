//! What the local socket serves besides conversations: the tree, the state of the house, the journal, login links.

use std::path::PathBuf;
use std::time::Duration;

use hearth_actors::audit::Verify;
use hearth_actors::household::Resolve;
use hearth_actors::tree::Doors;
use hearth_domain::journal::Head;
use hearth_supervisor::tree::Tree;
use hearth_web::login::LoginLinks;
use serde_json::json;

/// How long the journal may take to be checked.
const VERIFYING: Duration = Duration::from_secs(600);
/// Sentence for an ask without an answer.
const BUSY: &str = "the house is busy or restarting; try again in a moment";

/// What the local socket serves.
#[derive(Debug)]
pub struct Served {
    /// The doors of the house.
    pub doors: Doors,
    /// Its tree.
    pub tree: Tree,
    links: Option<(LoginLinks, String)>,
    data: PathBuf,
}

impl Served {
    /// A house that is up.
    #[must_use]
    pub const fn new(doors: Doors, tree: Tree, links: Option<(LoginLinks, String)>, data: PathBuf) -> Self {
        Self { doors, tree, links, data }
    }

    /// How the house is, as JSON: `version`, `data`, `page`, `models`, `counts`, `uptime_ms`, `restarts`.
    pub async fn status(&self) -> serde_json::Value {
        let root = self.tree.snapshot();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data": self.data,
            "page": self.links.as_ref().map(|(_, base)| base),
            "models": self.doors.inquire.providers(),
            "counts": self.doors.inquire.counts().await,
            "uptime_ms": root.uptime_ms,
            "restarts": restarts(&root),
        })
    }

    /// Checks the journal.
    pub async fn verify(&self) -> Result<Head, String> {
        let checked = self.doors.verify.ask(Verify, VERIFYING).await.map_err(|_| BUSY.to_owned())?;
        checked.map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    }

    /// A link that logs a member in at the page.
    pub async fn login(&self, member: Option<String>) -> Result<String, String> {
        let (links, base) = self.links.as_ref().ok_or("the page is not served; see [web] in the configuration")?;
        let asked = Resolve { identity: member, thread: String::new() };
        let resolved = self.doors.resolve.ask(asked, Duration::from_secs(10)).await.map_err(|_| BUSY.to_owned())?;
        let member = resolved.map_err(|error| error.to_string())?.member;
        Ok(format!("{base}/login#{}", links.issue(member.id)))
    }
}

fn restarts(node: &hearth_supervisor::tree::TreeNode) -> u64 {
    node.children.iter().map(restarts).fold(node.restarts, u64::saturating_add)
}
