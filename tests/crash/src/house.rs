//! A whole house, crashed while people talk to it.
//!
//! ```text
//!  talkers ──local socket──▶ hearth up ──loopback HTTP──▶ scripted model
//!     │ what they said, were promised and saw                │
//!     │                          killed, or its disk cut ◀───┘
//!     ▼                                   │ started again, until all is at rest
//!   judge ◀── what is in the house ◀──────┘
//! ```
//!
//! 1. [`talker`] is a client as a good one should be: it keeps its cursor, says again with the same nonce what was not
//!    accepted, and notes every frame ([`talk`]).
//! 2. [`kill`] ends the house's process group at seeded moments, hundreds of times on one data folder.
//! 3. [`power`] traces one run and starts a real house on what a disk could hold after each of many cuts.
//! 4. [`inspect`] reads everything when the house is at rest, and [`judge`] compares it with what was promised.

#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a tool of tests that reads JSON by name, and frames of which it wants a few"
)]

pub mod inspect;
pub mod judge;
pub mod kill;
pub mod load;
pub mod model;
pub mod plant;
pub mod power;
pub mod process;
pub mod progress;
pub mod script;
pub mod table;
pub mod talk;
pub mod talker;
