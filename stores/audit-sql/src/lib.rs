//! Conversion of entries to rows: the code that the stores of `auditlog` and its adapters of database drivers
//! have in common, without a driver. Applications use a store or an adapter.
//!
//! A store and every adapter of its database write the same rows, so an entry that was written
//! in a transaction of sqlx is found by the store, which checks and purges it like its own.
//!
//! # Example: an adapter of a PostgreSQL driver
//! ```
//! use audit_core::LogEntry;
//! use audit_sql::postgres;
//!
//! // Made by a store: it has the function `audit_append`.
//! let schema = postgres::Schema::named("audit")?;
//! let statement = postgres::append(Some(&schema));
//! let parameter = postgres::rows(&[LogEntry::new("create", "Account", "1", "account 1")])?;
//! // driver.execute(statement, [parameter]) inside the caller's transaction
//! # assert!(statement.contains("\"audit\".audit_append"));
//! # assert!(parameter.contains("account 1"));
//! # Ok::<(), audit_core::StoreError>(())
//! ```

mod adapter;
mod checksum;
mod condition;
mod damage;
mod error;

pub mod mysql;
pub mod postgres;
pub mod sqlite;

pub use crate::checksum::{checksum, hex};
pub use crate::condition::{ConditionSql, condition};
pub use crate::damage::Tolerance;
#[doc(hidden)]
pub use crate::error::full_text as __full_text;
pub use crate::error::hint;
#[doc(hidden)]
pub use audit_core as __core;
#[doc(hidden)]
pub use uuid as __uuid;
