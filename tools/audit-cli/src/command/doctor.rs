//! `doctor`: checks the store.

use std::collections::BTreeMap;
use std::fmt;

use audit_core::health::{Engine, Health, Location, Partitions, Problem, QueryPlan, Sizes};
use audit_core::{ENTRY_FORMAT, History, ObjectRef, Path, Query, StoreError};
use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;
use crate::trail::Trail;

/// The maximum number of findings of one kind that are shown.
const MAX_SHOWN: usize = 20;

/// The hints for an object that changed without an entry: in a trail from which nothing was removed, and in
/// another one.
const UNRECORDED: &str = "`auditlog history` of the object shows the position; find the program that writes without \
     entries, and record a baseline of the object";
const REMOVED: &str = "a removed entry may have recorded this change: `auditlog log action:prune` lists the removals; \
     otherwise find the program that writes without entries, and record a baseline of the object";

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog doctor
  auditlog doctor --store postgres://reader@db/app --json";

/// Check the store: entries, versions, indexes and sizes
///
/// Reads the complete store, and exits with 5 if it finds a problem. An object that changed without
/// an entry is a problem until a later entry contains the complete object. In PostgreSQL the command
/// also checks partitions, rights and triggers, and names a server that is not PostgreSQL's own; it needs only
/// the right to read.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {}

/// The findings as JSON.
#[derive(Debug, Serialize)]
struct Findings {
    healthy: bool,
    #[serde(flatten)]
    location: Location,
    entries: u64,
    versions: Versions,
    sizes: Option<Sizes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Partitions>,
    indexes: Vec<QueryPlan>,
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Problem>,
    breaks: Vec<Break>,
}

/// A change of an object without an entry.
#[derive(Debug, Serialize)]
struct Break {
    #[serde(flatten)]
    object: ObjectRef,
    /// The version that starts from other values than the one before it left.
    version: usize,
    entry: Uuid,
    paths: Vec<Path>,
    /// Whether a later entry contains the complete object, so that its state is complete.
    resolved: bool,
}

#[derive(Debug, Serialize)]
struct Versions {
    command: &'static str,
    entry_format: u32,
    schema: Option<u32>,
    schema_known: Option<u32>,
    /// The database by its name, and its settings.
    #[serde(flatten)]
    engine: BTreeMap<&'static str, String>,
    #[serde(skip)]
    database: String,
}

pub(crate) fn run(_args: &DoctorArgs, session: &mut Session) -> Result<Exit, Error> {
    let trail = session.read("doctor", "")?;
    let mut findings = Findings::of(trail.store.health(&common_queries(session))?);
    findings.add_breaks(&trail)?;
    let out = &mut session.out;
    let printed = if out.is_json() {
        out.json(&findings)
    } else {
        print(&findings, out)
    };
    let exit = if findings.healthy {
        Exit::Done
    } else {
        Exit::Unhealthy
    };
    exit.after(printed)
}

impl Findings {
    fn of(health: Health) -> Self {
        Self {
            healthy: health.problems.is_empty(),
            location: health.location,
            entries: health.entries,
            versions: Versions {
                command: env!("CARGO_PKG_VERSION"),
                entry_format: ENTRY_FORMAT,
                schema: health.schema,
                schema_known: health.schema_supported,
                database: format!("{} {}", health.engine.name, health.engine.version),
                engine: engine(health.engine),
            },
            sizes: health.sizes,
            partitions: health.partitions,
            indexes: health.plans,
            problems: health.problems,
            notes: health.notes,
            breaks: Vec::new(),
        }
    }

    /// Finds the objects that changed without an entry. Those without a later complete entry are
    /// problems.
    fn add_breaks(&mut self, trail: &Trail) -> Result<(), Error> {
        // An error is that of a damaged trail, which is reported already.
        let pruned = trail
            .store
            .count(&Query::new().model_name("").action("prune"));
        let pruned = pruned.is_ok_and(|count| count > 0);
        let hint = if pruned { REMOVED } else { UNRECORDED };
        for history in trail.log.histories(trail.log.query())? {
            match history {
                Ok(history) => self.add_breaks_of(&history, hint),
                // The damage is reported already; entries after it cannot be read.
                Err(audit_core::Error::Store(StoreError::Corrupt { .. })) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.healthy = self.problems.is_empty();
        Ok(())
    }

    fn add_breaks_of(&mut self, history: &History, hint: &'static str) {
        let first = self.breaks.len();
        for found in history.breaks() {
            if let Some(last) = self.breaks[first..].last_mut()
                && last.entry == found.entry.id
            {
                last.paths.push(found.path);
                continue;
            }
            let version = history
                .versions()
                .find(|version| version.entry.id == found.entry.id);
            self.breaks.push(Break {
                object: history.object().clone(),
                version: version.map_or(0, |version| version.number),
                entry: found.entry.id,
                paths: vec![found.path],
                resolved: true,
            });
        }
        if first == self.breaks.len() {
            return;
        }
        let complete = history
            .versions()
            .rfind(audit_core::Version::holds_full_state);
        let known_from = complete.map_or(0, |version| version.number);
        for found in &mut self.breaks[first..] {
            found.resolved = found.version <= known_from;
            if !found.resolved {
                self.problems.push(Problem::new(found.to_string(), hint));
            }
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            version,
            paths,
            ..
        } = self;
        let paths: Vec<&str> = paths.iter().map(Path::as_str).collect();
        write!(
            f,
            "`{}` `{}` changed without an entry before version {version}: {}",
            object.model,
            object.object_pk,
            paths.join(", ")
        )
    }
}

/// Returns the members of JSON that name a database and its settings.
fn engine(engine: Engine) -> BTreeMap<&'static str, String> {
    let mut members = BTreeMap::from_iter(engine.settings);
    members.insert(engine.kind, engine.version);
    members
}

/// Returns the size of a store for people.
fn size_text(sizes: &Sizes, entries: u64) -> String {
    let number = |bytes: Option<u64>| text::thousands(bytes.unwrap_or_default());
    if sizes.file_bytes.is_some() {
        let bytes = sizes.entry_bytes.unwrap_or_default();
        format!(
            "{} bytes, {} of them free, {} in the write-ahead log; {} an entry, of which {} are \
             the entry itself",
            number(sizes.file_bytes),
            number(sizes.free_bytes),
            number(sizes.wal_bytes),
            text::thousands(sizes.bytes_per_entry),
            text::thousands(bytes.checked_div(entries).unwrap_or_default()),
        )
    } else {
        format!(
            "{} bytes, and {} of indexes; {} an entry",
            number(sizes.table_bytes),
            number(sizes.index_bytes),
            text::thousands(sizes.bytes_per_entry),
        )
    }
}

/// Returns common queries, each with its name.
fn common_queries(session: &Session) -> [(&'static str, Query); 9] {
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

/// Prints the number of findings that are not shown.
fn more(count: usize, out: &mut Output) -> Result<(), Error> {
    let left = count.saturating_sub(MAX_SHOWN);
    if left == 0 {
        return Ok(());
    }
    out.line(format!(
        "and {} more; --json has all",
        text::thousands(left as u64)
    ))
}

fn print(findings: &Findings, out: &mut Output) -> Result<(), Error> {
    let width = if findings.partitions.is_some() { 10 } else { 9 };
    let mut line = |name: &str, value: String| {
        let name = out.paint(Part::Heading, format!("{name:<width$}"));
        out.line(format!("{name} {value}"))
    };
    let versions = &findings.versions;
    let (kind, location) = match &findings.location {
        Location::File(path) => ("file", path.as_str()),
        Location::Database(name) => ("database", name.as_str()),
        _ => ("store", versions.database.as_str()),
    };
    line(kind, text::safe(location).into_owned())?;
    line("entries", text::thousands(findings.entries))?;
    let schema = versions
        .schema
        .map_or_else(|| "unknown".to_owned(), |schema| schema.to_string());
    line(
        "versions",
        format!(
            "tables {schema} (up to {} known), entries {}, {}, auditlog {}",
            versions.schema_known.unwrap_or_default(),
            versions.entry_format,
            text::safe(&versions.database),
            versions.command
        ),
    )?;
    if let Some(sizes) = &findings.sizes {
        line("sizes", size_text(sizes, findings.entries))?;
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
            "{indexed} of {} common queries use one",
            findings.indexes.len()
        ),
    )?;
    for problem in findings.problems.iter().take(MAX_SHOWN) {
        let mark = out.paint(Part::Bad, "problem:");
        out.line(format!(
            "{mark} {}; {}",
            text::safe(&problem.what),
            problem.advice
        ))?;
    }
    more(findings.problems.len(), out)?;
    for note in &findings.notes {
        let mark = out.paint(Part::Heading, "note:");
        out.line(format!(
            "{mark} {}; {}",
            text::safe(&note.what),
            note.advice
        ))?;
    }
    let resolved = || findings.breaks.iter().filter(|found| found.resolved);
    for found in resolved().take(MAX_SHOWN) {
        let mark = out.paint(Part::Heading, "note:");
        let found = text::safe(&found.to_string()).into_owned();
        out.line(format!(
            "{mark} {found}; a later entry contains the complete object"
        ))?;
    }
    more(resolved().count(), out)?;
    let verdict = if findings.healthy {
        out.paint(Part::Good, "healthy")
    } else {
        out.paint(Part::Bad, "not healthy")
    };
    out.line(verdict)
}
