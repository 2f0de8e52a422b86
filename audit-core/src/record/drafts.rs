//! Many drafts at once.

use std::borrow::Borrow;

use super::draft::Draft;
use super::pending::Pending;
use super::transaction::Staging;
use crate::error::Result;
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;
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
        let mut receipts = Vec::new();
        let mut entries = Vec::new();
        for draft in drafts {
            draft.must_be_of(self)?;
            receipts.push(draft.pass_into(&mut entries)?);
        }
        if let Some(staging) = Staging::of(self) {
            staging.stage(entries)?;
        } else {
            let kept = self.write(&entries)?;
            for receipt in &mut receipts {
                if let Receipt::Recorded(id) = *receipt {
                    *receipt = kept.receipt(id);
                }
            }
        }
        Ok(receipts)
    }
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

    /// Makes the entries, for an adapter of a database driver to write into a transaction of the
    /// caller's own.
    ///
    /// # Errors
    /// If one of them cannot be made, as for [`Draft::record`]; then there are none.
    pub fn pending(self) -> Result<Pending> {
        Pending::of(self.drafts, Staging::id_of(&self.log))
    }
}

impl IntoIterator for Drafts {
    type Item = Draft;
    type IntoIter = std::vec::IntoIter<Draft>;

    fn into_iter(self) -> Self::IntoIter {
        self.drafts.into_iter()
    }
}
