//! Errors of stores.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use crate::path::ParsePathError;

/// Why a store did not keep or find entries; after [`Unconfirmed`](Self::Unconfirmed) it may
/// have kept them.
///
/// Cloned for everybody whose entries were in one batch. [`Conflict`](Self::Conflict) and
/// [`Invalid`](Self::Invalid) concern an entry itself, and [`Backend`](Self::Backend) and
/// [`Unsupported`](Self::Unsupported) may: after these a log tries what each caller
/// [submitted](crate::Draft::submit) alone. All other errors concern the store, and are given to
/// every caller whose entries were in the batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left.
    Full {
        /// Where.
        place: String,
    },
    /// The store can be read only.
    ReadOnly {
        /// Where.
        place: String,
    },
    /// Another process kept the store locked for longer than the store waits.
    Busy {
        /// Where.
        place: String,
    },
    /// There is something else in the store's place.
    Foreign {
        /// Where.
        place: String,
        /// What is there instead.
        found: String,
    },
    /// A later version of this library wrote the store.
    NewerSchema {
        /// Where.
        place: String,
        /// The version that was found.
        found: u32,
        /// The highest version this library knows.
        supported: u32,
    },
    /// There is another entry with this id.
    Conflict {
        /// The id.
        id: Uuid,
    },
    /// The entry has no canonical form.
    Invalid {
        /// The entry's id.
        id: Uuid,
        /// What is wrong with it.
        detail: String,
    },
    /// A path of the query cannot be parsed.
    InvalidQuery {
        /// What is wrong with it.
        source: ParsePathError,
    },
    /// The groups of the query ([`Query::any_of`](crate::Query::any_of),
    /// [`Query::not`](crate::Query::not)) are nested more than 32 deep.
    QueryTooDeep,
    /// The store holds what it cannot have written.
    Corrupt {
        /// Where.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// The store cannot do this.
    Unsupported {
        /// What it cannot do.
        operation: &'static str,
    },
    /// The log was installed without a store.
    NoStore,
    /// The store was closed.
    Closed,
    /// Reading or writing a file failed, or a connection did.
    Io {
        /// Which file, or which server.
        place: String,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// It is unknown whether the entries are kept: the commit was asked for, and its answer
    /// was lost. To append the same entries again is right in either case.
    Unconfirmed {
        /// Where.
        place: String,
        /// What took the place of the answer.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// The database failed in another way.
    Backend {
        /// Where.
        place: String,
        /// What the driver said.
        source: Arc<dyn StdError + Send + Sync>,
    },
}

impl StoreError {
    /// Wraps a driver's error that none of the other variants fits.
    pub fn backend(
        place: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Backend {
            place: place.into(),
            source: Arc::from(source.into()),
        }
    }

    /// Makes of what failed in the place of a commit's answer that nobody knows whether there
    /// was a commit.
    #[must_use]
    pub fn unconfirmed(self, place: impl Into<String>) -> Self {
        let source: Arc<dyn StdError + Send + Sync> = match self {
            Self::Unconfirmed { .. } => return self,
            Self::Io { source, .. } => source,
            Self::Backend { source, .. } => source,
            other => Arc::new(other),
        };
        Self::Unconfirmed {
            place: place.into(),
            source,
        }
    }

    /// Returns whether an entry itself is what the store does not take, so that others may be
    /// kept.
    pub(crate) fn concerns_entries(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Invalid { .. })
    }

    /// Returns whether an entry itself may be what the store does not take.
    pub(crate) fn may_concern_entries(&self) -> bool {
        self.concerns_entries() || matches!(self, Self::Backend { .. } | Self::Unsupported { .. })
    }

    /// Returns whether trying again later may help.
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
            Self::Full { place } => write!(f, "no room left in {place}"),
            Self::ReadOnly { place } => write!(f, "{place} can be read only"),
            Self::Busy { place } => write!(f, "{place} is locked by another process"),
            Self::Foreign { place, found } => {
                write!(f, "{place} is not an audit store: {found}")
            }
            Self::NewerSchema {
                place,
                found,
                supported,
            } => write!(
                f,
                "{place} has schema version {found}, and this library knows versions up to {supported}: upgrade it"
            ),
            Self::Conflict { id } => write!(f, "another entry has the id {id}"),
            Self::Invalid { id, detail } => write!(f, "entry {id} cannot be stored: {detail}"),
            Self::InvalidQuery { source } => write!(f, "the query is invalid: {source}"),
            Self::QueryTooDeep => {
                f.write_str("the query is invalid: its groups are nested more than 32 deep")
            }
            Self::Corrupt { place, detail } => write!(f, "{place} is damaged: {detail}"),
            Self::Unsupported { operation } => write!(f, "this store cannot {operation}"),
            Self::NoStore => f.write_str(
                "the audit log was installed without a store: add one with `.store(..)`, or record \
                 in the caller's own transaction with `record_in`",
            ),
            Self::Closed => f.write_str("the store is closed"),
            Self::Io { place, source } => write!(f, "{place}: {source}"),
            Self::Unconfirmed { place, source } => write!(
                f,
                "it is unknown whether {place} has kept the entries: {source}"
            ),
            Self::Backend { place, source } => write!(f, "{place}: {source}"),
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
