//! Inverts changes and composes two successive sets of changes.

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
    /// Returns the changes that undo these: added values are removed, removed values are restored
    /// at their former positions.
    ///
    /// Applying the changes and then their inverse restores the state, and the inverse of the
    /// inverse equals these changes.
    ///
    /// # Example: undo
    /// ```
    /// use serde_json::json;
    ///
    /// let (old, new) = (json!({"tags": ["a", "b", "c"]}), json!({"tags": ["a", "c"], "n": 1}));
    /// let changes = auditlog::diff(&old, &new);
    ///
    /// let mut state = new.clone();
    /// changes.invert().apply(&mut state)?;
    /// assert_eq!(state, old);
    /// assert_eq!(changes.invert().invert(), changes);
    /// # Ok::<(), auditlog::ApplyError>(())
    /// ```
    #[must_use]
    pub fn invert(&self) -> Changes {
        match compile(self.as_slice()) {
            Ok(edit) => render(edit.map(invert)),
            // Contradictory changes have no tree.
            Err(_) => self.iter().map(inverted).collect(),
        }
    }

    /// Returns one set of changes with the effect of these followed by `next`.
    ///
    /// Changes that `next` undoes are left out, and its changes inside a value that these added are
    /// folded into that value. The result has the old values of these changes and the new values of
    /// `next`; whether `next` applies is not checked, unlike by [`apply`](Self::apply).
    ///
    /// The result equals the direct diff of the first and the last state, with these exceptions:
    /// - A value that was replaced as a whole in between stays replaced as a whole: an `Option`
    ///   that was `None`, an entry of a map that was removed and added again, another variant.
    /// - A masked value that was changed and changed back is still a change.
    /// - Items of a list that were moved, or removed and added again, may have other, equivalent
    ///   changes.
    ///
    /// # Example: two edits of one field
    /// ```
    /// use serde_json::json;
    ///
    /// let (a, b, c) = (json!({"n": 1}), json!({"n": 2, "m": 0}), json!({"n": 3}));
    /// let both = auditlog::diff(&a, &b).compose(&auditlog::diff(&b, &c));
    /// assert_eq!(both, auditlog::diff(&a, &c));
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

    /// Composes changes one after the other as [`compose`](Self::compose) does, without copying those before
    /// for each of them.
    pub(crate) fn composed(all: &[&Changes]) -> Changes {
        let mut composed = None;
        for next in all {
            let edit = compile(next.as_slice()).ok();
            let both = edit.map(|edit| compose_some(composed.take(), edit));
            let Some(Ok(both)) = both else {
                let none = Changes::new();
                return all.iter().fold(none, |all, next| all.compose(next));
            };
            composed = both;
        }
        render(composed)
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

/// Composes changes without a common tree path by path.
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

/// Two successive edits of one value, of which one is inside an object and the other inside an
/// array.
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

/// Applies an edit inside a value to that value.
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

/// Drops a replacement that changes nothing. Equal masked values may hide different ones.
fn unless_same(replace: Replace) -> Option<Edit> {
    let comparable = match replace.redaction {
        None | Some(Redaction::Hashed) => true,
        Some(Redaction::Masked | Redaction::Partial) => {
            matches!(replace.old, None | Some(Value::Null))
        }
    };
    let unchanged = match (&replace.old, &replace.new) {
        (Some(old), Some(new)) => comparable && nesting::equal(old, new),
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
