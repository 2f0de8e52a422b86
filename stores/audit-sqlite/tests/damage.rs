//! A row that is not an entry, and what protects the entries.

mod scratch;

use std::path::Path;

use audit_core::{Follow, LogEntry, Position, Query, Store, StoreError, TrailStore};
use audit_sqlite::rusqlite::Connection;
use audit_sqlite::{SchemaDifference, SqliteStore};
use audit_testkit::{DamagedRows, entries, skips_damaged_rows};

/// Rows that a role with the right to insert can leave.
const ROWS: [&str; 5] = [
    "'no json'",
    "'{}'",
    "'two\n{\"v\":1}'",
    "''",
    "CAST(x'ff' AS TEXT)",
];

fn run(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn blinded(file: &Path) -> Vec<LogEntry> {
    let sample = entries(150, 1);
    SqliteStore::open(file).unwrap().append(&sample).unwrap();
    for (number, body) in ROWS.iter().enumerate() {
        for ts in ["9223372036854775807", "0", "1767225600000000"] {
            run(
                file,
                &format!(
                    "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, body) \
                     VALUES (randomblob(16), {ts}, 20, 'x', 'success', 'User', '{number}', {body})"
                ),
            );
        }
    }
    sample
}

#[test]
fn rows_that_are_no_entries_hide_no_others() {
    let file = scratch::file("audit.db");
    let sample = blinded(&file);
    let strict = SqliteStore::open(&file).unwrap();
    let error = strict.find(&Query::new()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(strict.damaged().rows.is_empty());

    let store = SqliteStore::options().skip_damaged().open(&file).unwrap();
    for query in [Query::new(), Query::new().newest_first()] {
        // Page by page: skipped rows end no page early.
        let mut query = query.limit(7);
        let mut found = Vec::new();
        loop {
            let page = store.find(&query).unwrap();
            found.extend(page.entries);
            match page.next {
                Some(next) => query = query.after(next),
                None => break,
            }
        }
        assert_eq!(found.len(), sample.len());
    }
    assert_eq!(store.damaged().rows.len(), ROWS.len() * 3);
    assert!(!store.damaged().more);
    let ids: Vec<_> = sample.iter().map(|entry| entry.id).collect();
    assert_eq!(store.by_ids(&ids).unwrap().len(), sample.len());
    assert_eq!(store.objects(&Query::new(), None).unwrap().len(), {
        let with_pk = |entry: &&LogEntry| !entry.object_pk.is_empty();
        sample.iter().filter(with_pk).count()
    });
}

#[test]
fn rows_that_are_no_entries_do_not_stop_a_follower() {
    let file = scratch::file("audit.db");
    let sample = blinded(&file);
    // Another one has no id.
    run(
        &file,
        "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, body) \
         VALUES (x'01', 0, 20, 'x', 'success', 'User', '1', '{}')",
    );
    let store = SqliteStore::open(&file).unwrap();
    let late = entries(3, 2);
    store.append(&late).unwrap();
    for limit in [1, 7, 1_000] {
        let mut position = Position::START;
        let (mut read, mut damaged) = (Vec::new(), Vec::new());
        loop {
            let batch = store.committed_after(&position, limit).unwrap();
            if batch.entries.is_empty() {
                break;
            }
            position = batch.next.to_string().parse().unwrap();
            for stored in batch.entries {
                match stored.entry() {
                    Ok(entry) => read.push(entry),
                    Err(error) => {
                        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                        damaged.push((stored.id(), stored.bytes().to_vec()));
                    }
                }
            }
        }
        assert_eq!(read[..150], sample);
        assert_eq!(read[150..], late);
        assert_eq!(damaged.len(), ROWS.len() * 3 + 1);
        assert!(damaged.iter().any(|(_, bytes)| bytes == b"\xff"));
        let without_id = damaged.iter().filter(|(id, _)| id.is_nil());
        assert_eq!(without_id.count(), 1);
    }
}

#[test]
fn many_damaged_rows_in_a_row_hide_no_others() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::options().skip_damaged().open(&file).unwrap();
    skips_damaged_rows(&store, &mut |rows| {
        let DamagedRows {
            count,
            model,
            object_pk,
            ts,
            ..
        } = rows;
        let body = DamagedRows::BODY;
        run(
            &file,
            &format!(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
                 INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, checksum, body)
                 SELECT randomblob(16), {ts}, 20, 'x', 'success', '{model}', '{object_pk}', x'00', '{body}'
                 FROM n"
            ),
        );
    });
    assert_eq!(store.damaged().rows.len(), 1_000);
    assert!(store.damaged().more);
}

#[test]
fn an_export_has_no_more_than_one_line_a_row() {
    let file = scratch::file("audit.db");
    let sample = blinded(&file);
    let store = SqliteStore::options().skip_damaged().open(&file).unwrap();
    let mut lines = Vec::new();
    store
        .export(&Query::new(), &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        })
        .unwrap();
    // Those that are no text are none, and all others are there.
    assert_eq!(lines.len(), sample.len() + (ROWS.len() - 1) * 3);
    assert!(lines.iter().all(|line| !line.contains(['\n', '\r'])));
    let entries = lines
        .iter()
        .filter(|line| LogEntry::from_json(line).is_ok());
    assert_eq!(entries.count(), sample.len());
    assert_eq!(store.damaged().rows.len(), ROWS.len() * 3);
}

#[test]
fn a_purge_goes_by_columns() {
    let file = scratch::file("audit.db");
    let sample = blinded(&file);
    let store = SqliteStore::open(&file).unwrap();
    assert!(store.check().unwrap().mismatches.len() >= ROWS.len() * 3);
    // What only the bytes could say keeps those rows, and removes the others.
    let text = Query::new().text(&sample[0].object_pk);
    store.purge(&text).unwrap();
    store.purge(&Query::new()).unwrap();
    let check = store.check().unwrap();
    assert!(check.is_ok() && check.entries == 0, "{check:?}");
}

#[test]
fn what_protects_the_entries_is_compared_with_what_was_made() {
    let damages: [(&str, SchemaDifference); 6] = [
        (
            "DROP TRIGGER audit_entry_keep_updated",
            SchemaDifference::Missing("trigger", "audit_entry_keep_updated".into()),
        ),
        (
            "DROP INDEX audit_entry_actor",
            SchemaDifference::Missing("index", "audit_entry_actor".into()),
        ),
        (
            "DROP VIEW audit_log",
            SchemaDifference::Missing("view", "audit_log".into()),
        ),
        (
            "DROP TABLE audit_retention",
            SchemaDifference::Missing("table", "audit_retention".into()),
        ),
        (
            "DROP TRIGGER audit_entry_keep_deleted; CREATE TRIGGER audit_entry_keep_deleted \
             BEFORE DELETE ON audit_entry WHEN 0 BEGIN SELECT RAISE(ABORT, 'no'); END",
            SchemaDifference::Changed("trigger", "audit_entry_keep_deleted".into()),
        ),
        (
            "CREATE TRIGGER quiet BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(IGNORE); END",
            SchemaDifference::Unknown("trigger", "quiet".into()),
        ),
    ];
    for (number, (sql, difference)) in damages.into_iter().enumerate() {
        let file = scratch::folder().join(format!("{number}.db"));
        let store = SqliteStore::open(&file).unwrap();
        store.append(&entries(10, 1)).unwrap();
        assert!(store.check().unwrap().is_ok());
        run(&file, sql);
        let check = store.check().unwrap();
        assert_eq!(check.schema, [difference], "{sql}");
        assert!(!check.is_ok());
    }
}

#[test]
fn an_application_s_own_tables_are_not_compared() {
    let file = scratch::file("app.db");
    run(
        &file,
        "CREATE TABLE audits (id INTEGER PRIMARY KEY); CREATE INDEX audits_id ON audits (id);",
    );
    let store = SqliteStore::options().shared_file().open(&file).unwrap();
    store.append(&entries(10, 1)).unwrap();
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}

#[test]
fn open_retention_and_removed_entries_are_found() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let sample = entries(10, 1);
    store.append(&sample).unwrap();
    // A repeated append leaves no gap.
    store.append(&sample).unwrap();
    store.append(&entries(10, 2)).unwrap();
    assert_eq!(store.check().unwrap().removed, 0);
    run(
        &file,
        "INSERT INTO audit_retention VALUES (9223372036854775807)",
    );
    let check = store.check().unwrap();
    assert!(check.retention_open && !check.is_ok());
    run(
        &file,
        "DELETE FROM audit_entry WHERE seq IN (3, 20); DELETE FROM audit_change WHERE seq IN (3, 20); \
         DELETE FROM audit_retention",
    );
    let check = store.check().unwrap();
    assert_eq!((check.removed, check.pruned), (2, 0));
    assert!(check.is_ok(), "{check:?}");
}
