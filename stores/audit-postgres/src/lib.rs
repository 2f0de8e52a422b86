//! The store of `auditlog` for many writers: a trail in a PostgreSQL database.
//!
//! [`PostgresStore`] keeps each entry's canonical JSON byte for byte, beside columns that queries use.
//! Any number of processes on any number of machines may write to one trail and read it. The store works
//! in threads and in every async runtime.
//!
//! # Example: a trail that several programs share
//! ```
//! use auditlog::{LogEntry, PostgresStore, Query, Store};
//!
//! # let Some(server) = audit_testbed::PostgresServer::find() else { return Ok(()) };
//! # let url = server.url();
//! # let name = format!("audit_doc_{}", std::process::id());
//! # let schema = name.as_str();
//! # /*
//! let url = "postgres://app@db.example/app";
//! let schema = "audit";
//! # */
//! let store = PostgresStore::options().schema(schema).connect(url)?;
//! let entry = LogEntry::new("update", "User", "42", "bob");
//! store.append(&[entry.clone()])?; // committed when it returns
//!
//! let page = store.find(&Query::new().model_name("User").object_pk(42))?;
//! assert_eq!(page.entries, [entry]);
//! # store.close()?;
//! # drop_schema(url, schema)?;
//! # fn drop_schema(url: &str, schema: &str) -> Result<(), auditlog::StoreError> {
//! #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! #     runtime.block_on(async {
//! #         let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
//! #         tokio::spawn(connection);
//! #         client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await
//! #     }).map_err(|error| auditlog::StoreError::backend("the example", error))
//! # }
//! # Ok::<(), auditlog::StoreError>(())
//! ```
//!
//! # Durability
//!
//! When `append` returns `Ok`, the server has committed the entries. With the server's defaults (`fsync`
//! and `synchronous_commit` on) they survive a crash of the server and a loss of power; with synchronous
//! replication they survive the loss of the machine.
//!
//! A pooler between the store and the server, such as `PgBouncer`, must pool by session: the store
//! prepares statements and sets limits once for each connection. With a pooler that pools by transaction,
//! `connect` returns an error.
//!
//! # In async code
//!
//! [`append_async`](PostgresStore::append_async), [`find_async`](PostgresStore::find_async) and their
//! siblings need no particular runtime. The same holds for `submit().await` and
//! [`Query::all_async`](audit_core::Query::all_async) of a log with this store. The store has two threads
//! of its own: one drives the connection that writes, the other drives the connections that read for
//! futures, so queries do not delay writes. A thread outside any runtime reads from a connection that it
//! drives itself. The blocking methods inside a task block that task's thread, but neither panic nor
//! deadlock.
//!
//! **Queue.** Appended entries wait in a queue of [1024 batches](PostgresOptions::queue) while a statement
//! runs; the next statement takes all of them, up to 4,096 entries. Callers wait while the queue is full.
//! No entry is dropped: it is stored, or its caller gets an error.
//!
//! **Cancellation.** A future of `append_async` that is dropped before it was polled, or while the queue
//! was full, stores nothing. One that is dropped later stores all of its entries or none. Appending the
//! same entries again is always safe: an entry is stored once.
//!
//! If any other future is dropped, its statement is cancelled on the server. Its connection counts for the
//! [pool](PostgresOptions::pool_size) until the statement has ended.
//!
//! **Shutdown.** Call the log's `shutdown` first, then [`close`](PostgresStore::close). It writes the
//! queued entries, returns their results to the callers that wait, and closes the connections.
//!
//! # With SQL
//!
//! The view `audit_log` shows the trail with readable times and levels:
//! `SELECT * FROM audit_log ORDER BY ts DESC LIMIT 20`. For a condition on the time use the column:
//! `WHERE ts >= audit_micros(now() - interval '1 day')`. `changes` is `jsonb`. Any driver may call the
//! function `audit_append`, which docs/format.md describes, in the transaction of a change: the change and
//! its entry are then committed or rolled back together.
//!
//! # In the caller's own transaction
//!
//! With [`RecordIn`] in scope, `draft.record_in(&transaction)` writes entries into a transaction of
//! `tokio-postgres` or `deadpool-postgres`; so do many drafts, units and tracked objects. The crates
//! `audit-sqlx`, `audit-diesel` and `audit-sea-orm` do the same for those drivers. The store reads such
//! entries like its own.
//!
//! Triggers refuse UPDATE and TRUNCATE, and DELETE outside retention, to every role, also in sessions
//! with `session_replication_role = replica`. They prevent accidents; the owner of the tables can remove
//! them. [`Roles`] gives the application a role that can only add entries. A publication of the trail must
//! publish inserts alone (`WITH (publish = 'insert')`), since its subscriber refuses the rest.
//!
//! # Following the trail
//!
//! Entries become visible in the order of commits, which is not the order of times and ids: an entry of a
//! long transaction appears after later ones. [`Follow`](audit_core::Follow) reads in the order of
//! transactions and skips no entry. Futures use
//! [`committed_after_async`](PostgresStore::committed_after_async):
//! ```no_run
//! # async fn follow(saved: &str) -> Result<(), Box<dyn std::error::Error>> {
//! # fn handle(_: &[auditlog::Stored]) {}
//! # fn save(_: String) {}
//! # let store = auditlog::PostgresStore::connect("postgres://app@db.example/app")?;
//! let mut position: auditlog::Position = saved.parse()?;
//! loop {
//!     let batch = store.committed_after_async(&position, 500).await?;
//!     handle(&batch.entries);
//!     save(batch.next.to_string());
//!     position = batch.next;
//!     if batch.entries.is_empty() {
//!         break; // nothing more for now
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Partitions and retention
//!
//! The tables are partitioned by the month of an entry's id, so an id is unique over all of them. A store
//! whose role owns the tables creates the partitions of the next months when it connects and every six
//! hours.
//!
//! [`purge`](audit_core::Store::purge) with no condition but [`until`](audit_core::Query::until) drops the
//! months that have only earlier entries. Dropping a partition needs an exclusive lock of the trail for a
//! moment. While a long query holds that lock, the store retries for two seconds, in which other sessions
//! wait for some tenths of a second at most; then it removes the entries row by row instead, and the next
//! purge drops the empty partition.
//!
//! An entry with an id of a month without a partition is stored in `audit_entry_rest`. If that table is
//! larger than 16 MB when the partition of a coming month is created, it is read first, without blocking;
//! until then, new entries with an id of that month, such as those of a wrong clock, are refused and
//! retried. The partition of a month that has begun, or begins within two days, is created only if that
//! takes less than three seconds, as readers wait. The owner creates it without that limit by
//! `SELECT audit_add_partition('2026-03-01')`. By hand and without blocking it takes three statements, each
//! in a transaction of its own: `SELECT audit_fence('2027-03-01')`,
//! `ALTER TABLE audit_entry_rest VALIDATE CONSTRAINT audit_entry_rest_awaits_2027_03`, and
//! `SELECT audit_add_partition('2027-03-01')` or `SELECT audit_maintain()`. To stop after the first
//! statement, drop the constraint again: until then no entry of that month is accepted. Stores that may
//! write remove a constraint that was left, from the last day before its month on, when they connect and
//! every six hours; so does `SELECT audit_lift_fences()` of a writer or the owner.
//!
//! A query whose statement is planned locks each partition with its indexes: 13 locks for each partition,
//! independent of the time that the query names. The server has `max_locks_per_transaction` times
//! `max_connections` locks, 6,400 by default: enough for 8 queries at a time on 60 months. Beyond that,
//! statements fail with `out of shared memory` until others have ended, for which the store waits up to
//! [`retry_timeout`](PostgresOptions::retry_timeout). For more months or more concurrent queries set
//! `max_locks_per_transaction` to 13 times their product, divided by `max_connections`.
//!
//! If a [`count`](audit_core::Store::count) takes longer than
//! [`statement_timeout`](PostgresOptions::statement_timeout), the store counts again month by month, with
//! that limit for each month. Where `purge` has to read the bytes of entries and a statement takes too
//! long, it continues with fewer entries at a time.
//!
//! # Encryption and passwords
//!
//! The store verifies the server's certificate; the server verifies the password. A connection to another
//! machine is encrypted unless its URL has `sslmode=prefer` or `sslmode=disable`. Certificates of
//! clients (`sslcert` and `sslkey` in a URL) are not supported.
//!
//! # Limits of a writer's role
//!
//! A role that may only add entries can still add false ones: entries in the name of another user or of
//! another time, and bytes that are not an entry. Only the number of the transaction is the server's own.
//! [`PostgresStore::check`] finds entries that contradict their columns. Readers of a damaged entry get an
//! error with its id, and the owner removes it by its columns.

mod background;
mod check;
mod conditions;
mod connection;
mod error;
mod export;
mod follow;
mod health;
mod import;
mod in_transaction;
mod indexes;
mod info;
mod local;
mod lookup;
mod options;
mod pooler;
mod query;
mod reconcile;
mod retention;
mod roles;
mod row;
mod schema;
mod server;
mod statement;
mod store;
mod tls;
mod triggers;
mod url;
mod variant;
mod writer;

pub use crate::check::{Check, Mismatch};
pub use crate::error::sqlstate;
pub use crate::in_transaction::{
    Error, InSchema, OnPrepared, Prepared, RecordIn, Runs, Schema, Target, append_in, in_schema,
};
pub use crate::info::StoreInfo;
pub use crate::options::PostgresOptions;
pub use crate::reconcile::{Reconcile, Reconciliation, UnauditedWrite};
pub use crate::roles::Roles;
pub use crate::schema::SCHEMA_VERSION;
pub use crate::store::PostgresStore;
pub use crate::triggers::{TriggerContext, TriggerError, Triggers, set_context_in};
pub use crate::variant::ServerVariant;

/// The setting that decides if readers skip damaged rows, with those that they skipped.
type Tolerance = audit_sql::Tolerance<uuid::Uuid>;
