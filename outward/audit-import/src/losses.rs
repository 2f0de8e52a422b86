//! The report of an import: values that could not be carried over exactly.

use std::collections::BTreeMap;
use std::fmt;

use crate::format::Format;

/// The maximum number of losses that are reported by column.
const MAX_LOSSES: usize = 1000;

/// The number of rows read, and the values that could not be carried over exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    entries: u64,
    failed: u64,
    losses: BTreeMap<Key, (u64, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    format: Format,
    table: String,
    kind: LossKind,
    column: String,
    ruby_type: String,
}

/// A kind of loss in a column: its entries are less exact than its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The library.
    pub format: Format,
    /// The table.
    pub table: String,
    /// The column or field.
    pub column: String,
    /// The Ruby type, if [`kind`](Self::kind) concerns one; else empty.
    pub ruby_type: String,
    /// The kind of loss.
    pub kind: LossKind,
    /// The number of rows that it concerns.
    pub rows: u64,
    /// The first of them, as the library counts.
    pub first: String,
}

/// The kind of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// An invalid IP address: it is kept as text in `additional_data`.
    NotAnAddress,
    /// Changes that are not in the library's form: they are kept in `additional_data`.
    UnknownShape,
    /// Members of a set that look the same: they are one change, and kept in
    /// `additional_data`.
    SameMembers,
    /// The text `None` among values kept as text, which may stand for a null.
    NoneAsText,
    /// Values that the library masked.
    Masked,
    /// The zone in which an instant was given: the instant is kept in UTC.
    TimeZone,
    /// An instant without an offset: UTC is assumed.
    AssumedUtc,
    /// A Ruby type that JSON has no counterpart of: its parts, or its text, are kept.
    RubyType,
    /// A Ruby object that wraps one value: that value is kept.
    RubyValue,
    /// A decimal of unknown scale: trailing zeros are left out.
    DecimalScale,
    /// Unknown changes: the library keeps the object before a change only, and there is no later
    /// version to compare with.
    NoChanges,
    /// A change that may be a pair of old and new, or a list of two as the new value: it is read
    /// as a pair.
    PairOrList,
    /// Text that is not UTF-8: it is kept as bytes.
    NotUtf8,
    /// Invalid JSON: it is kept as text.
    BadJson,
    /// The type of the object, of which the database has lost the name.
    ModelName,
    /// A table that belongs to the library and is not read.
    UnreadTable,
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotAnAddress => "not an IP address, kept as text in additional_data",
            Self::UnknownShape => "not in the library's form, kept in additional_data",
            Self::SameMembers => "members that look the same, kept in additional_data",
            Self::NoneAsText => "the text `None` may stand for a null",
            Self::Masked => "masked by the library",
            Self::TimeZone => "the zone of an instant is left out, the instant is in UTC",
            Self::AssumedUtc => "an instant without an offset, read as UTC",
            Self::RubyType => "a Ruby type without a counterpart, kept by its parts or text",
            Self::RubyValue => "a Ruby object around one value, of which that value is kept",
            Self::DecimalScale => "the scale of a decimal is unknown, trailing zeros are left out",
            Self::NoChanges => "the changes are unknown",
            Self::PairOrList => "a pair of old and new, or a list of two: read as a pair",
            Self::NotUtf8 => "not UTF-8, kept as bytes",
            Self::BadJson => "invalid JSON, kept as text",
            Self::ModelName => "the model's name is missing, its number is used",
            Self::UnreadTable => "a table that is not read",
        })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        if !self.column.is_empty() {
            write!(f, ".{}", self.column)?;
        }
        write!(f, ": {}", self.kind)?;
        if !self.ruby_type.is_empty() {
            write!(f, ": `{}`", self.ruby_type.escape_debug())?;
        }
        if self.rows > 0 {
            let s = if self.rows == 1 { "" } else { "s" };
            write!(f, " ({} row{s}, first {})", self.rows, self.first)?;
        }
        Ok(())
    }
}

impl Report {
    /// Returns the number of entries that were read.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns the number of rows that made no entry.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns the losses, by table.
    pub fn losses(&self) -> impl Iterator<Item = Loss> {
        self.losses.iter().map(|(key, (rows, first))| Loss {
            format: key.format,
            table: key.table.clone(),
            column: key.column.clone(),
            ruby_type: key.ruby_type.clone(),
            kind: key.kind,
            rows: *rows,
            first: first.clone(),
        })
    }

    pub(crate) fn count(&mut self, read: bool) {
        if read {
            self.entries += 1;
        } else {
            self.failed += 1;
        }
    }

    pub(crate) fn add(
        &mut self,
        format: Format,
        table: &str,
        row: Option<&str>,
        column: &str,
        kind: LossKind,
    ) {
        self.add_ruby(format, table, row, column, kind, "");
    }

    fn add_ruby(
        &mut self,
        format: Format,
        table: &str,
        row: Option<&str>,
        column: &str,
        kind: LossKind,
        ruby_type: &str,
    ) {
        let mut key = Key {
            format,
            table: table.to_owned(),
            kind,
            column: column.to_owned(),
            ruby_type: ruby_type.to_owned(),
        };
        // A hostile file may have any number of fields and types.
        if self.losses.len() >= MAX_LOSSES && !self.losses.contains_key(&key) {
            "...".clone_into(&mut key.column);
            key.ruby_type.clear();
        }
        let (rows, first) = self.losses.entry(key).or_default();
        if let Some(row) = row {
            if *rows == 0 {
                row.clone_into(first);
            }
            *rows += 1;
        }
    }
}

/// The fields of an entry that [`Import::column`](crate::Import::column) maps columns to.
pub(crate) type Columns = BTreeMap<String, &'static str>;

/// Reports the losses of one row, and maps its columns.
pub(crate) struct Losses<'r> {
    pub(crate) report: &'r mut Report,
    pub(crate) format: Format,
    pub(crate) table: &'r str,
    pub(crate) row: &'r str,
    pub(crate) columns: &'r Columns,
}

impl Losses<'_> {
    pub(crate) fn add(&mut self, column: &str, kind: LossKind) {
        self.add_ruby(column, kind, "");
    }

    /// Reports a loss that concerns a Ruby type.
    pub(crate) fn add_ruby(&mut self, column: &str, kind: LossKind, ruby_type: &str) {
        self.report.add_ruby(
            self.format,
            self.table,
            Some(self.row),
            column,
            kind,
            ruby_type,
        );
    }
}
