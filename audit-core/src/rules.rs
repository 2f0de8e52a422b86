//! Rules that `register_with` adds to a type's own attributes.

use serde_json::Value;

use crate::change::{Change, Redaction};
use crate::description::{FieldDescription, Recorded};
use crate::diff::Difference;
use crate::mask::Mask;
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

    /// Applies the rules to a top-level field's description. What they say of something inside
    /// makes it partial.
    pub(crate) fn describe(&self, field: &mut FieldDescription) {
        let top = |path: &&FieldPath| path.first() == Some(&field.name);
        let whole = |path: &FieldPath| path.len() == 1;
        let excluded: Vec<_> = self.exclude.iter().filter(top).collect();
        let included: Option<Vec<_>> = self
            .include
            .as_ref()
            .map(|include| include.iter().filter(top).collect());
        let masked: Vec<_> = self.mask.iter().filter(|(path, _)| top(&path)).collect();
        let left_out =
            excluded.iter().any(|path| whole(path)) || included.as_ref().is_some_and(Vec::is_empty);
        let partial = !excluded.is_empty()
            || included.is_some_and(|included| !included.iter().any(|path| whole(path)));
        let mask = masked.iter().find(|(path, _)| whole(path));
        field.recorded = match (field.recorded, mask) {
            (Recorded::Skipped, _) => Recorded::Skipped,
            _ if left_out => Recorded::Skipped,
            (Recorded::Clear, Some((_, mask))) => Recorded::Masked(*mask),
            // One mask on top of another shows no more than each.
            (_, Some(_)) => Recorded::Partial,
            (Recorded::Clear, None) if partial || !masked.is_empty() => Recorded::Partial,
            (recorded, None) => recorded,
        };
    }

    /// Applies the rules to what a diff found.
    pub(crate) fn apply(&self, difference: &mut Difference) {
        let list = difference.changes.list_mut();
        self.hide_keys(list);
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

    /// Masks the changes at a field. Those inside it become one change of the field: the path
    /// of a change inside would tell a part of the value.
    fn mask_changes(list: &mut Vec<Change>, field: &FieldPath, mask: Mask) {
        let mut folded: Vec<Path> = Vec::new();
        list.retain_mut(|change| {
            let names = names(&change.path);
            if !leads_to(field, &names) {
                let mut values = [&change.old, &change.new].into_iter().flatten();
                if below(field, &names).is_some()
                    && values.any(|value| value.is_object() || value.is_array())
                {
                    change.redaction.get_or_insert(Redaction::Partial);
                }
                return true;
            }
            let segments = change.path.segments();
            let (place, inside) = segments.split_at(outer(&segments, field));
            change.redaction = Some(Redaction::Masked);
            if inside.is_empty() && change.moved.is_empty() {
                for value in [&mut change.old, &mut change.new].into_iter().flatten() {
                    *value = mask.apply_to_value(value.take());
                }
                return true;
            }
            // What the mask makes of any list or object.
            let whole = mask.apply_to_value(Value::Array(Vec::new()));
            let matched = |segment: &&PathSegment| matches!(segment, PathSegment::Match { .. });
            let located = place.iter().filter(matched).count();
            change.at = change.at.iter().copied().take(located).collect();
            change.path = Path::from_segments(place);
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

    /// Whether paths may not show what a field holds.
    fn hides(&self, field: &[String]) -> bool {
        let left_out = |include: &Vec<FieldPath>| !include.iter().any(|path| leads_to(path, field));
        self.include.as_ref().is_some_and(left_out)
            || self.exclude.iter().any(|path| leads_to(path, field))
            || self.mask.iter().any(|(path, _)| leads_to(path, field))
    }

    /// Names by index the items whose key may not be shown.
    fn hide_keys(&self, list: &mut Vec<Change>) {
        let mut hidden: Vec<Path> = Vec::new();
        for change in list.iter_mut() {
            let mut names = Vec::new();
            let mut at = std::mem::take(&mut change.at).into_iter();
            let mut shown = Vec::with_capacity(at.len());
            let mut segments = change.path.segments();
            let mut renamed = false;
            for segment in &mut segments {
                match segment {
                    PathSegment::Name(name) => names.push(name.clone()),
                    PathSegment::Index(_) => {}
                    PathSegment::Match { field, .. } => {
                        let index = at.next().unwrap_or_default();
                        names.push(field.clone());
                        if self.hides(&names) {
                            *segment = PathSegment::Index(index);
                            renamed = true;
                        } else {
                            shown.push(index);
                        }
                        names.pop();
                    }
                }
            }
            shown.extend(at);
            change.at = shown.into();
            for step in &mut change.moved {
                if let PathSegment::Match { field, .. } = &step.item {
                    names.push(field.clone());
                    if self.hides(&names) {
                        step.item = PathSegment::Index(step.from);
                    }
                    names.pop();
                }
            }
            if renamed {
                change.path = Path::from_segments(&segments);
                hidden.push(change.path.clone());
            }
        }
        hidden.sort();
        if hidden.windows(2).all(|pair| pair[0] != pair[1]) {
            return;
        }
        // What went and what came at one index are one change.
        let mut merged: Vec<Change> = Vec::with_capacity(list.len());
        for change in list.drain(..) {
            let known = merged.iter_mut().find(|known| {
                known.path == change.path && hidden.binary_search(&change.path).is_ok()
            });
            match known {
                Some(known) => {
                    known.old = known.old.take().or(change.old);
                    known.new = known.new.take().or(change.new);
                    known.redaction = known.redaction.or(change.redaction);
                }
                None => merged.push(change),
            }
        }
        *list = merged;
    }
}

/// The names on the way of a path; indices and keys of items are no names.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let name = |segment| match segment {
        PathSegment::Name(name) => Some(name),
        PathSegment::Index(_) | PathSegment::Match { .. } => None,
    };
    path.segments().into_iter().filter_map(name).collect()
}

/// How many segments of a path it takes to pass all names of a field.
pub(crate) fn outer(segments: &[PathSegment], field: &[String]) -> usize {
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
pub(crate) fn leads_to(field: &[String], names: &[String]) -> bool {
    below(field, names).is_some_and(<[String]>::is_empty)
}

/// What of `field` is still to come after `names`; `None` if `names` lead elsewhere.
pub(crate) fn below<'f>(field: &'f [String], names: &[String]) -> Option<&'f [String]> {
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
pub(crate) fn edit(
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::change::Changes;

    fn ruled(rules: &Rules, changes: Value) -> Value {
        let mut difference = Difference {
            changes: serde_json::from_value(changes).unwrap(),
            level: None,
            notable: true,
        };
        rules.apply(&mut difference);
        serde_json::to_value::<Changes>(difference.changes).unwrap()
    }

    fn field(path: &str) -> FieldPath {
        path.split('.').map(str::to_owned).collect()
    }

    fn masking(path: &str) -> Rules {
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
            ruled(&rules, changes),
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
            ruled(&masking("items.price"), changes),
            json!({
                "items[sku='A'].price": {"old": "***", "new": "***", "redaction": "masked", "at": [0]},
                "items[sku='B'].price": {"new": "***", "redaction": "masked", "at": [1]},
                "items[sku='C'].price": {"old": "***", "new": "***", "redaction": "masked", "at": [2]},
            })
        );
    }

    #[test]
    fn a_masked_key_is_not_told_by_paths() {
        let changes = json!({
            "items": {"moved": {"[sku='A']": [3, 0]}},
            "items[sku='A'].qty": {"old": 1, "new": 2, "at": [3]},
            "items[sku='B']": {"old": {"sku": "B", "qty": 1}, "at": [1]},
            "items[sku='C']": {"new": {"sku": "C", "qty": 1}, "at": [1]},
        });
        assert_eq!(
            ruled(&masking("items.sku"), changes),
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
