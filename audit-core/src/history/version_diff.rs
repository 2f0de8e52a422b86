//! The changes between two versions, in the form in which entries record them.
//!
//! The composition of the entries in between identifies list items by key and members of sets by value, as
//! the entries do. It is used if it leads from one state to the other and back. If a change without an
//! entry lies in between, the two states are compared instead, with each list treated as the entries of
//! the object treat it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::change::{Change, Changes, Move, exact_text, member_text};
use crate::entry::LogEntry;
use crate::json::nesting;
use crate::json::number::{ByValue, digits};
use crate::json::order::compare_values;
use crate::path::{PathSegment, Segment, key_of};
use crate::value::diff::{self, Diff};
use crate::value::schema_lookup::{Member, Schema, member};
use crate::value::snapshot::Snapshot;
use crate::value::{AuditValue, moves};

/// Returns the changes that lead from the state `from` to the state `to`; `entries` are all
/// entries of the object, `between` those between the two states, and `fields` those of its type,
/// if known.
///
/// Composes the entries if the result leads to the state and its inverse back, since they identify
/// list items by key and members of sets by value. If a change without an entry breaks the chain,
/// the states are compared instead: applied forward, an item is found by its key at another index
/// than the entries say, which its inverse would restore.
pub(super) fn changes(
    fields: Schema,
    entries: &[LogEntry],
    between: &[&LogEntry],
    from: &Value,
    to: &Value,
) -> Changes {
    let between: Vec<&Changes> = between.iter().map(|entry| &entry.changes).collect();
    let composed = Changes::composed(&between);
    let leads = |changes: &Changes, from: &Value, to: &Value| {
        let mut state = from.clone();
        changes.apply(&mut state).is_ok() && nesting::equal_ignoring_scale(&state, to)
    };
    if leads(&composed, from, to) && leads(&composed.invert(), to, from) {
        composed
    } else {
        compare(fields, entries, from, to)
    }
}

/// Compares two states, treating each list as keyed or as a set if the entries do.
pub(super) fn compare(fields: Schema, entries: &[LogEntry], from: &Value, to: &Value) -> Changes {
    RecordedKinds::of(entries).diff(fields, from, to)
}

/// The forms in which entries record the parts of an object, by their paths without items.
#[derive(Debug, Default)]
pub(super) struct RecordedKinds {
    by_path: HashMap<Vec<String>, Kind>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A list whose items are matched by this field.
    Keyed(String),
    /// A set.
    Set,
    /// One old and one new value, as for a field marked `whole`.
    Whole,
}

impl RecordedKinds {
    pub(super) fn of(entries: &[LogEntry]) -> Self {
        let mut kinds = Self::default();
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
            let segments = change.path.segments();
            let is_member = names_member(change, &segments);
            for (index, segment) in segments.iter().enumerate() {
                match segment {
                    PathSegment::Match { field, .. } => {
                        kinds
                            .by_path
                            .insert(names.clone(), Kind::Keyed(field.clone()));
                    }
                    PathSegment::Name(_) if is_member && index + 1 == segments.len() => {
                        kinds.by_path.insert(names.clone(), Kind::Set);
                    }
                    PathSegment::Name(name) => names.push(name.clone()),
                    PathSegment::Index(_) => {}
                }
            }
            if let Some(PathSegment::Match { field, .. }) = change.moved.first().map(|m| &m.item) {
                kinds.by_path.insert(names, Kind::Keyed(field.clone()));
            } else if whole && matches!(segments.last(), Some(PathSegment::Name(_))) {
                kinds.by_path.entry(names).or_insert(Kind::Whole);
            }
        }
        kinds
    }

    /// Returns the field that identifies the items of the list at a path, if entries record it so.
    pub(super) fn key(&self, names: &[String]) -> Option<&str> {
        match self.by_path.get(names) {
            Some(Kind::Keyed(field)) => Some(field),
            _ => None,
        }
    }

    /// Returns whether entries record the value at a path as a set.
    pub(super) fn is_set(&self, names: &[String]) -> bool {
        self.by_path.get(names) == Some(&Kind::Set)
    }

    fn diff(&self, fields: Schema, from: &Value, to: &Value) -> Changes {
        let node = |value| Node {
            value,
            kinds: self,
            schema: fields,
            whole: false,
            at: Vec::new(),
        };
        // States come from entries, which nest within the limit of a comparison.
        diff::try_diff(&node(from), &node(to)).unwrap_or_else(|_| crate::diff(from, to))
    }
}

/// Returns whether the last step of a change's path is a member of a set.
pub(super) fn names_member(change: &Change, segments: &[PathSegment]) -> bool {
    let keyed = |segment: &&PathSegment| matches!(segment, PathSegment::Match { .. });
    matches!(segments.last(), Some(PathSegment::Name(_)))
        && change.at.len() > segments.iter().filter(keyed).count()
}

/// A value of a state with its path.
#[derive(Clone, Debug)]
struct Node<'v> {
    value: &'v Value,
    kinds: &'v RecordedKinds,
    /// The fields of the value's type, and whether the value is recorded as a whole.
    schema: Schema,
    whole: bool,
    at: Vec<&'v str>,
}

impl<'v> Node<'v> {
    fn inside(&self, name: &'v str, value: &'v Value) -> Self {
        let mut at = self.at.clone();
        at.push(name);
        let (schema, whole) = match member(self.schema, name) {
            Some(Member::Field(field)) => (field.inside(), field.whole),
            Some(Member::Value(values)) => (values.inside(), false),
            None => (Schema::default(), false),
        };
        Self {
            value,
            kinds: self.kinds,
            schema,
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
        if self.kinds.by_path.is_empty() {
            return None;
        }
        let names: Vec<String> = self.at.iter().map(|name| (*name).to_owned()).collect();
        self.kinds.by_path.get(&names)
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

/// Returns whether a field identifies the items of a list.
fn identify(items: &[Value], field: &str) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|item| {
        key_of(item, field)
            .is_some_and(|key| !key.is_array() && !key.is_object() && seen.insert(ByValue(key)))
    })
}

/// Returns the new index of each old item, if any, matched by a key that identifies the items of
/// both lists: first by the exact key, then by the same number in another scale.
fn matched(field: &str, old: &[Node<'_>], new: &[Node<'_>]) -> Vec<Option<usize>> {
    fn key<'v>(item: &Node<'v>, field: &str) -> Option<&'v Value> {
        key_of(item.value, field)
    }
    let mut indices: HashMap<ByValue<'_>, usize> = HashMap::with_capacity(new.len());
    for (index, item) in new.iter().enumerate() {
        indices.extend(key_of(item.value, field).map(|key| (ByValue(key), index)));
    }
    let mut found: Vec<Option<usize>> = old
        .iter()
        .map(|item| indices.remove(&ByValue(key(item, field)?)))
        .collect();
    let decimal = |key: &Value| digits(key.as_str()?);
    let mut by_decimal: HashMap<String, usize> = indices
        .into_iter()
        .filter_map(|(key, index)| Some((decimal(key.0)?, index)))
        .collect();
    for (item, new_index) in old.iter().zip(&mut found) {
        if new_index.is_none() && !by_decimal.is_empty() {
            *new_index = key(item, field)
                .and_then(decimal)
                .and_then(|key| by_decimal.remove(&key));
        }
    }
    found
}

/// Returns whether an array has the form of a set's snapshot: sorted, without duplicates.
fn is_set(members: &[Value]) -> bool {
    members.is_sorted_by(|a, b| compare_values(a, b).is_lt())
}

fn diff_keyed(field: &str, old: &[Node<'_>], new: &[Node<'_>], cx: &mut Diff<'_>) {
    let key = |item: &Node<'_>| key_of(item.value, field).cloned().unwrap_or_default();
    let pairs: Vec<(usize, Option<usize>)> =
        matched(field, old, new).into_iter().enumerate().collect();
    let kept: HashSet<usize> = pairs.iter().filter_map(|(_, index)| *index).collect();
    let inserted = (0..new.len()).filter(|index| !kept.contains(index));
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
    for (index, new_index) in pairs {
        let value = &key(&old[index]);
        let segment = Segment::Match {
            field,
            value,
            index,
        };
        cx.at(segment, |cx| match new_index {
            Some(new_index) => old[index].diff(&new[new_index], cx),
            None => cx.replace(Some(&old[index]), None),
        });
    }
    for index in inserted {
        let value = &key(&new[index]);
        let segment = Segment::Match {
            field,
            value,
            index,
        };
        cx.at(segment, |cx| cx.replace(None, Some(&new[index])));
    }
}

/// A member that only one of two sets has, its index, and whether that is the old set.
type Unmatched<'v> = (&'v Value, usize, bool);

fn diff_sets(old: &[Value], new: &[Value], cx: &mut Diff<'_>) {
    fn unmatched<'v>(
        set: &'v [Value],
        other: &'v [Value],
        old: bool,
    ) -> impl Iterator<Item = Unmatched<'v>> {
        set.iter().enumerate().filter_map(move |(index, member)| {
            let found = other.binary_search_by(|candidate| compare_values(candidate, member));
            found.is_err().then_some((member, index, old))
        })
    }
    let mut members: Vec<Unmatched<'_>> = unmatched(old, new, true)
        .chain(unmatched(new, old, false))
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
