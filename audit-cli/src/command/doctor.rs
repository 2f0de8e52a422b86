//! `doctor`: whether the store is as it should be.

use audit_core::{ENTRY_FORMAT, ObjectRef, Query, StoreError};
use audit_sqlite::{Check, FileInfo, SCHEMA_VERSION, rusqlite};
use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::text;
use crate::trail::Trail;

/// How many complaints of one kind are shown.
const SHOWN: usize = 20;
/// The first SQLite that cannot corrupt a file which two connections write and checkpoint at
/// the same moment.
const SQLITE_FIXED: i32 = 3_051_003;

/// Check the store: every byte and entry, versions, indexes, sizes
///
/// Reads all of the file. If something is wrong, the exit code is 5.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {}

/// What was found, as JSON.
#[derive(Debug, Serialize)]
struct Findings {
    healthy: bool,
    path: String,
    entries: u64,
    versions: Versions,
    sizes: Option<Sizes>,
    indexes: Vec<Plan>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Versions {
    command: &'static str,
    entry_format: u32,
    schema: Option<u32>,
    schema_known: u32,
    sqlite: &'static str,
    journal_mode: Option<String>,
}

#[derive(Debug, Serialize)]
struct Sizes {
    file_bytes: u64,
    free_bytes: u64,
    wal_bytes: u64,
    entry_bytes: u64,
    bytes_an_entry: u64,
}

/// How a question that people ask is answered.
#[derive(Debug, Serialize)]
struct Plan {
    question: &'static str,
    /// Whether an index leads to the entries.
    indexed: bool,
    steps: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Problem {
    what: String,
    advice: &'static str,
}

pub(crate) fn run(_args: &DoctorArgs, session: &mut Session) -> Result<Exit, Error> {
    let trail = session.read("doctor", "")?;
    let findings = examine(&trail, session)?;
    let out = &mut session.out;
    if out.is_json() {
        out.json(&findings)?;
    } else {
        print(&findings, out)?;
    }
    Ok(if findings.healthy {
        Exit::Done
    } else {
        Exit::Unhealthy
    })
}

fn examine(trail: &Trail, session: &Session) -> Result<Findings, Error> {
    let mut problems = Vec::new();
    let check = found(trail.store.check(), &mut problems)?;
    let info = found(trail.store.file_info(), &mut problems)?;
    let mut plans = Vec::new();
    for (question, query) in questions(session) {
        let Some(plan) = found(trail.store.explain(&query), &mut problems)? else {
            break;
        };
        let indexed = !plan
            .iter()
            .any(|step| step.starts_with("SCAN") && !step.contains("USING"));
        if !indexed {
            problems.push(Problem {
                what: format!("{question}: no index leads to the entries"),
                advice: "an index was dropped; export the trail and import it into a new store",
            });
        }
        plans.push(Plan {
            question,
            indexed,
            steps: plan,
        });
    }
    if let Some(check) = &check {
        complaints(check, &mut problems);
    }
    if rusqlite::version_number() < SQLITE_FIXED {
        problems.push(Problem {
            what: format!(
                "SQLite {} can corrupt a file that several connections write",
                rusqlite::version()
            ),
            advice: "build the command with SQLite 3.51.3 or later",
        });
    }
    Ok(Findings {
        healthy: problems.is_empty(),
        path: trail.store.path().display().to_string(),
        entries: check.as_ref().map_or(0, |check| check.entries),
        versions: Versions {
            command: env!("CARGO_PKG_VERSION"),
            entry_format: ENTRY_FORMAT,
            schema: info.as_ref().map(|info| info.schema_version),
            schema_known: SCHEMA_VERSION,
            sqlite: rusqlite::version(),
            journal_mode: info.as_ref().map(|info| info.journal_mode.clone()),
        },
        sizes: info.as_ref().map(sizes),
        indexes: plans,
        problems,
    })
}

/// Takes damage down as a problem, and passes on any other error.
fn found<T>(
    result: Result<T, StoreError>,
    problems: &mut Vec<Problem>,
) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::Corrupt { detail, .. }) => {
            problems.push(Problem {
                what: format!("the file is damaged: {detail}"),
                advice: "restore it from a backup, or save what can be read with `auditlog export`",
            });
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn complaints(check: &Check, problems: &mut Vec<Problem>) {
    problems.extend(check.integrity.iter().map(|complaint| Problem {
        what: format!("integrity: {complaint}"),
        advice: "restore the file from a backup, or save what can be read with `auditlog export`",
    }));
    problems.extend(check.mismatches.iter().map(|mismatch| Problem {
        what: mismatch.to_string(),
        advice: "somebody wrote to the file by other means; compare it with a backup",
    }));
}

/// Returns the questions that people ask, each with what names it.
fn questions(session: &Session) -> [(&'static str, Query); 9] {
    let now = session.now;
    [
        (
            "the history of an object",
            Query::new().model_name("m").object_pk("k"),
        ),
        (
            "the latest of a model",
            Query::new().model_name("m").newest_first(),
        ),
        (
            "an actor's day",
            Query::new().actor("a").since(now - TimeDelta::days(1)),
        ),
        (
            "a span of time",
            Query::new().since(now - TimeDelta::days(1)).until(now),
        ),
        ("a correlation id", Query::new().correlation_id("c")),
        ("a transaction", Query::new().transaction(Uuid::nil())),
        ("a changed field", Query::new().changed("f")),
        (
            "an aggregate",
            Query::new().parent(ObjectRef::new("m", "k")),
        ),
        ("everything in order", Query::new()),
    ]
}

fn sizes(info: &FileInfo) -> Sizes {
    let file_bytes = info.page_size * info.pages;
    let used = file_bytes - (info.page_size * info.free_pages).min(file_bytes);
    Sizes {
        file_bytes,
        free_bytes: file_bytes - used,
        wal_bytes: info.wal_bytes,
        entry_bytes: info.entry_bytes,
        bytes_an_entry: used.checked_div(info.entries).unwrap_or_default(),
    }
}

fn print(findings: &Findings, out: &mut Output) -> Result<(), Error> {
    let mut line = |name: &str, value: String| {
        let name = out.paint(Part::Heading, format!("{name:<9}"));
        out.line(format!("{name} {value}"))
    };
    let versions = &findings.versions;
    line("file", text::safe(&findings.path).into_owned())?;
    line("entries", text::thousands(findings.entries))?;
    let schema = versions
        .schema
        .map_or_else(|| "unknown".to_owned(), |schema| schema.to_string());
    line(
        "versions",
        format!(
            "tables {schema} (up to {} known), entries {}, SQLite {}, auditlog {}",
            versions.schema_known, versions.entry_format, versions.sqlite, versions.command
        ),
    )?;
    if let Some(sizes) = &findings.sizes {
        line(
            "sizes",
            format!(
                "{} bytes, {} of them free, {} in the write-ahead log; {} an entry, of which {} \
                 are the entry itself",
                text::thousands(sizes.file_bytes),
                text::thousands(sizes.free_bytes),
                text::thousands(sizes.wal_bytes),
                text::thousands(sizes.bytes_an_entry),
                text::thousands(
                    sizes
                        .entry_bytes
                        .checked_div(findings.entries)
                        .unwrap_or_default()
                ),
            ),
        )?;
    }
    let indexed = findings.indexes.iter().filter(|plan| plan.indexed).count();
    line(
        "indexes",
        format!(
            "{indexed} of {} usual questions are answered by one",
            findings.indexes.len()
        ),
    )?;
    for problem in findings.problems.iter().take(SHOWN) {
        let mark = out.paint(Part::Bad, "problem:");
        out.line(format!(
            "{mark} {}; {}",
            text::safe(&problem.what),
            problem.advice
        ))?;
    }
    let left = findings.problems.len().saturating_sub(SHOWN);
    if left > 0 {
        out.line(format!(
            "and {} more; --json has all",
            text::thousands(left as u64)
        ))?;
    }
    let verdict = if findings.healthy {
        out.paint(Part::Good, "healthy")
    } else {
        out.paint(Part::Bad, "not healthy")
    };
    out.line(verdict)
}
