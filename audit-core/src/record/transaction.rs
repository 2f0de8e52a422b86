//! Transactions: entries that are written together or not at all.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::thread::LocalKey;

use uuid::Uuid;

use super::pending::Pending;
use super::tracked::report_dropped;
use crate::context::RunsInScope;
use crate::context::ambient::{Ambient, Entered, Frames, Stack};
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::log::AuditLog;
use crate::pipeline::ticket::Ticket;

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
/// What `run` returned, or that the batch could not be written.
///
/// # Example: an error leaves no trace
/// ```
/// use audit_core as auditlog;
///
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
/// run afterwards; [`transaction_async`] takes a future.
///
/// ```compile_fail
/// # use audit_core as auditlog;
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

/// What the closure of [`transaction`] returns: a `Result`.
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
/// and [`transaction_async`] for the form for futures.
pub fn begin() -> Transaction {
    AuditLog::current().begin()
}

/// Runs a future in a transaction of the current log: as [`transaction`], across `.await`
/// and on whatever thread polls it. A future dropped before its end leaves no entries.
///
/// The batch is written in the background, so the executor's thread is not blocked, not even
/// while the queue is full. Dropped while its batch is on the way, the future leaves all of it or
/// none: see [`Ticket`].
///
/// # Errors
/// What the future returned, or that the batch could not be written.
pub fn transaction_async<F, T, E>(future: F) -> InTransaction<F, T>
where
    F: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    AuditLog::current().transaction_async(future)
}

impl AuditLog {
    /// Runs `run` in a transaction of this log; see [`transaction`](crate::transaction).
    ///
    /// # Errors
    /// What `run` returned, or that the batch could not be written.
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

    /// Runs a future in a transaction of this log; see
    /// [`transaction_async`](crate::transaction_async).
    pub fn transaction_async<F, T, E>(&self, future: F) -> InTransaction<F, T>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let staging = Staging::within(self);
        InTransaction {
            state: State::Running(Box::pin(future)),
            frames: Frames::with(Arc::clone(&staging)),
            staging,
        }
    }
}

/// The entries of an open transaction.
#[derive(Debug)]
pub(crate) struct Staging {
    log: AuditLog,
    id: Uuid,
    /// `None` once the transaction has ended.
    entries: Mutex<Option<Vec<LogEntry>>>,
    /// The transaction this one is a part of.
    outer: Option<Arc<Staging>>,
    outcome: Mutex<Outcome>,
    /// Tracked objects that were dropped inside with unrecorded changes.
    dropped: Mutex<Vec<String>>,
    /// Whether entries of another future may be among these, or the other way round.
    mixed: AtomicBool,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Committed,
    RolledBack,
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
    fn within(log: &AuditLog) -> Arc<Self> {
        let outer = Self::of(log);
        let id = outer
            .as_ref()
            .map_or_else(|| log.fresh_id(), |outer| outer.id);
        Arc::new(Self {
            log: log.clone(),
            id,
            entries: Mutex::new(Some(Vec::new())),
            outer,
            outcome: Mutex::new(Outcome::Open),
            dropped: Mutex::default(),
            mixed: AtomicBool::new(false),
        })
    }

    /// The innermost transaction of this thread for a log.
    pub(crate) fn of(log: &AuditLog) -> Option<Arc<Self>> {
        Arc::<Self>::find(|staging| staging.log.is(log).then(|| Arc::clone(staging)))
    }

    /// The id of the transaction that is open on this thread for a log.
    pub(crate) fn id_of(log: &AuditLog) -> Option<Uuid> {
        Self::of(log).map(|staging| staging.id)
    }

    /// What tells whether entries were written that are kept elsewhere.
    pub(crate) fn apart(log: &AuditLog) -> Arc<Self> {
        Arc::new(Self {
            log: log.clone(),
            id: Uuid::nil(),
            entries: Mutex::new(None),
            outer: None,
            outcome: Mutex::new(Outcome::Open),
            dropped: Mutex::default(),
            mixed: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<LogEntry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps entries back until the transaction ends.
    pub(crate) fn stage(&self, entries: impl IntoIterator<Item = LogEntry>) -> Result<()> {
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
    fn mix(&self) {
        self.mixed.store(true, Ordering::Relaxed);
    }

    fn check_mixed(&self) -> Result<()> {
        if self.mixed.load(Ordering::Relaxed) {
            return Err(Error::TransactionMixed);
        }
        Ok(())
    }

    /// Ends the transaction and returns its entries; those of a part go to the whole.
    fn end(&self) -> Result<Vec<LogEntry>> {
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

    fn discard(&self) {
        if self.lock().take().is_some() {
            self.set_outcome(Outcome::RolledBack);
        }
    }

    /// Sets how the transaction ended, and reports the tracked objects that were dropped inside
    /// unless it was rolled back.
    pub(super) fn set_outcome(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
        let dropped = std::mem::take(&mut *self.dropped());
        if outcome == Outcome::RolledBack {
            return;
        }
        for what in dropped {
            match &self.outer {
                Some(outer) => outer.note_dropped(what),
                None => report_dropped(&self.log, what),
            }
        }
    }

    fn dropped(&self) -> MutexGuard<'_, Vec<String>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a tracked object that was dropped with unrecorded changes, which did not happen if
    /// the transaction is rolled back.
    pub(crate) fn note_dropped(&self, what: String) {
        match self.outcome() {
            Outcome::Open => self.dropped().push(what),
            Outcome::Committed => report_dropped(&self.log, what),
            Outcome::RolledBack => {}
        }
    }

    /// Returns whether the entries are kept elsewhere than here.
    pub(crate) fn is_apart(&self) -> bool {
        self.id.is_nil()
    }

    /// Returns how the transaction ended; a part that succeeded ends with the whole.
    pub(crate) fn outcome(&self) -> Outcome {
        let outcome = *self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match (&self.outer, outcome) {
            (Some(outer), Outcome::Committed) => outer.outcome(),
            _ => outcome,
        }
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
/// log is warned. Use [`transaction_async`], which keeps the entries of each future apart;
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
    pub fn id(&self) -> Uuid {
        self.staging.id
    }

    /// Returns the number of entries kept back.
    pub fn len(&self) -> usize {
        self.staging.lock().as_ref().map_or(0, Vec::len)
    }

    /// Returns whether no entries are kept back.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the entries as one batch.
    ///
    /// # Errors
    /// If the batch could not be written; then no entry of it was, unless
    /// [`Error::is_unconfirmed`]. [`Error::TransactionMixed`] if the guard of another transaction
    /// that began later is not dropped yet.
    pub fn commit(mut self) -> Result<()> {
        let entries = self.end()?;
        let written = self.staging.log.write(&entries);
        self.staging.set_outcome(match &written {
            Ok(_) => Outcome::Committed,
            Err(_) => Outcome::RolledBack,
        });
        written.map(drop)
    }

    /// Leaves the transaction, before anything is written: sinks and hooks may record on their own
    /// account, and whether its guard mixed with others is known then.
    fn end(&mut self) -> Result<Vec<LogEntry>> {
        if let Some(mut entered) = self.entered.take()
            && !entered.leave()
        {
            self.staging.mix();
        }
        self.staging.end()
    }

    /// Ends the transaction and makes its entries, for an adapter to write into a transaction
    /// of the caller's own: what was recorded inside goes there instead of to the log's store.
    /// Sinks never see it.
    ///
    /// # Errors
    /// [`Error::PartOfTransaction`] if it is inside another one, and
    /// [`Error::TransactionMixed`] as for [`commit`](Self::commit); its entries are gone then.
    pub fn pending(mut self) -> Result<Pending> {
        if self.staging.outer.is_some() {
            return Err(Error::PartOfTransaction);
        }
        let entries = self.end()?;
        Ok(Pending::kept_back(entries, Arc::clone(&self.staging)))
    }

    /// Ends the transaction without entries, as dropping it does.
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

/// A future that runs in a transaction; see [`transaction_async`].
#[must_use = "a future does nothing until it is polled"]
pub struct InTransaction<F, T> {
    state: State<F, T>,
    /// This transaction, and those that the future has begun inside.
    frames: Frames<Arc<Staging>>,
    staging: Arc<Staging>,
}

enum State<F, T> {
    Running(Pin<Box<F>>),
    Writing(Ticket, Option<T>),
    Done,
}

// The future is behind a box, and the rest is never pinned.
impl<F, T> Unpin for InTransaction<F, T> {}

impl<F, T> fmt::Debug for InTransaction<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTransaction")
            .field("id", &self.staging.id)
            .finish_non_exhaustive()
    }
}

impl<F, T, E> Future for InTransaction<F, T>
where
    F: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Running(_) => match this.poll_running(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok((value, entries))) => {
                        let ticket = this.staging.log.enqueue(entries);
                        this.state = State::Writing(ticket, Some(value));
                    }
                },
                State::Writing(ticket, value) => match Pin::new(ticket).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(written) => {
                        let value = value.take();
                        this.state = State::Done;
                        this.staging.set_outcome(match &written {
                            Ok(_) => Outcome::Committed,
                            Err(_) => Outcome::RolledBack,
                        });
                        return match (written, value) {
                            (Err(error), _) => Poll::Ready(Err(error.into())),
                            (Ok(_), Some(value)) => Poll::Ready(Ok(value)),
                            (Ok(_), None) => Poll::Pending,
                        };
                    }
                },
                State::Done => return Poll::Ready(Err(Error::TransactionEnded.into())),
            }
        }
    }
}

impl<F, T> InTransaction<F, T> {
    /// Runs the future to its end and makes the entries, for an adapter of a database driver to
    /// write into a transaction of the caller's own: what was recorded inside goes there instead
    /// of to the log's store. Sinks never see it.
    ///
    /// # Errors
    /// What the future returned, and [`Error::PartOfTransaction`] if it is inside another
    /// transaction; there are no entries then.
    ///
    /// # Example: a function that records by itself, in a transaction of the database
    /// ```
    /// # use audit_core as auditlog;
    /// async fn charge() -> Result<u32, auditlog::Error> {
    ///     auditlog::event("charged").submit().await?;
    ///     Ok(100)
    /// }
    ///
    /// # let audit = auditlog::testing::capture();
    /// # futures::executor::block_on(async {
    /// let (amount, pending) = auditlog::transaction_async(charge()).pending().await?;
    /// // pending.write_in(&mut transaction).await?;
    /// assert_eq!((amount, pending.entries().len()), (100, 1));
    /// # Ok::<(), auditlog::Error>(())
    /// # })?;
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub async fn pending<E>(mut self) -> Result<(T, Pending), E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        if self.staging.outer.is_some() {
            return Err(Error::PartOfTransaction.into());
        }
        let (value, entries) = poll_fn(|cx| self.poll_running(cx)).await?;
        Ok((
            value,
            Pending::kept_back(entries, Arc::clone(&self.staging)),
        ))
    }

    /// Polls the future inside the transaction; when it has succeeded, it is gone and the
    /// transaction at its end.
    fn poll_running<E>(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(T, Vec<LogEntry>), E>>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let State::Running(future) = &mut self.state else {
            return Poll::Ready(Err(Error::TransactionEnded.into()));
        };
        let resumed = Arc::<Staging>::resume(&mut self.frames);
        let polled = future.as_mut().poll(cx);
        drop(resumed);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => {
                self.end();
                Poll::Ready(Err(error))
            }
            Poll::Ready(Ok(value)) => {
                let entries = self.staging.end();
                self.state = State::Done;
                Poll::Ready(match entries {
                    Ok(entries) => Ok((value, entries)),
                    Err(error) => Err(error.into()),
                })
            }
        }
    }

    /// Drops the future inside the transaction, and then what it recorded.
    fn end(&mut self) {
        let resumed = Arc::<Staging>::resume(&mut self.frames);
        if let State::Running(future) = std::mem::replace(&mut self.state, State::Done) {
            drop(future);
        }
        drop(resumed);
        self.staging.discard();
    }
}

impl<F, T> Drop for InTransaction<F, T> {
    fn drop(&mut self) {
        if matches!(self.state, State::Running(_)) {
            self.end();
        }
    }
}
