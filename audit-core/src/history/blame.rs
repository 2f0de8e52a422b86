//! Blame: the entry that last set each part of an object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::breaks::Earlier;
use super::rebuild::{Fold, makes_version};
use super::{History, outside_lists};
use crate::action::Action;
use crate::change::Changes;
use crate::entry::LogEntry;
use crate::path::Path;

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

impl History {
    /// Returns the entry that last set each part of the newest version, ordered by path. A part
    /// that was last set together with its parent is not listed separately. A part that first
    /// appears in a snapshot, such as a baseline, is attributed to the entry with the snapshot.
    ///
    /// # Example: who set which field, and why
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Account {
    ///     id: u32,
    ///     limit: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Account>();
    /// let mut account = Account { id: 1, limit: 100 };
    /// auditlog::created(&account).actor("ann").record()?;
    /// auditlog::update(&mut account, |account| account.limit = 5_000)
    ///     .actor("bob")
    ///     .reason("ticket 4711")
    ///     .record()?;
    ///
    /// let history = auditlog::history::<Account>(1)?;
    /// let blame = history.blame();
    /// let limit = blame.iter().find(|part| part.path == "limit").expect("a field");
    /// assert_eq!(limit.entry.actor(), "bob");
    /// assert_eq!(limit.entry.reason.as_deref(), Some("ticket 4711"));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn blame(&self) -> Vec<Blame<'_>> {
        self.blame_of(&self.entries)
    }

    /// Returns the [blame](Self::blame) of a version, such as the last one before the object was
    /// deleted; `None` if there is no such version.
    ///
    /// # Example: a deleted object
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
    /// auditlog::created(&Item { id: 1 }).actor("ann").record()?;
    /// auditlog::deleted(&Item { id: 1 }).actor("bob").record()?;
    ///
    /// let history = auditlog::history::<Item>(1)?;
    /// assert!(history.blame().is_empty());
    /// let before = history.blame_at(1).expect("a version");
    /// assert_eq!(before[0].entry.actor(), "ann");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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
        let mut unrecorded: BTreeSet<Path> = BTreeSet::new();
        for part in fold.unrecorded() {
            unrecorded.extend(parts.around(part));
        }
        let parts = parts.by_path.into_iter().map(|(path, entry)| Blame {
            unrecorded: unrecorded.contains(&path),
            path,
            entry,
        });
        parts.collect()
    }
}

/// The entry that last set each part.
#[derive(Default)]
struct Parts<'h> {
    by_path: BTreeMap<Path, &'h LogEntry>,
}

impl<'h> Parts<'h> {
    /// Returns a part, if there is such a part, and those inside it, which sort right after it.
    fn inside<'p>(&'p self, path: &'p Path) -> impl Iterator<Item = &'p Path> {
        let from = self.by_path.range(path..);
        from.map(|(part, _)| part)
            .take_while(|part| part.is_within(path))
    }

    /// Returns the parts inside a path and those that contain it.
    fn around(&self, path: &Path) -> Vec<Path> {
        let mut around: Vec<Path> = self.inside(path).cloned().collect();
        let mut segments = path.segments();
        while segments.pop().is_some() {
            let parent = Path::from_segments(&segments);
            if self.by_path.contains_key(&parent) {
                around.push(parent);
            }
        }
        around
    }

    fn set(&mut self, changes: &Changes, entry: &'h LogEntry) {
        for change in changes {
            let path = outside_lists(&change.path);
            let is_exact = path == change.path;
            if is_exact {
                let inside: Vec<Path> = self.inside(&path).cloned().collect();
                for part in inside {
                    self.by_path.remove(&part);
                }
            }
            if change.new.is_some() || !is_exact {
                self.by_path.insert(path, entry);
            } else {
                self.by_path.remove(&path);
            }
        }
    }
}
