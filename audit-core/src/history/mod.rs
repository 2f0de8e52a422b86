//! The history of one object: its versions, what it was when, and who set what.

mod between;
pub(crate) mod cadence;
mod chain;
mod evolve;
mod exact;
mod handover;
mod hidden;
mod loose;
mod parts;
mod readable;
mod rebuild;
mod typed;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use self::chain::Earlier;
pub(crate) use self::evolve::Evolution;
pub(crate) use self::handover::order;
pub(crate) use self::loose::mark as mark_loose;
pub use self::rebuild::Reconstruction;
use self::rebuild::{Fold, empty};
pub(crate) use self::rebuild::{makes_version, rebuild, stands_alone};
use crate::action::Action;
use crate::change::{Changes, Conflict, Rebase, Redaction};
use crate::entry::{LogEntry, ObjectRef};
use crate::error::{Missing, MissingReason, Result, TypedError};
use crate::path::{Path, PathSegment};
use crate::value::schema::FieldSchema;

/// The history of one object, oldest entry first.
///
/// A version is what an entry that changed something, or holds a snapshot, made of the object;
/// an entry of what failed or was denied makes none. Versions count from 1. States have the
/// form of a [snapshot](crate::snapshot()), secrets masked.
///
/// Entries without a key, such as those of events and [bulk](crate::bulk()) statements, belong to
/// no object's history. Where the identity of an object changed, its history under the former key
/// ends with a deletion and the one under the new key begins with a creation, and each of these
/// entries names the other object as its [`counterpart`](LogEntry::counterpart). If objects swap
/// their keys in one batch or transaction, the deletion of the former object comes before the
/// creation of the next one, also if it was recorded after it.
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
    /// Its number, from 1.
    pub number: usize,
    /// The entry that made it.
    pub entry: &'h LogEntry,
}

impl Version<'_> {
    /// Returns whether the entry says by itself what it made of the object: a creation, a
    /// deletion, or one with a snapshot.
    pub fn tells_all(&self) -> bool {
        stands_alone(self.entry)
    }
}

/// Who set a part of an object last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Blame<'h> {
    /// The part: a field, a map's key, a whole list that is matched by position.
    pub path: Path,
    /// The entry that set it, which has who, when and why.
    pub entry: &'h LogEntry,
    /// Whether the part, or something in it, changed without an entry since the object was last
    /// told in full; see [`History::breaks`].
    pub unrecorded: bool,
}

/// A break in the chain of an object's entries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Break<'h> {
    /// The part that changed without an entry; `$` for the object itself.
    pub path: Path,
    /// The first entry after that.
    pub entry: &'h LogEntry,
}

impl History {
    /// Makes the history of an object of all its entries, oldest first.
    pub(crate) fn of(
        object: ObjectRef,
        mut entries: Vec<LogEntry>,
        evolution: &Evolution,
    ) -> Result<Self> {
        for entry in &mut entries {
            evolution.bring(entry)?;
        }
        order(evolution.fields, &mut entries);
        Ok(Self {
            object,
            entries,
            fields: evolution.fields,
        })
    }

    /// Returns which object it is.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Returns all entries of the object, those that changed nothing too.
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

    /// Returns what the object was at a time, entries of that very time included.
    pub fn as_of(&self, time: impl Into<DateTime<Utc>>) -> Reconstruction {
        let time = time.into();
        // Not a binary search: at a handover of the key the timestamps may go back.
        let later = |entry: &LogEntry| entry.timestamp > time;
        let end = self.entries.iter().position(later);
        rebuild(
            self.fields,
            &self.entries[..end.unwrap_or(self.entries.len())],
        )
    }

    /// Returns the object as it was at a time; `None` while it did not exist. See
    /// [`Reconstruction::typed`].
    ///
    /// # Errors
    /// [`TypedError`] if the state is not complete, or does not make a `T`.
    pub fn as_of_typed<T: DeserializeOwned>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Option<T>, TypedError> {
        self.as_of(time).typed()
    }

    /// Returns what is known of the object as it was at a time; `None` while it did not exist.
    /// See [`Reconstruction::typed_lossy`].
    ///
    /// # Errors
    /// [`TypedError::Form`] if the state does not make a `T`.
    pub fn as_of_typed_lossy<T: DeserializeOwned>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Option<T>, TypedError> {
        self.as_of(time).typed_lossy()
    }

    /// Returns what the object is, by its newest entry.
    pub fn latest(&self) -> Reconstruction {
        rebuild(self.fields, &self.entries)
    }

    /// Returns what the object was in a version; `None` if there is no such version.
    pub fn at_version(&self, number: usize) -> Option<Reconstruction> {
        let last = self.versions().nth(number.checked_sub(1)?)?.entry.id;
        let end = self.entries.iter().position(|entry| entry.id == last)?;
        Some(rebuild(self.fields, &self.entries[..=end]))
    }

    /// Returns what changed from one version to another, in either direction; `None` if one
    /// of them does not exist. A version in which the object did not exist is a null. What
    /// the trail holds masked or as a token is marked so.
    ///
    /// Tells what the entries between the versions tell, in one: items of a keyed list by their
    /// key, members of a set by themselves. Applied to the state of the one version the changes
    /// give that of the other.
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
            between::changes(self.fields, &self.entries, &between, old, new)
        } else {
            between::changes(self.fields, &self.entries, &between, new, old).invert()
        }
    }

    /// Returns the changes that lead from the newest version back to another; `None` if there
    /// is no such version. [`Changes::rebase`] fits them to an object that has moved on and
    /// reports the conflicts.
    ///
    /// Tells what [`diff`](Self::diff) tells, but for what the trail does not have in clear,
    /// which cannot be put back and is left out: the [`missing`](Reconstruction::missing) parts
    /// of [`at_version`](Self::at_version). An object that was deleted is one change of `$`,
    /// from a null.
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
            // Nothing is put back: the object goes with what is hidden in it.
            let mut changes = crate::diff(&latest.state, &target.state);
            mark_hidden(&mut changes, &[&latest]);
            return Some(changes);
        }
        for path in &hidden {
            take_out(&mut latest.state, &path.segments());
            take_out(&mut target.state, &path.segments());
        }
        if latest.state.is_null() || target.state.is_null() {
            return Some(crate::diff(&latest.state, &target.state));
        }
        Some(between::compare(
            self.fields,
            &self.entries,
            &latest.state,
            &target.state,
        ))
    }

    /// Returns what undoes one entry in the newest version, and what stands in the way of it:
    /// later entries, or that the trail does not have the old value in clear. `None` if there
    /// is no such entry, or if it changed nothing, like one of what was denied.
    ///
    /// Of a deletion it brings the object back: one change of `$`, from a null, without what
    /// the trail does not have in clear. Of a creation it is one change of `$` to a null, unless
    /// something changed since, which stands in the way; nothing if the object was deleted.
    pub fn undo(&self, entry: Uuid) -> Option<Rebase> {
        let entry = self.entries.iter().find(|known| known.id == entry)?;
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
            debug_assert!(fits, "what was fitted to a state fits it");
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
        let later = self.entries.iter().skip_while(|known| known.id != entry.id);
        let ends = |entry: &&LogEntry| {
            makes_version(entry) && matches!(entry.action, Action::Create | Action::Delete)
        };
        if later.skip(1).any(|entry| ends(&entry)) {
            rebase.done.push(Path::ROOT);
            return rebase;
        }
        let end = self.entries.iter().position(|known| known.id == entry.id);
        let created = rebuild(self.fields, &self.entries[..=end.unwrap_or_default()]).state;
        let latest = self.latest();
        let since = between::compare(self.fields, &self.entries, &created, &latest.state);
        if since.is_empty() {
            rebase.changes = crate::diff(&latest.state, &Value::Null);
            mark_hidden(&mut rebase.changes, &[&latest]);
        } else {
            rebase.conflicts = since.into_iter().map(Conflict::changed_since).collect();
        }
        rebase
    }

    /// Returns who set each part of the newest version, by path. A part that was set with
    /// what it is in, and not since, is not listed on its own. Where a snapshot, such as a
    /// baseline, shows what no entry before it tells, its entry is named.
    pub fn blame(&self) -> Vec<Blame<'_>> {
        self.blame_of(&self.entries)
    }

    /// Returns the same of a version, as of one before the object was deleted; `None` if there
    /// is no version of that number.
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
                        // Each field by itself, and not all in one.
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

    /// Returns where the chain of entries is broken: an entry starts from another value than
    /// the entries before it left, since something changed in between without an entry. Oldest
    /// first.
    ///
    /// Values that count as equal break no chain, and neither do values that cannot be compared,
    /// because they are masked, because they are [loose](crate::Change::loose), or because no
    /// entry before mentions them. Of an object that was
    /// deleted or created without an entry the path is `$`.
    ///
    /// # Example: a change past the trail
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
            if stands_alone(entry) || fold.state.is_null() {
                parts = fold.breaks(earlier, entry);
            }
            let gaps = fold.step(earlier, entry);
            parts.extend(rebuild::unrecorded(&gaps).cloned());
            if stands_alone(entry) {
                start = index;
            }
            let first = found.len();
            for path in parts {
                if !found[first..].iter().any(|known| known.path == path) {
                    found.push(Break { path, entry });
                }
            }
        }
        found
    }
}

/// Who set which part.
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
                // What lies inside comes right after it.
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

/// Marks the changes of what a state does not have in clear.
fn mark_hidden(changes: &mut Changes, states: &[&Reconstruction]) {
    let parts: Vec<&Missing> = states.iter().flat_map(|state| &state.missing).collect();
    for change in changes.list_mut() {
        for part in &parts {
            let redaction = match part.reason {
                MissingReason::Masked => Redaction::Masked,
                MissingReason::Hashed => Redaction::Hashed,
                _ => continue,
            };
            let place = without_indices(&change.path);
            let part = without_indices(&part.path);
            if place.is_within(&part) {
                change.redaction = Some(redaction);
            } else if part.is_within(&place) {
                change.redaction.get_or_insert(Redaction::Partial);
            }
        }
    }
}

/// The path without the items of lists that are on its way.
fn without_indices(path: &Path) -> Path {
    let mut segments = path.segments();
    segments.retain(|segment| matches!(segment, PathSegment::Name(_)));
    Path::from_segments(&segments)
}

/// Takes a part out of a state, in every item of a list and every value of a map on the way.
fn take_out(state: &mut Value, segments: &[PathSegment]) {
    let Some((first, rest)) = segments.split_first() else {
        return;
    };
    match (state, first) {
        (Value::Array(items), PathSegment::Index(_) | PathSegment::Match { .. }) => {
            for item in items {
                take_out(item, rest);
            }
        }
        (Value::Array(items), PathSegment::Name(_)) => {
            for item in items {
                take_out(item, segments);
            }
        }
        (Value::Object(fields), PathSegment::Name(name)) => {
            if rest.is_empty() && fields.remove(name).is_some() {
                return;
            }
            match fields.get_mut(name) {
                Some(inner) => take_out(inner, rest),
                // A map, whose keys the path does not tell.
                None => fields
                    .values_mut()
                    .for_each(|inner| take_out(inner, segments)),
            }
        }
        _ => {}
    }
}

/// The path up to the first list that is matched by position: its indices shift.
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
