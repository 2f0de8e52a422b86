//! The errors of this crate.

mod registration;
mod store;
mod time;
mod typed;
mod value;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::action::Action;
use crate::path::ParsePathError;

pub use self::registration::RegistrationError;
pub use self::store::StoreError;
pub use self::time::ParseTimeError;
pub use self::typed::{Missing, MissingReason, TypedError};
pub use self::value::ValueError;

/// The result of most functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of recording an entry or reading the trail.
///
/// Nothing was recorded unless [`is_unconfirmed`](Self::is_unconfirmed) returns `true`. The message of an
/// error never contains a recorded value, and says how to fix the cause where the program can. `Debug`
/// prints the message as well, so `fn main() -> auditlog::Result<()>` shows it.
///
/// # Example: react to the cause
/// ```
/// use auditlog::{AuditLog, Error, StoreError};
///
/// fn record(log: &AuditLog) -> Result<(), Error> {
///     match log.event("login").record() {
///         Ok(_) => Ok(()),
///         Err(Error::Store(StoreError::Full { location })) => {
///             eprintln!("free some space for {location}");
///             Ok(())
///         }
///         Err(error) if error.is_unconfirmed() => {
///             eprintln!("it may be recorded: {error}");
///             Ok(())
///         }
///         Err(error) => Err(error),
///     }
/// }
///
/// let log = AuditLog::builder().build();
/// record(&log)?;
/// log.shutdown()?;
/// assert_eq!(record(&log).unwrap_err().to_string(), "the audit log was shut down: record before `shutdown`");
/// # Ok::<(), Error>(())
/// ```
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    Store(StoreError),
    /// A value cannot be recorded.
    Value {
        /// The model of the object.
        model: String,
        /// The error of the value.
        source: ValueError,
    },
    /// The model requires a reason, and none was given.
    ReasonRequired {
        /// The model.
        model: String,
        /// The action.
        action: Action,
    },
    /// The log or the model requires an actor, and the actor is unknown.
    ActorRequired {
        /// The model; empty for an event.
        model: String,
        /// The action.
        action: Action,
    },
    /// The canonical form of the entry exceeds the maximum size.
    TooLarge {
        /// The model; empty for an event.
        model: String,
        /// The size in bytes, or that of the texts alone.
        bytes: usize,
        /// The maximum size in bytes:
        /// [`AuditLogBuilder::max_entry_bytes`](crate::AuditLogBuilder::max_entry_bytes).
        limit: usize,
    },
    /// No context is entered on this thread.
    NoContext,
    /// A draft was limited to a field that the model does not have.
    UnknownField {
        /// The model.
        model: String,
        /// The given name.
        field: String,
        /// A field with a similar name.
        suggestion: Option<String>,
    },
    /// The type is not registered, and the log was built to
    /// [reject](crate::UnregisteredPolicy::Error) such drafts.
    NotRegistered {
        /// The model.
        model: String,
        /// The name of the Rust type.
        type_name: &'static str,
    },
    /// An object has no key: its identity or a part of it is `None`, empty, or white space.
    NoKey {
        /// The model.
        model: String,
        /// The action of the draft.
        action: Action,
    },
    /// The identity of an object changed in an update whose draft can hold one entry only, or
    /// only some fields: [`Draft::only`](crate::Draft::only),
    /// [`Draft::changes`](crate::Draft::changes), [`Draft::into_entry`](crate::Draft::into_entry).
    IdentityChanged {
        /// The model.
        model: String,
    },
    /// The name of a custom action or an event is invalid: empty, or that of one of the four
    /// actions.
    ActionName {
        /// The name.
        name: String,
    },
    /// A path of a query cannot be parsed.
    Query {
        /// The parse error.
        source: ParsePathError,
    },
    /// A state cannot be deserialized as an object of a type.
    Typed(TypedError),
    /// A type could not be registered.
    Registration(RegistrationError),
    /// A global log is already installed.
    AlreadyInstalled,
    /// A hash key is too short to be secure.
    WeakHashKey {
        /// The key's version.
        version: u32,
    },
    /// The log was shut down.
    ShutDown,
    /// The log did not shut down in time. The store has not confirmed all entries; entries that it
    /// is still writing may be recorded.
    ShutdownTimedOut {
        /// The time that the caller waited.
        waited: Duration,
    },
    /// The result of a ticket was already taken.
    ResultTaken,
    /// A batch contains a draft of another log.
    OtherLog,
    /// The transaction of the entry has ended.
    TransactionEnded,
    /// The transaction interleaved with one of another future on its thread, because a guard was
    /// held across `.await`. None of its entries is written.
    TransactionMixed,
    /// The entries of a nested transaction were to be written separately, which is possible only
    /// for the outermost transaction.
    PartOfTransaction,
    /// The logger could not be set up.
    Logging {
        /// The message of the logger.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// Returns whether it is unknown if the entries were recorded, for example because the
    /// connection was lost during the commit. All other errors mean that they were not recorded.
    pub fn is_unconfirmed(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unconfirmed { .. }))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(
                error @ (StoreError::NoStore
                | StoreError::InvalidQuery { .. }
                | StoreError::InvalidTime { .. }
                | StoreError::QueryTooDeep),
            ) => write!(f, "{error}"),
            Self::Store(error) => write!(f, "the store failed: {error}"),
            Self::Value { model, source } => {
                write!(f, "a value of `{model}` cannot be recorded: {source}")
            }
            Self::ReasonRequired { model, action } => write!(
                f,
                "the {action} of a `{model}` is not recorded without a reason: add `.reason(..)` to the draft or the context"
            ),
            Self::TooLarge {
                model,
                bytes,
                limit,
            } if model.is_empty() => write!(
                f,
                "the entry of an event has {bytes} bytes or more, and the limit is {limit}: record \
                 less data, or set `max_entry_bytes` of the log's builder"
            ),
            Self::TooLarge {
                model,
                bytes,
                limit,
            } => write!(
                f,
                "an entry of `{model}` has {bytes} bytes or more, and the limit is {limit}: skip or \
                 hash the field, or set `max_entry_bytes` of the log's builder"
            ),
            Self::ActorRequired { model, action } if model.is_empty() => write!(
                f,
                "the event `{}` is not recorded without an actor: set one with `auditlog::context().actor(..)` or on the draft",
                action.as_str().escape_debug()
            ),
            Self::ActorRequired { model, action } => write!(
                f,
                "the {action} of a `{model}` is not recorded without an actor: set one with `auditlog::context().actor(..)` or on the draft"
            ),
            Self::NoContext => f.write_str("no audit context is entered here: enter one with `auditlog::context().enter()`, or give a future one with `in_audit_context`"),
            Self::UnknownField { model, field, suggestion } => {
                write!(f, "`{model}` has no field `{}`", field.escape_debug())?;
                suggest(f, suggestion.as_deref())
            }
            Self::NotRegistered { model, type_name } => write!(
                f,
                "`{model}` is not registered with the audit log: call `auditlog::register::<{type_name}>()` when the program starts"
            ),
            Self::NoKey { model, action } => write!(
                f,
                "the {action} of a `{model}` without a key cannot be recorded: its identity is unset or blank; record the object after the insert that assigns the key"
            ),
            Self::IdentityChanged { model } => write!(
                f,
                "the identity of a `{model}` changed, which takes two entries: record the update without `only` or `changes`, and with `record_in` instead of `into_entry`"
            ),
            Self::ActionName { name } => write!(
                f,
                "`{}` is not a valid name of a custom action or an event: it must not be empty, create, update, delete or access",
                name.escape_debug()
            ),
            Self::Query { source } => write!(f, "the query cannot be run: {source}"),
            Self::Typed(error) => error.fmt(f),
            Self::Registration(error) => error.fmt(f),
            Self::AlreadyInstalled => f.write_str(
                "a global audit log is installed already; use `AuditLog::enter` for another one in a scope",
            ),
            Self::WeakHashKey { version } => write!(
                f,
                "the hash key of version {version} has fewer than 16 bytes and is not used: give `hash_key` 32 random bytes"
            ),
            Self::ShutDown => f.write_str("the audit log was shut down: record before `shutdown`"),
            Self::ShutdownTimedOut { waited } => write!(
                f,
                "the audit log did not shut down within {waited:?}, as the store has not confirmed all entries: call `shutdown` again to wait longer"
            ),
            Self::ResultTaken => f.write_str("the result of the ticket was already taken: wait for a ticket once"),
            Self::OtherLog => {
                f.write_str("a draft in the batch was made by another audit log: record it there")
            }
            Self::TransactionEnded => f.write_str("the audit transaction has already ended: record before that, or in another one"),
            Self::TransactionMixed => f.write_str(
                "the audit transaction mixed with another one on its thread, and none of its entries is written: end the inner one first, and do not hold a guard across `.await`; use `transaction_async` for futures",
            ),
            Self::PartOfTransaction => f.write_str(
                "the audit transaction is nested in another one, which writes its entries: call this on the outermost one",
            ),
            Self::Logging { source } => write!(f, "the logger could not be set up: {source}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Value { source, .. } => Some(source),
            Self::Query { source } => Some(source),
            Self::Typed(error) => Some(error),
            Self::Registration(error) => Some(error),
            Self::Logging { source } => Some(&**source),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TypedError> for Error {
    fn from(error: TypedError) -> Self {
        Self::Typed(error)
    }
}

impl From<RegistrationError> for Error {
    fn from(error: RegistrationError) -> Self {
        Self::Registration(error)
    }
}

fn suggest(f: &mut fmt::Formatter<'_>, near: Option<&str>) -> fmt::Result {
    match near {
        Some(near) => write!(f, "; did you mean `{near}`?"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_returns_the_error_prints_its_message() {
        let error = Error::Store(StoreError::NoStore);
        assert_eq!(format!("{error:?}"), StoreError::NoStore.to_string());
        assert!(
            Error::Store(StoreError::QueryTooDeep)
                .to_string()
                .starts_with("the query is invalid")
        );
    }

    #[test]
    fn the_error_of_a_large_event_names_no_model() {
        let of = |model: &str| {
            let (bytes, limit) = (1_001, 1_000);
            let model = model.to_owned();
            let error = Error::TooLarge {
                model,
                bytes,
                limit,
            };
            error.to_string()
        };
        assert!(of("").starts_with("the entry of an event has 1001 bytes or more"));
        assert!(of("User").starts_with("an entry of `User` has 1001 bytes or more"));
    }
}
