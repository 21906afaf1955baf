//! The same seed is the same run: in two processes, event by event. This comes before every other simulation.

use std::path::Path;

use hearth_simulations::meta::{Found, compare};

#[test]
fn a_seed_runs_the_same_in_two_processes() {
    let program = Path::new(env!("CARGO_BIN_EXE_simulate"));
    for (scenario, seed) in [("household", 5), ("household", 16), ("tools", 3), ("vault", 2), ("sandboxes", 4)] {
        let found = compare(program, scenario, seed).expect("the program runs");
        assert!(matches!(found, Found::Same(lines) if lines > 1_000), "{scenario} {seed}: {found:?}");
    }
}
