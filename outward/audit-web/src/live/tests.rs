//! Streams over a store in memory.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};

use audit_core::health::Health;
use audit_core::{Actor, Batch, Follow, MemoryStore, Page, Query, Store, StoreError, TrailStore};
use bytes::Bytes;
use futures::executor::block_on;
use uuid::Uuid;

use super::stream::write_event;
use super::*;
use crate::access::Access;
use crate::request::Format;
use crate::terms::Terms;
use crate::texts::Selected;

fn log() -> AuditLog {
    AuditLog::builder().store(MemoryStore::new()).build()
}

fn append(log: &AuditLog, models: &[&str]) {
    let entry = |model: &&str| LogEntry::new("update", *model, "1", "an object");
    let entries: Vec<_> = models.iter().map(entry).collect();
    log.store().append(&entries).expect("appended");
}

fn opening(query: &str) -> Opening {
    let access = Access::reader(Actor::user("alice"));
    Opening {
        grant: access.grant.expect("a grant"),
        query: Query::parse(query).expect("a query"),
        format: Format::Json,
        selected: Selected::default(),
        position: Position::START,
        first: Vec::new(),
        has_more: false,
        is_resumed: false,
    }
}

fn next(receiver: &Receiver) -> Option<Result<Bytes, ()>> {
    block_on(poll_fn(|context| receiver.poll(context)))
}

/// Takes events until they contain a text.
fn until(receiver: &Receiver, text: &str) -> String {
    let mut events = String::new();
    while !events.contains(text) {
        let taken = next(receiver).expect("a stream").expect("no failure");
        events.push_str(std::str::from_utf8(&taken).expect("UTF-8"));
    }
    events
}

#[test]
fn entries_are_sent_once_in_the_order_of_commits() {
    let log = log();
    append(&log, &["Before"]);
    let live = Live::start(log.clone(), LiveLimits::default()).expect("a thread");
    let receiver = live.open(opening("NOT model:Other")).expect("a stream");
    append(&log, &["First", "Other", "Second"]);
    append(&log, &["Last"]);
    let events = until(&receiver, "Last");
    assert!(!events.contains("Other"), "{events}");
    let at = ["Before", "First", "Second", "Last"].map(|model| {
        assert_eq!(events.matches(model).count(), 1, "{model} in {events}");
        events.find(model)
    });
    assert!(at.is_sorted(), "{events}");
}

#[test]
fn more_streams_than_permitted_are_not_opened() {
    let limits = LiveLimits {
        streams: 1,
        ..LiveLimits::default()
    };
    let live = Live::start(log(), limits).expect("a thread");
    let first = live.open(opening("")).expect("a stream");
    let second = live.open(opening(""));
    assert_eq!(second.err(), Some(NotOpened::Full));
    drop(first);
    assert!(live.open(opening("")).is_ok());
}

#[test]
fn a_stream_whose_client_takes_nothing_ends_without_its_events() {
    keep_lines();
    let limits = LiveLimits {
        patience: Duration::ZERO,
        ..LiveLimits::default()
    };
    let log = log();
    let live = Live::start(log.clone(), limits).expect("a thread");
    // Its first events stay in the buffer, since nothing polls it.
    let receiver = live.open(opening("")).expect("a stream");
    while !receiver.has_ended() {
        thread::yield_now();
    }
    append(&log, &["Late"]);
    assert_eq!(next(&receiver), Some(Err(())));
    assert_eq!(next(&receiver), None);
    let expected = "the live stream of `alice` ends: the client took nothing for 0 s";
    let lines = LINES.0.lock().expect("no panic");
    assert!(lines.iter().any(|found| found == expected), "{lines:?}");
}

/// Keeps the lines that are logged.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        self.0.lock().expect("no panic").push(line);
    }

    fn flush(&self) {}
}

/// Keeps lines from now on.
fn keep_lines() {
    // Another test may have set the logger.
    log::set_logger(&LINES).ok();
    log::set_max_level(log::LevelFilter::Info);
}

#[test]
fn a_slow_client_holds_the_events_of_one_read() {
    let log = log();
    let live = Live::start(log.clone(), LiveLimits::default()).expect("a thread");
    let receiver = live.open(opening("")).expect("a stream");
    append(&log, &vec!["Model"; 4_000]);
    append(&log, &["Last"]);
    let mut largest = 0;
    let mut entries = 0;
    loop {
        let events = next(&receiver).expect("a stream").expect("no failure");
        largest = largest.max(events.len());
        let text = std::str::from_utf8(&events).expect("UTF-8");
        entries += text.matches("id: ").count();
        if text.contains("Last") {
            break;
        }
    }
    assert_eq!(entries, 4_001);
    assert!(largest < 2 * BUFFER, "{largest}");
}

/// Returns an entry whose canonical form has about a number of bytes.
fn large(bytes: usize) -> LogEntry {
    let mut entry = LogEntry::new("update", "Large", "1", "an object");
    entry.reason = Some("x".repeat(bytes));
    entry
}

#[test]
fn a_large_entry_is_an_event_without_its_content() {
    let log = log();
    let live = Live::start(log.clone(), LiveLimits::default()).expect("a thread");
    let mut receivers = [Format::Json, Format::Html].map(|format| {
        let opening = Opening {
            format,
            ..opening("")
        };
        live.open(opening).expect("a stream")
    });
    let entries = [large(EVENT / 2), large(8 << 20)];
    log.store().append(&entries).expect("appended");
    append(&log, &["Last"]);
    let [json, html] = receivers.each_mut().map(|receiver| until(receiver, "Last"));
    let id = entries[1].id;
    let event = format!("id: {id}\nevent: large\ndata: {{\"bytes\":");
    assert!(json.contains(&event), "{json}");
    assert!(json.len() < 2 * BUFFER, "{}", json.len());
    assert_eq!(json.matches("x".repeat(EVENT / 2).as_str()).count(), 1);
    // A row has the beginning of the reason.
    assert!(!html.contains("event: large") && html.contains(&id.to_string()));
}

#[test]
fn the_first_events_are_bounded_and_the_newest() {
    let log = log();
    let live = Live::start(log, LiveLimits::default()).expect("a thread");
    for is_resumed in [false, true] {
        let first: Vec<_> = (0..200).map(|_| large(EVENT / 2)).collect();
        let (newest, oldest) = (first[0].id, first[199].id);
        let opening = Opening {
            first,
            is_resumed,
            ..opening("")
        };
        let receiver = live.open(opening).expect("a stream");
        let events = next(&receiver).expect("a stream").expect("no failure");
        assert!(events.len() < FIRST + 200, "{}", events.len());
        let events = std::str::from_utf8(&events).expect("UTF-8");
        assert!(events.contains(&newest.to_string()) && !events.contains(&oldest.to_string()));
        let ends = events.trim_end().rsplit("\n\n").next().expect("an event");
        assert!(ends.contains(&newest.to_string()), "oldest first");
        assert_eq!(events.contains("event: reset"), is_resumed);
    }
}

#[test]
fn the_end_of_the_viewer_ends_the_streams() {
    let live = Live::start(log(), LiveLimits::default()).expect("a thread");
    let receiver = live.open(opening("")).expect("a stream");
    next(&receiver).expect("a stream").expect("its start");
    live.close();
    assert_eq!(next(&receiver), None);
    assert_eq!(live.open(opening("")).err(), Some(NotOpened::Closed));
}

#[test]
fn a_stream_ends_after_its_lifetime() {
    let limits = LiveLimits {
        lifetime: Duration::ZERO,
        ..LiveLimits::default()
    };
    let live = Live::start(log(), limits).expect("a thread");
    let receiver = live.open(opening("")).expect("a stream");
    next(&receiver).expect("a stream").expect("its start");
    assert_eq!(next(&receiver), None);
}

#[test]
fn an_idle_stream_sends_comments() {
    let limits = LiveLimits {
        heartbeat: Duration::ZERO,
        ..LiveLimits::default()
    };
    let live = Live::start(log(), limits).expect("a thread");
    let receiver = live.open(opening("")).expect("a stream");
    until(&receiver, "\n\n:\n\n");
}

#[test]
fn line_ends_do_not_begin_fields() {
    let mut entry = LogEntry::new("update", "Model", "1", "x\r\nevent: reset\ndata: forged");
    entry.model = "a\nid: forged\r\r".to_owned();
    let log = log();
    for format in [Format::Html, Format::Json] {
        let mut events = String::new();
        write_event(
            &mut events,
            format,
            &entry,
            &Labels::of(&log),
            &Terms::default(),
        );
        let mut lines = events.lines();
        assert_eq!(lines.next(), Some(&*format!("id: {}", entry.id)));
        let mut rest: Vec<_> = lines.collect();
        assert_eq!(rest.pop(), Some(""));
        assert!(
            rest.iter().all(|line| line.starts_with("data: ")),
            "{rest:?}"
        );
        assert!(!events.contains('\r'));
    }
}

/// A store in memory whose next read by a follower panics on request.
#[derive(Clone, Debug, Default)]
struct PanickingStore {
    inner: MemoryStore,
    panics: Arc<AtomicBool>,
}

impl Store for PanickingStore {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.inner.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner.find(query)
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }
}

impl Follow for PanickingStore {
    fn position(&self) -> Result<Position, StoreError> {
        self.inner.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "as planned");
        self.inner.committed_after(at, limit)
    }
}

impl TrailStore for PanickingStore {
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
        self.inner.models()
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.inner.health(queries)
    }
}

#[test]
fn a_panic_ends_the_streams_of_its_round_alone() {
    keep_lines();
    let store = PanickingStore::default();
    let log = AuditLog::builder().store(store.clone()).build();
    let live = Live::start(log.clone(), LiveLimits::default()).expect("a thread");
    let receiver = live.open(opening("")).expect("a stream");
    append(&log, &["Before"]);
    until(&receiver, "Before");
    store.panics.store(true, Ordering::Relaxed);
    append(&log, &["Unsent"]);
    // The client connects again after an error.
    while next(&receiver).expect("a stream").is_ok() {}
    assert_eq!(next(&receiver), None);
    let expected = "the live streams end because their thread panicked: as planned";
    let lines = LINES.0.lock().expect("no panic").clone();
    assert!(lines.iter().any(|found| found == expected), "{lines:?}");
    let receiver = live.open(opening("")).expect("a stream");
    append(&log, &["After"]);
    until(&receiver, "After");
}
