//! What runs tools: the processes that this program becomes for them, and where compiled tools are kept.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_domain::sandbox::Sandboxes;
use hearth_supervisor::process::spawn::Spawner;
use hearth_tool_host::cache::CacheKey;
use hearth_tool_host::port::{COMPILE, SANDBOX, Sandboxer};
use hearth_tool_host::{compile, sandbox};

/// The folder of compiled tools, in the data folder. What is in it can be removed: it is made again from what the store has.
const FOLDER: &str = "compiled";

/// The port.
pub fn port(data: &Path, spawner: &Arc<Spawner>) -> anyhow::Result<Arc<dyn Sandboxes>> {
    let folder = data.join(FOLDER);
    let key = CacheKey::of(&folder).context("tools cannot be kept ready")?;
    Ok(Arc::new(Sandboxer::new(Arc::clone(spawner), &folder, key).context("tools cannot be run")?))
}

/// What is started for tools, whole: a process learns what it is for over its own line.
#[must_use]
pub fn command_lines() -> [Vec<std::ffi::OsString>; 2] {
    [vec![SANDBOX.into()], vec![COMPILE.into()]]
}

/// Runs one of the processes, when that is what this program was started for.
pub fn as_process() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let verb = arguments.next()?;
    match verb.to_str()? {
        SANDBOX => Some(sandbox::main()),
        COMPILE => Some(compile::main()),
        _ => None,
    }
}
