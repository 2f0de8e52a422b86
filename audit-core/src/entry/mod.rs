//! [`LogEntry`], its canonical JSON form, and references to objects.

pub(crate) mod clock;
pub(crate) mod ids;
pub(crate) mod size;
pub mod table;

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Timelike, Utc};
use serde::de::{self, Deserializer};
use serde::ser::{self, SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::action::{Action, Outcome};
use crate::actor::Actor;
use crate::change::Changes;
use crate::error::StoreError;
use crate::json::canonical::{self, Canonical};
use crate::json::{nesting, writer};
use crate::level::Level;
use crate::one_line::OneLine;

/// The version of the stored form of entries that this library writes (docs/format.md).
pub const ENTRY_FORMAT: u32 = 1;

/// The text printed for an unknown actor.
pub(crate) const UNKNOWN_ACTOR: &str = "(unknown)";

/// An entry of the trail: who did what to which object, when, why and from where.
///
/// Times have microsecond resolution and are in UTC. In JSON and in every store an entry has one
/// canonical form (docs/format.md), which omits members that are `None` or empty. Programs do not build
/// entries; drafts do ([`created`](crate::created) and its siblings).
///
/// | question | fields |
/// |---|---|
/// | what | [`action`](Self::action), [`outcome`](Self::outcome), [`level`](Self::level), [`changes`](Self::changes), [`snapshot`](Self::snapshot) |
/// | of what | [`model`](Self::model), [`object_pk`](Self::object_pk), [`object_repr`](Self::object_repr), [`parent`](Self::parent), [`counterpart`](Self::counterpart) |
/// | who | [`actor`](Self#structfield.actor) |
/// | when | [`timestamp`](Self::timestamp) |
/// | why | [`reason`](Self::reason), [`additional_data`](Self::additional_data) |
/// | from where | [`remote_addr`](Self::remote_addr), [`remote_port`](Self::remote_port), [`source`](Self::source) |
/// | together with | [`correlation_id`](Self::correlation_id), [`trace_id`](Self::trace_id), [`transaction_id`](Self::transaction_id) |
///
/// # Example: the fields of an entry
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// #[audit(repr = "{name}")]
/// struct User {
///     id: u32,
///     name: String,
/// }
///
/// let audit = auditlog::testing::capture().at("2026-01-01T12:00:00Z");
/// auditlog::register::<User>();
/// let mut user = User { id: 42, name: "bob".into() };
/// auditlog::update(&mut user, |user| user.name = "rob".into())
///     .actor("alice")
///     .reason("ticket 4711")
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.to_string(), "2026-01-01T12:00:00.000000Z: update: rob by alice");
/// assert_eq!((entry.model.as_str(), entry.object_pk.as_str()), ("User", "42"));
/// assert_eq!(entry.changes["name"].old, Some("bob".into()));
/// assert_eq!(entry.changes["name"].new, Some("rob".into()));
/// assert_eq!(entry.reason.as_deref(), Some("ticket 4711"));
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The id of the entry, a UUID of version 7.
    pub id: Uuid,
    /// The time of the action.
    pub timestamp: DateTime<Utc>,
    /// The severity.
    pub level: Level,
    /// The action.
    pub action: Action,
    /// The outcome of the action.
    pub outcome: Outcome,
    /// The stored name of the object's type; empty for an event without an object.
    pub model: String,
    /// The object's identity as text; empty for an event or a bulk statement.
    pub object_pk: String,
    /// The human-readable text of the object at that time.
    pub object_repr: String,
    /// The aggregate root the object belongs to.
    pub parent: Option<ObjectRef>,
    /// The other object of an identity change: the deletion under the former key refers to the
    /// object under its new key, and the creation under the new key to the former one.
    pub counterpart: Option<ObjectRef>,
    /// The changes of the object. A creation has only new values, a deletion only old values.
    pub changes: Changes,
    /// The whole object after the action (before it, for a deletion), if requested.
    pub snapshot: Option<Value>,
    /// The actor; `None` if unknown.
    pub actor: Option<Actor>,
    /// The id that the entries of one request or job share.
    pub correlation_id: Option<String>,
    /// The trace id of distributed tracing.
    pub trace_id: Option<String>,
    /// The id that the entries of one transaction share.
    pub transaction_id: Option<Uuid>,
    /// The client's IP address.
    pub remote_addr: Option<IpAddr>,
    /// The client's port.
    pub remote_port: Option<u16>,
    /// The reason for the action.
    pub reason: Option<String>,
    /// Additional data of the application.
    pub additional_data: Map<String, Value>,
    /// The version of the object's type, from `#[audit(version = ..)]`.
    pub schema_version: u32,
    /// The application that recorded the entry.
    pub source: Source,
}

/// A reference to an object: the stored name of its model and its key as text. Ordered by model and then
/// by key.
///
/// # Example: two spellings of one reference
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// assert_eq!(ObjectRef::of::<User>(42), ObjectRef::new("User", "42"));
/// assert_eq!(ObjectRef::new("User", "42").to_string(), "User 42");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectRef {
    /// The stored name of the object's type.
    pub model: String,
    /// The object's identity as text.
    pub object_pk: String,
}

impl ObjectRef {
    /// Creates a reference.
    pub fn new(model: impl Into<String>, object_pk: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            object_pk: object_pk.into(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.model, self.object_pk)
    }
}

/// The application that recorded an entry.
///
/// # Example: a service and its version
/// ```
/// use auditlog::{AuditLog, Source};
///
/// let source = Source::service("billing").version("1.4.0").host("app-1");
/// let log = AuditLog::builder().source(source).build();
/// log.event("started").record()?;
/// let entry = log.query().first()?.expect("an entry");
/// assert_eq!(entry.source.service.as_deref(), Some("billing"));
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The service's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Source {
    /// Creates a source with the name of a service.
    pub fn service(name: impl Into<String>) -> Self {
        Self {
            service: Some(name.into()),
            ..Self::default()
        }
    }

    /// Sets the service's version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the host.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&str> for Source {
    fn from(service: &str) -> Self {
        Self::service(service)
    }
}

impl From<String> for Source {
    fn from(service: String) -> Self {
        Self::service(service)
    }
}

impl LogEntry {
    /// Creates an entry with the current time and a new id, for tests of stores and for imports.
    /// Applications record with [`created`](crate::created) and its siblings.
    pub fn new(
        action: impl Into<Action>,
        model: impl Into<String>,
        object_pk: impl Into<String>,
        object_repr: impl Into<String>,
    ) -> Self {
        let now = crate::entry::clock::now();
        Self {
            id: crate::entry::ids::fresh(now),
            timestamp: now,
            level: Level::Info,
            action: action.into(),
            outcome: Outcome::Success,
            model: model.into(),
            object_pk: object_pk.into(),
            object_repr: object_repr.into(),
            parent: None,
            counterpart: None,
            changes: Changes::new(),
            snapshot: None,
            actor: None,
            correlation_id: None,
            trace_id: None,
            transaction_id: None,
            remote_addr: None,
            remote_port: None,
            reason: None,
            additional_data: Map::new(),
            schema_version: 1,
            source: Source::default(),
        }
    }

    /// Returns the actor's name, or `(unknown)` if the [`actor`](Self#structfield.actor) is `None`.
    pub fn actor(&self) -> &str {
        self.actor.as_ref().map_or(UNKNOWN_ACTOR, Actor::name)
    }

    /// Returns the canonical form: JSON with sorted keys and no whitespace (docs/format.md).
    ///
    /// Equal entries have equal bytes, and the entry parsed from them is equal.
    ///
    /// # Errors
    /// Returns [`StoreError::Invalid`] if a value nests too deeply for a JSON parser or two changes
    /// have the same path. Drafts do not produce such entries, but hooks may.
    ///
    /// # Example: the bytes that a store keeps
    /// ```
    /// use auditlog::LogEntry;
    ///
    /// let entry = LogEntry::new("create", "User", "42", "bob");
    /// let text = entry.to_canonical_json()?;
    /// assert!(text.starts_with(r#"{"action":"create","id":""#));
    /// assert!(text.ends_with(r#","v":1}"#));
    /// assert_eq!(LogEntry::from_json(&text)?, entry);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_canonical_json(&self) -> Result<String, StoreError> {
        // Most entries are shorter, so that the text need not grow.
        writer::write(self, 640).map_err(|error| StoreError::Invalid {
            id: self.id,
            detail: error.to_string(),
        })
    }

    /// Parses the canonical form or any other JSON of an entry.
    ///
    /// # Errors
    /// Returns an error if the text is not an entry, or if a later version of this library wrote it.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {} by {}",
            canonical::timestamp(self.timestamp),
            OneLine(&self.action),
            OneLine(&self.object_repr),
            OneLine(self.actor())
        )
    }
}

/// Truncates a time to microseconds, the resolution of entries.
pub(crate) fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    let nanos = time.timestamp_subsec_nanos();
    if nanos.is_multiple_of(1000) {
        return time;
    }
    // Never fails: a truncated fraction is valid.
    time.with_nanosecond(nanos - nanos % 1000).unwrap_or(time)
}

impl Serialize for LogEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In the order of the keys, so that the canonical form needs no sorting.
        let mut entry = serializer.serialize_struct("LogEntry", 23)?;
        macro_rules! optional {
            ($field:ident) => {
                if let Some(value) = &self.$field {
                    entry.serialize_field(stringify!($field), value)?;
                }
            };
        }
        entry.serialize_field("action", &self.action)?;
        optional!(actor);
        if !self.additional_data.is_empty() {
            check_depth("additional_data", self.additional_data.values())?;
            entry.serialize_field("additional_data", &canonical::Object(&self.additional_data))?;
        }
        if !self.changes.is_empty() {
            entry.serialize_field("changes", &self.changes)?;
        }
        optional!(correlation_id);
        optional!(counterpart);
        entry.serialize_field("id", &self.id)?;
        entry.serialize_field("level", &self.level)?;
        entry.serialize_field("model", &self.model)?;
        entry.serialize_field("object_pk", &self.object_pk)?;
        entry.serialize_field("object_repr", &self.object_repr)?;
        entry.serialize_field("outcome", &self.outcome)?;
        optional!(parent);
        optional!(reason);
        optional!(remote_addr);
        optional!(remote_port);
        entry.serialize_field("schema_version", &self.schema_version)?;
        if let Some(snapshot) = &self.snapshot {
            check_depth("snapshot", [snapshot])?;
            entry.serialize_field("snapshot", &Canonical(snapshot))?;
        }
        if !self.source.is_empty() {
            entry.serialize_field("source", &self.source)?;
        }
        entry.serialize_field("timestamp", &canonical::timestamp(self.timestamp))?;
        optional!(trace_id);
        optional!(transaction_id);
        entry.serialize_field("v", &ENTRY_FORMAT)?;
        entry.end()
    }
}

/// Rejects values that nest too deeply for a JSON parser or for recursion.
fn check_depth<'v, E: ser::Error>(
    field: &str,
    values: impl IntoIterator<Item = &'v Value>,
) -> Result<(), E> {
    if values.into_iter().any(nesting::too_deep) {
        return Err(E::custom(format_args!(
            "`{field}` nests too deeply to be stored"
        )));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Stored {
    action: Action,
    actor: Option<Actor>,
    #[serde(default)]
    additional_data: Map<String, Value>,
    #[serde(default)]
    changes: Changes,
    correlation_id: Option<String>,
    counterpart: Option<ObjectRef>,
    id: Uuid,
    level: Level,
    model: String,
    object_pk: String,
    object_repr: String,
    #[serde(default)]
    outcome: Outcome,
    parent: Option<ObjectRef>,
    reason: Option<String>,
    remote_addr: Option<IpAddr>,
    remote_port: Option<u16>,
    #[serde(default = "first")]
    schema_version: u32,
    #[serde(default, deserialize_with = "crate::change::present")]
    snapshot: Option<Value>,
    #[serde(default)]
    source: Source,
    #[serde(deserialize_with = "canonical::deserialize_timestamp")]
    timestamp: DateTime<Utc>,
    trace_id: Option<String>,
    transaction_id: Option<Uuid>,
    #[serde(default = "first")]
    v: u32,
}

fn first() -> u32 {
    1
}

impl<'de> Deserialize<'de> for LogEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        if stored.v > ENTRY_FORMAT {
            return Err(de::Error::custom(format!(
                "the entry has format {}, and this library supports formats up to {ENTRY_FORMAT}",
                stored.v
            )));
        }
        Ok(Self {
            id: stored.id,
            timestamp: to_micros(stored.timestamp),
            level: stored.level,
            action: stored.action,
            outcome: stored.outcome,
            model: stored.model,
            object_pk: stored.object_pk,
            object_repr: stored.object_repr,
            parent: stored.parent,
            counterpart: stored.counterpart,
            changes: stored.changes,
            snapshot: stored.snapshot,
            actor: stored.actor,
            correlation_id: stored.correlation_id,
            trace_id: stored.trace_id,
            transaction_id: stored.transaction_id,
            remote_addr: stored.remote_addr,
            remote_port: stored.remote_port,
            reason: stored.reason,
            additional_data: stored.additional_data,
            schema_version: stored.schema_version,
            source: stored.source,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::{LogEntry, ObjectRef, Source};
    use crate::action::Outcome;
    use crate::actor::Actor;
    use crate::change::{Change, Changes};
    use crate::json::canonical;

    #[test]
    fn the_canonical_bytes_equal_those_of_serde_json() {
        let mut entry = LogEntry::new("import", "Über\"Model\"", "a\\b", "line\nbreak\u{1}");
        assert_eq!(
            entry.to_canonical_json().unwrap(),
            serde_json::to_string(&entry).unwrap()
        );
        entry.outcome = Outcome::Denied;
        entry.parent = Some(ObjectRef::new("Root", "\t"));
        entry.changes = Changes::from_vec(vec![
            Change::new(
                "b".parse().unwrap(),
                None,
                Some(json!({"z": 1, "a": [0.1, null]})),
            ),
            Change::new("a['x y']".parse().unwrap(), Some(json!("\u{7f}")), None),
        ]);
        entry.snapshot = Some(json!({"b": -1.5e300, "a": {"\"": u64::MAX}}));
        let actor = Actor::user("ann").display("Ann").on_behalf_of("bob");
        entry.actor = Some(actor);
        entry.correlation_id = Some("c".to_owned());
        entry.trace_id = Some("t".to_owned());
        entry.transaction_id = Some(Uuid::max());
        entry.remote_addr = Some([192, 0, 2, 1].into());
        entry.remote_port = Some(443);
        entry.reason = Some("\u{1f600}".to_owned());
        entry
            .additional_data
            .insert("key".to_owned(), json!([true]));
        entry.source = Source::service("web").host("h").version("1");
        let text = entry.to_canonical_json().unwrap();
        assert_eq!(text, serde_json::to_string(&entry).unwrap());
        // Every key is set, and sorted at every level.
        assert_eq!(text.matches("\"display\"").count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text, canonical::text(&value));
    }
}
