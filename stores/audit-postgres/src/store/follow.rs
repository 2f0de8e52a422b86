//! Entries in the order of the transactions that wrote them.

use audit_core::{LogEntry, StoreError};

use super::PostgresStore;
use crate::follow::{self, Position};
use crate::lookup;

impl PostgresStore {
    /// Returns the place up to which [`committed_after`](Self::committed_after) has nothing
    /// more to give: whoever goes on from there gets what is written from now on. What was
    /// written a moment ago comes, too, if a transaction that began to write before it is open.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub fn position(&self) -> Result<Position, StoreError> {
        self.block_on(Self::position_async)
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
        self.block_on(async |store| store.committed_after_async(position, limit).await)
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
        Ok((
            lookup::read(&found, self.location(), self.tolerance())?,
            next,
        ))
    }
}
