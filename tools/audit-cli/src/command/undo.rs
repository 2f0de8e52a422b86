//! `undo`: previews the changes that would undo an entry.

use audit_core::{
    Action, Change, Changes, Conflict, ConflictKind, History, LogEntry, Path, Rebase,
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::entry;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog undo 1f0a01ece3f4";

/// Preview the changes that would undo an entry; writes nothing
///
/// The changes apply to the newest version of the object. A conflict is a part that a later entry
/// changed again, or whose old value is masked: an undo does not change it. To undo, apply the
/// changes in your program, which records them (`History::undo`). The exit code is also 0 if there
/// are conflicts.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UndoArgs {
    /// The entry's id, or enough of its first or last digits to identify it
    id: String,
}

/// The preview as JSON.
#[derive(Serialize)]
struct Answer<'r> {
    entry: Uuid,
    model: &'r str,
    object_pk: &'r str,
    /// The changes that would undo the entry.
    changes: &'r Changes,
    conflicts: Vec<ConflictAnswer<'r>>,
    /// The parts that are undone already.
    done: &'r [Path],
}

/// A conflict as JSON.
#[derive(Serialize)]
struct ConflictAnswer<'r> {
    path: &'r Path,
    kind: &'static str,
    expected: Option<&'r Value>,
    found: Option<&'r Value>,
    message: String,
}

impl<'r> From<&'r Conflict> for ConflictAnswer<'r> {
    fn from(conflict: &'r Conflict) -> Self {
        Self {
            path: &conflict.path,
            kind: match conflict.kind {
                ConflictKind::Changed => "changed",
                ConflictKind::Done => "done",
                ConflictKind::Missing => "missing",
                ConflictKind::Displaced => "displaced",
                ConflictKind::Malformed => "malformed",
                ConflictKind::Hidden => "hidden",
                _ => "other",
            },
            expected: conflict.expected.as_ref(),
            found: conflict.found.as_ref(),
            message: conflict.to_string(),
        }
    }
}

pub(crate) fn run(args: &UndoArgs, session: &mut Session) -> Result<Exit, Error> {
    entry::check(&args.id)?;
    let zone = session.global.tz;
    let trail = session.read("undo", &args.id)?;
    let entry = entry::find(&trail, &args.id, zone)?;
    let (model, object_pk) = entry::object(&entry)?;
    let history = trail.history(model, object_pk)?;
    let undo = history.undo(entry.id).ok_or_else(|| Error::Usage {
        message: format!(
            "entry {} ({}) changed nothing that can be undone",
            entry.id, entry.action
        ),
        hint: "`auditlog history` shows which entries made a version",
    })?;
    let out = &mut session.out;
    if out.is_json() {
        out.json(&Answer {
            entry: entry.id,
            model,
            object_pk,
            changes: &undo.changes,
            conflicts: undo.conflicts.iter().map(ConflictAnswer::from).collect(),
            done: &undo.done,
        })?;
        return Ok(Exit::Done);
    }
    let heading = format!(
        "undo of {} of {}, {} by {}",
        text::safe(entry.action.as_str()),
        text::object(&entry),
        zone.show(entry.timestamp),
        text::actor(&entry)
    );
    let heading = out.paint(Part::Object, heading);
    out.line(heading)?;
    if let Some(deletion) = deletion(&history, &entry) {
        let time = zone.show(deletion.timestamp);
        let actor = text::actor(deletion);
        let line = out.paint(
            Part::Bad,
            format!("  conflict: {actor} deleted the object at {time}"),
        );
        out.line(line)?;
        let id = out.id(deletion.id);
        let note = format!(
            "nothing was written; undo the deletion first, which `auditlog undo {id}` previews"
        );
        let note = out.paint(Part::Quiet, note);
        out.line(note)?;
        return Ok(Exit::Done);
    }
    print(&entry, &undo, out)
}

/// Returns the entry that deleted the object after `entry`, if the object does not exist now.
fn deletion<'h>(history: &'h History, entry: &LogEntry) -> Option<&'h LogEntry> {
    if history.latest().exists() || matches!(entry.action, Action::Create | Action::Delete) {
        return None;
    }
    let last = history.versions().last()?.entry;
    (last.action == Action::Delete).then_some(last)
}

fn print(entry: &LogEntry, undo: &Rebase, out: &mut Output) -> Result<Exit, Error> {
    for change in &undo.changes {
        print_change(change, out)?;
    }
    for path in undo.done.iter().filter(|path| path.as_str() != "$") {
        let path = text::safe(path.as_str());
        let line = out.paint(Part::Quiet, format!("  {path}: undone already"));
        out.line(line)?;
    }
    for conflict in &undo.conflicts {
        let conflict = out.cut(text::safe(&conflict.to_string()).into_owned());
        let line = out.paint(Part::Bad, format!("  conflict: {conflict}"));
        out.line(line)?;
    }
    let note = match (undo.changes.is_empty(), undo.conflicts.is_empty()) {
        (true, true) if entry.action == Action::Create => "the object is deleted already",
        (true, true) => "nothing would change",
        (true, false) => "nothing can be undone; this is a preview, nothing was written",
        (false, _) => "this is a preview, nothing was written",
    };
    let note = out.paint(Part::Quiet, note);
    out.line(note)?;
    Ok(Exit::Done)
}

/// Prints a change of the preview; a change of the object itself deletes or restores it.
fn print_change(change: &Change, out: &mut Output) -> Result<(), Error> {
    let is_missing = |side: &Option<Value>| side.as_ref().is_none_or(Value::is_null);
    if change.path.as_str() != "$" {
        let path = out.paint(Part::Heading, text::safe(change.path.as_str()));
        let change = out.cut(text::change(change));
        return out.line(format!("  {path}: {change}"));
    }
    match &change.new {
        new if is_missing(new) => out.line("  deletes the object"),
        Some(Value::Object(state)) if is_missing(&change.old) => {
            out.line("  restores the object:")?;
            for (field, value) in state {
                let field = out.paint(Part::Heading, text::safe(field));
                let value = out.cut(text::value(value));
                out.line(format!("    {field}: {value}"))?;
            }
            Ok(())
        }
        _ => {
            let change = out.cut(text::change(change));
            out.line(format!("  {change}"))
        }
    }
}
