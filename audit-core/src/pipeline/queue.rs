//! The queue behind `submit`: what waits for the writer thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::Pipeline;
use super::slot::Slot;
use crate::entry::LogEntry;
use crate::error::Error;

/// Jobs in the order in which they came.
///
/// The first of them, as many as there is room for, are handed over: they are written
/// whatever becomes of their tickets. What came later waits for room, which is its ticket's
/// to wait for; there are no more of these than there are tickets.
#[derive(Debug)]
pub(crate) struct Queue {
    pipeline: Arc<Pipeline>,
    room: usize,
    state: Mutex<State>,
    /// There is a job, or there will be no more.
    arrived: Condvar,
    /// There is room.
    taken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<(u64, Job)>,
    next: u64,
    closed: bool,
    /// The thread that takes the jobs.
    writer: Option<ThreadId>,
}

#[derive(Debug)]
pub(crate) enum Job {
    Write(Vec<LogEntry>, Arc<Slot>),
    /// Settled when all jobs before it are.
    Barrier(Arc<Slot>),
}

impl Job {
    fn slot(&self) -> &Slot {
        match self {
            Self::Write(_, slot) | Self::Barrier(slot) => slot,
        }
    }
}

impl Queue {
    pub(crate) fn new(pipeline: Arc<Pipeline>, room: usize) -> Self {
        Self {
            pipeline,
            // With none nothing would ever be handed over.
            room: room.max(1),
            state: Mutex::default(),
            arrived: Condvar::new(),
            taken: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and returns its number if it waits for capacity. Never blocks. A closed queue
    /// settles the job.
    pub(crate) fn push(&self, job: Job) -> Option<u64> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            job.slot().settle(Err(Error::ShutDown));
            return None;
        }
        let number = state.next;
        state.next += 1;
        let waits = state.jobs.len() >= self.room;
        state.jobs.push_back((number, job));
        drop(state);
        self.arrived.notify_one();
        waits.then_some(number)
    }

    /// Takes the next jobs, as many as have about so many entries; `None` when there will be
    /// no more.
    pub(crate) fn take(&self, entries: usize) -> Option<Vec<Job>> {
        let mut state = self.lock();
        state.writer = Some(thread::current().id());
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let (mut jobs, mut held) = (Vec::new(), 0);
        while held < entries
            && let Some((_, job)) = state.jobs.pop_front()
        {
            if let Job::Write(batch, _) = &job {
                held += batch.len();
            }
            jobs.push(job);
        }
        drop(state);
        self.taken.notify_all();
        Some(jobs)
    }

    /// Takes no more jobs from now on; those it has can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Blocks until a job is handed over.
    pub(crate) fn wait_for_room(&self, number: u64) {
        let mut state = self.lock();
        // The writer cannot wait for itself: for its ticket there is room.
        while state.waiting(number, self.room).is_some()
            && state.writer != Some(thread::current().id())
        {
            state = self
                .taken
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a job back unless it is handed over, and reports its entries as given up.
    pub(crate) fn take_back(&self, number: u64) {
        let mut state = self.lock();
        let job = state
            .waiting(number, self.room)
            .and_then(|at| state.jobs.remove(at));
        drop(state);
        if let Some((_, Job::Write(entries, _))) = job {
            self.pipeline.abandon(&entries);
        }
    }
}

impl State {
    /// Returns where a job is, if it waits for room.
    fn waiting(&self, number: u64, room: usize) -> Option<usize> {
        let at = self
            .jobs
            .binary_search_by_key(&number, |(number, _)| *number);
        at.ok().filter(|at| *at >= room)
    }
}
