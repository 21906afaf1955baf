//! The simulated world: the whole house but its real adapters, on one thread, in virtual time, from one seed.
//!
//! ```text
//!  seed ─▶ Plan (limits, fault mix, household) ─▶ World ─┬─ doubles: store, models, tools, channels, clock, ids
//!                                                        ├─ faults: wires, store, crashes, clock jumps
//!                                                        ├─ people at the doors (clients with cursors) and at other people's platforms
//!                                                        └─ checkers: one named invariant each
//!  storm (faults on, safety) ─▶ calm (faults off: the house must come to rest) ─▶ report
//! ```
//!
//! What determinism rests on: one OS thread per seed with a paused tokio clock and no I/O; chance only from the seed's tree; no
//! `HashMap`, no real clock, no thread pool, no unbiased `select!`. [`meta`] proves it: the same seed in two processes, compared line
//! by line. A seed is valid for one commit, lock file and compiler. On that rests [`interference`]: what is other between two runs of a seed
//! follows from what was made other in it.

pub mod changed;
pub mod chatters;
pub mod checkers;
pub mod client;
pub mod doubles;
pub mod faults;
pub mod house;
pub mod interference;
pub mod keepers;
pub mod meta;
pub mod people;
pub mod plan;
pub mod plants;
pub mod platforms;
pub mod recording;
pub mod run;
pub mod scenarios;
pub mod seed;
pub mod telemetry;
pub mod trace;
pub mod words;
pub mod world;
