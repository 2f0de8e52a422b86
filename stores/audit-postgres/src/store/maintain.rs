//! Imports, retention, partitions, indexes, checks and reconciliation.

use std::collections::{HashSet, VecDeque};
use std::mem;

use audit_core::{LogEntry, Query, Store, StoreError};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::PostgresStore;
use crate::background::{self, AbortOnDrop};
use crate::check::{self, Check};
use crate::connection::CommitTracker;
use crate::error::Failure;
use crate::import::{self, CommitOrder, Copied, Months};
use crate::indexes;
use crate::reconcile::{self, Reconcile, Reconciliation};
use crate::retention;
use crate::row::Row;
use crate::writer::{row, rows};

/// The number of entries in one step of an import.
const IMPORT: usize = 10_000;
/// The number of bytes after which a step ends with fewer entries.
const IMPORT_BYTES: usize = 32 << 20;
/// The number of steps that the server writes while the next one begins.
const BESIDE: usize = 1;

impl PostgresStore {
    /// Stores many entries, such as those of another store, by `COPY` in atomic steps of 10,000 entries, or of fewer
    /// that take 32 MB. Returns the number of entries. The server writes two steps at a time, on two connections, and
    /// commits them in order.
    ///
    /// Entries that are already stored with the same content count as stored; they cost as much as
    /// with [`append`](Store::append). Blocks the thread.
    ///
    /// A month with 2,000 entries or more gets a partition if the role owns the tables. The entries
    /// of other months go to `audit_entry_rest`.
    ///
    /// # Errors
    /// Returns the errors of [`append`](Store::append). Completed steps are kept; calling it again with all of the
    /// entries resumes. The iterator is up to two steps ahead of the server when an error is returned.
    pub fn import(&self, entries: impl IntoIterator<Item = LogEntry>) -> Result<u64, StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        let mut entries = entries.into_iter();
        let mut months = Months::default();
        let mut steps = Steps {
            store: self,
            running: VecDeque::new(),
            order: CommitOrder::first(),
            mode: Mode::Concurrent,
            imported: 0,
        };
        loop {
            // Runs while the server writes the previous steps.
            let (step, made) = next_step(&mut entries, steps.mode);
            if step.is_empty() {
                steps.finish_until(0)?;
                return Ok(steps.imported);
            }
            let due = months.count(&step);
            let makes_months = self.shared.migrate && !due.is_empty();
            let ids: HashSet<Uuid> = step.iter().map(|entry| entry.id).collect();
            // With an id of a running step, one would wait for the row of the other.
            let beside = made.is_ok() && !makes_months && steps.are_disjoint(&ids);
            steps.finish_until(if beside { BESIDE } else { 0 })?;
            let rows = made?;
            if makes_months {
                months = background::wait(self.with(|connections, schema| async move {
                    months.make(&connections, &schema, &due).await;
                    Ok(months)
                }))?;
            }
            steps.begin(step, ids, rows)?;
        }
    }

    fn append_duplicates(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.shared.duplicates.expect();
        self.append(entries)
    }

    /// Removes entries as [`purge`](Store::purge) does, without blocking. Dropping the future stops
    /// it; a step is atomic.
    ///
    /// # Errors
    /// Returns the errors of [`purge`](Store::purge).
    pub async fn purge_async(&self, query: &Query) -> Result<u64, StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        query.check()?;
        let query = query.clone();
        self.with(|connections, schema| async move {
            retention::purge(&connections, &schema, &query).await
        })
        .await
    }

    /// Removes entries as [`purge_exact`](audit_core::TrailStore::purge_exact) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`TrailStore::purge_exact`](audit_core::TrailStore::purge_exact).
    pub async fn purge_exact_async(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        let entries = entries.to_vec();
        self.with(|connections, schema| async move {
            retention::purge_exact(&connections, &schema, &entries).await
        })
        .await
    }

    /// Creates the partitions of this month and of the next `months_ahead` months, and returns the
    /// number of partitions that were missing.
    ///
    /// A store whose role owns the tables does so when it connects and every six hours; for
    /// others call this from a job of the owner, or `SELECT audit_maintain()` with any client.
    /// While a month has no partition its entries are kept in `audit_entry_rest`.
    ///
    /// # Errors
    /// Returns an error if the server cannot make them. A role that does not own the tables makes none.
    pub fn maintain(&self, months_ahead: u8) -> Result<u32, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            retention::maintain(&connections, &schema, months_ahead).await
        }))
    }

    /// Builds the indexes that a trail of an earlier version lacks, without blocking writers and
    /// readers, and returns the number that were missing. Has no time limit, and resumes after an
    /// interruption.
    ///
    /// A store whose role owns the tables builds them in the background when it connects; until then
    /// some queries are slower. Call this to wait for it or to get its error. While one process
    /// builds, others return 0.
    ///
    /// # Errors
    /// Returns an error if the server cannot build them. A role that does not own the tables builds none.
    pub fn build_indexes(&self) -> Result<u32, StoreError> {
        background::wait(
            self.with(
                |connections, schema| async move { indexes::build(&connections, &schema).await },
            ),
        )
    }

    /// Checks for every entry that its bytes match their checksum and are a canonical form, and
    /// that all columns match the bytes. Reads all of the trail.
    ///
    /// The checksum finds damage, not tampering: a user who can change the bytes can change it.
    ///
    /// # Errors
    /// Returns an error if the entries cannot be read. The [`Check`] has the mismatches.
    pub fn check(&self) -> Result<Check, StoreError> {
        self.block_on(async |store| store.with(check::check).await)
    }

    /// Finds writes to tables with [`Triggers`](crate::Triggers) that have no entry of the program.
    ///
    /// # Errors
    /// Returns [`StoreError::Unsupported`] if no triggers were installed, and if the role may not read
    /// `audit_touched` or the entries.
    pub fn reconcile(&self, options: Reconcile) -> Result<Reconciliation, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            reconcile::reconcile(&connections, &schema, options).await
        }))
    }

    /// Removes the notes of triggers in `audit_touched` from before a time, and returns their number.
    /// Entries stay.
    ///
    /// # Errors
    /// Returns the errors of [`reconcile`](Self::reconcile), and an error if the role may not remove notes.
    pub fn forget_touched(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            reconcile::forget(&connections, &schema, before).await
        }))
    }
}

/// Returns the next entries of an import, and their rows if they are to be copied.
fn next_step(
    entries: &mut impl Iterator<Item = LogEntry>,
    mode: Mode,
) -> (Vec<LogEntry>, Result<Vec<Row>, StoreError>) {
    let (mut step, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0);
    while step.len() < IMPORT
        && bytes < IMPORT_BYTES
        && let Some(entry) = entries.next()
    {
        match row(&entry) {
            Ok(row) => {
                bytes += row.bytes();
                if mode != Mode::Append {
                    rows.push(row);
                }
            }
            Err(error) => return (vec![entry], Err(error)),
        }
        step.push(entry);
    }
    (step, Ok(rows))
}

/// The steps of an import.
struct Steps<'s> {
    store: &'s PostgresStore,
    /// In their order.
    running: VecDeque<Running>,
    /// The position of the step that begins next.
    order: CommitOrder,
    mode: Mode,
    /// The number of entries in the finished steps.
    imported: u64,
}

/// How the steps of an import are written.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Two steps are copied at a time.
    Concurrent,
    /// One step is copied at a time, because a concurrent one failed.
    Sequential,
    /// Appended: a step had duplicates, and the next ones are likely to have some.
    Append,
}

/// A step that the server writes.
struct Running {
    entries: Vec<LogEntry>,
    ids: HashSet<Uuid>,
    copied: AbortOnDrop<Copied>,
}

impl Steps<'_> {
    fn begin(
        &mut self,
        entries: Vec<LogEntry>,
        ids: HashSet<Uuid>,
        rows: Vec<Row>,
    ) -> Result<(), StoreError> {
        let order = match self.mode {
            Mode::Concurrent => {
                let next = self.order.next();
                Some(mem::replace(&mut self.order, next))
            }
            Mode::Sequential => None,
            Mode::Append => return self.write(&entries, CommitTracker::default()),
        };
        let copied = self.copy(rows, order, CommitTracker::default())?;
        self.running.push_back(Running {
            entries,
            ids,
            copied,
        });
        Ok(())
    }

    fn copy(
        &self,
        rows: Vec<Row>,
        order: Option<CommitOrder>,
        tracker: CommitTracker,
    ) -> Result<AbortOnDrop<Copied>, StoreError> {
        self.store.spawn(|connections, schema| async move {
            import::copy(&connections, &schema, &rows, order, tracker).await
        })
    }

    /// Finishes the oldest steps until a number of them is left.
    fn finish_until(&mut self, left: usize) -> Result<(), StoreError> {
        loop {
            let left = if self.mode == Mode::Concurrent {
                left
            } else {
                0
            };
            if self.running.len() <= left {
                return Ok(());
            }
            let Some(step) = self.running.pop_front() else {
                return Ok(());
            };
            let tracker = match background::wait(step.copied)? {
                Copied::Yes => {
                    self.imported += step.entries.len() as u64;
                    continue;
                }
                Copied::Failed(tracker) => {
                    self.mode = Mode::Sequential;
                    tracker
                }
                Copied::Refused(tracker) => {
                    self.mode = Mode::Append;
                    tracker
                }
            };
            // Dropped, the later ones are rolled back.
            let later: Vec<_> = self.running.drain(..).map(|step| step.entries).collect();
            self.write(&step.entries, tracker)?;
            for entries in later {
                self.write(&entries, CommitTracker::default())?;
            }
        }
    }

    /// Writes a step while no other is running.
    fn write(
        &mut self,
        entries: &[LogEntry],
        mut tracker: CommitTracker,
    ) -> Result<(), StoreError> {
        if self.mode != Mode::Append {
            let copied = self.copy(rows(entries)?, None, tracker)?;
            match background::wait(copied)? {
                Copied::Yes => {
                    self.imported += entries.len() as u64;
                    return Ok(());
                }
                Copied::Failed(last) | Copied::Refused(last) => tracker = last,
            }
            self.mode = Mode::Append;
        }
        self.store.append_duplicates(entries).map_err(|error| {
            let location = &self.store.shared.connections.location;
            tracker.mark(Failure::last(error), location).error
        })?;
        self.imported += entries.len() as u64;
        Ok(())
    }

    fn are_disjoint(&self, ids: &HashSet<Uuid>) -> bool {
        self.running.iter().all(|step| step.ids.is_disjoint(ids))
    }
}
