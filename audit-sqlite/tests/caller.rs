//! Entries in the caller's own transaction, beside the caller's own tables.

mod scratch;

use audit_core::{Query, Store, StoreError};
use audit_sqlite::rusqlite::Connection;
use audit_sqlite::{SqliteStore, append_in, install};
use audit_testkit::entries;

fn database() -> (Connection, std::path::PathBuf) {
    let file = scratch::file("app.db");
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "PRAGMA application_id = 77; PRAGMA user_version = 12; \
             CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)",
        )
        .unwrap();
    install(&connection).unwrap();
    (connection, file)
}

fn count(connection: &Connection, table: &str) -> i64 {
    connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap()
}

#[test]
fn commit_keeps_both_and_rollback_neither() {
    let (mut connection, _file) = database();
    let sample = entries(10, 1);
    let transaction = connection.transaction().unwrap();
    transaction
        .execute("INSERT INTO account VALUES (1, 100)", [])
        .unwrap();
    append_in(&transaction, &sample[..5]).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(
        (
            count(&connection, "account"),
            count(&connection, "audit_entry")
        ),
        (0, 0)
    );
    assert_eq!(count(&connection, "audit_change"), 0);

    let transaction = connection.transaction().unwrap();
    transaction
        .execute("INSERT INTO account VALUES (1, 100)", [])
        .unwrap();
    append_in(&transaction, &sample[..5]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(
        (
            count(&connection, "account"),
            count(&connection, "audit_entry")
        ),
        (1, 5)
    );
}

#[test]
fn savepoints_behave() {
    let (mut connection, _file) = database();
    let sample = entries(10, 1);
    let mut transaction = connection.transaction().unwrap();
    append_in(&transaction, &sample[..2]).unwrap();
    let savepoint = transaction.savepoint().unwrap();
    append_in(&savepoint, &sample[2..5]).unwrap();
    drop(savepoint);
    append_in(&transaction, &sample[5..6]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(count(&connection, "audit_entry"), 3);
}

#[test]
fn a_failed_append_keeps_nothing_of_it_and_leaves_the_transaction_open() {
    let (mut connection, _file) = database();
    let sample = entries(10, 1);
    append_in(&connection, &sample[..1]).unwrap();
    let mut other = sample[0].clone();
    other.reason = Some("another".to_owned());
    let transaction = connection.transaction().unwrap();
    transaction
        .execute("INSERT INTO account VALUES (1, 100)", [])
        .unwrap();
    let error = append_in(&transaction, &[sample[1].clone(), other]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { id } if id == sample[0].id));
    append_in(&transaction, &sample[..4]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(
        (
            count(&connection, "account"),
            count(&connection, "audit_entry")
        ),
        (1, 4)
    );
}

#[test]
fn the_file_stays_the_applications() {
    let (connection, file) = database();
    install(&connection).unwrap();
    let pragma = |name: &str| -> i64 {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!((pragma("application_id"), pragma("user_version")), (77, 12));

    let sample = entries(20, 1);
    append_in(&connection, &sample[..10]).unwrap();
    let error = SqliteStore::open(&file).unwrap_err();
    assert!(matches!(&error, StoreError::Foreign { .. }), "{error}");
    let store = SqliteStore::options().shared_file().open(&file).unwrap();
    store.append(&sample[10..]).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 20);
    assert!(store.check().unwrap().is_ok());
    store.close().unwrap();
    assert_eq!((pragma("application_id"), pragma("user_version")), (77, 12));
    let mode: String = connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "delete");
}

#[test]
fn a_shared_file_without_a_trail_gets_one() {
    let file = scratch::file("app.db");
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch("CREATE TABLE account (id INTEGER PRIMARY KEY)")
        .unwrap();
    let store = SqliteStore::options().shared_file().open(&file).unwrap();
    store.append(&entries(3, 1)).unwrap();
    append_in(&connection, &entries(3, 2)).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 6);
}

#[test]
fn install_is_undone_with_the_callers_transaction() {
    let mut connection = Connection::open_in_memory().unwrap();
    let transaction = connection.transaction().unwrap();
    install(&transaction).unwrap();
    append_in(&transaction, &entries(2, 1)).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(count(&connection, "sqlite_master"), 0);
    install(&connection).unwrap();
    append_in(&connection, &entries(2, 1)).unwrap();
    assert_eq!(count(&connection, "audit_entry"), 2);
}

#[test]
fn a_trail_of_a_later_version_is_left_alone() {
    let (connection, _file) = database();
    connection
        .execute_batch("UPDATE audit_schema SET version = 99")
        .unwrap();
    let error = install(&connection).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::NewerSchema {
                found: 99,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
}
