//! The actors of the house, one file each, and [`tree::build`], which raises them.
//!
//! Architecture invariant: this crate names no database, no HTTP, no WASM and no process. Whatever it needs from outside comes
//! through [`ports::Ports`]; whatever it decides is decided in `hearth_domain`.

pub mod audit;
pub mod bridge;
pub mod budget;
pub mod catalog;
pub mod channel;
pub mod conversation;
pub mod conversations;
pub mod frozen;
pub mod guard;
pub mod house_tools;
pub mod household;
pub mod inquire;
pub mod leash;
pub mod local;
pub mod memory;
pub mod models;
pub mod outbox;
pub mod policy;
pub mod ports;
pub mod provider;
pub mod scheduler;
pub mod store;
pub mod tool;
pub mod tools;
pub mod tree;
pub mod vault;
