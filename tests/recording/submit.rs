//! Submitted entries: the queue, the writer thread, and tickets.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use audit_testkit::{Fault, FaultStore};
use auditlog::prelude::*;
use auditlog::{Error, Query, Receipt, Store, StoreError};
use tokio::task::yield_now;

/// A store that waits, and a log whose queue has room for one.
fn slow() -> (Arc<FaultStore<MemoryStore>>, AuditLog) {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .queue(1)
        .build();
    store.hold_appends();
    (store, log)
}

/// Runs a future on this thread, and fails if it takes the store to go on by itself.
fn run<T>(store: &Arc<FaultStore<MemoryStore>>, future: impl Future<Output = T>) -> T {
    let (done, late) = (AtomicBool::new(false), AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let value = thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(10);
            while !done.load(Ordering::SeqCst) {
                if Instant::now() > deadline {
                    late.store(true, Ordering::SeqCst);
                    store.heal();
                }
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        let value = runtime.block_on(future);
        done.store(true, Ordering::SeqCst);
        value
    });
    assert!(!late.load(Ordering::SeqCst), "the executor was blocked");
    value
}

/// Submits one that the writer has, and one that fills the queue.
async fn fill(store: &FaultStore<MemoryStore>, log: &AuditLog) -> [auditlog::Ticket; 2] {
    let first = log.event("first").submit();
    while store.appends() == 0 {
        yield_now().await;
    }
    [first, log.event("second").submit()]
}

/// Polls a ticket once.
async fn is_pending(ticket: &mut auditlog::Ticket) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *ticket).poll(cx).is_pending())).await
}

fn names(log: &AuditLog) -> Vec<String> {
    let entries = log.query().all().expect("entries");
    entries
        .iter()
        .map(|entry| entry.action.to_string())
        .collect()
}

#[test]
fn a_full_queue_does_not_block_the_executor() {
    let (store, log) = slow();
    run(&store, async {
        let tickets = fill(&store, &log).await;
        let waiting = async {
            let receipt = log.event("third").submit().await;
            assert!(receipt.expect("a receipt").is_recorded());
        };
        let transaction = log.transaction_async(async {
            log.event("fourth").record()?;
            Ok::<_, auditlog::Error>(())
        });
        let others = async {
            for _ in 0..100 {
                yield_now().await;
            }
            assert_eq!(store.inner().count(&Query::new()).expect("a count"), 0);
            store.heal();
        };
        let ((), ended, ()) = futures::future::join3(waiting, transaction, others).await;
        ended.expect("a transaction");
        for ticket in tickets {
            assert!(ticket.await.expect("a receipt").is_recorded());
        }
    });
    assert_eq!(names(&log), ["first", "second", "third", "fourth"]);
    assert_eq!(log.stats().lost, 0);
}

#[test]
fn what_a_cancelled_task_leaves_in_a_full_queue_is_reported() {
    let (store, log) = slow();
    run(&store, async {
        let tickets = fill(&store, &log).await;
        let mut third = log.event("third").submit();
        let mut fourth = log.event("fourth").submit();
        assert!(is_pending(&mut third).await);
        assert!(is_pending(&mut fourth).await);
        drop(third);
        assert_eq!(log.stats().lost, 1);
        store.heal();
        assert!(fourth.await.expect("a receipt").is_recorded());
        for mut ticket in tickets {
            // Handed over: polled or not, dropped or not, it is written.
            is_pending(&mut ticket).await;
        }
    });
    log.flush().expect("flushed");
    assert_eq!(names(&log), ["first", "second", "fourth"]);
    assert_eq!(log.stats().lost, 1);
}

#[test]
fn a_hook_hears_of_what_a_cancelled_task_leaves() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let lost = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&lost);
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .queue(1)
        .after(move |entry, result| {
            if entry.action == "third" {
                heard.store(matches!(result, Ok(Receipt::Lost(_))), Ordering::SeqCst);
            }
        })
        .build();
    store.hold_appends();
    run(&store, async {
        let _tickets = fill(&store, &log).await;
        let mut third = log.event("third").submit();
        assert!(is_pending(&mut third).await);
        drop(third);
        store.heal();
    });
    assert!(lost.load(Ordering::SeqCst));
}

/// Submits entries that share a batch, whose append fails as planned from then on.
fn submit_together<const N: usize>(
    store: &Arc<FaultStore<MemoryStore>>,
    policy: auditlog::FailurePolicy,
    plan: impl FnOnce(&FaultStore<MemoryStore>),
) -> [auditlog::Result<Receipt>; N] {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let log = AuditLog::builder()
        .store(Arc::clone(store))
        .on_error(policy)
        .after(move |entry, _| {
            if entry.action == "first" {
                let gate = gate.lock().expect("a gate");
                gate.recv().expect("it opens");
            }
        })
        .build();
    let first = log.event("first").submit();
    while store.appends() == 0 {
        thread::yield_now();
    }
    let tickets = [(); N].map(|()| log.event("next").submit());
    plan(store);
    open.send(()).expect("a writer");
    first.wait().expect("a receipt");
    tickets.map(auditlog::Ticket::wait)
}

#[test]
fn what_a_batch_left_open_stays_open() {
    let unconfirmed = StoreError::backend("the server", "gone").unconfirmed("the server");
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let results = submit_together::<2>(&store, FailClosed, |store| {
        store.fail_append(1, Fault::After(unconfirmed.clone()));
    });
    for result in results {
        let error = result.expect_err("a failure");
        assert!(error.is_unconfirmed(), "{error:?}");
    }
    assert_eq!(store.count(&Query::new()).expect("a count"), 3);
    assert_eq!(store.appends(), 2);
}

#[test]
fn a_failure_of_the_store_is_everybodys_at_once() {
    let place = || "the server".to_owned();
    let failures = [
        StoreError::Io {
            location: place(),
            source: Arc::new(std::io::ErrorKind::TimedOut.into()),
        },
        StoreError::Busy { location: place() },
        StoreError::Full { location: place() },
        StoreError::ReadOnly { location: place() },
        StoreError::Closed,
        StoreError::Closed.unconfirmed(place()),
    ];
    for failure in failures {
        let store = Arc::new(FaultStore::new(MemoryStore::new()));
        let plan = Fault::Before(failure.clone());
        let results =
            submit_together::<20>(&store, FailClosed, |store| store.fail_appends(plan.clone()));
        for result in results {
            let error = result.expect_err("a failure").to_string();
            assert!(error.contains(&failure.to_string()), "{error}");
        }
        assert_eq!(store.appends(), 2, "{failure}");

        let store = Arc::new(FaultStore::new(MemoryStore::new()));
        let results = submit_together::<20>(&store, FailOpen, |store| store.fail_appends(plan));
        for result in results {
            let receipt = result.expect("goes on");
            assert!(!receipt.is_recorded(), "{receipt:?}");
        }
        // The log that goes away tries a last time.
        assert!(store.appends() <= 3, "{failure}: {}", store.appends());
    }
}

#[test]
fn a_bad_entry_harms_nobody_elses() {
    let bad = StoreError::Conflict {
        id: uuid::Uuid::nil(),
    };
    let odd = StoreError::backend("the server", "it does not like that");
    for error in [bad, odd] {
        let store = Arc::new(FaultStore::new(MemoryStore::new()));
        let [first, second, third] = submit_together(&store, FailClosed, |store| {
            store.fail_append(1, Fault::Before(error.clone()));
            store.fail_append(3, Fault::Before(error));
        });
        first.expect("a receipt");
        second.expect_err("a bad entry");
        third.expect("a receipt");
    }
    // Of the others, too, each is not tried in vain when the store fails meanwhile.
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let odd = StoreError::backend("the server", "it does not like that");
    let results = submit_together::<20>(&store, FailClosed, |store| {
        store.fail_append(1, Fault::Before(odd));
        store.fail_appends(Fault::Before(StoreError::Closed));
    });
    assert!(results.iter().all(Result::is_err));
    assert_eq!(store.appends(), 3);
}

#[test]
fn whoever_shuts_down_waits_for_the_end() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .queue(usize::MAX)
        .build();
    store.hold_appends();
    let mut tickets = vec![log.event("first").submit()];
    thread::scope(|scope| {
        let first = scope.spawn(|| log.shutdown().expect("shut down"));
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut ticket = log.event("late").submit();
            if Pin::new(&mut ticket).poll(&mut cx).is_ready() {
                break;
            }
            tickets.push(ticket);
            thread::yield_now();
        }
        let (done, second) = mpsc::channel();
        let (log, ended) = (&log, &store);
        scope.spawn(move || {
            log.shutdown().expect("shut down");
            let kept = ended.inner().count(&Query::new()).expect("a count");
            done.send(kept).expect("somebody waits");
        });
        let early = second.recv_timeout(Duration::from_millis(200));
        store.heal();
        assert!(early.is_err(), "the second one did not wait");
        assert_eq!(second.recv().expect("an end"), tickets.len() as u64);
        first.join().expect("no panic");
    });
    for ticket in tickets {
        ticket.wait().expect("a receipt");
    }
}

#[test]
fn a_log_that_many_threads_begin_with_lets_its_store_go() {
    for _ in 0..100 {
        let store = Arc::new(MemoryStore::new());
        let weak = Arc::downgrade(&store);
        let log = AuditLog::builder().store(store).build();
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    log.event("first").submit().wait().expect("a receipt");
                });
            }
        });
        log.shutdown().expect("shut down");
        drop(log);
        assert!(weak.upgrade().is_none());
    }
}

#[test]
fn dropping_a_ticket_of_a_full_queue_does_not_block() {
    let (store, log) = slow();
    run(&store, async {
        let tickets = fill(&store, &log).await;
        for _ in 0..100 {
            // On the executor's thread, while the store takes nothing.
            drop(log.event("dropped").submit());
        }
        store.heal();
        for ticket in tickets {
            assert!(ticket.await.expect("a receipt").is_recorded());
        }
    });
    log.flush().expect("flushed");
    assert_eq!(names(&log).len(), 102);
    assert_eq!(log.stats().lost, 0);
}

#[test]
fn what_nobody_awaits_is_written_all_the_same() {
    let (store, log) = slow();
    let tickets = run(&store, fill(&store, &log));
    thread::scope(|scope| {
        let dropping = scope.spawn(|| drop(log.event("third").submit()));
        let mut held = Vec::new();
        for _ in 0..100 {
            held.push(log.event("held").submit());
        }
        assert_eq!(store.inner().count(&Query::new()).expect("a count"), 0);
        store.heal();
        dropping.join().expect("no panic");
        log.shutdown().expect("shut down");
        for ticket in held {
            assert!(ticket.wait().expect("a receipt").is_recorded());
        }
    });
    drop(tickets);
    assert_eq!(names(&log).len(), 103);
    assert_eq!(log.stats().lost, 0);
}

#[test]
fn submitted_entries_come_in_order_and_all_of_them() {
    let log = AuditLog::builder().build();
    let tickets: Vec<_> = (0..5000)
        .map(|n| log.event("tick").extra("n", n).submit())
        .collect();
    log.flush().expect("flushed");
    let numbers: Vec<_> = log
        .query()
        .iter()
        .expect("entries")
        .map(|entry| entry.expect("an entry").additional_data["n"].as_i64())
        .collect();
    assert_eq!(numbers, (0..5000).map(Some).collect::<Vec<_>>());
    let mut tickets = tickets.into_iter();
    assert!(
        tickets
            .next()
            .expect("a ticket")
            .wait()
            .expect("a receipt")
            .is_recorded()
    );
    for ticket in tickets {
        assert!(
            futures::executor::block_on(ticket)
                .expect("a receipt")
                .is_recorded()
        );
    }
    log.shutdown().expect("shut down");
    assert!(matches!(log.event("late").record(), Err(Error::ShutDown)));
    assert!(matches!(
        log.event("late").submit().wait(),
        Err(Error::ShutDown)
    ));
    assert_eq!(
        log.query().count().expect("a count"),
        5000,
        "what was kept can still be read"
    );
}
