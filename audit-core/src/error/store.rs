//! Errors of stores.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::ParseTimeError;
use crate::path::ParsePathError;

/// The reason why a store did not append or find entries. After [`Unconfirmed`](Self::Unconfirmed) it may
/// have appended them.
///
/// Each caller whose entries were in a failed batch gets a clone. [`Conflict`](Self::Conflict) and
/// [`Invalid`](Self::Invalid) concern a single entry, and [`Backend`](Self::Backend) and
/// [`Unsupported`](Self::Unsupported) may: after these errors a log retries the
/// [submissions](crate::Draft::submit) of each caller separately. All other errors concern the store and
/// are returned to every caller of the batch.
///
/// # Example: one id, two entries
/// ```
/// use auditlog::{LogEntry, MemoryStore, Store, StoreError};
///
/// let store = MemoryStore::new();
/// let entry = LogEntry::new("create", "User", "42", "bob");
/// store.append(&[entry.clone()])?;
///
/// let mut other = LogEntry::new("delete", "User", "42", "bob");
/// other.id = entry.id;
/// let error = store.append(&[other]).unwrap_err();
/// assert!(matches!(error, StoreError::Conflict { id } if id == entry.id));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// No space is left.
    Full {
        /// The location of the store.
        location: String,
    },
    /// The store is read-only.
    ReadOnly {
        /// The location of the store.
        location: String,
    },
    /// Another process kept the store locked for longer than the store waits.
    Busy {
        /// The location of the store.
        location: String,
    },
    /// The location contains something other than an audit store.
    Foreign {
        /// The location of the store.
        location: String,
        /// A description of the content.
        found: String,
    },
    /// A later version of this library wrote the store.
    NewerSchema {
        /// The location of the store.
        location: String,
        /// The version of the store.
        found: u32,
        /// The highest version that this library supports.
        supported: u32,
    },
    /// Another entry has this id.
    Conflict {
        /// The id.
        id: Uuid,
    },
    /// The entry has no canonical form.
    Invalid {
        /// The entry's id.
        id: Uuid,
        /// The reason.
        detail: String,
    },
    /// A path of the query cannot be parsed.
    InvalidQuery {
        /// The parse error.
        source: ParsePathError,
    },
    /// A time of the query cannot be parsed.
    InvalidTime {
        /// The parse error.
        source: ParseTimeError,
    },
    /// The groups of the query ([`Query::any_of`](crate::Query::any_of),
    /// [`Query::not`](crate::Query::not)) are nested more than 32 deep.
    QueryTooDeep,
    /// The query was [cancelled](crate::Query::cancelled_by).
    Cancelled,
    /// The store cannot be followed from a [`Position`](crate::Position).
    InvalidPosition {
        /// The location of the store.
        location: String,
        /// The text of the position.
        position: String,
        /// The reason.
        detail: String,
    },
    /// The store contains data that it cannot have written.
    Corrupt {
        /// The location of the store.
        location: String,
        /// A description of the damage.
        detail: String,
    },
    /// The store does not support an operation.
    Unsupported {
        /// The operation, as a verb phrase.
        operation: &'static str,
    },
    /// The log was installed without a store.
    NoStore,
    /// The store was closed.
    Closed,
    /// An I/O operation on a file or a connection failed.
    Io {
        /// The file or the server.
        location: String,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// It is unknown whether the entries were appended: the store sent a commit and lost the
    /// response. Appending the same entries again is safe in either case.
    Unconfirmed {
        /// The location of the store.
        location: String,
        /// The error that replaced the response.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// Another failure of the database.
    Backend {
        /// The location of the store.
        location: String,
        /// The error of the driver.
        source: Arc<dyn StdError + Send + Sync>,
    },
}

impl StoreError {
    /// Wraps a driver's error that no other variant describes.
    pub fn backend(
        location: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Backend {
            location: location.into(),
            source: Arc::from(source.into()),
        }
    }

    /// Converts the error of a commit into [`Unconfirmed`](Self::Unconfirmed).
    #[must_use]
    pub fn unconfirmed(self, location: impl Into<String>) -> Self {
        let source: Arc<dyn StdError + Send + Sync> = match self {
            Self::Unconfirmed { .. } => return self,
            Self::Io { source, .. } => source,
            Self::Backend { source, .. } => source,
            other => Arc::new(other),
        };
        Self::Unconfirmed {
            location: location.into(),
            source,
        }
    }

    /// Returns whether the store rejected a single entry, so that the others can be appended.
    pub(crate) fn concerns_entries(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Invalid { .. })
    }

    /// Returns whether the store may have rejected a single entry.
    pub(crate) fn may_concern_entries(&self) -> bool {
        self.concerns_entries() || matches!(self, Self::Backend { .. } | Self::Unsupported { .. })
    }

    /// Returns whether a later retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Busy { .. } | Self::Io { .. } | Self::Unconfirmed { .. }
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { location } => write!(f, "no space left in {location}"),
            Self::ReadOnly { location } => write!(
                f,
                "{location} is read-only, or may not be written by this user"
            ),
            Self::Busy { location } => write!(
                f,
                "{location} is locked by another process: try again later"
            ),
            Self::Foreign { location, found } => {
                write!(f, "{location} is not an audit store: {found}")
            }
            Self::NewerSchema {
                location,
                found,
                supported,
            } => write!(
                f,
                "{location} has schema version {found}, and this library supports versions up to {supported}: upgrade the library"
            ),
            Self::Conflict { id } => write!(f, "another entry has the id {id}"),
            Self::Invalid { id, detail } => write!(f, "entry {id} cannot be stored: {detail}"),
            Self::InvalidQuery { source } => write!(f, "the query is invalid: {source}"),
            Self::InvalidTime { source } => write!(f, "the query is invalid: {source}"),
            Self::QueryTooDeep => {
                f.write_str("the query is invalid: its groups are nested more than 32 deep")
            }
            Self::Cancelled => f.write_str("the query was cancelled"),
            Self::InvalidPosition {
                location,
                position,
                detail,
            } => write!(
                f,
                "{location} cannot be followed from the position `{position}`: {detail}"
            ),
            Self::Corrupt { location, detail } => write!(f, "{location} is damaged: {detail}"),
            Self::Unsupported { operation } => write!(f, "this store cannot {operation}"),
            Self::NoStore => f.write_str(
                "the audit log was installed without a store: add one with `.store(..)`, or record \
                 in the caller's own transaction with `record_in`",
            ),
            Self::Closed => f.write_str("the store is closed: open it again"),
            Self::Io { location, source } => write!(f, "{location}: {source}"),
            Self::Unconfirmed { location, source } => write!(
                f,
                "it is unknown whether {location} has stored the entries, so look for them before \
                 you record them again: {source}"
            ),
            Self::Backend { location, source } => write!(f, "{location}: {source}"),
        }
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { source, .. } => Some(&**source),
            Self::Backend { source, .. } | Self::Unconfirmed { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
