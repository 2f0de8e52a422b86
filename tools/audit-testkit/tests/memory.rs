//! The suite on the store that the core brings.

audit_testkit::conformance!(audit_core::MemoryStore::new);
