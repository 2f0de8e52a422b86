//! Errors: why a viewer cannot be built, and why a page cannot be shown.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use audit_core::{ParseQueryError, StoreError};

use crate::not_opened::NotOpened;

/// Why a viewer was not built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The start of the viewer could not be recorded, so no view could be.
    Unrecorded {
        /// The error of the store.
        source: StoreError,
    },
    /// The prefix is not a path such as `/audit`.
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// The worker threads could not be started.
    Threads {
        /// The error of the system.
        source: std::io::Error,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrecorded { source } => write!(
                f,
                "views of the trail cannot be recorded: {source}; give the viewer a store that can \
                 be written, or call `unrecorded` to show the trail without a record"
            ),
            Self::Prefix { prefix } => write!(
                f,
                "`{}` is not a prefix; expected a path such as `/audit`, without a `/` at its end",
                prefix.escape_debug()
            ),
            Self::Threads { source } => {
                write!(f, "the viewer's threads could not be started: {source}")
            }
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unrecorded { source } => Some(source),
            Self::Threads { source } => Some(source),
            Self::Prefix { .. } => None,
        }
    }
}

/// Why a page cannot be shown. The reader sees its text.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The trail has no such thing, or it is outside the reader's scope.
    NotFound(&'static str),
    /// The query is invalid.
    Query {
        text: String,
        column: Option<usize>,
        message: String,
    },
    /// A parameter of the URL is missing or invalid.
    Parameter {
        name: Cow<'static, str>,
        message: String,
    },
    /// The URL is invalid.
    Url(&'static str),
    /// The reader may not see this.
    Forbidden(&'static str),
    /// The store does not support this page.
    Unsupported(&'static str),
    /// The page would be too large.
    TooLarge(&'static str),
    /// The limit of simultaneous exports is reached.
    Busy(&'static str),
    /// The reader has reached a limit for one reader.
    ReaderLimit {
        /// The message, with `{}` for the limit.
        message: &'static str,
        limit: usize,
    },
    /// The client has disconnected or the timeout is over.
    Cancelled,
    /// The live stream is not opened.
    NoStream(NotOpened),
    /// The trail could not be read. The error is logged and not shown, since it may describe
    /// entries outside the reader's scope.
    Trail(audit_core::Error),
    /// The view could not be recorded.
    Unrecorded(StoreError),
    /// The page could not be written. The error is logged and not shown.
    Output(Box<dyn Error + Send + Sync>),
}

impl Failure {
    pub(crate) fn query(text: &str, error: &ParseQueryError) -> Self {
        // The page marks the column; the rest is the message with its hint.
        let message = error.to_string();
        let column = format!("column {}: ", error.column());
        Self::Query {
            text: text.to_owned(),
            column: Some(error.column()),
            message: message.strip_prefix(&column).unwrap_or(&message).to_owned(),
        }
    }

    /// Returns the column of the error in a query.
    pub(crate) fn column(&self) -> Option<usize> {
        match self {
            Self::Query { column, .. } => *column,
            _ => None,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cancelled => Self::Cancelled,
            error => Self::Trail(error.into()),
        }
    }
}

impl From<audit_core::Error> for Failure {
    fn from(error: audit_core::Error) -> Self {
        Self::Trail(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        Self::Output(error.into())
    }
}
