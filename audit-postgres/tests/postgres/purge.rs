//! Retention.

use std::thread;

use audit_core::{Query, Store};
use audit_testkit::entries;
use chrono::{DateTime, Months, TimeDelta, Utc};
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = &[
    ("purge::whole_months_are_dropped", whole_months_are_dropped),
    (
        "purge::a_partition_in_use_is_emptied_instead",
        a_partition_in_use_is_emptied_instead,
    ),
    ("purge::many_entries_go_in_steps", many_entries_go_in_steps),
    (
        "purge::what_is_written_meanwhile_stays",
        what_is_written_meanwhile_stays,
    ),
    (
        "purge::what_another_cluster_wrote_goes",
        what_another_cluster_wrote_goes,
    ),
    (
        "purge::the_present_month_is_never_dropped",
        the_present_month_is_never_dropped,
    ),
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
    // What went comes again, into the rest.
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
}

/// A reader that does not end keeps a table from being dropped, but not its rows from going.
fn a_partition_in_use_is_emptied_instead(scratch: &Scratch) {
    let (_, sample) = three_months(scratch);
    let store = scratch
        .options()
        .lock_timeout(std::time::Duration::from_millis(200))
        .connect(&scratch.url)
        .unwrap();
    let reader = scratch.sql();
    reader
        .run("BEGIN; SELECT count(*) FROM audit_entry_2026_01")
        .unwrap();
    let before = sample[60].timestamp;
    assert_eq!(store.purge(&Query::new().until(before)).unwrap(), 60);
    assert_kept(&store, &sample[60..]);
    reader.run("COMMIT").unwrap();
}

fn many_entries_go_in_steps(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(12_001, 1);
    sample.sort_by_key(|entry| (entry.timestamp, entry.id));
    store.append(&sample).unwrap();
    // With a condition that SQL decides, and with one that it does not.
    let middle = sample[6_000].timestamp;
    assert_eq!(store.purge(&Query::new().until(middle)).unwrap(), 6_000);
    let removed = store.purge(&Query::new().changed("address.city")).unwrap();
    assert!(removed > 100);
    assert_eq!(store.count(&Query::new()).unwrap(), 6_001 - removed);
    assert!(store.check().unwrap().is_ok());
    assert_eq!(
        scratch.sql().value("SELECT count(*) FROM audit_retention"),
        "0"
    );
}

/// With conditions that SQL decides, and with one that it does not.
fn questions() -> [Query; 2] {
    [Query::new(), Query::new().text("e")]
}

/// Somebody holds an entry, so that the purge waits in its first step.
fn what_is_written_meanwhile_stays(scratch: &Scratch) {
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

/// A restored trail has the numbers of the transactions of the cluster it came from.
fn what_another_cluster_wrote_goes(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(30, 1)).unwrap();
    let sql = scratch.sql();
    sql.run(
        "SET session_replication_role = replica; \
         UPDATE audit_entry SET xact = xact + (1::bigint << 60)",
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
