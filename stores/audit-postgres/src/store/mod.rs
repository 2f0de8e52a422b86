//! [`PostgresStore`]: connecting, appending, closing, and the traits of stores.

mod follow;
mod maintain;
mod open;
mod read;
mod trail;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audit_core::backend::output_failed;
use audit_core::{
    AsyncStore, LogEntry, ObjectRef, Page, Query, Store, StoreError, StoreFuture, TrailStore,
};
use tokio::sync::{mpsc, oneshot};

use crate::Tolerance;
use crate::background::{self, AbortOnDrop, Background};
use crate::connection::Connections;
use crate::export;
use crate::local::LocalPool;
use crate::options::PostgresOptions;
use crate::schema::Schema;
use crate::writer::{Batch, DuplicateHint, Job, rows};

/// The number of batches of lines that an export reads ahead of the caller.
const EXPORTS: usize = 2;

/// Keeps the trail in a PostgreSQL database, version 13 or later.
///
/// **Durability:** the server has committed the entries when [`append`](Store::append) returns `Ok`. They
/// are as durable as any commit of the server, by its `synchronous_commit`, `fsync` and replication.
///
/// **Errors of `append`:** nothing of the call is stored, with one exception: if the connection is lost
/// during the commit and cannot be opened again in time ([`StoreError::Unconfirmed`]), the entries may be
/// stored. Appending them again is safe in either case.
///
/// **Retries:** after a deadlock, a serialization failure or a lost connection a call tries again until
/// [`retry_timeout`](PostgresOptions::retry_timeout). No entry is stored twice: the server recognizes it
/// by its id.
///
/// **Size:** an entry whose canonical form and changes take more than 1,000,000,000 bytes together is
/// [`StoreError::Invalid`]: the server would end the session.
///
/// **Concurrency:** threads and tasks that append at the same moment share one statement. Any number of
/// processes may write to one database and read it. A clone is the same store. A process that forked must
/// connect again.
///
/// **Async:** the store has two threads of its own: one writes, the other reads for futures. The methods
/// of [`Store`] block the calling thread, inside any runtime too; those that end in `_async` are for any
/// runtime. A dropped future of [`append_async`](Self::append_async) has stored all of its entries or
/// none.
///
/// # Example: see the [crate's documentation](crate)
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    /// The connections of the calling thread, where it drives them.
    local: Option<Connections>,
}

struct Shared {
    writing: Background,
    reading: Background,
    jobs: mpsc::Sender<Job>,
    connections: Connections,
    local: LocalPool,
    schema: Schema,
    read_only: bool,
    migrate: bool,
    duplicates: Arc<DuplicateHint>,
    commits: Arc<AtomicU64>,
}

impl PostgresStore {
    /// Connects to a server, and creates the trail's tables if they do not exist.
    ///
    /// `url` is a `postgres://` URL or a text of `key=value` pairs.
    ///
    /// **Encryption.** Without `sslmode`, a connection to another machine must be encrypted, and
    /// one to this machine is not. `sslmode` may be `disable`, `prefer` (encrypted if the server
    /// offers it, in clear otherwise, the password included) or `require`; `verify-ca` and
    /// `verify-full` mean `require`, since the server's certificate and the name in it are always
    /// checked. `sslrootcert` names the file with the authorities, as
    /// [`PostgresOptions::root_certificates`] does.
    ///
    /// **Other parameters.** A parameter that the store does not support, such as `sslcert`, `schema` or
    /// `pgbouncer`, is an error that names the parameter and the setting to use instead.
    ///
    /// # Errors
    /// - Returns [`StoreError::Io`] if the server cannot be reached.
    /// - Returns [`StoreError::Foreign`] if tables of another program have the trail's names.
    /// - Returns [`StoreError::NewerSchema`] if a later version of this library made the tables.
    /// - Returns [`StoreError::Unsupported`] if the database's encoding is not UTF-8, the schema's name is
    ///   invalid, or the schema is unset and no schema of the search path exists.
    /// - Returns [`StoreError::Backend`] if the settings are invalid, the server refuses them, or a pooler in
    ///   between pools by transaction.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new().connect(url)
    }

    /// Connects as [`connect`](Self::connect) does, from any async runtime or none.
    ///
    /// # Errors
    /// Returns the errors of [`connect`](Self::connect).
    pub async fn connect_async(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new().connect_async(url).await
    }

    /// Returns the settings for connecting, to change them first.
    pub fn options() -> PostgresOptions {
        PostgresOptions::new()
    }

    /// Returns a query of this store, which needs no log.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    /// Returns the name of the schema that has the trail's tables.
    pub fn schema(&self) -> &str {
        self.shared.schema.name()
    }

    /// Stores entries as [`append`](Store::append) does, without blocking.
    ///
    /// Waits while the queue is full. Queued entries are written even if the future is dropped.
    ///
    /// # Errors
    /// Returns the errors of [`append`](Store::append).
    pub async fn append_async(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        if entries.is_empty() {
            return Ok(());
        }
        let rows = rows(entries)?;
        let deadline = self.shared.connections.deadline();
        self.shared
            .enqueue(|done| {
                Job::Append(Batch {
                    rows,
                    deadline,
                    done,
                })
            })
            .await?
    }

    /// Waits until every batch queued before is written or has failed.
    ///
    /// # Errors
    /// Returns [`StoreError::Closed`] after [`close`](Self::close).
    pub async fn flush_async(&self) -> Result<(), StoreError> {
        self.shared.enqueue(Job::Barrier).await
    }

    /// Writes the queued entries and closes the connections of all clones of the store. Later calls
    /// return [`StoreError::Closed`].
    ///
    /// Dropping the last clone does the same in the background. Neither is needed for durability.
    ///
    /// # Errors
    /// Returns [`StoreError::Closed`] if the store is already closed.
    pub fn close(self) -> Result<(), StoreError> {
        background::wait(self.clone().close_async())?;
        self.shared.writing.join();
        self.shared.reading.join();
        Ok(())
    }

    /// Closes the store as [`close`](Self::close) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`close`](Self::close).
    pub async fn close_async(self) -> Result<(), StoreError> {
        self.shared.local.close();
        self.shared.enqueue(Job::Close).await
    }

    /// Returns the number of statements that `append` has committed, for tests.
    #[doc(hidden)]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Returns the schema, the database and the server as errors name them, without the password.
    pub fn location(&self) -> &str {
        &self.shared.connections.location
    }

    fn tolerance(&self) -> &Tolerance {
        &self.shared.connections.tolerance
    }

    /// Waits for a result on this thread, which drives a connection of its own if one is free.
    fn block_on<T>(
        &self,
        ask: impl AsyncFnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.shared.local.get(self.location())? {
            Some(connection) => connection.run(async |connections| {
                let store = Self {
                    shared: Arc::clone(&self.shared),
                    local: Some(connections),
                };
                ask(&store).await
            }),
            None => background::wait(ask(self)),
        }
    }

    /// Runs work on the connections of this thread if it drives any, else on the thread that reads.
    async fn with<T, F>(&self, work: impl FnOnce(Connections, Schema) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        match &self.local {
            Some(connections) => {
                self.shared.check_open()?;
                work(connections.clone(), self.shared.schema.clone()).await
            }
            None => self.spawn(work)?.await,
        }
    }

    /// Begins work on the thread that reads.
    fn spawn<T, F>(
        &self,
        work: impl FnOnce(Connections, Schema) -> F,
    ) -> Result<AbortOnDrop<T>, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.shared.check_open()?;
        self.shared.check_thread()?;
        let work = work(self.shared.connections.clone(), self.shared.schema.clone());
        Ok(self.shared.reading.spawn(work))
    }

    fn read_only(&self) -> StoreError {
        StoreError::ReadOnly {
            location: self.shared.connections.location.to_string(),
        }
    }
}

impl Shared {
    fn check_open(&self) -> Result<(), StoreError> {
        if self.jobs.is_closed() {
            return Err(StoreError::Closed);
        }
        Ok(())
    }

    fn check_thread(&self) -> Result<(), StoreError> {
        self.writing.check_thread()?;
        self.reading.check_thread()
    }

    /// Queues a job and waits for its result.
    async fn enqueue<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<T>) -> Job,
    ) -> Result<T, StoreError> {
        self.check_thread()?;
        let (done, answer) = oneshot::channel();
        if self.jobs.send(job(done)).await.is_err() {
            return Err(StoreError::Closed);
        }
        answer.await.map_err(|_| {
            let location = &*self.connections.location;
            StoreError::backend(location, "the writer thread panicked").unconfirmed(location)
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("location", &self.shared.connections.location)
            .field("read_only", &self.shared.read_only)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        background::wait(self.append_async(entries))
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.block_on(async |store| store.find_async(query).await)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.block_on(async |store| store.count_async(query).await)
    }

    /// Objects whose model or identity has more than 1,000 bytes, of which the first 900 equal those
    /// of another object, are sorted by hash.
    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.block_on(async |store| store.objects_async(query, after).await)
    }

    /// Passes the stored bytes of one snapshot to `line`, on the calling thread and outside any
    /// runtime of the store. Entries that are committed meanwhile are not in the snapshot. The store
    /// reads ahead: up to 500 entries at a time, fewer if they are large. It parses entries only
    /// where the columns do not decide whether they match. Damaged bytes that contain line ends are
    /// passed as the text of a JSON string.
    ///
    /// The server keeps removed rows until the export ends.
    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        query.check()?;
        self.shared.check_open()?;
        let (send, mut lines) = mpsc::channel(EXPORTS);
        // Aborted, and its connection closed, when this returns early.
        self.shared.check_thread()?;
        let reading = self.shared.reading.spawn(export::export(
            self.shared.connections.clone(),
            self.shared.schema.clone(),
            query.clone(),
            send,
        ));
        let mut count = 0;
        while let Some(bodies) = background::wait(lines.recv()) {
            for body in &bodies {
                line(body).map_err(output_failed)?;
                count += 1;
            }
        }
        background::wait(reading)?;
        Ok(count)
    }

    /// Drops complete partitions if the query has no condition but [`until`](Query::until), and
    /// removes the remaining entries in steps of 5,000, between which writers proceed. A partition
    /// in use by readers is emptied instead, and dropped by a later purge; see the
    /// [crate's documentation](crate). Entries that are committed after the purge began stay, except
    /// those in a partition that it drops.
    ///
    /// The number of the writing transaction decides which entries are older than the purge. After a
    /// dump or a replication from another cluster, entries with the numbers of transactions that are
    /// running here stay until the next purge.
    ///
    /// # Errors
    /// Returns [`StoreError::ReadOnly`] if the role does not own the tables. Completed steps are kept;
    /// calling it again resumes.
    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        background::wait(self.purge_async(query))
    }

    /// Waits for batches that are still queued. Appended entries are durable without it.
    fn flush(&self) -> Result<(), StoreError> {
        background::wait(self.flush_async())
    }

    fn as_async(&self) -> Option<&dyn AsyncStore> {
        Some(self)
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }

    fn description(&self) -> String {
        let location = self.location();
        format!("PostgreSQL, {location}; entries are as durable as a commit of the server")
    }
}

impl AsyncStore for PostgresStore {
    fn append_async<'a>(&'a self, entries: &'a [LogEntry]) -> StoreFuture<'a, ()> {
        Box::pin(self.append_async(entries))
    }

    fn find_async<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        Box::pin(self.find_async(query))
    }

    fn count_async<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, u64> {
        Box::pin(self.count_async(query))
    }
}
