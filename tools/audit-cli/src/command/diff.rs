//! `diff`: compares two versions of an object.

use audit_core::{Action, Change, Changes, History, Path, PathSegment};
use clap::Args;
use serde_json::Value;

use super::as_of::no_version;
use crate::error::Error;
use crate::exit::Exit;
use crate::number;
use crate::output::Part;
use crate::session::Session;
use crate::text;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog diff User 42 1 3
  auditlog diff User 42 1";

/// Show the changes from one version of an object to another
///
/// `history` lists the versions. A version that deleted the object has no fields, which a note says.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The model's stored name
    model: String,
    /// The object's key
    pk: String,
    /// The first version, as `history` counts them
    #[arg(value_parser = number::parse::<usize>)]
    from: usize,
    /// The second version; by default the newest
    #[arg(value_parser = number::parse::<usize>)]
    to: Option<usize>,
}

pub(crate) fn run(args: &DiffArgs, session: &mut Session) -> Result<Exit, Error> {
    let to = args
        .to
        .map_or_else(|| "newest".to_owned(), |to| to.to_string());
    let query = format!("{} {} {} {to}", args.model, args.pk, args.from);
    let trail = session.read("diff", &query)?;
    let history = trail.history(&args.model, &args.pk)?;
    let newest = history.versions().count();
    let to = args.to.unwrap_or(newest);
    let changes = history.diff(args.from, to).ok_or_else(|| {
        let known = |number| (1..=newest).contains(&number);
        no_version(if known(args.from) { to } else { args.from }, &history)
    })?;
    let out = &mut session.out;
    if out.is_json() {
        out.json(&changes)?;
        return Ok(Exit::Done);
    }
    if changes.is_empty() {
        out.line(format!("versions {} and {to} are the same", args.from))?;
        return Ok(Exit::Done);
    }
    for number in [args.from, to] {
        if let Some(note) = deletion(&history, number) {
            let note = out.paint(Part::Quiet, note);
            out.line(note)?;
        }
    }
    let mut table = out.new_table([
        "",
        "PATH",
        &format!("VERSION {}", args.from),
        &format!("VERSION {to}"),
    ]);
    for change in &by_field(changes) {
        let (sign, part) = match (&change.old, &change.new) {
            (None, Some(_)) => ("+", Part::Good),
            (Some(_), None) => ("-", Part::Bad),
            _ => ("~", Part::Heading),
        };
        let (old, new) = match (&change.old, &change.new) {
            (None, None) => ("-".to_owned(), text::change(change)),
            (old, new) => (text::side(old.as_ref()), text::side(new.as_ref())),
        };
        table.add_row([
            out.cell(part, sign),
            out.cell(Part::Object, text::safe(change.path.as_str())),
            out.cell(Part::Bad, out.cut(old)),
            out.cell(Part::Good, out.cut(new)),
        ]);
    }
    out.table(&table)?;
    Ok(Exit::Done)
}

/// Returns a note if the object does not exist in a version.
fn deletion(history: &History, number: usize) -> Option<String> {
    if history.at_version(number)?.exists() {
        return None;
    }
    let version = history.versions().nth(number.checked_sub(1)?)?;
    Some(match version.entry.action {
        Action::Delete => format!("version {number} deleted the object"),
        _ => format!("the object does not exist in version {number}"),
    })
}

/// Splits a change that creates or deletes the object into one for each field.
fn by_field(changes: Changes) -> Vec<Change> {
    let mut list = Vec::new();
    for change in changes {
        let is_missing = |side: &Option<Value>| side.as_ref().is_none_or(Value::is_null);
        let path = |field: &String| Path::from_segments(&[PathSegment::Name(field.clone())]);
        match (change.path.as_str(), &change.old, &change.new) {
            ("$", Some(Value::Object(old)), new) if is_missing(new) => {
                let removed = |(field, value): (&String, &Value)| {
                    Change::new(path(field), Some(value.clone()), None)
                };
                list.extend(old.iter().map(removed));
            }
            ("$", old, Some(Value::Object(new))) if is_missing(old) => {
                let added = |(field, value): (&String, &Value)| {
                    Change::new(path(field), None, Some(value.clone()))
                };
                list.extend(new.iter().map(added));
            }
            _ => list.push(change),
        }
    }
    list
}
