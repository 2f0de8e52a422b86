//! Rounds, medians and rows.

use std::fmt::Display;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};

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
    /// Anything: the row is there to compare.
    None,
}

/// The argument with which rows are printed as those of a table in Markdown.
const MARKDOWN: &str = "--markdown";

static IN_MARKDOWN: AtomicBool = AtomicBool::new(false);

/// The start of the argument that sets the number of entries.
const ENTRIES: &str = "--entries=";

static NUMBER_OF_ENTRIES: AtomicU64 = AtomicU64::new(0);

/// Takes the arguments about the rows and the trail, and returns the others.
pub(crate) fn configure(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut others = Vec::new();
    for argument in arguments {
        if argument == MARKDOWN {
            IN_MARKDOWN.store(true, Ordering::Relaxed);
        } else if let Some(Ok(count)) = argument.strip_prefix(ENTRIES).map(str::parse) {
            NUMBER_OF_ENTRIES.store(count, Ordering::Relaxed);
        } else {
            others.push(argument);
        }
    }
    others
}

/// Returns the number of entries of the argument, if there is one.
pub(crate) fn entries() -> Option<u64> {
    Some(NUMBER_OF_ENTRIES.load(Ordering::Relaxed)).filter(|entries| *entries > 0)
}

/// Returns the arguments with which another program prints rows as this one does.
pub(crate) fn arguments() -> Option<&'static str> {
    IN_MARKDOWN.load(Ordering::Relaxed).then_some(MARKDOWN)
}

/// Prints when and on which machine the rows were measured, and with which libraries.
pub(crate) fn heading(libraries: &str) {
    let now = DateTime::<Utc>::from(SystemTime::now());
    let date = now.format("%Y-%m-%d");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let heading = format!(
        "Measured on {date}: {}, {cores} cores, {} {}; {libraries}.",
        processor().unwrap_or_else(|| "an unknown processor".to_owned()),
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    if arguments().is_none() {
        println!("{heading}");
        return;
    }
    println!("{heading}\n");
    println!("| row | ours | reference | ratio | budget | |");
    println!("|---|---:|---:|---:|---:|---|");
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
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
    if arguments().is_some() {
        let value = |value: f64| format!("{value:.1} {unit}").trim_end().to_owned();
        let (ours, reference) = (value(ours), value(reference));
        println!("| `{name}` | {ours} | {reference} | {ratio:.2} | {budget} | {verdict} |");
    } else {
        println!(
            "{name} ours={ours:.1}{unit} reference={reference:.1}{unit} ratio={ratio:.2} budget={budget} {verdict}"
        );
    }
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
