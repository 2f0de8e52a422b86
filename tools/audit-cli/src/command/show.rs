//! `show`: prints one entry completely.

use audit_core::{Action, LogEntry};
use clap::Args;

use super::entry;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;
use crate::zone::Zone;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog show 1f0a01ece3f4";

/// Show one entry with all its fields and changes
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The entry's id, or enough of its first or last digits to identify it
    id: String,
}

pub(crate) fn run(args: &ShowArgs, session: &mut Session) -> Result<Exit, Error> {
    entry::check(&args.id)?;
    let zone = session.global.tz;
    let trail = session.read("show", &args.id)?;
    let entry = entry::find(&trail, &args.id, zone)?;
    if session.out.is_json() {
        session.out.json_line(&entry.to_canonical_json()?)?;
    } else {
        print(&entry, zone, &mut session.out)?;
    }
    Ok(Exit::Done)
}

fn print(entry: &LogEntry, zone: Zone, out: &mut Output) -> Result<(), Error> {
    for (name, value) in fields(entry, zone) {
        let name = out.paint(Part::Heading, format!("{name:<15}"));
        out.line(format!("{name} {value}"))?;
    }
    if !entry.additional_data.is_empty() {
        heading("additional data", out)?;
        for (key, value) in &entry.additional_data {
            out.line(format!("  {}: {}", text::safe(key), text::value(value)))?;
        }
    }
    if !entry.changes.is_empty() {
        heading("changes", out)?;
        for change in &entry.changes {
            let path = text::safe(change.path.as_str());
            out.line(format!("  {path}: {}", text::change(change)))?;
        }
    }
    if let Some(snapshot) = &entry.snapshot {
        heading("snapshot", out)?;
        out.line(format!("  {}", text::value(snapshot)))?;
    }
    Ok(())
}

fn heading(title: &str, out: &mut Output) -> Result<(), Error> {
    let title = out.paint(Part::Heading, title);
    out.line(title)
}

/// Returns the fields of the entry by name, without empty ones.
fn fields(entry: &LogEntry, zone: Zone) -> Vec<(&'static str, String)> {
    let safe = |text: &str| text::safe(text).into_owned();
    let mut fields = vec![
        ("id", entry.id.to_string()),
        ("time", zone.show(entry.timestamp)),
        ("level", entry.level.to_string()),
        ("action", safe(entry.action.as_str())),
        ("outcome", entry.outcome.to_string()),
    ];
    let mut optional =
        |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    let object = text::object(entry);
    optional("object", (!object.is_empty()).then_some(object));
    optional("schema version", Some(entry.schema_version.to_string()));
    optional("actor", Some(text::actor(entry)));
    if let Some(actor) = &entry.actor {
        optional("actor id", Some(safe(&actor.id)));
        optional("actor kind", Some(actor.kind.to_string()));
    }
    let parent = entry.parent.as_ref();
    optional("parent", parent.map(|parent| safe(&parent.to_string())));
    let counterpart = entry.counterpart.as_ref();
    let side = match entry.action {
        Action::Delete => "continues as",
        _ => "continues from",
    };
    optional(side, counterpart.map(|other| safe(&other.to_string())));
    optional("reason", entry.reason.as_deref().map(safe));
    optional("correlation id", entry.correlation_id.as_deref().map(safe));
    optional("transaction", entry.transaction_id.map(|id| id.to_string()));
    optional("trace id", entry.trace_id.as_deref().map(safe));
    let port = entry.remote_port.map(|port| format!(" port {port}"));
    let address = entry.remote_addr.map(|address| address.to_string());
    optional(
        "address",
        address.map(|address| address + &port.unwrap_or_default()),
    );
    let source = &entry.source;
    let source: Vec<&str> = [&source.service, &source.version, &source.host]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    optional(
        "source",
        (!source.is_empty()).then(|| safe(&source.join(" "))),
    );
    fields
}
