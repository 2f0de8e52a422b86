//! MySQL and MariaDB: the tables, and the statement that keeps entries.
//!
//! The columns are PostgreSQL's, in the same [key form](crate::postgres::key) as bytes.

mod append;

pub use self::append::{APPEND, conflict, rows};

/// The version of the tables that this library makes and knows.
pub const SCHEMA_VERSION: u32 = 1;

/// The names in the order in which they are made, and the statements that make each, in a
/// database whose `audit_schema` has no version yet. What has its name is complete.
pub const SCHEMA: [(&str, &str); 2] = [
    ("audit_entry", include_str!("mysql/version_1_entry.sql")),
    ("audit_log", include_str!("mysql/version_1_view.sql")),
];
