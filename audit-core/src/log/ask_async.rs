//! Queries that are awaited.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use crate::entry::LogEntry;
use crate::error::{Result, StoreError};
use crate::store::Page;
use crate::store::query::{PAGE, Query};

impl Query {
    /// Returns all entries as [`all`](Self::all) does, without blocking the thread.
    ///
    /// Works in any async runtime, and without one. A store that does not implement
    /// [`AsyncStore`](crate::AsyncStore) is read on a thread of its own.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    ///
    /// # Example: await the entries of a store
    /// ```
    /// use std::sync::Arc;
    /// use auditlog::{LogEntry, MemoryStore, Query, Store};
    ///
    /// # futures::executor::block_on(async {
    /// let store = Arc::new(MemoryStore::new());
    /// store.append(&[LogEntry::new("update", "User", "42", "bob")])?;
    ///
    /// let entries = Query::of(store).model_name("User").all_async().await?;
    /// assert_eq!(entries[0].object_repr, "bob");
    /// # Ok::<(), auditlog::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn all_async(self) -> Result<Vec<LogEntry>> {
        let query = self.bound()?;
        let mut left = query.limit.unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        let mut next = Some(query);
        while left > 0
            && let Some(query) = next.take()
        {
            let page = query.clone().limit(left.min(PAGE)).find_async().await?;
            left = left.saturating_sub(page.entries.len());
            entries.extend(page.entries);
            next = page.next.map(|cursor| query.after(cursor));
        }
        Ok(entries)
    }

    /// Returns one page as [`page`](Self::page) does, without blocking the thread.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    pub async fn page_async(self) -> Result<Page> {
        Ok(self.bound()?.find_async().await?)
    }

    /// Returns the first entry as [`first`](Self::first) does, without blocking the thread.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    pub async fn first_async(self) -> Result<Option<LogEntry>> {
        if self.limit == Some(0) {
            return Ok(None);
        }
        let page = self.limit(1).page_async().await?;
        Ok(page.entries.into_iter().next())
    }

    /// Returns how many entries there are as [`count`](Self::count) does, without blocking
    /// the thread.
    ///
    /// # Errors
    /// Returns the errors of [`all`](Self::all).
    pub async fn count_async(self) -> Result<u64> {
        let query = self.bound()?;
        let Some(store) = query.store.clone() else {
            return Ok(0);
        };
        if let Some(store) = store.as_async() {
            return Ok(store.count_async(&query).await?);
        }
        Ok(on_a_thread(move || store.count(&query)).await?)
    }

    async fn find_async(self) -> Result<Page, StoreError> {
        let Some(store) = self.store.clone() else {
            return Ok(Page::default());
        };
        if let Some(store) = store.as_async() {
            return store.find_async(&self).await;
        }
        on_a_thread(move || store.find(&self)).await
    }
}

/// The slot in which a thread leaves its result for a future.
struct Slot<T> {
    answer: Option<Result<T, StoreError>>,
    waker: Option<Waker>,
}

/// Runs on a thread what would block.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let slot = Arc::new(Mutex::new(Slot {
        answer: None,
        waker: None,
    }));
    let mut answer = Answer {
        slot: Arc::clone(&slot),
    };
    thread::Builder::new()
        .name("auditlog-query".to_owned())
        .spawn(move || answer.leave(work()))
        .map_err(|source| StoreError::Io {
            location: "a thread for a query".to_owned(),
            source: Arc::new(source),
        })?;
    poll_fn(|context| {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = slot.answer.take() {
            return Poll::Ready(answer);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    })
    .await
}

/// The thread's end of a slot; dropped without a result, it reports that the thread panicked.
struct Answer<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

impl<T> Answer<T> {
    fn leave(&mut self, answer: Result<T, StoreError>) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.answer = Some(answer);
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.leave(Err(StoreError::backend("the store", "it panicked")));
        }
    }
}
