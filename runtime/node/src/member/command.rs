//! The words of `hearth member`, `hearth identity` and `hearth group`.

use clap::{Args, Subcommand};
use hearth_domain::household::Role;

use crate::tool::ByOptions;

/// What to do with members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Shows who lives here.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Who asks.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Adds somebody.
    Add {
        /// Who.
        #[command(flatten)]
        new: NewOptions,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Makes somebody an owner, adult, teen, child or guest.
    Role {
        /// Who.
        name: String,
        /// What they are to be: owner, adult, teen, child or guest.
        #[arg(value_parser = role)]
        role: Role,
        /// A grown-up under whom a child or teen lives here; may be given more than once.
        #[arg(long = "guardian", value_name = "MEMBER")]
        guardians: Vec<String>,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Removes somebody, with all that only they may read.
    Remove {
        /// Who.
        name: String,
        /// Without asking.
        #[arg(long)]
        yes: bool,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Opens a child's private conversations to you for an hour, or reads them: for a guardian or owner in an emergency. The child is told,
    /// with your reason, and it is in the journal.
    BreakGlass {
        /// The child.
        name: String,
        /// Why: the child reads it.
        #[arg(long, value_name = "TEXT", required_unless_present = "read", conflicts_with = "read")]
        reason: Option<String>,
        /// Prints them.
        #[arg(long)]
        read: bool,
        /// With --read: as JSON.
        #[arg(long, requires = "read")]
        json: bool,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Says whose account it is from which a code comes that the house has shown to a stranger.
    Pair {
        /// The code.
        code: String,
        /// Another account of somebody who lives here.
        #[arg(long, value_name = "MEMBER", conflicts_with_all = ["new", "deny"])]
        with: Option<String>,
        /// Somebody new, of this name.
        #[arg(long, value_name = "NAME", conflicts_with = "deny")]
        new: Option<String>,
        /// What they are to be.
        #[arg(long, value_parser = role, default_value = "guest")]
        role: Role,
        /// A grown-up under whom a child or teen lives here; may be given more than once.
        #[arg(long = "guardian", value_name = "MEMBER")]
        guardians: Vec<String>,
        /// Nobody's: the code is void.
        #[arg(long)]
        deny: bool,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Shows by which accounts the house knows whom.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Who asks.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Takes an account away: it lets nobody in any more.
    Unlink {
        /// Which: CHANNEL/ACCOUNT, or its id.
        account: String,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
}

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Shows the groups that channels told of, and who is there.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Who asks.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Lets the house speak in a group.
    Admit {
        /// Which: CHANNEL/ROOM, or its id.
        group: String,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Has the house be silent in a group.
    Dismiss {
        /// Which: CHANNEL/ROOM, or its id.
        group: String,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
}

/// Somebody new.
#[derive(Debug, Clone, Args)]
pub struct NewOptions {
    /// The name.
    pub name: String,
    /// What they are to be: owner, adult, teen, child or guest.
    #[arg(long, value_parser = role, default_value = "adult")]
    pub role: Role,
    /// Their time zone, such as Europe/Berlin; that of the one who adds them when it is not given.
    #[arg(long)]
    pub zone: Option<String>,
    /// A grown-up under whom a child or teen lives here; may be given more than once. A child's is whoever adds it when none is named.
    #[arg(long = "guardian", value_name = "MEMBER")]
    pub guardians: Vec<String>,
}

fn role(text: &str) -> Result<Role, String> {
    [Role::Owner, Role::Adult, Role::Teen, Role::Child, Role::Guest]
        .into_iter()
        .find(|role| role.to_string() == text)
        .ok_or_else(|| "a role is owner, adult, teen, child or guest".to_owned())
}
