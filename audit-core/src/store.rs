//! Stores: where the trail is kept.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::entry::LogEntry;
use crate::error::StoreError;
use crate::query::{Cursor, Query};

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
    /// If nothing was kept, or if it is unknown whether (an I/O error while the batch was
    /// made durable). Appending the same entries again is safe either way.
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

    /// Removes the entries from before a time, and returns how many there were.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] unless the store implements it. A store may remove in
    /// steps: after an error some are gone, and calling again goes on.
    fn purge(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let _: DateTime<Utc> = before;
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

            fn purge(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
                (**self).purge(before)
            }

            fn flush(&self) -> Result<(), StoreError> {
                (**self).flush()
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
    /// The first error among the candidates up to the end of the page.
    pub fn collect(
        query: &Query,
        candidates: impl IntoIterator<Item = Result<LogEntry, StoreError>>,
    ) -> Result<Self, StoreError> {
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
