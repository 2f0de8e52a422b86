//! Entries that are made and not yet written.

use std::sync::Arc;

use super::confirmation::Confirmer;
use super::staging::Staging;
use crate::entry::LogEntry;
use crate::error::Result;
use crate::log::AuditLog;
use crate::pipeline::receipt::{Receipt, Receipts};
use crate::pipeline::slot::Slot;
use crate::pipeline::ticket::Ticket;

/// Entries that are made and not yet written: those that a transaction kept back
/// ([`Transaction::pending`](crate::Transaction::pending)), and those that an adapter of a database
/// driver is about to write ([`IntoPending`]).
///
/// `before` hooks have seen the entries. Dropped, they are not recorded.
///
/// # Example: decide later where the entries of a function go
/// ```
/// use auditlog::AuditLog;
///
/// # let log = AuditLog::builder().build();
/// let transaction = log.begin();
/// log.event("charged").record()?; // kept back
/// let pending = transaction.pending()?;
/// assert_eq!(pending.entries().len(), 1);
///
/// // With the trait `RecordIn` of an adapter: pending.record_in(&mut transaction)
/// let receipts = pending.record()?;
/// assert!(receipts[0].is_recorded());
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "pending entries are nowhere until they are recorded"]
pub struct Pending<R = Vec<Receipt>> {
    log: AuditLog,
    entries: Vec<LogEntry>,
    /// The receipts if the entries are written.
    receipts: R,
    source: PendingSource,
}

/// The source of pending entries, which is notified when they are written; dropped before, it reports
/// that they were not.
#[derive(Debug, Default)]
pub(super) struct PendingSource {
    tracked: Vec<Confirmer>,
    /// The transaction that kept the entries back.
    transaction: Option<Arc<Staging>>,
}

impl PendingSource {
    /// Adds what confirms the entry of a draft.
    pub(super) fn add(&mut self, tracked: Confirmer) {
        if tracked.is_needed() {
            self.tracked.push(tracked);
        }
    }

    fn written(mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.set_committed();
        }
        self.tracked.drain(..).for_each(Confirmer::written);
    }

    fn staged(mut self, staging: &Staging) {
        if let Some(transaction) = self.transaction.take() {
            transaction.set_staged(staging);
        }
        for tracked in self.tracked.drain(..) {
            tracked.staged(&staging.confirmation);
        }
    }

    fn queued(mut self, slot: &Arc<Slot>) {
        if let Some(transaction) = self.transaction.take() {
            transaction.set_queued(slot);
        }
        for tracked in self.tracked.drain(..) {
            tracked.queued(slot);
        }
    }
}

impl Drop for PendingSource {
    fn drop(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.set_rolled_back();
        }
    }
}

impl<R> Pending<R> {
    pub(super) fn new(
        log: AuditLog,
        entries: Vec<LogEntry>,
        receipts: R,
        source: PendingSource,
    ) -> Self {
        Self {
            log,
            entries,
            receipts,
            source,
        }
    }

    /// Returns the entries; empty if no draft changed anything.
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Confirms that the entries are written, and returns the receipts in the order of the drafts.
    ///
    /// For adapters, which write the [entries](Self::entries) into a transaction first.
    pub fn confirm(self) -> R {
        self.source.written();
        self.receipts
    }

    /// Returns the entries, without confirming them.
    pub(super) fn into_entries(self) -> Vec<LogEntry> {
        self.entries
    }
}

impl<R: Receipts> Pending<R> {
    /// Records the entries as one batch, as [`Draft::record`](crate::Draft::record) does.
    ///
    /// # Errors
    /// Returns the error of the store if it does not take the batch. Then nothing was recorded,
    /// unless [`Error::is_unconfirmed`](crate::Error::is_unconfirmed).
    pub fn record(self) -> Result<R> {
        if self.entries.is_empty() {
            return Ok(self.confirm());
        }
        if let Some(staging) = Staging::of(&self.log) {
            staging.stage(self.entries)?;
            self.source.staged(&staging);
            return Ok(self.receipts);
        }
        let kept = self.log.write(&self.entries)?;
        if kept.is_kept() {
            self.source.written();
        }
        Ok(kept.receipts(self.receipts))
    }

    /// Queues the entries as one batch for the log's writer thread, as
    /// [`Draft::submit`](crate::Draft::submit) does.
    pub fn submit(self) -> Ticket<R> {
        if self.entries.is_empty() {
            return Ticket::ready(Ok(self.confirm()));
        }
        if let Some(staging) = Staging::of(&self.log) {
            return Ticket::ready(staging.stage(self.entries).map(|()| {
                self.source.staged(&staging);
                self.receipts
            }));
        }
        let ticket = self.log.enqueue(self.entries, self.receipts);
        // Without a slot, the ticket has failed.
        if let Some(slot) = ticket.slot() {
            self.source.queued(slot);
        }
        ticket
    }
}

impl Pending {
    /// Takes over the entries that a transaction kept back.
    pub(super) fn kept_back(entries: Vec<LogEntry>, transaction: Arc<Staging>) -> Self {
        let receipts = entries.iter().map(|entry| Receipt::Recorded(entry.id));
        let receipts = receipts.collect();
        let log = transaction.log.clone();
        let source = PendingSource {
            tracked: Vec::new(),
            transaction: Some(transaction),
        };
        Self::new(log, entries, receipts, source)
    }
}

/// A value that can be recorded: a draft, many drafts, a unit, the changes of a tracked object, or the
/// entries staged by a transaction.
///
/// Through it, adapters of database drivers give all of them the method `record_in`.
///
/// # Example: the method of an adapter
/// ```
/// use auditlog::backend::IntoPending;
/// use auditlog::{AuditLog, LogEntry, Receipt, Result};
///
/// type Transaction = Vec<LogEntry>; // of a database driver
///
/// fn record_in<D: IntoPending>(draft: D, transaction: &mut Transaction) -> Result<D::Receipts> {
///     let pending = draft.into_pending()?;
///     transaction.extend_from_slice(pending.entries()); // INSERT INTO ..
///     Ok(pending.confirm())
/// }
///
/// let log = AuditLog::builder().build();
/// let mut transaction = Transaction::new();
/// assert!(record_in(log.event("charged"), &mut transaction)?.is_recorded());
/// assert_eq!(transaction[0].action, "charged");
/// # Ok::<(), auditlog::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded",
    label = "not a draft, drafts, a unit, a tracked object or pending entries",
    note = "to record a value, draft its entry with `created`, `updated` or `deleted`"
)]
pub trait IntoPending: Sized {
    /// A [`Receipt`], or one for each draft.
    type Receipts: Receipts;

    /// Makes the entries.
    ///
    /// Inside an audit transaction they have its id.
    ///
    /// # Errors
    /// Returns the error of [`Draft::record`](crate::Draft::record) if one of the entries cannot be
    /// made; then no entry is made.
    fn into_pending(self) -> Result<Pending<Self::Receipts>>;
}

impl<R: Receipts> IntoPending for Pending<R> {
    type Receipts = R;

    fn into_pending(self) -> Result<Self> {
        Ok(self)
    }
}
