//! Resolves changes against a state: finds the edited values and reports conflicts.
//!
//! Items of keyed lists are found by key and members of sets by value, at any index. Items of other lists
//! are found by index; if one is missing, its list's removals and insertions are displaced.
//!
//! | the state has | conflict |
//! |---|---|
//! | the old value, in any scale of a decimal | none: the edit applies |
//! | the new value | `Done` |
//! | another value | `Changed` |
//! | no value, or no parent | `Missing` |

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::apply::{Conflict, ConflictKind};
use super::edit_tree::{
    ChangeWriter, Edit, Item, Items, Kept, Label, Malformed, Moved, Replace, below, compile,
};
use super::{Change, Changes};
use crate::json::nesting;
use crate::json::number::{ByValue, digits};
use crate::json::order::compare_values;
use crate::mask::HIDDEN;
use crate::path::{PathSegment, Segment, key_of};

impl Changes {
    /// Resolves the changes against a state. Returns the edits that apply, with the indices of the
    /// state, and the conflicts.
    pub(super) fn resolve(&self, state: &Value) -> (Option<Edit>, Vec<Conflict>) {
        let mut report = Report::default();
        let indexed = fill_indices(self.as_slice(), state);
        match compile(&indexed) {
            Ok(None) => (None, Vec::new()),
            // A missing document is a null.
            Ok(Some(Edit::Replace(replace))) => {
                let found = Some(state).filter(|state| !state.is_null() || replace.old.is_some());
                let edit = report.replace(replace, found).map(Edit::Replace);
                (edit, report.conflicts)
            }
            Ok(Some(edit)) => (report.edit(edit, Some(state)), report.conflicts),
            Err(Malformed(path)) => {
                let conflict = Conflict {
                    path,
                    kind: ConflictKind::Malformed,
                    expected: None,
                    found: None,
                };
                (None, vec![conflict])
            }
        }
    }
}

/// Collects the conflicts while edits are resolved.
#[derive(Default)]
struct Report {
    writer: ChangeWriter,
    conflicts: Vec<Conflict>,
}

impl Report {
    fn push(&mut self, kind: ConflictKind, replace: Replace, found: Option<&Value>) {
        let found = found.map(|found| match replace.redaction {
            Some(_) if !found.is_null() => Value::String(HIDDEN.to_owned()),
            // As in `Printed`; a copy would overflow the stack when dropped.
            _ if nesting::too_deep(found) => Value::String("...".to_owned()),
            _ => found.clone(),
        });
        self.conflicts.push(Conflict {
            path: self.writer.path(),
            kind,
            expected: replace.old,
            found,
        });
    }

    fn edit(&mut self, edit: Edit, state: Option<&Value>) -> Option<Edit> {
        match (edit, state) {
            (Edit::Replace(replace), state) => self.replace(replace, state).map(Edit::Replace),
            (Edit::Fields(fields), Some(Value::Object(object))) => {
                let mut found = Vec::with_capacity(fields.len());
                for (name, edit) in fields {
                    let segment = Segment::Name(&name);
                    let edit = self.step(segment, |report| report.edit(edit, object.get(&name)));
                    found.extend(edit.map(|edit| (name, edit)));
                }
                (!found.is_empty()).then_some(Edit::Fields(found))
            }
            (Edit::Items(items), Some(Value::Array(array))) => {
                let items = self.items(items, array);
                let empty = items.removed.is_empty()
                    && items.inserted.is_empty()
                    && items.moved.is_empty()
                    && items.kept.is_empty();
                (!empty).then_some(Edit::Items(items))
            }
            (edit, _) => {
                self.missing(edit);
                None
            }
        }
    }

    /// Runs `inside` one step deeper.
    fn step<T>(&mut self, segment: Segment<'_>, inside: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.writer.enter(segment);
        let result = inside(self);
        self.writer.leave(mark);
        result
    }

    fn at_item<T>(
        &mut self,
        label: Option<&Label>,
        index: usize,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let segment = label.map_or(Segment::Index(index), |label| label.segment(index));
        self.step(segment, inside)
    }

    fn replace(&mut self, mut replace: Replace, state: Option<&Value>) -> Option<Replace> {
        if same(replace.old.as_ref(), state) {
            return Some(replace);
        }
        let kind = if same(replace.new.as_ref(), state) {
            ConflictKind::Done
        } else if same_ignoring_scale(replace.old.as_ref(), state) {
            replace.old = state.cloned();
            return Some(replace);
        } else {
            ConflictKind::Changed
        };
        self.push(kind, replace, state);
        None
    }

    /// Reports everything inside an edit as missing.
    fn missing(&mut self, edit: Edit) {
        match edit {
            Edit::Replace(replace) => self.push(ConflictKind::Missing, replace, None),
            Edit::Fields(fields) => {
                for (name, edit) in fields {
                    self.step(Segment::Name(&name), |report| report.missing(edit));
                }
            }
            Edit::Items(items) => {
                if !items.moved.is_empty() {
                    self.push(ConflictKind::Missing, Replace::default(), None);
                }
                for (index, kept) in items.kept {
                    self.at_item(kept.label.as_ref(), index, |report| {
                        report.missing(kept.edit);
                    });
                }
                let removed = items.removed.into_iter().map(|(index, item)| {
                    let (label, redaction) = (item.label, item.redaction);
                    (index, label, Some(item.value), redaction)
                });
                let inserted = items.inserted.into_iter().map(|(index, item)| {
                    let (label, redaction) = (item.label, item.redaction);
                    (index, label, None, redaction)
                });
                for (index, label, old, redaction) in removed.chain(inserted) {
                    self.at_item(label.as_ref(), index, |report| {
                        let replace = Replace {
                            old,
                            new: None,
                            redaction,
                        };
                        report.push(ConflictKind::Missing, replace, None);
                    });
                }
            }
        }
    }

    fn items(&mut self, mut items: Items, array: &[Value]) -> Items {
        let mut lookup = Lookup::new(array);
        let mut found = Items::default();
        self.resolve_kept(&mut items, &mut lookup, &mut found);
        // A missing item makes all other indices unreliable.
        let reliable = self.resolve_removed(items.removed, &mut lookup, &mut found);
        if !(self.resolve_inserted(items.inserted, &mut lookup, &mut found) && reliable) {
            self.displace(&mut found);
        }
        clamp_indices(&mut found, array.len());
        found
    }

    /// Finds the kept and moved items.
    fn resolve_kept(&mut self, items: &mut Items, lookup: &mut Lookup<'_>, found: &mut Items) {
        let array = lookup.array;
        for (index, Kept { label, edit }) in std::mem::take(&mut items.kept) {
            let value = match &edit {
                Edit::Replace(replace) => replace.old.as_ref(),
                Edit::Fields(_) | Edit::Items(_) => None,
            };
            let position = lookup
                .find(label.as_ref(), value, index)
                .filter(|position| !found.kept.contains_key(position));
            let edit = self.at_item(label.as_ref(), index, |report| {
                if let Some(position) = position {
                    report.edit(edit, array.get(position))
                } else {
                    report.missing(edit);
                    None
                }
            });
            if let (Some(position), Some(edit)) = (position, edit) {
                found.kept.insert(position, Kept { label, edit });
            }
        }
        for (index, Moved { label, to }) in std::mem::take(&mut items.moved) {
            match lookup.find(label.as_ref(), None, index) {
                Some(position) if !found.moved.contains_key(&position) => {
                    found.moved.insert(position, Moved { label, to });
                }
                _ => self.at_item(label.as_ref(), index, |report| {
                    report.push(ConflictKind::Missing, Replace::default(), None);
                }),
            }
        }
    }

    /// Finds the removed items. Returns whether all items identified by index were found.
    fn resolve_removed(
        &mut self,
        removed: BTreeMap<usize, Item>,
        lookup: &mut Lookup<'_>,
        found: &mut Items,
    ) -> bool {
        let array = lookup.array;
        let mut reliable = true;
        for (index, item) in removed {
            let label = item.label.clone();
            let position = lookup.find(label.as_ref(), Some(&item.value), index);
            let state = position.and_then(|position| array.get(position));
            let free = position.is_some_and(|position| !found.removed.contains_key(&position));
            if free && same_ignoring_scale(Some(&item.value), state) {
                if let Some(position) = position {
                    found.removed.insert(position, item);
                }
                continue;
            }
            let kind = match (&label, state) {
                (Some(_), None) => ConflictKind::Done,
                (None, None) => ConflictKind::Missing,
                _ => ConflictKind::Changed,
            };
            let replace = Replace {
                old: Some(item.value),
                new: None,
                redaction: item.redaction,
            };
            self.at_item(label.as_ref(), index, |report| {
                report.push(kind, replace, state);
            });
            reliable &= label.is_some();
        }
        reliable
    }

    /// Finds the indices of the inserted items. Returns whether all items identified by index
    /// have one.
    fn resolve_inserted(
        &mut self,
        inserted: BTreeMap<usize, Item>,
        lookup: &mut Lookup<'_>,
        found: &mut Items,
    ) -> bool {
        let array = lookup.array;
        let mut reliable = true;
        let mut length = array.len() - found.removed.len();
        let sorted = array.is_sorted_by(|a, b| compare_values(a, b).is_le());
        let mut members = Vec::new();
        for (index, item) in inserted {
            if let Some(label) = &item.label {
                let existing = lookup
                    .find_exact(label, Some(&item.value), index)
                    .filter(|position| !found.removed.contains_key(position))
                    .and_then(|position| array.get(position));
                if let Some(existing) = existing {
                    let kind = if nesting::equal(existing, &item.value) {
                        ConflictKind::Done
                    } else {
                        ConflictKind::Changed
                    };
                    let replace = Replace {
                        old: None,
                        new: None,
                        redaction: item.redaction,
                    };
                    self.at_item(Some(label), index, |report| {
                        report.push(kind, replace, Some(existing));
                    });
                    continue;
                }
                length += 1;
                if sorted && matches!(label, Label::Member(_)) {
                    members.push(item);
                } else {
                    found.inserted.insert(index, item);
                }
                continue;
            }
            if index <= length {
                length += 1;
                found.inserted.insert(index, item);
            } else {
                reliable = false;
                let replace = Replace {
                    old: None,
                    new: None,
                    redaction: item.redaction,
                };
                self.at_item(None, index, |report| {
                    report.push(ConflictKind::Missing, replace, None);
                });
            }
        }
        insert_sorted(members, array, found);
        reliable
    }

    /// Reports removals and insertions by index as displaced and drops them.
    fn displace(&mut self, found: &mut Items) {
        let by_index = |label: &Option<Label>| label.is_none();
        let removed: Vec<usize> = found
            .removed
            .iter()
            .filter(|(_, item)| by_index(&item.label))
            .map(|(index, _)| *index)
            .collect();
        let inserted: Vec<usize> = found
            .inserted
            .iter()
            .filter(|(_, item)| by_index(&item.label))
            .map(|(index, _)| *index)
            .collect();
        for index in removed {
            if let Some(item) = found.removed.remove(&index) {
                // The values were compared: the state has the same one.
                let existing = item.value.clone();
                let replace = Replace {
                    old: Some(item.value),
                    new: None,
                    redaction: item.redaction,
                };
                self.at_item(None, index, |report| {
                    report.push(ConflictKind::Displaced, replace, Some(&existing));
                });
            }
        }
        for index in inserted {
            if found.inserted.remove(&index).is_some() {
                self.at_item(None, index, |report| {
                    report.push(ConflictKind::Displaced, Replace::default(), None);
                });
            }
        }
    }
}

/// Inserts new members of a set at the indices that keep its array sorted.
fn insert_sorted(mut members: Vec<Item>, array: &[Value], found: &mut Items) {
    members.sort_by(|a, b| compare_values(&a.value, &b.value));
    let removed: Vec<usize> = found.removed.keys().copied().collect();
    for (number, item) in members.into_iter().enumerate() {
        let before = array.partition_point(|other| compare_values(other, &item.value).is_lt());
        let mut index = before - below(&removed, before) + number;
        while found.inserted.contains_key(&index) {
            index += 1;
        }
        found.inserted.insert(index, item);
    }
}

/// Moves insertions beyond the end of an array, from which other items may have been removed, to
/// the last valid indices.
fn clamp_indices(found: &mut Items, length: usize) {
    let targets = found.target_indices();
    let last = (length + found.inserted.len()).saturating_sub(found.removed.len());
    let first = last.saturating_sub(targets.len());
    if targets
        .iter()
        .zip(first..)
        .all(|(index, limit)| *index <= limit)
    {
        return;
    }
    let limits: HashMap<usize, usize> = targets.into_iter().zip(first..).collect();
    let clamped = |index: usize| limits.get(&index).map_or(index, |limit| index.min(*limit));
    found.inserted = std::mem::take(&mut found.inserted)
        .into_iter()
        .map(|(index, item)| (clamped(index), item))
        .collect();
    for moved in found.moved.values_mut() {
        moved.to = clamped(moved.to);
    }
}

fn same(expected: Option<&Value>, found: Option<&Value>) -> bool {
    match (expected, found) {
        (Some(expected), Some(found)) => nesting::equal(expected, found),
        (None, None) => true,
        _ => false,
    }
}

fn same_ignoring_scale(expected: Option<&Value>, found: Option<&Value>) -> bool {
    match (expected, found) {
        (Some(expected), Some(found)) => nesting::equal_ignoring_scale(expected, found),
        (expected, found) => same(expected, found),
    }
}

/// Finds items by their labels.
struct Lookup<'s> {
    array: &'s [Value],
    /// The items by key, built when an item is not at its old index.
    keys: HashMap<String, HashMap<ByValue<'s>, usize>>,
    /// The items with decimal keys by digits, built when no item has the exact key.
    decimals: HashMap<String, HashMap<String, usize>>,
    members: Option<HashMap<ByValue<'s>, usize>>,
}

impl<'s> Lookup<'s> {
    fn new(array: &'s [Value]) -> Self {
        Self {
            array,
            keys: HashMap::new(),
            decimals: HashMap::new(),
            members: None,
        }
    }

    /// Returns the current index of an item that was at `index`; `value` is the item itself, if
    /// known.
    fn find(
        &mut self,
        label: Option<&Label>,
        value: Option<&Value>,
        index: usize,
    ) -> Option<usize> {
        let Some(label) = label else {
            return (index < self.array.len()).then_some(index);
        };
        let found = self.find_exact(label, value, index);
        let (None, Label::Key { field, value }) = (found, label) else {
            return found;
        };
        // An item without its key is matched by index.
        let lacks_key = |item: &Value| key_of(item, field).is_none();
        self.find_decimal(field, value).or_else(|| {
            let item = self.array.get(index);
            item.is_some_and(lacks_key).then_some(index)
        })
    }

    /// Returns the index of the item whose key is the same decimal in any scale.
    fn find_decimal(&mut self, field: &str, key: &Value) -> Option<usize> {
        let decimal = |key: &Value| match key {
            Value::String(text) => digits(text),
            Value::Number(number) => digits(&number.to_string()),
            _ => None,
        };
        let key = decimal(key)?;
        if !self.decimals.contains_key(field) {
            // In reverse, so that the first of several items is kept.
            let items = self.array.iter().enumerate().rev();
            let decimals = items
                .filter_map(|(index, item)| Some((decimal(key_of(item, field)?)?, index)))
                .collect();
            self.decimals.insert(field.to_owned(), decimals);
        }
        self.decimals.get(field)?.get(&key).copied()
    }

    /// Returns the index of the item with this label, trying `index` first. A set's member is found
    /// by its value if known, since two members may have the same short name.
    fn find_exact(&mut self, label: &Label, value: Option<&Value>, index: usize) -> Option<usize> {
        let candidate = self.array.get(index);
        match (label, value) {
            (Label::Key { field, value }, _) => {
                let has_key = |item: &Value| {
                    key_of(item, field).is_some_and(|found| nesting::equal(found, value))
                };
                if candidate.is_some_and(has_key) {
                    return Some(index);
                }
                if !self.keys.contains_key(field) {
                    let mut keys = HashMap::new();
                    for (index, item) in self.array.iter().enumerate() {
                        if let Some(key) = key_of(item, field)
                            && !matches!(key, Value::Array(_) | Value::Object(_))
                        {
                            keys.entry(ByValue(key)).or_insert(index);
                        }
                    }
                    self.keys.insert(field.clone(), keys);
                }
                self.keys.get(field)?.get(&ByValue(value)).copied()
            }
            (Label::Member(_), Some(value)) => {
                if candidate.is_some_and(|item| nesting::equal(item, value)) {
                    return Some(index);
                }
                let array = self.array;
                let members = self.members.get_or_insert_with(|| {
                    let members = array.iter().enumerate();
                    members
                        .filter(|(_, member)| !nesting::too_deep(member))
                        .map(|(index, member)| (ByValue(member), index))
                        .collect()
                });
                (!nesting::too_deep(value)).then(|| members.get(&ByValue(value)).copied())?
            }
            (Label::Member(name), None) => {
                let named = |item: &Value| *name == member_text(item) || *name == exact_text(item);
                if candidate.is_some_and(named) {
                    return Some(index);
                }
                self.array.iter().position(named)
            }
        }
    }
}

/// Returns the name of a set's member in a path: the text of a string, the JSON of another value.
pub(crate) fn member_text(member: &Value) -> Cow<'_, str> {
    match member {
        Value::String(text) => Cow::Borrowed(text),
        other => exact_text(other),
    }
}

/// Returns the name of a member of a set in which two members have the same short name.
pub(crate) fn exact_text(member: &Value) -> Cow<'_, str> {
    if nesting::too_deep(member) {
        return Cow::Borrowed("");
    }
    Cow::Owned(crate::json::canonical::text(member))
}

/// Looks up the indices that changes built by an application may lack.
fn fill_indices<'c>(changes: &'c [Change], state: &Value) -> Cow<'c, [Change]> {
    let mut indexed = Cow::Borrowed(changes);
    let mut appended = 0;
    for (number, change) in changes.iter().enumerate() {
        let simple = !change.path.contains(['.', '[']);
        if simple || !change.at.is_empty() {
            continue;
        }
        let at = indices(change, state, &mut appended);
        if !at.is_empty() {
            indexed.to_mut()[number].at = at.into();
        }
    }
    indexed
}

fn indices(change: &Change, state: &Value, appended: &mut usize) -> Vec<usize> {
    let mut at = Vec::new();
    let mut value = Some(state);
    let segments = change.path.segments();
    for (number, segment) in segments.iter().enumerate() {
        let last = number + 1 == segments.len();
        let label = match (segment, value) {
            (PathSegment::Match { field, value }, _) => Label::Key {
                field: field.clone(),
                value: value.clone(),
            },
            (PathSegment::Name(name), Some(Value::Array(_))) if last => Label::Member(name.clone()),
            (PathSegment::Name(name), _) => {
                value = value.and_then(|value| value.get(name));
                continue;
            }
            (PathSegment::Index(index), _) => {
                value = value.and_then(|value| value.get(index));
                continue;
            }
        };
        let array = value
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let member = change.old.as_ref().or(change.new.as_ref());
        let found = Lookup::new(array).find_exact(&label, member.filter(|_| last), usize::MAX);
        let index = found.unwrap_or_else(|| {
            *appended += 1;
            array.len() + *appended - 1
        });
        value = array.get(index);
        at.push(index);
    }
    at
}
