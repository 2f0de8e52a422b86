//! Errors of the server, the driver and the pool as [`StoreError`].

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use audit_core::StoreError;
use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::Error;
use uuid::Uuid;

use crate::pooler::Pooled;

/// The SQLSTATE of `audit_compare`: the id is taken. The id is the error's detail.
const CONFLICT: &str = "AU001";

/// The reason of a session that was not opened within its limit.
pub(crate) const NO_SESSION: &str = "no session was opened within `connect_timeout`: check that the server can be \
    reached and is not overloaded";

/// The beginning of the names of the constraints that `audit_fence` makes.
const FENCE: &str = "audit_entry_rest_awaits_";

/// The error of one attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    /// Whether a retry may succeed, perhaps with another connection.
    pub(crate) retry: bool,
}

impl Failure {
    pub(crate) fn last(error: StoreError) -> Self {
        Self {
            error,
            retry: false,
        }
    }

    fn again(error: StoreError) -> Self {
        Self { error, retry: true }
    }

    /// An operation that exceeded its time limit.
    pub(crate) fn timeout(location: &str, what: &str) -> Self {
        Self::last(StoreError::Io {
            location: location.to_owned(),
            source: Arc::new(io::Error::new(io::ErrorKind::TimedOut, what.to_owned())),
        })
    }

    /// The pool is exhausted.
    pub(crate) fn no_connection(location: &str) -> Self {
        Self::timeout(
            location,
            "all connections of the pool stayed in use for longer than `pool_timeout`: raise `pool_size` \
             or the limit",
        )
    }

    /// Converts an error of the driver.
    pub(crate) fn from_driver(location: &str, error: &Error) -> Self {
        let location = || location.to_owned();
        let Some(db) = error.as_db_error() else {
            return Self::without_code(location(), error);
        };
        let code = db.code().code();
        let server = || {
            StoreError::backend(
                location(),
                ServerError {
                    code: code.to_owned(),
                    message: db.message().to_owned(),
                    hint: hint(code).or(db.hint()).map(str::to_owned),
                },
            )
        };
        match code {
            CONFLICT => match db.detail().and_then(|id| id.parse::<Uuid>().ok()) {
                Some(id) => Self::last(StoreError::Conflict { id }),
                None => Self::last(server()),
            },
            // Serialization failure, deadlock.
            "40001" | "40P01" => Self::again(StoreError::Busy {
                location: location(),
            }),
            // A partition is being made for the id, or was made between the choice of the partition and the insert.
            "23514"
                if db.constraint().map_or_else(
                    || db.table() == Some("audit_entry_rest"),
                    |name| name.starts_with(FENCE),
                ) =>
            {
                Self::again(StoreError::Busy {
                    location: location(),
                })
            }
            // Out of memory, such as that for locks, and too many connections: until others release
            // theirs.
            "53200" | "53300" => Self::again(server()),
            // The server shuts down, restarts, or has closed the connection.
            "57P01" | "57P02" | "57P03" | "57P05" => Self::again(lost(location(), db.message())),
            // The lock timeout.
            "55P03" => Self::last(StoreError::Busy {
                location: location(),
            }),
            "57014" => Self::timeout(
                &location(),
                "a statement took longer than `statement_timeout`: narrow the query, or raise the limit",
            ),
            // Disk full.
            "53100" => Self::last(StoreError::Full {
                location: location(),
            }),
            // Read-only transaction, insufficient privilege.
            "25006" => Self::last(StoreError::ReadOnly {
                location: location(),
            }),
            // Damaged data, damaged index.
            "XX001" | "XX002" => Self::last(StoreError::Corrupt {
                location: location(),
                detail: db.message().to_owned(),
            }),
            code if code.starts_with("08") => Self::again(lost(location(), db.message())),
            _ => Self::last(server()),
        }
    }

    fn without_code(location: String, error: &Error) -> Self {
        let cause = StdError::source(error);
        let is_pooled = cause
            .and_then(|cause| cause.downcast_ref::<io::Error>()?.get_ref())
            .and_then(|inner| inner.downcast_ref::<Pooled>())
            .is_some();
        if is_pooled {
            return Self::last(StoreError::backend(location, Pooled));
        }
        if let Some(io) = cause.and_then(|cause| cause.downcast_ref::<io::Error>())
            && io
                .get_ref()
                .is_none_or(|inner| !inner.is::<rustls::Error>())
        {
            return Self::again(StoreError::Io {
                location,
                source: Arc::new(io::Error::new(io.kind(), with_cause(error))),
            });
        }
        if error.is_closed() {
            return Self::again(lost(location, "the connection was closed"));
        }
        let message = with_cause(error);
        if message.contains("does not support TLS") {
            return Self::last(StoreError::backend(
                location,
                "the server offers no encryption, which a connection to another machine needs: turn \
                 on its `ssl`, or add `sslmode=disable` to the URL, which sends all data and the \
                 password in clear",
            ));
        }
        if message.contains("TLS") {
            return Self::last(StoreError::backend(
                location,
                format!(
                    "{message}; for a certificate of your own authority set \
                     `PostgresOptions::root_certificates`"
                ),
            ));
        }
        Self::last(StoreError::backend(location, message))
    }

    /// Converts an error of the pool.
    pub(crate) fn of_pool(location: &str, error: &PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::no_connection(location),
            PoolError::Timeout(_) => Self::timeout(location, NO_SESSION),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                Self::from_driver(location, error)
            }
            PoolError::Closed => Self::last(StoreError::Closed),
            error => Self::last(StoreError::backend(location, error.to_string())),
        }
    }

    /// Returns whether the content of the entries caused the failure, so that others may succeed.
    pub(crate) fn concerns_content(&self) -> bool {
        match &self.error {
            StoreError::Conflict { .. } | StoreError::Invalid { .. } => true,
            StoreError::Backend { source, .. } => source
                .downcast_ref::<ServerError>()
                // Data exceptions, integrity constraints, limits of the program.
                .is_some_and(|error| {
                    ["22", "23", "54"]
                        .iter()
                        .any(|class| error.code.starts_with(class))
                }),
            _ => false,
        }
    }

    /// Returns whether the role lacks a privilege.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.has_code("42501")
    }

    /// Returns whether a row has the id of a stored one.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.has_code("23505")
    }

    /// Returns whether the server does not support a statement, such as a copy into a table with policies for rows.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.has_code("0A000")
    }

    /// Returns whether a time limit was exceeded.
    pub(crate) fn is_timeout(&self) -> bool {
        is_timeout(&self.error)
    }

    fn has_code(&self, code: &str) -> bool {
        sqlstate(&self.error) == Some(code)
    }

    /// Sets the hint of an error of the server with a code.
    pub(crate) fn with_hint(self, code: &str, hint: &str) -> Self {
        let StoreError::Backend { location, source } = &self.error else {
            return self;
        };
        match source.downcast_ref::<ServerError>() {
            Some(error) if error.code == code => {
                let hint = Some(hint.to_owned());
                let error = StoreError::backend(
                    location,
                    ServerError {
                        hint,
                        ..error.clone()
                    },
                );
                Self { error, ..self }
            }
            _ => self,
        }
    }

    /// Converts a missing privilege into [`StoreError::ReadOnly`].
    pub(crate) fn or_read_only(self, location: &str) -> Self {
        if self.is_forbidden() {
            return Self::last(StoreError::ReadOnly {
                location: location.to_owned(),
            });
        }
        self
    }
}

/// Returns the likely cause of an error of the server whose text does not name it.
fn hint(code: &str) -> Option<&'static str> {
    // A prepared statement that is there already, or is not.
    ["42P05", "26000"].contains(&code).then_some(
        "the cause is a pooler that pools by transaction: connect to the server itself, or to a \
         pool that pools by session",
    )
}

/// Returns whether an error says that a time limit was exceeded.
pub(crate) fn is_timeout(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::TimedOut)
}

/// An error that the server reported: message, code and hint. Its detail is left out, as it may quote
/// stored values.
#[derive(Clone, Debug)]
struct ServerError {
    code: String,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(f, "; {}", hint.trim_end_matches('.')),
            None => Ok(()),
        }
    }
}

impl StdError for ServerError {}

/// Returns the driver's text, with its cause unless the text contains it.
fn with_cause(error: &Error) -> String {
    let text = error.to_string();
    match StdError::source(error).map(ToString::to_string) {
        Some(cause) if !text.contains(&cause) => format!("{text}: {cause}"),
        _ => text,
    }
}

/// Returns the SQLSTATE of an error of the server, such as `42501` for a missing privilege and `28P01`
/// for a wrong password, or `None` if the error is not the server's.
///
/// # Example: an invalid URL
/// ```
/// let error = auditlog::PostgresStore::connect("postgres://:port").unwrap_err();
/// assert_eq!(auditlog::postgres::sqlstate(&error), None);
/// ```
pub fn sqlstate(error: &StoreError) -> Option<&str> {
    match error {
        StoreError::Backend { source, .. } => source
            .downcast_ref::<ServerError>()
            .map(|error| error.code.as_str()),
        _ => None,
    }
}

fn lost(location: String, message: &str) -> StoreError {
    StoreError::Io {
        location,
        source: Arc::new(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            message.to_owned(),
        )),
    }
}
