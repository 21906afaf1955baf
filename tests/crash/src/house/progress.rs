//! How far a campaign is, for whoever waits for it.

use std::io::Write as _;

/// Says how far it is, on standard error.
pub fn progress(text: &str) {
    // Nobody reads a standard error that is gone.
    drop(writeln!(std::io::stderr(), "  … {text}"));
}
