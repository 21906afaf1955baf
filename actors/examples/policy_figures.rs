//! Prints the figures of a decision, as `hearth bench policy` does.
//!
//! `cargo run --release -p hearth-actors --example policy_figures`

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]
fn main() -> Result<(), hearth_rules::problem::RulesError> {
    let samples = hearth_actors::policy::bench::run(|next| eprintln!("{next}"))?;
    println!("allowed, asked, refused: {:?}", samples.outcomes);
    for (question, took) in samples.by_question_us.iter().take(12) {
        println!("{took:>9.1} us  {question}");
    }
    for (name, mut all) in [("decide", samples.decisions_us), ("join", samples.joins_us)] {
        all.sort_by(f64::total_cmp);
        for share in [50, 90, 99] {
            let at = all.get(all.len() * share / 100).copied().unwrap_or_default();
            println!("{name}_p{share}_us {at:>9.1} n={}", all.len());
        }
    }
    Ok(())
}
