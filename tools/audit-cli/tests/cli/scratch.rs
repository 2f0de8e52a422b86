//! A sample trail, and the command run on it.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use serde_json::Value;

/// A text that would colour a terminal red, clear it and reorder the text.
pub(crate) const HOSTILE: &str = "=1+2\u{1b}[31m\u{1b}[2J\u{9b}2J\r\nfake line\u{202e}txt";

#[derive(Auditable, Clone)]
#[audit(model = "User", repr = "{username}")]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) username: String,
    pub(crate) email: String,
    #[audit(mask = "last4")]
    pub(crate) phone: String,
    pub(crate) city: String,
    pub(crate) logins: i64,
}

#[derive(Auditable, Clone)]
#[audit(model = "Invoice")]
pub(crate) struct Invoice {
    pub(crate) number: u32,
    #[audit(id)]
    pub(crate) id: String,
    pub(crate) total: i64,
}

/// Returns an empty folder for the current test, by the name of its thread.
pub(crate) fn folder() -> PathBuf {
    let test = std::thread::current()
        .name()
        .unwrap_or("main")
        .replace("::", "-");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(env!("CARGO_CRATE_NAME"))
        .join(test);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => std::fs::create_dir_all(&folder).expect("a folder"),
    }
    folder
}

pub(crate) fn bob() -> User {
    User {
        id: 42,
        username: "bob".into(),
        email: "bob@old.example".into(),
        phone: "+1 555 123 4567".into(),
        city: "Mainz".into(),
        logins: 0,
    }
}

/// Writes a trail of nine entries over three days into the folder, and returns its file.
pub(crate) fn trail(folder: &Path) -> PathBuf {
    let file = folder.join("audit.db");
    let log = AuditLog::builder()
        .store(SqliteStore::open(&file).expect("a store"))
        .build();
    log.register::<User>();
    log.register::<Invoice>();
    let time = |text: &str| -> chrono::DateTime<chrono::Utc> { text.parse().expect("a time") };
    let record = |draft: auditlog::Draft, at: &str, actor: &str| {
        draft.actor(actor).at(time(at)).record().expect("recorded");
    };
    let first = bob();
    let mut moved = first.clone();
    moved.city = "Bonn".into();
    moved.email = "bob@new.example".into();
    let mut called = moved.clone();
    called.phone = "+1 555 123 4321".into();
    called.logins = -3;
    let eve = User {
        id: 43,
        username: HOSTILE.into(),
        ..bob()
    };
    let invoice = Invoice {
        number: 7,
        id: "A/7".into(),
        total: 100,
    };
    let mut paid = invoice.clone();
    paid.total = 0;
    record(log.created(&first), "2026-01-01T10:00:00Z", "alice");
    record(
        log.updated(&first, &moved)
            .reason("ticket 4711")
            .correlation_id("req-1"),
        "2026-01-01T23:30:00Z",
        "alice",
    );
    record(log.created(&eve), "2026-01-02T09:00:00Z", "carol");
    record(log.created(&invoice), "2026-01-02T10:00:00Z", "billing");
    record(
        log.updated(&moved, &called),
        "2026-01-02T11:00:00.5Z",
        "bob",
    );
    record(log.accessed(&called), "2026-01-02T12:00:00Z", "dave");
    record(
        log.event("login_failed")
            .outcome(Outcome::Denied)
            .reason(HOSTILE),
        "2026-01-03T01:00:00Z",
        "mallory",
    );
    record(
        log.updated(&invoice, &paid),
        "2026-01-03T02:00:00Z",
        "billing",
    );
    record(log.deleted(&eve), "2026-01-03T03:00:00Z", "carol");
    log.shutdown().expect("shut down");
    file
}

/// The folder of the archive beside a trail, which [`run`] names if it exists.
#[cfg(feature = "archive")]
const ARCHIVE: &str = "archive-of-trail";

/// Writes the trail of [`trail`]; the entries of its first two days are in an archive alone, and those
/// of the third in both.
#[cfg(feature = "archive")]
pub(crate) fn archived_trail(folder: &Path) -> PathBuf {
    use audit_archive::{ArchiveOptions, Archiver, Location, Pruner};

    let file = trail(folder);
    let store = SqliteStore::open(&file).expect("a store");
    let location = Location::folder(folder.join(ARCHIVE)).expect("a location");
    let options = ArchiveOptions::new().create(true);
    let archiver = Archiver::new(store.clone(), location.clone()).options(options);
    assert_eq!(archiver.run_once().expect("archived").entries, 9);
    let older = Query::new().until("2026-01-03");
    let pruned = Pruner::new(&store, &location).matching(older).run();
    assert_eq!(pruned.expect("pruned").removed, 6);
    file
}

/// Replaces the bytes of an entry by an SQL expression, without the store.
pub(crate) fn damage(store: &Path, body: &str, seq: i64) {
    let connection = auditlog::sqlite::rusqlite::Connection::open(store).expect("a database");
    connection
        .execute_batch(&format!(
            "DROP TRIGGER audit_entry_keep_updated;
             UPDATE audit_entry SET body = {body} WHERE seq = {seq};"
        ))
        .expect("damaged");
}

/// Returns the command, without anything of this machine's settings.
pub(crate) fn auditlog() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    for name in [
        "AUDITLOG_ARCHIVE",
        "AUDITLOG_STORE",
        "AUDITLOG_SCHEMA",
        "AUDITLOG_POSTGRES_URL",
        "AUDITLOG_TZ",
        "AUDITLOG_ACTOR",
        "AUDITLOG_RECORD_ACCESS",
        "NO_COLOR",
        "LOGNAME",
        "USERNAME",
    ] {
        command.env_remove(name);
    }
    command.env("USER", "tester");
    command
}

/// Runs the command on a store.
pub(crate) fn run(store: &Path, args: &[&str]) -> Output {
    let mut command = auditlog();
    #[cfg(feature = "archive")]
    if store.with_file_name(ARCHIVE).is_dir() {
        command.arg("--archive").arg(store.with_file_name(ARCHIVE));
    }
    command
        .arg("--store")
        .arg(store)
        .args(args)
        .output()
        .expect("the command runs")
}

/// Runs the command, checks that it succeeds, and returns its standard output.
pub(crate) fn stdout(store: &Path, args: &[&str]) -> String {
    let output = run(store, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    assert_eq!(errors, "", "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs the command, checks that a removal was not confirmed, and returns its standard output.
pub(crate) fn unconfirmed(store: &Path, args: &[&str]) -> String {
    let output = run(store, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{args:?}: {errors}");
    assert_eq!(errors, "", "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs the command, checks the exit code, and returns its standard error.
pub(crate) fn stderr(store: &Path, args: &[&str], code: i32) -> String {
    let output = run(store, args);
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
    errors
}

/// Removes the records of imports from an export.
pub(crate) fn without_imports(export: &str) -> String {
    let others = export
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(r#"{"action":"import","#));
    others.collect()
}

/// Runs the command with `--json` and returns the values, one a line.
pub(crate) fn json(store: &Path, args: &[&str]) -> Vec<Value> {
    let mut args = args.to_vec();
    args.push("--json");
    stdout(store, &args)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}
