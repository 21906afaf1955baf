//! What the actors of the house talk about: ids, time, labels, limits, messages, decisions, and the traits of the
//! ports. Pure: no actors, I/O, threads, clock or chance of its own.
//!
//! Architecture invariant: whatever this crate decides, it decides from its arguments, so that a test, a
//! simulation and the house decide the same.

pub mod approval;
pub mod breaker;
pub mod budget;
pub mod chance;
pub mod channel;
pub mod conversation;
pub mod delivery;
pub mod error;
pub mod flow;
pub mod house;
pub mod household;
pub mod http;
pub mod ids;
pub mod journal;
pub mod label;
pub mod limits;
pub mod memory;
pub mod message;
pub mod meter;
pub mod model;
pub mod pattern;
pub mod policy;
pub mod sandbox;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod store;
pub mod time;
pub mod tool;
pub mod vault;
pub mod why;
pub mod words;
