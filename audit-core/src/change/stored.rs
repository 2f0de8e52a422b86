//! The stored form of changes: a JSON object by path.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Change, Changes, Move, Redaction};
use crate::json::canonical::Canonical;
use crate::json::nesting;
use crate::path::{Path, PathSegment};

/// A change without its path, as it is stored.
#[derive(Serialize)]
struct StoredRef<'a> {
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    at: &'a [usize],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    loose: bool,
    #[serde(skip_serializing_if = "MovedRef::is_empty")]
    moved: MovedRef<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Canonical<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Canonical<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redaction: Option<Redaction>,
}

/// Moves as an object: old and new index, by item.
struct MovedRef<'a>(&'a [Move]);

impl MovedRef<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for MovedRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut moves: Vec<(String, [usize; 2])> = self
            .0
            .iter()
            .map(|step| (item_text(&step.item), [step.from, step.to]))
            .collect();
        moves.sort_unstable();
        let mut map = serializer.serialize_map(Some(moves.len()))?;
        for (item, indices) in moves {
            map.serialize_entry(&item, &indices)?;
        }
        map.end()
    }
}

/// Returns one step of a path as text. A name is in brackets, since it is a set's member.
fn item_text(item: &PathSegment) -> String {
    let mut text = String::new();
    match item {
        PathSegment::Name(name) => {
            crate::path::Segment::Member { name, index: 0 }.render(&mut text);
        }
        other => text.push_str(&Path::from_segments(std::slice::from_ref(other))),
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default)]
    at: Vec<usize>,
    #[serde(default)]
    loose: bool,
    #[serde(default)]
    moved: Moved,
    #[serde(default, deserialize_with = "present")]
    new: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    old: Option<Value>,
    redaction: Option<Redaction>,
}

/// Deserializes a present value, so that a null differs from an absent value.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Default)]
struct Moved(Vec<Move>);

impl<'de> Deserialize<'de> for Moved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MovedVisitor;

        impl<'de> Visitor<'de> for MovedVisitor {
            type Value = Moved;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of old and new index by item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Moved, A::Error> {
                let mut moves = Vec::new();
                while let Some((path, [from, to])) = map.next_entry::<Path, [usize; 2]>()? {
                    let mut segments = path.segments();
                    let Some(item) = segments.pop().filter(|_| segments.is_empty()) else {
                        return Err(A::Error::custom(format_args!("`{path}` is not an item")));
                    };
                    moves.push(Move { item, from, to });
                }
                moves.sort_by_key(|step| step.from);
                Ok(Moved(moves))
            }
        }

        deserializer.deserialize_map(MovedVisitor)
    }
}

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Sorted by the text of the path, as the canonical form of an entry requires.
        let mut changes: Vec<&Change> = self.iter().collect();
        changes.sort_unstable_by_key(|change| change.path.as_str());
        if let Some(pair) = changes.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(S::Error::custom(format_args!(
                "two changes at `{}`",
                pair[0].path
            )));
        }
        let mut map = serializer.serialize_map(Some(changes.len()))?;
        for change in changes {
            let values = [&change.old, &change.new];
            if values.into_iter().flatten().any(nesting::too_deep) {
                return Err(S::Error::custom(format_args!(
                    "the change at `{}` nests too deeply to be stored",
                    change.path
                )));
            }
            let stored = StoredRef {
                at: &change.at,
                loose: change.loose,
                moved: MovedRef(&change.moved),
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
                    list.push(Change {
                        path,
                        old: stored.old,
                        new: stored.new,
                        redaction: stored.redaction,
                        at: stored.at.into(),
                        moved: stored.moved.0.into(),
                        loose: stored.loose,
                    });
                }
                list.sort_by(|a, b| a.path.cmp(&b.path));
                if let Some(pair) = list.windows(2).find(|pair| pair[0].path == pair[1].path) {
                    return Err(A::Error::custom(format_args!(
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
