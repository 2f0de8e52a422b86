//! The history of one object: its versions, what it was when, and who set what.

mod exact;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use self::exact::Exact;
use crate::action::Action;
use crate::auditable::Auditable;
use crate::change::{Change, Changes, Rebase};
use crate::entry::{LogEntry, ObjectRef};
use crate::error::Result;
use crate::log::AuditLog;
use crate::path::{Path, PathSegment};
use crate::query::Query;
use crate::schema::{FieldSchema, Sensitivity};

/// Reads the history of an object from the current log.
///
/// # Errors
/// If the store cannot be read.
///
/// # Example: what it was, and who set it
/// ```
/// # use audit_core as auditlog;
/// # use auditlog::{AuditValue, Snapshot, FieldSchema, ModelSchema};
/// # #[derive(Clone)] struct User { id: u32, email: String }
/// # const FIELDS: &[FieldSchema] = &[FieldSchema::new("id", <u32 as AuditValue>::fields), FieldSchema::new("email", <String as AuditValue>::fields)];
/// # impl AuditValue for User {
/// #     const COMPOSITE: bool = true;
/// #     const FIELDS: &'static [FieldSchema] = FIELDS;
/// #     fn diff(&self, new: &Self, cx: &mut auditlog::Diff<'_>) { cx.visit(&FIELDS[0], &self.id, &new.id); cx.visit(&FIELDS[1], &self.email, &new.email); }
/// #     fn snapshot(&self, cx: &mut Snapshot<'_>) -> serde_json::Value { cx.object(|o| { o.visit(&FIELDS[0], &self.id); o.visit(&FIELDS[1], &self.email); }) }
/// # }
/// # impl auditlog::Auditable for User {
/// #     const MODEL: &'static str = "User";
/// #     fn object_pk(&self) -> String { self.id.to_string() }
/// #     fn schema() -> &'static ModelSchema { const { &ModelSchema::new("User", "User", FIELDS) } }
/// # }
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "a@example.com".into() };
/// auditlog::created(&user).actor("alice").record()?;
/// auditlog::update(&mut user, |user| user.email = "b@example.com".into()).actor("bob").record()?;
///
/// let history = auditlog::history::<User>(42)?;
/// assert_eq!(history.versions().count(), 2);
/// assert_eq!(history.at_version(1).expect("a version").state["email"], "a@example.com");
/// let email = history.blame().into_iter().find(|blame| blame.path == "email").expect("a field");
/// assert_eq!(email.entry.actor(), "bob");
/// let back = history.revert_to(1).expect("a version");
/// assert_eq!(back["email"].new, Some("a@example.com".into()));
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn history<T: Auditable>(pk: impl ToString) -> Result<History> {
    AuditLog::current().history::<T>(pk)
}

impl AuditLog {
    /// Reads the history of an object from this log; see [`history`].
    ///
    /// # Errors
    /// If the store cannot be read.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn history<T: Auditable>(&self, pk: impl ToString) -> Result<History> {
        let object = ObjectRef::new(T::MODEL, pk.to_string());
        History::read(self.query(), object, T::FIELDS)
    }

    /// Reads the history of an object whose type may be gone, by the model's stored name.
    /// Former names of fields are not known then.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn history_of(&self, object: ObjectRef) -> Result<History> {
        History::read(self.query(), object, &[])
    }
}

/// The history of one object, oldest entry first.
///
/// A version is what an entry that changed something made of the object; versions count
/// from 1. States have the form of a [snapshot](crate::snapshot()), secrets masked.
#[derive(Clone, Debug)]
pub struct History {
    object: ObjectRef,
    entries: Vec<LogEntry>,
    fields: &'static [FieldSchema],
}

/// A version of an object.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Version<'h> {
    /// Its number, from 1.
    pub number: usize,
    /// The entry that made it.
    pub entry: &'h LogEntry,
}

/// What an object was, as far as the trail tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconstruction {
    /// The state; null while the object does not exist.
    pub state: Value,
    /// Whether the state is all there was, and in clear.
    pub complete: bool,
    /// What of it is missing, and why.
    pub missing: Vec<Missing>,
}

/// A part of a state that the trail does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Where; `$` for all that no entry mentions.
    pub path: Path,
    /// Why.
    pub reason: MissingReason,
}

/// Why a part of a state is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingReason {
    /// The field is not recorded.
    Skipped,
    /// Only a masked form is recorded.
    Masked,
    /// Only a token is recorded.
    Hashed,
    /// The trail begins after the object did.
    StartsLater,
    /// An entry started from another state than the entries before it led to, and what it
    /// says could not be put into place: something changed in between without an entry.
    Unrecorded,
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "not recorded",
            Self::Masked => "recorded masked",
            Self::Hashed => "recorded as a token",
            Self::StartsLater => "the trail begins later",
            Self::Unrecorded => "changed without an entry",
        })
    }
}

/// Who set a part of an object last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Blame<'h> {
    /// The part: a field, a map's key, a whole list that is matched by position.
    pub path: Path,
    /// The entry that set it, which has who, when and why.
    pub entry: &'h LogEntry,
}

impl History {
    fn read(query: Query, object: ObjectRef, fields: &'static [FieldSchema]) -> Result<Self> {
        let mut entries = query
            .model_name(&object.model)
            .object_pk(&object.object_pk)
            .all()?;
        for entry in &mut entries {
            rename(&mut entry.changes, entry.snapshot.as_mut(), fields);
        }
        Ok(Self {
            object,
            entries,
            fields,
        })
    }

    /// Returns which object it is.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Returns all entries of the object, those that changed nothing too.
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Returns the versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = Version<'_>> {
        let changing: Vec<&LogEntry> = self
            .entries
            .iter()
            .filter(|entry| makes_version(entry))
            .collect();
        let numbered = changing.into_iter().enumerate();
        numbered.map(|(index, entry)| Version {
            number: index + 1,
            entry,
        })
    }

    /// Returns what the object was at a time, entries of that very time included.
    pub fn as_of(&self, time: impl Into<DateTime<Utc>>) -> Reconstruction {
        let time = time.into();
        self.rebuild(
            self.entries
                .iter()
                .take_while(|entry| entry.timestamp <= time),
        )
    }

    /// Returns the object as it was at a time; `None` while it did not exist.
    ///
    /// # Errors
    /// If the state does not make a `T`, for instance because a field is not recorded and has
    /// no default, or is recorded in another form than `T` is serialized in.
    pub fn as_of_typed<T: DeserializeOwned>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Option<T>, serde_json::Error> {
        self.as_of(time).typed()
    }

    /// Returns what the object is, by its newest entry.
    pub fn latest(&self) -> Reconstruction {
        self.rebuild(self.entries.iter())
    }

    /// Returns what the object was in a version; `None` if there is no such version.
    pub fn at_version(&self, number: usize) -> Option<Reconstruction> {
        let last = self.versions().nth(number.checked_sub(1)?)?.entry.id;
        let end = self.entries.iter().position(|entry| entry.id == last)?;
        Some(self.rebuild(self.entries[..=end].iter()))
    }

    /// Returns what changed from one version to another, in either direction; `None` if one
    /// of them does not exist. A version in which the object did not exist is a null.
    pub fn diff(&self, from: usize, to: usize) -> Option<Changes> {
        Some(crate::diff(
            &self.at_version(from)?.state,
            &self.at_version(to)?.state,
        ))
    }

    /// Returns the changes that lead from the newest version back to another; `None` if there
    /// is no such version. [`Changes::rebase`] fits them to an object that has moved on and
    /// reports the conflicts.
    pub fn revert_to(&self, number: usize) -> Option<Changes> {
        let target = self.at_version(number)?.state;
        Some(crate::diff(&self.latest().state, &target))
    }

    /// Returns what undoes one entry in the newest version, and what of it later entries
    /// stand in the way of; `None` if there is no such entry.
    pub fn undo(&self, entry: Uuid) -> Option<Rebase> {
        let entry = self.entries.iter().find(|known| known.id == entry)?;
        Some(entry.changes.invert().rebase(&self.latest().state))
    }

    /// Returns who set each part of the newest version, by path. A part that was set with
    /// what it is in, and not since, is not listed on its own.
    pub fn blame(&self) -> Vec<Blame<'_>> {
        let mut parts: Vec<Blame<'_>> = Vec::new();
        for entry in &self.entries {
            for change in &entry.changes {
                let path = outside_lists(&change.path);
                let whole = path == change.path;
                parts.retain(|part| part.path != path && !(whole && part.path.is_within(&path)));
                if change.new.is_some() || !whole {
                    parts.push(Blame { path, entry });
                }
            }
        }
        parts.sort_by(|a, b| a.path.cmp(&b.path));
        parts
    }

    /// Folds entries into a state.
    fn rebuild<'h>(&self, entries: impl Iterator<Item = &'h LogEntry>) -> Reconstruction {
        let mut state = Value::Null;
        let mut missing: Vec<Missing> = Vec::new();
        for entry in entries {
            if entry.action == Action::Create {
                missing.clear();
                state = Value::Null;
            }
            if let (Some(snapshot), false) = (&entry.snapshot, entry.action == Action::Delete) {
                missing.clear();
                state = snapshot.clone();
                continue;
            }
            if entry.changes.is_empty() && entry.action != Action::Create {
                if entry.action == Action::Delete {
                    state = Value::Null;
                }
                continue;
            }
            if state.is_null() && !entry.changes.contains("$") {
                state = Value::Object(Map::new());
                if entry.action != Action::Create {
                    missing.push(Missing {
                        path: Path::ROOT,
                        reason: MissingReason::StartsLater,
                    });
                }
            }
            if entry.action == Action::Delete {
                missing.clear();
                state = Value::Null;
                continue;
            }
            apply(&entry.changes, &mut state, &mut missing);
        }
        if !state.is_null() {
            hidden(self.fields, &mut Vec::new(), &mut missing);
        }
        Reconstruction {
            state,
            complete: missing.is_empty(),
            missing,
        }
    }
}

impl Reconstruction {
    /// Returns whether the object existed.
    pub fn exists(&self) -> bool {
        !self.state.is_null()
    }

    /// Makes an object of the state; `None` if it did not exist. Numbers that are stored as
    /// texts because of their size are read as numbers.
    ///
    /// # Errors
    /// If the state does not make a `T`.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        if self.exists() {
            T::deserialize(Exact(self.state.clone())).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Whether an entry made a version.
fn makes_version(entry: &LogEntry) -> bool {
    matches!(
        entry.action,
        Action::Create | Action::Update | Action::Delete
    ) || !entry.changes.is_empty()
}

/// Applies changes; where the state has something else than a change starts from, the change
/// is taken at its word.
fn apply(changes: &Changes, state: &mut Value, missing: &mut Vec<Missing>) {
    if changes.apply(state).is_ok() {
        return;
    }
    let rebase = changes.rebase(state);
    if rebase.changes.apply(state).is_err() {
        return;
    }
    for conflict in rebase.conflicts {
        let forced = changes.get(&conflict.path).map(|change| {
            let found = change.path.find_in(state).cloned();
            let change = Change {
                old: found,
                ..change.clone()
            };
            Changes::from_iter([change])
        });
        let done = forced.is_some_and(|forced| forced.apply(state).is_ok());
        if !done {
            missing.push(Missing {
                path: conflict.path,
                reason: MissingReason::Unrecorded,
            });
        }
    }
}

/// The path up to the first list that is matched by position: its indices shift.
fn outside_lists(path: &Path) -> Path {
    let segments = path.segments();
    let end = segments
        .iter()
        .position(|segment| matches!(segment, PathSegment::Index(_)));
    match end {
        Some(end) => Path::from_segments(&segments[..end]),
        None => path.clone(),
    }
}

/// Lists the fields that are not recorded in clear.
fn hidden(fields: &[FieldSchema], at: &mut Vec<PathSegment>, missing: &mut Vec<Missing>) {
    // A recursive type has no end.
    if at.len() > 8 {
        return;
    }
    for field in fields {
        let inline = field.is_inline();
        if !inline {
            at.push(PathSegment::Name(field.name().to_owned()));
        }
        let reason = match field.sensitivity() {
            Sensitivity::Skipped => Some(MissingReason::Skipped),
            Sensitivity::Masked(_) => Some(MissingReason::Masked),
            Sensitivity::Hashed => Some(MissingReason::Hashed),
            Sensitivity::Clear => None,
        };
        match reason {
            Some(reason) => missing.push(Missing {
                path: Path::from_segments(at),
                reason,
            }),
            None => hidden(field.fields(), at, missing),
        }
        if !inline {
            at.pop();
        }
    }
}

/// Gives fields their present names where an entry has a former one.
fn rename(changes: &mut Changes, snapshot: Option<&mut Value>, fields: &'static [FieldSchema]) {
    if !has_aliases(fields, 8) {
        return;
    }
    let renamed = changes.iter().map(|change| Change {
        path: present_path(&change.path, fields),
        old: change
            .old
            .clone()
            .map(|value| present_value(value, &change.path, fields)),
        new: change
            .new
            .clone()
            .map(|value| present_value(value, &change.path, fields)),
        ..change.clone()
    });
    *changes = renamed.collect();
    if let Some(snapshot) = snapshot {
        rename_value(snapshot, fields, 8);
    }
}

fn has_aliases(fields: &[FieldSchema], depth: usize) -> bool {
    fields.iter().any(|field| {
        !field.aliases().is_empty() || (depth > 0 && has_aliases(field.fields(), depth - 1))
    })
}

fn find_field<'f>(fields: &'f [FieldSchema], name: &str) -> Option<&'f FieldSchema> {
    let own = fields
        .iter()
        .find(|field| !field.is_inline() && field.name() == name);
    own.or_else(|| fields.iter().find(|field| field.aliases().contains(&name)))
        .or_else(|| {
            let inline = fields.iter().filter(|field| field.is_inline());
            inline
                .into_iter()
                .find_map(|field| find_field(field.fields(), name))
        })
}

fn present_path(path: &Path, fields: &'static [FieldSchema]) -> Path {
    let mut fields = fields;
    let mut segments = path.segments();
    for segment in &mut segments {
        if let PathSegment::Name(name) = segment {
            // A map's key is no field; what follows is one of the map's values.
            let Some(field) = find_field(fields, name) else {
                continue;
            };
            field.name().clone_into(name);
            fields = field.fields();
        }
    }
    Path::from_segments(&segments)
}

fn present_value(mut value: Value, path: &Path, fields: &'static [FieldSchema]) -> Value {
    let mut fields = fields;
    for segment in path.segments() {
        if let PathSegment::Name(name) = segment
            && let Some(field) = find_field(fields, &name)
        {
            fields = field.fields();
        }
    }
    if path != &Path::ROOT {
        rename_value(&mut value, fields, 8);
    }
    value
}

fn rename_value(value: &mut Value, fields: &'static [FieldSchema], depth: usize) {
    if depth == 0 || fields.is_empty() {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                rename_value(item, fields, depth - 1);
            }
        }
        Value::Object(object) => {
            for (name, mut inner) in std::mem::take(object) {
                match find_field(fields, &name) {
                    Some(field) => {
                        rename_value(&mut inner, field.fields(), depth - 1);
                        object.insert(field.name().to_owned(), inner);
                    }
                    None => {
                        object.insert(name, inner);
                    }
                }
            }
        }
        _ => {}
    }
}
