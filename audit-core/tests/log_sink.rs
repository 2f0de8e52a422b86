//! `LogSink`, `critical!` and filters: the records that reach the logger.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Once};

use audit_core::{
    Action, Actor, Change, Level, LogEntry, LogSink, Outcome, Path, Sink, SinkError, critical,
    sink_fn,
};
use log::kv::{self, Key, Value, VisitSource};
use serde_json::json;

#[derive(Debug)]
struct Line {
    level: log::Level,
    target: String,
    message: String,
    fields: BTreeMap<String, String>,
}

thread_local! {
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

struct Capture;

struct Collect<'m>(&'m mut BTreeMap<String, String>);

impl<'kvs> VisitSource<'kvs> for Collect<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

impl log::Log for Capture {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        !metadata.target().ends_with("::Muted")
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut fields = BTreeMap::new();
        record
            .key_values()
            .visit(&mut Collect(&mut fields))
            .unwrap();
        let line = Line {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.args().to_string(),
            fields,
        };
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

fn logged(run: impl FnOnce()) -> Vec<Line> {
    static SET: Once = Once::new();
    SET.call_once(|| {
        log::set_logger(&Capture).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
    LINES.take();
    run();
    LINES.take()
}

fn emitted(sink: &LogSink, entry: &LogEntry) -> Line {
    let mut lines = logged(|| sink.emit(entry).unwrap());
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn message(entry: &LogEntry) -> String {
    emitted(&LogSink::new(), entry).message
}

fn update() -> LogEntry {
    let mut entry = LogEntry::new(Action::Update, "User", "42", "bob");
    entry.actor = Some(Actor::from("alice"));
    entry.changes = [
        ("email", json!("a@old"), json!("a@new")),
        ("address.city", json!("Rome"), json!("Oslo")),
    ]
    .into_iter()
    .map(|(path, old, new)| Change::new(path.parse::<Path>().unwrap(), Some(old), Some(new)))
    .collect();
    entry
}

#[test]
fn a_message_reads_as_a_sentence() {
    assert_eq!(
        message(&update()),
        "alice updated User 42 (bob): email, address.city"
    );

    let mut plain = LogEntry::new("create", "User", "42", "User 42");
    assert_eq!(message(&plain), "(unknown) created User 42");
    plain.object_repr = "42".into();
    assert_eq!(message(&plain), "(unknown) created User 42");

    let mut bulk = update();
    bulk.object_pk.clear();
    bulk.object_repr.clear();
    assert_eq!(
        message(&bulk),
        "alice updated User in bulk: email, address.city"
    );

    bulk.object_repr = "User in bulk".into();
    assert!(message(&bulk).starts_with("alice updated User in bulk: "));

    let mut event = LogEntry::new("login_failed", "", "", "login_failed");
    event.actor = Some(Actor::service("sso").on_behalf_of("alice"));
    assert_eq!(message(&event), "sso on behalf of alice login_failed");
}

#[test]
fn failures_are_part_of_the_message() {
    let mut entry = update();
    entry.changes = audit_core::Changes::new();
    entry.outcome = Outcome::Failure;
    assert_eq!(message(&entry), "alice failed to update User 42 (bob)");
    entry.outcome = Outcome::Denied;
    assert_eq!(
        message(&entry),
        "alice was not allowed to update User 42 (bob)"
    );
    entry.action = "approve".into();
    assert_eq!(
        message(&entry),
        "alice was not allowed to perform approve on User 42 (bob)"
    );
    let mut event = LogEntry::new("login", "", "", "");
    event.outcome = Outcome::Failure;
    assert_eq!(message(&event), "(unknown) failed to perform login");
}

#[test]
fn fields_are_key_values_and_values_only_on_request() {
    let mut entry = update();
    entry.level = Level::Critical;
    entry.reason = Some("ticket 4711".into());
    entry.correlation_id = Some("req-1".into());
    entry.remote_addr = Some("192.0.2.1".parse().unwrap());
    let line = emitted(&LogSink::new(), &entry);
    assert_eq!(line.level, log::Level::Error);
    assert_eq!(line.target, "auditlog::User");
    let id = entry.id.to_string();
    let expected = [
        ("action", "update"),
        ("actor", "alice"),
        ("audit_id", &*id),
        ("changes", "email, address.city"),
        ("correlation_id", "req-1"),
        ("model", "User"),
        ("object_pk", "42"),
        ("object_repr", "bob"),
        ("outcome", "success"),
        ("reason", "ticket 4711"),
        ("remote_addr", "192.0.2.1"),
        ("severity", "CRITICAL"),
    ];
    let fields: Vec<_> = line.fields.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(fields, expected);
    assert!(!format!("{line:?}").contains("a@old"));

    let line = emitted(&LogSink::new().target("trail").with_values(), &entry);
    assert_eq!(line.target, "trail::User");
    assert_eq!(
        line.message,
        r#"alice updated User 42 (bob): email "a@old" -> "a@new", address.city "Rome" -> "Oslo""#
    );
    assert_eq!(
        line.fields["values"],
        r#"{"address.city":{"new":"Oslo","old":"Rome"},"email":{"new":"a@new","old":"a@old"}}"#
    );
}

#[test]
fn user_text_cannot_forge_a_line() {
    let mut entry = update();
    entry.object_repr = "bob\nERROR root deleted User 1\u{1b}[31m\u{2028}\u{202e}x".into();
    entry.model = "User\r\nx".into();
    entry.reason = Some("first\nsecond".into());
    entry.actor = Some(Actor::from("al\u{85}ice"));
    let line = emitted(&LogSink::new().with_values(), &entry);
    let all = format!("{}{}{:?}", line.message, line.target, line.fields.values());
    assert!(!all.contains(|c: char| c.is_control()), "{all:?}");
    assert!(!line.message.contains(['\u{2028}', '\u{202e}']));
    assert_eq!(line.fields["reason"], r"first\nsecond");
    assert!(
        line.message.starts_with(
            r"al\u{85}ice updated User\r\nx 42 (bob\nERROR root deleted User 1\u{1b}[31m\u{2028}\u{202e}x): "
        ),
        "{}",
        line.message
    );
}

#[test]
fn disabled_levels_and_targets_are_not_logged() {
    let mut entry = update();
    entry.level = Level::Debug;
    assert!(logged(|| LogSink::new().emit(&entry).unwrap()).is_empty());
    entry.level = Level::Error;
    entry.model = "Muted".into();
    assert!(logged(|| LogSink::new().emit(&entry).unwrap()).is_empty());
}

#[test]
fn filters_nest_and_apply_through_pointers() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner: Arc<dyn Sink> = Arc::new(sink_fn({
        let seen = Arc::clone(&seen);
        move |entry| {
            seen.lock().unwrap().push(entry.object_pk.clone());
            Ok(())
        }
    }));
    let sink: Box<dyn Sink> = Box::new(
        Arc::clone(&inner)
            .min_level(Level::Warning)
            .filter(|entry| entry.model == "User"),
    );
    for (pk, model, level) in [
        ("1", "User", Level::Info),
        ("2", "User", Level::Warning),
        ("3", "Order", Level::Critical),
        ("4", "User", Level::Error),
    ] {
        let mut entry = LogEntry::new("update", model, pk, "");
        entry.level = level;
        sink.emit(&entry).unwrap();
    }
    sink.flush().unwrap();
    assert_eq!(*seen.lock().unwrap(), ["2", "4"]);
    assert!(format!("{sink:?}").contains("SinkFn"));
}

#[test]
fn a_failing_sink_keeps_its_source() {
    let sink = sink_fn(|_| Err(SinkError::other("no route")));
    let error = sink.emit(&update()).unwrap_err();
    assert_eq!(error.to_string(), "the sink failed: no route");
}

#[test]
fn critical_logs_above_error() {
    let disk = "sda1";
    let lines = logged(|| {
        critical!("{disk} is {}", "full");
        critical!(target: "storage", "full");
        critical!(free = 0, disk; "no space");
        critical!(target: "storage", disk:?, free:% = 1.5; "no space on {disk}",);
    });
    let logged: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.target.as_str(),
                line.message.as_str(),
                line.fields.len(),
            )
        })
        .collect();
    assert_eq!(
        logged,
        [
            ("log_sink", "sda1 is full", 1),
            ("storage", "full", 1),
            ("log_sink", "no space", 3),
            ("storage", "no space on sda1", 3),
        ]
    );
    for line in &lines {
        assert_eq!(line.level, log::Level::Error);
        assert_eq!(line.fields["severity"], "CRITICAL");
    }
    assert_eq!(lines[3].fields["disk"], "\"sda1\"");
}
