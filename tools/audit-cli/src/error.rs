//! Errors of the command: message, position and hint.

use std::fmt;
use std::io;
use std::path::PathBuf;

use audit_core::{ParseQueryError, ParseTimeError, StoreError};
use audit_import::ImportError;

use crate::exit::Exit;

/// The location in an error about the URL of a server.
const URL: &str = "the connection's URL";

/// Why a command failed.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Error {
    /// No store was named, and the folder has no `audit.db`.
    NoStore,
    /// The store cannot be opened, read or written.
    Store(StoreError),
    /// The same of a store on a server.
    Server(StoreError),
    /// The trail could not be read or an entry not be recorded.
    Trail(audit_core::Error),
    /// A query is invalid.
    Query {
        /// The text.
        text: String,
        /// The error in it.
        source: ParseQueryError,
    },
    /// The value of an argument is invalid.
    Value {
        /// The argument.
        argument: &'static str,
        /// The error in the value.
        message: String,
    },
    /// A flag and the query have the same condition.
    Duplicate {
        /// The flag.
        flag: &'static str,
        /// The query's key.
        key: &'static str,
    },
    /// The arguments contradict one another.
    Usage {
        /// The fault.
        message: String,
        /// The remedy.
        hint: &'static str,
    },
    /// The trail does not have the requested object.
    NotFound {
        /// The missing thing.
        what: String,
        /// A similar name that it has.
        near: Option<String>,
        /// The remedy.
        hint: &'static str,
    },
    /// The ids of several entries begin or end with the same digits.
    Ambiguous {
        /// The beginning or end of the ids.
        part: String,
        /// Some of the entries.
        entries: Vec<String>,
    },
    /// A file cannot be read.
    Input {
        /// The name of the file.
        input: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The tables of another library cannot be read.
    Tables(ImportError),
    /// A line of a file is not an entry, or the store rejects the entry.
    Line {
        /// The file, with the line and the column if they are known.
        position: String,
        /// The fault.
        message: String,
        /// The part of the file that was imported, as a hint.
        kept: String,
    },
    /// A file cannot be written.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The output cannot be written.
    Output(io::Error),
    /// The archive cannot be read or written.
    #[cfg(feature = "archive")]
    Archive(audit_archive::Error),
    /// The handler of interrupts cannot be set.
    Signals(ctrlc::Error),
    /// The viewer cannot be served.
    #[cfg(feature = "web")]
    Serve {
        /// The error of the system.
        source: io::Error,
    },
    /// The command was interrupted.
    Interrupted {
        /// The parts that were and were not done.
        done: String,
    },
}

impl Error {
    /// Wraps the error of a time.
    pub(crate) fn time(argument: &'static str, error: &ParseTimeError) -> Self {
        Self::Value {
            argument,
            message: error.to_string(),
        }
    }

    /// Marks a store's error as one of a server, which has other hints.
    pub(crate) fn of_server(self) -> Self {
        match self {
            Self::Store(error) | Self::Trail(audit_core::Error::Store(error)) => {
                Self::Server(error)
            }
            error => error,
        }
    }

    /// Makes the error for a feature that is not in this build.
    #[cfg(not(all(feature = "archive", feature = "postgres", feature = "web")))]
    pub(crate) fn absent(name: &str) -> Self {
        Self::Usage {
            message: format!("this `auditlog` was built without {name}"),
            hint: "install audit-cli with its features `archive`, `postgres` and `web`, which are on by \
                   default",
        }
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoStore
            | Self::Query { .. }
            | Self::Value { .. }
            | Self::Duplicate { .. }
            | Self::Usage { .. }
            | Self::Ambiguous { .. }
            | Self::Trail(audit_core::Error::Query { .. }) => Exit::Usage,
            Self::Server(StoreError::Backend { location, .. }) if location == URL => Exit::Usage,
            Self::Store(_) | Self::Server(_) | Self::Trail(_) => Exit::Store,
            #[cfg(feature = "archive")]
            Self::Archive(error) => archive_exit(error),
            Self::NotFound { .. } => Exit::NotFound,
            Self::Input { .. } | Self::Tables(_) | Self::Line { .. } => Exit::Data,
            Self::File { .. } | Self::Output(_) | Self::Signals(_) => Exit::Output,
            #[cfg(feature = "web")]
            Self::Serve { .. } => Exit::Output,
            Self::Interrupted { .. } => Exit::Interrupted,
        }
    }

    /// Returns whether the reader has closed the output.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns the invalid query and the column of the fault, from 1.
    pub(crate) fn excerpt(&self) -> Option<(&str, usize)> {
        match self {
            Self::Query { text, source } => Some((text, source.column())),
            _ => None,
        }
    }

    /// Returns the correction, if the message does not contain it.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoStore => "name one with --store or the variable AUDITLOG_STORE",
            Self::Store(error) | Self::Trail(audit_core::Error::Store(error)) => store_hint(error)?,
            Self::Server(error) => server_hint(error)?,
            #[cfg(feature = "archive")]
            Self::Archive(error) => archive_hint(error)?,
            Self::Duplicate { .. } => "remove one of them",
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

/// Returns the exit code for an error of the archive.
#[cfg(feature = "archive")]
fn archive_exit(error: &audit_archive::Error) -> Exit {
    use audit_archive::Error;

    match error {
        Error::Location { location, .. } if location.contains("://") => Exit::Usage,
        Error::InvalidOption { .. } | Error::OtherClasses { .. } => Exit::Usage,
        _ => Exit::Store,
    }
}

/// The hint for a damaged archive.
#[cfg(feature = "archive")]
const DAMAGED_ARCHIVE: &str = "`auditlog archive verify` lists the damage; restore these objects \
                               from a copy of the archive";

/// Returns the hint for an error of the archive.
#[cfg(feature = "archive")]
fn archive_hint(error: &audit_archive::Error) -> Option<&'static str> {
    use audit_archive::Error;
    use audit_archive::object_store::Error as Objects;

    Some(match error {
        Error::Location { location, .. } if location.contains("://") => {
            "give the path of a folder, or a URL such as file:///srv/archive or s3://bucket/prefix"
        }
        Error::Location { .. } => {
            "check the path given with --archive, and that you may read and write the folder"
        }
        Error::Objects { source, .. } => match **source {
            Objects::PermissionDenied { .. } | Objects::Unauthenticated { .. } => {
                "check your rights to read the archive, and to write it for `archive run`"
            }
            Objects::NotFound { .. } => "check that the bucket given with --archive exists",
            _ => "check that the archive can be reached, and run the command again",
        },
        Error::Timeout { .. } => "check that the archive can be reached, and run the command again",
        Error::NoConditionalPut { .. } => "use a folder, or an object store with conditional puts",
        Error::Foreign { .. } => {
            "check the location given with --archive; it must be an archive of auditlog"
        }
        Error::Corrupt { .. }
        | Error::Gap { .. }
        | Error::LostTail { .. }
        | Error::Parquet { .. } => DAMAGED_ARCHIVE,
        Error::NoArchive { .. } => "`auditlog archive run --create` begins an archive",
        Error::OtherTrail { .. } => {
            "check --store and --archive; `auditlog archive run --adopt` continues after a purge"
        }
        Error::OtherClasses { .. } => {
            "`auditlog archive run` without --class uses the classes of the archive; --change-classes \
             replaces them for new entries"
        }
        Error::NewerFormat { .. } | Error::NewerEntry { .. } => {
            "use the auditlog command of that version or a later one"
        }
        Error::Held { .. } | Error::Fenced { .. } => "try again when the other archiver is done",
        _ => return None,
    })
}

/// Returns the hint for an error of a store that comes from its archive.
#[cfg(feature = "archive")]
fn hint_of_archive(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Corrupt { location, .. } => location
            .contains(" of the archive ")
            .then_some(DAMAGED_ARCHIVE),
        StoreError::Backend { source, .. } => archive_hint(source.downcast_ref()?),
        _ => None,
    }
}

/// Without archives there are no such errors.
#[cfg(not(feature = "archive"))]
fn hint_of_archive(_error: &StoreError) -> Option<&'static str> {
    None
}

/// Returns the hint for an error of a store.
fn store_hint(error: &StoreError) -> Option<&'static str> {
    if let Some(hint) = hint_of_archive(error) {
        return Some(hint);
    }
    Some(match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "check the path given with --store; commands with --create make the file, but no folder"
        }
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            "name a file that does not exist; the command replaces no file"
        }
        StoreError::Io { .. } => "check that the file and its folder can be read",
        StoreError::Unconfirmed { .. } => {
            "query the entries when the store can be reached; a repeated import adds no duplicates"
        }
        StoreError::ReadOnly { .. } => {
            "check that you may write the file and its folder, or that its schema need not be \
             upgraded"
        }
        StoreError::InvalidPosition { .. } => {
            "check --store and --archive: the archive is of another trail, or the store was restored from an older \
             backup"
        }
        StoreError::Busy { .. } => "try again when the other process is done",
        StoreError::Full { .. } => "free space on the disk",
        StoreError::Foreign { .. } => "check the path; it must be a file that auditlog wrote",
        StoreError::NewerSchema { .. } => "use the auditlog command of that version or a later one",
        StoreError::Corrupt { .. } => {
            "`auditlog doctor` lists the damage, if the file can be opened; else restore a backup"
        }
        _ => return None,
    })
}

/// Returns the hint for an error of a store on a server.
fn server_hint(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
            "check that the server can be reached and is not overloaded, or narrow the query"
        }
        StoreError::Io { .. } => "check the host and the port in the URL, and that the server runs",
        StoreError::ReadOnly { .. } => {
            "connect as a role that may: entries are added by the writer and removed by the owner \
             of the tables, who also upgrades them"
        }
        StoreError::Busy { .. } => {
            "try again; another session holds a lock, or the server takes no more connections"
        }
        StoreError::Full { .. } => "free space on the server",
        StoreError::Foreign { .. } => {
            "--schema names the schema of the trail; `auditlog import --create` makes one"
        }
        StoreError::Backend { location, .. } if location == URL => {
            "it has the form postgres://user:password@host:port/database"
        }
        StoreError::Backend { source, .. } => {
            return hint_of_archive(error).or_else(|| refused_hint(error, &source.to_string()));
        }
        other => return store_hint(other),
    })
}

/// Returns the hint for a rejection by the server.
#[cfg(feature = "postgres")]
fn refused_hint(error: &StoreError, message: &str) -> Option<&'static str> {
    Some(match audit_postgres::sqlstate(error) {
        Some("28P01" | "28000") => {
            "check the user and the password in the URL, and the server's pg_hba.conf"
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

/// Without PostgreSQL there is no server.
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
            Self::Duplicate { flag, key } => {
                write!(f, "{flag} and `{key}:` in the query are the same condition")
            }
            Self::Usage { message, .. } => f.write_str(message),
            Self::NotFound { what, .. } => write!(f, "the trail has no {what}"),
            Self::Ambiguous { part, entries } => {
                write!(f, "the ids of several entries begin or end with `{part}`:")?;
                entries
                    .iter()
                    .try_for_each(|entry| write!(f, "\n  {entry}"))
            }
            Self::Input { input, source } => write!(f, "{input} cannot be read: {source}"),
            Self::Tables(error) => error.fmt(f),
            Self::Line {
                position, message, ..
            } => write!(f, "{position}: {message}"),
            Self::File { path, source } => {
                write!(f, "{} cannot be written: {source}", path.display())
            }
            Self::Output(source) => write!(f, "the output cannot be written: {source}"),
            #[cfg(feature = "archive")]
            Self::Archive(error) => error.fmt(f),
            Self::Signals(source) => write!(f, "the handler of interrupts cannot be set: {source}"),
            #[cfg(feature = "web")]
            Self::Serve { source } => write!(f, "the viewer cannot be served: {source}"),
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
            #[cfg(feature = "archive")]
            Self::Archive(error) => Some(error),
            Self::Signals(source) => Some(source),
            #[cfg(feature = "web")]
            Self::Serve { source } => Some(source),
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

#[cfg(feature = "archive")]
impl From<audit_archive::Error> for Error {
    fn from(error: audit_archive::Error) -> Self {
        match error {
            audit_archive::Error::Store(error) => Self::Store(error),
            error => Self::Archive(error),
        }
    }
}

impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        Self::Tables(error)
    }
}

/// Errors of files are wrapped by the caller; all others are of the output.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
