//! Why a file is no tool. The sentences are ours; nothing of what a file says is in them.

use hearth_domain::error::{Class, Classified};
use hearth_domain::tool::manifest::ManifestError;

use crate::entry::Entry;
use crate::{COMPONENT_MAX, PACKAGE_MAX};

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The whole file.
    #[error("the file has {bytes} bytes; a tool has at most {PACKAGE_MAX}")]
    TooLarge {
        /// How many.
        bytes: u64,
    },
    /// No archive at all, or a cut one.
    #[error("this is no tool package, or only a part of one: fetch it again, or make it with `hearth tool build`")]
    Container,
    /// Other entries.
    #[error(
        "a tool package holds manifest.toml, component.wasm and, when it is signed, signature: in that order, once each, and nothing else"
    )]
    Entries,
    /// An entry.
    #[error("{0} has more than {limit} bytes", limit = .0.limit())]
    EntryTooLarge(Entry),
    /// The parts are there, but not as they are written.
    #[error(
        "the package holds bytes that `hearth tool build` does not write, in a header or behind the end: it was changed or made by another program"
    )]
    Spelling,
    /// Nobody signed it.
    #[error("nobody signed this package: install it only if you know where it comes from, and say so with `--unsigned`")]
    Unsigned,
    /// The signature cannot be read.
    #[error("the package's signature is not written as one: it was damaged or made by another program")]
    SignatureForm,
    /// The manifest is not the one that was signed.
    #[error("the manifest is not the one that the author signed: do not install this package, fetch it again from its author")]
    ManifestChanged,
    /// The component is not the one that was signed.
    #[error("the component is not the one that the author signed: do not install this package, fetch it again from its author")]
    ComponentChanged,
    /// Each is where the other belongs.
    #[error("manifest and component stand in each other's place: do not install this package, fetch it again from its author")]
    Swapped,
    /// Neither is the one that was signed.
    #[error("the signature belongs to another package: do not install this one, fetch it again from its author")]
    OtherPackage,
    /// It does not fit the key that it names.
    #[error("the signature was not made with the key that it names: do not install this package, fetch it again from its author")]
    Signature,
    /// It fits, but the key is another one than was asked for.
    #[error("the package is signed with another key than the one that was asked for")]
    OtherKey,
    /// The manifest is no text.
    #[error("manifest.toml is no UTF-8 text")]
    ManifestText,
    /// The manifest is no TOML, or has other fields.
    #[error("manifest.toml cannot be read: line {line} is no TOML, or has a field or value that a manifest does not have")]
    ManifestSyntax {
        /// Counted from 1.
        line: usize,
        /// The parser's own words: they quote the manifest, and are for its author.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The manifest is not sound.
    #[error("manifest.toml: {0}")]
    Manifest(#[source] ManifestError),
    /// A module without a component around it.
    #[error("component.wasm is a core module: make a component of it, as `hearth tool build` does")]
    CoreModule,
    /// No component.
    #[error("component.wasm is no WebAssembly component; a precompiled one is not accepted (at most {COMPONENT_MAX} bytes)")]
    NotComponent,
}

impl Classified for PackageError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// Why a file is not made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// One of its parts.
    #[error("{0}")]
    Part(#[from] PackageError),
    /// The container.
    #[error("the package could not be put together")]
    Write(#[source] std::io::Error),
}

impl Classified for BuildError {
    fn class(&self) -> Class {
        match self {
            Self::Part(error) => error.class(),
            Self::Write(_) => Class::Bug,
        }
    }
}
