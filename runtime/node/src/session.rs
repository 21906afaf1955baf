//! `hearth session`: where a member is logged in at the page, and how that ends.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use crate::client::Client;
use crate::terminal::{Terminal, harmless, harmless_json};
use crate::tool::ByOptions;
use crate::wire::sessions::{SessionAnswer, SessionAsk, ShownSession};
use crate::wire::{ClientFrame, HouseFrame};

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Shows them: one's own, and for a grown-up those of children and teens.
    List {
        /// Of this member alone.
        #[arg(long, value_name = "MEMBER")]
        of: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Who asks.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Ends one, or all: what it had open at the page stops at once.
    Revoke {
        /// Which, by its id.
        #[arg(value_name = "SESSION", required_unless_present = "all", conflicts_with_all = ["all", "of"])]
        id: Option<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// With --all: of this member; of the one who asks when it is not given.
        #[arg(long, value_name = "MEMBER", requires = "all")]
        of: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Who asks.
        #[command(flatten)]
        by: ByOptions,
    },
}

/// What is asked, by whom, and how the answer is shown.
#[derive(Debug)]
pub struct SessionErrand {
    by: Option<String>,
    ask: SessionAsk,
    json: bool,
}

impl From<SessionCommand> for SessionErrand {
    fn from(command: SessionCommand) -> Self {
        match command {
            SessionCommand::List { of, json, by } => Self { by: by.member, ask: SessionAsk::List { of }, json },
            SessionCommand::Revoke { id: Some(id), json, by, .. } => Self { by: by.member, ask: SessionAsk::Revoke { id }, json },
            SessionCommand::Revoke { of, json, by, .. } => Self { by: by.member, ask: SessionAsk::RevokeAll { of }, json },
        }
    }
}

impl SessionErrand {
    /// Asks the house at this socket.
    pub async fn run(self, socket: &Path) -> anyhow::Result<()> {
        let mut client = Client::connect(socket).await?.context("the house has stopped; try again")?;
        let HouseFrame::Session { answer } = client.ask(&ClientFrame::Session { member: self.by, ask: self.ask }).await? else {
            bail!("the house gave an unexpected answer")
        };
        let terminal = Terminal::new();
        if self.json {
            terminal.line(&harmless_json(&serde_json::to_string_pretty(&answer)?));
            return Ok(());
        }
        let text = match answer {
            SessionAnswer::Listed { sessions } => list(&sessions),
            SessionAnswer::Ended { count: 0 } => "There was none.".to_owned(),
            SessionAnswer::Ended { count: 1 } => "One session has ended.".to_owned(),
            SessionAnswer::Ended { count } => format!("{count} sessions have ended."),
        };
        terminal.line(&harmless(&text));
        Ok(())
    }
}

/// A line for each.
fn list(sessions: &[ShownSession]) -> String {
    if sessions.is_empty() {
        return "Nobody whom you may see is logged in at the page.".to_owned();
    }
    let minute = |at: &str| at.get(..16).unwrap_or(at).replace('T', " ");
    let head = format!("{:<36}  {:<16} {:<26} {:<16}  {:<16}  {}", "SESSION", "MEMBER", "DEVICE", "SINCE (UTC)", "LAST USED", "UNTIL");
    let lines = sessions.iter().map(|session| {
        let ShownSession { id, member, device, at, seen, until } = session;
        format!("{id:<36}  {member:<16} {device:<26} {}  {}  {}", minute(at), minute(seen), minute(until))
    });
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}
