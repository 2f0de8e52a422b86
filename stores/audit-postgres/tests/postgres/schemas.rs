//! Creation of the tables in a schema, and its obstacles.

use std::thread;

use audit_core::{AuditLog, Query, Store, StoreError};
use audit_postgres::{PostgresStore, SCHEMA_VERSION};
use audit_testkit::entries;
use chrono::{DateTime, TimeDelta, Utc};

use crate::Test;
use crate::scratch::{Scratch, Sql, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    concurrent_stores_create_the_tables_once,
    a_newer_schema_is_left_alone,
    tables_of_another_program_are_foreign,
    nothing_is_created_without_migrate,
    the_search_path_decides,
    an_id_is_unique_over_partitions,
    partitions_are_made_ahead,
    a_new_partition_takes_its_entries_from_the_rest,
    entries_of_a_month_wait_for_its_partition,
    tables_are_made_anew_while_a_store_is_open,
    a_large_rest_is_read_without_blocking_writers,
    a_month_with_entries_in_a_large_rest,
    a_search_path_to_nowhere_is_an_error,
    a_trigger_of_an_application_finds_its_tables,
    backslashes_may_be_escapes,
    the_view_is_readable,
    timestamps_out_of_order_are_kept,
];

fn concurrent_stores_create_the_tables_once(scratch: &Scratch) {
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

fn tables_of_another_program_are_foreign(scratch: &Scratch) {
    let sql = Sql::connect(&scratch.url);
    let schema = &scratch.schema;
    for table in [
        "TABLE audit_entry (id int)",
        "TABLE audit_schema (number int)",
        "TABLE audit_schema (version int, program text DEFAULT 'another', single boolean); \
         INSERT INTO audit_schema (version) VALUES (1)",
        "VIEW audit_log AS SELECT 1 AS one",
        "TABLE audit_row (id int)",
        "DOMAIN audit_body AS text",
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
        let expected = if table.starts_with("DOMAIN") {
            "0"
        } else {
            "1"
        };
        assert_eq!(sql.value(&tables), expected, "nothing was added");
        sql.run(&format!("DROP SCHEMA {schema} CASCADE")).unwrap();
    }
}

fn nothing_is_created_without_migrate(scratch: &Scratch) {
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
        .schema("bad name")
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

fn a_new_partition_takes_its_entries_from_the_rest(scratch: &Scratch) {
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

/// The server has chosen the rest for them when the partition is made.
fn entries_of_a_month_wait_for_its_partition(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(60, 1);
    for (number, entry) in (0..).zip(&mut sample[30..]) {
        // 2025-01-15
        let high = (1_736_899_200_000 << 16) | 0x7000;
        entry.id = uuid::Uuid::from_u64_pair(high, (0b10 << 62) | number);
    }
    let sql = scratch.sql();
    let (appended, imported) = sample.split_at(30);
    for (month, write) in [("2026-01-01", appended), ("2025-01-01", imported)] {
        sql.run(&format!("BEGIN; SELECT audit_add_partition('{month}')"))
            .unwrap();
        thread::scope(|scope| {
            let written = scope.spawn(|| {
                if write == appended {
                    store.append(write)
                } else {
                    store.import(write.to_vec()).map(|_| ())
                }
            });
            scratch.wait_for_locks(1);
            sql.run("COMMIT").unwrap();
            written.join().unwrap().unwrap();
        });
    }
    assert_kept(&store, &sample);
}

/// As by a restore with `--clean`.
fn tables_are_made_anew_while_a_store_is_open(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(30, 1);
    store.append(&sample[..10]).unwrap();
    let sql = Sql::connect(&scratch.url);
    sql.run(&format!("DROP SCHEMA {} CASCADE", scratch.schema))
        .unwrap();
    store.append(&sample[..10]).unwrap_err();
    drop(scratch.store());
    let before = store.commits();
    store.append(&sample[10..20]).unwrap();
    store.append(&sample[20..]).unwrap();
    assert_eq!(store.commits(), before + 2);
    assert_kept(&store, &sample[10..]);
}

/// More than 16 MB of entries without a month; with bytes that are not read.
fn enlarge_rest(sql: &Sql) {
    sql.run(
        "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, \
         checksum) SELECT overlay(md5(number::text) PLACING 'ff' FROM 1)::uuid, number, 20, 'update', 'success', 'M', '1', '{}', \
             '{\"action\":\"' || repeat('x', 1000), '' FROM generate_series(1, 20000) AS number",
    )
    .unwrap();
    let size = sql.value("SELECT pg_relation_size('audit_entry_rest') > 16 << 20");
    assert_eq!(size, "t");
}

const FENCES: &str = "SELECT count(*) FROM pg_constraint WHERE conname ~ '^audit_entry_rest_awaits' \
     AND conrelid = 'audit_entry_rest'::regclass";

fn a_large_rest_is_read_without_blocking_writers(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    enlarge_rest(&sql);
    assert_eq!(store.maintain(6).unwrap(), 3);
    assert_eq!(sql.value(FENCES), "0");

    // What it does, step by step: the last one reads nothing.
    let next = sql.value("SELECT (date_trunc('month', now()) + interval '9 months')::date");
    let fence = sql.value(&format!("SELECT audit_fence('{next}')"));
    let again = sql.value(&format!("SELECT audit_fence('{next}')"));
    assert_eq!(fence, again);
    let of_month = format!(
        "INSERT INTO audit_entry SELECT audit_first_id('{next}'), 0, 20, 'a', 'success', 'M', \
         '1', NULL, NULL, NULL, NULL, NULL, '{{}}', NULL, '{{\"action\":\"', ''"
    );
    assert_eq!(sql.state(&of_month), "23514");
    let read = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_xact_user_tables \
         WHERE relid = 'audit_entry_rest'::regclass";
    sql.run(&format!(
        "ALTER TABLE audit_entry_rest VALIDATE CONSTRAINT {fence}; BEGIN"
    ))
    .unwrap();
    let before = sql.value(read);
    sql.run(&format!("SELECT audit_add_partition('{next}')"))
        .unwrap();
    assert_eq!(sql.value(read), before, "the rest was read again");
    sql.run("COMMIT").unwrap();
    assert_eq!(sql.value(FENCES), "0");
    sql.run(&of_month).unwrap();
    assert_eq!(sql.value(&format!("SELECT audit_fence('{next}')")), "");
    assert_eq!(sql.state("SELECT audit_fence(now()::date)"), "22023");

    // By hand, with or without an interrupted creation.
    let next = sql.value("SELECT (date_trunc('month', now()) + interval '10 months')::date");
    sql.run(&format!("SELECT audit_fence('{next}')")).unwrap();
    assert_eq!(sql.value("SELECT audit_maintain(10)"), "3");
    assert_eq!(sql.value(FENCES), "0");
}

fn a_month_with_entries_in_a_large_rest(scratch: &Scratch) {
    let store = scratch.options().months_ahead(1).connect(&scratch.url);
    let store = store.unwrap();
    let sql = scratch.sql();
    enlarge_rest(&sql);
    // In the future, as of a clock that is wrong.
    let mut entry = entries(1, 1).remove(0);
    let now = audit_core::LogEntry::new("create", "User", "1", "bob").timestamp;
    let later = now + chrono::Months::new(2);
    let millis = later.timestamp_millis().cast_unsigned();
    entry.id = uuid::Uuid::from_u64_pair((millis << 16) | 0x7000, 0b10 << 62);
    store.append(std::slice::from_ref(&entry)).unwrap();
    assert_eq!(store.maintain(3).unwrap(), 2);
    assert_eq!(sql.value(FENCES), "0");
    let month = later
        .format("SELECT body FROM audit_entry_%Y_%m")
        .to_string();
    assert_eq!(sql.value(&month), entry.to_canonical_json().unwrap());
}

fn a_search_path_to_nowhere_is_an_error(scratch: &Scratch) {
    let error = PostgresStore::connect(&scratch.with_option("search_path", "nowhere")).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, StoreError::Unsupported { .. }) && text.contains("PostgresOptions::schema"),
        "{text}"
    );
}

/// By the session's search path, however an entry is written; and what that path has of the names
/// of the server's functions is not called.
fn a_trigger_of_an_application_finds_its_tables(scratch: &Scratch) {
    let path = format!("{},pg_catalog", scratch.schema);
    let url = scratch.with_option("search_path", &path);
    let store = scratch.options().connect(&url).unwrap();
    let sql = scratch.sql();
    sql.run(
        "CREATE TABLE outbox (id uuid);
         CREATE FUNCTION publish() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO outbox VALUES (NEW.id); RETURN NULL; END $$;
         CREATE TRIGGER publish AFTER INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION publish();
         CREATE FUNCTION string_to_array(text, text) RETURNS text[] LANGUAGE sql
             AS $$ SELECT ARRAY['wrong', 'wrong'] $$;
         CREATE FUNCTION cardinality(anyarray) RETURNS integer LANGUAGE sql AS $$ SELECT 0 $$;
         CREATE FUNCTION unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql
             AS $$ SELECT NULL::anyelement WHERE false $$;",
    )
    .unwrap();
    let sample = entries(30, 1);
    store.append(&sample[..10]).unwrap();
    // What is there already makes the store ask the function.
    store.append(&sample[..20]).unwrap();
    store.append(&sample[20..]).unwrap();
    let mut other = sample[29].clone();
    other.reason = Some("another".into());
    assert!(matches!(
        store.append(&[other]),
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(sql.value("SELECT count(*) FROM outbox"), "30");
    assert_kept(&store, &sample);
    assert!(store.check().unwrap().is_ok());
}

fn backslashes_may_be_escapes(scratch: &Scratch) {
    let url = scratch.with_option("standard_conforming_strings", "off");
    let store = scratch.options().connect(&url).unwrap();
    let mut entry = entries(1, 1).remove(0);
    entry.object_repr = "tick\\u0000\0\0et\\\0".into();
    store.append(std::slice::from_ref(&entry)).unwrap();
    let sql = scratch.sql();
    for setting in ["on", "off"] {
        let shown = sql.run(&format!(
            "SET standard_conforming_strings = {setting}; SELECT object_repr FROM audit_log"
        ));
        let text = "tick\\u0000\u{1}\u{2}\u{1}\u{2}et\\\u{1}\u{2}";
        assert_eq!(shown.unwrap()[0][0].as_deref(), Some(text));
    }
    assert!(store.check().unwrap().is_ok());
}

fn the_view_is_readable(scratch: &Scratch) {
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

/// By milliseconds, and by years: to months that have no partition, and a time from before the
/// ids have one.
fn timestamps_out_of_order_are_kept(scratch: &Scratch) {
    let store = scratch.store();
    let now = DateTime::<Utc>::from_timestamp(1_795_000_000, 0).unwrap();
    let back = [
        0,
        1,
        3,
        1_000,
        3_600_000,
        86_400_000 * 400,
        86_400_000 * 30_000,
    ];
    let log = AuditLog::builder().store(store.clone()).build();
    let recorded: Vec<_> = (0..70)
        .map(|number| {
            let draft = log.event(format!("event {number}"));
            let time = now - TimeDelta::milliseconds(back[number % back.len()]);
            draft.at(time).record().unwrap().id().unwrap()
        })
        .collect();
    let found = log.query().all().unwrap();
    assert!(found.is_sorted_by_key(|entry| (entry.timestamp, entry.id)));
    let mut ids: Vec<_> = found.iter().map(|entry| entry.id).collect();
    let mut expected = recorded;
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(log.query().since(now).count().unwrap(), 10);
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}
