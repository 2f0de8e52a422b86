//! The suite on the store that the core brings.

use audit_core::MemoryStore;
use audit_testkit::conformance::{follows_after_reopening, refuses_a_position_of_another_trail};

audit_testkit::conformance!(MemoryStore::new, TrailStore);

#[test]
fn follows_through_clones() {
    let store = MemoryStore::new();
    follows_after_reopening(&|| Box::new(store.clone()));
}

#[test]
fn refuses_a_position_of_another_store() {
    refuses_a_position_of_another_trail(&MemoryStore::new(), &MemoryStore::new());
}
