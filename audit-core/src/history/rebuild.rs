//! States out of entries.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::exact::Exact;
use crate::action::{Action, Outcome};
use crate::change::{Change, Changes, Redaction};
use crate::entry::{LogEntry, ObjectRef};
use crate::path::{Path, PathSegment};
use crate::schema::{FieldSchema, Sensitivity};

/// What an object was, as far as the trail tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconstruction {
    /// The state; null while the object does not exist.
    pub state: Value,
    /// Whether the state is all there was, and in clear.
    pub complete: bool,
    /// What of it is missing, and why.
    pub missing: Vec<Missing>,
    /// The objects it refers to by fields marked `#[audit(reference)]`, by path. What one of
    /// them was at the same time tells [`AuditLog::object_as_of`](crate::AuditLog::object_as_of).
    pub references: Vec<(Path, ObjectRef)>,
}

/// A part of a state that the trail does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Where; `$` for all that no entry mentions.
    pub path: Path,
    /// Why.
    pub reason: MissingReason,
}

/// Why a part of a state is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingReason {
    /// The field is not recorded.
    Skipped,
    /// Only a masked form is recorded.
    Masked,
    /// Only a token is recorded.
    Hashed,
    /// The trail begins after the object did.
    StartsLater,
    /// An entry started from another state than the entries before it led to, and what it
    /// says could not be put into place: something changed in between without an entry.
    Unrecorded,
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "not recorded",
            Self::Masked => "recorded masked",
            Self::Hashed => "recorded as a token",
            Self::StartsLater => "the trail begins later",
            Self::Unrecorded => "changed without an entry",
        })
    }
}

impl Reconstruction {
    /// Returns whether the object existed.
    pub fn exists(&self) -> bool {
        !self.state.is_null()
    }

    /// Makes an object of the state; `None` if it did not exist. Numbers that are stored as
    /// texts because of their size are read as numbers, but not below `#[serde(flatten)]` or
    /// `#[serde(untagged)]`, where serde reads a value before it knows the type.
    ///
    /// # Errors
    /// If the state does not make a `T`.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        if self.exists() {
            T::deserialize(Exact(self.state.clone())).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Whether an entry made a version: what failed or was denied changed nothing.
pub(super) fn makes_version(entry: &LogEntry) -> bool {
    entry.outcome == Outcome::Success
        && (matches!(
            entry.action,
            Action::Create | Action::Update | Action::Delete
        ) || entry.snapshot.is_some()
            || !entry.changes.is_empty())
}

/// Whether an entry says by itself what it made of the object.
pub(crate) fn stands_alone(entry: &LogEntry) -> bool {
    entry.outcome == Outcome::Success
        && (matches!(entry.action, Action::Create | Action::Delete) || entry.snapshot.is_some())
}

/// Folds entries of an object, oldest first, into its state.
pub(super) fn rebuild(fields: &[FieldSchema], entries: &[LogEntry]) -> Reconstruction {
    let start = entries.iter().rposition(stands_alone).unwrap_or_default();
    let mut state = Value::Null;
    let mut missing: Vec<Missing> = Vec::new();
    for entry in entries[start..].iter().filter(|entry| makes_version(entry)) {
        match (&entry.action, &entry.snapshot) {
            (Action::Delete, _) => state = Value::Null,
            (_, Some(snapshot)) => state = snapshot.clone(),
            (action, None) => {
                if state.is_null() && (*action == Action::Create || !entry.changes.is_empty()) {
                    state = empty(&entry.changes);
                    if *action != Action::Create && !state.is_null() {
                        missing.push(Missing {
                            path: Path::ROOT,
                            reason: MissingReason::StartsLater,
                        });
                    }
                }
                apply(&entry.changes, &mut state, &mut missing);
            }
        }
    }
    let mut references = Vec::new();
    if !state.is_null() {
        hidden(fields, &mut Vec::new(), &mut missing);
        redacted(&entries[start..], &state, &mut missing);
        refer(fields, &state, &mut Vec::new(), &mut references);
    }
    Reconstruction {
        state,
        complete: missing.is_empty(),
        missing,
        references,
    }
}

/// What changes that add all of an object begin with.
pub(super) fn empty(changes: &Changes) -> Value {
    let first = changes.iter().next();
    match first.map(|change| change.path.segments().first().cloned()) {
        Some(None) => Value::Null,
        Some(Some(PathSegment::Index(_) | PathSegment::Match { .. })) => Value::Array(Vec::new()),
        Some(Some(PathSegment::Name(_))) | None => Value::Object(Map::new()),
    }
}

/// Applies changes; where the state has something else than a change starts from, the change
/// is taken at its word.
fn apply(changes: &Changes, state: &mut Value, missing: &mut Vec<Missing>) {
    if changes.apply(state).is_ok() {
        return;
    }
    let rebase = changes.rebase(state);
    if rebase.changes.apply(state).is_err() {
        return;
    }
    for conflict in rebase.conflicts {
        let forced = changes.get(&conflict.path).map(|change| {
            let found = change.path.find_in(state).cloned();
            let change = Change {
                old: found,
                ..change.clone()
            };
            Changes::from_iter([change])
        });
        let done = forced.is_some_and(|forced| forced.apply(state).is_ok());
        if !done {
            missing.push(Missing {
                path: conflict.path,
                reason: MissingReason::Unrecorded,
            });
        }
    }
}

/// Lists the fields that are not recorded in clear.
fn hidden(fields: &[FieldSchema], at: &mut Vec<PathSegment>, missing: &mut Vec<Missing>) {
    // A recursive type has no end.
    if at.len() > 8 {
        return;
    }
    for field in fields {
        let inline = field.is_inline();
        if !inline {
            at.push(PathSegment::Name(field.name().to_owned()));
        }
        let reason = match field.sensitivity() {
            Sensitivity::Skipped => Some(MissingReason::Skipped),
            Sensitivity::Masked(_) => Some(MissingReason::Masked),
            Sensitivity::Hashed => Some(MissingReason::Hashed),
            Sensitivity::Clear => None,
        };
        match reason {
            Some(reason) => missing.push(Missing {
                path: Path::from_segments(at),
                reason,
            }),
            None => hidden(field.fields(), at, missing),
        }
        if !inline {
            at.pop();
        }
    }
}

/// Lists what the entries say is masked or a token, where the fields do not tell: the type
/// may be gone, or the field have been hidden when it was registered.
fn redacted(entries: &[LogEntry], state: &Value, missing: &mut Vec<Missing>) {
    let mut found: Vec<Missing> = Vec::new();
    for entry in entries.iter().filter(|entry| makes_version(entry)) {
        for change in &entry.changes {
            let path = super::outside_lists(&change.path);
            let reason = match change.redaction {
                // What is set in clear later is there in clear.
                None if path == change.path => {
                    found.retain(|part| !part.path.is_within(&path));
                    continue;
                }
                None => continue,
                Some(Redaction::Hashed) => MissingReason::Hashed,
                Some(Redaction::Masked | Redaction::Partial) => MissingReason::Masked,
            };
            found.retain(|part| !part.path.is_within(&path));
            found.push(Missing { path, reason });
        }
    }
    found.retain(|part| {
        let known = |known: &Missing| {
            known.path.is_within(&part.path)
                || (known.path != Path::ROOT && part.path.is_within(&known.path))
        };
        part.path.find_in(state).is_some() && !missing.iter().any(known)
    });
    missing.append(&mut found);
}

/// Lists the objects that a state refers to.
fn refer(
    fields: &[FieldSchema],
    value: &Value,
    at: &mut Vec<PathSegment>,
    references: &mut Vec<(Path, ObjectRef)>,
) {
    for field in fields {
        if field.is_inline() {
            refer(field.fields(), value, at, references);
            continue;
        }
        let Some(inner) = value.get(field.name()) else {
            continue;
        };
        at.push(PathSegment::Name(field.name().to_owned()));
        match (field.referenced(), inner) {
            (Some(model), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    at.push(PathSegment::Index(index));
                    note(model, item, at, references);
                    at.pop();
                }
            }
            (Some(model), inner) => note(model, inner, at, references),
            (None, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    at.push(PathSegment::Index(index));
                    refer(field.fields(), item, at, references);
                    at.pop();
                }
            }
            (None, inner) => refer(field.fields(), inner, at, references),
        }
        at.pop();
    }
}

fn note(model: &str, value: &Value, at: &[PathSegment], references: &mut Vec<(Path, ObjectRef)>) {
    if let Value::String(pk) = value {
        references.push((Path::from_segments(at), ObjectRef::new(model, pk.as_str())));
    }
}
