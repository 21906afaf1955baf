//! What every store has to do, as checks that run against the real one and against its double, and the double
//! itself, over which whole houses are simulated.
//!
//! Without this the double would drift into fiction: a simulation proves something about the house only as far as
//! the double behaves as the database does.

pub mod double;
pub mod sample;
pub mod suite;
