//! What becomes of an entry that the store does not take.

use std::sync::{Arc, Mutex};

use audit_testkit::{Fault, FaultStore};
use auditlog::prelude::*;
use auditlog::{SinkError, StoreError, sink_fn};

fn full() -> Fault {
    Fault::Before(StoreError::Full {
        place: "the disk".into(),
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
        "the store failed: no room left in the disk"
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
