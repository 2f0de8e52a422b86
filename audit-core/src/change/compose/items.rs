//! Changes of lists: which items came, went, moved and stayed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::{Mismatch, compose_some, fold, invert, unless_same};
use crate::change::edit_tree::{Edit, Item, Items, Kept, Label, Moved, Replace, below, join};
use crate::change::{exact_text, member_text};
use crate::json::nesting;
use crate::path::key_of;

pub(super) fn compose_items(mut first: Items, mut next: Items) -> Result<Option<Edit>, Mismatch> {
    // A list that was matched by position on the way had keys that did not identify.
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

    // What the first put there: it goes again, or comes at its last index.
    for (middle, mut item) in first.inserted {
        if removed.remove(&middle).is_some() {
            continue;
        }
        if let Some(kept) = kept.remove(&middle) {
            let mut value = Some(item.value);
            fold(&mut value, &mut item.redaction, kept.edit);
            item.value = value.unwrap_or_default();
            item.label = item.label.filter(|label| !renames(&item.value, label));
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
    // What the first left in its order.
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
    rename(&mut items);
    reunite(&mut items);
    reunite_alike(&mut items);
    relax(&mut items);
    let empty = items.removed.is_empty()
        && items.inserted.is_empty()
        && items.moved.is_empty()
        && items.kept.is_empty();
    Ok((!empty).then_some(Edit::Items(items)))
}

/// The labels of everything that happens to items.
fn labels(items: &mut Items) -> impl Iterator<Item = &mut Option<Label>> {
    let ends = items
        .removed
        .values_mut()
        .chain(items.inserted.values_mut());
    let kept = items.kept.values_mut().map(|kept| &mut kept.label);
    let moved = items.moved.values_mut().map(|moved| &mut moved.label);
    ends.map(|item| &mut item.label).chain(kept).chain(moved)
}

/// The composed items while they come together.
struct Composed {
    items: Items,
    /// What the first does inside the items it keeps, by index in the first array.
    kept: BTreeMap<usize, Kept>,
}

impl Composed {
    /// The item at `old` goes; `item` holds it as it was after the first edit.
    fn remove(&mut self, old: usize, mut item: Item) {
        if let Some(kept) = self.kept.remove(&old) {
            let mut value = Some(item.value);
            fold(&mut value, &mut item.redaction, invert(kept.edit));
            item.value = value.unwrap_or_default();
            item.label = kept.label;
        }
        self.items.removed.insert(old, item);
    }

    /// The item at `old` stays, and `next` happens inside it after the first edit.
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

/// Takes the label from items whose key changes, and makes of an item without a label that is
/// replaced whole one that goes and one that comes.
fn relabel(items: &mut Items) {
    for (old, kept) in &mut items.kept {
        let moved = items.moved.get_mut(old);
        let known = kept.label.take();
        let label = known.or_else(|| moved.as_ref()?.label.clone());
        kept.label = label.filter(|label| !rekeys(&kept.edit, label));
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

/// Whether an edit changes the field that identifies the item.
fn rekeys(edit: &Edit, label: &Label) -> bool {
    match edit {
        Edit::Fields(fields) => {
            matches!(label, Label::Key { field, .. } if fields.iter().any(|(name, _)| name == field))
        }
        Edit::Items(_) => false,
        Edit::Replace(replace) => [&replace.old, &replace.new]
            .into_iter()
            .flatten()
            .any(|item| renames(item, label)),
    }
}

/// Whether an item has another key than its label says.
fn renames(item: &Value, label: &Label) -> bool {
    match label {
        Label::Key { field, value } => {
            key_of(item, field).is_some_and(|key| !nesting::equal_ignoring_scale(key, value))
        }
        Label::Member(_) => false,
    }
}

/// Names the members of a set as the diff does: by their short names, unless two of them have
/// the same one.
fn rename(items: &mut Items) {
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
    let mut known: HashMap<Cow<'_, str>, &Value> = HashMap::new();
    let ambiguous = members(items).any(|(_, value)| {
        let known = known.entry(member_text(value)).or_insert(value);
        !nesting::equal(known, value)
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

/// Makes of an item that goes and comes back under its label one that stays, since one path
/// cannot say both.
fn reunite(items: &mut Items) {
    let mut went: HashMap<Label, usize> = HashMap::new();
    for (old, item) in &items.removed {
        if let Some(label) = &item.label {
            went.insert(label.clone(), *old);
        }
    }
    if went.is_empty() {
        return;
    }
    let came: Vec<(usize, usize)> = items
        .inserted
        .iter()
        .filter_map(|(new, item)| Some((*went.get(item.label.as_ref()?)?, *new)))
        .collect();
    for (old, new) in came {
        let (Some(went), Some(came)) = (items.removed.remove(&old), items.inserted.remove(&new))
        else {
            continue;
        };
        let edit = unless_same(Replace {
            old: Some(went.value),
            new: Some(came.value),
            redaction: join(went.redaction, came.redaction),
        });
        let label = came.label;
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

/// Makes of an item that goes, and of the same value that comes at its index, one that moves:
/// one path would have the value on both sides.
fn reunite_alike(items: &mut Items) {
    let clear = |item: &Item| item.label.is_none() && item.redaction.is_none();
    let alike: Vec<usize> = items
        .removed
        .iter()
        .filter(|(index, went)| {
            let came = items.inserted.get(index);
            clear(went)
                && came.is_some_and(|came| clear(came) && nesting::equal(&went.value, &came.value))
        })
        .map(|(index, _)| *index)
        .collect();
    for index in alike {
        items.removed.remove(&index);
        items.inserted.remove(&index);
        let label = None;
        items.moved.insert(index, Moved { label, to: index });
    }
}

/// Leaves out moves that change no order, and values that go and come back where they were.
fn relax(items: &mut Items) {
    let (vacated, targets) = (items.vacated_indices(), items.target_indices());
    // Between the same two items that keep their order, what goes and what comes.
    let mut gaps: BTreeMap<usize, (VecDeque<usize>, VecDeque<usize>)> = BTreeMap::new();
    for &old in &vacated {
        let rank = old - below(&vacated, old);
        gaps.entry(rank).or_default().0.push_back(old);
    }
    for &new in &targets {
        let rank = new - below(&targets, new);
        gaps.entry(rank).or_default().1.push_back(new);
    }
    for (went, came) in gaps.values_mut() {
        while let (Some(&old), Some(&new)) = (went.front(), came.front())
            && stays(items, old, new)
        {
            went.pop_front();
            came.pop_front();
        }
        while let (Some(&old), Some(&new)) = (went.back(), came.back())
            && stays(items, old, new)
        {
            went.pop_back();
            came.pop_back();
        }
        // Of the moves inside the gap those that follow one another need not be moves.
        let mut last = None;
        for old in went {
            if let Some(moved) = items.moved.get(old)
                && came.binary_search(&moved.to).is_ok()
                && last < Some(moved.to)
            {
                last = Some(moved.to);
                items.moved.remove(old);
            }
        }
    }
}

/// Lets the item that goes at `old` and the one that comes at `new` be one that stays, if they
/// are the same.
fn stays(items: &mut Items, old: usize, new: usize) -> bool {
    if items.moved.get(&old).is_some_and(|moved| moved.to == new) {
        items.moved.remove(&old);
        return true;
    }
    let (Some(went), Some(came)) = (items.removed.get(&old), items.inserted.get(&new)) else {
        return false;
    };
    let clear = went.redaction.is_none() && came.redaction.is_none();
    let same = clear
        && went.label.is_none()
        && came.label.is_none()
        && nesting::equal(&went.value, &came.value);
    if same {
        items.removed.remove(&old);
        items.inserted.remove(&new);
    }
    same
}
