//! The suite of an adapter: entries in transactions of a caller's own, on real databases.
//!
//! An adapter says how its driver runs [steps](Step) in a transaction ([`Run`]); [`main`] runs
//! every test with a database of its own, and names those that need a server that is not there.

mod database;
mod suite;
mod tests;

use audit_core::{Draft, LogEntry, Pending, Receipt, Unit};

pub use self::database::{Database, Postgres, Sqlite};
pub use self::suite::{Mysql, Suite, main, trial};

/// What is done in a transaction, in order.
#[derive(Debug)]
pub enum Step {
    /// A statement of the application's.
    Sql(String),
    /// `draft.record_in(..)`.
    Record(Draft),
    /// `unit.record_in(..)`.
    RecordUnit(Unit),
    /// `pending.record_in(..)`.
    RecordPending(Pending),
    /// `append_in(.., &entries)`.
    Append(Vec<LogEntry>),
    /// Steps in a savepoint.
    Savepoint(Vec<Step>, End),
}

/// How a transaction or a savepoint ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What was done in it stays.
    Commit,
    /// Nothing of it stays.
    RollBack,
}

/// Why a transaction failed: the adapter's error, or the driver's.
pub type Failure = Box<dyn std::error::Error>;

/// Where a test's database is.
#[derive(Clone, Debug)]
pub struct Location {
    /// The URL of PostgreSQL's or MySQL's database, or the path of SQLite's file.
    pub url: String,
    /// The schema of the trail, where the connection's search path does not have it.
    pub schema: Option<String>,
}

/// Runs steps in one transaction, by the means of a driver, and returns the receipts of all that
/// was recorded. A step that fails ends it, and everything is rolled back.
pub type Run = fn(&Location, Vec<Step>, End) -> Result<Vec<Receipt>, Failure>;
