//! Queries that are run: on their store, or on that of the current log.

use super::AuditLog;
use crate::entry::LogEntry;
use crate::error::{Error, Result, StoreError};
use crate::store::Page;
use crate::store::query::{PAGE, Query};

impl LogEntry {
    /// Asks the current log for its entries, like `LogEntry.objects` in django-auditlog.
    pub fn objects() -> Query {
        Query::new()
    }
}

impl Query {
    /// Returns all entries. See [`iter`](Self::iter) for more than memory holds.
    ///
    /// # Errors
    /// If the store cannot be read or a path of the query cannot be parsed.
    pub fn all(self) -> Result<Vec<LogEntry>> {
        self.iter()?.collect()
    }

    /// Returns the entries one by one, reading a page at a time.
    ///
    /// # Errors
    /// If a path of the query cannot be parsed. A failure while reading comes as an item, after
    /// which there is no other.
    #[expect(
        clippy::iter_not_returning_iterator,
        reason = "it does, if the query is valid"
    )]
    pub fn iter(self) -> Result<Entries> {
        let query = self.bound()?;
        Ok(Entries {
            left: query.limit.unwrap_or(usize::MAX),
            page: Vec::new().into_iter(),
            query: Some(query),
        })
    }

    /// Returns the first entry in the query's order, if there is one.
    ///
    /// # Errors
    /// If the store cannot be read or a path of the query cannot be parsed.
    pub fn first(self) -> Result<Option<LogEntry>> {
        if self.limit == Some(0) {
            return Ok(None);
        }
        Ok(self.limit(1).page()?.entries.into_iter().next())
    }

    /// Returns how many entries there are; the limit and the cursor do not count.
    ///
    /// # Errors
    /// If the store cannot be read or a path of the query cannot be parsed.
    pub fn count(self) -> Result<u64> {
        let query = self.bound()?;
        match &query.store {
            Some(store) => Ok(store.count(&query)?),
            None => Ok(0),
        }
    }

    /// Returns one page: `limit` entries, or 500 without one.
    ///
    /// # Errors
    /// If the store cannot be read or a path of the query cannot be parsed.
    pub fn page(self) -> Result<Page> {
        let query = self.bound()?;
        match &query.store {
            Some(store) => Ok(store.find(&query)?),
            None => Ok(Page::default()),
        }
    }

    pub(super) fn bound(mut self) -> Result<Self> {
        if let Some(error) = self.invalid {
            return Err(Error::Query { source: error });
        }
        if self.too_deep {
            return Err(StoreError::QueryTooDeep.into());
        }
        if self.store.is_none() {
            self.store = Some(AuditLog::current().store());
        }
        Ok(self)
    }
}

/// The entries of a query, read a page at a time.
#[derive(Debug)]
pub struct Entries {
    query: Option<Query>,
    page: std::vec::IntoIter<LogEntry>,
    left: usize,
}

impl Iterator for Entries {
    type Item = Result<LogEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.left == 0 {
                return None;
            }
            if let Some(entry) = self.page.next() {
                self.left -= 1;
                return Some(Ok(entry));
            }
            let query = self.query.take()?;
            match query.clone().limit(self.left.min(PAGE)).page() {
                Ok(page) => {
                    self.page = page.entries.into_iter();
                    self.query = page.next.map(|next| query.after(next));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
