//! The store keeps the contract of stores.

mod scratch;

use audit_sqlite::SqliteStore;
use audit_testkit::conformance::{
    follows_after_reopening, keeps_after_reopening, refuses_a_position_of_another_trail,
};

audit_testkit::conformance!(
    || SqliteStore::open(scratch::file("audit.db")).unwrap(),
    TrailStore
);

#[test]
fn keeps_all_after_reopening() {
    let file = scratch::file("audit.db");
    keeps_after_reopening(&|| Box::new(SqliteStore::open(&file).unwrap()));
}

#[test]
fn follows_all_after_reopening() {
    let file = scratch::file("audit.db");
    follows_after_reopening(&|| Box::new(SqliteStore::open(&file).unwrap()));
}

#[test]
fn refuses_a_position_of_another_file() {
    let folder = scratch::folder();
    let [store, other] = ["a.db", "b.db"].map(|name| SqliteStore::open(folder.join(name)).unwrap());
    refuses_a_position_of_another_trail(&store, &other);
}
