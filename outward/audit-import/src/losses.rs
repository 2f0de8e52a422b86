//! What an import could not carry over exactly.

use std::collections::BTreeMap;
use std::fmt;

use crate::format::Format;

/// How many losses are told apart by column.
const MOST: usize = 1000;

/// What was read, and what could not be carried over exactly.
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
    what: String,
}

/// One thing that entries do not say as exactly as the tables do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The library.
    pub format: Format,
    /// The table.
    pub table: String,
    /// The column or field.
    pub column: String,
    /// The Ruby type, where [`kind`](Self::kind) is of one; else empty.
    pub what: String,
    /// What it is.
    pub kind: LossKind,
    /// How many rows it concerns.
    pub rows: u64,
    /// The first of them, as the library counts.
    pub first: String,
}

/// What entries do not say as exactly as the tables do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// An address that is none: it is kept as text in `additional_data`.
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
    /// An instant whose offset the table does not tell: UTC is assumed.
    AssumedUtc,
    /// A Ruby type that JSON has no counterpart of: its parts, or its text, are kept.
    RubyType,
    /// A Ruby object that wraps one value: that value is kept.
    RubyValue,
    /// A decimal whose scale the table does not tell: trailing zeros are left out.
    DecimalScale,
    /// What changed, where the library keeps the object before a change only and nothing
    /// after it tells.
    NoChanges,
    /// A change that may be a pair of old and new, or a list of two as the new value: it is
    /// taken for a pair.
    PairOrList,
    /// Text that is not UTF-8: it is kept as bytes.
    NotUtf8,
    /// JSON that cannot be read: it is kept as text.
    BadJson,
    /// The type of the object, of which the database has lost the name.
    ModelName,
    /// A table that belongs to the library and is not read.
    UnreadTable,
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotAnAddress => "no IP address, kept as text in additional_data",
            Self::UnknownShape => "not in the library's form, kept in additional_data",
            Self::SameMembers => "members that look the same, kept in additional_data",
            Self::NoneAsText => "the text `None` may stand for a null",
            Self::Masked => "masked by the library",
            Self::TimeZone => "the zone of an instant is left out, the instant is in UTC",
            Self::AssumedUtc => "an instant without an offset is taken for UTC",
            Self::RubyType => "a Ruby type without a counterpart, kept by its parts or text",
            Self::RubyValue => "a Ruby object around one value, of which that value is kept",
            Self::DecimalScale => "the scale of a decimal is not told, trailing zeros are left out",
            Self::NoChanges => "what changed is not told",
            Self::PairOrList => "a pair of old and new, or a list of two: taken for a pair",
            Self::NotUtf8 => "no UTF-8, kept as bytes",
            Self::BadJson => "no JSON, kept as text",
            Self::ModelName => "the model's name is gone, its number stands in",
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
        if !self.what.is_empty() {
            write!(f, ": `{}`", self.what.escape_debug())?;
        }
        if self.rows > 0 {
            let s = if self.rows == 1 { "" } else { "s" };
            write!(f, " ({} row{s}, first {})", self.rows, self.first)?;
        }
        Ok(())
    }
}

impl Report {
    /// Returns how many entries were read.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns how many rows made no entry.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns what could not be carried over exactly, by table.
    pub fn losses(&self) -> impl Iterator<Item = Loss> {
        self.losses.iter().map(|(key, (rows, first))| Loss {
            format: key.format,
            table: key.table.clone(),
            column: key.column.clone(),
            what: key.what.clone(),
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
        self.add_of(format, table, row, column, kind, "");
    }

    fn add_of(
        &mut self,
        format: Format,
        table: &str,
        row: Option<&str>,
        column: &str,
        kind: LossKind,
        what: &str,
    ) {
        let mut key = Key {
            format,
            table: table.to_owned(),
            kind,
            column: column.to_owned(),
            what: what.to_owned(),
        };
        // A hostile file may have any number of fields and types.
        if self.losses.len() >= MOST && !self.losses.contains_key(&key) {
            "...".clone_into(&mut key.column);
            key.what.clear();
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

/// The parts of an entry that columns of other names were said to be, by column.
pub(crate) type Columns = BTreeMap<String, &'static str>;

/// Where the losses of one row go, and what its columns are.
pub(crate) struct Losses<'r> {
    pub(crate) report: &'r mut Report,
    pub(crate) format: Format,
    pub(crate) table: &'r str,
    pub(crate) row: &'r str,
    /// The kinds that were given for columns.
    pub(crate) columns: &'r Columns,
}

impl Losses<'_> {
    pub(crate) fn add(&mut self, column: &str, kind: LossKind) {
        self.add_of(column, kind, "");
    }

    /// Reports a loss of one of several types.
    pub(crate) fn add_of(&mut self, column: &str, kind: LossKind, what: &str) {
        self.report
            .add_of(self.format, self.table, Some(self.row), column, kind, what);
    }
}
