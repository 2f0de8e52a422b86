//! Indexes of later versions are built while others write.

use std::thread;

use audit_core::{Level, Query, Store, StoreError};
use audit_testkit::entries;

use crate::Test;
use crate::scratch::{Scratch, Sql, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    indexes_are_built_while_others_write,
    an_interrupted_build_resumes,
];

const LATER: [&str; 2] = ["audit_entry_notable", "audit_entry_action"];

/// As an earlier version has made the tables.
fn without(scratch: &Scratch) -> Sql {
    let sql = scratch.sql();
    sql.run("SELECT audit_add_partition('2026-01-01')").unwrap();
    for index in LATER {
        sql.run(&format!("DROP INDEX {index}")).unwrap();
    }
    sql
}

fn assert_complete(sql: &Sql) {
    for index in LATER {
        let valid = format!(
            "SELECT i.indisvalid, (SELECT count(*) FROM pg_inherits WHERE inhparent = i.indexrelid) \
             = (SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass) \
             FROM pg_index AS i WHERE i.indexrelid = '{index}'::regclass"
        );
        let row = &sql.run(&valid).unwrap()[0];
        assert_eq!(
            (row[0].as_deref(), row[1].as_deref()),
            (Some("t"), Some("t")),
            "{index}"
        );
    }
}

fn indexes_are_built_while_others_write(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(60, 1);
    store.append(&sample).unwrap();
    assert_complete(&scratch.sql());
    let sql = without(scratch);
    assert_eq!(store.info().unwrap().missing_indexes, LATER);
    // Somebody has written to the month and does not end: a build of an index that did not
    // let others write would wait for that, and later queries would queue behind it.
    sql.run("BEGIN; DELETE FROM audit_entry_2026_01 WHERE false")
        .unwrap();
    thread::scope(|scope| {
        let building = scope.spawn(|| store.build_indexes());
        scratch.wait_for_locks(1);
        let more = entries(40, 2);
        store.append(&more).unwrap();
        sample.extend(more);
        // Another one leaves it to the first.
        assert_eq!(scratch.store().build_indexes().unwrap(), 0);
        assert!(!building.is_finished());
        sql.run("COMMIT").unwrap();
        assert_eq!(building.join().unwrap().unwrap(), 2);
    });
    assert_complete(&sql);
    assert_eq!(store.build_indexes().unwrap(), 0);
    assert!(store.info().unwrap().missing_indexes.is_empty());
    // A partition that is made later has its part.
    store.maintain(6).unwrap();
    assert_complete(&sql);
    assert_kept(&store, &sample);
    let notable = Query::new().level_at_least(Level::Warning);
    assert!(store.count(&notable).unwrap() > 0);
}

fn an_interrupted_build_resumes(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(60, 1)).unwrap();
    let sql = without(scratch);
    sql.run("BEGIN; DELETE FROM audit_entry_2026_01 WHERE false")
        .unwrap();
    thread::scope(|scope| {
        let building = scope.spawn(|| store.build_indexes());
        scratch.wait_for_locks(1);
        let other = Sql::connect(&scratch.url);
        other
            .run(&format!(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                 WHERE query LIKE 'CREATE INDEX CONCURRENTLY%{}%'",
                scratch.schema
            ))
            .unwrap();
        let error = building.join().unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    });
    sql.run("COMMIT").unwrap();
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid \
         AND indrelid = 'audit_entry_2026_01'::regclass";
    assert_eq!(sql.value(invalid), "1");
    // The first session may still hold the lock for a moment: then another one builds.
    while store.build_indexes().unwrap() == 0 {
        thread::yield_now();
    }
    assert_complete(&sql);
    assert_eq!(sql.value(invalid), "0");
}
