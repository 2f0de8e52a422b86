//! Entries in the caller's own transaction, beside the caller's own tables.

mod scratch;

use audit_core::{AuditLog, Query, Store, StoreError};
use audit_sqlite::rusqlite::{self, Connection, ErrorCode};
use audit_sqlite::{Error, RecordIn as _, SqliteStore, append_in, install};
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
    // One statement, whose trigger does the rest.
    assert_eq!(transaction.last_insert_rowid(), 1);
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
    assert!(matches!(error, Error::Conflict { id, .. } if id == sample[0].id));
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

/// Whatever the caller does after the error, no part of an entry is committed.
#[test]
fn a_full_disk_commits_no_part_of_an_entry() {
    let (connection, file) = database();
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    for free_pages in 1..12 {
        connection
            .query_row(
                &format!("PRAGMA max_page_count = {}", pages + free_pages),
                [],
                |_| Ok(()),
            )
            .unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let error = entries(500, 1)
            .iter()
            .find_map(|entry| append_in(&connection, std::slice::from_ref(entry)).err())
            .expect("the pages hold not all of them");
        let code = error.driver().and_then(rusqlite::Error::sqlite_error_code);
        assert_eq!(code, Some(ErrorCode::DiskFull), "{error:?}");
        // As a program that ignores errors would.
        assert!(connection.execute_batch("COMMIT").is_err());
        assert_eq!(count(&connection, "audit_entry"), 0);
        assert_eq!(count(&connection, "audit_change"), 0);
    }
    connection
        .query_row("PRAGMA max_page_count = 100000", [], |_| Ok(()))
        .unwrap();
    append_in(&connection, &entries(500, 1)).unwrap();
    let store = SqliteStore::options()
        .shared_file()
        .read_only()
        .open(&file)
        .unwrap();
    assert!(store.check().unwrap().is_ok());
}

/// Continues after a failure, as an application may.
fn continue_after(
    mut connection: Connection,
    sql: &str,
    writes: impl Fn(&Connection) -> Option<Error>,
) {
    let transaction = connection.transaction().unwrap();
    transaction
        .execute("INSERT INTO account VALUES (1, 100)", [])
        .unwrap();
    append_in(&transaction, &entries(1, 1)).unwrap();
    transaction.execute_batch(sql).unwrap();
    assert!(writes(&transaction).is_some(), "{sql}");
    assert!(!transaction.is_autocommit(), "{sql}");
    assert_eq!(count(&transaction, "audit_entry"), 1, "{sql}");
    assert_eq!(count(&transaction, "audit_retention"), 0, "{sql}");
    transaction.execute_batch("DROP TRIGGER spoil").unwrap();
    append_in(&transaction, &entries(2, 2)).unwrap();
    transaction.commit().unwrap();
    assert_eq!(count(&connection, "account"), 1, "{sql}");
    assert_eq!(count(&connection, "audit_entry"), 3, "{sql}");
    let fields = "(SELECT DISTINCT e.seq FROM audit_change c JOIN audit_entry e USING (seq))";
    let orphans = "(SELECT 1 FROM audit_change WHERE seq NOT IN (SELECT seq FROM audit_entry))";
    assert_eq!(count(&connection, orphans), 0, "{sql}");
    assert!(count(&connection, fields) <= 3, "{sql}");
}

/// An entry that has changes.
fn with_changes() -> audit_core::LogEntry {
    let mut all = entries(20, 9).into_iter();
    all.find(|entry| entry.changes.len() > 1)
        .expect("an entry with changes")
}

#[test]
fn a_failed_entry_undoes_only_itself() {
    let one = |connection: &Connection| append_in(connection, &[with_changes()]).err();
    let two = |connection: &Connection| {
        append_in(connection, &[with_changes(), entries(1, 7).remove(0)]).err()
    };
    for sql in [
        // Before the row, after it, and with its changes.
        "CREATE TRIGGER spoil BEFORE INSERT ON audit_entry BEGIN
             SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER spoil AFTER INSERT ON audit_entry BEGIN
             SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER spoil AFTER INSERT ON audit_entry BEGIN
             SELECT RAISE(FAIL, 'no'); END",
        "CREATE TRIGGER spoil AFTER INSERT ON audit_entry BEGIN
             INSERT INTO account VALUES (1, 0); END",
        "CREATE TRIGGER spoil BEFORE INSERT ON audit_change BEGIN
             SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER spoil AFTER INSERT ON audit_change
             WHEN (SELECT count(*) FROM audit_change WHERE seq = NEW.seq) > 1 BEGIN
             SELECT RAISE(FAIL, 'no'); END",
    ] {
        continue_after(database().0, sql, one);
        continue_after(database().0, sql, two);
        // And in a savepoint of the caller's.
        let in_savepoint = |connection: &Connection| {
            connection.execute_batch("SAVEPOINT mine").unwrap();
            let failed = one(connection);
            connection.execute_batch("RELEASE mine").unwrap();
            failed
        };
        continue_after(database().0, sql, in_savepoint);
    }
}

#[test]
fn an_entry_that_finds_the_file_locked_leaves_the_transaction_open() {
    let (mut connection, file) = database();
    connection.execute_batch("PRAGMA busy_timeout = 0").unwrap();
    let other = Connection::open(&file).unwrap();
    let transaction = connection.transaction().unwrap();
    assert_eq!(count(&transaction, "account"), 0);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let log = AuditLog::builder().build();
    let error = log.event("charged").record_in(&transaction).unwrap_err();
    let code = error.driver().and_then(rusqlite::Error::sqlite_error_code);
    assert_eq!(code, Some(ErrorCode::DatabaseBusy), "{error}");
    assert!(!transaction.is_autocommit());
    other.execute_batch("ROLLBACK").unwrap();

    // Another try, and no commit.
    log.event("charged").record_in(&transaction).unwrap();
    transaction
        .execute("INSERT INTO account VALUES (1, 100)", [])
        .unwrap();
    transaction.rollback().unwrap();
    assert_eq!(count(&connection, "account"), 0);
    assert_eq!(count(&connection, "audit_entry"), 0);
}

/// An entry of which a part would stay is worse than a transaction that is gone.
#[test]
fn an_entry_that_cannot_be_undone_takes_the_transaction_with_it() {
    let (connection, _file) = database();
    connection
        .execute_batch(
            "CREATE TRIGGER spoil BEFORE INSERT ON audit_change BEGIN
                 SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER spoil_more BEFORE DELETE ON audit_entry BEGIN
                 SELECT RAISE(ABORT, 'no'); END;
             BEGIN",
        )
        .unwrap();
    append_in(&connection, &[with_changes()]).unwrap_err();
    assert!(connection.is_autocommit());
    assert_eq!(count(&connection, "audit_entry"), 0);
}

#[test]
fn the_error_is_that_of_every_adapter() {
    fn charge(connection: &Connection, log: &AuditLog) -> rusqlite::Result<()> {
        log.event("charged").record_in(connection)?;
        log.unit().record_in(connection)?;
        Ok(())
    }
    let (connection, _file) = database();
    let log = AuditLog::builder().build();
    charge(&connection, &log).unwrap();

    let entry = with_changes();
    let mut other = entry.clone();
    other.reason = Some("another".to_owned());
    let error = append_in(&connection, &[entry.clone(), other]).unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { id, .. } if *id == entry.id),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        format!("another entry has the id {}", entry.id)
    );
    assert_eq!(count(&connection, "audit_entry"), 1);

    let without = Connection::open_in_memory().unwrap();
    for sample in [&entries(1, 1)[..], &entries(2, 1)[..]] {
        let error = append_in(&without, sample).unwrap_err();
        assert!(matches!(error, Error::Write { hint: Some(_), .. }));
        let said = error.to_string();
        assert!(said.contains("`auditlog::sqlite::install`"), "{said}");
        assert_eq!(said.matches("no such table").count(), 1, "{said}");
    }
    assert!(charge(&without, &log).is_err());
}
