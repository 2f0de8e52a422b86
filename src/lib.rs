//! Audit trails for Rust: records who changed what, when, why and from where.
//!
//! Derive [`Auditable`] on a type, install an [`AuditLog`] with a store, register the type, and record its
//! changes. The README has a complete program with its output; [`recipes`] and [`testing_guide`] show how to
//! record particular types and how to test a trail.
//!
//! # Example: a change of one field
//!
#![cfg_attr(feature = "derive", doc = "```")]
#![cfg_attr(not(feature = "derive"), doc = "```ignore")]
//! use auditlog::prelude::*;
//!
//! #[derive(Auditable, Clone)]
//! struct User {
//!     id: u64,
//!     email: String,
//! }
//!
//! fn main() -> auditlog::Result<()> {
//!     AuditLog::builder().store(MemoryStore::new()).install()?;
//!     auditlog::register::<User>();
//!
//!     let mut user = User { id: 42, email: "bob@old.example".into() };
//!     auditlog::created(&user).record()?;
//!     auditlog::update(&mut user, |user| user.email = "bob@new.example".into())
//!         .actor("alice")
//!         .record()?;
//!
//!     let entry = LogEntry::objects().actor("alice").first()?.expect("an entry");
//!     assert_eq!(entry.changes["email"].old, Some("bob@old.example".into()));
//!     Ok(())
//! }
//! ```
//!
//! # The interface by subject
//!
//! | subject | items |
//! |---|---|
//! | model | [`Auditable`], [`AuditValue`], [`Sensitive`], [`Mask`], [`register`], [`register_with`], [`RegisterOptions`], [`lint`] |
//! | recording | [`created`], [`update`], [`updated`], [`deleted`], [`accessed`], [`event`], [`bulk`], [`Draft`], [`Tracked`], [`Unit`], [`Receipt`], [`Ticket`] |
//! | transactions | [`transaction`], [`transaction_async`], [`unit()`], [`Pending`] |
//! | context | [`context`](fn@context), [`Context`], [`set_actor`], [`FutureExt`], [`StreamExt`] |
//! | entries | [`LogEntry`], [`Changes`], [`Change`], [`Path`], [`Action`], [`Actor`], [`Level`], [`Outcome`] |
//! | queries | [`Query`], [`Entries`], [`Page`], [`Cursor`], [`parse_time`] |
//! | history | [`history`], [`History`], [`Reconstruction`], [`Blame`], [`as_of`], [`objects_as_of`], [`Upcast`] |
//! | log | [`AuditLog`], [`AuditLogBuilder`], [`FailurePolicy`], [`LogStats`] |
//! | stores | [`Store`], [`MemoryStore`], [`sqlite::SqliteStore`], [`postgres::PostgresStore`], [`archive::ArchiveStore`], [`Follow`], [`TrailStore`] |
//! | sinks and logging | [`Sink`], [`LogSink`], [`JsonLinesSink`], [`logging::basic_config`] |
//! | pages for people | [`web::Viewer`], [`web::Access`] |
//! | errors | [`Error`], [`StoreError`], [`RegistrationError`], [`TypedError`] |
//! | tests | [`testing::capture`], [`assert_audited!`] |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `derive` (default) | `#[derive(Auditable)]` |
//! | `sqlite` | [`sqlite::SqliteStore`], the embedded store |
//! | `postgres` | [`postgres::PostgresStore`], the store for many writers |
//! | `archive` | [`archive::ArchiveStore`], a trail in Parquet files on an object store |
//! | `s3`, `gcs`, `azure` | archives in buckets of S3, Google Cloud Storage and Azure Blob Storage |
//! | `logging` | [`logging::basic_config`], leveled logging |
//! | `web` | [`web::Viewer`], the pages of a trail as a service |
//! | `auto` | [`register_all`], which registers every derived type |
//! | `bigdecimal`, `bytes`, `indexmap`, `ipnetwork`, `jiff`, `rust_decimal`, `secrecy`, `semver`, `time`, `ulid`, `url` | [`AuditValue`] for the types of the crate of that name |
//!
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "[`sqlite::SqliteStore`]: https://docs.rs/auditlog/latest/auditlog/sqlite/struct.SqliteStore.html"
)]
#![cfg_attr(
    not(feature = "postgres"),
    doc = "[`postgres::PostgresStore`]: https://docs.rs/auditlog/latest/auditlog/postgres/struct.PostgresStore.html"
)]
#![cfg_attr(
    not(feature = "archive"),
    doc = "[`archive::ArchiveStore`]: https://docs.rs/auditlog/latest/auditlog/archive/struct.ArchiveStore.html"
)]
#![cfg_attr(
    not(feature = "logging"),
    doc = "[`logging::basic_config`]: https://docs.rs/auditlog/latest/auditlog/logging/fn.basic_config.html"
)]
#![cfg_attr(
    not(feature = "web"),
    doc = "[`web::Viewer`]: https://docs.rs/auditlog/latest/auditlog/web/struct.Viewer.html"
)]
#![cfg_attr(
    not(feature = "web"),
    doc = "[`web::Access`]: https://docs.rs/auditlog/latest/auditlog/web/struct.Access.html"
)]
#![cfg_attr(
    not(feature = "auto"),
    doc = "[`register_all`]: https://docs.rs/auditlog/latest/auditlog/fn.register_all.html"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
mod disabled;

// The model: which types are recorded, and how.
#[doc(inline)]
pub use audit_core::{
    ActionLevels, ActionSet, AuditValue, Auditable, FieldDescription, FieldSchema, LintFinding,
    LintReason, Mask, ModelDescription, ModelSchema, ParseMaskError, Recorded, RegisterOptions,
    RegistrationError, Sensitive, Sensitivity, SnapshotPolicy, UnregisteredPolicy, described,
    is_registered, lint, lint_registered, register, register_with, registered, try_register,
    unregister,
};

#[cfg(feature = "derive")]
#[doc(inline)]
pub use audit_derive::Auditable;

#[cfg(feature = "auto")]
#[doc(inline)]
pub use audit_core::{register_all, try_register_all};

// Values, their snapshots and differences.
#[doc(inline)]
pub use audit_core::{
    ApplyError, Change, Changes, Conflict, ConflictKind, Diff, Move, ParsePathError, Path,
    PathSegment, Rebase, Redaction, Snapshot, ValueError, diff, snapshot, try_diff, try_snapshot,
};

// Recording.
#[doc(inline)]
pub use audit_core::{
    Draft, Drafts, Pending, Receipt, SkipReason, Ticket, Tracked, Unit, accessed, baseline, bulk,
    created, created_many, custom, deleted, deleted_many, event, record_all, unit, update, updated,
    updated_many,
};

// Transactions.
#[doc(inline)]
pub use audit_core::{Attempt, InTransaction, Transaction, begin, transaction, transaction_async};

// The context.
#[doc(inline)]
pub use audit_core::{
    ActorSource, Context, ContextGuard, FutureExt, InContext, IntoActor, RunsInScope, StreamExt,
    context, disabled, set_actor,
};

// Entries.
#[doc(inline)]
pub use audit_core::{
    Action, Actor, ActorKind, ENTRY_FORMAT, Level, LogEntry, ObjectRef, Outcome, ParseLevelError,
    ParseOutcomeError, Source,
};

// Queries.
#[doc(inline)]
pub use audit_core::{
    Cancellation, Cursor, Entries, Filter, Group, Page, ParseCursorError, ParseQueryError,
    ParseTimeError, Query, QueryTime, parse_time,
};

// The history of objects.
#[doc(inline)]
pub use audit_core::{
    Blame, Break, Histories, History, Missing, MissingReason, ObjectState, ObjectStates,
    Reconstruction, TypedError, Upcast, Version, as_of, as_of_async, history, history_async,
    objects_as_of,
};

// The log.
#[doc(inline)]
pub use audit_core::{
    AuditLog, AuditLogBuilder, Error, FailurePolicy, Flow, LogGuard, LogStats, Result,
    ShutdownGuard,
};

// Stores.
#[doc(inline)]
pub use audit_core::{
    AsyncStore, Batch, DamageReport, DamagedRow, Follow, MemoryStore, ParsePositionError, Position,
    Store, StoreError, StoreFuture, Stored, TrailStore, backend, health,
};

#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use audit_sqlite as sqlite;

#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use audit_sqlite::SqliteStore;

#[cfg(feature = "postgres")]
#[doc(inline)]
pub use audit_postgres as postgres;

#[cfg(feature = "postgres")]
#[doc(no_inline)]
pub use audit_postgres::PostgresStore;

// Sinks and logging.
#[doc(inline)]
pub use audit_core::{
    Filtered, JsonLinesSink, LogSink, Sink, SinkError, SinkFn, critical, sink_fn,
};

#[cfg(feature = "archive")]
#[doc(inline)]
pub use audit_archive as archive;

#[cfg(feature = "logging")]
#[doc(inline)]
pub use audit_logging as logging;

// Pages for people.
#[cfg(feature = "web")]
#[doc(inline)]
pub use audit_web as web;

// Tests of programs.
#[doc(inline)]
pub use audit_core::{assert_audited, testing};

#[doc(hidden)]
pub use audit_core::{__derived, __private};

#[cfg(feature = "derive")]
pub mod recipes {
    #![doc = include_str!("../docs/recipes.md")]
}

#[cfg(feature = "derive")]
pub mod testing_guide {
    #![doc = include_str!("../docs/testing.md")]
}

/// Re-exports the items that most programs import.
pub mod prelude {
    #[doc(no_inline)]
    pub use audit_core::FailurePolicy::{FailClosed, FailOpen};

    #[doc(no_inline)]
    pub use audit_core::SnapshotPolicy::{Always, Every};

    #[doc(no_inline)]
    pub use audit_core::{
        Action, Actor, AuditLog, Auditable, Draft, FutureExt as _, JsonLinesSink, Level, LogEntry,
        LogSink, MemoryStore, ObjectRef, Outcome, Query, Receipt, Sink, StreamExt as _, Tracked,
    };

    #[doc(no_inline)]
    pub use serde::{Deserialize, Serialize};

    #[cfg(feature = "derive")]
    #[doc(no_inline)]
    pub use audit_derive::Auditable;

    #[cfg(feature = "postgres")]
    #[doc(no_inline)]
    pub use audit_postgres::PostgresStore;

    #[cfg(feature = "sqlite")]
    #[doc(no_inline)]
    pub use audit_sqlite::SqliteStore;

    /// An error that names the feature; see `disabled.rs`.
    #[cfg(not(feature = "postgres"))]
    #[doc(hidden)]
    pub type PostgresStore = <() as crate::disabled::Postgres>::Store;

    /// An error that names the feature; see `disabled.rs`.
    #[cfg(not(feature = "sqlite"))]
    #[doc(hidden)]
    pub type SqliteStore = <() as crate::disabled::Sqlite>::Store;
}
