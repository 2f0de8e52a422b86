//! Changes: the differences between two states of an object, by path.
//!
//! | operation | module |
//! |---|---|
//! | [`apply`](Changes::apply), [`rebase`](Changes::rebase), [`conflicts`](Changes::conflicts) | `apply`, `resolve` |
//! | [`invert`](Changes::invert), [`compose`](Changes::compose) | `compose` |
//! | [`to_json_patch`](Changes::to_json_patch) (RFC 6902) | `patch` |
//! | the stored form | `stored` |
//!
//! The operations work on a tree of edits (`edit_tree`), in which the indices of old and new lists are apart.

mod apply;
mod compose;
mod edit_tree;
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

/// A change at one path of an object.
///
/// # Example: a new, a changed and a removed value
/// ```
/// use serde_json::json;
///
/// let changes = auditlog::diff(&json!({"a": 1, "b": 2}), &json!({"a": 3, "c": null}));
/// assert_eq!((&changes["a"].old, &changes["a"].new), (&Some(json!(1)), &Some(json!(3))));
/// assert_eq!((&changes["b"].old, &changes["b"].new), (&Some(json!(2)), &None));
/// // Absence differs from a null.
/// assert_eq!((&changes["c"].old, &changes["c"].new), (&None, &Some(json!(null))));
/// assert_eq!(changes.to_string(), "a: 1 -> 3\nb: removed 2\nc: added null");
/// ```
#[non_exhaustive]
pub struct Change {
    /// The path of the value.
    pub path: Path,
    /// The value before the change: `None` if absent, `Some(Null)` if null.
    pub old: Option<Value>,
    /// The value after the change: `None` if absent, `Some(Null)` if null.
    pub new: Option<Value>,
    /// The difference between `old` and `new` and the real values, if any.
    pub redaction: Option<Redaction>,
    /// The indices that the path lacks: one for each item that it identifies by key, and one for
    /// a set's member at its end.
    ///
    /// They refer to the array before the change, except that the last index of an added item or
    /// member refers to the array after the change.
    pub at: Box<[usize]>,
    /// The items of a keyed list that were reordered, by index; `old` and `new` are absent then.
    /// Empty for every other change.
    pub moved: Box<[Move]>,
    /// Whether the value may change without an entry, so that an old value that differs from the
    /// previous entries is not a [break](crate::History::breaks). This applies if the field or a
    /// field inside the value is marked `ignore`, `eq` or `tolerance`, or if the entry was imported
    /// from a library that does not record every change.
    ///
    /// Set only in recorded entries, not in changes computed from others.
    pub loose: bool,
}

/// A reordered item of a list that is matched by key.
///
/// # Example: a priority that was raised
/// ```
/// use auditlog::Auditable;
///
/// #[derive(Auditable, Clone)]
/// struct Task {
///     id: u32,
/// }
///
/// #[derive(Auditable, Clone)]
/// struct Plan {
///     #[audit(key = "id")]
///     tasks: Vec<Task>,
/// }
///
/// let old = Plan { tasks: vec![Task { id: 1 }, Task { id: 2 }, Task { id: 3 }] };
/// let mut new = old.clone();
/// new.tasks.rotate_right(1); // task 3 comes first
///
/// let changes = auditlog::diff(&old, &new);
/// let moved = &changes["tasks"].moved;
/// assert_eq!(moved.len(), 1);
/// assert_eq!((moved[0].from, moved[0].to), (2, 0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Move {
    /// The item's path segment: its key, or else its old index.
    pub item: PathSegment,
    /// The index in the old list.
    pub from: usize,
    /// The index in the new list.
    pub to: usize,
}

impl Change {
    /// Creates a change without redaction.
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

/// The difference between the recorded values of a change and the real values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Redaction {
    /// The values are masked.
    Masked,
    /// The values are keyed tokens: equal values have equal tokens.
    Hashed,
    /// A part of the values is masked or hashed.
    Partial,
}

impl Redaction {
    /// Returns the name, as stored: `masked`, `hashed` or `partial`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Hashed => "hashed",
            Self::Partial => "partial",
        }
    }
}

/// The changes of an object, by path.
///
/// Fields are in declaration order, a map's keys and a set's members are ordered by text, and a
/// list's items by index. Changes read from a store are ordered by path. Equality ignores the
/// order.
///
/// # Lists and sets
/// - In a list matched by position, a removed or modified item has its index in the old list, an
///   added item its index in the new list. A change with an old and a new value at `tags[2]` means
///   that item 2 of the old list was removed and item 2 of the new list was added. Items without a
///   change keep their order.
/// - In a list matched by key, an item is identified by that key (`items[sku='A1'].qty`), so that
///   removing one from the middle is one change; [`Change::at`] has its index. Reordered items are
///   one change at the path of the list, with [`Change::moved`].
/// - A member of a set is identified by its text (`roles['admin']`). [`Change::at`] has its index
///   in the sorted array that represents the set in a snapshot.
///
/// # Stored form
/// A JSON object by path. Absent members of a change are omitted, so that absence differs from
/// null; `at` and `moved` are omitted if empty, `loose` if `false`.
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
/// For any two values `a` and `b` of a type, `diff(a, b)` applied to `snapshot(a)` returns
/// `snapshot(b)`, `diff(a, a)` is empty, [`invert`](Self::invert) returns the changes that undo
/// these, and [`compose`](Self::compose) combines two successive sets of changes.
#[derive(Clone, Default)]
pub struct Changes {
    list: Vec<Change>,
}

impl Changes {
    /// Creates an empty set of changes.
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

    /// Returns the change at a path in any spelling: `labels.env` also finds `labels['env']`.
    ///
    /// # Example: two spellings
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// let old = BTreeMap::from([("env", "test"), ("a.b", "1")]);
    /// let new = BTreeMap::from([("env", "live"), ("a.b", "2")]);
    /// let changes = auditlog::diff(&old, &new);
    /// assert_eq!(changes.get("env"), changes.get("['env']"));
    /// assert_eq!(changes.get("['a.b']").expect("a change").new, Some("2".into()));
    /// assert!(changes.get("a.b").is_none()); // member `b` of `a`
    /// ```
    pub fn get(&self, path: &str) -> Option<&Change> {
        let same_text = |change: &&Change| change.path.as_str() == path;
        if let Some(change) = self.list.iter().find(same_text) {
            return Some(change);
        }
        let brackets = |text: &str| text.contains(['[', '$']);
        if !brackets(path) && !self.paths().any(|path| brackets(path)) {
            return None;
        }
        let path: Path = path.parse().ok()?;
        self.list.iter().find(|change| change.path == path)
    }

    /// Returns whether there is a change at this path.
    pub fn contains(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Returns whether there is a change at this path or inside it.
    ///
    /// # Example: a part and its parent
    /// ```
    /// use serde_json::json;
    ///
    /// let old = json!({"address": {"city": "Mainz"}});
    /// let new = json!({"address": {"city": "Bonn"}});
    /// let changes = auditlog::diff(&old, &new);
    /// assert!(changes.contains("address.city") && !changes.contains("address"));
    /// assert!(changes.touches(&"address".parse()?));
    /// # Ok::<(), auditlog::ParsePathError>(())
    /// ```
    pub fn touches(&self, path: &Path) -> bool {
        self.list.iter().any(|change| change.path.is_within(path))
    }

    /// Returns the changes in order.
    ///
    /// # Example: one line a change
    /// ```
    /// use serde_json::json;
    ///
    /// let changes = auditlog::diff(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 3}));
    /// let lines: Vec<String> = changes.iter().map(|change| change.to_string()).collect();
    /// assert_eq!(lines, ["a: 1 -> 2", "b: 1 -> 3"]);
    /// ```
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.list.iter()
    }

    /// Returns the changed paths in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.list.iter().map(|change| &change.path)
    }

    /// Retains the changes for which `keep` returns `true`.
    ///
    /// # Example: without a counter
    /// ```
    /// use serde_json::json;
    ///
    /// let mut changes = auditlog::diff(&json!({"n": 1, "visits": 7}), &json!({"n": 2, "visits": 8}));
    /// changes.retain(|change| change.path != "visits");
    /// assert_eq!(changes.to_string(), "n: 1 -> 2");
    /// ```
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
    /// Panics if there is no change at the path. [`Changes::get`] returns `None` instead.
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
        let by_path: HashMap<&Path, &Change> =
            other.iter().map(|change| (&change.path, change)).collect();
        self.iter()
            .all(|change| by_path.get(&change.path) == Some(&change))
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

/// Writes one line for each change.
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
    /// Collects changes. Of two changes at one path it keeps the later one.
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut indices: HashMap<Path, usize> = HashMap::new();
        let mut list: Vec<Change> = Vec::new();
        for change in changes {
            if let Some(&index) = indices.get(&change.path) {
                list[index] = change;
            } else {
                indices.insert(change.path.clone(), list.len());
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
