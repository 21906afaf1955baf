//! The decisions of the way out, all of them pure: what a request is aimed at, whether a secret's policy allows it, which
//! addresses may be connected to, where a redirect leads, and what takes the place of a placeholder.
//!
//! ```text
//! text ─▶ target ─▶ placeholder::mentions ─▶ decide ─▶ (DNS) ─▶ address ─▶ placeholder ─▶ (sent) ─▶ redirect ─▶ decide …
//! ```
//!
//! A request is read once, here; what was read is what is checked and what is sent. Whatever can be read in two ways is refused.

pub mod address;
pub mod change;
pub mod decide;
pub mod path;
pub mod percent;
pub mod placeholder;
pub mod redirect;
pub mod rule;
pub mod target;
pub mod usage;
