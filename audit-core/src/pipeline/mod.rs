//! The way of an entry: to the store, then to the sinks and hooks.

pub(crate) mod queue;
pub(crate) mod receipt;
mod slot;
pub(crate) mod spool;
pub(crate) mod ticket;
pub(crate) mod writer;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use self::receipt::Receipt;
use self::spool::{Pass, Spool, Turn};
use crate::critical::log_or_print_once;
use crate::entry::LogEntry;
use crate::error::{Result, StoreError};
use crate::sink::Sink;
use crate::store::Store;

/// What hears how the writing of an entry ended.
pub(crate) type AfterHook = Box<dyn Fn(&LogEntry, &Result<Receipt>) + Send + Sync>;

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
    ///
    /// After a failure what is recorded waits without the store being asked, for 100 ms at
    /// first and 10 seconds at most. The first to record something after that writes what waits;
    /// so does [`flush`](crate::AuditLog::flush), at any time.
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
    /// Drafts of types that are not registered, without those that were unregistered on purpose:
    /// nothing was recorded of them.
    pub unregistered: u64,
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
    spool: Spool,
    last_unrecorded: Mutex<VecDeque<String>>,
    counts: Counts,
}

/// How many objects with unrecorded changes are remembered, for tests to name them.
const UNRECORDED: usize = 16;

/// How many entries in a row the store may not take before it is the store that fails.
const ODD: usize = 8;

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
        room: usize,
    ) -> Self {
        Self {
            store,
            sinks,
            after,
            policy,
            spool: Spool::new(room),
            last_unrecorded: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Writes entries under the log's policy.
    pub(crate) fn write(&self, entries: &[LogEntry]) -> Result<Kept> {
        self.attempt(entries)
            .or_else(|error| self.refuse_one(entries, &error))
    }

    /// Writes entries; if the store does not take them, nothing but the error tells.
    ///
    /// Under [`FailurePolicy::FailOpen`] a store that is known to fail is not asked: the
    /// entries wait for it.
    pub(crate) fn attempt(&self, entries: &[LogEntry]) -> Result<Kept, StoreError> {
        if self.policy == FailurePolicy::FailOpen {
            match self.spool.pass(entries) {
                Pass::Free => {}
                Pass::Turn(turn) => self.drain(turn)?,
                Pass::Full(error) => return Err(error),
                Pass::Spooled(waiting, error) => {
                    add(&self.counts.failed, entries.len());
                    warn_of_waiting(waiting, &error);
                    self.tell(entries, Kept::Spooled);
                    return Ok(Kept::Spooled);
                }
            }
        }
        self.append(entries)?;
        self.announce(entries);
        Ok(Kept::Stored)
    }

    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        guarded(|| self.store.append(entries))
    }

    fn refuse_one(&self, entries: &[LogEntry], error: &StoreError) -> Result<Kept> {
        let refused = self.refuse(&[entries], error);
        let none = || Err(error.clone().into());
        refused.into_iter().next().unwrap_or_else(none)
    }

    /// Says for each part of what the store did not take what becomes of it under the log's
    /// policy.
    pub(crate) fn refuse(&self, parts: &[&[LogEntry]], error: &StoreError) -> Vec<Result<Kept>> {
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
                Kept::Spooled
            } else {
                self.lose(part, &error.to_string());
                Kept::Lost
            };
            self.tell(part, kept);
            Ok(kept)
        };
        parts.iter().zip(kept).map(keep).collect()
    }

    /// Tells hooks of entries that the store does not have.
    fn tell(&self, entries: &[LogEntry], kept: Kept) {
        for entry in entries {
            self.after(entry, &Ok(kept.receipt(entry.id)));
        }
    }

    /// Tells everybody that the store has the entries.
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
                let message = format!(
                    "a sink did not take entry {}, which the store has: {error}",
                    entry.id
                );
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
            // Whatever it does, the entry is as it is, and others wait to hear of it.
            if catch_unwind(AssertUnwindSafe(|| hook(entry, result))).is_err() {
                add(&self.counts.sink_failures, 1);
                let message = format!("an `after` hook panicked at entry {}", entry.id);
                log_or_print_once(&PRINTED, log::Level::Error, &message);
            }
        }
    }

    /// Writes what waits for the store, in order.
    fn retry(&self) -> Result<(), StoreError> {
        match self.spool.turn()? {
            Some(turn) => self.drain(turn),
            None => Ok(()),
        }
    }

    fn drain(&self, mut turn: Turn<'_>) -> Result<(), StoreError> {
        let mut written = Vec::new();
        let mut lost = Vec::new();
        let outcome = loop {
            let Some(entries) = turn.take() else {
                break Ok(());
            };
            let all = entries.len();
            match self.append(entries) {
                Ok(()) => {
                    turn.works();
                    written.extend(turn.remove(0..all));
                }
                // One of them may never be taken: it must not keep the others waiting.
                Err(error) if is_hopeless(&error) || error.may_concern_entries() => {
                    if let Err(error) = self.drain_each(&mut turn, &mut written, &mut lost) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = &outcome {
            turn.fail(error);
        }
        // The turn is over before anybody is told, who may record entries too.
        self.announce(&written);
        for (entry, error) in lost {
            self.lose(std::slice::from_ref(&entry), &error.to_string());
        }
        outcome
    }

    /// Writes one entry after the other of those that a turn has taken. What the store does not
    /// take is lost if it takes what comes after it.
    fn drain_each(
        &self,
        turn: &mut Turn<'_>,
        written: &mut Vec<LogEntry>,
        lost: &mut Vec<(LogEntry, StoreError)>,
    ) -> Result<(), StoreError> {
        // Of the entries at the front, which were passed over.
        let mut odd = Vec::new();
        while let Some(entry) = turn.entry(odd.len()) {
            let at = odd.len();
            match self.append(std::slice::from_ref(entry)) {
                Ok(()) => {
                    turn.works();
                    written.extend(turn.remove(at..at + 1));
                    lost.extend(turn.remove(0..at).zip(odd.drain(..)));
                }
                Err(error) if is_hopeless(&error) => {
                    lost.extend(turn.remove(at..at + 1).map(|entry| (entry, error.clone())));
                }
                Err(error) if error.may_concern_entries() && at + 1 < ODD => odd.push(error),
                Err(error) => return Err(error),
            }
        }
        odd.pop().map_or(Ok(()), Err)
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
        self.tell(entries, Kept::Lost);
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

    /// Tries a last time to write what waits, and gives up what cannot be.
    pub(crate) fn give_up(&self) {
        if let Err(error) = self.retry() {
            self.lose(&self.spool.clear(), &error.to_string());
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
        "the audit store failed; {waiting} entries wait for it: {error}"
    );
}

/// Whether the store will never take the entry, however often it is tried.
fn is_hopeless(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unsupported { .. } | StoreError::NoStore | StoreError::Closed
    ) || error.concerns_entries()
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
