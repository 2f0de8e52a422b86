//! Writes changes: one old and one new value at a path.

use std::{iter, mem};

use serde_json::Value;

use super::Diff;
use crate::change::{Change, Move, Redaction};
use crate::error::ValueError;
use crate::json::nesting;
use crate::json::number::equal_scalars;
use crate::mask::HIDDEN;
use crate::path::{Node, Path};
use crate::value::AuditValue;
use crate::value::schema::{FieldSchema, Sensitivity};
use crate::value::snapshot::Snapshot;

impl Diff<'_> {
    /// Uncounts a change.
    pub(super) fn drop_change(&mut self) {
        self.out.found -= 1;
        let counted = u32::from(!self.out.ignoring);
        self.out.notable = self.out.notable.saturating_sub(counted);
    }

    /// Removes the last change, whose two sides have the same recorded form.
    #[cold]
    #[inline(never)]
    pub(super) fn retract(&mut self) {
        self.out.changes.pop();
        self.drop_change();
    }

    /// Reports a difference to a probe if the recorded forms of the two values differ.
    #[cold]
    #[inline(never)]
    pub(super) fn probe_replaced<T: AuditValue + ?Sized>(&mut self, old: &T, new: &T) {
        if self.out.found == 0 {
            let depth = self.at.map_or(0, Node::depth);
            let flattened = self.at.is_some_and(Node::is_flattened);
            let mut cx = Snapshot::at_depth(&mut self.out.env, depth).flattened(flattened);
            let (old, new) = (old.snapshot(&mut cx), new.snapshot(&mut cx));
            if !cx.redacted() && nesting::equal(&old, &new) {
                return;
            }
        }
        self.out.found += 1;
    }

    /// Records that the value at the current path was replaced. `None` means absent, which differs
    /// from null. Two values with the same recorded form are not a change.
    #[inline]
    pub fn replace<T: AuditValue + ?Sized>(&mut self, old: Option<&T>, new: Option<&T>) {
        if self.out.probing
            && let (Some(old), Some(new)) = (old, new)
        {
            return self.probe_replaced(old, new);
        }
        if let (Some(old), Some(new)) = (old, new)
            && T::PLAIN
        {
            if !old.same(new) {
                self.replace_plain(old, new);
            }
            return;
        }
        let Some((change, mut cx)) = self.begin_change() else {
            return;
        };
        if let Some(value) = old {
            fill(&mut change.old, value.snapshot(&mut cx));
        }
        if let Some(value) = new {
            fill(&mut change.new, value.snapshot(&mut cx));
        }
        if cx.redacted() {
            change.redaction = Some(Redaction::Partial);
        } else if sides_equal(change) {
            self.retract();
        }
    }

    /// Records that a value of a [plain](AuditValue::PLAIN) type was replaced. Different values of
    /// such a type have different recorded forms, and none is redacted.
    #[inline]
    pub(super) fn replace_plain<T: AuditValue + ?Sized>(&mut self, old: &T, new: &T) {
        if let Some((change, mut cx)) = self.begin_change() {
            fill(&mut change.old, old.snapshot(&mut cx));
            fill(&mut change.new, new.snapshot(&mut cx));
        }
    }

    /// Records that a value that is never shown was replaced.
    pub(crate) fn hidden(&mut self) {
        let hidden = || Some(Value::String(HIDDEN.to_owned()));
        self.push(hidden(), hidden(), Some(Redaction::Masked));
    }

    pub(super) fn replace_field<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        let whole = match field.sensitivity {
            Sensitivity::Skipped => return,
            Sensitivity::Clear => None,
            Sensitivity::Masked(_) => Some(Redaction::Masked),
            Sensitivity::Hashed => Some(Redaction::Hashed),
        };
        let Some((change, mut cx)) = self.begin_change() else {
            return;
        };
        let mut shown = |value: &T| match whole {
            None => value.snapshot(&mut cx),
            Some(_) => cx.field_value(field, value),
        };
        if let Some(value) = old {
            fill(&mut change.old, shown(value));
        }
        if let Some(value) = new {
            fill(&mut change.new, shown(value));
        }
        change.redaction = whole.or(cx.redacted().then_some(Redaction::Partial));
        if change.redaction.is_none() && sides_equal(change) {
            self.retract();
        }
    }

    /// Returns an item's snapshot and whether any part of it is redacted.
    pub(crate) fn record<T: AuditValue + ?Sized>(&mut self, item: &T) -> (Value, bool) {
        let depth = self.at.map_or(0, Node::depth) + 1;
        let mut cx = Snapshot::at_depth(&mut self.out.env, depth);
        let value = item.snapshot(&mut cx);
        (value, cx.redacted())
    }

    /// Returns whether the recorded form of a value with these fields omits or hides a part of it.
    pub(crate) fn hides_parts(&self, fields: &'static [FieldSchema]) -> bool {
        self.out.env.hides_parts(fields)
    }

    /// Records that a value was replaced, unless both recorded forms are equal and nothing is
    /// redacted.
    pub(crate) fn replace_if_visible<T: AuditValue + ?Sized>(&mut self, old: &T, new: &T) {
        let (old, old_redacted) = self.record(old);
        let (new, new_redacted) = self.record(new);
        let redacted = old_redacted || new_redacted;
        if redacted || old != new {
            let redaction = redacted.then_some(Redaction::Partial);
            self.push(Some(old), Some(new), redaction);
        }
    }

    /// Returns the text of a map's key and whether any part of it is hidden.
    pub(crate) fn key_text<T: AuditValue + ?Sized>(&mut self, key: &T) -> (String, bool) {
        let depth = self.at.map_or(0, Node::depth) + 1;
        Snapshot::at_depth(&mut self.out.env, depth).key_text(key)
    }

    /// Reports that the value cannot be represented.
    pub(crate) fn fail(&mut self, message: String) {
        self.out.found += 1;
        self.out.env.fail(ValueError::Unrepresentable { message });
    }

    /// Records that items of the list at the current path were reordered.
    pub(crate) fn reorder(&mut self, moved: Vec<Move>) {
        self.push(None, None, None);
        if let Some(change) = self.out.changes.last_mut() {
            change.moved = moved.into_boxed_slice();
        }
    }

    /// Records a change at the current path, with values that are already redacted.
    pub(crate) fn push(
        &mut self,
        old: Option<Value>,
        new: Option<Value>,
        redaction: Option<Redaction>,
    ) {
        if old.is_some() && old == new && redaction.is_none() {
            return;
        }
        if let Some((change, _)) = self.begin_change() {
            change.old = old;
            change.new = new;
            change.redaction = redaction;
        }
    }

    /// Adds an empty change at the current path for the caller to fill in. Returns `None` in a
    /// probe.
    ///
    /// Not generic, and the change is built in its final location, so that each type compiles
    /// only the two snapshots.
    #[inline(never)]
    pub(super) fn begin_change(&mut self) -> Option<(&mut Change, Snapshot<'_>)> {
        let out = &mut *self.out;
        out.found += 1;
        if out.probing {
            return None;
        }
        out.notable += u32::from(!out.ignoring);
        if out.changes.capacity() == 0 {
            reserve_changes(&mut out.changes);
        }
        let name = Node::plain(self.at);
        // `push` would build the change on the stack and copy it.
        out.changes.extend(iter::once_with(|| {
            Change::new(Path::of_plain(name.unwrap_or_default()), None, None)
        }));
        let change = out.changes.last_mut()?;
        if name.is_none() {
            set_path(change, self.at);
        }
        let depth = self.at.map_or(0, Node::depth);
        let flattened = self.at.is_some_and(Node::is_flattened);
        Some((
            change,
            Snapshot::at_depth(&mut out.env, depth).flattened(flattened),
        ))
    }
}

/// Returns whether both sides of a change are present and equal.
#[inline]
fn sides_equal(change: &Change) -> bool {
    match (&change.old, &change.new) {
        // Fast path for scalars, which most changes consist of.
        (Some(Value::String(old)), Some(Value::String(new))) => old == new,
        (Some(Value::Bool(old)), Some(Value::Bool(new))) => old == new,
        (Some(Value::Null), Some(other)) | (Some(other), Some(Value::Null)) => other.is_null(),
        (Some(old @ Value::Number(_)), Some(new @ Value::Number(_))) => {
            old == new || equal_scalars(old, new)
        }
        (Some(old), Some(new)) => nesting::equal(old, new),
        _ => false,
    }
}

/// Reserves capacity for the few fields that most updates change: growing step by step costs
/// more.
#[cold]
#[inline(never)]
fn reserve_changes(changes: &mut Vec<Change>) {
    *changes = Vec::with_capacity(6);
}

/// Sets the path of a change, for paths that need quotes or indices.
#[inline(never)]
fn set_path(change: &mut Change, at: Option<&Node<'_>>) {
    change.path = Node::render(at);
    change.at = Node::indices(at);
}

/// Sets an absent value, without dropping a former one.
#[inline]
fn fill(slot: &mut Option<Value>, value: Value) {
    mem::forget(slot.replace(value));
}
