//! `archive`: writing and reading an archive of generated entries: 200,000, or `--entries=<count>`, over 31 days.
//!
//! The files are written to a temporary folder, which is removed at the end. DuckDB reads them in a process of its
//! own; it is in the virtual environment of the test `engines` (see `tests/engines/main.rs`), without which its rows
//! are not printed.

mod counting;
mod duckdb;
pub(crate) mod memory;
mod raw;
mod reads;
mod trail;

use std::path::Path;
use std::time::Instant;

use auditlog::Follow;
use auditlog::archive::{ArchiveOptions, Archiver, Location, RunReport};

use self::trail::{Prepared, Trail};
use crate::history::Outcome;
use crate::measure::{Budget, entries, median, row};

/// The default count of entries.
const ENTRIES: u64 = 200_000;
/// The trail whose first entries are written by both sides, 200,000 at most: a day has more than two segments.
const WRITTEN_OF: u64 = 10_000_000;
const WRITTEN: usize = 200_000;
/// Rounds of what takes seconds.
const ROUNDS: usize = 5;
/// The bytes an entry that the estimate of the disk assumes: the archive, and the files of both sides of the
/// comparison beside it.
const ESTIMATE: u64 = 160;
const MIB: f64 = 1_048_576.0;

pub(crate) fn run() -> Outcome<()> {
    let trail = Trail {
        entries: entries().unwrap_or(ENTRIES),
    };
    let folder = tempfile::tempdir()?;
    let needed = (trail.entries + 2 * WRITTEN as u64) * ESTIMATE + (64 << 20);
    println!(
        "{} entries need about {} MiB of disk in {}",
        trail.entries,
        needed >> 20,
        folder.path().display()
    );
    let written = WRITTEN.min(usize::try_from(trail.entries)?);
    writing(folder.path(), written)?;
    let archive = folder.path().join("archive");
    memory::written(&archive, trail)?;
    reads::run(folder.path(), &archive, trail)?;
    memory::exported(&archive, trail)
}

/// Archiving, beside writing the same columns with the crate `parquet` alone: from rows in memory, and from the
/// stored bytes.
fn writing(folder: &Path, count: usize) -> Outcome<()> {
    let of = Trail {
        entries: WRITTEN_OF,
    };
    let prepared = Prepared::new(of, count)?;
    let rows = raw::rows(&prepared.entries)?;
    let mut times: [Vec<f64>; 3] = Default::default();
    let mut bytes = [0; 2];
    for _ in 0..ROUNDS {
        let to = tempfile::tempdir_in(folder)?;
        let start = Instant::now();
        let report = archive(&prepared, &to.path().join("archive"))?;
        times[0].push(start.elapsed().as_secs_f64());
        if report.entries != count as u64 {
            return Err(format!("{} entries were archived", report.entries).into());
        }
        let to = tempfile::tempdir_in(folder)?;
        let start = Instant::now();
        bytes = [report.bytes, raw::write(to.path(), &rows)?];
        times[1].push(start.elapsed().as_secs_f64());
        let to = tempfile::tempdir_in(folder)?;
        let start = Instant::now();
        raw::write(to.path(), &raw::rows(&prepared.entries)?)?;
        times[2].push(start.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand entries")]
    let [ours, columns, by_hand] = times.map(|times| count as f64 / median(times));
    row("archive/write", ours, columns, "/s", Budget::AtLeast(0.7));
    let name = "archive/write/from-stored-bytes";
    row(name, ours, by_hand, "/s", Budget::None);
    let [ours, raw] = bytes.map(mib);
    row("archive/write/size", ours, raw, "MiB", Budget::None);
    Ok(())
}

/// Archives a trail into a new archive.
fn archive<S: Follow + Clone>(store: &S, folder: &Path) -> Outcome<RunReport> {
    let location = Location::folder(folder)?;
    let options = ArchiveOptions::new().create(true).holder("bench");
    let archiver = Archiver::new(store.clone(), location).options(options);
    Ok(archiver.run_once()?)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an archive has less than 2^52 bytes"
)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// Makes the last entries of a trail.
fn newest(trail: Trail, count: u64) -> Vec<auditlog::LogEntry> {
    let numbers = trail.entries.saturating_sub(count)..trail.entries;
    numbers.map(|number| trail.entry(number)).collect()
}
