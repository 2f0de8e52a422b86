//! Changes between states of an object that is older than the trail.
//!
//! Such a state has only the fields that its entries mention. A comparison of two of them would report a field that a
//! later entry mentions for the first time as added. The entries in between have its former value, so their
//! composition is the result, field by field, unless the field changed without an entry in between.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::breaks::Earlier;
use super::rebuild::{Fold, holds_full_state, makes_version, start};
use super::version_diff::{RecordedKinds, names_member};
use super::{History, Reconstruction, composed};
use crate::change::{Change, Changes};
use crate::entry::LogEntry;
use crate::json::nesting;
use crate::path::{Path, PathSegment, key_of};

impl History {
    /// Returns the changes between the states of two versions: those of the entries in between, and in fields
    /// that changed without an entry, `compared`, those between the states.
    pub(super) fn recorded_changes(
        &self,
        [from, to]: [&Reconstruction; 2],
        compared: Changes,
        between: &[&LogEntry],
        forward: bool,
    ) -> Changes {
        let recorded = composed(between, forward);
        let mut broken = self.broken_fields(between);
        let contradicted = recorded.iter().filter(|change| {
            contradicts(from, change, change.old.is_some())
                || contradicts(to, change, change.new.is_some())
        });
        broken.extend(contradicted.map(|change| field(&change.path)));
        if broken.contains(&None) {
            return compared;
        }
        let (unclear, mut list): (Vec<Change>, Vec<Change>) = recorded
            .iter()
            .cloned()
            .partition(|change| broken.contains(&field(&change.path)));
        let mut compared: Vec<Change> = compared
            .iter()
            .filter(|change| broken.contains(&field(&change.path)))
            .cloned()
            .collect();
        // A partial state may lack a part that the object had, as the entries report.
        for change in unclear.iter().filter(|change| is_field(change)) {
            let [old, new] = [from, to].map(|state| change.path.find_in(&state.state));
            let overlaps = |other: &&mut Change| {
                other.path.is_within(&change.path) || change.path.is_within(&other.path)
            };
            match compared.iter_mut().find(overlaps) {
                Some(other) if other.path == change.path => {
                    if from.is_partial() && other.old.is_none() {
                        other.old.clone_from(&change.old);
                    }
                    if to.is_partial() && other.new.is_none() {
                        other.new.clone_from(&change.new);
                    }
                }
                None if old.is_none() && new.is_none() => compared.push(Change {
                    old: change.old.clone().filter(|_| from.is_partial()),
                    new: change.new.clone().filter(|_| to.is_partial()),
                    ..change.clone()
                }),
                _ => {}
            }
        }
        let differs = |change: &Change| change.old != change.new || !change.moved.is_empty();
        list.extend(compared.into_iter().filter(differs));
        Changes::from_vec(list)
    }

    /// Returns the fields that changed without an entry, as entries among `between` show; `None` is the object.
    fn broken_fields(&self, between: &[&LogEntry]) -> BTreeSet<Option<String>> {
        let ids: BTreeSet<_> = between.iter().map(|entry| entry.id).collect();
        let breaks = self.breaks();
        let breaks = breaks.iter().filter(|found| ids.contains(&found.entry.id));
        let mut broken: BTreeSet<_> = breaks.map(|found| field(&found.path)).collect();
        let kinds = RecordedKinds::of(&self.entries);
        let mut fold = Fold::of(self.fields);
        let mut first = 0;
        for (index, entry) in self.entries.iter().enumerate() {
            if !makes_version(entry) {
                continue;
            }
            let all = &self.entries[..index];
            let earlier = Earlier { all, start: first };
            if let Some(snapshot) = &entry.snapshot
                && ids.contains(&entry.id)
            {
                let mut after = fold.clone();
                after.change(earlier, entry);
                broken.extend(kinds.contradictions(&after.state, snapshot));
            }
            fold.step(earlier, entry);
            if holds_full_state(entry) {
                first = index;
            }
        }
        broken
    }

    /// Returns the state of an object that exists, beside a version in which it does not: with the fields of
    /// `from_nothing`, the recorded changes from the latter to the former, if the state has only a part of them.
    pub(super) fn existing(&self, state: &Value, from_nothing: &Changes) -> Value {
        let mut value = start(from_nothing);
        let changes = from_nothing.rebase(&value).changes;
        let applies = changes.apply(&mut value).is_ok();
        if state.is_null() {
            return if value.is_null() {
                Value::Object(Map::new())
            } else {
                value
            };
        }
        let kinds = RecordedKinds::of(&self.entries);
        let mut part = state.clone();
        for change in from_nothing
            .iter()
            .filter(|change| change.redaction.is_some())
        {
            // Masked forms of one value may differ.
            if let (Some(field), Value::Object(fields)) = (field(&change.path), &mut part) {
                fields.remove(&field);
            }
        }
        let is_part = applies && kinds.contradictions(&part, &value).is_empty();
        if is_part { value } else { state.clone() }
    }
}

/// Returns whether a complete state has a field that a change lacks, or lacks one that the change has.
fn contradicts(state: &Reconstruction, change: &Change, is_present: bool) -> bool {
    let found = change.path.find_in(&state.state);
    is_field(change) && !state.is_partial() && found.is_some() != is_present
}

/// Returns whether a change is of a field, no item or member.
fn is_field(change: &Change) -> bool {
    let segments = change.path.segments();
    let is_named = |segment: &PathSegment| matches!(segment, PathSegment::Name(_));
    segments.iter().all(is_named) && !names_member(change, &segments) && change.moved.is_empty()
}

/// Returns the field of the object that a path is in; `None` for the object itself, and for a list.
fn field(path: &Path) -> Option<String> {
    match path.segments().into_iter().next() {
        Some(PathSegment::Name(name)) => Some(name),
        _ => None,
    }
}

impl RecordedKinds {
    /// Returns the fields in which a part of an object contradicts the complete object.
    fn contradictions(&self, part: &Value, all: &Value) -> BTreeSet<Option<String>> {
        match (part, all) {
            (Value::Null, _) => BTreeSet::new(),
            (Value::Object(part), Value::Object(all)) => part
                .iter()
                .filter(|(name, part)| {
                    let names = [(*name).clone()];
                    !all.get(*name)
                        .is_some_and(|all| self.is_part(&names, part, all))
                })
                .map(|(name, _)| Some(name.clone()))
                .collect(),
            (part, all) if self.is_part(&[], part, all) => BTreeSet::new(),
            _ => BTreeSet::from([None]),
        }
    }

    /// Returns whether a value has the fields, and the items of keyed lists, that a part of it has. `names` are the
    /// names in its path.
    fn is_part(&self, names: &[String], part: &Value, all: &Value) -> bool {
        match (part, all) {
            (Value::Object(part), Value::Object(all)) => part.iter().all(|(name, part)| {
                let names = [names, std::slice::from_ref(name)].concat();
                all.get(name)
                    .is_some_and(|all| self.is_part(&names, part, all))
            }),
            (Value::Array(part), Value::Array(all)) if self.key(names).is_some() => {
                let key = self.key(names).unwrap_or_default();
                // Items mostly have the order of the other list.
                let mut next = 0;
                part.iter().all(|part| {
                    let mut indices = (next..all.len()).chain(0..next);
                    let found =
                        indices.find(|&index| key_of(&all[index], key) == key_of(part, key));
                    next = found.map_or(next, |index| index + 1);
                    found.is_some_and(|index| self.is_part(names, part, &all[index]))
                })
            }
            (part, all) => nesting::equal_ignoring_scale(part, all),
        }
    }
}
