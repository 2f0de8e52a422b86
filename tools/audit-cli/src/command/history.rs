//! `history`: lists the entries of one object.

use std::collections::HashMap;

use audit_core::{LogEntry, MissingReason, Path};
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::entry;
use super::log::Printer;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Part;
use crate::session::Session;
use crate::text;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog history User 42 --changes
  auditlog history 1f0a01ece3f4";

/// List the entries and versions of an object, the oldest first
///
/// Each line begins with the number of the version that the entry made, or with `-` if it made
/// no version, such as an access. A line that begins with `!` names a part that changed without an
/// entry: its old value in the next entry differs from the last recorded value.
///
/// With the ID of an entry alone, the command lists the entries of the same object.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = "auditlog history [OPTIONS] <MODEL> <PK>
       auditlog history [OPTIONS] <ID>")]
pub(crate) struct HistoryArgs {
    /// The model's stored name, or the id of an entry
    #[arg(value_name = "MODEL|ID")]
    model: String,
    /// The object's key
    pk: Option<String>,
    /// Show each change with its old and new value
    #[arg(long, short)]
    changes: bool,
}

/// An entry of the history as JSON.
#[derive(Serialize)]
struct Line<'h> {
    /// The version that the entry made; null if it made none, as an access.
    version: Option<usize>,
    /// The parts that changed without an entry before this one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unrecorded: &'h [&'h Path],
    entry: &'h LogEntry,
}

pub(crate) fn run(args: &HistoryArgs, session: &mut Session) -> Result<Exit, Error> {
    let target = entry::Target::new(&args.model, args.pk.as_deref())?;
    let trail = session.read("history", &target.to_string())?;
    let (object, _) = target.find(&trail, session.global.tz)?;
    let history = trail.history(&object.model, &object.object_pk)?;
    let mut unrecorded: HashMap<Uuid, Vec<&Path>> = HashMap::new();
    let breaks = history.breaks();
    for found in &breaks {
        let paths = unrecorded.entry(found.entry.id).or_default();
        paths.push(&found.path);
    }
    let unrecorded = |entry: &LogEntry| unrecorded.get(&entry.id).map_or(&[][..], Vec::as_slice);
    let zone = session.global.tz;
    let out = &mut session.out;
    let mut versions = history.versions().peekable();
    let numbered = history.entries().iter().map(|entry| {
        let made = versions.next_if(|version| version.entry.id == entry.id);
        (made.map(|version| version.number), entry)
    });
    if out.is_json() {
        for (version, entry) in numbered {
            out.json(&Line {
                version,
                unrecorded: unrecorded(entry),
                entry,
            })?;
        }
        return Ok(Exit::Done);
    }
    let object = history.entries().last().map(text::object);
    let versions = text::counted(history.versions().count() as u64, "version", "versions");
    let heading = format!("{}, {versions}", object.unwrap_or_default());
    let heading = out.paint(Part::Object, heading);
    out.line(heading)?;
    let printer = Printer {
        changes: args.changes,
        object: false,
        zone,
    };
    for (version, entry) in numbered {
        for path in unrecorded(entry) {
            let path = text::safe(path.as_str());
            let line = out.paint(
                Part::Bad,
                format!("   ! {path}: {}", MissingReason::Unrecorded),
            );
            out.line(line)?;
        }
        let version = version.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let version = out.paint(Part::Heading, format!("{version:>4} "));
        printer.print(&version, entry, out)?;
    }
    Ok(Exit::Done)
}
