//! What runs tools: the processes that this program becomes for them, where compiled tools are kept, and MCP servers.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_adapters::ways::Ways;
use hearth_domain::sandbox::Sandboxes;
use hearth_mcp::port::McpSandboxes;
use hearth_mcp::{http, server};
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_host::port::{COMPILE, SANDBOX, Sandboxer};
use hearth_tool_host::{compile, sandbox};

use crate::config::Config;

/// The folder of compiled tools, in the data folder. What is in it can be removed: it is made again from what the store has.
const FOLDER: &str = "compiled";

/// The port: components in processes of their own, and the MCP servers of the configuration.
pub fn port(config: &Config, data: &Path, spawner: &Arc<Spawner>, ways: &Ways) -> anyhow::Result<Arc<dyn Sandboxes>> {
    let components = Arc::new(Sandboxer::later(Arc::clone(spawner), &data.join(FOLDER)).context("tools cannot be run")?);
    let (vault, egress) = ways.clients();
    let servers = McpSandboxes::new(Arc::clone(spawner), http::Ways { vault, egress }, config.mcp.clone(), components)?;
    Ok(Arc::new(servers))
}

/// What is started for tools, whole: a component's process learns what it is for over its own line, and a server's from the configuration.
#[must_use]
pub fn command_lines(config: &Config) -> Vec<Vec<OsString>> {
    let servers = config.mcp.iter().filter_map(hearth_mcp::config::Server::arguments);
    [vec![SANDBOX.into()], vec![COMPILE.into()]].into_iter().chain(servers).collect()
}

/// Runs one of the processes, when that is what this program was started for.
pub fn as_process() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let verb = arguments.next()?;
    match verb.to_str()? {
        SANDBOX => Some(sandbox::main()),
        COMPILE => Some(compile::main()),
        server::VERB => Some(server::main(arguments)),
        _ => None,
    }
}
