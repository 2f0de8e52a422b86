//! Applying changes to a state, and saying where that state has moved on.

use std::fmt;

use serde_json::Value;

use super::edit_tree::{Edit, Items, render};
use super::{Change, Changes};
use crate::json::nesting;
use crate::path::Path;

impl Changes {
    /// Makes of the state these changes were made from the state they lead to.
    ///
    /// The state is what [`snapshot`](crate::snapshot()) returns, secrets in the same masked
    /// form as in the changes. Items of keyed lists and members of sets are found by their key
    /// or value, so that others may have come or gone in the meantime; items of other lists
    /// are found by index.
    ///
    /// # Errors
    /// [`ApplyError`] with every place that does not hold what its change starts from. The
    /// state is untouched then.
    ///
    /// # Example: all or nothing
    /// ```
    /// use serde_json::json;
    ///
    /// let changes = audit_core::diff(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 2}));
    /// let mut state = json!({"a": 1, "b": 7});
    /// let error = changes.apply(&mut state).unwrap_err();
    /// assert_eq!(error.to_string(), "the state has moved on: `b` holds 7, expected 1");
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

    /// Applies changes of whole top-level fields that all fit; does nothing if there are
    /// others. Most entries have no others, and a history is made of many entries.
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

    /// Returns every place of a state that does not hold what its change starts from; none if
    /// [`apply`](Self::apply) would succeed.
    pub fn conflicts(&self, state: &Value) -> Vec<Conflict> {
        self.resolve(state).1
    }

    /// Fits the changes to a state that has moved on: returns those that still apply, and a
    /// report of the others.
    ///
    /// Made for undoing: invert the changes of an entry, rebase them onto the object's present
    /// state, show the conflicts to whoever asked, and apply the rest.
    ///
    /// # Example: undoing an old change
    /// ```
    /// use serde_json::json;
    ///
    /// let changes = audit_core::diff(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 2}));
    /// // Later somebody sets `b` again, and adds `c`.
    /// let mut state = json!({"a": 2, "b": 3, "c": 0});
    ///
    /// let undo = changes.invert().rebase(&state);
    /// assert_eq!(undo.conflicts.len(), 1);
    /// assert_eq!(undo.conflicts[0].to_string(), "`b` holds 3, expected 2");
    /// undo.changes.apply(&mut state)?;
    /// assert_eq!(state, json!({"a": 1, "b": 3, "c": 0}));
    /// # Ok::<(), audit_core::ApplyError>(())
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

/// The changes do not fit the state.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyError {
    conflicts: Vec<Conflict>,
}

impl ApplyError {
    /// Returns every place that does not hold what its change starts from, at least one.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state has moved on: ")?;
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

/// A place of a state that does not hold what a change starts from.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// The path of the change.
    pub path: Path,
    /// What is wrong there.
    pub kind: ConflictKind,
    /// What the change starts from; `None` if from nothing.
    pub expected: Option<Value>,
    /// What the state holds; `None` if nothing. Of a place whose change is redacted `***`:
    /// the state may hold it in clear.
    pub found: Option<Value>,
}

/// What is wrong with a place of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConflictKind {
    /// It holds another value than the change starts from.
    Changed,
    /// It holds what the change leads to already.
    Done,
    /// What should hold it is not there, or is not an object or array.
    Missing,
    /// Another item of the same list is in conflict, so that its indices mean nothing.
    Displaced,
    /// The changes contradict one another here, or lack what it takes to find the place.
    Malformed,
    /// The trail has only a masked form of the value, or a token, which must not be put back
    /// as the value itself.
    Hidden,
}

impl Conflict {
    /// A place that has changed since; the change leads from what it held to what it holds.
    pub(crate) fn changed_since(change: Change) -> Self {
        Self {
            path: change.path,
            kind: ConflictKind::Changed,
            expected: change.old,
            found: change.new,
        }
    }

    /// A place whose value cannot be put back, since only a masked form is known.
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
                    Some(found) => write!(f, "holds {}", nesting::Printed(found))?,
                    None => f.write_str("is not there")?,
                }
                match &self.expected {
                    Some(expected) => write!(f, ", expected {}", nesting::Printed(expected))?,
                    None => f.write_str(", expected nothing")?,
                }
                if self.kind == ConflictKind::Done {
                    f.write_str(", as if the change was made already")?;
                }
                Ok(())
            }
            ConflictKind::Missing => f.write_str("is nowhere to be found"),
            ConflictKind::Displaced => f.write_str("cannot be found, its list has moved on"),
            ConflictKind::Malformed => f.write_str("has changes that contradict one another"),
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

/// What [`Changes::rebase`] found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rebase {
    /// The changes that apply to the state, with the indices that their places have in it.
    pub changes: Changes,
    /// The places that hold something else than their change starts from.
    pub conflicts: Vec<Conflict>,
    /// The places that hold what their change leads to already.
    pub done: Vec<Path>,
}

/// Does what an edit says, as far as the value allows.
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
    let mut placed: Vec<(usize, Value)> = items
        .inserted
        .into_iter()
        .map(|(index, item)| (index, item.value))
        .collect();
    for (index, moved) in items.moved {
        if let Some(item) = old.get_mut(index).and_then(Option::take) {
            placed.push((moved.to, item));
        }
    }
    for index in items.removed.into_keys() {
        if let Some(item) = old.get_mut(index) {
            *item = None;
        }
    }
    placed.sort_by_key(|(index, _)| *index);
    let mut rest = old.into_iter().flatten();
    for (index, item) in placed {
        let room = index.saturating_sub(array.len());
        array.extend(rest.by_ref().take(room));
        array.push(item);
    }
    array.extend(rest);
}
