//! Tickets: the result of entries that are written in the background.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use super::queue::Queue;
use super::receipt::{Receipt, Receipts};
use super::slot::Slot;
use crate::error::{Error, Result};

/// The future result of [`Draft::submit`](crate::Draft::submit) and its siblings: a [`Receipt`], or one for
/// each of many drafts.
///
/// It works in any async runtime and never blocks, not even when it is dropped; [`wait`](Self::wait) is the
/// blocking form.
///
/// # While the queue is full
/// While the log's [queue](crate::AuditLogBuilder::queue) has capacity, the entry is handed over at once.
/// While the queue is full, the entry waits behind it in order, and awaiting the ticket waits for capacity
/// too. The queue bounds the entries of tasks that await their tickets. A program that drops tickets without
/// awaiting them has no such bound: while the store is slower than the program, their entries take memory.
///
/// # Dropped tickets
/// A dropped ticket reports no failure. Its entry is still written, with one exception: if the task that
/// awaits the ticket is cancelled while the entry waits for capacity, the entry is removed from the queue. It
/// is not recorded then, goes to the log output in full, and counts as [`lost`](crate::LogStats::lost).
///
/// # Example: await the receipt
/// ```
/// use auditlog::AuditLog;
///
/// # futures::executor::block_on(async {
/// let log = AuditLog::builder().build();
/// let ticket = log.event("login").submit();
/// let receipt = ticket.await?;
/// assert!(receipt.is_recorded());
/// # Ok::<(), auditlog::Error>(())
/// # })?;
/// # Ok::<(), auditlog::Error>(())
/// ```
#[must_use = "a failed write is reported only by the ticket: await it, or call `wait`"]
pub struct Ticket<R = Receipt> {
    state: State<R>,
    /// The queue and the number of the submission, if the queue was full when the entries came.
    /// Does not keep a log that is gone.
    full: Option<(Weak<Queue>, u64)>,
}

enum State<R> {
    /// With the receipts if the store keeps the entries.
    Submitted(Arc<Slot>, R),
    Ready(Result<R>),
    Taken,
}

impl<R> Ticket<R> {
    /// Makes a ticket that has its result.
    pub(crate) fn ready(result: Result<R>) -> Self {
        Self {
            state: State::Ready(result),
            full: None,
        }
    }

    /// Makes a ticket for a submission; with the queue and its number there, if that was full.
    pub(super) fn submitted(
        slot: Arc<Slot>,
        receipts: R,
        full: Option<(Weak<Queue>, u64)>,
    ) -> Self {
        Self {
            state: State::Submitted(slot, receipts),
            full,
        }
    }

    /// Returns the slot of a submission, unless the ticket has its result.
    pub(crate) fn slot(&self) -> Option<&Arc<Slot>> {
        match &self.state {
            State::Submitted(slot, _) => Some(slot),
            State::Ready(_) | State::Taken => None,
        }
    }
}

impl<R: Receipts> Ticket<R> {
    /// Blocks until the entry is written, and returns the receipt.
    ///
    /// Do not call it in a task of an async runtime, whose thread it would block: await the ticket there.
    ///
    /// # Errors
    /// - Returns the errors of [`Draft::record`](crate::Draft::record).
    /// - Returns [`Error::ResultTaken`] if the ticket was awaited to its end before.
    pub fn wait(mut self) -> Result<R> {
        match mem::replace(&mut self.state, State::Taken) {
            State::Submitted(slot, receipts) => Ok(slot.wait()?.receipts(receipts)),
            State::Ready(result) => result,
            State::Taken => Err(Error::ResultTaken),
        }
    }
}

// The receipts are never pinned.
impl<R> Unpin for Ticket<R> {}

impl<R: Receipts> Future for Ticket<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let kept = match &self.state {
            State::Submitted(slot, _) => Some(ready!(slot.poll(cx))),
            State::Ready(_) | State::Taken => None,
        };
        Poll::Ready(match (mem::replace(&mut self.state, State::Taken), kept) {
            (State::Submitted(_, receipts), Some(kept)) => kept.map(|kept| kept.receipts(receipts)),
            (State::Ready(result), _) => result,
            _ => Err(Error::ResultTaken),
        })
    }
}

impl<R> Drop for Ticket<R> {
    fn drop(&mut self) {
        if let State::Submitted(slot, _) = &self.state
            && slot.is_awaited()
            && let Some((queue, number)) = &self.full
            && let Some(queue) = queue.upgrade()
        {
            queue.take_back(*number);
        }
    }
}

impl<R> fmt::Debug for Ticket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = match &self.state {
            State::Submitted(slot, _) => slot.is_kept().is_some(),
            State::Ready(_) => true,
            State::Taken => false,
        };
        f.debug_struct("Ticket")
            .field("ready", &ready)
            .finish_non_exhaustive()
    }
}
