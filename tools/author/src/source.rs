//! From an author's folder to a component: JavaScript is put into the engine that comes with the house, Rust is compiled by the author's
//! own compiler.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

use hearth_tool_package::javascript::{SourceError, component_of};

use crate::template::Language;

/// The target of a component.
const TARGET: &str = "wasm32-unknown-unknown";

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Neither of the two files by which a language is known.
    #[error("{0} is no folder of a tool: it has neither tool.js nor Cargo.toml; `hearth tool new NAME` makes one")]
    NoTool(PathBuf),
    /// A file.
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] io::Error),
    /// The JavaScript.
    #[error("tool.js becomes no component")]
    Source(#[from] SourceError),
    /// The compiler is not there.
    #[error("`{0}` cannot be started; a tool in Rust needs Rust (https://rustup.rs)")]
    NoCompiler(String, #[source] io::Error),
    /// The compiler has no standard library for components.
    #[error("this compiler has no target {TARGET}: rustup target add {TARGET} (without rustup: tools/sdk/README.md, 5)\n{0}")]
    NoTarget(String),
    /// The compiler's own words.
    #[error("the tool was not compiled:\n{0}")]
    Compile(String),
    /// The compiler names no file.
    #[error("the compiler made no component; is `crate-type = [\"cdylib\"]` in Cargo.toml?")]
    NoOutput,
}

/// What the tool of this folder is written in.
///
/// # Errors
/// It is no folder of a tool.
pub fn language(folder: &Path) -> Result<Language, ComponentError> {
    if folder.join("tool.js").is_file() {
        Ok(Language::JavaScript)
    } else if folder.join("Cargo.toml").is_file() {
        Ok(Language::Rust)
    } else {
        Err(ComponentError::NoTool(folder.to_owned()))
    }
}

/// The component of this folder. For Rust, this runs cargo.
///
/// # Errors
/// [`ComponentError`].
pub fn component(folder: &Path) -> Result<Vec<u8>, ComponentError> {
    let read = |path: PathBuf| fs::read(&path).map_err(|error| ComponentError::Read(path, error));
    match language(folder)? {
        Language::JavaScript => {
            let path = folder.join("tool.js");
            let source = fs::read_to_string(&path).map_err(|error| ComponentError::Read(path, error))?;
            Ok(component_of(&source)?)
        }
        Language::Rust => read(compile(folder)?),
    }
}

/// The path of the component that cargo made.
fn compile(folder: &Path) -> Result<PathBuf, ComponentError> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    if let Some(path) = with_linker() {
        cargo.env("PATH", path);
    }
    let Output { status, stdout, stderr } = cargo.output().map_err(|error| ComponentError::NoCompiler("cargo".to_owned(), error))?;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    if !status.success() {
        let no_target = said.contains("can't find crate for `core`") || said.contains("can't find crate for `std`");
        return Err(if no_target { ComponentError::NoTarget(said) } else { ComponentError::Compile(said) });
    }
    let messages = String::from_utf8_lossy(&stdout).into_owned();
    let mut files = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).filter_map(|message| {
        let names = message.get("filenames")?.as_array()?;
        names.iter().filter_map(|name| name.as_str()).find(|name| name.ends_with(".wasm")).map(PathBuf::from)
    });
    files.next_back().ok_or(ComponentError::NoOutput)
}

/// The path of commands with the folder before it in which the compiler has its linker for components.
fn with_linker() -> Option<OsString> {
    let said = |arguments: &[&str]| {
        let output = Command::new("rustc").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let version = said(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
    let linker = Path::new(said(&["--print", "sysroot"])?.trim()).join("lib/rustlib").join(host).join("bin");
    let before = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(linker).chain(std::env::split_paths(&before))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(component(folder.path()), Err(ComponentError::NoTool(_))));
        fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(language(folder.path()).unwrap(), Language::Rust);
        fs::write(folder.path().join("tool.js"), "").unwrap();
        assert_eq!(language(folder.path()).unwrap(), Language::JavaScript);
        assert!(matches!(component(folder.path()), Err(ComponentError::Source(SourceError::Empty))));
    }
}
