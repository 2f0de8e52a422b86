//! MySQL and MariaDB: the tables, and the statement that keeps entries.
//!
//! The columns are PostgreSQL's, in the same [key form](crate::postgres::key) as bytes.

mod append;

pub use self::append::{APPEND, conflict, rows};

/// The version of the tables that this library makes and knows.
pub const SCHEMA_VERSION: u32 = 1;

/// What makes the tables, in a database whose `audit_schema` has no version yet. It may be run
/// again.
pub const SCHEMA: &str = include_str!("mysql/version_1.sql");
