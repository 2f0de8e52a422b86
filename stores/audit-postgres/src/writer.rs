//! The queue of appended batches, and the task that writes them.
//!
//! Batches queue while a statement runs; the next statement writes all of them. The slower a commit,
//! the more entries share the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{LogEntry, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::connection::{CommitTracker, Connections, retrying};
use crate::error::Failure;
use crate::row::{APPEND, Columns, INSERT_ALL, Records, Row};
use crate::schema::Schema;

/// The most rows that share a statement, unless one batch is larger.
const GROUP_ROWS: usize = 4096;
/// The most bytes that share a statement; a larger batch takes several in one transaction.
const GROUP_BYTES: usize = 16 << 20;
/// The most bytes of a row. The server ends the session after a message of a gigabyte.
const MOST_BYTES: usize = 1_000_000_000;
/// The longest wait for the callers that shared the previous statement.
const GATHER: Duration = Duration::from_micros(200);

/// The number of groups after a duplicate that are expected to have duplicates, too.
const DUPLICATE_GROUPS: u32 = 32;

/// Batches whose deadlines are this close to each other expire together.
const TOGETHER: Duration = Duration::from_millis(50);

/// Makes the rows of entries.
///
/// # Errors
/// Returns the errors of [`row`].
pub(crate) fn rows(entries: &[LogEntry]) -> Result<Vec<Row>, StoreError> {
    // Not collected: a `Result` hides how many there are.
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        rows.push(row(entry)?);
    }
    Ok(rows)
}

/// Makes the row of an entry.
///
/// # Errors
/// Returns [`StoreError::Invalid`] for an entry that is no row, or one that the server cannot be sent.
pub(crate) fn row(entry: &LogEntry) -> Result<Row, StoreError> {
    row_within(entry, MOST_BYTES)
}

fn row_within(entry: &LogEntry, most: usize) -> Result<Row, StoreError> {
    let row = Row::of(entry)?;
    let names: usize = row.fields.iter().map(String::len).sum();
    if row.bytes() + names > most {
        return Err(StoreError::Invalid {
            id: entry.id,
            detail: format!("it takes more than {most} bytes"),
        });
    }
    Ok(row)
}

type Outcome = Result<(), StoreError>;

/// An element of the queue.
pub(crate) enum Job {
    Append(Batch),
    /// Answered when all jobs before it are done.
    Barrier(oneshot::Sender<()>),
    /// Closes the queue.
    Close(oneshot::Sender<()>),
}

/// Rows to be stored atomically.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// The time until which it is retried; it is tried at least once.
    pub(crate) deadline: Instant,
    pub(crate) done: oneshot::Sender<Outcome>,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.rows.iter().map(Row::bytes).sum()
    }

    fn finish(self, outcome: Outcome) {
        // The caller may have dropped its future.
        let _gone = self.done.send(outcome);
    }
}

/// Writes the batches of the queue until it is closed and empty.
pub(crate) struct Writer {
    connections: Connections,
    /// Inserts rows that are new, and the call of `audit_append`, which accepts duplicates.
    insert: String,
    append: String,
    duplicates: Arc<DuplicateHint>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub(crate) fn new(
        connections: Connections,
        schema: &Schema,
        duplicates: Arc<DuplicateHint>,
        commits: Arc<AtomicU64>,
    ) -> Self {
        Self {
            connections,
            insert: schema.fill(INSERT_ALL),
            append: schema.fill(APPEND),
            duplicates,
            commits,
        }
    }

    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let this = Arc::new(self);
        let mut closing = Vec::new();
        let mut next = None;
        let mut last = 1;
        loop {
            let job = match next.take() {
                Some(job) => job,
                None => match queue.recv().await {
                    Some(job) => job,
                    None => break,
                },
            };
            match job {
                Job::Append(first) => {
                    gather(&queue, last - 1).await;
                    let group;
                    (group, next) = fill(first, &mut queue);
                    last = group.len();
                    // A task of its own: a panic fails its callers and not the writer.
                    let writer = Arc::clone(&this);
                    let written = tokio::spawn(async move { writer.commit_group(group).await });
                    if written.await.is_err() {
                        log::error!(
                            "{}: writing audit entries panicked",
                            this.connections.location
                        );
                    }
                }
                Job::Barrier(done) => {
                    let _gone = done.send(());
                }
                Job::Close(done) => {
                    queue.close();
                    closing.push(done);
                }
            }
        }
        this.connections.close();
        for done in closing {
            let _gone = done.send(());
        }
    }

    /// Commits batches together. A batch that is invalid or past its deadline fails alone.
    async fn commit_group(&self, group: Vec<Batch>) {
        let mut group = group;
        let mut tracker = CommitTracker::default();
        // The earliest deadline limits the attempt.
        while let Some(deadline) = group.iter().map(|batch| batch.deadline).min() {
            let rows: Vec<_> = group.iter().flat_map(|batch| &batch.rows).collect();
            match self.commit(&rows, deadline, &tracker).await {
                Ok(()) => return finish(group, &Ok(())),
                Err(failure) if group.len() > 1 && failure.concerns_content() => {
                    let (alone, others) = apart(group, &failure.error);
                    for batch in alone {
                        let rows: Vec<_> = batch.rows.iter().collect();
                        let tracker = CommitTracker::default();
                        let outcome = self.commit(&rows, batch.deadline, &tracker).await;
                        batch.finish(outcome.map_err(|failure| failure.error));
                    }
                    group = others;
                    // The conflict failed every attempt so far: nothing is stored yet.
                    tracker = CommitTracker::default();
                }
                Err(failure) => {
                    let (late, others) = late(group, failure.retry.then_some(deadline));
                    finish(late, &Err(failure.error));
                    group = others;
                }
            }
        }
    }

    /// Stores rows atomically, and retries an unconfirmed commit: rows that are already stored count as
    /// stored.
    async fn commit(
        &self,
        rows: &[&Row],
        deadline: Instant,
        tracker: &CommitTracker,
    ) -> Result<(), Failure> {
        let mut rows = rows.to_vec();
        rows.sort_unstable_by_key(|row| row.id);
        let parts = parts(&rows);
        let done = retrying(deadline, || self.try_commit(&parts, tracker)).await;
        if let Err(failure) = done {
            let location = &self.connections.location;
            return Err(tracker.mark(failure.or_read_only(location), location));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn try_commit(&self, parts: &[&[&Row]], tracker: &CommitTracker) -> Result<(), Failure> {
        let mut connection = self.connections.write().await?;
        // A time limit for each part.
        let number = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let limit = connection.limit().saturating_mul(number);
        if let [part] = parts
            && !self.duplicates.is_expected()
            && !tracker.is_unconfirmed()
        {
            let inserted = timeout(limit, async {
                let insert = connection.prepare_cached(&self.insert).await?;
                let rows = Records(part);
                tracker.track(connection.execute(&insert, &[&rows])).await
            });
            match inserted.await {
                // Perhaps by the same entry.
                Ok(Err(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    self.duplicates.expect();
                }
                // The tables were dropped and perhaps restored, so that the type of the rows is another, or it is
                // another internal error, which `audit_append` reports.
                Ok(Err(error)) if may_lack_type(&error) => {
                    connection.statement_cache.remove(&self.insert, &[]);
                }
                done => return connection.finish(done).map(|_| ()),
            }
        }
        let done = timeout(limit, async {
            let statement = connection.prepare_cached(&self.append).await?;
            if let [part] = parts {
                let columns = Columns::of(part);
                let params = columns.params();
                let appended = tracker.track(connection.execute(&statement, &params));
                return appended.await.map(|_| ());
            }
            let transaction = connection.transaction().await?;
            for part in parts {
                let columns = Columns::of(part);
                transaction.execute(&statement, &columns.params()).await?;
            }
            tracker.track(transaction.commit()).await
        })
        .await;
        connection.finish(done)
    }
}

fn may_lack_type(error: &Error) -> bool {
    let codes = [&SqlState::INTERNAL_ERROR, &SqlState::UNDEFINED_OBJECT];
    error.code().is_some_and(|code| codes.contains(&code))
}

/// Returns whether the next entries are likely to be stored already, as when a caller appends again. Nearly
/// all entries are new, and are inserted without looking for duplicates.
#[derive(Debug, Default)]
pub(crate) struct DuplicateHint(AtomicU32);

impl DuplicateHint {
    /// Expects duplicates in the next groups.
    pub(crate) fn expect(&self) {
        self.0.store(DUPLICATE_GROUPS, Ordering::Relaxed);
    }

    /// Returns whether duplicates are expected in the next group.
    fn is_expected(&self) -> bool {
        let fewer = |groups: u32| groups.checked_sub(1);
        let groups = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        groups.is_ok()
    }
}

fn finish(group: Vec<Batch>, outcome: &Outcome) {
    for batch in group {
        batch.finish(outcome.clone());
    }
}

/// Splits a failed group into the batches whose deadline has passed and the others. Without a
/// deadline of the attempt, which failed permanently, all have expired.
fn late(group: Vec<Batch>, tried: Option<Instant>) -> (Vec<Batch>, Vec<Batch>) {
    let Some(tried) = tried else {
        return (group, Vec::new());
    };
    // Batches that were queued together must not expire one attempt at a time.
    let until = tried.max(Instant::now()) + TOGETHER;
    group.into_iter().partition(|batch| batch.deadline <= until)
}

/// Waits up to [`GATHER`] until `expected` batches are queued, so that callers that were answered just
/// now and append again share the next statement.
async fn gather(queue: &mpsc::Receiver<Job>, expected: usize) {
    let start = Instant::now();
    while queue.len() < expected && start.elapsed() < GATHER {
        thread::yield_now();
        task::yield_now().await;
    }
}

/// Takes the batches that share a statement with the first out of the queue, and the job that does
/// not.
fn fill(first: Batch, queue: &mut mpsc::Receiver<Job>) -> (Vec<Batch>, Option<Job>) {
    let (mut rows, mut bytes) = (first.rows.len(), first.bytes());
    let mut group = vec![first];
    while let Ok(job) = queue.try_recv() {
        let Job::Append(batch) = job else {
            return (group, Some(job));
        };
        rows += batch.rows.len();
        bytes += batch.bytes();
        if rows > GROUP_ROWS || bytes > GROUP_BYTES {
            return (group, Some(Job::Append(batch)));
        }
        group.push(batch);
    }
    (group, None)
}

/// Splits a group that failed by its content into the batches to be tried alone and the others.
fn apart(group: Vec<Batch>, error: &StoreError) -> (Vec<Batch>, Vec<Batch>) {
    let StoreError::Conflict { id } = error else {
        return (group, Vec::new());
    };
    let (alone, others): (Vec<_>, Vec<_>) = group
        .into_iter()
        .partition(|batch| batch.rows.iter().any(|row| row.id == *id));
    if alone.is_empty() {
        // No batch has the id that the server named: each is tried alone.
        return (others, alone);
    }
    (alone, others)
}

/// Splits rows into the parts that one statement takes each, in the same order.
fn parts<'p, 'r>(rows: &'p [&'r Row]) -> Vec<&'p [&'r Row]> {
    let mut parts = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        bytes += row.bytes();
        if bytes > GROUP_BYTES && at > begin {
            parts.push(&rows[begin..at]);
            (begin, bytes) = (at, row.bytes());
        }
    }
    parts.push(&rows[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use audit_testkit::entries;

    use super::*;

    #[test]
    fn an_entry_that_is_too_large_is_invalid() {
        let mut sample = entries(3, 1);
        sample[1].reason = Some("r".repeat(10_000));
        let Err(StoreError::Invalid { id, detail }) = row_within(&sample[1], 10_000) else {
            panic!("it is taken");
        };
        assert_eq!(id, sample[1].id);
        assert_eq!(detail, "it takes more than 10000 bytes");
        assert!(row_within(&sample[0], 10_000).is_ok());
        assert!(row_within(&sample[1], 100_000).is_ok());
        assert_eq!(rows(&sample).unwrap().len(), 3);
    }
}
