//! From a component to a package: its operations are written into the manifest, from what it says of itself.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hearth_domain::sandbox::{CompileError, Compiled, Operation, Sandboxes};
use hearth_domain::tool::manifest::{Declared, Manifest};
use hearth_tool::test::manifest::MARK;
use hearth_tool_package::{BuildError, EXTENSION, PackageError, SecretKey};
use serde::Serialize;

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file.
    #[error("{0} cannot be read or written")]
    File(PathBuf, #[source] io::Error),
    /// The component is none that a house takes.
    #[error("no house would take this component")]
    Compile(#[from] CompileError),
    /// The operations cannot be written down.
    #[error("what the tool says of its operations cannot be written into the manifest")]
    Operations(#[source] toml::ser::Error),
    /// The manifest.
    #[error("manifest.toml is not sound")]
    Manifest(#[from] PackageError),
    /// The package.
    #[error("the package cannot be made")]
    Package(#[from] BuildError),
}

/// What was made.
#[derive(Debug)]
pub struct Packed {
    /// The file.
    pub path: PathBuf,
    /// The manifest that is in it.
    pub manifest: Manifest,
    /// What the component says that it can do.
    pub compiled: Compiled,
}

/// Packs the component of a folder, signed with this key, into a file there.
///
/// # Errors
/// [`PackError`].
pub async fn pack(folder: &Path, component: Vec<u8>, sandboxes: &dyn Sandboxes, key: Option<&SecretKey>) -> Result<Packed, PackError> {
    let compiled = sandboxes.compile(component.clone()).await?;
    let path = folder.join("manifest.toml");
    let written = fs::read_to_string(&path).map_err(|error| PackError::File(path.clone(), error))?;
    let text = with_operations(&written, &compiled.operations).map_err(PackError::Operations)?;
    let manifest = hearth_tool_package::read_manifest(&text)?;
    if text != written {
        fs::write(&path, &text).map_err(|error| PackError::File(path, error))?;
    }
    let package = hearth_tool_package::build(&text, &component, key)?;
    let path = folder.join(format!("{}-{}.{EXTENSION}", manifest.name.name(), manifest.version));
    fs::write(&path, package).map_err(|error| PackError::File(path.clone(), error))?;
    Ok(Packed { path, manifest, compiled })
}

/// A manifest of these operations: above [`MARK`] the author's words, below it the tool's own. One that says the same stays as it is.
fn with_operations(text: &str, operations: &[Operation]) -> Result<String, toml::ser::Error> {
    let same = hearth_tool_package::read_manifest(text).is_ok_and(|manifest| manifest.agrees(operations).is_ok());
    if same {
        return Ok(text.to_owned());
    }
    let end = text.find(MARK).or_else(|| text.find("[[operations]]")).unwrap_or(text.len());
    let mut operations: Vec<Declared> = operations.iter().map(Declared::from).collect();
    for operation in &mut operations {
        // In lines, for whoever reads it.
        let pretty = serde_json::from_str(&operation.parameters).and_then(|value: serde_json::Value| serde_json::to_string_pretty(&value));
        operation.parameters = pretty.map_or_else(|_| operation.parameters.clone(), |pretty| format!("{pretty}\n"));
    }
    let author = text.get(..end).unwrap_or(text).trim_end();
    Ok(format!("{author}\n\n{MARK}\n{}", toml::to_string_pretty(&Written { operations })?))
}

#[derive(Serialize)]
struct Written {
    operations: Vec<Declared>,
}

#[cfg(test)]
mod tests {
    use hearth_domain::sandbox::{Role, Trust};
    use hearth_domain::tool::Effect;

    use super::*;

    fn operation(name: &str) -> Operation {
        Operation {
            name: name.to_owned(),
            description: "Says it.".to_owned(),
            parameters: r#"{"type":"object","properties":{"a":{"type":"string"}}}"#.to_owned(),
            effect: Effect::Read,
            idempotent: true,
            arguments: vec![("/a".to_owned(), Role::Content)],
            fields: vec![("/b".to_owned(), Trust::Service)],
        }
    }

    #[test]
    fn operations_are_the_tools_own_and_everything_else_is_the_authors() {
        const AUTHOR: &str =
            "name = \"me/a\"\nversion = \"0.1.0\"\ntitle = \"A\"\nauthor = \"Me\"\ndescription = \"B.\"\n\n[wants]\nkeyvalue_bytes = 7\n";
        let first = with_operations(AUTHOR, &[operation("one")]).unwrap();
        assert!(first.starts_with(AUTHOR), "{first}");
        let manifest = hearth_tool_package::read_manifest(&first).unwrap();
        manifest.agrees(&[operation("one")]).unwrap();
        assert_eq!(with_operations(&first, &[operation("one")]).unwrap(), first, "the same stays as it is");
        let second = with_operations(&first, &[operation("two")]).unwrap();
        let manifest = hearth_tool_package::read_manifest(&second).unwrap();
        assert_eq!(manifest.operations.iter().map(|operation| operation.name.as_str()).collect::<Vec<_>>(), ["two"]);
        assert_eq!(manifest.wants.keyvalue_bytes, 7);
    }
}
