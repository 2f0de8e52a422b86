//! The chain of an object's entries: whether each entry starts from what the one before it left.
//!
//! Only a value that certainly differs breaks the chain. Forms that count as equal, redacted
//! values, and fields that no earlier entry mentions do not.

use serde_json::{Map, Value};

use super::between::Told;
use crate::change::{Change, Changes, Move, Redaction};
use crate::entry::LogEntry;
use crate::json::nesting;
use crate::json::order::compare_values;
use crate::path::{Path, PathSegment, key_of};
use crate::value::member::{Level, Member, member};
use crate::value::schema::{FieldSchema, Place, Sensitivity};
use crate::value::visited::Visited;

/// The entries before an entry, oldest first.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'e> {
    pub(super) all: &'e [LogEntry],
    /// The index of the one that last told of all of the object.
    pub(super) start: usize,
}

impl<'e> Earlier<'e> {
    /// Returns the entries since the object was last told in full.
    fn counting(self) -> &'e [LogEntry] {
        self.all.get(self.start..).unwrap_or_default()
    }
}

/// Compares an entry with the state that the entries before it led to.
#[derive(Clone, Copy)]
pub(super) struct Link<'e> {
    /// The fields of the type; empty if it is not known.
    pub(super) fields: Level,
    pub(super) earlier: Earlier<'e>,
    /// Whether the trail begins after the object did, so that the state has parts only.
    pub(super) partial: bool,
}

/// The properties of a path by the type.
struct Declared {
    /// The kind of the last step of the path.
    end: End,
    /// What is there.
    spot: Spot,
    /// Whether values there are compared at all: not if they are redacted, or if the field is
    /// ignored or has an equality of its own.
    comparable: bool,
}

/// What is known of a value besides the value.
#[derive(Clone, Debug, Default)]
struct Spot {
    /// The fields of its type.
    inside: Level,
    /// Whether its type is a set.
    set: bool,
    /// Its path without items.
    names: Vec<String>,
}

impl Spot {
    fn member(&self, name: &str, known: Option<&Member>) -> Self {
        let known = known.map(|known| match known {
            Member::Field(field) | Member::Value(field) => *field,
        });
        let mut names = self.names.clone();
        names.push(name.to_owned());
        Self {
            inside: known.map_or(Level::default(), FieldSchema::inside),
            set: known.is_some_and(may_be_set),
            names,
        }
    }

    /// Returns what is known of an item of an array; `position` is its field in a tuple.
    fn item(&self, position: Option<&'static FieldSchema>) -> Self {
        Self {
            // An item of a list has the fields of its list.
            inside: position.map_or(self.inside, FieldSchema::inside),
            set: position.is_some_and(may_be_set),
            names: self.names.clone(),
        }
    }
}

/// Whether a field may hold a set, as far as its type tells: perhaps in a newtype, as one of the
/// variants of an enum, or as what a function makes of the value.
fn may_be_set(field: &FieldSchema) -> bool {
    let holds_set = |field: &FieldSchema| field.set || field.converted;
    let mut visited = Visited::default();
    let mut waiting = vec![field.inside()];
    let mut found = holds_set(field);
    while let (false, Some(level)) = (found, waiting.pop()) {
        if visited.enter(level) {
            let inline = level.iter().filter(|field| field.is_inline());
            found = inline.clone().any(holds_set);
            waiting.extend(inline.map(FieldSchema::inside));
        }
    }
    found
}

/// Returns the field at a position, if an array with these fields is a tuple.
fn position(inside: Level, array: &[Value], index: usize) -> Option<&'static FieldSchema> {
    let positions = FieldSchema::tuple(inside, array, None)?;
    let at = |field: &&FieldSchema| matches!(field.place, Place::Indexed(at) if at == index);
    positions.iter().find(at)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Field,
    MapKey,
    Unknown,
}

impl Link<'_> {
    /// Gives changes the old values of a state wherever these count as the same, so that only
    /// what breaks the chain is in conflict with it.
    pub(super) fn fit(&self, changes: &Changes, state: &Value) -> Changes {
        let fitted = changes.iter().filter_map(|change| {
            let mut change = change.clone();
            if self.is_respelled(&change, state) {
                change.old = change.path.find_in(state).cloned();
            }
            let nothing = change.old.is_none() && change.new.is_none() && change.moved.is_empty();
            (!nothing).then_some(change)
        });
        Changes::from_vec(fitted.collect())
    }

    /// Whether the state has another value than a change starts from, which counts as the same.
    fn is_respelled(&self, change: &Change, state: &Value) -> bool {
        let segments = change.path.segments();
        let keyed = |segment: &&PathSegment| matches!(segment, PathSegment::Match { .. });
        let member_of_set = change.at.len() > segments.iter().filter(keyed).count();
        let inserted =
            change.old.is_none() && matches!(segments.last(), Some(PathSegment::Index(_)));
        if member_of_set || inserted || !change.moved.is_empty() {
            return false;
        }
        let found = change.path.find_in(state);
        let mut declared = self.declared(&segments, state);
        declared.comparable &= !change.loose;
        match (&change.old, found) {
            (None, None) => false,
            (Some(old), Some(found)) => {
                !nesting::equal(old, found)
                    && (!declared.comparable
                        || is_hidden(change.redaction)
                        || self.alike(old, found, &declared.spot, change.redaction.is_some()))
            }
            (None, Some(found)) => {
                found.is_null() || !declared.comparable || is_hidden(change.redaction)
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
                        || !declared.comparable
                        || is_hidden(change.redaction)
                        || self.is_new(&segments, declared.end))
            }
        }
    }

    /// Whether the state lacks a part because no entry could tell of it: the trail begins
    /// later, or the type has a field that it had not.
    fn is_new(&self, segments: &[PathSegment], end: End) -> bool {
        self.partial || (end != End::MapKey && !self.mentioned(segments) && !self.is_key(segments))
    }

    /// Whether earlier entries show that the last name of a path is the key of a map: other
    /// keys came or went beside it.
    fn is_key(&self, segments: &[PathSegment]) -> bool {
        let Some((_, map @ [_, ..])) = segments.split_last() else {
            // The names of the object itself are its fields.
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

    /// Whether earlier entries show that the members of an array come and go, as those of a set.
    fn is_set(&self, spot: &Spot) -> bool {
        spot.set || Told::by(self.earlier.all).is_set(&spot.names)
    }

    /// Returns the outermost part on the way to a path that a state lacks because no entry could
    /// tell of it.
    pub(super) fn new_part(&self, path: &Path, state: &Value) -> Option<Path> {
        let segments = path.segments();
        let mut value = state;
        for (index, segment) in segments.iter().enumerate() {
            let PathSegment::Name(name) = segment else {
                return None;
            };
            let Some(inner) = value.as_object()?.get(name) else {
                let part = &segments[..=index];
                let new = self.is_new(part, self.declared(part, state).end);
                return new.then(|| Path::from_segments(part));
            };
            value = inner;
        }
        None
    }

    /// Whether earlier entries say that a value, or what it is in, changes without an entry.
    fn is_loose(&self, path: &Path) -> bool {
        let changes = self
            .earlier
            .all
            .iter()
            .rev()
            .flat_map(|entry| &entry.changes);
        let mut around = changes.filter(|change| path.is_within(&change.path));
        let exact = around.clone().find(|change| change.path == *path);
        exact.map_or_else(|| around.any(|change| change.loose), |change| change.loose)
    }

    /// Whether an earlier entry has a value at a path.
    fn mentioned(&self, segments: &[PathSegment]) -> bool {
        let path = Path::from_segments(segments);
        let holds = |value: &Option<Value>, from: usize| {
            let rest = Path::from_segments(&segments[from..]);
            value
                .as_ref()
                .is_some_and(|value| rest.find_in(value).is_some())
        };
        self.earlier.counting().iter().any(|entry| {
            let changed = entry.changes.iter().any(|change| {
                let depth = change.path.segments().len();
                change.path.is_within(&path)
                    || (path.is_within(&change.path)
                        && (holds(&change.old, depth) || holds(&change.new, depth)))
            });
            changed || holds(&entry.snapshot, 0)
        })
    }

    /// Returns the properties of a path, which leads into a state: that tells tuples from lists.
    fn declared(&self, segments: &[PathSegment], state: &Value) -> Declared {
        let mut found = Declared {
            end: End::Unknown,
            spot: Spot {
                inside: self.fields,
                ..Spot::default()
            },
            comparable: true,
        };
        for (number, segment) in segments.iter().enumerate() {
            let PathSegment::Name(name) = segment else {
                let array = Path::from_segments(&segments[..number]);
                let array = array.find_in(state).and_then(Value::as_array);
                let position = match (segment, array) {
                    (PathSegment::Index(index), Some(array)) => {
                        position(found.spot.inside, array, *index)
                    }
                    _ => None,
                };
                found.comparable &= position.is_none_or(is_comparable);
                found.end = End::Unknown;
                found.spot = found.spot.item(position);
                continue;
            };
            let known = member(found.spot.inside, name);
            found.end = match &known {
                Some(Member::Field(field)) => {
                    found.comparable &= is_comparable(field);
                    End::Field
                }
                Some(Member::Value(_)) => End::MapKey,
                None => End::Unknown,
            };
            found.spot = found.spot.member(name, known.as_ref());
        }
        found
    }

    /// Whether two values count as the same, as far as the trail can tell.
    fn alike(&self, old: &Value, found: &Value, spot: &Spot, redacted: bool) -> bool {
        match (old, found) {
            (Value::Array(old), Value::Array(found)) => {
                self.alike_lists(old, found, spot, redacted)
            }
            (Value::Object(old), Value::Object(found)) => {
                self.alike_objects(old, found, spot, redacted)
            }
            (Value::String(_), _) | (_, Value::String(_)) if redacted => true,
            (Value::String(text), _) | (_, Value::String(text)) if looks_redacted(text) => true,
            (Value::String(old), Value::String(found)) => {
                old == found
                    || same_decimal(old, found)
                    || same_instant(old, found)
                    || (is_printed(old) && printed(old) == printed(found))
                    || same_yaml(old, found)
            }
            // What was recorded as text and is typed since, as by the libraries of imports.
            (Value::String(text), value) | (value, Value::String(text)) => prints(text, value),
            (Value::Number(old), Value::Number(found)) => {
                // `1` and `1.0`: integers are compared as they are.
                old == found || ((old.is_f64() || found.is_f64()) && old.as_f64() == found.as_f64())
            }
            (old, found) => old == found,
        }
    }

    fn alike_lists(&self, old: &[Value], found: &[Value], spot: &Spot, redacted: bool) -> bool {
        if old.len() != found.len() {
            return false;
        }
        if FieldSchema::tuple(spot.inside, old, None).is_some() {
            return old
                .iter()
                .zip(found)
                .enumerate()
                .all(|(index, (value, there))| {
                    let field = position(spot.inside, old, index);
                    field.is_some_and(|field| !is_comparable(field))
                        || self.alike(value, there, &spot.item(field), redacted)
                });
        }
        let item = spot.item(None);
        let same = |old: &[&Value], found: &[&Value]| {
            old.iter()
                .zip(found)
                .all(|(old, found)| self.alike(old, found, &item, redacted))
        };
        let (mut old, mut found): (Vec<_>, Vec<_>) = (old.iter().collect(), found.iter().collect());
        if same(&old, &found) {
            return true;
        }
        // A set may be recorded in another order, as by a trigger; so may its masked members.
        if !redacted && !self.is_set(spot) {
            return false;
        }
        for list in [&mut old, &mut found] {
            list.sort_by(|a, b| compare_values(a, b));
        }
        same(&old, &found)
    }

    fn alike_objects(
        &self,
        old: &Map<String, Value>,
        found: &Map<String, Value>,
        spot: &Spot,
        redacted: bool,
    ) -> bool {
        let mut shared = old.is_empty() || found.is_empty();
        let with_old = old.iter().all(|(name, value)| {
            let known = member(spot.inside, name);
            if matches!(known, Some(Member::Field(field)) if !is_comparable(field)) {
                return true;
            }
            match found.get(name) {
                Some(found) => {
                    shared = true;
                    let inside = spot.member(name, known.as_ref());
                    self.alike(value, found, &inside, redacted)
                }
                // A field that the type had not yet.
                None => value.is_null() || !matches!(known, Some(Member::Value(_))),
            }
        });
        with_old
            && shared
            && found.iter().all(|(name, value)| {
                old.contains_key(name)
                    || value.is_null()
                    || match member(spot.inside, name) {
                        Some(Member::Field(field)) => !is_comparable(field),
                        Some(Member::Value(_)) => false,
                        // A field that the type has no more.
                        None => true,
                    }
            })
    }

    /// Returns the parts in which a full snapshot is not what the entries before it led to.
    pub(super) fn differing(&self, state: &Value, snapshot: &Value) -> Vec<Path> {
        let mut parts: Vec<Path> = Vec::new();
        for change in &crate::diff(snapshot, state) {
            let path = super::outside_lists(&change.path);
            if parts.last() == Some(&path) {
                continue;
            }
            let mut told = Change::new(path.clone(), path.find_in(snapshot).cloned(), None);
            told.loose = self.is_loose(&path);
            let same = match (&told.old, path.find_in(state)) {
                (Some(old), Some(found)) => nesting::equal(old, found),
                (old, found) => old.is_none() && found.is_none(),
            };
            // A field that the type has no more.
            let end = || self.declared(&path.segments(), state).end;
            let gone = told.old.is_none() && end() == End::Unknown;
            if !same && !gone && !self.is_respelled(&told, state) {
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

/// Whether a text may stand for a value that is not in the trail in clear.
fn looks_redacted(text: &str) -> bool {
    let token = || {
        let (version, digits) = text.strip_prefix('h')?.split_once(':')?;
        let hex = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(hex && version.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.contains("***") || token().unwrap_or(false)
}

/// Whether a text prints a value that is not a text.
fn prints(text: &str, value: &Value) -> bool {
    match value {
        Value::Null => text == "None",
        Value::Bool(value) => text.eq_ignore_ascii_case(if *value { "true" } else { "false" }),
        Value::Number(value) => same_decimal(text, &value.to_string()),
        // In the syntax of any language.
        Value::Array(_) | Value::Object(_) => is_printed(text),
        Value::String(_) => false,
    }
}

/// Whether a text may be a printed array or object.
fn is_printed(text: &str) -> bool {
    text.starts_with(['[', '{'])
}

/// A printed array or object of JSON, or of Python, in the spelling of JSON.
fn printed(text: &str) -> String {
    let text = text.replace('\'', "\"").replace("None", "null");
    text.replace("True", "true").replace("False", "false")
}

/// Whether two texts are one YAML document of Ruby, but for the names of types and whether keys
/// are symbols: Rails writes a hash in either form.
fn same_yaml(a: &str, b: &str) -> bool {
    let untyped = |text: &str| {
        let mut plain = String::with_capacity(text.len());
        for line in text.lines() {
            let mut parts = line.split(" !ruby/");
            let first = parts.next().unwrap_or_default();
            let (indent, key) = first.split_at(first.len() - first.trim_start().len());
            plain.push_str(indent);
            plain.push_str(key.strip_prefix(':').unwrap_or(key));
            for part in parts {
                plain.push_str(&part[part.find(' ').unwrap_or(part.len())..]);
            }
            plain.push('\n');
        }
        plain
    };
    a.starts_with("---") && b.starts_with("---") && untyped(a) == untyped(b)
}

/// Whether two texts are one decimal number in two scales.
fn same_decimal(a: &str, b: &str) -> bool {
    fn split(text: &str) -> Option<(&str, &str)> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        (!unsigned.is_empty() && digits(unsigned) && digits(fraction))
            .then(|| (whole, fraction.trim_end_matches('0')))
    }
    match (split(a), split(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Whether two texts are one instant in two zones.
fn same_instant(a: &str, b: &str) -> bool {
    fn instant(text: &str) -> Option<chrono::DateTime<chrono::FixedOffset>> {
        // As in RFC 9557, the zone's name may follow.
        let time = text.split_once('[').map_or(text, |(time, _)| time);
        chrono::DateTime::parse_from_rfc3339(time).ok()
    }
    match (instant(a), instant(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Returns the lists and sets in which items that changes name are at another index than the
/// changes say, before they are applied: others came or went without an entry.
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

/// Returns the sets in which a member that changes added is at another index than they say.
pub(super) fn misplaced(changes: &Changes, after: &Value) -> Vec<Path> {
    let mut sets = Vec::new();
    for change in changes {
        let (Some(&place), Some(new), None, None) =
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
                .get(place)
                .is_some_and(|member| nesting::equal(member, new))
            && is_sorted(members)
        {
            sets.push(set);
        }
    }
    sets
}

/// Whether an array may be that of a set: one that a trigger recorded is in any order.
fn is_sorted(members: &[Value]) -> bool {
    members.is_sorted_by(|a, b| compare_values(a, b).is_le())
}

/// Returns the first list on the way to a change in which an item is at another index.
fn displaced_list(change: &Change, before: &Value) -> Option<Path> {
    let segments = change.path.segments();
    let has_key = |item: &Value, segment: &PathSegment| match segment {
        PathSegment::Match { field, value } => {
            key_of(item, field).is_some_and(|key| nesting::equal_up_to_scale(key, value))
        }
        _ => true,
    };
    let mut at = change.at.iter().copied();
    let mut value = before;
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        value = match segment {
            PathSegment::Match { .. } => {
                let place = at.next()?;
                if last && change.old.is_none() {
                    // It counts in the new list.
                    return None;
                }
                match value.get(place) {
                    Some(item) if has_key(item, segment) => item,
                    _ => return Some(Path::from_segments(&segments[..index])),
                }
            }
            PathSegment::Name(_) if last && at.len() > 0 => {
                let (old, members) = (change.old.as_ref()?, value.as_array()?);
                let there = members
                    .get(at.next()?)
                    .is_some_and(|member| nesting::equal(member, old));
                return (!there && is_sorted(members))
                    .then(|| Path::from_segments(&segments[..index]));
            }
            PathSegment::Name(name) => value.get(name)?,
            PathSegment::Index(place) => value.get(place)?,
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
