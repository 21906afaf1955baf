//! The ports, as doubles: each does what the real one may do, decided by the seed.

pub mod channels;
pub mod clock;
pub mod hostile;
pub mod http;
pub mod ids;
pub mod models;
pub mod sandboxes;
pub mod store;
pub mod tools;
pub mod vault;
