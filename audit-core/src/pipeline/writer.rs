//! The thread behind `submit`, which writes submissions in batches of about 512 entries.
//!
//! The thread starts with the first submission and ends with the log. A batch is one call of
//! [`Store::append`](crate::Store::append). If the store rejects it because of a single entry, each
//! submission of it is written alone, so that an invalid entry fails no other caller. If the store itself
//! failed, all submissions of the batch get that error at once.
//!
//! A panic of the store completes the batch with an unconfirmed error; no ticket waits forever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use super::queue::{Queue, Submission};
use super::receipt::Receipts;
use super::slot::Slot;
use super::ticket::Ticket;
use super::{Pipeline, Written};
use crate::critical::log_or_print;
use crate::entry::LogEntry;
use crate::error::{Result, StoreError};

/// The maximum number of entries in a batch, unless one submission has more.
const BATCH: usize = 512;

/// A thread that writes entries in batches, in the order in which they were submitted.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    id: ThreadId,
    /// `None` once the thread has ended and was joined.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread with a queue of the given capacity in submissions.
    pub(crate) fn start(pipeline: Arc<Pipeline>, capacity: usize) -> Result<Self> {
        let queue = Arc::new(Queue::new(Arc::clone(&pipeline), capacity));
        let own = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("auditlog-writer".to_owned())
            .spawn(move || {
                while let Some(submissions) = own.take(BATCH) {
                    write(&pipeline, submissions);
                }
            })
            .map_err(|error| StoreError::Io {
                location: "the writer thread".to_owned(),
                source: Arc::new(error),
            })?;
        Ok(Self {
            queue,
            id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Returns whether this is the writer thread, as in a sink or a hook: it cannot wait for
    /// itself.
    pub(crate) fn is_current(&self) -> bool {
        self.id == thread::current().id()
    }

    /// Submits entries, with the receipts if the store keeps them. Without entries, the ticket is
    /// completed when all submissions before it are. On the writer thread, which cannot wait for
    /// capacity in its own queue, the entries are written at once.
    pub(crate) fn submit<R: Receipts>(&self, entries: Vec<LogEntry>, receipts: R) -> Ticket<R> {
        let slot = Arc::new(Slot::default());
        if self.is_current() {
            slot.complete(self.queue.write(&entries));
            return Ticket::submitted(slot, receipts, None);
        }
        let full = self.queue.push(Submission {
            entries,
            slot: Arc::clone(&slot),
        });
        let full = full.map(|number| (Arc::downgrade(&self.queue), number));
        Ticket::submitted(slot, receipts, full)
    }

    /// Closes the queue, and returns when its submissions are completed, to each caller. On the
    /// writer thread it returns at once.
    pub(crate) fn stop(&self) {
        self.queue.close();
        if self.is_current() {
            return;
        }
        // Held meanwhile, so that another caller waits as long.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            log_or_print(log::Level::Error, "the audit writer thread panicked");
        }
    }
}

fn write(pipeline: &Pipeline, mut submissions: Vec<Submission>) {
    let mut entries = Vec::new();
    let mut parts = Vec::new();
    for submission in &mut submissions {
        let first = entries.len();
        entries.append(&mut submission.entries);
        parts.push((&*submission.slot, first..entries.len()));
    }
    let parts: Vec<Part<'_>> = parts
        .into_iter()
        .map(|(slot, range)| (slot, &entries[range]))
        .collect();
    let written = catch_unwind(AssertUnwindSafe(|| write_parts(pipeline, &entries, &parts)));
    if written.is_err() {
        // Those that were completed before keep their result; no ticket waits forever.
        let error = StoreError::backend("the store", "it panicked").unconfirmed("the store");
        complete(&parts, &Err(error));
    }
}

/// The slot of a submission, and its entries in the batch.
type Part<'b> = (&'b Slot, &'b [LogEntry]);

/// Writes a batch. If one entry may be why the store does not take it, each part is tried alone,
/// so that a bad entry fails no other submission. Any other failure concerns all parts: to try
/// each alone would take as many times as long, and fail as well.
fn write_parts(pipeline: &Pipeline, entries: &[LogEntry], parts: &[Part<'_>]) {
    let (barriers, parts): (Vec<Part<'_>>, Vec<Part<'_>>) =
        parts.iter().partition(|(_, part)| part.is_empty());
    match &parts[..] {
        [] => {}
        [(slot, part)] => slot.complete(pipeline.write(part)),
        _ => match pipeline.attempt(entries) {
            Ok(kept) => complete(&parts, &Ok(kept)),
            Err(error) if error.may_concern_entries() => write_each(pipeline, &parts),
            Err(error) => refuse(pipeline, &parts, &error),
        },
    }
    complete(&barriers, &Ok(Written::Stored));
}

/// Writes each part alone, until the store fails.
fn write_each(pipeline: &Pipeline, parts: &[Part<'_>]) {
    for (at, (slot, part)) in parts.iter().enumerate() {
        match pipeline.attempt(part) {
            Ok(kept) => slot.complete(Ok(kept)),
            // The next ones are certainly not kept.
            Err(error)
                if error.may_concern_entries()
                    || matches!(error, StoreError::Unconfirmed { .. }) =>
            {
                refuse(pipeline, &parts[at..=at], &error);
            }
            Err(error) => return refuse(pipeline, &parts[at..], &error),
        }
    }
}

fn refuse(pipeline: &Pipeline, parts: &[Part<'_>], error: &StoreError) {
    let entries: Vec<_> = parts.iter().map(|(_, part)| *part).collect();
    for ((slot, _), refused) in parts.iter().zip(pipeline.refuse(&entries, error)) {
        slot.complete(refused);
    }
}

fn complete(parts: &[Part<'_>], result: &Result<Written, StoreError>) {
    for (slot, _) in parts {
        slot.complete(result.clone().map_err(Into::into));
    }
}
