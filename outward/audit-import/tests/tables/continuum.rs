//! Tables of SQLAlchemy-Continuum.

use audit_core::{Action, LogEntry};
use serde_json::json;

use crate::database::Database;

#[test]
fn a_version_without_its_transaction_is_an_error() {
    let database = Database::new(
        r#"CREATE TABLE "transaction" (id INTEGER PRIMARY KEY, issued_at DATETIME, remote_addr VARCHAR(50));
        CREATE TABLE page_version (id INTEGER NOT NULL, name VARCHAR(9), transaction_id INTEGER NOT NULL, operation_type SMALLINT NOT NULL, PRIMARY KEY (id, transaction_id));
        INSERT INTO "transaction" VALUES (1, '2024-02-29 10:00:00', NULL);
        INSERT INTO page_version VALUES (1, 'a', 1, 0), (1, 'b', 2, 1);"#,
    );
    let read = database.read();
    let problems: Vec<String> = read
        .iter()
        .filter_map(|row| Some(row.as_ref().err()?.to_string()))
        .collect();
    assert_eq!(
        problems,
        ["row 1|2 of page_version: transaction_id refers to transaction 2, which is missing"]
    );
    assert_eq!(read.iter().flatten().count(), 1);
}

#[test]
fn a_reused_key_starts_without_the_deleted_state() {
    let database = Database::new(
        r#"CREATE TABLE "transaction" (id INTEGER PRIMARY KEY, issued_at DATETIME);
        CREATE TABLE page_version (id CHAR(32) NOT NULL, name VARCHAR(9), transaction_id INTEGER NOT NULL, operation_type SMALLINT NOT NULL, PRIMARY KEY (id, transaction_id));
        INSERT INTO "transaction" VALUES (1, '2024-02-29 10:00:00'), (2, '2024-02-29 10:00:00'), (3, '2024-02-29 10:00:00');
        INSERT INTO page_version VALUES ('77b04384ded84aa4bab2c2cff8da5625', 'a', 1, 0), ('77b04384ded84aa4bab2c2cff8da5625', 'a', 2, 2), ('77b04384ded84aa4bab2c2cff8da5625', 'b', 3, 1);"#,
    );
    let entries = database.entries();
    assert!(entries.is_sorted_by_key(|entry| entry.id));
    assert_eq!(entries[2].object_pk, "77b04384-ded8-4aa4-bab2-c2cff8da5625");
    assert_eq!(
        (
            &entries[2].changes["name"].old,
            &entries[2].changes["name"].new
        ),
        (&None, &Some(json!("b")))
    );
    assert_eq!(entries[1].changes["name"].old, Some(json!("a")));
}

#[test]
fn a_null_deletion_has_the_values_of_the_version_before() {
    let database = Database::new(
        "CREATE TABLE \"transaction\" (id INTEGER NOT NULL PRIMARY KEY, issued_at DATETIME);
         CREATE TABLE crate_version (id INTEGER NOT NULL, label VARCHAR(80), kilos NUMERIC(10, 3), sealed BOOLEAN, \
            notes JSON, transaction_id INTEGER NOT NULL, operation_type SMALLINT NOT NULL, PRIMARY KEY (id, transaction_id));
         INSERT INTO \"transaction\" VALUES (1, '2024-03-01 10:00:00'), (2, '2024-03-01 11:00:00'), (3, '2024-03-01 12:00:00');
         INSERT INTO crate_version VALUES (1, 'blue', 1.5, 1, '{\"top\": 2}', 1, 0), (1, 'green', 1.5, 1, '{\"top\": 2}', 2, 1),
            (1, NULL, NULL, 1, 'null', 3, 2), (2, 'red', NULL, 0, 'null', 1, 0), (2, 'red', NULL, 0, 'null', 2, 2),
            (2, 'red', NULL, 0, 'null', 3, 0);",
    );
    let entries = database.entries();
    let deleted: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == Action::Delete)
        .collect();
    let state = |entry: &LogEntry| {
        let old = entry.changes.iter();
        let old = old.map(|change| {
            (
                change.path.to_string(),
                change.old.clone().expect("a value"),
            )
        });
        serde_json::Value::Object(old.collect())
    };
    let second = json!({"id": 2, "label": "red", "kilos": null, "sealed": false, "notes": null});
    let first =
        json!({"id": 1, "label": "green", "kilos": "1.500", "sealed": true, "notes": {"top": 2}});
    assert_eq!(
        [state(deleted[0]), state(deleted[1])],
        [second, first.clone()]
    );
    assert_eq!(deleted[1].snapshot, Some(first));
    // A key that is used again has no previous state.
    assert_eq!(entries.last().expect("an entry").changes["label"].old, None);
}
