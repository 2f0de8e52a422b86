//! A store that is opened without migration needs a trail that is there.

mod scratch;

use audit_core::{Store, StoreError};
use audit_sqlite::rusqlite::Connection;
use audit_sqlite::{SqliteOptions, SqliteStore};
use audit_testkit::entries;

fn options() -> SqliteOptions {
    SqliteStore::options().migrate(false)
}

#[test]
fn an_existing_trail_is_opened_and_written() {
    let file = scratch::file("audit.db");
    SqliteStore::open(&file).unwrap().close().unwrap();
    let store = options().open(&file).unwrap();
    store.append(&entries(3, 1)).unwrap();
    assert_eq!(store.info().unwrap().entries, 3);
}

#[test]
fn a_missing_file_is_not_created() {
    let file = scratch::file("audit.db");
    let error = options().open(&file).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(!file.exists());
}

#[test]
fn a_database_without_a_trail_is_left_as_it_was() {
    let file = scratch::file("app.db");
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch("CREATE TABLE account (id INTEGER PRIMARY KEY)")
        .unwrap();
    let before = std::fs::read(&file).unwrap();
    for options in [options(), options().shared_file()] {
        let error = options.open(&file).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn an_empty_database_is_left_as_it_was() {
    let file = scratch::file("empty.db");
    std::fs::write(&file, "").unwrap();
    let error = options().open(&file).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
}
