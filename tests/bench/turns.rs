//! Loads that take turns, and the table of what they cost.
//!
//! The order rotates, because the machine's speed drifts. Ratios are made within a round, and are
//! medians over the rounds, with the spread.

use std::time::Duration;

use crate::{load::Round, spread};

/// What one of them does for a while.
pub type Run<'a> = Box<dyn Fn(Duration) -> Round + 'a>;

/// A line of the table.
pub struct Turn<'a> {
    pub name: String,
    pub run: Run<'a>,
    /// The place of the line that its ratio is to.
    pub reference: usize,
}

impl<'a> Turn<'a> {
    pub fn new(
        name: impl Into<String>,
        reference: usize,
        run: impl Fn(Duration) -> Round + 'a,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run), reference }
    }
}

/// Lets each have its turn in each round, and prints the table.
pub fn compare(turns: &[Turn<'_>], rounds: usize, span: Duration) {
    for turn in turns {
        (turn.run)(Duration::from_secs(1));
    }
    let mut seen: Vec<Vec<Round>> = turns.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..turns.len() {
            let at = (round + step) % turns.len();
            seen[at].push((turns[at].run)(span));
        }
    }
    let head = ["CPU µs", "ratio", "req/s", "p50 µs", "p99 µs"];
    println!(
        "  {:<28} {:>8} {:>17} {:>9} {:>9} {:>9}",
        "", head[0], head[1], head[2], head[3], head[4]
    );
    for (turn, rounds) in turns.iter().zip(&seen) {
        line(&turn.name, rounds, &seen[turn.reference]);
    }
    println!();
}

fn line(name: &str, rounds: &[Round], reference: &[Round]) {
    let ratios = rounds.iter().zip(reference).map(|(one, other)| one.cpu_us / other.cpu_us);
    let (low, mid, high) = spread(ratios.collect());
    let median = |of: fn(&Round) -> f64| spread(rounds.iter().map(of).collect()).1;
    println!(
        "  {name:<28} {:>8.2} {:>17} {:>9.0} {:>9.0} {:>9.0}",
        median(|round| round.cpu_us),
        format!("{mid:.2} ({low:.2}-{high:.2})"),
        median(|round| round.per_second),
        median(|round| round.p50_us),
        median(|round| round.p99_us),
    );
}
