//! The one connection that writes, and the line of those who want it.
//!
//! Whoever finds the connection free leads: it commits what it brought, then calls the next
//! in line. Whoever finds it taken waits in line. The next leader commits for all in line
//! at once and wakes them, so the slower a commit is, the more entries share the next one.
//! A thread that is alone never waits, wakes nobody and hands nothing over.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use audit_core::StoreError;
use rusqlite::Connection;

use crate::error::{at, concerns_one_batch};
use crate::file::OpenFile;
use crate::row::{Inserter, Row};

/// How many rows share a commit at most, a batch that is larger by itself aside.
const GROUP_ROWS: usize = 4096;
/// How many bytes of entries share a commit at most.
const GROUP_BYTES: usize = 1 << 20;

type Outcome = Result<(), StoreError>;

/// Writes for all threads of a store.
pub(crate) struct Writer {
    line: Mutex<Line>,
    /// Locked only by the leader; empty once closed.
    connection: Mutex<Option<Connection>>,
    place: String,
    /// `None` in memory.
    file: Option<Arc<OpenFile>>,
    commits: AtomicU64,
}

#[derive(Default)]
struct Line {
    led: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

/// A thread in line.
struct Waiter {
    /// What it wants to be kept; empty if it wants the connection for itself.
    rows: Vec<Row<'static>>,
    bytes: usize,
    turn: Mutex<Turn>,
    called: Condvar,
}

enum Turn {
    Waiting,
    Lead,
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
    pub(crate) fn new(connection: Connection, place: String, file: Option<Arc<OpenFile>>) -> Self {
        Self {
            line: Mutex::default(),
            connection: Mutex::new(Some(connection)),
            place,
            file,
            commits: AtomicU64::new(0),
        }
    }

    /// Returns how many transactions with entries were committed.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Returns how many threads stand in line.
    pub(crate) fn waiting(&self) -> usize {
        self.line().waiting.len()
    }

    /// Keeps the rows, all or none.
    pub(crate) fn append(&self, rows: Vec<Row<'_>>) -> Outcome {
        if let Some(_lead) = self.try_lead() {
            return self.commit_one(&rows);
        }
        let rows: Vec<_> = rows.into_iter().map(Row::into_owned).collect();
        match self.stand_in_line(rows) {
            Called::Done(outcome) => outcome,
            Called::Lead(lead, own) => self.commit_group(lead, &own),
        }
    }

    /// Does work that needs the connection for itself, when its turn comes.
    pub(crate) fn exclusive<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.take_turn(|connection| {
            let connection = connection.as_ref().ok_or(StoreError::Closed)?;
            self.ready(connection)?;
            let done = work(connection);
            if done.is_err() {
                roll_back(connection, &self.place);
            }
            done.and_then(|done| self.confirm(connection).map(|()| done))
        })
    }

    /// Makes sure that a transaction may begin: a file that was moved gets no more.
    fn ready(&self, connection: &Connection) -> Outcome {
        recover(connection, &self.place)?;
        match &self.file {
            Some(file) if file.was_moved() => file.check(),
            _ => Ok(()),
        }
    }

    /// Makes sure that what was committed is in the file that has the store's path.
    ///
    /// A file that was moved gets what is in its write-ahead log, which is then empty: whatever
    /// has the path now would take the log for its own.
    fn confirm(&self, connection: &Connection) -> Outcome {
        let Some(Err(moved)) = self.file.as_ref().map(|file| file.check()) else {
            return Ok(());
        };
        let emptied = checkpoint(connection, "TRUNCATE");
        if !matches!(emptied, Ok(false)) {
            log::error!(
                "{}: the write-ahead log of the file that was there could not be emptied ({emptied:?})",
                self.place
            );
        }
        Err(moved.unconfirmed(&*self.place))
    }

    /// Closes the connection when all that wait before have had their turn.
    pub(crate) fn close(&self) -> Outcome {
        self.take_turn(|connection| match connection.take() {
            Some(open) => open.close().map_err(|(_, error)| at(&self.place)(error)),
            None => Err(StoreError::Closed),
        })
    }

    fn take_turn<T>(
        &self,
        work: impl FnOnce(&mut Option<Connection>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _lead = match self.try_lead() {
            Some(lead) => lead,
            None => match self.stand_in_line(Vec::new()) {
                Called::Lead(lead, _) => lead,
                Called::Done(outcome) => return Err(outcome.err().unwrap_or(StoreError::Closed)),
            },
        };
        work(&mut self.connection())
    }

    fn try_lead(&self) -> Option<Lead<'_>> {
        let mut line = self.line();
        if line.led {
            return None;
        }
        line.led = true;
        Some(Lead { writer: self })
    }

    fn stand_in_line(&self, rows: Vec<Row<'static>>) -> Called<'_> {
        let waiter = Arc::new(Waiter {
            bytes: rows.iter().map(|row| row.body.len()).sum(),
            rows,
            turn: Mutex::new(Turn::Waiting),
            called: Condvar::new(),
        });
        {
            let mut line = self.line();
            if !line.led {
                // The leader left while the rows were made ready.
                line.led = true;
                return Called::Lead(Lead { writer: self }, waiter);
            }
            line.waiting.push_back(Arc::clone(&waiter));
        }
        let mut turn = waiter.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match mem::replace(&mut *turn, Turn::Waiting) {
                Turn::Waiting => {
                    turn = waiter
                        .called
                        .wait(turn)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Turn::Done(outcome) => return Called::Done(outcome),
                Turn::Lead => {
                    drop(turn);
                    return Called::Lead(Lead { writer: self }, waiter);
                }
            }
        }
    }

    fn commit_one(&self, rows: &[Row<'_>]) -> Outcome {
        let connection = self.connection();
        let connection = connection.as_ref().ok_or(StoreError::Closed)?;
        self.ready(connection)?;
        let done = begin(connection, &self.place)
            .and_then(|()| insert(connection, rows, &self.place))
            .and_then(|()| commit(connection, &self.place))
            .and_then(|()| self.confirm(connection));
        match done {
            Ok(()) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => roll_back(connection, &self.place),
        }
        done
    }

    /// Commits what the leader brought together with what waits in line, and tells the
    /// others how it went.
    ///
    /// They are told before the lead goes on, so that they can bring what comes next: the
    /// next commit is for more of them then.
    fn commit_group(&self, lead: Lead<'_>, own: &Waiter) -> Outcome {
        let others = Group(self.next_in_line(own));
        if others.0.is_empty() {
            return self.commit_one(&own.rows);
        }
        let jobs: Vec<&[Row<'_>]> = std::iter::once(&own.rows)
            .chain(others.0.iter().map(|waiter| &waiter.rows))
            .map(Vec::as_slice)
            .collect();
        let connection = self.connection();
        let outcomes = match connection.as_ref() {
            Some(connection) => self.commit_jobs(connection, &jobs),
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
                drop(lead);
                own.unwrap_or(Ok(()))
            }
            Err(error) => {
                for waiter in &others.0 {
                    waiter.finish(Err(error.clone()));
                }
                drop(lead);
                Err(error)
            }
        }
    }

    /// Takes those out of the line whose rows share a commit with the leader's.
    fn next_in_line(&self, own: &Waiter) -> Vec<Arc<Waiter>> {
        let (mut rows, mut bytes) = (own.rows.len(), own.bytes);
        let mut group = Vec::new();
        let mut line = self.line();
        while let Some(next) = line.waiting.front() {
            rows += next.rows.len();
            bytes += next.bytes;
            if next.rows.is_empty() || rows > GROUP_ROWS || bytes > GROUP_BYTES {
                break;
            }
            group.extend(line.waiting.pop_front());
        }
        group
    }

    /// Commits several batches at once. If one of them cannot be kept, it alone is not.
    fn commit_jobs(
        &self,
        connection: &Connection,
        jobs: &[&[Row<'_>]],
    ) -> Result<Vec<Outcome>, StoreError> {
        self.ready(connection)?;
        let done = begin(connection, &self.place)
            .and_then(|()| {
                jobs.iter()
                    .try_for_each(|rows| insert(connection, rows, &self.place))
            })
            .and_then(|()| commit(connection, &self.place))
            .map(|()| vec![Ok(()); jobs.len()]);
        let done = match done {
            Err(error) if concerns_one_batch(&error) => {
                roll_back(connection, &self.place);
                self.commit_jobs_one_by_one(connection, jobs)
            }
            done => done,
        };
        let done = done.and_then(|outcomes| self.confirm(connection).map(|()| outcomes));
        match &done {
            Ok(_) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => roll_back(connection, &self.place),
        }
        done
    }

    fn commit_jobs_one_by_one(
        &self,
        connection: &Connection,
        jobs: &[&[Row<'_>]],
    ) -> Result<Vec<Outcome>, StoreError> {
        begin(connection, &self.place)?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for rows in jobs {
            run(connection, "SAVEPOINT audit_job", &self.place)?;
            let outcome = insert(connection, rows, &self.place);
            match &outcome {
                Err(error) if !concerns_one_batch(error) => return Err(error.clone()),
                Err(_) => run(connection, "ROLLBACK TO audit_job", &self.place)?,
                Ok(()) => {}
            }
            run(connection, "RELEASE audit_job", &self.place)?;
            outcomes.push(outcome);
        }
        commit(connection, &self.place)?;
        Ok(outcomes)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing that can panic runs while the line is locked, but for allocation.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.call(Turn::Done(outcome));
    }

    fn call(&self, next: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.called.notify_one();
    }
}

enum Called<'w> {
    Done(Outcome),
    Lead(Lead<'w>, Arc<Waiter>),
}

/// The right to use the connection; calls the next in line when it goes, also by a panic.
struct Lead<'w> {
    writer: &'w Writer,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut line = self.writer.line();
        match line.waiting.pop_front() {
            Some(next) => {
                drop(line);
                next.call(Turn::Lead);
            }
            None => line.led = false,
        }
    }
}

/// Those a leader commits for; whoever got no answer gets one when it goes, by a panic.
struct Group(Vec<Arc<Waiter>>);

impl Drop for Group {
    fn drop(&mut self) {
        for waiter in &self.0 {
            let turn = waiter.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let unanswered = matches!(*turn, Turn::Waiting) && std::thread::panicking();
            drop(turn);
            if unanswered {
                let error =
                    StoreError::backend("the store", "the thread that was writing panicked");
                waiter.finish(Err(error.unconfirmed("the store")));
            }
        }
    }
}

/// Copies the write-ahead log into the file, and returns whether others kept that from being
/// complete.
pub(crate) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA main.wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| row.get(0))
}

fn begin(connection: &Connection, place: &str) -> Outcome {
    run(connection, "BEGIN IMMEDIATE", place)
}

fn commit(connection: &Connection, place: &str) -> Outcome {
    run(connection, "COMMIT", place).map_err(|error| match error {
        // The disk may have it.
        StoreError::Io { .. } => error.unconfirmed(place),
        _ => error,
    })
}

fn insert(connection: &Connection, rows: &[Row<'_>], place: &str) -> Outcome {
    #[cfg(test)]
    assert!(rows.iter().all(|row| row.action != tests::PANIC));
    let mut inserter = Inserter::new(connection).map_err(at(place))?;
    rows.iter()
        .try_for_each(|row| inserter.insert(row))
        .map_err(|failure| failure.at(place))
}

fn run(connection: &Connection, sql: &str, place: &str) -> Outcome {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(at(place))
}

/// Ends the transaction that a failed or panicked predecessor left open.
fn recover(connection: &Connection, place: &str) -> Outcome {
    if connection.is_autocommit() {
        Ok(())
    } else {
        run(connection, "ROLLBACK", place)
    }
}

/// Undoes a transaction. Should that fail, the next one begins with another attempt.
fn roll_back(connection: &Connection, place: &str) {
    if let Err(error) = recover(connection, place) {
        log::error!("{place}: a failed transaction could not be rolled back: {error}");
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

    fn stand(writer: &Writer, waiting: usize) {
        while writer.waiting() < waiting {
            thread::yield_now();
        }
    }

    fn kept(writer: &Writer) -> i64 {
        writer
            .exclusive(|connection| {
                connection
                    .query_row("SELECT count(*) FROM audit_entry", [], |row| row.get(0))
                    .map_err(at("x"))
            })
            .unwrap()
    }

    #[test]
    fn a_leader_that_panics_hangs_nobody() {
        let writer = writer();
        thread::scope(|scope| {
            // Nobody can lead while this is held.
            let held = writer.connection();
            let first = scope.spawn(|| append(&writer, "create"));
            while !writer.line().led {
                thread::yield_now();
            }
            let panics = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| append(&writer, PANIC))));
            stand(&writer, 1);
            let shares = scope.spawn(|| append(&writer, "update"));
            stand(&writer, 2);
            drop(held);
            assert!(first.join().unwrap().is_ok());
            assert!(panics.join().unwrap().is_err());
            assert!(matches!(
                shares.join().unwrap(),
                Err(StoreError::Unconfirmed { .. })
            ));
        });
        append(&writer, "delete").unwrap();
        assert_eq!(kept(&writer), 2);
    }

    #[test]
    fn a_thread_alone_that_panics_leaves_no_transaction() {
        let writer = writer();
        assert!(catch_unwind(AssertUnwindSafe(|| append(&writer, PANIC))).is_err());
        append(&writer, "update").unwrap();
        assert_eq!((kept(&writer), writer.commits()), (1, 1));
    }

    #[test]
    fn who_waits_while_the_store_is_closed_is_told() {
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
