//! Queries: invalid ones, and those that are awaited, which block no thread.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use audit_testkit::entries;
use auditlog::{Error, LogEntry, MemoryStore, Page, Query, Store, StoreError, testing};
use futures::executor::block_on;

#[test]
fn they_return_what_the_others_return() {
    let store = Arc::new(MemoryStore::new());
    store.append(&entries(1_300, 1)).unwrap();
    let query = || Query::of(store.clone()).newest_first();
    for query in [
        query(),
        query().model_name("User"),
        query().limit(700),
        query().limit(0),
        query().text("no such text"),
    ] {
        let all = query.clone().all().unwrap();
        assert_eq!(block_on(query.clone().all_async()).unwrap(), all);
        assert_eq!(
            block_on(query.clone().first_async()).unwrap().as_ref(),
            all.first()
        );
        assert_eq!(
            block_on(query.clone().page_async()).unwrap(),
            query.clone().page().unwrap()
        );
        assert_eq!(
            block_on(query.clone().count_async()).unwrap(),
            query.count().unwrap()
        );
    }
    let error = block_on(query().changed("items[").all_async()).unwrap_err();
    assert!(matches!(error, Error::Query { .. }), "{error:?}");
}

#[test]
fn times_are_chronos_the_systems_or_texts() {
    use std::time::{Duration, SystemTime};

    let audit = testing::capture();
    let now = chrono::DateTime::<chrono::Utc>::from(SystemTime::now());
    for (name, hours) in [("old", 3), ("new", 1)] {
        let time = now - chrono::TimeDelta::hours(hours);
        auditlog::event(name).at(time).record().unwrap();
    }
    let names = |query: Query| -> Vec<String> {
        let found = query.all().unwrap().into_iter();
        found.map(|entry| entry.action.to_string()).collect()
    };
    let query = || audit.log().query();
    let system = SystemTime::now() - Duration::from_secs(2 * 3600);
    assert_eq!(names(query().since("2h")), ["new"]);
    assert_eq!(names(query().since(String::from("2h"))), ["new"]);
    assert_eq!(names(query().since(system)), ["new"]);
    assert_eq!(
        names(query().since(now - chrono::TimeDelta::hours(2))),
        ["new"]
    );
    assert_eq!(names(query().until("2h")), ["old"]);
    assert_eq!(names(query().since("1d").until("now")), ["old", "new"]);

    let typo = || query().since("2 hours");
    let expected = "the query is invalid: `2 hours` is not a time; expected one such as \
                    2h, yesterday, 2026-01-31 or 2026-01-31T12:00:00Z";
    assert_eq!(typo().all().unwrap_err().to_string(), expected);
    let error = query().not(typo()).count().unwrap_err();
    assert!(
        matches!(error, Error::Store(StoreError::InvalidTime { .. })),
        "{error:?}"
    );
    // The text of an invalid query is invalid too, and not that of all entries.
    assert!(Query::parse(&typo().to_string()).is_err());
}

/// A store that answers when it is told to, or panics.
#[derive(Debug)]
struct Slow {
    go: Mutex<Receiver<bool>>,
}

impl Slow {
    fn new() -> (Sender<bool>, Arc<Self>) {
        let (sender, go) = channel();
        (sender, Arc::new(Self { go: Mutex::new(go) }))
    }
}

impl Store for Slow {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        Ok(())
    }

    fn find(&self, _: &Query) -> Result<Page, StoreError> {
        let answers = self.go.lock().unwrap().recv().unwrap();
        assert!(answers, "told to panic");
        Ok(Page::default())
    }
}

#[test]
fn a_store_that_blocks_does_not_block_who_awaits() {
    let (go, store) = Slow::new();
    let mut query = pin!(Query::of(store).all_async());
    let pending = query.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(pending.is_pending());
    go.send(true).unwrap();
    assert_eq!(block_on(query).unwrap(), []);
}

#[test]
fn a_store_that_panics_is_an_error() {
    let (go, store) = Slow::new();
    go.send(false).unwrap();
    let error = block_on(Query::of(store).count_async()).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[test]
fn a_query_for_what_is_no_path_is_an_error() {
    let _audit = testing::capture();
    let error = LogEntry::objects()
        .changed("a..b")
        .all()
        .expect_err("no path");
    assert_eq!(
        error.to_string(),
        "the query cannot be run: `a..b` is not a path: expected a name at column 3"
    );
}
