//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The house agent of your household.
#[derive(Debug, Parser)]
#[command(name = "hearth", version, about, long_about = None)]
#[command(after_help = "Without a command: in a terminal, starts the house and opens a chat; elsewhere, serves.")]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves the house until it is stopped.
    Up,
    /// Talks to the house; starts it for as long as needed when it does not run.
    Chat {
        /// Says this, prints the answer and ends.
        #[arg(long, value_name = "TEXT")]
        once: Option<String>,
        /// As whom; the owner when it is not given.
        #[arg(long = "as", value_name = "MEMBER")]
        member: Option<String>,
        /// A conversation of its own, by name.
        #[arg(long, value_name = "NAME", default_value = "")]
        thread: String,
        /// A picture that goes with the text of --once.
        #[arg(long, value_name = "FILE", requires = "once")]
        image: Vec<PathBuf>,
        /// Prints the answer as JSON.
        #[arg(long, requires = "once")]
        json: bool,
    },
    /// Shows the supervision tree of the running house.
    Tree {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows how the running house is.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// What the journal says of you: what was done for you and decided, asked and answered; for adults also of their children and the house.
    Audit(crate::audit::AuditArgs),
    /// The same as `hearth audit verify`.
    Verify,
    /// Says why the house said something: what it drew on, who may read it, and what was decided.
    Why(crate::audit::WhyArgs),
    /// Stops the whole house: nothing is done and nothing leaves it, until an adult lifts that.
    Estop {
        /// Lifts it.
        #[arg(long)]
        lift: bool,
        /// As whom; the owner when it is not given.
        #[arg(long = "as", value_name = "MEMBER")]
        member: Option<String>,
    },
    /// Prints a link that logs in at the page, good once and for a few minutes.
    Login {
        /// For whom; the owner when it is not given.
        #[arg(long = "as", value_name = "MEMBER")]
        member: Option<String>,
        /// What the device is to be called in the list of sessions; by its browser when it is not given.
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
    },
    /// Sessions at the page: where members are logged in.
    Session {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::session::SessionCommand,
    },
    /// Secrets: API keys and tokens, which only the vault sees.
    Secret {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::secret::SecretCommand,
    },
    /// Tools: what the house can do beyond its own, each in a process of its own.
    Tool {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::tool::ToolCommand,
    },
    /// The rules of the household: who may have what done, when, by whose word.
    Policy {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::policy::PolicyCommand,
    },
    /// Questions that wait for a yes or no.
    Approvals {
        /// The answer; without one, the questions are shown.
        #[command(subcommand)]
        what: Option<crate::policy::ApprovalsCommand>,
        /// As whom; the owner when it is not given.
        #[arg(long = "as", value_name = "MEMBER", global = true)]
        member: Option<String>,
        /// As JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// What was allowed beforehand, by answers such as "always".
    Grants {
        /// What to do with them; without it, they are shown.
        #[command(subcommand)]
        what: Option<crate::policy::GrantsCommand>,
        /// As whom; the owner when it is not given.
        #[arg(long = "as", value_name = "MEMBER", global = true)]
        member: Option<String>,
        /// As JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// What was used today of budgets: of everybody for an adult, else of oneself.
    Budget {
        /// As whom; the owner when it is not given.
        #[arg(long = "as", value_name = "MEMBER")]
        member: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Members: who lives here, and as what.
    Member {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::member::MemberCommand,
    },
    /// Accounts: by what the house knows members at other channels.
    Identity {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::member::IdentityCommand,
    },
    /// Groups at other channels: where the house may speak before several.
    Group {
        /// What to do with them.
        #[command(subcommand)]
        what: crate::member::GroupCommand,
    },
    /// Says what protects the secrets, against what not, and what is wrong.
    Doctor,
    /// The configuration.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Measures something on this machine, with a scratch house of its own.
    Bench {
        /// What.
        name: crate::bench::Name,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// The commands about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Says whether it is right, and where it is.
    Check,
    /// Prints it as it counts: defaults, file and environment together.
    Show,
}
