//! Views are recorded before they are shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_core::{Action, AuditLog, LogEntry, MemoryStore, Page, Query, Source, Store, StoreError};
use audit_sqlite::{SqliteOptions, SqliteStore};
use audit_web::{BuildError, Viewer};
use http::StatusCode;

use crate::sample::{Client, alice, company, own, paths};

fn recorded(store: &Arc<SqliteStore>) -> Vec<LogEntry> {
    let query = Query::of(Arc::<SqliteStore>::clone(store)).action(Action::Access);
    query.all().expect("entries")
}

fn client(store: &Arc<SqliteStore>) -> Client {
    let log = AuditLog::builder().store(Arc::clone(store)).build();
    let viewer = Viewer::builder(log).authorize(|_| alice().scope(company()));
    Client {
        viewer: viewer.build().expect("a viewer"),
    }
}

/// A client whose reader has no scope.
fn unrestricted(store: &Arc<impl Store + 'static>) -> Client {
    let log = AuditLog::builder().store(Arc::clone(store)).build();
    let viewer = Viewer::builder(log).authorize(|_| alice());
    Client {
        viewer: viewer.build().expect("a viewer"),
    }
}

#[test]
fn each_view_is_an_entry_with_the_reader_and_the_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(folder.path().join("audit.db")).expect("a store"));
    store.append(&own()).expect("appended");
    let client = client(&store);
    assert_eq!(recorded(&store).len(), 1, "the start");
    for (number, path) in paths().iter().enumerate() {
        let before = recorded(&store).len();
        client.get(path);
        let views = recorded(&store);
        assert_eq!(
            views.len(),
            before + usize::from(!path.starts_with("help")),
            "{number}: {path}"
        );
    }
    client.page("object?model=User&key=42&version=1");
    let view = recorded(&store).pop().expect("a view");
    assert_eq!(view.actor(), "alice");
    assert_eq!(view.additional_data["command"], "web object");
    assert_eq!(view.additional_data["parameters"]["key"], "42");
    assert!(client.page("search").contains("views are recorded"));
}

#[test]
fn records_name_the_service_of_the_log() {
    for (service, actor) in [(Some("billing"), "billing web"), (None, "auditlog web")] {
        let store = Arc::new(MemoryStore::new());
        let mut log = AuditLog::builder().store(Arc::clone(&store));
        if let Some(service) = service {
            log = log.source(Source::service(service).version("1.4.0"));
        }
        let viewer = Viewer::builder(log.build()).authorize(|_| alice());
        let client = Client {
            viewer: viewer.build().expect("a viewer"),
        };
        client.page("search");
        let entries = store.find(&Query::new()).expect("entries").entries;
        let commands: Vec<_> = entries
            .iter()
            .map(|entry| entry.additional_data["command"].clone())
            .collect();
        assert_eq!(commands, ["web start", "web search"]);
        assert_eq!([entries[0].actor(), entries[1].actor()], [actor, "alice"]);
        for entry in &entries {
            assert_eq!(entry.source.service.as_deref(), service);
        }
    }
}

#[test]
fn a_trail_that_cannot_be_written_is_shown_only_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.db");
    SqliteStore::open(&file)
        .expect("a store")
        .append(&own())
        .expect("appended");
    let store = SqliteOptions::new()
        .read_only()
        .open(&file)
        .expect("a store");
    let log = AuditLog::builder().store(store).build();
    let builder = || Viewer::builder(log.clone()).authorize(|_| alice());
    let error = builder().build().expect_err("no viewer");
    assert!(matches!(error, BuildError::Unrecorded { .. }), "{error}");
    assert!(error.to_string().contains("`unrecorded`"), "{error}");
    let client = Client {
        viewer: builder().unrecorded().build().expect("a viewer"),
    };
    assert!(client.page("search").contains("views are not recorded"));
    assert!(client.page("search").contains("bob@new.example"));
}

#[test]
fn a_view_that_cannot_be_recorded_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.db");
    let store = Arc::new(SqliteStore::open(&file).expect("a store"));
    store.append(&own()).expect("appended");
    let client = client(&store);
    client.page("search");
    // Another program makes the trail one that takes no entries.
    let connection = audit_sqlite::rusqlite::Connection::open(&file).expect("a database");
    connection
        .execute_batch(
            "CREATE TRIGGER no_more BEFORE INSERT ON audit_entry \
             BEGIN SELECT RAISE(ABORT, 'no more entries'); END",
        )
        .expect("a trigger");
    let answer = client.get("search");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.text.contains("bob@"), "{}", answer.text);
    assert!(!answer.text.contains("no more entries"), "{}", answer.text);
}

#[test]
fn a_refused_request_is_not_a_view() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(folder.path().join("audit.db")).expect("a store"));
    store.append(&own()).expect("appended");
    let client = client(&store);
    let before = recorded(&store).len();
    let repeated = client.get("search?q=actor:alice&q=actor:carol");
    assert_eq!(repeated.status, StatusCode::BAD_REQUEST);
    let embedded = http::Request::get("/search").header("sec-fetch-site", "cross-site");
    let embedded = client.send(embedded.body(()).expect("a request"));
    assert_eq!(embedded.status, StatusCode::FORBIDDEN);
    assert_eq!(recorded(&store).len(), before);
}

#[test]
fn a_page_has_the_views_before_it_and_not_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(folder.path().join("audit.db")).expect("a store"));
    store.append(&own()).expect("appended");
    let client = unrestricted(&store);
    for number in 0..20 {
        let page = client.json("search.json?q=action:access&count=yes");
        assert_eq!(page["count"], number + 1, "the start and {number} views");
        assert_eq!(page["entries"].as_array().map(Vec::len), Some(number + 1));
    }
}

#[test]
fn a_page_that_ends_before_its_own_view_has_no_next_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(folder.path().join("audit.db")).expect("a store"));
    let client = unrestricted(&store);
    // The start and the views before.
    for number in 1..40 {
        let page = client.json(&format!("search.json?q=order:oldest+limit:{number}"));
        assert_eq!(page["entries"].as_array().map(Vec::len), Some(number));
        assert_eq!(page["next"], serde_json::Value::Null, "after {number}");
    }
    let page = client.json("search.json?q=order:oldest+limit:39");
    assert!(page["next"].is_string(), "{page}");
}

#[test]
fn the_store_page_has_its_own_view() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SqliteStore::open(folder.path().join("audit.db")).expect("a store"));
    let client = unrestricted(&store);
    for _ in 0..20 {
        let page = client.json("trust.json");
        let trail = store.as_trail().expect("a trail");
        let now = trail.position().expect("a position");
        let now = serde_json::to_value(now).expect("JSON");
        assert_eq!(page["position"], now);
    }
}

/// A store that appends entries while a query that began later ends, or fails then.
#[derive(Debug)]
struct Waiting {
    inner: MemoryStore,
    found: Mutex<Sender<()>>,
    appending: Mutex<Receiver<()>>,
    is_full: AtomicBool,
}

impl Store for Waiting {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        let appending = self.appending.lock().expect("a receiver");
        let waited = appending.recv_timeout(Duration::from_secs(30));
        waited.expect("a query while the view is stored");
        if self.is_full.load(Ordering::Relaxed) {
            let operation = "append to a full store";
            return Err(StoreError::Unsupported { operation });
        }
        self.inner.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let found = self.inner.find(query);
        let sender = self.found.lock().expect("a sender");
        sender.send(()).expect("a receiver");
        found
    }
}

#[test]
fn a_page_is_made_while_its_view_is_stored_and_sent_after_it() {
    const ROW: &str = "<tr class=\"entry";
    let (sender, receiver) = channel();
    // For the record of the start.
    sender.send(()).expect("a receiver");
    let store = Arc::new(Waiting {
        inner: MemoryStore::new(),
        found: Mutex::new(sender),
        appending: Mutex::new(receiver),
        is_full: AtomicBool::new(false),
    });
    store.inner.append(&own()).expect("appended");
    let client = unrestricted(&store);
    let count = || store.inner.count(&Query::new()).expect("a count");
    let before = count();
    assert!(client.page("search?q=limit:1").contains(ROW));
    assert_eq!(count(), before + 1);
    store.is_full.store(true, Ordering::Relaxed);
    let answer = client.get("search?q=limit:1");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.text.contains(ROW), "{}", answer.text);
}
