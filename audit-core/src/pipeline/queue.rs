//! The queue behind `submit`: the submissions that the writer thread has not taken yet.
//!
//! A push never blocks. Submissions up to the capacity are handed over: they are written even if their
//! tickets are dropped. Submissions behind the capacity wait in the same order, and the ticket of a task
//! that is cancelled takes its submission back. So the capacity bounds the memory of tasks that await
//! their tickets, and not that of callers that drop them.
//!
//! Each submission has a number that increases, by which a ticket finds it in O(log n).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Pipeline;
use super::slot::Slot;
use crate::entry::LogEntry;
use crate::error::{Error, Result};

/// Submissions in the order of their arrival.
///
/// The first of them, up to the capacity, are handed over: they are written even if their tickets are
/// dropped. The others wait for capacity, and can be withdrawn.
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
    /// With their numbers, which rise.
    submissions: VecDeque<(u64, Submission)>,
    pushed: u64,
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

    /// Writes entries at once, without the queue.
    pub(super) fn write(&self, entries: &[LogEntry]) -> Result<super::Written> {
        self.pipeline.write(entries)
    }

    /// Adds a submission, and returns its number if the queue was full. Never blocks. A closed
    /// queue completes the submission with an error.
    pub(super) fn push(&self, submission: Submission) -> Option<u64> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            submission.slot.complete(Err(Error::ShutDown));
            return None;
        }
        let full = state.submissions.len() >= self.capacity;
        let number = state.pushed;
        state.pushed += 1;
        state.submissions.push_back((number, submission));
        drop(state);
        self.arrived.notify_one();
        full.then_some(number)
    }

    /// Takes the next submissions until they hold about the given number of entries. Returns `None`
    /// if the queue is closed and empty.
    pub(super) fn take(&self, entries: usize) -> Option<Vec<Submission>> {
        let idle = |state: &mut State| state.submissions.is_empty() && !state.closed;
        let mut state = self
            .arrived
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut held) = (Vec::new(), 0);
        while held < entries
            && let Some((_, submission)) = state.submissions.pop_front()
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

    /// Takes the submission of a number back unless it is handed over, and reports its entries as
    /// lost.
    pub(super) fn take_back(&self, number: u64) {
        let mut state = self.lock();
        let found = state
            .submissions
            .binary_search_by_key(&number, |(number, _)| *number);
        let waiting = found.ok().filter(|at| *at >= self.capacity);
        let submission = waiting.and_then(|at| state.submissions.remove(at));
        drop(state);
        if let Some((_, submission)) = submission {
            submission.slot.complete(Ok(super::Written::Lost));
            self.pipeline.abandon(&submission.entries);
        }
    }
}
