//! Entries that are made, and what the objects put into them.

use chrono::DateTime;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::entity::Entity;
use super::full_snapshot::FullSnapshot;
use crate::action::{Action, Outcome};
use crate::change::Changes;
use crate::context::Context;
use crate::entry::{LogEntry, ObjectRef, Source};
use crate::error::{Error, Result, ValueError};
use crate::level::Level;
use crate::log::AuditLog;
use crate::registry::Registration;
use crate::registry::settings::SnapshotPolicy;
use crate::value::diff::Difference;
use crate::value::env::Env;
use crate::value::model::ModelSchema;
use crate::value::redaction_rules::Rules;
use crate::value::repr::Repr;

#[derive(Debug)]
pub(super) struct Ready {
    pub(super) entry: LogEntry,
    pub(super) schema: Option<&'static ModelSchema>,
    pub(super) level: EntryLevel,
    pub(super) required: Required,
    pub(super) worth: Worth,
    /// Whether the entry has its model, its source, its id, its time and what the context gives; one that
    /// is not recorded needs none of them.
    pub(super) complete: bool,
    /// Whether snapshots are due by the number of entries.
    pub(super) counted: bool,
    /// The end of the object under its former key, where an update changed its identity.
    pub(super) ended: Option<Box<Ended>>,
}

/// The source of an entry's level.
#[derive(Debug)]
pub(super) struct EntryLevel {
    /// The level by action, before fields and outcome raise it.
    base: Level,
    /// The highest level of a changed field.
    raised: Option<Level>,
    /// The level that the caller set.
    pub(super) fixed: Option<Level>,
}

/// The condition under which the entry is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worth {
    /// Recorded only if something changed.
    pub(super) needs_change: bool,
    /// Whether something changed that is not ignored.
    pub(super) notable: bool,
}

/// The values that the caller has to give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Required {
    pub(super) reason: bool,
    pub(super) actor: bool,
}

/// The first entry of an identity change; the second one is the draft's own.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) entry: LogEntry,
    /// The level by action.
    pub(super) base: Level,
}

/// The state of an object before an update.
#[derive(Clone, Copy)]
pub(super) struct Old<'o> {
    pub(super) object: &'o dyn Entity,
    /// Whether the new state is certain to have the same key.
    pub(super) keeps_key: bool,
}

/// The content of an entry, by the kind of draft.
pub(super) enum Content<'c> {
    /// Every field as new.
    Created,
    /// Every field as old.
    Deleted,
    /// The result of a comparison with the old object, which may have another key.
    Changed(&'c Compare<'c>, Old<'c>),
    /// All of it, and no change.
    Present,
    /// Nothing.
    Same,
}

/// Compares the old object with the new one.
pub(super) type Compare<'c> = dyn Fn(Env, Option<&Rules>) -> Result<Difference, ValueError> + 'c;

impl Ready {
    pub(super) fn new(
        log: &AuditLog,
        action: Action,
        schema: Option<&'static ModelSchema>,
        base: Level,
    ) -> Self {
        let (object_repr, schema_version) = match schema {
            Some(schema) => (String::new(), schema.version),
            None => (action.as_str().to_owned(), 1),
        };
        let entry = LogEntry {
            id: Uuid::nil(),
            timestamp: DateTime::UNIX_EPOCH,
            level: base,
            object_repr,
            action,
            outcome: Outcome::Success,
            model: String::new(),
            object_pk: String::new(),
            parent: None,
            counterpart: None,
            changes: Changes::new(),
            snapshot: None,
            actor: None,
            correlation_id: None,
            trace_id: None,
            transaction_id: None,
            remote_addr: None,
            remote_port: None,
            reason: None,
            additional_data: Map::new(),
            schema_version,
            source: Source::default(),
        };
        Self {
            entry,
            schema,
            level: EntryLevel {
                base,
                raised: None,
                fixed: None,
            },
            required: Required {
                reason: false,
                actor: log.shared().require_actor,
            },
            worth: Worth {
                needs_change: false,
                notable: true,
            },
            complete: false,
            counted: false,
            ended: None,
        }
    }

    /// Returns the name of the model, or an empty one.
    pub(super) fn model(&self) -> String {
        self.schema
            .map_or_else(String::new, |schema| schema.name.to_owned())
    }

    /// Gives the entry its model, its source, its id, its time and what the context has.
    pub(super) fn complete(&mut self, log: &AuditLog) {
        if !self.complete {
            self.complete = true;
            self.entry.model = self.model();
            self.entry.source.clone_from(&log.shared().source);
            let now = log.now();
            if let Some(ended) = &mut self.ended {
                // First, so that it orders before the other.
                ended.entry.id = (log.shared().ids)(now);
            }
            self.entry.id = (log.shared().ids)(now);
            self.entry.timestamp = now;
            Context::fill(&mut self.entry);
            self.share();
        }
    }

    /// Gives the other entry of an identity change all that both have in common.
    pub(super) fn share(&mut self) {
        let Some(ended) = &mut self.ended else {
            return;
        };
        let entry = &self.entry;
        ended.entry = LogEntry {
            id: ended.entry.id,
            level: ended.entry.level,
            action: Action::Delete,
            object_pk: std::mem::take(&mut ended.entry.object_pk),
            object_repr: std::mem::take(&mut ended.entry.object_repr),
            parent: ended.entry.parent.take(),
            counterpart: ended.entry.counterpart.take(),
            changes: std::mem::take(&mut ended.entry.changes),
            snapshot: ended.entry.snapshot.take(),
            timestamp: entry.timestamp,
            outcome: entry.outcome,
            model: entry.model.clone(),
            actor: entry.actor.clone(),
            correlation_id: entry.correlation_id.clone(),
            trace_id: entry.trace_id.clone(),
            transaction_id: entry.transaction_id,
            remote_addr: entry.remote_addr,
            remote_port: entry.remote_port,
            reason: entry.reason.clone(),
            additional_data: entry.additional_data.clone(),
            schema_version: entry.schema_version,
            source: entry.source.clone(),
        };
    }

    /// Returns the entries, in their order.
    pub(super) fn each(&self) -> impl Iterator<Item = &LogEntry> {
        let ended = self.ended.as_ref().map(|ended| &ended.entry);
        ended.into_iter().chain([&self.entry])
    }

    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut LogEntry> {
        let ended = self.ended.as_mut().map(|ended| &mut ended.entry);
        ended.into_iter().chain([&mut self.entry])
    }

    pub(super) fn into_entries(self: Box<Self>) -> impl Iterator<Item = LogEntry> {
        let this = *self;
        let ended = this.ended.map(|ended| ended.entry);
        ended.into_iter().chain([this.entry])
    }

    pub(super) fn of(log: &AuditLog, action: Action, registration: &Registration) -> Self {
        let schema = registration.schema;
        let levels = registration.settings.levels(schema);
        let base = match &action {
            Action::Create => levels.create,
            Action::Update => levels.update,
            Action::Delete => levels.delete,
            Action::Access => levels.access,
            Action::Custom(_) => levels.custom,
        };
        let mut ready = Self::new(log, action, Some(schema), base);
        ready.required.reason = schema.require_reason || registration.settings.require_reason;
        ready.required.actor |= registration.settings.require_actor;
        ready
    }

    /// Sets the object of the entry and its changes.
    pub(super) fn describe(
        &mut self,
        log: &AuditLog,
        object: &dyn Entity,
        content: &Content<'_>,
        registration: &Registration,
    ) -> Result<()> {
        let settings = &registration.settings;
        let rules = registration.rules();
        let schema = registration.schema;
        self.entry.object_pk = object.pk();
        let former = match content {
            Content::Changed(_, old) if !old.keeps_key => {
                let former = old.object.pk();
                self.must_have_key(&former)?;
                (former != self.entry.object_pk).then_some((former, old.object))
            }
            _ => None,
        };
        self.must_have_key(&self.entry.object_pk)?;
        let mut env = log.env();
        self.entry.object_repr = text_of(&mut env, object, rules, schema)?;
        self.entry.parent = object.root();
        if let Content::Changed(compare, _) = content {
            let difference = compare(env.excluding_outermost(), rules)
                .map_err(|source| invalid(schema, source))?;
            self.entry.changes = difference.changes;
            note_shadowed_key(&mut self.entry, difference.shadowed_keys);
            self.level.raised = difference.level;
            self.worth.needs_change = true;
            self.worth.notable = difference.notable;
        }
        self.counted = matches!(settings.snapshot, SnapshotPolicy::Every(_));
        if let Some((former, old)) = former {
            return self.change_identity(log, former, (old, object), registration);
        }
        let snapshot_schedule = &log.shared().snapshot_schedule;
        let wanted = match (content, settings.snapshot) {
            (Content::Present, _) => true,
            (Content::Same, _)
            | (_, SnapshotPolicy::Never)
            | (Content::Created | Content::Deleted, SnapshotPolicy::Every(_)) => false,
            (_, SnapshotPolicy::Always) => true,
            (Content::Changed(..), SnapshotPolicy::Every(every)) => {
                self.worth.notable && {
                    self.entry.model = self.model();
                    snapshot_schedule.is_due(&*log.shared().pipeline.store, &self.entry, every)
                }
            }
        };
        match content {
            Content::Created => {
                fill_all(&mut self.entry, log, object, registration, CREATED, wanted)
            }
            Content::Deleted => {
                fill_all(&mut self.entry, log, object, registration, DELETED, wanted)
            }
            _ if wanted => {
                let full = full_snapshot(log, object, registration)?;
                note_shadowed_key(&mut self.entry, full.shadowed_keys);
                self.entry.snapshot = Some(full.snapshot);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes of an update the end of the object under its former key, and its beginning under
    /// the new one.
    fn change_identity(
        &mut self,
        log: &AuditLog,
        former: String,
        (old, new): (&dyn Entity, &dyn Entity),
        registration: &Registration,
    ) -> Result<()> {
        let settings = &registration.settings;
        let rules = registration.rules();
        let levels = settings.levels(registration.schema);
        let wanted = settings.snapshot == SnapshotPolicy::Always;
        let model = self.model();
        let mut ended = Self::new(
            log,
            Action::Delete,
            Some(registration.schema),
            levels.delete,
        );
        ended.entry.object_repr = text_of(&mut log.env(), old, rules, registration.schema)?;
        ended.entry.parent = old.root();
        ended.entry.counterpart = Some(ObjectRef::new(&*model, &*self.entry.object_pk));
        fill_all(&mut ended.entry, log, old, registration, DELETED, wanted)?;
        self.entry.counterpart = Some(ObjectRef::new(model, &*former));
        ended.entry.object_pk = former;
        self.entry.action = Action::Create;
        self.level.base = levels.create;
        self.worth.needs_change = false;
        self.worth.notable = true;
        self.ended = Some(Box::new(Ended {
            entry: ended.entry,
            base: levels.delete,
        }));
        fill_all(&mut self.entry, log, new, registration, CREATED, wanted)
    }

    fn must_have_key(&self, key: &str) -> Result<()> {
        // Fast path: most keys begin with a visible character.
        let is_visible = key.as_bytes().first().is_some_and(u8::is_ascii_graphic);
        if !is_visible && key.trim().is_empty() {
            return Err(Error::NoKey {
                model: self.model(),
                action: self.entry.action.clone(),
            });
        }
        Ok(())
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.worth.needs_change && !self.worth.notable
    }

    pub(super) fn set_level(&mut self) {
        let by_outcome = match self.entry.outcome {
            Outcome::Success => None,
            Outcome::Failure => Some(Level::Error),
            Outcome::Denied => Some(Level::Warning),
        };
        let (raised, fixed) = (self.level.raised.max(by_outcome), self.level.fixed);
        let level = |base: Level| fixed.unwrap_or(raised.map_or(base, |raised| raised.max(base)));
        self.entry.level = level(self.level.base);
        if let Some(ended) = &mut self.ended {
            ended.entry.level = level(ended.base);
        }
    }
}

/// Makes the two sides of each change of an object that was created or deleted.
type Side = fn(Value) -> (Option<Value>, Option<Value>);

const CREATED: Side = |value| (None, Some(value));
const DELETED: Side = |value| (Some(value), None);

pub(super) fn invalid(schema: &ModelSchema, source: ValueError) -> Error {
    Error::Value {
        model: schema.name.to_owned(),
        source,
    }
}

/// Returns the object as people read it, with masked fields masked.
fn text_of(
    env: &mut Env,
    object: &dyn Entity,
    rules: Option<&Rules>,
    schema: &ModelSchema,
) -> Result<String> {
    let mut repr = Repr::new(env, rules);
    object.write_repr(&mut repr);
    let text = repr.finish();
    match env.take_error() {
        Some(source) => Err(invalid(schema, source)),
        None => Ok(text),
    }
}

fn full_snapshot(
    log: &AuditLog,
    object: &dyn Entity,
    registration: &Registration,
) -> Result<FullSnapshot> {
    FullSnapshot::of(log.env(), registration, |cx| object.record(cx))
        .map_err(|source| invalid(registration.schema, source))
}

/// Names the keys of flattened maps that are not recorded, since a declared field has their name,
/// in `additional_data.passed_over`.
#[inline]
fn note_shadowed_key(entry: &mut LogEntry, keys: Vec<String>) {
    if !keys.is_empty() {
        note_shadowed_keys(entry, keys);
    }
}

#[cold]
fn note_shadowed_keys(entry: &mut LogEntry, keys: Vec<String>) {
    let member = entry.additional_data.entry("passed_over");
    if let Value::Array(keys_so_far) = member.or_insert_with(|| Value::Array(Vec::new())) {
        for key in keys.into_iter().map(Value::String) {
            if !keys_so_far.contains(&key) {
                keys_so_far.push(key);
            }
        }
    }
}

/// Records every field of an object, and if it is wanted a snapshot.
fn fill_all(
    entry: &mut LogEntry,
    log: &AuditLog,
    object: &dyn Entity,
    registration: &Registration,
    side: Side,
    snapshot: bool,
) -> Result<()> {
    let full = full_snapshot(log, object, registration)?;
    entry.changes = full.changes(registration, side);
    note_shadowed_key(entry, full.shadowed_keys);
    entry.snapshot = snapshot.then_some(full.snapshot);
    Ok(())
}
