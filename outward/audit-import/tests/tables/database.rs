//! Temporary databases with the tables of the libraries.

use audit_core::LogEntry;
use audit_import::{Import, ImportError, LossKind};
use rusqlite::Connection;
use tempfile::TempDir;

/// A temporary database, created by SQL.
pub(crate) struct Database {
    pub(crate) folder: TempDir,
}

impl Database {
    pub(crate) fn new(sql: &str) -> Self {
        let database = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        database.run(sql);
        database
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("app.sqlite3")
    }

    pub(crate) fn run(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("a database");
        connection.execute_batch(sql).expect("good SQL");
    }

    pub(crate) fn read(&self) -> Vec<Result<LogEntry, ImportError>> {
        let import = Import::open(self.path()).expect("audit tables");
        import.entries().expect("readable").collect()
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        let read: Result<_, _> = self.read().into_iter().collect();
        read.expect("good rows")
    }

    pub(crate) fn losses(&self) -> Vec<LossKind> {
        let import = Import::open(self.path()).expect("audit tables");
        let mut entries = import.entries().expect("readable");
        for entry in &mut entries {
            entry.expect("a good row");
        }
        let losses = entries.report().losses();
        losses
            .map(|loss| loss.kind)
            .filter(|kind| *kind != LossKind::AssumedUtc)
            .collect()
    }
}

pub(crate) const AUDITS: &str = "CREATE TABLE audits (id INTEGER PRIMARY KEY, auditable_id INTEGER, auditable_type TEXT, \
    user_id INTEGER, user_type TEXT, username TEXT, action TEXT, audited_changes TEXT, version INTEGER, comment TEXT, \
    remote_address TEXT, request_uuid TEXT, created_at DATETIME);";

pub(crate) const LOG_ENTRIES: &str = "CREATE TABLE django_content_type (id INTEGER PRIMARY KEY, app_label varchar(100), model varchar(100));
    CREATE TABLE auditlog_logentry (id INTEGER PRIMARY KEY, object_pk varchar(255), object_id bigint, object_repr text, \
    action smallint, timestamp datetime, actor_id integer, content_type_id integer, remote_addr char(39), \
    additional_data text, serialized_data text, cid varchar(255), changes text, changes_text text, remote_port integer);
    INSERT INTO django_content_type VALUES (1, 'shop', 'item');";

pub(crate) fn audit(id: i64, action: &str, changes: &str, time: &str) -> String {
    format!(
        "INSERT INTO audits (id, auditable_id, auditable_type, action, audited_changes, created_at) \
         VALUES ({id}, 7, 'Ticket', '{action}', '{}', {time});",
        changes.replace('\'', "''")
    )
}

pub(crate) fn log_entry(id: i64, action: i64, changes: &str) -> String {
    format!(
        "INSERT INTO auditlog_logentry (id, object_pk, object_repr, action, timestamp, content_type_id, changes) \
         VALUES ({id}, '7', 'seven', {action}, '2024-02-29 10:00:00', 1, '{}');",
        changes.replace('\'', "''")
    )
}
