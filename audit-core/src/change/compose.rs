//! Undoing changes, and making one set of changes of two.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::Value;

use super::apply::perform;
use super::edit::{Edit, Item, Items, Kept, Label, Moved, Replace, below, compile, join, render};
use super::resolve::{exact_text, member_text};
use super::{Change, Changes, Redaction};
use crate::json::nesting;
use crate::path::{Path, key_of};

impl Changes {
    /// Returns the changes that undo these: what was added is removed, what was removed comes
    /// back at its place.
    ///
    /// Applied to what these changes make of a state they give that state back, and inverted
    /// again they are these changes.
    ///
    /// # Example: there and back
    /// ```
    /// use serde_json::json;
    ///
    /// let (old, new) = (json!({"tags": ["a", "b", "c"]}), json!({"tags": ["a", "c"], "n": 1}));
    /// let changes = audit_core::diff(&old, &new);
    ///
    /// let mut state = new.clone();
    /// changes.invert().apply(&mut state)?;
    /// assert_eq!(state, old);
    /// assert_eq!(changes.invert().invert(), changes);
    /// # Ok::<(), audit_core::ApplyError>(())
    /// ```
    #[must_use]
    pub fn invert(&self) -> Changes {
        match compile(self.as_slice()) {
            Ok(edit) => render(edit.map(invert)),
            // Contradictory changes have no order to keep.
            Err(_) => self.iter().map(inverted).collect(),
        }
    }

    /// Returns the one set of changes that does what these and then `next` do.
    ///
    /// What `next` undoes is left out, and what it changes inside a value that these put there
    /// is folded into that value. Whether `next` fits is not checked ([`apply`](Self::apply)
    /// does): the result has the old values of these and the new values of `next`.
    ///
    /// It equals the direct diff of the first and the last state, but for what changes alone
    /// cannot tell: a value that was replaced whole on the way (an `Option` that was `None`, a
    /// map's entry that went and came back, another variant) stays replaced whole; a masked
    /// value that was changed and changed back is still a change; and items that were moved or
    /// went and came back in a list may be told in another, equally right, way.
    ///
    /// # Example: two edits of one field
    /// ```
    /// use serde_json::json;
    ///
    /// let (a, b, c) = (json!({"n": 1}), json!({"n": 2, "m": 0}), json!({"n": 3}));
    /// let both = audit_core::diff(&a, &b).compose(&audit_core::diff(&b, &c));
    /// assert_eq!(both, audit_core::diff(&a, &c));
    /// ```
    #[must_use]
    pub fn compose(&self, next: &Changes) -> Changes {
        if let (Ok(first), Ok(second)) = (compile(self.as_slice()), compile(next.as_slice()))
            && let Ok(edit) = compose_some(first, second)
        {
            return render(edit);
        }
        compose_by_path(self, next)
    }
}

fn inverted(change: &Change) -> Change {
    let mut inverse = Change::new(
        change.path.clone(),
        change.new.as_ref().map(nesting::clone),
        change.old.as_ref().map(nesting::clone),
    );
    inverse.redaction = change.redaction;
    inverse.at.clone_from(&change.at);
    inverse.moved.clone_from(&change.moved);
    for step in &mut inverse.moved {
        std::mem::swap(&mut step.from, &mut step.to);
    }
    inverse
}

/// Composes path by path what has no common tree.
fn compose_by_path(first: &Changes, next: &Changes) -> Changes {
    let mut places: HashMap<&Path, usize> = HashMap::new();
    let mut pairs: Vec<(&Change, Option<&Change>)> = Vec::new();
    for change in first.iter().chain(next) {
        if let Some(&place) = places.get(&change.path) {
            pairs[place].1 = Some(change);
        } else {
            places.insert(&change.path, pairs.len());
            pairs.push((change, None));
        }
    }
    let list = pairs.into_iter().map(|(first, last)| {
        let Some(last) = last else {
            return first.clone();
        };
        Change {
            path: first.path.clone(),
            old: first.old.as_ref().map(nesting::clone),
            new: last.new.as_ref().map(nesting::clone),
            redaction: join(first.redaction, last.redaction),
            at: first.at.clone(),
            moved: first.moved.clone(),
            loose: false,
        }
    });
    Changes::from_vec(list.collect())
}

pub(super) fn invert(edit: Edit) -> Edit {
    match edit {
        Edit::Replace(replace) => Edit::Replace(Replace {
            old: replace.new,
            new: replace.old,
            redaction: replace.redaction,
        }),
        Edit::Fields(fields) => Edit::Fields(
            fields
                .into_iter()
                .map(|(name, edit)| (name, invert(edit)))
                .collect(),
        ),
        Edit::Items(items) => Edit::Items(invert_items(items)),
    }
}

fn invert_items(items: Items) -> Items {
    let places = items.places();
    let mut kept = BTreeMap::new();
    for (old, item) in items.kept {
        let new = match items.moved.get(&old) {
            Some(moved) => moved.to,
            None => places.forward(old),
        };
        let edit = invert(item.edit);
        let label = item.label;
        kept.insert(new, Kept { label, edit });
    }
    let moved = items.moved.into_iter().map(|(from, moved)| {
        let label = moved.label;
        (moved.to, Moved { label, to: from })
    });
    Items {
        removed: items.inserted,
        inserted: items.removed,
        moved: moved.collect(),
        kept,
    }
}

/// Two edits of one value that cannot follow one another: one is inside an object, the other
/// inside an array.
struct Mismatch;

fn compose_some(first: Option<Edit>, next: Option<Edit>) -> Result<Option<Edit>, Mismatch> {
    match (first, next) {
        (Some(first), Some(next)) => compose(first, next),
        (first, next) => Ok(first.or(next)),
    }
}

fn compose(first: Edit, next: Edit) -> Result<Option<Edit>, Mismatch> {
    Ok(match (first, next) {
        (Edit::Replace(first), Edit::Replace(next)) => unless_same(Replace {
            old: first.old,
            new: next.new,
            redaction: join(first.redaction, next.redaction),
        }),
        (Edit::Replace(mut first), next) => {
            fold(&mut first.new, &mut first.redaction, next);
            unless_same(first)
        }
        (first, Edit::Replace(mut next)) => {
            fold(&mut next.old, &mut next.redaction, invert(first));
            unless_same(next)
        }
        (Edit::Fields(first), Edit::Fields(next)) => compose_fields(first, next)?,
        (Edit::Items(first), Edit::Items(next)) => compose_items(first, next)?,
        (Edit::Fields(_), Edit::Items(_)) | (Edit::Items(_), Edit::Fields(_)) => {
            return Err(Mismatch);
        }
    })
}

/// Makes an edit inside a value a part of that value.
fn fold(value: &mut Option<Value>, redaction: &mut Option<Redaction>, edit: Edit) {
    if redaction.is_none() && is_redacted(&edit) {
        *redaction = Some(Redaction::Partial);
    }
    perform(edit, value);
}

fn is_redacted(edit: &Edit) -> bool {
    match edit {
        Edit::Replace(replace) => replace.redaction.is_some(),
        Edit::Fields(fields) => fields.iter().any(|(_, edit)| is_redacted(edit)),
        Edit::Items(items) => {
            let mut ends = items.removed.values().chain(items.inserted.values());
            ends.any(|item| item.redaction.is_some())
                || items.kept.values().any(|kept| is_redacted(&kept.edit))
        }
    }
}

/// Leaves out a replacement that changes nothing. Equal masks do not mean equal values.
fn unless_same(replace: Replace) -> Option<Edit> {
    let known = match replace.redaction {
        None | Some(Redaction::Hashed) => true,
        Some(Redaction::Masked | Redaction::Partial) => {
            matches!(replace.old, None | Some(Value::Null))
        }
    };
    let unchanged = match (&replace.old, &replace.new) {
        (Some(old), Some(new)) => known && nesting::equal(old, new),
        (None, None) => true,
        _ => false,
    };
    (!unchanged).then_some(Edit::Replace(replace))
}

fn compose_fields(
    first: Vec<(String, Edit)>,
    next: Vec<(String, Edit)>,
) -> Result<Option<Edit>, Mismatch> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(first.len());
    let mut fields: Vec<(String, Option<Edit>)> = Vec::with_capacity(first.len() + next.len());
    for (name, edit) in first {
        places.insert(name.clone(), fields.len());
        fields.push((name, Some(edit)));
    }
    for (name, edit) in next {
        match places.get(&name) {
            Some(&place) => {
                let first = fields[place].1.take();
                fields[place].1 = compose_some(first, Some(edit))?;
            }
            None => fields.push((name, Some(edit))),
        }
    }
    let fields: Vec<(String, Edit)> = fields
        .into_iter()
        .filter_map(|(name, edit)| Some((name, edit?)))
        .collect();
    Ok((!fields.is_empty()).then_some(Edit::Fields(fields)))
}

fn compose_items(mut first: Items, mut next: Items) -> Result<Option<Edit>, Mismatch> {
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
    let (one, two) = (first.places(), next.places());
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
            None => two.forward(middle),
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
            None => two.forward(middle),
        };
        let label = step.label;
        out.items.moved.insert(old, Moved { label, to });
        if let Some(kept) = kept.remove(&middle) {
            out.keep(old, kept)?;
        }
    }
    // What the first left in its order.
    for (middle, item) in removed {
        out.remove(one.backward(middle), item);
    }
    for (middle, step) in moved {
        out.items.moved.insert(one.backward(middle), step);
    }
    for (middle, kept) in kept {
        out.keep(one.backward(middle), kept)?;
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
    let places = items.places();
    let mut kept = BTreeMap::new();
    for (old, item) in std::mem::take(&mut items.kept) {
        match item {
            Kept {
                label: None,
                edit: Edit::Replace(replace),
            } => {
                let new = match items.moved.remove(&old) {
                    Some(moved) => moved.to,
                    None => places.forward(old),
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
            key_of(item, field).is_some_and(|key| !nesting::equal_up_to_scale(key, value))
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
    let (gone, placed) = (items.gone(), items.placed());
    // Between the same two items that keep their order, what goes and what comes.
    let mut gaps: BTreeMap<usize, (VecDeque<usize>, VecDeque<usize>)> = BTreeMap::new();
    for &old in &gone {
        let rank = old - below(&gone, old);
        gaps.entry(rank).or_default().0.push_back(old);
    }
    for &new in &placed {
        let rank = new - below(&placed, new);
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
