//! Entries that wait for a store that failed: a bounded queue with one thread at a time that drains it.
//!
//! # Order
//! Entries leave in the order in which they arrived. While something waits, new entries are added behind
//! it, so an entry never overtakes an earlier one.
//!
//! # When the store is called
//! After a failure the store is not called for 100 ms, then twice as long after each further failure, up
//! to 10 s. The next caller that records after the pause drains the spool; `flush` drains it at any time.
//! The store is never called under the lock.
//!
//! # Entries that the store rejects
//! A batch whose failure may concern a single entry is written entry by entry. An entry that fails while a
//! later one succeeds is lost and goes to the log output; after 8 failures in a row the store itself counts
//! as failed, and all of them wait.

use std::collections::VecDeque;
use std::ops::Range;
use std::slice;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::entry::LogEntry;
use crate::error::StoreError;

/// The first pause before a retry after a failure of the store; it grows up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The longest time that entries wait while a working store takes those before them. The store may
/// itself be what records them.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// The maximum number of entries that a drain writes at once, from a copy.
const BATCH: usize = 512;
/// The number of refused entries in a row after which the store itself counts as failed.
const REFUSALS: usize = 8;

/// The entries in the order in which they came. The store is never called under the lock.
#[derive(Debug)]
pub(super) struct Spool {
    capacity: usize,
    state: Mutex<State>,
    /// A drain has ended, or the store has taken something.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<LogEntry>,
    /// Set while something waits.
    failure: Option<Failure>,
    /// The thread that drains the spool. No other removes entries, but for `clear` when the log
    /// ends.
    drainer: Option<ThreadId>,
    /// Whether the store has taken something of this drain.
    progress: bool,
}

/// The last failure of the store.
#[derive(Debug)]
struct Failure {
    error: StoreError,
    pause: Duration,
    until: Instant,
}

/// The action for new entries while the spool may hold others.
pub(super) enum Admission {
    /// Nothing waits: write them.
    Write,
    /// [Drain](Spool::drain) the spool first.
    Drain,
    /// They wait too, so many by now, since the store failed with this.
    Spooled(usize, StoreError),
    /// The spool is full, and the store failed with this.
    Full(StoreError),
}

/// The result of a drain.
#[derive(Debug, Default)]
pub(super) struct Drained {
    pub(super) written: Vec<LogEntry>,
    /// The entries that the store will never take.
    pub(super) lost: Vec<(LogEntry, StoreError)>,
    /// Why entries still wait.
    pub(super) failure: Option<StoreError>,
}

impl Spool {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
            drained: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what to do with entries, and keeps them if the store is known to fail. Waits only
    /// for a store that works: entries that came meanwhile could fill the spool.
    pub(super) fn admit(&self, entries: &[LogEntry]) -> Admission {
        let (mut state, _) = self
            .drained
            .wait_timeout_while(self.lock(), DRAIN_WAIT, |state| {
                state.progress && state.is_drained_by_another()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = &state.failure else {
            return Admission::Write;
        };
        if state.drainer.is_none() && Instant::now() >= failure.until {
            state.begin_drain();
            return Admission::Drain;
        }
        let error = failure.error.clone();
        if state.add(entries, self.capacity) {
            Admission::Spooled(state.waiting.len(), error)
        } else {
            Admission::Full(error)
        }
    }

    /// Keeps those parts that there is capacity for, which the store did not take. Returns for each
    /// whether it is kept, and how many entries wait.
    pub(super) fn keep(&self, parts: &[&[LogEntry]], error: &StoreError) -> (Vec<bool>, usize) {
        let mut state = self.lock();
        let kept: Vec<_> = parts
            .iter()
            .map(|part| state.add(part, self.capacity))
            .collect();
        if kept.contains(&true) {
            state.note_failure(error);
        }
        (kept, state.waiting.len())
    }

    /// Returns whether something waits for this thread to drain it; waits for the end of another
    /// thread's drain.
    ///
    /// # Errors
    /// Returns the last failure of the store if this thread is draining the spool already.
    pub(super) fn wait_to_drain(&self) -> Result<bool, StoreError> {
        let mut state = self
            .drained
            .wait_while(self.lock(), |state| state.is_drained_by_another())
            .unwrap_or_else(PoisonError::into_inner);
        match &state.failure {
            None => Ok(false),
            Some(failure) if state.drainer.is_some() => Err(failure.error.clone()),
            Some(_) => {
                state.begin_drain();
                Ok(true)
            }
        }
    }

    /// Writes what waits, in order, until nothing does or the store fails. Begun by
    /// [`admit`](Self::admit) or [`wait_to_drain`](Self::wait_to_drain).
    ///
    /// `append` must not panic.
    pub(super) fn drain(&self, append: impl Fn(&[LogEntry]) -> Result<(), StoreError>) -> Drained {
        let mut drained = Drained::default();
        while let Some(entries) = self.next_batch(drained.failure.as_ref()) {
            match append(&entries) {
                Ok(()) => drained.written.extend(self.remove(0..entries.len(), true)),
                // One of them may never be taken: it must not keep the others waiting.
                Err(error) if is_hopeless(&error) || error.may_concern_entries() => {
                    self.drain_each(entries.len(), &append, &mut drained);
                }
                Err(error) => drained.failure = Some(error),
            }
        }
        drained
    }

    /// Writes the first `left` entries one after the other. An entry that the store does not take
    /// is lost if the store takes a later one.
    fn drain_each(
        &self,
        mut left: usize,
        append: impl Fn(&[LogEntry]) -> Result<(), StoreError>,
        drained: &mut Drained,
    ) {
        // Of the entries at the front.
        let mut refusals: Vec<StoreError> = Vec::new();
        while let Some(entry) = self.entry(refusals.len()) {
            let at = refusals.len();
            if at >= left {
                break;
            }
            match append(slice::from_ref(&entry)) {
                Ok(()) => {
                    drained.written.extend(self.remove(at..at + 1, true));
                    let refused = self.remove(0..at, true);
                    left -= at + 1;
                    drained
                        .lost
                        .extend(refused.into_iter().zip(refusals.drain(..)));
                }
                Err(error) if is_hopeless(&error) => {
                    let refused = self.remove(at..at + 1, false);
                    left -= 1;
                    drained.lost.extend(refused.into_iter().zip([error]));
                }
                Err(error) if error.may_concern_entries() && at + 1 < REFUSALS => {
                    refusals.push(error);
                }
                Err(error) => {
                    drained.failure = Some(error);
                    return;
                }
            }
        }
        drained.failure = refusals.pop();
    }

    /// Returns a copy of the first entries that wait. If none does or the store failed, the drain
    /// has ended.
    fn next_batch(&self, failure: Option<&StoreError>) -> Option<Vec<LogEntry>> {
        let mut state = self.lock();
        match failure {
            Some(error) => state.note_failure(error),
            None if state.waiting.is_empty() => state.failure = None,
            None => return Some(state.waiting.iter().take(BATCH).cloned().collect()),
        }
        state.drainer = None;
        self.drained.notify_all();
        None
    }

    fn entry(&self, at: usize) -> Option<LogEntry> {
        self.lock().waiting.get(at).cloned()
    }

    /// Removes entries, which the store has or will never take; notes whether it has taken one.
    fn remove(&self, range: Range<usize>, progress: bool) -> Vec<LogEntry> {
        let mut state = self.lock();
        state.progress |= progress;
        // `clear` may have removed some.
        let end = range.end.min(state.waiting.len());
        state.waiting.drain(range.start.min(end)..end).collect()
    }

    /// Returns how many entries wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Removes and returns what waits.
    pub(super) fn clear(&self) -> Vec<LogEntry> {
        Vec::from(std::mem::take(&mut self.lock().waiting))
    }
}

impl State {
    fn add(&mut self, entries: &[LogEntry], capacity: usize) -> bool {
        let fits = self.waiting.len() + entries.len() <= capacity;
        if fits {
            self.waiting.extend(entries.iter().cloned());
        }
        fits
    }

    fn is_drained_by_another(&self) -> bool {
        self.drainer
            .is_some_and(|thread| thread != thread::current().id())
    }

    fn begin_drain(&mut self) {
        self.drainer = Some(thread::current().id());
        self.progress = false;
    }

    /// Notes a failure. Several of one time make one pause.
    fn note_failure(&mut self, error: &StoreError) {
        let now = Instant::now();
        let pause = match &self.failure {
            Some(failure) if now < failure.until => return,
            Some(failure) => (failure.pause * 2).min(LONGEST_PAUSE),
            None => PAUSE,
        };
        self.failure = Some(Failure {
            error: error.clone(),
            pause,
            until: now + pause,
        });
    }
}

/// Returns whether the store will never take the entry, however often it is tried.
pub(super) fn is_hopeless(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unsupported { .. } | StoreError::NoStore | StoreError::Closed
    ) || error.concerns_entries()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{BATCH, Spool};
    use crate::entry::LogEntry;
    use crate::error::StoreError;

    #[test]
    fn a_refused_batch_leaves_later_entries_to_batches() {
        let entry = |number: usize| LogEntry::new("create", "User", number.to_string(), "");
        let refusal = StoreError::backend("a test", "one of them is refused");
        let spool = Spool::new(10_000);
        let few: Vec<_> = (0..3).map(entry).collect();
        let many: Vec<_> = (3..BATCH + 100).map(entry).collect();
        assert_eq!(spool.keep(&[&few], &refusal), (vec![true], 3));
        assert!(spool.wait_to_drain().unwrap());
        let sizes = RefCell::new(Vec::new());
        let drained = spool.drain(|entries| {
            sizes.borrow_mut().push(entries.len());
            match sizes.borrow().len() {
                1 => return Err(refusal.clone()),
                2 => assert_eq!(spool.keep(&[&many], &refusal).0, [true]),
                _ => {}
            }
            Ok(())
        });
        assert_eq!(*sizes.borrow(), [3, 1, 1, 1, BATCH, 97]);
        let written = drained.written.iter().map(|entry| &*entry.object_pk);
        let expected: Vec<_> = (0..BATCH + 100).map(|number| number.to_string()).collect();
        assert!(written.eq(&expected));
        assert!(drained.failure.is_none() && drained.lost.is_empty() && spool.len() == 0);
    }
}
