//! The most memory that archiving and an export take, each in a process of its own.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use auditlog::Store;
use auditlog::archive::{ArchiveStore, Location};
use serde::{Deserialize, Serialize};

use super::trail::Trail;
use super::{archive, mib};
use crate::history::Outcome;
use crate::measure::{Budget, row};

/// The argument of the process that archives, and of the one that exports.
pub(crate) const WRITE: &str = "archive-write";
pub(crate) const EXPORT: &str = "archive-export";
/// The folder of the archive, and the count of entries.
const FOLDER: &str = "AUDITLOG_BENCH_ARCHIVE";
const COUNT: &str = "AUDITLOG_BENCH_ENTRIES";
/// The limit of both, in MiB.
const LIMIT: f64 = 256.0;

/// The result that a measured process prints.
#[derive(Serialize, Deserialize)]
struct Report {
    seconds: f64,
    /// The most memory of the process, in KiB.
    peak: f64,
    entries: u64,
    bytes: u64,
}

/// Archives the trail, and prints the rows of the process that did it.
pub(super) fn written(folder: &Path, trail: Trail) -> Outcome<()> {
    let report = start(WRITE, folder, trail)?;
    let entries = number(trail.entries);
    let bytes = number(report.bytes) / entries;
    row(
        "archive/bytes-per-entry",
        bytes,
        150.0,
        "B",
        Budget::Value(150.0),
    );
    let rate = entries / report.seconds;
    row("archive/write/generated", rate, rate, "/s", Budget::None);
    peak("archive/write/peak-memory", &report);
    Ok(())
}

/// Exports the archive, and prints the rows of the process that did it.
pub(super) fn exported(folder: &Path, trail: Trail) -> Outcome<()> {
    let report = start(EXPORT, folder, trail)?;
    let rate = number(trail.entries) / report.seconds;
    row("archive/export", rate, rate, "/s", Budget::None);
    peak("archive/export/peak-memory", &report);
    Ok(())
}

fn peak(name: &str, report: &Report) {
    row(
        name,
        report.peak / 1024.0,
        LIMIT,
        "MiB",
        Budget::Value(LIMIT),
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a trail has less than 2^52 bytes"
)]
fn number(count: u64) -> f64 {
    count as f64
}

fn start(argument: &str, folder: &Path, trail: Trail) -> Outcome<Report> {
    let child = Command::new(std::env::current_exe()?)
        .arg(argument)
        .env(FOLDER, folder)
        .env(COUNT, trail.entries.to_string())
        .output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into_owned().into());
    }
    let report: Report = serde_json::from_slice(&child.stdout)?;
    if report.entries != trail.entries {
        return Err(format!("{argument}: {} entries", report.entries).into());
    }
    eprintln!(
        "{argument}: {:.1} s, {:.0} MiB",
        report.seconds,
        mib(report.bytes)
    );
    Ok(report)
}

/// Archives the trail in this process.
pub(crate) fn write() -> Outcome<()> {
    let trail = Trail {
        entries: std::env::var(COUNT)?.parse()?,
    };
    let folder = std::env::var(FOLDER)?;
    let start = Instant::now();
    let report = archive(&trail, Path::new(&folder))?;
    print(start, report.entries, report.bytes)
}

/// Exports the archive in this process.
pub(crate) fn export() -> Outcome<()> {
    let store = ArchiveStore::open(Location::folder(std::env::var(FOLDER)?)?)?;
    let start = Instant::now();
    let mut bytes = 0;
    let entries = store.export(&store.query(), &mut |line: &str| {
        bytes += line.len() as u64;
        io::Result::Ok(())
    })?;
    print(start, entries, bytes)
}

fn print(start: Instant, entries: u64, bytes: u64) -> Outcome<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("the kernel does not report the peak memory")?;
    let report = Report {
        seconds: start.elapsed().as_secs_f64(),
        peak: peak.parse()?,
        entries,
        bytes,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
