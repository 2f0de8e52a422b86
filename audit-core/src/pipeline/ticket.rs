//! Tickets: the result of an entry that is written in the background.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{self, Poll};

use super::queue::Queue;
use super::receipt::Receipt;
use super::slot::Slot;
use crate::error::{Error, Result};

/// The result to come of [`Draft::submit`](crate::Draft::submit).
///
/// A future that needs no particular runtime and never blocks; [`wait`](Self::wait) blocks
/// instead.
///
/// While the log's [queue](crate::AuditLogBuilder::queue) has capacity, the entry is handed over
/// at once. It is written also if the ticket is dropped, but then no caller gets the error of a
/// failed write. While the queue is full, the entry waits for capacity by itself, and dropping the
/// ticket has one of two effects:
///
/// - A ticket that was polled belongs to a cancelled task. The entry is taken back: it is not
///   kept, goes to the log output as a whole, and counts as
///   [`lost`](crate::LogStats::lost).
/// - Dropping a ticket that was never polled, as in `drop(draft.submit())`, blocks until the queue
///   has capacity: await the ticket where blocking is not an option.
#[must_use = "a failed write is reported only by the ticket: await it, or call `wait`"]
pub struct Ticket {
    slot: Arc<Slot>,
    /// Where the entry is, if it was to wait for room.
    place: Option<Place>,
}

struct Place {
    /// Does not keep a log that is gone.
    queue: Weak<Queue>,
    number: u64,
    awaited: bool,
}

impl Ticket {
    /// Makes a ticket and the place where its result is left.
    pub(crate) fn open() -> (Self, Arc<Slot>) {
        let slot = Arc::new(Slot::default());
        (
            Self {
                slot: Arc::clone(&slot),
                place: None,
            },
            slot,
        )
    }

    /// Notes that its job came to a full queue.
    pub(crate) fn waits_in(&mut self, queue: &Arc<Queue>, number: u64) {
        self.place = Some(Place {
            queue: Arc::downgrade(queue),
            number,
            awaited: false,
        });
    }

    /// Makes a ticket whose result is known.
    pub(crate) fn settled(result: Result<Receipt>) -> Self {
        let (ticket, slot) = Self::open();
        slot.settle(result);
        ticket
    }

    /// Waits until the entry is written.
    ///
    /// # Errors
    /// As [`Draft::record`](crate::Draft::record), and [`Error::ResultTaken`] if the ticket was
    /// awaited to its end before.
    pub fn wait(self) -> Result<Receipt> {
        let mut state = self.slot.lock();
        loop {
            if let Some(result) = state.result.take() {
                return result;
            }
            if state.taken {
                return Err(Error::ResultTaken);
            }
            state = self
                .slot
                .settled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Ticket {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        if let Some(place) = &mut self.place {
            place.awaited = true;
        }
        let mut state = self.slot.lock();
        match state.result.take() {
            Some(result) => {
                state.taken = true;
                Poll::Ready(result)
            }
            None if state.taken => Poll::Ready(Err(Error::ResultTaken)),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        if let Some(queue) = place.queue.upgrade() {
            if place.awaited {
                queue.take_back(place.number);
            } else {
                queue.wait_for_room(place.number);
            }
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settled = self.slot.lock().result.is_some();
        f.debug_struct("Ticket")
            .field("settled", &settled)
            .finish_non_exhaustive()
    }
}
