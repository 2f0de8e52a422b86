//! Reports about types that are not registered, and about a program without a log.

use std::process::Command;
use std::sync::Mutex;

use auditlog::backend::IntoPending as _;
use auditlog::prelude::*;
use auditlog::{Error, SkipReason, Tracked, UnregisteredPolicy};

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut seen = SEEN.lock().unwrap();
        seen.push(format!("{}: {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// Returns the lines that name a type.
fn lines_of(name: &str) -> Vec<String> {
    let seen = SEEN.lock().unwrap();
    let of = |line: &&String| line.contains(&format!("`{name}`")) || line.contains(name);
    seen.iter().filter(of).cloned().collect()
}

fn listen() {
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

macro_rules! entity {
    ($($name:ident)*) => {$(
        #[derive(Auditable, Clone)]
        struct $name {
            id: u32,
            text: String,
        }

        impl $name {
            fn new() -> Self {
                Self { id: 1, text: "a".into() }
            }
        }
    )*};
}

entity! { Forgotten Watched Collected Ignored Refused Silent Quiet Printed Dropped }

#[derive(Auditable)]
struct Hashed {
    id: u32,
    #[audit(hash)]
    token: String,
}

#[derive(Debug)]
struct Full;

impl Sink for Full {
    fn emit(&self, _: &LogEntry) -> Result<(), auditlog::SinkError> {
        let full = std::io::ErrorKind::StorageFull.into();
        Err(auditlog::SinkError::io("a file", full))
    }
}

#[test]
fn a_forgotten_type_is_reported_once_and_counted() {
    listen();
    let log = AuditLog::builder().build();
    let object = Forgotten::new();
    for _ in 0..3 {
        let receipt = log.created(&object).record().unwrap();
        assert_eq!(receipt, Receipt::Skipped(SkipReason::NotRegistered));
    }
    assert_eq!(log.bulk::<Forgotten>("update").into_entry().unwrap(), None);
    let lines = lines_of("Forgotten");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("WARN: `Forgotten` is not registered"),
        "{lines:?}"
    );
    assert!(
        lines[0].contains("auditlog::register::<Forgotten>()"),
        "{lines:?}"
    );
    assert_eq!(log.stats().unregistered, 4);
    log.register::<Forgotten>();
    assert!(log.created(&object).record().unwrap().is_recorded());
    assert_eq!(log.stats().unregistered, 4);
}

#[test]
fn a_tracked_object_of_a_forgotten_type_is_reported() {
    listen();
    let log = AuditLog::builder().build();
    drop(log.track(Watched::new()));
    assert!(lines_of("Watched").is_empty());
    let mut tracked: Tracked<Watched> = log.track(Watched::new());
    tracked.text = "b".into();
    drop(tracked);
    assert_eq!(lines_of("Watched").len(), 1);
    assert_eq!((log.stats().unregistered, log.stats().unrecorded), (1, 0));
}

#[test]
fn a_unit_of_a_forgotten_type_is_reported() {
    listen();
    let log = AuditLog::builder().build();
    let mut unit = log.unit();
    unit.created(&Collected::new());
    assert!(unit.into_pending().unwrap().entries().is_empty());
    assert_eq!(lines_of("Collected").len(), 1);
}

#[test]
fn the_policy_decides() {
    listen();
    let log = AuditLog::builder()
        .unregistered(UnregisteredPolicy::Ignore)
        .build();
    assert_eq!(log.created(&Ignored::new()).entry(), None);
    assert!(lines_of("Ignored").is_empty());
    assert_eq!(log.stats().unregistered, 1);

    let log = AuditLog::builder()
        .unregistered(UnregisteredPolicy::Error)
        .build();
    let mut object = Refused::new();
    let draft = log.update(&mut object, |object| object.text = "b".into());
    let error = draft.record().unwrap_err();
    assert!(matches!(error, Error::NotRegistered { .. }));
    assert_eq!(
        error.to_string(),
        "`Refused` is not registered with the audit log: call `auditlog::register::<Refused>()` when the program starts"
    );
    assert!(log.bulk::<Refused>("update").record().is_err());
}

#[test]
fn nothing_is_said_of_a_type_that_is_left_out_on_purpose() {
    listen();
    for policy in [UnregisteredPolicy::Warn, UnregisteredPolicy::Error] {
        let log = AuditLog::builder().unregistered(policy).build();
        log.unregister::<Silent>();
        log.created(&Silent::new()).record().unwrap();
        log.register::<Quiet>();
        log.unregister::<Quiet>();
        log.created(&Quiet::new()).record().unwrap();
        // Nor where nothing is recorded at all.
        auditlog::disabled(|| log.created(&Printed::new()).record()).unwrap();
        assert_eq!(log.stats().unregistered, 0);
    }
    assert!(lines_of("Silent").is_empty() && lines_of("Quiet").is_empty());
}

/// What the child process of [`without_a_logger_warnings_go_to_standard_error`] does.
#[test]
#[ignore = "run by another test, in a process without a logger"]
fn records_without_a_log() {
    auditlog::created(&Printed::new()).record().unwrap();
    for name in ["started", "stopped"] {
        auditlog::event(name).record().unwrap();
    }
    let log = AuditLog::builder().sink(Full).build();
    log.register::<Dropped>();
    log.register::<Hashed>();
    for _ in 0..2 {
        let mut tracked = log.track(Dropped::new());
        tracked.text = "b".into();
        drop(tracked);
        let (id, token) = (1, "t".into());
        log.created(&Hashed { id, token }).record().unwrap();
        let mut unit = log.unit();
        unit.created(&Dropped::new());
    }
    assert_eq!(log.stats().unrecorded, 4);
    log.install().unwrap();
}

#[test]
fn without_a_logger_warnings_go_to_standard_error() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "records_without_a_log",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .unwrap();
    assert!(child.status.success());
    let printed = String::from_utf8(child.stderr).unwrap();
    let lines = |text: &str| printed.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("no audit log is installed"), 1, "{printed}");
    assert_eq!(lines("`Printed` is not registered"), 1, "{printed}");
    assert_eq!(
        lines("dropped with unrecorded changes: Dropped 1: text"),
        1,
        "{printed}"
    );
    assert_eq!(
        lines("`Hashed` has hashed fields and the log has no hash key"),
        1,
        "{printed}"
    );
    assert_eq!(
        lines("a unit of work was dropped unrecorded"),
        1,
        "{printed}"
    );
    assert_eq!(lines("a sink failed for the stored entry"), 1, "{printed}");
    assert_eq!(
        lines("the installed audit log was built without a store"),
        1,
        "{printed}"
    );
}
