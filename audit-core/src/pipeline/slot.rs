//! Slots: each holds the result of one submission for its ticket.
//!
//! A slot is completed once, by the writer thread, and its result is taken once, by a thread that waits
//! or a task that polls. Whether the entries are kept stays readable afterwards, for tracked objects and
//! transactions whose state depends on it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Written;
use crate::error::{Error, Result};

/// The result of a submission, to be taken once.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    completed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    result: Option<Result<Written>>,
    /// Whether the entries are kept; unset until the slot is completed.
    kept: Option<bool>,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the result, and wakes the waiting thread or task. Completing a slot twice has no
    /// effect.
    pub(super) fn complete(&self, result: Result<Written>) {
        let mut state = self.lock();
        if state.kept.is_some() {
            return;
        }
        state.kept = Some(result.as_ref().is_ok_and(|written| written.is_kept()));
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        self.completed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns whether the entries are kept; `None` until the slot is completed.
    pub(crate) fn is_kept(&self) -> Option<bool> {
        self.lock().kept
    }

    /// Returns whether a task has polled for the result and not got it.
    pub(super) fn is_awaited(&self) -> bool {
        self.lock().waker.is_some()
    }

    /// Waits for the result and takes it.
    pub(super) fn wait(&self) -> Result<Written> {
        let mut state = self
            .completed
            .wait_while(self.lock(), |state| state.kept.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.result.take().unwrap_or(Err(Error::ResultTaken))
    }

    /// Takes the result, or has the task woken when it is there.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Written>> {
        let mut state = self.lock();
        if state.kept.is_none() {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.result.take().unwrap_or(Err(Error::ResultTaken)))
    }
}
