//! The exports that are open at the same time, and their buffers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::error::Failure;
use crate::not_opened::NotOpened;
use crate::pages::{Chunk, Position};
use crate::pool::Job;

/// The time after which an export whose client takes nothing ends if another one starts.
const IDLE: Duration = Duration::from_secs(60);

/// Limits the number of open exports.
#[derive(Debug)]
pub(crate) struct Exports {
    limit: usize,
    /// The number of open exports of one reader.
    reader_limit: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    permits: Vec<Weak<Permit>>,
    is_closed: bool,
}

/// Why an open export ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has taken nothing for a minute, and another export started.
    Idle,
    /// The viewer has ended its exports.
    Closed,
}

/// The permission to export, until it is dropped or revoked. It has the buffers of the export, so that
/// revoking it frees them, also if the client takes nothing.
pub(crate) struct Permit {
    reader: String,
    state: Mutex<State>,
}

struct State {
    used: Instant,
    end: Option<End>,
    buffers: Buffers,
    waker: Option<Waker>,
}

/// The part of an export that was read and not sent.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The rest of a chunk.
    pub(crate) rest: Bytes,
    /// The position after the chunk, until its first part is sent.
    pub(crate) next: Option<Position>,
    /// The chunk after it.
    pub(crate) pending: Option<Job<Result<Chunk, Failure>>>,
}

impl Exports {
    pub(crate) fn new(limit: usize, reader_limit: usize) -> Self {
        Self {
            limit,
            reader_limit,
            open: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a permit for a reader. At a limit, an idle export ends: one of the reader at the limit for
    /// one reader.
    pub(crate) fn open(&self, reader: &str, now: Instant) -> Result<Arc<Permit>, NotOpened> {
        let mut open = self.lock();
        if open.is_closed {
            return Err(NotOpened::Closed);
        }
        // A limit of 0 is not one for each reader.
        if self.limit == 0 {
            return Err(NotOpened::Full);
        }
        let permits = &mut open.permits;
        permits.retain(|permit| permit.strong_count() > 0);
        let is_own = |permit: &Permit| permit.reader == reader;
        let own = permits.iter().filter_map(Weak::upgrade);
        let own = own.filter(|permit| is_own(permit)).count();
        let mut idle = None;
        if own >= self.reader_limit {
            idle = remove_idle(permits, now, is_own);
            if idle.is_none() {
                return Err(NotOpened::ReaderFull(self.reader_limit));
            }
        } else if permits.len() >= self.limit {
            idle = remove_idle(permits, now, |_| true);
            if idle.is_none() {
                return Err(NotOpened::Full);
            }
        }
        let permit = Arc::new(Permit {
            reader: reader.to_owned(),
            state: Mutex::new(State {
                used: now,
                end: None,
                buffers: Buffers::default(),
                waker: None,
            }),
        });
        permits.push(Arc::downgrade(&permit));
        drop(open);
        if let Some(idle) = idle {
            idle.end(End::Idle);
        }
        Ok(permit)
    }

    /// Ends the open exports. Further ones are not opened.
    pub(crate) fn close(&self) {
        let mut open = self.lock();
        open.is_closed = true;
        let permits = std::mem::take(&mut open.permits);
        drop(open);
        for permit in permits.iter().filter_map(Weak::upgrade) {
            permit.end(End::Closed);
        }
    }
}

/// Removes an idle export that meets a condition.
fn remove_idle(
    permits: &mut Vec<Weak<Permit>>,
    now: Instant,
    condition: impl Fn(&Permit) -> bool,
) -> Option<Arc<Permit>> {
    let is_idle = |permit: &Weak<Permit>| {
        let permit = permit.upgrade();
        permit.is_some_and(|permit| condition(&permit) && permit.is_idle(now))
    };
    let idle = permits.iter().position(is_idle)?;
    permits.swap_remove(idle).upgrade()
}

impl Permit {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the first chunk.
    pub(crate) fn begin(&self, first: Chunk) {
        let mut state = self.lock();
        if state.end.is_none() {
            (state.buffers.rest, state.buffers.next) = (first.bytes, first.next);
        }
    }

    /// Takes from the buffers, for the client. `waker` wakes its task when the permit is revoked.
    ///
    /// # Errors
    /// Returns the reason if the permit was revoked.
    pub(crate) fn take<T>(
        &self,
        now: Instant,
        waker: Waker,
        take: impl FnOnce(&mut Buffers) -> T,
    ) -> Result<T, End> {
        let mut state = self.lock();
        if let Some(end) = state.end {
            return Err(end);
        }
        state.used = now;
        state.waker = Some(waker);
        Ok(take(&mut state.buffers))
    }

    /// Revokes the permit, and frees the buffers.
    fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        let buffers = std::mem::take(&mut state.buffers);
        let waker = state.waker.take();
        drop(state);
        drop(buffers);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns whether the client has taken nothing for a minute, in which it could.
    fn is_idle(&self, now: Instant) -> bool {
        let state = self.lock();
        let since = match &state.buffers.pending {
            // The store is slow, and not the client.
            Some(pending) if state.buffers.rest.is_empty() => match pending.ended() {
                Some(ended) => state.used.max(ended),
                None => return false,
            },
            _ => state.used,
        };
        now.saturating_duration_since(since) >= IDLE
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::Wake;

    use super::*;
    use crate::pool::{Admission, Limits, Pool};

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes from a permit at a time. Returns the number of bytes in the buffers, and an error if it was revoked.
    fn take(permit: &Permit, now: Instant) -> Result<usize, End> {
        permit.take(now, Waker::noop().clone(), |buffers| buffers.rest.len())
    }

    #[test]
    fn a_permit_ends_when_dropped_or_when_idle_and_wanted() {
        let exports = Exports::new(2, 2);
        let start = Instant::now();
        let later = start + IDLE;
        let first = exports.open("alice", start).expect("a permit");
        let second = exports.open("bob", start).expect("a permit");
        let full = exports.open("carol", start);
        assert_eq!(full.expect_err("no permit"), NotOpened::Full);
        drop(second);
        let second = exports.open("bob", start).expect("a permit");
        assert!(take(&second, later).is_ok());
        let third = exports.open("carol", later).expect("a permit");
        assert_eq!(take(&first, later), Err(End::Idle));
        assert!(take(&second, later).is_ok() && take(&third, later).is_ok());
        assert!(exports.open("alice", later).is_err());
        let none = Exports::new(0, 0).open("alice", start);
        assert_eq!(none.expect_err("no permit"), NotOpened::Full);
    }

    #[test]
    fn an_export_whose_store_is_slow_is_not_idle() {
        let pool = Pool::start(Limits {
            threads: 1,
            waiting: 1,
            reader_threads: 1,
            reader_waiting: 1,
            timeout: Duration::MAX,
        });
        let pool = pool.expect("threads");
        let exports = Exports::new(1, 1);
        let start = Instant::now();
        let permit = exports.open("alice", start).expect("a permit");
        let (release, released) = mpsc::channel::<()>();
        let pending = pool.run(Admission::Continued, "alice", "export", move |_| {
            released.recv().expect("the test releases");
            Ok(Chunk {
                bytes: Bytes::from_static(b"row"),
                next: None,
            })
        });
        let added = permit.take(start, Waker::noop().clone(), |buffers| {
            buffers.pending = Some(pending);
        });
        assert_eq!(added, Ok(()));
        let refused = exports
            .open("bob", start + 2 * IDLE)
            .expect_err("no permit");
        assert_eq!(refused, NotOpened::Full);
        release.send(()).expect("the job listens");
        let ended = || {
            let state = permit.lock();
            let pending = state.buffers.pending.as_ref().expect("a job");
            pending.ended()
        };
        let ended = loop {
            if let Some(ended) = ended() {
                break ended;
            }
            std::thread::yield_now();
        };
        // The client has a minute from the result on.
        assert!(exports.open("bob", ended + IDLE / 2).is_err());
        assert!(exports.open("bob", ended + IDLE).is_ok());
        assert_eq!(take(&permit, ended + IDLE), Err(End::Idle));
    }

    #[test]
    fn one_reader_does_not_have_all_permits() {
        let exports = Exports::new(4, 2);
        let start = Instant::now();
        let later = start + IDLE;
        let own = [(); 2].map(|()| exports.open("alice", start).expect("a permit"));
        let other = exports.open("bob", start).expect("a permit");
        let refused = exports.open("alice", start).expect_err("no permit");
        assert_eq!(refused, NotOpened::ReaderFull(2));
        assert!(take(&own[0], later).is_ok());
        // An idle export of the reader ends, and none of others.
        let next = exports.open("alice", later).expect("a permit");
        assert_eq!(take(&own[1], later), Err(End::Idle));
        for permit in [&own[0], &other, &next] {
            assert!(take(permit, later).is_ok());
        }
    }

    #[test]
    fn a_revoked_permit_frees_its_buffers_and_wakes_the_connection() {
        let start = Instant::now();
        let chunk = || Chunk {
            bytes: Bytes::from(vec![0; 1_000]),
            next: Some(Position::default()),
        };
        for end in [End::Idle, End::Closed] {
            let exports = Exports::new(1, 1);
            let permit = exports.open("alice", start).expect("a permit");
            permit.begin(chunk());
            let woken = Arc::new(Woken::default());
            let waker = Arc::clone(&woken).into();
            let taken = permit.take(start, waker, |buffers| buffers.rest.len());
            assert_eq!(taken, Ok(1_000));
            match end {
                End::Idle => drop(exports.open("alice", start + IDLE).expect("a permit")),
                End::Closed => exports.close(),
            }
            let state = permit.lock();
            assert!(state.buffers.rest.is_empty() && state.buffers.next.is_none());
            drop(state);
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            assert_eq!(take(&permit, start + IDLE), Err(end));
        }
    }
}
