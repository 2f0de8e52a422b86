//! Writes entries as rows of CSV.

use std::borrow::Cow;
use std::io;

use audit_core::backend::table_cell;
use audit_core::{Change, LogEntry, Redaction};
use clap::ValueEnum;
use csv::Writer;
use serde_json::Value;

use crate::zone::Zone;

/// The unit of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Rows {
    /// An entry, with its changes as JSON
    #[default]
    Entry,
    /// A change; an entry without one has a row as well
    Change,
}

/// The columns that both kinds of rows begin with.
const COMMON: [&str; 16] = [
    "time",
    "id",
    "level",
    "action",
    "outcome",
    "model",
    "object_pk",
    "object_repr",
    "actor",
    "actor_kind",
    "actor_display",
    "on_behalf_of",
    "reason",
    "correlation_id",
    "transaction_id",
    "trace_id",
];
/// The columns of a row for an entry.
const OF_ENTRY: [&str; 11] = [
    "parent_model",
    "parent_pk",
    "remote_addr",
    "remote_port",
    "changes",
    "additional_data",
    "snapshot",
    "schema_version",
    "source_service",
    "source_version",
    "source_host",
];
/// The columns of a row for a change.
const OF_CHANGE: [&str; 4] = ["path", "old", "new", "redaction"];

/// Makes rows.
pub(super) struct Csv {
    rows: Rows,
    zone: Zone,
}

impl Csv {
    pub(super) fn new(rows: Rows, zone: Zone) -> Self {
        Self { rows, zone }
    }

    /// Returns the line of the columns' names.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let own: &[&str] = match self.rows {
            Rows::Entry => &OF_ENTRY,
            Rows::Change => &OF_CHANGE,
        };
        let mut writer = writer();
        writer.write_record(COMMON.iter().chain(own))?;
        finish(writer)
    }

    /// Returns the lines of an entry.
    pub(super) fn entry(&self, entry: &LogEntry) -> io::Result<Vec<u8>> {
        let common = self.common(entry);
        let mut writer = writer();
        let mut write = |own: &[Cow<'_, str>]| {
            writer.write_record(common.iter().chain(own).map(|field| field.as_bytes()))
        };
        match self.rows {
            Rows::Entry => write(&of_entry(entry)?)?,
            Rows::Change if entry.changes.is_empty() => write(&[const { Cow::Borrowed("") }; 4])?,
            Rows::Change => {
                for change in &entry.changes {
                    write(&of_change(change))?;
                }
            }
        }
        finish(writer)
    }

    fn common<'e>(&self, entry: &'e LogEntry) -> [Cow<'e, str>; 16] {
        let actor = entry.actor.as_ref();
        [
            self.zone.show_aligned(entry.timestamp).into(),
            entry.id.to_string().into(),
            entry.level.as_str().into(),
            table_cell(entry.action.as_str()),
            entry.outcome.as_str().into(),
            table_cell(&entry.model),
            table_cell(&entry.object_pk),
            table_cell(&entry.object_repr),
            optional(actor.map(|actor| actor.id.as_str())),
            optional(actor.map(|actor| actor.kind.as_str())),
            optional(actor.and_then(|actor| actor.display.as_deref())),
            optional(actor.and_then(|actor| actor.on_behalf_of.as_deref())),
            optional(entry.reason.as_deref()),
            optional(entry.correlation_id.as_deref()),
            entry
                .transaction_id
                .map(|id| id.to_string())
                .unwrap_or_default()
                .into(),
            optional(entry.trace_id.as_deref()),
        ]
    }
}

fn of_entry(entry: &LogEntry) -> io::Result<[Cow<'_, str>; 11]> {
    let parent = entry.parent.as_ref();
    let changes = if entry.changes.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&entry.changes)?
    };
    let extra = if entry.additional_data.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&entry.additional_data)?
    };
    let text = |value: Option<String>| Cow::Owned(value.unwrap_or_default());
    Ok([
        optional(parent.map(|parent| parent.model.as_str())),
        optional(parent.map(|parent| parent.object_pk.as_str())),
        text(entry.remote_addr.map(|address| address.to_string())),
        text(entry.remote_port.map(|port| port.to_string())),
        table_cell(&changes).into_owned().into(),
        table_cell(&extra).into_owned().into(),
        value(entry.snapshot.as_ref()),
        entry.schema_version.to_string().into(),
        optional(entry.source.service.as_deref()),
        optional(entry.source.version.as_deref()),
        optional(entry.source.host.as_deref()),
    ])
}

fn of_change(change: &Change) -> [Cow<'_, str>; 4] {
    [
        table_cell(change.path.as_str()),
        value(change.old.as_ref()),
        value(change.new.as_ref()),
        change.redaction.map_or("", Redaction::as_str).into(),
    ]
}

fn optional(text: Option<&str>) -> Cow<'_, str> {
    text.map_or(Cow::Borrowed(""), table_cell)
}

/// Writes a text as it is and any other value as JSON; a number is never a formula.
fn value(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => table_cell(text),
        Some(Value::Number(number)) => number.to_string().into(),
        Some(value) => table_cell(&value.to_string()).into_owned().into(),
    }
}

fn writer() -> Writer<Vec<u8>> {
    // Line ends of RFC 4180.
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new())
}

fn finish(writer: Writer<Vec<u8>>) -> io::Result<Vec<u8>> {
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_no_formula() {
        assert_eq!(value(Some(&json!(-5))), "-5");
        assert_eq!(value(Some(&json!("-5"))), "'-5");
        assert_eq!(value(Some(&json!(["=1"]))), "[\"=1\"]");
        assert_eq!(value(None), "");
    }
}
