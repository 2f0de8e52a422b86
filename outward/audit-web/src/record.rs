//! The entries that record views of the trail.

use audit_core::{Action, Level, LogEntry, Source};

/// Returns an entry that records an access to the trail, as the command `auditlog` does.
pub(crate) fn access_entry(command: &str) -> LogEntry {
    let mut entry = LogEntry::new(Action::Access, "", "", "audit trail");
    entry.level = Level::Debug;
    entry.source = Source::service("auditlog").version(env!("CARGO_PKG_VERSION"));
    entry
        .additional_data
        .insert("command".to_owned(), command.into());
    entry
}
