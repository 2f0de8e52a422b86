//! Changes: what an entry says about an object's fields.

mod apply;
mod compose;
mod edit;
mod patch;
mod resolve;
mod stored;

use std::collections::HashMap;
use std::fmt;
use std::ops::Index;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::apply::{ApplyError, Conflict, ConflictKind, Rebase};
pub(crate) use self::resolve::{exact_text, member_text};
pub(crate) use self::stored::present;
use crate::json::nesting::{self, Printed};
use crate::path::{Path, PathSegment};

/// One place of an object that changed.
#[non_exhaustive]
pub struct Change {
    /// Where it happened.
    pub path: Path,
    /// What was there before; `None` if nothing, `Some(Null)` if a null.
    pub old: Option<Value>,
    /// What is there now; `None` if nothing, `Some(Null)` if a null.
    pub new: Option<Value>,
    /// How `old` and `new` differ from the real values, if they do.
    pub redaction: Option<Redaction>,
    /// The indices that the path does not tell: one for each item that it names by key, and
    /// one for a set's member at its end.
    ///
    /// They count in the array as it was before, but the last one of something that was added
    /// counts in the array as it is now.
    pub at: Box<[usize]>,
    /// The items of a keyed list that changed their order, by index; `old` and `new` are
    /// absent then. Empty for every other change.
    pub moved: Box<[Move]>,
    /// Whether the value may change without an entry, so that another old value than the entries
    /// before left is no [break](crate::History::breaks): the field, or a field in the value, is
    /// marked `ignore`, `eq` or `tolerance`, or another library recorded it that does not tell of
    /// every change.
    ///
    /// Set in recorded entries only; what is computed from changes is without it.
    pub loose: bool,
}

/// An item that changed its place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Move {
    /// How paths name the item: by key, or else by its old index.
    pub item: PathSegment,
    /// Its index in the list as it was.
    pub from: usize,
    /// Its index in the list as it is.
    pub to: usize,
}

impl Change {
    /// Makes a change of values that need no redaction.
    #[inline]
    pub fn new(path: Path, old: Option<Value>, new: Option<Value>) -> Self {
        Self {
            path,
            old,
            new,
            redaction: None,
            at: Box::default(),
            moved: Box::default(),
            loose: false,
        }
    }
}

impl Clone for Change {
    fn clone(&self) -> Self {
        Self {
            path: self.path.clone(),
            old: self.old.as_ref().map(nesting::clone),
            new: self.new.as_ref().map(nesting::clone),
            redaction: self.redaction,
            at: self.at.clone(),
            moved: self.moved.clone(),
            loose: self.loose,
        }
    }
}

impl PartialEq for Change {
    fn eq(&self, other: &Self) -> bool {
        fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
            match (a, b) {
                (Some(a), Some(b)) => nesting::equal(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
        }
        self.path == other.path
            && same(self.old.as_ref(), other.old.as_ref())
            && same(self.new.as_ref(), other.new.as_ref())
            && self.redaction == other.redaction
            && self.at == other.at
            && self.moved == other.moved
            && self.loose == other.loose
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("path", &self.path)
            .field("old", &self.old.as_ref().map(Printed))
            .field("new", &self.new.as_ref().map(Printed))
            .field("redaction", &self.redaction)
            .field("at", &self.at)
            .field("moved", &self.moved)
            .field("loose", &self.loose)
            .finish()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{} -> {}", Printed(old), Printed(new)),
            (None, Some(new)) => write!(f, "added {}", Printed(new)),
            (Some(old), None) => write!(f, "removed {}", Printed(old)),
            (None, None) if self.moved.is_empty() => f.write_str("changed"),
            (None, None) => {
                f.write_str("moved ")?;
                for (number, step) in self.moved.iter().enumerate() {
                    let comma = if number > 0 { ", " } else { "" };
                    let item = Path::from_segments(std::slice::from_ref(&step.item));
                    write!(f, "{comma}{item} from {} to {}", step.from, step.to)?;
                }
                Ok(())
            }
        }
    }
}

/// How the values of a change differ from the real ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Redaction {
    /// They are masked.
    Masked,
    /// They are keyed tokens: equal values have equal tokens.
    Hashed,
    /// Something inside them is masked or hashed.
    Partial,
}

/// What changed in an object, by path.
///
/// Ordered: fields as they are declared, a map's keys and a set's members by their text, a
/// list's items by index. Changes read back from a store are ordered by path. Equality does
/// not look at the order.
///
/// # Lists and sets
/// - In a list matched by position, what was removed and what changed inside is named by its
///   index in the old list, what was added by its index in the new one. A change with an old
///   and a new value at `tags[2]` says that item 2 of the old list went and another is item 2
///   of the new one. What is not mentioned stays, in its order.
/// - In a list matched by key an item is named by that key (`items[sku='A1'].qty`), so that
///   removing one from the middle is one change; [`Change::at`] holds its index. Items that
///   changed their order are one change at the list's own path, with [`Change::moved`].
/// - A member of a set is named by its text (`roles['admin']`). [`Change::at`] holds its index
///   in the sorted array that a snapshot has of a set.
///
/// # Stored form
/// In JSON an object by path. Of each change only what is there is stored, so that absence
/// differs from a null; `at` and `moved` are left out when they are empty, `loose` where it is
/// false.
/// ```json
/// {
///   "email": {"new": "a@new.example", "old": "a@old.example"},
///   "items": {"moved": {"[sku='A1']": [0, 2]}},
///   "items[sku='A1'].qty": {"at": [0], "new": 2, "old": 1},
///   "phone": {"new": "****4567", "old": "****1234", "redaction": "masked"},
///   "roles['admin']": {"at": [0], "new": "admin"}
/// }
/// ```
///
/// # Laws
/// For any two values `a` and `b` of a type, `diff(a, b)` applied to `snapshot(a)` gives
/// `snapshot(b)`, `diff(a, a)` is empty, [`invert`](Self::invert) undoes, and
/// [`compose`](Self::compose) does both steps in one.
#[derive(Clone, Default)]
pub struct Changes {
    list: Vec<Change>,
}

impl Changes {
    /// Makes an empty set of changes.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    pub(crate) fn from_vec(list: Vec<Change>) -> Self {
        Self { list }
    }

    /// Returns the number of changed paths.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the change at a path; `labels.env` finds `labels['env']` too.
    pub fn get(&self, path: &str) -> Option<&Change> {
        let spelled = |change: &&Change| change.path.as_str() == path;
        if let Some(change) = self.list.iter().find(spelled) {
            return Some(change);
        }
        let brackets = |text: &str| text.contains(['[', '$']);
        if !brackets(path) && !self.paths().any(|path| brackets(path)) {
            return None;
        }
        let path: Path = path.parse().ok()?;
        self.list.iter().find(|change| change.path == path)
    }

    /// Returns whether there is a change at exactly this path.
    pub fn contains(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Returns whether anything changed at this path or inside it.
    pub fn touches(&self, path: &Path) -> bool {
        self.list.iter().any(|change| change.path.is_within(path))
    }

    /// Returns the changes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.list.iter()
    }

    /// Returns the changed paths in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.list.iter().map(|change| &change.path)
    }

    /// Keeps the changes for which `keep` returns true.
    pub fn retain(&mut self, keep: impl FnMut(&Change) -> bool) {
        self.list.retain(keep);
    }

    pub(crate) fn as_slice(&self) -> &[Change] {
        &self.list
    }

    pub(crate) fn list_mut(&mut self) -> &mut Vec<Change> {
        &mut self.list
    }
}

impl Index<&str> for Changes {
    type Output = Change;

    /// # Panics
    /// If nothing changed at that path; [`Changes::get`] returns `None` instead.
    fn index(&self, path: &str) -> &Change {
        match self.get(path) {
            Some(change) => change,
            None => panic!(
                "no change at `{path}`; changed are {:?}",
                self.paths().collect::<Vec<_>>()
            ),
        }
    }
}

impl PartialEq for Changes {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        if self.list == other.list {
            return true;
        }
        let places: HashMap<&Path, &Change> =
            other.iter().map(|change| (&change.path, change)).collect();
        self.iter()
            .all(|change| places.get(&change.path) == Some(&change))
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Values<'c>(&'c Change);

        impl fmt::Debug for Values<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Change {
                    old, new, moved, ..
                } = self.0;
                if moved.is_empty() {
                    let (old, new) = (old.as_ref().map(Printed), new.as_ref().map(Printed));
                    (old, new).fmt(f)
                } else {
                    moved.fmt(f)
                }
            }
        }

        f.debug_map()
            .entries(self.iter().map(|change| (&change.path, Values(change))))
            .finish()
    }
}

/// One line a change.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, change) in self.list.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{change}")?;
        }
        Ok(())
    }
}

impl FromIterator<Change> for Changes {
    /// Collects changes; of two at one path the later one stays.
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut places: HashMap<Path, usize> = HashMap::new();
        let mut list: Vec<Change> = Vec::new();
        for change in changes {
            if let Some(&place) = places.get(&change.path) {
                list[place] = change;
            } else {
                places.insert(change.path.clone(), list.len());
                list.push(change);
            }
        }
        Self { list }
    }
}

impl IntoIterator for Changes {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
