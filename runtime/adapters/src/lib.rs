//! The ports made real: what the house reaches outside of itself.

pub mod clock_tool;
pub mod http;
pub mod models;
pub mod store;
pub mod system;
pub mod vault;
pub mod ways;
