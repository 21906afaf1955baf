//! Looks at a built component: is it one, what does it import and export.

use std::fmt;

use wasmparser::{BinaryReaderError, ComponentTypeRef, Parser, Payload, TypeBounds, Validator};

/// The only imports that a tool may have begin so.
const PACKAGE: &str = "hearth:tool/";

/// What a tool exports, in order.
const EXPORTS: [&str; 2] = ["call", "describe"];

/// What stands at the border of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Border {
    /// In order; without other names for types.
    pub imports: Vec<String>,
    /// In order.
    pub exports: Vec<String>,
}

/// Why a file is not a tool.
#[derive(Debug)]
pub enum Error {
    /// It is not valid WebAssembly.
    Invalid(BinaryReaderError),
    /// It is a core module.
    Module,
    /// It imports something else than `hearth:tool`.
    Import(String),
    /// It does not export what a tool exports, but this.
    Exports(Vec<String>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => write!(f, "not valid WebAssembly: {error}"),
            Self::Module => f.write_str("a core module, not a component"),
            Self::Import(name) => write!(f, "imports {name}; a tool may import {PACKAGE} only"),
            Self::Exports(names) => write!(f, "exports {names:?}, not {EXPORTS:?}"),
        }
    }
}

impl std::error::Error for Error {}

/// Reads the outermost imports and exports.
///
/// # Errors
/// It is not a valid component.
#[expect(clippy::wildcard_enum_match_arm, reason = "of some thirty sections these stand at the border")]
pub fn border(bytes: &[u8]) -> Result<Border, Error> {
    if Parser::is_core_wasm(bytes) {
        return Err(Error::Module);
    }
    Validator::new().validate_all(bytes).map_err(Error::Invalid)?;
    let mut border = Border::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(Error::Invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(Error::Invalid)?;
                    // The world's own `use` gives types other names; a name for a known type reaches nothing.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        border.imports.push(import.name.0.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    border.exports.push(export.map_err(Error::Invalid)?.name.0.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(border)
}

/// Whether this is a tool.
///
/// # Errors
/// It is not, and why.
pub fn tool(bytes: &[u8]) -> Result<Border, Error> {
    let border = border(bytes)?;
    if let Some(other) = border.imports.iter().find(|name| !name.starts_with(PACKAGE)) {
        return Err(Error::Import(other.clone()));
    }
    let mut exports = border.exports.clone();
    exports.sort();
    if exports == EXPORTS { Ok(border) } else { Err(Error::Exports(exports)) }
}
