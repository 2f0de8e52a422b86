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

pub mod conformance;
mod damage;
mod fault;
mod sample;

pub use crate::damage::{DamagedRows, skips_damaged_rows};
pub use crate::fault::{Fault, FaultStore};
pub use crate::sample::entries;
