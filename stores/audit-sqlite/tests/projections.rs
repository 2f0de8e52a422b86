//! The columns say what the entries say, and a check shows where they do not.

mod scratch;

use std::path::PathBuf;

use audit_core::{LogEntry, Query, Store, StoreError, TrailStore};
use audit_sql::sqlite::{APPEND, Batch};
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
    // The check reports the missing triggers too.
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
        ("checksum", "randomblob(32)"),
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
    assert_eq!(columns, 13);
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
    assert_eq!(mismatches(&store), [(9, "checksum"), (9, "body")]);
}

/// A byte that no column shows, in an entry that is still canonical.
#[test]
fn a_changed_byte_that_still_reads_is_found() {
    let (store, connection, _file) = unguarded();
    let mut entry = LogEntry::new("refund", "Payment", "1", "payment 1");
    entry.reason = Some("refund of 100".to_owned());
    store.append(std::slice::from_ref(&entry)).unwrap();
    assert_eq!(mismatches(&store), []);
    connection
        .execute_batch(
            "UPDATE audit_entry SET body = replace(body, 'refund of 100', 'refund of 900')",
        )
        .unwrap();
    let read = store.by_ids(&[entry.id]).unwrap().remove(0);
    assert_eq!(read.reason.as_deref(), Some("refund of 900"));
    let mismatches: Vec<_> = store.check().unwrap().mismatches;
    let texts: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
    let id = entry.id;
    assert_eq!(
        texts,
        [format!("entry {id}: its bytes do not match their checksum")]
    );
}

/// One entry, a group, and the view through which adapters write.
#[test]
fn every_writer_makes_the_checksum_of_the_bytes() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let mut sample = entries(60, 1);
    sample[3].reason = Some("a\0b \u{1} é 漢".to_owned());
    sample[41].reason = sample[3].reason.clone();
    store.append(&sample[..1]).unwrap();
    store.append(&sample[..40]).unwrap();
    let connection = Connection::open(&file).unwrap();
    audit_sqlite::append_in(&connection, &sample[40..50]).unwrap();
    let batch = Batch::of(&sample[50..]).unwrap();
    connection
        .execute(APPEND, (&batch.ids, &batch.entries))
        .unwrap();
    let mut rows = connection
        .prepare("SELECT CAST(body AS BLOB), checksum FROM audit_entry")
        .unwrap();
    let rows: Vec<(Vec<u8>, Vec<u8>)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(rows.len(), sample.len());
    for (body, made) in rows {
        assert_eq!(made, audit_sql::checksum(&body));
    }
    assert!(store.check().unwrap().is_ok());
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
        assert_eq!(mismatches(&store)[..2], [(5, "checksum"), (5, "body")]);
        // What does not touch it is still found.
        assert!(store.count(&Query::new()).is_ok());
    }
}
