//! Futures that run in a transaction.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use super::pending::Pending;
use super::staging::Staging;
use crate::context::ambient::{Ambient as _, Frames};
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;
use crate::pipeline::ticket::Ticket;

/// Runs a future in a transaction of the current log: as [`transaction`](crate::transaction), across `.await`
/// and on whatever thread polls it. A future dropped before its end leaves no entries.
///
/// The batch is written in the background, so the executor's thread is not blocked, not even
/// while the queue is full. Dropped while its batch is on the way, the future leaves all of it or
/// none: see [`Ticket`].
///
/// # Errors
/// Returns the error of the future, or that of the log if the batch cannot be written.
///
/// # Example: entries on both sides of an `.await`
/// ```
/// async fn charge(amount: i64) -> auditlog::Result<i64> {
///     auditlog::event("charged").extra("amount", amount).submit().await?;
///     // .await the database
///     auditlog::event("booked").submit().await?;
///     Ok(amount)
/// }
///
/// let audit = auditlog::testing::capture();
/// let charged = futures::executor::block_on(auditlog::transaction_async(charge(100)))?;
/// assert_eq!(charged, 100);
///
/// let entries = audit.entries();
/// assert_eq!(entries.len(), 2);
/// assert!(entries[0].transaction_id.is_some());
/// assert_eq!(entries[0].transaction_id, entries[1].transaction_id);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn transaction_async<F, T, E>(future: F) -> InTransaction<F, T>
where
    F: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    AuditLog::current().transaction_async(future)
}

impl AuditLog {
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
                        let ticket = this.staging.log.enqueue(entries, Receipt::Unchanged);
                        if let Some(slot) = ticket.slot() {
                            // The future may be dropped before the result is there.
                            this.staging.confirmation.set_queued(slot);
                        }
                        this.state = State::Writing(ticket, Some(value));
                    }
                },
                State::Writing(ticket, value) => match Pin::new(ticket).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(written) => {
                        let value = value.take();
                        this.state = State::Done;
                        match &written {
                            Ok(_) => this.staging.set_committed(),
                            Err(_) => this.staging.set_rolled_back(),
                        }
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
    /// Runs the future to its end and returns the entries that it recorded, to be recorded
    /// elsewhere: with the trait `RecordIn` of an adapter, `pending.record_in(&mut transaction)`
    /// writes them into a transaction of a database driver. Sinks never see them then.
    ///
    /// # Errors
    /// There are no entries if an error is returned.
    /// - Returns the error of the future.
    /// - Returns [`Error::PartOfTransaction`] if it is inside another transaction.
    ///
    /// # Example: a function that records by itself, in a transaction of the database
    /// ```
    /// async fn charge() -> Result<u32, auditlog::Error> {
    ///     auditlog::event("charged").submit().await?;
    ///     Ok(100)
    /// }
    ///
    /// # let audit = auditlog::testing::capture();
    /// # futures::executor::block_on(async {
    /// let (amount, pending) = auditlog::transaction_async(charge()).pending().await?;
    /// // pending.record_in(&mut transaction).await?;
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
        if self.staging.is_part() {
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
