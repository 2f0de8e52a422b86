//! Finds breaks in the chain of an object's entries: entries that do not start from the state that
//! the previous ones led to.
//!
//! Only a value that certainly differs breaks the chain. Equivalent forms, redacted values, and
//! fields that no earlier entry mentions do not.

use serde_json::{Map, Value};

use super::equivalent_text::{equivalent_text, looks_redacted, prints};
use super::version_diff::RecordedKinds;
use crate::change::{Change, Changes, Move, Redaction};
use crate::entry::LogEntry;
use crate::json::nesting;
use crate::json::order::compare_values;
use crate::path::{Path, PathSegment, key_of};
use crate::value::schema::{FieldSchema, Placement, Sensitivity};
use crate::value::schema_lookup::{Member, Schema, member};
use crate::value::schema_walk::Visited;

/// The entries before an entry, oldest first.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'e> {
    pub(super) all: &'e [LogEntry],
    /// The index of the last entry with the full state of the object.
    pub(super) start: usize,
}

impl<'e> Earlier<'e> {
    /// Returns the entries since the last one with the full state.
    fn since_full_state(self) -> &'e [LogEntry] {
        self.all.get(self.start..).unwrap_or_default()
    }
}

/// Compares an entry with the state that the entries before it led to.
///
/// An entry may record a value in another form than the state has: a decimal in another scale, an instant in
/// another zone, a set in another order, an item at another index. None of these is a break.
#[derive(Clone, Copy)]
pub(super) struct Link<'e> {
    /// The fields of the type; empty if the type is unknown.
    pub(super) fields: Schema,
    pub(super) earlier: Earlier<'e>,
    /// Whether the object is older than the trail, so that the state is partial.
    pub(super) partial: bool,
}

/// The properties of a path according to the type.
struct PathProperties {
    /// The kind of the last step of the path.
    end: LastStep,
    /// The context of the value at the path.
    context: ValueContext,
    /// Whether values at the path can be compared: not if they are redacted or if the field is
    /// ignored or has its own equality.
    comparable: bool,
}

/// The context of a value: its type and path.
#[derive(Clone, Debug, Default)]
struct ValueContext {
    /// The fields of its type.
    inside: Schema,
    /// Whether its type is a set.
    set: bool,
    /// Its path without items.
    names: Vec<String>,
}

impl ValueContext {
    fn member(&self, name: &str, member: Option<&Member>) -> Self {
        let field = member.map(|member| match member {
            Member::Field(field) | Member::Value(field) => *field,
        });
        let mut names = self.names.clone();
        names.push(name.to_owned());
        Self {
            inside: field.map_or(Schema::default(), FieldSchema::inside),
            set: field.is_some_and(may_be_set),
            names,
        }
    }

    /// Returns the context of an array's item; `position` is its field in a tuple.
    fn item(&self, position: Option<&'static FieldSchema>) -> Self {
        Self {
            // The fields of a list are those of its items.
            inside: position.map_or(self.inside, FieldSchema::inside),
            set: position.is_some_and(may_be_set),
            names: self.names.clone(),
        }
    }
}

/// Returns whether a field may contain a set according to its type: directly, in a newtype, in a
/// variant of an enum, or as the result of a conversion.
fn may_be_set(field: &FieldSchema) -> bool {
    let holds_set = |field: &FieldSchema| field.set || field.converted;
    let mut visited = Visited::default();
    let mut worklist = vec![field.inside()];
    let mut found = holds_set(field);
    while let (false, Some(schema)) = (found, worklist.pop()) {
        if visited.enter(schema) {
            let inline = schema.iter().filter(|field| field.is_inline());
            found = inline.clone().any(holds_set);
            worklist.extend(inline.map(FieldSchema::inside));
        }
    }
    found
}

/// Returns the field at a position, if an array with these fields is a tuple.
fn position(inside: Schema, array: &[Value], index: usize) -> Option<&'static FieldSchema> {
    let positions = FieldSchema::tuple(inside, array, None)?;
    let at =
        |field: &&FieldSchema| matches!(field.placement, Placement::Indexed(at) if at == index);
    positions.iter().find(at)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LastStep {
    Field,
    MapKey,
    Unknown,
}

impl Link<'_> {
    /// Replaces old values of changes by equivalent values of a state, so that only real breaks
    /// conflict with the state.
    pub(super) fn align(&self, changes: &Changes, state: &Value) -> Changes {
        let fitted = changes.iter().filter_map(|change| {
            let mut change = change.clone();
            if self.is_equivalent(&change, state) {
                change.old = change.path.find_in(state).cloned();
            }
            let nothing = change.old.is_none() && change.new.is_none() && change.moved.is_empty();
            (!nothing).then_some(change)
        });
        Changes::from_vec(fitted.collect())
    }

    /// Returns whether the old value of a change differs from that of the state but is equivalent
    /// to it.
    fn is_equivalent(&self, change: &Change, state: &Value) -> bool {
        let segments = change.path.segments();
        let keyed = |segment: &&PathSegment| matches!(segment, PathSegment::Match { .. });
        let member_of_set = change.at.len() > segments.iter().filter(keyed).count();
        let inserted =
            change.old.is_none() && matches!(segments.last(), Some(PathSegment::Index(_)));
        if member_of_set || inserted || !change.moved.is_empty() {
            return false;
        }
        let found = change.path.find_in(state);
        let mut properties = self.properties(&segments, state);
        properties.comparable &= !change.loose;
        match (&change.old, found) {
            (None, None) => false,
            (Some(old), Some(found)) => {
                !nesting::equal(old, found)
                    && (!properties.comparable
                        || is_hidden(change.redaction)
                        || self.equivalent(
                            old,
                            found,
                            &properties.context,
                            change.redaction.is_some(),
                        ))
            }
            (None, Some(found)) => {
                found.is_null() || !properties.comparable || is_hidden(change.redaction)
            }
            (Some(old), None) => {
                let Some((last, parent)) = segments.split_last() else {
                    return false;
                };
                let named = matches!(last, PathSegment::Name(_));
                named
                    && Path::from_segments(parent)
                        .find_in(state)
                        .is_some_and(Value::is_object)
                    && (old.is_null()
                        || !properties.comparable
                        || is_hidden(change.redaction)
                        || self.is_new(&segments, properties.end))
            }
        }
    }

    /// Returns whether the state lacks a part because no entry could contain it: the object is
    /// older than the trail, or the field was added to the type.
    fn is_new(&self, segments: &[PathSegment], end: LastStep) -> bool {
        self.partial
            || (end != LastStep::MapKey && !self.mentioned(segments) && !self.is_key(segments))
    }

    /// Returns whether earlier entries show that the last name of a path is the key of a map:
    /// sibling keys were added or removed.
    fn is_key(&self, segments: &[PathSegment]) -> bool {
        let Some((_, map @ [_, ..])) = segments.split_last() else {
            // The members of the object itself are its fields.
            return false;
        };
        let changes = self.earlier.all.iter().flat_map(|entry| &entry.changes);
        changes
            .filter(|change| change.at.is_empty() && change.moved.is_empty())
            .filter(|change| change.old.is_some() != change.new.is_some())
            .any(|change| {
                let other = change.path.segments();
                matches!(other.split_last(), Some((PathSegment::Name(_), beside)) if beside == map)
            })
    }

    /// Returns whether the type or earlier entries show that an array is a set.
    fn is_set(&self, context: &ValueContext) -> bool {
        context.set || RecordedKinds::of(self.earlier.all).is_set(&context.names)
    }

    /// Returns the outermost part of a path that a state lacks because no entry could contain it.
    pub(super) fn new_part(&self, path: &Path, state: &Value) -> Option<Path> {
        let segments = path.segments();
        let mut value = state;
        for (index, segment) in segments.iter().enumerate() {
            let PathSegment::Name(name) = segment else {
                return None;
            };
            let Some(inner) = value.as_object()?.get(name) else {
                let part = &segments[..=index];
                let new = self.is_new(part, self.properties(part, state).end);
                return new.then(|| Path::from_segments(part));
            };
            value = inner;
        }
        None
    }

    /// Returns whether earlier entries mark a value or an enclosing one as loose.
    fn may_change_silently(&self, path: &Path) -> bool {
        let changes = self
            .earlier
            .all
            .iter()
            .rev()
            .flat_map(|entry| &entry.changes);
        let mut enclosing = changes.filter(|change| path.is_within(&change.path));
        let exact = enclosing.clone().find(|change| change.path == *path);
        exact.map_or_else(
            || enclosing.any(|change| change.loose),
            |change| change.loose,
        )
    }

    /// Returns whether an earlier entry has a value at a path.
    fn mentioned(&self, segments: &[PathSegment]) -> bool {
        let path = Path::from_segments(segments);
        let holds = |value: &Option<Value>, from: usize| {
            let rest = Path::from_segments(&segments[from..]);
            value
                .as_ref()
                .is_some_and(|value| rest.find_in(value).is_some())
        };
        self.earlier.since_full_state().iter().any(|entry| {
            let changed = entry.changes.iter().any(|change| {
                let depth = change.path.segments().len();
                change.path.is_within(&path)
                    || (path.is_within(&change.path)
                        && (holds(&change.old, depth) || holds(&change.new, depth)))
            });
            changed || holds(&entry.snapshot, 0)
        })
    }

    /// Returns the properties of a path. The state distinguishes tuples from lists.
    fn properties(&self, segments: &[PathSegment], state: &Value) -> PathProperties {
        let mut found = PathProperties {
            end: LastStep::Unknown,
            context: ValueContext {
                inside: self.fields,
                ..ValueContext::default()
            },
            comparable: true,
        };
        for (number, segment) in segments.iter().enumerate() {
            let PathSegment::Name(name) = segment else {
                let array = Path::from_segments(&segments[..number]);
                let array = array.find_in(state).and_then(Value::as_array);
                let position = match (segment, array) {
                    (PathSegment::Index(index), Some(array)) => {
                        position(found.context.inside, array, *index)
                    }
                    _ => None,
                };
                found.comparable &= position.is_none_or(is_comparable);
                found.end = LastStep::Unknown;
                found.context = found.context.item(position);
                continue;
            };
            let member = member(found.context.inside, name);
            found.end = match &member {
                Some(Member::Field(field)) => {
                    found.comparable &= is_comparable(field);
                    LastStep::Field
                }
                Some(Member::Value(_)) => LastStep::MapKey,
                None => LastStep::Unknown,
            };
            found.context = found.context.member(name, member.as_ref());
        }
        found
    }

    /// Returns whether two values are equivalent, as far as their recorded forms show.
    fn equivalent(
        &self,
        old: &Value,
        found: &Value,
        context: &ValueContext,
        redacted: bool,
    ) -> bool {
        match (old, found) {
            (Value::Array(old), Value::Array(found)) => {
                self.equivalent_lists(old, found, context, redacted)
            }
            (Value::Object(old), Value::Object(found)) => {
                self.equivalent_objects(old, found, context, redacted)
            }
            (Value::String(_), _) | (_, Value::String(_)) if redacted => true,
            (Value::String(text), _) | (_, Value::String(text)) if looks_redacted(text) => true,
            (Value::String(old), Value::String(found)) => equivalent_text(old, found),
            // Formerly recorded as text, as by the libraries that entries are imported from.
            (Value::String(text), value) | (value, Value::String(text)) => prints(text, value),
            (Value::Number(old), Value::Number(found)) => {
                // `1` equals `1.0`, but integers compare exactly.
                old == found || ((old.is_f64() || found.is_f64()) && old.as_f64() == found.as_f64())
            }
            (old, found) => old == found,
        }
    }

    fn equivalent_lists(
        &self,
        old: &[Value],
        found: &[Value],
        context: &ValueContext,
        redacted: bool,
    ) -> bool {
        if old.len() != found.len() {
            return false;
        }
        if FieldSchema::tuple(context.inside, old, None).is_some() {
            return old
                .iter()
                .zip(found)
                .enumerate()
                .all(|(index, (value, found))| {
                    let field = position(context.inside, old, index);
                    field.is_some_and(|field| !is_comparable(field))
                        || self.equivalent(value, found, &context.item(field), redacted)
                });
        }
        let item = context.item(None);
        let same = |old: &[&Value], found: &[&Value]| {
            old.iter()
                .zip(found)
                .all(|(old, found)| self.equivalent(old, found, &item, redacted))
        };
        let (mut old, mut found): (Vec<_>, Vec<_>) = (old.iter().collect(), found.iter().collect());
        if same(&old, &found) {
            return true;
        }
        // A trigger may record the members of a set in another order, and masked members too.
        if !redacted && !self.is_set(context) {
            return false;
        }
        for list in [&mut old, &mut found] {
            list.sort_by(|a, b| compare_values(a, b));
        }
        same(&old, &found)
    }

    fn equivalent_objects(
        &self,
        old: &Map<String, Value>,
        found: &Map<String, Value>,
        context: &ValueContext,
        redacted: bool,
    ) -> bool {
        let mut shared = old.is_empty() || found.is_empty();
        let with_old = old.iter().all(|(name, value)| {
            let member = member(context.inside, name);
            if matches!(member, Some(Member::Field(field)) if !is_comparable(field)) {
                return true;
            }
            match found.get(name) {
                Some(found) => {
                    shared = true;
                    let inside = context.member(name, member.as_ref());
                    self.equivalent(value, found, &inside, redacted)
                }
                // A field added to the type later.
                None => value.is_null() || !matches!(member, Some(Member::Value(_))),
            }
        });
        with_old
            && shared
            && found.iter().all(|(name, value)| {
                old.contains_key(name)
                    || value.is_null()
                    || match member(context.inside, name) {
                        Some(Member::Field(field)) => !is_comparable(field),
                        Some(Member::Value(_)) => false,
                        // A field removed from the type.
                        None => true,
                    }
            })
    }

    /// Returns the parts in which a full snapshot differs from the state that the previous entries
    /// led to.
    pub(super) fn differing(&self, state: &Value, snapshot: &Value) -> Vec<Path> {
        let mut parts: Vec<Path> = Vec::new();
        for change in &crate::diff(snapshot, state) {
            let path = super::outside_lists(&change.path);
            if parts.last() == Some(&path) {
                continue;
            }
            let mut change = Change::new(path.clone(), path.find_in(snapshot).cloned(), None);
            change.loose = self.may_change_silently(&path);
            let same = match (&change.old, path.find_in(state)) {
                (Some(old), Some(found)) => nesting::equal(old, found),
                (old, found) => old.is_none() && found.is_none(),
            };
            let end = || self.properties(&path.segments(), state).end;
            // A field removed from the type.
            let removed = change.old.is_none() && end() == LastStep::Unknown;
            if !same && !removed && !self.is_equivalent(&change, state) {
                parts.push(path);
            }
        }
        parts
    }
}

fn is_hidden(redaction: Option<Redaction>) -> bool {
    matches!(redaction, Some(Redaction::Masked | Redaction::Hashed))
}

fn is_comparable(field: &FieldSchema) -> bool {
    field.sensitivity == Sensitivity::Clear && !field.ignored && !field.approximate
}

/// Returns the lists and sets in which an item is at another index than the changes say, before
/// the changes are applied: other items were added or removed without an entry.
pub(super) fn displaced(changes: &Changes, before: &Value) -> Vec<Path> {
    let located = |change: &&Change| {
        (!change.at.is_empty() || !change.moved.is_empty()) && change.redaction.is_none()
    };
    let mut lists = Vec::new();
    for change in changes.iter().filter(located) {
        lists.extend(displaced_list(change, before));
    }
    lists
}

/// Returns the sets in which an added member is at another index than the changes say, after they
/// were applied.
pub(super) fn misplaced(changes: &Changes, after: &Value) -> Vec<Path> {
    let mut sets = Vec::new();
    for change in changes {
        let (Some(&index), Some(new), None, None) =
            (change.at.last(), &change.new, &change.old, change.redaction)
        else {
            continue;
        };
        let segments = change.path.segments();
        let Some((PathSegment::Name(_), set)) = segments.split_last() else {
            continue;
        };
        let set = Path::from_segments(set);
        if let Some(members) = set.find_in(after).and_then(Value::as_array)
            && !members
                .get(index)
                .is_some_and(|member| nesting::equal(member, new))
            && is_sorted(members)
        {
            sets.push(set);
        }
    }
    sets
}

/// Returns whether an array may be that of a set with a defined order. Triggers record sets in any
/// order.
fn is_sorted(members: &[Value]) -> bool {
    members.is_sorted_by(|a, b| compare_values(a, b).is_le())
}

/// Returns the first list in the path of a change in which an item is at another index.
fn displaced_list(change: &Change, before: &Value) -> Option<Path> {
    let segments = change.path.segments();
    let has_key = |item: &Value, segment: &PathSegment| match segment {
        PathSegment::Match { field, value } => {
            key_of(item, field).is_some_and(|key| nesting::equal_ignoring_scale(key, value))
        }
        _ => true,
    };
    let mut at = change.at.iter().copied();
    let mut value = before;
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        value = match segment {
            PathSegment::Match { .. } => {
                let position = at.next()?;
                if last && change.old.is_none() {
                    // The index refers to the new list.
                    return None;
                }
                match value.get(position) {
                    Some(item) if has_key(item, segment) => item,
                    _ => return Some(Path::from_segments(&segments[..index])),
                }
            }
            PathSegment::Name(_) if last && at.len() > 0 => {
                let (old, members) = (change.old.as_ref()?, value.as_array()?);
                let found = members
                    .get(at.next()?)
                    .is_some_and(|member| nesting::equal(member, old));
                return (!found && is_sorted(members))
                    .then(|| Path::from_segments(&segments[..index]));
            }
            PathSegment::Name(name) => value.get(name)?,
            PathSegment::Index(position) => value.get(position)?,
        };
    }
    let items = value.as_array()?;
    let moved = |step: &Move| {
        items
            .get(step.from)
            .is_none_or(|item| !has_key(item, &step.item))
    };
    change.moved.iter().any(moved).then(|| change.path.clone())
}
