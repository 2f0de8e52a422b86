//! Stores: the trait [`Store`], which keeps the trail, and the parts that every store shares.
//!
//! [`Store`] is the contract that recording and queries need. [`Follow`] adds the order of commits, for
//! ledgers, streams and archives; [`TrailStore`] adds the operations of tools, such as access by id and
//! the health report. Each trait's documentation is a numbered contract, and the conformance suite of
//! `audit-testkit` has a test for each number.

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

/// Keeps the trail.
///
/// Every store fulfils this contract, which the conformance suite of `audit-testkit` checks:
///
/// 1. **Atomic batch.** [`append`](Self::append) keeps all entries of a call or none.
/// 2. **Durable when `Ok`.** When `append` returns `Ok`, the entries survive the failures that the
///    store's documentation names.
/// 3. **Idempotent.** Appending an entry again (same id, same content) changes nothing and is `Ok`;
///    another entry with an existing id is [`StoreError::Conflict`], and nothing of its batch is kept.
/// 4. **Exact.** [`find`](Self::find) returns entries equal to those appended, and the store keeps their
///    [canonical form](LogEntry::to_canonical_json) byte for byte.
/// 5. **Ordered.** Entries are ordered by (timestamp, id), ascending unless the query asks for the newest
///    first. A [`Cursor`] continues right after its entry, even if entries were appended in between.
/// 6. **Append-only.** Only [`purge`](Self::purge) removes entries, and nothing changes them.
/// 7. **Shared.** All methods may be called from many threads at once.
/// 8. **Cancelled.** A query whose [`Cancellation`](crate::Cancellation) was cancelled before the call is
///    [`StoreError::Cancelled`]. A store that scans looks at it while it runs the query.
///
/// `examples/custom_store.rs` is a complete store in about 30 lines.
///
/// # Example: append, find, count
/// ```
/// use auditlog::{LogEntry, MemoryStore, Query, Store};
///
/// let store = MemoryStore::new();
/// let entry = LogEntry::new("create", "User", "42", "bob");
/// store.append(&[entry.clone()])?;
/// store.append(&[entry.clone()])?; // again: no effect
///
/// let page = store.find(&Query::new().model_name("User"))?;
/// assert_eq!(page.entries, [entry]);
/// assert!(page.next.is_none());
/// assert_eq!(store.count(&Query::new())?, 1);
/// # Ok::<(), auditlog::StoreError>(())
/// ```
pub trait Store: Send + Sync + fmt::Debug {
    /// Keeps the entries, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// Nothing is kept if an error is returned, unless it is [`StoreError::Unconfirmed`]. Appending the same
    /// entries again is safe after any error.
    /// - Returns [`StoreError::Conflict`] if another entry has an id of the batch.
    /// - Returns [`StoreError::Invalid`] if an entry has no canonical form.
    /// - Returns [`StoreError::Unconfirmed`] if it is unknown whether the entries were kept, such as after
    ///   the response to a commit is lost.
    /// - Returns another error if the store fails, such as [`StoreError::Full`] or [`StoreError::Busy`].
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError>;

    /// Returns one page of the entries that match a query.
    ///
    /// A page has at most [`Query::page_size`] entries. If there are more, [`Page::next`] is the cursor of
    /// the next page.
    ///
    /// # Errors
    /// - Returns [`StoreError::InvalidQuery`] or [`StoreError::QueryTooDeep`] if the query is invalid
    ///   ([`Query::check`]).
    /// - Returns [`StoreError::Cancelled`] if the query is [cancelled](Query::cancelled_by).
    /// - Returns another error if the entries cannot be read.
    fn find(&self, query: &Query) -> Result<Page, StoreError>;

    /// Returns the number of entries that match a query, regardless of its limit and cursor.
    ///
    /// # Errors
    /// Returns the errors of [`find`](Self::find).
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

    /// Returns matching entries object by object: those of the objects that come after `after`, ordered by
    /// (model, identity, timestamp, id), with model and identity compared as bytes.
    ///
    /// A result has all matching entries of each object in it, and at least one object unless none is left;
    /// an empty result is the end. Entries without an object are left out. The limit, the cursor and the
    /// order of the query have no effect.
    ///
    /// The default reads all matching entries on each call, and holds about 1,000 entries or those of one
    /// object. A store with an index by object overrides it.
    ///
    /// # Errors
    /// Returns the errors of [`find`](Self::find).
    ///
    /// # Example: two objects, whose entries alternate
    /// ```
    /// use auditlog::{LogEntry, MemoryStore, Query, Store};
    ///
    /// let store = MemoryStore::new();
    /// for (action, pk) in [("create", "1"), ("create", "2"), ("update", "1")] {
    ///     store.append(&[LogEntry::new(action, "User", pk, "")])?;
    /// }
    /// let entries = store.objects(&Query::new(), None)?;
    /// let keys: Vec<&str> = entries.iter().map(|entry| entry.object_pk.as_str()).collect();
    /// assert_eq!(keys, ["1", "1", "2"]);
    /// # Ok::<(), auditlog::StoreError>(())
    /// ```
    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        scan_objects(query, after, OBJECTS, |query| self.find(query))
    }

    /// Passes the [canonical form](LogEntry::to_canonical_json) of each matching entry to `line`, in the
    /// query's order, and returns their number. Without a limit, all matching entries are exported.
    ///
    /// Entries that are appended in the meantime may be included or not. The default reads page by page and
    /// serializes each entry; a store that can passes its stored bytes.
    ///
    /// # Errors
    /// - Returns [`StoreError::Io`] with the first error of `line`, which ends the export.
    /// - Returns the errors of [`find`](Self::find).
    ///
    /// # Example: a file of JSON lines
    /// ```
    /// use std::io::Write;
    /// use auditlog::{LogEntry, MemoryStore, Query, Store};
    ///
    /// let store = MemoryStore::new();
    /// store.append(&[LogEntry::new("create", "User", "42", "bob")])?;
    /// let mut file = Vec::new();
    /// let count = store.export(&Query::new(), &mut |line| writeln!(file, "{line}"))?;
    /// assert_eq!(count, 1);
    /// assert!(file.ends_with(b"}\n"));
    /// # Ok::<(), auditlog::StoreError>(())
    /// ```
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

    /// Removes the matching entries, regardless of the query's limit and cursor, and returns their number:
    /// `Query::new().until(time)` removes the entries before a time.
    ///
    /// It ends while other callers write: it removes entries that existed when it began. Whether it removes
    /// an entry that is written while it runs depends on the store; the stores of this workspace keep it,
    /// with the exceptions that they document.
    ///
    /// # Errors
    /// - Returns [`StoreError::Unsupported`] if the store does not implement it.
    /// - Returns [`StoreError::InvalidQuery`] if a path of the query cannot be parsed.
    /// - Returns another error if the store fails. A store may remove entries in steps: after an error some
    ///   are removed, and another call continues.
    ///
    /// # Example: retention
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use auditlog::{LogEntry, MemoryStore, Query, Store};
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    ///
    /// let store = MemoryStore::new();
    /// let mut old = LogEntry::new("login", "", "", "login");
    /// old.timestamp = (SystemTime::now() - 400 * DAY).into();
    /// store.append(&[old, LogEntry::new("login", "", "", "login")])?;
    ///
    /// assert_eq!(store.purge(&Query::new().until(SystemTime::now() - 365 * DAY))?, 1);
    /// assert_eq!(store.count(&Query::new())?, 1);
    /// # Ok::<(), auditlog::StoreError>(())
    /// ```
    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        let _: &Query = query;
        Err(StoreError::Unsupported {
            operation: "remove entries",
        })
    }

    /// Waits until all appended entries are as durable as the store can make them. The default does nothing,
    /// for stores whose `append` returns after that.
    ///
    /// # Errors
    /// Returns an error if the entries cannot be made durable.
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the store as an [`AsyncStore`], if it implements that trait.
    fn as_async(&self) -> Option<&dyn AsyncStore> {
        None
    }

    /// Returns the store as one that finds entries by id and can be followed, if it is one.
    ///
    /// The viewer of `audit-web` shows an entry by its id only if the store implements this.
    fn as_trail(&self) -> Option<&dyn TrailStore> {
        None
    }

    /// Describes the store in one line for the program's log: its kind, its location and the
    /// durability of an appended entry, without secrets. By default the name of the type.
    fn description(&self) -> String {
        format!("the store `{}`", std::any::type_name::<Self>())
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

    fn description(&self) -> String {
        "no store; only `record_in` records".to_owned()
    }
}

/// The future of an [`AsyncStore`]'s result.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A [`Store`] that can be used without blocking the thread, in any async runtime or none.
///
/// [`Query::all_async`] and its siblings use it. A store without it is called on a thread of its own.
///
/// # Example: await a store directly
/// ```
/// use auditlog::{AuditLog, MemoryStore, Store};
///
/// // A store in memory never blocks for long, so it does not implement the trait.
/// assert!(MemoryStore::new().as_async().is_none());
///
/// # futures::executor::block_on(async {
/// let log = AuditLog::builder().store(MemoryStore::new()).build();
/// log.event("login").submit().await?;
/// assert_eq!(log.query().count_async().await?, 1);
/// # Ok::<(), auditlog::Error>(())
/// # })?;
/// # Ok::<(), auditlog::Error>(())
/// ```
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

/// The number of entries that [`Store::export`] reads at a time by default.
const EXPORTED: usize = 500;

/// Returns the error of [`Store::export`] for an error of the caller's output.
pub fn output_failed(error: io::Error) -> StoreError {
    StoreError::Io {
        location: "the output".to_owned(),
        source: Arc::new(error),
    }
}

/// The number of entries that [`Store::objects`] holds by default, unless one object has more.
const OBJECTS: usize = 1_000;

/// Returns the entries of the next objects as [`Store::objects`] does, by reading all matching entries
/// with `find`. Holds about `held` entries, or those of one object: a higher number needs fewer reads
/// of the trail.
///
/// For stores without an index by object.
///
/// # Errors
/// Returns the errors of `find`.
pub fn scan_objects(
    query: &Query,
    after: Option<&ObjectRef>,
    held: usize,
    find: impl Fn(&Query) -> Result<Page, StoreError>,
) -> Result<Vec<LogEntry>, StoreError> {
    let mut next: BTreeMap<ObjectRef, Vec<LogEntry>> = BTreeMap::new();
    let mut count = 0;
    // The first object that exceeded the limit.
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
            count += 1;
            while count > held
                && next.len() > 1
                && let Some((object, entries)) = next.pop_last()
            {
                count -= entries.len();
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

            fn as_trail(&self) -> Option<&dyn TrailStore> {
                (**self).as_trail()
            }

            fn description(&self) -> String {
                (**self).description()
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

            fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
                (**self).purge_exact(entries)
            }

            fn followed(&self) -> Option<&dyn TrailStore> {
                (**self).followed()
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

/// One page of the entries that match a query.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The entries, in the query's order.
    pub entries: Vec<LogEntry>,
    /// The cursor with which [`Query::after`] continues; `None` if there are no more entries.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page.
    pub fn new(entries: Vec<LogEntry>, next: Option<Cursor>) -> Self {
        Self { entries, next }
    }

    /// Creates the page of a query from candidates in the query's order, by checking each with
    /// [`Query::matches`] and the cursor. Reads no more candidates than the page needs.
    ///
    /// For stores that narrow a query by an index first, and for those that cannot.
    ///
    /// # Errors
    /// - Returns [`StoreError::InvalidQuery`] or [`StoreError::QueryTooDeep`] if the query is invalid.
    /// - Returns [`StoreError::Cancelled`] if the query is cancelled, at the next candidate.
    /// - Returns the first error among the candidates up to the end of the page.
    ///
    /// # Example: a store that scans a list
    /// ```
    /// use auditlog::{LogEntry, Page, Query};
    ///
    /// let trail = ["create", "update", "delete"].map(|action| LogEntry::new(action, "User", "42", "bob"));
    /// let query = Query::new().model_name("User").limit(2);
    /// let page = Page::collect(&query, trail.iter().cloned().map(Ok))?;
    /// assert_eq!(page.entries, trail[..2]);
    /// assert!(page.next.is_some());
    /// # Ok::<(), auditlog::StoreError>(())
    /// ```
    pub fn collect(
        query: &Query,
        candidates: impl IntoIterator<Item = Result<LogEntry, StoreError>>,
    ) -> Result<Self, StoreError> {
        query.check()?;
        let size = query.page_size();
        let mut page = Self::default();
        let found = candidates.into_iter().try_for_each(|entry| {
            if query.is_cancelled() {
                return ControlFlow::Break(Some(StoreError::Cancelled));
            }
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
