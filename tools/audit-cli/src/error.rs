//! Errors of the command: the fault, its place and a hint.

use std::fmt;
use std::io;
use std::path::PathBuf;

use audit_core::{ParseQueryError, ParseTimeError, StoreError};
use audit_import::ImportError;

use crate::exit::Exit;

/// Where a store on a server says that something is wrong before there is a server.
const URL: &str = "the connection's URL";

/// Why the command did not do what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Error {
    /// No store was named, and there is none in the folder.
    NoStore,
    /// The store cannot be opened, read or written.
    Store(StoreError),
    /// The same of a store on a server.
    Server(StoreError),
    /// The trail could not be read or an entry not be recorded.
    Trail(audit_core::Error),
    /// The text is not a query.
    Query {
        /// The text.
        text: String,
        /// The error in it.
        source: ParseQueryError,
    },
    /// The value of an argument is none.
    Value {
        /// The argument.
        argument: &'static str,
        /// The error in the value.
        message: String,
    },
    /// A flag and the query ask for the same thing.
    Twice {
        /// The flag.
        flag: &'static str,
        /// The query's key.
        key: &'static str,
    },
    /// The arguments do not go together.
    Usage {
        /// Why not.
        message: String,
        /// The remedy.
        hint: &'static str,
    },
    /// The trail does not have it.
    NotFound {
        /// The missing thing.
        what: String,
        /// A similar name that it has.
        near: Option<String>,
        /// The remedy.
        hint: &'static str,
    },
    /// Several entries' ids begin or end so.
    Ambiguous {
        /// The beginning or end of the ids.
        part: String,
        /// Some of the entries.
        entries: Vec<String>,
    },
    /// A file cannot be read.
    Input {
        /// Which.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// The tables of another library cannot be read.
    Tables(ImportError),
    /// A line of a file is not an entry, or not one that can be kept.
    Line {
        /// Where: the file, the line and the column where they are known.
        place: String,
        /// The fault.
        message: String,
        /// The part of the file that was kept.
        kept: String,
    },
    /// A file cannot be written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be written.
    Output(io::Error),
    /// The interrupt cannot be watched for.
    Signals(ctrlc::Error),
    /// It was interrupted.
    Interrupted {
        /// The parts that were done and those that were not.
        done: String,
    },
}

impl Error {
    /// Wraps what is wrong with a time.
    pub(crate) fn time(argument: &'static str, error: &ParseTimeError) -> Self {
        Self::Value {
            argument,
            message: error.to_string(),
        }
    }

    /// Says of a store's error that the store is on a server: something else is to be done then.
    pub(crate) fn of_server(self) -> Self {
        match self {
            Self::Store(error) | Self::Trail(audit_core::Error::Store(error)) => {
                Self::Server(error)
            }
            error => error,
        }
    }

    /// Says how to come by what is not in this build.
    #[cfg(not(feature = "postgres"))]
    pub(crate) fn absent(what: &str) -> Self {
        Self::Usage {
            message: format!("this `auditlog` was built without {what}"),
            hint: "install audit-cli with its feature `postgres`, which is on by default",
        }
    }

    /// Returns the code the command ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoStore
            | Self::Query { .. }
            | Self::Value { .. }
            | Self::Twice { .. }
            | Self::Usage { .. }
            | Self::Ambiguous { .. }
            | Self::Trail(audit_core::Error::Query { .. }) => Exit::Usage,
            Self::Server(StoreError::Backend {
                location: place, ..
            }) if place == URL => Exit::Usage,
            Self::Store(_) | Self::Server(_) | Self::Trail(_) => Exit::Store,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Input { .. } | Self::Tables(_) | Self::Line { .. } => Exit::Data,
            Self::File { .. } | Self::Output(_) | Self::Signals(_) => Exit::Output,
            Self::Interrupted { .. } => Exit::Interrupted,
        }
    }

    /// Returns whether nobody reads the output any more.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns the query and the column in it, from 1, that is wrong.
    pub(crate) fn excerpt(&self) -> Option<(&str, usize)> {
        match self {
            Self::Query { text, source } => Some((text, source.column())),
            _ => None,
        }
    }

    /// Returns what to do about it, where the message does not say.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoStore => "name one with --store or the variable AUDITLOG_STORE",
            Self::Store(error) | Self::Trail(audit_core::Error::Store(error)) => store_hint(error)?,
            Self::Server(error) => server_hint(error)?,
            Self::Twice { .. } => "leave one of them out",
            Self::NotFound {
                near: Some(near), ..
            } => {
                return Some(format!("did you mean `{near}`?"));
            }
            Self::Usage { hint, .. } | Self::NotFound { hint, .. } => hint,
            Self::Ambiguous { .. } => "give more digits of the id",
            Self::Line { kept, .. } => return Some(kept.clone()),
            Self::Tables(ImportError::NothingFound { .. }) => {
                "import a trail of auditlog from the JSON lines of `auditlog export`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Returns what to do when a store fails.
fn store_hint(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "check the path given with --store; `auditlog import --create` makes the file, but no \
             folder"
        }
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            "name a file that does not exist; the command replaces no file"
        }
        StoreError::Io { .. } => "check that the file and its folder can be read",
        StoreError::Unconfirmed { .. } => {
            "ask for the entries when the store can be reached; to import them again doubles none"
        }
        StoreError::ReadOnly { .. } => {
            "check that you may write the file and its folder, or that its schema need not be \
             upgraded"
        }
        StoreError::Busy { .. } => "try again when the other process is done",
        StoreError::Full { .. } => "make room on the disk",
        StoreError::Foreign { .. } => "check the path; it must be a file that auditlog wrote",
        StoreError::NewerSchema { .. } => "use the auditlog command of that version or a later one",
        StoreError::Corrupt { .. } => {
            "`auditlog doctor` tells what is damaged, if the file can be opened; else restore a backup"
        }
        _ => return None,
    })
}

/// Returns what to do when a store on a server fails.
fn server_hint(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
            "check that the server can be reached and is not too busy, or ask for less"
        }
        StoreError::Io { .. } => "check the host and the port in the URL, and that the server runs",
        StoreError::ReadOnly { .. } => {
            "connect as a role that may: entries are added by the writer and removed by the owner \
             of the tables, who also upgrades them"
        }
        StoreError::Busy { .. } => {
            "try again; another session holds a lock, or the server takes no more connections"
        }
        StoreError::Full { .. } => "make room on the server",
        StoreError::Foreign { .. } => {
            "--schema names the schema of the trail; `auditlog import --create` makes one"
        }
        StoreError::Backend {
            location: place, ..
        } if place == URL => "it has the form postgres://user:password@host:port/database",
        StoreError::Backend { source, .. } => return refused_hint(error, &source.to_string()),
        other => return store_hint(other),
    })
}

/// Returns what to do when a server refuses.
#[cfg(feature = "postgres")]
fn refused_hint(error: &StoreError, message: &str) -> Option<&'static str> {
    Some(match audit_postgres::sqlstate(error) {
        Some("28P01" | "28000") => {
            "check the user and the password in the URL, and what the server lets in"
        }
        Some("3D000") => "check the name of the database, the last part of the URL",
        Some("42501") => {
            "connect as a role that may read the trail: the reader or the owner of \
             `auditlog::postgres::Roles`"
        }
        None if message.contains("password") => {
            "add the password to the URL: postgres://user:password@host/database"
        }
        None if message.contains("certificate") || message.contains("TLS") => {
            "the variable PGSSLROOTCERT names a file with the certificate of the server's authority"
        }
        _ => return None,
    })
}

/// Nothing else refuses.
#[cfg(not(feature = "postgres"))]
fn refused_hint(_error: &StoreError, _message: &str) -> Option<&'static str> {
    None
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStore => f.write_str("no store was named, and ./audit.db does not exist"),
            Self::Store(error) | Self::Server(error) => error.fmt(f),
            Self::Trail(error) => error.fmt(f),
            Self::Query { source, .. } => write!(f, "the query cannot be read: {source}"),
            Self::Value { argument, message } => write!(f, "{argument}: {message}"),
            Self::Twice { flag, key } => {
                write!(f, "{flag} and `{key}:` in the query ask for the same")
            }
            Self::Usage { message, .. } => f.write_str(message),
            Self::NotFound { what, .. } => write!(f, "the trail has no {what}"),
            Self::Ambiguous { part, entries } => {
                write!(f, "the ids of several entries begin or end with `{part}`:")?;
                entries
                    .iter()
                    .try_for_each(|entry| write!(f, "\n  {entry}"))
            }
            Self::Input { place, source } => write!(f, "{place} cannot be read: {source}"),
            Self::Tables(error) => error.fmt(f),
            Self::Line { place, message, .. } => write!(f, "{place}: {message}"),
            Self::File { path, source } => {
                write!(f, "{} cannot be written: {source}", path.display())
            }
            Self::Output(source) => write!(f, "the output cannot be written: {source}"),
            Self::Signals(source) => write!(f, "interrupts cannot be watched for: {source}"),
            Self::Interrupted { done } => write!(f, "interrupted: {done}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) | Self::Server(error) => Some(error),
            Self::Trail(error) => Some(error),
            Self::Query { source, .. } => Some(source),
            Self::Input { source, .. } | Self::File { source, .. } | Self::Output(source) => {
                Some(source)
            }
            Self::Tables(error) => Some(error),
            Self::Signals(source) => Some(source),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<audit_core::Error> for Error {
    fn from(error: audit_core::Error) -> Self {
        match error {
            audit_core::Error::Store(error) => Self::Store(error),
            error => Self::Trail(error),
        }
    }
}

impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        Self::Tables(error)
    }
}

/// Only the output is written to without saying which file it is.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
