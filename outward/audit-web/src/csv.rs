//! Rows of CSV (RFC 4180) that no spreadsheet reads as formulas.

use std::borrow::Cow;

use audit_core::backend::table_cell;
use audit_core::{Change, LogEntry, Redaction};
use csv::{Terminator, Writer, WriterBuilder};
use serde_json::Value;

use crate::html::timestamp;

/// The names of the columns: those of the entry, and those of the change.
const COLUMNS: [&str; 17] = [
    "time",
    "id",
    "level",
    "action",
    "outcome",
    "model",
    "object_pk",
    "object_repr",
    "actor",
    "actor_display",
    "on_behalf_of",
    "reason",
    "correlation_id",
    "path",
    "old",
    "new",
    "redaction",
];

/// Returns a writer of rows.
pub(crate) fn writer() -> Writer<Vec<u8>> {
    WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new())
}

/// Writes the names of the columns.
pub(crate) fn write_head(to: &mut Writer<Vec<u8>>) -> csv::Result<()> {
    to.write_record(COLUMNS)
}

/// Writes the rows of an entry from a number on, until the rows written have a size in bytes: one
/// for each change, and one for an entry without changes. Returns the number of the next row if
/// there is one.
pub(crate) fn write_entry(
    to: &mut Writer<Vec<u8>>,
    entry: &LogEntry,
    first: usize,
    bytes: usize,
) -> csv::Result<Option<usize>> {
    let common = of_entry(entry);
    let mut write = |own: [Cow<'_, str>; 4]| {
        to.write_record(common.iter().chain(&own).map(|cell| cell.as_bytes()))?;
        Ok::<usize, csv::Error>(to.get_ref().len())
    };
    if entry.changes.is_empty() {
        write([const { Cow::Borrowed("") }; 4])?;
    }
    for (row, change) in entry.changes.iter().enumerate().skip(first) {
        let written = write(of_change(change))?;
        if written >= bytes && row + 1 < entry.changes.len() {
            return Ok(Some(row + 1));
        }
    }
    Ok(None)
}

fn of_entry(entry: &LogEntry) -> [Cow<'_, str>; 13] {
    let actor = entry.actor.as_ref();
    [
        timestamp(entry.timestamp).into(),
        entry.id.to_string().into(),
        entry.level.as_str().into(),
        table_cell(entry.action.as_str()),
        entry.outcome.as_str().into(),
        table_cell(&entry.model),
        table_cell(&entry.object_pk),
        table_cell(&entry.object_repr),
        optional(actor.map(|actor| actor.id.as_str())),
        optional(actor.and_then(|actor| actor.display.as_deref())),
        optional(actor.and_then(|actor| actor.on_behalf_of.as_deref())),
        optional(entry.reason.as_deref()),
        optional(entry.correlation_id.as_deref()),
    ]
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

/// Returns a text as a cell, and any other value as JSON. A number is never a formula.
fn value(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => table_cell(text),
        Some(Value::Number(number)) => number.to_string().into(),
        Some(value) => table_cell(&value.to_string()).into_owned().into(),
    }
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

    #[test]
    fn the_rows_of_an_entry_continue_where_they_ended() {
        let mut entry = LogEntry::new("update", "User", "1", "bob");
        let change = |number: usize| {
            let path = format!("f{number:03}").parse().expect("a path");
            Change::new(path, None, Some(json!("x".repeat(1_000))))
        };
        entry.changes = (0..100).map(change).collect();
        let mut all = writer();
        assert_eq!(
            write_entry(&mut all, &entry, 0, usize::MAX).expect("rows"),
            None
        );
        let all = all.into_inner().expect("rows");
        let (mut parts, mut next) = (Vec::new(), Some(0));
        let mut count = 0;
        while let Some(first) = next {
            let mut part = writer();
            next = write_entry(&mut part, &entry, first, 20_000).expect("rows");
            let part = part.into_inner().expect("rows");
            assert!(part.len() < 40_000, "{}", part.len());
            parts.extend(part);
            count += 1;
        }
        assert!(count > 2 && parts == all, "{count}");
    }
}
