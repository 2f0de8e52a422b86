//! Why tables or rows cannot be read.

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
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file has no audit tables that can be read.
    NothingFound {
        /// The file.
        path: PathBuf,
    },
    /// The file has no tables of the library that was asked for.
    NotFound {
        /// The file.
        path: PathBuf,
        /// The library.
        format: Format,
    },
    /// No table has a column that was said to be a part of an entry.
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A column was said to be what no part of an entry is.
    NoPart {
        /// The kind that was given.
        part: String,
        /// The kinds that exist.
        parts: &'static [&'static str],
    },
    /// The database cannot be read on; nothing comes after this.
    Read {
        /// What was read: a table, or the schema.
        table: String,
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An audit table is of a kind that cannot be read.
    Unsupported {
        /// The table.
        table: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A row does not make an entry; the rows after it can be read all the same.
    Row {
        /// The table.
        table: String,
        /// The row's id as the library counts.
        row: String,
        /// The column.
        column: String,
        /// What is wrong there.
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

    /// Returns whether the error is about one row, so that the rows after it may be read.
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
                "{} has no audit tables of a known library; known are {}",
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
                "a column cannot be said to be `{}`; expected one of {}",
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
