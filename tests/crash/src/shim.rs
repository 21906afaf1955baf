//! Starting processes under the shim.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::wire::{self, Frame, Kind};

const LIBRARY: &str = "libhearth_crash_shim.so";

/// The preloaded library.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Finds the library: `HEARTH_CRASH_SHIM`, or beside this program, or built now with cargo.
    pub fn locate() -> Result<Shim> {
        if let Some(path) = std::env::var_os("HEARTH_CRASH_SHIM") {
            return Ok(Shim { library: path.into() });
        }
        let here = std::env::current_exe()?;
        let beside = here.ancestors().skip(1).take(2).map(|dir| dir.join(LIBRARY)).find(|path| path.exists());
        match beside {
            Some(library) => Ok(Shim { library }),
            None => build(&here),
        }
    }

    /// Makes `command` run traced: changes under `watched` go to `trace`, and the file beside it with the extension
    /// `ack` is where the workload writes what it acknowledged (see [`Ack`]). What is already in `watched` is put at
    /// the start of a new trace; an existing trace is continued.
    pub fn command(&self, command: &mut Command, watched: &Path, trace: &Path) -> Result<()> {
        fs::create_dir_all(watched)?;
        let watched = watched.canonicalize()?;
        let parent = trace.parent().context("the trace needs a directory")?;
        let trace = parent.canonicalize()?.join(trace.file_name().context("the trace needs a name")?);
        ensure!(!trace.starts_with(&watched), "the trace must not be in the watched directory");
        if !trace.exists() {
            let mut out = File::create(&trace)?;
            base(&watched, Path::new(""), &mut out, &mut 0)?;
        }
        let ack = trace.with_extension("ack");
        File::create(&ack)?;
        command.env("LD_PRELOAD", &self.library).env(wire::ENV_DIR, &watched).env(wire::ENV_TRACE, &trace).env(wire::ENV_ACK, &ack);
        Ok(())
    }
}

/// Asks cargo for the library, in the target directory this program came from.
fn build(here: &Path) -> Result<Shim> {
    let release = here.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "release" || name == "debug"));
    let profile_dir = release.context("not in a cargo target directory; set HEARTH_CRASH_SHIM")?;
    let target = profile_dir.parent().context("no target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "-p", "hearth-crash-shim", "--target-dir"]).arg(target);
    if profile_dir.ends_with("release") {
        command.arg("--release");
    }
    ensure!(command.status()?.success(), "cannot build the shim");
    let library = profile_dir.join(LIBRARY);
    if !library.exists() {
        bail!("cargo did not make {}", library.display());
    }
    Ok(Shim { library })
}

/// Writes a record for everything in the directory, which counts as durable.
fn base(root: &Path, relative: &Path, out: &mut File, seq: &mut u64) -> Result<()> {
    let full = root.join(relative);
    let meta = fs::symlink_metadata(&full)?;
    let kind = meta.file_type();
    let (flag, data) = if kind.is_dir() {
        (wire::NODE_DIR, Vec::new())
    } else if kind.is_symlink() {
        (wire::NODE_LINK, fs::read_link(&full)?.as_os_str().as_bytes().to_vec())
    } else {
        (wire::NODE_FILE, fs::read(&full)?)
    };
    let name = relative.as_os_str().as_bytes();
    let frame = Frame { seq: *seq, inode: meta.ino(), flag, name, data: &data, ..Frame::new(Kind::Base) };
    *seq += 1;
    out.write_all(&frame.encode())?;
    if kind.is_dir() {
        let mut names = fs::read_dir(&full)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            base(root, &relative.join(name), out, seq)?;
        }
    }
    Ok(())
}

/// The workload's side of the acknowledgement channel.
#[derive(Debug)]
pub struct Ack(Option<File>);

impl Ack {
    /// Opens the channel that [`Shim::command`] named; without one, marks go nowhere.
    pub fn open() -> Result<Ack> {
        let Some(path) = std::env::var_os(wire::ENV_ACK) else { return Ok(Ack(None)) };
        let file = OpenOptions::new().append(true).open(&path).context("opening the acknowledgement file")?;
        Ok(Ack(Some(file)))
    }

    /// Says that `what` is durable from now on. One line, one write.
    pub fn mark(&self, what: &str) -> Result<()> {
        if let Some(mut file) = self.0.as_ref() {
            let line = format!("{what}\n");
            let count = file.write(line.as_bytes())?;
            ensure!(count == line.len(), "short write to the acknowledgement file");
        }
        Ok(())
    }
}
