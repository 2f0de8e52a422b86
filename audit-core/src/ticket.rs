//! Tickets: the result of an entry that is written in the background.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};

use crate::draft::Receipt;
use crate::error::{Error, Result};

/// The result to come of [`Draft::submit`](crate::Draft::submit).
///
/// A future that needs no particular runtime; [`wait`](Self::wait) blocks instead. The entry
/// is written also if the ticket is dropped, but then nobody hears if it could not be.
#[must_use = "nobody hears of an entry that could not be written unless the ticket is awaited"]
pub struct Ticket {
    slot: Arc<Slot>,
}

/// Where the writer leaves the result.
#[derive(Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Default)]
struct State {
    result: Option<Result<Receipt>>,
    settled: bool,
    taken: bool,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settle(&self, result: Result<Receipt>) {
        let mut state = self.lock();
        if state.settled {
            return;
        }
        state.settled = true;
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        self.settled.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Ticket {
    /// Makes a ticket and the place where its result is left.
    pub(crate) fn open() -> (Self, Arc<Slot>) {
        let slot = Arc::new(Slot::default());
        (
            Self {
                slot: Arc::clone(&slot),
            },
            slot,
        )
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
    /// As [`Draft::record`](crate::Draft::record).
    pub fn wait(self) -> Result<Receipt> {
        let mut state = self.slot.lock();
        loop {
            if let Some(result) = state.result.take() {
                return result;
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

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        match state.result.take() {
            Some(result) => {
                state.taken = true;
                Poll::Ready(result)
            }
            None if state.taken => Poll::Ready(Err(Error::TransactionEnded)),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settled = self.slot.lock().result.is_some();
        f.debug_struct("Ticket").field("settled", &settled).finish()
    }
}
