//! The suite of stores on a hot store and its archive: before each read, entries are archived and half
//! of them leave the hot store.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use audit_archive::object_store::memory::InMemory;
use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Federated, Location, Pruner};
use audit_core::health::Health;
use audit_core::{
    Batch, Follow, Level, LogEntry, MemoryStore, ObjectRef, Page, Position, Query, Store,
    StoreError, TrailStore,
};
use uuid::Uuid;

#[derive(Debug)]
struct Moving {
    hot: MemoryStore,
    archiver: Archiver<MemoryStore>,
    location: Location,
    federated: Federated,
    /// One append at a time, since those of entries that have left the hot store are compared here.
    appends: Mutex<()>,
}

impl Moving {
    fn new() -> Self {
        let location = Location::new(Arc::new(InMemory::new()), "trail").expect("a location");
        let hot = MemoryStore::new();
        let options = ArchiveOptions::new()
            .create(true)
            .holder("test")
            .row_group(100);
        let archiver = Archiver::new(hot.clone(), location.clone()).options(options);
        archiver.run_once().expect("an empty archive");
        let archive = ArchiveStore::open(location.clone()).expect("an archive");
        Self {
            archiver,
            federated: Federated::new(hot.clone(), archive),
            location,
            hot,
            appends: Mutex::default(),
        }
    }

    fn moved(&self) -> Result<&Federated, StoreError> {
        if self.archiver.run_once()?.entries == 0 {
            return Ok(&self.federated);
        }
        let some = Query::new().level_at_least(Level::Warning);
        let report = Pruner::new(&self.hot, &self.location)
            .matching(some)
            .run()?;
        assert_eq!(report.findings, []);
        Ok(&self.federated)
    }
}

impl Store for Moving {
    /// Appends as `Federated` does, and also compares entries with those of the archive (rule 3).
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        let _one = self.appends.lock().expect("no panic");
        let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id).collect();
        let known = self.federated.by_ids(&ids)?.into_iter();
        let known: HashMap<Uuid, LogEntry> = known.map(|entry| (entry.id, entry)).collect();
        let mut new = Vec::new();
        for entry in entries {
            match known.get(&entry.id) {
                None => new.push(entry.clone()),
                Some(known) if known.to_canonical_json()? == entry.to_canonical_json()? => {}
                Some(_) => return Err(StoreError::Conflict { id: entry.id }),
            }
        }
        self.federated.append(&new)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.moved()?.find(query)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.moved()?.count(query)
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.moved()?.objects(query, after)
    }

    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        self.moved()?.export(query, line)
    }

    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        self.moved()?.purge(query)
    }
}

impl Follow for Moving {
    fn position(&self) -> Result<Position, StoreError> {
        self.federated.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.federated.committed_after(at, limit)
    }
}

impl TrailStore for Moving {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.moved()?.by_ids(ids)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.moved()?.with_id_prefix(prefix, limit)
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.moved()?.with_id_suffix(suffix, limit)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.moved()?.models()
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.federated.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.federated.health(queries)
    }

    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        self.federated.purge_exact(entries)
    }

    fn file(&self) -> Option<&Path> {
        self.federated.file()
    }
}

audit_testkit::conformance!(Moving::new, TrailStore);
