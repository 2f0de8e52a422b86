//! The rules that `register_with` sets for a model's fields: excluded, included and masked ones.
//!
//! Attributes are compiled into a type; these rules apply to one log at run time. They are applied in every
//! copy of a value: changes, snapshots, texts of objects, additional data, and in entities inside other
//! entities, each under the rules of its own model.
//!
//! A rule has the path of a field, with one step for each field and for the keys of a map. It applies to all
//! items of a list. The rules of the outermost object are applied to the result of the diff or the snapshot;
//! those of inner entities during the walk, where their values are still typed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diff::Difference;
use super::schema::FieldSchema;
use crate::change::{Change, Redaction, member_text};
use crate::mask::Mask;
use crate::path::{Path, PathSegment};

/// One step of a field's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldStep {
    /// A field by its stored name.
    Field(&'static str),
    /// Any key of a map. Keys are data and never match a field name.
    Key,
}

/// The path of a field, such as `address`, `street`. Lists and sets have no step of their own: a
/// rule applies to all items.
pub(crate) type FieldPath = Vec<FieldStep>;

/// The fields of a model that are left out or masked in addition to the type's own attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) include: Option<Vec<FieldPath>>,
    pub(crate) exclude: Vec<FieldPath>,
    pub(crate) mask: Vec<(FieldPath, Mask)>,
}

/// The rules of all registered models that have rules.
pub(crate) type RulesByModel = BTreeMap<&'static str, Rules>;

/// The rules under which values are walked.
#[derive(Clone, Debug)]
pub(crate) struct ModelRules {
    models: Arc<RulesByModel>,
    /// Whether the caller applies the rules of the outermost value itself.
    outermost_by_caller: bool,
}

impl ModelRules {
    pub(crate) fn new(models: Arc<RulesByModel>) -> Self {
        Self {
            models,
            outermost_by_caller: false,
        }
    }

    /// Leaves the rules of the outermost value to the caller.
    pub(crate) fn excluding_outermost(mut self) -> Self {
        self.outermost_by_caller = true;
        self
    }

    /// Returns whether a field is the identity of a model with rules.
    pub(crate) fn has(&self, field: &FieldSchema) -> bool {
        field
            .model
            .is_some_and(|model| self.models.contains_key(model))
    }

    /// Returns the rules of the model whose fields these are.
    pub(crate) fn for_fields(&self, fields: &[FieldSchema], outermost: bool) -> Option<&Rules> {
        if outermost && self.outermost_by_caller {
            return None;
        }
        rules_of(&self.models, fields)
    }
}

/// Returns the rules of the model whose fields these are.
pub(crate) fn rules_of<'r>(models: &'r RulesByModel, fields: &[FieldSchema]) -> Option<&'r Rules> {
    let model = fields.iter().find_map(|field| field.model)?;
    models.get(model)
}

/// The relation of a field to a path.
#[derive(Debug, PartialEq, Eq)]
enum Relation<'f> {
    /// The path leads to the field or into it; with the number of segments up to the field.
    Covers(usize),
    /// The field is inside the value at the path; with the remaining steps.
    Inside(&'f [FieldStep]),
    Unrelated,
}

/// Compares a field with a path. Indices and matched items are not steps.
fn relation<'f>(field: &'f [FieldStep], segments: &[PathSegment]) -> Relation<'f> {
    let mut rest = field;
    for (index, segment) in segments.iter().enumerate() {
        let Some((step, remaining)) = rest.split_first() else {
            return Relation::Covers(index);
        };
        if let PathSegment::Name(name) = segment {
            match step {
                FieldStep::Field(field) if field != name => return Relation::Unrelated,
                FieldStep::Field(_) | FieldStep::Key => rest = remaining,
            }
        }
    }
    if rest.is_empty() {
        Relation::Covers(segments.len())
    } else {
        Relation::Inside(rest)
    }
}

impl Rules {
    pub(crate) fn is_empty(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty() && self.mask.is_empty()
    }

    /// Returns the mask of a top-level field in `object_repr`. An excluded field is hidden.
    pub(crate) fn for_repr(&self, field: &str) -> Option<Mask> {
        let left_out = self.exclude.iter().any(|path| is_at(path, field))
            || self
                .include
                .as_ref()
                .is_some_and(|fields| !fields.iter().any(|path| is_at(path, field)));
        if left_out {
            return Some(Mask::All);
        }
        // A mask inside the field hides all of it, since its text may show several fields.
        self.mask
            .iter()
            .find(|(path, _)| is_at(path, field))
            .map(
                |(path, mask)| {
                    if path.len() == 1 { *mask } else { Mask::All }
                },
            )
    }

    /// Applies the rules to the result of a diff.
    pub(crate) fn apply(&self, difference: &mut Difference) {
        let list = difference.changes.list_mut();
        self.apply_to_changes(list, 0);
        difference.notable &= !list.is_empty();
    }

    /// Applies the rules to the changes of an object whose own path has `outer` segments.
    pub(crate) fn apply_to_changes(&self, list: &mut Vec<Change>, outer: usize) {
        self.hide_keys(list, outer);
        let mut renamed = false;
        list.retain_mut(|change| {
            let segments = change.path.segments();
            let (segments, member) = split_member(&segments[outer..], change);
            if let Some(include) = &self.include
                && include
                    .iter()
                    .all(|field| relation(field, segments) == Relation::Unrelated)
            {
                return false;
            }
            if self
                .exclude
                .iter()
                .any(|field| matches!(relation(field, segments), Relation::Covers(_)))
            {
                return false;
            }
            let mut redacted = false;
            for value in [&mut change.old, &mut change.new].into_iter().flatten() {
                let before = member.then(|| value.clone());
                redacted |= self.redact(segments, value);
                renamed |= before.is_some_and(|before| before != *value);
            }
            if redacted {
                change.redaction.get_or_insert(Redaction::Partial);
            }
            true
        });
        if renamed {
            name_members(list);
        }
        for (field, mask) in &self.mask {
            mask_changes(list, field, *mask, outer);
        }
    }

    /// Applies the rules to a whole object; returns whether anything is masked.
    pub(crate) fn apply_to_snapshot(&self, snapshot: &mut Value) -> bool {
        self.redact(&[], snapshot)
    }

    /// Returns the fields of an object that a mask of these rules hides entirely or in part.
    pub(crate) fn masked(&self, object: &Value) -> Vec<(Cow<'static, str>, Redaction)> {
        let of_field = |(path, _): &(FieldPath, Mask)| match path.split_first() {
            Some((FieldStep::Field(name), inside)) => {
                let masked = object
                    .get(name)
                    .filter(|value| leads_to_value(value, inside));
                masked.map(|_| match inside {
                    [] => ((*name).into(), Redaction::Masked),
                    _ => ((*name).into(), Redaction::Partial),
                })
            }
            _ => None,
        };
        self.mask.iter().filter_map(of_field).collect()
    }

    /// Applies the rules to the value at `path`, except masks of the value as a whole. Returns
    /// whether anything is masked.
    fn redact(&self, path: &[PathSegment], value: &mut Value) -> bool {
        if let Some(include) = &self.include {
            let relations: Vec<_> = include.iter().map(|field| relation(field, path)).collect();
            let whole = |relation: &Relation<'_>| matches!(relation, Relation::Covers(_));
            if !relations.iter().any(whole) {
                let inside: Vec<_> = relations
                    .into_iter()
                    .filter_map(|relation| match relation {
                        Relation::Inside(rest) => Some(rest),
                        Relation::Covers(_) | Relation::Unrelated => None,
                    })
                    .collect();
                keep(value, &inside);
            }
        }
        for field in &self.exclude {
            if let Relation::Inside(rest) = relation(field, path) {
                edit(value, rest, &mut |fields, step| match step {
                    FieldStep::Field(name) => drop(fields.remove(name)),
                    FieldStep::Key => fields.clear(),
                });
            }
        }
        let mut masked = false;
        for (field, mask) in &self.mask {
            if let Relation::Inside(rest) = relation(field, path) {
                edit(value, rest, &mut |fields, step| {
                    let hidden = fields.iter_mut().filter(|(name, _)| step.leads_to(name));
                    for (_, value) in hidden.filter(|(_, value)| !value.is_null()) {
                        *value = mask.apply_to_value(value.take());
                        masked = true;
                    }
                });
            }
        }
        masked
    }

    /// Returns whether paths must not show the value of the field at these segments.
    fn hides(&self, segments: &[PathSegment]) -> bool {
        let covers = |field: &FieldPath| matches!(relation(field, segments), Relation::Covers(_));
        self.include
            .as_ref()
            .is_some_and(|include| !include.iter().any(covers))
            || self.exclude.iter().any(covers)
            || self.mask.iter().any(|(field, _)| covers(field))
    }

    /// Returns whether a field is left out or masked.
    pub(crate) fn covers(&self, field: &[FieldStep]) -> bool {
        self.exclude.iter().any(|path| field.starts_with(path))
            || self.mask.iter().any(|(path, _)| field.starts_with(path))
            || self.include.as_ref().is_some_and(|include| {
                !include
                    .iter()
                    .any(|path| field.starts_with(path) || path.starts_with(field))
            })
    }

    /// Returns whether paths must not show the value of a top-level field of the model.
    pub(crate) fn hides_field(&self, name: &str) -> bool {
        self.hides(&[PathSegment::Name(name.to_owned())])
    }

    /// Identifies the items whose key must not be shown by index.
    fn hide_keys(&self, list: &mut Vec<Change>, outer: usize) {
        let mut hidden: Vec<Path> = Vec::new();
        for change in list.iter_mut() {
            let mut prefix: Vec<PathSegment> = Vec::new();
            let mut at = std::mem::take(&mut change.at).into_iter();
            let mut shown = Vec::with_capacity(at.len());
            let mut segments = change.path.segments();
            let mut renamed = false;
            for (number, segment) in segments.iter_mut().enumerate() {
                if let PathSegment::Match { field, .. } = segment {
                    let index = at.next().unwrap_or_default();
                    prefix.push(PathSegment::Name(field.clone()));
                    let hides = number >= outer && self.hides(&prefix);
                    prefix.pop();
                    if hides {
                        *segment = PathSegment::Index(index);
                        renamed = true;
                    } else {
                        shown.push(index);
                    }
                }
                if number >= outer {
                    prefix.push(segment.clone());
                }
            }
            shown.extend(at);
            change.at = shown.into();
            for step in &mut change.moved {
                if let PathSegment::Match { field, .. } = &step.item {
                    prefix.push(PathSegment::Name(field.clone()));
                    if self.hides(&prefix) {
                        step.item = PathSegment::Index(step.from);
                    }
                    prefix.pop();
                }
            }
            if renamed {
                change.path = Path::from_segments(&segments);
                hidden.push(change.path.clone());
            }
        }
        hidden.sort();
        if hidden.windows(2).any(|pair| pair[0] == pair[1]) {
            // A removal and an insertion at the same index are one change.
            merge_equal_paths(list, |change| hidden.binary_search(&change.path).is_ok());
        }
    }
}

/// Masks the changes at a field. Changes inside it become one change of the field, since their
/// paths would disclose a part of the value.
fn mask_changes(list: &mut Vec<Change>, field: &FieldPath, mask: Mask, outer: usize) {
    let mut folded: Vec<Path> = Vec::new();
    list.retain_mut(|change| {
        let segments = change.path.segments();
        let Relation::Covers(length) = relation(field, &segments[outer..]) else {
            return true;
        };
        let (masked, inside) = segments.split_at(outer + length);
        change.redaction = Some(Redaction::Masked);
        if inside.is_empty() && change.moved.is_empty() {
            for value in [&mut change.old, &mut change.new].into_iter().flatten() {
                *value = mask.apply_to_value(value.take());
            }
            return true;
        }
        // The masked form of any list or object.
        let whole = mask.apply_to_value(Value::Array(Vec::new()));
        let matched = |segment: &&PathSegment| matches!(segment, PathSegment::Match { .. });
        let located = masked.iter().filter(matched).count();
        change.at = change.at.iter().copied().take(located).collect();
        change.path = Path::from_segments(masked);
        change.old = Some(whole.clone());
        change.new = Some(whole);
        change.moved = Box::default();
        let first = !folded.contains(&change.path);
        if first {
            folded.push(change.path.clone());
        }
        first
    });
}

/// Splits off the member of a set, which has an index besides its text and is not a field step.
fn split_member<'s>(segments: &'s [PathSegment], change: &Change) -> (&'s [PathSegment], bool) {
    let matched = |segment: &&PathSegment| matches!(segment, PathSegment::Match { .. });
    let all = change.path.segments();
    match segments.split_last() {
        Some((PathSegment::Name(_), rest))
            if change.at.len() > all.iter().filter(matched).count() =>
        {
            (rest, true)
        }
        _ => (segments, false),
    }
}

/// Names the members of sets by their redacted form.
fn name_members(list: &mut Vec<Change>) {
    for change in list.iter_mut() {
        let mut segments = change.path.segments();
        let (_, member) = split_member(&segments, change);
        let value = change.new.as_ref().or(change.old.as_ref());
        if let (true, Some(value @ (Value::Object(_) | Value::Array(_)))) = (member, value)
            && let Some(PathSegment::Name(name)) = segments.last_mut()
        {
            *name = member_text(value).into_owned();
            change.path = Path::from_segments(&segments);
        }
    }
    merge_equal_paths(list, |change| !change.at.is_empty());
}

/// Merges the changes with equal paths among those that `concerned` selects.
fn merge_equal_paths(list: &mut Vec<Change>, concerned: impl Fn(&Change) -> bool) {
    let mut indices: BTreeMap<Path, usize> = BTreeMap::new();
    let mut merged: Vec<Change> = Vec::with_capacity(list.len());
    for change in list.drain(..) {
        if concerned(&change) {
            if let Some(earlier) = indices.get(&change.path).map(|index| &mut merged[*index]) {
                earlier.old = earlier.old.take().or(change.old);
                earlier.new = earlier.new.take().or(change.new);
                earlier.redaction = earlier.redaction.or(change.redaction);
                continue;
            }
            indices.insert(change.path.clone(), merged.len());
        }
        merged.push(change);
    }
    *list = merged;
}

impl FieldStep {
    fn leads_to(self, name: &str) -> bool {
        match self {
            Self::Field(field) => field == name,
            Self::Key => true,
        }
    }
}

/// Returns whether a field is the top-level field of this name or is inside it.
pub(crate) fn is_at(path: &[FieldStep], name: &str) -> bool {
    matches!(path.first(), Some(FieldStep::Field(first)) if *first == name)
}

/// Returns the names in a path, without indices and matched items.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let name = |segment| match segment {
        PathSegment::Name(name) => Some(name),
        PathSegment::Index(_) | PathSegment::Match { .. } => None,
    };
    path.segments().into_iter().filter_map(name).collect()
}

/// Runs `change` on every object that contains the last step.
fn edit(
    value: &mut Value,
    steps: &[FieldStep],
    change: &mut impl FnMut(&mut Map<String, Value>, FieldStep),
) {
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| edit(item, steps, change)),
        Value::Object(fields) if rest.is_empty() => change(fields, *first),
        Value::Object(fields) => {
            let inner = fields.iter_mut().filter(|(name, _)| first.leads_to(name));
            inner.for_each(|(_, value)| edit(value, rest, change));
        }
        _ => {}
    }
}

/// Returns whether the steps lead to a value that is not null.
pub(crate) fn leads_to_value(value: &Value, steps: &[FieldStep]) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return !value.is_null();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| leads_to_value(item, steps)),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| first.leads_to(name) && leads_to_value(value, rest)),
        _ => false,
    }
}

/// Removes everything from a value except the given fields.
fn keep(value: &mut Value, fields: &[&[FieldStep]]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| keep(item, fields)),
        Value::Object(object) => {
            for (name, mut value) in std::mem::take(object) {
                let later: Vec<&[FieldStep]> = fields
                    .iter()
                    .filter_map(|field| match field.split_first() {
                        Some((step, later)) if step.leads_to(&name) => Some(later),
                        _ => None,
                    })
                    .collect();
                if later.is_empty() {
                    continue;
                }
                if !later.iter().any(|later| later.is_empty()) {
                    keep(&mut value, &later);
                }
                object.insert(name, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::change::Changes;

    fn apply(rules: &Rules, changes: Value) -> Value {
        let mut difference = Difference {
            changes: serde_json::from_value(changes).unwrap(),
            level: None,
            notable: true,
            shadowed_keys: Vec::new(),
        };
        rules.apply(&mut difference);
        serde_json::to_value::<Changes>(difference.changes).unwrap()
    }

    fn field(path: &'static str) -> FieldPath {
        path.split('.').map(FieldStep::Field).collect()
    }

    fn masking(path: &'static str) -> Rules {
        Rules {
            mask: vec![(field(path), Mask::All)],
            ..Rules::default()
        }
    }

    #[test]
    fn a_masked_list_does_not_show_its_items() {
        let changes = json!({
            "items": {"moved": {"[sku='A']": [0, 2]}},
            "items[sku='A'].qty": {"old": 1, "new": 2, "at": [0]},
            "roles['admin']": {"new": "admin", "at": [0]},
            "name": {"old": "a", "new": "b"},
        });
        let mut rules = masking("items");
        rules.mask.push((field("roles"), Mask::Last4));
        assert_eq!(
            apply(&rules, changes),
            json!({
                "items": {"old": "***", "new": "***", "redaction": "masked"},
                "roles": {"old": "****", "new": "****", "redaction": "masked"},
                "name": {"old": "a", "new": "b"},
            })
        );
    }

    #[test]
    fn every_item_keeps_its_own_masked_change() {
        let changes = json!({
            "items[sku='A'].price": {"old": 1, "new": 2, "at": [0]},
            "items[sku='B'].price": {"new": 2, "at": [1]},
            "items[sku='C'].price.net": {"old": 1, "at": [2]},
        });
        assert_eq!(
            apply(&masking("items.price"), changes),
            json!({
                "items[sku='A'].price": {"old": "***", "new": "***", "redaction": "masked", "at": [0]},
                "items[sku='B'].price": {"new": "***", "redaction": "masked", "at": [1]},
                "items[sku='C'].price": {"old": "***", "new": "***", "redaction": "masked", "at": [2]},
            })
        );
    }

    #[test]
    fn paths_do_not_show_a_masked_key() {
        let changes = json!({
            "items": {"moved": {"[sku='A']": [3, 0]}},
            "items[sku='A'].qty": {"old": 1, "new": 2, "at": [3]},
            "items[sku='B']": {"old": {"sku": "B", "qty": 1}, "at": [1]},
            "items[sku='C']": {"new": {"sku": "C", "qty": 1}, "at": [1]},
        });
        assert_eq!(
            apply(&masking("items.sku"), changes),
            json!({
                "items": {"moved": {"[3]": [3, 0]}},
                "items[3].qty": {"old": 1, "new": 2},
                "items[1]": {
                    "old": {"sku": "***", "qty": 1},
                    "new": {"sku": "***", "qty": 1},
                    "redaction": "partial",
                },
            })
        );
    }
}
