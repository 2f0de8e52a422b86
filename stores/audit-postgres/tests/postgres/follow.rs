//! Following the trail: each entry is returned, and returned once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Follow, LogEntry, Position, Store, StoreError, Stored};
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, sorted};

pub(crate) const TESTS: &[Test] = &[
    (
        "follow::late_commits_are_not_skipped",
        late_commits_are_not_skipped,
    ),
    (
        "follow::a_limit_smaller_than_a_transaction",
        a_limit_smaller_than_a_transaction,
    ),
    (
        "follow::numbers_that_wrote_nothing",
        numbers_that_wrote_nothing,
    ),
    (
        "follow::each_entry_comes_once_while_many_write",
        each_entry_comes_once_while_many_write,
    ),
    (
        "follow::a_position_that_was_not_reached",
        a_position_that_was_not_reached,
    ),
    (
        "follow::a_damaged_row_stops_no_follower",
        a_damaged_row_stops_no_follower,
    ),
    (
        "follow::a_restored_trail_comes_as_a_whole",
        a_restored_trail_comes_as_a_whole,
    ),
];

/// Waits for entries as whoever follows does: other tests' transactions hold them back.
struct Follower<'s> {
    store: &'s PostgresStore,
    position: Position,
}

impl<'s> Follower<'s> {
    fn new(store: &'s PostgresStore) -> Self {
        let position = store.position().unwrap();
        Self { store, position }
    }

    /// Reads once, and keeps the position as text.
    fn read(&mut self, limit: usize) -> Vec<LogEntry> {
        let batch = self.store.committed_after(&self.position, limit).unwrap();
        assert!(batch.entries.len() <= limit);
        self.position = batch.next.to_string().parse().unwrap();
        parsed(&batch.entries)
    }

    /// Reads until there are so many.
    fn next(&mut self, number: usize, limit: usize) -> Vec<LogEntry> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut found = Vec::new();
        while found.len() < number {
            assert!(Instant::now() < deadline, "{} of {number}", found.len());
            found.extend(self.read(limit.min(number - found.len())));
        }
        found
    }
}

fn parsed(found: &[Stored]) -> Vec<LogEntry> {
    found.iter().map(|stored| stored.entry().unwrap()).collect()
}

fn late_commits_are_not_skipped(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(60, 1);
    let mut follower = Follower::new(&store);
    let (early, lost) = (scratch.sql(), scratch.sql());
    early.run("BEGIN").unwrap();
    early.append(&sample[..5]);
    lost.run("BEGIN").unwrap();
    lost.append(&sample[5..10]);
    // A savepoint is no transaction of its own.
    early.run("SAVEPOINT inside").unwrap();
    early.append(&sample[10..12]);
    early.run("SAVEPOINT gone").unwrap();
    early.append(&sample[12..14]);
    early.run("ROLLBACK TO gone").unwrap();
    store.append(&sample[20..40]).unwrap();
    // The later ones are there, and are held back.
    assert_eq!(store.query().count().unwrap(), 20);
    for _ in 0..3 {
        assert_eq!(follower.read(100), []);
    }
    lost.run("ROLLBACK").unwrap();
    assert_eq!(follower.read(100), []);
    early.run("COMMIT").unwrap();
    let found = follower.next(27, 100);
    let own = [&sample[..5], &sample[10..12]].concat();
    assert_eq!(found[..7], sorted(own));
    assert_eq!(found[7..], sorted(sample[20..40].to_vec()));
    assert_eq!(follower.read(100), []);
    // One that only reads holds nobody back.
    early
        .run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM audit_entry")
        .unwrap();
    store.append(&sample[40..]).unwrap();
    assert_eq!(follower.next(20, 100), sorted(sample[40..].to_vec()));
    early.run("COMMIT").unwrap();

    // From the beginning it is all the same again, also for a future.
    let mut again = Follower {
        store: &store,
        position: Position::START,
    };
    let all = again.next(47, 10);
    assert_eq!(all[..7], found[..7]);
    futures::executor::block_on(async {
        let batch = store
            .committed_after_async(&Position::START, 47)
            .await
            .unwrap();
        assert_eq!(parsed(&batch.entries), all);
        let present = store.position_async().await.unwrap();
        let rest = store.committed_after_async(&present, 10).await.unwrap();
        assert_eq!(rest.entries, []);
    });
    store.close().unwrap();
}

fn a_limit_smaller_than_a_transaction(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(1_000, 2);
    // One transaction, then many small ones, then one.
    store.append(&sample[..400]).unwrap();
    for entry in &sample[400..500] {
        store.append(std::slice::from_ref(entry)).unwrap();
    }
    store.append(&sample[500..]).unwrap();
    let mut expected = sorted(sample[..400].to_vec());
    expected.extend_from_slice(&sample[400..500]);
    expected.extend(sorted(sample[500..].to_vec()));
    for limit in [1, 7, 100, 399, 400, 401, 999, 1_000, 5_000] {
        let mut follower = Follower {
            store: &store,
            position: Position::START,
        };
        assert!(follower.next(1_000, limit) == expected, "{limit}");
        assert_eq!(follower.read(limit), []);
    }
    // An answer is full as long as there is enough.
    let first = store.committed_after(&Position::START, 450).unwrap();
    assert_eq!(first.entries.len(), 450);
    let none = store.committed_after(&first.next, 0).unwrap();
    assert_eq!((none.entries.len(), &none.next), (0, &first.next));
    let rest = store.committed_after(&first.next, usize::MAX).unwrap();
    assert_eq!(rest.entries.len(), 550);
    store.close().unwrap();
}

fn numbers_that_wrote_nothing(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let sample = entries(30, 3);
    let mut follower = Follower::new(&store);
    for part in sample.chunks(10) {
        store.append(part).unwrap();
        // 400 numbers without an entry.
        sql.run(
            "CREATE PROCEDURE pg_temp.spend() LANGUAGE plpgsql AS $$ BEGIN \
                 FOR n IN 1..400 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$; ",
        )
        .unwrap();
        sql.run("CALL pg_temp.spend()").unwrap();
        sql.run("DROP PROCEDURE pg_temp.spend()").unwrap();
    }
    let mut expected = Vec::new();
    for part in sample.chunks(10) {
        expected.extend(sorted(part.to_vec()));
    }
    assert_eq!(follower.next(30, 30), expected);
    assert_eq!(follower.read(30), []);
    store.close().unwrap();
}

fn each_entry_comes_once_while_many_write(scratch: &Scratch) {
    let store = scratch.store();
    let writing = AtomicBool::new(true);
    let kept: Vec<LogEntry> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let sql = scratch.sql();
                    let mut kept = Vec::new();
                    for round in 0..40_u64 {
                        let sample = entries(7, (writer << 32) + round);
                        if writer < 2 {
                            store.append(&sample).unwrap();
                            kept.extend(sample);
                            continue;
                        }
                        sql.run("BEGIN").unwrap();
                        sql.append(&sample[..3]);
                        sql.append(&sample[3..]);
                        if round % 3 == 0 {
                            sql.run("ROLLBACK").unwrap();
                        } else {
                            sql.run("COMMIT").unwrap();
                            kept.extend(sample);
                        }
                    }
                    kept
                })
            })
            .collect();
        let follower = scope.spawn(|| {
            let mut follower = Follower {
                store: &store,
                position: Position::START,
            };
            let mut seen = HashSet::<Uuid>::new();
            let deadline = Instant::now() + Duration::from_secs(60);
            loop {
                // It is asked before, so that what was written until then is read.
                let over = !writing.load(Ordering::SeqCst);
                let found = follower.read(5);
                for entry in &found {
                    assert!(seen.insert(entry.id), "{} came twice", entry.id);
                }
                if over && seen.len() as u64 == store.query().count().unwrap() {
                    return seen;
                }
                assert!(Instant::now() < deadline, "{} were seen", seen.len());
            }
        });
        let kept: Vec<_> = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect();
        writing.store(false, Ordering::SeqCst);
        let seen = follower.join().unwrap();
        assert_eq!(seen, kept.iter().map(|entry| entry.id).collect());
        kept
    });
    assert_eq!(store.query().count().unwrap(), kept.len() as u64);
    store.close().unwrap();
}

fn a_position_that_was_not_reached(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(3, 9)).unwrap();
    let present = store.position().unwrap().to_string();
    let (trail, _) = present.rsplit_once(':').unwrap();
    let far: Position = format!("{trail}:{}", i64::MAX - 1).parse().unwrap();
    for limit in [0, 5] {
        let error = store.committed_after(&far, limit).unwrap_err();
        let StoreError::InvalidPosition { .. } = &error else {
            panic!("{error:?}");
        };
        assert!(error.to_string().contains("an earlier state"), "{error}");
    }
    for text in ["sqlite:1", "postgres:1", "postgres:1:x", "postgres:1:2"] {
        let error = store.committed_after(&text.parse().unwrap(), 5);
        let error = error.unwrap_err();
        assert!(
            matches!(error, StoreError::InvalidPosition { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(text), "{error}");
    }
    store.close().unwrap();
}

fn a_damaged_row_stops_no_follower(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(20, 1);
    let mut position = store.position().unwrap();
    let sql = scratch.sql();
    store.append(&sample[..10]).unwrap();
    sql.run(
        "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body) \
         VALUES (gen_random_uuid(), 0, 20, 'x', 'success', 'User', '1', '{}', '{\"v\":1}')",
    )
    .unwrap();
    store.append(&sample[10..]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut found = Vec::new();
    while found.len() < 21 {
        assert!(Instant::now() < deadline, "{}", found.len());
        let batch = store.committed_after(&position, 4).unwrap();
        position = batch.next.to_string().parse().unwrap();
        found.extend(batch.entries);
    }
    let damaged = found.remove(10);
    assert_eq!(damaged.bytes(), b"{\"v\":1}");
    let error = damaged.entry().unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let id = sql.value("SELECT id FROM audit_entry WHERE ts = 0");
    assert_eq!(damaged.id().to_string(), id);
    let expected = [sorted(sample[..10].to_vec()), sorted(sample[10..].to_vec())].concat();
    assert_eq!(parsed(&found), expected);
    store.close().unwrap();
}

/// A trail that was restored on a server that has numbered fewer transactions, while others write,
/// and again.
fn a_restored_trail_comes_as_a_whole(scratch: &Scratch) {
    let sql = scratch.sql();
    let before = scratch.store();
    let mut there = entries(20, 1);
    before.append(&there).unwrap();
    for restores in 0..2_u64 {
        // What `pg_restore` does: the rows come with the numbers that they had.
        let restored = entries(30, 100 + restores);
        for entry in &restored {
            before.append(std::slice::from_ref(entry)).unwrap();
        }
        let ids: Vec<_> = restored
            .iter()
            .map(|entry| format!("'{}'", entry.id))
            .collect();
        sql.run(&format!(
            "ALTER TABLE audit_entry DISABLE TRIGGER USER; \
             UPDATE audit_entry SET xact = xact + 1000000000 WHERE id IN ({}); \
             ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_keep; \
             ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_keep_all",
            ids.join(", ")
        ))
        .unwrap();
        there.extend(restored);
        // A transaction that is open over it all, and a writer that goes on.
        let open = scratch.sql();
        let late = entries(5, 200 + restores);
        open.run("BEGIN").unwrap();
        let done = AtomicBool::new(false);
        let meanwhile = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut written = Vec::new();
                for seed in 0.. {
                    if done.load(Ordering::SeqCst) {
                        return written;
                    }
                    let more = entries(2, 10_000 * (restores + 1) + seed);
                    before.append(&more).unwrap();
                    written.extend(more);
                }
                written
            });
            open.append(&late);
            let store = scratch.store();
            let adopted = scope.spawn(move || store.position().unwrap());
            thread::sleep(Duration::from_millis(200));
            open.run("COMMIT").unwrap();
            adopted.join().unwrap();
            done.store(true, Ordering::SeqCst);
            writer.join().unwrap()
        });
        there.extend(late);
        there.extend(meanwhile);
        let store = scratch.store();
        let mut follower = Follower {
            store: &store,
            position: Position::START,
        };
        let mut given = follower.next(there.len(), 100);
        assert!(follower.read(10).is_empty());
        given.sort_by_key(|entry| entry.id);
        let mut expected = there.clone();
        expected.sort_by_key(|entry| entry.id);
        assert!(given == expected, "each entry comes once");
        // Later entries come after it.
        let new = entries(3, 300 + restores);
        store.append(&new).unwrap();
        assert_eq!(follower.next(3, 3).len(), 3);
        there.extend(new);
        assert!(store.check().unwrap().is_ok());
    }
}
