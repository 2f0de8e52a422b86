//! Many drafts at once.

use std::borrow::Borrow;

use uuid::Uuid;

use super::draft::Draft;
use super::pending::{IntoPending, Pending, PendingSource};
use super::staging::Staging;
use crate::error::Result;
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;
use crate::pipeline::ticket::Ticket;
use crate::value::auditable::Auditable;

/// The number of objects in a batch of [`AuditLog::baseline`].
const BASELINE: usize = 1_000;

impl AuditLog {
    /// Drafts the entries of many creations, which are recorded as one batch.
    pub fn created_many<'o, T: Auditable + 'static>(
        &self,
        objects: impl IntoIterator<Item = &'o T>,
    ) -> Drafts {
        let drafts = objects.into_iter().map(|new| self.created(new));
        Drafts::of(self, drafts)
    }

    /// Drafts the entries of many updates, each of an old and a new object, which are
    /// recorded as one batch.
    pub fn updated_many<'o, T: Auditable + 'static>(
        &self,
        objects: impl IntoIterator<Item = (&'o T, &'o T)>,
    ) -> Drafts {
        let pairs = objects.into_iter();
        Drafts::of(self, pairs.map(|(old, new)| self.updated(old, new)))
    }

    /// Drafts the entries of many deletions, which are recorded as one batch.
    pub fn deleted_many<'o, T: Auditable + 'static>(
        &self,
        objects: impl IntoIterator<Item = &'o T>,
    ) -> Drafts {
        let drafts = objects.into_iter().map(|old| self.deleted(old));
        Drafts::of(self, drafts)
    }

    /// Records the present state of objects that were there before the trail was: see
    /// [`baseline`](crate::baseline()).
    ///
    /// # Errors
    /// Returns the errors of [`Draft::record`] if an entry cannot be made or written. Earlier batches stay
    /// recorded.
    pub fn baseline<T: Auditable + 'static>(
        &self,
        objects: impl IntoIterator<Item = impl Borrow<T>>,
    ) -> Result<u64> {
        let mut objects = objects.into_iter();
        let mut recorded = 0;
        loop {
            let drafts: Vec<Draft> = objects
                .by_ref()
                .take(BASELINE)
                .map(|object| self.baseline_of(object.borrow()))
                .collect();
            if drafts.is_empty() {
                return Ok(recorded);
            }
            let receipts = self.record_all(drafts)?;
            recorded += receipts.iter().filter(|r| r.id().is_some()).count() as u64;
        }
    }

    /// Records drafts of this log as one batch, and returns their receipts in the same order.
    ///
    /// # Errors
    /// Nothing of the batch is recorded if an error is returned, unless
    /// [`Error::is_unconfirmed`](crate::Error::is_unconfirmed).
    /// - Returns [`Error::OtherLog`](crate::Error::OtherLog) if a draft was made by another log.
    /// - Returns the errors of [`Draft::record`] if a draft cannot be recorded or the batch cannot be
    ///   written.
    pub fn record_all(&self, drafts: impl IntoIterator<Item = Draft>) -> Result<Vec<Receipt>> {
        pending_of(self, drafts, Staging::id_of(self))?.record()
    }
}

/// Makes the entries of drafts of one log, with the id of a transaction if there is one.
pub(super) fn pending_of(
    log: &AuditLog,
    drafts: impl IntoIterator<Item = Draft>,
    transaction: Option<Uuid>,
) -> Result<Pending> {
    let (mut entries, mut source) = (Vec::new(), PendingSource::default());
    let mut receipts = Vec::new();
    let drafts: Vec<Draft> = drafts.into_iter().collect();
    // Before a hook sees any of them.
    for draft in &drafts {
        draft.must_be_of(log)?;
    }
    for draft in drafts {
        receipts.push(draft.add_entries(transaction, &mut entries, &mut source)?);
    }
    Ok(Pending::new(log.clone(), entries, receipts, source))
}

/// Drafts that are recorded as one batch: all of their entries, or none.
///
/// [`created_many`](crate::created_many) and its siblings make them. The batch has no
/// `transaction_id`, unless it is recorded in a [transaction](crate::transaction()).
///
/// # Example: one reason, and a note for each
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let users = [User { id: 1 }, User { id: 2 }];
/// let mut line = 0;
/// auditlog::created_many(&users)
///     .reason("import")
///     .each(|draft| {
///         line += 1;
///         draft.extra("line", line)
///     })
///     .record()?;
///
/// let entries = audit.entries();
/// assert!(entries.iter().all(|entry| entry.reason.as_deref() == Some("import")));
/// assert_eq!(entries[1].additional_data["line"], 2);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "drafts record nothing until `record`"]
pub struct Drafts {
    log: AuditLog,
    drafts: Vec<Draft>,
}

impl Drafts {
    fn of(log: &AuditLog, drafts: impl Iterator<Item = Draft>) -> Self {
        Self {
            log: log.clone(),
            drafts: drafts.collect(),
        }
    }

    /// Sets the reason of each draft.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        self.each(|draft| draft.reason(reason.as_str()))
    }

    /// Changes each draft.
    pub fn each(mut self, change: impl FnMut(Draft) -> Draft) -> Self {
        self.drafts = self.drafts.into_iter().map(change).collect();
        self
    }

    /// Records the drafts as one batch. The receipts have the order of the drafts.
    ///
    /// # Errors
    /// Returns the errors of [`AuditLog::record_all`].
    pub fn record(self) -> Result<Vec<Receipt>> {
        self.log.record_all(self.drafts)
    }

    /// Leaves them to the log's writer thread as one batch, as [`Draft::submit`] does.
    pub fn submit(self) -> Ticket<Vec<Receipt>> {
        match self.into_pending() {
            Ok(pending) => pending.submit(),
            Err(error) => Ticket::ready(Err(error)),
        }
    }
}

impl IntoPending for Drafts {
    type Receipts = Vec<Receipt>;

    fn into_pending(self) -> Result<Pending> {
        let transaction = Staging::id_of(&self.log);
        pending_of(&self.log, self.drafts, transaction)
    }
}

impl IntoIterator for Drafts {
    type Item = Draft;
    type IntoIter = std::vec::IntoIter<Draft>;

    fn into_iter(self) -> Self::IntoIter {
        self.drafts.into_iter()
    }
}
