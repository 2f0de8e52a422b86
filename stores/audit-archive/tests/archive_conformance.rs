//! The suite of stores on an archive: entries are appended to a hot store and archived before each
//! read.

use std::io;
use std::sync::Arc;

use audit_archive::object_store::memory::InMemory;
use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Location};
use audit_core::{LogEntry, MemoryStore, ObjectRef, Page, Query, Store, StoreError};

#[derive(Debug)]
struct Archived {
    hot: MemoryStore,
    archiver: Archiver<MemoryStore>,
    archive: ArchiveStore,
}

impl Archived {
    fn new() -> Self {
        let location = Location::new(Arc::new(InMemory::new()), "trail").expect("a location");
        let hot = MemoryStore::new();
        let options = ArchiveOptions::new()
            .create(true)
            .segment_entries(300)
            .row_group(20);
        let archiver = Archiver::new(hot.clone(), location.clone()).options(options);
        archiver.run_once().expect("an archive");
        Self {
            archiver,
            archive: ArchiveStore::open(location).expect("an archive"),
            hot,
        }
    }

    fn archive(&self) -> Result<&ArchiveStore, StoreError> {
        self.archiver.run_once()?;
        Ok(&self.archive)
    }
}

impl Store for Archived {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.hot.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.archive()?.find(query)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.archive()?.count(query)
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.archive()?.objects(query, after)
    }

    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        self.archive()?.export(query, line)
    }

    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        self.archive()?.purge(query)
    }
}

audit_testkit::conformance!(Archived::new);
