//! The ports made real: what the house reaches outside of itself.

pub mod models;
