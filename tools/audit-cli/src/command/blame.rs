//! `blame`: shows the entry that set each part of an object.

use audit_core::{Blame, History, MissingReason, ObjectRef, Path};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::as_of::no_version;
use super::entry;
use crate::error::Error;
use crate::exit::Exit;
use crate::number;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog blame User 42
  auditlog blame User 42 --path address.city --version 3";

/// Show the actor, time and reason of the last change of each part of an object
///
/// For a deleted object the command shows the version before the deletion. With the ID of an entry
/// alone, it shows the version of the object that the entry made.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = "auditlog blame [OPTIONS] <MODEL> <PK>
       auditlog blame [OPTIONS] <ID>")]
pub(crate) struct BlameArgs {
    /// The model's stored name, or the id of an entry
    #[arg(value_name = "MODEL|ID")]
    model: String,
    /// The object's key
    pk: Option<String>,
    /// Show only this path, the parts inside it, and the parts that contain it
    #[arg(long)]
    path: Option<String>,
    /// Show this version instead of the newest, as `history` counts them
    #[arg(long, value_name = "NUMBER", value_parser = number::parse::<usize>, allow_negative_numbers = true)]
    version: Option<usize>,
}

/// A part as JSON.
#[derive(Serialize)]
struct Line<'h> {
    path: &'h Path,
    value: Option<&'h Value>,
    version: Option<usize>,
    time: String,
    actor: Option<&'h str>,
    reason: Option<&'h str>,
    entry: Uuid,
    /// Whether the part changed without an entry since the last complete entry.
    unrecorded: bool,
}

pub(crate) fn run(args: &BlameArgs, session: &mut Session) -> Result<Exit, Error> {
    let filter: Option<Path> = match &args.path {
        Some(path) => {
            Some(
                path.parse()
                    .map_err(|error: audit_core::ParsePathError| Error::Value {
                        argument: "--path",
                        message: error.to_string(),
                    })?,
            )
        }
        None => None,
    };
    let target = entry::Target::new(&args.model, args.pk.as_deref())?;
    let trail = session.read("blame", &target.to_string())?;
    let (object, entry) = target.find(&trail, session.global.tz)?;
    let history = trail.history(&object.model, &object.object_pk)?;
    let of_entry = entry.and_then(|entry| version(entry, &history));
    let newest = history.versions().count();
    let number = args.version.or(of_entry).unwrap_or(newest);
    let mut shown = number;
    let mut latest = history
        .at_version(number)
        .ok_or_else(|| no_version(number, &history))?;
    if !latest.exists()
        && let Some(before) = number
            .checked_sub(1)
            .and_then(|before| history.at_version(before))
    {
        (latest, shown) = (before, number - 1);
    }
    let mut parts = history.blame_at(shown).unwrap_or_default();
    if let Some(filter) = &filter {
        parts = within(parts, filter, &object)?;
    }
    let zone = session.global.tz;
    let out = &mut session.out;
    if shown != number && !out.is_json() {
        let note =
            format!("version {number} deleted the object; these are the parts of version {shown}");
        let note = out.paint(Part::Quiet, note);
        out.line(note)?;
    }
    if out.is_json() {
        for part in &parts {
            let entry = part.entry;
            out.json(&Line {
                path: &part.path,
                value: value(part, &latest.state),
                version: version(part.entry.id, &history),
                time: crate::zone::Zone::UTC.show_aligned(entry.timestamp),
                actor: entry.actor.as_ref().map(|actor| actor.id.as_str()),
                reason: entry.reason.as_deref(),
                entry: entry.id,
                unrecorded: part.unrecorded,
            })?;
        }
        return Ok(Exit::Done);
    }
    let mut table = out.new_table(["PATH", "VALUE", "BY", "TIME", "VERSION", "REASON"]);
    for part in &parts {
        let entry = part.entry;
        let version = version(part.entry.id, &history);
        table.add_row([
            out.cell(Part::Object, text::safe(part.path.as_str())),
            out.cell(
                Part::Heading,
                out.cut(text::side(value(part, &latest.state))),
            ),
            out.cell(Part::Actor, text::actor(entry)),
            out.cell(Part::Quiet, zone.show(entry.timestamp)),
            out.cell(
                Part::Quiet,
                version.map_or_else(String::new, |number| number.to_string()),
            ),
            out.cell(
                Part::Object,
                text::safe(entry.reason.as_deref().unwrap_or_default()),
            ),
        ]);
    }
    Output::no_wrap(&mut table, [3, 4]);
    out.table(&table)?;
    for part in parts.iter().filter(|part| part.unrecorded) {
        let path = text::safe(part.path.as_str());
        let line = format!("incomplete: {path}: {}", MissingReason::Unrecorded);
        let line = out.paint(Part::Bad, line);
        out.line(line)?;
    }
    Ok(Exit::Done)
}

/// Returns the parts at a path, inside it, and around it.
///
/// # Errors
/// Returns [`Error::NotFound`], with the most similar path, if there are none.
fn within<'h>(
    mut parts: Vec<Blame<'h>>,
    filter: &Path,
    object: &ObjectRef,
) -> Result<Vec<Blame<'h>>, Error> {
    let is_shown = |part: &Blame<'_>| part.path.is_within(filter) || filter.is_within(&part.path);
    if parts.iter().any(is_shown) {
        parts.retain(is_shown);
        return Ok(parts);
    }
    let paths = parts.iter().map(|part| part.path.as_str());
    let near = audit_core::backend::nearest(filter.as_str(), paths);
    Err(Error::NotFound {
        what: format!(
            "part `{filter}` of `{}` `{}`",
            object.model, object.object_pk
        ),
        near: near.map(str::to_owned),
        hint: "without --path the command shows all parts",
    })
}

/// Returns the value of a part in the state; a set's member is only in its entry.
fn value<'h>(part: &Blame<'h>, state: &'h Value) -> Option<&'h Value> {
    part.path
        .find_in(state)
        .or_else(|| part.entry.changes.get(part.path.as_str())?.new.as_ref())
}

fn version(entry: Uuid, history: &History) -> Option<usize> {
    history
        .versions()
        .find(|version| version.entry.id == entry)
        .map(|version| version.number)
}
