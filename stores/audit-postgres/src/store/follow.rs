//! Entries in the order of the transactions that wrote them.

use audit_core::{Batch, Follow, Position, StoreError};

use super::PostgresStore;
use crate::follow;

/// Returns entries in the order of transactions, which the server numbers at their first write; within a
/// transaction, in the order of time and id.
///
/// An entry is returned once all transactions of the server that began to write before its own have
/// ended, in any database. A transaction that stays open delays the entries of later ones. Entries that
/// are rolled back are never returned.
///
/// A position belongs to the table of a trail. It remains valid on a server that replicates this one, and
/// after an upgrade by `pg_upgrade`. Restoring a dump creates another table, for which the position is an
/// error: followers start again from [`Position::START`]. After a server was reset to an earlier state, a
/// position is an error until the server has numbered as many transactions again, and not detected
/// later: restart followers when you restore a server. A server that replicates another one returns
/// nothing for positions that it has not reached.
///
/// **After a restore** entries have the numbers of the server that wrote them. The first call of a store
/// whose role owns the tables raises the numbers of this server above those, and returns everything from
/// [`Position::START`]. Until then, a store of another role returns restored entries only when this server
/// has reached their numbers.
///
/// # Example: the entries after a position
/// ```
/// use auditlog::{Follow, LogEntry, Position, PostgresStore, Store};
///
/// # let Some(server) = audit_testbed::PostgresServer::find() else { return Ok(()) };
/// # let name = format!("audit_doc_follow_{}", std::process::id());
/// # let store = PostgresStore::options().schema(&name).connect(server.url())?;
/// let entry = LogEntry::new("update", "User", "42", "bob");
/// store.append(&[entry.clone()])?;
/// # // Another test's transaction may be open.
/// # let mut from = Position::START;
/// # loop {
/// #     let batch = store.committed_after(&from, 100)?;
/// #     if !batch.entries.is_empty() { break }
/// #     from = batch.next;
/// # }
/// let batch = store.committed_after(&Position::START, 100)?;
/// assert_eq!(batch.entries[0].entry()?, entry);
/// assert!(store.committed_after(&batch.next, 100)?.entries.is_empty());
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
impl Follow for PostgresStore {
    fn position(&self) -> Result<Position, StoreError> {
        self.block_on(Self::position_async)
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.block_on(async |store| store.committed_after_async(at, limit).await)
    }
}

impl PostgresStore {
    /// Returns the position as [`Follow::position`] does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`Follow::position`].
    pub async fn position_async(&self) -> Result<Position, StoreError> {
        self.with(follow::position).await
    }

    /// Returns entries as [`Follow::committed_after`] does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`Follow::committed_after`].
    pub async fn committed_after_async(
        &self,
        at: &Position,
        limit: usize,
    ) -> Result<Batch, StoreError> {
        let at = at.clone();
        self.with(|connections, schema| follow::committed_after(connections, schema, at, limit))
            .await
    }
}
