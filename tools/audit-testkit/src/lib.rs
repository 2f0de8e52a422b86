//! Tools for those who write a store for `auditlog`: a suite that checks the contract of
//! [`Store`](audit_core::Store), entries to check it with, and a store that fails on demand.
//!
//! # Example: the whole suite for a store
//! ```
//! // In `tests/conformance.rs`: one `#[test]` for each check.
//! audit_testkit::conformance!(audit_core::MemoryStore::new);
//! # fn main() {}
//! ```
//!
//! # Example: one check by itself
//! ```
//! audit_testkit::conformance::keeps_bytes(&audit_core::MemoryStore::new());
//! ```

#[cfg(feature = "callers")]
pub mod callers;
pub mod conformance;
mod disk;
mod fault;
mod groups;
mod mysql;
mod pooler;
mod postgres;
mod process;
mod sample;

pub use crate::disk::SmallDisk;
pub use crate::fault::{Fault, FaultStore};
pub use crate::mysql::MysqlServer;
pub use crate::pooler::PgBouncer;
pub use crate::postgres::PostgresServer;
pub use crate::sample::entries;
