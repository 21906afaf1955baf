//! The one file in which a tool comes: `NAME.hearth`.
//!
//! An uncompressed tar archive (POSIX ustar; `tar -tvf` lists it) of two or three entries, in this order and with nothing else:
//!
//! ```text
//! manifest.toml     what the tool declares (`hearth_domain::tool::manifest`), TOML in UTF-8
//! component.wasm    the component, never precompiled
//! signature         by the author's ed25519 key (`signature`); left out when nobody signed it
//! ```
//!
//! Architecture invariants: the same parts and key give the same bytes, and those bytes are the only ones that are read as these parts;
//! of a signed file, no bit can change without its being refused; nothing of a manifest is looked at before its signature is.

mod container;
mod entry;
mod error;
pub mod javascript;
mod key;
mod signature;

use hearth_domain::journal::Digest;
use hearth_domain::tool::grant::Release;
use hearth_domain::tool::manifest::Manifest;
use hearth_domain::tool::name::AuthorKey;

pub use entry::Entry;
pub use error::{BuildError, PackageError};
pub use key::{KeyError, SecretKey};

/// Ending of the file's name.
pub const EXTENSION: &str = "hearth";
/// Largest manifest, in bytes.
pub const MANIFEST_MAX: usize = 1024 * 1024;
/// Largest component, in bytes.
pub const COMPONENT_MAX: usize = 32 * 1024 * 1024;
/// Largest signature, in bytes.
pub const SIGNATURE_MAX: usize = 1024;
/// Largest file, in bytes: the parts, and what the container adds.
pub const PACKAGE_MAX: usize = MANIFEST_MAX + COMPONENT_MAX + SIGNATURE_MAX + 16 * 1024;

/// How a component begins (WebAssembly component model, binary format: layer 1).
const COMPONENT_BEGIN: [u8; 8] = *b"\0asm\x0d\0\x01\0";
/// How a core module begins.
const MODULE_BEGIN: [u8; 8] = *b"\0asm\x01\0\0\0";

/// What is done with a file that nobody signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// It is refused.
    Refused,
    /// It is read: somebody said so explicitly.
    Allowed,
}

/// A tool as it came, checked as far as it can be without running it.
#[derive(Clone, PartialEq, Eq)]
pub struct Package {
    /// What it declares. It has been checked.
    pub manifest: Manifest,
    /// The manifest as it was written.
    pub manifest_text: String,
    /// The component. Of it nothing is known but how it begins.
    pub component: Vec<u8>,
    /// The digests of both, and whose signature they have.
    pub release: Release,
}

impl Package {
    /// Whether this author signed it.
    ///
    /// # Errors
    ///
    /// Nobody did, or somebody else.
    pub fn signed_by(&self, key: &AuthorKey) -> Result<(), PackageError> {
        match &self.release.author {
            None => Err(PackageError::Unsigned),
            Some(author) if author == key => Ok(()),
            Some(_) => Err(PackageError::OtherKey),
        }
    }
}

/// Without the component.
impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package").field("name", &self.manifest.name).field("release", &self.release).finish_non_exhaustive()
    }
}

/// The file of these parts, signed when a key is given. The same parts and key always give the same bytes.
///
/// # Errors
///
/// What is wrong with one of the parts.
pub fn build(manifest: &str, component: &[u8], key: Option<&SecretKey>) -> Result<Vec<u8>, BuildError> {
    check_size(Entry::Manifest, manifest.len())?;
    check_size(Entry::Component, component.len())?;
    check_component(component)?;
    read_manifest(manifest)?;
    let signature = key.map(|key| signature::sign(key, &Digest::of(manifest.as_bytes()), &Digest::of(component)));
    let mut bytes =
        Vec::with_capacity(manifest.len().saturating_add(component.len()).saturating_add(PACKAGE_MAX - COMPONENT_MAX - MANIFEST_MAX));
    container::write(manifest.as_bytes(), component, signature.as_deref().map(str::as_bytes), &mut bytes).map_err(BuildError::Write)?;
    Ok(bytes)
}

/// Whether a file of so many bytes is worth reading. To be asked before it is.
///
/// # Errors
///
/// It is larger than [`PACKAGE_MAX`].
pub fn check_length(bytes: u64) -> Result<(), PackageError> {
    let fits = usize::try_from(bytes).is_ok_and(|bytes| bytes <= PACKAGE_MAX);
    if fits { Ok(()) } else { Err(PackageError::TooLarge { bytes }) }
}

/// The tool of a file.
///
/// # Errors
///
/// The first thing that is wrong: with the container, then the signature, then the parts.
pub fn read(bytes: &[u8], unsigned: Unsigned) -> Result<Package, PackageError> {
    check_length(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    let parts = container::read(bytes)?;
    let (manifest, component) = (Digest::of(&parts.manifest), Digest::of(&parts.component));
    let author = match (&parts.signature, unsigned) {
        (Some(text), _) => Some(signature::verify(text, &manifest, &component)?),
        (None, Unsigned::Allowed) => None,
        (None, Unsigned::Refused) => return Err(PackageError::Unsigned),
    };
    check_component(&parts.component)?;
    let manifest_text = String::from_utf8(parts.manifest).map_err(|_| PackageError::ManifestText)?;
    Ok(Package {
        manifest: read_manifest(&manifest_text)?,
        manifest_text,
        component: parts.component,
        release: Release { component, manifest, author },
    })
}

/// The manifest of a text, checked.
///
/// # Errors
///
/// Where it is no TOML of a manifest, or what is wrong with what it declares.
pub fn read_manifest(text: &str) -> Result<Manifest, PackageError> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        PackageError::ManifestSyntax { line, source: Box::new(error) }
    })?;
    manifest.check().map_err(PackageError::Manifest)?;
    Ok(manifest)
}

fn check_size(entry: Entry, bytes: usize) -> Result<(), PackageError> {
    if bytes <= entry.limit() { Ok(()) } else { Err(PackageError::EntryTooLarge(entry)) }
}

fn check_component(component: &[u8]) -> Result<(), PackageError> {
    if component.starts_with(&COMPONENT_BEGIN) {
        Ok(())
    } else if component.starts_with(&MODULE_BEGIN) {
        Err(PackageError::CoreModule)
    } else {
        Err(PackageError::NotComponent)
    }
}

#[cfg(test)]
mod tests;
