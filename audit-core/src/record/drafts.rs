//! Many drafts at once.

use super::draft::Draft;
use super::pending::Pending;
use super::transaction::Staging;
use crate::error::Result;
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;

/// Drafts that are recorded as one batch.
#[derive(Debug)]
#[must_use = "drafts record nothing until `record`"]
pub struct Drafts {
    log: AuditLog,
    drafts: Vec<Draft>,
}

impl Drafts {
    pub(crate) fn of(log: &AuditLog, drafts: impl Iterator<Item = Draft>) -> Self {
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
