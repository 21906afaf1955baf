//! The sandbox port made real: the engine, the process of a tool, the process that compiles one, and what is kept of that.
//!
//! ```text
//!  house                                             its children, each this very program
//!  port::Sandboxer ── compile-tool ─▶ compile::main  one component in, one compiled form out, gone
//!        │  cache (authenticated) ◀───────┘
//!        └── sandbox ─▶ sandbox::main                confined ─▶ loaded ─▶ settled ─▶ calls, one after another
//!                          └▶ runner::Tool ─▶ world (the interface) ─▶ engine
//! ```
//!
//! # What holds
//! - A component's first instruction runs in a process that has no files, no network, no other system calls than those of a list
//!   ([`sandbox`]), and what a component may import is decided before that ([`engine`]).
//! - Compiled code comes from the house's own compiler process, under the house's key ([`cache`]), or it is not run.
//! - Whatever a component does ends as one of [`hearth_domain::sandbox::Fault`], or as the end of its process.
//!
//! # What does not
//! - Compiling is no boundary by itself: the process that does it is confined as the tool is, and what it makes runs only there.

pub mod cache;
mod clock;
pub mod compile;
pub mod engine;
mod load;
pub mod port;
pub mod runner;
pub mod sandbox;
mod sealed;
mod wire;
mod world;

#[cfg(feature = "compromised")]
pub mod attack;
