//! Inside async runtimes, and without one.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use audit_core::{AuditLog, LogEntry, ObjectRef, Query, Receipt, Store, StoreError};
use audit_derive::Auditable;
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use futures::future::join_all;

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    every_runtime_and_none,
    synchronous_calls_inside_a_task,
    a_runtime_is_not_blocked,
    a_history_is_awaited,
    a_dropped_append_is_whole_or_nothing,
    dropped_queries_leave_the_pool_usable,
    a_full_queue_waits_and_loses_nothing,
    closing_writes_what_is_queued,
    submitted_entries_are_awaited,
    a_store_that_threads_read_is_dropped_inside_a_task,
    a_store_is_dropped_inside_a_task,
];

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Polls once, as a runtime would that then drops the future.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn every_runtime_and_none(scratch: &Scratch) {
    async fn use_it(scratch: &Scratch, seed: u64) {
        let store = scratch.options().connect_async(&scratch.url).await.unwrap();
        let sample = entries(60, seed);
        let before = store.count_async(&Query::new()).await.unwrap();
        join_all(sample.chunks(2).map(|part| store.append_async(part)))
            .await
            .into_iter()
            .for_each(Result::unwrap);
        assert!(store.commits() < 30, "they share statements");
        let page = store
            .find_async(&Query::new().text(&sample[0].object_repr))
            .await
            .unwrap();
        assert!(page.entries.contains(&sample[0]));
        assert_eq!(store.count_async(&Query::new()).await.unwrap(), before + 60);
        let user = store
            .objects_async(&Query::new().model_name("User"), None)
            .await
            .unwrap();
        assert!(user.iter().all(|entry| entry.model == "User") && !user.is_empty());
        store.flush_async().await.unwrap();
        store.close_async().await.unwrap();
    }
    // A runtime without its own timers and sockets will do.
    let bare = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    bare.block_on(use_it(scratch, 1));
    current_thread().block_on(use_it(scratch, 2));
    multi_thread().block_on(use_it(scratch, 3));
    futures::executor::block_on(use_it(scratch, 4));
    let store = scratch.store();
    assert_kept(
        &store,
        &(1..5)
            .flat_map(|seed| entries(60, seed))
            .collect::<Vec<_>>(),
    );
    let removed = current_thread().block_on(store.purge_async(&Query::new()));
    assert_eq!(removed.unwrap(), 240);
}

/// They block the thread, but neither panic nor hang; more of them than a task's budget of
/// tokio is, without a pause.
fn synchronous_calls_inside_a_task(scratch: &Scratch) {
    let sample = entries(300, 1);
    let work = |store: PostgresStore, sample: Vec<LogEntry>| async move {
        for entry in &sample {
            store.append(std::slice::from_ref(entry)).unwrap();
            assert!(store.count(&Query::new()).unwrap() > 0);
        }
    };
    let runtime = current_thread();
    runtime.block_on(work(scratch.store(), sample[..150].to_vec()));
    runtime.block_on(async { assert_eq!(scratch.store().count(&Query::new()).unwrap(), 150) });
    let task = multi_thread();
    let spawned = task.spawn(work(scratch.store(), sample[150..].to_vec()));
    task.block_on(spawned).unwrap();
    futures::executor::block_on(async { scratch.store().append(&sample).unwrap() });
    assert_kept(&scratch.store(), &sample);
}

/// While an append waits for a lock, other tasks of the same thread go on.
fn a_runtime_is_not_blocked(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let sample = entries(4, 1);
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    current_thread().block_on(async {
        let (store, sample) = (&store, &sample);
        let append = async move { store.append_async(sample).await.unwrap() };
        let query = async move { store.count_async(&Query::new()).await.unwrap() };
        let others = async {
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::task::spawn_blocking(move || sql.run("COMMIT").map(|_| sql))
                .await
                .unwrap()
                .unwrap()
        };
        let ((), _, sql) = futures::future::join3(append, query, others).await;
        drop_outside(sql);
    });
    assert_kept(&store, &sample);
}

#[derive(Auditable, Clone)]
#[audit(crate = audit_core)]
struct Note {
    id: u32,
    text: String,
}

/// More versions than a page has, read while the table is locked at first.
fn a_history_is_awaited(scratch: &Scratch) {
    let store = scratch.store();
    let log = AuditLog::builder().store(store.clone()).build();
    log.register::<Note>();
    let mut note = Note {
        id: 7,
        text: "0".into(),
    };
    log.created(&note).record().unwrap();
    let drafts: Vec<_> = (1..700)
        .map(|number: u32| log.update(&mut note, |note| note.text = number.to_string()))
        .collect();
    log.record_all(drafts).unwrap();
    let object = ObjectRef::new("Note", "7");
    let history = log.history::<Note>(7).unwrap();
    let time = history.entries()[300].timestamp;
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    current_thread().block_on(async {
        let others = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::task::spawn_blocking(move || sql.run("COMMIT").map(|_| sql))
                .await
                .unwrap()
                .unwrap()
        };
        let (read, sql) = futures::future::join(log.history_async::<Note>(7), others).await;
        drop_outside(sql);
        assert_eq!(read.unwrap().entries(), history.entries());
        let read = log.history_of_async(object.clone()).await.unwrap();
        assert_eq!(read.entries(), history.entries());
        let state = log.as_of_async::<Note>(7, time).await.unwrap();
        assert_eq!(state, history.as_of(time));
        assert!(state.complete, "it was read back to the creation");
        let state = log.object_as_of_async(&object, time).await.unwrap();
        assert_eq!(state.state, history.as_of(time).state);
    });
}

/// A connection with a runtime of its own must not be dropped inside another one.
fn drop_outside<T: Send + 'static>(value: T) {
    std::thread::spawn(move || drop(value)).join().unwrap();
}

fn a_dropped_append_is_whole_or_nothing(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let batches: Vec<_> = (0..20).map(|seed| entries(10, seed)).collect();
    sql.run("BEGIN; LOCK TABLE audit_entry IN SHARE MODE")
        .unwrap();
    // Never polled: nothing happened.
    drop(store.append_async(&batches[0]));
    // Polled once: in the queue.
    for batch in &batches[1..] {
        assert!(poll_once(store.append_async(batch)).is_pending());
    }
    sql.run("COMMIT").unwrap();
    store.flush().unwrap();
    assert_kept(&store, &batches[1..].concat());

    // Dropped at some moment of their work.
    let runtime = current_thread();
    let more: Vec<_> = (100..160).map(|seed| entries(10, seed)).collect();
    runtime.block_on(async {
        for (number, batch) in more.iter().enumerate() {
            let patience = Duration::from_micros(number as u64 * 100);
            let _given_up = tokio::time::timeout(patience, store.append_async(batch)).await;
        }
    });
    store.flush().unwrap();
    let kept = store.count(&Query::new()).unwrap();
    assert_eq!(kept % 10, 0, "a part of a batch was kept");
    for batch in &more {
        let there = |entry: &LogEntry| {
            let page = store
                .find(&Query::new().since(entry.timestamp).model_name(&entry.model))
                .unwrap();
            page.entries.contains(entry)
        };
        assert_eq!(there(&batch[0]), there(&batch[9]));
    }
    for batch in &more {
        store.append(batch).unwrap();
    }
    assert_eq!(store.count(&Query::new()).unwrap(), 790);
}

fn dropped_queries_leave_the_pool_usable(scratch: &Scratch) {
    let store = scratch.store();
    store.append(&entries(200, 1)).unwrap();
    let runtime = current_thread();
    runtime.block_on(async {
        for number in 0..100_u64 {
            let patience = Duration::from_micros(number * 20);
            let query = Query::new().text("e");
            let _given_up = tokio::time::timeout(patience, store.find_async(&query)).await;
        }
        let all =
            join_all((0..20).map(|_| async { store.count_async(&Query::new()).await.unwrap() }))
                .await;
        assert_eq!(all, [200; 20]);
    });
}

fn a_full_queue_waits_and_loses_nothing(scratch: &Scratch) {
    let store = scratch.options().queue(2).connect(&scratch.url).unwrap();
    let sql = scratch.sql();
    let sample = entries(40, 1);
    sql.run("BEGIN; LOCK TABLE audit_entry IN SHARE MODE")
        .unwrap();
    let written = AtomicU32::new(0);
    current_thread().block_on(async {
        let appends = join_all(sample.iter().map(|entry| async {
            store
                .append_async(std::slice::from_ref(entry))
                .await
                .unwrap();
            written.fetch_add(1, Ordering::Relaxed);
        }));
        let release = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(written.load(Ordering::Relaxed), 0);
            tokio::task::spawn_blocking(move || sql.run("COMMIT").map(|_| drop(sql)))
                .await
                .unwrap()
                .unwrap();
        };
        futures::future::join(appends, release).await;
    });
    assert_eq!(written.load(Ordering::Relaxed), 40);
    assert_kept(&store, &sample);
}

fn closing_writes_what_is_queued(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let sample = entries(60, 1);
    sql.run("BEGIN; LOCK TABLE audit_entry IN SHARE MODE")
        .unwrap();
    for entry in &sample {
        assert!(poll_once(store.append_async(std::slice::from_ref(entry))).is_pending());
    }
    let clone = store.clone();
    let closing = std::thread::spawn(move || clone.close());
    std::thread::sleep(Duration::from_millis(100));
    sql.run("COMMIT").unwrap();
    closing.join().unwrap().unwrap();
    let closed = [
        store.append(&sample).err(),
        store.find(&Query::new()).err(),
        store.count(&Query::new()).err(),
        store.purge(&Query::new()).err(),
        store.flush().err(),
        store.check().err(),
        store.clone().close().err(),
        futures::executor::block_on(store.append_async(&sample)).err(),
        futures::executor::block_on(store.close_async()).err(),
    ];
    for error in closed {
        assert!(matches!(error, Some(StoreError::Closed)), "{error:?}");
    }
    assert_kept(&scratch.store(), &sample);
}

fn submitted_entries_are_awaited(scratch: &Scratch) {
    let store = scratch.store();
    let log = AuditLog::builder().store(store.clone()).build();
    current_thread().block_on(async {
        let _current = log.enter();
        let tickets: Vec<_> = (0..50)
            .map(|number| audit_core::event(format!("event {number}")).submit())
            .collect();
        for receipt in join_all(tickets).await {
            assert!(matches!(receipt, Ok(Receipt::Recorded(_))), "{receipt:?}");
        }
    });
    log.shutdown().unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 50);
    // And are asked for the same way.
    current_thread().block_on(async {
        let query = || log.query().newest_first();
        assert_eq!(query().count_async().await.unwrap(), 50);
        let all = query().all_async().await.unwrap();
        assert_eq!(all, query().all().unwrap());
        assert_eq!(query().first_async().await.unwrap().as_ref(), all.first());
    });
}

/// Connections that threads have driven have runtimes, which must not be waited for in a task.
fn a_store_that_threads_read_is_dropped_inside_a_task(scratch: &Scratch) {
    let sample = entries(10, 1);
    for runtime in [current_thread(), multi_thread()] {
        let store = scratch.store();
        store.append(&sample).unwrap();
        assert_eq!(store.count(&Query::new()).unwrap(), 10);
        runtime.block_on(async {
            // A call inside a task is not the task's to drive.
            assert_eq!(store.count(&Query::new()).unwrap(), 10);
            drop(store);
        });
    }
}

fn a_store_is_dropped_inside_a_task(scratch: &Scratch) {
    let sample = entries(10, 1);
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            let store = Arc::new(scratch.store());
            store.append_async(&sample).await.unwrap();
            let other = Arc::clone(&store);
            let task = tokio::spawn(async move { other.count_async(&Query::new()).await });
            drop(store);
            assert_eq!(task.await.unwrap().unwrap(), 10);
        });
    }
    assert_kept(&scratch.store(), &sample);
}
