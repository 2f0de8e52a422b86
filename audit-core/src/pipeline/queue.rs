//! The queue behind `submit`: what the writer thread is to write.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Pipeline;
use super::slot::Slot;
use crate::entry::LogEntry;
use crate::error::Error;

/// Submissions in the order in which they came.
///
/// The first of them, up to the capacity, are handed over: they are written whatever happens to
/// their tickets. The others wait for capacity, and can be taken back.
#[derive(Debug)]
pub(super) struct Queue {
    pipeline: Arc<Pipeline>,
    capacity: usize,
    state: Mutex<State>,
    /// There is a submission, or there will be no more.
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    submissions: VecDeque<Submission>,
    closed: bool,
}

/// Entries that are written together. Without entries, it is completed when all submissions
/// before it are.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) entries: Vec<LogEntry>,
    pub(super) slot: Arc<Slot>,
}

impl Queue {
    pub(super) fn new(pipeline: Arc<Pipeline>, capacity: usize) -> Self {
        Self {
            pipeline,
            // Without any, nothing would be handed over.
            capacity: capacity.max(1),
            state: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a submission, and returns whether the queue was full. Never blocks. A closed queue
    /// completes the submission with an error.
    pub(super) fn push(&self, submission: Submission) -> bool {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            submission.slot.complete(Err(Error::ShutDown));
            return false;
        }
        let full = state.submissions.len() >= self.capacity;
        state.submissions.push_back(submission);
        drop(state);
        self.arrived.notify_one();
        full
    }

    /// Takes the next submissions, as many as have about so many entries; `None` when there will
    /// be no more.
    pub(super) fn take(&self, entries: usize) -> Option<Vec<Submission>> {
        let idle = |state: &mut State| state.submissions.is_empty() && !state.closed;
        let mut state = self
            .arrived
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut held) = (Vec::new(), 0);
        while held < entries
            && let Some(submission) = state.submissions.pop_front()
        {
            held += submission.entries.len();
            taken.push(submission);
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Accepts no more submissions; those it has can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Takes a submission back unless it is handed over, and reports its entries as lost.
    pub(super) fn take_back(&self, slot: &Arc<Slot>) {
        let mut state = self.lock();
        let is_it = |submission: &Submission| Arc::ptr_eq(&submission.slot, slot);
        let found = state.submissions.iter().position(is_it);
        let waiting = found.filter(|at| *at >= self.capacity);
        let submission = waiting.and_then(|at| state.submissions.remove(at));
        drop(state);
        if let Some(submission) = submission {
            submission.slot.complete(Ok(super::Written::Lost));
            self.pipeline.abandon(&submission.entries);
        }
    }
}
