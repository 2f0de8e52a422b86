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

/// How many objects a batch of [`AuditLog::baseline`] holds.
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
    /// If an entry cannot be made or written. The batches before stay.
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
    /// If a draft cannot be recorded, is one of another log, or the batch cannot be written;
    /// then none is, unless [`Error::is_unconfirmed`](crate::Error::is_unconfirmed).
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

/// Drafts that are recorded as one batch.
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

    /// Sets why it was done, in all of them.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        self.each(|draft| draft.reason(reason.as_str()))
    }

    /// Changes each draft.
    pub fn each(mut self, change: impl FnMut(Draft) -> Draft) -> Self {
        self.drafts = self.drafts.into_iter().map(change).collect();
        self
    }

    /// Records them as one batch; the receipts come in the same order.
    ///
    /// # Errors
    /// If one cannot be recorded or the batch not be written; then none is, unless
    /// [`Error::is_unconfirmed`](crate::Error::is_unconfirmed).
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
