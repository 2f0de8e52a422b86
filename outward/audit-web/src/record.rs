//! The entries that record the start of a viewer and views of the trail.

use audit_core::{Action, Actor, AuditLog, Level, LogEntry, StoreError};
use serde_json::{Map, Value};

use crate::access::Grant;
use crate::request::PageRequest;

/// Records that a viewer starts, so that it does not start on a store that cannot be written.
pub(crate) fn start(log: &AuditLog) -> Result<(), StoreError> {
    let service = log.source().service.as_deref().unwrap_or("auditlog");
    let actor = Actor::service(format!("{service} web"));
    let start = entry(log, actor, "web start", Map::new());
    log.store().append(&[start])
}

/// Returns the record that a reader sees a page.
pub(crate) fn page(log: &AuditLog, grant: &Grant, page: &PageRequest) -> LogEntry {
    let format = if page.is_json() { "json" } else { "html" };
    let mut data = Map::new();
    data.insert("format".to_owned(), format.into());
    if let Some(id) = page.last_event {
        data.insert("last_event_id".to_owned(), id.to_string().into());
    }
    view(log, grant, page.route.name(), page.params.iter(), data)
}

/// Returns the record that a reader sees a part of the trail, with the parameters that select it and other data.
pub(crate) fn view<'p>(
    log: &AuditLog,
    grant: &Grant,
    name: &str,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
    mut data: Map<String, Value>,
) -> LogEntry {
    let parameters = parameters.into_iter();
    let parameters: Map<String, Value> = parameters
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    data.insert("parameters".to_owned(), parameters.into());
    entry(log, grant.reader.clone(), &format!("web {name}"), data)
}

/// Returns the record of an access to the trail, in the form of the command `auditlog`.
fn entry(log: &AuditLog, actor: Actor, command: &str, data: Map<String, Value>) -> LogEntry {
    let mut entry = LogEntry::new(Action::Access, "", "", "audit trail");
    entry.level = Level::Debug;
    entry.actor = Some(actor);
    entry.source = log.source().clone();
    entry.additional_data = data.into_iter().collect();
    entry
        .additional_data
        .insert("command".to_owned(), command.into());
    entry
}
