//! What `hearth tool` prints of a tool.

use std::fmt::Write as _;

use serde_json::Value;

use crate::wire::tools::{ShownTool, ToolLine};

/// A line for each tool.
pub(super) fn list(tools: &[ShownTool]) -> String {
    if tools.is_empty() {
        return "No tool is installed.\n".to_owned();
    }
    let mut text = format!("{:<36} {:<10} {:<12} WHAT FOR\n", "NAME", "VERSION", "STATE");
    for tool in tools {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<36} {:<10} {:<12} {}", tool.name, tool.version, tool.state, tool.description);
    }
    text
}

/// All that is known of a tool.
pub(super) fn tool(tool: &ShownTool) -> String {
    let mut text = format!("{} {}: {}\n", tool.name, tool.version, tool.description);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<11}{value}");
    };
    line("state", &tool.reason.as_ref().map_or_else(|| tool.state.clone(), |reason| format!("{}: {reason}", tool.state)));
    line("component", &tool.component);
    line("signed by", tool.author.as_deref().unwrap_or("nobody"));
    tool.functions.iter().for_each(|function| line("function", function));
    if let Some(granted) = tool.granted.as_ref().filter(|_| tool.state != "waiting") {
        granted.rules.iter().for_each(|rule| line("may", rule));
        granted.places.iter().for_each(|(name, host)| line("place", &format!("{name} = {host}")));
        granted.secrets.iter().for_each(|(slot, name)| line("secret", &format!("{slot} = {name}")));
        if granted.keyvalue_bytes > 0 {
            line("keeps", &format!("up to {} bytes for each member", granted.keyvalue_bytes));
        }
        if granted.memory {
            line("memory", "may search what the house remembers");
        }
    }
    if let Some(process) = &tool.process {
        for (name, value) in process.as_object().into_iter().flatten().filter(|(name, _)| *name != "confined") {
            line(name, &plain(value));
        }
        for part in process.get("confined").and_then(Value::as_array).into_iter().flatten() {
            line("confined", &part.as_array().map(|pair| pair.iter().map(plain).collect::<Vec<_>>().join(": ")).unwrap_or_default());
        }
    }
    text.push_str(&questions(tool));
    text
}

/// What an adult has to say yes to; empty when that is nothing.
pub(super) fn questions(tool: &ShownTool) -> String {
    if tool.questions.is_empty() {
        return String::new();
    }
    let mut text = format!("{} asks for this:\n", tool.name);
    for question in &tool.questions {
        let _ = writeln!(text, "  - {question}");
    }
    text
}

/// The lines of a log.
pub(super) fn lines(lines: &[ToolLine]) -> String {
    if lines.is_empty() {
        return "It has said nothing since the house started.\n".to_owned();
    }
    lines.iter().map(|line| format!("{} {:<5} {}\n", line.at, line.level, line.text)).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
