//! Writes entries as rows of CSV.

use std::borrow::Cow;
use std::io;

use audit_core::LogEntry;
use audit_core::backend::table::{self, cell, optional, value};
use clap::ValueEnum;
use csv::Writer;

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

/// The columns of a row for an entry, after those of all rows.
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
            Rows::Change => &table::CHANGE,
        };
        let mut writer = writer();
        writer.write_record(table::ENTRY.iter().chain(own))?;
        finish(writer)
    }

    /// Returns the lines of an entry.
    pub(super) fn entry(&self, entry: &LogEntry) -> io::Result<Vec<u8>> {
        let mut common = table::entry(entry);
        common[0] = self.zone.show_aligned(entry.timestamp).into();
        let mut writer = writer();
        let mut write = |own: &[Cow<'_, str>]| {
            writer.write_record(common.iter().chain(own).map(|field| field.as_bytes()))
        };
        match self.rows {
            Rows::Entry => write(&of_entry(entry)?)?,
            Rows::Change if entry.changes.is_empty() => write(&[const { Cow::Borrowed("") }; 4])?,
            Rows::Change => {
                for change in &entry.changes {
                    write(&table::change(change))?;
                }
            }
        }
        finish(writer)
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
        cell(&changes).into_owned().into(),
        cell(&extra).into_owned().into(),
        value(entry.snapshot.as_ref()),
        entry.schema_version.to_string().into(),
        optional(entry.source.service.as_deref()),
        optional(entry.source.version.as_deref()),
        optional(entry.source.host.as_deref()),
    ])
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
