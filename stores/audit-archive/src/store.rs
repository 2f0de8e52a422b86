//! [`ArchiveStore`]: reads an archive as a store.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use audit_core::backend::{limit, output_failed, scan_objects};
use audit_core::{Cursor, LogEntry, ObjectRef, Page, Query, Store, StoreError};

use crate::chain::{Chain, numbers};
use crate::error::Error;
use crate::files::Files;
use crate::keys::Keys;
use crate::location::Location;
use crate::reader::{Found, Reader};
use crate::unchanged::Unchanged;
use crate::wanted::{SortKey, Wanted};

/// The number of entries that [`Store::objects`] takes at once.
const READ_AT_ONCE: usize = 5_000;
/// The number of entries that [`Store::objects`] holds in memory. Each call reads all matching entries.
const OBJECTS: usize = 50_000;
/// The number of rows that are counted at once.
const COUNTED: usize = 1 << 16;
/// How often manifests are listed although the next two do not exist.
const LISTED_EVERY: Duration = Duration::from_secs(60);

/// Reads an archive as a store: queries, cursors and exports as in any other store.
///
/// Each call reads the manifests that were written since the call before. Files are chosen by the
/// times and models in their manifest and by their filters, row groups by statistics and bloom
/// filters, pages by the page index, and the bodies of the rows that remain are compared with the
/// query. Up to eight files and row groups are read at the same time.
///
/// It cannot append or purge: an archive is written by an [`Archiver`](crate::Archiver). A clone is the
/// same store.
///
/// Each byte that a query uses is verified: the manifests by their chain of hashes, the filter beside a file
/// by its hash in the manifest, and the blocks of the file by the checksums beside the filter. A missing,
/// truncated or changed one is [`StoreError::Corrupt`], which names the object. Damage in a part that the
/// query does not read is found by [`verify`](crate::verify()) alone.
///
/// # Example: a query of archived entries
/// ```
/// use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Location};
/// use audit_core::{LogEntry, MemoryStore, Query, Store};
///
/// # let folder = std::env::temp_dir().join(format!("audit-archive-store-{}", std::process::id()));
/// let hot = MemoryStore::new();
/// let entry = LogEntry::new("update", "User", "42", "bob");
/// hot.append(&[entry.clone()])?;
/// let location = Location::folder(&folder)?;
/// let options = ArchiveOptions::new().create(true);
/// Archiver::new(hot, location.clone()).options(options).run_once()?;
///
/// let archive = ArchiveStore::open(location)?;
/// let page = archive.find(&Query::new().model_name("User").object_pk(42))?;
/// assert_eq!(page.entries, [entry]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ArchiveStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    location: Location,
    files: Files,
    chain: Mutex<Arc<Chain>>,
    /// The manifests in a folder when the last one was confirmed.
    unchanged: Mutex<Option<Unchanged>>,
    /// When the manifests were listed although the next two do not exist.
    listed: Mutex<Instant>,
}

impl ArchiveStore {
    /// Opens an archive.
    ///
    /// # Errors
    /// - Returns [`Error::NoArchive`] if the location has none.
    /// - Returns [`Error::Gap`], [`Error::LostTail`] or [`Error::Corrupt`] if a manifest after the last checkpoint is missing or
    ///   damaged.
    /// - Returns another error if the object store cannot be read.
    pub fn open(location: Location) -> Result<Self, Error> {
        let chain = Chain::open(&location)?;
        Ok(Self {
            shared: Arc::new(Shared {
                files: Files::new(location.clone()),
                location,
                chain: Mutex::new(Arc::new(chain)),
                unchanged: Mutex::default(),
                listed: Mutex::new(Instant::now()),
            }),
        })
    }

    /// Sets how many bytes of filters and checksums are in memory at most, 128 MiB by default.
    ///
    /// An archive has about 1.3 bytes of them for each different object, actor, correlation id and transaction in a
    /// file, and 1 byte for each KiB of a file. A query by one of these reads all filters of its times, so it is slow
    /// if they are more than this. The limit applies to all clones of the store.
    #[must_use]
    pub fn filter_bytes(self, bytes: u64) -> Self {
        self.shared.files.set_filter_bytes(bytes);
        self
    }

    /// Returns a query of this store, for a store without a log.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    /// Returns the location of the archive.
    pub fn location(&self) -> &Location {
        &self.shared.location
    }

    pub(crate) fn files(&self) -> &Files {
        &self.shared.files
    }

    /// Returns how often queries have opened a file since the store was opened. A file in memory counts, too.
    pub fn files_opened(&self) -> u64 {
        self.shared.files.opened()
    }

    /// Returns how often queries have read columns of a row group since the store was opened. A row group of up to
    /// 16,384 entries is read if statistics and bloom filters do not exclude the query.
    pub fn row_groups_read(&self) -> u64 {
        self.shared.files.groups_read()
    }

    /// Returns the archive as of now.
    pub(crate) fn chain(&self) -> Result<Arc<Chain>, Error> {
        let location = &self.shared.location;
        let lock = || self.shared.chain.lock();
        // Without the lock, so that a slow object store does not block other threads longer than its time limit.
        let mut chain = Arc::clone(&*lock().unwrap_or_else(PoisonError::into_inner));
        // Before they are read, so that a change meanwhile is found by the next call.
        let unchanged = Unchanged::of(location, chain.number);
        let confirmed = || self.shared.unchanged.lock();
        if unchanged.is_some() && unchanged == *confirmed().unwrap_or_else(PoisonError::into_inner)
        {
            return Ok(chain);
        }
        if !chain.has_newer(location)? {
            // An unmounted disk has no newer manifest, either.
            chain.confirm(location)?;
            let unchanged = unchanged.filter(Unchanged::is_old);
            // If these two are missing, a listing alone finds later ones.
            let listed = || self.shared.listed.lock();
            let elapsed = listed().unwrap_or_else(PoisonError::into_inner).elapsed();
            let lists = unchanged.is_some() || elapsed >= LISTED_EVERY;
            let is_last = !lists || numbers(location, chain.number)?.is_empty();
            if is_last && lists {
                *listed().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            }
            if is_last {
                *confirmed().unwrap_or_else(PoisonError::into_inner) = unchanged;
                return Ok(chain);
            }
        }
        let refreshed = Arc::make_mut(&mut chain).refresh_listed(location);
        // After an error it has the manifests up to the last intact one.
        let mut newest = lock().unwrap_or_else(PoisonError::into_inner);
        if newest.number < chain.number {
            *newest = Arc::clone(&chain);
        }
        drop(newest);
        self.shared.files.forget_removed(&chain);
        refreshed?;
        Ok(chain)
    }

    /// Reads from the archive as of now. If a file is missing because it has left the archive meanwhile, it reads
    /// again without it.
    pub(crate) fn read<T>(&self, read: impl Fn(&Chain) -> Result<T, Error>) -> Result<T, Error> {
        let mut chain = self.chain()?;
        loop {
            let error = match read(&chain) {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let newer = self.chain()?;
            if chain
                .files
                .keys()
                .all(|path| newer.files.contains_key(path))
            {
                return Err(error);
            }
            chain = newer;
        }
    }

    /// Returns a page of a query without some entries.
    pub(crate) fn page(
        &self,
        query: Query,
        excluded: BTreeSet<SortKey>,
    ) -> Result<Page, StoreError> {
        let size = query.page_size();
        let mut reader = Reader::new(self, query, size.saturating_add(1), excluded)?;
        let mut entries = Vec::new();
        while let Some(found) = reader.next()? {
            if entries.len() == size {
                let next = entries.last().map(Cursor::of);
                return Ok(Page::new(entries, next));
            }
            entries.push(found.entry);
        }
        Ok(Page::new(entries, None))
    }

    /// Creates a reader of all entries of a query after its cursor.
    pub(crate) fn reader(&self, query: &Query) -> Result<Reader, Error> {
        let limit = limit(query).unwrap_or(usize::MAX);
        Reader::new(self, query.clone(), limit, BTreeSet::new())
    }

    /// Counts the entries of a query that conditions on columns decide exactly.
    fn count_rows(&self, chain: &Chain, query: &Query) -> Result<u64, Error> {
        let mut keys = Keys::new(chain, Wanted::of(query), usize::MAX, BTreeSet::new());
        let mut count = 0;
        loop {
            match keys.take(self.files(), query, COUNTED)?.len() {
                0 => return Ok(count),
                rows => count += rows as u64,
            }
        }
    }
}

impl Store for ArchiveStore {
    /// Returns [`StoreError::Unsupported`].
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        Err(StoreError::Unsupported {
            operation: "append entries, since an archive is written by an archiver",
        })
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.page(query.clone(), BTreeSet::new())
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let query = query.clone().without_limits();
        if Wanted::of(&query).exact {
            return Ok(self.read(|chain| self.count_rows(chain, &query))?);
        }
        let mut lines = |_: &str| Ok(());
        self.export(&query, &mut lines)
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        // Each page continues after the one before.
        let reader: RefCell<Option<Reader>> = RefCell::default();
        scan_objects(query, after, OBJECTS, |query| {
            let mut reader = reader.borrow_mut();
            let reader = match &mut *reader {
                Some(reader) => reader,
                none => none.insert(self.reader(query)?),
            };
            let found = reader.take(READ_AT_ONCE)?;
            let next = found.last().map(|found| Cursor::of(&found.entry));
            let entries = found.into_iter().map(|found| found.entry).collect();
            Ok(Page::new(entries, next))
        })
    }

    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        let mut left = limit(query).unwrap_or(usize::MAX);
        let mut reader = self.reader(query)?;
        let mut count = 0;
        while left > 0
            && let Some(Found { entry, body }) = reader.next()?
        {
            let body = std::str::from_utf8(&body).map_err(|error| StoreError::Corrupt {
                location: format!("entry {}", entry.id),
                detail: error.to_string(),
            })?;
            line(&audit_core::backend::projection::line(body)).map_err(output_failed)?;
            count += 1;
            left -= 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use audit_core::MemoryStore;
    use object_store::memory::InMemory;

    use super::*;
    use crate::archiver::Archiver;
    use crate::manifest;
    use crate::options::ArchiveOptions;

    #[test]
    fn a_gap_of_several_manifests_is_found_by_a_reader_that_is_open() {
        let location = Location::new(Arc::new(InMemory::new()), "").expect("a location");
        let store = MemoryStore::new();
        let options = ArchiveOptions::new().create(true);
        let archiver = Archiver::new(store.clone(), location.clone()).options(options);
        archiver.run_once().expect("a run");
        let reader = ArchiveStore::open(location.clone()).expect("an archive");
        for pk in ["1", "2", "3"] {
            let entry = LogEntry::new("create", "User", pk, "bob");
            store.append(&[entry]).expect("appended");
            archiver.run_once().expect("a run");
        }
        for number in [2, 3] {
            location.delete(&manifest::name(number)).expect("deleted");
        }
        let listed = Instant::now().checked_sub(LISTED_EVERY).expect("a time");
        *reader.shared.listed.lock().expect("a time") = listed;
        for _ in 0..2 {
            let error = reader.count(&Query::new()).expect_err("a gap");
            assert!(error.to_string().contains("manifest 2"), "{error}");
        }
    }
}
