//! The columns say what the entries say, and a check shows where they do not.

use audit_core::{Query, Store, StoreError};
use audit_testkit::entries;

use crate::Test;
use crate::scratch::Scratch;

pub(crate) const TESTS: &[Test] = &[
    (
        "projections::every_column_is_checked",
        every_column_is_checked,
    ),
    (
        "projections::a_damaged_entry_is_corrupt_and_can_be_removed",
        a_damaged_entry_is_corrupt_and_can_be_removed,
    ),
];

fn every_column_is_checked(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(1_200, 1)).unwrap();
    let sql = scratch.sql();
    sql.run("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        .unwrap();
    let check = store.check().unwrap();
    assert!(check.is_ok());
    assert_eq!(check.entries, 1_200);
    let id = sql.value(
        "SELECT id FROM audit_entry WHERE changes IS NOT NULL ORDER BY id OFFSET 500 LIMIT 1",
    );
    for (column, value) in [
        ("ts", "ts + 1"),
        ("level", "CASE level WHEN 10 THEN 20 ELSE 10 END"),
        ("action", "action || ' '"),
        (
            "outcome",
            "CASE outcome WHEN 'denied' THEN 'success' ELSE 'denied' END",
        ),
        ("model", "'Other'"),
        ("object_pk", "object_pk || '0'"),
        ("parent_model", "'Other'"),
        ("parent_pk", "'Other'"),
        ("actor", "'mallory'"),
        ("correlation_id", "'other'"),
        ("transaction_id", "gen_random_uuid()"),
        ("fields", "fields || 'other'::text"),
        ("changes", "changes || '{\"other\": {\"new\": 1}}'"),
        ("body", "body || ' '"),
    ] {
        // The statement after the change is the change undone.
        sql.run(&format!(
            "CREATE TABLE kept AS SELECT * FROM audit_entry WHERE id = '{id}'; \
             UPDATE audit_entry SET {column} = {value} WHERE id = '{id}'"
        ))
        .unwrap();
        let check = store.check().unwrap();
        let found: Vec<_> = check
            .mismatches
            .iter()
            .map(|found| (found.id.to_string(), found.column))
            .collect();
        assert_eq!(found, [(id.clone(), column)]);
        sql.run(&format!(
            "DELETE FROM audit_entry WHERE id = '{id}'; \
             INSERT INTO audit_entry SELECT * FROM kept; DROP TABLE kept"
        ))
        .unwrap();
    }
    sql.run(&format!(
        "UPDATE audit_entry SET id = gen_random_uuid() WHERE id = '{id}'"
    ))
    .unwrap();
    let check = store.check().unwrap();
    assert_eq!(check.mismatches.len(), 1);
    assert_eq!(check.mismatches[0].column, "id");
}

fn a_damaged_entry_is_corrupt_and_can_be_removed(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(20, 1);
    store.append(&sample).unwrap();
    let sql = scratch.sql();
    sql.run("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        .unwrap();
    let id = sample[7].id;
    sql.run(&format!(
        "UPDATE audit_entry SET body = '{{\"action\":\"no json' WHERE id = '{id}'"
    ))
    .unwrap();
    sql.run("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        .unwrap();
    for query in [Query::new(), Query::new().text("json")] {
        let error = store.find(&query).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { .. }), "{error:?}");
    }
    assert_eq!(store.count(&Query::new()).unwrap(), 20);
    let error = store.append(&sample[7..8]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert_eq!(store.check().unwrap().mismatches[0].column, "body");
    assert_eq!(store.purge(&Query::new()).unwrap(), 20);
}
