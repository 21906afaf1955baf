//! `hearth policy`, `hearth approvals`, `hearth grants`: what may be done in this house, what waits for a person's yes, and what was allowed.
//!
//! The rules are read from the configuration at the start; no message of a model, a tool or the network changes them (I-8).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use hearth_adapters::system::SystemClock;
use hearth_domain::budget::Kind;
use hearth_domain::time::Clock as _;
use hearth_rules::question::{World, parse_question};
use hearth_rules::request::{Moment, Person};
use hearth_rules::rules::{Author, Rule, Rules};
use hearth_rules::suite::Suite;

use crate::client::Client;
use crate::config::Config;
use crate::terminal::{Terminal, harmless};
use crate::wire::policy::{Budgeted, PolicyAnswer, PolicyAsk};
use crate::wire::{ClientFrame, HouseFrame};

mod vocabulary;

/// What to do about the rules.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Says whether the household's rules are right, and where they are not.
    Check {
        /// The file; the one of the configuration when it is not given.
        file: Option<PathBuf>,
    },
    /// Prints the rules in force.
    Show {
        /// The one of this name, as it is written.
        rule: Option<String>,
    },
    /// Asks the questions of a file (TOML) and says which are answered otherwise than it says.
    Test {
        /// The file.
        questions: PathBuf,
    },
    /// Answers one question, such as "may Mia unlock the front door at 22:00?", with the rules that decide.
    Explain {
        /// The question.
        question: String,
    },
}

/// What to do about questions that wait.
#[derive(Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// Yes, this once.
    Yes {
        /// The question's code; not needed when only one waits.
        code: Option<String>,
    },
    /// No.
    No {
        /// The question's code; not needed when only one waits.
        code: Option<String>,
    },
    /// Yes, from now on whenever it hits the same.
    Always {
        /// The question's code; not needed when only one waits.
        code: Option<String>,
    },
}

/// What to do about what was allowed.
#[derive(Debug, Subcommand)]
pub enum GrantsCommand {
    /// Takes one back.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// The rules of this configuration.
pub fn rules(config: &Config) -> anyhow::Result<Arc<Rules>> {
    let own = config.house.rules.as_deref().map_or_else(|| Ok(String::new()), read)?;
    Ok(Arc::new(Rules::new(Rules::DEFAULTS, &own)?))
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("the household's rules {} cannot be read", file.display()))
}

/// Runs one command. No house is needed.
pub fn run(config: &Config, what: PolicyCommand, terminal: &Terminal) -> anyhow::Result<()> {
    match what {
        PolicyCommand::Check { file } => {
            let rules = match file {
                Some(file) => Arc::new(Rules::new(Rules::DEFAULTS, &read(&file)?)?),
                None => rules(config)?,
            };
            let own = rules.iter().filter(|rule| rule.author == Author::Household).count();
            terminal.line(&format!("The rules are right: {own} of the household, {} in force.", rules.iter().count()));
            Ok(())
        }
        PolicyCommand::Show { rule: None } => {
            rules(config)?.iter().for_each(|rule| terminal.line(&harmless(&line(rule))));
            Ok(())
        }
        PolicyCommand::Show { rule: Some(id) } => {
            let rules = rules(config)?;
            let found =
                rules.iter().find(|rule| rule.id == id).with_context(|| format!("no rule is called `{id}`; see hearth policy show"))?;
            terminal.text(&harmless(&format!("{}\n", found.text.trim())));
            Ok(())
        }
        PolicyCommand::Test { questions } => {
            let text = fs::read_to_string(&questions).with_context(|| format!("{} cannot be read", questions.display()))?;
            test(config, &Suite::parse(&text)?, terminal)
        }
        PolicyCommand::Explain { question } => {
            let rules = rules(config)?;
            let explained = with_world(config, |world| Ok(rules.explain(&parse_question(&question, &world)?)))?;
            terminal.text(&harmless(&format!("{}\n", explained.trim_end())));
            Ok(())
        }
    }
}

fn line(rule: &Rule) -> String {
    let (stance, author) = (if rule.forbids { "no " } else { "yes" }, if rule.author == Author::House { "house" } else { "own  " });
    format!("{stance}  {author}  {:<28} {}", rule.id, rule.says)
}

fn test(config: &Config, suite: &Suite, terminal: &Terminal) -> anyhow::Result<()> {
    let rules = rules(config)?;
    let checked = with_world(config, |world| Ok(suite.run(&rules, &world)))?;
    let mut wrong = 0_usize;
    for one in &checked {
        let got = match &one.got {
            Ok(decision) => if decision.allows() { "yes" } else { "no" }.to_owned(),
            Err(error) => error.to_string(),
        };
        if !one.passed() {
            wrong = wrong.saturating_add(1);
        }
        terminal.line(&harmless(&format!("{:<5} {}  {got}", if one.passed() { "ok" } else { "WRONG" }, one.expected.ask)));
    }
    if wrong > 0 {
        bail!("{wrong} of {} questions are answered otherwise", checked.len());
    }
    terminal.line(&format!("{} questions are answered as they must be.", checked.len()));
    Ok(())
}

fn with_world<T>(config: &Config, ask: impl FnOnce(World<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let everybody = config.everybody();
    let zone = everybody.first().map_or(jiff::tz::TimeZone::UTC, hearth_domain::household::Member::time_zone);
    let members: Vec<_> = everybody.into_iter().map(|member| Person { name: member.name, role: member.role }).collect();
    let now = SystemClock.wall();
    let tools = vocabulary::capabilities();
    ask(World { members: &members, tools: &tools, now: Moment::of(&now.to_zoned(zone)) })
}

/// What a person wants of policy, in words of the socket.
#[must_use]
pub fn approvals(what: Option<ApprovalsCommand>) -> PolicyAsk {
    let reply =
        |word: &str, code: Option<String>| PolicyAsk::Reply { text: code.map_or_else(|| word.to_owned(), |code| format!("{word} {code}")) };
    match what {
        None => PolicyAsk::Waiting,
        Some(ApprovalsCommand::Yes { code }) => reply("/yes", code),
        Some(ApprovalsCommand::No { code }) => reply("/no", code),
        Some(ApprovalsCommand::Always { code }) => reply("/always", code),
    }
}

/// The stop of the house, or its end.
#[must_use]
pub fn estop(lift: bool) -> PolicyAsk {
    PolicyAsk::Reply { text: if lift { "/estop lift" } else { "/estop" }.to_owned() }
}

/// The same of grants.
#[must_use]
pub fn grants(what: Option<GrantsCommand>) -> PolicyAsk {
    match what {
        None => PolicyAsk::Grants,
        Some(GrantsCommand::Revoke { id }) => PolicyAsk::Revoke { id },
    }
}

/// What a member has used, in lines.
fn budgeted(one: &Budgeted) -> String {
    let line = |kind: Kind| {
        let (used, cap) = (one.used.of(kind), one.cap.of(kind));
        let percent = used.saturating_mul(100).checked_div(cap).map_or_else(String::new, |percent| format!("  {percent} %"));
        format!("  {:<26}{:>14} of {}{percent}", kind.words(), kind.shown(used), kind.shown(cap))
    };
    let lines: Vec<_> = Kind::ALL.into_iter().map(line).collect();
    format!("{}, {}\n{}", one.member, one.day, lines.join("\n"))
}

/// Asks the house at this socket.
pub async fn ask(socket: &Path, member: Option<String>, ask: PolicyAsk, json: bool) -> anyhow::Result<()> {
    let mut client = Client::connect(socket).await?.context("the house has stopped; try again")?;
    let HouseFrame::Policy { answer } = client.ask(&ClientFrame::Policy { member, ask }).await? else {
        bail!("the house gave an unexpected answer")
    };
    let terminal = Terminal::new();
    if json {
        terminal.line(&harmless(&serde_json::to_string_pretty(&answer)?));
        return Ok(());
    }
    let text = match answer {
        PolicyAnswer::Said { sentence } => sentence,
        PolicyAnswer::Waiting { questions } if questions.is_empty() => "No question waits for your answer.".to_owned(),
        PolicyAnswer::Waiting { questions } => {
            let each = questions
                .iter()
                .map(|question| format!("{}\n  hearth approvals yes {1}, or no {1}, or always {1}", question.text, question.code));
            each.collect::<Vec<_>>().join("\n\n")
        }
        PolicyAnswer::Budget { members } => members.iter().map(budgeted).collect::<Vec<_>>().join("\n"),
        PolicyAnswer::Grants { grants } if grants.is_empty() => "Nothing is allowed beforehand.".to_owned(),
        PolicyAnswer::Grants { grants } => {
            grants.iter().map(|grant| format!("{}  {}", grant.id, grant.text)).collect::<Vec<_>>().join("\n")
        }
    };
    terminal.line(&harmless(&text));
    Ok(())
}
