//! The page of the store: its check and its facts.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use audit_core::health::Health;
use audit_core::{
    AuditLog, Batch, Follow, LogEntry, MemoryStore, Page, Position, Query, Store, StoreError,
    TrailStore,
};
use audit_web::Viewer;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sample::{Client, alice, own};
use crate::{keep_lines, logged};

/// The result of a check that a test allows to end.
#[derive(Clone, Debug)]
enum Outcome {
    Healthy,
    Fails,
    Panics,
}

/// A store whose checks wait for the test.
#[derive(Debug, Default)]
struct Checked {
    inner: MemoryStore,
    begun: AtomicUsize,
    outcomes: Mutex<Vec<Outcome>>,
    released: Condvar,
    /// Whether entries and models cannot be read.
    is_damaged: AtomicBool,
    is_full: AtomicBool,
}

impl Checked {
    fn release(&self, outcome: Outcome) {
        self.outcomes.lock().expect("no panic").push(outcome);
        self.released.notify_all();
    }

    fn check_rows(&self) -> Result<(), StoreError> {
        if self.is_damaged.load(Ordering::Relaxed) {
            return Err(StoreError::Full {
                location: "row 1 of the facts".to_owned(),
            });
        }
        Ok(())
    }
}

impl Store for Checked {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Full {
                location: "the disk of the trail".to_owned(),
            });
        }
        self.inner.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.check_rows()?;
        self.inner.find(query)
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }
}

impl Follow for Checked {
    fn position(&self) -> Result<Position, StoreError> {
        self.inner.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.inner.committed_after(at, limit)
    }
}

impl TrailStore for Checked {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.inner.by_ids(ids)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.inner.with_id_prefix(prefix, limit)
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.inner.with_id_suffix(suffix, limit)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.check_rows()?;
        self.inner.models()
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let outcomes = self.outcomes.lock().expect("no panic");
        let mut outcomes = self
            .released
            .wait_while(outcomes, |outcomes| outcomes.is_empty())
            .expect("no panic");
        let outcome = outcomes.remove(0);
        drop(outcomes);
        match outcome {
            Outcome::Healthy => self.inner.health(queries),
            Outcome::Fails => Err(StoreError::Io {
                location: "the disk of the check".to_owned(),
                source: Arc::new(io::Error::other("a bad sector")),
            }),
            Outcome::Panics => panic!("a check as planned"),
        }
    }
}

fn client(deadline: Duration) -> (Arc<Checked>, Client) {
    let store = Arc::new(Checked::default());
    store.append(&own()).expect("appended");
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let viewer = Viewer::builder(log)
        .authorize(|_| alice())
        .unrecorded()
        .deadline(deadline);
    let viewer = viewer.build().expect("a viewer");
    (store, Client { viewer })
}

/// Gets the page of the store until no check runs.
fn result(client: &Client) -> Value {
    loop {
        let page = client.json("trust.json");
        if page["check_running_since"].is_null() {
            return page;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_check_that_takes_longer_than_a_request_has_a_result() {
    let (store, client) = client(Duration::from_millis(400));
    assert!(client.page("trust").contains("Check the store now"));
    for path in ["trust?check=yes", "trust?check=yes", "trust"] {
        let page = client.page(path);
        assert!(page.contains("A check has been running since"), "{page}");
        assert!(!page.contains("Check the store now"), "{page}");
    }
    assert_eq!(store.begun.load(Ordering::Relaxed), 1);
    store.release(Outcome::Healthy);
    let page = result(&client);
    assert_eq!(page["entries"], 4);
    assert_eq!(page["location"], "memory");
    assert!(page["engine"]["name"].is_string(), "{page}");
    assert_eq!(page["problems"], json!([]));
    let page = client.page("trust");
    for text in ["No problem found.", "4 entries were read.", "Last check:"] {
        assert!(page.contains(text), "{text} is missing in {page}");
    }
    assert_eq!(store.begun.load(Ordering::Relaxed), 1);
}

#[test]
fn a_short_check_has_its_result_on_the_page_that_starts_it() {
    let (store, client) = client(Duration::from_secs(600));
    store.release(Outcome::Healthy);
    let page = client.page("trust?check=yes");
    assert!(page.contains("No problem found."), "{page}");
}

#[test]
fn a_check_that_fails_is_logged_and_the_next_one_starts() {
    keep_lines();
    let (store, client) = client(Duration::from_secs(600));
    for (outcome, line) in [
        (Outcome::Fails, "a bad sector"),
        (Outcome::Panics, "a check as planned"),
    ] {
        store.release(outcome);
        let answer = client.get("trust?check=yes");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let page = answer.text;
        assert!(
            page.contains("The log of the program has the reason."),
            "{page}"
        );
        assert!(!page.contains(line), "{page}");
        assert_eq!(result(&client)["check_failed"], true);
        assert!(logged(line).starts_with("ERROR"));
    }
    store.release(Outcome::Healthy);
    client.page("trust?check=yes");
    assert_eq!(result(&client)["check_failed"], false);
}

#[test]
fn a_fact_that_cannot_be_read_is_named_and_the_others_are_shown() {
    keep_lines();
    let (store, client) = client(Duration::from_secs(600));
    assert_eq!(client.json("trust.json")["unreadable"], json!([]));
    store.is_damaged.store(true, Ordering::Relaxed);
    let page = client.page("trust");
    for text in [
        "Oldest entry</dt><dd><strong class=\"tag bad\">not readable",
        "Models</dt><dd><strong class=\"tag bad\">not readable",
        "Position of the newest entry</dt><dd><code>",
        "Check the store now",
    ] {
        assert!(page.contains(text), "{text} is missing in {page}");
    }
    let facts = client.json("trust.json");
    assert_eq!(
        facts["unreadable"],
        json!(["models", "oldest", "last_removal"])
    );
    assert!(facts["position"].is_string(), "{facts}");
    assert!(logged("the oldest entry of the store cannot be read").contains("row 1 of the facts"));
    // The registered models need no store.
    let models = client.page("schema");
    assert!(models.contains("Other models in the trail") && models.contains("not readable"));
    assert_eq!(client.json("schema.json")["others"], Value::Null);
}

#[test]
fn a_check_does_not_begin_without_the_record_of_its_view() {
    let store = Arc::new(Checked::default());
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let viewer = Viewer::builder(log).authorize(|_| alice());
    let client = Client {
        viewer: viewer.build().expect("a viewer"),
    };
    store.is_full.store(true, Ordering::Relaxed);
    let answer = client.get("trust?check=yes");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    store.is_full.store(false, Ordering::Relaxed);
    let page = client.json("trust.json");
    assert_eq!(page["check_running_since"], Value::Null);
    assert_eq!(store.begun.load(Ordering::Relaxed), 0);
}
