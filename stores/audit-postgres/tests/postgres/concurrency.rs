//! Many threads, several stores, transactions that collide.

use std::future::Future;
use std::pin::Pin;
use std::sync::Barrier;
use std::task::{Context, Waker};
use std::thread;

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use futures::executor::block_on;
use futures::future::join_all;

use crate::Test;
use crate::scratch::{Scratch, assert_kept, sorted};

pub(crate) const TESTS: &[Test] = tests![
    batches_share_statements,
    more_threads_than_connections_read,
    only_the_batch_with_a_conflict_fails,
    an_invalid_batch_fails_alone,
    stores_append_the_same_entries,
    serialization_failures_are_retried,
    a_deadlock_is_retried,
    long_texts_and_many_entries,
];

/// Appends batches while a first one is held up by a lock: those share the next statement.
fn append_together(
    scratch: &Scratch,
    store: &PostgresStore,
    first: &[LogEntry],
    batches: &[Vec<LogEntry>],
) -> Vec<Result<(), StoreError>> {
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN SHARE MODE")
        .unwrap();
    let held = queued(store, first);
    scratch.wait_for_locks(1);
    let waiting: Vec<_> = batches.iter().map(|batch| queued(store, batch)).collect();
    sql.run("COMMIT").unwrap();
    block_on(held).unwrap();
    block_on(join_all(waiting))
}

/// Puts a batch into the queue.
fn queued<'a>(
    store: &'a PostgresStore,
    batch: &'a [LogEntry],
) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>> {
    let mut append = Box::pin(store.append_async(batch));
    let polled = append
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    append
}

fn batches_share_statements(scratch: &Scratch) {
    let store = scratch.store();
    let first = entries(1, 1);
    let batches: Vec<_> = (2..34).map(|seed| entries(1, seed)).collect();
    for outcome in append_together(scratch, &store, &first, &batches) {
        outcome.unwrap();
    }
    assert_eq!(store.commits(), 2);
    assert_kept(&store, &[first, batches.concat()].concat());
}

fn more_threads_than_connections_read(scratch: &Scratch) {
    let store = scratch
        .options()
        .pool_size(2)
        .connect(&scratch.url)
        .unwrap();
    let sample = entries(20, 1);
    store.append(&sample).unwrap();
    let barrier = Barrier::new(16);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..20 {
                    let page = store.find(&Query::new().limit(20)).unwrap();
                    assert_eq!(page.entries.len(), 20);
                }
            });
        }
    });
    let other = store.clone();
    store.close().unwrap();
    let closed = other.count(&Query::new());
    assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
}

fn only_the_batch_with_a_conflict_fails(scratch: &Scratch) {
    let store = scratch.store();
    let known = entries(1, 1);
    store.append(&known).unwrap();
    let mut batches: Vec<_> = (0..12).map(|seed| entries(5, 100 + seed)).collect();
    // Four of them contradict what is known, two contradict each other.
    for batch in &mut batches[..4] {
        let mut other = known[0].clone();
        other.reason = Some("another".to_owned());
        batch.insert(2, other);
    }
    let mut rival = batches[4][0].clone();
    rival.reason = Some("a rival".to_owned());
    batches[5][3] = rival;
    let held = entries(1, 99);
    let outcomes = append_together(scratch, &store, &held, &batches);
    for (number, outcome) in outcomes.iter().enumerate() {
        match (number, outcome) {
            (0..4, Err(StoreError::Conflict { id })) => assert_eq!(*id, known[0].id),
            (4 | 5, Err(StoreError::Conflict { id })) => assert_eq!(*id, batches[4][0].id),
            (4.., Ok(())) => {}
            _ => panic!("batch {number}: {outcome:?}"),
        }
    }
    assert_eq!(
        outcomes[4..6]
            .iter()
            .filter(|outcome| outcome.is_ok())
            .count(),
        1
    );
    let mut kept: Vec<_> = known;
    kept.extend(entries(1, 99));
    for (batch, outcome) in batches.iter().zip(&outcomes) {
        if outcome.is_ok() {
            kept.extend_from_slice(batch);
        }
    }
    assert_kept(&store, &kept);
}

/// A batch that the server cannot take as such is refused alone.
fn an_invalid_batch_fails_alone(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run("ALTER TABLE audit_entry ADD CONSTRAINT no_evil CHECK (actor <> 'evil')")
        .unwrap();
    let mut evil = entries(3, 1);
    evil[1].actor = Some(audit_core::Actor::user("evil"));
    let good: Vec<_> = (0..6).map(|seed| entries(3, 50 + seed)).collect();
    let mut batches = good[1..].to_vec();
    batches.insert(2, evil.clone());
    let mut outcomes = append_together(scratch, &store, &good[0], &batches);
    let error = outcomes.remove(2).unwrap_err();
    assert!(error.to_string().contains("no_evil"), "{error}");
    let quoted = error.to_string().contains(&evil[1].id.to_string());
    assert!(!quoted, "the error quotes the entry: {error}");
    for outcome in outcomes {
        outcome.unwrap();
    }
    sql.run("ALTER TABLE audit_entry DROP CONSTRAINT no_evil")
        .unwrap();
    assert_kept(&store, &good.concat());
}

fn append_at_once(stores: &[PostgresStore], sample: &[LogEntry]) {
    let start = Barrier::new(stores.len());
    thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for part in sample.chunks(7) {
                    let mut part = part.to_vec();
                    // Each in an order of its own.
                    let length = part.len();
                    part.rotate_left(number % length);
                    store.append(&part).unwrap();
                }
            });
        }
    });
}

fn stores_append_the_same_entries(scratch: &Scratch) {
    let stores: Vec<_> = (0..5).map(|_| scratch.store()).collect();
    let sample = entries(350, 1);
    append_at_once(&stores, &sample);
    assert_kept(&stores[0], &sample);
}

fn serialization_failures_are_retried(scratch: &Scratch) {
    let url = scratch.with_option("default_transaction_isolation", "serializable");
    let stores: Vec<_> = (0..4)
        .map(|_| scratch.options().connect(&url).unwrap())
        .collect();
    let sample = entries(210, 1);
    append_at_once(&stores, &sample);
    assert_kept(&stores[0], &sample);
}

/// The store's transaction is the one that the server ends.
fn a_deadlock_is_retried(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(2, 1);
    sample.sort_by_key(|entry| entry.id);
    let sql = scratch.sql();
    let insert = |entry: &LogEntry| {
        format!(
            "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, checksum) \
             VALUES ('{}', 0, 20, '', 'success', '', '', '{{}}', '{{\"action\":\"', '')",
            entry.id
        )
    };
    sql.run("BEGIN; SET LOCAL deadlock_timeout = '60s'")
        .unwrap();
    sql.run(&insert(&sample[1])).unwrap();
    thread::scope(|scope| {
        let append = scope.spawn(|| store.append(&sample));
        scratch.wait_for_locks(1);
        // The first id is the store's, the second one ours: a circle.
        sql.run(&insert(&sample[0]))
            .expect("the other transaction was ended");
        sql.run("ROLLBACK").unwrap();
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

/// Keys that fit no index row, and a batch that takes several statements.
fn long_texts_and_many_entries(scratch: &Scratch) {
    let store = scratch.store();
    let long = "Größe\0".repeat(20_000);
    let mut sample = entries(2, 1);
    for (entry, end) in sample.iter_mut().zip(["a", "b"]) {
        let text = long.clone() + end;
        entry.model.clone_from(&text);
        entry.object_pk.clone_from(&text);
        entry.parent = Some(audit_core::ObjectRef::new(text.as_str(), text.as_str()));
        entry.actor = Some(audit_core::Actor::user(text.as_str()));
        entry.correlation_id = Some(text);
    }
    store.append(&sample).unwrap();
    for entry in &sample {
        for query in [
            Query::new()
                .model_name(&entry.model)
                .object_pk(&entry.object_pk),
            Query::new().actor(&entry.model),
            Query::new().correlation_id(&entry.model),
            Query::new().parent(audit_core::ObjectRef::new(
                entry.model.as_str(),
                entry.model.as_str(),
            )),
        ] {
            assert_eq!(
                store.find(&query).unwrap().entries,
                std::slice::from_ref(entry)
            );
        }
    }
    // About 40 MB: one transaction of three statements, all or nothing.
    let mut many = entries(4_000, 2);
    for entry in &mut many {
        entry.reason = Some("x".repeat(10_000));
    }
    let mut contradicting = many.clone();
    let mut other = sample[0].clone();
    other.reason = Some("another".to_owned());
    contradicting.push(other);
    let error = store.append(&contradicting).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert_eq!(store.count(&Query::new()).unwrap(), 2);
    store.append(&many).unwrap();
    sample.extend(many);
    let found = store.find(&Query::new().limit(usize::MAX)).unwrap();
    assert!(found.entries == sorted(sample));
}
