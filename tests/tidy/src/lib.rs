//! Rules of the source that no lint knows. Each is a function from what there is to what is wrong with it, and has a test of its own
//! on a bad sample; `tests/tidy.rs` holds them against the workspace.
//!
//! `source`: files and their text without comments and strings. `shape`: sizes and names. `habits`: what may stand where.
//! `crates`: who may depend on whom. `circles`: the same between the files of a crate. `pages`: the pages beside the source.

pub mod circles;
pub mod crates;
pub mod habits;
pub mod pages;
pub mod shape;
pub mod source;
