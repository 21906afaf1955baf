//! Modules and components in text.

use wast::parser::{ParseBuffer, parse};

/// The binary form of a module in text.
pub fn binary(text: &str) -> Result<Vec<u8>, String> {
    let buffer = ParseBuffer::new(text).map_err(|error| error.to_string())?;
    let mut parsed = parse::<wast::Wat<'_>>(&buffer).map_err(|error| error.to_string())?;
    parsed.encode().map_err(|error| error.to_string())
}
