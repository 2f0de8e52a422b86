//! The operations of tools on the store.

use audit_core::health::Health;
use audit_core::{DamageReport, LogEntry, Query, StoreError, TrailStore};
use uuid::Uuid;

use super::PostgresStore;
use crate::health;

impl TrailStore for PostgresStore {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.block_on(async |store| store.by_ids_async(ids).await)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.block_on(async |store| store.with_id_prefix_async(prefix, limit).await)
    }

    /// Reads all ids, for which there is no index.
    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.block_on(async |store| store.with_id_suffix_async(suffix, limit).await)
    }

    /// Removes the entries in steps, each a transaction.
    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        self.block_on(async |store| store.purge_exact_async(entries).await)
    }

    /// Takes a step in the index for each model, however many entries there are.
    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.block_on(Self::models_async)
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        Ok(Some(self.info()?.schema_version))
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        health::examine(self, queries)
    }

    fn damaged(&self) -> DamageReport {
        self.tolerance().damaged()
    }
}
