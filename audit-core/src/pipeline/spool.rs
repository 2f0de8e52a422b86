//! Entries that wait for a store that failed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::entry::LogEntry;
use crate::error::StoreError;

/// How long the store is not asked after a failure, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long entries wait at most for a store that works to take those before them. The store
/// may itself be what records them.
const PATIENCE: Duration = Duration::from_secs(1);

/// What waits, in the order in which it came. The store is never asked under the lock.
#[derive(Debug)]
pub(crate) struct Spool {
    room: usize,
    state: Mutex<State>,
    /// A turn has ended, or has shown that the store works again.
    turned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<LogEntry>,
    /// There while something waits.
    failure: Option<Failure>,
    turn: Option<Progress>,
}

/// What the store said last.
#[derive(Debug)]
struct Failure {
    error: StoreError,
    pause: Duration,
    until: Instant,
}

/// What is known of a turn.
#[derive(Debug)]
struct Progress {
    thread: ThreadId,
    taken: usize,
    /// The store has taken something.
    works: bool,
}

/// What becomes of entries that come while others may wait.
pub(crate) enum Pass<'s> {
    /// Nothing waits: the store is to be asked.
    Free,
    /// What waits is to be written first.
    Turn(Turn<'s>),
    /// They wait too, so many by now, since the store failed with this.
    Spooled(usize, StoreError),
    /// There is no room for them, and the store failed with this.
    Full(StoreError),
}

impl Spool {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room,
            state: Mutex::default(),
            turned: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets entries pass, or keeps them where the store is known to fail. Waits only for a
    /// store that works.
    pub(crate) fn pass(&self, entries: &[LogEntry]) -> Pass<'_> {
        // What came while such a store takes what waits could fill the spool.
        let taking = |state: &mut State| {
            let turn = state.turn.as_ref();
            turn.is_some_and(|turn| turn.works && !turn.is_own())
        };
        let (mut state, _) = self
            .turned
            .wait_timeout_while(self.lock(), PATIENCE, taking)
            .unwrap_or_else(PoisonError::into_inner);
        if state.turn.is_none() {
            if state.waiting.is_empty() {
                return Pass::Free;
            }
            if !state.pauses() {
                return Pass::Turn(self.begin(&mut state));
            }
        }
        let Some(failure) = &state.failure else {
            return Pass::Free;
        };
        let error = failure.error.clone();
        if state.add(entries, self.room) {
            Pass::Spooled(state.len(), error)
        } else {
            Pass::Full(error)
        }
    }

    /// Keeps those parts that there is room for, which the store did not take. Returns for each
    /// whether it is kept, and how many entries wait.
    pub(crate) fn keep(&self, parts: &[&[LogEntry]], error: &StoreError) -> (Vec<bool>, usize) {
        let mut state = self.lock();
        let kept: Vec<_> = parts
            .iter()
            .map(|part| state.add(part, self.room))
            .collect();
        if kept.contains(&true) {
            state.failed(error);
        }
        (kept, state.len())
    }

    /// Takes a turn at writing what waits, if anything does; waits for the end of another's.
    ///
    /// # Errors
    /// Why something waits, if this thread has its turn already.
    pub(crate) fn turn(&self) -> Result<Option<Turn<'_>>, StoreError> {
        let mut state = self.lock();
        while let Some(turn) = &state.turn {
            if turn.is_own() {
                let failure = state.failure.as_ref();
                return failure.map_or(Ok(None), |failure| Err(failure.error.clone()));
            }
            state = self
                .turned
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let waits = !state.waiting.is_empty();
        Ok(waits.then(|| self.begin(&mut state)))
    }

    fn begin(&self, state: &mut State) -> Turn<'_> {
        state.turn = Some(Progress {
            thread: thread::current().id(),
            taken: 0,
            works: false,
        });
        Turn {
            spool: self,
            taken: VecDeque::new(),
            over: false,
        }
    }

    /// Returns how many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes and returns what waits.
    pub(crate) fn clear(&self) -> Vec<LogEntry> {
        Vec::from(std::mem::take(&mut self.lock().waiting))
    }
}

impl State {
    fn len(&self) -> usize {
        self.waiting.len() + self.turn.as_ref().map_or(0, |turn| turn.taken)
    }

    fn pauses(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|failure| Instant::now() < failure.until)
    }

    fn add(&mut self, entries: &[LogEntry], room: usize) -> bool {
        let fits = self.len() + entries.len() <= room;
        if fits {
            self.waiting.extend(entries.iter().cloned());
        }
        fits
    }

    /// Notes a failure. Several of one time make one pause.
    fn failed(&mut self, error: &StoreError) {
        let pause = match &self.failure {
            Some(_) if self.pauses() => return,
            Some(failure) => (failure.pause * 2).min(LONGEST_PAUSE),
            None => PAUSE,
        };
        self.failure = Some(Failure {
            error: error.clone(),
            pause,
            until: Instant::now() + pause,
        });
    }
}

impl Progress {
    fn is_own(&self) -> bool {
        self.thread == thread::current().id()
    }
}

/// A thread's turn at writing what waits. Dropped before it is over, what it has taken waits
/// again, before everything else.
pub(crate) struct Turn<'s> {
    spool: &'s Spool,
    taken: VecDeque<LogEntry>,
    over: bool,
}

impl Turn<'_> {
    /// Takes what waits; if nothing does any more, the turn is over.
    pub(crate) fn take(&mut self) -> Option<&[LogEntry]> {
        let spool = self.spool;
        let mut state = spool.lock();
        self.taken.append(&mut state.waiting);
        if self.taken.is_empty() {
            state.failure = None;
            self.end(state);
            return None;
        }
        if let Some(turn) = &mut state.turn {
            turn.taken = self.taken.len();
        }
        drop(state);
        Some(self.taken.make_contiguous())
    }

    /// Returns one of the entries that were taken.
    pub(crate) fn entry(&self, at: usize) -> Option<&LogEntry> {
        self.taken.get(at)
    }

    /// Removes some of the entries that were taken, which wait no longer: the store has them,
    /// or never will.
    pub(crate) fn remove(&mut self, which: Range<usize>) -> impl Iterator<Item = LogEntry> + '_ {
        if let Some(turn) = &mut self.spool.lock().turn {
            turn.taken -= which.len();
        }
        self.taken.drain(which)
    }

    /// Says that the store has taken entries.
    pub(crate) fn works(&self) {
        if let Some(turn) = &mut self.spool.lock().turn {
            turn.works = true;
        }
    }

    /// Ends the turn: the store failed.
    pub(crate) fn fail(mut self, error: &StoreError) {
        let spool = self.spool;
        let mut state = spool.lock();
        state.failed(error);
        self.end(state);
    }

    fn end(&mut self, mut state: MutexGuard<'_, State>) {
        self.over = true;
        self.taken.append(&mut state.waiting);
        state.waiting = std::mem::take(&mut self.taken);
        state.turn = None;
        drop(state);
        self.spool.turned.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.over {
            let spool = self.spool;
            self.end(spool.lock());
        }
    }
}
