//! Reconstructs the state of an object from its entries.
//!
//! Entries are folded from the last one with the full state (a creation or a snapshot) onwards. An entry
//! whose old values match the state is applied. If they do not match, a change was not recorded: the new
//! values are written nevertheless, since they are what the entry says, and the parts whose old values
//! differ are noted as missing (`Unrecorded`).
//!
//! An object that is older than its trail starts with the first old values (`StartsLater`). Before its first
//! version its state is unknown, unless that version is a creation. The parts that
//! the trail never has in clear (skipped, masked, hashed) come from the fields of the type, and for a type
//! that no longer exists from the redactions of the entries.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::breaks::{self, Earlier, Link};
use super::missing_fields::{Visit, find};
use super::serde_names::SerdeNames;
use super::version_diff::names_member;
use crate::action::{Action, Outcome};
use crate::change::{Change, Changes, Redaction};
use crate::entry::{LogEntry, ObjectRef};
use crate::error::{Missing, MissingReason};
use crate::path::{Path, PathSegment, find_item};
use crate::value::schema::FieldSchema;
use crate::value::schema_lookup::Schema;

/// The reconstructed state of an object.
///
/// The state has the form of a [snapshot](crate::snapshot()): JSON, with secrets in masked form. It is
/// not complete if a part is masked, hashed, skipped or unknown; [`missing`](Self::missing) lists these
/// parts with the reasons.
///
/// # Example: a masked field
/// ```
/// use auditlog::{MissingReason, prelude::*};
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     email: String,
///     #[audit(mask = "last4")]
///     phone: String,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let user = User { id: 1, email: "a@example.com".into(), phone: "+15551234567".into() };
/// auditlog::created(&user).record()?;
///
/// let latest = auditlog::history::<User>(1)?.latest();
/// assert_eq!(latest.state["email"], "a@example.com");
/// assert_eq!(latest.state["phone"], "****4567");
/// assert!(!latest.complete);
/// assert_eq!(latest.missing[0].path, "phone");
/// assert!(matches!(latest.missing[0].reason, MissingReason::Masked));
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconstruction {
    /// The state; null while the object does not exist, and if the trail has no part of it.
    pub state: Value,
    /// Whether the state has every part in clear. Also true if the object did not exist or has no successful
    /// entry, for which [`exists`](Self::exists) returns false.
    pub complete: bool,
    /// The missing parts, with the reasons.
    pub missing: Vec<Missing>,
    /// The objects referenced by fields marked `#[audit(reference)]`, by path.
    /// [`AuditLog::object_as_of`](crate::AuditLog::object_as_of) returns the state of one of them
    /// at the same time.
    pub references: Vec<(Path, ObjectRef)>,
    /// The names under which serde deserializes the state.
    pub(super) serde_names: SerdeNames,
}

impl Reconstruction {
    /// Returns whether the object existed, according to its entries: false before a creation and after a
    /// deletion. Returns false for an object without successful entries, too; without any, its
    /// [`History::entries`](super::History::entries) are empty.
    ///
    /// Returns true if no entry says that the object did not exist, as before a first entry that is an
    /// update or a baseline. Such a state is null and not [`complete`](Self::complete): `$` is missing, since
    /// the object is [older than the trail](MissingReason::StartsLater).
    ///
    /// # Example: an object without entries
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct User {
    ///     id: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// let history = auditlog::history::<User>(4711)?;
    /// assert!(history.entries().is_empty());
    /// assert!(!history.latest().exists());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn exists(&self) -> bool {
        !self.state.is_null() || !self.complete
    }

    /// Returns whether the object existed and is older than the trail, so that the state may lack fields.
    pub(super) fn is_partial(&self) -> bool {
        let starts_later =
            |part: &Missing| part.path == Path::ROOT && part.reason == MissingReason::StartsLater;
        self.missing.iter().any(starts_later)
    }

    /// Returns whether the object existed, but the trail has no part of it.
    pub(super) fn is_unknown(&self) -> bool {
        self.state.is_null() && self.exists()
    }
}

/// Returns whether an entry made a version. A failed or denied action changes nothing.
pub(crate) fn makes_version(entry: &LogEntry) -> bool {
    entry.outcome == Outcome::Success
        && (matches!(
            entry.action,
            Action::Create | Action::Update | Action::Delete
        ) || entry.snapshot.is_some()
            || !entry.changes.is_empty())
}

/// Returns whether an entry contains the full state of the object: a creation, a deletion, or an
/// entry with a snapshot.
pub(crate) fn holds_full_state(entry: &LogEntry) -> bool {
    entry.outcome == Outcome::Success
        && (matches!(entry.action, Action::Create | Action::Delete) || entry.snapshot.is_some())
}

/// Folds the first `end` entries of an object, oldest first, into its state. The later entries decide whether
/// an object without a version among the first `end` existed.
pub(crate) fn rebuild(fields: Schema, all: &[LogEntry], end: usize) -> Reconstruction {
    let (entries, later) = all.split_at(end);
    let start = entries
        .iter()
        .rposition(holds_full_state)
        .unwrap_or_default();
    let mut fold = Fold::of(fields);
    for (index, entry) in entries.iter().enumerate().skip(start) {
        if makes_version(entry) {
            let before = &entries[..index];
            fold.step(Earlier { all: before, start }, entry);
        }
    }
    let Fold {
        state,
        mut missing,
        starts_later,
        ..
    } = fold;
    let mut references = Vec::new();
    if !state.is_null() {
        if starts_later {
            let path = Path::ROOT;
            let reason = MissingReason::StartsLater;
            missing.insert(0, Missing { path, reason });
        }
        let mut found = BTreeMap::new();
        find(fields, &state, &mut found);
        let found = found.into_iter();
        missing.extend(found.map(|(path, reason)| Missing { path, reason }));
        redacted(&entries[start..], &state, &mut missing);
        collect_references(fields, &state, &mut Visit::default(), &mut references);
    } else if let Some(reason) = unknown(entries, later) {
        let path = Path::ROOT;
        missing = vec![Missing { path, reason }];
    }
    Reconstruction {
        state,
        complete: missing.is_empty(),
        missing,
        references,
        serde_names: SerdeNames::new(fields),
    }
}

/// Returns why the state of an object without a reconstructed state is unknown; `None` if the object did not
/// exist.
fn unknown(entries: &[LogEntry], later: &[LogEntry]) -> Option<MissingReason> {
    let has_values = |entry: &&LogEntry| !is_changeless(entry);
    let mut versions = entries.iter().filter(|entry| makes_version(entry));
    if let Some(last) = versions.next_back() {
        // An update without changes is of an object that exists.
        return is_changeless(last).then(|| match versions.rfind(has_values) {
            Some(_) => MissingReason::Unrecorded,
            None => MissingReason::StartsLater,
        });
    }
    let first = later.iter().find(|entry| makes_version(entry));
    let existed = first.map_or_else(
        // Only read, or of events: the object existed, but no entry has a part of it. A denied or failed
        // action does not show that there is such an object.
        || {
            let mut all = entries.iter().chain(later);
            all.any(|entry| entry.outcome == Outcome::Success)
        },
        |first| !is_creation(first),
    );
    existed.then_some(MissingReason::StartsLater)
}

/// Returns whether an entry that makes a version has neither changes nor a state.
fn is_changeless(entry: &LogEntry) -> bool {
    entry.action == Action::Update && entry.snapshot.is_none() && entry.changes.is_empty()
}

/// Returns whether an object did not exist before an entry. A snapshot does not show that, nor do new
/// values of single fields.
fn is_creation(entry: &LogEntry) -> bool {
    let from_nothing = |change: &Change| {
        change.path == Path::ROOT
            && change.redaction.is_none()
            && change.old.as_ref().is_none_or(Value::is_null)
            && change.new.as_ref().is_some_and(|new| !new.is_null())
    };
    entry.action == Action::Create || entry.changes.iter().any(from_nothing)
}

/// The state of an object while its entries are folded.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub(super) state: Value,
    fields: Schema,
    missing: Vec<Missing>,
    /// Whether the object is older than the trail.
    starts_later: bool,
}

impl Fold {
    /// Returns the state before the first entry of an object with these fields.
    pub(super) fn of(fields: Schema) -> Self {
        Self {
            state: Value::Null,
            fields,
            missing: Vec::new(),
            starts_later: false,
        }
    }

    /// Advances to the version that an entry made; `earlier` are the previous entries. Returns the
    /// parts found missing.
    pub(super) fn step(&mut self, earlier: Earlier<'_>, entry: &LogEntry) -> Vec<Missing> {
        match (&entry.action, &entry.snapshot) {
            (Action::Delete, _) => *self = Self::of(self.fields),
            (_, Some(snapshot)) => {
                *self = Self {
                    state: snapshot.clone(),
                    ..Self::of(self.fields)
                }
            }
            (action, None) => {
                if *action == Action::Create {
                    *self = Self::of(self.fields);
                }
                return self.change(earlier, entry);
            }
        }
        Vec::new()
    }

    /// Applies the changes of an entry, ignoring its snapshot. Returns the parts found missing.
    pub(super) fn change(&mut self, earlier: Earlier<'_>, entry: &LogEntry) -> Vec<Missing> {
        let created = entry.action == Action::Create;
        if self.state.is_null() && (created || !entry.changes.is_empty()) {
            self.state = start(&entry.changes);
            let change = entry.changes.get(Path::ROOT.as_str());
            let has_all = change.is_some_and(|change| change.moved.is_empty());
            self.starts_later = !created && !has_all;
        }
        let gaps = self.apply(earlier, &entry.changes);
        for part in &gaps {
            if !self.missing.contains(part) {
                self.missing.push(part.clone());
            }
        }
        gaps
    }

    /// Returns the parts that changed without an entry since the last entry with the full state.
    pub(super) fn unrecorded(&self) -> impl Iterator<Item = &Path> {
        unrecorded(&self.missing)
    }

    /// Returns the parts in which an entry with the [full state](holds_full_state) starts from
    /// another state than this one.
    pub(super) fn breaks(&self, earlier: Earlier<'_>, entry: &LogEntry) -> Vec<Path> {
        if self.state.is_null() {
            // A deleted object is deleted again, or has an entry as if it existed.
            let last = earlier.all.iter().rfind(|entry| makes_version(entry));
            let deleted = last.is_some_and(|last| last.action == Action::Delete);
            let reappears = deleted && !is_creation(entry);
            return reappears.then_some(Path::ROOT).into_iter().collect();
        }
        if entry.action == Action::Create {
            return vec![Path::ROOT];
        }
        let mut after = self.clone();
        let gaps = after.change(earlier, entry);
        let mut parts: Vec<Path> = unrecorded(&gaps).cloned().collect();
        if entry.action != Action::Delete
            && !after.starts_later
            && let Some(snapshot) = &entry.snapshot
        {
            parts.extend(after.link(earlier).differing(&after.state, snapshot));
        }
        parts
    }

    fn link<'e>(&self, earlier: Earlier<'e>) -> Link<'e> {
        Link {
            fields: self.fields,
            earlier,
            partial: self.starts_later,
        }
    }

    /// Applies changes, overwriting values of the state that differ from their old values. Returns
    /// the parts found missing.
    fn apply(&mut self, earlier: Earlier<'_>, changes: &Changes) -> Vec<Missing> {
        let note = |path| Missing {
            path,
            reason: MissingReason::Unrecorded,
        };
        let mut gaps = Vec::new();
        if !self.starts_later {
            gaps.extend(
                breaks::displaced(changes, &self.state)
                    .into_iter()
                    .map(note),
            );
        }
        if changes.apply(&mut self.state).is_err() {
            gaps.extend(self.force_apply(earlier, changes));
        } else if !self.starts_later {
            gaps.extend(
                breaks::misplaced(changes, &self.state)
                    .into_iter()
                    .map(note),
            );
        }
        gaps
    }

    fn force_apply(&mut self, earlier: Earlier<'_>, changes: &Changes) -> Vec<Missing> {
        let link = self.link(earlier);
        let changes = &link.align(changes, &self.state);
        if changes.apply(&mut self.state).is_ok() {
            return Vec::new();
        }
        let conflicts = changes.conflicts(&self.state);
        let mut gaps: Vec<Missing> = Vec::new();
        let mut misfits: Vec<&Change> = Vec::new();
        for conflict in &conflicts {
            let change = changes.get(&conflict.path);
            if let Some(part) = link.new_part(&conflict.path, &self.state) {
                // The parent exists but is not recorded.
                misfits.extend(change);
                let reason = MissingReason::StartsLater;
                gaps.extend((!self.starts_later).then_some(Missing { path: part, reason }));
                continue;
            }
            if self.starts_later && !is_certain(&conflict.path, &self.state) {
                continue;
            }
            gaps.push(Missing {
                path: conflict.path.clone(),
                reason: MissingReason::Unrecorded,
            });
        }
        let rebase = changes.rebase(&self.state);
        if rebase.changes.apply(&mut self.state).is_ok() {
            let mut present: Vec<&Change> = Vec::new();
            for conflict in rebase.conflicts {
                let Some(change) = changes.get(&conflict.path) else {
                    continue;
                };
                if adds_item(change) && change.path.find_in(&self.state).is_some() {
                    present.push(change);
                    continue;
                }
                let forced = Change {
                    old: change.path.find_in(&self.state).cloned(),
                    ..change.clone()
                };
                let forced = Changes::from_iter([forced]);
                let fits = forced.apply(&mut self.state).is_ok();
                if !fits && (self.starts_later || misfits.contains(&change)) {
                    let segments = change.path.segments();
                    // Without its list, an item has no position, and a member of a set is no field.
                    if !by_position(&segments) && !names_member(change, &segments) {
                        put(&mut self.state, &segments, change.new.as_ref());
                    }
                }
            }
            self.re_add(&present);
        }
        gaps
    }

    /// Adds items of keyed lists that the state already contains, at the indices of the entry.
    fn re_add(&mut self, present: &[&Change]) {
        for change in present {
            put(&mut self.state, &change.path.segments(), None);
        }
        let added: Changes = present.iter().map(|change| (*change).clone()).collect();
        if added.apply(&mut self.state).is_err() {
            for change in present {
                put(
                    &mut self.state,
                    &change.path.segments(),
                    change.new.as_ref(),
                );
            }
        }
    }
}

/// Returns whether a change adds an item to a keyed list whose path consists of names and keys.
fn adds_item(change: &Change) -> bool {
    let segments = change.path.segments();
    change.old.is_none()
        && change.new.is_some()
        && matches!(segments.last(), Some(PathSegment::Match { .. }))
        && !by_position(&segments)
}

/// Returns whether a path finds an item of a list by its position.
fn by_position(segments: &[PathSegment]) -> bool {
    let mut segments = segments.iter();
    segments.any(|segment| matches!(segment, PathSegment::Index(_)))
}

/// Returns the missing parts that changed without an entry.
pub(super) fn unrecorded(missing: &[Missing]) -> impl Iterator<Item = &Path> {
    let unrecorded = |part: &&Missing| part.reason == MissingReason::Unrecorded;
    missing.iter().filter(unrecorded).map(|part| &part.path)
}

/// Returns whether a partial state certainly has another value at a path.
fn is_certain(path: &Path, state: &Value) -> bool {
    let named = |segment: &PathSegment| matches!(segment, PathSegment::Name(_));
    path.segments().iter().all(named)
        && path
            .find_in(state)
            .is_some_and(|found| !found.is_null() && !found.is_object() && !found.is_array())
}

/// Writes a value at a path without positions in lists, creating its parents, or removes the value there.
fn put(state: &mut Value, segments: &[PathSegment], new: Option<&Value>) {
    let Some((first, rest)) = segments.split_first() else {
        *state = new.cloned().unwrap_or_default();
        return;
    };
    if state.is_null() && new.is_none() {
        return;
    }
    match first {
        PathSegment::Name(name) => {
            if state.is_null() {
                *state = Value::Object(Map::new());
            }
            let Value::Object(fields) = state else {
                return;
            };
            match (new, fields.get_mut(name)) {
                (None, _) if rest.is_empty() => {
                    fields.remove(name);
                }
                (None, None) => {}
                (_, Some(inner)) => put(inner, rest, new),
                (Some(_), None) => put(
                    fields.entry(name.as_str()).or_insert(Value::Null),
                    rest,
                    new,
                ),
            }
        }
        PathSegment::Match { field, value } => {
            if state.is_null() {
                *state = Value::Array(Vec::new());
            }
            let Value::Array(items) = state else {
                return;
            };
            match (new, find_item(items, field, value)) {
                (None, Some(at)) if rest.is_empty() => {
                    items.remove(at);
                }
                (None, None) => {}
                (_, Some(at)) => put(&mut items[at], rest, new),
                (Some(_), None) => {
                    let mut item = Value::Object(Map::from_iter([(field.clone(), value.clone())]));
                    put(&mut item, rest, new);
                    items.push(item);
                }
            }
        }
        PathSegment::Index(_) => {}
    }
}

/// Returns the state that the first recorded changes of an object start from: the old value of a change of
/// the object itself, otherwise an empty object or list.
pub(super) fn start(changes: &Changes) -> Value {
    let Some(first) = changes.iter().next() else {
        return Value::Object(Map::new());
    };
    match first.path.segments().first() {
        None if !first.moved.is_empty() => Value::Array(Vec::new()),
        None => first.old.clone().unwrap_or_default(),
        Some(PathSegment::Index(_) | PathSegment::Match { .. }) => Value::Array(Vec::new()),
        Some(PathSegment::Name(_)) => Value::Object(Map::new()),
    }
}

/// Lists the parts that entries record as masked or as a token and that the fields do not show:
/// the type may no longer exist, or `register_with` hid the field.
fn redacted(entries: &[LogEntry], state: &Value, missing: &mut Vec<Missing>) {
    let mut found: Vec<Missing> = Vec::new();
    for entry in entries.iter().filter(|entry| makes_version(entry)) {
        for change in &entry.changes {
            let path = super::outside_lists(&change.path);
            let reason = match change.redaction {
                // A later value in clear replaces the hidden one.
                None if path == change.path => {
                    found.retain(|part| !part.path.is_within(&path));
                    continue;
                }
                None => continue,
                Some(Redaction::Hashed) => MissingReason::Hashed,
                Some(Redaction::Masked | Redaction::Partial) => MissingReason::Masked,
            };
            found.retain(|part| !part.path.is_within(&path));
            found.push(Missing { path, reason });
        }
    }
    found.retain(|part| {
        let overlaps = |other: &Missing| {
            other.path.is_within(&part.path)
                || (other.path != Path::ROOT && part.path.is_within(&other.path))
        };
        part.path.find_in(state).is_some() && !missing.iter().any(overlaps)
    });
    missing.append(&mut found);
}

/// Lists the objects that a state references.
fn collect_references(
    fields: &[FieldSchema],
    value: &Value,
    visit: &mut Visit,
    references: &mut Vec<(Path, ObjectRef)>,
) {
    if !visit.enter(fields, value) {
        return;
    }
    if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            visit.at.push(PathSegment::Index(index));
            collect_references(fields, item, visit, references);
            visit.at.pop();
        }
        return;
    }
    for field in fields {
        let inline = field.is_inline();
        let Some(inner) = (if inline {
            Some(value)
        } else {
            value.get(field.name())
        }) else {
            continue;
        };
        if inline {
            visit.sharing(|visit| collect_references_inside(field, inner, visit, references));
            continue;
        }
        visit.at.push(PathSegment::Name(field.name().to_owned()));
        match (field.referenced(), inner) {
            (Some(model), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    visit.at.push(PathSegment::Index(index));
                    note(model, item, &visit.at, references);
                    visit.at.pop();
                }
            }
            (Some(model), inner) => note(model, inner, &visit.at, references),
            (None, inner) => collect_references_inside(field, inner, visit, references),
        }
        visit.at.pop();
    }
}

/// Lists the objects that a field's value references.
fn collect_references_inside(
    field: &FieldSchema,
    value: &Value,
    visit: &mut Visit,
    references: &mut Vec<(Path, ObjectRef)>,
) {
    match value {
        Value::Object(entries) if field.holds_map() => {
            for (key, value) in entries {
                visit.at.push(PathSegment::Name(key.clone()));
                collect_references(field.fields(), value, visit, references);
                visit.at.pop();
            }
        }
        _ => collect_references(field.fields(), value, visit, references),
    }
}

fn note(model: &str, value: &Value, at: &[PathSegment], references: &mut Vec<(Path, ObjectRef)>) {
    if let Value::String(pk) = value {
        references.push((Path::from_segments(at), ObjectRef::new(model, pk.as_str())));
    }
}
