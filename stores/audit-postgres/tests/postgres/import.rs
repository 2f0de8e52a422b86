//! Many entries at once.

use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Query, Store, StoreError};
use audit_testkit::entries;

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    many_entries_are_copied,
    imported_months_get_partitions,
    large_entries_are_checked,
    imported_duplicates_are_stored_once,
    steps_of_an_import_commit_in_order,
    a_failed_step_ends_an_import,
    a_step_is_copied_again_alone,
    a_step_ends_with_its_bytes,
    a_duplicate_of_the_step_before_is_stored_once,
];

fn many_entries_are_copied(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(10_300, 1);
    sample[0].object_pk = "\0\u{1}".into();
    sample[1].reason = Some("x".repeat(1 << 20));
    sample[2].changes = [audit_core::Change::new(
        "note".parse().unwrap(),
        None,
        Some("a\0b".into()),
    )]
    .into_iter()
    .collect();
    assert_eq!(store.import(sample.clone()).unwrap(), 10_300);
    assert_eq!(store.commits(), 0, "nothing was appended");
    assert_kept(&store, &sample);
}

/// Months with many entries get a partition before those are there, others do not.
fn imported_months_get_partitions(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(10_300, 1);
    let months = ["2019-03-05", "2019-04-05", "2019-05-05"];
    for (number, entry) in (0_u32..).zip(&mut sample) {
        // The last one seldom.
        let month = if number % 100 == 0 {
            2
        } else {
            number as usize % 2
        };
        let time = format!("{}T00:00:00Z", months[month]).parse::<chrono::DateTime<chrono::Utc>>();
        entry.timestamp = time.unwrap() + chrono::TimeDelta::minutes(i64::from(number % 9_000));
        let millis = entry.timestamp.timestamp_millis().cast_unsigned();
        entry.id =
            uuid::Uuid::from_u64_pair((millis << 16) | 0x7000, (0b10 << 62) | u64::from(number));
    }
    assert_eq!(store.import(sample.clone()).unwrap(), 10_300);
    let sql = scratch.sql();
    let of = |table: &str| sql.value(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(of("audit_entry_2019_03"), "5047");
    assert_eq!(of("audit_entry_2019_04"), "5150");
    assert_eq!(of("audit_entry_rest"), "103");
    assert_kept(&store, &sample);

    // Who leaves the tables to another role makes none.
    let store = scratch.options().migrate(false).connect(&scratch.url);
    let mut more = entries(3_000, 2);
    for (number, entry) in (0_u64..).zip(&mut more) {
        entry.id =
            uuid::Uuid::from_u64_pair((1_400_000_000_000 << 16) | 0x7000, 0b10 << 62 | number);
    }
    assert_eq!(store.unwrap().import(more).unwrap(), 3_000);
    assert_eq!(of("audit_entry_rest"), "3103");
}

/// Pages of a check end by bytes, too.
fn large_entries_are_checked(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(20, 1);
    for (number, entry) in sample.iter_mut().enumerate() {
        let length = [3_usize << 20, 9 << 20, 10][number.min(5) % 3];
        entry.reason = Some("x".repeat(length));
    }
    store.append(&sample).unwrap();
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{:?}", check.mismatches.first());
    assert_eq!(check.entries, 20);
}

fn imported_duplicates_are_stored_once(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(10_300, 1);
    store.append(&sample[10_200..10_210]).unwrap();
    for _again in 0..2 {
        assert_eq!(store.import(sample.clone()).unwrap(), 10_300);
        assert_kept(&store, &sample);
    }
    let mut contradicting = entries(50, 2);
    let mut other = sample[7].clone();
    other.reason = Some("another".to_owned());
    contradicting.push(other);
    let error = store.import(contradicting).unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict { id } if id == sample[7].id),
        "{error:?}"
    );
    assert_eq!(store.count(&Query::new()).unwrap(), 10_300);
}

/// A writer that waits for the second step keeps the first one waiting.
fn steps_of_an_import_commit_in_order(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(25_000, 1);
    let sql = scratch.sql();
    sql.run("BEGIN").unwrap();
    sql.append(&sample[5_000..5_001]);
    thread::scope(|scope| {
        let imported = scope.spawn(|| store.import(sample.clone()));
        scratch.wait_for_locks(1);
        let copied = "SELECT count(*) FROM pg_stat_progress_copy \
             WHERE relid = 'audit_entry'::regclass AND tuples_processed > 9000";
        let deadline = Instant::now() + Duration::from_secs(60);
        let watcher = scratch.sql();
        while watcher.value(copied) != "1" {
            assert!(Instant::now() < deadline, "the second step is not copied");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(watcher.value("SELECT count(*) FROM audit_entry"), "0");
        // Waits for the second step, which is rolled back.
        sql.append(&sample[15_000..15_001]);
        assert_eq!(watcher.value("SELECT count(*) FROM audit_entry"), "0");
        sql.run("COMMIT").unwrap();
        assert_eq!(imported.join().unwrap().unwrap(), 25_000);
    });
    assert_kept(&store, &sample);
}

fn a_failed_step_ends_an_import(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(35_000, 1);
    let mut other = sample[15_000].clone();
    other.reason = Some("another".to_owned());
    store.append(std::slice::from_ref(&other)).unwrap();
    let error = store.import(sample.clone()).unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict { id } if id == other.id),
        "{error:?}"
    );
    let mut kept = sample[..10_000].to_vec();
    kept.push(other);
    assert_kept(&store, &kept);
}

fn a_step_is_copied_again_alone(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(25_000, 1);
    let (sql, watcher) = (scratch.sql(), scratch.sql());
    // The session of the first step waits for a lock, that of the second one for the commit of the first.
    for waits_for in ["Lock", "Client"] {
        sql.run("BEGIN").unwrap();
        sql.append(&sample[5_000..5_001]);
        let kill = format!(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a \
             JOIN pg_stat_progress_copy AS p ON p.pid = a.pid WHERE p.relid = 'audit_entry'::regclass \
             AND a.wait_event_type = '{waits_for}' AND p.tuples_processed > 1000 \
             AND EXISTS (SELECT FROM pg_stat_progress_copy AS q WHERE q.relid = p.relid AND q.pid <> p.pid)"
        );
        thread::scope(|scope| {
            let imported = scope.spawn(|| store.import(sample.clone()));
            let deadline = Instant::now() + Duration::from_secs(60);
            while watcher.value(&kill) != "1" {
                assert!(
                    Instant::now() < deadline,
                    "no session waits for a {waits_for}"
                );
                thread::sleep(Duration::from_millis(2));
            }
            sql.run("ROLLBACK").unwrap();
            assert_eq!(imported.join().unwrap().unwrap(), 25_000);
        });
        assert_kept(&store, &sample);
        sql.run(
            "INSERT INTO audit_retention DEFAULT VALUES; DELETE FROM audit_entry; \
             DELETE FROM audit_retention",
        )
        .unwrap();
    }
}

fn a_step_ends_with_its_bytes(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(20, 1);
    for entry in &mut sample {
        entry.reason = Some("x".repeat(5 << 20));
    }
    assert_eq!(store.import(sample.clone()).unwrap(), 20);
    let steps = "SELECT count(DISTINCT xact) FROM audit_entry";
    assert_eq!(scratch.sql().value(steps), "3");
    assert_kept(&store, &sample);
}

fn a_duplicate_of_the_step_before_is_stored_once(scratch: &Scratch) {
    let options = scratch.options().lock_timeout(Duration::from_millis(100));
    let store = options.connect(&scratch.url).unwrap();
    let mut sample = entries(21_000, 1);
    sample[10_000] = sample[9_999].clone();
    assert_eq!(store.import(sample.clone()).unwrap(), 21_000);
    sample.remove(10_000);
    assert_kept(&store, &sample);
}
