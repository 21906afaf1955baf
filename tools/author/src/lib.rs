//! What an author of a tool needs beside an editor: a folder to begin with, a package of what is in it, and a house that plays back
//! what was recorded.
//!
//! ```text
//! template ─▶ folder ─▶ source (component) ─▶ build (manifest, package)
//!                              └────────────▶ trial (calls.toml against recorded/*.http, in a real sandbox)
//! ```
//!
//! The sandbox comes through the port `Sandboxes`: a trial runs a tool exactly as a house does.

pub mod build;
mod recorded;
pub mod source;
pub mod template;
pub mod trial;
