//! Rounds, medians and rows.

use std::fmt::Display;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many rounds a row has.
const ROUNDS: usize = 41;
/// How long one side of a round takes at least.
const ROUND: Duration = Duration::from_millis(4);

/// Measures both sides in turn, and prints the row of their medians in nanoseconds.
pub(crate) fn compare<A, B>(
    name: &str,
    budget: Budget,
    ours: impl FnMut() -> A,
    reference: impl FnMut() -> B,
) {
    let [ours, reference] = medians(ROUNDS, ours, reference);
    row(name, ours, reference, "ns", budget);
}

/// Measures both sides in turn, and returns their medians in nanoseconds.
pub(crate) fn medians<A, B>(
    rounds: usize,
    mut ours: impl FnMut() -> A,
    mut reference: impl FnMut() -> B,
) -> [f64; 2] {
    let (mine, theirs) = (repeats(&mut ours), repeats(&mut reference));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        times[0].push(time(&mut ours, mine));
        times[1].push(time(&mut reference, theirs));
    }
    times.map(median)
}

/// What a ratio, or a value of ours, may be.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// Ours divided by the reference, at most.
    Ratio(f64),
    /// Ours divided by the reference, at least.
    AtLeast(f64),
    /// Ours, at most.
    Value(f64),
    /// None: a row to compare.
    None,
}

/// Prints a row.
pub(crate) fn row(name: &str, ours: f64, reference: f64, unit: impl Display, budget: Budget) {
    let ratio = ours / reference;
    let (budget, verdict) = match budget {
        Budget::Ratio(limit) => (format!("<={limit}x"), verdict(ratio <= limit)),
        Budget::AtLeast(limit) => (format!(">={limit}x"), verdict(ratio >= limit)),
        Budget::Value(limit) => (format!("<={limit}{unit}"), verdict(ours <= limit)),
        Budget::None => ("-".to_owned(), "ok"),
    };
    println!(
        "{name} ours={ours:.1}{unit} reference={reference:.1}{unit} ratio={ratio:.2} budget={budget} {verdict}"
    );
}

fn verdict(met: bool) -> &'static str {
    if met { "ok" } else { "OVER" }
}

fn repeats<R>(work: &mut impl FnMut() -> R) -> u32 {
    let mut repeats = 1;
    loop {
        let start = Instant::now();
        for _ in 0..repeats {
            black_box(work());
        }
        if start.elapsed() >= ROUND || repeats >= 1 << 24 {
            return repeats;
        }
        repeats *= 2;
    }
}

fn time<R>(work: &mut impl FnMut() -> R, repeats: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(work());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(repeats)
}

/// The median of some times.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
