//! Slow stores, slow clients, and requests that their clients cancel.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use audit_core::{Actor, AuditLog, LogEntry, MemoryStore, Page, Query, Store, StoreError};
use audit_testkit::FaultStore;
use audit_web::{Access, Body, Viewer, ViewerBuilder};
use futures::executor::block_on;
use futures::future::poll_fn;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use tower_service::Service;

use crate::sample::{Client, alice, entry, id, own};
use crate::{keep_lines, logged, sample};

type SlowStore = Arc<FaultStore<MemoryStore>>;

/// Returns a store, and a viewer that records its views there.
fn slow(
    entries: &[LogEntry],
    set: impl FnOnce(ViewerBuilder<audit_web::Authorizer>) -> ViewerBuilder<audit_web::Authorizer>,
) -> (SlowStore, Viewer) {
    let memory = MemoryStore::new();
    memory.append(entries).expect("appended");
    let store = Arc::new(FaultStore::new(memory));
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    (store, set(by_extension(log)).build().expect("a viewer"))
}

/// Returns a builder of a viewer whose reader is an extension of the request.
fn by_extension(log: AuditLog) -> ViewerBuilder<audit_web::Authorizer> {
    Viewer::builder(log).authorize(|request| {
        let reader = request.extensions.get::<Actor>().cloned();
        reader.map_or_else(Access::denied, |reader| {
            Access::reader(reader).allow_export()
        })
    })
}

/// Sends a request of Alice.
fn send(viewer: &Viewer, path: &str) -> audit_web::Responding {
    send_as("alice", viewer, path)
}

fn send_as(reader: &str, viewer: &Viewer, path: &str) -> audit_web::Responding {
    let request = Request::get(path).extension(Actor::user(reader));
    viewer.clone().call(request.body(()).expect("a request"))
}

fn status(response: audit_web::Responding) -> StatusCode {
    block_on(response).expect("no error").status()
}

/// Waits until a number of appends have begun.
fn wait_for_appends(store: &SlowStore, number: u64) {
    while store.appends() < number {
        thread::yield_now();
    }
}

#[test]
fn a_number_of_requests_runs_at_once_and_a_number_waits() {
    let (store, viewer) = slow(&own(), |viewer| viewer.concurrency(2).waiting(3));
    store.hold_appends();
    let started = store.appends();
    let readers = ["a", "b", "c", "d", "e"];
    let running = readers.map(|reader| send_as(reader, &viewer, "/search"));
    wait_for_appends(&store, started + 2);
    let rejected = block_on(send_as("f", &viewer, "/search")).expect("no error");
    assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rejected.headers()["retry-after"], "1");
    let text = sample::read(rejected.into_body());
    assert!(String::from_utf8_lossy(&text).contains("The viewer is busy. Try again."));
    // Each request appends the record of its view first.
    assert_eq!(store.appends(), started + 2);
    store.heal();
    for response in running {
        assert_eq!(status(response), StatusCode::OK);
    }
}

/// Checks that a request is rejected by a limit for one reader, which the page names.
fn assert_limited(response: audit_web::Responding, message: &str) {
    let response = block_on(response).expect("no error");
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key("retry-after"));
    let text = sample::read(response.into_body());
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(message), "{text}");
}

#[test]
fn one_reader_does_not_occupy_the_threads_and_the_queue() {
    let (store, viewer) = slow(&own(), |viewer| viewer.concurrency(2).waiting(4));
    store.hold_appends();
    let started = store.appends();
    let running: Vec<_> = (0..3).map(|_| send(&viewer, "/search")).collect();
    wait_for_appends(&store, started + 1);
    assert_limited(send(&viewer, "/search"), "At most 3 requests of one reader");
    // The second thread serves another reader.
    let other = send_as("bob", &viewer, "/search");
    wait_for_appends(&store, started + 2);
    store.heal();
    assert_eq!(status(other), StatusCode::OK);
    for response in running {
        assert_eq!(status(response), StatusCode::OK);
    }
}

#[test]
fn one_reader_does_not_have_all_exports_and_streams() {
    let viewer = by_extension(sample::log(&many()))
        .exports(4)
        .live_streams(4);
    let viewer = viewer.build().expect("a viewer");
    let _exports = [(); 2].map(|()| export(&viewer));
    assert_limited(
        send(&viewer, "/export?q="),
        "At most 2 exports of one reader",
    );
    export_as("bob", &viewer);
    let open = |reader: &str| {
        let opened = block_on(send_as(reader, &viewer, "/events?q=")).expect("no error");
        assert_eq!(opened.status(), StatusCode::OK);
        opened
    };
    let _streams = [(); 2].map(|()| open("alice"));
    assert_limited(
        send(&viewer, "/events?q="),
        "At most 2 live streams of one reader",
    );
    open("bob");
}

#[test]
fn the_only_reader_may_use_all_threads() {
    let memory = MemoryStore::new();
    let store = Arc::new(FaultStore::new(memory));
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let viewer = Viewer::builder(log).loopback_only().concurrency(2);
    let viewer = viewer.build().expect("a viewer");
    store.hold_appends();
    let started = store.appends();
    let peer: std::net::SocketAddr = "127.0.0.1:4000".parse().expect("an address");
    let running = [(); 2].map(|()| {
        let request = Request::get("/search").header("host", "localhost");
        let request = request.extension(peer).body(()).expect("a request");
        viewer.clone().call(request)
    });
    wait_for_appends(&store, started + 2);
    store.heal();
    assert_eq!(running.map(status), [StatusCode::OK; 2]);
}

#[test]
fn requests_without_a_queue_are_served_by_free_threads() {
    let (_, viewer) = slow(&own(), |viewer| {
        viewer.concurrency(1).waiting(0).deadline(Duration::MAX)
    });
    for _ in 0..20 {
        assert_eq!(status(send(&viewer, "/search")), StatusCode::OK);
    }
}

#[test]
fn a_request_that_takes_too_long_times_out() {
    let (store, viewer) = slow(&own(), |viewer| {
        viewer.concurrency(1).deadline(Duration::from_millis(20))
    });
    store.hold_appends();
    for path in ["/search", "/search.json"] {
        let response = block_on(send(&viewer, path)).expect("no error");
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let text = sample::read(response.into_body());
        let text = String::from_utf8_lossy(&text).into_owned();
        let message = "This page took too long. Narrow the query by model, actor or time";
        assert!(text.contains(message), "{text}");
    }
    store.heal();
}

#[test]
fn a_request_whose_client_disconnects_does_not_run() {
    let (store, viewer) = slow(&own(), |viewer| viewer.concurrency(1).waiting(1));
    store.hold_appends();
    let started = store.appends();
    let running = send(&viewer, "/search");
    wait_for_appends(&store, started + 1);
    for _ in 0..50 {
        drop(send(&viewer, "/search"));
    }
    // The queue is free again.
    let waiting = send(&viewer, "/search");
    store.heal();
    assert_eq!(status(running), StatusCode::OK);
    assert_eq!(status(waiting), StatusCode::OK);
    assert_eq!(store.appends(), started + 2);
}

/// Returns entries whose export has more than two chunks of 4 MB.
fn many() -> Vec<LogEntry> {
    let entries = (0..10).map(|number| {
        let mut entry = entry(1, "update", "User", "42", "alice");
        entry.id = id(number);
        entry.reason = Some("x".repeat(1 << 20));
        entry
    });
    entries.collect()
}

fn export(viewer: &Viewer) -> Response<Body> {
    export_as("alice", viewer)
}

fn export_as(reader: &str, viewer: &Viewer) -> Response<Body> {
    let response = send_as(reader, viewer, "/export?q=&as=jsonl");
    let response = block_on(response).expect("no error");
    assert_eq!(response.status(), StatusCode::OK);
    response
}

/// Takes one frame of a body.
fn frame(body: &mut Body) -> Option<Result<usize, audit_web::BodyError>> {
    let frame = block_on(poll_fn(|context| Pin::new(&mut *body).poll_frame(context)))?;
    Some(frame.map(|frame| frame.data_ref().expect("data").len()))
}

#[test]
fn a_slow_client_of_an_export_occupies_no_thread() {
    let (_, viewer) = slow(&many(), |viewer| viewer.concurrency(1).waiting(1));
    let mut body = export(&viewer).into_body();
    let mut sizes = Vec::new();
    loop {
        // The client takes nothing while other requests are served.
        assert_eq!(status(send(&viewer, "/overview")), StatusCode::OK);
        let Some(size) = frame(&mut body) else {
            break;
        };
        sizes.push(size.expect("a chunk"));
    }
    assert!(sizes.iter().all(|size| *size <= 256 * 1024), "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() > 10 << 20, "{sizes:?}");
}

#[test]
fn a_number_of_exports_is_open_at_once() {
    let (_, viewer) = slow(&many(), |viewer| viewer.exports(2));
    let first = export_as("a", &viewer);
    let second = export_as("b", &viewer);
    assert_eq!(
        status(send(&viewer, "/export?q=")),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(status(send(&viewer, "/search")), StatusCode::OK);
    drop(first);
    let third = export_as("c", &viewer);
    for response in [second, third] {
        let mut body = response.into_body();
        while let Some(size) = frame(&mut body) {
            size.expect("a chunk");
        }
    }
}

#[test]
fn an_export_that_ends_early_is_logged_and_an_error() {
    keep_lines();
    let reader = |name: &'static str| {
        let memory = MemoryStore::new();
        memory.append(&many()).expect("appended");
        let store = Arc::new(FaultStore::new(memory));
        let log = AuditLog::builder().store(Arc::clone(&store)).build();
        let viewer =
            Viewer::builder(log).authorize(move |_| audit_web::Access::reader(name).allow_export());
        (store, viewer.build().expect("a viewer"))
    };
    let (store, viewer) = reader("reader of a failing store");
    let mut body = export(&viewer).into_body();
    store.fail_reads(StoreError::Full {
        location: "the disk".to_owned(),
    });
    let mut frames: Vec<_> = std::iter::from_fn(|| frame(&mut body)).collect();
    assert!(frames.pop().is_some_and(|last| last.is_err()));
    assert!(!frames.is_empty() && frames.iter().all(Result::is_ok));
    let line = logged("reader of a failing store");
    assert!(
        line.contains("ended early") && line.contains("no space left"),
        "{line}"
    );

    let (_, viewer) = reader("reader who disconnects");
    let mut body = export(&viewer).into_body();
    assert!(matches!(frame(&mut body), Some(Ok(_))));
    drop(body);
    let line = logged("reader who disconnects");
    assert!(line.contains("the client disconnected"), "{line}");
}

#[test]
fn exports_end_when_the_service_shuts_down() {
    keep_lines();
    let (_, viewer) = slow(&many(), |viewer| viewer);
    let mut body = export_as("reader at the shutdown", &viewer).into_body();
    assert!(matches!(frame(&mut body), Some(Ok(_))));
    viewer.close_streams();
    // An error, so that the client does not take the part for a complete export.
    assert!(matches!(frame(&mut body), Some(Err(_))));
    assert!(frame(&mut body).is_none());
    let line = logged("reader at the shutdown");
    assert!(line.contains("the service is shutting down"), "{line}");
    let refused = status(send(&viewer, "/export?q="));
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(send(&viewer, "/search")), StatusCode::OK);
}

#[test]
fn the_store_page_shows_followers_and_their_lag() {
    let memory = MemoryStore::new();
    memory.append(&own()).expect("appended");
    let log = AuditLog::builder().store(memory).build();
    let viewer = Viewer::builder(log)
        .authorize(|_| alice())
        .unrecorded()
        .follower("search index", || Ok("start".parse()?))
        .follower("<archive>", || Err("no such file".into()));
    let client = Client {
        viewer: viewer.build().expect("a viewer"),
    };
    let page = client.page("trust");
    assert!(
        page.contains("4 entries") && page.contains("not readable"),
        "{page}"
    );
    assert!(
        page.contains("&lt;archive&gt;") && !page.contains("no such file"),
        "{page}"
    );
    let facts = client.json("trust.json");
    let oldest = chrono::SecondsFormat::Micros;
    let oldest = own()[0].timestamp.to_rfc3339_opts(oldest, true);
    assert_eq!(facts["oldest"], oldest);
    assert_eq!(facts["last_removal"], serde_json::Value::Null);
    assert!(
        page.contains("Last recorded removal</dt><dd>none"),
        "{page}"
    );
    let followers = &facts["followers"];
    assert_eq!(followers[0]["behind"], 4);
    assert_eq!(followers[1]["position"], serde_json::Value::Null);
}

#[test]
fn the_store_page_shows_the_last_removal() {
    let mut entries = own();
    for (number, query) in [(7, "until:2020-01-01"), (8, "level:<info")] {
        let mut record = entry(number, "prune", "", "", "carol");
        let data = &mut record.additional_data;
        data.insert("query".to_owned(), query.into());
        data.insert("count".to_owned(), 4_711.into());
        entries.push(record);
    }
    let client = sample::viewer(sample::log(&entries), alice());
    let page = client.page("trust");
    assert!(
        page.contains("4,711 entries") && page.contains("level:&lt;info"),
        "{page}"
    );
    assert!(
        page.contains("search?q=model:%22%22+action:prune"),
        "{page}"
    );
    let facts = client.json("trust.json");
    assert_eq!(facts["last_removal"]["id"], id(8).to_string());
    assert_eq!(
        facts["store"],
        "a store in memory; its entries are lost when the process exits"
    );
}

#[test]
fn a_viewer_ends_while_a_request_waits() {
    let (store, viewer) = slow(&own(), |viewer| viewer.concurrency(1));
    store.hold_appends();
    let started = store.appends();
    let mut running = send(&viewer, "/search");
    wait_for_appends(&store, started + 1);
    let pending = poll_fn(|context| Poll::Ready(Pin::new(&mut running).poll(context).is_pending()));
    assert!(block_on(pending));
    drop((running, viewer));
    store.heal();
    assert!(store.count(&Query::new()).is_ok());
}

/// Reads for ever until its query is cancelled.
#[derive(Clone, Debug, Default)]
struct EndlessStore {
    begun: Arc<AtomicUsize>,
}

impl Store for EndlessStore {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        Ok(())
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        loop {
            query.check()?;
            thread::yield_now();
        }
    }
}

#[test]
fn a_query_ends_with_its_request() {
    let log = AuditLog::builder().store(EndlessStore::default()).build();
    let viewer = Viewer::builder(log).authorize(|_| alice()).concurrency(1);
    let viewer = viewer.deadline(Duration::from_millis(20));
    let viewer = viewer.build().expect("a viewer");
    for path in ["/search", "/object?model=User&key=1", "/overview"] {
        assert_eq!(status(send(&viewer, path)), StatusCode::GATEWAY_TIMEOUT);
        // The only thread is free: a page without entries does not time out.
        while status(send(&viewer, "/help")) != StatusCode::OK {}
    }
}

#[test]
fn a_query_ends_with_its_client() {
    let store = EndlessStore::default();
    let log = AuditLog::builder().store(store.clone()).build();
    let viewer = Viewer::builder(log).authorize(|_| alice()).concurrency(1);
    let viewer = viewer.deadline(Duration::MAX).build().expect("a viewer");
    for number in 1..=3 {
        let mut running = send(&viewer, "/search");
        let pending =
            poll_fn(|context| Poll::Ready(Pin::new(&mut running).poll(context).is_pending()));
        assert!(block_on(pending));
        while store.begun.load(Ordering::Relaxed) < number {
            thread::yield_now();
        }
        drop(running);
        assert_eq!(status(send(&viewer, "/help")), StatusCode::OK);
    }
}

/// Panics when it is read, with a message that a test looks for.
#[derive(Debug)]
struct PanickingStore(&'static str);

impl Store for PanickingStore {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        Ok(())
    }

    fn find(&self, _: &Query) -> Result<Page, StoreError> {
        match self.0 {
            "a message" => panic!("a static message"),
            text => panic!("a message\u{202e} of {text}"),
        }
    }
}

#[test]
fn the_message_of_a_panic_is_logged_with_the_reader_and_the_page() {
    keep_lines();
    let viewer = |store: &'static str, reader: &'static str| {
        let log = AuditLog::builder().store(PanickingStore(store)).build();
        let viewer = Viewer::builder(log).authorize(move |_| Access::reader(reader));
        viewer.build().expect("a viewer")
    };
    let formatted = viewer("a table", "the reader of a table");
    let response = block_on(send(&formatted, "/overview")).expect("no error");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = sample::read(response.into_body());
    assert!(!String::from_utf8_lossy(&text).contains("a table"));
    let line = logged("the reader of a table");
    assert_eq!(
        line,
        "ERROR the page `overview` of `the reader of a table` panicked: \
         a message\\u{202e} of a table"
    );
    let fixed = viewer("a message", "the reader of a timeline");
    let (parts, ()) = Request::new(()).into_parts();
    let object = audit_core::ObjectRef::new("User", "42");
    let error = block_on(fixed.object_timeline(&parts, object)).expect_err("no timeline");
    assert!(matches!(error, audit_web::TimelineError::Panicked));
    let line = logged("the reader of a timeline");
    assert!(
        line.contains("`object_timeline`") && line.ends_with("a static message"),
        "{line}"
    );
}
