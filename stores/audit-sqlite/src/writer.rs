//! The one connection that writes, and the queue of threads that wait for it.
//!
//! Group commit with a leader: a thread that finds the connection free becomes the leader, commits
//! its rows, then wakes the first thread of the queue as the next leader. A thread that finds the
//! connection taken joins the queue. A leader from the queue commits the rows of all queued threads
//! at once, so the slower a commit is, the more rows share the next one. A single thread never
//! waits, wakes no thread and hands nothing over.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use audit_core::StoreError;
use rusqlite::Connection;

use crate::error::{at, concerns_one_batch};
use crate::file::OpenFile;
use crate::page_cache::SharedPageCache;
use crate::row::{Inserter, Row};

/// The most rows that share a commit, unless a single batch is larger.
const GROUP_ROWS: usize = 4096;
/// The most bytes of entries that share a commit.
const GROUP_BYTES: usize = 1 << 20;

type Outcome = Result<(), StoreError>;

/// Writes for all threads of a store.
pub(crate) struct Writer {
    queue: Mutex<Queue>,
    /// Locked only by the leader; `None` once closed.
    connection: Mutex<Option<Connection>>,
    location: String,
    /// `None` in memory.
    file: Option<Arc<OpenFile>>,
    /// `None` where each connection has a page cache of its own.
    page_cache: Option<SharedPageCache>,
    commits: AtomicU64,
}

#[derive(Default)]
struct Queue {
    has_leader: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

/// A thread in the queue.
struct Waiter {
    /// Its rows; empty if it needs the connection for other work.
    rows: Vec<Row<'static>>,
    bytes: usize,
    state: Mutex<WaitState>,
    woken: Condvar,
}

enum WaitState {
    Waiting,
    /// The thread is the leader.
    Leader,
    /// Another leader has committed its rows, or failed to.
    Done(Outcome),
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("commits", &self.commits())
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        location: String,
        file: Option<Arc<OpenFile>>,
    ) -> Self {
        Self {
            queue: Mutex::default(),
            page_cache: SharedPageCache::of(&connection),
            connection: Mutex::new(Some(connection)),
            location,
            file,
            commits: AtomicU64::new(0),
        }
    }

    /// Returns how many transactions with entries were committed.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Returns how many threads are queued.
    pub(crate) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Commits the rows, all or none.
    pub(crate) fn append(&self, rows: Vec<Row<'_>>) -> Outcome {
        if let Some(_lease) = self.try_lead() {
            return self.commit_one(&rows);
        }
        let rows: Vec<_> = rows.into_iter().map(Row::into_owned).collect();
        match self.wait_in_queue(rows) {
            Woken::Done(outcome) => outcome,
            Woken::Leader(lease, own) => self.commit_group(lease, &own),
        }
    }

    /// Runs work that shares the connection with no other thread.
    pub(crate) fn exclusive<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.lead(|connection| {
            let connection = connection.as_ref().ok_or(StoreError::Closed)?;
            self.prepare(connection)?;
            let done = work(connection);
            if done.is_err() {
                roll_back(connection, &self.location);
            }
            done.and_then(|done| self.confirm(connection).map(|()| done))
        })
    }

    /// Returns an error unless a transaction can begin: nothing is written to a moved file.
    fn prepare(&self, connection: &Connection) -> Outcome {
        recover(connection, &self.location)?;
        match &self.file {
            Some(file) if file.was_moved() => file.check(),
            _ => Ok(()),
        }
    }

    /// Returns an error unless the committed rows are in the file at the store's path.
    ///
    /// The write-ahead log of a moved file is copied into that file and emptied: a file that
    /// replaced it at the path would be read with that log.
    fn confirm(&self, connection: &Connection) -> Outcome {
        let Some(Err(moved)) = self.file.as_ref().map(|file| file.check()) else {
            return Ok(());
        };
        let emptied = checkpoint(connection, "TRUNCATE");
        if !matches!(emptied, Ok(false)) {
            log::error!(
                "{}: the write-ahead log of the replaced file could not be emptied ({emptied:?})",
                self.location
            );
        }
        Err(moved.unconfirmed(&*self.location))
    }

    /// Closes the connection after all threads that are queued now.
    pub(crate) fn close(&self) -> Outcome {
        self.lead(|connection| match connection.take() {
            Some(open) => open.close().map_err(|(_, error)| at(&self.location)(error)),
            None => Err(StoreError::Closed),
        })
    }

    /// Runs work as the leader, waiting in the queue if there is one.
    fn lead<T>(
        &self,
        work: impl FnOnce(&mut Option<Connection>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _lease = match self.try_lead() {
            Some(lease) => lease,
            None => match self.wait_in_queue(Vec::new()) {
                Woken::Leader(lease, _) => lease,
                Woken::Done(outcome) => return Err(outcome.err().unwrap_or(StoreError::Closed)),
            },
        };
        work(&mut self.connection())
    }

    fn try_lead(&self) -> Option<LeaderLease<'_>> {
        let mut queue = self.queue();
        if queue.has_leader {
            return None;
        }
        queue.has_leader = true;
        Some(LeaderLease { writer: self })
    }

    fn wait_in_queue(&self, rows: Vec<Row<'static>>) -> Woken<'_> {
        let waiter = Arc::new(Waiter {
            bytes: rows.iter().map(|row| row.body.len()).sum(),
            rows,
            state: Mutex::new(WaitState::Waiting),
            woken: Condvar::new(),
        });
        {
            let mut queue = self.queue();
            if !queue.has_leader {
                // The leader left after `try_lead` of this thread.
                queue.has_leader = true;
                return Woken::Leader(LeaderLease { writer: self }, waiter);
            }
            queue.waiting.push_back(Arc::clone(&waiter));
        }
        let mut state = waiter.state();
        loop {
            match mem::replace(&mut *state, WaitState::Waiting) {
                WaitState::Waiting => {
                    state = waiter
                        .woken
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                WaitState::Done(outcome) => return Woken::Done(outcome),
                WaitState::Leader => {
                    drop(state);
                    return Woken::Leader(LeaderLease { writer: self }, waiter);
                }
            }
        }
    }

    /// Begins a transaction that inserts some rows.
    fn begin(&self, connection: &Connection, rows: usize) -> Outcome {
        if let Some(page_cache) = &self.page_cache {
            page_cache
                .make_space(connection, rows)
                .map_err(at(&self.location))?;
        }
        run(connection, "BEGIN IMMEDIATE", &self.location)
    }

    fn commit_one(&self, rows: &[Row<'_>]) -> Outcome {
        let connection = self.connection();
        let connection = connection.as_ref().ok_or(StoreError::Closed)?;
        self.prepare(connection)?;
        let done = self
            .begin(connection, rows.len())
            .and_then(|()| insert(connection, rows, &self.location))
            .and_then(|()| commit(connection, &self.location))
            .and_then(|()| self.confirm(connection));
        match done {
            Ok(()) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => roll_back(connection, &self.location),
        }
        done
    }

    /// Commits the rows of the leader together with those of the queue, and wakes the threads of
    /// the group with the outcome.
    ///
    /// They are woken before the next leader, so that their next rows are queued when it takes its
    /// group, which is larger then.
    fn commit_group(&self, lease: LeaderLease<'_>, own: &Waiter) -> Outcome {
        let others = Group(self.take_group(own));
        if others.0.is_empty() {
            return self.commit_one(&own.rows);
        }
        let batches: Vec<&[Row<'_>]> = std::iter::once(&own.rows)
            .chain(others.0.iter().map(|waiter| &waiter.rows))
            .map(Vec::as_slice)
            .collect();
        let connection = self.connection();
        let outcomes = match connection.as_ref() {
            Some(connection) => self.commit_batches(connection, &batches),
            None => Err(StoreError::Closed),
        };
        drop(connection);
        match outcomes {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                let own = outcomes.next();
                for (waiter, outcome) in others.0.iter().zip(outcomes) {
                    waiter.finish(outcome);
                }
                drop(lease);
                own.unwrap_or(Ok(()))
            }
            Err(error) => {
                for waiter in &others.0 {
                    waiter.finish(Err(error.clone()));
                }
                drop(lease);
                Err(error)
            }
        }
    }

    /// Removes the threads from the queue whose rows share a commit with the leader's.
    fn take_group(&self, own: &Waiter) -> Vec<Arc<Waiter>> {
        let (mut rows, mut bytes) = (own.rows.len(), own.bytes);
        let mut group = Vec::new();
        let mut queue = self.queue();
        while let Some(next) = queue.waiting.front() {
            rows += next.rows.len();
            bytes += next.bytes;
            if next.rows.is_empty() || rows > GROUP_ROWS || bytes > GROUP_BYTES {
                break;
            }
            group.extend(queue.waiting.pop_front());
        }
        group
    }

    /// Commits several batches in one transaction. A batch that cannot be stored fails alone.
    fn commit_batches(
        &self,
        connection: &Connection,
        batches: &[&[Row<'_>]],
    ) -> Result<Vec<Outcome>, StoreError> {
        self.prepare(connection)?;
        let rows = batches.iter().map(|rows| rows.len()).sum();
        let done = self
            .begin(connection, rows)
            .and_then(|()| {
                batches
                    .iter()
                    .try_for_each(|rows| insert(connection, rows, &self.location))
            })
            .and_then(|()| commit(connection, &self.location))
            .map(|()| vec![Ok(()); batches.len()]);
        let done = match done {
            Err(error) if concerns_one_batch(&error) => {
                roll_back(connection, &self.location);
                self.commit_batches_one_by_one(connection, batches)
            }
            done => done,
        };
        let done = done.and_then(|outcomes| self.confirm(connection).map(|()| outcomes));
        match &done {
            Ok(_) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => roll_back(connection, &self.location),
        }
        done
    }

    fn commit_batches_one_by_one(
        &self,
        connection: &Connection,
        batches: &[&[Row<'_>]],
    ) -> Result<Vec<Outcome>, StoreError> {
        self.begin(connection, 0)?;
        let mut outcomes = Vec::with_capacity(batches.len());
        for rows in batches {
            run(connection, "SAVEPOINT audit_batch", &self.location)?;
            let outcome = insert(connection, rows, &self.location);
            match &outcome {
                Err(error) if !concerns_one_batch(error) => return Err(error.clone()),
                Err(_) => run(connection, "ROLLBACK TO audit_batch", &self.location)?,
                Ok(()) => {}
            }
            run(connection, "RELEASE audit_batch", &self.location)?;
            outcomes.push(outcome);
        }
        commit(connection, &self.location)?;
        Ok(outcomes)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Only an allocation can panic while the queue is locked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        // After a panic a transaction may be open; `recover` ends it.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn finish(&self, outcome: Outcome) {
        self.wake(WaitState::Done(outcome));
    }

    fn wake(&self, next: WaitState) {
        *self.state() = next;
        self.woken.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, WaitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a queued thread was woken.
enum Woken<'w> {
    Done(Outcome),
    Leader(LeaderLease<'w>, Arc<Waiter>),
}

/// The right to use the connection. Dropped, after a panic too, it wakes the next leader.
struct LeaderLease<'w> {
    writer: &'w Writer,
}

impl Drop for LeaderLease<'_> {
    fn drop(&mut self) {
        let mut queue = self.writer.queue();
        match queue.waiting.pop_front() {
            Some(next) => {
                drop(queue);
                next.wake(WaitState::Leader);
            }
            None => queue.has_leader = false,
        }
    }
}

/// The threads that a leader commits for. Dropped after a panic, it wakes those that wait.
struct Group(Vec<Arc<Waiter>>);

impl Drop for Group {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for waiter in &self.0 {
            let waits = matches!(*waiter.state(), WaitState::Waiting);
            if waits {
                let error = StoreError::backend("the store", "the writing thread panicked");
                waiter.finish(Err(error.unconfirmed("the store")));
            }
        }
    }
}

/// Copies the write-ahead log into the file, and returns whether other connections kept that from
/// being complete.
pub(crate) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA main.wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| row.get(0))
}

fn commit(connection: &Connection, location: &str) -> Outcome {
    run(connection, "COMMIT", location).map_err(|error| match error {
        // The disk may have it.
        StoreError::Io { .. } => error.unconfirmed(location),
        _ => error,
    })
}

fn insert(connection: &Connection, rows: &[Row<'_>], location: &str) -> Outcome {
    #[cfg(test)]
    assert!(rows.iter().all(|row| row.action != tests::PANIC));
    let mut inserter = Inserter::new(connection).map_err(at(location))?;
    rows.iter()
        .try_for_each(|row| inserter.insert(row))
        .map_err(|failure| failure.at(location))
}

fn run(connection: &Connection, sql: &str, location: &str) -> Outcome {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(at(location))
}

/// Rolls back the transaction that a failed or panicked leader left open.
fn recover(connection: &Connection, location: &str) -> Outcome {
    if connection.is_autocommit() {
        Ok(())
    } else {
        run(connection, "ROLLBACK", location)
    }
}

/// Rolls back a transaction. If that fails, the next leader tries again.
fn roll_back(connection: &Connection, location: &str) {
    if let Err(error) = recover(connection, location) {
        log::error!("{location}: a failed transaction could not be rolled back: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use audit_core::LogEntry;

    use super::*;
    use crate::schema::{self, Owner};

    /// The action of an entry at which the writing thread panics.
    pub(super) const PANIC: &str = "panic";

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection, Owner::Store, "x").unwrap();
        Writer::new(connection, "x".to_owned(), None)
    }

    fn append(writer: &Writer, action: &'static str) -> Outcome {
        writer.append(vec![Row::of(&LogEntry::new(action, "User", "1", "bob"))?])
    }

    fn await_queued(writer: &Writer, waiting: usize) {
        while writer.waiting() < waiting {
            thread::yield_now();
        }
    }

    fn count(writer: &Writer) -> i64 {
        writer
            .exclusive(|connection| {
                connection
                    .query_row("SELECT count(*) FROM audit_entry", [], |row| row.get(0))
                    .map_err(at("x"))
            })
            .unwrap()
    }

    #[test]
    fn a_leader_that_panics_wakes_all_threads() {
        let writer = writer();
        thread::scope(|scope| {
            // No thread can use the connection while this is held.
            let held = writer.connection();
            let first = scope.spawn(|| append(&writer, "create"));
            while !writer.queue().has_leader {
                thread::yield_now();
            }
            let panics = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| append(&writer, PANIC))));
            await_queued(&writer, 1);
            let shares = scope.spawn(|| append(&writer, "update"));
            await_queued(&writer, 2);
            drop(held);
            assert!(first.join().unwrap().is_ok());
            assert!(panics.join().unwrap().is_err());
            assert!(matches!(
                shares.join().unwrap(),
                Err(StoreError::Unconfirmed { .. })
            ));
        });
        append(&writer, "delete").unwrap();
        assert_eq!(count(&writer), 2);
    }

    #[test]
    fn a_single_thread_that_panics_leaves_no_transaction() {
        let writer = writer();
        assert!(catch_unwind(AssertUnwindSafe(|| append(&writer, PANIC))).is_err());
        append(&writer, "update").unwrap();
        assert_eq!((count(&writer), writer.commits()), (1, 1));
    }

    #[test]
    fn a_closed_writer_returns_an_error() {
        let writer = writer();
        writer.close().unwrap();
        assert!(matches!(append(&writer, "update"), Err(StoreError::Closed)));
        assert!(matches!(writer.close(), Err(StoreError::Closed)));
        assert!(matches!(
            writer.exclusive(|_| Ok(())),
            Err(StoreError::Closed)
        ));
    }
}
