//! The crash harness: proves, or disproves, that a process loses nothing it acknowledged when the power goes.
//!
//! 1. [`Shim`] starts a process with a preloaded library that records every change to files under one directory, and
//!    every sync, in the order in which they took effect.
//! 2. [`Trace`] reads the record; acknowledgements of the workload ([`Ack`]) stand in it in the same order.
//! 3. [`Disk`] builds the directory as a disk could hold it had the power gone at any chosen record: what was synced is
//!    there, of the rest a seeded choice, under one of two models of a file system ([`Mode`]).
//! 4. [`campaign`] does that many times over, with crashes after crashes, and asks a fresh process what is left.
//!
//! [`house`] does the same, and `kill -9` at random, to a whole house that people talk to.

pub mod campaign;
pub mod disk;
pub mod house;
pub mod report;
pub mod rng;
pub mod shim;
pub mod store;
pub mod trace;
pub mod verdict;
#[path = "../shim/src/wire.rs"]
pub mod wire;

pub use campaign::{Campaign, Subject};
pub use disk::{Cut, Disk, Fate, Image, Mode};
pub use shim::{Ack, Shim};
pub use trace::{Event, Record, Trace};
pub use verdict::Verdict;
