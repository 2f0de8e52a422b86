//! Rules that `register_with` adds to a type's own attributes.

use serde_json::Value;

use crate::change::{Change, Redaction};
use crate::diff::Difference;
use crate::mask::{HIDDEN, Mask};
use crate::path::{Path, PathSegment};

/// A field by the names that lead to it, such as `["address", "street"]`.
type FieldPath = Vec<String>;

/// What of a model's values is left out or masked besides what the type says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) include: Option<Vec<FieldPath>>,
    pub(crate) exclude: Vec<FieldPath>,
    pub(crate) mask: Vec<(FieldPath, Mask)>,
}

impl Rules {
    pub(crate) fn is_empty(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty() && self.mask.is_empty()
    }

    /// Returns the mask of a top-level field in `object_repr`; an excluded field is hidden.
    pub(crate) fn for_repr(&self, field: &str) -> Option<Mask> {
        let top = |path: &FieldPath| path.first().is_some_and(|name| name == field);
        let left_out = self.exclude.iter().any(top)
            || self
                .include
                .as_ref()
                .is_some_and(|fields| !fields.iter().any(top));
        if left_out {
            return Some(Mask::All);
        }
        // A mask below the field hides all of it: the text shows more than one field.
        self.mask
            .iter()
            .find(|(path, _)| top(path))
            .map(
                |(path, mask)| {
                    if path.len() == 1 { *mask } else { Mask::All }
                },
            )
    }

    /// Applies the rules to what a diff found.
    pub(crate) fn apply(&self, difference: &mut Difference) {
        let list = difference.changes.list_mut();
        list.retain_mut(|change| {
            let names = names(&change.path);
            if let Some(include) = &self.include
                && !include
                    .iter()
                    .any(|field| leads_to(field, &names) || leads_to(&names, field))
            {
                return false;
            }
            if self.exclude.iter().any(|field| leads_to(field, &names)) {
                return false;
            }
            for value in [&mut change.old, &mut change.new].into_iter().flatten() {
                self.redact(&names, value);
            }
            true
        });
        for (field, mask) in &self.mask {
            Self::mask_changes(list, field, *mask);
        }
        difference.notable &= !list.is_empty();
    }

    /// Applies the rules to a whole object.
    pub(crate) fn apply_to_snapshot(&self, snapshot: &mut Value) {
        self.redact(&[], snapshot);
    }

    /// Redacts a value that stands at `names`.
    fn redact(&self, names: &[String], value: &mut Value) {
        if let Some(include) = &self.include {
            // Only the top level is chosen by inclusion; deeper fields by what they lead to.
            keep(value, names, include);
        }
        for field in &self.exclude {
            if let Some(rest) = below(field, names) {
                edit(value, rest, &mut |fields, name| {
                    fields.remove(name);
                });
            }
        }
        for (field, mask) in &self.mask {
            if let Some(rest) = below(field, names) {
                edit(value, rest, &mut |fields, name| {
                    if let Some(value) = fields.get_mut(name) {
                        *value = mask.apply_to_value(value.take());
                    }
                });
            }
        }
    }

    /// Masks the changes at a field and folds those inside it into one: the path of a
    /// change inside would tell a part of the value.
    fn mask_changes(list: &mut Vec<Change>, field: &FieldPath, mask: Mask) {
        let mut folded: Option<usize> = None;
        let mut index = 0;
        while index < list.len() {
            let change = &mut list[index];
            let names = names(&change.path);
            let values = || [&change.old, &change.new].into_iter().flatten();
            if leads_to(field, &names) {
                if names.len() == field.len() && change.path.segments().len() == names.len() {
                    for value in [&mut change.old, &mut change.new].into_iter().flatten() {
                        *value = mask.apply_to_value(value.take());
                    }
                    change.redaction = Some(Redaction::Masked);
                } else if folded.is_some() {
                    list.remove(index);
                    continue;
                } else {
                    let segments = change.path.segments();
                    change.path = Path::from_segments(&segments[..outer(&segments, field)]);
                    change.old = Some(Value::String(HIDDEN.to_owned()));
                    change.new = Some(Value::String(HIDDEN.to_owned()));
                    change.redaction = Some(Redaction::Masked);
                    folded = Some(index);
                }
            } else if below(field, &names).is_some()
                && values().any(|value| value.is_object() || value.is_array())
            {
                change.redaction.get_or_insert(Redaction::Partial);
            }
            index += 1;
        }
    }
}

/// The names on the way of a path; indices and keys of items are no names.
fn names(path: &Path) -> Vec<String> {
    let name = |segment| match segment {
        PathSegment::Name(name) => Some(name),
        PathSegment::Index(_) | PathSegment::Match { .. } => None,
    };
    path.segments().into_iter().filter_map(name).collect()
}

/// How many segments of a path it takes to pass all names of a field.
fn outer(segments: &[PathSegment], field: &FieldPath) -> usize {
    let mut wanted = field.iter();
    let mut next = wanted.next();
    for (index, segment) in segments.iter().enumerate() {
        if let (PathSegment::Name(name), Some(field)) = (segment, next)
            && name == field
        {
            next = wanted.next();
            if next.is_none() {
                return index + 1;
            }
        }
    }
    segments.len()
}

/// Whether `field` is on the way to `names`. Between two names of a field a path may have
/// the keys of a map, so that `homes.street` leads to `homes.summer.street`.
fn leads_to(field: &[String], names: &[String]) -> bool {
    below(field, names).is_some_and(<[String]>::is_empty)
}

/// What of `field` is still to come after `names`; `None` if `names` lead elsewhere.
fn below<'f>(field: &'f [String], names: &[String]) -> Option<&'f [String]> {
    if let (Some(first), Some(name)) = (field.first(), names.first())
        && first != name
    {
        return None;
    }
    let mut rest = field;
    for name in names {
        if rest.first() == Some(name) {
            rest = &rest[1..];
        }
    }
    Some(rest)
}

/// Runs `change` on every object that has the field which `rest` leads to.
fn edit(
    value: &mut Value,
    rest: &[String],
    change: &mut impl FnMut(&mut serde_json::Map<String, Value>, &str),
) {
    let Some((first, later)) = rest.split_first() else {
        return;
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| edit(item, rest, change)),
        Value::Object(fields) => {
            if later.is_empty() {
                change(fields, first);
            }
            for (name, value) in fields {
                edit(value, if name == first { later } else { rest }, change);
            }
        }
        _ => {}
    }
}

/// Leaves in an object that stands at `names` what one of the fields leads to.
fn keep(value: &mut Value, names: &[String], include: &[FieldPath]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| keep(item, names, include)),
        Value::Object(fields) => {
            let mut at = names.to_vec();
            let all = std::mem::take(fields);
            for (name, mut value) in all {
                at.push(name);
                let whole = include.iter().any(|field| leads_to(field, &at));
                if whole || include.iter().any(|field| leads_to(&at, field)) {
                    if !whole {
                        keep(&mut value, &at, include);
                    }
                    fields.insert(at[at.len() - 1].clone(), value);
                }
                at.pop();
            }
        }
        _ => {}
    }
}
