//! The folder that an author begins with: one of the templates under a name of its own, with the kit beside it where one is needed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hearth_domain::tool::name::ToolName;
use include_dir::{Dir, include_dir};

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/template/rust");
static JAVASCRIPT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/template/js");
static KIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/src");
const INTERFACE: &str = include_str!("../../wit/tool.wit");

/// The kit's own manifest, for a crate that stands beside the tool and not in the house's workspace.
const KIT_MANIFEST: &str = "[package]\nname = \"hearth-tool\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"MIT OR Apache-2.0\"\n\n\
    [features]\ngetrandom = [\"dep:getrandom\"]\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\n\n\
    [target.'cfg(target_arch = \"wasm32\")'.dependencies]\ngetrandom = { version = \"0.3\", default-features = false, optional = true }\n\
    wit-bindgen = { version = \"0.57\", default-features = false, features = [\"macros\", \"realloc\"] }\n";
/// Where the template of Rust has the kit, and where it is in the author's folder.
const KIT_PATHS: (&str, &str) = ("path = \"../..\"", "path = \"kit/hearth-tool\"");
/// What the templates are called.
const NAMES: (&str, &str, &str) = ("me/my-tool", "my-tool", "my_tool");

/// What a tool is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Compiled to a component by the author's own compiler.
    Rust,
    /// Run by an engine that comes with the house: nothing is compiled.
    JavaScript,
}

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Something is there.
    #[error("{0} is there already; give another name, or another folder with --folder")]
    Exists(PathBuf),
    /// The disk.
    #[error("{0} cannot be written")]
    Write(PathBuf, #[source] io::Error),
}

/// Makes the folder.
///
/// # Errors
/// It is there, or cannot be written.
pub fn new(folder: &Path, name: &ToolName, language: Language) -> Result<(), TemplateError> {
    if folder.exists() {
        return Err(TemplateError::Exists(folder.to_owned()));
    }
    let template = match language {
        Language::Rust => &RUST,
        Language::JavaScript => &JAVASCRIPT,
    };
    let mut files = Vec::new();
    texts(template, &mut files);
    for (path, text) in files {
        let text = text.replace(NAMES.0, &name.to_string()).replace(NAMES.1, name.name()).replace(NAMES.2, &name.name().replace('-', "_"));
        write(&folder.join(path), &text.replace(KIT_PATHS.0, KIT_PATHS.1))?;
    }
    if language == Language::Rust {
        let mut kit = Vec::new();
        texts(&KIT, &mut kit);
        kit.iter().try_for_each(|(path, text)| write(&folder.join("kit/hearth-tool/src").join(path), text))?;
        write(&folder.join("kit/hearth-tool/Cargo.toml"), KIT_MANIFEST)?;
        write(&folder.join("kit/wit/tool.wit"), INTERFACE)?;
    }
    Ok(())
}

/// Every file of text in it, with its path.
fn texts<'a>(dir: &'a Dir<'a>, into: &mut Vec<(&'a Path, &'a str)>) {
    into.extend(dir.files().filter_map(|file| Some((file.path(), file.contents_utf8()?))));
    dir.dirs().for_each(|dir| texts(dir, into));
}

fn write(path: &Path, text: &str) -> Result<(), TemplateError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| TemplateError::Write(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_its_own_name_and_all_that_it_needs() {
        let name = ToolName::try_from("ada/word-count".to_owned()).unwrap();
        let home = tempfile::tempdir().unwrap();
        for (language, files) in [
            (Language::Rust, &["Cargo.toml", "src/lib.rs", "calls.toml", "kit/hearth-tool/src/lib.rs", "kit/wit/tool.wit"][..]),
            (Language::JavaScript, &["tool.js", "calls.toml"]),
        ] {
            let folder = home.path().join(format!("{language:?}"));
            new(&folder, &name, language).unwrap();
            for file in files.iter().chain(&["manifest.toml", "recorded/1-hearth.http"]) {
                let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(!text.contains("my-tool") && !text.contains("my_tool"), "{file}");
            }
            let manifest = fs::read_to_string(folder.join("manifest.toml")).unwrap();
            assert!(manifest.starts_with("name = \"ada/word-count\""), "{manifest}");
            assert!(matches!(new(&folder, &name, language), Err(TemplateError::Exists(_))));
        }
        let cargo = fs::read_to_string(home.path().join("Rust/Cargo.toml")).unwrap();
        assert!(cargo.contains("path = \"kit/hearth-tool\""), "{cargo}");
    }
}
