//! Drafts: entries that are made but not yet recorded.

mod details;
mod make;

use std::sync::Arc;

use uuid::Uuid;

use super::confirmation::Confirmer;
use super::entity::Entity;
use super::gate::Gated;
use super::pending::{IntoPending, Pending, PendingSource};
use super::ready::{Content, Ready};
use super::staging::Staging;
use crate::action::Action;
use crate::context::Context;
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::history::mark_loose;
use crate::log::AuditLog;
use crate::pipeline::receipt::{Receipt, SkipReason};
use crate::pipeline::ticket::Ticket;
use crate::registry::Registration;
use crate::value::model::ModelSchema;

/// An entry that is made but not yet recorded.
///
/// The actor, the reason and the origin come from the [context](crate::context()) that is current when
/// the draft is made; the methods of the draft override them. Three methods finish a draft:
///
/// | method | returns when | the entry goes to |
/// |---|---|---|
/// | [`record`](Self::record) | the store has the entry | the store of the log |
/// | [`submit`](Self::submit) | the entry is queued; the [`Ticket`] reports the result | the store of the log |
/// | `record_in` of an adapter's trait `RecordIn` | the statement ran | the caller's database transaction |
///
/// A draft of a type that is not registered, or made in a disabled context, has no entry, and its
/// receipt is [`Receipt::Skipped`]. An invalid draft is an error when it is recorded, not before.
///
/// # Example: details of one entry
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct Account {
///     id: u32,
///     limit: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<Account>();
/// let mut account = Account { id: 7, limit: 100 };
/// let receipt = auditlog::update(&mut account, |account| account.limit = 5_000)
///     .actor(Actor::user("17").display("Ann"))
///     .reason("ticket 4711")
///     .correlation_id("req-1")
///     .level(Level::Warning)
///     .extra("approved_by", "bob")
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(receipt, Receipt::Recorded(entry.id));
/// assert_eq!(entry.actor(), "Ann");
/// assert_eq!(entry.reason.as_deref(), Some("ticket 4711"));
/// assert_eq!(entry.additional_data["approved_by"], "bob");
/// # Ok::<(), auditlog::Error>(())
/// ```
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

    /// Returns the entry as it would be recorded; `None` if there would be none. For a changed identity
    /// this is the creation under the new key; see [`entries`](Self::entries).
    ///
    /// Hooks and the limits of the log apply later, when the draft is recorded.
    ///
    /// # Example: look before recording
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     email: String,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let mut user = User { id: 1, email: "a@example.com".into() };
    /// let draft = auditlog::update(&mut user, |user| user.email = "b@example.com".into());
    /// let entry = draft.entry().expect("a change");
    /// assert_eq!(entry.changes.to_string(), r#"email: "a@example.com" -> "b@example.com""#);
    ///
    /// let unchanged = auditlog::update(&mut user, |_| {});
    /// assert!(unchanged.entry().is_none());
    /// ```
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

    /// Records the entry and returns when the store has it. Inside a transaction it returns when the entry
    /// is staged, and the commit writes it.
    ///
    /// An update that changes the identity of its object is two entries in one batch: the deletion under
    /// the former key, and the creation with the full state under the new one. Each names the other as its
    /// [`counterpart`](LogEntry::counterpart), and the receipt has the id of the creation.
    ///
    /// The entry is as durable as the store documents. Concurrent calls share commits of the store.
    ///
    /// # Errors
    /// Nothing is recorded if an error is returned, unless [`Error::is_unconfirmed`]: then the entry may be
    /// recorded. A second draft has another id, and may record the same action twice.
    /// - Returns [`Error::NoKey`] if the object has no key.
    /// - Returns [`Error::Value`] if a value cannot be recorded, such as one that nests too deeply.
    /// - Returns [`Error::ReasonRequired`] or [`Error::ActorRequired`] if the model or the log requires one
    ///   that is missing.
    /// - Returns [`Error::UnknownField`] or [`Error::IdentityChanged`] as documented by
    ///   [`only`](Self::only) and [`changes`](Self::changes).
    /// - Returns [`Error::ActionName`] if the name of a custom action or an event is invalid.
    /// - Returns [`Error::NotRegistered`] if the type is not registered and the log was built with
    ///   [`UnregisteredPolicy::Error`](crate::UnregisteredPolicy::Error).
    /// - Returns [`Error::TooLarge`] if the entry exceeds
    ///   [`max_entry_bytes`](crate::AuditLogBuilder::max_entry_bytes).
    /// - Returns [`Error::TransactionMixed`] in a transaction whose guards were dropped out of order.
    /// - Returns [`Error::ShutDown`] if the log was shut down.
    /// - Returns [`Error::Store`] if the store fails, unless the log was built with
    ///   [`FailurePolicy::FailOpen`](crate::FailurePolicy::FailOpen).
    ///
    /// # Example: a changed key
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     #[audit(id)]
    ///     email: String,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let mut user = User { email: "a@example.com".into() };
    /// auditlog::update(&mut user, |user| user.email = "b@example.com".into()).record()?;
    ///
    /// let [ended, begun] = &audit.entries()[..] else { panic!("two entries") };
    /// assert_eq!((&ended.action, ended.object_pk.as_str()), (&Action::Delete, "a@example.com"));
    /// assert_eq!((&begun.action, begun.object_pk.as_str()), (&Action::Create, "b@example.com"));
    /// assert_eq!(ended.counterpart, Some(ObjectRef::new("User", "b@example.com")));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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

    /// Queues the entry for the log's writer thread, which writes entries in batches and in order.
    ///
    /// Never blocks: [`Ticket`] documents what happens while the [queue](crate::AuditLogBuilder::queue) is
    /// full. A failure is reported by the ticket only.
    ///
    /// Entries still queued when the process exits are lost. Call [`AuditLog::shutdown`] or
    /// [`flush`](AuditLog::flush) before exiting, or wait for each ticket. On the writer thread itself, as
    /// in a sink, the entry is written at once. Inside a transaction the entry is staged, and the commit
    /// writes it.
    ///
    /// # Example: go on, and wait later
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let audit = auditlog::testing::capture();
    /// let first = auditlog::event("charged").submit();
    /// let second = auditlog::event("shipped").submit();
    ///
    /// let receipt = first.wait()?; // or `first.await?`
    /// assert!(receipt.is_recorded());
    /// second.wait()?;
    /// assert_eq!(audit.entries().len(), 2);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn submit(self) -> Ticket {
        match self.into_pending() {
            Ok(pending) => pending.submit(),
            Err(error) => Ticket::ready(Err(error)),
        }
    }

    /// Returns the entry, for a store that writes it into a transaction of the caller's own, or `None` if
    /// the draft records nothing. Hooks receive the entry; sinks do not. Inside an audit transaction it has
    /// the transaction's id. A tracked object does not count it as recorded.
    ///
    /// # Errors
    /// - Returns the errors of [`record`](Self::record) if the entry cannot be made.
    /// - Returns [`Error::IdentityChanged`] if there are two entries;
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

/// The decision whether an action on an object is recorded.
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
