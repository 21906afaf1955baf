//! The flow gate: whether a call may run, decided from where each of its values comes from, never from what a model says about it.
//!
//! ```text
//!  the member's words ─▶ plan ──frozen──▶ may(call)? ─┐
//!                                                     ▼
//!  results ─▶ handle: references ─▶ leaves with label and origin ─▶ gate ─▶ Allow / Ask(approval) / Deny
//!              └▶ extract: one value, a closed type ──┘              ▲
//!                                         grants, approvals, endorsements: what a member answered
//! ```
//!
//! A planner is shown of a result what its service vouches for and how long the rest is; it passes the rest on as references. What it
//! sees cannot instruct it, so what it plans is the member's. Where that is not enough (a plain loop that reads everything, an order that
//! is found in a mail), the control label says so, and the gate asks.
//!
//! Invariants (property-tested in `gate/tests.rs`): a value that somebody outside wrote is no target of an effect unless a member said yes
//! to exactly that; tainted control causes no effect that leaves the house without such a yes; a value goes nowhere by the order of a member
//! who may not read it.

pub mod address;
pub mod call;
pub mod canonical;
pub mod endorse;
pub mod extract;
pub mod gate;
pub mod handle;
pub mod plan;
pub mod rows;
pub mod template;
pub mod tools;
pub mod trace;
pub mod value;
pub mod words;
