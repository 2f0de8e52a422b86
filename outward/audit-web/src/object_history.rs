//! The history of an object as a reader may see it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use audit_core::{
    Action, Blame, Changes, History, LogEntry, MissingReason, ObjectRef, Path, Reconstruction,
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::conceal::Concealer;

/// The history of an object as a reader may see it.
pub(crate) struct ObjectHistory {
    history: History,
    /// The index of the entry of each version; empty if the history is a part.
    versions: Vec<usize>,
    /// The numbers of the versions by the ids of their entries.
    numbers: HashMap<Uuid, usize>,
    is_partial: bool,
    /// Whether the reader may see every entry, so that a gap is one of the trail.
    is_unrestricted: bool,
    concealer: Option<Arc<Concealer>>,
}

/// An entry with the number of its version.
pub(crate) struct NumberedEntry<'h> {
    /// The number of the version; `None` if the entry makes none, or if the history is a part.
    pub(crate) version: Option<usize>,
    pub(crate) entry: Cow<'h, LogEntry>,
}

/// The state of an object.
pub(crate) struct State {
    pub(crate) state: Value,
    /// The missing parts with the reasons.
    pub(crate) missing: Vec<(String, String)>,
}

/// The entry that last set a part of an object.
pub(crate) struct Part<'h> {
    pub(crate) path: String,
    pub(crate) value: Option<Value>,
    pub(crate) version: Option<usize>,
    pub(crate) entry: Cow<'h, LogEntry>,
    pub(crate) is_unrecorded: bool,
}

impl ObjectHistory {
    pub(crate) fn new(
        history: History,
        is_partial: bool,
        is_unrestricted: bool,
        concealer: Option<Arc<Concealer>>,
    ) -> Self {
        let mut numbers = HashMap::new();
        if !is_partial {
            let versions = history.versions();
            numbers.extend(versions.map(|version| (version.entry.id, version.number)));
        }
        let makes_version = |(_, entry): &(usize, &LogEntry)| numbers.contains_key(&entry.id);
        let entries = history.entries().iter().enumerate();
        let versions = entries.filter(makes_version).map(|(index, _)| index);
        Self {
            versions: versions.collect(),
            numbers,
            history,
            is_partial,
            is_unrestricted,
            concealer,
        }
    }

    pub(crate) fn object(&self) -> &ObjectRef {
        self.history.object()
    }

    /// Returns whether the object has more entries before these. Then versions have no numbers,
    /// which would depend on the entries that were read.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Returns whether values are hidden from the reader.
    pub(crate) fn hides_values(&self) -> bool {
        self.concealer.is_some()
    }

    /// Returns whether the reader may see gaps in the entries. For a reader with a scope, a gap is
    /// an entry outside of it; for one without values, it shows that two values differ.
    pub(crate) fn shows_gaps(&self) -> bool {
        self.is_unrestricted && !self.hides_values()
    }

    /// Returns the newest entry.
    pub(crate) fn newest(&self) -> Option<Cow<'_, LogEntry>> {
        self.history.entries().last().map(|entry| self.shown(entry))
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.history.entries().len()
    }

    /// Returns the entries of a range, oldest first.
    pub(crate) fn entries(&self, range: std::ops::Range<usize>) -> Vec<NumberedEntry<'_>> {
        let entries = self.history.entries().get(range).unwrap_or_default();
        let numbered = entries.iter().map(|entry| NumberedEntry {
            version: self.numbers.get(&entry.id).copied(),
            entry: self.shown(entry),
        });
        numbered.collect()
    }

    /// Returns the number of versions.
    pub(crate) fn versions(&self) -> usize {
        self.versions.len()
    }

    /// Returns the entry that made a version.
    pub(crate) fn version(&self, number: usize) -> Option<Cow<'_, LogEntry>> {
        let index = *self.versions.get(number.checked_sub(1)?)?;
        Some(self.shown(&self.history.entries()[index]))
    }

    pub(crate) fn at_version(&self, number: usize) -> Option<State> {
        self.history
            .at_version(number)
            .map(|state| self.state(state))
    }

    pub(crate) fn as_of(&self, time: DateTime<Utc>) -> State {
        self.state(self.history.as_of(time))
    }

    /// Returns the number of the version at a time; 0 before the first.
    pub(crate) fn version_at(&self, time: DateTime<Utc>) -> usize {
        let is_later = |index: &usize| self.history.entries()[*index].timestamp > time;
        let later = self.versions.iter().position(is_later);
        later.unwrap_or(self.versions.len())
    }

    /// Returns whether the version at a time is a deletion.
    pub(crate) fn is_deleted_at(&self, time: DateTime<Utc>) -> bool {
        let versions = self.history.versions();
        let until = versions.take_while(|version| version.entry.timestamp <= time);
        let last = until.last();
        last.is_some_and(|version| version.entry.action == Action::Delete)
    }

    /// Returns whether the object did not exist yet at a time: its first version, after the time, is a
    /// creation. The first version of a part of a history is not that of the object.
    pub(crate) fn is_created_after(&self, time: DateTime<Utc>) -> bool {
        let first = self.history.versions().next();
        let is_later = first.is_some_and(|version| version.entry.timestamp > time);
        is_later && !self.is_partial && !self.history.as_of(time).exists()
    }

    /// Returns the time of the last version after a time and before an end.
    pub(crate) fn last_between(
        &self,
        time: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let mut times = self
            .history
            .versions()
            .map(|version| version.entry.timestamp);
        times.rfind(|at| *at > time && *at < end)
    }

    pub(crate) fn latest(&self) -> State {
        self.state(self.history.latest())
    }

    /// Returns whether the newest version is a deletion. An object without a version, such as one that
    /// was only read, has no state and was not deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        let newest = self.history.versions().next_back();
        newest.is_some_and(|version| version.entry.action == Action::Delete)
    }

    /// Returns the changes between two versions. Without values, these are the fields that entries
    /// between them changed.
    pub(crate) fn diff(&self, from: usize, to: usize) -> Option<Changes> {
        let Some(concealer) = &self.concealer else {
            return self.history.diff(from, to);
        };
        let (first, last) = (from.min(to), from.max(to));
        let between = self.versions.get(first.checked_sub(1)?..last)?;
        let entries = between.iter().skip(1);
        let entries = entries.map(|index| &self.history.entries()[*index]);
        Some(concealer.changed_fields(&self.object().model, entries))
    }

    /// Returns the number of the version whose parts are attributed, the newest one in which the object
    /// exists, its first parts up to a limit, and the number of the others.
    pub(crate) fn blame(&self, limit: usize) -> (usize, Vec<Part<'_>>, usize) {
        let mut versions = self.history.versions();
        let existing = versions.rfind(|version| version.entry.action != Action::Delete);
        let number = existing.map_or(0, |version| version.number);
        if let Some(concealer) = &self.concealer {
            let fields = self.changed_fields(concealer, number);
            let more = fields.len().saturating_sub(limit);
            let parts = fields.into_iter().take(limit);
            let parts = parts.map(|(path, entry)| self.field_part(&path, entry));
            return (number, parts.collect(), more);
        }
        let state = self
            .history
            .at_version(number)
            .map(|at| at.state)
            .unwrap_or_default();
        let blamed = self.history.blame_at(number).unwrap_or_default();
        let more = blamed.len().saturating_sub(limit);
        let parts = blamed.iter().take(limit);
        let parts = parts.map(|blame| self.part(blame, &state));
        (number, parts.collect(), more)
    }

    /// Returns the last entry up to a version that changed each field. An entry with a snapshot
    /// counts for the fields of its changes only: which other parts of the snapshot differ from the
    /// state before it depends on hidden values.
    fn changed_fields(&self, concealer: &Concealer, number: usize) -> BTreeMap<Path, &LogEntry> {
        let mut fields: BTreeMap<Path, &LogEntry> = BTreeMap::new();
        for index in self.versions.get(..number).unwrap_or_default() {
            let entry = &self.history.entries()[*index];
            if entry.action == Action::Delete {
                fields.clear();
                continue;
            }
            let paths = entry.changes.paths();
            let paths = paths.map(|path| concealer.field(&self.object().model, path));
            fields.extend(paths.map(|path| (path, entry)));
        }
        fields
    }

    fn field_part<'h>(&self, path: &Path, entry: &'h LogEntry) -> Part<'h> {
        Part {
            path: path.to_string(),
            value: None,
            version: self.numbers.get(&entry.id).copied(),
            entry: self.shown(entry),
            is_unrecorded: false,
        }
    }

    fn part<'h>(&'h self, blame: &Blame<'h>, state: &Value) -> Part<'h> {
        // The member of a set is in its entry only.
        let in_entry = || blame.entry.changes.get(blame.path.as_str())?.new.clone();
        Part {
            path: blame.path.to_string(),
            value: blame.path.find_in(state).cloned().or_else(in_entry),
            version: self.numbers.get(&blame.entry.id).copied(),
            entry: self.shown(blame.entry),
            is_unrecorded: blame.unrecorded && self.shows_gaps(),
        }
    }

    fn shown<'h>(&self, entry: &'h LogEntry) -> Cow<'h, LogEntry> {
        let Some(concealer) = &self.concealer else {
            return Cow::Borrowed(entry);
        };
        let mut entry = entry.clone();
        concealer.entry(&mut entry);
        Cow::Owned(entry)
    }

    fn state(&self, at: Reconstruction) -> State {
        let model = &self.object().model;
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        let parts = at.missing.into_iter().map(|part| (part.path, part.reason));
        let inside = self.concealer.iter();
        let inside = inside.flat_map(|concealer| concealer.redacted_inside(model, &at.state));
        for (path, reason) in parts.chain(inside) {
            let Some(reason) = self.reason(reason) else {
                continue;
            };
            let path = match &self.concealer {
                Some(concealer) => concealer.field(model, &path),
                None => path,
            };
            let part = (path.to_string(), reason);
            if seen.insert(part.clone()) {
                missing.push(part);
            }
        }
        State {
            state: match &self.concealer {
                Some(concealer) => concealer.state(model, &at.state),
                None => at.state,
            },
            missing,
        }
    }

    /// Returns the reason why a part is missing, unless it depends on entries or values that the
    /// reader may not see.
    fn reason(&self, reason: MissingReason) -> Option<String> {
        match reason {
            MissingReason::Masked | MissingReason::Hashed | MissingReason::Skipped => {}
            MissingReason::StartsLater if self.is_unrestricted && self.is_partial => {
                return Some("not in the newest entries of this object".to_owned());
            }
            MissingReason::StartsLater if self.is_unrestricted => {}
            _ if self.shows_gaps() => {}
            _ => return None,
        }
        Some(reason.to_string())
    }
}
