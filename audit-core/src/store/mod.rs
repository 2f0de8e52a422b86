//! Stores: where the trail is kept.

pub(crate) mod follow;
pub mod health;
pub(crate) mod memory;
pub mod projection;
pub(crate) mod query;
pub(crate) mod trail;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use self::follow::{Batch, Follow, Position};
use self::health::Health;
use self::query::{Cursor, Query};
use self::trail::{DamageReport, TrailStore};
use crate::entry::{LogEntry, ObjectRef};
use crate::error::StoreError;

/// A place where the trail is kept.
///
/// Every store keeps this contract, which the conformance suite of `audit-testkit` checks:
///
/// 1. **Atomic batch.** [`append`](Self::append) keeps all entries of a call or none.
/// 2. **Durable when `Ok`.** When `append` returns `Ok`, the entries survive what the
///    store's documentation says they survive.
/// 3. **Idempotent.** Appending an entry again (same id, same content) changes nothing and
///    is `Ok`; another entry with a known id is [`StoreError::Conflict`], and nothing of its
///    batch is kept.
/// 4. **Exact.** [`find`](Self::find) returns entries equal to those appended, and the store
///    keeps their [canonical form](LogEntry::to_canonical_json) byte for byte.
/// 5. **Ordered.** Entries come by (timestamp, id), ascending unless the query asks for the
///    newest first. A [`Cursor`] continues right after its entry, also when entries were
///    appended in between.
/// 6. **Nothing changes or goes** but by [`purge`](Self::purge).
/// 7. **Shared.** All methods may be called from many threads at once.
///
/// # Example: see `examples/custom_store.rs` for a complete store in about 30 lines
pub trait Store: Send + Sync + fmt::Debug {
    /// Keeps the entries, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// If nothing was kept; [`StoreError::Unconfirmed`] and no other error if it is unknown
    /// whether, as when the answer to a commit is lost. Appending the same entries again is
    /// safe either way.
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError>;

    /// Returns the entries a query asks for, at most one page of them.
    ///
    /// A page holds [`Query::page_size`] entries at most; if there are more,
    /// [`Page::next`] leads on.
    ///
    /// # Errors
    /// If the entries cannot be read.
    fn find(&self, query: &Query) -> Result<Page, StoreError>;

    /// Returns how many entries a query asks for, its limit and cursor aside.
    ///
    /// # Errors
    /// If the entries cannot be read.
    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        let mut query = query.clone().without_limits();
        let mut count = 0;
        loop {
            let page = self.find(&query)?;
            count += page.entries.len() as u64;
            match page.next {
                Some(next) => query = query.after(next),
                None => return Ok(count),
            }
        }
    }

    /// Returns the entries a query asks for by object: those of the objects that come after
    /// `after`, ordered by (model, identity, timestamp, id), model and identity as bytes.
    ///
    /// An answer holds all of an object's entries that the query asks for, of at least one
    /// object, if there is one left; an empty answer is the end. Entries about no object are
    /// left out; the query's limit, cursor and order do not count.
    ///
    /// The default reads all the query asks for, each time, and holds about 1,000 entries or
    /// those of one object; a store that has an index by object does better.
    ///
    /// # Errors
    /// If the entries cannot be read.
    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        next_objects(query, after, |query| self.find(query))
    }

    /// Hands the [canonical form](LogEntry::to_canonical_json) of each entry a query asks for
    /// to `line`, in the query's order, and returns how many there were. Without a limit that
    /// is all of them.
    ///
    /// What was appended in the meantime may be there or not. The default reads page by page
    /// and writes each entry anew; a store that can hands out the bytes it has.
    ///
    /// # Errors
    /// If the entries cannot be read; [`StoreError::Io`] with the first error of `line`, which
    /// ends it.
    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        let limit = query.limit;
        let mut left = limit.unwrap_or(usize::MAX);
        let mut query = query.clone();
        let mut count = 0;
        while left > 0 {
            let page = self.find(&query.clone().limit(left.min(EXPORTED)))?;
            for entry in &page.entries {
                line(&entry.to_canonical_json()?).map_err(output_failed)?;
                count += 1;
            }
            left = left.saturating_sub(page.entries.len());
            match page.next {
                Some(next) => query = query.after(next),
                None => break,
            }
        }
        Ok(count)
    }

    /// Removes the entries a query asks for, its limit and cursor aside, and returns how many
    /// there were: `Query::new().until(time)` removes what is older than a time.
    ///
    /// It ends while others write: with what was there when it began. Whether an entry goes
    /// that is written while it runs is the store's affair; those of this workspace leave it,
    /// with the exceptions that they document.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] unless the store implements it;
    /// [`StoreError::InvalidQuery`] if a path of the query cannot be parsed. A store may remove in
    /// steps: after an error some are gone, and calling again goes on.
    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        let _: &Query = query;
        Err(StoreError::Unsupported {
            operation: "remove entries",
        })
    }

    /// Returns when everything appended is as durable as the store can make it.
    ///
    /// # Errors
    /// If it could not be made so.
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the store as one that does not block, if it is one.
    fn as_async(&self) -> Option<&dyn AsyncStore> {
        None
    }
}

/// The store of a log that was installed without one.
#[derive(Debug)]
pub(crate) struct NoStore;

impl Store for NoStore {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        Err(StoreError::NoStore)
    }

    fn find(&self, _: &Query) -> Result<Page, StoreError> {
        Err(StoreError::NoStore)
    }
}

/// The answer of an [`AsyncStore`].
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A [`Store`] that can be used without blocking the thread, from any async runtime or none.
///
/// [`Query::all_async`] and its siblings ask it this way; stores that are none are asked on a
/// thread of their own.
pub trait AsyncStore: Store {
    /// Keeps the entries as [`Store::append`] does.
    ///
    /// Dropped before it is done, all of the entries are kept or none.
    fn append_async<'a>(&'a self, entries: &'a [LogEntry]) -> StoreFuture<'a, ()>;

    /// Finds entries as [`Store::find`] does.
    fn find_async<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page>;

    /// Counts entries as [`Store::count`] does.
    fn count_async<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, u64>;
}

/// How many entries [`Store::export`] reads at a time by default.
const EXPORTED: usize = 500;

fn output_failed(error: io::Error) -> StoreError {
    StoreError::Io {
        location: "the output".to_owned(),
        source: Arc::new(error),
    }
}

/// How many entries [`Store::objects`] holds by default, unless one object has more.
const OBJECTS: usize = 1_000;

/// Finds the entries of the next objects by reading all of them.
fn next_objects(
    query: &Query,
    after: Option<&ObjectRef>,
    find: impl Fn(&Query) -> Result<Page, StoreError>,
) -> Result<Vec<LogEntry>, StoreError> {
    let mut next: BTreeMap<ObjectRef, Vec<LogEntry>> = BTreeMap::new();
    let mut held = 0;
    // The first object that there was no room for.
    let mut end: Option<ObjectRef> = None;
    let mut query = query.clone().without_limits().oldest_first();
    loop {
        let page = find(&query)?;
        for entry in page.entries {
            if entry.object_pk.is_empty() {
                continue;
            }
            let object = ObjectRef::new(entry.model.as_str(), entry.object_pk.as_str());
            if after.is_some_and(|after| object <= *after)
                || end.as_ref().is_some_and(|end| object >= *end)
            {
                continue;
            }
            next.entry(object).or_default().push(entry);
            held += 1;
            while held > OBJECTS
                && next.len() > 1
                && let Some((object, entries)) = next.pop_last()
            {
                held -= entries.len();
                end = Some(object);
            }
        }
        match page.next {
            Some(cursor) => query = query.after(cursor),
            None => return Ok(next.into_values().flatten().collect()),
        }
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<S: Store + ?Sized> Store for $pointer {
            fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
                (**self).append(entries)
            }

            fn find(&self, query: &Query) -> Result<Page, StoreError> {
                (**self).find(query)
            }

            fn count(&self, query: &Query) -> Result<u64, StoreError> {
                (**self).count(query)
            }

            fn objects(
                &self,
                query: &Query,
                after: Option<&ObjectRef>,
            ) -> Result<Vec<LogEntry>, StoreError> {
                (**self).objects(query, after)
            }

            fn export(
                &self,
                query: &Query,
                line: &mut dyn FnMut(&str) -> io::Result<()>,
            ) -> Result<u64, StoreError> {
                (**self).export(query, line)
            }

            fn purge(&self, query: &Query) -> Result<u64, StoreError> {
                (**self).purge(query)
            }

            fn flush(&self) -> Result<(), StoreError> {
                (**self).flush()
            }

            fn as_async(&self) -> Option<&dyn AsyncStore> {
                (**self).as_async()
            }
        }

        impl<S: Follow + ?Sized> Follow for $pointer {
            fn position(&self) -> Result<Position, StoreError> {
                (**self).position()
            }

            fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
                (**self).committed_after(at, limit)
            }
        }

        impl<S: TrailStore + ?Sized> TrailStore for $pointer {
            fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
                (**self).by_ids(ids)
            }

            fn with_id_prefix(
                &self,
                prefix: &str,
                limit: usize,
            ) -> Result<Vec<LogEntry>, StoreError> {
                (**self).with_id_prefix(prefix, limit)
            }

            fn with_id_suffix(
                &self,
                suffix: &str,
                limit: usize,
            ) -> Result<Vec<LogEntry>, StoreError> {
                (**self).with_id_suffix(suffix, limit)
            }

            fn models(&self) -> Result<Vec<String>, StoreError> {
                (**self).models()
            }

            fn schema_version(&self) -> Result<Option<u32>, StoreError> {
                (**self).schema_version()
            }

            fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
                (**self).health(queries)
            }

            fn damaged(&self) -> DamageReport {
                (**self).damaged()
            }

            fn file(&self) -> Option<&Path> {
                (**self).file()
            }

            fn backup(&self, to: &Path) -> Result<(), StoreError> {
                (**self).backup(to)
            }
        }
    )*};
}

pointers!(Arc<S>, Box<S>);

/// Some of the entries a query asks for.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The entries, in the query's order.
    pub entries: Vec<LogEntry>,
    /// Where to go on with [`Query::after`]; `None` when there are no more.
    pub next: Option<Cursor>,
}

impl Page {
    /// Makes a page.
    pub fn new(entries: Vec<LogEntry>, next: Option<Cursor>) -> Self {
        Self { entries, next }
    }

    /// Makes the page that a query asks for out of candidates in the query's order, by
    /// checking each with [`Query::matches`] and its cursor.
    ///
    /// For stores that narrow a query down by other means first, and for those that cannot.
    ///
    /// # Errors
    /// The first error among the candidates up to the end of the page;
    /// [`StoreError::InvalidQuery`] if a path of the query cannot be parsed.
    pub fn collect(
        query: &Query,
        candidates: impl IntoIterator<Item = Result<LogEntry, StoreError>>,
    ) -> Result<Self, StoreError> {
        query.check()?;
        let size = query.page_size();
        let mut page = Self::default();
        let found = candidates.into_iter().try_for_each(|entry| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return ControlFlow::Break(Some(error)),
            };
            if !query.follows_cursor(&entry) || !query.matches(&entry) {
                return ControlFlow::Continue(());
            }
            if page.entries.len() == size {
                page.next = page.entries.last().map(Cursor::of);
                return ControlFlow::Break(None);
            }
            page.entries.push(entry);
            ControlFlow::Continue(())
        });
        match found {
            ControlFlow::Break(Some(error)) => Err(error),
            _ => Ok(page),
        }
    }
}
