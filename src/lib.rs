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
//! | log and stores | [`AuditLog`], [`AuditLogBuilder`], [`FailurePolicy`], [`Store`], [`MemoryStore`], [`Follow`], [`TrailStore`], `sqlite::SqliteStore`, `postgres::PostgresStore` |
//! | sinks and logging | [`Sink`], [`LogSink`], [`JsonLinesSink`], `logging::basic_config` |
//! | tests | [`testing`], [`assert_audited!`] |
//!
//! `sqlite`, `postgres` and `logging` are modules behind the features of these names.

#[doc(inline)]
pub use audit_core::*;

#[cfg(feature = "logging")]
#[doc(inline)]
pub use audit_logging as logging;

#[cfg(feature = "derive")]
pub use audit_derive::Auditable;

#[cfg(feature = "postgres")]
pub use audit_postgres as postgres;

#[cfg(feature = "sqlite")]
pub use audit_sqlite as sqlite;

#[doc(hidden)]
pub use audit_core::__private;

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
    pub use audit_core::prelude::*;

    #[doc(no_inline)]
    pub use audit_core::{Draft, ObjectRef, Query};

    #[cfg(feature = "derive")]
    #[doc(no_inline)]
    pub use audit_derive::Auditable;

    #[cfg(feature = "postgres")]
    #[doc(no_inline)]
    pub use audit_postgres::PostgresStore;

    #[cfg(feature = "sqlite")]
    #[doc(no_inline)]
    pub use audit_sqlite::SqliteStore;
}
