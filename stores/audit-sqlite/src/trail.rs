//! The operations of tools on the store.

use std::path::Path;

use audit_core::health::Health;
use audit_core::{DamageReport, LogEntry, Query, StoreError, TrailStore};
use uuid::Uuid;

use crate::error::at;
use crate::store::SqliteStore;
use crate::{health, lookup};

impl TrailStore for SqliteStore {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|connection| lookup::by_ids(connection, ids, self.tolerance(), self.location()))
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|connection| {
            lookup::with_id_prefix(connection, prefix, limit, self.tolerance(), self.location())
        })
    }

    /// Reads all ids, for which there is no index.
    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|connection| {
            lookup::with_id_suffix(connection, suffix, limit, self.tolerance(), self.location())
        })
    }

    /// Removes the entries in steps of 2,000, between which other threads write.
    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        self.remove_exact(entries)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| lookup::models(connection).map_err(at(self.location())))
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

    fn file(&self) -> Option<&Path> {
        Some(self.path())
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.backup(to)
    }
}
