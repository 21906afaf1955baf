//! `hearth tool`: what members say to the toolbox of a house that runs, or that is raised for as long as this takes.

mod author;
mod command;
mod grant;
mod show;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_domain::tool::name::ToolName;
use hearth_own_tools::Own;
use hearth_tool_package::Unsigned;
use serde_json::{Value, json};

pub use command::{AnswerOptions, ByOptions, PackageOptions, ToolCommand};

use crate::bench::stats::percentile;
use crate::client::Client;
use crate::config::Config;
use crate::terminal::{Terminal, harmless, harmless_json};
use crate::wire::tools::{PIECE_BYTES, ShownTool, ToolAnswer, ToolAsk};
use crate::wire::{ClientFrame, HouseFrame};

/// What is said of an answer to another question.
const UNEXPECTED: &str = "the house gave an unexpected answer";
/// What the house itself waits at most, beyond its limits, before its own sentence comes.
const SLACK: Duration = Duration::from_secs(30);

/// Runs a command that needs no house; gives back one that does.
pub fn without_house(command: ToolCommand) -> Result<anyhow::Result<()>, ToolCommand> {
    match command {
        ToolCommand::Verify { file } => Ok(verify(&file)),
        ToolCommand::Own => Ok(show_own()),
        ToolCommand::New { name, lang, folder } => Ok(author::new(&name, lang, folder)),
        ToolCommand::Build { folder, unsigned } => Ok(author::build(&folder, unsigned)),
        ToolCommand::Test { folder } => Ok(author::test(&folder)),
        other => Err(other),
    }
}

/// The package that a command brings; empty for one that brings none.
pub fn package_of(command: &ToolCommand) -> anyhow::Result<Vec<u8>> {
    match command {
        ToolCommand::Install(options) | ToolCommand::Update(options) => match own(&options.file) {
            Some(own) => Ok(own.package()?),
            None => package(&options.file),
        },
        _ => Ok(Vec::new()),
    }
}

/// Runs one command against the house at this socket, with the package that it brings.
pub async fn run(config: &Config, socket: &Path, command: ToolCommand, package: Vec<u8>) -> anyhow::Result<()> {
    let client = Client::connect(socket).await?.context("the house has stopped; try again")?;
    let limits = &config.limits;
    let deadline = limits.tool_compile.max(limits.tool_deadline) + limits.commit_deadline + SLACK;
    let mut house = House { client, deadline, terminal: Terminal::new() };
    match command {
        ToolCommand::Install(options) => house.bring(&package, options, |unsigned| ToolAsk::Install { unsigned }).await,
        ToolCommand::Update(options) => house.bring(&package, options, |unsigned| ToolAsk::Update { unsigned }).await,
        ToolCommand::Mcp { server, answers } => {
            let tool = house.tool(answers.by.member.clone(), ToolAsk::Mcp { server }).await?;
            house.installed(&tool, &answers).await
        }
        ToolCommand::Grant { name, answers } => {
            let tool = house.tool(None, ToolAsk::Show { name }).await?;
            house.granted(&tool, &answers).await
        }
        ToolCommand::Revoke { name, by } => {
            let tool = house.tool(by.member, ToolAsk::Revoke { name }).await?;
            house.say(&format!("The grant of {} is taken back.", tool.name))
        }
        ToolCommand::Remove { name, by } => {
            let tool = house.tool(by.member, ToolAsk::Remove { name }).await?;
            house.say(&format!("{} is removed, with all that it kept.", tool.name))
        }
        ToolCommand::List { json } => {
            let ToolAnswer::Tools { tools } = house.ask(None, ToolAsk::List).await? else { bail!(UNEXPECTED) };
            house.print(json, &serde_json::to_value(&tools)?, &show::list(&tools))
        }
        ToolCommand::Show { name, json } => {
            let tool = house.tool(None, ToolAsk::Show { name }).await?;
            house.print(json, &serde_json::to_value(&tool)?, &show::tool(&tool))
        }
        ToolCommand::Logs { name } => {
            let ToolAnswer::Lines { lines } = house.ask(None, ToolAsk::Logs { name }).await? else { bail!(UNEXPECTED) };
            house.terminal.text(&harmless(&show::lines(&lines)));
            Ok(())
        }
        ToolCommand::Call { name, operation, arguments, by } => {
            let (value, _) = house.call(&name, &operation, &arguments, by.member).await?;
            house.print(true, &value, "")
        }
        ToolCommand::Bench { name, operation, arguments, calls, json, by } => {
            house.bench(&name, &operation, &arguments, calls, json, by.member).await
        }
        other => without_house(other).unwrap_or_else(|_| bail!(UNEXPECTED)),
    }
}

/// A house that listens.
struct House {
    client: Client,
    deadline: Duration,
    terminal: Terminal,
}

impl House {
    async fn ask(&mut self, member: Option<String>, ask: ToolAsk) -> anyhow::Result<ToolAnswer> {
        match self.client.ask_within(&ClientFrame::Tool { member, ask }, self.deadline).await? {
            HouseFrame::Tool { answer } => Ok(answer),
            _ => bail!(UNEXPECTED),
        }
    }

    async fn tool(&mut self, member: Option<String>, ask: ToolAsk) -> anyhow::Result<ShownTool> {
        match self.ask(member, ask).await? {
            ToolAnswer::Tool(tool) => Ok(*tool),
            _ => bail!(UNEXPECTED),
        }
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        self.terminal.line(&harmless(text));
        Ok(())
    }

    fn print(&self, json: bool, value: &Value, text: &str) -> anyhow::Result<()> {
        let text = if json { format!("{}\n", harmless_json(&serde_json::to_string_pretty(value)?)) } else { harmless(text) };
        self.terminal.text(&text);
        Ok(())
    }

    /// Sends a package and asks for the grant, where there is something to ask.
    async fn bring(&mut self, package: &[u8], options: PackageOptions, ask: impl FnOnce(bool) -> ToolAsk) -> anyhow::Result<()> {
        for piece in package.chunks(PIECE_BYTES) {
            let piece = ToolAsk::Piece { base64: STANDARD.encode(piece) };
            let ToolAnswer::Taken = self.ask(None, piece).await? else { bail!(UNEXPECTED) };
        }
        // Nobody signs what comes with the house.
        let unsigned = options.unsigned || own(&options.file).is_some();
        let tool = self.tool(options.answers.by.member.clone(), ask(unsigned)).await?;
        self.installed(&tool, &options.answers).await
    }

    async fn installed(&mut self, tool: &ShownTool, options: &AnswerOptions) -> anyhow::Result<()> {
        if tool.state == "granted" {
            return self.say(&format!("{} {} is installed. It asks for nothing more than it was granted.", tool.name, tool.version));
        }
        self.say(&format!("{} {} is installed.", tool.name, tool.version))?;
        self.granted(tool, options).await
    }

    async fn granted(&mut self, tool: &ShownTool, options: &AnswerOptions) -> anyhow::Result<()> {
        let Some(grant) = grant::answer(tool, options, &self.terminal)? else {
            return self.say(&format!("Nothing is granted. When you want to: hearth tool grant {}", tool.name));
        };
        let tool = self.tool(options.by.member.clone(), grant).await?;
        self.say(&format!("{} may be called now: {}", tool.name, tool.functions.join(", ")))?;
        grant::vault_hint(&tool).map_or(Ok(()), |hint| {
            self.terminal.text(&harmless(&hint));
            Ok(())
        })
    }

    /// What a call gave, and how many microseconds it took in the house.
    async fn call(&mut self, name: &str, operation: &str, arguments: &str, member: Option<String>) -> anyhow::Result<(Value, u64)> {
        let tool: ToolName = name.to_owned().try_into().with_context(|| format!("`{}` is no name of a tool", harmless(name)))?;
        let arguments: Value = serde_json::from_str(arguments).context("the arguments are no JSON")?;
        match self.ask(member, ToolAsk::Call { function: tool.function(operation), arguments }).await? {
            ToolAnswer::Result { value, took_us } => Ok((value, took_us)),
            _ => bail!(UNEXPECTED),
        }
    }

    async fn bench(
        &mut self,
        name: &str,
        operation: &str,
        arguments: &str,
        calls: u32,
        json: bool,
        member: Option<String>,
    ) -> anyhow::Result<()> {
        // The first one starts the process.
        let (_, cold_us) = self.call(name, operation, arguments, member.clone()).await?;
        let mut took = Vec::new();
        for _ in 0..calls.max(1) {
            took.push(self.call(name, operation, arguments, member.clone()).await?.1 as f64);
        }
        let (p50, p99) = (percentile(&mut took, 0.5), percentile(&mut took, 0.99));
        let value = json!({ "calls": took.len(), "first_us": cold_us, "p50_us": p50, "p99_us": p99 });
        self.print(json, &value, &format!("{} calls: p50 {p50} us, p99 {p99} us in the house; the first took {cold_us} us\n", took.len()))
    }
}

/// The tool that comes with the house, when it is its name and not a file's.
fn own(file: &Path) -> Option<&'static Own> {
    file.to_str().and_then(hearth_own_tools::find).filter(|_| !file.exists())
}

fn package(file: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("{} cannot be read", harmless(&file.display().to_string()));
    hearth_tool_package::check_length(std::fs::metadata(file).with_context(unreadable)?.len())?;
    std::fs::read(file).with_context(unreadable)
}

fn show_own() -> anyhow::Result<()> {
    let mut text = String::new();
    for own in hearth_own_tools::ALL {
        let manifest = hearth_tool_package::read_manifest(own.manifest)?;
        text.push_str(&format!("{:<24} {:<8} {}\n", own.name, manifest.version, manifest.description));
    }
    Terminal::new().text(&harmless(&text));
    Ok(())
}

fn verify(file: &Path) -> anyhow::Result<()> {
    let package = hearth_tool_package::read(&package(file)?, Unsigned::Allowed)?;
    let (manifest, release) = (&package.manifest, &package.release);
    let author = release.author.map_or_else(|| "nobody: it may come from anybody".to_owned(), |key| key.to_string());
    let text = format!(
        "{} {} is whole.\n  signed by  {author}\n  component  {}\n  manifest   {}\n",
        manifest.name, manifest.version, release.component, release.manifest
    );
    let questions = hearth_domain::tool::grant::ask(manifest, release);
    let asked: String = questions.iter().map(|question| format!("  - {}\n", question.sentence)).collect();
    Terminal::new().text(&harmless(&format!("{text}It would ask for this:\n{asked}")));
    Ok(())
}
