//! The store keeps the contract of stores.

mod scratch;

use audit_sqlite::SqliteStore;
use audit_testkit::conformance::keeps_after_reopening;

audit_testkit::conformance!(|| SqliteStore::open(scratch::file("audit.db")).unwrap());

#[test]
fn keeps_all_after_reopening() {
    let file = scratch::file("audit.db");
    keeps_after_reopening(&|| Box::new(SqliteStore::open(&file).unwrap()));
}
