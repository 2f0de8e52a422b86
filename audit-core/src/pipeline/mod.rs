//! Writes entries to the store, then notifies sinks and hooks.
//!
//! ```text
//! record()  ----------------------------------+
//!                                             v
//! submit() -> Queue -> writer thread -> Pipeline::write -> Store::append
//!             (queue)   (writer)              |                |
//!               |                             |  Ok            |  Err, FailOpen
//!               v                             v                v
//!             Slot <- Ticket               sinks, hooks      Spool -> drained by a later call
//! ```
//!
//! - `queue` holds submissions in order and never blocks a caller.
//! - `writer` is the thread that takes them in batches.
//! - `slot` and `ticket` return the result of a submission to its caller.
//! - `spool` holds entries that the store did not accept under
//!   [`FailurePolicy::FailOpen`](crate::FailurePolicy::FailOpen).
//!
//! Sinks and hooks get an entry only after the store has accepted it, on the thread that wrote it. A panic
//! of one of them is caught and counted.

mod queue;
pub(crate) mod receipt;
pub(crate) mod slot;
mod spool;
pub(crate) mod ticket;
pub(crate) mod writer;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use self::receipt::{Receipt, Receipts};
use self::spool::{Admission, Spool, is_hopeless};
use crate::critical::log_or_print_once;
use crate::entry::LogEntry;
use crate::error::{Result, StoreError};
use crate::sink::Sink;
use crate::store::Store;

/// A hook that is called with the result of writing an entry.
pub(crate) type AfterHook = Box<dyn Fn(&LogEntry, &Result<Receipt>) + Send + Sync>;

/// Sets the reaction to an entry that the store does not accept. See
/// [`AuditLogBuilder::on_error`](crate::AuditLogBuilder::on_error).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// Returns the error to the caller. Choose it where nothing may happen unrecorded.
    #[default]
    FailClosed,
    /// Keeps the entry in a bounded spool in memory until the store recovers, writes a `CRITICAL`
    /// line to the log, and counts it in [`LogStats`]. If the spool is full, the entry goes to the
    /// log output in full. The store keeps no entry twice, even if it had kept it without
    /// confirming it.
    ///
    /// After a failure entries are spooled without asking the store, for 100 ms at first and 10 s
    /// at most. The next caller that records drains the spool in order;
    /// [`flush`](crate::AuditLog::flush) drains it at any time.
    FailOpen,
}

impl FailurePolicy {
    const fn description(self) -> &'static str {
        match self {
            Self::FailClosed => "if a write fails, the caller gets the error",
            Self::FailOpen => "if a write fails, entries are buffered in memory",
        }
    }
}

/// The counters of a log since it was built. See [`AuditLog::stats`](crate::AuditLog::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Entries that the store has accepted.
    pub recorded: u64,
    /// Entries that the store did not confirm at first.
    pub failed: u64,
    /// Entries that wait in the spool at present.
    pub spooled: u64,
    /// Entries that the log no longer tries to write and that went to the log output: the store never
    /// confirmed them, or their task was cancelled while the queue of [`submit`](crate::Draft::submit) was
    /// full.
    pub lost: u64,
    /// Entries that a sink rejected, and `after` hooks that panicked.
    pub sink_failures: u64,
    /// [`Tracked`](crate::Tracked) objects and [`Unit`](crate::Unit)s that were dropped with
    /// unrecorded changes.
    pub unrecorded: u64,
    /// Drafts of types that are not registered, without those of [`unregister`](crate::unregister): they
    /// recorded nothing.
    pub unregistered: u64,
}

/// The outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Stored,
    Spooled,
    Lost,
}

impl Written {
    /// Returns whether the entries are in the store or will be.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Stored | Self::Spooled)
    }

    pub(crate) fn receipt(self, id: Uuid) -> Receipt {
        match self {
            Self::Stored => Receipt::Recorded(id),
            Self::Spooled => Receipt::Spooled(id),
            Self::Lost => Receipt::Lost(id),
        }
    }

    /// Returns the receipts of recorded entries that are kept so.
    pub(crate) fn receipts<R: Receipts>(self, recorded: R) -> R {
        recorded.map_recorded(&|id| self.receipt(id))
    }
}

pub(crate) struct Pipeline {
    pub(crate) store: Arc<dyn Store>,
    sinks: Vec<Arc<dyn Sink>>,
    after: Vec<AfterHook>,
    policy: FailurePolicy,
    spool: Spool,
    last_unrecorded: Mutex<VecDeque<String>>,
    counts: Counts,
}

/// The number of objects with unrecorded changes that are remembered, for tests to name them.
const UNRECORDED: usize = 16;

#[derive(Debug, Default)]
struct Counts {
    recorded: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    sink_failures: AtomicU64,
    unrecorded: AtomicU64,
    unregistered: AtomicU64,
}

impl Pipeline {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        sinks: Vec<Arc<dyn Sink>>,
        after: Vec<AfterHook>,
        policy: FailurePolicy,
        spool: usize,
    ) -> Self {
        Self {
            store,
            sinks,
            after,
            policy,
            spool: Spool::new(spool),
            last_unrecorded: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Describes the store and the policy in one line.
    pub(crate) fn description(&self) -> String {
        let store = self.store.description();
        format!("{store}; {}", self.policy.description())
    }

    /// Writes entries under the log's policy.
    pub(crate) fn write(&self, entries: &[LogEntry]) -> Result<Written> {
        self.attempt(entries)
            .or_else(|error| self.refuse_one(entries, &error))
    }

    /// Writes entries, and reports only by the error that the store does not take them.
    ///
    /// Under [`FailurePolicy::FailOpen`] a store that is known to fail is not asked: the
    /// entries wait for it.
    pub(crate) fn attempt(&self, entries: &[LogEntry]) -> Result<Written, StoreError> {
        if self.policy == FailurePolicy::FailOpen {
            match self.spool.admit(entries) {
                Admission::Write => {}
                Admission::Drain => self.drain()?,
                Admission::Full(error) => return Err(error),
                Admission::Spooled(waiting, error) => {
                    add(&self.counts.failed, entries.len());
                    warn_of_waiting(waiting, &error);
                    self.notify_hooks(entries, Written::Spooled);
                    return Ok(Written::Spooled);
                }
            }
        }
        self.append(entries)?;
        self.announce(entries);
        Ok(Written::Stored)
    }

    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        guarded(|| self.store.append(entries))
    }

    fn refuse_one(&self, entries: &[LogEntry], error: &StoreError) -> Result<Written> {
        let refused = self.refuse(&[entries], error);
        let none = || Err(error.clone().into());
        refused.into_iter().next().unwrap_or_else(none)
    }

    /// Handles what the store did not take under the log's policy, and returns the result of each
    /// part.
    pub(crate) fn refuse(&self, parts: &[&[LogEntry]], error: &StoreError) -> Vec<Result<Written>> {
        add(
            &self.counts.failed,
            parts.iter().map(|part| part.len()).sum(),
        );
        if self.policy != FailurePolicy::FailOpen {
            let refuse = |part: &&[LogEntry]| {
                for entry in *part {
                    self.after(entry, &Err(error.clone().into()));
                }
                Err(error.clone().into())
            };
            return parts.iter().map(refuse).collect();
        }
        let (kept, waiting) = if is_hopeless(error) {
            (vec![false; parts.len()], 0)
        } else {
            self.spool.keep(parts, error)
        };
        // Nothing is logged under a lock: a logger may record entries itself.
        if kept.contains(&true) {
            warn_of_waiting(waiting, error);
        }
        let keep = |(part, kept): (&&[LogEntry], bool)| {
            let kept = if kept {
                Written::Spooled
            } else {
                self.give_up(part, &error.to_string());
                Written::Lost
            };
            self.notify_hooks(part, kept);
            Ok(kept)
        };
        parts.iter().zip(kept).map(keep).collect()
    }

    /// Notifies hooks of entries that the store does not have.
    fn notify_hooks(&self, entries: &[LogEntry], kept: Written) {
        for entry in entries {
            self.after(entry, &Ok(kept.receipt(entry.id)));
        }
    }

    /// Notifies sinks and hooks of entries that the store has.
    fn announce(&self, entries: &[LogEntry]) {
        add(&self.counts.recorded, entries.len());
        for entry in entries {
            for sink in &self.sinks {
                static PRINTED: AtomicBool = AtomicBool::new(false);
                let emitted = catch_unwind(AssertUnwindSafe(|| sink.emit(entry)));
                let error = match emitted {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "it panicked".to_owned(),
                };
                add(&self.counts.sink_failures, 1);
                let message = format!("a sink failed for the stored entry {}: {error}", entry.id);
                log_or_print_once(&PRINTED, log::Level::Error, &message);
            }
            if !self.after.is_empty() {
                self.after(entry, &Ok(Receipt::Recorded(entry.id)));
            }
        }
    }

    fn after(&self, entry: &LogEntry, result: &Result<Receipt>) {
        for hook in &self.after {
            static PRINTED: AtomicBool = AtomicBool::new(false);
            // A hook changes no result, and other hooks are still to be called.
            if catch_unwind(AssertUnwindSafe(|| hook(entry, result))).is_err() {
                add(&self.counts.sink_failures, 1);
                let message = format!("an `after` hook panicked at entry {}", entry.id);
                log_or_print_once(&PRINTED, log::Level::Error, &message);
            }
        }
    }

    /// Writes what waits for the store, in order.
    fn retry(&self) -> Result<(), StoreError> {
        if self.spool.wait_to_drain()? {
            self.drain()?;
        }
        Ok(())
    }

    fn drain(&self) -> Result<(), StoreError> {
        let drained = self.spool.drain(|entries| self.append(entries));
        // The drain has ended before sinks and hooks run, which may record entries too.
        self.announce(&drained.written);
        for (entry, error) in drained.lost {
            self.give_up(slice::from_ref(&entry), &error.to_string());
        }
        drained.failure.map_or(Ok(()), Err)
    }

    /// Writes entries to the log output, in full.
    fn give_up(&self, entries: &[LogEntry], why: &str) {
        add(&self.counts.lost, entries.len());
        for entry in entries {
            crate::critical!(
                target: "auditlog",
                "an audit entry may be lost, as the store did not confirm it and it is no longer buffered ({why}): {}",
                // One without a canonical form is written in another one.
                entry.to_canonical_json().unwrap_or_else(|error| format!("{entry:?} ({error})"))
            );
        }
    }

    /// Reports entries whose tasks were cancelled before the writer had them.
    pub(crate) fn abandon(&self, entries: &[LogEntry]) {
        self.give_up(entries, "its task was cancelled while the queue was full");
        self.notify_hooks(entries, Written::Lost);
    }

    pub(crate) fn flush(&self) -> Result<()> {
        self.retry()?;
        guarded(|| self.store.flush())?;
        for sink in &self.sinks {
            if let Err(error) = sink.flush() {
                static PRINTED: AtomicBool = AtomicBool::new(false);
                let message = format!("a sink could not be flushed: {error}");
                log_or_print_once(&PRINTED, log::Level::Error, &message);
            }
        }
        Ok(())
    }

    /// Tries a last time to write what waits, and gives up what cannot be written.
    pub(crate) fn close(&self) {
        if let Err(error) = self.retry() {
            self.give_up(&self.spool.clear(), &error.to_string());
        }
    }

    /// Counts a draft of a type that is not registered.
    pub(crate) fn note_unregistered(&self) {
        add(&self.counts.unregistered, 1);
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
            spooled: self.spool.len() as u64,
            lost: get(&self.counts.lost),
            sink_failures: get(&self.counts.sink_failures),
            unrecorded: get(&self.counts.unrecorded),
            unregistered: get(&self.counts.unregistered),
        }
    }
}

/// Makes an error of a panic of the store. The entries may be kept or not.
fn guarded(run: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let error = StoreError::backend("the store", "it panicked");
        Err(error.unconfirmed("the store"))
    })
}

fn warn_of_waiting(waiting: usize, error: &StoreError) {
    crate::critical!(
        target: "auditlog",
        "the audit store failed, and {waiting} entries are buffered in memory until it works again: {error}"
    );
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
