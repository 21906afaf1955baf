//! Prints the supervisor's figures, as `hearth bench supervisor` will.

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]
fn main() -> Result<(), hearth_supervisor::bench::BenchError> {
    for figure in hearth_supervisor::bench::run(|next| eprintln!("{next}"))? {
        println!("{:24} {:>14.3} {:4} n={}", figure.name, figure.value, figure.unit, figure.n);
    }
    Ok(())
}
