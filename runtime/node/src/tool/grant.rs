//! What an adult is asked before a tool gets anything: read, answered and sent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};

use super::command::AnswerOptions;
use super::show;
use crate::terminal::{Terminal, harmless};
use crate::wire::tools::{ShownTool, ToolAsk};

/// The answer to what this tool asks for; `None` when it is a no, or when there is nobody to ask.
pub(super) fn answer(tool: &ShownTool, options: &AnswerOptions, terminal: &Terminal) -> anyhow::Result<Option<ToolAsk>> {
    let mut secrets: BTreeMap<_, _> = options.secrets.iter().cloned().collect();
    let mut places: BTreeMap<_, _> = options.places.iter().cloned().collect();
    let mut memory = options.memory;
    if !options.yes {
        terminal.text(&harmless(&show::questions(tool)));
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        if let Some(wants) = &tool.wants {
            for (name, wanted) in &wants.places {
                fill(&mut places, name, &format!("Host for `{name}` ({}), such as https://example.com: ", wanted.purpose), terminal)?;
            }
            for (slot, wanted) in &wants.secrets {
                fill(&mut secrets, slot, &format!("Name of the secret for `{slot}` ({}), empty for none: ", wanted.purpose), terminal)?;
            }
            memory = memory || (wants.memory && is_yes(&ask("May it search what the house remembers? [y/N] ", terminal)?));
        }
        if !is_yes(&ask(&format!("Grant this to {}? [y/N] ", tool.name), terminal)?) {
            return Ok(None);
        }
    }
    Ok(Some(ToolAsk::Grant { name: tool.name.clone(), secrets, places, memory }))
}

/// What an owner has yet to allow at the vault, which asks for the owner's own word.
pub(super) fn vault_hint(tool: &ShownTool) -> Option<String> {
    let secrets = &tool.granted.as_ref()?.secrets;
    let user = format!("tool/{}", tool.name.replace('/', "."));
    let lines: String = secrets.values().map(|name| format!("  hearth secret allow {name} --use {user}\n")).collect();
    (!lines.is_empty())
        .then(|| format!("The vault uses a key for this tool when its owner allows that as well, unless that was done:\n{lines}"))
}

fn fill(into: &mut BTreeMap<String, String>, name: &str, prompt: &str, terminal: &Terminal) -> anyhow::Result<()> {
    if !into.contains_key(name) {
        let answer = ask(prompt, terminal)?;
        if !answer.is_empty() {
            into.insert(name.to_owned(), answer);
        }
    }
    Ok(())
}

fn ask(prompt: &str, terminal: &Terminal) -> anyhow::Result<String> {
    terminal.text(&harmless(prompt));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.to_lowercase().as_str(), "y" | "yes")
}
