//! What is called, and what must come of it.

use hearth_domain::sandbox::{Fault, ToolRefusalKind};

pub(crate) struct Step {
    pub(crate) tool: &'static str,
    pub(crate) operation: &'static str,
    /// JSON.
    pub(crate) arguments: &'static str,
    /// The tool says no, in this way; then the value is its sentence.
    pub(crate) refused: Option<ToolRefusalKind>,
    /// JSON pointer into the first part.
    pub(crate) at: &'static str,
    /// What stands there, JSON; of a refusal its sentence.
    pub(crate) is: &'static str,
}

const fn gives(tool: &'static str, operation: &'static str, arguments: &'static str, at: &'static str, is: &'static str) -> Step {
    Step { tool, operation, arguments, refused: None, at, is }
}

const fn refuses(tool: &'static str, arguments: &'static str, sentence: &'static str) -> Step {
    Step { tool, operation: "run", arguments, refused: Some(ToolRefusalKind::Failed), at: "", is: sentence }
}

pub(crate) const CALLS: &[Step] = &[
    gives("calendar", "setup", r#"{"address": "https://dav.example/cal/home"}"#, "/address", r#""https://dav.example/cal/home/""#),
    gives("calendar", "list", "{}", "/events/0/title", r#""Holiday""#),
    gives("convert", "units", r#"{"value": 3, "from": "km", "to": "m"}"#, "/value", "3000.0"),
    gives("convert", "currency", r#"{"amount": 60, "from": "usd", "to": "GBP"}"#, "/amount", "40.0"),
    gives("convert", "time", r#"{"to": "Asia/Tokyo"}"#, "/time", r#""2026-03-01T21:00+09:00""#),
    gives("documents", "fetch", r#"{"url": "https://town.example/letter"}"#, "/complete", "true"),
    gives("documents", "text", r#"{"data": "YTtiCjEsNTsy", "name": "t.csv"}"#, "/kind", r#""csv""#),
    gives("documents", "fetch", r#"{"url": "https://town.example/bomb.pdf"}"#, "/complete", "false"),
    Step {
        tool: "documents",
        operation: "fetch",
        arguments: r#"{"url": "https://town.example/bomb.docx"}"#,
        refused: Some(ToolRefusalKind::BadArguments),
        at: "",
        is: "this document is larger inside than it may be",
    },
    gives("feeds", "read", r#"{"url": "https://blog.example/atom"}"#, "/feed", r#""Blog""#),
    gives("homeassistant", "state", r#"{"entity": "light.kitchen"}"#, "/state", r#""on""#),
    gives("probe", "echo", r#"{"x": 1}"#, "/arguments/x", "1"),
    gives("probe", "keep", r#"{"key": "a", "value": "b"}"#, "", r#""kept""#),
    gives("probe", "kept", r#"{"key": "a"}"#, "", r#""b""#),
    gives("probe", "keys", r#"{"key": ""}"#, "/0", r#""a""#),
    gives("probe", "recall", r#"{"query": "bins"}"#, "/0/text", r#""the bins are on Tuesday""#),
    gives("probe", "random", r#"{"bytes": 4}"#, "", r#""385553aa""#),
    gives("probe", "echo", "{}", "/call", r#""call-7""#),
    gives("probe", "tell", r#"{"line": "so far"}"#, "", r#""told""#),
    gives("script", "run", r#"{"code": "input.map(x => x * 2)", "input": [1, 2.5]}"#, "", "[2, 5]"),
    gives("script", "run", r#"{"code": "const f = n => n < 2 ? n : f(n - 1) + f(n - 2);\nreturn f(25)"}"#, "", "75025"),
    gives("script", "run", r#"{"code": "new Date().toISOString().slice(0, 16)"}"#, "", r#""2026-03-01T12:00""#),
    refuses("script", r#"{"code": "while (true) {}"}"#, "the script computed longer than it may; let it do less"),
    refuses("script", r#"{"code": "\nfunction f() { return f() + 1 }\nf()"}"#, "line 2: RangeError: Maximum call stack size exceeded"),
    refuses(
        "script",
        r#"{"code": "const a = [];\nfor (;;) a.push([a.length])"}"#,
        "the script needs more memory than it may have, or threw null",
    ),
    gives("weather", "now", r#"{"place": "Springfield, Illinois"}"#, "/place", r#""Springfield, Illinois, United States""#),
    Step {
        tool: "weather",
        operation: "now",
        arguments: r#"{"place": "Xyzzy&count=1"}"#,
        refused: Some(ToolRefusalKind::NotFound),
        at: "",
        is: "no place has this name; try another spelling, or the nearest larger town",
    },
    gives("web", "fetch", r#"{"url": "https://news.example/story"}"#, "/title", r#""The story""#),
];

/// What the probe does that a tool must not, and how it ends. A stack in its own memory, `deep`'s, is used up before the engine's.
pub(crate) const FAULTS: &[(&str, Fault)] =
    &[("spin", Fault::OutOfFuel), ("grow", Fault::Memory), ("crash", Fault::Trap), ("deep", Fault::Trap), ("big", Fault::Memory)];
