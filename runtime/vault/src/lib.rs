//! The vault and the egress broker: the process that holds credentials, and the only way out of the house.
//!
//! | room | what it is |
//! |---|---|
//! | [`seal`] | records at rest: envelope, keys and where they come from, the manifest that refuses an older state, the owner's proof |
//! | [`guard`] | the leak guard: finds stored secrets and their encodings in what passes |
//! | [`policy`] | what a request is aimed at, and whether a secret's own policy allows it |
//! | [`egress`] | the broker: requests come in over a Unix socket, credentials go in, checked connections go out |
//! | [`sign`] | signatures that are made here because the key must not leave even as a header |
//! | [`keeper`] | what the running vault knows, and its answers to the broker, the house and its owner |
//! | [`admin`] | what an owner's command says to the vault, and how |
//! | [`run`] | the two processes |

pub mod admin;
pub mod egress;
pub mod guard;
pub mod keeper;
pub mod policy;
pub mod run;
pub mod seal;
pub mod sign;
