//! Queries, lookups by id, models, and the server's plans.

use audit_core::{LogEntry, ObjectRef, Page, Query, StoreError};
use uuid::Uuid;

use super::PostgresStore;
use crate::background;
use crate::info::{self, StoreInfo};
use crate::lookup;
use crate::query;

impl PostgresStore {
    /// Finds entries as [`find`](audit_core::Store::find) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`find`](audit_core::Store::find).
    pub async fn find_async(&self, query: &Query) -> Result<Page, StoreError> {
        query.check()?;
        let asked = query.clone();
        let found = self
            .with(|connections, schema| query::find(connections, schema, asked))
            .await?;
        found.into_page(query, self.location(), self.tolerance())
    }

    /// Counts entries as [`count`](audit_core::Store::count) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`count`](audit_core::Store::count).
    pub async fn count_async(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let query = query.clone();
        self.with(|connections, schema| query::count(connections, schema, query))
            .await
    }

    /// Finds entries by object as [`objects`](audit_core::Store::objects) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`objects`](audit_core::Store::objects).
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

    /// Finds entries as [`with_id_prefix`](audit_core::TrailStore::with_id_prefix) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`with_id_prefix`](audit_core::TrailStore::with_id_prefix).
    pub async fn with_id_prefix_async(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let prefix = prefix.to_owned();
        let found = self
            .with(|connections, schema| lookup::with_id_prefix(connections, schema, prefix, limit));
        lookup::read(&found.await?, self.location(), self.tolerance())
    }

    /// Finds entries as [`with_id_suffix`](audit_core::TrailStore::with_id_suffix) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`with_id_suffix`](audit_core::TrailStore::with_id_suffix).
    pub async fn with_id_suffix_async(
        &self,
        suffix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let suffix = suffix.to_owned();
        let found = self
            .with(|connections, schema| lookup::with_id_suffix(connections, schema, suffix, limit));
        lookup::read(&found.await?, self.location(), self.tolerance())
    }

    /// Finds entries as [`by_ids`](audit_core::TrailStore::by_ids) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`by_ids`](audit_core::TrailStore::by_ids).
    pub async fn by_ids_async(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let wanted = ids.to_vec();
        let found = self.with(|connections, schema| lookup::by_ids(connections, schema, wanted));
        lookup::in_order(ids, &found.await?, self.location(), self.tolerance())
    }

    /// Returns the models as [`models`](audit_core::TrailStore::models) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`models`](audit_core::TrailStore::models).
    pub async fn models_async(&self) -> Result<Vec<String>, StoreError> {
        self.with(lookup::models).await
    }

    /// Returns the versions, partitions, sizes and privileges of the trail's tables. A role that may
    /// only read is enough.
    ///
    /// # Errors
    /// Returns an error if the server cannot be queried.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        self.block_on(Self::info_async)
    }

    /// Returns the facts as [`info`](Self::info) does, without blocking.
    ///
    /// # Errors
    /// Returns the errors of [`info`](Self::info).
    pub async fn info_async(&self) -> Result<StoreInfo, StoreError> {
        self.with(info::read).await
    }

    /// Returns the server's plan for a query, as `EXPLAIN` prints it.
    ///
    /// # Errors
    /// Returns an error if the server cannot be queried.
    pub fn explain(&self, query: &Query) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        background::wait(
            self.with(|connections, schema| query::explain(connections, schema, query)),
        )
    }

    /// Returns the server's plan for a query with sequential scans disabled: which index serves it,
    /// however small the table is.
    ///
    /// # Errors
    /// Returns an error if the server cannot be queried.
    pub fn explain_indexed(&self, query: &Query) -> Result<Vec<String>, StoreError> {
        let query = query.clone();
        background::wait(
            self.with(|connections, schema| query::explain_indexed(connections, schema, query)),
        )
    }
}
