//! What becomes of an entry that the store does not take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use audit_testkit::{Fault, FaultStore};
use auditlog::prelude::*;
use auditlog::{SinkError, StoreError, sink_fn};

fn full() -> Fault {
    Fault::Before(StoreError::Full {
        location: "the disk".into(),
    })
}

fn log(store: &Arc<FaultStore<MemoryStore>>, policy: auditlog::FailurePolicy) -> AuditLog {
    AuditLog::builder()
        .store(Arc::clone(store))
        .on_error(policy)
        .spool(3)
        .build()
}

fn numbers(log: &AuditLog) -> Vec<i64> {
    let entries = log.query().all().expect("entries");
    let number = |entry: &LogEntry| entry.additional_data["n"].as_i64().expect("a number");
    entries.iter().map(number).collect()
}

#[test]
fn fail_closed_tells_the_caller_and_keeps_nothing() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = log(&store, FailClosed);
    store.fail_appends(full());
    let error = log.event("tick").record().expect_err("a full disk");
    assert_eq!(
        error.to_string(),
        "the store failed: no space left in the disk"
    );
    store.heal();
    log.event("tock").record().expect("a receipt");
    assert_eq!(log.query().count().expect("a count"), 1);
    let stats = log.stats();
    assert_eq!((stats.recorded, stats.failed, stats.spooled), (1, 1, 0));
}

#[test]
fn fail_open_writes_in_order_once_the_store_is_back() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = log(&store, FailOpen);
    store.fail_appends(full());
    for n in 0..2 {
        let receipt = log.event("tick").extra("n", n).record().expect("goes on");
        assert!(matches!(receipt, Receipt::Spooled(_)), "{receipt:?}");
    }
    assert_eq!(log.stats().spooled, 2);
    assert!(log.flush().is_err(), "what still waits is not durable");
    store.heal();
    log.flush().expect("flushed");
    let receipt = log.event("tick").extra("n", 2).record().expect("a receipt");
    assert!(receipt.is_recorded());
    assert_eq!(numbers(&log), [0, 1, 2]);
    assert_eq!((log.stats().spooled, log.stats().lost), (0, 0));
}

#[test]
fn fail_open_counts_what_finds_no_room() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = log(&store, FailOpen);
    store.fail_appends(full());
    let receipts: Vec<_> = (0..5)
        .map(|n| log.event("tick").extra("n", n).record().expect("goes on"))
        .collect();
    assert!(matches!(receipts[2], Receipt::Spooled(_)));
    assert!(matches!(receipts[3], Receipt::Lost(_)));
    store.heal();
    log.flush().expect("flushed");
    assert_eq!(numbers(&log), [0, 1, 2]);
    assert_eq!(log.stats().lost, 2);
}

#[test]
fn fail_open_asks_a_store_that_fails_only_now_and_then() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .on_error(FailOpen)
        .spool(usize::MAX)
        .build();
    store.fail_appends(full());
    let begin = Instant::now();
    for _ in 0..1000 {
        let receipt = log.event("tick").record().expect("goes on");
        assert!(matches!(receipt, Receipt::Spooled(_)), "{receipt:?}");
    }
    let pauses = begin.elapsed().as_millis() / 100;
    assert!(
        u128::from(store.appends()) <= 1 + pauses,
        "{} in {pauses} pauses",
        store.appends()
    );
    store.heal();
    // Without anybody's flush: the first one after the pause writes what waits.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut number = 1000;
    loop {
        number += 1;
        if log.event("tick").record().expect("goes on").is_recorded() {
            break;
        }
        assert!(Instant::now() < deadline, "the store is never asked again");
        thread::yield_now();
    }
    assert_eq!(log.query().count().expect("a count"), number);
    assert_eq!(log.stats().recorded, number);
    assert_eq!((log.stats().spooled, log.stats().lost), (0, 0));
}

#[test]
fn fail_open_waits_for_no_store_that_hangs() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .on_error(FailOpen)
        .spool(usize::MAX)
        .build();
    store.fail_append(1, full());
    log.event("tick").record().expect("goes on");
    store.hold_appends();
    thread::scope(|scope| {
        // The first one after the pause tries, and hangs.
        let trying = scope.spawn(|| {
            while !log.event("tick").record().expect("goes on").is_recorded() {
                thread::yield_now();
            }
        });
        while store.appends() < 2 {
            thread::yield_now();
        }
        let (done, others) = mpsc::channel();
        let log = &log;
        scope.spawn(move || {
            let receipt = log.event("tock").record().expect("goes on");
            done.send((receipt, log.stats())).expect("somebody waits");
        });
        let passed = others.recv_timeout(Duration::from_secs(10));
        store.heal();
        let (receipt, stats) = passed.expect("it does not wait");
        assert!(matches!(receipt, Receipt::Spooled(_)), "{receipt:?}");
        assert!(stats.spooled >= 2, "{stats:?}");
        trying.join().expect("no panic");
    });
    log.flush().expect("flushed");
    let stats = log.stats();
    assert_eq!((stats.spooled, stats.lost), (0, 0));
    assert_eq!(stats.recorded, log.query().count().expect("a count"));
}

/// Keeps what it takes in the order in which it came, and takes only what its plan lets it.
#[derive(Debug)]
struct Ordered {
    kept: Mutex<Vec<(i64, i64)>>,
    appends: AtomicU64,
    plan: fn(u64) -> Result<(), StoreError>,
}

impl auditlog::Store for Ordered {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        (self.plan)(self.appends.fetch_add(1, Ordering::SeqCst))?;
        let number = |entry: &LogEntry, name| entry.additional_data[name].as_i64().expect("one");
        let entries = entries
            .iter()
            .map(|entry| (number(entry, "thread"), number(entry, "n")));
        self.kept.lock().expect("a list").extend(entries);
        Ok(())
    }

    fn find(&self, _: &auditlog::Query) -> Result<auditlog::Page, StoreError> {
        Ok(auditlog::Page::default())
    }
}

/// Records from several threads in a store with a plan, and returns what it kept.
fn record_all(plan: fn(u64) -> Result<(), StoreError>) -> Vec<(i64, i64)> {
    let store = Arc::new(Ordered {
        kept: Mutex::default(),
        appends: AtomicU64::new(0),
        plan,
    });
    let told = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&told);
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .on_error(FailOpen)
        .sink(sink_fn(move |_| {
            sink.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }))
        .build();
    thread::scope(|scope| {
        for thread in 0..4_i64 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..300_i64 {
                    let draft = || log.event("tick").extra("thread", thread).extra("n", n);
                    // Every third is written in the background.
                    if n % 3 == 0 {
                        draft().submit().wait().expect("goes on");
                    } else if n % 50 == 7 {
                        let _failing = log.flush();
                        draft().record().expect("goes on");
                    } else {
                        draft().record().expect("goes on");
                    }
                }
            });
        }
    });
    while log.flush().is_err() {}
    assert_eq!((log.stats().spooled, log.stats().lost), (0, 0));
    assert_eq!(log.stats().recorded, 1200);
    assert_eq!(told.load(Ordering::SeqCst), 1200);
    store.kept.lock().expect("a list").clone()
}

#[test]
fn fail_open_keeps_each_threads_order_and_loses_and_doubles_nothing() {
    let kept = record_all(|append| match append % 7 {
        1 | 3 | 4 => Err(StoreError::Busy {
            location: "the server".into(),
        }),
        _ => Ok(()),
    });
    for thread in 0..4 {
        let of_thread = kept.iter().filter(|(of, _)| *of == thread);
        assert!(of_thread.map(|(_, n)| *n).eq(0..300), "thread {thread}");
    }
}

#[test]
fn a_store_that_panics_while_it_takes_what_waits_loses_nothing() {
    let store = Arc::new(Ordered {
        kept: Mutex::default(),
        appends: AtomicU64::new(0),
        plan: |append| match append {
            0 => Err(StoreError::Busy {
                location: "the server".into(),
            }),
            1 => panic!("on purpose"),
            _ => Ok(()),
        },
    });
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .on_error(FailOpen)
        .build();
    let draft = |n: i64| log.event("tick").extra("thread", 0).extra("n", n);
    for n in 0..3 {
        draft(n).record().expect("goes on");
    }
    let panicked = log.flush().expect_err("it panicked");
    assert!(panicked.is_unconfirmed(), "{panicked}");
    assert_eq!(log.stats().spooled, 3);
    log.flush().expect("flushed");
    draft(3).record().expect("a receipt");
    let kept = store.kept.lock().expect("a list").clone();
    assert_eq!(kept, [(0, 0), (0, 1), (0, 2), (0, 3)]);
}

#[test]
fn an_entry_that_will_never_be_taken_keeps_no_other_waiting() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = log(&store, FailOpen);
    store.fail_appends(full());
    for n in 0..2 {
        let _waiting = log.event("tick").extra("n", n).record().expect("goes on");
    }
    store.heal();
    // The batch of both is refused, then the first of them alone.
    let conflict = || {
        Fault::Before(StoreError::Conflict {
            id: log
                .event("x")
                .into_entry()
                .expect("a draft")
                .expect("an entry")
                .id,
        })
    };
    store.fail_append(1, conflict());
    store.fail_append(2, conflict());
    log.flush().expect("flushed");
    assert_eq!(numbers(&log), [1]);
    assert_eq!((log.stats().spooled, log.stats().lost), (0, 1));
}

#[test]
fn an_entry_that_only_the_others_show_to_be_bad_keeps_none_waiting() {
    let odd = || Fault::Before(StoreError::backend("the server", "it does not like that"));
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = AuditLog::builder()
        .store(Arc::clone(&store))
        .on_error(FailOpen)
        .build();
    let record = |n| log.event("tick").extra("n", n).record().expect("goes on");
    store.fail_appends(odd());
    record(0);
    // As long as the store takes nothing, it may be the store.
    assert!(log.flush().is_err());
    for n in 1..20 {
        record(n);
    }
    let before = store.appends();
    assert!(log.flush().is_err());
    assert!(store.appends() <= before + 9, "each was tried in vain");
    assert_eq!((log.stats().spooled, log.stats().lost), (20, 0));
    // All at once, and the first and the third alone.
    store.heal();
    for append in [1, 2, 4] {
        store.fail_append(append, odd());
    }
    log.flush().expect("flushed");
    assert_eq!((log.stats().spooled, log.stats().lost), (0, 2));
    assert_eq!(
        numbers(&log),
        [&[1], &(3..20).collect::<Vec<_>>()[..]].concat()
    );
}

#[test]
fn sinks_and_hooks_never_make_a_recorded_entry_fail() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let log = AuditLog::builder()
        .sink(sink_fn(|_| Err(SinkError::other("out of order"))))
        .after(move |entry, result| {
            let recorded = result.as_ref().is_ok_and(Receipt::is_recorded);
            kept.lock()
                .expect("a list")
                .push((entry.action.to_string(), recorded));
        })
        .build();
    assert!(log.event("tick").record().expect("a receipt").is_recorded());
    assert_eq!(log.stats().sink_failures, 1);
    assert_eq!(*seen.lock().expect("a list"), [("tick".to_owned(), true)]);
}

#[test]
fn a_panicking_sink_or_hook_hangs_and_loses_nothing() {
    let seen = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&seen);
    let log = AuditLog::builder()
        .sink(sink_fn(|_| panic!("on purpose")))
        .sink(sink_fn(move |_| {
            *counter.lock().expect("a number") += 1;
            Ok(())
        }))
        .after(|_, _| panic!("on purpose"))
        .build();
    assert!(log.event("one").record().expect("a receipt").is_recorded());
    for _ in 0..2 {
        let ticket = log.event("two").submit();
        assert!(ticket.wait().expect("a receipt").is_recorded());
    }
    log.flush().expect("flushed");
    assert_eq!(log.query().count().expect("a count"), 3);
    assert_eq!(*seen.lock().expect("a number"), 3);
    assert_eq!(log.stats().sink_failures, 6);
}

#[test]
fn a_panicking_store_is_an_error_to_those_who_wait() {
    #[derive(Debug)]
    struct Panicking;
    impl auditlog::Store for Panicking {
        fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
            panic!("on purpose")
        }
        fn find(&self, _: &auditlog::Query) -> Result<auditlog::Page, StoreError> {
            Ok(auditlog::Page::default())
        }
    }
    let log = AuditLog::builder().store(Panicking).build();
    let tickets: Vec<_> = (0..3).map(|_| log.event("tick").submit()).collect();
    for ticket in tickets {
        assert!(ticket.wait().is_err());
    }
    assert!(
        log.event("tick").submit().wait().is_err(),
        "the writer goes on"
    );
}

#[test]
fn sinks_and_hooks_may_record_and_flush() {
    let slot: Arc<std::sync::OnceLock<AuditLog>> = Arc::default();
    let own = Arc::clone(&slot);
    let log = AuditLog::builder()
        .after(move |entry, _| {
            if let (true, Some(log)) = (entry.action == "outer", own.get()) {
                log.event("submitted").submit().wait().expect("a receipt");
                log.event("recorded").record().expect("a receipt");
                log.flush().expect("flushed");
            }
        })
        .build();
    slot.set(log.clone()).expect("once");
    log.event("outer").submit().wait().expect("a receipt");
    log.event("outer").record().expect("a receipt");
    log.transaction(|| log.event("outer").record())
        .expect("a transaction");
    log.flush().expect("flushed");
    assert_eq!(log.query().count().expect("a count"), 9);
}

#[test]
fn store_errors_reach_the_caller() {
    #[derive(Debug)]
    struct Broken;
    impl auditlog::Store for Broken {
        fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
            Err(StoreError::Full {
                location: "the disk".into(),
            })
        }
        fn find(&self, _: &auditlog::Query) -> Result<auditlog::Page, StoreError> {
            Ok(auditlog::Page::default())
        }
    }
    let log = AuditLog::builder().store(Broken).build();
    let error = log.event("lost?").record().expect_err("a full disk");
    assert_eq!(
        error.to_string(),
        "the store failed: no space left in the disk"
    );
    assert!(log.event("lost?").submit().wait().is_err());
    assert!(log.transaction(|| log.event("lost?").record()).is_err());
    assert_eq!(log.stats().failed, 3);
}
