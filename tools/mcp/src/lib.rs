//! MCP servers as tools: one more kind of sandbox behind the port `Sandboxes`.
//!
//! ```text
//!  house                                                      its children
//!  port::McpSandboxes ── mcp-server NAME … ─▶ server::main    numbers of its own ─▶ confined ─▶ the command of the configuration
//!     │  guard: what a server may say, and how much of it  ◀══ JSON-RPC, one line a message ══▶
//!     └────────────── HTTP through the house's way out ══▶    a server elsewhere, which nothing here confines
//! ```
//!
//! A server's "component" is a small JSON text that names a server of the owner's configuration ([`component`]), so that installing one is
//! the ordinary path: a package, an adult's yes, a grant. What it can do is what it lists ([`operations`]), compared at every start with
//! what was granted.
//!
//! # What holds
//! - The command, its folder and its variables come from the owner's configuration alone ([`config`]).
//! - A server's process has the files of [`server`], no socket, no other privileges, and no process that outlives it where the kernel has
//!   namespaces.
//! - Everything that a server says is from outside, bounded in bytes, depth and number, and only in turn; hints about its own tools count
//!   for nothing.
//! - It gets nothing of the house but a call's arguments: no sampling, no roots, no elicitation, no member, no key.
//!
//! # What does not
//! - A server elsewhere does what it likes with the arguments that it is sent.
//! - Servers that know nothing but versions of the protocol from 2026-07-28 on, which have no greeting, are refused.
//! - The JSON of a server elsewhere is bounded in bytes and in the parser's own depth (128), not in its number of values.
//! - One call at a time. Resources and prompts are not used.

pub mod component;
pub mod config;
mod far;
mod greeting;
mod guard;
pub mod http;
mod lines;
pub mod operations;
pub mod port;
mod results;
pub mod server;
mod text;
