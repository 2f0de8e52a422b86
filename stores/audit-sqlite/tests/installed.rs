//! The record that `install` writes to the program's logger.

mod scratch;

use std::sync::Mutex;

use audit_core::{AuditLog, FailurePolicy};
use audit_sqlite::SqliteStore;

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}: {}", record.level(), record.target(), record.args());
        RECORDS.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// The one test of its process, since a program installs once.
#[test]
fn it_names_the_store_the_location_and_the_durability() {
    log::set_logger(&Listener).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let file = scratch::file("audit.db");
    let store = SqliteStore::open(&file).unwrap();
    let builder = AuditLog::builder().store(store);
    builder.on_error(FailurePolicy::FailOpen).install().unwrap();
    let records = RECORDS.lock().unwrap();
    let expected = format!(
        "INFO auditlog: audit log installed with the SQLite file {}; each commit is synced to the disk; if a write fails, \
         entries are buffered in memory",
        file.display()
    );
    assert_eq!(records[..], [expected]);
}
