//! Starts one MCP server as the house does, lists what it can do, and calls each operation once with plain arguments.
//!
//! ```text
//! client URL                                        a server elsewhere, without a broker between
//! client FOLDER PROGRAMS -- COMMAND ARGUMENTS…      a confined process with that folder of its own and that code
//! ```
//!
//! Ends with 0 when the server could be listed, whatever its operations came to. `conformance.sh` runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is for a person at a terminal")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use hearth_domain::sandbox::{
    Ask, Call, Heard, Line, NoSandboxes, Operation, Outcome, Part, SandboxLimits, SandboxLine, Sandboxes as _, Started, Tell,
};
use hearth_domain::tool::name::MCP;
use hearth_mcp::component;
use hearth_mcp::config::{Http, Limits, Server, Stdio, What};
use hearth_mcp::http::Ways;
use hearth_mcp::operations::manifest_of;
use hearth_mcp::port::McpSandboxes;
use hearth_supervisor::process::spawner::Spawner;
use serde_json::{Map, Value, json};

const NAME: &str = "tried";
const DEADLINE_MS: u32 = 20_000;
/// Bytes of a part that are shown.
const SHOWN: usize = 90;

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some((verb, rest)) = arguments.split_first()
        && verb == hearth_mcp::server::VERB
    {
        return hearth_mcp::server::main(rest.to_vec());
    }
    let tried = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failed::from);
    match tried.and_then(|runtime| runtime.block_on(run(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn server(arguments: &[OsString]) -> Result<Server, Failed> {
    let text = |argument: &OsString| argument.clone().into_string().map_err(|_| "an argument is no text");
    let what = match arguments {
        [url] => What::Http(Http { url: text(url)?.parse()?, key: None }),
        [folder, programs, end, command @ ..] if end == "--" => What::Stdio(Stdio {
            command: command.iter().map(text).collect::<Result<_, _>>()?,
            folder: folder.into(),
            variables: BTreeMap::new(),
            programs: vec![programs.into()],
        }),
        _ => return Err("usage: client URL | client FOLDER PROGRAMS -- COMMAND ARGUMENTS…".into()),
    };
    Ok(Server { name: NAME.to_owned(), what, tools: Vec::new(), says: BTreeMap::new(), limits: Limits::default() })
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn run(arguments: &[OsString]) -> Result<(), Failed> {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let ways = Ways { vault: client.clone(), egress: client };
    let port = McpSandboxes::new(Arc::new(Spawner::start()?), ways, vec![server(arguments)?], Arc::new(NoSandboxes))?;
    let digest = component::digest(&component::of(NAME));
    let limits = SandboxLimits { compute: Duration::from_secs(60), ..SandboxLimits::default() };
    let began = Instant::now();
    let (mut line, mut heard): Started = port.start(&format!("{}/{NAME}", MCP), &digest, limits).await?;
    let operations = match heard.next().await {
        Some(Heard::Tell(Tell::Ready { operations, confined })) => {
            confined.iter().for_each(|(part, outcome)| println!("confined: {part}: {outcome}"));
            operations
        }
        Some(Heard::Tell(Tell::Unfit(fault))) => {
            println!("not usable: {fault}");
            return Ok(());
        }
        other => return Err(format!("{other:?}").into()),
    };
    println!("ready after {} ms, {} operations", began.elapsed().as_millis(), operations.len());
    manifest_of(NAME, "1.0.0".parse()?, &operations)?.check()?;
    for (id, operation) in (1..).zip(&operations) {
        let began = Instant::now();
        let (said, came) = call(&mut line, &mut heard, id, operation).await?;
        println!("{}: {came} ({} ms, {said} lines on the way)", operation.name, began.elapsed().as_millis());
    }
    Ok(())
}

async fn call(
    line: &mut Box<dyn SandboxLine>,
    heard: &mut futures_util::stream::BoxStream<'static, Heard>,
    id: u64,
    operation: &Operation,
) -> Result<(usize, String), Failed> {
    let schema = serde_json::from_str::<Value>(&operation.parameters)?;
    line.ask(Ask::Call(Call {
        id,
        operation: operation.name.clone(),
        arguments: plain(&schema).to_string(),
        key: String::new(),
        member: String::new(),
        locale: "en".to_owned(),
        zone: "Etc/UTC".to_owned(),
        deadline_ms: DEADLINE_MS,
        wall_ms: 0,
        seed: [0; 32],
    }));
    let mut said = 0;
    loop {
        match heard.next().await {
            Some(Heard::Tell(Tell::Said { line: Line::Log(..) | Line::Progress(_), .. })) => said += 1,
            Some(Heard::Tell(Tell::Done { outcome, .. })) => return Ok((said, shown(&outcome))),
            other => return Err(format!("{}: {other:?}", operation.name).into()),
        }
    }
}

/// Arguments that a schema asks for.
fn plain(schema: &Value) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return json!({}) };
    let value =
        |of: &Value| match (of.get("default"), of.get("enum").and_then(|values| values.get(0)), of.get("type").and_then(Value::as_str)) {
            (Some(value), _, _) | (None, Some(value), _) => value.clone(),
            (None, None, Some("number" | "integer")) => json!(3),
            (None, None, Some("boolean")) => json!(true),
            (None, None, Some("object")) => json!({}),
            (None, None, Some("array")) => json!([]),
            (None, None, _) => json!("hello"),
        };
    Value::Object(properties.iter().map(|(name, of)| (name.clone(), value(of))).collect::<Map<_, _>>())
}

fn shown(outcome: &Outcome) -> String {
    let cut = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect::<String>();
    match outcome {
        Outcome::Parts(parts) => {
            let part = |part: &Part| match part {
                Part::Text(text) => format!("text `{}`", cut(text)),
                Part::Json(text) => format!("JSON `{}`", cut(text)),
                Part::Blob { media_type, base64 } => format!("{media_type} of {} bytes", base64.len() / 4 * 3),
            };
            parts.iter().map(part).collect::<Vec<_>>().join(", ")
        }
        Outcome::Refused(refusal) => format!("refused ({:?}): {}", refusal.kind, cut(&refusal.sentence)),
        Outcome::Fault(fault) => format!("fault: {fault}"),
    }
}
