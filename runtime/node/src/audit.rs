//! `hearth audit`, `hearth why`: what the journal says, whether it is whole, and why the house said something.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::client::Client;
use crate::terminal::{Terminal, harmless, harmless_json};
use crate::wire::audit::{AuditAnswer, AuditAsk};
use crate::wire::{ClientFrame, HouseFrame, Vouched};

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Checks the journal of the running house from its beginning: whether an entry was removed, reordered or edited, or its end cut off.
    Verify,
}

/// Which part of the journal.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// What to do with it; without it, it is shown.
    #[command(subcommand)]
    pub what: Option<AuditCommand>,
    /// As whom; the owner when it is not given.
    #[arg(long = "as", value_name = "MEMBER")]
    pub member: Option<String>,
    /// Not what was before: a day (2026-11-26), a time, or a span such as 3d or 2h.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only entries before this one.
    #[arg(long, value_name = "ENTRY")]
    before: Option<u64>,
    /// At most so many, and at most 500.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// As JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

impl From<AuditArgs> for AuditAsk {
    fn from(AuditArgs { since, before, limit, .. }: AuditArgs) -> Self {
        Self::List { since, before, limit }
    }
}

/// Which message.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The message's id, or `last`.
    message: String,
    /// As whom; the owner when it is not given.
    #[arg(long = "as", value_name = "MEMBER")]
    pub member: Option<String>,
    /// Where `last` is looked for: a conversation of its own, by name.
    #[arg(long, value_name = "NAME", default_value = "")]
    thread: String,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

impl From<WhyArgs> for AuditAsk {
    fn from(WhyArgs { message, thread, .. }: WhyArgs) -> Self {
        Self::Why { message: Some(message).filter(|message| message != "last"), thread }
    }
}

/// Asks the house at this socket.
pub async fn ask(socket: &Path, member: Option<String>, ask: AuditAsk, json: bool) -> anyhow::Result<()> {
    let mut client = Client::connect(socket).await?.context("the house has stopped; try again")?;
    let HouseFrame::Audit { answer } = client.ask(&ClientFrame::Audit { member, ask }).await? else {
        bail!("the house gave an unexpected answer")
    };
    let terminal = Terminal::new();
    if json {
        terminal.line(&harmless_json(&serde_json::to_string_pretty(&answer)?));
        return Ok(());
    }
    let text = match answer {
        AuditAnswer::Listed { entries, before } => {
            let lines = entries.iter().map(|entry| format!("{:>7}  {}  {}", entry.seq, entry.at, entry.text));
            let more = before.map(|before| format!("(older ones: hearth audit --before {before})"));
            let none = entries.is_empty().then(|| "Nothing in the journal concerns you here.".to_owned());
            more.into_iter().chain(none).chain(lines).collect::<Vec<_>>().join("\n")
        }
        AuditAnswer::Why { lines, .. } => lines.join("\n"),
    };
    terminal.line(&harmless(&text));
    Ok(())
}

/// A checked journal, for a person.
#[must_use]
pub fn whole(entries: u64, head: &str, attested: &Vouched) -> String {
    let vouched = match attested {
        Vouched::Upto { entry, at } if *entry >= entries => format!("The vault attested it to its end at {at}."),
        Vouched::Upto { entry, at } => {
            format!("The vault attested it up to entry {entry} at {at}; that later entries were cut off at the end would not be noticed.")
        }
        Vouched::Never => "The vault has attested nothing of it yet; that its end was cut off would not be noticed.".to_owned(),
        Vouched::Unknown { why } => {
            format!(
                "Only the chain itself was checked, since the vault could not be asked ({why}); that its end was cut off would not be noticed."
            )
        }
    };
    format!("The journal is whole: {entries} entries, head {head}\n{vouched}")
}
