//! How a schema comes to have the tables, and what keeps it from having them.

use std::thread;

use audit_core::{Query, Store, StoreError};
use audit_postgres::{PostgresStore, SCHEMA_VERSION};
use audit_testkit::entries;

use crate::Test;
use crate::scratch::{Scratch, Sql};

pub(crate) const TESTS: &[Test] = &[
    (
        "schemas::several_make_the_tables_at_once",
        several_make_the_tables_at_once,
    ),
    (
        "schemas::a_newer_schema_is_left_alone",
        a_newer_schema_is_left_alone,
    ),
    (
        "schemas::tables_of_others_are_foreign",
        tables_of_others_are_foreign,
    ),
    (
        "schemas::nothing_is_made_unless_allowed",
        nothing_is_made_unless_allowed,
    ),
    ("schemas::the_search_path_decides", the_search_path_decides),
    (
        "schemas::an_id_is_unique_over_partitions",
        an_id_is_unique_over_partitions,
    ),
    (
        "schemas::partitions_are_made_ahead",
        partitions_are_made_ahead,
    ),
    (
        "schemas::a_partition_takes_what_waits_for_it",
        a_partition_takes_what_waits_for_it,
    ),
    (
        "schemas::people_can_read_the_view",
        people_can_read_the_view,
    ),
];

fn several_make_the_tables_at_once(scratch: &Scratch) {
    let stores: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| scratch.store())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (store, entry) in stores.iter().zip(entries(6, 1)) {
        store.append(&[entry]).unwrap();
    }
    assert_eq!(stores[0].count(&Query::new()).unwrap(), 6);
    let sql = scratch.sql();
    assert_eq!(
        sql.value("SELECT version FROM audit_schema"),
        SCHEMA_VERSION.to_string()
    );
}

fn a_newer_schema_is_left_alone(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(3, 1)).unwrap();
    store.close().unwrap();
    let newer = SCHEMA_VERSION + 1;
    let sql = scratch.sql();
    sql.run(&format!("UPDATE audit_schema SET version = {newer}"))
        .unwrap();
    for options in [scratch.options(), scratch.options().read_only()] {
        let error = options.connect(&scratch.url).unwrap_err();
        assert!(
            matches!(error, StoreError::NewerSchema { found, supported, .. }
                if found == newer && supported == SCHEMA_VERSION),
            "{error:?}"
        );
    }
    assert_eq!(
        sql.value("SELECT version FROM audit_schema"),
        newer.to_string()
    );
    sql.run("UPDATE audit_schema SET version = -1").unwrap();
    let error = scratch.options().connect(&scratch.url).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

fn tables_of_others_are_foreign(scratch: &Scratch) {
    let sql = Sql::connect(&scratch.url);
    let schema = &scratch.schema;
    for table in [
        "TABLE audit_entry (id int)",
        "TABLE audit_schema (number int)",
        "TABLE audit_schema (version int, program text DEFAULT 'another', single boolean); \
         INSERT INTO audit_schema (version) VALUES (1)",
        "VIEW audit_log AS SELECT 1 AS one",
    ] {
        sql.run(&format!(
            "CREATE SCHEMA {schema}; SET search_path = {schema}; CREATE {table}; RESET search_path"
        ))
        .unwrap();
        let error = scratch.options().connect(&scratch.url).unwrap_err();
        assert!(
            matches!(error, StoreError::Foreign { .. }),
            "{table}: {error:?}"
        );
        let tables =
            format!("SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace");
        assert_eq!(sql.value(&tables), "1", "nothing was added");
        sql.run(&format!("DROP SCHEMA {schema} CASCADE")).unwrap();
    }
}

fn nothing_is_made_unless_allowed(scratch: &Scratch) {
    let options = scratch.options();
    for options in [options.clone().read_only(), options.clone().migrate(false)] {
        let error = options.connect(&scratch.url).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    }
    let sql = Sql::connect(&scratch.url);
    let schemas = format!(
        "SELECT count(*) FROM pg_namespace WHERE nspname = '{}'",
        scratch.schema
    );
    assert_eq!(sql.value(&schemas), "0");

    let sample = entries(5, 1);
    options
        .connect(&scratch.url)
        .unwrap()
        .append(&sample)
        .unwrap();
    let store = options.clone().read_only().connect(&scratch.url).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 5);
    let refused = [
        store.append(&sample),
        store
            .purge(&Query::new().until(sample[0].timestamp))
            .map(|_| ()),
    ];
    for refused in refused {
        assert!(
            matches!(refused, Err(StoreError::ReadOnly { .. })),
            "{refused:?}"
        );
    }
    let error = options
        .schema("odd name")
        .connect(&scratch.url)
        .unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
}

fn the_search_path_decides(scratch: &Scratch) {
    let sql = Sql::connect(&scratch.url);
    sql.run(&format!("CREATE SCHEMA {}", scratch.schema))
        .unwrap();
    let store =
        PostgresStore::connect(&scratch.with_option("search_path", &scratch.schema)).unwrap();
    assert_eq!(store.schema(), scratch.schema);
    store.append(&entries(3, 1)).unwrap();
    assert_eq!(scratch.store().count(&Query::new()).unwrap(), 3);
}

/// With a time as the partition key the same id could be there once in each partition.
fn an_id_is_unique_over_partitions(scratch: &Scratch) {
    let store = scratch.store();
    let entry = entries(1, 1).remove(0);
    store.append(std::slice::from_ref(&entry)).unwrap();
    let mut other = entry.clone();
    other.timestamp += chrono::TimeDelta::days(400);
    let error = store.append(&[other]).unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict { id } if id == entry.id),
        "{error:?}"
    );
    let again = "INSERT INTO audit_entry SELECT * FROM audit_entry";
    assert_eq!(scratch.sql().state(again), "23505");
}

fn partitions_are_made_ahead(scratch: &Scratch) {
    let store = scratch
        .options()
        .months_ahead(2)
        .connect(&scratch.url)
        .unwrap();
    let sql = scratch.sql();
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass";
    // This month, two more, and the rest. A month may begin while the test runs.
    let made: u32 = sql.value(partitions).parse().unwrap();
    assert!((4..=5).contains(&made), "{made} partitions");
    assert!(store.maintain(2).unwrap() <= 1);
    assert_eq!(store.maintain(5).unwrap(), 3);
    let now = audit_core::LogEntry::new("create", "User", "1", "bob");
    store.append(std::slice::from_ref(&now)).unwrap();
    let table = sql.value("SELECT tableoid::regclass::text FROM audit_entry");
    let month = now.timestamp.format("audit_entry_%Y_%m").to_string();
    assert!(table.ends_with(&month), "{table}");
}

fn a_partition_takes_what_waits_for_it(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(60, 1);
    sample.sort_by_key(|entry| (entry.timestamp, entry.id));
    store.append(&sample).unwrap();
    let sql = scratch.sql();
    let rest = "SELECT count(*) FROM audit_entry_rest";
    assert_eq!(sql.value(rest), "60");
    assert_eq!(sql.value("SELECT audit_add_partition('2026-01-17')"), "t");
    assert_eq!(sql.value("SELECT audit_add_partition('2026-01-31')"), "f");
    assert_eq!(sql.value(rest), "0");
    assert_eq!(sql.value("SELECT count(*) FROM audit_entry_2026_01"), "60");
    assert_eq!(store.find(&Query::new()).unwrap().entries, sample);
    assert!(store.check().unwrap().is_ok());
    store.append(&sample).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 60);
}

fn people_can_read_the_view(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(2, 1);
    sample[0].timestamp = "2026-01-31T12:13:14.000015Z".parse().unwrap();
    sample[0].object_repr = "bob".into();
    sample[0].reason = Some("tick\\u0000\0\0et\\\0".into());
    sample[1].timestamp = chrono::DateTime::<chrono::Utc>::MIN_UTC;
    sample[1].object_repr = "with \0".into();
    store.append(&sample).unwrap();
    let sql = scratch.sql();
    sql.run("SET timezone = 'UTC'").unwrap();
    let rows = sql
        .run("SELECT time, object_repr, level, reason FROM audit_log ORDER BY time")
        .unwrap();
    assert_eq!(rows[0][0].as_deref(), Some("-infinity"));
    assert_eq!(rows[0][1].as_deref(), Some("with \u{1}\u{2}"));
    assert_eq!(rows[1][0].as_deref(), Some("2026-01-31 12:13:14.000015+00"));
    assert_eq!(rows[1][2].as_deref(), Some(sample[0].level.as_str()));
    let reason = "tick\\u0000\u{1}\u{2}\u{1}\u{2}et\\\u{1}\u{2}";
    assert_eq!(rows[1][3].as_deref(), Some(reason));
    let since =
        "SELECT count(*) FROM audit_entry WHERE ts >= audit_micros('2026-01-31 12:13:14.000015Z')";
    assert_eq!(sql.value(since), "1");
}
