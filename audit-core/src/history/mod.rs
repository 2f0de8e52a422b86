//! The history of one object: versions, state as of a time, blame, revert and undo.

mod blame;
mod breaks;
mod equivalent_text;
mod key_transfer;
mod mark_loose;
mod missing_fields;
mod partial_state;
mod rebuild;
mod schema_evolution;
mod serde_forms;
mod serde_names;
pub(crate) mod snapshot_schedule;
mod state_deserializer;
mod typed;
mod undo;
mod version_diff;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::blame::Blame;
use self::breaks::Earlier;
pub(crate) use self::key_transfer::order;
pub(crate) use self::mark_loose::mark_loose;
use self::rebuild::Fold;
pub use self::rebuild::Reconstruction;
pub(crate) use self::rebuild::{holds_full_state, makes_version, rebuild};
pub(crate) use self::schema_evolution::Evolution;
use crate::change::{Changes, Redaction};
use crate::entry::{LogEntry, ObjectRef};
use crate::error::{Missing, MissingReason, Result, TypedError};
use crate::path::{Path, PathSegment};
use crate::value::schema::FieldSchema;

/// The history of one object: its entries, oldest first, and everything that follows from them.
///
/// | question | method |
/// |---|---|
/// | What was it at a time, or in a version? | [`as_of`](Self::as_of), [`at_version`](Self::at_version), [`latest`](Self::latest) |
/// | What changed between two versions? | [`diff`](Self::diff) |
/// | Who set this field, when and why? | [`blame`](Self::blame) |
/// | How does it get back to a former state? | [`revert_to`](Self::revert_to), [`undo`](Self::undo) |
/// | Did anything change without an entry? | [`breaks`](Self::breaks) |
///
/// Each successful entry with changes or a snapshot makes a version; entries of failed or denied actions
/// make none. Versions are numbered from 1. States have the form of a [snapshot](crate::snapshot()), with
/// secrets masked.
///
/// Entries without a key, such as those of events and [bulk](crate::bulk()) statements, are not part of
/// any history. If the identity of an object changed, its history under the former key ends with a
/// deletion, the history under the new key begins with a creation, and each of these entries names the
/// other object as its [`counterpart`](LogEntry::counterpart). If objects swap their keys in one batch or
/// transaction, the deletion of the former object precedes the creation of the next one, even if it was
/// recorded later.
///
/// # Example: three versions of a document
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct Document {
///     id: u32,
///     title: String,
///     public: bool,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::register::<Document>();
/// let mut document = Document { id: 7, title: "Plan".into(), public: false };
/// auditlog::created(&document).actor("ann").record()?;
/// auditlog::update(&mut document, |document| document.title = "Plan B".into()).actor("bob").record()?;
/// auditlog::update(&mut document, |document| document.public = true).actor("ann").record()?;
///
/// let history = auditlog::history::<Document>(7)?;
/// assert_eq!(history.versions().count(), 3);
/// assert_eq!(history.diff(1, 3).expect("two versions").to_string(),
///     "title: \"Plan\" -> \"Plan B\"\npublic: false -> true");
/// let blame = history.blame();
/// let setters: Vec<_> = blame.iter().map(|part| (part.path.as_str(), part.entry.actor())).collect();
/// assert_eq!(setters, [("id", "ann"), ("public", "ann"), ("title", "bob")]);
/// # Ok::<(), auditlog::Error>(())
/// ```
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
    ///
    /// # Example: a creation and an update
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Item>();
    /// let mut item = Item { id: 1, stock: 0 };
    /// auditlog::created(&item).record()?;
    /// auditlog::update(&mut item, |item| item.stock = 5).record()?;
    ///
    /// let history = auditlog::history::<Item>(1)?;
    /// let full: Vec<bool> = history.versions().map(|version| version.holds_full_state()).collect();
    /// assert_eq!(full, [true, false]);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn holds_full_state(&self) -> bool {
        holds_full_state(self.entry)
    }
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
    ///
    /// # Example: one line a version
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Item>();
    /// let mut item = Item { id: 1, stock: 0 };
    /// auditlog::created(&item).actor("ann").record()?;
    /// auditlog::update(&mut item, |item| item.stock = 5).actor("bob").record()?;
    /// auditlog::update(&mut item, |item| item.stock = 9).outcome(Outcome::Denied).record()?;
    ///
    /// let history = auditlog::history::<Item>(1)?;
    /// let lines: Vec<String> = history
    ///     .versions()
    ///     .map(|version| format!("{} {} by {}", version.number, version.entry.action, version.entry.actor()))
    ///     .collect();
    /// assert_eq!(lines, ["1 create by ann", "2 update by bob"]); // the denied one made no version
    /// assert_eq!(history.entries().len(), 3);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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
    ///
    /// Before the first version the object did not exist if that version is a creation. Otherwise its
    /// state is unknown: null and not complete.
    ///
    /// # Example: the state between two entries
    /// ```
    /// use auditlog::prelude::*;
    /// use chrono::{DateTime, TimeDelta, Utc};
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
    /// auditlog::register::<Item>();
    /// let mut item = Item { id: 1, stock: 0 };
    /// auditlog::created(&item).record()?;
    /// audit.advance(TimeDelta::hours(2));
    /// auditlog::update(&mut item, |item| item.stock = 5).record()?;
    ///
    /// let history = auditlog::history::<Item>(1)?;
    /// let then: DateTime<Utc> = "2026-01-01T01:00:00Z".parse()?;
    /// let past = history.as_of(then);
    /// assert!(past.complete);
    /// assert_eq!(past.state, serde_json::json!({"id": 1, "stock": 0}));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_of(&self, time: impl Into<DateTime<Utc>>) -> Reconstruction {
        let time = time.into();
        // Not a binary search: where a key passes to another object, timestamps may decrease.
        let later = |entry: &LogEntry| entry.timestamp > time;
        let end = self.entries.iter().position(later);
        rebuild(
            self.fields,
            &self.entries,
            end.unwrap_or(self.entries.len()),
        )
    }

    /// Returns the object as of a time; `None` if it did not exist. See
    /// [`Reconstruction::typed`].
    ///
    /// # Errors
    /// Returns [`TypedError`] if the state is not complete or cannot be deserialized as a `T`.
    ///
    /// # Example: the object itself
    /// ```
    /// use auditlog::prelude::*;
    /// use chrono::{DateTime, Utc};
    ///
    /// #[derive(Auditable, Deserialize)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
    /// auditlog::register::<Item>();
    /// auditlog::created(&Item { id: 1, stock: 5 }).record()?;
    ///
    /// let then: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
    /// let item: Item = auditlog::history::<Item>(1)?.as_of_typed(then)?.expect("it existed");
    /// assert_eq!((item.id, item.stock), (1, 5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// - Returns [`TypedError::Incomplete`] if the trail has no part of the state.
    /// - Returns [`TypedError::Form`] if the state cannot be deserialized as a `T`.
    pub fn as_of_typed_lossy<T: DeserializeOwned>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Option<T>, TypedError> {
        self.as_of(time).typed_lossy()
    }

    /// Returns the state of the object after its newest entry.
    ///
    /// # Example: after a deletion
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct Item {
    ///     id: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Item>();
    /// auditlog::created(&Item { id: 1 }).record()?;
    /// assert!(auditlog::history::<Item>(1)?.latest().exists());
    /// auditlog::deleted(&Item { id: 1 }).record()?;
    /// assert!(!auditlog::history::<Item>(1)?.latest().exists());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn latest(&self) -> Reconstruction {
        rebuild(self.fields, &self.entries, self.entries.len())
    }

    /// Returns the state of the object in a version; `None` if there is no such version.
    pub fn at_version(&self, number: usize) -> Option<Reconstruction> {
        let last = self.versions().nth(number.checked_sub(1)?)?.entry.id;
        let end = self.entries.iter().position(|entry| entry.id == last)?;
        Some(rebuild(self.fields, &self.entries, end + 1))
    }

    /// Returns the changes from one version to another, in either direction; `None` if one of them
    /// does not exist. A version in which the object does not exist is a null. Changes of masked or hashed
    /// values have their redaction.
    ///
    /// The changes have the form of the entries between the versions: items of a keyed list are
    /// identified by key, members of a set by value. Applied to the state of the first version,
    /// they return the state of the second.
    ///
    /// If the object is older than the trail, a state lacks the fields that no entry mentions up to its
    /// version. The changes are those of the entries between the versions then, with their old values, which
    /// do not apply to that state. A field that only a snapshot has did not change.
    ///
    /// # Example: members of a set
    /// ```
    /// use std::collections::BTreeSet;
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     roles: BTreeSet<String>,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let mut user = User { id: 1, roles: BTreeSet::new() };
    /// auditlog::created(&user).record()?;
    /// for role in ["staff", "admin"] {
    ///     auditlog::update(&mut user, |user| {
    ///         user.roles.insert(role.into());
    ///     })
    ///     .record()?;
    /// }
    ///
    /// let history = auditlog::history::<User>(1)?;
    /// let changes = history.diff(1, 3).expect("two versions");
    /// let paths: Vec<_> = changes.paths().map(|path| path.as_str()).collect();
    /// assert_eq!(paths, ["roles['admin']", "roles['staff']"]);
    /// assert_eq!(history.diff(3, 1), Some(changes.invert()));
    /// assert!(history.diff(1, 4).is_none());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn diff(&self, from: usize, to: usize) -> Option<Changes> {
        let states = (self.at_version(from)?, self.at_version(to)?);
        let mut changes = self.changes(from, &states.0, to, &states.1);
        mark_hidden(&mut changes, &[&states.0, &states.1]);
        Some(changes)
    }

    /// Returns the changes that lead from the state of a version to that of another.
    fn changes(
        &self,
        from: usize,
        old: &Reconstruction,
        to: usize,
        new: &Reconstruction,
    ) -> Changes {
        let between = self.between(from, to);
        match (old.exists(), new.exists()) {
            (true, true) => {}
            (false, false) => return Changes::new(),
            (false, true) => return self.creation(new, &composed(&between, from <= to)),
            (true, false) => return self.creation(old, &composed(&between, from > to)).invert(),
        }
        if old.is_unknown() || new.is_unknown() {
            return composed(&between, from <= to);
        }
        let states = [&old.state, &new.state];
        let changes = if from <= to {
            version_diff::changes(self.fields, &self.entries, &between, states[0], states[1])
        } else {
            version_diff::changes(self.fields, &self.entries, &between, states[1], states[0])
                .invert()
        };
        if old.is_partial() || new.is_partial() {
            return self.recorded_changes([old, new], changes, &between, from <= to);
        }
        changes
    }

    /// Returns the changes from a version in which the object does not exist to one in which it does;
    /// `recorded` are those of the entries.
    fn creation(&self, found: &Reconstruction, recorded: &Changes) -> Changes {
        if !found.is_partial() && !found.is_unknown() {
            return crate::diff(&Value::Null, &found.state);
        }
        let mut changes = crate::diff(&Value::Null, &self.existing(&found.state, recorded));
        if recorded.iter().any(|change| change.redaction.is_some()) {
            for change in changes.list_mut() {
                change.redaction = Some(Redaction::Partial);
            }
        }
        changes
    }

    /// Returns the entries that made the later versions of a range of versions, oldest first.
    fn between(&self, from: usize, to: usize) -> Vec<&LogEntry> {
        let (first, last) = (from.min(to), from.max(to));
        let versions = self.versions().skip(first).take(last - first);
        versions.map(|version| version.entry).collect()
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

/// Composes the changes of entries, or those that lead back.
fn composed(entries: &[&LogEntry], forward: bool) -> Changes {
    let changes: Vec<&Changes> = entries.iter().map(|entry| &entry.changes).collect();
    let composed = Changes::composed(&changes);
    if forward { composed } else { composed.invert() }
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
