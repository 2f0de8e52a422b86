//! Entries on their way into a transaction of the caller's own.

use std::sync::Arc;

use uuid::Uuid;

use super::draft::Draft;
use super::transaction::{Outcome, Staging};
use crate::entry::LogEntry;
use crate::error::Result;
use crate::pipeline::receipt::Receipt;

/// Entries that are to be written into a transaction of the caller's own, and the receipts
/// for when they are: what an adapter of a database driver works with.
///
/// `before` hooks have seen the entries; sinks and `after` hooks never will, since nobody tells
/// whether the transaction commits.
///
/// # Example: what an adapter does
/// ```
/// use audit_core::{AuditLog, LogEntry, Receipt};
///
/// fn write_to_the_callers_transaction(entries: &[LogEntry]) -> std::io::Result<()> {
///     // INSERT INTO ..
/// #   assert_eq!(entries.len(), 1);
///     Ok(())
/// }
///
/// let log = AuditLog::builder().build();
/// let pending = log.event("charged").pending()?;
/// write_to_the_callers_transaction(pending.entries())?;
/// assert!(matches!(pending.written()[..], [Receipt::Recorded(_)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "its entries are nowhere until an adapter has written them"]
pub struct Pending {
    entries: Vec<LogEntry>,
    receipts: Vec<Receipt>,
    /// What waits to hear whether the entries were written: the transaction that kept them back,
    /// or tracked objects.
    staging: Option<Arc<Staging>>,
}

impl Pending {
    /// Makes the entries of drafts; with an id, they have that transaction in common.
    pub(crate) fn of(
        drafts: impl IntoIterator<Item = Draft>,
        transaction: Option<Uuid>,
    ) -> Result<Self> {
        let mut pending = Self {
            entries: Vec::new(),
            receipts: Vec::new(),
            staging: None,
        };
        for draft in drafts {
            let first = pending.entries.len();
            let receipt = draft.pass_into(&mut pending.entries)?;
            for entry in &mut pending.entries[first..] {
                entry.transaction_id = transaction.or(entry.transaction_id);
            }
            pending.receipts.push(receipt);
        }
        Ok(pending)
    }

    /// Tells when the entries are written, or that they are not going to be.
    pub(crate) fn telling(mut self, staging: Arc<Staging>) -> Self {
        self.staging = Some(staging);
        self
    }

    /// Takes over what a transaction kept back.
    pub(crate) fn kept_back(entries: Vec<LogEntry>, staging: Arc<Staging>) -> Self {
        let recorded = entries.iter().map(|entry| Receipt::Recorded(entry.id));
        Self {
            receipts: recorded.collect(),
            entries,
            staging: Some(staging),
        }
    }

    /// Returns the entries; there may be none, since what did not change has none.
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Returns the receipts as they will be.
    pub(crate) fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Returns the receipts, in the order of the drafts, now that the entries are written.
    pub fn written(mut self) -> Vec<Receipt> {
        if let Some(staging) = self.staging.take() {
            staging.set_outcome(Outcome::Committed);
        }
        std::mem::take(&mut self.receipts)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(staging) = &self.staging {
            staging.set_outcome(Outcome::RolledBack);
        }
    }
}

impl Draft {
    /// Makes the entry, for an adapter of a database driver to write into a transaction of the
    /// caller's own. Inside an audit transaction it has the id of that.
    ///
    /// # Errors
    /// If the entry cannot be made, as for [`record`](Self::record).
    pub fn pending(self) -> Result<Pending> {
        let transaction = Staging::id_of(&self.log);
        Pending::of([self], transaction)
    }
}
