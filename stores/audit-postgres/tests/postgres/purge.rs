//! Retention.

use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Query, Store};
use audit_testkit::entries;
use chrono::{DateTime, Months, TimeDelta, Utc};
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    whole_months_are_dropped,
    a_partition_in_use_is_emptied_instead,
    readers_hardly_wait_for_a_purge,
    many_entries_are_removed_in_steps,
    a_step_resumes_after_the_last_one,
    slow_statements_are_split,
    a_slow_count_is_split_by_month,
    entries_written_during_a_purge_stay,
    entries_of_another_cluster_are_removed,
    the_present_month_is_never_dropped,
];

/// Three months of entries, each in a partition of its own.
fn three_months(scratch: &Scratch) -> (audit_postgres::PostgresStore, Vec<audit_core::LogEntry>) {
    let store = scratch.store();
    let sql = scratch.sql();
    let mut sample = Vec::new();
    for month in 0..3 {
        let begin: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
        let begin = begin + Months::new(month);
        sql.run(&format!(
            "SELECT audit_add_partition('{}')",
            begin.format("%Y-%m-%d")
        ))
        .unwrap();
        for (number, mut entry) in entries(50, u64::from(month)).into_iter().enumerate() {
            let rank = u32::try_from(number).unwrap();
            entry.timestamp = begin + chrono::TimeDelta::hours(i64::from(rank));
            let millis = entry.timestamp.timestamp_millis().cast_unsigned();
            entry.id = Uuid::from_u64_pair(
                (millis << 16) | 0x7000,
                (0b10 << 62) | u64::from(month * 1000 + rank),
            );
            sample.push(entry);
        }
    }
    store.append(&sample).unwrap();
    (store, sample)
}

fn tables(sql: &crate::scratch::Sql) -> String {
    sql.value(
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
         WHERE relnamespace = current_schema()::regnamespace AND relname ~ '^audit_entry_2026_0.$'",
    )
}

fn whole_months_are_dropped(scratch: &Scratch) {
    let (store, mut sample) = three_months(scratch);
    let sql = scratch.sql();
    // One entry of January is of a later time than its id says: its month must stay.
    let (before, after) = (sample[110].timestamp, sample[149].timestamp);
    let mut late = entries(1, 9).remove(0);
    late.id = Uuid::from_u128(sample[3].id.as_u128() + (1 << 20));
    late.timestamp = after;
    store.append(std::slice::from_ref(&late)).unwrap();
    sample.push(late);
    assert_eq!(
        tables(&sql),
        "audit_entry_2026_01 audit_entry_2026_02 audit_entry_2026_03"
    );

    assert_eq!(store.purge(&Query::new().until(before)).unwrap(), 110);
    sample.retain(|entry| entry.timestamp >= before);
    assert_eq!(tables(&sql), "audit_entry_2026_01 audit_entry_2026_03");
    assert_kept(&store, &sample);

    // Another condition than time: nothing is dropped.
    let model = sample[0].model.clone();
    store
        .purge(
            &Query::new()
                .until(after + Months::new(1))
                .model_name(&model),
        )
        .unwrap();
    sample.retain(|entry| entry.model != model);
    assert_eq!(tables(&sql), "audit_entry_2026_01 audit_entry_2026_03");
    assert_kept(&store, &sample);

    let rest = sample.len() as u64;
    assert_eq!(
        store
            .purge(&Query::new().until(after + Months::new(1)))
            .unwrap(),
        rest
    );
    assert_eq!(tables(&sql), "");
    // Removed entries are appended again, into the rest.
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
}

/// A reader that does not end keeps a table from being dropped, but not its rows from going.
fn a_partition_in_use_is_emptied_instead(scratch: &Scratch) {
    let (_, sample) = three_months(scratch);
    let store = scratch
        .options()
        .lock_timeout(Duration::from_millis(200))
        .connect(&scratch.url)
        .unwrap();
    let reader = scratch.sql();
    reader
        .run("BEGIN; SELECT count(*) FROM audit_entry_2026_01")
        .unwrap();
    let before = sample[60].timestamp;
    assert_eq!(store.purge(&Query::new().until(before)).unwrap(), 60);
    assert_kept(&store, &sample[60..]);
    let sql = scratch.sql();
    assert!(tables(&sql).starts_with("audit_entry_2026_01"));
    reader.run("COMMIT").unwrap();
    // It is empty, and dropped by the next purge.
    assert_eq!(store.purge(&Query::new().until(before)).unwrap(), 0);
    assert_eq!(tables(&sql), "audit_entry_2026_02 audit_entry_2026_03");
}

/// Whoever waits for a table to be dropped keeps others waiting.
fn readers_hardly_wait_for_a_purge(scratch: &Scratch) {
    let (store, sample) = three_months(scratch);
    let holder = scratch.sql();
    holder
        .run("BEGIN; SELECT count(*) FROM audit_entry")
        .unwrap();
    let reader = scratch.sql();
    let longest = thread::scope(|scope| {
        let end = sample[149].timestamp + TimeDelta::days(1);
        let store = &store;
        let purge = scope.spawn(move || store.purge(&Query::new().until(end)));
        let mut longest = Duration::ZERO;
        while !purge.is_finished() {
            let begin = Instant::now();
            reader.value("SELECT count(*) FROM audit_entry");
            longest = longest.max(begin.elapsed());
        }
        assert_eq!(purge.join().unwrap().unwrap(), 150);
        longest
    });
    holder.run("COMMIT").unwrap();
    assert!(
        longest < Duration::from_secs(2),
        "a reader waited for {longest:?}"
    );
}

fn many_entries_are_removed_in_steps(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(12_001, 1);
    sample.sort_by_key(|entry| (entry.timestamp, entry.id));
    store.append(&sample).unwrap();
    // With a condition that SQL decides, and with one that it does not.
    let middle = sample[6_000].timestamp;
    let before = sample.partition_point(|entry| entry.timestamp < middle) as u64;
    assert_eq!(store.purge(&Query::new().until(middle)).unwrap(), before);
    let removed = store.purge(&Query::new().changed("address.city")).unwrap();
    assert!(removed > 100);
    assert_eq!(
        store.count(&Query::new()).unwrap(),
        12_001 - before - removed
    );
    assert!(store.check().unwrap().is_ok());
    assert_eq!(
        scratch.sql().value("SELECT count(*) FROM audit_retention"),
        "0"
    );
}

/// Dead entries of the steps before are not read again by each step.
fn a_step_resumes_after_the_last_one(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let sample = entries(20_001, 1);
    store.append(&sample).unwrap();
    sql.run("ANALYZE audit_entry").unwrap();
    // Vacuum keeps rows that a snapshot may still see.
    let old = scratch.sql();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM audit_schema")
        .unwrap();
    let end = DateTime::<Utc>::MAX_UTC;
    assert_eq!(store.purge(&Query::new().until(end)).unwrap(), 20_001);
    store.close().unwrap();
    old.run("COMMIT").unwrap();
    let read = "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes \
         WHERE schemaname = current_schema() AND indexrelname = 'audit_entry_rest_ts_id_idx'";
    let read = scratch.stable_value(&sql, read, 15_000);
    assert!(read < 30_000, "{read} index entries were read");
}

/// A statement that looks for what is rare has a limit, too.
fn slow_statements_are_split(scratch: &Scratch) {
    let writer = scratch.store();
    let mut sample = entries(3, 1);
    for (entry, year) in sample.iter_mut().zip([2001, 2011, 2021]) {
        entry.timestamp = format!("{year}-01-01T00:00:00Z").parse().unwrap();
        entry.reason = Some("needle".to_owned());
    }
    writer.append(&sample).unwrap();
    // Not looked at further, as their bytes have no needle.
    scratch
        .sql()
        .run(
            "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, checksum) \
             SELECT gen_random_uuid(), audit_micros('2001-01-01'::timestamptz \
                 + number * interval '8 hours'), 20, 'update', 'success', 'M', '1', '{}', \
                 '{\"action\":\"' || repeat(md5(number::text), 300), '' FROM generate_series(1, 20000) AS number",
        )
        .unwrap();
    let store = scratch
        .options()
        .statement_timeout(Duration::from_millis(300))
        .connect(&scratch.url)
        .unwrap();
    for query in [Query::new(), Query::new().newest_first()] {
        let query = query.text("needle");
        assert_eq!(store.purge(&query).unwrap(), 3);
        writer.append(&sample).unwrap();
    }
}

/// A policy makes each entry take its time.
fn a_slow_count_is_split_by_month(scratch: &Scratch) {
    let (store, mut sample) = three_months(scratch);
    let mut others = entries(20, 7);
    for entry in &mut others {
        entry.id = Uuid::from_u128(entry.id.as_u128() >> 40);
    }
    store.append(&others).unwrap();
    sample.extend(others);
    let sql = scratch.sql();
    let role = format!("{}_slow", scratch.schema);
    sql.run(&format!(
        "CREATE FUNCTION slow() RETURNS boolean LANGUAGE sql COST 1000000 \
             AS 'SELECT pg_sleep(0.01) IS NOT NULL'; \
         CREATE ROLE {role}; GRANT USAGE ON SCHEMA {} TO {role}; \
         GRANT SELECT ON audit_schema, audit_entry TO {role}; \
         CREATE POLICY slow ON audit_entry USING (slow()); \
         ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY",
        scratch.schema
    ))
    .unwrap();
    let counted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let reader = scratch
            .options()
            .read_only()
            .statement_timeout(Duration::from_secs(1))
            .connect(&scratch.with_option("role", &role))
            .unwrap();
        // 1.7 seconds for all, half a second for each month.
        let count = reader.count(&Query::new()).unwrap();
        let june: DateTime<Utc> = "2026-06-01T00:00:00Z".parse().unwrap();
        (count, reader.count(&Query::new().until(june)).unwrap())
    }));
    sql.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .unwrap();
    let early = sample
        .iter()
        .filter(|entry| entry.timestamp < "2026-06-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(counted.unwrap(), (170, early.count() as u64));
}

/// With conditions that SQL decides, and with one that it does not.
fn questions() -> [Query; 2] {
    [Query::new(), Query::new().text("e")]
}

/// Somebody holds an entry, so that the purge waits in its first step.
fn entries_written_during_a_purge_stay(scratch: &Scratch) {
    for (number, query) in questions().into_iter().enumerate() {
        let store = scratch.store();
        let seed = 10 * u64::try_from(number).unwrap();
        let before = entries(100, seed);
        store.append(&before).unwrap();
        // Of times before and after those.
        let mut meanwhile = entries(200, seed + 1);
        meanwhile[0].timestamp = before[0].timestamp - TimeDelta::days(1);
        // Open when the purge begins: its number is lower than those that are committed.
        let open = scratch.sql();
        open.run("BEGIN; SELECT pg_current_xact_id()").unwrap();
        let (first, rest) = meanwhile.split_at(1);
        let holder = scratch.sql();
        holder
            .run("BEGIN; SELECT id FROM audit_entry FOR UPDATE")
            .unwrap();
        thread::scope(|scope| {
            let purge = scope.spawn(|| store.purge(&query));
            scratch.wait_for_locks(1);
            store.append(rest).unwrap();
            open.append(first);
            open.run("COMMIT").unwrap();
            holder.run("COMMIT").unwrap();
            assert_eq!(purge.join().unwrap().unwrap(), 100);
        });
        assert_kept(&store, &meanwhile);
        assert_eq!(store.purge(&query).unwrap(), 200);
    }
}

/// A restored trail has the numbers of the transactions of its former cluster.
fn entries_of_another_cluster_are_removed(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(30, 1)).unwrap();
    let sql = scratch.sql();
    sql.run(
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL; \
         UPDATE audit_entry SET xact = xact + (1::bigint << 60); \
         ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_keep",
    )
    .unwrap();
    assert_eq!(store.purge(&Query::new()).unwrap(), 30);
}

fn the_present_month_is_never_dropped(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass";
    let before = sql.value(partitions);
    store
        .append(&[audit_core::LogEntry::new("create", "User", "1", "bob")])
        .unwrap();
    assert_eq!(
        store
            .purge(&Query::new().until(DateTime::<Utc>::MAX_UTC))
            .unwrap(),
        1
    );
    assert_eq!(sql.value(partitions), before);
}
