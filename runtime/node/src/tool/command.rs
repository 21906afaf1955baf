//! The words of `hearth tool`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with tools.
#[derive(Debug, Subcommand)]
pub enum ToolCommand {
    /// Installs a tool and asks you for what it wants.
    Install(PackageOptions),
    /// Puts another version in the place of a tool; asks where it wants more than before.
    Update(PackageOptions),
    /// Installs what an MCP server of the configuration lists, or what it lists now, and asks you.
    Mcp {
        /// The server, as the configuration calls it; the tool is mcp/NAME.
        server: String,
        /// What is answered.
        #[command(flatten)]
        answers: AnswerOptions,
    },
    /// Shows which tools are installed.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows which tools come with the house and can be installed by their names.
    Own,
    /// Shows how a tool is: what it asks for, what it was granted, how its process is.
    Show {
        /// Which: namespace/name.
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Grants what an installed tool asks for.
    Grant {
        /// Which: namespace/name.
        name: String,
        /// What is answered.
        #[command(flatten)]
        answers: AnswerOptions,
    },
    /// Takes the grant of a tool back. A call that runs ends at once.
    Revoke {
        /// Which: namespace/name.
        name: String,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Removes a tool with all that it keeps.
    Remove {
        /// Which: namespace/name.
        name: String,
        /// Who does it.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Calls an operation of a tool and prints what it gave, as JSON.
    Call {
        /// Which tool: namespace/name.
        name: String,
        /// Which operation.
        operation: String,
        /// The arguments, a JSON object.
        #[arg(default_value = "{}")]
        arguments: String,
        /// For whom.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Calls an operation many times and says how long that took.
    Bench {
        /// Which tool: namespace/name.
        name: String,
        /// Which operation.
        operation: String,
        /// The arguments, a JSON object.
        #[arg(default_value = "{}")]
        arguments: String,
        /// How many calls.
        #[arg(long, default_value_t = 1_000)]
        calls: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// For whom.
        #[command(flatten)]
        by: ByOptions,
    },
    /// Shows what a tool said lately.
    Logs {
        /// Which: namespace/name.
        name: String,
    },
    /// Begins a tool of your own: a folder with all that it needs.
    New {
        /// What it is called: name, or namespace/name.
        name: String,
        /// What it is written in. JavaScript needs no compiler.
        #[arg(long, value_enum, default_value = "js")]
        lang: WrittenIn,
        /// Where; a folder of its name here, when it is not given.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Makes the package of your tool, signed with your key.
    Build {
        /// The folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Signs it with nobody's key.
        #[arg(long)]
        unsigned: bool,
    },
    /// Calls your tool as calls.toml says, against recorded/*.http, in a sandbox as a house has it.
    Test {
        /// The folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Checks a package without installing it: signature, manifest, digests.
    Verify {
        /// The package: NAME.hearth.
        file: PathBuf,
    },
}

/// What a tool is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WrittenIn {
    /// Rust, compiled to a component by your own compiler.
    Rust,
    /// JavaScript, run by an engine that comes with the house.
    Js,
}

/// A package, and what is answered to what it asks for.
#[derive(Debug, Clone, Args)]
pub struct PackageOptions {
    /// The package: NAME.hearth, or one that comes with the house: hearth/weather (see `hearth tool own`).
    pub file: PathBuf,
    /// Nobody has to have signed it.
    #[arg(long)]
    pub unsigned: bool,
    /// What is answered.
    #[command(flatten)]
    pub answers: AnswerOptions,
}

/// What is answered to what a tool asks for.
#[derive(Debug, Clone, Args)]
pub struct AnswerOptions {
    /// The secret that stands for a slot of the tool.
    #[arg(long = "secret", value_name = "SLOT=NAME", value_parser = pair)]
    pub secrets: Vec<(String, String)>,
    /// The host that stands for a place of the tool: https://host[:port], with ` lan` behind it for a device of the house.
    #[arg(long = "place", value_name = "PLACE=HOST", value_parser = pair)]
    pub places: Vec<(String, String)>,
    /// It may search what the house remembers, if it wants to.
    #[arg(long)]
    pub memory: bool,
    /// Grants it without asking.
    #[arg(long)]
    pub yes: bool,
    /// Who does it.
    #[command(flatten)]
    pub by: ByOptions,
}

/// Who does something.
#[derive(Debug, Clone, Args)]
pub struct ByOptions {
    /// As whom; the owner when it is not given.
    #[arg(long = "as", value_name = "MEMBER")]
    pub member: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() || value.is_empty() { Err("write it as NAME=VALUE".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}
