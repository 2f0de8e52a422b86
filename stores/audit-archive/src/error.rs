//! The errors of an archive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use audit_core::StoreError;
use chrono::{DateTime, SecondsFormat, Utc};
use parquet::errors::ParquetError;
use uuid::Uuid;

/// The reason why an archive was not written or read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The hot store failed.
    Store(StoreError),
    /// The object store failed.
    Objects {
        /// The object, or the prefix of a listing.
        path: String,
        /// The error of the object store.
        source: Arc<object_store::Error>,
    },
    /// The object store did not respond within the time limit.
    Timeout {
        /// The object, or the prefix of a listing.
        path: String,
        /// The time limit.
        limit: Duration,
    },
    /// The location cannot be used: its text is not a path or a URL, or its folder is not
    /// accessible.
    Location {
        /// The text.
        location: String,
        /// The reason.
        detail: String,
    },
    /// The object store does not support put-if-absent, which an archive needs.
    NoConditionalPut {
        /// The location of the archive.
        location: String,
    },
    /// An object of another program has a name that belongs to the archive.
    Foreign {
        /// The object.
        path: String,
        /// A description of the content.
        detail: String,
    },
    /// An object of the archive is damaged.
    Corrupt {
        /// The object.
        path: String,
        /// A description of the damage.
        detail: String,
    },
    /// A manifest is missing, although later ones exist.
    Gap {
        /// The number of the missing manifest.
        number: u64,
    },
    /// A later version of this library wrote an object.
    NewerFormat {
        /// The object.
        path: String,
        /// The format of the object.
        found: u32,
    },
    /// A later version of this library wrote an entry of the trail.
    NewerEntry {
        /// The id of the entry.
        id: Uuid,
        /// The format of the entry.
        found: u64,
    },
    /// Another archiver holds the lease.
    Held {
        /// The name of the other archiver.
        holder: String,
        /// The time at which its lease expires by its clock.
        until: DateTime<Utc>,
    },
    /// Another archiver took the lease over. This one has written no manifest since.
    Fenced {
        /// The lease of this archiver.
        fence: u64,
        /// The lease of the other archiver.
        other: u64,
    },
    /// The location has no archive: its folder or prefix is missing or empty.
    NoArchive {
        /// The location.
        location: String,
    },
    /// The last manifests are missing: the archive has objects of later ones, or lacks the manifest of
    /// [`Location::at_least`](crate::Location::at_least).
    LostTail {
        /// The number of the last manifest that exists, 0 if none does.
        number: u64,
        /// The evidence.
        detail: String,
    },
    /// The hot store does not have the newest entry of the archive.
    OtherTrail {
        /// The id of the entry.
        entry: Uuid,
    },
    /// The archiver has other retention classes than the archive, and the option
    /// [`change_classes`](crate::ArchiveOptions::change_classes) is not set. Nothing was written.
    OtherClasses {
        /// The first model whose classes differ.
        model: String,
        /// Its class in the archive.
        archived: String,
        /// Its class in the options.
        given: String,
    },
    /// A manifest has holds, which this version does not support.
    OnHold {
        /// The manifest.
        path: String,
    },
    /// The archiver's thread panicked during a run.
    Panicked {
        /// The message of the panic.
        detail: String,
    },
    /// The object store panicked during an operation.
    ObjectsPanicked {
        /// The object, or the prefix of a listing.
        path: String,
    },
    /// A file could not be encoded or decoded as Parquet.
    Parquet {
        /// The file.
        path: String,
        /// The error of the Parquet library.
        source: Arc<ParquetError>,
    },
    /// An option has an invalid value.
    InvalidOption {
        /// The name of the option.
        option: &'static str,
        /// The reason.
        detail: String,
    },
}

impl Error {
    pub(crate) fn corrupt(path: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::Corrupt {
            path: path.into(),
            detail: detail.to_string(),
        }
    }

    /// Converts an error of the Parquet library. An error of this library that passed through it is
    /// returned as it was.
    pub(crate) fn parquet(path: &str) -> impl Fn(ParquetError) -> Self + '_ {
        move |source| {
            if let ParquetError::External(error) = &source
                && let Some(own) = own_error(&**error)
            {
                return own.clone();
            }
            Self::Parquet {
                path: path.to_owned(),
                source: Arc::new(source),
            }
        }
    }

    /// Returns whether a later run may succeed without a change of the archive or its options.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Objects { .. }
            | Self::Timeout { .. }
            | Self::Held { .. }
            | Self::Fenced { .. } => true,
            _ => false,
        }
    }
}

/// Returns the error of this library inside the errors that wrap it.
fn own_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    if let Some(own) = error.downcast_ref() {
        return Some(own);
    }
    let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    own_error(inner)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Objects { path, source } => write!(f, "{path}: {source}"),
            Self::Timeout { path, limit } => write!(
                f,
                "{path}: the object store did not respond within {} s",
                limit.as_secs_f64()
            ),
            Self::Location { location, detail } => {
                write!(f, "{location} cannot be used as an archive: {detail}")
            }
            Self::NoConditionalPut { location } => write!(
                f,
                "{location} does not support put-if-absent, which an archive needs"
            ),
            Self::Foreign { path, detail } => {
                write!(f, "{path} is not an object of an archive: {detail}")
            }
            Self::Corrupt { path, detail } => write!(f, "{path} is damaged: {detail}"),
            Self::Gap { number } => write!(
                f,
                "manifest {number} is missing, although later ones exist: restore it from a copy \
                 of the archive"
            ),
            Self::NewerFormat { path, found } => write!(
                f,
                "{path} has format {found}, and this library supports formats up to {}: upgrade it",
                crate::manifest::FORMAT
            ),
            Self::NewerEntry { id, found } => write!(
                f,
                "entry {id} has format {found}, and this library supports formats up to {}: \
                 upgrade it",
                audit_core::ENTRY_FORMAT
            ),
            Self::Held { holder, until } => write!(
                f,
                "archiver `{holder}` holds the lease until {}",
                until.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
            Self::Fenced { fence, other } => write!(
                f,
                "another archiver has taken over (lease {other}; this one had {fence}); the next run \
                 continues after the other's last segment"
            ),
            Self::NoArchive { location } => write!(
                f,
                "{location} has no archive: check the path and that the volume is mounted; to begin \
                 an archive there, run the archiver once with the option `create`"
            ),
            Self::LostTail { number, detail } => write!(
                f,
                "the archive ends with manifest {number}, and later ones are missing: {detail}; \
                 restore them from a copy of the archive"
            ),
            Self::OtherTrail { entry } => write!(
                f,
                "the store does not have entry {entry}, the newest of the archive: it is another \
                 trail, or the entry was purged; in the second case use the option `adopt`"
            ),
            Self::OtherClasses {
                model,
                archived,
                given,
            } => write!(
                f,
                "the model `{model}` has the retention class `{archived}` in the archive and `{given}` in the \
                 options; to change it for new entries, use the option `change_classes` once"
            ),
            Self::OnHold { path } => write!(
                f,
                "{path} has holds, which this version does not support: upgrade it"
            ),
            Self::Panicked { detail } => write!(f, "the archiver panicked: {detail}"),
            Self::ObjectsPanicked { path } => {
                write!(f, "{path}: the object store panicked during the operation")
            }
            Self::Parquet { path, source } => write!(f, "{path}: {source}"),
            Self::InvalidOption { option, detail } => {
                write!(f, "the option `{option}` is invalid: {detail}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Objects { source, .. } => Some(&**source),
            Self::Parquet { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error,
            Error::Corrupt { path, detail } => Self::Corrupt {
                location: path,
                detail,
            },
            Error::Foreign { path, detail } => Self::Foreign {
                location: path,
                found: detail,
            },
            Error::NewerFormat { path, found } => Self::NewerSchema {
                location: path,
                found,
                supported: crate::manifest::FORMAT,
            },
            Error::Parquet { path, source } => Self::Corrupt {
                location: path,
                detail: source.to_string(),
            },
            Error::Gap { .. } | Error::LostTail { .. } => Self::Corrupt {
                location: "the archive".to_owned(),
                detail: error.to_string(),
            },
            Error::NoArchive { location } => Self::Foreign {
                location,
                found: "it has no archive; check the path and that the volume is mounted"
                    .to_owned(),
            },
            error => Self::backend("the archive", error),
        }
    }
}
