//! What `hearth tool` does for authors: a folder to begin with, a package of it, and a trial. No house is needed; the processes are as a
//! house has them.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use directories::ProjectDirs;
use hearth_domain::tool::name::ToolName;
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_author::build::{Packed, pack};
use hearth_tool_author::template::{self, Language};
use hearth_tool_author::{source, trial};
use hearth_tool_host::cache::CacheKey;
use hearth_tool_host::port::Sandboxer;
use hearth_tool_package::SecretKey;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::command::WrittenIn;
use crate::telemetry;
use crate::terminal::{Terminal, harmless};

/// Namespace of a tool whose author names none.
const OWN: &str = "me";
/// The author's key, among the user's configuration.
const KEY: &str = "author.key";

/// `hearth tool new`
pub(super) fn new(name: &str, language: WrittenIn, folder: Option<PathBuf>) -> anyhow::Result<()> {
    let full = if name.contains('/') { name.to_owned() } else { format!("{OWN}/{name}") };
    let tool = ToolName::try_from(full)?;
    let folder = folder.unwrap_or_else(|| PathBuf::from(tool.name()));
    let language = match language {
        WrittenIn::Rust => Language::Rust,
        WrittenIn::Js => Language::JavaScript,
    };
    template::new(&folder, &tool, language)?;
    let (place, file) = (folder.display(), if language == Language::Rust { "src/lib.rs" } else { "tool.js" });
    Terminal::new().text(&harmless(&format!(
        "{tool} is begun in {place}: {file} is what it does, manifest.toml what it asks for, calls.toml what must come of it.\n\
         Next: hearth tool test {place}, hearth tool build {place}\n"
    )));
    Ok(())
}

/// `hearth tool build`
pub(super) fn build(folder: &Path, unsigned: bool) -> anyhow::Result<()> {
    let key = if unsigned { None } else { Some(author_key()?) };
    let component = source::component(folder)?;
    let Packed { path, manifest, .. } = with_sandboxes(async |sandboxes| Ok(pack(folder, component, sandboxes, key.as_ref()).await?))?;
    let signed = key.map_or_else(|| "nobody".to_owned(), |key| format!("you: {}", key.public()));
    Terminal::new().text(&harmless(&format!(
        "{} {}, signed by {signed}\n  {}\nNext: hearth tool install {1}\n",
        manifest.name,
        path.display(),
        manifest.operations.iter().map(|operation| operation.name.as_str()).collect::<Vec<_>>().join(", "),
    )));
    Ok(())
}

/// `hearth tool test`
pub(super) fn test(folder: &Path) -> anyhow::Result<()> {
    let component = source::component(folder)?;
    let tried = with_sandboxes(async |sandboxes| {
        let Packed { manifest, .. } = pack_apart(folder, component.clone(), sandboxes).await?;
        Ok(trial::run(folder, component, &manifest, sandboxes).await?)
    })?;
    let terminal = Terminal::new();
    for one in &tried {
        terminal.line(&harmless(&format!("{:<5} {}", if one.wrong.is_empty() { "ok" } else { "WRONG" }, one.what)));
        one.wrong.iter().for_each(|wrong| terminal.line(&harmless(&format!("      {wrong}"))));
    }
    let wrong = tried.iter().filter(|one| !one.wrong.is_empty()).count();
    if wrong > 0 {
        bail!("{wrong} of {} calls came out otherwise", tried.len());
    }
    terminal.line(&format!("{} calls came out as they must.", tried.len()));
    Ok(())
}

/// The same as a build, with its package thrown away.
async fn pack_apart(folder: &Path, component: Vec<u8>, sandboxes: &Sandboxer) -> anyhow::Result<Packed> {
    let apart = tempfile::tempdir()?;
    fs::copy(folder.join("manifest.toml"), apart.path().join("manifest.toml")).context("manifest.toml cannot be read")?;
    Ok(pack(apart.path(), component, sandboxes, None).await?)
}

/// Does something with processes for tools that are gone afterwards.
fn with_sandboxes<T>(work: impl AsyncFnOnce(&Sandboxer) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let folder = TempDir::new()?;
    let spawner = Arc::new(Spawner::start().context("no process can be started for the tool")?);
    let sandboxes = Sandboxer::new(spawner, &folder.path().join("compiled"), CacheKey::of(folder.path())?)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work(&sandboxes))
}

/// The author's key; made when there is none.
fn author_key() -> anyhow::Result<SecretKey> {
    let folder =
        ProjectDirs::from("", "", "hearth").context("no home folder is known, in which your key could be kept")?.config_dir().to_owned();
    let path = folder.join(KEY);
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => return SecretKey::of_text(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("your key {} cannot be read", path.display())),
    }
    let mut seed = Zeroizing::new([0; 32]);
    telemetry::random(seed.as_mut_slice());
    let key = SecretKey::of_seed(&seed);
    let kept = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).and_then(|()| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(key.to_text().as_bytes()).and_then(|()| file.sync_all())
    });
    kept.with_context(|| format!("your key cannot be kept in {}", path.display()))?;
    Terminal::new().line(&harmless(&format!(
        "Your key as an author is in {}. Keep a copy: it is by this key that your tools are known.",
        path.display()
    )));
    Ok(key)
}
