//! What goes wrong, decided by the seed: on links and in the store. Crashes and clock jumps of the whole house are in [`crate::run`].

pub mod store;
pub mod wires;
