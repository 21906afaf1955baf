//! What a package's archive holds: the name and the most bytes of each part.

use crate::{COMPONENT_MAX, MANIFEST_MAX, SIGNATURE_MAX};

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// `manifest.toml`.
    Manifest,
    /// `component.wasm`.
    Component,
    /// `signature`.
    Signature,
}

impl Entry {
    /// Its name in the archive.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.toml",
            Self::Component => "component.wasm",
            Self::Signature => "signature",
        }
    }

    /// Its most bytes.
    #[must_use]
    pub const fn limit(self) -> usize {
        match self {
            Self::Manifest => MANIFEST_MAX,
            Self::Component => COMPONENT_MAX,
            Self::Signature => SIGNATURE_MAX,
        }
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
