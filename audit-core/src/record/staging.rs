//! Entries that a transaction keeps back until it ends.
//!
//! # Nesting
//! A transaction inside another one of the same log is a part of it: it has the same id, and its end adds
//! its entries to the outer one. Its rollback drops only its own entries.
//!
//! # Mixed transactions
//! Futures that hold guards across `.await` on one thread can record into each other's transactions. The
//! stack of guards (`context::ambient`) detects guards that end out of order and marks both
//! transactions; their commits fail, and nothing of them is written.
//!
//! # Tracked objects
//! An object that is dropped inside with unrecorded changes is reported at the commit, and not after a
//! rollback, since its changes did not happen then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::LocalKey;

use uuid::Uuid;

use super::confirmation::Confirmation;
use crate::context::ambient::{Ambient, Stack};
use crate::critical::log_or_print_once;
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::log::AuditLog;
use crate::pipeline::slot::Slot;

/// The entries of an open transaction.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) log: AuditLog,
    pub(super) id: Uuid,
    /// `None` once the transaction has ended.
    entries: Mutex<Option<Vec<LogEntry>>>,
    /// The transaction that this one is a part of.
    outer: Option<Arc<Staging>>,
    /// Whether the entries were written.
    pub(super) confirmation: Arc<Confirmation>,
    /// Tracked objects that were dropped inside with unrecorded changes.
    dropped: Mutex<Vec<String>>,
    /// Whether entries of another future may be among these, or the other way round.
    mixed: AtomicBool,
}

thread_local! {
    static TRANSACTIONS: Stack<Arc<Staging>> = const { Stack::new() };
}

impl Ambient for Arc<Staging> {
    const NAME: &'static str = "transaction";

    fn stack() -> &'static LocalKey<Stack<Self>> {
        &TRANSACTIONS
    }

    fn mixed(&self) {
        self.mix();
    }
}

impl Staging {
    /// Opens a transaction, as a part of the one that is open for this log.
    pub(super) fn within(log: &AuditLog) -> Arc<Self> {
        let outer = Self::of(log);
        let id = outer
            .as_ref()
            .map_or_else(|| log.fresh_id(), |outer| outer.id);
        Arc::new(Self {
            log: log.clone(),
            id,
            entries: Mutex::new(Some(Vec::new())),
            outer,
            confirmation: Arc::default(),
            dropped: Mutex::default(),
            mixed: AtomicBool::new(false),
        })
    }

    /// Returns the innermost transaction of this thread for a log.
    pub(super) fn of(log: &AuditLog) -> Option<Arc<Self>> {
        Arc::<Self>::find(|staging| staging.log.is(log).then(|| Arc::clone(staging)))
    }

    /// Returns the id of the transaction that is open on this thread for a log.
    pub(super) fn id_of(log: &AuditLog) -> Option<Uuid> {
        Self::of(log).map(|staging| staging.id)
    }

    /// Returns whether the transaction is a part of another one.
    pub(super) fn is_part(&self) -> bool {
        self.outer.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<LogEntry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of entries kept back.
    pub(super) fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    /// Keeps entries back until the transaction ends.
    pub(super) fn stage(&self, entries: impl IntoIterator<Item = LogEntry>) -> Result<()> {
        self.check_mixed()?;
        let mut staged = self.lock();
        let staged = staged.as_mut().ok_or(Error::TransactionEnded)?;
        staged.extend(entries.into_iter().map(|mut entry| {
            entry.transaction_id = Some(self.id);
            entry
        }));
        Ok(())
    }

    /// Notes that the transaction mixed with that of another future.
    pub(super) fn mix(&self) {
        self.mixed.store(true, Ordering::Relaxed);
    }

    fn check_mixed(&self) -> Result<()> {
        if self.mixed.load(Ordering::Relaxed) {
            return Err(Error::TransactionMixed);
        }
        Ok(())
    }

    /// Ends the transaction and returns its entries; those of a part are staged in the outer one.
    pub(super) fn end(&self) -> Result<Vec<LogEntry>> {
        if let Err(mixed) = self.check_mixed() {
            self.discard();
            return Err(mixed);
        }
        let entries = self.lock().take().ok_or(Error::TransactionEnded)?;
        match &self.outer {
            Some(outer) => outer.stage(entries).map(|()| Vec::new()),
            None => Ok(entries),
        }
    }

    /// Drops the entries, unless the transaction has ended.
    pub(super) fn discard(&self) {
        if self.lock().take().is_some() {
            self.set_rolled_back();
        }
    }

    /// Notes that the entries were not written: nothing that was done inside has happened.
    pub(super) fn set_rolled_back(&self) {
        self.confirmation.set_not_written();
        self.dropped().clear();
    }

    /// Notes that the entries were written, or those of a part staged.
    pub(super) fn set_committed(&self) {
        if let Some(outer) = &self.outer {
            return self.set_staged(outer);
        }
        self.confirmation.set_written();
        self.report_dropped();
    }

    /// Notes that the writer thread has the entries.
    pub(super) fn set_queued(&self, slot: &Arc<Slot>) {
        self.confirmation.set_queued(slot);
        self.report_dropped();
    }

    /// Notes that the entries are part of another transaction.
    pub(super) fn set_staged(&self, transaction: &Self) {
        self.confirmation.set_staged(&transaction.confirmation);
        let dropped = std::mem::take(&mut *self.dropped());
        for what in dropped {
            transaction.note_dropped(what);
        }
    }

    fn dropped(&self) -> MutexGuard<'_, Vec<String>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a tracked object that was dropped with unrecorded changes, which did not happen if
    /// the transaction is rolled back.
    pub(super) fn note_dropped(&self, what: String) {
        match self.confirmation.is_written() {
            None => self.dropped().push(what),
            Some(true) => report_dropped(&self.log, what),
            Some(false) => {}
        }
    }

    fn report_dropped(&self) {
        let dropped = std::mem::take(&mut *self.dropped());
        for what in dropped {
            report_dropped(&self.log, what);
        }
    }
}

/// Reports an object that was dropped with unrecorded changes.
pub(super) fn report_dropped(log: &AuditLog, what: String) {
    static PRINTED: AtomicBool = AtomicBool::new(false);
    let message = format!("a tracked object was dropped with unrecorded changes: {what}");
    log_or_print_once(&PRINTED, log::Level::Warn, &message);
    log.shared().pipeline.note_unrecorded(what);
}
