//! The history of one object: versions, state as of a time, blame, revert and undo.

mod breaks;
mod equivalent_text;
mod key_transfer;
mod mark_loose;
mod missing_fields;
mod rebuild;
mod schema_evolution;
mod serde_forms;
mod serde_names;
pub(crate) mod snapshot_schedule;
mod state_deserializer;
mod typed;
mod version_diff;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use self::breaks::Earlier;
pub(crate) use self::key_transfer::order;
pub(crate) use self::mark_loose::mark_loose;
pub use self::rebuild::Reconstruction;
use self::rebuild::{Fold, empty};
pub(crate) use self::rebuild::{holds_full_state, makes_version, rebuild};
pub(crate) use self::schema_evolution::Evolution;
use crate::action::Action;
use crate::change::{Changes, Conflict, Rebase, Redaction};
use crate::entry::{LogEntry, ObjectRef};
use crate::error::{Missing, MissingReason, Result, TypedError};
use crate::path::{Path, PathSegment};
use crate::value::schema::FieldSchema;

/// The history of one object, oldest entry first.
///
/// Each successful entry with changes or a snapshot makes a version; entries of failed or denied
/// actions make none. Versions are numbered from 1. States have the form of a
/// [snapshot](crate::snapshot()), with secrets masked.
///
/// Entries without a key, such as those of events and [bulk](crate::bulk()) statements, are not
/// part of any history. If the identity of an object changed, its history under the former key
/// ends with a deletion, the history under the new key begins with a creation, and each of these
/// entries names the other object as its [`counterpart`](LogEntry::counterpart). If objects swap
/// their keys in one batch or transaction, the deletion of the former object precedes the creation
/// of the next one, even if it was recorded later.
#[derive(Clone, Debug)]
pub struct History {
    object: ObjectRef,
    entries: Vec<LogEntry>,
    fields: &'static [FieldSchema],
}

/// A version of an object.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Version<'h> {
    /// The number of the version, from 1.
    pub number: usize,
    /// The entry that made the version.
    pub entry: &'h LogEntry,
}

impl Version<'_> {
    /// Returns whether the entry contains the full state of the object: a creation, a deletion, or
    /// an entry with a snapshot.
    pub fn holds_full_state(&self) -> bool {
        holds_full_state(self.entry)
    }
}

/// The entry that last set a part of an object.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Blame<'h> {
    /// The part: a field, a map's key, or a whole list that is matched by position.
    pub path: Path,
    /// The entry that set the part, with actor, time and reason.
    pub entry: &'h LogEntry,
    /// Whether the part or a value inside it changed without an entry since the last entry with
    /// the full state; see [`History::breaks`].
    pub unrecorded: bool,
}

/// A break in the chain of an object's entries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Break<'h> {
    /// The part that changed without an entry; `$` for the object itself.
    pub path: Path,
    /// The first entry after that change.
    pub entry: &'h LogEntry,
}

impl History {
    /// Builds the history of an object from all its entries, oldest first.
    pub(crate) fn of(
        object: ObjectRef,
        mut entries: Vec<LogEntry>,
        evolution: &Evolution,
    ) -> Result<Self> {
        for entry in &mut entries {
            evolution.upgrade(entry)?;
        }
        order(evolution.fields, &mut entries);
        Ok(Self {
            object,
            entries,
            fields: evolution.fields,
        })
    }

    /// Returns the reference of the object.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Returns all entries of the object, including those that changed nothing.
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Returns the versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = Version<'_>> {
        let changing: Vec<&LogEntry> = self
            .entries
            .iter()
            .filter(|entry| makes_version(entry))
            .collect();
        let numbered = changing.into_iter().enumerate();
        numbered.map(|(index, entry)| Version {
            number: index + 1,
            entry,
        })
    }

    /// Returns the state of the object as of a time, including entries at exactly that time.
    pub fn as_of(&self, time: impl Into<DateTime<Utc>>) -> Reconstruction {
        let time = time.into();
        // Not a binary search: where a key passes to another object, timestamps may decrease.
        let later = |entry: &LogEntry| entry.timestamp > time;
        let end = self.entries.iter().position(later);
        rebuild(
            self.fields,
            &self.entries[..end.unwrap_or(self.entries.len())],
        )
    }

    /// Returns the object as of a time; `None` if it did not exist. See
    /// [`Reconstruction::typed`].
    ///
    /// # Errors
    /// Returns [`TypedError`] if the state is not complete or cannot be deserialized as a `T`.
    pub fn as_of_typed<T: DeserializeOwned>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Option<T>, TypedError> {
        self.as_of(time).typed()
    }

    /// Returns the object as of a time, even if its state is not complete; `None` if it did not
    /// exist. See [`Reconstruction::typed_lossy`].
    ///
    /// # Errors
    /// Returns [`TypedError::Form`] if the state cannot be deserialized as a `T`.
    pub fn as_of_typed_lossy<T: DeserializeOwned>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Option<T>, TypedError> {
        self.as_of(time).typed_lossy()
    }

    /// Returns the state of the object after its newest entry.
    pub fn latest(&self) -> Reconstruction {
        rebuild(self.fields, &self.entries)
    }

    /// Returns the state of the object in a version; `None` if there is no such version.
    pub fn at_version(&self, number: usize) -> Option<Reconstruction> {
        let last = self.versions().nth(number.checked_sub(1)?)?.entry.id;
        let end = self.entries.iter().position(|entry| entry.id == last)?;
        Some(rebuild(self.fields, &self.entries[..=end]))
    }

    /// Returns the changes from one version to another, in either direction; `None` if one of them
    /// does not exist. A version in which the object does not exist is a null. Changes of masked or
    /// hashed values have their redaction.
    ///
    /// The changes have the form of the entries between the versions: items of a keyed list are
    /// identified by key, members of a set by value. Applied to the state of the first version,
    /// they return the state of the second.
    pub fn diff(&self, from: usize, to: usize) -> Option<Changes> {
        let states = (self.at_version(from)?, self.at_version(to)?);
        let mut changes = self.changes(from, &states.0.state, to, &states.1.state);
        mark_hidden(&mut changes, &[&states.0, &states.1]);
        Some(changes)
    }

    /// Returns the changes that lead from the state of a version to that of another.
    fn changes(&self, from: usize, old: &Value, to: usize, new: &Value) -> Changes {
        if old.is_null() || new.is_null() {
            return crate::diff(old, new);
        }
        let (first, last) = (from.min(to), from.max(to));
        let ids: Vec<Uuid> = self
            .versions()
            .skip(first)
            .take(last - first)
            .map(|version| version.entry.id)
            .collect();
        let between: Vec<&LogEntry> = self
            .entries
            .iter()
            .filter(|entry| ids.contains(&entry.id))
            .collect();
        if from <= to {
            version_diff::changes(self.fields, &self.entries, &between, old, new)
        } else {
            version_diff::changes(self.fields, &self.entries, &between, new, old).invert()
        }
    }

    /// Returns the changes that lead from the newest version back to another; `None` if there is no
    /// such version. [`Changes::rebase`] adapts them to an object that has changed since and reports
    /// conflicts.
    ///
    /// The result is that of [`diff`](Self::diff) without the values that the trail lacks in clear
    /// and that cannot be restored: the [`missing`](Reconstruction::missing) parts of
    /// [`at_version`](Self::at_version). A deleted object is restored by one change of `$` from a
    /// null.
    pub fn revert_to(&self, number: usize) -> Option<Changes> {
        let (mut latest, mut target) = (self.latest(), self.at_version(number)?);
        let newest = self.versions().count();
        let hidden: Vec<Path> = latest
            .missing
            .iter()
            .chain(&target.missing)
            .filter(|part| matches!(part.reason, MissingReason::Masked | MissingReason::Hashed))
            .map(|part| part.path.clone())
            .collect();
        if hidden.is_empty() {
            return Some(self.changes(newest, &latest.state, number, &target.state));
        }
        if target.state.is_null() {
            // Nothing is restored: the object is removed with its hidden values.
            let mut changes = crate::diff(&latest.state, &target.state);
            mark_hidden(&mut changes, &[&latest]);
            return Some(changes);
        }
        for path in &hidden {
            remove_part(&mut latest.state, &path.segments());
            remove_part(&mut target.state, &path.segments());
        }
        if latest.state.is_null() || target.state.is_null() {
            return Some(crate::diff(&latest.state, &target.state));
        }
        Some(version_diff::compare(
            self.fields,
            &self.entries,
            &latest.state,
            &target.state,
        ))
    }

    /// Returns the changes that undo one entry in the newest version, and the conflicts: values
    /// that later entries changed, and old values that the trail lacks in clear. `None` if there is
    /// no such entry or if it changed nothing, as for a denied action.
    ///
    /// Undoing a deletion restores the object by one change of `$` from a null, without the values
    /// that the trail lacks in clear. Undoing a creation is one change of `$` to a null; later
    /// changes are conflicts, and there is nothing to undo if the object was deleted.
    pub fn undo(&self, entry: Uuid) -> Option<Rebase> {
        let entry = self.entries.iter().find(|other| other.id == entry)?;
        if !makes_version(entry) {
            return None;
        }
        if entry.action == Action::Create {
            return Some(self.undo_creation(entry));
        }
        let mut back = entry.changes.invert();
        let mut hidden = Vec::new();
        back.retain(|change| {
            if change.redaction.is_some() {
                hidden.push(Conflict::hidden(change.path.clone()));
            }
            change.redaction.is_none()
        });
        let latest = self.latest().state;
        let mut rebase = if latest.is_null() && entry.action == Action::Delete {
            let mut state = empty(&back);
            let Rebase {
                changes, conflicts, ..
            } = back.rebase(&state);
            let fits = changes.apply(&mut state).is_ok();
            debug_assert!(fits, "rebased changes apply to the state");
            Rebase {
                changes: crate::diff(&Value::Null, &state),
                conflicts,
                ..Rebase::default()
            }
        } else {
            back.rebase(&latest)
        };
        rebase.conflicts.append(&mut hidden);
        Some(rebase)
    }

    fn undo_creation(&self, entry: &LogEntry) -> Rebase {
        let mut rebase = Rebase::default();
        let later = self.entries.iter().skip_while(|other| other.id != entry.id);
        let ends = |entry: &&LogEntry| {
            makes_version(entry) && matches!(entry.action, Action::Create | Action::Delete)
        };
        if later.skip(1).any(|entry| ends(&entry)) {
            rebase.done.push(Path::ROOT);
            return rebase;
        }
        let end = self.entries.iter().position(|other| other.id == entry.id);
        let created = rebuild(self.fields, &self.entries[..=end.unwrap_or_default()]).state;
        let latest = self.latest();
        let since = version_diff::compare(self.fields, &self.entries, &created, &latest.state);
        if since.is_empty() {
            rebase.changes = crate::diff(&latest.state, &Value::Null);
            mark_hidden(&mut rebase.changes, &[&latest]);
        } else {
            rebase.conflicts = since.into_iter().map(Conflict::changed_since).collect();
        }
        rebase
    }

    /// Returns the entry that last set each part of the newest version, ordered by path. A part
    /// that was last set together with its parent is not listed separately. A part that first
    /// appears in a snapshot, such as a baseline, is attributed to the entry with the snapshot.
    pub fn blame(&self) -> Vec<Blame<'_>> {
        self.blame_of(&self.entries)
    }

    /// Returns the [blame](Self::blame) of a version, such as the last one before the object was
    /// deleted; `None` if there is no such version.
    pub fn blame_at(&self, number: usize) -> Option<Vec<Blame<'_>>> {
        let id = self.versions().nth(number.checked_sub(1)?)?.entry.id;
        let last = self.entries.iter().position(|entry| entry.id == id)?;
        Some(self.blame_of(&self.entries[..=last]))
    }

    fn blame_of<'h>(&'h self, entries: &'h [LogEntry]) -> Vec<Blame<'h>> {
        let mut parts = Parts::default();
        let mut fold = Fold::of(self.fields);
        for (index, entry) in entries.iter().enumerate() {
            if !makes_version(entry) {
                continue;
            }
            let earlier = Earlier {
                all: &entries[..index],
                start: 0,
            };
            if entry.action == Action::Delete {
                parts.by_path.clear();
                fold.step(earlier, entry);
                continue;
            }
            parts.set(&entry.changes, entry);
            if let Some(snapshot) = &entry.snapshot {
                fold.change(earlier, entry);
                if fold.state != *snapshot {
                    let state = match &fold.state {
                        // One change for each field instead of one for all.
                        Value::Null if snapshot.is_object() => &Value::Object(Map::new()),
                        state => state,
                    };
                    parts.set(&crate::diff(state, snapshot), entry);
                }
            }
            fold.step(earlier, entry);
        }
        let unrecorded: Vec<&Path> = fold.unrecorded().collect();
        let parts = parts.by_path.into_iter().map(|(path, entry)| Blame {
            unrecorded: unrecorded
                .iter()
                .any(|part| part.is_within(&path) || path.is_within(part)),
            path,
            entry,
        });
        parts.collect()
    }

    /// Returns the breaks in the chain of entries, oldest first: an entry starts from another value
    /// than the previous entries left, because a change was not recorded.
    ///
    /// Equivalent values do not break the chain, and neither do values that cannot be compared
    /// because they are masked, [loose](crate::Change::loose) or not mentioned by an earlier entry.
    /// The path is `$` for an object that was deleted or created without an entry.
    ///
    /// # Example: a change that was not recorded
    /// ```
    /// # use audit_core as auditlog;
    /// # use auditlog::{AuditLog, LogEntry, ObjectRef, Store};
    /// # use serde_json::json;
    /// # let log = AuditLog::builder().build();
    /// # for (action, old, new) in [("create", None, "draft"), ("update", Some("1"), "2")] {
    /// #     let mut entry = LogEntry::new(action, "Doc", "9", "Doc 9");
    /// #     let old = old.map(Into::into);
    /// #     entry.changes = [auditlog::Change::new("status".parse()?, old, Some(new.into()))].into_iter().collect();
    /// #     log.store().append(&[entry])?;
    /// # }
    /// // Created as "draft"; the next entry says that "1" became "2".
    /// let history = log.history_of(ObjectRef::new("Doc", "9"))?;
    /// assert_eq!(history.breaks().len(), 1);
    /// assert_eq!(history.breaks()[0].path, "status");
    /// assert_eq!(history.latest().state, json!({"status": "2"}));
    /// assert!(!history.latest().complete);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn breaks(&self) -> Vec<Break<'_>> {
        let mut found: Vec<Break<'_>> = Vec::new();
        let mut fold = Fold::of(self.fields);
        let mut start = 0;
        for (index, entry) in self.entries.iter().enumerate() {
            if !makes_version(entry) {
                continue;
            }
            let earlier = Earlier {
                all: &self.entries[..index],
                start,
            };
            let mut parts = Vec::new();
            if holds_full_state(entry) || fold.state.is_null() {
                parts = fold.breaks(earlier, entry);
            }
            let gaps = fold.step(earlier, entry);
            parts.extend(rebuild::unrecorded(&gaps).cloned());
            if holds_full_state(entry) {
                start = index;
            }
            let first = found.len();
            for path in parts {
                if !found[first..].iter().any(|other| other.path == path) {
                    found.push(Break { path, entry });
                }
            }
        }
        found
    }
}

/// The entry that last set each part.
#[derive(Default)]
struct Parts<'h> {
    by_path: BTreeMap<Path, &'h LogEntry>,
}

impl<'h> Parts<'h> {
    fn set(&mut self, changes: &Changes, entry: &'h LogEntry) {
        for change in changes {
            let path = outside_lists(&change.path);
            let whole = path == change.path;
            if whole {
                // Parts inside sort right after the part itself.
                let inside: Vec<Path> = self
                    .by_path
                    .range(&path..)
                    .take_while(|(part, _)| part.is_within(&path))
                    .map(|(part, _)| part.clone())
                    .collect();
                for part in inside {
                    self.by_path.remove(&part);
                }
            }
            if change.new.is_some() || !whole {
                self.by_path.insert(path, entry);
            } else {
                self.by_path.remove(&path);
            }
        }
    }
}

/// Marks the changes of values that one of the states lacks in clear.
fn mark_hidden(changes: &mut Changes, states: &[&Reconstruction]) {
    let parts: Vec<&Missing> = states.iter().flat_map(|state| &state.missing).collect();
    for change in changes.list_mut() {
        for part in &parts {
            let redaction = match part.reason {
                MissingReason::Masked => Redaction::Masked,
                MissingReason::Hashed => Redaction::Hashed,
                _ => continue,
            };
            let path = without_indices(&change.path);
            let part = without_indices(&part.path);
            if path.is_within(&part) {
                change.redaction = Some(redaction);
            } else if part.is_within(&path) {
                change.redaction.get_or_insert(Redaction::Partial);
            }
        }
    }
}

/// Returns the path without its steps into lists.
fn without_indices(path: &Path) -> Path {
    let mut segments = path.segments();
    segments.retain(|segment| matches!(segment, PathSegment::Name(_)));
    Path::from_segments(&segments)
}

/// Removes a part from a state, in every item of the lists and every value of the maps in its path.
fn remove_part(state: &mut Value, segments: &[PathSegment]) {
    let Some((first, rest)) = segments.split_first() else {
        return;
    };
    match (state, first) {
        (Value::Array(items), PathSegment::Index(_) | PathSegment::Match { .. }) => {
            for item in items {
                remove_part(item, rest);
            }
        }
        (Value::Array(items), PathSegment::Name(_)) => {
            for item in items {
                remove_part(item, segments);
            }
        }
        (Value::Object(fields), PathSegment::Name(name)) => {
            if rest.is_empty() && fields.remove(name).is_some() {
                return;
            }
            match fields.get_mut(name) {
                Some(inner) => remove_part(inner, rest),
                // A map, whose keys are not in the path.
                None => fields
                    .values_mut()
                    .for_each(|inner| remove_part(inner, segments)),
            }
        }
        _ => {}
    }
}

/// Returns the path up to the first list that is matched by position, since its indices shift.
fn outside_lists(path: &Path) -> Path {
    let segments = path.segments();
    let end = segments
        .iter()
        .position(|segment| matches!(segment, PathSegment::Index(_)));
    match end {
        Some(end) => Path::from_segments(&segments[..end]),
        None => path.clone(),
    }
}
