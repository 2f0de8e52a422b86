//! The columns say what the entries say, and a check shows where they do not.

mod scratch;

use std::path::PathBuf;

use audit_core::{Query, Store, StoreError};
use audit_sqlite::{SqliteStore, rusqlite::Connection};
use audit_testkit::entries;

/// A store with entries, and a connection that may do anything to it.
fn unguarded() -> (SqliteStore, Connection, PathBuf) {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(50, 1)).unwrap();
    let connection = Connection::open(&file).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        connection
            .execute_batch(&format!("DROP TRIGGER {trigger}"))
            .unwrap();
    }
    (store, connection, file)
}

fn mismatches(store: &SqliteStore) -> Vec<(i64, &'static str)> {
    let mut check = store.check().unwrap();
    assert_eq!(check.integrity, [""; 0]);
    // The triggers are gone, which is told as well.
    assert!(!check.is_ok() && !check.schema.is_empty());
    check.schema.clear();
    assert_eq!(check.is_ok(), check.mismatches.is_empty());
    check.mismatches.iter().map(|m| (m.seq, m.column)).collect()
}

#[test]
fn every_column_is_checked() {
    let (store, connection, _file) = unguarded();
    assert_eq!(mismatches(&store), []);
    for (column, value) in [
        ("id", "randomblob(16)"),
        ("ts", "ts + 1"),
        ("level", "level + 1"),
        ("action", "action || ' '"),
        ("outcome", "'unknown'"),
        ("model", "'Other'"),
        ("object_pk", "object_pk || '0'"),
        ("parent_model", "'Other'"),
        ("parent_pk", "'Other'"),
        ("actor", "'mallory'"),
        ("correlation_id", "'other'"),
        ("transaction_id", "randomblob(16)"),
    ] {
        connection
            .execute_batch(&format!(
                "SAVEPOINT tamper; UPDATE audit_entry SET {column} = {value} WHERE seq = 7; \
                 RELEASE tamper;"
            ))
            .unwrap();
        assert!(mismatches(&store).contains(&(7, column)), "{column}");
    }
    let columns = mismatches(&store)
        .iter()
        .filter(|(_, c)| *c != "audit_change")
        .count();
    assert_eq!(columns, 12);
}

#[test]
fn bytes_that_are_not_canonical_are_found() {
    let (store, connection, _file) = unguarded();
    connection
        .execute(
            "UPDATE audit_entry SET body = body || ' ' WHERE seq = 9",
            [],
        )
        .unwrap();
    assert_eq!(mismatches(&store), [(9, "body")]);
}

#[test]
fn changed_fields_are_checked_both_ways() {
    let (store, connection, _file) = unguarded();
    let (seq, field): (i64, String) = connection
        .query_row("SELECT seq, field FROM audit_change LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    connection
        .execute(
            "DELETE FROM audit_change WHERE seq = ? AND field = ?",
            (seq, &field),
        )
        .unwrap();
    assert_eq!(mismatches(&store), [(seq, "audit_change")]);
    connection
        .execute_batch("INSERT INTO audit_change VALUES ('never', 0, 3), ('email', 0, 999)")
        .unwrap();
    let mut found = mismatches(&store);
    found.sort_unstable();
    let mut expected = [
        (seq, "audit_change"),
        (3, "audit_change"),
        (999, "audit_change"),
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let (store, connection, _file) = unguarded();
    let broken = [
        "json_set(body, '$.v', 99)",
        "'no json'",
        "'{}'",
        "''",
        "CAST(x'fffe22' AS TEXT)",
    ];
    for body in broken {
        connection
            .execute(
                &format!("UPDATE audit_entry SET body = {body} WHERE seq = 5"),
                [],
            )
            .unwrap();
        let error = store.find(&Query::new()).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("entry 5 of"), "{error}");
        assert!(store.count(&Query::new().text("\\")).is_err());
        assert_eq!(mismatches(&store)[0], (5, "body"));
        // What does not touch it is still found.
        assert!(store.count(&Query::new()).is_ok());
    }
}
