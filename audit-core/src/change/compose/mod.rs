//! Undoing changes, and making one set of changes of two.

mod items;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use self::items::compose_items;
use super::apply::perform;
use super::edit_tree::{Edit, Items, Kept, Moved, Replace, compile, join, render};
use super::{Change, Changes, Redaction};
use crate::json::nesting;
use crate::path::Path;

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
    let mut indices: HashMap<&Path, usize> = HashMap::new();
    let mut pairs: Vec<(&Change, Option<&Change>)> = Vec::new();
    for change in first.iter().chain(next) {
        if let Some(&index) = indices.get(&change.path) {
            pairs[index].1 = Some(change);
        } else {
            indices.insert(&change.path, pairs.len());
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
    let shift = items.index_shift();
    let mut kept = BTreeMap::new();
    for (old, item) in items.kept {
        let new = match items.moved.get(&old) {
            Some(moved) => moved.to,
            None => shift.forward(old),
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
    let mut indices: HashMap<String, usize> = HashMap::with_capacity(first.len());
    let mut fields: Vec<(String, Option<Edit>)> = Vec::with_capacity(first.len() + next.len());
    for (name, edit) in first {
        indices.insert(name.clone(), fields.len());
        fields.push((name, Some(edit)));
    }
    for (name, edit) in next {
        match indices.get(&name) {
            Some(&index) => {
                let first = fields[index].1.take();
                fields[index].1 = compose_some(first, Some(edit))?;
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
