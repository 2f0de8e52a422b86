//! Where the writer thread leaves the result of a job.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::receipt::Receipt;
use crate::error::Result;

/// Where the writer leaves the result.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    pub(super) settled: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) result: Option<Result<Receipt>>,
    settled: bool,
    pub(super) taken: bool,
    pub(super) waker: Option<Waker>,
}

impl Slot {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the result, and wakes the waiting thread or task. Settling a slot twice has no effect.
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
