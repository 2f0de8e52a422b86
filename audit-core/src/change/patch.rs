//! Converts changes to a JSON Patch (RFC 6902).

use serde_json::{Map, Value};

use super::Changes;
use super::edit_tree::{Edit, Items, below, compile};
use crate::json::nesting;
use crate::path::PathSegment;

impl Changes {
    /// Returns the changes as a JSON Patch (RFC 6902) for the state that they start from.
    ///
    /// Members of sets and items of keyed lists are identified by the indices of the changes
    /// ([`Change::at`](super::Change::at)), so that the state is not needed. For a state that has
    /// changed since, call [`rebase`](Self::rebase) first.
    ///
    /// # Example: a set
    /// ```
    /// use std::collections::BTreeSet;
    /// use serde_json::json;
    ///
    /// let changes = auditlog::diff(&BTreeSet::from(["a", "c"]), &BTreeSet::from(["c", "d"]));
    /// assert_eq!(
    ///     changes.to_json_patch(),
    ///     json!([
    ///         {"op": "remove", "path": "/0"},
    ///         {"op": "add", "path": "/1", "value": "d"},
    ///     ])
    /// );
    /// ```
    pub fn to_json_patch(&self) -> Value {
        let mut patch = Patch::default();
        match compile(self.as_slice()) {
            Ok(Some(edit)) => patch.edit(edit),
            Ok(None) => {}
            // Contradictory changes have no order; each becomes operations of its own.
            Err(_) => {
                for change in self {
                    for segment in change.path.segments() {
                        patch.enter(&match segment {
                            PathSegment::Name(name) => name,
                            PathSegment::Index(index) => index.to_string(),
                            // The text of the segment, which is not a valid index.
                            other => super::Path::from_segments(&[other]).to_string(),
                        });
                    }
                    patch.replace(
                        change.old.is_some(),
                        change.new.as_ref().map(nesting::clone),
                    );
                    patch.pointer.clear();
                }
            }
        }
        Value::Array(patch.operations)
    }
}

/// Builds an operation. `json!` would serialize the value again.
fn operation(op: &str, path: String, more: Option<(&str, Value)>) -> Value {
    let mut operation = Map::new();
    operation.insert("op".to_owned(), op.into());
    operation.insert("path".to_owned(), path.into());
    operation.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(operation)
}

#[derive(Default)]
struct Patch {
    operations: Vec<Value>,
    /// The JSON Pointer (RFC 6901) of the current value.
    pointer: String,
}

impl Patch {
    /// Appends a step to the pointer. Returns its former length.
    fn enter(&mut self, step: &str) -> usize {
        let before = self.pointer.len();
        self.pointer.push('/');
        for c in step.chars() {
            match c {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                c => self.pointer.push(c),
            }
        }
        before
    }

    fn at(&mut self, step: &str, inside: impl FnOnce(&mut Self)) {
        let before = self.enter(step);
        inside(self);
        self.pointer.truncate(before);
    }

    fn item(&self, index: usize) -> String {
        format!("{}/{index}", self.pointer)
    }

    fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Replace(replace) => self.replace(replace.old.is_some(), replace.new),
            Edit::Fields(fields) => {
                for (name, edit) in fields {
                    self.at(&name, |patch| patch.edit(edit));
                }
            }
            Edit::Items(items) => self.items(items),
        }
    }

    fn replace(&mut self, exists: bool, new: Option<Value>) {
        let path = self.pointer.clone();
        let operation = match new {
            Some(value) if exists || path.is_empty() => {
                operation("replace", path, Some(("value", value)))
            }
            Some(value) => operation("add", path, Some(("value", value))),
            // A document cannot be absent.
            None if path.is_empty() => operation("replace", path, Some(("value", Value::Null))),
            None if exists => operation("remove", path, None),
            None => return,
        };
        self.operations.push(operation);
    }

    fn items(&mut self, mut items: Items) {
        // Edits inside items come first, while the items have their old indices. A removal and an
        // insertion at the same position are one operation.
        let (vacated, targets) = (items.vacated_indices(), items.target_indices());
        let mut inside = std::mem::take(&mut items.kept).into_iter().peekable();
        let swapped: Vec<usize> = items
            .removed
            .keys()
            .copied()
            .filter(|index| {
                items.inserted.contains_key(index)
                    && below(&vacated, *index) == below(&targets, *index)
            })
            .collect();
        for index in swapped {
            while let Some((index, kept)) = inside.next_if(|(kept, _)| *kept < index) {
                self.at(&index.to_string(), |patch| patch.edit(kept.edit));
            }
            items.removed.remove(&index);
            if let Some(item) = items.inserted.remove(&index) {
                let path = self.item(index);
                self.operations
                    .push(operation("replace", path, Some(("value", item.value))));
            }
        }
        for (index, kept) in inside {
            self.at(&index.to_string(), |patch| patch.edit(kept.edit));
        }
        for index in items.removed.keys().rev() {
            let path = self.item(*index);
            self.operations.push(operation("remove", path, None));
        }
        self.moves(&items);
        for (index, item) in items.inserted {
            let path = self.item(index);
            self.operations
                .push(operation("add", path, Some(("value", item.value))));
        }
    }

    /// Moves items, between the removals and the insertions.
    fn moves(&mut self, items: &Items) {
        let removed: Vec<usize> = items.removed.keys().copied().collect();
        let inserted: Vec<usize> = items.inserted.keys().copied().collect();
        let from = |old: usize| old - below(&removed, old);
        let to = |new: usize| new - below(&inserted, new);
        let mut step = |from: usize, to: usize| {
            if from != to {
                let (from, path) = (self.item(from), self.item(to));
                self.operations
                    .push(operation("move", path, Some(("from", from.into()))));
            }
        };
        let mut moves: Vec<(usize, usize)> = items
            .moved
            .iter()
            .map(|(old, moved)| (from(*old), to(moved.to)))
            .collect();
        if let [(from, to)] = moves[..] {
            step(from, to);
            return;
        }
        // Moves all of them to the front, the first one last ...
        for (number, (old, _)) in moves.iter().rev().enumerate() {
            step(old + number, 0);
        }
        // ... then each to its target, behind those that are still in front.
        let mut front: Vec<usize> = (0..moves.len()).collect();
        let mut targets: Vec<(usize, usize)> = moves
            .drain(..)
            .enumerate()
            .map(|(number, (_, new))| (new, number))
            .collect();
        targets.sort_unstable();
        for (new, number) in targets {
            let from = below(&front, number);
            front.remove(from);
            step(from, front.len() + new);
        }
    }
}
