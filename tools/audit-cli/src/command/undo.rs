//! `undo`: what undoing an entry would change. Writes nothing.

use audit_core::{Action, Change, Changes, Conflict, ConflictKind, LogEntry, Path, Rebase};
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

/// Preview what undoing an entry would change; writes nothing
///
/// The changes lead from the newest version of the object to one without those of the entry. A
/// conflict is a part that was changed again since, or whose old value the trail does not have in
/// clear: it would stay as it is. The application applies the changes and records them; the exit
/// code is 0 with conflicts, too.
#[derive(Args, Debug)]
pub(crate) struct UndoArgs {
    /// The entry's id, or enough of its first or last digits to tell it from the others
    id: String,
}

/// The preview as JSON.
#[derive(Serialize)]
struct Answer<'r> {
    entry: Uuid,
    model: &'r str,
    object_pk: &'r str,
    /// The changes that it would make.
    changes: &'r Changes,
    conflicts: Vec<InTheWay<'r>>,
    /// The parts that are as they would be already.
    done: &'r [Path],
}

/// A conflict as JSON.
#[derive(Serialize)]
struct InTheWay<'r> {
    path: &'r Path,
    kind: &'static str,
    expected: Option<&'r Value>,
    found: Option<&'r Value>,
    message: String,
}

impl<'r> From<&'r Conflict> for InTheWay<'r> {
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
            conflicts: undo.conflicts.iter().map(InTheWay::from).collect(),
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
    print(&entry, &undo, out)
}

fn print(entry: &LogEntry, undo: &Rebase, out: &mut Output) -> Result<Exit, Error> {
    for change in &undo.changes {
        let told = told(change, out);
        out.line(format!("  {told}"))?;
    }
    for path in undo.done.iter().filter(|path| path.as_str() != "$") {
        let path = text::safe(path.as_str());
        let line = out.paint(Part::Quiet, format!("  {path}: undone already"));
        out.line(line)?;
    }
    for conflict in &undo.conflicts {
        let told = out.cut(text::safe(&conflict.to_string()).into_owned());
        let line = out.paint(Part::Bad, format!("  conflict: {told}"));
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

/// Says what a change would do; one of the whole object deletes it or brings it back.
fn told(change: &Change, out: &Output) -> String {
    let gone = |side: &Option<Value>| side.as_ref().is_none_or(Value::is_null);
    if change.path.as_str() == "$" && gone(&change.new) {
        return "deletes the object".to_owned();
    }
    if change.path.as_str() == "$" && gone(&change.old) {
        let state = text::side(change.new.as_ref());
        return format!("brings the object back: {}", out.cut(state));
    }
    let path = out.paint(Part::Heading, text::safe(change.path.as_str()));
    format!("{path}: {}", out.cut(text::change(change)))
}
