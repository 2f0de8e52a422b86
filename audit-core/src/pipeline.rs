//! The way of an entry: to the store, then to the sinks and hooks.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::builder::AfterHook;
use crate::entry::LogEntry;
use crate::error::{Result, StoreError};
use crate::receipt::Receipt;
use crate::sink::Sink;
use crate::store::Store;

/// What becomes of an entry that the store does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// The caller gets the error. Choose it where nothing may happen unrecorded.
    #[default]
    FailClosed,
    /// The caller goes on: the entry waits in memory for the store to recover, a `CRITICAL`
    /// line goes to the log, and [`LogStats`] counts it. What can wait no longer goes to
    /// the log as a whole. An entry that the store had kept without confirming it is not kept
    /// a second time.
    FailOpen,
}

/// What a log has counted since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Entries that the store has kept.
    pub recorded: u64,
    /// Entries that the store did not confirm at first.
    pub failed: u64,
    /// Entries that wait for the store now.
    pub spooled: u64,
    /// Entries that were given up and went to the log output, since the store never confirmed
    /// them, or their task was cancelled while the queue of [`submit`](crate::Draft::submit)
    /// was full.
    pub lost: u64,
    /// Entries that a sink did not take, and `after` hooks that panicked.
    pub sink_failures: u64,
    /// [`Tracked`](crate::Tracked) objects and [`Unit`](crate::Unit)s that were dropped with
    /// unrecorded changes.
    pub unrecorded: u64,
}

/// Where a written entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Stored,
    Spooled,
    Lost,
}

impl Kept {
    pub(crate) fn receipt(self, id: Uuid) -> Receipt {
        match self {
            Self::Stored => Receipt::Recorded(id),
            Self::Spooled => Receipt::Spooled(id),
            Self::Lost => Receipt::Lost(id),
        }
    }
}

pub(crate) struct Pipeline {
    pub(crate) store: Arc<dyn Store>,
    sinks: Vec<Arc<dyn Sink>>,
    after: Vec<AfterHook>,
    policy: FailurePolicy,
    room: usize,
    spool: Mutex<VecDeque<LogEntry>>,
    last_unrecorded: Mutex<VecDeque<String>>,
    counts: Counts,
}

/// How many objects with unrecorded changes are remembered, for tests to name them.
const UNRECORDED: usize = 16;

#[derive(Debug, Default)]
struct Counts {
    recorded: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    sink_failures: AtomicU64,
    unrecorded: AtomicU64,
}

impl Pipeline {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        sinks: Vec<Arc<dyn Sink>>,
        after: Vec<AfterHook>,
        policy: FailurePolicy,
        room: usize,
    ) -> Self {
        Self {
            store,
            sinks,
            after,
            policy,
            room,
            spool: Mutex::default(),
            last_unrecorded: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Writes entries under the log's policy.
    pub(crate) fn write(&self, entries: &[LogEntry]) -> Result<Kept> {
        self.write_after(None, entries)
    }

    /// Writes entries as [`write`](Self::write) does, after a batch with them failed with
    /// `doubt`, if that left open whether they are kept.
    pub(crate) fn write_after(
        &self,
        doubt: Option<&StoreError>,
        entries: &[LogEntry],
    ) -> Result<Kept> {
        match self.write_quietly(entries) {
            Ok(()) => Ok(Kept::Stored),
            Err(error) => {
                let error = match doubt {
                    // What stands in their way now did so in the batch.
                    Some(doubt) if !error.concerns_entries() => doubt.clone(),
                    _ => error,
                };
                add(&self.counts.failed, entries.len());
                if self.policy == FailurePolicy::FailOpen {
                    return Ok(self.keep_for_later(entries, &error));
                }
                for entry in entries {
                    self.after(entry, &Err(error.clone().into()));
                }
                Err(error.into())
            }
        }
    }

    /// Writes entries; if the store does not take them, nothing but the error tells.
    pub(crate) fn write_quietly(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        if self.policy == FailurePolicy::FailOpen {
            self.retry()?;
        }
        self.store.append(entries)?;
        self.announce(entries);
        Ok(())
    }

    /// Tells everybody that the store has the entries.
    fn announce(&self, entries: &[LogEntry]) {
        add(&self.counts.recorded, entries.len());
        for entry in entries {
            for sink in &self.sinks {
                let emitted = catch_unwind(AssertUnwindSafe(|| sink.emit(entry)));
                let error = match emitted {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "it panicked".to_owned(),
                };
                add(&self.counts.sink_failures, 1);
                log::error!(
                    target: "auditlog",
                    "a sink did not take entry {}, which the store has: {error}",
                    entry.id
                );
            }
            if !self.after.is_empty() {
                self.after(entry, &Ok(Receipt::Recorded(entry.id)));
            }
        }
    }

    fn after(&self, entry: &LogEntry, result: &Result<Receipt>) {
        for hook in &self.after {
            // Whatever it does, the entry is as it is, and others wait to hear of it.
            if catch_unwind(AssertUnwindSafe(|| hook(entry, result))).is_err() {
                add(&self.counts.sink_failures, 1);
                log::error!(target: "auditlog", "an `after` hook panicked at entry {}", entry.id);
            }
        }
    }

    fn lock_spool(&self) -> MutexGuard<'_, VecDeque<LogEntry>> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits for the store, in order.
    fn retry(&self) -> Result<(), StoreError> {
        let mut spool = self.lock_spool();
        if spool.is_empty() {
            return Ok(());
        }
        // The lock is held meanwhile, so that nothing overtakes what waits.
        let mut written = Vec::new();
        let mut lost = Vec::new();
        let outcome = match self.store.append(spool.make_contiguous()) {
            Ok(()) => {
                written.extend(spool.drain(..));
                Ok(())
            }
            // One of them will never be taken: it must not keep the others waiting.
            Err(error) if is_hopeless(&error) => loop {
                let Some(entry) = spool.pop_front() else {
                    break Ok(());
                };
                match self.store.append(std::slice::from_ref(&entry)) {
                    Ok(()) => written.push(entry),
                    Err(error) if is_hopeless(&error) => lost.push((entry, error)),
                    Err(error) => {
                        spool.push_front(entry);
                        break Err(error);
                    }
                }
            },
            Err(error) => Err(error),
        };
        // Before anybody is told, who may record entries too.
        drop(spool);
        self.announce(&written);
        for (entry, error) in lost {
            self.lose(std::slice::from_ref(&entry), &error.to_string());
        }
        outcome
    }

    fn keep_for_later(&self, entries: &[LogEntry], error: &StoreError) -> Kept {
        let mut spool = self.lock_spool();
        let room = !is_hopeless(error) && spool.len() + entries.len() <= self.room;
        if room {
            spool.extend(entries.iter().cloned());
        }
        let waiting = spool.len();
        // Before anything is logged: a logger may record entries itself.
        drop(spool);
        let kept = if room {
            crate::critical!(
                target: "auditlog",
                "the audit store failed; {waiting} entries wait for it: {error}"
            );
            Kept::Spooled
        } else {
            self.lose(entries, &error.to_string());
            Kept::Lost
        };
        for entry in entries {
            self.after(entry, &Ok(kept.receipt(entry.id)));
        }
        kept
    }

    /// Writes entries to the log output, the last place there is.
    fn lose(&self, entries: &[LogEntry], why: &str) {
        add(&self.counts.lost, entries.len());
        for entry in entries {
            crate::critical!(
                target: "auditlog",
                "the store did not confirm an audit entry, which is given up ({why}): {}",
                // One that has no canonical form is told in another one.
                entry.to_canonical_json().unwrap_or_else(|error| format!("{entry:?} ({error})"))
            );
        }
    }

    /// Reports entries whose callers gave them up before the writer had them.
    pub(crate) fn abandon(&self, entries: &[LogEntry]) {
        self.lose(entries, "its task was cancelled while the queue was full");
        for entry in entries {
            self.after(entry, &Ok(Receipt::Lost(entry.id)));
        }
    }

    pub(crate) fn flush(&self) -> Result<()> {
        self.retry()?;
        self.store.flush()?;
        for sink in &self.sinks {
            if let Err(error) = sink.flush() {
                log::error!(target: "auditlog", "a sink could not be flushed: {error}");
            }
        }
        Ok(())
    }

    /// Tries a last time to write what waits, and gives up what cannot be.
    pub(crate) fn give_up(&self) {
        if let Err(error) = self.retry() {
            let waiting = Vec::from(std::mem::take(&mut *self.lock_spool()));
            self.lose(&waiting, &error.to_string());
        }
    }

    /// Notes an object that was dropped with unrecorded changes.
    pub(crate) fn note_unrecorded(&self, what: String) {
        add(&self.counts.unrecorded, 1);
        let mut last = self
            .last_unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.len() == UNRECORDED {
            last.pop_front();
        }
        last.push_back(what);
    }

    /// Returns the last of them, as far as they are remembered.
    pub(crate) fn last_unrecorded(&self, count: u64) -> Vec<String> {
        let last = self
            .last_unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let skip = last
            .len()
            .saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        last.iter().skip(skip).cloned().collect()
    }

    pub(crate) fn stats(&self) -> LogStats {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LogStats {
            recorded: get(&self.counts.recorded),
            failed: get(&self.counts.failed),
            spooled: self.lock_spool().len() as u64,
            lost: get(&self.counts.lost),
            sink_failures: get(&self.counts.sink_failures),
            unrecorded: get(&self.counts.unrecorded),
        }
    }
}

/// Whether the store will never take the entry, however often it is tried.
fn is_hopeless(error: &StoreError) -> bool {
    matches!(error, StoreError::Unsupported { .. } | StoreError::Closed) || error.concerns_entries()
}

fn add(count: &AtomicU64, number: usize) {
    count.fetch_add(number as u64, Ordering::Relaxed);
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("store", &self.store)
            .field("sinks", &self.sinks)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
