//! What changed between two versions, told as the entries between them tell it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::change::{Changes, Move, exact_text, member_text};
use crate::entry::LogEntry;
use crate::json::nesting;
use crate::json::number::{ByValue, digits};
use crate::json::order::compare_values;
use crate::path::{PathSegment, Segment, key_of};
use crate::value::diff::{self, Diff};
use crate::value::member::{Level, Member, member};
use crate::value::snapshot::Snapshot;
use crate::value::{AuditValue, moves};

/// Returns the changes that lead from the state `from` to the state `to`; `entries` are all of
/// the object, `between` those that lead from one to the other, and `fields` those of its type,
/// if it is known.
///
/// The composition of the entries, if it is right: it names list items by key and members of
/// sets, as the entries do. If the entries do not lead to the state, because something changed
/// without one, the states are compared.
pub(super) fn changes(
    fields: Level,
    entries: &[LogEntry],
    between: &[&LogEntry],
    from: &Value,
    to: &Value,
) -> Changes {
    let composed = between
        .iter()
        .fold(Changes::new(), |all, entry| all.compose(&entry.changes));
    let mut state = from.clone();
    if composed.apply(&mut state).is_ok() && nesting::equal_up_to_scale(&state, to) {
        composed
    } else {
        compare(fields, entries, from, to)
    }
}

/// Compares two states, with their lists taken for what the entries say they are.
pub(super) fn compare(fields: Level, entries: &[LogEntry], from: &Value, to: &Value) -> Changes {
    Told::by(entries).diff(fields, from, to)
}

/// How the parts of an object are told, as far as entries show, by their paths without items.
#[derive(Debug, Default)]
pub(super) struct Told {
    kinds: HashMap<Vec<String>, Kind>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Items are matched by this field.
    Keyed(String),
    /// Members come and go.
    Set,
    /// One old and one new value, as of a field marked `whole`.
    Whole,
}

impl Told {
    pub(super) fn by(entries: &[LogEntry]) -> Self {
        let mut told = Self::default();
        for change in entries.iter().flat_map(|entry| &entry.changes) {
            let holds = |value: &Option<Value>| {
                value
                    .as_ref()
                    .is_some_and(|value| value.is_object() || value.is_array())
            };
            let whole = holds(&change.old) && holds(&change.new);
            if change.at.is_empty() && change.moved.is_empty() && !whole {
                continue;
            }
            let mut names = Vec::new();
            let mut matches = 0;
            let segments = change.path.segments();
            for (index, segment) in segments.iter().enumerate() {
                match segment {
                    PathSegment::Match { field, .. } => {
                        matches += 1;
                        told.kinds.insert(names.clone(), Kind::Keyed(field.clone()));
                    }
                    PathSegment::Name(_)
                        if index + 1 == segments.len() && change.at.len() > matches =>
                    {
                        told.kinds.insert(names.clone(), Kind::Set);
                    }
                    PathSegment::Name(name) => names.push(name.clone()),
                    PathSegment::Index(_) => {}
                }
            }
            if let Some(PathSegment::Match { field, .. }) = change.moved.first().map(|m| &m.item) {
                told.kinds.insert(names, Kind::Keyed(field.clone()));
            } else if whole && matches!(segments.last(), Some(PathSegment::Name(_))) {
                told.kinds.entry(names).or_insert(Kind::Whole);
            }
        }
        told
    }

    /// Whether entries show that members come and go at a path.
    pub(super) fn is_set(&self, names: &[String]) -> bool {
        self.kinds.get(names) == Some(&Kind::Set)
    }

    fn diff(&self, fields: Level, from: &Value, to: &Value) -> Changes {
        let node = |value| Node {
            value,
            told: self,
            level: fields,
            whole: false,
            at: Vec::new(),
        };
        // States come from entries, which nest no deeper than a comparison goes.
        diff::try_diff(&node(from), &node(to)).unwrap_or_else(|_| crate::diff(from, to))
    }
}

/// A value of a state, and where it is.
#[derive(Clone, Debug)]
struct Node<'v> {
    value: &'v Value,
    told: &'v Told,
    /// The fields of the type here, and whether the field is told as a whole.
    level: Level,
    whole: bool,
    at: Vec<&'v str>,
}

impl<'v> Node<'v> {
    fn inside(&self, name: &'v str, value: &'v Value) -> Self {
        let mut at = self.at.clone();
        at.push(name);
        let (level, whole) = match member(self.level, name) {
            Some(Member::Field(field)) => (field.inside(), field.whole),
            Some(Member::Value(values)) => (values.inside(), false),
            None => (Level::default(), false),
        };
        Self {
            value,
            told: self.told,
            level,
            whole,
            at,
        }
    }

    fn items(&self, items: &'v [Value]) -> Vec<Self> {
        let item = |value| Self {
            value,
            ..self.clone()
        };
        items.iter().map(item).collect()
    }

    fn kind(&self) -> Option<&'v Kind> {
        if self.told.kinds.is_empty() {
            return None;
        }
        let names: Vec<String> = self.at.iter().map(|name| (*name).to_owned()).collect();
        self.told.kinds.get(&names)
    }
}

impl AuditValue for Node<'_> {
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        nesting::equal(self.value, other.value)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        self.value.snapshot(cx)
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self.value, new.value) {
            (old, new) if nesting::equal(old, new) => {}
            _ if cx.probing() => cx.differs(),
            (old, new) if self.whole || self.kind() == Some(&Kind::Whole) => {
                cx.replace(Some(old), Some(new));
            }
            (Value::Object(old), Value::Object(fields)) => {
                let mut names: Vec<&String> = old.keys().chain(fields.keys()).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    cx.at(Segment::Name(name), |cx| {
                        match (old.get(name), fields.get(name)) {
                            (Some(old), Some(value)) => {
                                self.inside(name, old).diff(&new.inside(name, value), cx);
                            }
                            (old, value) if old.is_some() || value.is_some() => {
                                cx.replace(old, value);
                            }
                            _ => {}
                        }
                    });
                }
            }
            (Value::Array(old), Value::Array(items)) => match self.kind() {
                Some(Kind::Keyed(field)) if identify(old, field) && identify(items, field) => {
                    diff_keyed(field, &self.items(old), &new.items(items), cx);
                }
                Some(Kind::Set) if is_set(old) && is_set(items) => diff_sets(old, items, cx),
                _ => self.items(old).diff(&new.items(items), cx),
            },
            (old, new) => cx.replace(Some(old), Some(new)),
        }
    }
}

/// Whether the items of a list are told apart by a field.
fn identify(items: &[Value], field: &str) -> bool {
    let mut known = HashSet::with_capacity(items.len());
    items.iter().all(|item| {
        key_of(item, field)
            .is_some_and(|key| !key.is_array() && !key.is_object() && known.insert(ByValue(key)))
    })
}

/// Returns where the items of a list are in another one, as far as they are there, by keys that
/// tell the items of both apart: first by the very key, then by one that is the same number in
/// another scale.
fn matched(field: &str, old: &[Node<'_>], new: &[Node<'_>]) -> Vec<Option<usize>> {
    fn key<'v>(item: &Node<'v>, field: &str) -> Option<&'v Value> {
        key_of(item.value, field)
    }
    let mut places: HashMap<ByValue<'_>, usize> = HashMap::with_capacity(new.len());
    for (index, item) in new.iter().enumerate() {
        places.extend(key_of(item.value, field).map(|key| (ByValue(key), index)));
    }
    let mut found: Vec<Option<usize>> = old
        .iter()
        .map(|item| places.remove(&ByValue(key(item, field)?)))
        .collect();
    let decimal = |key: &Value| digits(key.as_str()?);
    let mut scaled: HashMap<String, usize> = places
        .into_iter()
        .filter_map(|(key, index)| Some((decimal(key.0)?, index)))
        .collect();
    for (item, place) in old.iter().zip(&mut found) {
        if place.is_none() && !scaled.is_empty() {
            *place = key(item, field)
                .and_then(decimal)
                .and_then(|key| scaled.remove(&key));
        }
    }
    found
}

/// Whether an array is as a set's snapshot is: sorted, and each member once.
fn is_set(members: &[Value]) -> bool {
    members.is_sorted_by(|a, b| compare_values(a, b).is_lt())
}

fn diff_keyed(field: &str, old: &[Node<'_>], new: &[Node<'_>], cx: &mut Diff<'_>) {
    let key = |item: &Node<'_>| key_of(item.value, field).cloned().unwrap_or_default();
    let pairs: Vec<(usize, Option<usize>)> =
        matched(field, old, new).into_iter().enumerate().collect();
    let stay: HashSet<usize> = pairs.iter().filter_map(|(_, place)| *place).collect();
    let came = (0..new.len()).filter(|index| !stay.contains(index));
    let moved: Vec<Move> = moves(&pairs)
        .into_iter()
        .map(|(from, to)| Move {
            item: PathSegment::Match {
                field: field.to_owned(),
                value: key(&old[from]),
            },
            from,
            to,
        })
        .collect();
    if !moved.is_empty() {
        cx.reorder(moved);
    }
    for (index, place) in pairs {
        let value = &key(&old[index]);
        let segment = Segment::Match {
            field,
            value,
            index,
        };
        cx.at(segment, |cx| match place {
            Some(place) => old[index].diff(&new[place], cx),
            None => cx.replace(Some(&old[index]), None),
        });
    }
    for index in came {
        let value = &key(&new[index]);
        let segment = Segment::Match {
            field,
            value,
            index,
        };
        cx.at(segment, |cx| cx.replace(None, Some(&new[index])));
    }
}

/// A member that one of two sets has, its index there, and whether it is the old one.
type Alone<'v> = (&'v Value, usize, bool);

fn diff_sets(old: &[Value], new: &[Value], cx: &mut Diff<'_>) {
    fn alone<'v>(
        set: &'v [Value],
        other: &'v [Value],
        old: bool,
    ) -> impl Iterator<Item = Alone<'v>> {
        set.iter().enumerate().filter_map(move |(index, member)| {
            let there = other.binary_search_by(|known| compare_values(known, member));
            there.is_err().then_some((member, index, old))
        })
    }
    let mut members: Vec<Alone<'_>> = alone(old, new, true)
        .chain(alone(new, old, false))
        .collect();
    let mut names: HashMap<_, _> = HashMap::with_capacity(members.len());
    let ambiguous = members
        .iter()
        .any(|(member, ..)| names.insert(member_text(member), member).is_some());
    let name = if ambiguous { exact_text } else { member_text };
    members.sort_by(|a, b| name(a.0).cmp(&name(b.0)));
    for (member, index, old) in members {
        let name = name(member);
        cx.at(Segment::Member { name: &name, index }, |cx| {
            if old {
                cx.replace(Some(member), None);
            } else {
                cx.replace(None, Some(member));
            }
        });
    }
}
