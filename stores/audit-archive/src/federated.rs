//! [`Federated`]: reads a hot store and its archive as one store.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use audit_core::backend::{limit, output_failed, scan_objects};
use audit_core::health::Health;
use audit_core::{
    Batch, Cursor, DamageReport, Follow, LogEntry, ObjectRef, Page, Position, Query, Store,
    StoreError, TrailStore,
};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::reader::{Found, Reader};
use crate::store::ArchiveStore;
use crate::wanted::SortKey;

/// The number of entries that are read at a time where all are needed.
const READ_AT_ONCE: usize = 5_000;
/// The number of entries that [`Store::objects`] holds. Each call reads all matching entries.
const OBJECTS: usize = 50_000;

/// The smallest difference of two times in the trail.
const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// Reads a hot store and its archive as one store, with one cursor.
///
/// Each entry is returned once. If both have it, the entry of the hot store is returned, and its time and
/// its values alone decide whether a query matches: a value that was erased there stays erased. An archive that is missing or damaged is an error if
/// the query needs it: the hot store alone is never the result.
///
/// Each read takes the hot store first, and the manifests of the archive after it. Entries leave the hot
/// store only after a manifest covers them, so an entry that is archived and pruned meanwhile is found on
/// one of the two sides. Archive files are opened only if their times overlap those of the page: a page of
/// hot entries that are newer than the archive opens none.
///
/// It writes to the hot store: [`append`](Store::append), [`flush`](Store::flush) and the methods of
/// [`Follow`] are those of the hot store, and so are its health, its file and its backup. It differs from
/// the contract of [`Store`] in two points:
///
/// - An id that only the archive has counts as new in `append`.
/// - [`purge`](Store::purge) returns [`StoreError::Unsupported`]. The hot store and a
///   [`Pruner`](crate::Pruner) remove hot entries.
///
/// A clone is the same store.
///
/// # Example: a query over hot and archived entries
/// ```
/// use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Federated, Location, Pruner};
/// use audit_core::{LogEntry, MemoryStore, Query, Store};
///
/// # let folder = std::env::temp_dir().join(format!("audit-archive-federated-{}", std::process::id()));
/// let hot = MemoryStore::new();
/// hot.append(&["create", "update"].map(|action| LogEntry::new(action, "User", "42", "bob")))?;
/// let location = Location::folder(&folder)?;
/// let options = ArchiveOptions::new().create(true);
/// Archiver::new(hot.clone(), location.clone()).options(options).run_once()?;
/// Pruner::new(&hot, &location).run()?;
/// hot.append(&[LogEntry::new("delete", "User", "42", "bob")])?;
///
/// let trail = Federated::new(hot.clone(), ArchiveStore::open(location)?);
/// let page = trail.find(&Query::new().model_name("User"))?;
/// assert_eq!((hot.len(), page.entries.len()), (2, 3));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Federated {
    hot: Arc<dyn TrailStore>,
    archive: ArchiveStore,
}

impl Federated {
    /// Creates a store that reads a hot store and its archive.
    pub fn new(hot: impl TrailStore + 'static, archive: ArchiveStore) -> Self {
        Self {
            hot: Arc::new(hot),
            archive,
        }
    }

    /// Returns the hot store.
    pub fn hot(&self) -> &dyn TrailStore {
        &*self.hot
    }

    /// Returns the archive.
    pub fn archive(&self) -> &ArchiveStore {
        &self.archive
    }

    /// Returns a query of this store, for a store without a log.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    /// Runs an operation on the archive, and names the archive in its error.
    fn cold<T>(
        &self,
        operation: impl FnOnce(&ArchiveStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let name = |location| format!("{location} of the archive {}", self.archive.location());
        operation(&self.archive).map_err(|error| match error {
            StoreError::Corrupt { location, detail } => StoreError::Corrupt {
                location: name(location),
                detail,
            },
            StoreError::Foreign { location, found } => StoreError::Foreign {
                location: name(location),
                found,
            },
            error => error,
        })
    }

    /// Reads a page, which has fewer entries than its size if entries of the archive differ from those of the
    /// hot store.
    fn page(&self, query: &Query) -> Result<Page, StoreError> {
        // First the hot store: see the documentation of the type.
        let hot = self.hot.find(query)?;
        let in_page = hot.entries.iter().map(|entry| key(&Cursor::of(entry)));
        let in_page = in_page.collect();
        let mut archived = self.cold(|archive| match &hot.next {
            Some(end) => archive.page(up_to(query, end), in_page),
            None => archive.page(query.clone(), in_page),
        })?;
        if archived.entries.is_empty() && archived.next.is_none() {
            return Ok(hot);
        }
        self.replace_with_hot(query, &mut archived.entries)?;
        Ok(merge(query, hot, archived, query.page_size()))
    }

    /// Returns the pages of all entries of a query after its cursor.
    fn pages(&self, query: &Query) -> Pages<'_> {
        Pages {
            both: self,
            rest: query.clone(),
            last: None,
            archived: None,
            is_last: false,
        }
    }

    /// Replaces archived entries that are not in the hot page and that the hot store has, too, and drops those that do not match the query there.
    /// The hot store is read after the archive: entries that leave it in between have the archived bytes.
    fn replace_with_hot(
        &self,
        query: &Query,
        archived: &mut Vec<LogEntry>,
    ) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = archived.iter().map(|entry| entry.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = self.hot.by_ids(&ids)?;
        let found: BTreeMap<Uuid, LogEntry> =
            found.into_iter().map(|entry| (entry.id, entry)).collect();
        archived.retain_mut(|entry| {
            let Some(current) = found.get(&entry.id) else {
                return true;
            };
            // With another time, it has another position in the results.
            let stays = current.timestamp == entry.timestamp && query.matches(current);
            entry.clone_from(current);
            stays
        });
        Ok(())
    }

    /// Counts the entries of a query that the archive may have, each once.
    fn count_archived(&self, query: &Query) -> Result<u64, StoreError> {
        let filter = query.filter();
        let mut oldest = Query::new().limit(1);
        if let Some(since) = filter.since {
            oldest = oldest.since(since);
        }
        if let Some(until) = filter.until {
            oldest = oldest.until(until);
        }
        // Of all entries, since a hot entry may have lost the values that the query needs.
        let first = self.hot.find(&oldest)?;
        let Some(first) = first.entries.first() else {
            return self.cold(|archive| archive.count(query));
        };
        // Only the archive has entries before the first one of the hot store.
        let before = query.clone().until(first.timestamp);
        let mut count = self.cold(|archive| archive.count(&before))?;
        let mut pages = self.pages(&query.clone().since(first.timestamp));
        while let Some(page) = pages.next(READ_AT_ONCE)? {
            count += page.entries.len() as u64;
        }
        Ok(count)
    }
}

/// The pages of all entries of a query. The archive is read once, and again when there are newer manifests.
struct Pages<'f> {
    both: &'f Federated,
    rest: Query,
    /// The end of the last page.
    last: Option<Cursor>,
    archived: Option<Reader>,
    is_last: bool,
}

impl Pages<'_> {
    /// Returns the next page of at most `size` entries of each side.
    fn next(&mut self, size: usize) -> Result<Option<Page>, StoreError> {
        if self.is_last {
            return Ok(None);
        }
        // First the hot store: see the documentation of `Federated`.
        let hot = self.both.hot.find(&self.rest.clone().limit(size))?;
        let mut archived = self
            .both
            .cold(|archive| self.archived(archive, &hot, size))?;
        self.both
            .replace_with_hot(&self.rest, &mut archived.entries)?;
        let page = merge(&self.rest, hot, archived, usize::MAX);
        self.last = page.next;
        match page.next {
            Some(next) => self.rest = self.rest.clone().after(next),
            None => self.is_last = true,
        }
        Ok(Some(page))
    }

    /// Returns the archived entries up to the end of a page of the hot store, without those in it.
    fn archived(
        &mut self,
        archive: &ArchiveStore,
        hot: &Page,
        size: usize,
    ) -> Result<Page, StoreError> {
        let reader = match &mut self.archived {
            Some(reader) => {
                reader.refresh(self.last.as_ref())?;
                reader
            }
            none => none.insert(archive.reader(&self.rest)?),
        };
        let in_page: BTreeSet<Cursor> = hot.entries.iter().map(Cursor::of).collect();
        let mut entries = Vec::new();
        while let Some(Found { entry, .. }) = reader.next_up_to(hot.next.as_ref())? {
            if in_page.contains(&Cursor::of(&entry)) {
                continue;
            }
            entries.push(entry);
            if entries.len() == size {
                let next = entries.last().map(Cursor::of);
                return Ok(Page::new(entries, next));
            }
        }
        Ok(Page::new(entries, None))
    }
}

impl Store for Federated {
    /// Appends to the hot store.
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.hot.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let size = query.page_size();
        let mut page = self.page(query)?;
        while let Some(next) = page.next.filter(|_| page.entries.len() < size) {
            let rest = self.page(&query.clone().after(next))?;
            page.entries.extend(rest.entries);
            page.next = rest.next;
            if page.entries.len() > size {
                page.entries.truncate(size);
                page.next = page.entries.last().map(Cursor::of);
            }
        }
        Ok(page)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let mut rest = query.clone().without_limits().oldest_first();
        let mut count = 0;
        loop {
            let last_time = |archive: &ArchiveStore| Ok(archive.last_time(&rest)?);
            let Some(last) = self.cold(last_time)? else {
                let hot = self.hot.count(&rest)?;
                // Otherwise entries may have left the hot store before it was counted.
                if self.cold(last_time)?.is_none() {
                    return Ok(count + hot);
                }
                continue;
            };
            let end = last.checked_add_signed(MICROSECOND);
            let until = rest.filter().until.into_iter().chain(end).min();
            count += self.count_archived(&match until {
                Some(until) => rest.clone().until(until),
                None => rest.clone(),
            })?;
            match end {
                Some(end) if until == Some(end) => rest = rest.since(end),
                _ => return Ok(count),
            }
        }
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let pages: RefCell<Option<Pages<'_>>> = RefCell::default();
        scan_objects(query, after, OBJECTS, |query| {
            let mut pages = pages.borrow_mut();
            let pages = pages.get_or_insert_with(|| self.pages(query));
            Ok(pages.next(READ_AT_ONCE)?.unwrap_or_default())
        })
    }

    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        query.check()?;
        let mut left = limit(query).unwrap_or(usize::MAX);
        let mut pages = self.pages(query);
        let mut count = 0;
        while left > 0
            && let Some(page) = pages.next(left.min(READ_AT_ONCE))?
        {
            for entry in page.entries.iter().take(left) {
                line(&entry.to_canonical_json()?).map_err(output_failed)?;
                count += 1;
            }
            left = left.saturating_sub(page.entries.len());
        }
        Ok(count)
    }

    /// Returns [`StoreError::Unsupported`].
    fn purge(&self, _: &Query) -> Result<u64, StoreError> {
        Err(StoreError::Unsupported {
            operation: "remove entries, since the archive keeps them: purge the hot store",
        })
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.hot.flush()
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }

    fn description(&self) -> String {
        format!(
            "{}, with the archive {}",
            self.hot.description(),
            self.archive.location()
        )
    }
}

/// Follows the hot store: entries that have left it are not returned, as after a purge.
impl Follow for Federated {
    fn position(&self) -> Result<Position, StoreError> {
        self.hot.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.hot.committed_after(at, limit)
    }
}

impl TrailStore for Federated {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let hot = self.hot.by_ids(ids)?;
        let mut found: BTreeMap<Uuid, LogEntry> =
            hot.into_iter().map(|entry| (entry.id, entry)).collect();
        let missing: BTreeSet<Uuid> = ids
            .iter()
            .copied()
            .filter(|id| !found.contains_key(id))
            .collect();
        let archived = self.cold(|archive| Ok(archive.by_ids(&missing)?))?;
        found.extend(archived.into_iter().map(|entry| (entry.id, entry)));
        Ok(ids.iter().filter_map(|id| found.get(id)).cloned().collect())
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let hot = self.hot.with_id_prefix(prefix, limit)?;
        let archived = self.cold(|archive| Ok(archive.with_id_prefix(prefix, limit)?))?;
        Ok(by_id(hot, archived, limit))
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let hot = self.hot.with_id_suffix(suffix, limit)?;
        let archived = self.cold(|archive| Ok(archive.with_id_suffix(suffix, limit)?))?;
        Ok(by_id(hot, archived, limit))
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        let hot = self.hot.models()?;
        let mut models: BTreeSet<String> = hot.into_iter().collect();
        self.cold(|archive| Ok(archive.add_models(&mut models)?))?;
        Ok(models.into_iter().collect())
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.hot.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.hot.health(queries)
    }

    fn followed(&self) -> Option<&dyn TrailStore> {
        Some(followed(&*self.hot))
    }

    fn damaged(&self) -> DamageReport {
        self.hot.damaged()
    }

    fn file(&self) -> Option<&Path> {
        self.hot.file()
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.hot.backup(to)
    }
}

/// Returns the store whose commits a store returns: that of a [`Federated`] is its hot store.
pub(crate) fn followed(store: &dyn TrailStore) -> &dyn TrailStore {
    store.followed().unwrap_or(store)
}

/// Narrows a query to the times up to a cursor, in the order of the query.
fn up_to(query: &Query, end: &Cursor) -> Query {
    let (query, filter) = (query.clone(), query.filter());
    if query.is_newest_first() {
        let since = filter
            .since
            .map_or(end.timestamp(), |since| since.max(end.timestamp()));
        return query.since(since);
    }
    let until = end.timestamp().checked_add_signed(MICROSECOND);
    match filter.until.into_iter().chain(until).min() {
        Some(until) => query.until(until),
        None => query,
    }
}

/// Returns the time and the id of a cursor, as files have them.
fn key(cursor: &Cursor) -> SortKey {
    (cursor.timestamp().timestamp_micros(), cursor.id())
}

/// Makes a page of at most `size` entries of the pages of both sides. Each side is complete up to its `next`.
fn merge(query: &Query, hot: Page, archived: Page, size: usize) -> Page {
    let newest_first = query.is_newest_first();
    let precedes = |a: &Cursor, b: &Cursor| if newest_first { a > b } else { a < b };
    let ends = [hot.next, archived.next];
    let end = ends
        .into_iter()
        .flatten()
        .reduce(|a, b| if precedes(&b, &a) { b } else { a });
    let mut entries = hot.entries;
    entries.extend(archived.entries);
    entries.retain(|entry| end.is_none_or(|end| !precedes(&end, &Cursor::of(entry))));
    // Stable: of two equal keys, the entry of the hot store comes first and stays.
    entries.sort_by(|a, b| {
        let order = Cursor::of(a).cmp(&Cursor::of(b));
        if newest_first { order.reverse() } else { order }
    });
    entries.dedup_by_key(|entry| Cursor::of(entry));
    if entries.len() <= size {
        return Page::new(entries, end);
    }
    entries.truncate(size);
    let next = entries.last().map(Cursor::of);
    Page::new(entries, next)
}

/// Merges entries by id.
fn by_id(hot: Vec<LogEntry>, archived: Vec<LogEntry>, limit: usize) -> Vec<LogEntry> {
    let mut entries = hot;
    entries.extend(archived);
    entries.sort_by_key(|entry| entry.id);
    entries.dedup_by_key(|entry| entry.id);
    entries.truncate(limit);
    entries
}
