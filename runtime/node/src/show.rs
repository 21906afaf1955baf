//! What the commands print: the tree and the state of the house.

use std::fmt::Write as _;

use serde_json::Value;

/// The tree as text: one line for each actor, below a line that says so when the house is stopped.
#[must_use]
pub fn tree(root: &Value, stopped: Option<&str>) -> String {
    let stopped = stopped.map(|stopped| format!("{stopped}\n")).unwrap_or_default();
    let mut text =
        format!("{stopped}{:<44} {:<11} {:>8} {:>12} {:>10}  {}\n", "NAME", "STATE", "RESTARTS", "MAILBOX", "UPTIME", "LAST EXIT");
    node(&mut text, root, "", "");
    text
}

fn node(text: &mut String, node: &Value, first: &str, rest: &str) {
    let field = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| node.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mailbox = if number("mailbox_capacity") == 0 {
        String::new()
    } else {
        format!("{}/{}/{}", number("mailbox_depth"), number("mailbox_high_water"), number("mailbox_capacity"))
    };
    let name = format!("{first}{}", field("name"));
    let uptime = duration(number("uptime_ms"));
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "{name:<44} {:<11} {:>8} {mailbox:>12} {uptime:>10}  {}", field("state"), number("restarts"), field("last_exit"));
    let children = node.get("children").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (n, child) in children.iter().enumerate() {
        let last = n.saturating_add(1) == children.len();
        let (branch, further) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        self::node(text, child, &format!("{rest}{branch}"), &format!("{rest}{further}"));
    }
}

fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..=59 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The state of the house as text.
#[must_use]
pub fn status(status: &Value) -> String {
    let field = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or("–").to_owned();
    let count =
        |name: &str| status.pointer(&format!("/counts/{name}")).and_then(Value::as_u64).map_or_else(|| "?".to_owned(), |n| n.to_string());
    let models = status.get("models").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let models: Vec<_> = models.iter().filter_map(Value::as_str).collect();
    let models = if models.is_empty() { "none configured; house commands work".to_owned() } else { models.join(", ") };
    let uptime = duration(status.get("uptime_ms").and_then(Value::as_u64).unwrap_or_default());
    let restarts = status.get("restarts").and_then(Value::as_u64).unwrap_or_default();
    let stopped = status.get("stopped").and_then(Value::as_str).map(|stopped| format!("{stopped}\n")).unwrap_or_default();
    format!(
        "hearth {}, up {uptime}, {restarts} restarts\n{stopped}\
         data          {}\n\
         page          {}\n\
         models        {models}\n\
         conversations {} ({} messages, {} turns at work)\n\
         memory        {} things\n\
         reminders     {} to come\n\
         deliveries    {} not confirmed, {} unknown\n",
        field("version"),
        field("data"),
        field("page"),
        count("conversations"),
        count("messages"),
        count("open_turns"),
        count("memories"),
        count("pending_reminders"),
        count("pending_deliveries"),
        count("unknown_deliveries"),
    )
}
