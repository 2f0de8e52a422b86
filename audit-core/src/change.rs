//! Changes: what an entry says about an object's fields.

use std::fmt;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::canonical::Canonical;
use crate::path::Path;

/// One place of an object that changed.
#[derive(Clone, Debug, PartialEq)]
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
}

impl Change {
    /// Makes a change of values that need no redaction.
    pub fn new(path: Path, old: Option<Value>, new: Option<Value>) -> Self {
        Self {
            path,
            old,
            new,
            redaction: None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{}: {old} -> {new}", self.path),
            (None, Some(new)) => write!(f, "{}: added {new}", self.path),
            (Some(old), None) => write!(f, "{}: removed {old}", self.path),
            (None, None) => write!(f, "{}: changed", self.path),
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
/// Ordered: fields as they are declared, a map's keys and a set's members by their text.
/// Changes read back from a store are ordered by path. Equality does not look at the order.
///
/// In JSON an object `{path: {"old": .., "new": .., "redaction": ..}}`; what is absent is
/// left out, so that it differs from a null.
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
        self.list
            .iter()
            .find(|change| change.path.as_str() == path)
            .or_else(|| self.list.iter().find(|change| change.path == *path))
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
        self.len() == other.len()
            && self
                .list
                .iter()
                .all(|change| other.get(&change.path) == Some(change))
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.list
                    .iter()
                    .map(|change| (&change.path, (&change.old, &change.new))),
            )
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
        let mut collected = Self::new();
        for change in changes {
            match collected
                .list
                .iter_mut()
                .find(|known| known.path == change.path)
            {
                Some(known) => *known = change,
                None => collected.list.push(change),
            }
        }
        collected
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

/// A change without its path, as it is stored.
#[derive(Serialize)]
struct StoredRef<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Canonical<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Canonical<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redaction: Option<Redaction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default, deserialize_with = "present")]
    new: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    old: Option<Value>,
    redaction: Option<Redaction>,
}

/// Reads a value that is there, so that a null is not taken for absence.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Sorted by the path's text: this is a part of an entry's canonical form.
        let mut changes: Vec<&Change> = self.list.iter().collect();
        changes.sort_unstable_by_key(|change| change.path.as_str());
        let mut map = serializer.serialize_map(Some(changes.len()))?;
        for change in changes {
            let stored = StoredRef {
                new: change.new.as_ref().map(Canonical),
                old: change.old.as_ref().map(Canonical),
                redaction: change.redaction,
            };
            map.serialize_entry(&change.path, &stored)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChangesVisitor;

        impl<'de> Visitor<'de> for ChangesVisitor {
            type Value = Changes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of changes by path")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Changes, A::Error> {
                let mut list: Vec<Change> = Vec::new();
                while let Some((path, stored)) = map.next_entry::<Path, Stored>()? {
                    let Stored {
                        new,
                        old,
                        redaction,
                    } = stored;
                    list.push(Change {
                        path,
                        old,
                        new,
                        redaction,
                    });
                }
                list.sort_by(|a, b| a.path.cmp(&b.path));
                if let Some(pair) = list.windows(2).find(|pair| pair[0].path == pair[1].path) {
                    return Err(serde::de::Error::custom(format!(
                        "two changes at `{}`",
                        pair[0].path
                    )));
                }
                Ok(Changes { list })
            }
        }

        deserializer.deserialize_map(ChangesVisitor)
    }
}
