//! The columns say what the entries say, and a check shows where they do not.

use audit_core::{Query, Store, StoreError, TrailStore};
use audit_testkit::{DamagedRows, entries, skips_damaged_rows};

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    every_column_is_checked,
    a_changed_byte_is_found,
    every_writer_stores_the_checksum,
    a_damaged_entry_is_corrupt_and_can_be_removed,
    many_damaged_rows_in_a_row_hide_no_others,
    an_unreadable_entry_is_named_in_the_error,
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
        ("checksum", "sha256(checksum)"),
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
        let mut expected = vec![(id.clone(), column)];
        if column == "body" {
            expected.insert(0, (id.clone(), "checksum"));
        }
        assert_eq!(found, expected);
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

/// A byte that no column shows, in an entry that is still canonical.
fn a_changed_byte_is_found(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(20, 1);
    sample[7].reason = Some("refund of 100".to_owned());
    store.append(&sample).unwrap();
    let sql = scratch.sql();
    sql.run("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        .unwrap();
    let id = sample[7].id;
    sql.run(&format!(
        "UPDATE audit_entry SET body = replace(body, 'refund of 100', 'refund of 900') \
         WHERE id = '{id}'"
    ))
    .unwrap();
    let read = store.by_ids(&[id]).unwrap().remove(0);
    assert_eq!(read.reason.as_deref(), Some("refund of 900"));
    let check = store.check().unwrap();
    let texts: Vec<_> = check.mismatches.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [format!("entry {id}: its bytes do not match their checksum")]
    );
    assert!(!check.is_ok());
}

/// One entry, a few, many, an import, and the server's own arithmetic.
fn every_writer_stores_the_checksum(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(400, 1);
    sample[3].reason = Some("a\0b \u{1} é 漢 \\u0000".to_owned());
    store.append(&sample[..1]).unwrap();
    store.append(&sample[1..5]).unwrap();
    store.append(&sample[..200]).unwrap();
    assert_eq!(store.import(sample[200..].to_vec()).unwrap(), 200);
    let sql = scratch.sql();
    let wrong = "SELECT count(*) FROM audit_entry \
         WHERE checksum IS DISTINCT FROM sha256(convert_to(body, 'UTF8'))";
    assert_eq!(sql.value(wrong), "0");
    assert_eq!(sql.value("SELECT count(*) FROM audit_entry"), "400");
    assert!(store.check().unwrap().is_ok());
}

fn many_damaged_rows_in_a_row_hide_no_others(scratch: &Scratch) {
    let options = scratch.options().skip_damaged();
    let store = options.connect(&scratch.url).unwrap();
    let sql = scratch.sql();
    skips_damaged_rows(&store, &mut |rows| {
        let DamagedRows {
            count,
            model,
            object_pk,
            ts,
            ..
        } = rows;
        let body = DamagedRows::BODY;
        sql.run(&format!(
            "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, \
             body, checksum, xact) SELECT gen_random_uuid(), {ts}, 20, 'x', 'success', '{model}', \
             '{object_pk}', '{{}}', '{body}', '', 3 FROM generate_series(1, {count})"
        ))
        .unwrap();
    });
    assert_eq!(store.damaged().rows.len(), 1_000);
    assert!(store.damaged().more);
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
    let check = store.check().unwrap();
    let found: Vec<_> = check.mismatches.iter().map(|found| found.column).collect();
    assert_eq!(found, ["checksum", "body"]);
    // What only the bytes could say keeps the row, and removes the others.
    let text = Query::new().text(&sample[0].object_repr);
    let others = sample.iter().enumerate().filter(|(at, _)| *at != 7);
    let matching = others.filter(|(_, entry)| text.matches(entry)).count();
    assert!(matching > 0);
    assert_eq!(store.purge(&text).unwrap(), matching as u64);
    let left = 20 - matching as u64;
    assert_eq!(store.purge(&Query::new()).unwrap(), left);
}

/// A role that may add entries may add what is none.
fn an_unreadable_entry_is_named_in_the_error(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(3, 1);
    store.append(&sample).unwrap();
    let id = "0198c5a0-0000-7000-8000-000000000001";
    let sql = scratch.sql();
    sql.run(&format!(
        "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, checksum) \
         VALUES ('{id}', 0, 20, 'create', 'success', 'M', '1', '{{}}', '{{\"action\":\"e', '')"
    ))
    .unwrap();
    for query in [
        Query::new(),
        Query::new().text("e"),
        Query::new().parent(audit_core::ObjectRef::new("M", "1")),
    ] {
        let error = store.find(&query).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains(id), "{error}");
    }
    // Its columns are enough to remove it.
    assert_eq!(store.purge(&Query::new().model_name("M")).unwrap(), 1);
    assert_kept(&store, &sample);
}
