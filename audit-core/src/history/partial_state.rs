//! Changes between states of an object that is older than the trail.
//!
//! Such a state has only the fields that its entries mention. A field that an entry mentions for the first
//! time existed before, with the old value of that entry.

use serde_json::{Map, Value};

use super::outside_lists;
use super::rebuild::{by_position, start};
use super::version_diff::names_member;
use crate::change::{Change, Changes};
use crate::json::nesting;
use crate::path::{Path, PathSegment};

/// A state, and whether it may lack fields that the object had.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'v> {
    pub(super) value: &'v Value,
    /// Whether the object is older than the trail.
    pub(super) is_partial: bool,
}

impl State<'_> {
    /// Returns whether the state does not contradict a value that a change records, its old or its new one.
    fn allows(&self, change: &Change, value: Option<&Value>) -> bool {
        match (change.path.find_in(self.value), value) {
            (None, None) => true,
            (None, Some(_)) => self.is_partial || names_member(change, &change.path.segments()),
            (Some(part), Some(value)) => agree(part, self.is_partial, value, false),
            (Some(_), None) => false,
        }
    }

    /// Returns whether the state has the part that a change replaces, removes, or extends.
    fn has_target(&self, change: &Change) -> bool {
        let segments = change.path.segments();
        let Some((last, parent)) = segments.split_last() else {
            return true;
        };
        let parent = Path::from_segments(parent);
        let is_member = |parent: &Value| parent.is_array() && matches!(last, PathSegment::Name(_));
        let value = change.path.find_in(self.value);
        if !change.moved.is_empty() {
            // The entry reports the order of a complete list.
            let length = value.and_then(Value::as_array).map_or(0, Vec::len);
            return change
                .moved
                .iter()
                .all(|step| step.from < length && step.to < length);
        }
        let parent = parent.find_in(self.value);
        parent.is_some_and(|parent| change.old.is_none() || is_member(parent) || value.is_some())
    }

    fn has_item(&self, list: &Path, item: &PathSegment) -> bool {
        let mut segments = list.segments();
        segments.push(item.clone());
        Path::from_segments(&segments).find_in(self.value).is_some()
    }

    /// Returns whether changes, which this state allows, lead to another in the parts that both have.
    fn leads_to(&self, other: &State<'_>, changes: &Changes) -> bool {
        let mut changes = changes.clone();
        if self.is_partial {
            changes.retain(|change| self.has_target(change));
            for change in changes.list_mut() {
                let part = change.path.find_in(self.value);
                if change.old.is_some() && !by_position(&change.path.segments()) {
                    change.old = part.cloned().or(change.old.take());
                }
            }
        }
        let mut value = self.value.clone();
        changes.apply(&mut value).is_ok()
            && agree(&value, self.is_partial, other.value, other.is_partial)
    }
}

/// Returns whether two values agree in the parts that both have. A partial value may lack fields, and items of
/// keyed lists.
fn agree(a: &Value, a_is_partial: bool, b: &Value, b_is_partial: bool) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let common = a.iter().all(|(name, value)| match b.get(name) {
                Some(other) => agree(value, a_is_partial, other, b_is_partial),
                None => b_is_partial,
            });
            common && (a_is_partial || b.keys().all(|name| a.contains_key(name)))
        }
        (Value::Array(a), Value::Array(b)) if a_is_partial && a.len() <= b.len() => {
            are_items(a, b, b_is_partial)
        }
        (Value::Array(a), Value::Array(b)) if b_is_partial && b.len() <= a.len() => {
            are_items(b, a, a_is_partial)
        }
        (a, b) => nesting::equal_ignoring_scale(a, b),
    }
}

/// Returns whether each item of a partial list agrees with an item of another list. Values that are no
/// objects have no key, so that a list of them has all its items.
fn are_items(part: &[Value], all: &[Value], all_is_partial: bool) -> bool {
    let is_keyed = part.iter().chain(all).all(Value::is_object);
    let agree = |part: &Value, item: &Value| agree(part, true, item, all_is_partial);
    if is_keyed {
        // Items mostly have the order of the other list.
        let mut next = 0;
        part.iter().all(|part| {
            let mut indices = (next..all.len()).chain(0..next);
            let found = indices.find(|&index| agree(part, &all[index]));
            next = found.map_or(next, |index| index + 1);
            found.is_some()
        })
    } else {
        part.len() == all.len() && part.iter().zip(all).all(|(part, item)| agree(part, item))
    }
}

/// Returns the state of an object that exists beside one in which it does not. `from_nothing` are the recorded
/// changes from the latter to the former: those of a deletion, inverted, have all fields.
pub(super) fn existing(state: State<'_>, mut from_nothing: Changes) -> Value {
    if !state.is_partial && !state.value.is_null() {
        return state.value.clone();
    }
    from_nothing.retain(|change| change.redaction.is_none());
    let mut value = start(&from_nothing);
    let applies = from_nothing
        .rebase(&value)
        .changes
        .apply(&mut value)
        .is_ok();
    match state.value {
        Value::Null if !value.is_null() => value,
        Value::Null => Value::Object(Map::new()),
        part if applies && agree(part, true, &value, false) => value,
        part => part.clone(),
    }
}

/// Completes the changes between two states of an object that is older than the trail by `recorded`, the
/// composition of the entries in between.
///
/// A field that one state lacks was not added or removed, unless an entry reports that: the old
/// value of the first entry with the field is its former value.
pub(super) fn completed(
    mut compared: Changes,
    recorded: &Changes,
    from: State<'_>,
    to: State<'_>,
) -> Changes {
    let in_order =
        |change: &Change| !change.moved.is_empty() || by_position(&change.path.segments());
    let allowed = |change: &Change| {
        let [old, new] = [&change.old, &change.new].map(Option::as_ref);
        from.allows(change, old) && to.allows(change, new)
    };
    if recorded
        .iter()
        .all(|change| in_order(change) || allowed(change))
        && from.leads_to(&to, recorded)
        && to.leads_to(&from, &recorded.invert())
    {
        return recorded.clone();
    }
    // A change without an entry lies in between: the states show it in the parts that both have.
    compared.retain(|change| {
        let appears = from.is_partial && change.old.is_none() && change.new.is_some();
        let disappears = to.is_partial && change.new.is_none() && change.old.is_some();
        !appears && !disappears
    });
    // A reordered list has values of its own for its items.
    let has_inside = |outer: &Change, change: &Change| {
        outer.path != change.path && outer.moved.is_empty() && change.path.is_within(&outer.path)
    };
    // Without its list, an item has no position to compare.
    let has_list = |change: &Change| {
        let list = outside_lists(&change.path);
        [from, to].iter().all(|state| {
            list.find_in(state.value).is_some()
                && change
                    .moved
                    .iter()
                    .all(|step| state.has_item(&change.path, &step.item))
        })
    };
    let lacks = |state: &State<'_>, change: &Change| {
        !state.is_partial && change.path.find_in(state.value).is_none()
    };
    let reported = |change: &Change| {
        let mut change = change.clone();
        if in_order(&change) {
            return (!has_list(&change)).then_some(change);
        }
        // A complete state shows that its part was removed or added without an entry.
        if change.new.is_some() && lacks(&to, &change) {
            change.new = None;
        }
        if change.old.is_some() && lacks(&from, &change) {
            change.old = None;
        }
        allowed(&change).then_some(change)
    };
    let mut list: Vec<Change> = recorded
        .iter()
        .filter_map(reported)
        .filter(|change| change.old.is_some() || change.new.is_some() || in_order(change))
        .filter(|change| !compared.iter().any(|other| has_inside(other, change)))
        .collect();
    compared.retain(|change| {
        let covers = |other: &Change| other.path == change.path || has_inside(other, change);
        !list.iter().any(covers)
    });
    list.extend(compared.iter().cloned());
    Changes::from_vec(list)
}
