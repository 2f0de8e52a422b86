//! Only retention removes entries, and nothing changes them.

#[path = "scratch/forbidden_sql.rs"]
mod forbidden_sql;
mod scratch;

use audit_core::{Query, Store};
use audit_sqlite::{SqliteStore, rusqlite::Connection};
use audit_testkit::entries;

use self::forbidden_sql::FORBIDDEN_SQL;

#[test]
fn sql_changes_and_removes_nothing() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    store.append(&entries(20, 1)).unwrap();
    let stored = store.find(&Query::new()).unwrap();
    let connection = Connection::open(&file).unwrap();
    for sql in FORBIDDEN_SQL {
        match connection.execute(sql, []) {
            Err(error) => assert!(error.to_string().contains("audit entry"), "{sql}: {error}"),
            Ok(rows) => assert_eq!(rows, 0, "{sql}"),
        }
        assert_eq!(store.find(&Query::new()).unwrap(), stored, "{sql}");
    }
    let check = store.check().unwrap();
    assert!(check.is_ok() && check.entries == 20, "{check:?}");
}

#[test]
fn a_purge_leaves_the_guard_in_place() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let sample = entries(20, 1);
    store.append(&sample).unwrap();
    assert!(
        store
            .purge(&Query::new().until(sample[10].timestamp))
            .unwrap()
            > 0
    );
    let connection = Connection::open(&file).unwrap();
    assert!(connection.execute("DELETE FROM audit_entry", []).is_err());
    let open: i64 = connection
        .query_row("SELECT count(*) FROM audit_retention", [], |row| row.get(0))
        .unwrap();
    assert_eq!(open, 0);
}

#[test]
fn the_view_is_for_people() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let mut entry = entries(1, 1).remove(0);
    entry.level = audit_core::Level::Critical;
    entry.timestamp = "2026-05-04T03:02:01.000009Z".parse().unwrap();
    entry.reason = Some("because".to_owned());
    store.append(std::slice::from_ref(&entry)).unwrap();
    let row = Connection::open(&file)
        .unwrap()
        .query_row(
            "SELECT time, level, reason, id, object_repr FROM audit_log",
            [],
            |row| Ok([0, 1, 2, 3, 4].map(|column| row.get::<_, String>(column).unwrap())),
        )
        .unwrap();
    assert_eq!(
        row,
        [
            "2026-05-04T03:02:01.000009Z".to_owned(),
            "CRITICAL".to_owned(),
            "because".to_owned(),
            entry.id.to_string(),
            entry.object_repr,
        ]
    );
}
