//! Errors of reading tables and rows.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use crate::format::Format;

/// Why tables or rows cannot be read.
///
/// Texts name the table, the row and the column, never a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be opened as a SQLite database.
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the driver.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file has no audit tables of a known library.
    NothingFound {
        /// The file.
        path: PathBuf,
    },
    /// The file has no tables of the requested library.
    NotFound {
        /// The file.
        path: PathBuf,
        /// The library.
        format: Format,
    },
    /// No table has the column that is to be mapped.
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// The field that a column is to be mapped to cannot be mapped.
    NoPart {
        /// The name of the field.
        part: String,
        /// The fields that columns can be mapped to.
        parts: &'static [&'static str],
    },
    /// The database cannot be read; this is the last item of an import.
    Read {
        /// The table, or the schema.
        table: String,
        /// The error of the driver.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An audit table is of a kind that cannot be read.
    Unsupported {
        /// The table.
        table: String,
        /// The fault and its correction.
        detail: String,
    },
    /// A row is invalid; the rows after it can be read.
    Row {
        /// The table.
        table: String,
        /// The row's id as the library counts.
        row: String,
        /// The column.
        column: String,
        /// The fault.
        detail: String,
    },
}

impl ImportError {
    pub(crate) fn open(path: PathBuf, source: rusqlite::Error) -> Self {
        Self::Open {
            path,
            source: Box::new(source),
        }
    }

    pub(crate) fn read(table: &str, source: rusqlite::Error) -> Self {
        Self::Read {
            table: table.to_owned(),
            source: Box::new(source),
        }
    }

    /// Returns whether the error concerns one row only, so that the rows after it can be read.
    pub fn concerns_one_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => {
                write!(
                    f,
                    "cannot open {} as a SQLite file: {source}",
                    path.display()
                )
            }
            Self::NothingFound { path } => write!(
                f,
                "{} has no audit tables of a known library; the known libraries are {}",
                path.display(),
                Format::ALL.map(Format::as_str).join(", ")
            ),
            Self::NotFound { path, format } => {
                write!(f, "{} has no audit tables of {format}", path.display())
            }
            Self::NoColumn { path, column } => write!(
                f,
                "no table of {} has a column `{}`",
                path.display(),
                column.escape_debug()
            ),
            Self::NoPart { part, parts } => write!(
                f,
                "a column cannot be mapped to `{}`; expected one of {}",
                part.escape_debug(),
                parts.join(", ")
            ),
            Self::Read { table, source } => write!(f, "cannot read {table}: {source}"),
            Self::Unsupported { table, detail } => write!(f, "cannot read {table}: {detail}"),
            Self::Row {
                table,
                row,
                column,
                detail,
            } => write!(f, "row {row} of {table}: {column} {detail}"),
        }
    }
}

impl Error for ImportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
