//! `history`: what happened to one object.

use audit_core::LogEntry;
use clap::Args;
use serde::Serialize;

use super::Session;
use super::log::Printer;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::text;

/// How many changed paths a row shows.
const PATHS: usize = 6;

/// Show what happened to an object, oldest first, with the versions
#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// The model's stored name
    model: String,
    /// The object's key
    pk: String,
    /// Show what changed, with the values
    #[arg(long, short)]
    changes: bool,
}

/// An entry of the history as JSON.
#[derive(Serialize)]
struct Line<'h> {
    /// The version that the entry made; null if it made none, as of an access.
    version: Option<usize>,
    entry: &'h LogEntry,
}

pub(crate) fn run(args: &HistoryArgs, session: &mut Session) -> Result<Exit, Error> {
    let trail = session.read("history", &format!("{} {}", args.model, args.pk))?;
    let history = trail.history(&args.model, &args.pk)?;
    let zone = session.global.tz;
    let out = &mut session.out;
    let mut versions = history.versions().peekable();
    let numbered = history.entries().iter().map(|entry| {
        let made = versions.next_if(|version| version.entry.id == entry.id);
        (made.map(|version| version.number), entry)
    });
    if out.is_json() {
        for (version, entry) in numbered {
            out.json(&Line { version, entry })?;
        }
        return Ok(Exit::Done);
    }
    if args.changes {
        let printer = Printer {
            changes: true,
            zone,
        };
        for (version, entry) in numbered {
            let version =
                version.map_or_else(|| "no version".to_owned(), |n| format!("version {n}"));
            let version = out.paint(Part::Heading, version);
            out.line(version)?;
            printer.print(entry, out)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = out.new_table([
        "VERSION", "TIME", "ACTION", "BY", "CHANGED", "REASON", "ENTRY",
    ]);
    for (version, entry) in numbered {
        let version = version.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let reason = entry.reason.as_deref().unwrap_or_default();
        table.add_row([
            out.cell(Part::Heading, version),
            out.cell(Part::Quiet, zone.show(entry.timestamp)),
            out.cell(Part::Level(entry.level), text::safe(entry.action.as_str())),
            out.cell(Part::Actor, text::actor(entry)),
            out.cell(Part::Object, text::paths(entry.changes.paths(), PATHS)),
            out.cell(Part::Object, text::safe(reason)),
            out.cell(Part::Quiet, entry.id),
        ]);
    }
    Output::keep_whole(&mut table, [0, 1, 2, 6]);
    out.table(&table)?;
    Ok(Exit::Done)
}
