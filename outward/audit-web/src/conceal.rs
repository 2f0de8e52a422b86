//! Removes values for readers who may not see them.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    AuditLog, Change, Changes, FieldSchema, Filter, Group, LogEntry, MissingReason, ModelSchema,
    Path, PathSegment, Query, Sensitivity,
};
use serde_json::{Map, Value};

/// The text in the position of a hidden value.
const HIDDEN: &str = "[hidden]";
/// The depth up to which inlined fields are searched.
pub(crate) const MAX_DEPTH: usize = 16;

/// Removes values and keeps the names of fields. The keys of maps and the members of sets are values.
pub(crate) struct Concealer {
    schemas: Vec<&'static ModelSchema>,
}

impl Concealer {
    pub(crate) fn of(log: &AuditLog) -> Self {
        Self {
            schemas: log.registered(),
        }
    }

    /// Removes the values of an entry: of its changes, its snapshot and its additional data.
    pub(crate) fn entry(&self, entry: &mut LogEntry) {
        entry.changes = self.changes(&entry.model, &entry.changes);
        self.parts_beside_changes(entry);
    }

    fn parts_beside_changes(&self, entry: &mut LogEntry) {
        let state = entry.snapshot.as_ref();
        entry.snapshot = state.map(|state| self.state(&entry.model, state));
        let keys = entry.additional_data.keys().map(|key| {
            let key = if is_name(key) { key } else { HIDDEN };
            (key.to_owned(), HIDDEN.into())
        });
        entry.additional_data = keys.collect();
    }

    /// Removes the values of an entry of a history, which is reconstructed without them: each changed
    /// field has one change, with its redaction. Returns the fields of which the entry changed a part.
    pub(crate) fn entry_of_history(&self, entry: &mut LogEntry) -> BTreeSet<Path> {
        let model = &entry.model;
        let hidden = || Some(Value::from(HIDDEN));
        let mut changes: Vec<Change> = Vec::new();
        let mut indices: BTreeMap<Path, usize> = BTreeMap::new();
        let mut partly = BTreeSet::new();
        for change in &entry.changes {
            let mut path = self.field(model, &change.path);
            let is_field = path == change.path;
            if path == Path::ROOT && !is_field {
                // A state has the keys of maps as one member.
                path = Path::from_segments(&[PathSegment::Name(HIDDEN.to_owned())]);
            }
            if !is_field {
                partly.insert(path.clone());
            }
            if let Some(index) = indices.get(&path) {
                let former = &mut changes[*index];
                former.redaction = former.redaction.or(change.redaction);
                continue;
            }
            indices.insert(path.clone(), changes.len());
            let side = |value: &Option<Value>| match (value, path == Path::ROOT) {
                (Some(state), true) => Some(self.state(model, state)),
                (Some(_), false) => hidden(),
                (None, _) => None,
            };
            let (old, new) = if is_field {
                (side(&change.old), side(&change.new))
            } else {
                (hidden(), hidden())
            };
            let mut field = Change::new(path, old, new);
            field.redaction = change.redaction;
            changes.push(field);
        }
        entry.changes = changes.into_iter().collect();
        self.parts_beside_changes(entry);
        partly
    }

    /// Returns why parts inside the fields of a state are not in clear, by the types of the fields.
    pub(crate) fn redacted_inside(&self, model: &str, state: &Value) -> Vec<(Path, MissingReason)> {
        let mut found = Vec::new();
        let schema = self.schemas.iter().find(|schema| schema.name() == model);
        if let (Some(schema), Value::Object(state)) = (schema, state) {
            redacted_fields(schema.fields(), state, 0, &mut found);
        }
        found
    }

    /// Returns one change without values for each changed field.
    pub(crate) fn changes(&self, model: &str, changes: &Changes) -> Changes {
        let mut seen = BTreeSet::new();
        let hidden = |value: &Option<Value>| value.as_ref().map(|_| HIDDEN.into());
        let fields = changes.iter().filter_map(|change| {
            let path = self.field(model, &change.path);
            let is_field = path == change.path;
            seen.insert(path.clone()).then(|| {
                if is_field {
                    Change::new(path, hidden(&change.old), hidden(&change.new))
                } else {
                    Change::new(path, Some(HIDDEN.into()), Some(HIDDEN.into()))
                }
            })
        });
        fields.collect()
    }

    /// Returns the fields that some entries changed, without values. The difference of two states
    /// would show whether their hidden values are equal.
    pub(crate) fn changed_fields<'e>(
        &self,
        model: &str,
        entries: impl IntoIterator<Item = &'e LogEntry>,
    ) -> Changes {
        let paths: BTreeSet<Path> = entries
            .into_iter()
            .flat_map(|entry| entry.changes.paths())
            .map(|path| self.field(model, path))
            .collect();
        let hidden = || Some(Value::from(HIDDEN));
        paths
            .into_iter()
            .map(|path| Change::new(path, hidden(), hidden()))
            .collect()
    }

    /// Returns the state with the names of its fields only.
    pub(crate) fn state(&self, model: &str, state: &Value) -> Value {
        match state {
            Value::Null => Value::Null,
            Value::Object(fields) => {
                let names = fields.keys().map(|name| {
                    let is_field = self.is_field(model, name);
                    let name = if is_field { name.as_str() } else { HIDDEN };
                    (name.to_owned(), HIDDEN.into())
                });
                Value::Object(names.collect::<Map<_, _>>())
            }
            _ => HIDDEN.into(),
        }
    }

    /// Returns the path of the top-level field; `$` if the path begins with a value.
    pub(crate) fn field(&self, model: &str, path: &Path) -> Path {
        match path.segments().first() {
            Some(first @ PathSegment::Name(name)) if self.is_field(model, name) => {
                Path::from_segments(std::slice::from_ref(first))
            }
            _ => Path::ROOT,
        }
    }

    /// Returns whether a name is that of a field. For a model that is not registered, each name that
    /// could be one of a field is.
    fn is_field(&self, model: &str, name: &str) -> bool {
        match self.schemas.iter().find(|schema| schema.name() == model) {
            Some(schema) => has_field(schema.fields(), name, 0),
            None => is_name(name),
        }
    }

    /// Returns the key of a condition that would let a reader guess values.
    pub(crate) fn guessing(&self, query: &Query) -> Option<&'static str> {
        self.guessing_filter(query.filter(), None)
    }

    /// Returns the key of such a condition in a filter of entries of a model, if the filter names a model.
    fn guessing_filter(&self, filter: &Filter, model: Option<&str>) -> Option<&'static str> {
        let model = filter.model.as_deref().or(model);
        if filter.text.is_some() {
            return Some("text");
        }
        if !filter.changed_from.is_empty() {
            return Some("changed_from");
        }
        if !filter.changed_to.is_empty() {
            return Some("changed_to");
        }
        if !filter
            .changed
            .iter()
            .all(|path| self.is_field_path(model, path))
        {
            return Some("changed");
        }
        filter.groups.iter().find_map(|group| match group {
            Group::AnyOf(filters) => filters
                .iter()
                .find_map(|filter| self.guessing_filter(filter, model)),
            Group::Not(filter) => self.guessing_filter(filter, model),
            // A group that this version does not know may compare values.
            _ => Some("query"),
        })
    }

    /// Returns whether a path is that of the object or of a field. A name without a model can be
    /// the key of a flattened map in one of the registered models.
    fn is_field_path(&self, model: Option<&str>, path: &Path) -> bool {
        match (path.segments().as_slice(), model) {
            ([], _) => true,
            ([PathSegment::Name(name)], Some(model)) => self.is_field(model, name),
            ([PathSegment::Name(name)], None) => self.schemas.is_empty() && is_name(name),
            _ => false,
        }
    }
}

/// Adds the fields of a state that have parts which are not in clear.
fn redacted_fields(
    fields: &'static [FieldSchema],
    state: &Map<String, Value>,
    depth: usize,
    found: &mut Vec<(Path, MissingReason)>,
) {
    for field in fields {
        if field.is_inline() {
            if depth < MAX_DEPTH {
                redacted_fields(field.fields(), state, depth + 1, found);
            }
        } else if state.contains_key(field.name()) {
            let path = Path::from_segments(&[PathSegment::Name(field.name().to_owned())]);
            let mut reasons = Vec::new();
            redactions(field.fields(), &mut BTreeSet::new(), &mut reasons);
            found.extend(reasons.into_iter().map(|reason| (path.clone(), reason)));
        }
    }
}

/// Adds the reasons why fields, and fields inside them, are not in clear. A type may contain itself.
fn redactions(
    fields: &'static [FieldSchema],
    seen: &mut BTreeSet<*const FieldSchema>,
    reasons: &mut Vec<MissingReason>,
) {
    if fields.is_empty() || !seen.insert(fields.as_ptr()) {
        return;
    }
    for field in fields {
        let reason = match field.sensitivity() {
            Sensitivity::Masked(_) => MissingReason::Masked,
            Sensitivity::Hashed => MissingReason::Hashed,
            Sensitivity::Skipped => MissingReason::Skipped,
            _ => {
                redactions(field.fields(), seen, reasons);
                continue;
            }
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
}

fn has_field(fields: &[FieldSchema], name: &str, depth: usize) -> bool {
    fields.iter().any(|field| {
        if field.is_inline() {
            depth < MAX_DEPTH && has_field(field.fields(), name, depth + 1)
        } else {
            field.name() == name || field.aliases().contains(&name)
        }
    })
}

/// Returns whether a text has the form of a name in a program.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use audit_derive::Auditable;
    use serde_json::json;

    use super::*;

    fn concealer() -> Concealer {
        Concealer::of(&AuditLog::builder().build())
    }

    #[test]
    fn an_entry_keeps_the_names_of_its_fields() {
        let mut sample = LogEntry::new("update", "User", "1", "bob");
        let change = |path: &str| Change::new(path.parse().unwrap(), Some(json!("secret")), None);
        sample.changes = [
            "email",
            "roles['secret']",
            "roles['other']",
            "['secret mail']",
            "[id='secret'].x",
        ]
        .map(change)
        .into_iter()
        .collect();
        sample.snapshot = Some(json!({"email": {"a": "secret"}, "secret@example.com": 1}));
        sample.additional_data = [("key", json!(["secret"])), ("secret key", json!(1))]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect();
        concealer().entry(&mut sample);
        let text = sample.to_canonical_json().expect("JSON");
        assert!(
            !text.contains("secret") && !text.contains("other"),
            "{text}"
        );
        let mut paths: Vec<_> = sample.changes.paths().map(Path::to_string).collect();
        paths.sort();
        assert_eq!(paths, ["$", "email", "roles"]);
        assert_eq!(
            sample.snapshot,
            Some(json!({"email": HIDDEN, HIDDEN: HIDDEN}))
        );
    }

    #[test]
    fn a_registered_model_has_the_fields_of_its_schema_only() {
        #[derive(Auditable)]
        #[audit(crate = audit_core)]
        struct User {
            id: u32,
            #[audit(alias = "mail")]
            email: String,
        }

        let log = AuditLog::builder().build();
        log.register::<User>();
        let paths = |concealer: &Concealer| -> Vec<String> {
            let change = |path: &str| Change::new(path.parse().unwrap(), None, Some(json!(1)));
            let changes = ["alice", "email", "id", "mail"].map(change);
            let shown = concealer.changes("User", &changes.into_iter().collect());
            shown.paths().map(Path::to_string).collect()
        };
        assert_eq!(paths(&Concealer::of(&log)), ["$", "email", "id", "mail"]);
        assert_eq!(paths(&concealer()), ["alice", "email", "id", "mail"]);
    }

    #[test]
    fn a_name_is_searched_in_a_model_with_that_field_only() {
        #[derive(Auditable)]
        #[audit(crate = audit_core)]
        struct User {
            id: u32,
            email: String,
        }

        let log = AuditLog::builder().build();
        log.register::<User>();
        let concealer = Concealer::of(&log);
        for (text, found) in [
            ("model:User changed:email", None),
            ("model:User NOT changed:email", None),
            ("model:User (changed:email OR changed:id)", None),
            ("changed:$", None),
            ("model:Other changed:email", None),
            ("changed:email", Some("changed")),
            ("model:User changed:alice", Some("changed")),
            ("model:User NOT changed:alice", Some("changed")),
            ("model:User OR changed:email", Some("changed")),
            ("NOT model:User changed:email", Some("changed")),
        ] {
            let query = Query::parse(text).expect("a query");
            assert_eq!(concealer.guessing(&query), found, "{text}");
        }
    }

    #[test]
    fn changed_fields_do_not_depend_on_values() {
        let entry = |old: &str, new: &str| {
            let mut entry = LogEntry::new("update", "User", "1", "bob");
            let path = "email".parse().unwrap();
            entry.changes = [Change::new(path, Some(json!(old)), Some(json!(new)))]
                .into_iter()
                .collect();
            entry
        };
        let concealer = concealer();
        let there = [entry("a", "b"), entry("b", "c")];
        let back = [entry("a", "b"), entry("b", "a")];
        assert_eq!(
            concealer.changed_fields("User", &there),
            concealer.changed_fields("User", &back)
        );
    }

    #[test]
    fn conditions_on_values_are_found_in_groups() {
        for (text, found) in [
            ("model:User actor:alice changed:email", None),
            ("bob", Some("text")),
            (
                "model:User OR NOT (actor:a changed_to:x=1)",
                Some("changed_to"),
            ),
            ("NOT changed_from:x=1", Some("changed_from")),
            ("changed:roles['admin']", Some("changed")),
            ("changed:['alice@example.com']", Some("changed")),
        ] {
            let query = Query::parse(text).expect("a query");
            assert_eq!(concealer().guessing(&query), found, "{text}");
        }
    }
}
