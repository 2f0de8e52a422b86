//! Entries in the order of the transactions that wrote them.

use audit_core::{Batch, Follow, Position, StoreError};

use super::PostgresStore;
use crate::follow;

/// Follows the numbers of transactions, which each gets when it first writes something; within a
/// transaction the order is that of time and id.
///
/// An entry is returned when every transaction of the server that began to write before its own is
/// over, in whatever database: one that stays open holds back what later ones have committed.
/// Entries that are rolled back are never returned.
///
/// A position is one of a trail's table. It remains valid on a server that replicates this one, and
/// after an upgrade by `pg_upgrade`. Restoring a dump makes another table, in which it is an error:
/// followers start again from [`Position::START`]. After a server was reset to an earlier state, a
/// position is an error until the server has numbered as many transactions again, and not detected
/// later: restart followers when you restore a server. A server that replicates another one returns
/// nothing for positions that it has not reached.
///
/// **After a restore** entries have the numbers of the server that wrote them. The first call of
/// a store whose role owns the tables raises the numbers of this server above those, and returns
/// everything from [`Position::START`]. Until such a store was asked, other roles get entries with
/// numbers that this server has not reached when it reaches them.
///
/// # Example: what was written since
/// ```
/// use audit_core::{Follow, LogEntry, Position, Store};
/// use audit_postgres::PostgresStore;
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
    /// As [`Follow::position`].
    pub async fn position_async(&self) -> Result<Position, StoreError> {
        self.with(follow::position).await
    }

    /// Returns entries as [`Follow::committed_after`] does, without blocking.
    ///
    /// # Errors
    /// As [`Follow::committed_after`].
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
