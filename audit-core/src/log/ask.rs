//! Queries that are run: on their store, or on that of the current log.

use super::AuditLog;
use crate::entry::LogEntry;
use crate::error::{Error, Result};
use crate::store::Page;
use crate::store::query::{InvalidCondition, PAGE, Query};

impl LogEntry {
    /// Starts a query of the current log, like `LogEntry.objects` in django-auditlog; see [`Query`].
    ///
    /// # Example: the entries of one object
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct User {
    ///     id: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// auditlog::created(&User { id: 42 }).actor("alice").record()?;
    ///
    /// for entry in LogEntry::objects().object::<User>(42).newest_first().all()? {
    ///     assert_eq!(entry.actor(), "alice");
    ///     println!("{}: {} by {}", entry.timestamp, entry.action, entry.actor());
    /// }
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn objects() -> Query {
        Query::new()
    }
}

impl Query {
    /// Returns all entries of the query as a list. [`iter`](Self::iter) reads results that do not fit in
    /// memory.
    ///
    /// # Errors
    /// - Returns [`Error::Query`] if a path of the query cannot be parsed.
    /// - Returns [`Error::Store`] if the store cannot be read.
    ///
    /// # Example: a path that is not one
    /// ```
    /// use auditlog::{AuditLog, Error};
    ///
    /// let log = AuditLog::builder().build();
    /// let error = log.query().changed("items[").all().unwrap_err();
    /// assert!(matches!(error, Error::Query { .. }));
    /// ```
    pub fn all(self) -> Result<Vec<LogEntry>> {
        self.iter()?.collect()
    }

    /// Returns the entries one by one, reading 500 at a time.
    ///
    /// Entries that are appended during the iteration appear if they follow the current one in the query's
    /// order.
    ///
    /// # Errors
    /// Returns [`Error::Query`] if a path of the query cannot be parsed. A failure while reading is an item
    /// of the iterator, and the last one.
    ///
    /// # Example: a large trail
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// for _ in 0..3 {
    ///     log.event("login").record()?;
    /// }
    /// let mut count = 0;
    /// for entry in log.query().action("login").iter()? {
    ///     let entry = entry?;
    ///     assert_eq!(entry.action, "login");
    ///     count += 1;
    /// }
    /// assert_eq!(count, 3);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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

    /// Returns the first entry in the query's order; `None` if no entry matches.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    ///
    /// # Example: the last login
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// assert!(log.query().action("login").first()?.is_none());
    /// log.event("login").actor("alice").record()?;
    /// log.event("login").actor("bob").record()?;
    ///
    /// let last = log.query().action("login").newest_first().first()?.expect("an entry");
    /// assert_eq!(last.actor(), "bob");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn first(self) -> Result<Option<LogEntry>> {
        if self.limit == Some(0) {
            return Ok(None);
        }
        Ok(self.limit(1).page()?.entries.into_iter().next())
    }

    /// Returns the number of matching entries. The limit and the cursor of the query have no effect.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    ///
    /// # Example: failed logins
    /// ```
    /// use auditlog::{AuditLog, Outcome};
    ///
    /// let log = AuditLog::builder().build();
    /// log.event("login").record()?;
    /// log.event("login").outcome(Outcome::Failure).record()?;
    /// assert_eq!(log.query().outcome(Outcome::Failure).count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn count(self) -> Result<u64> {
        let query = self.bound()?;
        match &query.store {
            Some(store) => Ok(store.count(&query)?),
            None => Ok(0),
        }
    }

    /// Returns one page: at most `limit` entries, or 500 without a limit.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    ///
    /// # Example: a page, and the next one
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// for user in ["ann", "bob", "cem"] {
    ///     log.event("login").actor(user).record()?;
    /// }
    /// let first = log.query().limit(2).page()?;
    /// assert_eq!(first.entries.len(), 2);
    ///
    /// // The cursor travels in a URL as text.
    /// let cursor = first.next.expect("more entries").to_string();
    /// let second = log.query().limit(2).after(cursor.parse()?).page()?;
    /// assert_eq!(second.entries[0].actor(), "cem");
    /// assert!(second.next.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn page(self) -> Result<Page> {
        let query = self.bound()?;
        match &query.store {
            Some(store) => Ok(store.find(&query)?),
            None => Ok(Page::default()),
        }
    }

    pub(super) fn bound(mut self) -> Result<Self> {
        if let Some(InvalidCondition::Path(source)) = self.invalid {
            return Err(Error::Query { source });
        }
        self.check()?;
        if self.store.is_none() {
            self.store = Some(AuditLog::current().store());
        }
        Ok(self)
    }
}

/// The entries of a query, as an iterator that reads 500 at a time. See [`Query::iter`].
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
