//! Worker threads that call the store: a limited number, with a timeout for each job.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::Cancellation;
use audit_core::backend::escape_misleading;

use crate::panics;

/// Runs jobs on threads. Dropping it ends the threads after the jobs that they run.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of threads.
    pub(crate) threads: usize,
    /// The number of jobs that wait while all threads are busy.
    pub(crate) waiting: usize,
    /// The number of threads that run jobs of one reader.
    pub(crate) reader_threads: usize,
    /// The number of jobs of one reader that wait.
    pub(crate) reader_waiting: usize,
    /// The time from the creation of a job to its result.
    pub(crate) timeout: Duration,
}

/// Whether a job may be rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The job is rejected if the queue is full.
    Limited,
    /// The job continues one that was admitted, so it waits in any case.
    Continued,
}

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobError {
    /// The queue is full.
    Busy,
    /// The reader has this number of jobs, the limit for one reader.
    ReaderBusy(usize),
    /// The timeout is over.
    TimedOut,
    /// The job has panicked.
    Panicked,
}

struct Shared {
    limits: Limits,
    state: Mutex<State>,
    /// Signalled when a job is added and when the pool is closed.
    work: Condvar,
    /// Signalled when an earlier deadline is added and when the pool is closed.
    clock: Condvar,
}

#[derive(Default)]
struct State {
    /// The jobs that wait for a thread, by their numbers, which ascend.
    queue: BTreeMap<u64, Work>,
    deadlines: BTreeMap<(Instant, u64), Weak<dyn Expire>>,
    next_number: u64,
    /// The number of jobs that run.
    running: usize,
    /// The jobs of each reader that has one.
    readers: HashMap<Arc<str>, Usage>,
    is_closed: bool,
}

/// The numbers of jobs of a reader.
#[derive(Clone, Copy, Default)]
struct Usage {
    waiting: usize,
    running: usize,
}

/// A job that waits for a thread.
struct Work {
    reader: Arc<str>,
    run: Box<dyn FnOnce(&Shared) + Send>,
}

impl State {
    fn usage(&self, reader: &str) -> Usage {
        self.readers.get(reader).copied().unwrap_or_default()
    }

    /// Returns why a job of a reader is rejected, if it is.
    fn rejection(&self, limits: &Limits, reader: &str) -> Option<JobError> {
        let free = limits.threads.saturating_sub(self.running);
        if self.queue.len() >= limits.waiting.saturating_add(free) {
            return Some(JobError::Busy);
        }
        let usage = self.usage(reader);
        let free = free.min(limits.reader_threads.saturating_sub(usage.running));
        let is_full = usage.waiting >= limits.reader_waiting.saturating_add(free);
        let jobs = limits.reader_threads.saturating_add(limits.reader_waiting);
        is_full.then_some(JobError::ReaderBusy(jobs))
    }

    fn add(&mut self, number: u64, work: Work) {
        let usage = self.readers.entry(Arc::clone(&work.reader)).or_default();
        usage.waiting += 1;
        self.queue.insert(number, work);
    }

    /// Removes the first job whose reader may use one more thread, to run it.
    fn next(&mut self, limits: &Limits) -> Option<Work> {
        let may_run = |work: &Work| self.usage(&work.reader).running < limits.reader_threads;
        let mut queue = self.queue.iter();
        let number = queue.find_map(|(number, work)| may_run(work).then_some(*number))?;
        let work = self.queue.remove(&number)?;
        self.running += 1;
        if let Some(usage) = self.readers.get_mut(&work.reader) {
            usage.waiting -= 1;
            usage.running += 1;
        }
        Some(work)
    }

    /// Removes a job that waits.
    fn remove(&mut self, number: u64) -> Option<Work> {
        let work = self.queue.remove(&number)?;
        self.change(&work.reader, |usage| usage.waiting -= 1);
        Some(work)
    }

    /// Notes the end of a job that ran.
    fn finish(&mut self, reader: &str) {
        self.running -= 1;
        self.change(reader, |usage| usage.running -= 1);
    }

    fn change(&mut self, reader: &str, change: impl FnOnce(&mut Usage)) {
        if let Some(usage) = self.readers.get_mut(reader) {
            change(usage);
            if usage.waiting == 0 && usage.running == 0 {
                self.readers.remove(reader);
            }
        }
    }
}

impl Pool {
    pub(crate) fn start(limits: Limits) -> io::Result<Self> {
        let limits = Limits {
            threads: limits.threads.max(1),
            reader_threads: limits.reader_threads.max(1),
            ..limits
        };
        let shared = Arc::new(Shared {
            limits,
            state: Mutex::default(),
            work: Condvar::new(),
            clock: Condvar::new(),
        });
        // Dropped on an error, which ends the threads that did start.
        let pool = Self {
            shared: Arc::clone(&shared),
        };
        for _ in 0..limits.threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("auditlog-viewer".to_owned())
                .spawn(move || shared.work())?;
        }
        thread::Builder::new()
            .name("auditlog-viewer-deadlines".to_owned())
            .spawn(move || shared.expire())?;
        Ok(pool)
    }

    /// Runs `work` of a reader, for a page, on a thread. Dropping the job cancels it, and removes it from the queue.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        admission: Admission,
        reader: &str,
        page: &'static str,
        work: impl FnOnce(&Cancellation) -> T + Send + 'static,
    ) -> Job<T> {
        let slot = Arc::new(Slot {
            cancellation: Cancellation::default(),
            state: Mutex::new(SlotState {
                result: None,
                ended: None,
                waker: None,
            }),
        });
        let limits = self.shared.limits;
        let mut state = self.shared.lock();
        let rejection = match admission {
            Admission::Limited => state.rejection(&limits, reader),
            Admission::Continued => None,
        };
        if let Some(rejection) = rejection {
            drop(state);
            slot.set(Err(rejection));
            return Job {
                slot,
                number: None,
                shared: Weak::new(),
            };
        }
        let number = state.next_number;
        state.next_number += 1;
        // A time that the clock cannot represent never comes.
        let deadline = Instant::now().checked_add(limits.timeout);
        let mut is_first = false;
        if let Some(deadline) = deadline {
            let expiring: Arc<dyn Expire> = Arc::<Slot<T>>::clone(&slot);
            let key = (deadline, number);
            is_first = state
                .deadlines
                .first_key_value()
                .is_none_or(|(first, _)| key < *first);
            state.deadlines.insert(key, Arc::downgrade(&expiring));
        }
        let for_work = Arc::clone(&slot);
        let reader: Arc<str> = reader.into();
        let of_reader = Arc::clone(&reader);
        let run = Box::new(move |shared: &Shared| {
            let slot = for_work;
            let run = AssertUnwindSafe(|| work(&slot.cancellation));
            let result = (!slot.cancellation.is_cancelled()).then(|| catch_unwind(run));
            // The thread is free when the result is there, so that the next job is admitted.
            shared.lock().finish(&of_reader);
            if let Some(result) = result {
                slot.set(result.map_err(|panic| {
                    log_panic(page, &of_reader, &*panic);
                    JobError::Panicked
                }));
            }
        });
        state.add(number, Work { reader, run });
        drop(state);
        self.shared.work.notify_one();
        if is_first {
            self.shared.clock.notify_one();
        }
        Job {
            slot,
            number: Some((number, deadline)),
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// Returns the time from the creation of a job to its result.
    pub(crate) fn timeout(&self) -> Duration {
        self.shared.limits.timeout
    }

    /// Returns the number of jobs that wait for a thread, and of deadlines.
    #[cfg(test)]
    fn lengths(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.queue.len(), state.deadlines.len())
    }

    /// Returns the number of readers that have jobs.
    #[cfg(test)]
    fn readers(&self) -> usize {
        self.shared.lock().readers.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        drop(state);
        self.shared.work.notify_all();
        self.shared.clock.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs jobs until the pool is closed.
    fn work(&self) {
        let mut state = self.lock();
        while !state.is_closed {
            state = match state.next(&self.limits) {
                Some(work) => {
                    drop(state);
                    (work.run)(self);
                    self.lock()
                }
                None => self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Ends the jobs whose deadline is over, until the pool is closed.
    fn expire(&self) {
        let mut state = self.lock();
        while !state.is_closed {
            let now = Instant::now();
            let Some((&key, _)) = state.deadlines.first_key_value() else {
                state = self
                    .clock
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if key.0 > now {
                let waited = self.clock.wait_timeout(state, key.0 - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let expired = state.deadlines.remove(&key).and_then(|slot| slot.upgrade());
            let work = state.remove(key.1);
            drop(state);
            // The work may own the last viewer, whose drop takes the lock.
            drop(work);
            if let Some(slot) = expired {
                slot.expire();
            }
            state = self.lock();
        }
    }

    /// Removes a job from the queue, and its deadline.
    fn remove(&self, number: u64, deadline: Option<Instant>) {
        let mut state = self.lock();
        let work = state.remove(number);
        let slot = deadline.and_then(|deadline| state.deadlines.remove(&(deadline, number)));
        drop(state);
        drop((work, slot));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn log_panic(page: &str, reader: &str, panic: &(dyn Any + Send)) {
    let reader = escape_misleading(reader);
    let message = panics::message(panic);
    log::error!(target: "auditlog::web", "the page `{page}` of `{reader}` panicked: {message}");
}

/// A job that has a deadline.
trait Expire: Send + Sync {
    fn expire(&self);
}

struct Slot<T> {
    cancellation: Cancellation,
    state: Mutex<SlotState<T>>,
}

struct SlotState<T> {
    result: Option<Result<T, JobError>>,
    /// The time of the result.
    ended: Option<Instant>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, SlotState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the result, unless there is one already.
    fn set(&self, result: Result<T, JobError>) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.result = Some(result);
            state.ended = Some(Instant::now());
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send> Expire for Slot<T> {
    fn expire(&self) {
        self.cancellation.cancel();
        self.set(Err(JobError::TimedOut));
    }
}

/// The result of a job, as a future. Dropping it cancels the job.
pub(crate) struct Job<T> {
    slot: Arc<Slot<T>>,
    /// The number and the deadline; `None` if the job was rejected.
    number: Option<(u64, Option<Instant>)>,
    shared: Weak<Shared>,
}

impl<T> Job<T> {
    /// Returns the time of the result, if there is one.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.slot.lock().ended
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, JobError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.slot.cancellation.cancel();
        if let (Some((number, deadline)), Some(shared)) = (self.number, self.shared.upgrade()) {
            shared.remove(number, deadline);
        }
    }
}
