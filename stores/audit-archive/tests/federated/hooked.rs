//! A store that runs a closure before and after each read.

use std::fmt;

use audit_core::health::Health;
use audit_core::{
    Batch, Follow, LogEntry, MemoryStore, ObjectRef, Page, Position, Query, Store, StoreError,
    TrailStore,
};
use uuid::Uuid;

pub(crate) struct Hooked {
    inner: MemoryStore,
    hook: Box<dyn Fn() + Send + Sync>,
}

impl Hooked {
    pub(crate) fn new(inner: MemoryStore, hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            inner,
            hook: Box::new(hook),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&MemoryStore) -> T) -> T {
        (self.hook)();
        let result = read(&self.inner);
        (self.hook)();
        result
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl Store for Hooked {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.inner.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.read(|store| store.find(query))
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.read(|store| store.count(query))
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|store| store.objects(query, after))
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }
}

impl Follow for Hooked {
    fn position(&self) -> Result<Position, StoreError> {
        self.inner.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.read(|store| store.committed_after(at, limit))
    }
}

impl TrailStore for Hooked {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|store| store.by_ids(ids))
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|store| store.with_id_prefix(prefix, limit))
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read(|store| store.with_id_suffix(suffix, limit))
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.read(MemoryStore::models)
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.inner.health(queries)
    }
}
