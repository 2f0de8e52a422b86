//! Transactions: entries that are written together or not at all.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::pending::Pending;
use super::staging::Staging;
use crate::context::RunsInScope;
use crate::context::ambient::{Ambient as _, Entered};
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::log::AuditLog;

/// Runs `run` in a transaction of the current log.
///
/// Entries recorded inside, on this thread, are kept back. When `run` returns `Ok` they are
/// written as one batch with one `transaction_id`; when it returns an error or panics, none
/// is. A transaction inside another is a part of it: its error drops its own entries, and
/// what it succeeds in is written when the outer one succeeds.
///
/// The error may be your own type that is `From<auditlog::Error>`. Where nothing else names
/// it, end the closure with `Ok::<_, auditlog::Error>(())`.
///
/// Under [`FailurePolicy::FailOpen`](crate::FailurePolicy::FailOpen) a batch that the store
/// does not take is `Ok`, and [`LogStats`](crate::LogStats) counts it.
///
/// # Errors
/// - Returns the error of `run`; nothing is recorded then.
/// - Returns [`Error::TransactionMixed`] if guards of several transactions were dropped out of order.
/// - Returns [`Error::Store`] if the batch cannot be written.
///
/// # Example: an error leaves no trace
/// ```
/// let audit = auditlog::testing::capture();
/// let failed: Result<(), auditlog::Error> = auditlog::transaction(|| {
///     auditlog::event("charged").record()?;
///     Err(auditlog::Error::ShutDown)
/// });
/// assert!(failed.is_err());
/// assert!(audit.entries().is_empty());
/// ```
///
/// A closure that returns a future, or one in a `Result`, does not compile, since the future would
/// run afterwards; [`transaction_async`](crate::transaction_async) takes a future.
///
/// ```compile_fail
/// auditlog::transaction(|| Ok::<_, auditlog::Error>(async { auditlog::event("charged").record() }));
/// ```
pub fn transaction<T, E, R>(run: impl FnOnce() -> R) -> Result<T, E>
where
    T: RunsInScope,
    E: From<Error>,
    R: Attempt<T, E>,
{
    AuditLog::current().transaction(run)
}

/// The result of the closure of [`transaction`]: a `Result`.
#[diagnostic::on_unimplemented(
    message = "the closure of a transaction returns a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "a future would run after the transaction has ended: use `transaction_async`"
)]
pub trait Attempt<T, E>: Sized {
    /// Returns the result.
    #[doc(hidden)]
    fn result(self) -> Result<T, E>;
}

impl<T, E> Attempt<T, E> for Result<T, E> {
    fn result(self) -> Self {
        self
    }
}

/// Begins a transaction of the current log on this thread; see [`transaction`].
///
/// For synchronous code: see [`Transaction`] for why the guard must not be held across `.await`,
/// and [`transaction_async`](crate::transaction_async) for the form for futures.
///
/// # Example: commit, or drop
/// ```
/// let audit = auditlog::testing::capture();
/// let transaction = auditlog::begin();
/// auditlog::event("charged").record()?;
/// assert!(audit.entries().is_empty()); // staged
/// transaction.commit()?;
/// assert_eq!(audit.entries().len(), 1);
///
/// let transaction = auditlog::begin();
/// auditlog::event("shipped").record()?;
/// drop(transaction);
/// assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn begin() -> Transaction {
    AuditLog::current().begin()
}

impl AuditLog {
    /// Runs `run` in a transaction of this log; see [`transaction`](crate::transaction).
    ///
    /// # Errors
    /// Returns the errors of [`transaction`](crate::transaction()).
    pub fn transaction<T, E, R>(&self, run: impl FnOnce() -> R) -> Result<T, E>
    where
        T: RunsInScope,
        E: From<Error>,
        R: Attempt<T, E>,
    {
        let transaction = self.begin();
        let value = run().result()?;
        transaction.commit()?;
        Ok(value)
    }

    /// Begins a transaction of this log on this thread.
    pub fn begin(&self) -> Transaction {
        Transaction::begin(self)
    }
}

/// An open transaction on this thread; see [`transaction`].
///
/// Dropped without [`commit`](Self::commit), it leaves no entries.
///
/// # Not across `.await`
/// The transaction belongs to the thread. Futures that take turns on one thread (`join!`, `select!`,
/// `FuturesUnordered`, `LocalSet`) and hold such guards across `.await` record into each other's
/// transactions. Guards that are then dropped in another order than innermost first are detected:
/// `commit` returns [`Error::TransactionMixed`], nothing of either transaction is written, and the
/// log is warned. Use [`transaction_async`](crate::transaction_async), which keeps the entries of each future apart;
/// [`ContextGuard`](crate::ContextGuard) names a lint that finds such guards.
#[must_use = "a transaction that is dropped without `commit` records nothing"]
pub struct Transaction {
    staging: Arc<Staging>,
    entered: Option<Entered<Arc<Staging>>>,
}

impl Transaction {
    fn begin(log: &AuditLog) -> Self {
        let staging = Staging::within(log);
        Self {
            entered: Some(Arc::clone(&staging).enter()),
            staging,
        }
    }

    /// Returns the id that the entries have in common.
    ///
    /// # Example: find the entries of a transaction
    /// ```
    /// let audit = auditlog::testing::capture();
    /// let transaction = auditlog::begin();
    /// let id = transaction.id();
    /// auditlog::event("charged").record()?;
    /// auditlog::event("shipped").record()?;
    /// transaction.commit()?;
    /// assert_eq!(audit.log().query().transaction(id).count()?, 2);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn id(&self) -> Uuid {
        self.staging.id
    }

    /// Returns the number of entries kept back.
    pub fn len(&self) -> usize {
        self.staging.len()
    }

    /// Returns whether no entries are kept back.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the entries as one batch.
    ///
    /// # Errors
    /// Nothing of the batch is recorded if an error is returned, unless [`Error::is_unconfirmed`].
    /// - Returns [`Error::TransactionMixed`] if the guard of a transaction that began later is still alive.
    /// - Returns [`Error::Store`] if the batch cannot be written.
    pub fn commit(mut self) -> Result<()> {
        let entries = self.end()?;
        let written = self.staging.log.write(&entries);
        match &written {
            Ok(_) => self.staging.set_committed(),
            Err(_) => self.staging.set_rolled_back(),
        }
        written.map(drop)
    }

    /// Leaves the transaction, before anything is written: sinks and hooks may record on their own
    /// account, and whether its guard mixed with others is decided then.
    fn end(&mut self) -> Result<Vec<LogEntry>> {
        if let Some(mut entered) = self.entered.take()
            && !entered.leave()
        {
            self.staging.mix();
        }
        self.staging.end()
    }

    /// Ends the transaction and returns the entries that it kept back, to be recorded elsewhere:
    /// with the trait `RecordIn` of an adapter, `pending.record_in(&mut transaction)` writes them
    /// into a transaction of a database driver. Sinks never see them then.
    ///
    /// # Errors
    /// The entries are dropped if an error is returned.
    /// - Returns [`Error::PartOfTransaction`] if the transaction is inside another one.
    /// - Returns [`Error::TransactionMixed`] as [`commit`](Self::commit) does.
    ///
    /// # Example: entries of a library function, in the caller's transaction
    /// ```
    /// fn charge() -> auditlog::Result<()> {
    ///     auditlog::event("charged").record()?;
    ///     Ok(())
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// let transaction = auditlog::begin();
    /// charge()?;
    /// let pending = transaction.pending()?;
    /// assert_eq!(pending.entries()[0].action, "charged");
    /// assert!(audit.entries().is_empty());
    ///
    /// pending.record()?; // or `pending.record_in(&mut transaction)` of an adapter
    /// assert_eq!(audit.entries().len(), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn pending(mut self) -> Result<Pending> {
        if self.staging.is_part() {
            return Err(Error::PartOfTransaction);
        }
        let entries = self.end()?;
        Ok(Pending::kept_back(entries, Arc::clone(&self.staging)))
    }

    /// Ends the transaction without entries, as dropping it does.
    ///
    /// # Example: nothing happened
    /// ```
    /// let audit = auditlog::testing::capture();
    /// let transaction = auditlog::begin();
    /// auditlog::event("charged").record()?;
    /// assert_eq!(transaction.len(), 1);
    /// transaction.rollback();
    /// assert!(audit.entries().is_empty());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn rollback(self) {
        drop(self);
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.staging.discard();
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.id())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
