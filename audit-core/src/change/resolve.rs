//! Finding the places of changes in a state.

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
    /// Finds the places of the changes in a state. Returns what applies, with the indices that
    /// it has there, and what does not.
    pub(super) fn resolve(&self, state: &Value) -> (Option<Edit>, Vec<Conflict>) {
        let mut report = Report::default();
        let located = locate(self.as_slice(), state);
        match compile(&located) {
            Ok(None) => (None, Vec::new()),
            // A document that is not there is a null.
            Ok(Some(Edit::Replace(replace))) => {
                let there = Some(state).filter(|state| !state.is_null() || replace.old.is_some());
                let edit = report.replace(replace, there).map(Edit::Replace);
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

/// Collects what does not fit while an edit is looked up in a state.
#[derive(Default)]
struct Report {
    writer: ChangeWriter,
    conflicts: Vec<Conflict>,
}

impl Report {
    fn push(&mut self, kind: ConflictKind, replace: Replace, found: Option<&Value>) {
        let found = found.map(|found| match replace.redaction {
            Some(_) if !found.is_null() => Value::String(HIDDEN.to_owned()),
            // As in `Printed`; a copy would end the stack wherever it is dropped.
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

    /// Runs `inside` one step further.
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
        self.staying(&mut items, &mut lookup, &mut found);
        // By index nothing is sure once anything is out of place.
        let sound = self.leaving(items.removed, &mut lookup, &mut found);
        if !(self.coming(items.inserted, &mut lookup, &mut found) && sound) {
            self.displace(&mut found);
        }
        squeeze(&mut found, array.len());
        found
    }

    /// Finds the items that stay.
    fn staying(&mut self, items: &mut Items, lookup: &mut Lookup<'_>, found: &mut Items) {
        let array = lookup.array;
        for (index, Kept { label, edit }) in std::mem::take(&mut items.kept) {
            let value = match &edit {
                Edit::Replace(replace) => replace.old.as_ref(),
                Edit::Fields(_) | Edit::Items(_) => None,
            };
            let place = lookup
                .find(label.as_ref(), value, index)
                .filter(|place| !found.kept.contains_key(place));
            let edit = self.at_item(label.as_ref(), index, |report| {
                if let Some(place) = place {
                    report.edit(edit, array.get(place))
                } else {
                    report.missing(edit);
                    None
                }
            });
            if let (Some(place), Some(edit)) = (place, edit) {
                found.kept.insert(place, Kept { label, edit });
            }
        }
        for (index, Moved { label, to }) in std::mem::take(&mut items.moved) {
            match lookup.find(label.as_ref(), None, index) {
                Some(place) if !found.moved.contains_key(&place) => {
                    found.moved.insert(place, Moved { label, to });
                }
                _ => self.at_item(label.as_ref(), index, |report| {
                    report.push(ConflictKind::Missing, Replace::default(), None);
                }),
            }
        }
    }

    /// Finds the items that leave. Returns whether all that are named by index are there.
    fn leaving(
        &mut self,
        removed: BTreeMap<usize, Item>,
        lookup: &mut Lookup<'_>,
        found: &mut Items,
    ) -> bool {
        let array = lookup.array;
        let mut sound = true;
        for (index, item) in removed {
            let label = item.label.clone();
            let place = lookup.find(label.as_ref(), Some(&item.value), index);
            let state = place.and_then(|place| array.get(place));
            let free = place.is_some_and(|place| !found.removed.contains_key(&place));
            if free && same_ignoring_scale(Some(&item.value), state) {
                if let Some(place) = place {
                    found.removed.insert(place, item);
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
            sound &= label.is_some();
        }
        sound
    }

    /// Finds room for the items that come. Returns whether all that are named by index have
    /// some.
    fn coming(
        &mut self,
        inserted: BTreeMap<usize, Item>,
        lookup: &mut Lookup<'_>,
        found: &mut Items,
    ) -> bool {
        let array = lookup.array;
        let mut sound = true;
        let mut length = array.len() - found.removed.len();
        let sorted = array.is_sorted_by(|a, b| compare_values(a, b).is_le());
        let mut members = Vec::new();
        for (index, item) in inserted {
            if let Some(label) = &item.label {
                let there = lookup
                    .present(label, Some(&item.value), index)
                    .filter(|place| !found.removed.contains_key(place))
                    .and_then(|place| array.get(place));
                if let Some(there) = there {
                    let kind = if nesting::equal(there, &item.value) {
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
                        report.push(kind, replace, Some(there));
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
                sound = false;
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
        sort_in(members, array, found);
        sound
    }

    /// Reports what goes and comes by index as displaced, and takes it out.
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
                // The value was compared: the state holds just this.
                let there = item.value.clone();
                let replace = Replace {
                    old: Some(item.value),
                    new: None,
                    redaction: item.redaction,
                };
                self.at_item(None, index, |report| {
                    report.push(ConflictKind::Displaced, replace, Some(&there));
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

/// Gives a set's new members the indices that keep its array sorted.
fn sort_in(mut members: Vec<Item>, array: &[Value], found: &mut Items) {
    members.sort_by(|a, b| compare_values(&a.value, &b.value));
    let removed: Vec<usize> = found.removed.keys().copied().collect();
    for (number, item) in members.into_iter().enumerate() {
        let before = array.partition_point(|known| compare_values(known, &item.value).is_lt());
        let mut index = before - below(&removed, before) + number;
        while found.inserted.contains_key(&index) {
            index += 1;
        }
        found.inserted.insert(index, item);
    }
}

/// Gives what is put behind the end of an array, which it may be where others went, the last
/// indices there are.
fn squeeze(found: &mut Items, length: usize) {
    let placed = found.target_indices();
    let last = (length + found.inserted.len()).saturating_sub(found.removed.len());
    let first = last.saturating_sub(placed.len());
    if placed
        .iter()
        .zip(first..)
        .all(|(index, limit)| *index <= limit)
    {
        return;
    }
    let limits: HashMap<usize, usize> = placed.into_iter().zip(first..).collect();
    let place = |index: usize| limits.get(&index).map_or(index, |limit| index.min(*limit));
    found.inserted = std::mem::take(&mut found.inserted)
        .into_iter()
        .map(|(index, item)| (place(index), item))
        .collect();
    for moved in found.moved.values_mut() {
        moved.to = place(moved.to);
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
    /// Made when an item is not where it was.
    keys: HashMap<String, HashMap<ByValue<'s>, usize>>,
    /// The items whose keys are decimals, by the digits. Made when no item has the very key.
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

    /// Returns the index of an item that was at `index`; `value` is the item itself, if known.
    fn find(
        &mut self,
        label: Option<&Label>,
        value: Option<&Value>,
        index: usize,
    ) -> Option<usize> {
        let Some(label) = label else {
            return (index < self.array.len()).then_some(index);
        };
        let found = self.present(label, value, index);
        let (None, Label::Key { field, value }) = (found, label) else {
            return found;
        };
        // An item that does not show its key is taken by index.
        let unknown = |item: &Value| key_of(item, field).is_none();
        self.of_another_scale(field, value)
            .or_else(|| self.array.get(index).is_some_and(unknown).then_some(index))
    }

    /// Returns the index of the item whose key is the same decimal, whatever its scale.
    fn of_another_scale(&mut self, field: &str, key: &Value) -> Option<usize> {
        let decimal = |key: &Value| match key {
            Value::String(text) => digits(text),
            Value::Number(number) => digits(&number.to_string()),
            _ => None,
        };
        let key = decimal(key)?;
        if !self.decimals.contains_key(field) {
            // Of several items the first one is kept.
            let items = self.array.iter().enumerate().rev();
            let decimals = items
                .filter_map(|(index, item)| Some((decimal(key_of(item, field)?)?, index)))
                .collect();
            self.decimals.insert(field.to_owned(), decimals);
        }
        self.decimals.get(field)?.get(&key).copied()
    }

    /// Returns the index of the item that has this label, which may be `index`. A set's member
    /// is found by its value: two may have the same short name.
    fn present(&mut self, label: &Label, value: Option<&Value>, index: usize) -> Option<usize> {
        let there = self.array.get(index);
        match (label, value) {
            (Label::Key { field, value }, _) => {
                let has_key = |item: &Value| {
                    key_of(item, field).is_some_and(|found| nesting::equal(found, value))
                };
                if there.is_some_and(has_key) {
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
                if there.is_some_and(|item| nesting::equal(item, value)) {
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
                if there.is_some_and(named) {
                    return Some(index);
                }
                self.array.iter().position(named)
            }
        }
    }
}

/// How a path names a set's member: a text by itself, anything else by its JSON.
pub(crate) fn member_text(member: &Value) -> Cow<'_, str> {
    match member {
        Value::String(text) => Cow::Borrowed(text),
        other => exact_text(other),
    }
}

/// How a path names a member of a set in which the short names of two are the same.
pub(crate) fn exact_text(member: &Value) -> Cow<'_, str> {
    if nesting::too_deep(member) {
        return Cow::Borrowed("");
    }
    Cow::Owned(crate::json::canonical::text(member))
}

/// Looks up the indices that changes made by hand do not have.
fn locate<'c>(changes: &'c [Change], state: &Value) -> Cow<'c, [Change]> {
    let mut located = Cow::Borrowed(changes);
    let mut appended = 0;
    for (number, change) in changes.iter().enumerate() {
        let simple = !change.path.contains(['.', '[']);
        if simple || !change.at.is_empty() {
            continue;
        }
        let at = indices(change, state, &mut appended);
        if !at.is_empty() {
            located.to_mut()[number].at = at.into();
        }
    }
    located
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
        let known = change.old.as_ref().or(change.new.as_ref());
        let found = Lookup::new(array).present(&label, known.filter(|_| last), usize::MAX);
        let index = found.unwrap_or_else(|| {
            *appended += 1;
            array.len() + *appended - 1
        });
        value = array.get(index);
        at.push(index);
    }
    at
}
