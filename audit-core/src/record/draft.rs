//! Drafts: entries that are made but not yet recorded.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::confirmation::Confirmer;
use super::entity::{Entity, Former};
use super::gate::Gated;
use super::pending::{IntoPending, Pending, PendingSource};
use super::ready::{Content, Old, Ready, invalid};
use super::staging::Staging;
use crate::action::{Action, Outcome};
use crate::change::Changes;
use crate::context::{Context, IntoActor};
use crate::entry::{LogEntry, to_micros};
use crate::error::{Error, Result, ValueError};
use crate::history::mark_loose;
use crate::level::Level;
use crate::log::AuditLog;
use crate::path::Path;
use crate::pipeline::receipt::{Receipt, SkipReason};
use crate::pipeline::ticket::Ticket;
use crate::registry::Registration;
use crate::registry::options::find_field;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;
use crate::value::diff::{compare, compare_with};
use crate::value::model::ModelSchema;
use crate::value::redaction_rules::Rules;
use crate::value::shared_fields::SharedFields;
use crate::value::snapshot::Snapshot;

/// An entry that is made but not yet recorded.
///
/// Who, why and from where come from the context at the time the draft is made; the methods
/// override it.
#[derive(Debug)]
#[must_use = "a draft records nothing until `record` or `submit`"]
pub struct Draft {
    log: AuditLog,
    state: State,
    /// Confirms the entry to the tracked object whose changes it has.
    tracked: Confirmer,
}

#[derive(Debug)]
enum State {
    Ready(Box<Ready>),
    Skipped(SkipReason),
    Failed(Error),
}

impl AuditLog {
    /// Drafts the entry of a creation.
    pub fn created<T: Auditable + 'static>(&self, new: &T) -> Draft {
        Draft::make(self, Action::Create, T::schema(), new, &Content::Created)
    }

    /// Drafts the entry of an update.
    pub fn updated<T: Auditable + 'static>(&self, old: &T, new: &T) -> Draft {
        let difference = |env, rules: Option<&Rules>| compare(old, new, env, rules);
        let old = Old {
            object: old,
            keeps_key: old.keeps_key(new),
        };
        let content = Content::Changed(&difference, old);
        Draft::make(self, Action::Update, T::schema(), new, &content)
    }

    /// Drafts the entry of a deletion.
    pub fn deleted<T: Auditable + 'static>(&self, old: &T) -> Draft {
        Draft::make(self, Action::Delete, T::schema(), old, &Content::Deleted)
    }

    /// Drafts the entry of an access to an object.
    pub fn accessed<T: Auditable + 'static>(&self, object: &T) -> Draft {
        Draft::make(self, Action::Access, T::schema(), object, &Content::Same)
    }

    /// Drafts the entry of an action with a name of its own.
    pub fn custom<T: Auditable + 'static>(&self, action: impl Into<Action>, object: &T) -> Draft {
        let action = action.into();
        match own_name(&action) {
            Ok(()) => Draft::make(self, action, T::schema(), object, &Content::Same),
            Err(error) => Draft::failed(self, error),
        }
    }

    /// Drafts an entry without an object.
    pub fn event(&self, name: impl Into<Action>) -> Draft {
        let action = name.into();
        if let Err(error) = own_name(&action) {
            return Draft::failed(self, error);
        }
        if Context::is_current_disabled() {
            return Draft::with(self, State::Skipped(SkipReason::Disabled));
        }
        let mut ready = Ready::new(self, action, None, Level::Info);
        ready.complete(self);
        Draft::with(self, State::Ready(Box::new(ready)))
    }

    /// Changes an object and drafts the entry of the update. What the object shares with its clones,
    /// as in an `Rc<RefCell<_>>` or an `Arc<Mutex<_>>`, is compared with what it was before.
    pub fn update<T: Auditable + Clone + 'static>(
        &self,
        object: &mut T,
        change: impl FnOnce(&mut T),
    ) -> Draft {
        let old = object.clone();
        // A clone with shared cells changes with the object.
        let before = self.before(object);
        change(object);
        self.updated_since(&old, before.as_ref(), object)
    }

    /// Drafts the entry of an update, given what was captured before it.
    pub(crate) fn updated_since<T: Auditable + 'static>(
        &self,
        old: &T,
        before: Option<&Result<SharedFields, ValueError>>,
        new: &T,
    ) -> Draft {
        let before = match before {
            None => return self.updated(old, new),
            Some(Ok(before)) => before,
            Some(Err(error)) => return Draft::failed(self, invalid(T::schema(), error.clone())),
        };
        let difference = |env, rules: Option<&Rules>| {
            let after = SharedFields::capture(new, before.names(), self.env())?;
            compare_with((old, before), (new, &after), env, rules)
        };
        let former = Former { old, before };
        let old = Old {
            object: &former,
            keeps_key: false,
        };
        let content = Content::Changed(&difference, old);
        Draft::make(self, Action::Update, T::schema(), new, &content)
    }

    /// Drafts the entry of a statement that changed many objects at once.
    pub fn bulk<T: Auditable + 'static>(&self, action: impl Into<Action>) -> Draft {
        Draft::bulk(self, action.into(), T::schema())
    }

    /// Drafts the entry of the state of an object that existed before its trail.
    pub(super) fn baseline_of<T: Auditable + 'static>(&self, object: &T) -> Draft {
        let action = Action::Custom("baseline".into());
        Draft::make(self, action, T::schema(), object, &Content::Present)
    }
}

impl Draft {
    fn with(log: &AuditLog, state: State) -> Self {
        Self {
            log: log.clone(),
            state,
            tracked: Confirmer::default(),
        }
    }

    fn failed(log: &AuditLog, error: Error) -> Self {
        Self::with(log, State::Failed(error))
    }

    fn bulk(log: &AuditLog, action: Action, schema: &'static ModelSchema) -> Self {
        let state = match admit(log, &action, schema, None) {
            Admission::Recorded(registration) => {
                let mut ready = Ready::of(log, action, &registration);
                ready.entry.object_repr = format!("{} in bulk", schema.name);
                ready.complete(log);
                State::Ready(Box::new(ready))
            }
            Admission::Skipped(reason) => State::Skipped(reason),
            Admission::Failed(error) => State::Failed(error),
        };
        Self::with(log, state)
    }

    fn make(
        log: &AuditLog,
        action: Action,
        schema: &'static ModelSchema,
        object: &dyn Entity,
        content: &Content<'_>,
    ) -> Self {
        let state = match admit(log, &action, schema, Some(object)) {
            Admission::Recorded(registration) => {
                let mut ready = Box::new(Ready::of(log, action, &registration));
                let mut describe = || ready.describe(log, object, content, &registration);
                let described = if object.hashes_keys() {
                    log.hash_keys().entered(describe)
                } else {
                    describe()
                };
                match described {
                    Ok(()) => {
                        if registration.loose {
                            for entry in ready.each_mut() {
                                mark_loose(schema.fields, &mut entry.changes);
                            }
                        }
                        ready.set_level();
                        if !ready.is_unchanged() {
                            ready.complete(log);
                        }
                        State::Ready(ready)
                    }
                    Err(error) => State::Failed(error),
                }
            }
            Admission::Skipped(reason) => State::Skipped(reason),
            Admission::Failed(error) => State::Failed(error),
        };
        Self::with(log, state)
    }

    fn edit(mut self, edit: impl FnOnce(&mut Ready)) -> Self {
        if let State::Ready(ready) = &mut self.state {
            ready.complete(&self.log);
            edit(ready);
            ready.share();
            ready.set_level();
        }
        self
    }

    /// Sets why it was done.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        self.edit(|ready| ready.entry.reason = Some(reason.into()))
    }

    /// Adds something to `additional_data`, masked where its type says so.
    pub fn extra(self, key: impl Into<String>, value: impl AuditValue) -> Self {
        let State::Ready(ready) = &self.state else {
            return self;
        };
        let mut env = self.log.env();
        let value = value.snapshot(&mut Snapshot::at_depth(&mut env, 0));
        if let Some(source) = env.into_error() {
            let model = ready.entry.model.clone();
            return Self {
                state: State::Failed(Error::Value { model, source }),
                ..self
            };
        }
        self.edit(|ready| {
            ready.entry.additional_data.insert(key.into(), value);
        })
    }

    /// Sets who did it.
    pub fn actor(self, actor: impl IntoActor) -> Self {
        let actor = actor.into_source().resolve();
        self.edit(|ready| ready.entry.actor = actor)
    }

    /// Sets how it ended; a failure raises the level to error, a denial to warning.
    pub fn outcome(self, outcome: Outcome) -> Self {
        self.edit(|ready| ready.entry.outcome = outcome)
    }

    /// Sets the level, whatever fields and outcome say.
    pub fn level(self, level: Level) -> Self {
        self.edit(|ready| ready.level.fixed = Some(level))
    }

    /// Sets when it happened, to the microsecond: any time, also one before that of the last
    /// entry.
    pub fn at(self, time: impl Into<DateTime<Utc>>) -> Self {
        self.edit(|ready| ready.entry.timestamp = to_micros(time.into()))
    }

    /// Sets what ties together all that a request or job does.
    pub fn correlation_id(self, id: impl Into<String>) -> Self {
        self.edit(|ready| ready.entry.correlation_id = Some(id.into()))
    }

    /// Records only changes of these fields, given by path, as Django's `update_fields`
    /// does; an update of other fields is then unchanged. An unknown field is an error when
    /// the draft is recorded, and so is an update that changes the identity.
    pub fn only<F: AsRef<str>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        let State::Ready(ready) = &mut self.state else {
            return self;
        };
        if ready.ended.is_some() {
            return self.identity_changed();
        }
        let mut paths: Vec<Path> = Vec::new();
        for field in fields {
            let field = field.as_ref();
            let found = ready
                .schema
                .map_or(Err(None), |schema| find_field(schema, field));
            match (found, field.parse()) {
                (Ok(_), Ok(path)) => paths.push(path),
                (Err(suggestion), _) => return self.unknown_field(field, suggestion),
                (_, Err(_)) => return self.unknown_field(field, None),
            }
        }
        let changes = &mut ready.entry.changes;
        changes.retain(|change| {
            paths
                .iter()
                .any(|path| change.path.is_within(path) || path.is_within(&change.path))
        });
        ready.worth.notable &= !changes.is_empty();
        self
    }

    fn unknown_field(mut self, field: &str, suggestion: Option<String>) -> Self {
        if let State::Ready(ready) = &self.state {
            self.state = State::Failed(Error::UnknownField {
                model: ready.entry.model.clone(),
                field: field.to_owned(),
                suggestion,
            });
        }
        self
    }

    fn identity_changed(mut self) -> Self {
        if let State::Ready(ready) = &mut self.state {
            let model = std::mem::take(&mut ready.entry.model);
            self.state = State::Failed(Error::IdentityChanged { model });
        }
        self
    }

    /// Records the entry also if nothing changed.
    pub fn force(self) -> Self {
        self.edit(|ready| ready.worth.needs_change = false)
    }

    /// Sets what changed, for an action that carries changes of its own. They are recorded
    /// as they are given: what is secret must be masked already. For an update that changes
    /// the identity it is an error when the draft is recorded.
    pub fn changes(self, changes: Changes) -> Self {
        if matches!(&self.state, State::Ready(ready) if ready.ended.is_some()) {
            return self.identity_changed();
        }
        self.edit(|ready| {
            ready.worth.notable = !changes.is_empty();
            ready.entry.changes = changes;
        })
    }

    /// Says which objects a bulk statement was for, in `additional_data.matching`.
    pub fn matching(self, condition: impl Into<String>) -> Self {
        self.extra("matching", condition.into())
    }

    /// Says how many objects a bulk statement changed, in `additional_data.affected`.
    pub fn affected(self, objects: u64) -> Self {
        self.extra("affected", objects)
    }

    /// Returns the entry as it would be recorded; `None` if there would be none. Of a changed
    /// identity it is the creation under the new key; see [`entries`](Self::entries).
    pub fn entry(&self) -> Option<&LogEntry> {
        match &self.state {
            State::Ready(ready) if !ready.is_unchanged() => Some(&ready.entry),
            _ => None,
        }
    }

    /// Returns the entries as they would be recorded, in their order: one for most drafts, and
    /// two for an update that changes the identity of its object.
    pub fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        let ready = match &self.state {
            State::Ready(ready) if !ready.is_unchanged() => Some(ready),
            _ => None,
        };
        ready.into_iter().flat_map(|ready| {
            let ended = ready.ended.as_ref().map(|ended| &ended.entry);
            ended.into_iter().chain([&ready.entry])
        })
    }

    /// Records the entry and returns when the store has it; inside a transaction, when it
    /// is kept back for the end of that.
    ///
    /// An update that changes the identity of its object is two entries in one batch: the
    /// deletion of the object under its former key, and its creation with all of its state under
    /// the new one. Each names the other as its [`counterpart`](LogEntry::counterpart), and the
    /// receipt has the id of the creation.
    ///
    /// # Errors
    /// - If the entry cannot be made: the object has no key, a value nests too deep, a reason is
    ///   missing, or a field of [`only`](Self::only) is unknown.
    /// - [`Error::Store`] if the store does not take it. Then nothing was recorded, unless
    ///   [`Error::is_unconfirmed`]: then the entry may be recorded all the same. A second draft
    ///   has another id, and may record it twice.
    pub fn record(self) -> Result<Receipt> {
        let Self {
            log,
            state,
            tracked,
        } = self;
        let ready = match state.gated(&log)? {
            Gated::Passed(ready) => ready,
            Gated::Stopped(receipt) => {
                tracked.without_entry(receipt);
                return Ok(receipt);
            }
        };
        let id = ready.entry.id;
        if let Some(staging) = Staging::of(&log) {
            staging.stage(ready.into_entries())?;
            tracked.staged(&staging.confirmation);
            return Ok(Receipt::Recorded(id));
        }
        let kept = if ready.ended.is_some() {
            let entries: Vec<LogEntry> = ready.into_entries().collect();
            log.write(&entries)?
        } else {
            log.write(std::slice::from_ref(&ready.entry))?
        };
        if kept.is_kept() {
            tracked.written();
        }
        Ok(kept.receipt(id))
    }

    /// Leaves the entry to the log's writer thread, which writes entries in batches and in order.
    /// Never blocks: the [`Ticket`] says what happens while the
    /// [queue](crate::AuditLogBuilder::queue) is full.
    ///
    /// Entries still queued when the process exits are lost. Call [`AuditLog::shutdown`] or
    /// [`flush`](AuditLog::flush) before exiting, or wait for each ticket. On the writer thread
    /// itself, as in a sink, the entry is written at once.
    ///
    /// Inside a transaction the entry is kept back for the end of that.
    pub fn submit(self) -> Ticket {
        match self.into_pending() {
            Ok(pending) => pending.submit(),
            Err(error) => Ticket::ready(Err(error)),
        }
    }

    /// Returns the entry, for a store that writes it into a transaction of the caller's own;
    /// `None` if there is none. Hooks have seen it; sinks never will. Inside an audit transaction
    /// it has the id of that. A tracked object does not count it as recorded.
    ///
    /// # Errors
    /// - If the entry cannot be made, as for [`record`](Self::record).
    /// - [`Error::IdentityChanged`] if there are two entries;
    ///   [`IntoPending`](crate::backend::IntoPending) makes both.
    pub fn into_entry(self) -> Result<Option<LogEntry>> {
        let mut entries = self.into_pending()?.into_entries();
        match entries.len() {
            0 | 1 => Ok(entries.pop()),
            _ => Err(Error::IdentityChanged {
                model: entries.swap_remove(0).model,
            }),
        }
    }

    /// Returns whether the draft was made: neither skipped nor failed.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// Confirms the entry to a tracked object.
    pub(super) fn confirming(self, tracked: Confirmer) -> Self {
        Self { tracked, ..self }
    }

    pub(super) fn must_be_of(&self, log: &AuditLog) -> Result<()> {
        if self.log.is(log) {
            Ok(())
        } else {
            Err(Error::OtherLog)
        }
    }

    /// Adds the entries of the draft, with the id of a transaction if there is one, and returns its
    /// receipt.
    pub(super) fn add_entries(
        self,
        transaction: Option<Uuid>,
        entries: &mut Vec<LogEntry>,
        source: &mut PendingSource,
    ) -> Result<Receipt> {
        match self.state.gated(&self.log)? {
            Gated::Passed(ready) => {
                let receipt = Receipt::Recorded(ready.entry.id);
                entries.extend(ready.into_entries().map(|mut entry| {
                    entry.transaction_id = transaction.or(entry.transaction_id);
                    entry
                }));
                source.add(self.tracked);
                Ok(receipt)
            }
            Gated::Stopped(receipt) => {
                self.tracked.without_entry(receipt);
                Ok(receipt)
            }
        }
    }
}

impl IntoPending for Draft {
    type Receipts = Receipt;

    fn into_pending(self) -> Result<Pending<Receipt>> {
        let log = self.log.clone();
        let (mut entries, mut source) = (Vec::new(), PendingSource::default());
        let receipt = self.add_entries(Staging::id_of(&log), &mut entries, &mut source)?;
        Ok(Pending::new(log, entries, receipt, source))
    }
}

impl State {
    /// Passes the entries through the gate.
    fn gated(self, log: &AuditLog) -> Result<Gated> {
        match self {
            Self::Ready(ready) => ready.gated(log),
            Self::Skipped(reason) => Ok(Gated::Stopped(Receipt::Skipped(reason))),
            Self::Failed(error) => Err(error),
        }
    }
}

/// Rejects the names of the four actions, and an empty name.
fn own_name(action: &Action) -> Result<()> {
    match action {
        Action::Custom(name) if !name.trim().is_empty() => Ok(()),
        other => Err(Error::ActionName {
            name: other.as_str().to_owned(),
        }),
    }
}

/// Whether an action on an object is to be recorded.
enum Admission {
    Recorded(Arc<Registration>),
    Skipped(SkipReason),
    Failed(Error),
}

fn admit(
    log: &AuditLog,
    action: &Action,
    schema: &'static ModelSchema,
    object: Option<&dyn Entity>,
) -> Admission {
    if Context::is_current_disabled() {
        return Admission::Skipped(SkipReason::Disabled);
    }
    let Some(registration) = log.shared().registry.get(schema.name) else {
        return match log.report_unregistered(schema) {
            Ok(()) => Admission::Skipped(SkipReason::NotRegistered),
            Err(error) => Admission::Failed(error),
        };
    };
    let actions = registration
        .settings
        .actions
        .unwrap_or(registration.schema.actions);
    let recorded = match action {
        Action::Create => actions.create,
        Action::Update => actions.update,
        Action::Delete => actions.delete,
        Action::Access => actions.access,
        Action::Custom(_) => true,
    };
    if !recorded || object.is_some_and(|object| !object.admitted(&registration)) {
        return Admission::Skipped(SkipReason::ActionExcluded);
    }
    Admission::Recorded(registration)
}
