//! What can go wrong.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::action::Action;
use crate::history::TypedError;
use crate::path::ParsePathError;

/// The result of most functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an entry was not recorded, or the trail not read.
///
/// If [`is_unconfirmed`](Self::is_unconfirmed), the entry may be recorded all the same.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The store refused or failed.
    Store(StoreError),
    /// A value cannot be recorded.
    Value {
        /// The model of the object.
        model: String,
        /// What is wrong with the value.
        source: ValueError,
    },
    /// The model records nothing without a reason, and none was given.
    ReasonRequired {
        /// The model.
        model: String,
        /// The action.
        action: Action,
    },
    /// The log or the model records nothing without an actor, and none is known.
    ActorRequired {
        /// The model; empty for an event.
        model: String,
        /// The action.
        action: Action,
    },
    /// The canonical form of the entry has more bytes than the log records.
    TooLarge {
        /// The model; empty for an event.
        model: String,
        /// How many bytes it has, or how many its texts alone have.
        bytes: usize,
        /// How many it may have:
        /// [`AuditLogBuilder::max_entry_bytes`](crate::AuditLogBuilder::max_entry_bytes).
        limit: usize,
    },
    /// No context is entered here.
    NoContext,
    /// A draft was limited to a field that the model does not have.
    UnknownField {
        /// The model.
        model: String,
        /// The name that was given.
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
    /// An object has no key: its identity, or a part of it, is `None` or empty text.
    NoKey {
        /// The model.
        model: String,
        /// The action that was to be recorded.
        action: Action,
    },
    /// The identity of an object changed in an update whose draft can hold one entry only, or
    /// only some fields: [`Draft::only`](crate::Draft::only),
    /// [`Draft::changes`](crate::Draft::changes), [`Draft::into_entry`](crate::Draft::into_entry).
    IdentityChanged {
        /// The model.
        model: String,
    },
    /// A custom action or an event has a name that it cannot have: none, or that of one of
    /// the four actions.
    ActionName {
        /// The name.
        name: String,
    },
    /// A query asks for a path that is none.
    Query {
        /// What is wrong with the path.
        source: ParsePathError,
    },
    /// A state makes no object of a type.
    Typed(TypedError),
    /// A type could not be registered.
    Registration(RegistrationError),
    /// There is a global log already.
    AlreadyInstalled,
    /// A hash key is too short to hide anything.
    WeakHashKey {
        /// The key's version.
        version: u32,
    },
    /// The log was shut down.
    ShutDown,
    /// The log did not shut down in time. The store has not confirmed all entries; those it is
    /// writing now may still be kept.
    ShutdownTimedOut {
        /// How long the caller waited.
        waited: Duration,
    },
    /// The result of a ticket was taken before.
    ResultTaken,
    /// A batch has a draft that another log made.
    OtherLog,
    /// The transaction the entry belonged to has ended.
    TransactionEnded,
    /// The transaction mixed with one of another future on its thread: a guard was held across
    /// `.await`. None of its entries is written.
    TransactionMixed,
    /// A transaction inside another was to be written elsewhere, which only the whole can be.
    PartOfTransaction,
    /// The logger could not be set up.
    Logging {
        /// What the logger said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// Returns whether it is unknown if the entries were recorded, as when the connection was
    /// lost while they were committed. All other errors mean that they were not.
    pub fn is_unconfirmed(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unconfirmed { .. }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error @ StoreError::NoStore) => write!(f, "{error}"),
            Self::Store(error) => write!(f, "the store failed: {error}"),
            Self::Value { model, source } => {
                write!(f, "a value of `{model}` cannot be recorded: {source}")
            }
            Self::ReasonRequired { model, action } => write!(
                f,
                "`{model}` records nothing without a reason: add `.reason(..)` to the {action} draft or the context"
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
                "the {action} of a `{model}` without a key cannot be recorded: record the object after the insert that gives it one"
            ),
            Self::IdentityChanged { model } => write!(
                f,
                "the identity of a `{model}` changed, which takes two whole entries: record the update without `only` or `changes`, and with `into_entries` instead of `into_entry`"
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
            Self::ShutDown => f.write_str("the audit log was shut down"),
            Self::ShutdownTimedOut { waited } => write!(
                f,
                "the audit log did not shut down within {waited:?}: the store has not confirmed all entries"
            ),
            Self::ResultTaken => f.write_str("the result of the ticket was taken before"),
            Self::OtherLog => {
                f.write_str("a draft in the batch was made by another audit log: record it there")
            }
            Self::TransactionEnded => f.write_str("the audit transaction has ended already"),
            Self::TransactionMixed => f.write_str(
                "the audit transaction mixed with another one on its thread, and none of its entries is written: do not hold its guard across `.await`; use `transaction_async`",
            ),
            Self::PartOfTransaction => f.write_str(
                "the audit transaction is a part of another one: write the outer one",
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
    /// A path of the query is none.
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

/// Why a value cannot be recorded. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The value nests too deep.
    TooDeep {
        /// Where the limit was reached; empty inside a value that is recorded whole.
        path: String,
        /// The limit, in objects and arrays.
        limit: usize,
    },
    /// The value has too many parts, as one does whose parts are shared many times over.
    TooLarge {
        /// The limit, in objects and arrays.
        limit: usize,
    },
    /// The value has no JSON form.
    Unrepresentable {
        /// Why not.
        message: String,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { path, limit } => {
                write!(f, "it nests deeper than {limit} levels")?;
                // The path of the limit is as long as the limit is high: its beginning will do.
                match path.char_indices().nth(60) {
                    _ if path.is_empty() => Ok(()),
                    Some((end, _)) => write!(f, ", at `{}...`", &path[..end]),
                    None => write!(f, ", at `{path}`"),
                }
            }
            Self::TooLarge { limit } => write!(f, "it has more than {limit} parts"),
            Self::Unrepresentable { message } => f.write_str(message),
        }
    }
}

impl StdError for ValueError {}

/// Why a type could not be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Another type is registered under the model name.
    ModelTaken {
        /// The model name.
        model: String,
        /// The type that has it.
        registered: String,
        /// The type that wanted it.
        rejected: String,
    },
    /// The identity or the key of the parent, by which entries are found, would be hidden or
    /// has something masked inside.
    HiddenKey {
        /// The model.
        model: String,
        /// The field.
        field: String,
    },
    /// The identity or the key of the parent is hashed, and the log has no hash key: after a
    /// restart no object would be found.
    NoHashKey {
        /// The model.
        model: String,
    },
    /// A field of a flattened value has the name of another field of the same object, or of the
    /// tag of an enum.
    NameTaken {
        /// The model.
        model: String,
        /// The flattened field, or the enum's variant.
        field: String,
        /// The name.
        name: String,
    },
    /// Two maps are flattened into one object.
    TwoMaps {
        /// The model.
        model: String,
        /// The one field.
        field: String,
        /// The other field.
        other: String,
    },
    /// The options name an action that is none of the four.
    UnknownAction {
        /// The model.
        model: String,
        /// The name that was given.
        action: String,
    },
    /// The options name a field that the model does not have.
    UnknownField {
        /// The model.
        model: String,
        /// The name that was given.
        field: String,
        /// A field with a similar name.
        suggestion: Option<String>,
    },
}

/// Returns the name of a generic type without its arguments.
fn generic(type_name: &str) -> Option<&str> {
    type_name.split_once('<').map(|(name, _)| name)
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ModelTaken {
                model,
                registered,
                rejected,
            } if generic(registered).is_some() && generic(registered) == generic(rejected) => {
                write!(
                    f,
                    "`{registered}` and `{rejected}` are both stored as `{model}`, since an \
                     attribute of a generic type holds for every instance: register one, and put \
                     the other in a struct of its own with #[audit(model = \"...\")]"
                )
            }
            Self::ModelTaken {
                model,
                registered,
                rejected,
            } => write!(
                f,
                "the model name `{model}` is taken by `{registered}`: give `{rejected}` its own with #[audit(model = \"...\")]"
            ),
            Self::HiddenKey { model, field } => write!(
                f,
                "`{model}.{field}` cannot be hidden: every entry has it in clear, to be found by; give `{model}` a key that is not a secret"
            ),
            Self::NoHashKey { model } => write!(
                f,
                "`{model}` is found by a hashed key, and the log has no hash key: set `AuditLog::builder().hash_key(..)`"
            ),
            Self::NameTaken { model, field, name } => write!(
                f,
                "`{model}` would record two values as `{name}`, one of them from inside `{field}`: rename one of the fields with #[audit(rename = \"...\")], or do not flatten `{field}`"
            ),
            Self::TwoMaps {
                model,
                field,
                other,
            } => write!(
                f,
                "`{model}` flattens the maps `{field}` and `{other}` into one object, where a key does not show which map it is of: flatten one of them only"
            ),
            Self::UnknownAction { model, action } => write!(
                f,
                "unknown action `{}` for `{model}`; expected create, update, delete or access",
                action.escape_debug()
            ),
            Self::UnknownField {
                model,
                field,
                suggestion,
            } => {
                write!(f, "`{model}` has no field `{}`", field.escape_debug())?;
                suggest(f, suggestion.as_deref())
            }
        }
    }
}

impl StdError for RegistrationError {}
