//! The store.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit_core::{AsyncStore, LogEntry, ObjectRef, Page, Query, Store, StoreError, StoreFuture};
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::background::{self, Background, GivenUp};
use crate::check::{self, Check};
use crate::connection::{Connections, Runtimes, retrying};
use crate::follow::{self, Position};
use crate::import::{self, Months};
use crate::indexes;
use crate::info::{self, StoreInfo};
use crate::lookup;
use crate::options::{self, PostgresOptions};
use crate::query;
use crate::reconcile::{self, Reconcile, Reconciliation};
use crate::retention;
use crate::schema::{self, Found, SCHEMA_VERSION, Schema};
use crate::seats::Seats;
use crate::server::Server;
use crate::writer::{Batch, Job, Known, Writer, rows};
use crate::{Damaged, Tolerance};

/// How many entries a step of an import has.
const IMPORT: usize = 10_000;
/// How many answers of the server wait for whoever exports them.
const EXPORTS: usize = 2;
/// How often a store looks whether partitions are missing.
const MAINTENANCE: Duration = Duration::from_secs(6 * 60 * 60);

/// Keeps the trail in a PostgreSQL database, version 13 or later.
///
/// **Durable when `Ok`:** the server has committed when [`append`](Store::append) returns. It
/// survives what a commit of the server survives, by its `synchronous_commit`, `fsync` and
/// replication.
///
/// **When `append` fails** nothing of the call is kept, with one exception: if the connection
/// is lost during the commit and cannot be had again in time ([`StoreError::Unconfirmed`]), the
/// entries may be there. To append them again is right in either case.
///
/// **Retries:** after a deadlock, a serialization failure or a lost connection a call tries
/// again until [`retry_timeout`](PostgresOptions::retry_timeout). No entry is stored twice:
/// the id tells the server what it has already.
///
/// **Size:** an entry whose canonical form, with its changes and the names of their fields beside
/// it, takes more than 1,000,000,000 bytes is [`StoreError::Invalid`]: the server would end the
/// session.
///
/// **Concurrency:** threads and tasks that append at the same moment share one statement.
/// Any number of processes may write to and read from one database. A clone is the same
/// store. A process that forked must connect anew.
///
/// **Async:** the store has two threads of its own: one writes, one reads for futures. The
/// methods of [`Store`] block the thread that calls them, and may do so inside any runtime; those that end in `_async` are for any
/// runtime. A future of [`append_async`](Self::append_async) that is dropped leaves all of
/// its entries kept or none; it never leaves a part.
///
/// # Example: see the [crate's documentation](crate)
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    writing: Background,
    reading: Background,
    jobs: mpsc::Sender<Job>,
    connections: Connections,
    seats: Seats,
    schema: Schema,
    read_only: bool,
    migrate: bool,
    known: Arc<Known>,
    commits: Arc<AtomicU64>,
}

impl PostgresStore {
    /// Connects to a server, and makes the trail's tables if they do not exist.
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
    /// **Other parameters.** Those of libpq that the store cannot follow, and those of other
    /// programs, such as `sslcert`, `schema` or `pgbouncer`, are an error that names the parameter
    /// and the setting to use instead.
    ///
    /// # Errors
    /// - [`StoreError::Io`]: the server is not to be reached.
    /// - [`StoreError::Foreign`]: tables of another program have the trail's names.
    /// - [`StoreError::NewerSchema`]: a later version of this library made the tables.
    /// - [`StoreError::Unsupported`]: the database's encoding is not UTF-8, the schema's name is
    ///   odd, or none is named and the search path has none that exists.
    /// - [`StoreError::Backend`]: the settings are wrong, the server refuses them, or a pooler in
    ///   between pools by transaction.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new().connect(url)
    }

    /// Connects as [`connect`](Self::connect) does, from any async runtime or none.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_async(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new().connect_async(url).await
    }

    /// Returns the settings for connecting, to change them first.
    pub fn options() -> PostgresOptions {
        PostgresOptions::new()
    }

    pub(crate) async fn open(
        config: tokio_postgres::Config,
        mut options: PostgresOptions,
    ) -> Result<Self, StoreError> {
        // Each store names its own rows, also where several are opened with the same settings.
        options.tolerance = Tolerance::new(options.tolerance.passes_over());
        let (writing, life) = Background::start("audit-postgres")?;
        let (reading, reads) = Background::start("audit-pg-reads")?;
        let place = options::place(&config);
        let server = {
            let options = options.clone();
            // It may have files to read.
            writing.run(async move { Server::new(&config, &options) })
        };
        let server = Arc::new(server.await?);
        let seats = Seats::new(Arc::clone(&server), options.clone());
        let runtimes = Runtimes {
            reads: reading.runtime().clone(),
            writes: writing.runtime().clone(),
        };
        // Each lives until the writer ends.
        let (alive, ended) = oneshot::channel::<()>();
        let read = reads.send(Box::pin(async move {
            let _ended = ended.await;
        }));
        if read.is_err() {
            return Err(StoreError::Closed);
        }
        let connections = Connections::new(server, &options, &place, runtimes)?;
        let begun = {
            let options = options.clone();
            writing.run(async move { prepare(connections, &options, &place).await })
        };
        let (connections, schema) = begun.await?;
        let (jobs, queue) = mpsc::channel(options.queue);
        let commits = Arc::new(AtomicU64::new(0));
        let known = Arc::new(Known::default());
        let writer = Writer::new(
            connections.clone(),
            &schema,
            Arc::clone(&known),
            Arc::clone(&commits),
        );
        let maintenance = maintenance(connections.clone(), schema.clone(), options.clone());
        let lived = life.send(Box::pin(async move {
            // Goes when the writer ends.
            let _maintenance = tokio::spawn(maintenance);
            writer.run(queue).await;
            drop(alive);
        }));
        if lived.is_err() {
            return Err(StoreError::Closed);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                writing,
                reading,
                jobs,
                connections,
                seats,
                schema,
                read_only: options.read_only,
                migrate: options.migrate,
                known,
                commits,
            }),
        })
    }

    /// Asks this store, such as one that is no log's.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    /// Returns the name of the schema in which the trail's tables lie.
    pub fn schema(&self) -> &str {
        self.shared.schema.name()
    }

    /// Keeps the entries as [`append`](Store::append) does, without blocking.
    ///
    /// If the queue is full, waits for room. Once the entries are in the queue they are
    /// written whether or not the future is polled on or dropped.
    ///
    /// # Errors
    /// As [`append`](Store::append).
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

    /// Finds entries as [`find`](Store::find) does, without blocking.
    ///
    /// # Errors
    /// As [`find`](Store::find).
    pub async fn find_async(&self, query: &Query) -> Result<Page, StoreError> {
        query.check()?;
        let asked = query.clone();
        let found = self
            .with(|connections, schema| query::find(connections, schema, asked))
            .await?;
        found.into_page(query, self.place(), self.tolerance())
    }

    /// Counts entries as [`count`](Store::count) does, without blocking.
    ///
    /// # Errors
    /// As [`count`](Store::count).
    pub async fn count_async(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let query = query.clone();
        self.with(|connections, schema| query::count(connections, schema, query))
            .await
    }

    /// Finds entries by object as [`objects`](Store::objects) does, without blocking.
    ///
    /// # Errors
    /// As [`objects`](Store::objects).
    pub async fn objects_async(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        query.check()?;
        let (query, after) = (query.clone(), after.cloned());
        self.with(|connections, schema| query::objects(connections, schema, query, after))
            .await
    }

    /// Removes entries as [`purge`](Store::purge) does, without blocking. Dropped, it stops; of
    /// the step it is at all is removed or nothing.
    ///
    /// # Errors
    /// As [`purge`](Store::purge).
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

    /// Keeps many entries, such as those of another store: by `COPY`, in steps of 10,000, each
    /// of which is kept as a whole or not at all. Returns how many entries there were.
    ///
    /// What is stored already with the same content counts as kept, at the cost of
    /// [`append`](Store::append). Blocks the thread.
    ///
    /// A month of which there are 2,000 entries or more gets a partition, if the role owns the
    /// tables; the entries of others are kept in `audit_entry_rest`.
    ///
    /// # Errors
    /// As [`append`](Store::append); the steps before stay done, and to call it again with all
    /// of the entries goes on. The entries of the next step are taken from the iterator while the
    /// server keeps the last one, whose error comes after that.
    pub fn import(&self, entries: impl IntoIterator<Item = LogEntry>) -> Result<u64, StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        let mut entries = entries.into_iter();
        let (mut imported, mut fresh) = (0, true);
        let mut months = Months::default();
        let mut under_way: Option<(Vec<LogEntry>, GivenUp<bool>)> = None;
        loop {
            // While the server takes the last step.
            let step: Vec<_> = entries.by_ref().take(IMPORT).collect();
            let made = if fresh { rows(&step) } else { Ok(Vec::new()) };
            if let Some((last, copied)) = under_way.take() {
                // Where one step has known entries, the next ones may well have, too.
                fresh = background::wait(copied)?;
                if !fresh {
                    self.append_known(&last)?;
                }
                imported += last.len() as u64;
            }
            let rows = made?;
            if step.is_empty() {
                return Ok(imported);
            }
            let due = months.count(&step);
            if self.shared.migrate && !due.is_empty() {
                months = background::wait(self.with(|connections, schema| async move {
                    months.make(&connections, &schema, &due).await;
                    Ok(months)
                }))?;
            }
            if fresh {
                let copied = self.begin(|connections, schema| async move {
                    import::copy(&connections, &schema, &rows).await
                })?;
                under_way = Some((step, copied));
            } else {
                self.append_known(&step)?;
                imported += step.len() as u64;
            }
        }
    }

    fn append_known(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.shared.known.expect();
        self.append(entries)
    }

    /// Returns when everything appended before is written, or known not to be.
    ///
    /// # Errors
    /// [`StoreError::Closed`] after [`close`](Self::close).
    pub async fn flush_async(&self) -> Result<(), StoreError> {
        self.shared.enqueue(Job::Barrier).await
    }

    /// Makes the partitions of this month and of as many as
    /// [`months_ahead`](PostgresOptions::months_ahead) says, and returns how many were
    /// missing.
    ///
    /// A store whose role owns the tables does so when it connects and every six hours; for
    /// others call this from a job of the owner, or `SELECT audit_maintain()` with any client.
    /// While a month has no partition its entries are kept in `audit_entry_rest`.
    ///
    /// # Errors
    /// If the server cannot make them. A role that does not own the tables makes none.
    pub fn maintain(&self, months_ahead: u8) -> Result<u32, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            retention::maintain(&connections, &schema, months_ahead).await
        }))
    }

    /// Builds the indexes that a trail of an earlier version lacks, while others write and
    /// read, and returns how many were missing. Takes as long as the server needs for it, and
    /// goes on where it was when it was interrupted.
    ///
    /// A store whose role owns the tables does so in the background when it connects; the trail
    /// is complete without them, and some questions take longer. To wait for it, or to learn of
    /// an error, call this. While one process builds, others return 0.
    ///
    /// # Errors
    /// If the server cannot build them. A role that does not own the tables builds none.
    pub fn build_indexes(&self) -> Result<u32, StoreError> {
        background::wait(
            self.with(
                |connections, schema| async move { indexes::build(&connections, &schema).await },
            ),
        )
    }

    /// Writes what is queued and closes the connections, for all clones of the store: what
    /// they are asked for later is [`StoreError::Closed`].
    ///
    /// To drop the last clone does the same in the background. Neither is needed for
    /// durability.
    ///
    /// # Errors
    /// [`StoreError::Closed`] if it is closed already.
    pub fn close(self) -> Result<(), StoreError> {
        background::wait(self.clone().close_async())?;
        self.shared.writing.join();
        self.shared.reading.join();
        Ok(())
    }

    /// Closes the store as [`close`](Self::close) does, without blocking.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub async fn close_async(self) -> Result<(), StoreError> {
        self.shared.seats.close();
        self.shared.enqueue(Job::Close).await
    }

    /// Checks for every entry that its bytes match their checksum and are a canonical form, and
    /// that all columns match the bytes. Reads all of the trail.
    ///
    /// The checksum finds damage, not tampering: a user who can change the bytes can change it.
    ///
    /// # Errors
    /// If the entries cannot be read. What is wrong with them is in the [`Check`].
    pub fn check(&self) -> Result<Check, StoreError> {
        self.with_blocking(|connections, schema| async move {
            check::check(&connections, &schema).await
        })
    }

    /// Finds what was written to tables with [`Triggers`](crate::Triggers) without an entry of
    /// the program.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] if no triggers were installed, and if the role may not read
    /// `audit_touched` or the entries.
    pub fn reconcile(&self, options: Reconcile) -> Result<Reconciliation, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            reconcile::reconcile(&connections, &schema, options).await
        }))
    }

    /// Removes what triggers noted in `audit_touched` before a time, and returns how many
    /// notes that were. Entries stay.
    ///
    /// # Errors
    /// As [`reconcile`](Self::reconcile), and if the role may not remove notes.
    pub fn forget_touched(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            reconcile::forget(&connections, &schema, before).await
        }))
    }

    /// Returns how the server would find the entries of a query: `EXPLAIN`, a line a step.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub fn explain(&self, query: &Query) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        background::wait(
            self.with(|connections, schema| query::explain(connections, schema, query)),
        )
    }

    /// Returns how many statements `append` has committed, for tests of how many entries
    /// share one.
    #[doc(hidden)]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Returns how the server would find the entries of a query if the trail were so large
    /// that it never read a table as a whole: which index leads to them, however few there are.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub fn explain_indexed(&self, query: &Query) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        background::wait(
            self.with(|connections, schema| query::explain_indexed(connections, schema, query)),
        )
    }

    /// Returns the entries whose id begins with some hexadecimal digits, hyphens aside, by
    /// id and no more than `limit` of them.
    ///
    /// # Errors
    /// If the entries cannot be read. What is not part of an id begins none.
    pub fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let prefix = prefix.to_owned();
        let found = self.with_blocking(|connections, schema| {
            lookup::with_id_prefix(connections, schema, prefix, limit)
        })?;
        lookup::read(&found, self.place(), self.tolerance())
    }

    /// Finds entries as [`with_id_prefix`](Self::with_id_prefix) does, without blocking.
    ///
    /// # Errors
    /// As [`with_id_prefix`](Self::with_id_prefix).
    pub async fn with_id_prefix_async(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let prefix = prefix.to_owned();
        let found = self
            .with(|connections, schema| lookup::with_id_prefix(connections, schema, prefix, limit));
        lookup::read(&found.await?, self.place(), self.tolerance())
    }

    /// Returns the entries whose id ends with some hexadecimal digits, hyphens aside, by id and no
    /// more than `limit` of them. Reads all ids, for which there is no index.
    ///
    /// # Errors
    /// If the entries cannot be read. What is not part of an id ends none.
    pub fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let suffix = suffix.to_owned();
        let found = self.with_blocking(|connections, schema| {
            lookup::with_id_suffix(connections, schema, suffix, limit)
        })?;
        lookup::read(&found, self.place(), self.tolerance())
    }

    /// Finds entries as [`with_id_suffix`](Self::with_id_suffix) does, without blocking.
    ///
    /// # Errors
    /// As [`with_id_suffix`](Self::with_id_suffix).
    pub async fn with_id_suffix_async(
        &self,
        suffix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let suffix = suffix.to_owned();
        let found = self
            .with(|connections, schema| lookup::with_id_suffix(connections, schema, suffix, limit));
        lookup::read(&found.await?, self.place(), self.tolerance())
    }

    /// Returns the entries that have one of the ids, in the order of the ids given; of an id
    /// that no entry has, none.
    ///
    /// # Errors
    /// If the entries cannot be read.
    pub fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let wanted = ids.to_vec();
        let found =
            self.with_blocking(|connections, schema| lookup::by_ids(connections, schema, wanted))?;
        lookup::in_order(ids, &found, self.place(), self.tolerance())
    }

    /// Finds entries as [`by_ids`](Self::by_ids) does, without blocking.
    ///
    /// # Errors
    /// As [`by_ids`](Self::by_ids).
    pub async fn by_ids_async(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let wanted = ids.to_vec();
        let found = self.with(|connections, schema| lookup::by_ids(connections, schema, wanted));
        lookup::in_order(ids, &found.await?, self.place(), self.tolerance())
    }

    /// Returns the stored names of all models, sorted; an event has the empty one. Takes a
    /// step in the index for each, however many entries there are.
    ///
    /// # Errors
    /// If the entries cannot be read.
    pub fn models(&self) -> Result<Vec<String>, StoreError> {
        self.with_blocking(lookup::models)
    }

    /// Returns the models as [`models`](Self::models) does, without blocking.
    ///
    /// # Errors
    /// As [`models`](Self::models).
    pub async fn models_async(&self) -> Result<Vec<String>, StoreError> {
        self.with(lookup::models).await
    }

    /// Returns the place up to which [`committed_after`](Self::committed_after) has nothing
    /// more to give: whoever goes on from there gets what is written from now on. What was
    /// written a moment ago comes, too, if a transaction that began to write before it is open.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub fn position(&self) -> Result<Position, StoreError> {
        self.with_blocking(follow::position)
    }

    /// Returns the place as [`position`](Self::position) does, without blocking.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub async fn position_async(&self) -> Result<Position, StoreError> {
        self.with(follow::position).await
    }

    /// Returns the entries after a place, no more than `limit` of them, and the place to go on
    /// from: nothing is passed over, however late it was committed, and no entry comes twice.
    /// An answer without entries says that there is nothing more for the moment; the place
    /// that comes with it is to be kept all the same.
    ///
    /// The order is that of the numbers of transactions, which each gets when it first writes
    /// something, and within one that of time and id. It is the same for everybody. An entry
    /// is given out when every transaction of the server that began to write before its own is
    /// over, in whatever database: one that stays open holds back what later ones have
    /// committed. What is rolled back never comes.
    ///
    /// The order of queries is another one, that of time. What is removed by
    /// [`purge`](Store::purge) before its turn does not come.
    ///
    /// **After a restore** entries have the numbers of the server that wrote them. The first call of
    /// a store whose role owns the tables raises the numbers of this server above those, and gives
    /// out everything from [`Position::BEGINNING`]. Until such a store has asked, other roles get
    /// entries with numbers that this server has not reached when it has. A place of the other
    /// server means nothing here.
    ///
    /// # Errors
    /// If the entries cannot be read; [`StoreError::Unsupported`] for a place that the server
    /// has not come to, as after a restore of an earlier state or on another server.
    ///
    /// # Example: what was written since
    /// ```
    /// use audit_core::{LogEntry, Store};
    /// use audit_postgres::{PostgresStore, Position};
    ///
    /// # let Some(server) = audit_testbed::PostgresServer::find() else { return Ok(()) };
    /// # let name = format!("audit_doc_follow_{}", std::process::id());
    /// # let store = PostgresStore::options().schema(&name).connect(server.url())?;
    /// let entry = LogEntry::new("update", "User", "42", "bob");
    /// store.append(&[entry.clone()])?;
    /// # // Another test's transaction may be open.
    /// # let mut seen = Vec::new();
    /// # let mut from = Position::BEGINNING;
    /// # while seen.is_empty() {
    /// #     let (entries, next) = store.committed_after(&from, 100)?;
    /// #     seen.extend(entries);
    /// #     from = next;
    /// # }
    /// # assert_eq!(seen, [entry.clone()]);
    /// let (entries, next) = store.committed_after(&Position::BEGINNING, 100)?;
    /// assert_eq!(entries, [entry]);
    /// assert!(store.committed_after(&next, 100)?.0.is_empty());
    /// # store.close()?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// #     let (client, connection) =
    /// #         tokio_postgres::connect(server.url(), tokio_postgres::NoTls).await?;
    /// #     tokio::spawn(connection);
    /// #     client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn committed_after(
        &self,
        position: &Position,
        limit: usize,
    ) -> Result<(Vec<LogEntry>, Position), StoreError> {
        let position = *position;
        let (found, next) = self.with_blocking(|connections, schema| {
            follow::committed_after(connections, schema, position, limit)
        })?;
        Ok((lookup::read(&found, self.place(), self.tolerance())?, next))
    }

    /// Returns entries as [`committed_after`](Self::committed_after) does, without blocking.
    ///
    /// # Errors
    /// As [`committed_after`](Self::committed_after).
    pub async fn committed_after_async(
        &self,
        position: &Position,
        limit: usize,
    ) -> Result<(Vec<LogEntry>, Position), StoreError> {
        let position = *position;
        let found = self.with(|connections, schema| {
            follow::committed_after(connections, schema, position, limit)
        });
        let (found, next) = found.await?;
        Ok((lookup::read(&found, self.place(), self.tolerance())?, next))
    }

    /// Returns what the trail's tables are, apart from the entries: versions, partitions,
    /// sizes, rights. A role that may only read is enough.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        self.with_blocking(info::read)
    }

    /// Returns what the tables are as [`info`](Self::info) does, without
    /// blocking.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn info_async(&self) -> Result<StoreInfo, StoreError> {
        self.with(info::read).await
    }

    /// Names the schema, the database and the server, as errors do: without the password.
    pub fn place(&self) -> &str {
        &self.shared.connections.place
    }

    /// Returns the rows that this store's readers passed over so far because they are no
    /// entries. Empty unless [`PostgresOptions::pass_over_damaged`] is set.
    pub fn damaged(&self) -> Damaged {
        self.tolerance().damaged()
    }

    fn tolerance(&self) -> &Tolerance {
        &self.shared.connections.tolerance
    }

    /// Runs work on the thread that reads.
    async fn with<T, F>(&self, work: impl FnOnce(Connections, Schema) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.begin(work)?.await
    }

    /// Begins work on the thread that reads.
    fn begin<T, F>(
        &self,
        work: impl FnOnce(Connections, Schema) -> F,
    ) -> Result<GivenUp<T>, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if self.shared.jobs.is_closed() {
            return Err(StoreError::Closed);
        }
        self.shared.check_thread()?;
        let work = work(self.shared.connections.clone(), self.shared.schema.clone());
        Ok(self.shared.reading.begin(work))
    }

    /// Runs work on this thread if it may wait for a connection of its own, else on the store's.
    fn with_blocking<T, F>(
        &self,
        work: impl FnOnce(Connections, Schema) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if self.shared.jobs.is_closed() {
            return Err(StoreError::Closed);
        }
        let place = &self.shared.connections.place;
        match self.shared.seats.take(place)? {
            Some(seat) => seat.run(|connections| work(connections, self.shared.schema.clone())),
            None => background::wait(self.with(work)),
        }
    }

    fn read_only(&self) -> StoreError {
        StoreError::ReadOnly {
            location: self.shared.connections.place.to_string(),
        }
    }
}

impl Shared {
    fn check_thread(&self) -> Result<(), StoreError> {
        self.writing.check_thread()?;
        self.reading.check_thread()
    }

    /// Puts a job into the queue and waits for its answer.
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
            let place = &*self.connections.place;
            StoreError::backend(place, "the thread that writes panicked").unconfirmed(place)
        })
    }
}

/// Looks at the server, and makes of the schema what the store needs.
async fn prepare(
    connections: Connections,
    options: &PostgresOptions,
    place: &str,
) -> Result<(Connections, Schema), StoreError> {
    let connection = connections.write().await.map_err(|failure| failure.error)?;
    let done = timeout(connection.limit(), async {
        let row = connection
            .query_one(
                "SELECT current_setting('server_encoding'), current_schema()::text",
                &[],
            )
            .await?;
        Ok((
            row.try_get::<_, String>(0)?,
            row.try_get::<_, Option<String>>(1)?,
        ))
    })
    .await;
    let (encoding, current) = connection.settle(done).map_err(|failure| failure.error)?;
    if encoding != "UTF8" {
        return Err(StoreError::Unsupported {
            operation: "keep a trail in a database whose encoding is not UTF-8",
        });
    }
    let Some(name) = options.schema.as_ref().or(current.as_ref()) else {
        return Err(StoreError::Unsupported {
            operation: "tell where the trail belongs, as no schema of the connection's search \
                        path exists; name one with `PostgresOptions::schema`",
        });
    };
    let schema = Schema::named(name)?;
    let place = format!("schema `{}` of {place}", schema.name());
    let connections = connections.at(&place);
    match look(&connections, &schema).await? {
        Found::Version(SCHEMA_VERSION) => {}
        _ if options.migrate => schema::migrate(&connections, &schema).await?,
        Found::Version(_) => return Err(StoreError::ReadOnly { location: place }),
        Found::Nothing => {
            return Err(StoreError::Foreign {
                location: place,
                found: "a schema without a trail".to_owned(),
            });
        }
    }
    if options.migrate {
        // The trail works without them, in one table.
        if let Err(error) = retention::maintain(&connections, &schema, options.months_ahead).await {
            log::warn!("partitions could not be made: {error}");
        }
    }
    Ok((connections, schema))
}

async fn look(connections: &Connections, schema: &Schema) -> Result<Found, StoreError> {
    let looked = retrying(connections.deadline(), || async {
        let connection = connections.write().await?;
        let done = timeout(
            connection.limit(),
            schema::look(&*connection, schema, &connections.place),
        )
        .await;
        connection.settle(done)
    });
    looked.await.map_err(|failure| failure.error)?
}

/// Builds what is missing, and makes partitions ahead, as long as the store lives; where that is
/// left to others, sees that no month stays closed.
async fn maintenance(connections: Connections, schema: Schema, options: PostgresOptions) {
    if options.read_only {
        return;
    }
    let goes_on = |done: Result<(), StoreError>, what: &str| match done {
        Ok(()) => true,
        Err(StoreError::Closed) => false,
        Err(error) => {
            log::warn!("{what}: {error}");
            true
        }
    };
    loop {
        let is_open = if options.migrate {
            goes_on(
                indexes::build_missing(&connections, &schema).await,
                "indexes could not be built",
            )
        } else {
            goes_on(
                retention::lift_fences(&connections, &schema).await,
                "a month may be closed to its entries",
            )
        };
        if !is_open {
            return;
        }
        tokio::time::sleep(MAINTENANCE).await;
        if options.migrate {
            let made = retention::maintain(&connections, &schema, options.months_ahead).await;
            if !goes_on(made.map(|_| ()), "partitions could not be made") {
                return;
            }
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.shared.connections.place)
            .field("read_only", &self.shared.read_only)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        background::wait(self.append_async(entries))
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        query.check()?;
        let asked = query.clone();
        let found =
            self.with_blocking(|connections, schema| query::find(connections, schema, asked))?;
        found.into_page(query, self.place(), self.tolerance())
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let query = query.clone();
        self.with_blocking(|connections, schema| query::count(connections, schema, query))
    }

    /// Objects whose model or identity is longer than 1,000 bytes and begins with the same 900
    /// as another's come in an order of their own.
    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        query.check()?;
        let (query, after) = (query.clone(), after.cloned());
        self.with_blocking(|connections, schema| query::objects(connections, schema, query, after))
    }

    /// Hands out the bytes as they are stored, all of one snapshot: what is committed meanwhile
    /// is not in it. `line` is called on the thread that calls this, in no runtime of the
    /// store's, and the server is asked for the next entries meanwhile: up to 500 at a time, fewer
    /// if they are large. Where an entry has to be read to tell whether the query asks for it,
    /// it is. A row is one line: bytes with line ends, which are no entry, come as the text of a
    /// JSON string.
    ///
    /// The snapshot lasts as long as the export: the server keeps what is removed until then.
    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        query.check()?;
        if self.shared.jobs.is_closed() {
            return Err(StoreError::Closed);
        }
        let (send, mut lines) = mpsc::channel(EXPORTS);
        // Given up with its connection when this returns early.
        self.shared.check_thread()?;
        let reading = self.shared.reading.begin(query::export(
            self.shared.connections.clone(),
            self.shared.schema.clone(),
            query.clone(),
            send,
        ));
        let mut count = 0;
        while let Some(bodies) = background::wait(lines.recv()) {
            for body in &bodies {
                line(body).map_err(|error| StoreError::Io {
                    location: "the output".to_owned(),
                    source: Arc::new(error),
                })?;
                count += 1;
            }
        }
        background::wait(reading)?;
        Ok(count)
    }

    /// Drops whole partitions where the query says no more than
    /// [`until`](Query::until), and removes the rest in steps of 5,000, between which others
    /// write. A partition that somebody reads is emptied, and dropped by a later purge; see the
    /// [crate's documentation](crate). What is committed after it began stays, but for what is
    /// written into such a partition before it is dropped.
    ///
    /// It goes by the number of the transaction that wrote an entry. Of entries that another
    /// cluster wrote, and a dump or a replication brought here, those stay whose numbers are
    /// of transactions that run here meanwhile; another purge removes them.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] if the role does not own the tables. The steps before an
    /// error stay done; to call it again goes on.
    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        background::wait(self.purge_async(query))
    }

    /// Everything appended is durable already; this waits for what is still being appended.
    fn flush(&self) -> Result<(), StoreError> {
        background::wait(self.flush_async())
    }

    fn as_async(&self) -> Option<&dyn AsyncStore> {
        Some(self)
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
