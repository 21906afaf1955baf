//! The tools that come with the house: built from `tools/guests`, kept in the program, installed as any other when an adult wants one.
//!
//! Nobody signed them: they came with the program that runs them, and are worth as much trust as it is.

use hearth_tool_package::{BuildError, build};

/// A tool that comes with the house.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// `namespace/name`.
    pub name: &'static str,
    /// What it declares, TOML.
    pub manifest: &'static str,
    /// The component.
    pub component: &'static [u8],
}

impl Own {
    /// The package, as its file would be.
    ///
    /// # Errors
    ///
    /// What is wrong with the manifest or the component.
    pub fn package(&self) -> Result<Vec<u8>, BuildError> {
        build(self.manifest, self.component, None)
    }
}

macro_rules! own {
    ($name:literal) => {
        Own {
            name: concat!("hearth/", $name),
            manifest: include_str!(concat!("../../guests/", $name, "/manifest.toml")),
            component: include_bytes!(concat!("../../guests/built/", $name, ".wasm")),
        }
    };
}

/// All of them.
pub const ALL: [Own; 8] = [
    own!("calendar"),
    own!("convert"),
    own!("documents"),
    own!("feeds"),
    own!("homeassistant"),
    own!("script"),
    own!("weather"),
    own!("web"),
];

/// The one of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Own> {
    ALL.iter().find(|own| own.name == name)
}

#[cfg(test)]
mod tests {
    use hearth_tool_package::{Unsigned, read};

    use super::*;

    #[test]
    fn each_is_a_sound_package_of_its_name() {
        for own in ALL {
            let package = read(&own.package().unwrap(), Unsigned::Allowed).unwrap();
            assert_eq!(package.manifest.name.to_string(), own.name);
            assert!(find(own.name).is_some());
        }
        assert!(find("hearth/nothing").is_none());
    }
}
