//! Drafts: entries that are made but not yet recorded.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::action::{Action, Outcome};
use crate::auditable::Auditable;
use crate::change::Changes;
use crate::context::{Context, IntoActor};
use crate::diff::{Difference, compare};
use crate::entry::{LogEntry, ObjectRef, to_micros};
use crate::error::{Error, Result, ValueError};
use crate::level::Level;
use crate::log::{AuditLog, Flow};
use crate::options::{SnapshotPolicy, find_field};
use crate::path::Path;
use crate::pending::Pending;
use crate::receipt::{Receipt, SkipReason};
use crate::registry::Registration;
use crate::repr::Repr;
use crate::rules::Rules;
use crate::schema::ModelSchema;
use crate::snapshot::{Env, Snapshot};
use crate::ticket::Ticket;
use crate::transaction::Staging;
use crate::value::AuditValue;
use crate::whole::Whole;

/// An entry that is made but not yet recorded.
///
/// Who, why and from where come from the context at the time the draft is made; the methods
/// override it.
#[derive(Debug)]
#[must_use = "a draft records nothing until `record` or `submit`"]
pub struct Draft {
    log: AuditLog,
    state: State,
}

#[derive(Debug)]
enum State {
    Ready(Box<Ready>),
    Skipped(SkipReason),
    Failed(Error),
}

/// Compares the old object with the new one.
type Compare<'c> = dyn Fn(Env, Option<&Rules>) -> Result<Difference, ValueError> + 'c;

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked on its own")]
struct Ready {
    entry: LogEntry,
    schema: Option<&'static ModelSchema>,
    /// The level by action, before fields and outcome raise it.
    base: Level,
    raised: Option<Level>,
    /// The level the caller set.
    fixed: Option<Level>,
    require_reason: bool,
    /// Whether the entry is only worth recording if something changed.
    needs_change: bool,
    notable: bool,
    /// Whether the entry has its id, its time and what the context gives; one that is not
    /// recorded needs none of them.
    complete: bool,
    /// Whether snapshots are due by the number of entries.
    counted: bool,
}

/// An object of any type, so that what makes an entry is compiled once.
trait Entity {
    fn admitted(&self, registration: &Registration) -> bool;
    fn pk(&self) -> String;
    fn write_repr(&self, repr: &mut Repr<'_>);
    fn root(&self) -> Option<ObjectRef>;
    fn record(&self, cx: &mut Snapshot<'_>) -> Value;
}

impl<T: Auditable + 'static> Entity for T {
    fn admitted(&self, registration: &Registration) -> bool {
        registration.admits(self.entity())
    }

    fn pk(&self) -> String {
        self.object_pk()
    }

    fn write_repr(&self, repr: &mut Repr<'_>) {
        self.repr_into(repr);
    }

    fn root(&self) -> Option<ObjectRef> {
        self.parent()
    }

    fn record(&self, cx: &mut Snapshot<'_>) -> Value {
        self.snapshot(cx)
    }
}

/// What an entry says of its object.
enum Content<'c> {
    /// Every field as new.
    Came,
    /// Every field as old.
    Went,
    /// What a comparison with the old object finds.
    Changed(&'c Compare<'c>),
    /// All of it, and no change.
    Present,
    /// Nothing.
    Same,
}

impl Draft {
    pub(crate) fn created<T: Auditable + 'static>(log: &AuditLog, new: &T) -> Self {
        Self::make(log, Action::Create, T::schema(), new, &Content::Came)
    }

    pub(crate) fn deleted<T: Auditable + 'static>(log: &AuditLog, old: &T) -> Self {
        Self::make(log, Action::Delete, T::schema(), old, &Content::Went)
    }

    pub(crate) fn updated<T: Auditable + 'static>(log: &AuditLog, old: &T, new: &T) -> Self {
        let difference = |env, rules: Option<&Rules>| compare(old, new, env, rules);
        let content = Content::Changed(&difference);
        Self::make(log, Action::Update, T::schema(), new, &content)
    }

    /// An entry about an object that did not change.
    pub(crate) fn object<T: Auditable + 'static>(
        log: &AuditLog,
        action: Action,
        object: &T,
    ) -> Self {
        Self::make(log, action, T::schema(), object, &Content::Same)
    }

    /// The state of an object that was there before its trail.
    pub(crate) fn baseline<T: Auditable + 'static>(log: &AuditLog, object: &T) -> Self {
        let action = Action::Custom("baseline".into());
        Self::make(log, action, T::schema(), object, &Content::Present)
    }

    /// An action with a name of its own about an object.
    pub(crate) fn custom<T: Auditable + 'static>(
        log: &AuditLog,
        action: Action,
        object: &T,
    ) -> Self {
        match own_name(&action) {
            Ok(()) => Self::object(log, action, object),
            Err(error) => Self {
                log: log.clone(),
                state: State::Failed(error),
            },
        }
    }

    pub(crate) fn event(log: &AuditLog, action: Action) -> Self {
        if let Err(error) = own_name(&action) {
            return Self {
                log: log.clone(),
                state: State::Failed(error),
            };
        }
        if Context::is_current_disabled() {
            return Self {
                log: log.clone(),
                state: State::Skipped(SkipReason::Disabled),
            };
        }
        let mut ready = Ready::new(log, action, None, Level::Info);
        ready.complete(log);
        Self {
            log: log.clone(),
            state: State::Ready(Box::new(ready)),
        }
    }

    pub(crate) fn bulk(log: &AuditLog, action: Action, schema: &'static ModelSchema) -> Self {
        let state = match admit(log, &action, schema, None) {
            Ok(registration) => {
                let mut ready = Ready::of(log, action, &registration);
                ready.entry.object_repr = format!("{} in bulk", schema.name);
                ready.complete(log);
                State::Ready(Box::new(ready))
            }
            Err(reason) => State::Skipped(reason),
        };
        Self {
            log: log.clone(),
            state,
        }
    }

    fn make(
        log: &AuditLog,
        action: Action,
        schema: &'static ModelSchema,
        object: &dyn Entity,
        content: &Content<'_>,
    ) -> Self {
        let state = match admit(log, &action, schema, Some(object)) {
            Ok(registration) => {
                let mut ready = Box::new(Ready::of(log, action, &registration));
                match ready.describe(log, object, content, &registration) {
                    Ok(()) => {
                        ready.settle_level();
                        if !ready.is_unchanged() {
                            ready.complete(log);
                        }
                        State::Ready(ready)
                    }
                    Err(source) => State::Failed(Error::Value {
                        model: schema.name.to_owned(),
                        source,
                    }),
                }
            }
            Err(reason) => State::Skipped(reason),
        };
        Self {
            log: log.clone(),
            state,
        }
    }

    fn edit(mut self, edit: impl FnOnce(&mut Ready)) -> Self {
        if let State::Ready(ready) = &mut self.state {
            ready.complete(&self.log);
            edit(ready);
            ready.settle_level();
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
        let mut env = Env::with_keys(self.log.hash_keys());
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
    pub fn actor<Form>(self, actor: impl IntoActor<Form>) -> Self {
        let actor = actor.into_source().resolve();
        self.edit(|ready| ready.entry.actor = actor)
    }

    /// Sets how it ended; a failure raises the level to error, a denial to warning.
    pub fn outcome(self, outcome: Outcome) -> Self {
        self.edit(|ready| ready.entry.outcome = outcome)
    }

    /// Sets the level, whatever fields and outcome say.
    pub fn level(self, level: Level) -> Self {
        self.edit(|ready| ready.fixed = Some(level))
    }

    /// Sets when it happened, to the microsecond.
    pub fn at(self, time: impl Into<DateTime<Utc>>) -> Self {
        self.edit(|ready| ready.entry.timestamp = to_micros(time.into()))
    }

    /// Sets what ties together all that a request or job does.
    pub fn correlation_id(self, id: impl Into<String>) -> Self {
        self.edit(|ready| ready.entry.correlation_id = Some(id.into()))
    }

    /// Records only changes of these fields, given by path, as Django's `update_fields`
    /// does; an update of other fields is then unchanged. An unknown field is an error when
    /// the draft is recorded.
    pub fn only<F: AsRef<str>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        let State::Ready(ready) = &mut self.state else {
            return self;
        };
        let mut paths: Vec<Path> = Vec::new();
        for field in fields {
            let field = field.as_ref();
            let known = ready
                .schema
                .map_or(Err(None), |schema| find_field(schema, field));
            match (known, field.parse()) {
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
        ready.notable &= !changes.is_empty();
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

    /// Records the entry also if nothing changed.
    pub fn force(self) -> Self {
        self.edit(|ready| ready.needs_change = false)
    }

    /// Sets what changed, for an action that carries changes of its own. They are recorded
    /// as they are given: what is secret must be masked already.
    pub fn changes(self, changes: Changes) -> Self {
        self.edit(|ready| {
            ready.notable = !changes.is_empty();
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

    /// Returns the entry as it would be recorded; `None` if there would be none.
    pub fn entry(&self) -> Option<&LogEntry> {
        match &self.state {
            State::Ready(ready) if !ready.is_unchanged() => Some(&ready.entry),
            _ => None,
        }
    }

    /// Records the entry and returns when the store has it; inside a transaction, when it
    /// is kept back for the end of that.
    ///
    /// # Errors
    /// If the entry cannot be made (a value nests too deep, a reason is missing, a field of
    /// [`only`](Self::only) is unknown) or the store does not take it. Then nothing was
    /// recorded, unless [`Error::is_unconfirmed`]: then nobody knows. What is drafted and
    /// recorded anew has another id and may be there twice.
    pub fn record(self) -> Result<Receipt> {
        let log = self.log.clone();
        let ready = match self.prepare()? {
            Ok(ready) => ready,
            Err(receipt) => return Ok(receipt),
        };
        let id = ready.entry.id;
        if let Some(staging) = Staging::of(&log) {
            staging.stage([ready.entry])?;
            return Ok(Receipt::Recorded(id));
        }
        Ok(log.write(std::slice::from_ref(&ready.entry))?.receipt(id))
    }

    /// Leaves the entry to the log's writer thread, which writes what comes in batches and
    /// in order. Never blocks: where the [queue](crate::AuditLogBuilder::queue) is full, it is
    /// the [`Ticket`] that waits for room, and says what becomes of the entry if it is dropped
    /// then. Nothing is dropped to make room.
    ///
    /// What is still queued when the process ends is lost: end with
    /// [`AuditLog::shutdown`] or [`flush`](AuditLog::flush), or wait for the tickets. From the
    /// writer thread itself, as in a sink, the entry is written at once.
    ///
    /// Inside a transaction the entry is kept back for the end of that.
    pub fn submit(self) -> Ticket {
        let log = self.log.clone();
        match self.prepare() {
            Ok(Ok(ready)) => match Staging::of(&log) {
                Some(staging) => {
                    let receipt = Receipt::Recorded(ready.entry.id);
                    Ticket::settled(staging.stage([ready.entry]).map(|()| receipt))
                }
                None => log.enqueue(vec![ready.entry]),
            },
            Ok(Err(receipt)) => Ticket::settled(Ok(receipt)),
            Err(error) => Ticket::settled(Err(error)),
        }
    }

    /// Returns the entry, for a store that writes it into a transaction of the caller's own;
    /// `None` if there is none. Hooks have seen it; sinks never will. Inside an audit transaction
    /// it has the id of that.
    ///
    /// # Errors
    /// If the entry cannot be made, as for [`record`](Self::record).
    pub fn into_entry(self) -> Result<Option<LogEntry>> {
        let transaction = Staging::id_of(&self.log);
        let mut entry = self.prepare_entry()?.ok();
        if let Some(entry) = &mut entry {
            entry.transaction_id = transaction.or(entry.transaction_id);
        }
        Ok(entry)
    }

    /// Makes the entry, for an adapter of a database driver to write into a transaction of the
    /// caller's own. Inside an audit transaction it has the id of that.
    ///
    /// # Errors
    /// If the entry cannot be made, as for [`record`](Self::record).
    pub fn pending(self) -> Result<Pending> {
        let transaction = Staging::id_of(&self.log);
        Pending::of([self], transaction)
    }

    /// Returns whether the context or the registration says that nothing is recorded.
    pub(crate) fn is_skipped(&self) -> bool {
        matches!(self.state, State::Skipped(_))
    }

    /// Returns the entry to be written to `log`, or the receipt if there is none.
    pub(crate) fn settle(self, log: &AuditLog) -> Result<Result<LogEntry, Receipt>> {
        self.must_be_of(log)?;
        self.prepare_entry()
    }

    pub(crate) fn must_be_of(&self, log: &AuditLog) -> Result<()> {
        if self.log.is(log) {
            Ok(())
        } else {
            Err(Error::OtherLog)
        }
    }

    /// Returns the entry, or the receipt if there is none.
    pub(crate) fn prepare_entry(self) -> Result<Result<LogEntry, Receipt>> {
        Ok(self.prepare()?.map(|ready| ready.entry))
    }

    fn prepare(self) -> Result<Result<Box<Ready>, Receipt>> {
        let mut ready = match self.state {
            State::Ready(ready) => ready,
            State::Skipped(reason) => return Ok(Err(Receipt::Skipped(reason))),
            State::Failed(error) => return Err(error),
        };
        if ready.is_unchanged() {
            return Ok(Err(Receipt::Unchanged));
        }
        if ready.entry.level < self.log.shared().min_level {
            return Ok(Err(Receipt::Skipped(SkipReason::BelowLevel)));
        }
        for hook in &self.log.shared().before {
            if hook(&mut ready.entry) == Flow::Veto {
                return Ok(Err(Receipt::Skipped(SkipReason::Vetoed)));
            }
        }
        let no_reason = ready
            .entry
            .reason
            .as_ref()
            .is_none_or(|reason| reason.trim().is_empty());
        if ready.require_reason && no_reason {
            return Err(Error::ReasonRequired {
                model: ready.entry.model.clone(),
                action: ready.entry.action.clone(),
            });
        }
        if ready.counted {
            if ready.entry.outcome != Outcome::Success {
                // What did not happen says nothing of the object.
                ready.entry.snapshot = None;
            }
            self.log.shared().cadence.count(&ready.entry);
        }
        Ok(Ok(ready))
    }
}

/// Refuses what would be taken for one of the four actions, or for nothing.
fn own_name(action: &Action) -> Result<()> {
    match action {
        Action::Custom(name) if !name.trim().is_empty() => Ok(()),
        other => Err(Error::ActionName {
            name: other.as_str().to_owned(),
        }),
    }
}

/// Whether an action on an object is to be recorded.
fn admit(
    log: &AuditLog,
    action: &Action,
    schema: &'static ModelSchema,
    object: Option<&dyn Entity>,
) -> Result<std::sync::Arc<Registration>, SkipReason> {
    if Context::is_current_disabled() {
        return Err(SkipReason::Disabled);
    }
    let registration = log
        .shared()
        .registry
        .get(schema.name)
        .ok_or(SkipReason::NotRegistered)?;
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
        return Err(SkipReason::ActionExcluded);
    }
    Ok(registration)
}

impl Ready {
    fn new(
        log: &AuditLog,
        action: Action,
        schema: Option<&'static ModelSchema>,
        base: Level,
    ) -> Self {
        let mut entry = LogEntry {
            id: Uuid::nil(),
            timestamp: DateTime::UNIX_EPOCH,
            level: base,
            object_repr: String::new(),
            action,
            outcome: Outcome::Success,
            model: String::new(),
            object_pk: String::new(),
            parent: None,
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
            schema_version: 1,
            source: log.shared().source.clone(),
        };
        match schema {
            Some(schema) => {
                schema.name.clone_into(&mut entry.model);
                entry.schema_version = schema.version;
            }
            None => entry.action.as_str().clone_into(&mut entry.object_repr),
        }
        Self {
            entry,
            schema,
            base,
            raised: None,
            fixed: None,
            require_reason: false,
            needs_change: false,
            notable: true,
            complete: false,
            counted: false,
        }
    }

    /// Gives the entry its id, its time and what the context has.
    fn complete(&mut self, log: &AuditLog) {
        if !self.complete {
            self.complete = true;
            let now = log.now();
            self.entry.id = (log.shared().ids)(now);
            self.entry.timestamp = now;
            Context::fill(&mut self.entry);
        }
    }

    fn of(log: &AuditLog, action: Action, registration: &Registration) -> Self {
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
        ready.require_reason = schema.require_reason || registration.settings.require_reason;
        ready
    }

    /// Names the object and says what became of it.
    fn describe(
        &mut self,
        log: &AuditLog,
        object: &dyn Entity,
        content: &Content<'_>,
        registration: &Registration,
    ) -> Result<(), ValueError> {
        let settings = &registration.settings;
        let rules = Some(&settings.rules).filter(|rules| !rules.is_empty());
        let mut repr = Repr::new(Env::with_keys(log.hash_keys()), rules);
        object.write_repr(&mut repr);
        let (text, env) = repr.finish();
        if let Some(error) = env.into_error() {
            return Err(error);
        }
        self.entry.object_repr = text;
        self.entry.object_pk = object.pk();
        self.entry.parent = object.root();
        if let Content::Changed(compare) = content {
            let difference = compare(Env::with_keys(log.hash_keys()), rules)?;
            self.entry.changes = difference.changes;
            self.raised = difference.level;
            self.needs_change = true;
            self.notable = difference.notable;
        }
        let cadence = &log.shared().cadence;
        let wanted = match (content, settings.snapshot) {
            (Content::Present, _) => true,
            (Content::Same, _)
            | (_, SnapshotPolicy::Never)
            | (Content::Came | Content::Went, SnapshotPolicy::Every(_)) => false,
            (_, SnapshotPolicy::Always) => true,
            (Content::Changed(_), SnapshotPolicy::Every(every)) => {
                self.notable && cadence.is_due(&*log.shared().pipeline.store, &self.entry, every)
            }
        };
        self.counted = matches!(settings.snapshot, SnapshotPolicy::Every(_));
        if wanted || matches!(content, Content::Came | Content::Went) {
            let keys = log.hash_keys();
            let whole = Whole::of(keys, registration, |cx| object.record(cx))?;
            match content {
                Content::Came => {
                    self.entry.changes = whole.changes(registration, |value| (None, Some(value)));
                }
                Content::Went => {
                    self.entry.changes = whole.changes(registration, |value| (Some(value), None));
                }
                Content::Changed(_) | Content::Present | Content::Same => {}
            }
            self.entry.snapshot = wanted.then_some(whole.snapshot);
        }
        Ok(())
    }

    fn is_unchanged(&self) -> bool {
        self.needs_change && !self.notable
    }

    fn settle_level(&mut self) {
        let by_outcome = match self.entry.outcome {
            Outcome::Success => None,
            Outcome::Failure => Some(Level::Error),
            Outcome::Denied => Some(Level::Warning),
        };
        let raised = Some(self.base).max(self.raised).max(by_outcome);
        self.entry.level = self.fixed.or(raised).unwrap_or(self.base);
    }
}
