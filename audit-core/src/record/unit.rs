//! Units of work: drafts that are recorded together.

use std::fmt;
use std::sync::atomic::AtomicBool;

use uuid::Uuid;

use super::draft::Draft;
use super::drafts::pending_of;
use super::pending::{IntoPending, Pending};
use super::staging::Staging;
use super::tracked::Tracked;
use crate::action::Action;
use crate::critical::log_or_print_once;
use crate::entry::LogEntry;
use crate::error::Result;
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;
use crate::pipeline::ticket::Ticket;
use crate::value::auditable::Auditable;

/// Starts a unit of work of the current log: drafts that are recorded together; see [`Unit`].
///
/// # Example: two objects, one batch
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct Account {
///     id: u32,
///     cents: i64,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<Account>();
/// let mut unit = auditlog::unit();
/// unit.updated(&Account { id: 1, cents: 500 }, &Account { id: 1, cents: 400 });
/// unit.updated(&Account { id: 2, cents: 0 }, &Account { id: 2, cents: 100 });
/// let receipts = unit.record()?;
/// assert_eq!(receipts.len(), 2);
///
/// let entries = audit.entries();
/// assert!(entries[0].transaction_id.is_some());
/// assert_eq!(entries[0].transaction_id, entries[1].transaction_id);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn unit() -> Unit {
    AuditLog::current().unit()
}

impl AuditLog {
    /// Starts a unit of work; see [`unit`](crate::unit()).
    pub fn unit(&self) -> Unit {
        Unit::of(self)
    }
}

/// Drafts that are recorded together, as one batch with one `transaction_id`: that of the
/// [transaction](crate::transaction()) that the unit is made in, or one of its own. Recorded inside
/// another transaction, the entries have the id of that one.
///
/// It collects drafts and does nothing else. [`record`](Self::record) and
/// [`submit`](Self::submit) write to the log's store. With the trait `RecordIn` of an adapter in
/// scope, `unit.record_in(&mut transaction)` writes the entries into a transaction of a database
/// driver by one statement, before its commit.
///
/// Dropped with unrecorded entries, and without [`discard`](Self::discard), it warns through
/// `log` and counts in [`LogStats::unrecorded`](crate::LogStats::unrecorded).
///
/// # Example: two changes, one unit
/// ```
/// use auditlog::AuditLog;
///
/// let log = AuditLog::builder().build();
/// let mut unit = log.unit();
/// unit.event("charged");
/// unit.add(log.event("shipped").reason("express"));
/// assert_eq!(unit.record()?.len(), 2);
///
/// let [charged, shipped] = &log.query().all()?[..] else { unreachable!() };
/// assert_eq!(charged.transaction_id, shipped.transaction_id);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[must_use = "a unit records nothing until `record`, `submit` or `record_in`"]
pub struct Unit {
    log: AuditLog,
    id: Uuid,
    drafts: Vec<Draft>,
}

impl Unit {
    fn of(log: &AuditLog) -> Self {
        Self {
            log: log.clone(),
            id: Staging::id_of(log).unwrap_or_else(|| log.fresh_id()),
            drafts: Vec::new(),
        }
    }

    /// Returns the id that the entries have in common, unless they are recorded inside a transaction
    /// that the unit was not made in.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Adds a creation.
    pub fn created<T: Auditable + 'static>(&mut self, new: &T) -> &mut Self {
        self.add(self.log.created(new))
    }

    /// Adds an update; one that changes nothing adds no entry.
    pub fn updated<T: Auditable + 'static>(&mut self, old: &T, new: &T) -> &mut Self {
        self.add(self.log.updated(old, new))
    }

    /// Adds a deletion.
    pub fn deleted<T: Auditable + 'static>(&mut self, old: &T) -> &mut Self {
        self.add(self.log.deleted(old))
    }

    /// Adds an action with its own name.
    pub fn custom<T: Auditable + 'static>(
        &mut self,
        action: impl Into<Action>,
        object: &T,
    ) -> &mut Self {
        self.add(self.log.custom(action, object))
    }

    /// Adds an entry without an object.
    pub fn event(&mut self, name: impl Into<Action>) -> &mut Self {
        self.add(self.log.event(name))
    }

    /// Adds a draft, with the details that it has.
    ///
    /// # Example: a draft with a reason
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// let mut unit = log.unit();
    /// unit.add(log.event("charged").reason("order 7"));
    /// unit.record()?;
    /// assert_eq!(log.query().text("order 7").count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn add(&mut self, draft: Draft) -> &mut Self {
        self.drafts.push(draft);
        self
    }

    /// Adds drafts, such as those of [`created_many`](crate::created_many).
    pub fn add_all(&mut self, drafts: impl IntoIterator<Item = Draft>) -> &mut Self {
        self.drafts.extend(drafts);
        self
    }

    /// Adds the update of a tracked object: [`add`](Self::add) of its
    /// [`draft`](Tracked::draft).
    ///
    /// # Example: two tracked objects
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Account {
    ///     id: u32,
    ///     cents: i64,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<Account>();
    /// let mut from = Tracked::new(Account { id: 1, cents: 500 });
    /// let mut to = Tracked::new(Account { id: 2, cents: 0 });
    /// from.cents -= 100;
    /// to.cents += 100;
    ///
    /// let mut unit = auditlog::unit();
    /// unit.tracked(&mut from).tracked(&mut to);
    /// unit.record()?;
    /// let entries = audit.entries();
    /// assert_eq!(entries[0].transaction_id, entries[1].transaction_id);
    /// assert!(from.changes()?.is_empty());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn tracked<T: Auditable + Clone + 'static>(
        &mut self,
        object: &mut Tracked<T>,
    ) -> &mut Self {
        self.add(object.draft())
    }

    /// Returns the entries as they would be written, before hooks see them.
    pub fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.drafts.iter().flat_map(Draft::entries)
    }

    /// Drops the drafts intentionally, as after a rollback of the database transaction.
    ///
    /// # Example: the database transaction was rolled back
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// let mut unit = log.unit();
    /// unit.event("charged");
    /// unit.discard();
    /// assert_eq!(log.stats().unrecorded, 0); // no warning
    /// assert_eq!(log.query().count()?, 0);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn discard(mut self) {
        self.drafts.clear();
    }

    /// Records the entries as one batch in the log's own store; the receipts come in the order of
    /// the drafts.
    ///
    /// # Errors
    /// Returns the errors of [`AuditLog::record_all`].
    pub fn record(self) -> Result<Vec<Receipt>> {
        self.into_pending()?.record()
    }

    /// Queues the entries as one batch for the log's writer thread, as [`Draft::submit`] does.
    pub fn submit(self) -> Ticket<Vec<Receipt>> {
        match self.into_pending() {
            Ok(pending) => pending.submit(),
            Err(error) => Ticket::ready(Err(error)),
        }
    }
}

impl IntoPending for Unit {
    type Receipts = Vec<Receipt>;

    fn into_pending(mut self) -> Result<Pending> {
        let drafts = std::mem::take(&mut self.drafts);
        pending_of(&self.log, drafts, Some(self.id))
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit")
            .field("id", &self.id)
            .field("drafts", &self.drafts)
            .finish_non_exhaustive()
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        static PRINTED: AtomicBool = AtomicBool::new(false);
        let unrecorded: Vec<_> = self
            .entries()
            .map(|entry| format!("{} {} {}", entry.action, entry.model, entry.object_pk))
            .collect();
        if unrecorded.is_empty() {
            return;
        }
        let what = format!("a unit of work: {}", unrecorded.join(", "));
        let message = format!(
            "a unit of work was dropped unrecorded: {}",
            unrecorded.join(", ")
        );
        log_or_print_once(&PRINTED, log::Level::Warn, &message);
        self.log.shared().pipeline.note_unrecorded(what);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pending::IntoPending as _;
    use crate::error::Error;
    use crate::log::{AuditLog, Flow};
    use crate::pipeline::receipt::Receipt;

    #[test]
    fn a_unit_that_is_not_recorded_is_counted() {
        let log = AuditLog::builder().build();
        let mut unit = log.unit();
        drop(log.unit());
        let mut discarded = log.unit();
        discarded.event("charged");
        discarded.discard();
        assert_eq!(log.stats().unrecorded, 0);
        unit.event("charged");
        drop(unit);
        assert_eq!(log.stats().unrecorded, 1);
    }

    #[test]
    fn a_unit_that_is_taken_is_not_counted() {
        let log = AuditLog::builder()
            .before(|entry| match entry.action.as_str() {
                "secret" => Flow::Veto,
                _ => Flow::Continue,
            })
            .build();
        let mut unit = log.unit();
        unit.event("charged").event("secret").event("shipped");
        let id = unit.id();
        let pending = unit.into_pending().unwrap();
        assert_eq!(pending.entries().len(), 2);
        assert!(
            pending
                .entries()
                .iter()
                .all(|entry| entry.transaction_id == Some(id))
        );
        let receipts = pending.confirm();
        assert!(matches!(
            receipts[..],
            [
                Receipt::Recorded(_),
                Receipt::Skipped(_),
                Receipt::Recorded(_)
            ]
        ));
        assert_eq!(log.stats().unrecorded, 0);
    }

    #[test]
    fn a_unit_in_a_transaction_shares_its_id() {
        let log = AuditLog::builder().build();
        let transaction = log.begin();
        assert_eq!(log.unit().id(), transaction.id());
        drop(transaction);
        assert_ne!(log.unit().id(), log.unit().id());
    }

    #[test]
    fn a_unit_takes_many_drafts_at_once() {
        let log = AuditLog::builder().build();
        let mut unit = log.unit();
        unit.add_all(["charged", "shipped"].map(|name| log.event(name)));
        assert_eq!(unit.into_pending().unwrap().confirm().len(), 2);
    }

    #[test]
    fn a_draft_in_a_transaction_shares_its_id() {
        let log = AuditLog::builder().build();
        let transaction = log.begin();
        let id = Some(transaction.id());
        let pending = log.event("charged").into_pending().unwrap();
        assert_eq!(pending.entries()[0].transaction_id, id);
        let entry = log.event("charged").into_entry().unwrap().unwrap();
        assert_eq!(entry.transaction_id, id);
        drop(transaction);
        let pending = log.event("charged").into_pending().unwrap();
        assert_eq!(pending.entries()[0].transaction_id, None);
    }

    #[test]
    fn a_unit_takes_drafts_of_its_own_log_only() {
        let (log, other) = (AuditLog::builder().build(), AuditLog::builder().build());
        let mut unit = log.unit();
        unit.add(other.event("charged"));
        assert!(matches!(unit.into_pending(), Err(Error::OtherLog)));
    }

    #[test]
    fn entries_of_a_transaction_can_be_recorded_elsewhere() {
        let log = AuditLog::builder().build();
        let transaction = log.begin();
        let id = transaction.id();
        let receipt = log.event("charged").record().unwrap();
        let pending = transaction.pending().unwrap();
        assert_eq!(pending.entries()[0].transaction_id, Some(id));
        assert_eq!(pending.confirm(), [receipt]);
        assert_eq!(log.query().count().unwrap(), 0);
        // The transaction is over: this one goes to the log's own store.
        log.event("shipped").record().unwrap();
        assert_eq!(log.query().count().unwrap(), 1);
    }

    #[test]
    fn a_part_of_a_transaction_cannot_be_written_elsewhere() {
        let log = AuditLog::builder().build();
        let outer = log.begin();
        let inner = log.begin();
        log.event("charged").record().unwrap();
        assert!(matches!(inner.pending(), Err(Error::PartOfTransaction)));
        assert!(outer.is_empty());
    }
}
