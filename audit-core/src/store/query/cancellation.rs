//! [`Cancellation`]: ends a running query from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Query;

/// Cancels queries from another thread, such as when a request has timed out. Clones share one flag.
///
/// Each store ends a query that was cancelled before the call with
/// [`StoreError::Cancelled`](crate::StoreError::Cancelled). The stores of this workspace end a running one, too:
/// SQLite after at most 10,000 steps of its program, PostgreSQL within 50 ms, and the others between two entries
/// or row groups.
///
/// # Example: a query of a request that has timed out
/// ```
/// use std::sync::Arc;
/// use auditlog::{Cancellation, MemoryStore, Query, Store, StoreError};
///
/// let request = Cancellation::new();
/// let query = Query::new().text("ticket 4711").cancelled_by(&request);
/// let store = MemoryStore::new();
/// assert!(store.find(&query).is_ok());
///
/// request.cancel();
/// assert!(matches!(store.find(&query), Err(StoreError::Cancelled)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Creates a `Cancellation` that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the queries. A second call has no effect.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether the queries are cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Query {
    /// Ends the query with [`StoreError::Cancelled`](crate::StoreError::Cancelled) when `cancellation` is
    /// cancelled. Its text form does not contain it.
    pub fn cancelled_by(mut self, cancellation: &Cancellation) -> Self {
        self.cancellation = Some(cancellation.clone());
        self
    }

    /// Returns the cancellation, which stores poll while the query runs.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.cancellation.as_ref()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        let cancellation = self.cancellation.as_ref();
        cancellation.is_some_and(Cancellation::is_cancelled)
    }
}
