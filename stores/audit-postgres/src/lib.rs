//! The store of `auditlog` for many writers: a trail in a PostgreSQL database.
//!
//! [`PostgresStore`] keeps each entry's canonical JSON byte for byte beside columns that
//! answer the questions people ask. Any number of processes on any number of machines may
//! write to and read from one trail. It is used from threads and from every async runtime
//! alike.
//!
//! # Example: a trail that several programs share
//! ```
//! use audit_core::{LogEntry, Query, Store};
//! use audit_postgres::PostgresStore;
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
//! # fn drop_schema(url: &str, schema: &str) -> Result<(), audit_core::StoreError> {
//! #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! #     runtime.block_on(async {
//! #         let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
//! #         tokio::spawn(connection);
//! #         client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await
//! #     }).map_err(|error| audit_core::StoreError::backend("the example", error))
//! # }
//! # Ok::<(), audit_core::StoreError>(())
//! ```
//!
//! # What `Ok` means
//!
//! The server has committed the entries. With its own defaults (`fsync` and
//! `synchronous_commit` on) they survive a crash of the server and a loss of power; with
//! synchronous replication they survive the loss of the machine.
//!
//! A pooler between the store and the server, such as `PgBouncer`, must pool by session: the
//! store prepares statements and sets limits once for each connection. One that pools by
//! transaction is an error when the store connects.
//!
//! # In async code
//!
//! [`append_async`](PostgresStore::append_async), [`find_async`](PostgresStore::find_async)
//! and their siblings need no particular runtime, and `submit().await` and
//! [`Query::all_async`](audit_core::Query::all_async) of a log with this store work in any.
//! The store has two threads of its own: on one lives the connection that writes, on the other
//! those that read for futures, so that no question slows what is appended. A thread that is in
//! no runtime reads from a connection that it drives itself. Calls of the blocking methods inside
//! a task block that task's thread, as every blocking call does, but neither panic nor deadlock.
//!
//! **Queue.** What is appended waits in a queue of [1024 batches](PostgresOptions::queue)
//! while a statement runs; the next statement takes all of it, up to 4,096 entries. Callers wait
//! while the queue is full. No entry is dropped: it is stored, or its caller gets an error.
//!
//! **Cancellation.** A dropped future of `append_async` has kept all of its entries or none:
//! none before it was polled or while the queue was full, and from then on what the server
//! makes of it. To append the same entries again is always right.
//!
//! What any other dropped future was busy with is cancelled on the server, and its connection
//! counts for the [pool](PostgresOptions::pool_size) until that has happened.
//!
//! **Shutdown.** [`close`](PostgresStore::close) writes what is queued, answers the callers that wait,
//! and closes the connections. The log's own `shutdown` comes before it.
//!
//! # With SQL
//!
//! The view `audit_log` shows the trail with readable times and levels:
//! `SELECT * FROM audit_log ORDER BY ts DESC LIMIT 20`. For a condition on the time use the
//! column: `WHERE ts >= audit_micros(now() - interval '1 day')`. `changes` is `jsonb`. A
//! change and its entry come and go together if both are written in one transaction: the
//! function `audit_append`, described in docs/format.md, may be called from any driver.
//!
//! # In the caller's own transaction
//!
//! With [`RecordIn`] in scope, `draft.record_in(&transaction)` writes entries into a transaction of
//! `tokio-postgres` or `deadpool-postgres`, and so do many drafts, units and tracked objects; the crates `audit-sqlx`, `audit-diesel` and `audit-sea-orm` do the same
//! for those drivers. The store reads such entries like its own.
//!
//! Triggers refuse UPDATE and TRUNCATE, and DELETE outside retention, to every role, also in sessions
//! with `session_replication_role = replica`. A publication of the trail publishes inserts alone
//! (`WITH (publish = 'insert')`), since its subscriber refuses the rest. The triggers keep accidents away, not an owner who wants to change the trail; [`Roles`] makes the role of
//! the application one that can only add.
//!
//! # Following the trail
//!
//! The order of times and ids is not that of commits: what was drafted early, or in a
//! transaction that took long, becomes visible after later entries.
//! [`Follow`](audit_core::Follow) goes by the transactions instead and passes nothing over; futures
//! use [`committed_after_async`](PostgresStore::committed_after_async):
//! ```no_run
//! # async fn follow(saved: &str) -> Result<(), Box<dyn std::error::Error>> {
//! # fn handle(_: &[audit_core::Stored]) {}
//! # fn save(_: String) {}
//! # let store = audit_postgres::PostgresStore::connect("postgres://app@db.example/app")?;
//! let mut position: audit_core::Position = saved.parse()?;
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
//! The tables are partitioned by the month in which an entry's id was made, so that an id is
//! unique over all of them. A store whose role owns the tables makes the next months'
//! partitions when it connects and every six hours.
//! [`purge`](audit_core::Store::purge) with nothing but
//! [`until`](audit_core::Query::until) drops the months that have nothing later. To drop one takes
//! an exclusive lock of the trail for a moment. While a long query holds it off, the store retries for
//! two seconds, in which others wait for some tenths of a second at most, and then the entries are
//! removed row by row instead. The next purge drops what is empty.
//!
//! What has an id of a month without a partition goes to `audit_entry_rest`. While that is larger
//! than 16 MB it is read before the partition of a coming month is created, without blocking;
//! an entry with an id of that month, such as by a clock that is wrong, is refused for as long and
//! tried again. The partition of a month that has begun, or does within two days, is made only if
//! that takes less than three seconds, as readers wait. `SELECT audit_add_partition('2026-03-01')` of the owner makes it
//! whatever it takes. By hand it takes three statements, each in a transaction of its own:
//! `SELECT audit_fence('2027-03-01')`,
//! `ALTER TABLE audit_entry_rest VALIDATE CONSTRAINT audit_entry_rest_awaits_2027_03`, and
//! `SELECT audit_add_partition('2027-03-01')` or `SELECT audit_maintain()`. Who stops after the
//! first drops the constraint again: until then no entry of that month is taken. One that was left
//! is removed in the last day before its month begins, or later, by every store that may write, when
//! it connects and every six hours, and by `SELECT audit_lift_fences()` of a writer or the owner.
//!
//! A question whose statement is planned locks each partition with its indexes: 13 locks for each
//! of them, whatever time the query names. The server has
//! `max_locks_per_transaction` times `max_connections` locks, 6,400 by default. That is 8 questions
//! at a time on 60 months; then it fails with `out of shared memory` until others have ended, which
//! the store waits for until [`retry_timeout`](PostgresOptions::retry_timeout). For more months or
//! more questions at a time set `max_locks_per_transaction` to 13 times their product, divided by
//! `max_connections`.
//!
//! A [`count`](audit_core::Store::count) that takes longer than
//! [`statement_timeout`](PostgresOptions::statement_timeout) begins anew, month by month, and each
//! has that limit. What `purge` looks for in bytes and not in columns, it looks for among fewer
//! entries at a time if a statement takes too long.
//!
//! # Encryption and passwords
//!
//! Servers are checked by their certificates, clients by their password. A connection to another
//! machine is encrypted unless its URL has `sslmode=prefer` or `sslmode=disable`. Certificates of
//! clients (`sslcert` and `sslkey` in a URL) are not supported.
//!
//! # What a writer can do
//!
//! A role that may only add can still add what is wrong: entries in another's name, of another
//! time, or bytes that are no entry. The server takes the number of its transaction and nothing
//! else from somewhere it can trust. [`PostgresStore::check`] finds what contradicts itself, and
//! readers of a damaged entry get an error with its id; the owner removes it by
//! what its columns say.

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

/// Whether readers pass over damaged rows.
type Tolerance = audit_sql::Tolerance<uuid::Uuid>;
