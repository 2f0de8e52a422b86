//! Composes the edits of two successive changes of a list.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::{Mismatch, compose_some, fold, invert, unless_same};
use crate::change::edit_tree::{Edit, Item, Items, Kept, Label, Moved, Replace, below, join};
use crate::change::{exact_text, member_text};
use crate::json::nesting;
use crate::path::key_of;

pub(super) fn compose_items(mut first: Items, mut next: Items) -> Result<Option<Edit>, Mismatch> {
    // If either list was matched by position, its keys did not identify the items.
    if labels(&mut first)
        .chain(labels(&mut next))
        .any(|label| label.is_none())
    {
        for label in labels(&mut first).chain(labels(&mut next)) {
            *label = label
                .take()
                .filter(|label| matches!(label, Label::Member(_)));
        }
    }
    let (first_shift, next_shift) = (first.index_shift(), next.index_shift());
    let mut out = Composed {
        items: Items {
            removed: first.removed,
            ..Items::default()
        },
        kept: first.kept,
    };
    let (mut removed, mut moved, mut kept) = (next.removed, next.moved, next.kept);

    // Items that the first edit inserted: removed again, or inserted at their final index.
    for (middle, mut item) in first.inserted {
        if removed.remove(&middle).is_some() {
            continue;
        }
        if let Some(kept) = kept.remove(&middle) {
            let mut value = Some(item.value);
            fold(&mut value, &mut item.redaction, kept.edit);
            item.value = value.unwrap_or_default();
            item.label = item
                .label
                .filter(|label| !differs_from_label(&item.value, label));
        }
        let to = match moved.remove(&middle) {
            Some(moved) => moved.to,
            None => next_shift.forward(middle),
        };
        out.items.inserted.insert(to, item);
    }
    for (old, step) in first.moved {
        let middle = step.to;
        if let Some(item) = removed.remove(&middle) {
            out.remove(old, item);
            continue;
        }
        let to = match moved.remove(&middle) {
            Some(next) => next.to,
            None => next_shift.forward(middle),
        };
        let label = step.label;
        out.items.moved.insert(old, Moved { label, to });
        if let Some(kept) = kept.remove(&middle) {
            out.keep(old, kept)?;
        }
    }
    // Items that kept their order in the first edit.
    for (middle, item) in removed {
        out.remove(first_shift.backward(middle), item);
    }
    for (middle, step) in moved {
        out.items.moved.insert(first_shift.backward(middle), step);
    }
    for (middle, kept) in kept {
        out.keep(first_shift.backward(middle), kept)?;
    }
    out.items.inserted.extend(next.inserted);
    let mut items = out.items;
    items.kept.extend(out.kept);

    relabel(&mut items);
    rename_members(&mut items);
    merge_by_label(&mut items);
    merge_equal(&mut items);
    drop_redundant(&mut items);
    let empty = items.removed.is_empty()
        && items.inserted.is_empty()
        && items.moved.is_empty()
        && items.kept.is_empty();
    Ok((!empty).then_some(Edit::Items(items)))
}

/// Returns the labels of all edits of items.
fn labels(items: &mut Items) -> impl Iterator<Item = &mut Option<Label>> {
    let ends = items
        .removed
        .values_mut()
        .chain(items.inserted.values_mut());
    let kept = items.kept.values_mut().map(|kept| &mut kept.label);
    let moved = items.moved.values_mut().map(|moved| &mut moved.label);
    ends.map(|item| &mut item.label).chain(kept).chain(moved)
}

/// The composed items under construction.
struct Composed {
    items: Items,
    /// The first edit's changes inside kept items, by index in the first array.
    kept: BTreeMap<usize, Kept>,
}

impl Composed {
    /// Removes the item at `old`; `item` has its value after the first edit.
    fn remove(&mut self, old: usize, mut item: Item) {
        if let Some(kept) = self.kept.remove(&old) {
            let mut value = Some(item.value);
            fold(&mut value, &mut item.redaction, invert(kept.edit));
            item.value = value.unwrap_or_default();
            item.label = kept.label;
        }
        self.items.removed.insert(old, item);
    }

    /// Keeps the item at `old`, with `next` inside it after the first edit.
    fn keep(&mut self, old: usize, next: Kept) -> Result<(), Mismatch> {
        let (label, first) = match self.kept.remove(&old) {
            Some(kept) => (kept.label, Some(kept.edit)),
            None => (next.label, None),
        };
        if let Some(edit) = compose_some(first, Some(next.edit))? {
            self.items.kept.insert(old, Kept { label, edit });
        }
        Ok(())
    }
}

/// Removes the labels of items whose key changes, and splits an unlabeled item that is replaced as
/// a whole into a removal and an insertion.
fn relabel(items: &mut Items) {
    for (old, kept) in &mut items.kept {
        let moved = items.moved.get_mut(old);
        let label = kept.label.take();
        let label = label.or_else(|| moved.as_ref()?.label.clone());
        kept.label = label.filter(|label| !changes_key(&kept.edit, label));
        if let Some(moved) = moved {
            moved.label.clone_from(&kept.label);
        }
    }
    let whole = |kept: &Kept| kept.label.is_none() && matches!(kept.edit, Edit::Replace(_));
    if !items.kept.values().any(whole) {
        return;
    }
    let shift = items.index_shift();
    let mut kept = BTreeMap::new();
    for (old, item) in std::mem::take(&mut items.kept) {
        match item {
            Kept {
                label: None,
                edit: Edit::Replace(replace),
            } => {
                let new = match items.moved.remove(&old) {
                    Some(moved) => moved.to,
                    None => shift.forward(old),
                };
                let item = |value| Item {
                    label: None,
                    value,
                    redaction: replace.redaction,
                };
                items
                    .removed
                    .extend(replace.old.map(|value| (old, item(value))));
                items
                    .inserted
                    .extend(replace.new.map(|value| (new, item(value))));
            }
            item => {
                kept.insert(old, item);
            }
        }
    }
    items.kept = kept;
}

/// Returns whether an edit changes the field that identifies the item.
fn changes_key(edit: &Edit, label: &Label) -> bool {
    match edit {
        Edit::Fields(fields) => {
            matches!(label, Label::Key { field, .. } if fields.iter().any(|(name, _)| name == field))
        }
        Edit::Items(_) => false,
        Edit::Replace(replace) => [&replace.old, &replace.new]
            .into_iter()
            .flatten()
            .any(|item| differs_from_label(item, label)),
    }
}

/// Returns whether the key of an item differs from its label.
fn differs_from_label(item: &Value, label: &Label) -> bool {
    match label {
        Label::Key { field, value } => {
            key_of(item, field).is_some_and(|key| !nesting::equal_ignoring_scale(key, value))
        }
        Label::Member(_) => false,
    }
}

/// Names the members of a set as the diff does: by short names unless two of them are equal.
fn rename_members(items: &mut Items) {
    fn members(items: &mut Items) -> impl Iterator<Item = (&mut Label, &Value)> {
        let Items {
            removed,
            inserted,
            kept,
            ..
        } = items;
        let ends = removed.values_mut().chain(inserted.values_mut());
        let ends = ends.map(|item| (&mut item.label, Some(&item.value)));
        let kept = kept.values_mut().map(|kept| match &kept.edit {
            Edit::Replace(replace) => (&mut kept.label, replace.old.as_ref()),
            Edit::Fields(_) | Edit::Items(_) => (&mut kept.label, None),
        });
        ends.chain(kept).filter_map(|(label, value)| {
            let label = label
                .as_mut()
                .filter(|label| matches!(label, Label::Member(_)))?;
            Some((label, value?))
        })
    }
    let mut by_name: HashMap<Cow<'_, str>, &Value> = HashMap::new();
    let ambiguous = members(items).any(|(_, value)| {
        let first = by_name.entry(member_text(value)).or_insert(value);
        !nesting::equal(first, value)
    });
    for (label, value) in members(items) {
        let name = if ambiguous {
            exact_text(value)
        } else {
            member_text(value)
        };
        *label = Label::Member(name.into_owned());
    }
}

/// Merges the removal and the insertion of items with equal labels into a move, since one path
/// cannot have both.
fn merge_by_label(items: &mut Items) {
    let mut by_label: HashMap<Label, usize> = HashMap::new();
    for (old, item) in &items.removed {
        if let Some(label) = &item.label {
            by_label.insert(label.clone(), *old);
        }
    }
    if by_label.is_empty() {
        return;
    }
    let pairs: Vec<(usize, usize)> = items
        .inserted
        .iter()
        .filter_map(|(new, item)| Some((*by_label.get(item.label.as_ref()?)?, *new)))
        .collect();
    for (old, new) in pairs {
        let (Some(removed), Some(inserted)) =
            (items.removed.remove(&old), items.inserted.remove(&new))
        else {
            continue;
        };
        let edit = unless_same(Replace {
            old: Some(removed.value),
            new: Some(inserted.value),
            redaction: join(removed.redaction, inserted.redaction),
        });
        let label = inserted.label;
        items.moved.insert(
            old,
            Moved {
                label: label.clone(),
                to: new,
            },
        );
        if let Some(edit) = edit {
            items.kept.insert(old, Kept { label, edit });
        }
    }
}

/// Merges the removal and the insertion of equal values at the same index into a move, since one
/// path would have the value on both sides.
fn merge_equal(items: &mut Items) {
    let clear = |item: &Item| item.label.is_none() && item.redaction.is_none();
    let equal: Vec<usize> = items
        .removed
        .iter()
        .filter(|(index, removed)| {
            let inserted = items.inserted.get(index);
            clear(removed)
                && inserted.is_some_and(|inserted| {
                    clear(inserted) && nesting::equal(&removed.value, &inserted.value)
                })
        })
        .map(|(index, _)| *index)
        .collect();
    for index in equal {
        items.removed.remove(&index);
        items.inserted.remove(&index);
        let label = None;
        items.moved.insert(index, Moved { label, to: index });
    }
}

/// Drops moves that do not change the order, and values that are removed and inserted again at the
/// same position.
fn drop_redundant(items: &mut Items) {
    let (vacated, targets) = (items.vacated_indices(), items.target_indices());
    // The vacated and the target indices between each two adjacent kept items.
    let mut gaps: BTreeMap<usize, (VecDeque<usize>, VecDeque<usize>)> = BTreeMap::new();
    for &old in &vacated {
        let rank = old - below(&vacated, old);
        gaps.entry(rank).or_default().0.push_back(old);
    }
    for &new in &targets {
        let rank = new - below(&targets, new);
        gaps.entry(rank).or_default().1.push_back(new);
    }
    for (vacated, targets) in gaps.values_mut() {
        while let (Some(&old), Some(&new)) = (vacated.front(), targets.front())
            && merge_unmoved(items, old, new)
        {
            vacated.pop_front();
            targets.pop_front();
        }
        while let (Some(&old), Some(&new)) = (vacated.back(), targets.back())
            && merge_unmoved(items, old, new)
        {
            vacated.pop_back();
            targets.pop_back();
        }
        // Moves within the gap that keep their relative order are redundant.
        let mut last = None;
        for old in vacated {
            if let Some(moved) = items.moved.get(old)
                && targets.binary_search(&moved.to).is_ok()
                && last < Some(moved.to)
            {
                last = Some(moved.to);
                items.moved.remove(old);
            }
        }
    }
}

/// Drops the removal at `old` and the insertion at `new`, or the move between them, if the items
/// are the same. Returns whether they were.
fn merge_unmoved(items: &mut Items, old: usize, new: usize) -> bool {
    if items.moved.get(&old).is_some_and(|moved| moved.to == new) {
        items.moved.remove(&old);
        return true;
    }
    let (Some(removed), Some(inserted)) = (items.removed.get(&old), items.inserted.get(&new))
    else {
        return false;
    };
    let clear = removed.redaction.is_none() && inserted.redaction.is_none();
    let same = clear
        && removed.label.is_none()
        && inserted.label.is_none()
        && nesting::equal(&removed.value, &inserted.value);
    if same {
        items.removed.remove(&old);
        items.inserted.remove(&new);
    }
    same
}
