//! `hearth member`, `hearth identity` and `hearth group`: who is here, by which accounts, and where with others. The house decides who may change what.

mod command;

use std::path::Path;

use anyhow::{Context as _, bail};
use hearth_domain::household::Role;

pub use command::{GroupCommand, IdentityCommand, MemberCommand, NewOptions};

use crate::client::Client;
use crate::terminal::{Terminal, harmless, harmless_json};
use crate::wire::household::{HouseholdAnswer, HouseholdAsk, New, ShownConversation, ShownGroup, ShownMember, ShownWaiting};
use crate::wire::{ClientFrame, HouseFrame};

/// What is said of an answer to another question.
const UNEXPECTED: &str = "the house gave an unexpected answer";

/// What is done, for the member of `--as`.
#[derive(Debug)]
pub struct Errand {
    by: Option<String>,
    ask: HouseholdAsk,
    said: String,
    view: View,
}

/// How a listing is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Json,
    Members,
    Accounts,
    Groups,
}

/// Somebody who was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Their id.
    pub member: String,
}

impl Errand {
    /// What a command about members does. Asks before somebody is removed.
    pub fn of_member(command: MemberCommand) -> anyhow::Result<Self> {
        let errand = |by, ask, said: String| Self { by, ask, said, view: View::Members };
        Ok(match command {
            MemberCommand::List { json, by } => {
                Self { by: by.member, ask: HouseholdAsk::List, said: String::new(), view: if json { View::Json } else { View::Members } }
            }
            MemberCommand::Add { new, by } => {
                let said = format!("{} lives here now, as {}.", new.name, article(new.role));
                errand(by.member, HouseholdAsk::Add(fresh(new)), said)
            }
            MemberCommand::Role { name, role, guardians, by } => {
                let said = format!("{name} is {} now.", article(role));
                errand(by.member, HouseholdAsk::Role { name, role, guardians }, said)
            }
            MemberCommand::Remove { name, yes, by } => {
                if !yes {
                    confirmed(&name)?;
                }
                let said = format!("{name} is removed: nobody here, and what only they could read is gone.");
                errand(by.member, HouseholdAsk::Remove { name }, said)
            }
            MemberCommand::BreakGlass { name, reason: Some(reason), by, .. } => {
                errand(by.member, HouseholdAsk::BreakGlass { name, reason }, String::new())
            }
            MemberCommand::BreakGlass { name, json, by, .. } => Self {
                by: by.member,
                ask: HouseholdAsk::ReadGlass { name },
                said: String::new(),
                view: if json { View::Json } else { View::Members },
            },
            MemberCommand::Pair { code, with: Some(name), by, .. } => {
                let said = format!("That account is {name}'s now.");
                errand(by.member, HouseholdAsk::PairWith { code, name }, said)
            }
            MemberCommand::Pair { code, deny: true, by, .. } => {
                errand(by.member, HouseholdAsk::Deny { code }, "The code is void, and its sender stays unknown.".to_owned())
            }
            MemberCommand::Pair { code, new: Some(name), role, guardians, by, .. } => {
                let said = format!("{name} lives here now, as {}.", article(role));
                errand(by.member, HouseholdAsk::PairNew { code, new: New { name, role, zone: None, guardians } }, said)
            }
            MemberCommand::Pair { .. } => bail!("say whose account it is: --with NAME, --new NAME, or --deny"),
        })
    }

    /// What a command about accounts does.
    #[must_use]
    pub fn of_identity(command: IdentityCommand) -> Self {
        match command {
            IdentityCommand::List { json, by } => {
                Self { by: by.member, ask: HouseholdAsk::List, said: String::new(), view: if json { View::Json } else { View::Accounts } }
            }
            IdentityCommand::Unlink { account, by } => {
                let said = format!("{account} lets nobody in any more.");
                Self { by: by.member, ask: HouseholdAsk::Unlink { account }, said, view: View::Accounts }
            }
        }
    }

    /// What a command about groups does.
    #[must_use]
    pub fn of_group(command: GroupCommand) -> Self {
        match command {
            GroupCommand::List { json, by } => {
                Self { by: by.member, ask: HouseholdAsk::List, said: String::new(), view: if json { View::Json } else { View::Groups } }
            }
            GroupCommand::Admit { group, by } => {
                let said = format!("The house may speak in {group} now. What it says there, everybody there may know.");
                Self { by: by.member, ask: HouseholdAsk::Admit { group }, said, view: View::Groups }
            }
            GroupCommand::Dismiss { group, by } => {
                let said = format!("The house is silent in {group}.");
                Self { by: by.member, ask: HouseholdAsk::Dismiss { group }, said, view: View::Groups }
            }
        }
    }

    /// Whether it makes sense at a house that runs already only: what it opens ends with the house.
    #[must_use]
    pub const fn needs_a_house(&self) -> bool {
        matches!(self.ask, HouseholdAsk::BreakGlass { .. } | HouseholdAsk::ReadGlass { .. })
    }

    /// Does it at the house of this socket. Gives whoever was removed.
    pub async fn run(self, socket: &Path) -> anyhow::Result<Option<Removed>> {
        let mut client = Client::connect(socket).await?.context("the house has stopped; try again")?;
        let removes = matches!(self.ask, HouseholdAsk::Remove { .. });
        let HouseFrame::Household { answer } = client.ask(&ClientFrame::Household { member: self.by, ask: self.ask }).await? else {
            bail!(UNEXPECTED)
        };
        let terminal = Terminal::new();
        match answer {
            HouseholdAnswer::Listing { members, waiting, away, groups } => {
                let text = match self.view {
                    View::Json => {
                        let value = serde_json::json!({ "members": members, "waiting": waiting, "away": away, "groups": groups });
                        format!("{}\n", harmless_json(&serde_json::to_string_pretty(&value)?))
                    }
                    View::Members => harmless(&list(&members, &waiting, &away)),
                    View::Accounts => harmless(&accounts(&members, &waiting)),
                    View::Groups => harmless(&rooms(&groups)),
                };
                terminal.text(&text);
                Ok(None)
            }
            HouseholdAnswer::Opened { until } => {
                terminal.line(&harmless(&format!(
                    "It is open to you until {until}, and the child was told. --read prints it; each reading is in the journal."
                )));
                Ok(None)
            }
            HouseholdAnswer::Read { conversations } => {
                terminal.text(&match self.view {
                    View::Json => format!("{}\n", harmless_json(&serde_json::to_string_pretty(&conversations)?)),
                    View::Members | View::Accounts | View::Groups => harmless(&said_in(&conversations)),
                });
                Ok(None)
            }
            HouseholdAnswer::Done { member, secrets } => {
                terminal.line(&harmless(&self.said));
                if let Some(said) = secrets {
                    terminal.line(&harmless(&said));
                }
                Ok(removes.then_some(Removed { member }))
            }
        }
    }
}

impl Removed {
    /// What is said while another process's house runs: it cannot be started anew from here.
    #[must_use]
    pub const fn later() -> &'static str {
        "What was theirs leaves the disk when the house starts next: stop it and start it. A report is then in the folder `erased`."
    }

    /// Says what was erased: the report that the store has left.
    pub fn report(&self, data: &Path) -> anyhow::Result<()> {
        let path = data.join("erased").join(format!("{}.txt", self.member));
        let text = std::fs::read_to_string(&path).context("the store could not be written anew; it is tried again at the next start")?;
        Terminal::new().text(&harmless(&text));
        Ok(())
    }
}

fn fresh(new: NewOptions) -> New {
    New { name: new.name, role: new.role, zone: new.zone, guardians: new.guardians }
}

fn article(role: Role) -> String {
    match role {
        Role::Owner | Role::Adult => format!("an {role}"),
        Role::Teen | Role::Child | Role::Guest => format!("a {role}"),
    }
}

/// Has a person type a name once more before something is gone for good.
fn confirmed(name: &str) -> anyhow::Result<()> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask; give --yes");
    }
    Terminal::new().line(&harmless(&format!(
        "Everything that only {name} may read will be gone for good: conversations, memories, reminders, accounts; and so will every secret of theirs. To go on, type the name again:"
    )));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("nothing could be read from the terminal")?;
    if line.trim() != name.trim() {
        bail!("that is another name; nothing was changed");
    }
    Ok(())
}

/// A line for each member.
fn list(members: &[ShownMember], waiting: &[ShownWaiting], away: &[String]) -> String {
    let mut text = format!("{:<24} {:<7} {:<20} {}\n", "NAME", "ROLE", "ZONE", "ACCOUNTS");
    for member in members {
        let accounts: Vec<_> = member.accounts.iter().map(|account| account.account.as_str()).collect();
        let care = if member.guardians.is_empty() { String::new() } else { format!(" (with {})", member.guardians.join(", ")) };
        let line = format!("{:<24} {:<7} {:<20} {}{care}", member.name, member.role.to_string(), member.zone, accounts.join(", "));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for row in waiting {
        text.push_str(&format!("{} waits for a code to be approved, until {}: hearth member pair CODE\n", row.account, row.until));
    }
    for name in away {
        text.push_str(&format!("The configuration still names {name}, who was removed.\n"));
    }
    text
}

/// What was said in a child's conversations.
fn said_in(conversations: &[ShownConversation]) -> String {
    let mut text = String::new();
    for conversation in conversations {
        let thread = if conversation.thread.is_empty() { "main" } else { &conversation.thread };
        text.push_str(&format!("== {thread}\n"));
        for said in &conversation.said {
            let who = if said.house { "house" } else { "child" };
            text.push_str(&format!("{}  {who}: {}\n", said.at, said.text));
        }
    }
    if text.is_empty() { "Nothing was said there.\n".to_owned() } else { text }
}

/// A line for each group.
fn rooms(groups: &[ShownGroup]) -> String {
    let mut text = String::new();
    for group in groups {
        let admitted = group.admitted.as_ref().map_or_else(|| "not admitted".to_owned(), |by| format!("admitted by {by}"));
        let mut there = group.members.clone();
        if group.strangers > 0 {
            there.push(format!("{} whom the house does not know", group.strangers));
        }
        if !group.complete {
            there.push("perhaps others".to_owned());
        }
        text.push_str(&format!("{:<40} {:<24} {}\n", group.group, admitted, there.join(", ")));
    }
    if text.is_empty() { "No channel told of a group.\n".to_owned() } else { text }
}

/// A line for each account.
fn accounts(members: &[ShownMember], waiting: &[ShownWaiting]) -> String {
    let mut text = String::new();
    for member in members {
        for account in &member.accounts {
            text.push_str(&format!("{:<24} {:<40} {}\n", member.name, account.account, account.id));
        }
    }
    for row in waiting {
        text.push_str(&format!("{:<24} {:<40} waits until {}\n", "nobody yet", row.account, row.until));
    }
    if text.is_empty() { "No account of another channel is anybody's.\n".to_owned() } else { text }
}
