//! `blame`: who set which part of an object.

use audit_core::{Blame, History, MissingReason, Path};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::as_of::no_version;
use super::entry;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;

/// Show who set each part of an object last, when and why
///
/// Of an object that was deleted, the parts are those of the version before. With an entry's ID
/// alone, the object is that of the entry, as of the version that it made.
#[derive(Args, Debug)]
#[command(override_usage = "auditlog blame [OPTIONS] <MODEL> <PK>
       auditlog blame [OPTIONS] <ID>")]
pub(crate) struct BlameArgs {
    /// The model's stored name, or the id of an entry
    #[arg(value_name = "MODEL|ID")]
    model: String,
    /// The object's key
    pk: Option<String>,
    /// Only this path, what is inside it, and what it is inside of
    #[arg(long)]
    path: Option<String>,
    /// As of this version, as `history` counts them
    #[arg(long, value_name = "NUMBER")]
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
    /// Whether the part changed without an entry since the object was last told in full.
    unrecorded: bool,
}

pub(crate) fn run(args: &BlameArgs, session: &mut Session) -> Result<Exit, Error> {
    let wanted: Option<Path> = match &args.path {
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
    let asked = entry::Asked::new(&args.model, args.pk.as_deref())?;
    let trail = session.read("blame", &asked.to_string())?;
    let (object, entry) = asked.find(&trail, session.global.tz)?;
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
    if let Some(wanted) = &wanted {
        parts.retain(|part| part.path.is_within(wanted) || wanted.is_within(&part.path));
        if parts.is_empty() {
            return Err(Error::NotFound {
                what: format!(
                    "part `{wanted}` of `{}` `{}`",
                    object.model, object.object_pk
                ),
                near: None,
                hint: "without --path all parts are shown",
            });
        }
    }
    let zone = session.global.tz;
    let out = &mut session.out;
    if shown != number && !out.is_json() {
        let note = format!("deleted in version {number}; these are the parts of version {shown}");
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
    Output::keep_whole(&mut table, [3, 4]);
    out.table(&table)?;
    for part in parts.iter().filter(|part| part.unrecorded) {
        let path = text::safe(part.path.as_str());
        let line = format!("incomplete: {path}: {}", MissingReason::Unrecorded);
        let line = out.paint(Part::Bad, line);
        out.line(line)?;
    }
    Ok(Exit::Done)
}

/// Returns what the part is now: in the state, or a set's member, which has no place there.
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
