//! Applies changes to a state and reports conflicts.

use std::fmt;

use serde_json::Value;

use super::edit_tree::{Edit, Items, render};
use super::{Change, Changes};
use crate::json::nesting;
use crate::path::Path;

impl Changes {
    /// Applies the changes to the state that they start from.
    ///
    /// The state has the form of [`snapshot`](crate::snapshot()), with secrets in the same masked
    /// form as in the changes. Items of keyed lists and members of sets are found by key or value,
    /// so that others may have been added or removed in the meantime. Items of other lists are
    /// found by index.
    ///
    /// # Errors
    /// Returns [`ApplyError`] with every value that differs from the old value of its change. The
    /// state is then unchanged.
    ///
    /// # Example: all or nothing
    /// ```
    /// use serde_json::json;
    ///
    /// let changes = auditlog::diff(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 2}));
    /// let mut state = json!({"a": 1, "b": 7});
    /// let error = changes.apply(&mut state).unwrap_err();
    /// assert_eq!(error.to_string(), "the changes do not apply: `b` is 7, expected 1");
    /// assert_eq!(state, json!({"a": 1, "b": 7}));
    /// ```
    pub fn apply(&self, state: &mut Value) -> Result<(), ApplyError> {
        if self.apply_to_fields(state) {
            return Ok(());
        }
        let (edit, conflicts) = self.resolve(state);
        if !conflicts.is_empty() {
            return Err(ApplyError { conflicts });
        }
        if let Some(edit) = edit {
            let mut root = Some(std::mem::take(state));
            perform(edit, &mut root);
            *state = root.unwrap_or_default();
        }
        Ok(())
    }

    /// Applies changes that are all of top-level fields and without conflicts, else does nothing
    /// and returns `false`. A fast path for most entries of a history.
    fn apply_to_fields(&self, state: &mut Value) -> bool {
        let Value::Object(fields) = state else {
            return false;
        };
        let fits = |change: &Change| {
            let whole = change.moved.is_empty() && change.at.is_empty();
            whole
                && change.path.as_plain().is_some_and(|name| {
                    match (fields.get(name), &change.old) {
                        (Some(found), Some(old)) => nesting::equal(found, old),
                        (found, old) => found.is_none() && old.is_none(),
                    }
                })
        };
        if !self.iter().all(fits) {
            return false;
        }
        for change in self {
            let name = change.path.as_str();
            match &change.new {
                Some(new) => fields.insert(name.to_owned(), nesting::clone(new)),
                None => fields.remove(name),
            };
        }
        true
    }

    /// Returns every value of a state that differs from the old value of its change; none if
    /// [`apply`](Self::apply) would succeed.
    ///
    /// # Example: would the changes apply?
    /// ```
    /// use serde_json::json;
    ///
    /// let changes = auditlog::diff(&json!({"a": 1}), &json!({"a": 2}));
    /// assert!(changes.conflicts(&json!({"a": 1})).is_empty());
    /// assert_eq!(changes.conflicts(&json!({"a": 3})).len(), 1);
    /// ```
    pub fn conflicts(&self, state: &Value) -> Vec<Conflict> {
        self.resolve(state).1
    }

    /// Adapts the changes to a state that has changed since. Returns the changes that still apply
    /// and the conflicts of the others.
    ///
    /// To undo an entry, invert its changes, rebase them onto the object's current state, show the
    /// conflicts to the user, and apply the rest.
    ///
    /// # Example: undoing an old change
    /// ```
    /// use serde_json::json;
    ///
    /// let changes = auditlog::diff(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 2}));
    /// // Later `b` is set again and `c` is added.
    /// let mut state = json!({"a": 2, "b": 3, "c": 0});
    ///
    /// let undo = changes.invert().rebase(&state);
    /// assert_eq!(undo.conflicts.len(), 1);
    /// assert_eq!(undo.conflicts[0].to_string(), "`b` is 3, expected 2");
    /// undo.changes.apply(&mut state)?;
    /// assert_eq!(state, json!({"a": 1, "b": 3, "c": 0}));
    /// # Ok::<(), auditlog::ApplyError>(())
    /// ```
    pub fn rebase(&self, state: &Value) -> Rebase {
        let (edit, found) = self.resolve(state);
        let (done, conflicts): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|conflict| conflict.kind == ConflictKind::Done);
        Rebase {
            changes: render(edit),
            conflicts,
            done: done.into_iter().map(|conflict| conflict.path).collect(),
        }
    }
}

/// The error of applying changes to a state that has changed since: all values that differ.
///
/// # Example: two values that differ
/// ```
/// use auditlog::ConflictKind;
/// use serde_json::json;
///
/// let changes = auditlog::diff(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 2}));
/// let error = changes.apply(&mut json!({"a": 7})).unwrap_err();
/// let paths: Vec<&str> = error.conflicts().iter().map(|conflict| conflict.path.as_str()).collect();
/// assert_eq!(paths, ["a", "b"]);
/// assert_ne!(error.conflicts()[0].kind, ConflictKind::Done);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyError {
    conflicts: Vec<Conflict>,
}

impl ApplyError {
    /// Returns the conflicts, at least one.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the changes do not apply: ")?;
        for (number, conflict) in self.conflicts.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{conflict}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApplyError {}

/// A value of a state that differs from the old value of its change.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// The path of the change.
    pub path: Path,
    /// The kind of the conflict.
    pub kind: ConflictKind,
    /// The old value of the change; `None` if absent.
    pub expected: Option<Value>,
    /// The value of the state; `None` if absent. For a redacted change it is `***`, since the
    /// state may have the value in clear.
    pub found: Option<Value>,
}

/// The kind of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConflictKind {
    /// The state has another value than the change starts from.
    Changed,
    /// The state already has the new value.
    Done,
    /// The parent of the value is missing, or is not an object or array.
    Missing,
    /// Another item of the same list is in conflict, so that its indices are unreliable.
    Displaced,
    /// The changes at this path contradict each other, or lack the indices to find the value.
    Malformed,
    /// The trail has only a masked form or a token, which must not be restored as the value.
    Hidden,
}

impl Conflict {
    /// Returns the conflict of a value that changed since; `change` leads from the expected value
    /// to the current one.
    pub(crate) fn changed_since(change: Change) -> Self {
        Self {
            path: change.path,
            kind: ConflictKind::Changed,
            expected: change.old,
            found: change.new,
        }
    }

    /// Returns the conflict of a value that cannot be restored, since only a masked form is known.
    pub(crate) fn hidden(path: Path) -> Self {
        Self {
            path,
            kind: ConflictKind::Hidden,
            expected: None,
            found: None,
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.path)?;
        match self.kind {
            ConflictKind::Changed | ConflictKind::Done => {
                match &self.found {
                    Some(found) => write!(f, "is {}", nesting::Printed(found))?,
                    None => f.write_str("is missing")?,
                }
                match &self.expected {
                    Some(expected) => write!(f, ", expected {}", nesting::Printed(expected))?,
                    None => f.write_str(", expected nothing")?,
                }
                if self.kind == ConflictKind::Done {
                    f.write_str("; it already has the new value")?;
                }
                Ok(())
            }
            ConflictKind::Missing => f.write_str("is not found"),
            ConflictKind::Displaced => f.write_str("is not found, since its list has changed"),
            ConflictKind::Malformed => f.write_str("has changes that contradict each other"),
            ConflictKind::Hidden => f.write_str("is not in the trail in clear"),
        }
    }
}

impl fmt::Debug for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conflict")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .field("expected", &self.expected.as_ref().map(nesting::Printed))
            .field("found", &self.found.as_ref().map(nesting::Printed))
            .finish()
    }
}

/// The result of [`Changes::rebase`].
///
/// # Example: one change applies, one is done, one conflicts
/// ```
/// use serde_json::json;
///
/// let changes = auditlog::diff(&json!({"a": 1, "b": 1, "c": 1}), &json!({"a": 2, "b": 2, "c": 2}));
/// let rebase = changes.rebase(&json!({"a": 1, "b": 2, "c": 7}));
/// assert_eq!(rebase.changes.to_string(), "a: 1 -> 2");
/// assert_eq!(rebase.done[0], "b");
/// assert_eq!(rebase.conflicts[0].to_string(), "`c` is 7, expected 1");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rebase {
    /// The changes that apply to the state, with the indices of its items.
    pub changes: Changes,
    /// The conflicts of the other changes.
    pub conflicts: Vec<Conflict>,
    /// The paths whose values in the state already are the new ones.
    pub done: Vec<Path>,
}

/// Performs an edit, as far as the value allows.
pub(super) fn perform(edit: Edit, value: &mut Option<Value>) {
    match edit {
        Edit::Replace(replace) => *value = replace.new,
        Edit::Fields(fields) => {
            let Some(Value::Object(object)) = value else {
                return;
            };
            for (name, edit) in fields {
                let mut field = object.remove(&name);
                perform(edit, &mut field);
                if let Some(field) = field {
                    object.insert(name, field);
                }
            }
        }
        Edit::Items(items) => {
            if let Some(Value::Array(array)) = value {
                perform_items(items, array);
            }
        }
    }
}

fn perform_items(items: Items, array: &mut Vec<Value>) {
    let mut old: Vec<Option<Value>> = std::mem::take(array).into_iter().map(Some).collect();
    for (index, kept) in items.kept {
        if let Some(item) = old.get_mut(index) {
            perform(kept.edit, item);
        }
    }
    let mut targets: Vec<(usize, Value)> = items
        .inserted
        .into_iter()
        .map(|(index, item)| (index, item.value))
        .collect();
    for (index, moved) in items.moved {
        if let Some(item) = old.get_mut(index).and_then(Option::take) {
            targets.push((moved.to, item));
        }
    }
    for index in items.removed.into_keys() {
        if let Some(item) = old.get_mut(index) {
            *item = None;
        }
    }
    targets.sort_by_key(|(index, _)| *index);
    let mut rest = old.into_iter().flatten();
    for (index, item) in targets {
        let gap = index.saturating_sub(array.len());
        array.extend(rest.by_ref().take(gap));
        array.push(item);
    }
    array.extend(rest);
}
