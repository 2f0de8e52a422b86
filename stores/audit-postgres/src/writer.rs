//! The queue of those who append, and the one task that writes for all of them.
//!
//! While a statement is under way, whoever comes waits in the queue; the next statement is
//! for all of them. The slower a commit is, the more entries share the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{LogEntry, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use crate::connection::{Connections, Doubt, retrying};
use crate::error::Failure;
use crate::row::{APPEND, COLUMN_TYPES, Columns, INSERT_ALL, Row};
use crate::schema::Schema;

/// How many rows share a statement at most, a batch that is larger by itself aside.
const GROUP_ROWS: usize = 4096;
/// How many bytes share a statement at most; a batch with more takes several in one
/// transaction.
const GROUP_BYTES: usize = 16 << 20;
/// How many bytes a row may have. A message of a gigabyte makes the server end the session.
const MOST_BYTES: usize = 1_000_000_000;
/// How long a statement waits at most for those who shared the last one.
const GATHER: Duration = Duration::from_micros(200);

/// How many groups after one with an entry that was there are taken for such, too.
const KNOWN: u32 = 32;

/// Batches whose time is up within this of each other are given up together.
const TOGETHER: Duration = Duration::from_millis(50);

/// Makes the rows of entries.
///
/// # Errors
/// [`StoreError::Invalid`] for an entry that is no row, or one that the server cannot be sent.
pub(crate) fn rows(entries: &[LogEntry]) -> Result<Vec<Row>, StoreError> {
    rows_within(entries, MOST_BYTES)
}

fn rows_within(entries: &[LogEntry], most: usize) -> Result<Vec<Row>, StoreError> {
    let row = |entry| {
        let row = Row::of(entry)?;
        let names: usize = row.fields.iter().map(String::len).sum();
        if row.bytes() + names > most {
            return Err(StoreError::Invalid {
                id: entry.id,
                detail: format!("it takes more than {most} bytes"),
            });
        }
        Ok(row)
    };
    entries.iter().map(row).collect()
}

type Outcome = Result<(), StoreError>;

/// What stands in the queue.
pub(crate) enum Job {
    Append(Batch),
    /// Answered when all before it are.
    Barrier(oneshot::Sender<()>),
    /// The last one: the queue takes no more.
    Close(oneshot::Sender<()>),
}

/// Rows to be kept, all or none.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// Until when to try again; it is tried once in any case.
    pub(crate) deadline: Instant,
    pub(crate) done: oneshot::Sender<Outcome>,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.rows.iter().map(Row::bytes).sum()
    }

    fn finish(self, outcome: Outcome) {
        // Whoever gave up waiting is not told: the entries are kept all the same, or not.
        let _gone = self.done.send(outcome);
    }
}

/// Writes what comes through the queue, until it is closed and empty.
pub(crate) struct Writer {
    connections: Connections,
    /// What keeps rows that are new, and the call of `audit_append`, which keeps any.
    insert: String,
    append: String,
    known: Arc<Known>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub(crate) fn new(
        connections: Connections,
        schema: &Schema,
        known: Arc<Known>,
        commits: Arc<AtomicU64>,
    ) -> Self {
        Self {
            connections,
            insert: schema.fill(INSERT_ALL),
            append: schema.fill(APPEND),
            known,
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
                    // A task of its own: should it panic, its callers hear of it and the
                    // others go on.
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

    /// Commits batches together. If one of them cannot be kept, or not in its time, it alone
    /// is not.
    async fn commit_group(&self, group: Vec<Batch>) {
        let mut group = group;
        let mut doubt = Doubt::default();
        // Those who came first have waited longest.
        while let Some(deadline) = group.iter().map(|batch| batch.deadline).min() {
            let rows: Vec<_> = group.iter().flat_map(|batch| &batch.rows).collect();
            match self.commit(&rows, deadline, &doubt).await {
                Ok(()) => return finish(group, &Ok(())),
                Err(failure) if group.len() > 1 && failure.concerns_content() => {
                    let (alone, others) = apart(group, &failure.error);
                    for batch in alone {
                        let rows: Vec<_> = batch.rows.iter().collect();
                        let doubt = Doubt::default();
                        let outcome = self.commit(&rows, batch.deadline, &doubt).await;
                        batch.finish(outcome.map_err(|failure| failure.error));
                    }
                    group = others;
                    // What is in the way now was so before: nothing is kept yet.
                    doubt = Doubt::default();
                }
                Err(failure) => {
                    let (late, others) = late(group, failure.retry.then_some(deadline));
                    finish(late, &Err(failure.error));
                    group = others;
                }
            }
        }
    }

    /// Keeps rows, all or none. Where it is unknown whether they were, it is tried again:
    /// what is there already counts as kept.
    async fn commit(&self, rows: &[&Row], deadline: Instant, doubt: &Doubt) -> Result<(), Failure> {
        let parts = parts(rows);
        let done = retrying(deadline, || self.try_commit(&parts, doubt)).await;
        if let Err(failure) = done {
            let location = &self.connections.location;
            return Err(doubt.about(failure.or_read_only(location), location));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn try_commit(&self, parts: &[Columns<'_>], doubt: &Doubt) -> Result<(), Failure> {
        let mut connection = self.connections.write().await?;
        // An allowance for each of them.
        let number = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let limit = connection.limit().saturating_mul(number);
        if let [part] = parts
            && !self.known.is_expected()
            && !doubt.is_open()
        {
            let inserted = timeout(limit, async {
                let insert = connection.prepare_typed_cached(&self.insert, &COLUMN_TYPES);
                let insert = insert.await?;
                let params = part.params();
                doubt.commit(connection.execute(&insert, &params)).await
            });
            match inserted.await {
                // By the same entry, perhaps.
                Ok(Err(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    self.known.expect();
                }
                done => return connection.settle(done).map(|_| ()),
            }
        }
        let done = timeout(limit, async {
            let statement = connection.prepare_cached(&self.append).await?;
            if let [part] = parts {
                let params = part.params();
                let appended = doubt.commit(connection.execute(&statement, &params));
                return appended.await.map(|_| ());
            }
            let transaction = connection.transaction().await?;
            for part in parts {
                transaction.execute(&statement, &part.params()).await?;
            }
            doubt.commit(transaction.commit()).await
        })
        .await;
        connection.settle(done)
    }
}

/// Whether entries that come are likely to be there, as when somebody appends again what they
/// have. Nearly all others are new, and are inserted without a look at whether they are.
#[derive(Debug, Default)]
pub(crate) struct Known(AtomicU32);

impl Known {
    /// Expects such entries in the next groups.
    pub(crate) fn expect(&self) {
        self.0.store(KNOWN, Ordering::Relaxed);
    }

    /// Whether the next group may have such entries.
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

/// Divides a group that was tried until a time, or in vain, into those that are tried no more
/// and the others.
fn late(group: Vec<Batch>, tried: Option<Instant>) -> (Vec<Batch>, Vec<Batch>) {
    let Some(tried) = tried else {
        return (group, Vec::new());
    };
    // Not one try for each of many that came together.
    let until = tried.max(Instant::now()) + TOGETHER;
    group.into_iter().partition(|batch| batch.deadline <= until)
}

/// Waits a moment for those who were answered just now and append again, so that they share the
/// next statement and not each other's rest: until as many are in the queue as are `expected`.
async fn gather(queue: &mpsc::Receiver<Job>, expected: usize) {
    let start = Instant::now();
    while queue.len() < expected && start.elapsed() < GATHER {
        thread::yield_now();
        task::yield_now().await;
    }
}

/// Takes what shares a statement with the first out of the queue, and what came next.
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

/// Takes apart a group that cannot be kept as a whole: the batches to be tried alone, and
/// the others.
fn apart(group: Vec<Batch>, error: &StoreError) -> (Vec<Batch>, Vec<Batch>) {
    let StoreError::Conflict { id } = error else {
        return (group, Vec::new());
    };
    let (alone, others): (Vec<_>, Vec<_>) = group
        .into_iter()
        .partition(|batch| batch.rows.iter().any(|row| row.id == *id));
    if alone.is_empty() {
        // Nobody has the id that the server named: it does not matter whose fault it is.
        return (others, alone);
    }
    (alone, others)
}

/// Divides rows into what one statement takes.
fn parts<'r>(rows: &[&'r Row]) -> Vec<Columns<'r>> {
    let mut parts = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        bytes += row.bytes();
        if bytes > GROUP_BYTES && at > begin {
            parts.push(Columns::of(&rows[begin..at]));
            (begin, bytes) = (at, row.bytes());
        }
    }
    parts.push(Columns::of(&rows[begin..]));
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
        let Err(StoreError::Invalid { id, detail }) = rows_within(&sample, 10_000) else {
            panic!("it is taken");
        };
        assert_eq!(id, sample[1].id);
        assert_eq!(detail, "it takes more than 10000 bytes");
        assert_eq!(rows_within(&sample, 100_000).unwrap().len(), 3);
        assert_eq!(rows(&sample).unwrap().len(), 3);
    }
}
