//! `doctor`: whether the store is as it should be.

use audit_core::{ENTRY_FORMAT, ObjectRef, Query};
use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::store::{Engine, Health, Named, Partitions, Plan, Problem, Sizes};
use crate::text;

/// How many complaints of one kind are shown.
const SHOWN: usize = 20;
/// Check the store: every byte and entry, versions, indexes, sizes
///
/// Reads all of the store. If something is wrong, the exit code is 5. In PostgreSQL it looks at
/// partitions, rights and triggers, too; a role that may only read is enough.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {}

/// What was found, as JSON.
#[derive(Debug, Serialize)]
struct Findings {
    healthy: bool,
    #[serde(flatten)]
    place: Named,
    entries: u64,
    versions: Versions,
    sizes: Option<Sizes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Partitions>,
    indexes: Vec<Plan>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Versions {
    command: &'static str,
    entry_format: u32,
    schema: Option<u32>,
    schema_known: u32,
    #[serde(flatten)]
    engine: Engine,
}

pub(crate) fn run(_args: &DoctorArgs, session: &mut Session) -> Result<Exit, Error> {
    let trail = session.read("doctor", "")?;
    let findings = Findings::of(trail.store.examine(&questions(session))?);
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

impl Findings {
    fn of(health: Health) -> Self {
        Self {
            healthy: health.problems.is_empty(),
            place: health.place,
            entries: health.entries,
            versions: Versions {
                command: env!("CARGO_PKG_VERSION"),
                entry_format: ENTRY_FORMAT,
                schema: health.schema,
                schema_known: health.schema_known,
                engine: health.engine,
            },
            sizes: health.sizes,
            partitions: health.partitions,
            indexes: health.indexes,
            problems: health.problems,
        }
    }
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

fn print(findings: &Findings, out: &mut Output) -> Result<(), Error> {
    let width = if findings.partitions.is_some() { 10 } else { 9 };
    let mut line = |name: &str, value: String| {
        let name = out.paint(Part::Heading, format!("{name:<width$}"));
        out.line(format!("{name} {value}"))
    };
    let versions = &findings.versions;
    let (kind, place) = match &findings.place {
        Named::File(path) => ("file", path),
        #[cfg(feature = "postgres")]
        Named::Database(place) => ("database", place),
    };
    line(kind, text::safe(place).into_owned())?;
    line("entries", text::thousands(findings.entries))?;
    let schema = versions
        .schema
        .map_or_else(|| "unknown".to_owned(), |schema| schema.to_string());
    line(
        "versions",
        format!(
            "tables {schema} (up to {} known), entries {}, {}, auditlog {}",
            versions.schema_known,
            versions.entry_format,
            text::safe(&versions.engine.to_string()),
            versions.command
        ),
    )?;
    if let Some(sizes) = &findings.sizes {
        line("sizes", sizes.told(findings.entries))?;
    }
    if let Some(partitions) = &findings.partitions {
        let months = partitions.months as u64;
        line(
            "partitions",
            format!(
                "{}, and {} outside of them",
                text::counted(months, "month", "months"),
                text::counted(partitions.rest_entries, "entry", "entries")
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
