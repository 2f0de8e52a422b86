//! Waits that end: tickets, shutdown, and stores that panic or hang.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use auditlog::prelude::*;
use auditlog::{Error, Page, Query, Store, StoreError};
use futures::executor::block_on;

/// Runs `run` in another thread; `None` if it does not end in time.
fn within<T: Send + 'static>(
    time: Duration,
    run: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    result.recv_timeout(time).ok()
}

#[test]
fn the_result_of_a_ticket_is_taken_once() {
    let results = within(Duration::from_secs(20), || {
        let log = AuditLog::builder().build();
        let mut ticket = log.event("x").submit();
        let first = block_on(&mut ticket);
        let again = block_on(&mut ticket);
        (first, again, ticket.wait())
    });
    let (first, again, waited) = results.expect("no wait without an end");
    assert!(first.unwrap().is_recorded());
    assert!(matches!(again, Err(Error::ResultTaken)));
    assert!(matches!(waited, Err(Error::ResultTaken)));
}

#[derive(Debug)]
struct Panics;

impl Store for Panics {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        panic!("the store")
    }

    fn find(&self, _: &Query) -> Result<Page, StoreError> {
        panic!("the store")
    }

    fn flush(&self) -> Result<(), StoreError> {
        panic!("the store")
    }
}

#[test]
fn an_entry_at_which_the_store_panicked_is_counted() {
    type Record = fn(&AuditLog) -> Result<Receipt, Error>;
    let record: [Record; 2] = [
        |log| log.event("x").record(),
        |log| log.event("x").submit().wait(),
    ];
    for record in record {
        let log = AuditLog::builder().store(Panics).on_error(FailOpen).build();
        let receipt = record(&log).unwrap();
        assert!(matches!(receipt, Receipt::Spooled(_)), "{receipt:?}");
        let stats = log.stats();
        assert_eq!(
            (stats.failed, stats.spooled + stats.lost),
            (1, 1),
            "{stats:?}"
        );
        assert!(log.flush().is_err());

        let log = AuditLog::builder().store(Panics).build();
        assert!(record(&log).unwrap_err().is_unconfirmed());
        assert_eq!(log.stats().failed, 1);
    }
}

/// Keeps nothing and never returns.
#[derive(Debug)]
struct Blocks;

impl Store for Blocks {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        loop {
            thread::park();
        }
    }

    fn find(&self, _: &Query) -> Result<Page, StoreError> {
        Ok(Page::default())
    }
}

#[test]
fn the_end_of_a_program_is_bounded() {
    let ended = within(Duration::from_secs(20), || {
        let log = AuditLog::builder().store(Blocks).build();
        drop(log.event("x").submit());
        let ended = log.shutdown_within(Duration::from_millis(50));
        let refused = log.event("y").record();
        (ended, refused)
    });
    let (ended, refused) = ended.expect("no wait without an end");
    assert!(
        matches!(ended, Err(Error::ShutdownTimedOut { .. })),
        "{ended:?}"
    );
    assert!(matches!(refused, Err(Error::ShutDown)));
}

#[test]
fn a_shutdown_in_time_keeps_everything() {
    let store = MemoryStore::new();
    let log = AuditLog::builder().store(store.clone()).build();
    for _ in 0..100 {
        drop(log.event("x").submit());
    }
    log.shutdown_within(Duration::from_secs(20)).unwrap();
    assert_eq!(store.query().count().unwrap(), 100);
    log.shutdown().unwrap();
}
